/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accept: outputs that are in place become the accepted result of a step as it is now, because a person says so.
 * Everything is judged before anything is changed. Then, as a run does it: objects, one transaction with events and
 * rows of the cache, mlops.lock. Killed before the lock is written, the next run finds the result in the cache.
 */
#include <stdio.h>
#include <string.h>
#include "api/data.h"
#include "api/data_kinds.h"
#include "api/loaded.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "pipeline/grammar.h"
#include "pipeline/key.h"
#include "pipeline/run.h"
#include "pipeline/tables.h"
#include "registry/accepts.h"
#include "registry/cache.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "store/store.h"

/* One step whose outputs stay. */
struct kept {
	struct plan_node *node;
	struct digest old, now;
	struct content *outputs; /* by index of the node's outputs */
	struct table_found *found; /* by the same index, about those that were looked at */
	struct strlist changes;
	struct js *record;
};
struct accept {
	struct op_context *ctx;
	struct loaded loaded;
	struct remotes remotes;
	struct looker *looker;
	struct tables *tables;
	bool *named;             /* by index of the node */
	struct kept *kept;       /* in order of the plan */
	size_t len, cap;
	struct js *fresh;
};

static void accept_release(struct accept *a)
{
	for (size_t i = 0; i < a->len; i++) {
		for (size_t k = 0; a->kept[i].found && k < a->kept[i].node->noutputs; k++)
			table_found_release(&a->kept[i].found[k]);
		free(a->kept[i].found);
		free(a->kept[i].outputs);
		strlist_release(&a->kept[i].changes);
		js_free(a->kept[i].record);
	}
	free(a->kept);
	free(a->named);
	js_free(a->fresh);
	looker_free(a->looker);
	tables_free(a->tables);
	remotes_release(&a->remotes);
	loaded_release(&a->loaded);
}

/* ---- judging ---- */

static int check_state(const struct plan_node *node, const struct step_look *look, struct error *err)
{
	const char *reason = look->reasons.len ? look->reasons.items[0] : "";

	if (!node->step->cache) {
		error_set(err, ERR_CONFLICT, "step %s always runs (cache = no): nothing of it is kept for later", node->name);
		return error_help(err, "run: mlops run %s", node->name);
	}
	if (look->state == STEP_BLOCKED || look->state == STEP_SKIPPED) {
		error_set(err, ERR_CONFLICT, "step %s %s: %s", node->name,
			  look->state == STEP_BLOCKED ? "cannot be judged yet" : "is skipped", reason);
		return error_help(err, "run: mlops why %s", node->name);
	}
	/* A result of its own is true, where accepting another would be an opinion. */
	if (look->state == STEP_RESTORE) {
		error_set(err, ERR_CONFLICT, "step %s as it is now has a result already: %s", node->name, reason);
		return error_help(err, "run: mlops run %s, which puts it in place without running it", node->name);
	}
	if (digest_is_zero(&look->key)) {
		error_set(err, ERR_CONFLICT, "step %s has no key yet: %s", node->name, reason);
		return error_help(err, "find out what its image is: mlops image update");
	}
	return 0;
}

static int keep(struct accept *a, struct plan_node *node, const struct step_look *look, struct error *err)
{
	struct kept kept = { .node = node, .now = look->key };
	CLEANUP_JS struct js *last = NULL;

	if (check_state(node, look, err) < 0)
		return -1;
	if (look_locked(a->looker, node, &kept.old, &kept.outputs, err) < 0)
		return error_help(err, "what is accepted must be in place as it was made: mlops checkout, or mlops run %s",
				  node->name);
	if (look_last(a->looker, node, &last, err) < 0) {
		free(kept.outputs);
		return -1;
	}
	kept.record = look_record(a->looker, node);
	key_explain(last, kept.record, &kept.changes);
	look_accept(a->looker, node, kept.outputs, true);
	GROW(a->kept, a->len, a->cap);
	a->kept[a->len++] = kept;
	return 0;
}

/* What the step is about to be accepted on must not change under it. */
static int refuse_upstream(const struct plan_node *node, const struct step_look *look, struct error *err)
{
	error_set(err, ERR_CONFLICT, "step %s is not up to date: %s", node->name,
		  look->reasons.len ? look->reasons.items[0] : step_state_name(look->state));
	return error_help(err, "first: mlops run %s, or accept it as well", node->name);
}

