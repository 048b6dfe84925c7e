/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/data.h"
#include "api/ops.h"
#include "api/scratch_tree.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/process.h"
#include "pipeline/run.h"
#include "registry/git.h"
#include "registry/project.h"
#include "registry/satellite.h"
#include "store/store.h"

#define FILES "files"
#define KEPT  "kept"
#define LOCK  "lock"
#define TRIES 3 /* to find the work tree unchanged while it is copied */

static char *path_of(const struct project *p, const char *id, const char *name)
{
	return xasprintf("%s/" SCRATCH_DIR "/%s%s%s", p->root, id, *name ? "/" : "", name);
}

/* Whoever makes a set and whoever sweeps: between the two a new one has no lock yet. */
static int lock_sets(struct project *p, struct error *err)
{
	return lock_take(p->locksfd, "scratch", LOCK_EXCLUSIVE, LOCK_WAIT, NULL, NULL, err);
}

/* ---- removing ---- */

/* Runs of the tree that were killed end, their containers go. */
static int end_tree(const struct project *p, const char *id, const char *name, struct error *err)
{
	CLEANUP(cleanup_free) char *path = path_of(p, id, name);
	CLEANUP(strlist_release) struct strlist notes = STRLIST_INIT;
	struct project *tree;
	int r;

	if (project_open(path, &tree, err) < 0)
		return -1;
	r = run_abandon(tree, &notes, err);
	project_close(tree);
	return r;
}

/* A scratch tree, or a project of its own in which something is made again. */
static bool is_tree(int setfd, const char *name)
{
	CLEANUP(cleanup_free) char *locks = xasprintf("%s/.mlops/locks", name);
	struct stat st;

	return fs_stat_beneath(setfd, locks, &st, NULL) > 0;
}

/* A run goes on in it: its user stands there, or a process of a killed experiment is not gone yet. */
static bool is_busy(int setfd, const char *name)
{
	CLEANUP(cleanup_free) char *path = xasprintf("%s/.mlops/locks", name);
	CLEANUP(cleanup_fd) int locks = fs_open_direct(setfd, path, O_RDONLY | O_DIRECTORY, 0, NULL);
	CLEANUP(cleanup_fd) int lock =
		locks < 0 ? -1 : lock_take(locks, LOCK_TREE, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, NULL);

	return locks >= 0 && lock < 0;
}

