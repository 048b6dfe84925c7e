/* SPDX-License-Identifier: Apache-2.0 */
/* checkout: bytes of a snapshot come back to their paths, or, with code, into a new directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/data.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "api/snapshot.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/shell.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/artifacts.h"
#include "registry/git.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "store/checkout.h"
#include "store/store.h"

#define NAMED_MAX 3

struct target {
	char *path;
	struct content content;
};
struct job {
	struct op_context *ctx;
	struct snapshot snap;
	struct lockfile lock;  /* empty when it cannot be read */
	struct lockfile taken; /* of an automatic run: becomes ours */
	struct strlist wanted; /* project paths; empty: all */
	struct target *targets;
	size_t len, cap;
	struct data_locks locks;
	struct store *store;
	struct scanner scanner;
	struct checkout checkout;
	struct checkout_result sum;
	char *to; /* absolute, or NULL */
	int tofd; /* where the project's paths go */
	bool fetch;		/* ask remotes for what the store lacks */
	uint64_t nfetched;	/* objects */
	struct js *paths, *notes, *failed;
	struct error first; /* of those in `failed` */
};

static void job_release(struct job *j)
{
	for (size_t i = 0; i < j->len; i++)
		free(j->targets[i].path);
	free(j->targets);
	snapshot_release(&j->snap);
	lockfile_release(&j->lock);
	lockfile_release(&j->taken);
	strlist_release(&j->wanted);
	data_unlock(&j->locks);
	cleanup_fd(&j->tofd);
	free(j->to);
	js_free(j->paths);
	js_free(j->notes);
	js_free(j->failed);
}

static void add_target(struct job *j, const char *path, const struct content *content)
{
	GROW(j->targets, j->len, j->cap);
	j->targets[j->len++] = (struct target){ xstrdup(path), *content };
}

/* ---- what to bring ---- */

/* A part of a directory that is one version. */
static int target_inside(struct job *j, const struct snapshot_item *item, const char *path,
			 struct store_batch *batch, struct error *err)
{
	struct content content;

	if (j->fetch && remotes_fetch_listing(j->ctx, &item->content, j->notes, err) < 0)
		return -1;
	if (data_inside(j->store, &item->content, path + strlen(item->path) + 1, batch, &content,
			err) < 0)
		return error_wrap(err, "%s", item->path);
	add_target(j, path, &content);
	return 0;
}

static int target_wanted(struct job *j, const char *path, struct store_batch *batch,
			 struct error *err)
{
	CLEANUP(cleanup_free) char *label = NULL, *place = NULL;
	size_t before = j->len;
	struct content none;

	for (size_t i = 0; i < j->snap.len; i++) {
		const struct snapshot_item *item = &j->snap.items[i];

		if (path_contains(path, item->path))
			add_target(j, item->path, &item->content);
		else if (path_contains(item->path, path) &&
			 target_inside(j, item, path, batch, err) < 0)
			return -1;
	}
	if (j->len > before)
		return 0;
	if (!j->snap.single)
		return snapshot_content(&j->snap, j->store, path, &none, err);
	error_set(err, ERR_USAGE, "%s is a version of %s, not of %s", j->snap.label,
		  j->snap.items[0].path, path);
	label = shell_word(j->snap.label);
	place = shell_word(path);
	return error_help(err, "leave %s out; or write it there: mlops cat %s > %s", place, label, place);
}

/* In place, what a run read and git tracks is code: git brings it back, together with the rest of
 * the code. */
static void target_all(struct job *j)
{
	CLEANUP_STRBUF struct strbuf code = STRBUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < j->snap.len; i++) {
		const struct snapshot_item *item = &j->snap.items[i];

		if (j->to || !item->input || !git_tracks(j->ctx->project->root, item->path))
			add_target(j, item->path, &item->content);
		else if (n++ < NAMED_MAX)
			strbuf_printf(&code, "%s%s", code.len ? ", " : "", item->path);
	}
	if (!n)
		return;
	if (n > NAMED_MAX)
		strbuf_printf(&code, " and %zu more", n - NAMED_MAX);
	strbuf_puts(&code, ": tracked by git and left as is; with --to DIR code comes, too");
	js_push_str(j->notes, code.buf);
}

/* A content has no path of its own. */
static int target_content(struct job *j, struct error *err)
{
	if (j->wanted.len != 1) {
		error_set(err, ERR_USAGE, "%s has no path", j->snap.label);
		return error_help(err, "name the one to write: mlops checkout PATH --from %s",
				  j->snap.label);
	}
	add_target(j, j->wanted.items[0], &j->snap.items[0].content);
	return 0;
}