/* In order, so that what was accepted counts for the steps below it. */
static int judge(struct accept *a, struct error *err)
{
	struct plan *plan = a->loaded.plan;
	const struct step_look *look;

	for (size_t i = 0; i < plan->len; i++) {
		struct plan_node *node = &plan->nodes[i];
		if (!node->selected)
			continue;
		if (look_node(a->looker, node, &look, err) < 0)
			return -1;
		if (look->state == STEP_FRESH && a->named[i])
			js_push_str(a->fresh, node->name);
		if (look->state == STEP_FRESH)
			continue;
		if ((a->named[i] ? keep(a, node, look, err) : refuse_upstream(node, look, err)) < 0)
			return -1;
	}
	return 0;
}

/* ---- making it true ---- */

static int store_path(const struct scanner *scanner, const char *path, const struct content *want, struct error *err)
{
	struct content now;

	if (scan_path(scanner, path, &now, NULL, err) < 0)
		return -1;
	if (content_equal(&now, want))
		return 0;
	error_set(err, ERR_CONFLICT, "%s was changed meanwhile", path);
	return error_help(err, "nothing was accepted; try again");
}

/* What a run would refuse is not accepted either. */
static int look_at_tables(struct accept *a, const struct scanner *scanner, struct kept *k, size_t output, struct error *err)
{
	struct table_place place = { .scanner = scanner, .batch = scanner->batch };
	const struct plan_output *out = &k->node->outputs[output];

	if (tables_know(a->tables, out->path, &k->outputs[output], out->profile))
		return 0;
	if (!k->found)
		k->found = xcalloc(k->node->noutputs, sizeof(*k->found));
	if (tables_look(a->tables, &place, out->path, &k->outputs[output], out->profile, &k->found[output], err) < 0)
		return error_wrap(err, "step %s", k->node->name);
	return 0;
}

/* Inputs too, as a run keeps them, so that what changes next can be told file by file. */
static int store_step(struct accept *a, const struct scanner *scanner, struct kept *k, struct error *err)
{
	for (size_t i = 0; i < k->node->inputs.len; i++) {
		const char *path = k->node->inputs.items[i];
		if (store_path(scanner, path, look_input(a->looker, path), err) < 0)
			return -1;
	}
	for (size_t i = 0; i < k->node->noutputs; i++)
		if (store_path(scanner, k->node->outputs[i].path, &k->outputs[i], err) < 0 ||
		    look_at_tables(a, scanner, k, i, err) < 0)
			return -1;
	return 0;
}

static int store_all(struct accept *a, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	struct scanner scanner;
	struct store *store;

	if (project_store(a->ctx->project, &store, err) < 0 || batch_open(store, &batch, err) < 0 ||
	    data_scanner(a->ctx, batch, &scanner, err) < 0)
		return -1;
	for (size_t i = 0; i < a->len; i++)
		if (store_step(a, &scanner, &a->kept[i], err) < 0)
			return -1;
	return batch_commit(batch, err);
}

/* The nested run that made the outputs: of the old key's result, which may be accepted itself. "": not known here. */
static int maker_of(struct db *db, const struct digest *old, char ret[33], struct error *err)
{
	CLEANUP(cache_entry_release) struct cache_entry entry = { .created_ms = 0 };
	CLEANUP_JS struct js *told = NULL;
	int r = cache_find(db, old, &entry, err);

	ret[0] = '\0';
	if (r == 0 && attempt_of_key(db, old, &told, err) == 0 && !told)
		r = accept_of_key(db, old, &told, err);
	if (r < 0)
		return -1;
	snprintf(ret, 33, "%s", r > 0 ? entry.run : js_get_str(told, "run") ? js_get_str(told, "run") : "");
	return 0;
}

