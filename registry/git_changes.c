/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dirty tree as an object: every file that differs from the commit or is untracked and not
 * ignored, by its path in the repository. What cannot be kept is named in the note, and a run
 * goes on: a log file that grows beside the code must not stop it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "registry/git.h"
#include "registry/git_internal.h"
#include "registry/lockfile.h"
#include "store/scan.h"
#include "store/statcache.h"
#include "store/store.h"
#include "store/tree.h"

#define CHANGES_MAX_BYTES (64ull << 20)
#define READ_TRIES        3
#define NAMED_MAX         3

struct change {
	char *path;
	uint64_t size;
	mode_t mode;
};
struct change_set {
	int workfd;
	const char *subdir;
	struct lockfile lock; /* of the project */
	const struct scanner *scan;
	struct store_batch *batch;
	struct change *items;
	size_t len, cap;
	uint64_t bytes;
	size_t biggest; /* index into items */
	struct strbuf deleted;
	struct strbuf skipped; /* the first few, with the reason */
	size_t nskipped;
	struct tree tree;
};

static void changes_release(struct change_set *set)
{
	for (size_t i = 0; i < set->len; i++)
		free(set->items[i].path);
	free(set->items);
	strbuf_release(&set->deleted);
	strbuf_release(&set->skipped);
	tree_release(&set->tree);
	lockfile_release(&set->lock);
	if (set->workfd >= 0)
		close(set->workfd);
}

static void cleanup_status(git_status_list **list)
{
	if (*list)
		libgit2.status_list_free(*list);
}

static void note_add(struct strbuf *note, const char *text)
{
	if (note->len)
		strbuf_puts(note, "; ");
	strbuf_puts(note, text);
}

static void skip(struct change_set *set, const char *path, const char *why)
{
	if (set->nskipped++ >= NAMED_MAX)
		return;
	if (set->skipped.len)
		strbuf_puts(&set->skipped, ", ");
	for (; *path; path++) /* the note is one line */
		strbuf_putc(&set->skipped, (unsigned char)*path < 0x20 ? '?' : *path);
	strbuf_printf(&set->skipped, " (%s)", why);
}

static void collect_path(struct change_set *set, const char *path, bool gone)
{
	CLEANUP(cleanup_free) char *clean = NULL;
	size_t len = strlen(path);
	struct stat st;

	if (len && path[len - 1] == '/') {
		skip(set, path, "a repository of its own");
		return;
	}
	if (path_clean("", path, &clean, NULL) < 0 || strcmp(clean, path)) {
		skip(set, path, "its name holds a control byte");
		return;
	}
	if (gone || fs_stat_beneath(set->workfd, path, &st, NULL) <= 0 || S_ISDIR(st.st_mode)) {
		strbuf_printf(&set->deleted, "%s%s", set->deleted.len ? "\n" : "", path);
		return;
	}
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
		skip(set, path, fs_kind_name(st.st_mode));
		return;
	}
	GROW(set->items, set->len, set->cap);
	set->items[set->len] = (struct change){ xstrdup(path), (uint64_t)st.st_size, st.st_mode };
	set->bytes += (uint64_t)st.st_size;
	if (set->items[set->len].size > set->items[set->biggest].size)
		set->biggest = set->len;
	set->len++;
}

static const char *status_path(const git_status_entry *entry)
{
	const git_diff_delta *delta =
		entry->index_to_workdir ? entry->index_to_workdir : entry->head_to_index;

	return delta->new_file.path ? delta->new_file.path : delta->old_file.path;
}

static bool below_mlops(const char *path)
{
	const char *found = strstr(path, ".mlops/");

	return found && (found == path || found[-1] == '/');
}

/*
 * mlops.lock and the outputs it names are what runs result in, not what they are made from: metrics
 * that git keeps, or a lock not yet committed, must not make the next run dirty. They are
 * recorded with the run anyway.
 */
