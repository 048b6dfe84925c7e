/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: the disk against mlops.lock, and what a run would do. The steps are looked at first:
 * an output of a step that is up to date, and an input that was looked at, are not hashed twice.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "api/data.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/run.h"
#include "registry/git.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "store/store.h"

#define PIPELINE_FILE "pipeline.ini"

struct status {
	struct op_context *ctx;
	struct lockfile lock;
	struct scanner scanner;
	struct remotes remotes;
	struct pipeline *pipeline; /* NULL: there is none, or it is not readable */
	struct plan *plan;
	struct looker *looker;
	struct strmap fresh; /* outputs of steps that are up to date */
	struct js *result, *paths, *steps, *notes;
	struct strmap counts_of; /* state -> int64_t *, in order of appearance */
};

static void status_release(struct status *s)
{
	looker_free(s->looker);
	plan_free(s->plan);
	pipeline_free(s->pipeline);
	remotes_release(&s->remotes);
	strmap_release(&s->fresh);
	for (size_t i = 0; i < s->counts_of.len; i++)
		free(s->counts_of.entries[i].value);
	strmap_release(&s->counts_of);
	lockfile_release(&s->lock);
	js_free(s->result);
}

static void note_error(struct status *s, const struct error *err)
{
	CLEANUP(cleanup_free)
	char *text = xasprintf("%s%s%s%s%s", err->where, *err->where ? ": " : "", err->msg,
			       *err->help ? "; " : "", err->help);

	js_push_str(s->notes, text);
}

static void count(struct status *s, const char *state)
{
	int64_t *n = strmap_get(&s->counts_of, state);

	if (!n) {
		n = xcalloc(1, sizeof(*n));
		strmap_set(&s->counts_of, state, n);
	}
	++*n;
}

/* ---- steps ---- */

static void add_step(struct status *s, const struct plan_node *node, const struct step_look *look)
{
	struct js *json = js_object();

	js_set_str(json, "name", node->name);
	js_set_str(json, "state", step_state_name(look->state));
	if (strcmp(node->name, node->step->name) != 0)
		js_set_str(json, "of", node->step->name);
	js_set_str(json, "reason", look->reasons.len ? look->reasons.items[0] : NULL);
	js_push(s->steps, json);
}

static int look_at_steps(struct status *s, struct error *err)
{
	for (size_t i = 0; i < s->plan->len; i++) {
		struct plan_node *node = &s->plan->nodes[i];
		const struct step_look *look;

		if (look_node(s->looker, node, &look, err) < 0)
			return -1;
		if (look->state != STEP_FRESH) {
			add_step(s, node, look);
			continue;
		}
		for (size_t k = 0; k < node->noutputs; k++)
			strmap_set(&s->fresh, node->outputs[k].path, node);
	}
	return 0;
}

static int load_plan(struct status *s, struct error *err)
{
	CLEANUP(strlist_release) struct strlist made = STRLIST_INIT;
	struct project *p = s->ctx->project;

	for (size_t i = 0; i < s->lock.len; i++)
		if (s->lock.entries[i].kind == LOCKED_OUT)
			strlist_push(&made, s->lock.entries[i].name);
	if (pipeline_load(p->rootfd, PIPELINE_FILE, NULL, &s->pipeline, err) < 0)
		return -1;
	return plan_make(p->rootfd, s->pipeline, &made, &s->plan, err);
}

/* A pipeline that cannot be read or planned is a note here: the data can still be compared. */
static int status_steps(struct status *s, struct error *err)
{
	struct project *p = s->ctx->project;
	struct error failed;
	struct stat st;

	if (fs_stat_beneath(p->rootfd, PIPELINE_FILE, &st, NULL) <= 0)
		return 0;
	if (load_plan(s, &failed) < 0) {
		note_error(s, &failed);
		return 0;
	}
	if (s->lock.conflicts)
		return 0; /* no step can be judged before they are settled */
	remotes_of(p, s->pipeline, &s->remotes);
	if (looker_new(p, s->plan, false, &s->looker, &failed) < 0 || look_at_steps(s, &failed) < 0) {
		if (failed.code == ERR_INTERRUPTED) {
			if (err)
				*err = failed;
			return -1;
		}
		note_error(s, &failed);
	}
	return 0;
}

