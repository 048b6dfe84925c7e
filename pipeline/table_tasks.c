/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of a run (tables.h): what no step makes, and what is up to date, before the first step; what a step made, before
 * it is accepted; a result of the past, before it is put into its place.
 */
#include <string.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/engine.h"
#include "pipeline/look_internal.h"
#include "pipeline/steplog.h"
#include "pipeline/tables.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "store/store.h"

/* ---- before the run, and after it ---- */

/* What looks at things between steps: everything is on the owner's thread. */
struct table_pass {
	struct engine *e;
	struct scanner scanner;
	int lock;		   /* of the store, once something is found */
	struct store_batch *batch; /* likewise */
	struct table_found *found;
	size_t len, cap;
};

static void pass_release(struct table_pass *pass)
{
	for (size_t i = 0; i < pass->len; i++)
		table_found_release(&pass->found[i]);
	free(pass->found);
	batch_free(pass->batch);
	cleanup_fd(&pass->lock);
}

static int pass_open(struct table_pass *pass, struct error *err)
{
	struct project *p = pass->e->project;

	if (pass->batch)
		return 0;
	pass->scanner = (struct scanner){ .rootfd = p->rootfd, .cache = project_statcache(p) };
	pass->lock = lock_take(p->locksfd, LOCK_STORE, LOCK_SHARED, LOCK_WAIT, NULL, NULL, err);
	if (pass->lock < 0 || project_store(p, &pass->scanner.store, err) < 0 ||
	    project_ignore(p, &pass->scanner.ignore, err) < 0)
		return -1;
	return batch_open(pass->scanner.store, &pass->batch, err);
}

static int pass_look(struct table_pass *pass, const char *path, const struct content *content, bool profile,
		     struct error *err)
{
	struct table_place place = { .scanner = &pass->scanner };
	int r;

	if (tables_know(pass->e->tables, path, content, profile))
		return 0;
	if (pass_open(pass, err) < 0)
		return -1;
	place.batch = pass->batch;
	GROW(pass->found, pass->len, pass->cap);
	r = tables_look(pass->e->tables, &place, path, content, profile, &pass->found[pass->len++], err);
	return r;
}