static bool is_result(const struct change_set *set, const char *path)
{
	size_t len = strlen(set->subdir);
	CLEANUP(cleanup_free) char *part = NULL;

	if (len && (strncmp(path, set->subdir, len) || path[len++] != '/'))
		return false;
	part = xstrdup(path + len);
	if (!strcmp(part, LOCKFILE_NAME))
		return true;
	for (;;) {
		char *slash = strrchr(part, '/');

		if (lockfile_find(&set->lock, LOCKED_OUT, part))
			return true;
		if (!slash)
			return false;
		*slash = '\0';
	}
}

/* A lock that cannot be read is its reader's to complain about. */
static void load_lock(struct change_set *set)
{
	CLEANUP(cleanup_fd)
	int rootfd = fs_open_beneath(set->workfd, *set->subdir ? set->subdir : ".",
				     O_RDONLY | O_DIRECTORY, 0, NULL);

	if (rootfd >= 0)
		lockfile_load(rootfd, &set->lock, NULL);
}

static void collect(struct change_set *set, git_status_list *list)
{
	size_t n = libgit2.status_list_entrycount(list);
	const char *last = "";

	for (size_t i = 0; i < n; i++) {
		const git_status_entry *entry = libgit2.status_byindex(list, i);
		const char *path = status_path(entry);
		bool gone = (entry->status & GIT_STATUS_WT_DELETED) &&
			    !(entry->status & GIT_STATUS_WT_NEW);

		if (below_mlops(path) || is_result(set, path) || !strcmp(path, last))
			continue;
		collect_path(set, path, gone);
		last = path;
	}
}

static int add_link(struct change_set *set, const struct change *item)
{
	char target[4096];
	struct digest none = { { 0 } };
	ssize_t len = readlinkat(set->workfd, item->path, target, sizeof(target) - 1);

	if (len < 0) {
		skip(set, item->path, strerror(errno));
		return 0;
	}
	target[len] = '\0';
	if (tree_target_inside(item->path, target))
		tree_add(&set->tree, item->path, ENTRY_LINK, &none, 0, target);
	else
		skip(set, item->path, "a symlink that leaves the repository");
	return 0;
}

static int64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool stat_same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* 1 stored as the bytes that stood there, 0 they changed meanwhile, -1. */
static int store_once(struct change_set *set, int fd, const char *path, struct stat *st,
		      struct digest *id, uint64_t *size, struct error *err)
{
	struct statcache *cache = set->scan ? set->scan->cache : NULL;
	int64_t started = realtime_ns();
	struct stat after;

	if (fstat(fd, st) < 0)
		return error_sys(err, errno, "%s", path);
	if (cache && statcache_get(cache, st, id) && batch_has(set->batch, id)) {
		*size = (uint64_t)st->st_size;
		return 1;
	}
	if (batch_add_fd(set->batch, fd, path, id, size, err) < 0)
		return -1;
	if (fstat(fd, &after) < 0)
		return error_sys(err, errno, "%s", path);
	if (!stat_same(st, &after) || *size != (uint64_t)after.st_size)
		return 0;
	if (cache)
		statcache_put(cache, st, id, started);
	return 1;
}

static int add_file(struct change_set *set, const struct change *item, struct error *err)
{
	CLEANUP(cleanup_fd)
	int fd = fs_open_beneath(set->workfd, item->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0,
				 NULL);
	struct digest id;
	struct stat st;
	uint64_t size;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		skip(set, item->path, "it cannot be read");
		return 0;
	}
	for (int i = 0; i < READ_TRIES && rc == 0; i++)
		rc = store_once(set, fd, item->path, &st, &id, &size, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		skip(set, item->path, "it changed while it was read");
	else
		tree_add(&set->tree, item->path, st.st_mode & S_IXUSR ? ENTRY_EXEC : ENTRY_FILE,
			 &id, size, NULL);
	return 0;
}