static int choose_targets(struct job *j, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;

	if (j->snap.single && !*j->snap.items[0].path)
		return target_content(j, err);
	if (!j->wanted.len) {
		target_all(j);
		return 0;
	}
	if (batch_open(j->store, &batch, err) < 0)
		return -1;
	for (size_t i = 0; i < j->wanted.len; i++)
		if (target_wanted(j, j->wanted.items[i], batch, err) < 0)
			return -1;
	return batch_commit(batch, err);
}

/* ---- from remotes ---- */

/* What is wholly absent comes at once; what only lacks a part is found when it is placed. */
static int fetch_absent(struct job *j, struct error *err)
{
	CLEANUP(cleanup_free) struct content *absent = xcalloc(j->len + 1, sizeof(*absent));
	const struct content *changes = &j->snap.changes;
	size_t n = 0;

	for (size_t i = 0; i < j->len; i++)
		if (j->targets[i].content.kind != CONTENT_ABSENT && !store_has(j->store, &j->targets[i].content.id))
			absent[n++] = j->targets[i].content;
	if (j->to && changes->kind != CONTENT_ABSENT && !store_has(j->store, &changes->id))
		absent[n++] = *changes;
	return n && j->fetch ? remotes_fetch(j->ctx, absent, n, j->notes, &j->nfetched, err) : 0;
}

static void note_fetched(struct job *j)
{
	CLEANUP(cleanup_free) char *text = NULL;

	if (!j->nfetched)
		return;
	text = xasprintf("%llu object%s came from a remote", (unsigned long long)j->nfetched,
			 j->nfetched == 1 ? "" : "s");
	js_push_str(j->notes, text);
}