static int record_step(struct accept *a, struct db *db, const struct kept *k, int64_t now, struct error *err)
{
	const struct plan_node *node = k->node;
	CLEANUP(cache_entry_release) struct cache_entry result = { .noutputs = node->noutputs };
	struct acceptance acceptance = {
		.actor = a->ctx->project->actor,
		.origin = a->ctx->origin ? a->ctx->origin : "cli",
		.pipeline = a->loaded.pipeline->name,
		.step = node->name,
		.old = k->old,
		.now = k->now,
		.result = &result,
		.changes = &k->changes,
		.record = k->record,
	};

	snprintf(result.step, sizeof(result.step), "%s", node->name);
	result.outputs = xcalloc(node->noutputs, sizeof(*result.outputs));
	for (size_t i = 0; i < node->noutputs; i++)
		result.outputs[i] = (struct cache_output){ xstrdup(node->outputs[i].path), k->outputs[i] };
	for (size_t i = 0; k->found && i < node->noutputs; i++)
		if (k->found[i].path && tables_record(a->tables, db, &k->found[i], NULL, now, err) < 0)
			return -1;
	if (maker_of(db, &k->old, result.run, err) < 0)
		return -1;
	return accept_store(db, &acceptance, now, err);
}

static int record_all(struct accept *a, struct error *err)
{
	int64_t now = clock_wall_ms();
	struct db *db;

	if (project_db(a->ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	for (size_t i = 0; i < a->len; i++) {
		if (record_step(a, db, &a->kept[i], now, err) < 0) {
			db_rollback(db);
			return -1;
		}
	}
	return db_commit(db, err);
}

static int make_true(struct accept *a, struct data_locks *locks, struct error *err)
{
	if (!a->len)
		return 0;
	if (data_lock_store(a->ctx, locks, err) < 0 || store_all(a, err) < 0)
		return -1;
	FAILPOINT("accept.stored");
	if (record_all(a, err) < 0)
		return -1;
	FAILPOINT("accept.recorded");
	for (size_t i = 0; i < a->len; i++)
		for (size_t k = 0; a->kept[i].found && k < a->kept[i].node->noutputs; k++)
			if (a->kept[i].found[k].path)
				tables_accept(a->tables, &a->kept[i].found[k]);
	tables_save(a->tables);
	return look_save(a->looker, err);
}

/* ---- the operation ---- */

static int select_steps(struct accept *a, const struct js *steps, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	struct plan *plan = a->loaded.plan;

	for (size_t i = 0; i < js_len(steps); i++)
		strlist_push(&names, js_text(js_at(steps, i)));
	if (plan_select(plan, &names, SELECT_ONLY, err) < 0)
		return -1;
	a->named = xcalloc(plan->len, sizeof(*a->named));
	for (size_t i = 0; i < plan->len; i++)
		a->named[i] = plan->nodes[i].selected;
	return plan_select(plan, &names, SELECT_UP_TO, err);
}

static struct js *accept_result(struct accept *a, struct js *notes)
{
	struct js *result = js_object(), *accepted = js_array();
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < a->len; i++) {
		const struct kept *k = &a->kept[i];
		struct js *step = js_object(), *reasons = js_array();
		for (size_t c = 0; c < k->changes.len; c++)
			js_push_str(reasons, k->changes.items[c]);
		js_set_str(step, "step", k->node->name);
		js_set_str(step, "old", digest_format(&k->old, hex));
		js_set_str(step, "key", digest_format(&k->now, hex));
		js_set(step, "reasons", reasons);
		js_push(accepted, step);
	}
	js_set(result, "accepted", accepted);
	js_set(result, "fresh", steal(&a->fresh));
	js_set(result, "notes", js_ref(notes));
	return result;
}

/* step.accept {steps[], file} -> {accepted: [{step, old, key, reasons[]}], fresh: [step], notes[]} */
int op_accept(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(accept_release) struct accept a = { .ctx = ctx, .fresh = js_array() };
	CLEANUP(data_unlock) struct data_locks locks = DATA_LOCKS_INIT;
	CLEANUP_JS struct js *notes = js_array();

	if (data_lock_tree(ctx, &locks, notes, err) < 0 ||
	    loaded_make(ctx, js_get_str(args, "file"), NULL, false, &a.loaded, err) < 0 ||
	    select_steps(&a, js_get(args, "steps"), err) < 0 ||
	    looker_new(ctx->project, a.loaded.plan, false, &a.looker, err) < 0 ||
	    tables_open(&api_data_kinds, ctx->project, a.loaded.pipeline, &a.tables, err) < 0)
		return -1;
	remotes_of(ctx->project, a.loaded.pipeline, &a.remotes);
	look_ask_remotes(a.looker, &a.remotes);
	if (judge(&a, err) < 0 || make_true(&a, &locks, err) < 0)
		return -1;
	*ret_result = accept_result(&a, notes);
	return 0;
}