/* ---- paths ---- */

struct file_counts {
	int64_t added, changed, removed;
};

static void count_entry(void *ctx, const struct tree_entry *old, const struct tree_entry *now)
{
	struct file_counts *c = ctx;

	if (!old)
		c->added++;
	else if (!now)
		c->removed++;
	else
		c->changed++;
}

/* How many files of a directory differ; left out when the store does not know how it was. */
static void add_file_counts(struct status *s, const struct content *want, const char *path,
			    struct js *json)
{
	CLEANUP(tree_release) struct tree old = TREE_INIT;
	CLEANUP(tree_release) struct tree now = TREE_INIT;
	struct file_counts counts = { 0 };
	struct content content;

	if (want->kind != CONTENT_TREE || tree_read(s->scanner.store, &want->id, &old, NULL) < 0 ||
	    scan_path(&s->scanner, path, &content, &now, NULL) < 0 || content.kind != CONTENT_TREE)
		return;
	tree_diff(&old, &now, count_entry, &counts);
	js_set_int(json, "added", counts.added);
	js_set_int(json, "modified", counts.changed);
	js_set_int(json, "removed", counts.removed);
}

static void add_path(struct status *s, const char *path, const char *kind, const char *state,
		     const struct content *want, const struct content *now)
{
	struct js *json = js_object();

	count(s, state);
	js_set_str(json, "path", path);
	js_set_str(json, "kind", kind);
	js_set_str(json, "state", state);
	if (want)
		data_set_content(json, "locked", want);
	if (now)
		data_set_content(json, "content", now);
	if (want && now && now->kind == CONTENT_TREE && !strcmp(state, "changed"))
		add_file_counts(s, want, path, json);
	js_push(s->paths, json);
}

static int look_at_entry(struct status *s, const struct lock_entry *entry, struct error *err)
{
	const struct content *looked = s->looker ? look_input(s->looker, entry->name) : NULL;
	const char *kind = lock_kind_name(entry->kind);
	struct content want, now;

	if (!content_parse(entry->value, &want))
		return 0;
	if (entry->kind == LOCKED_OUT && strmap_has(&s->fresh, entry->name)) {
		add_path(s, entry->name, kind, "ok", &want, &want);
		return 0;
	}
	if (looked && entry->kind == LOCKED_DATA)
		now = *looked;
	else if (scan_path(&s->scanner, entry->name, &now, NULL, err) < 0)
		return -1;
	add_path(s, entry->name, kind,
		 now.kind == CONTENT_ABSENT ? "missing" :
		 content_equal(&now, &want) ? "ok" :
					      "changed",
		 &want, &now);
	return 0;
}

/* What cannot be hashed (a FIFO, an unreadable file) is one bad path, not the end of the list. */
static int status_paths(struct status *s, struct error *err)
{
	struct error failed;

	for (size_t i = 0; i < s->lock.len; i++) {
		const struct lock_entry *entry = &s->lock.entries[i];

		if (entry->kind != LOCKED_DATA && entry->kind != LOCKED_OUT)
			continue;
		if (entry->other) {
			add_path(s, entry->name, lock_kind_name(entry->kind), "conflict", NULL,
				 NULL);
			continue;
		}
		if (look_at_entry(s, entry, &failed) == 0)
			continue;
		if (failed.code == ERR_INTERRUPTED) {
			if (err)
				*err = failed;
			return -1;
		}
		add_path(s, entry->name, lock_kind_name(entry->kind), "unreadable", NULL, NULL);
		note_error(s, &failed);
	}
	return 0;
}

/* Outputs that stand on the disk, and that mlops.lock does not know. */
static void status_new(struct status *s)
{
	struct stat st;

	for (size_t i = 0; s->plan && i < s->plan->len; i++) {
		const struct plan_node *node = &s->plan->nodes[i];

		for (size_t k = 0; k < node->noutputs; k++) {
			const char *path = node->outputs[k].path;

			if (!lockfile_find(&s->lock, LOCKED_OUT, path) &&
			    fs_stat_beneath(s->ctx->project->rootfd, path, &st, NULL) > 0)
				add_path(s, path, "out", "new", NULL, NULL);
		}
	}
}