/* checkout_path, and again when a remote had what was missing. */
static int place_target(struct job *j, const struct target *t, struct checkout_result *r, struct error *err)
{
	uint64_t before = j->nfetched;

	if (checkout_path(&j->checkout, t->path, &t->content, r, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND || !j->fetch)
		return -1;
	if (remotes_fetch(j->ctx, &t->content, 1, j->notes, &j->nfetched, err) < 0 || j->nfetched == before)
		return -1;
	error_clear(err);
	return checkout_path(&j->checkout, t->path, &t->content, r, err);
}

/* ---- bringing it ---- */

/* The name under which what was replaced can be had again: "data/raw.csv@v2", "sha256:0123..." */
static void set_before(struct job *j, struct js *json, const char *path,
		       const struct checkout_result *r)
{
	CLEANUP(cleanup_free) char *name = NULL;
	CLEANUP_JS struct js *versions = NULL;
	char text[CONTENT_TEXT], hex[DIGEST_HEX + 1];
	struct content found[2];
	struct db *db;
	size_t n;

	if (j->to || r->before.kind == CONTENT_ABSENT || !(r->files_written || r->files_removed) ||
	    project_db(j->ctx->project, &db, NULL) < 0)
		return;
	content_format(&r->before, text);
	if (artifact_versions(db, path, &versions, NULL) == 0)
		for (size_t i = 0; i < js_len(versions) && !name; i++)
			if (!strcmp(js_get_str(js_at(versions, i), "content"), text))
				name = xasprintf("%s@v%lld", path,
						 (long long)js_get_int(js_at(versions, i), "number", 0));
	if (!name && content_match(db, digest_format(&r->before.id, hex), 2, found, &n, NULL) == 0 && n)
		name = xasprintf("sha256:%.16s", hex);
	js_set_str(json, "before", name);
}

static void note_holes(struct job *j, const char *path, const struct checkout_result *r)
{
	CLEANUP(cleanup_free) char *text = NULL;

	if (!r->files_forgotten)
		return;
	text = xasprintf("%s: %llu file%s left out, forgotten on %s: %s", path, (unsigned long long)r->files_forgotten,
			 r->files_forgotten == 1 ? " is" : "s are", r->forgotten.date, r->forgotten.reason);
	js_push_str(j->notes, text);
}

static void add_result(struct job *j, const struct target *t, const struct checkout_result *r)
{
	struct js *json = js_object();

	js_set_str(json, "path", t->path);
	js_set_str(json, "state", r->files_written || r->files_removed ? "restored" : "ok");
	data_set_content(json, "content", &t->content);
	js_set_int(json, "written", (int64_t)r->files_written);
	js_set_int(json, "removed", (int64_t)r->files_removed);
	set_before(j, json, t->path, r);
	js_push(j->paths, json);
	j->sum.files_written += r->files_written;
	j->sum.files_removed += r->files_removed;
	j->sum.files_kept += r->files_kept;
	note_holes(j, t->path, r);
}

static void add_failure(struct job *j, const struct target *t, const struct error *failed)
{
	struct js *json = js_object();

	js_set_str(json, "path", t->path);
	js_set_str(json, "code", error_name(failed->code));
	js_set_str(json, "message", failed->msg);
	js_set_str(json, "help", *failed->help ? failed->help : NULL);
	js_push(j->failed, json);
	if (!j->first.code)
		j->first = *failed;
}

static void help_missing(struct job *j, struct error *err)
{
	struct remotes remotes CLEANUP(remotes_release) = { 0 };

	if (err->code != ERR_NOT_FOUND || *err->help)
		return;
	if (remotes_load(j->ctx, NULL, &remotes, NULL) == 0 && remotes.len)
		error_help(err, "make outputs anew with: mlops run; or ask who has it to run: mlops push, then: "
				"mlops pull");
	else
		error_help(err, "make outputs anew with: mlops run; data comes from the clone that "
				"added it");
}

/* Data is kept by adding it; what a step makes is not, because adding refuses it. */
static char *keep_help(const struct job *j, const char *path)
{
	CLEANUP(cleanup_free) char *word = NULL;

	if (j->to || lockfile_find(&j->lock, LOCKED_OUT, path))
		return NULL;
	word = shell_word(path);
	return xasprintf("run: mlops add %s to keep what is there, or repeat with --force", word);
}

/* One path that cannot be brought does not keep the others from coming. */
static int bring(struct job *j, struct error *err)
{
	for (size_t i = 0; i < j->len; i++) {
		CLEANUP(cleanup_free) char *keep = keep_help(j, j->targets[i].path);
		struct checkout_result r = { 0 };
		struct error failed;

		error_clear(&failed);
		j->checkout.keep = keep;
		if (place_target(j, &j->targets[i], &r, &failed) == 0) {
			add_result(j, &j->targets[i], &r);
			continue;
		}
		help_missing(j, &failed);
		if (failed.code == ERR_INTERRUPTED) {
			if (err)
				*err = failed;
			return -1;
		}
		add_failure(j, &j->targets[i], &failed);
	}
	if (!j->first.code)
		return 0;
	/* several are told by the result; the help is the first one's */
	if (js_len(j->failed) > 1)
		snprintf(j->first.msg, sizeof(j->first.msg), "%zu of %zu paths were not brought",
			 js_len(j->failed), j->len);
	else if (!strstr(j->first.msg, js_get_str(js_at(j->failed, 0), "path")))
		error_wrap(&j->first, "%s", js_get_str(js_at(j->failed, 0), "path"));
	if (err)
		*err = j->first;
	return -1;
}

/* ---- into a directory ---- */

static void note_code(struct job *j)
{
	const char *note = js_get_str(j->snap.code, "note");
	bool lost = js_get_bool(j->snap.code, "dirty") && j->snap.changes.kind == CONTENT_ABSENT &&
		    !j->snap.deleted;
	CLEANUP(cleanup_free) char *text = NULL;

	if (!j->snap.commit[0] && j->snap.changes.kind == CONTENT_ABSENT)
		text = xasprintf("no code was recorded%s%s", note ? ": " : "", note ? note : "");
	else if (lost)
		text = xasprintf("the code had changes that were not kept%s%s", note ? ": " : "",
				 note ? note : "");
	if (text)
		js_push_str(j->notes, text);
}

/* Where the project stands in its repository: the code is restored from the repository's top. */
static int project_subdir(struct job *j, char **ret, struct error *err)
{
	CLEANUP(code_version_release) struct code_version cv = { .commit = "" };

	if (git_code_version(&j->scanner, j->ctx->project->root, NULL, &cv, err) < 0)
		return -1;
	*ret = xstrdup(cv.subdir ? cv.subdir : "");
	return 0;
}

static int open_project_in(struct job *j, struct error *err)
{
	CLEANUP(cleanup_free) char *subdir = NULL;
	CLEANUP(cleanup_fd) int top = open(j->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *real;

	if (top < 0)
		return error_sys(err, errno, "cannot open %s", j->to);
	real = realpath(j->to, NULL);
	if (real) {
		free(j->to);
		j->to = real;
	}
	if (project_subdir(j, &subdir, err) < 0)
		return -1;
	if (!*subdir || !j->snap.code) {
		j->tofd = steal_fd(&top);
		return 0;
	}
	if (fs_make_dirs(top, subdir, 0777, err) < 0)
		return -1;
	j->tofd = fs_open_direct(top, subdir, O_RDONLY | O_DIRECTORY, 0, err);
	return j->tofd < 0 ? -1 : 0;
}

static int prepare_directory(struct job *j, struct error *err)
{
	const struct snapshot *s = &j->snap;

	if (s->code)
		note_code(j);
	if (git_restore(j->ctx->project->root, s->code ? s->commit : "", j->store, &s->changes,
			s->deleted, j->to, err) < 0 ||
	    open_project_in(j, err) < 0)
		return -1;
	/* it was empty: what stands there is the code just restored, and the run's bytes win */
	j->checkout.unknown = UNKNOWN_REPLACE;
	j->scanner.rootfd = j->tofd;
	j->scanner.cache = NULL;
	j->scanner.ignore = NULL;
	return 0;
}

/* ---- arguments ---- */

/* Where `path` is, or would be, once symlinks are followed: they may come from a clone. */
static char *real_place(const char *path)
{
	CLEANUP(cleanup_free) char *there = xstrdup(path);
	char *real, *slash;

	while (!(real = realpath(there, NULL)) && (slash = strrchr(there, '/')) && slash > there)
		*slash = '\0';
	return real ? real : xstrdup(path);
}

static int read_to(struct job *j, const char *to, struct error *err)
{
	const struct project *p = j->ctx->project;
	CLEANUP(cleanup_free) char *mlops = path_join(p->root, ".mlops");
	CLEANUP(cleanup_free) char *real = NULL;

	if (!to)
		return 0;
	j->to = *to == '/' ? xstrdup(to) : path_join(j->ctx->dir, to);
	real = real_place(j->to);
	if (path_contains(mlops, j->to) || path_contains(mlops, real))
		return error_set(err, ERR_USAGE, "%s is inside .mlops", to);
	return 0;
}

static int read_link(struct job *j, const char *link, struct error *err)
{
	if (!link)
		link = settings_get(&j->ctx->project->settings, SETTING_CHECKOUT_LINK);
	return checkout_link_parse(link, &j->checkout.link, err);
}

/* Where --to is given, a path is one of the snapshot: the directory has no prefix to start from. */
static int read_wanted(struct job *j, const struct js *paths, struct error *err)
{
	for (size_t i = 0; i < js_len(paths); i++) {
		char *path;

		if (data_path(j->ctx, js_text(js_at(paths, i)), &path, err) < 0)
			return -1;
		strlist_push_owned(&j->wanted, path);
	}
	strlist_sort(&j->wanted);
	strlist_uniq(&j->wanted);
	return 0;
}

static int read_args(struct job *j, const struct js *args, struct error *err)
{
	const char *from = js_get_str(args, "from");
	int r;

	j->checkout.verify = j->checkout.holes = true;
	j->checkout.unknown = js_get_bool(args, "force") ? UNKNOWN_REPLACE : UNKNOWN_REFUSE;
	if (read_link(j, js_get_str(args, "link"), err) < 0 ||
	    read_wanted(j, js_get(args, "paths"), err) < 0)
		return -1;
	r = from && !j->to && !j->wanted.len ? snapshot_model_lock(j->ctx, from, &j->taken, &j->snap, err) : 0;
	if (r != 0)
		return r < 0 ? -1 : 0;
	return from ? snapshot_named(j->ctx, from, &j->snap, err) :
		      snapshot_lock(j->ctx, &j->snap, err);
}

/* What only this work tree has stays, so nothing of a branch's own is lost. Bytes come first, then what names them. */
static int take_lock(struct job *j, struct js *result, struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	int rootfd = j->ctx->project->rootfd;
	struct js *changed;

	if (!j->taken.len)
		return 0;
	if (lockfile_load(rootfd, &lock, err) < 0 || lockfile_check(&lock, err) < 0)
		return -1;
	changed = js_array();
	for (size_t i = 0; i < j->taken.len; i++) {
		const struct lock_entry *e = &j->taken.entries[i], *ours = lockfile_find(&lock, e->kind, e->name);

		if (ours && !strcmp(ours->value, e->value))
			continue;
		js_push_str(changed, e->name);
		lockfile_set(&lock, e->kind, e->name, e->value);
	}
	js_set(result, "lock", changed);
	return lockfile_save(&lock, rootfd, err);
}

/* Params given with -p stand in no file: the command that runs what was brought with them again. */
static char *repeat_command(const struct job *j)
{
	CLEANUP_JS struct js *params = j->to && j->snap.params ? snapshot_params_at(j->tofd, &j->snap) : NULL;
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	bool differs = false;

	strbuf_puts(&line, "mlops run");
	if (j->snap.pipeline && strcmp(j->snap.pipeline, "pipeline.ini") != 0) {
		strbuf_putc(&line, ' ');
		shell_append(&line, j->snap.pipeline);
	}
	for (void *it = params ? js_iter(j->snap.params) : NULL; it; it = js_next(j->snap.params, it)) {
		const char *was = js_text(js_iter_value(it)), *now = js_get_str(params, js_iter_key(it));
		CLEANUP(cleanup_free) char *pair = NULL;

		if (!was || !now || !strcmp(was, now))
			continue;
		differs = true;
		pair = xasprintf("%s=%s", js_iter_key(it), was);
		strbuf_puts(&line, " -p ");
		shell_append(&line, pair);
	}
	return differs ? strbuf_detach(&line) : NULL;
}

static struct js *job_result(struct job *j)
{
	CLEANUP(cleanup_free) char *repeat = repeat_command(j);
	struct js *result = js_object();

	js_set_str(result, "from", j->snap.label);
	js_set_str(result, "to", j->to);
	if (j->to && j->snap.code && j->snap.commit[0])
		js_set_str(result, "commit", j->snap.commit);
	js_set_str(result, "repeat", repeat);
	js_set(result, "paths", steal(&j->paths));
	js_set(result, "failed", steal(&j->failed));
	js_set_int(result, "files_written", (int64_t)j->sum.files_written);
	js_set_int(result, "files_removed", (int64_t)j->sum.files_removed);
	js_set_int(result, "files_kept", (int64_t)j->sum.files_kept);
	js_set(result, "notes", steal(&j->notes));
	return result;
}

static int prepare(struct job *j, struct error *err)
{
	if (project_store(j->ctx->project, &j->store, err) < 0 ||
	    data_scanner(j->ctx, NULL, &j->scanner, err) < 0)
		return -1;
	j->checkout.store = j->store;
	j->checkout.scanner = &j->scanner;
	j->checkout.progress = j->ctx->progress;
	if (!j->to && data_lock_tree(j->ctx, &j->locks, j->notes, err) < 0)
		return -1;
	if (lockfile_load(j->ctx->project->rootfd, &j->lock, NULL) < 0)
		j->lock = (struct lockfile)LOCKFILE_INIT;
	return data_lock_store(j->ctx, &j->locks, err);
}

/*
 * data.checkout {paths[], from, to, force, link} -> {from, to, commit, repeat, paths: [{path, state:
 *     restored|ok, content, written, removed, before}], failed: [{path, code, message, help}],
 *     files_written, files_removed, files_kept, notes[]}; with an error when `failed` is not empty.
 * Without `from`: mlops.lock. Without paths: all. mlops.lock stays as it is, unless all comes in place from the version of a
 * model that a run of an agent made: then it names what that run's does, and lock[] is the names that changed.
 */
static int checkout(struct op_context *ctx, const struct js *args, bool fetch, struct js **ret_result,
		    struct error *err)
{
	CLEANUP(job_release)
	struct job j = {
		.ctx = ctx,
		.lock = LOCKFILE_INIT,
		.taken = LOCKFILE_INIT,
		.locks = DATA_LOCKS_INIT,
		.tofd = -1,
		.fetch = fetch,
		.paths = js_array(),
		.notes = js_array(),
		.failed = js_array(),
	};
	int r;

	if (read_to(&j, js_get_str(args, "to"), err) < 0 || prepare(&j, err) < 0 ||
	    read_args(&j, args, err) < 0 || choose_targets(&j, err) < 0 || fetch_absent(&j, err) < 0)
		return -1;
	if (j.to && prepare_directory(&j, err) < 0)
		return -1;
	r = bring(&j, err);
	note_fetched(&j);
	*ret_result = job_result(&j);
	return r < 0 ? -1 : take_lock(&j, *ret_result, err);
}

int op_checkout(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	return checkout(ctx, args, true, ret_result, err);
}

int data_place(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	return checkout(ctx, args, false, ret_result, err);
}
