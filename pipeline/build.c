/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/build.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/dockerignore.h"
#include "pipeline/expand.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/show.h"
#include "registry/lockfile.h"
#include "runners/docker_engine.h"
#include "store/scan.h"

#define PUSHED_TAG    ":mlops-"
#define PUSHED_DIGITS 32

static int at(const struct plan *plan, struct place place, struct error *err)
{
	return error_where(err, plan->pipeline->file, place.line, place.column);
}

/* ---- what it is made of ---- */

static int expand_args(const struct plan *plan, struct build *b, struct error *err)
{
	const struct textlist *args = &b->section->args;
	const struct expand_scope scope = { .params = plan->pipeline->params, .step = b->section->name };

	for (size_t i = 0; i < args->len; i++) {
		char *text;

		if (expand_text(&scope, args->items[i].text, &text, err) < 0)
			return at(plan, args->items[i].at, err);
		strlist_push_owned(&b->args, text);
		if (!strstr(text, "${run.id}"))
			continue;
		error_set(err, ERR_USAGE, "${run.id} in args= would make another image each run");
		return at(plan, args->items[i].at, err);
	}
	strlist_sort(&b->args);
	return 0;
}

static int read_dockerfile(const struct plan *plan, int rootfd, struct build *b, struct error *err)
{
	const struct text_at *file = &b->section->file;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_fd) int fd = -1;

	if (file->text ? path_clean("", file->text, &b->file, err) < 0 : 0)
		return at(plan, file->at, err);
	if (!b->file)
		b->file = build_context_path(&b->context, "Dockerfile");
	fd = fs_open_beneath(rootfd, b->file, O_RDONLY | O_NONBLOCK, 0, err);
	if (fd < 0) {
		if (err && err->code == ERR_NOT_FOUND)
			error_help(err, "write %s, or name the file: file = PATH", b->file);
		return at(plan, file->text ? file->at : b->section->at, err);
	}
	if (io_read_fd(fd, b->file, DOCKERFILE_MAX_BYTES, &text, err) < 0)
		return -1;
	digest_of(text.buf, text.len, &b->dockerfile_id);
	return dockerfile_parse(text.buf, text.len, b->file, &b->args, &b->dockerfile, err);
}

/* Whether the path, below the context, would be sent if it was there. */
static bool would_be_sent(const struct build *b, const char *path)
{
	const char *dir = b->context.dir;

	if (!path_contains(dir, path))
		return false;
	if (strcmp(dir, ".") != 0)
		path += strlen(dir) + (path[strlen(dir)] == '/');
	return *path && !dockerignore_match(b->context.rules, path);
}

static int check_outputs(const struct plan *plan, const struct build *b, struct error *err)
{
	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];

		for (size_t k = 0; k < node->noutputs; k++) {
			const char *path = node->outputs[k].path;

			if (!would_be_sent(b, path))
				continue;
			error_set(err, ERR_USAGE, "the context %s holds %s, an output of step %s: the image would be another one "
						  "after each run", b->context.dir, path, node->name);
			error_help(err, "name it in the .dockerignore of %s, or choose a directory that holds only what the "
					"image needs", b->context.dir);
			return at(plan, b->section->context.at, err);
		}
	}
	return 0;
}

int build_make(const struct scanner *scanner, const struct plan *plan, const struct image_section *section,
	       struct build **ret, struct error *err)
{
	struct build *b = xcalloc(1, sizeof(*b));
	CLEANUP(cleanup_free) char *dir = NULL;
	/* The rules of .mlopsignore are not Docker's. */
	struct scanner plain = { .rootfd = scanner->rootfd, .cache = scanner->cache, .store = scanner->store };

	b->section = section;
	if (path_clean("", section->context.text, &dir, err) < 0 ||
	    build_context_list(scanner->rootfd, dir, &b->context, err) < 0) {
		if (err && !*err->where)
			at(plan, section->context.at, err);
	} else if (expand_args(plan, b, err) == 0 && read_dockerfile(plan, scanner->rootfd, b, err) == 0 &&
		   check_outputs(plan, b, err) == 0 &&
		   build_context_digest(&plain, &b->context, &b->context_id, err) == 0) {
		*ret = b;
		return 0;
	}
	build_free(b);
	return error_wrap(err, "image %s", section->name);
}