static int interrupted(const struct change_set *set, size_t files, uint64_t bytes,
		       struct error *err)
{
	const struct progress *p = set->scan ? set->scan->progress : NULL;

	if (p && p->report && p->report(p->ctx, "code", files, bytes, set->bytes))
		return error_set(err, ERR_INTERRUPTED, "interrupted while storing changed code");
	return 0;
}

static int store_changes(struct change_set *set, struct code_version *cv, struct strbuf *note,
			 struct error *err)
{
	struct error sealed;
	uint64_t bytes = 0;

	for (size_t i = 0; i < set->len; i++) {
		const struct change *item = &set->items[i];

		if (interrupted(set, i, bytes, err) < 0)
			return -1;
		if ((S_ISLNK(item->mode) ? add_link(set, item) : add_file(set, item, err)) < 0)
			return error_wrap(err, "changed code");
		bytes += item->size;
	}
	if (!set->tree.len)
		return 0;
	if (tree_seal(&set->tree, &sealed) < 0) {
		note_add(note, "changed files are not kept: ");
		strbuf_puts(note, sealed.msg);
		return 0;
	}
	if (tree_write(&set->tree, set->batch, &cv->changes.id, err) < 0)
		return error_wrap(err, "changed code");
	cv->changes.kind = CONTENT_TREE;
	cv->changes.size = set->tree.bytes;
	cv->changes.files = set->tree.len;
	return 0;
}

static void note_too_large(const struct change_set *set, struct strbuf *note)
{
	const struct change *biggest = &set->items[set->biggest];

	note_add(note, "too large: ");
	strbuf_printf(note,
		      "changed and untracked files have %llu MiB, at most %llu MiB are kept; the "
		      "biggest is %s (%llu MiB): commit it, version it (mlops add %s), or put it "
		      "into .gitignore",
		      (unsigned long long)(set->bytes >> 20), CHANGES_MAX_BYTES >> 20,
		      biggest->path, (unsigned long long)(biggest->size >> 20), biggest->path);
}

static int read_status(git_repository *repo, git_status_list **ret)
{
	git_status_options options;

	libgit2.status_options_init(&options, GIT_STATUS_OPTIONS_VERSION);
	options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_RECURSE_UNTRACKED_DIRS |
			GIT_STATUS_OPT_EXCLUDE_SUBMODULES;
	return libgit2.status_list_new(ret, repo, &options);
}

int repo_changes(git_repository *repo, const struct scanner *scan, struct store_batch *batch,
		 struct code_version *cv, struct strbuf *note, struct error *err)
{
	CLEANUP(changes_release)
	struct change_set set = {
		.workfd = -1,
		.subdir = cv->subdir,
		.lock = LOCKFILE_INIT,
		.scan = scan,
		.batch = batch,
		.deleted = STRBUF_INIT,
		.skipped = STRBUF_INIT,
		.tree = TREE_INIT,
	};
	CLEANUP(cleanup_status) git_status_list *list = NULL;
	struct error failed;

	set.workfd = open(cv->workdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (set.workfd < 0)
		return error_sys(err, errno, "%s", cv->workdir);
	if (read_status(repo, &list) < 0) {
		repo_error(&failed, "git cannot tell what changed");
		note_add(note, failed.msg);
		cv->dirty = true;
		return 0;
	}
	load_lock(&set);
	collect(&set, list);
	cv->dirty = set.len || set.deleted.len || set.nskipped;
	if (set.bytes > CHANGES_MAX_BYTES)
		note_too_large(&set, note);
	else if (batch && store_changes(&set, cv, note, err) < 0)
		return -1;
	if (set.deleted.len)
		cv->deleted = strbuf_detach(&set.deleted);
	if (set.nskipped) {
		note_add(note, "not kept: ");
		strbuf_puts(note, set.skipped.buf);
		if (set.nskipped > NAMED_MAX)
			strbuf_printf(note, " and %zu more", set.nskipped - NAMED_MAX);
	}
	return 0;
}
