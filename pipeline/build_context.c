/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/build_context.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "pipeline/dockerignore.h"
#include "pipeline/show.h"
#include "store/scan.h"

#define IGNORE_FILE ".dockerignore"
#define BIGGEST     5
#define GIB         (1ull << 30)
#define MANY_LINKS  4096 /* bytes of a symlink's target */

char *build_context_path(const struct build_context *c, const char *path)
{
	return strcmp(c->dir, ".") ? path_join(c->dir, path) : xstrdup(path);
}

static int help_ignore(const struct build_context *c, const char *what, struct error *err)
{
	CLEANUP(cleanup_free) char *file = build_context_path(c, IGNORE_FILE);

	return error_help(err, "%s %s", what, file);
}

/* ---- listing ---- */

struct listing {
	struct build_context *context;
	int dirfd;
	struct error *err;
};

static int list_dir(struct listing *l, const char *dir);

/* Of the project's root: what git and mlops write there, a run after the image was looked at. */
static bool is_ours(const struct build_context *context, const char *path)
{
	static const char *const names[] = { ".git", ".gitattributes", ".gitignore", ".mlops", "mlops.lock" };

	for (size_t i = 0; !strcmp(context->dir, ".") && i < ARRAY_LEN(names); i++)
		if (!strcmp(path, names[i]))
			return true;
	return false;
}

static struct context_entry *add_entry(struct listing *l, const char *path)
{
	struct build_context *c = l->context;

	if (c->len == CONTEXT_MAX_FILES) {
		error_set(l->err, ERR_USAGE, "%s holds more than %u files", c->dir, CONTEXT_MAX_FILES);
		help_ignore(c, "name what the image does not need in", l->err);
		return NULL;
	}
	GROW(c->entries, c->len, c->cap);
	c->entries[c->len] = (struct context_entry){ .path = xstrdup(path) };
	return &c->entries[c->len++];
}

static int add_file(struct listing *l, const char *path, const struct stat *st)
{
	struct context_entry *entry = add_entry(l, path);

	if (!entry)
		return -1;
	entry->exec = st->st_mode & S_IXUSR;
	entry->size = (uint64_t)st->st_size;
	l->context->bytes += entry->size;
	return 0;
}

static int add_link(struct listing *l, const char *path)
{
	char target[MANY_LINKS + 1];
	ssize_t len = readlinkat(l->dirfd, path, target, sizeof(target) - 1);
	struct context_entry *entry;
	struct digest object;
	struct stat st;

	if (len < 0)
		return error_sys(l->err, errno, "cannot read %s in %s", SHOW(path), l->context->dir);
	target[len] = '\0';
	if (scan_is_object_target(target, &object) && fstatat(l->dirfd, path, &st, 0) == 0 && S_ISREG(st.st_mode))
		return add_file(l, path, &st);
	entry = add_entry(l, path);
	if (!entry)
		return -1;
	entry->target = xstrdup(target);
	return 0;
}

static int add_odd(const struct listing *l, const char *path, mode_t mode)
{
	CLEANUP(cleanup_free) char *full = build_context_path(l->context, path);

	error_set(l->err, ERR_USAGE, "%s is a %s: an image is built from files and directories", SHOW(full),
		  fs_kind_name(mode));
	return help_ignore(l->context, "remove it, or name it in", l->err);
}

static int list_path(struct listing *l, const char *path)
{
	const struct dockerignore *rules = l->context->rules;
	bool out = dockerignore_match(rules, path);
	struct stat st;

	if (is_ours(l->context, path))
		return 0;
	if (out && !dockerignore_may_return(rules, path))
		return 0;
	if (fstatat(l->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(l->err, errno, "cannot look at %s in %s", SHOW(path), l->context->dir);
	if (S_ISDIR(st.st_mode))
		return list_dir(l, path);
	if (out)
		return 0;
	if (S_ISREG(st.st_mode))
		return add_file(l, path, &st);
	return S_ISLNK(st.st_mode) ? add_link(l, path) : add_odd(l, path, st.st_mode);
}

static int list_dir(struct listing *l, const char *dir)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;

	if (fs_list_dir(l->dirfd, *dir ? dir : ".", &names, l->err) < 0)
		return error_wrap(l->err, "context %s", l->context->dir);
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *path = *dir ? path_join(dir, names.items[i]) : xstrdup(names.items[i]);

		if (list_path(l, path) < 0)
			return -1;
	}
	return 0;
}

static int read_rules(struct build_context *c, int dirfd, struct error *err)
{
	CLEANUP(cleanup_free) char *name = build_context_path(c, IGNORE_FILE);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_fd) int fd = openat(dirfd, IGNORE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot read %s", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_USAGE, "%s is a %s", name, fs_kind_name(st.st_mode));
	if (io_read_fd(fd, name, DOCKERIGNORE_MAX_BYTES, &text, err) < 0 ||
	    dockerignore_parse(text.buf, text.len, name, &c->rules, err) < 0)
		return -1;
	c->ignore = strbuf_detach(&text);
	c->ignore_exec = st.st_mode & S_IXUSR;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct context_entry *)a)->path, ((const struct context_entry *)b)->path);
}