void build_free(struct build *b)
{
	if (!b)
		return;
	build_context_release(&b->context);
	dockerfile_free(b->dockerfile);
	strlist_release(&b->args);
	free(b->file);
	free(b);
}

/* ---- the key ---- */

const char *build_base_pin(const struct lockfile *lock, const char *base)
{
	const struct lock_entry *entry;

	if (docker_ref_is_pinned(base))
		return base;
	entry = lockfile_find(lock, LOCKED_IMAGE, base);
	return entry && docker_ref_is_pinned(entry->value) ? entry->value : NULL;
}

static void add_line(struct strbuf *form, const char *name, const char *value)
{
	strbuf_puts(form, name);
	strbuf_putc(form, ' ');
	show_escape(form, value);
	strbuf_putc(form, '\n');
}

/* The digest alone: where a base was pulled from changes nothing. */
static void add_base(struct strbuf *form, const char *name, const char *pin)
{
	const char *digest = strchr(pin, '@');

	strbuf_printf(form, "base %s ", digest ? digest + 1 : pin);
	show_escape(form, name);
	strbuf_putc(form, '\n');
}

bool build_key(const struct build *b, const struct lockfile *lock, const char *platform, struct digest *ret)
{
	const struct strlist *bases = dockerfile_bases(b->dockerfile);
	CLEANUP_STRBUF struct strbuf form = STRBUF_INIT;
	char hex[DIGEST_HEX + 1];

	strbuf_puts(&form, "mlops image key 1\n");
	add_line(&form, "platform", platform);
	add_line(&form, "context", digest_format(&b->context_id, hex));
	add_line(&form, "dockerfile", digest_format(&b->dockerfile_id, hex));
	for (size_t i = 0; i < b->args.len; i++)
		add_line(&form, "arg", b->args.items[i]);
	if (!b->section->network)
		add_line(&form, "network", "no");
	for (size_t i = 0; i < bases->len; i++) {
		const char *pin = build_base_pin(lock, bases->items[i]);

		if (!pin)
			return false;
		add_base(&form, bases->items[i], pin);
	}
	digest_of(form.buf, form.len, ret);
	return true;
}

struct js *build_record(const struct build *b, const struct lockfile *lock)
{
	const struct strlist *names = dockerfile_bases(b->dockerfile);
	struct js *record = js_object(), *args = js_object(), *bases = js_object();
	char hex[DIGEST_HEX + 1];

	js_set_str(record, "context", digest_format(&b->context_id, hex));
	js_set_str(record, "dockerfile", digest_format(&b->dockerfile_id, hex));
	for (size_t i = 0; i < b->args.len; i++) {
		CLEANUP(cleanup_free) char *name = xstrndup(b->args.items[i], strcspn(b->args.items[i], "="));

		js_set_str(args, name, b->args.items[i] + strlen(name) + 1);
	}
	for (size_t i = 0; i < names->len; i++)
		js_set_str(bases, names->items[i], build_base_pin(lock, names->items[i]));
	js_set(record, "args", args);
	js_set(record, "bases", bases);
	js_set_bool(record, "network", b->section->network);
	return record;
}

/* ---- in a registry ---- */

char *build_pushed_name(const struct image_section *section, const struct digest *key)
{
	char hex[DIGEST_HEX + 1];

	return xasprintf("%s" PUSHED_TAG "%.*s", section->push.text, PUSHED_DIGITS, digest_format(key, hex));
}

bool build_is_pushed_name(const struct image_section *section, const char *name)
{
	size_t len = section->push.text ? strlen(section->push.text) : 0;

	return len && !strncmp(name, section->push.text, len) && !strncmp(name + len, PUSHED_TAG, strlen(PUSHED_TAG));
}

void build_forget_pushed(struct lockfile *lock, const struct image_section *section, const char *but)
{
	for (size_t i = lock->len; i-- > 0;) {
		CLEANUP(cleanup_free) char *name = xstrdup(lock->entries[i].name);

		if (lock->entries[i].kind == LOCKED_IMAGE && build_is_pushed_name(section, name) && strcmp(name, but) != 0)
			lockfile_remove(lock, LOCKED_IMAGE, name);
	}
}