static int pass_record(struct table_pass *pass, struct error *err)
{
	struct engine *e = pass->e;
	struct db *db;
	int r = 0;

	if (!pass->len)
		return 0;
	if ((pass->batch && batch_commit(pass->batch, err) < 0) || project_db(e->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	for (size_t i = 0; r == 0 && i < pass->len; i++)
		r = tables_record(e->tables, db, &pass->found[i], NULL, clock_wall_ms(), err);
	if (r < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	FAILPOINT("tables.recorded");
	for (size_t i = 0; i < pass->len; i++) {
		if (pass->found[i].note)
			engine_note(e, "%s", pass->found[i].note);
		tables_accept(e->tables, &pass->found[i]);
		table_found_release(&pass->found[i]);
	}
	pass->len = 0;
	return 0;
}

/* What no step of this run makes is read as it stands. */
static int check_inputs(struct table_pass *pass, const struct plan_node *node, struct error *err)
{
	const struct content *content;

	for (size_t i = 0; i < node->inputs.len; i++) {
		const char *path = node->inputs.items[i];
		const struct plan_node *maker = plan_maker(pass->e->plan, path);

		if (maker && maker->selected)
			continue;
		if (look_content(pass->e->looker, path, &content, err) < 0 || pass_look(pass, path, content, false, err) < 0)
			return -1;
	}
	return 0;
}

static int check_outputs(struct table_pass *pass, const struct plan_node *node, const struct content *outputs,
			 struct error *err)
{
	for (size_t i = 0; i < node->noutputs; i++)
		if (pass_look(pass, node->outputs[i].path, &outputs[i], node->outputs[i].profile, err) < 0)
			return -1;
	return 0;
}

/* The step at which the pass ended is the one to name. */
static int refuse(struct table_pass *pass, struct task *t)
{
	struct engine *e = pass->e;

	if (pass->len && pass->found[pass->len - 1].reports) {
		e->refused = pass->found[--pass->len];
		e->refused_by = t;
	}
	return -1;
}

int tables_before_run(struct engine *e, struct error *err)
{
	CLEANUP(pass_release) struct table_pass pass = { .e = e, .lock = -1 };

	for (size_t i = 0; e->tables && i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];

		if (!t->node || t->look->state == STEP_SKIPPED)
			continue;
		if (check_inputs(&pass, t->node, err) < 0 ||
		    (t->look->state == STEP_FRESH && check_outputs(&pass, t->node, t->look->outputs, err) < 0))
			return refuse(&pass, t);
	}
	return pass_record(&pass, err);
}

static bool is_restored(const struct task *t)
{
	return t->node && (t->end == END_CACHED || t->end == END_RESTORED);
}

/* What was found about results of the past, when they came. */
static void take_found(struct table_pass *pass, struct task *t)
{
	for (size_t i = 0; t->found && i < t->node->noutputs; i++) {
		if (!t->found[i].path)
			continue;
		GROW(pass->found, pass->len, pass->cap);
		pass->found[pass->len++] = t->found[i];
		t->found[i] = (struct table_found){ 0 };
	}
}

int tables_after_run(struct engine *e, struct error *err)
{
	CLEANUP(pass_release) struct table_pass pass = { .e = e, .lock = -1 };

	for (size_t i = 0; e->tables && i < e->plan->len; i++)
		if (is_restored(&e->tasks[i]))
			take_found(&pass, &e->tasks[i]);
	if (pass_record(&pass, err) < 0)
		return -1;
	for (size_t i = 0; e->tables && i < e->plan->len; i++)
		if (is_restored(&e->tasks[i]) && check_outputs(&pass, e->tasks[i].node, e->tasks[i].outputs, err) < 0)
			return -1;
	return pass_record(&pass, err);
}

/* ---- a step ---- */

/* What does not fit is told in the log of the step, too. */
static void tell_log(struct task *t, const struct strlist *lines)
{
	for (size_t i = 0; t->log && i < lines->len; i++) {
		CLEANUP(cleanup_free) char *line = xasprintf("%s\n", lines->items[i]);
		steplog_feed(t->log, 1, line, strlen(line));
	}
}

static int finish_output(struct task *t, const struct table_place *place, size_t output)
{
	struct table_found *found = &t->found[output];
	const struct plan_output *out = &t->node->outputs[output];
	int r = tables_look(t->engine->tables, place, out->path, &t->outputs[output], out->profile, found, t->err);

	if (r == 0 && found->note)
		task_note(t, "%s", found->note);
	if (r == 0)
		return 0;
	if (found->reports) {
		js_set(t->record, "schema", js_ref(found->reports));
		tell_log(t, &found->lines);
	}
	return error_wrap(t->err, "step %s", t->node->name);
}

int tables_finish(struct finishing *f, struct task *t, size_t output, const struct tree *tree)
{
	struct table_place place = { .scanner = &f->scanner, .batch = f->scanner.batch, .tree = tree };
	const struct plan_output *out = &t->node->outputs[output];

	if (tables_know(t->engine->tables, out->path, &t->outputs[output], out->profile))
		return 0;
	if (!t->found)
		t->found = xcalloc(t->node->noutputs, sizeof(*t->found));
	return finish_output(t, &place, output);
}

int tables_record_step(struct task *t, struct error *err)
{
	for (size_t i = 0; t->found && i < t->node->noutputs; i++)
		if (t->found[i].path &&
		    tables_record(t->engine->tables, t->engine->db, &t->found[i], t->run, t->end_ms, err) < 0)
			return -1;
	return 0;
}

void tables_step_done(struct task *t)
{
	for (size_t i = 0; t->found && i < t->node->noutputs; i++)
		if (t->found[i].path && !t->err->code)
			tables_accept(t->engine->tables, &t->found[i]);
	tables_forget(t);
}

void tables_forget(struct task *t)
{
	for (size_t i = 0; t->found && i < t->node->noutputs; i++)
		table_found_release(&t->found[i]);
	free(t->found);
	t->found = NULL;
}

int tables_restore(struct task *t, struct error *err)
{
	struct engine *e = t->engine;
	struct table_place place = { .scanner = &e->scanner };

	for (size_t i = 0; e->tables && i < t->node->noutputs; i++) {
		const struct plan_output *out = &t->node->outputs[i];

		if (tables_know(e->tables, out->path, &t->outputs[i], out->profile))
			continue;
		if (!t->found)
			t->found = xcalloc(t->node->noutputs, sizeof(*t->found));
		if (tables_look(e->tables, &place, out->path, &t->outputs[i], false, &t->found[i], err) == 0)
			continue;
		for (size_t k = 0; k < t->found[i].lines.len; k++)
			strlist_push(&t->tail, t->found[i].lines.items[k]);
		return error_wrap(err, "step %s: its last result", t->node->name);
	}
	return 0;
}

/* A profile is an output beside the one that it describes. */
int tables_record_profiles(struct task *t, const char *run, struct error *err)
{
	struct engine *e = t->engine;

	for (size_t i = 0; e->tables && t->outputs && i < t->node->noutputs; i++) {
		const struct plan_output *out = &t->node->outputs[i];
		CLEANUP(cleanup_free) char *name = tables_profile_name(out->path);
		struct content profile = { .kind = CONTENT_ABSENT };

		if (!out->profile)
			continue;
		if (t->found && t->found[i].path)
			profile = t->found[i].profile;
		else if (tables_profile(e->tables, out->path, &t->outputs[i], &profile, err) < 0)
			return -1;
		if (profile.kind != CONTENT_ABSENT &&
		    run_log_content(e->db, run, RUN_OUTPUT, name, "profile", &profile, err) < 0)
			return -1;
	}
	return 0;
}
