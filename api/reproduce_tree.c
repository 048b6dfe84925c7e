/* SPDX-License-Identifier: Apache-2.0 */
/* A project in which what was made can be made again: code, data, pins of images, settings and secrets. */
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
#include "api/reproduce.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "registry/git.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "registry/satellite.h"
#include "store/checkout.h"
#include "store/store.h"

#define DELETED_MAX ((size_t)64 << 20)
#define GIT_MS	    60000

void again_tree_release(struct again_tree *t)
{
	plan_free(t->plan);
	pipeline_free(t->pipeline);
	strlist_release(&t->params);
	cleanup_fd(&t->fd);
	free(t->path);
}

/* ---- bytes ---- */

/* 1: it stands there; 0: it is nowhere, which is noted. */
static int place(struct recipe *r, const struct again_tree *t, const char *path, const char *what,
		 const struct content *content, struct error *err)
{
	struct scanner scanner = { .rootfd = t->fd, .store = r->store };
	struct checkout checkout = { .store = r->store, .scanner = &scanner, .unknown = UNKNOWN_REPLACE, .verify = true,
				     .progress = r->ctx->progress };
	struct checkout_result result = { 0 };
	struct error why = { 0 };
	uint64_t fetched = 0;

	if (checkout_path(&checkout, path, content, &result, &why) == 0)
		return 1;
	if (why.code == ERR_NOT_FOUND && remotes_fetch(r->ctx, content, 1, r->notes, &fetched, err) < 0)
		return -1;
	if (fetched) {
		error_clear(&why);
		if (checkout_path(&checkout, path, content, &result, &why) == 0)
			return 1;
	}
	if (why.code == ERR_ENV || why.code == ERR_INTERRUPTED) {
		error_wrap(&why, "%s", what);
		if (err)
			*err = why;
		return -1;
	}
	return recipe_lacks(r, what, content, why.msg, err);
}

static int place_inputs(struct recipe *r, const struct again_tree *t, struct error *err)
{
	for (size_t i = 0; i < r->inputs.len; i++)
		if (place(r, t, r->inputs.entries[i].key, r->inputs.entries[i].key, r->inputs.entries[i].value, err) < 0)
			return -1;
	return 0;
}

/* ---- code ---- */

static bool code_part(const struct recipe *r, const char *part, struct content *ret)
{
	const struct js *inputs = js_get(r->record, "inputs");

	for (size_t i = 0; i < js_len(inputs); i++) {
		const struct js *item = js_at(inputs, i);

		if (!strcmp(js_get_str(item, "path"), part))
			return content_parse(js_get_str(item, "content"), ret);
	}
	*ret = (struct content){ .kind = CONTENT_ABSENT };
	return false;
}

static int read_deleted(struct recipe *r, struct strbuf *ret, struct error *err)
{
	struct content deleted;

	if (!code_part(r, RUN_CODE_DELETED, &deleted))
		return 0;
	if (!store_has(r->store, &deleted.id) && remotes_fetch(r->ctx, &deleted, 1, r->notes, NULL, err) < 0)
		return -1;
	return store_read(r->store, &deleted.id, DELETED_MAX, ret, err);
}

