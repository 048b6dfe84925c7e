/* SPDX-License-Identifier: Apache-2.0 */
#include "store/checkout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/checkout_internal.h"
#include "store/scan.h"

#define NAMED_UNKNOWN 3

int checkout_link_parse(const char *word, enum checkout_link *ret, struct error *err)
{
	static const char *const words[] = {
		[CHECKOUT_COPY] = "copy",
		[CHECKOUT_HARDLINK] = "hardlink",
		[CHECKOUT_SYMLINK] = "symlink",
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(word, words[i])) {
			*ret = (enum checkout_link)i;
			return 0;
		}
	return error_set(err, ERR_USAGE,
			 "no way to check out is called %s: use copy, hardlink or symlink", word);
}

const char *checkout_full(const struct checkout_job *job, const char *path, char buf[FULL_PATH])
{
	if (!*path)
		return job->path;
	if (!strcmp(job->path, "."))
		return path;
	snprintf(buf, FULL_PATH, "%s/%s", job->path, path);
	return buf;
}

/* A file as a tree of one entry, "". */
static void add_single(struct tree *tree, const struct content *content)
{
	if (content->kind == CONTENT_FILE || content->kind == CONTENT_EXEC)
		tree_add(tree, "", content->kind == CONTENT_EXEC ? ENTRY_EXEC : ENTRY_FILE,
			 &content->id, content->size, NULL);
}

static int load_want(struct checkout_job *job, const struct content *want, struct error *err)
{
	if (want->kind == CONTENT_TREE)
		return tree_read(job->checkout->store, &want->id, &job->want, err);
	add_single(&job->want, want);
	return 0;
}

static int load_current(struct checkout_job *job, struct content *ret, struct error *err)
{
	struct scanner scanner = *job->checkout->scanner;

	scanner.batch = NULL;
	scanner.store = job->checkout->store;
	scanner.progress = NULL;
	scanner.odd = &job->odd;
	if (scan_path(&scanner, job->path, ret, &job->cur, err) < 0)
		return -1;
	add_single(&job->cur, ret);
	return 0;
}

/* Its bytes are nowhere, and are not to be. */
static bool is_hole(struct checkout_job *job, const struct tree_entry *now)
{
	struct store *store = job->checkout->store;
	struct tombstone stone;

	if (!job->checkout->holes || !job->want_is_tree || now->kind == ENTRY_LINK || store_has(store, &now->id) ||
	    !tombstone_find(store, &now->id, &stone))
		return false;
	if (!job->holes++)
		job->hole = stone;
	return true;
}

static void add_change(void *ctx, const struct tree_entry *old, const struct tree_entry *now)
{
	struct checkout_job *job = ctx;

	if (now && is_hole(job, now)) {
		if (!old)
			return;
		now = NULL;
	}
	GROW(job->changes, job->len, job->cap);
	job->changes[job->len++] = (struct change){ .old = old, .now = now };
	job->writes += now != NULL;
	job->bytes += now ? now->size : 0;
}

static int check_objects(const struct checkout_job *job, struct error *err)
{
	for (size_t i = 0; i < job->len; i++) {
		const struct tree_entry *now = job->changes[i].now;
		char full[FULL_PATH], hex[DIGEST_HEX + 1];
		struct tombstone stone;

		if (!now || now->kind == ENTRY_LINK || store_has(job->checkout->store, &now->id))
			continue;
		if (tombstone_find(job->checkout->store, &now->id, &stone)) {
			error_set(err, ERR_NOT_FOUND, "%s was forgotten on %s: %s", checkout_full(job, now->path, full),
				  stone.date, stone.reason);
			return error_help(err, TOMBSTONE_HELP);
		}
		return error_set(err, ERR_NOT_FOUND, "%s: object %s is not in the store",
				 checkout_full(job, now->path, full), digest_format(&now->id, hex));
	}
	return 0;
}

/* --- what is in the way --- */

/* Every file below the directory is in the current tree: nothing ignored, nothing odd. */
static bool holds_only_known(const struct checkout_job *job, int dirfd, const char *name,
			     const char *path)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	bool known = true;

	if (!dir) {
		cleanup_fd(&fd);
		return false;
	}
	while (known && (de = readdir(dir))) {
		CLEANUP(cleanup_free) char *below = path_join(path, de->d_name);
		struct stat st;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			known = holds_only_known(job, fd, de->d_name, below);
		else
			known = tree_find(&job->cur, below) != NULL;
	}
	closedir(dir);
	return known;
}

static void add_obstacle(struct checkout_job *job, const char *path)
{
	if (!strlist_has(&job->odd, path))
		strlist_push(&job->odd, path);
}

/* A file shall stand where nothing versioned stands: a directory may, or a file that is ignored. */
static int look_at_place(struct checkout_job *job, const char *path, struct error *err)
{
	int rootfd = job->checkout->scanner->rootfd;
	char full[FULL_PATH];
	struct stat st;
	int there = fs_stat_beneath(rootfd, checkout_full(job, path, full), &st, err);

	if (there <= 0)
		return there;
	if (!S_ISDIR(st.st_mode) ||
	    !holds_only_known(job, rootfd, checkout_full(job, path, full), path))
		add_obstacle(job, path);
	return 0;
}

/* A directory shall stand at `dir` and above it. 1 it does, 0 it is absent or what stands there
 * goes. */