/* ---- too much ---- */

struct part {
	const char *name;
	uint64_t bytes;
	bool dir;
};

static int by_bytes(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->name, y->name);
}

/* Of what lies directly in the context, a directory with all that is below it. */
static size_t sum_up(const struct build_context *c, struct strmap *sums, struct part *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < c->len; i++) {
		const char *path = c->entries[i].path;
		size_t first = strcspn(path, "/");
		CLEANUP(cleanup_free) char *name = xstrndup(path, first);
		struct part *part = strmap_get(sums, name);

		if (!part) {
			part = &ret[n++];
			strmap_set(sums, name, part);
			part->name = sums->entries[sums->len - 1].key;
			part->dir = path[first];
		}
		part->bytes += c->entries[i].size;
	}
	return n;
}

static int too_much(const struct build_context *c, struct error *err)
{
	CLEANUP(cleanup_free) struct part *parts = xcalloc(c->len, sizeof(*parts));
	struct strmap sums = STRMAP_INIT;
	CLEANUP_STRBUF struct strbuf names = STRBUF_INIT;
	size_t n = sum_up(c, &sums, parts);

	qsort(parts, n, sizeof(*parts), by_bytes);
	for (size_t i = 0; i < n && i < BIGGEST && (!i || parts[i].bytes >= GIB / 10); i++)
		strbuf_printf(&names, "%s%s%s (%.1f GiB)", i ? ", " : "", SHOW(parts[i].name), parts[i].dir ? "/" : "",
			      (double)parts[i].bytes / GIB);
	strmap_release(&sums);
	error_set(err, ERR_USAGE, "the context %s has %.1f GiB, more than 2 GiB; the biggest: %s", c->dir,
		  (double)c->bytes / GIB, names.buf);
	return help_ignore(c, "choose a smaller context=, or name what the image does not need in", err);
}

int build_context_list(int rootfd, const char *dir, struct build_context *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int dirfd = fs_open_beneath(rootfd, dir, O_RDONLY | O_DIRECTORY, 0, err);
	CLEANUP(build_context_release) struct build_context c = { .dir = xstrdup(dir), .rootfd = rootfd };
	struct listing listing = { &c, dirfd, err };

	if (dirfd < 0)
		return error_help(err, "name the directory with its Dockerfile: context = docker");
	if (read_rules(&c, dirfd, err) < 0 || list_dir(&listing, "") < 0)
		return -1;
	if (c.bytes > CONTEXT_MAX_BYTES)
		return too_much(&c, err);
	if (c.len)
		qsort(c.entries, c.len, sizeof(*c.entries), by_path);
	*ret = c;
	c = (struct build_context){ 0 };
	return 0;
}

void build_context_release(struct build_context *c)
{
	for (size_t i = 0; i < c->len; i++) {
		free(c->entries[i].path);
		free(c->entries[i].target);
	}
	free(c->entries);
	free(c->dir);
	free(c->ignore);
	dockerignore_free(c->rules);
	*c = (struct build_context){ 0 };
}

/* ---- the digest ---- */

/* "file HEX PATH", "exec HEX PATH", "link TARGET", PATH on a line of its own: no two contexts have one form. */
static int add_to_form(const struct scanner *scanner, const struct build_context *c, struct context_entry *entry,
		       struct strbuf *form, struct error *err)
{
	CLEANUP(cleanup_free) char *path = build_context_path(c, entry->path);
	struct content content;
	char hex[DIGEST_HEX + 1];

	strbuf_clear(form);
	if (entry->target) {
		strbuf_puts(form, "link ");
		show_escape(form, entry->target);
		strbuf_putc(form, '\n');
	} else {
		if (scan_path(scanner, path, &content, NULL, err) < 0)
			return -1;
		if (content.kind != CONTENT_FILE && content.kind != CONTENT_EXEC)
			return error_set(err, ERR_CONFLICT, "%s was changed while the context was read", path);
		entry->id = content.id;
		entry->size = content.size;
		entry->exec = content.kind == CONTENT_EXEC;
		strbuf_printf(form, "%s %s\n", entry->exec ? "exec" : "file", digest_format(&content.id, hex));
	}
	show_escape(form, entry->path);
	strbuf_putc(form, '\n');
	return 0;
}

int build_context_digest(const struct scanner *scanner, struct build_context *c, struct digest *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf form = STRBUF_INIT;
	struct hasher hasher;
	int r = 0;

	hasher_init(&hasher);
	for (size_t i = 0; r == 0 && i < c->len; i++) {
		r = add_to_form(scanner, c, &c->entries[i], &form, err);
		hasher_update(&hasher, form.buf, form.len);
	}
	if (r == 0)
		hasher_final(&hasher, ret);
	hasher_release(&hasher);
	return r;
}