/* The project's place in its repository, which is restored from its top. */
static int enter_project(struct recipe *r, struct again_tree *t, struct error *err)
{
	CLEANUP(code_version_release) struct code_version cv = { .commit = "" };
	struct scanner scanner = { .rootfd = r->ctx->project->rootfd };
	char *path;
	int fd;

	if (git_code_version(&scanner, r->ctx->project->root, NULL, &cv, err) < 0)
		return -1;
	if (!cv.subdir || !*cv.subdir)
		return 0;
	if (fs_make_dirs(t->fd, cv.subdir, 0777, err) < 0)
		return -1;
	fd = fs_open_direct(t->fd, cv.subdir, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return -1;
	path = path_join(t->path, cv.subdir);
	cleanup_fd(&t->fd);
	free(t->path);
	t->fd = fd;
	t->path = path;
	return 0;
}

/* 1, or 0 with the reason. */
static int code_from_git(struct recipe *r, struct again_tree *t, struct error *ret_why, struct error *err)
{
	const char *commit = recipe_tag(r, "mlflow.source.git.commit");
	CLEANUP_STRBUF struct strbuf deleted = STRBUF_INIT;
	struct content changes;

	if (!commit) {
		error_set(ret_why, ERR_NOT_FOUND, "no commit was recorded");
		return 0;
	}
	code_part(r, RUN_CODE_CHANGES, &changes);
	if (changes.kind == CONTENT_ABSENT && recipe_tag(r, "mlops.code.changes")) {
		error_set(ret_why, ERR_NOT_FOUND, "what was changed over commit %.12s was not kept", commit);
		return 0;
	}
	if (changes.kind != CONTENT_ABSENT && remotes_fetch(r->ctx, &changes, 1, r->notes, NULL, err) < 0)
		return -1;
	if (read_deleted(r, &deleted, ret_why) < 0 ||
	    git_restore(r->ctx->project->root, commit, r->store, &changes, deleted.buf, t->path, ret_why) < 0)
		return fs_remove_tree(r->set.fd, t->name, err) < 0 ? -1 : 0;
	return enter_project(r, t, err) < 0 ? -1 : 1;
}

static int open_tree(struct recipe *r, struct again_tree *t, struct error *err)
{
	cleanup_fd(&t->fd);
	t->fd = scratch_set_tree(&r->set, t->name, err);
	return t->fd < 0 ? -1 : 0;
}

static int lacks_code(struct recipe *r, const struct error *why, struct error *err)
{
	const char *branch = recipe_tag(r, "mlflow.source.git.branch"), *remote = recipe_tag(r, "mlflow.source.git.repoURL");
	const char *commit = recipe_tag(r, "mlflow.source.git.commit");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	strbuf_puts(&text, why->msg);
	if (commit)
		strbuf_printf(&text, "; it was commit %.12s", commit);
	if (commit && branch)
		strbuf_printf(&text, " of branch %s", branch);
	if (commit && remote)
		strbuf_printf(&text, " of %s", remote);
	return recipe_lacks(r, "code", NULL, text.buf, err);
}

/* The stored tree first: it has the bytes that were read then, whatever has become of the repository. One from which large
 * files were left out is second to the commit. */
static int place_code(struct recipe *r, struct again_tree *t, struct error *err)
{
	const char *extent = recipe_tag(r, "mlops.code.files");
	struct error why = { 0 };
	struct content files;
	bool kept = code_part(r, RUN_CODE_FILES, &files);
	int got;

	if (kept && !store_has(r->store, &files.id) && remotes_fetch(r->ctx, &files, 1, r->notes, NULL, err) < 0)
		return -1;
	kept = kept && store_has(r->store, &files.id);
	if (kept && extent && !strcmp(extent, "all"))
		return place(r, t, ".", "code", &files, err);
	got = code_from_git(r, t, &why, err);
	if (got != 0 || open_tree(r, t, err) < 0)
		return got > 0 ? 0 : -1;
	if (!kept)
		return lacks_code(r, &why, err);
	js_push_str(r->notes, "of the code only what is small was kept, and git does not have the commit");
	return place(r, t, ".", "code", &files, err);
}

/* ---- a home ---- */

/* Steps may ask git who they are, and must not be told of the repository around. What cannot be had of it is left out. */
static void make_repository(const struct recipe *r, const struct again_tree *t)
{
	const char *branch = recipe_tag(r, "mlflow.source.git.branch"), *commit = recipe_tag(r, "mlflow.source.git.commit");
	const char *const ask[] = { "git", "rev-parse", "--path-format=absolute", "--git-path", "objects", NULL };
	const char *const init[] = { "git", "init", "-q", "--template=", "-b", branch ? branch : "main", NULL };
	const char *const set[] = { "git", "update-ref", "HEAD", commit, NULL };
	const char *const read[] = { "git", "read-tree", "HEAD", NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, objects = STRBUF_INIT;

	if (process_capture(ask, r->ctx->project->root, GIT_MS, 8192, &objects, NULL) != 0)
		objects.len = 0;
	if (process_capture(init, t->path, GIT_MS, 8192, &out, NULL) != 0 || !commit || !objects.len)
		return;
	if (fs_make_dirs(t->fd, ".git/objects/info", 0777, NULL) == 0 &&
	    io_replace_file(t->fd, ".git/objects/info/alternates", objects.buf, objects.len, 0666, false, NULL) == 0 &&
	    process_capture(set, t->path, GIT_MS, 8192, &out, NULL) == 0)
		process_capture(read, t->path, GIT_MS, 8192, &out, NULL);
}

static int copy_settings(const struct recipe *r, int home, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct error why = { 0 };

	if (io_read_file(r->ctx->project->homefd, "config.ini", 1u << 20, &text, &why) < 0) {
		if (why.code != ERR_NOT_FOUND && err)
			*err = why;
		return why.code == ERR_NOT_FOUND ? 0 : -1;
	}
	return io_replace_file(home, "config.ini", text.buf, text.len, 0666, false, err);
}

/* By hard link, so that no second copy of a secret is on the disk. */
static int link_secrets(const struct recipe *r, int home, struct error *err)
{
	CLEANUP(cleanup_fd) int from = openat(r->ctx->project->homefd, "secrets", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP(cleanup_fd) int to = -1;

	if (from < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "cannot open .mlops/secrets");
	if (fs_list_dir(from, ".", &names, err) < 0 || io_mkdir(home, "secrets", 0700, err) < 0)
		return -1;
	to = fs_open_direct(home, "secrets", O_RDONLY | O_DIRECTORY, 0, err);
	if (to < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (linkat(from, names.items[i], to, names.items[i], 0) < 0)
			return error_sys(err, errno, "cannot give the secret %s", names.items[i]);
	return 0;
}

static int make_home(const struct recipe *r, const struct again_tree *t, struct error *err)
{
	CLEANUP(cleanup_fd) int home = -1;
	bool made;

	if (project_create(t->path, &made, err) < 0)
		return -1;
	home = fs_open_direct(t->fd, ".mlops", O_RDONLY | O_DIRECTORY, 0, err);
	if (home < 0 || copy_settings(r, home, err) < 0 || link_secrets(r, home, err) < 0)
		return -1;
	make_repository(r, t);
	return 0;
}

/* ---- the plan ---- */

struct differing {
	const struct js *was;
	struct strlist *params;
};

static void add_param(void *ctx, const char *key, const struct js *value)
{
	struct differing *d = ctx;
	const char *was = js_get_str(d->was, key);
	CLEANUP_STRBUF struct strbuf now = STRBUF_INIT;

	if (js_typeof(value) == JS_STR)
		strbuf_puts(&now, js_text(value));
	else
		js_dump(value, JS_COMPACT, &now);
	if (was && strcmp(was, now.buf) != 0)
		strlist_push_owned(d->params, xasprintf("%s=%s", key, was));
}

/* Params that were given with -p stand in no file. */
static int load_plan(struct recipe *r, struct again_tree *t, struct error *err)
{
	struct differing differing = { js_get(r->record, "params"), &t->params };

	if (pipeline_load(t->fd, r->file, NULL, &t->pipeline, err) < 0)
		return -1;
	pipeline_each_param(t->pipeline->params, add_param, &differing);
	if (t->params.len) {
		pipeline_free(steal(&t->pipeline));
		if (pipeline_load(t->fd, r->file, &t->params, &t->pipeline, err) < 0)
			return -1;
	}
	t->pipeline->partial = true;
	return plan_make(t->fd, t->pipeline, NULL, &t->plan, err);
}

/* It was part of the run: what it made is known, or that it ran. */
static bool was_run(const struct recipe *r, const struct plan_node *node)
{
	for (size_t i = 0; i < node->noutputs; i++)
		if (!strmap_has(&r->outputs, node->outputs[i].path))
			return false;
	for (size_t i = 0; !node->noutputs && i < js_len(r->attempts); i++)
		if (!strcmp(js_get_str(js_at(r->attempts, i), "step"), node->name))
			return true;
	return node->noutputs > 0;
}

/* Steps that tell numbers about what the maker made. */
static int add_reporters(const struct recipe *r, struct plan *plan, const char *maker, struct strlist *names, struct error *err)
{
	struct strlist one CLEANUP(strlist_release) = STRLIST_INIT;

	strlist_push(&one, maker);
	if (plan_select(plan, &one, SELECT_DOWNSTREAM, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->len; i++)
		for (size_t k = 0; plan->nodes[i].selected && k < plan->nodes[i].noutputs; k++)
			if (plan->nodes[i].outputs[k].use == OUT_METRICS && was_run(r, &plan->nodes[i]))
				strlist_push(names, plan->nodes[i].name);
	return 0;
}

static int select_steps(struct recipe *r, struct again_tree *t, const char *only, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const struct plan_node *maker = r->path ? plan_maker(t->plan, r->path) : NULL;
	const char *name = only ? only : r->step ? r->step : maker ? maker->name : NULL;
	bool alone = only || r->step;

	if (name)
		strlist_push(&names, name);
	if ((name && !alone && r->metrics && add_reporters(r, t->plan, name, &names, err) < 0) ||
	    plan_select(t->plan, &names, alone ? SELECT_ONLY : SELECT_UP_TO, err) < 0)
		return -1;
	for (size_t i = 0; i < t->plan->len; i++) {
		struct plan_node *node = &t->plan->nodes[i];

		node->selected = node->selected && was_run(r, node);
		if (node->selected && !only)
			strlist_push(&r->steps, node->name);
	}
	if (only || r->steps.len)
		return 0;
	return recipe_lacks(r, name ? name : "steps", NULL, "its run has no result of such a step", err);
}

/* What steps that do not run again made for those that do. */
static int place_made(struct recipe *r, const struct again_tree *t, struct error *err)
{
	for (size_t i = 0; i < t->plan->len; i++) {
		const struct plan_node *node = &t->plan->nodes[i];

		for (size_t k = 0; node->selected && k < node->inputs.len; k++) {
			const char *path = node->inputs.items[k];
			const struct plan_node *maker = plan_maker(t->plan, path);

			if (!maker || maker->selected)
				continue;
			for (size_t o = 0; o < maker->noutputs; o++) {
				const char *out = maker->outputs[o].path;
				const struct content *content = strmap_get(&r->outputs, out);

				if (content && (path_contains(out, path) || path_contains(path, out)) &&
				    place(r, t, out, out, content, err) < 0)
					return -1;
			}
		}
	}
	return 0;
}

/* Images by what they were then: a tag may have moved since. */
static int write_pins(const struct recipe *r, const struct again_tree *t, struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;

	for (size_t i = 0; i < t->plan->len; i++) {
		const struct plan_node *node = &t->plan->nodes[i];
		CLEANUP_JS struct js *attempt = NULL;
		const struct js *record, *bases;

		if (!node->selected || !node->image)
			continue;
		if (recipe_attempt(r, node->name, &attempt, err) < 0)
			return -1;
		record = js_get(attempt, "record");
		bases = js_get(js_get(record, "build"), "bases");
		if (!node->build && js_get_str(record, "image"))
			lockfile_set(&lock, LOCKED_IMAGE, node->image, js_get_str(record, "image"));
		for (void *it = bases ? js_iter(bases) : NULL; it; it = js_next(bases, it))
			if (js_text(js_iter_value(it)))
				lockfile_set(&lock, LOCKED_IMAGE, js_iter_key(it), js_text(js_iter_value(it)));
	}
	fs_remove_tree(t->fd, LOCKFILE_NAME, NULL);
	return lockfile_save(&lock, t->fd, err);
}

int again_make(struct recipe *r, const char *name, const char *only, struct again_tree *t, struct error *err)
{
	CLEANUP(data_unlock) struct data_locks locks = DATA_LOCKS_INIT;
	struct error why = { 0 };

	snprintf(t->name, sizeof(t->name), "%s", name);
	t->path = xasprintf("%s/" SCRATCH_DIR "/%s/%s", r->ctx->project->root, r->set.id, name);
	if (open_tree(r, t, err) < 0 || data_lock_store(r->ctx, &locks, err) < 0 || place_code(r, t, err) < 0 ||
	    place_inputs(r, t, err) < 0)
		return -1;
	if (js_len(r->missing))
		return 0;
	if (load_plan(r, t, &why) < 0)
		return recipe_lacks(r, r->file, NULL, why.msg, err);
	if (select_steps(r, t, only, &why) < 0) {
		if (err)
			*err = why;
		return -1;
	}
	return place_made(r, t, err) < 0 || write_pins(r, t, err) < 0 || make_home(r, t, err) < 0 ? -1 : 0;
}