/* ---- what is around ---- */

static struct js *conflicts_json(const struct lockfile *lock)
{
	struct js *list = js_array();

	for (size_t i = 0; i < lock->len; i++) {
		const struct lock_entry *e = &lock->entries[i];
		struct js *json;

		if (!e->other)
			continue;
		json = js_object();
		js_set_str(json, "kind", lock_kind_name(e->kind));
		js_set_str(json, "name", e->name);
		js_set_str(json, "ours", e->value);
		js_set_str(json, "theirs", e->other);
		js_push(list, json);
	}
	return list;
}

static bool status_database(struct status *s)
{
	struct stat st;

	if (fs_stat_beneath(s->ctx->project->homefd, "registry.db", &st, NULL) > 0 && st.st_size > 0)
		return true;
	js_push_str(
		s->notes,
		".mlops/registry.db is missing or empty: runs recorded before are unknown; put a "
		"backup in its place, or run: mlops init");
	return false;
}

static void status_leftovers(struct status *s)
{
	static const struct {
		const char *path, *text;
	} left[] = {
		{ "mlruns", "mlruns/ is left over from MLflow and is not read here; look at it "
			    "with: mlflow ui "
			    "--backend-store-uri mlruns; when nothing needs it: rm -r mlruns" },
		{ "mlflow.db",
		  "mlflow.db is left over from MLflow and is not read here; look at it with: "
		  "mlflow ui --backend-store-uri sqlite:///mlflow.db; when nothing needs it: rm "
		  "mlflow.db" },
	};
	const struct project *p = s->ctx->project;
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(left); i++)
		if (fs_stat_beneath(p->rootfd, left[i].path, &st, NULL) > 0 &&
		    !git_tracks(p->root, left[i].path))
			js_push_str(s->notes, left[i].text);
}

static void finish(struct status *s)
{
	struct js *counts = js_object();
	char branch[256];

	git_branch(s->ctx->project->root, branch, sizeof(branch));
	js_set_str(s->result, "branch", *branch ? branch : NULL);
	for (size_t i = 0; i < s->counts_of.len; i++)
		js_set_int(counts, s->counts_of.entries[i].key,
			   *(int64_t *)s->counts_of.entries[i].value);
	js_set(s->result, "counts", counts);
	js_set(s->result, "conflicts", conflicts_json(&s->lock));
	js_set_bool(s->result, "database", status_database(s));
	js_set_bool(s->result, "pipeline", s->plan != NULL);
	js_set_int(s->result, "steps_total", s->plan ? (int64_t)s->plan->len : 0);
	status_leftovers(s);
}

/*
 * data.status {} -> {branch, paths: [{path, kind: data|out, state, locked, content, added,
 *     modified, removed}], counts{state: n}, conflicts: [{kind, name, ours, theirs}], database,
 *     pipeline, steps_total, steps: [{name, of, state: restore|stale|blocked|skipped, reason}] of those not
 *     up to date, notes[]}
 * state: ok, changed, missing, new (an output that mlops.lock does not know), conflict, unreadable.
 * Nothing is changed but the stat cache.
 */
int op_status(struct op_context *ctx, const struct js *args, struct js **ret_result,
	      struct error *err)
{
	CLEANUP(status_release) struct status s = { .ctx = ctx, .result = js_object() };

	(void)args;
	js_set(s.result, "branch", js_null());
	js_set(s.result, "paths", s.paths = js_array());
	js_set(s.result, "steps", s.steps = js_array());
	js_set(s.result, "notes", s.notes = js_array());
	if (lockfile_load(ctx->project->rootfd, &s.lock, err) < 0 ||
	    data_scanner(ctx, NULL, &s.scanner, err) < 0 || status_steps(&s, err) < 0 ||
	    status_paths(&s, err) < 0)
		return -1;
	status_new(&s);
	finish(&s);
	*ret_result = steal(&s.result);
	return 0;
}