static int look_at_parents(struct checkout_job *job, const char *dir, struct error *err)
{
	CLEANUP(cleanup_free) char *path = xstrdup(dir);

	for (bool first = true;; first = false) {
		char full[FULL_PATH], *slash;
		struct stat st;
		int there = fs_stat_beneath(job->checkout->scanner->rootfd,
					    checkout_full(job, path, full), &st, err);

		if (there < 0)
			return -1;
		if (there && S_ISDIR(st.st_mode))
			return first;
		/* The path itself may be a symlink to a directory; symlinks below are entries. */
		if (!*path)
			return there && S_ISLNK(st.st_mode);
		if (there && !tree_find(&job->cur, path))
			add_obstacle(job, path);
		slash = strrchr(path, '/');
		*(slash ? slash : path) = '\0';
	}
}

static int find_obstacles(struct checkout_job *job, struct error *err)
{
	CLEANUP_STRBUF struct strbuf dir = STRBUF_INIT; /* of the entry before */
	int dir_there = -1;

	for (size_t i = 0; i < job->len; i++) {
		const struct tree_entry *now = job->changes[i].now;
		const char *base;
		size_t len;

		if (!now || job->changes[i].old)
			continue;
		base = path_base(now->path);
		len = base > now->path ? (size_t)(base - now->path) - 1 : 0;
		if (dir_there < 0 || dir.len != len || memcmp(dir.buf, now->path, len) != 0) {
			strbuf_clear(&dir);
			strbuf_add(&dir, now->path, len);
			dir_there = *now->path ? look_at_parents(job, dir.buf, err) : 1;
		}
		if (dir_there < 0 || (dir_there && look_at_place(job, now->path, err) < 0))
			return -1;
	}
	return 0;
}

/* Is the tree that stands there stored? Then its symlinks are, too. */
static bool current_is_stored(const struct checkout_job *job, const struct content *cur)
{
	return cur->kind == CONTENT_TREE && !job->odd.len &&
	       store_has(job->checkout->store, &cur->id);
}

static size_t find_unknown(struct checkout_job *job, const struct content *cur)
{
	bool links_known = current_is_stored(job, cur);
	size_t n = job->odd.len;

	for (size_t i = 0; i < job->len; i++) {
		struct change *change = &job->changes[i];
		const struct tree_entry *old = change->old;

		if (!old)
			continue;
		change->unknown = old->kind == ENTRY_LINK
				      ? !links_known
				      : !store_has(job->checkout->store, &old->id);
		n += change->unknown;
	}
	return n;
}

static void name_one(const struct checkout_job *job, struct strbuf *names, size_t *n,
		     const char *path)
{
	char full[FULL_PATH];

	if ((*n)++ < NAMED_UNKNOWN)
		strbuf_printf(names, "%s%s", names->len ? ", " : "",
			      checkout_full(job, path, full));
}

static int refuse_unknown(const struct checkout_job *job, size_t count, struct error *err)
{
	CLEANUP_STRBUF struct strbuf names = STRBUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < job->odd.len; i++)
		name_one(job, &names, &n, job->odd.items[i]);
	for (size_t i = 0; i < job->len; i++)
		if (job->changes[i].unknown)
			name_one(job, &names, &n, job->changes[i].old->path);
	if (count > NAMED_UNKNOWN)
		strbuf_printf(&names, " and %zu more", count - NAMED_UNKNOWN);
	error_set(err, ERR_CONFLICT, "%s would be lost: %s not in the store", names.buf,
		  count > 1 ? "they are" : "it is");
	return error_help(err, "%s",
			  job->checkout->keep
			      ? job->checkout->keep
			      : "copy it elsewhere to keep it, or repeat with --force");
}

static int plan(struct checkout_job *job, const struct content *want, struct error *err)
{
	struct content cur;
	size_t unknown;

	if (load_want(job, want, err) < 0 || load_current(job, &cur, err) < 0)
		return -1;
	job->before = cur;
	tree_diff(&job->cur, &job->want, add_change, job);
	job->stands = cur.kind == CONTENT_TREE;
	if (check_objects(job, err) < 0 || find_obstacles(job, err) < 0)
		return -1;
	unknown = find_unknown(job, &cur);
	if (unknown && job->checkout->unknown == UNKNOWN_REFUSE)
		return refuse_unknown(job, unknown, err);
	return 0;
}

static void job_release(struct checkout_job *job)
{
	tree_release(&job->cur);
	tree_release(&job->want);
	free(job->changes);
	strlist_release(&job->odd);
	staging_close(&job->staging);
}

static int run(struct checkout_job *job, const struct content *want, struct error *err)
{
	if (plan(job, want, err) < 0)
		return -1;
	if ((job->len || job->odd.len) &&
	    (checkout_stage(job, err) < 0 || checkout_apply(job, err) < 0))
		return -1;
	if (job->want_is_tree && !job->stands)
		return fs_make_dirs(job->checkout->scanner->rootfd, job->path, 0777, err);
	return 0;
}

int checkout_path(const struct checkout *checkout, const char *path, const struct content *want,
		  struct checkout_result *ret, struct error *err)
{
	CLEANUP(job_release) struct checkout_job job = {
		.checkout = checkout,
		.path = path,
		.cur = TREE_INIT,
		.want = TREE_INIT,
		.odd = STRLIST_INIT,
		.staging = STAGING_INIT,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.want_is_tree = want->kind == CONTENT_TREE,
	};
	uint64_t removed;

	if (run(&job, want, err) < 0)
		return -1;
	removed = job.len - job.writes;
	*ret = (struct checkout_result){
		.files_written = job.writes,
		.files_removed = removed,
		.files_kept = job.want.len - job.writes - job.holes,
		.files_aside = atomic_load(&job.aside),
		.before = job.before,
		.files_forgotten = job.holes,
		.forgotten = job.hole,
	};
	return 0;
}