static int sweep_set(const struct project *p, int scratchfd, const char *id, bool also_kept, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP(cleanup_fd) int fd = fs_open_direct(scratchfd, id, O_RDONLY | O_DIRECTORY, 0, err);
	CLEANUP(cleanup_fd) int lock = -1;

	if (fd < 0)
		return -1;
	if (!also_kept && faccessat(fd, KEPT, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	lock = lock_take(fd, LOCK, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, NULL);
	if (lock < 0)
		return 0;
	if (fs_list_dir(fd, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (is_tree(fd, names.items[i]) && is_busy(fd, names.items[i]))
			return 0;
	for (size_t i = 0; i < names.len; i++)
		if (is_tree(fd, names.items[i]) && end_tree(p, id, names.items[i], err) < 0)
			return -1;
	return fs_remove_tree(scratchfd, id, err);
}

/* What cannot be swept now is in nobody's way. */
static void tell_left(struct op_context *ctx, const char *id, const struct error *why)
{
	CLEANUP(cleanup_free) char *text = xasprintf("scratch trees in " SCRATCH_DIR "/%s stay: %s", id, why->msg);
	CLEANUP_JS struct js *event = js_object();

	js_set_str(event, "event", "note");
	js_set_str(event, "text", text);
	if (ctx->emit)
		ctx->emit(ctx->ctx, event);
}

int scratch_sweep(struct op_context *ctx, bool also_kept, struct error *err)
{
	struct project *p = ctx->project;
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(cleanup_fd) int sets = -1;
	CLEANUP(strlist_release) struct strlist ids = STRLIST_INIT;
	struct stat st;

	if (p->scratch || fs_stat_beneath(p->rootfd, SCRATCH_DIR, &st, NULL) <= 0)
		return 0;
	sets = lock_sets(p, err);
	if (sets < 0)
		return -1;
	fd = fs_open_direct(p->rootfd, SCRATCH_DIR, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0 || fs_list_dir(fd, ".", &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.len; i++) {
		struct error why;
		if (sweep_set(p, fd, ids.items[i], also_kept, &why) < 0)
			tell_left(ctx, ids.items[i], &why);
	}
	unlinkat(p->rootfd, SCRATCH_DIR, AT_REMOVEDIR);
	return 0;
}

int scratch_set_forget(struct project *p, const char *id, struct error *err)
{
	CLEANUP(cleanup_fd) int sets = lock_sets(p, err);
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;

	if (sets < 0 || fs_stat_beneath(p->rootfd, SCRATCH_DIR, &st, NULL) <= 0)
		return sets < 0 ? -1 : 0;
	fd = fs_open_direct(p->rootfd, SCRATCH_DIR, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return -1;
	return fs_stat_beneath(fd, id, &st, NULL) > 0 ? sweep_set(p, fd, id, true, err) : 0;
}

/* ---- taking ---- */

int scratch_set_open(struct project *p, struct spawner *spawner, struct scratch_set *set, struct error *err)
{
	CLEANUP(cleanup_fd) int sets = lock_sets(p, err);
	CLEANUP(cleanup_free) char *dir = NULL;
	char uuid[33];

	if (sets < 0)
		return -1;
	set->project = p;
	clock_uuid(uuid);
	memcpy(set->id, uuid, SCRATCH_ID);
	dir = xasprintf(SCRATCH_DIR "/%s", set->id);
	if (fs_make_dirs(p->rootfd, dir, 0777, err) < 0)
		return -1;
	set->fd = fs_open_direct(p->rootfd, dir, O_RDONLY | O_DIRECTORY, 0, err);
	if (set->fd < 0)
		return -1;
	FAILPOINT("scratch.opened");
	set->lock = lock_take(set->fd, LOCK, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, err);
	return set->lock < 0 || spawner_hold(spawner, set->lock, err) < 0 ? -1 : 0;
}

int scratch_set_tree(const struct scratch_set *set, const char *name, struct error *err)
{
	struct stat st;
	int fd;

	if (io_mkdir(set->fd, name, 0777, err) < 0)
		return -1;
	fd = fs_open_direct(set->fd, name, O_RDONLY | O_DIRECTORY, 0, err);
	/* Steps in containers run as the owner of the tree, when root runs them. */
	if (fd >= 0 && geteuid() == 0 && fstat(set->project->rootfd, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) < 0) {
		close(fd);
		return error_sys(err, errno, "cannot give away %s", name);
	}
	return fd;
}

/* As facts.c does it for a run in the work tree. */
static int take_code(struct op_context *ctx, struct scratch_set *set, struct error *err)
{
	CLEANUP(code_version_release) struct code_version cv = { .commit = "" };
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP(data_unlock) struct data_locks locks = DATA_LOCKS_INIT;
	struct content deleted = { .kind = CONTENT_ABSENT };
	struct scanner scanner;
	struct store *store;
	struct error why;
	size_t len;

	if (project_store(ctx->project, &store, err) < 0 || data_lock_store(ctx, &locks, err) < 0 ||
	    batch_open(store, &batch, err) < 0 || data_scanner(ctx, batch, &scanner, err) < 0)
		return -1;
	if (git_code_version(&scanner, ctx->project->root, batch, &cv, &why) < 0)
		cv.note = xstrdup(why.msg);
	len = cv.deleted ? strlen(cv.deleted) : 0;
	if (len && batch_add_bytes(batch, cv.deleted, len, &deleted.id, err) < 0)
		return -1;
	if (len)
		deleted = (struct content){ CONTENT_FILE, deleted.id, len, 1 };
	if (batch_commit(batch, err) < 0)
		return -1;
	js_free(set->code);
	set->code = satellite_code_json(&cv, &deleted);
	return 0;
}

/* 1: the copy is of one state; 0: *ret_changed, which the caller frees, was written meanwhile; -1. */
static int try_take(struct op_context *ctx, const struct frozen_want *want, struct scratch_set *set, char **ret_changed,
		    struct error *err)
{
	CLEANUP(cleanup_fd) int to = -1;
	CLEANUP(strlist_release) struct strlist changed = STRLIST_INIT;

	frozen_release(&set->frozen);
	if (fs_remove_tree(set->fd, FILES, err) < 0)
		return -1;
	to = scratch_set_tree(set, FILES, err);
	if (to < 0 || frozen_take(want, to, &set->frozen, err) < 0 || take_code(ctx, set, err) < 0)
		return -1;
	FAILPOINT("scratch.copied");
	frozen_changed(&set->frozen, ctx->project->rootfd, &changed);
	if (changed.len)
		*ret_changed = xstrdup(changed.items[0]);
	return !changed.len;
}

int scratch_set_take(struct op_context *ctx, const struct frozen_want *want, struct scratch_set *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *changed = NULL;

	ret->progress = want->progress;
	if (scratch_set_open(ctx->project, ctx->spawner, ret, err) < 0)
		return -1;
	for (int i = 0; i < TRIES; i++) {
		int r;
		free(changed);
		changed = NULL;
		r = try_take(ctx, want, ret, &changed, err);
		if (r != 0)
			return r < 0 ? -1 : 0;
	}
	error_set(err, ERR_CONFLICT, "%s is being written while the work tree is copied", changed);
	return error_help(err, "try again when it is quiet");
}

/* ---- trees ---- */

static int fill_tree(struct scratch_set *set, const char *name, bool last, int *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int from = -1;

	if (last) {
		set->used = true;
		if (io_rename(set->fd, FILES, set->fd, name, err) < 0)
			return -1;
		*ret = fs_open_direct(set->fd, name, O_RDONLY | O_DIRECTORY, 0, err);
		return *ret < 0 ? -1 : 0;
	}
	from = fs_open_direct(set->fd, FILES, O_RDONLY | O_DIRECTORY, 0, err);
	*ret = from < 0 ? -1 : scratch_set_tree(set, name, err);
	return *ret < 0 ? -1 : frozen_copy(from, *ret, set->progress, err);
}

int scratch_set_seal(struct scratch_set *set, const char *name, int tree, const char *command, struct js *tags,
		     char **ret_path, struct error *err)
{
	CLEANUP_JS struct js *note = js_object();
	struct stat st;

	js_set(note, "code", js_ref(set->code));
	js_set_str(note, "command", command);
	js_set(note, "tags", tags);
	if (satellite_make(tree, note, err) < 0)
		return error_wrap(err, "scratch tree %s", name);
	if (fstat(set->project->dirfd, &st) < 0 || (geteuid() == 0 && fchownat(tree, ".mlops", st.st_uid, st.st_gid, 0) < 0))
		return error_sys(err, errno, "cannot give away the scratch tree %s", name);
	*ret_path = path_of(set->project, set->id, name);
	FAILPOINT("scratch.made");
	return 0;
}

int scratch_set_make(struct scratch_set *set, const char *name, const char *command, struct js *tags, bool last,
		     char **ret_path, struct error *err)
{
	CLEANUP(cleanup_fd) int tree = -1;

	if (fill_tree(set, name, last, &tree, err) < 0) {
		js_free(tags);
		return error_wrap(err, "scratch tree %s", name);
	}
	return scratch_set_seal(set, name, tree, command, tags, ret_path, err);
}

int scratch_set_drop(struct scratch_set *set, const char *name, struct error *err)
{
	if (is_tree(set->fd, name) && end_tree(set->project, set->id, name, err) < 0)
		return -1;
	FAILPOINT("scratch.ended");
	return fs_remove_tree(set->fd, name, err);
}

void scratch_set_keep(struct scratch_set *set, const char *name)
{
	set->kept = true;
	end_tree(set->project, set->id, name, NULL);
}

static void remove_rest(struct scratch_set *set)
{
	CLEANUP(cleanup_free) char *dir = xasprintf(SCRATCH_DIR "/%s", set->id);

	if (set->kept) {
		fs_remove_tree(set->fd, FILES, NULL);
		io_replace_file(set->fd, KEPT, "", 0, 0666, false, NULL);
		return;
	}
	fs_remove_tree(set->project->rootfd, dir, NULL);
	unlinkat(set->project->rootfd, SCRATCH_DIR, AT_REMOVEDIR);
}

void scratch_set_close(struct scratch_set *set)
{
	if (set->fd >= 0)
		remove_rest(set);
	cleanup_fd(&set->lock);
	cleanup_fd(&set->fd);
	set->lock = set->fd = -1;
	frozen_release(&set->frozen);
	js_free(set->code);
	set->code = NULL;
}
