/* SPDX-License-Identifier: Apache-2.0 */
#include "api/follow.h"
#include <stdlib.h>
#include <string.h>
#include "api/monitors.h"
#include "api/ops.h"
#include "api/policy_follow.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "registry/ingest.h"
#include "registry/project.h"

void follow_release(struct follow *f)
{
	free(f->items);
	definitions_free(&f->definitions);
	*f = (struct follow){ 0 };
}

const struct followed *follow_find(const struct follow *f, const char *monitor)
{
	for (size_t i = 0; i < f->len; i++)
		if (!strcmp(f->items[i].monitor, monitor))
			return &f->items[i];
	return NULL;
}

static void add(struct follow *f, const struct definition *definition, const struct monitor_section *section)
{
	const char *labels = section->labels.text;

	if (!section->data.text || follow_find(f, section->name))
		return;
	GROW(f->items, f->len, f->cap);
	f->items[f->len++] = (struct followed){
		.definition = definition,
		.section = section,
		.monitor = section->name,
		.takes_rows = !strcmp(section->data.text, INFLOW_HTTP),
		.takes_labels = labels && !strcmp(labels, INFLOW_HTTP),
	};
}

int follow_refresh(struct op_context *ctx, struct follow *f, struct error *err)
{
	int r = definitions_refresh(ctx->project, &f->definitions, err);

	if (r < 0)
		return -1;
	f->len = 0; /* all definitions have moved */
	for (size_t i = 0; i < f->definitions.len; i++) {
		const struct definition *definition = &f->definitions.items[i];
		for (size_t k = 0; definition->pipeline && k < definition->pipeline->nmonitors; k++)
			add(f, definition, &definition->pipeline->monitors[k]);
	}
	return r;
}

/* Of another work tree there are no files here: what it names is stored, or came over HTTP. */
static int keep_to_store(const struct followed *f, struct watch *watch, char **ret_data, struct error *err)
{
	const char *data = watch->data.data, *labels = watch->labels;

	if (path_is_pattern(data) || !strncmp(data, INFLOW_SQLITE, strlen(INFLOW_SQLITE)) || watch->schema ||
	    f->section->schema.text || (labels && !f->takes_labels)) {
		error_set(err, ERR_CONFLICT, "monitor %s of project %s needs files of a work tree", f->monitor,
			  f->definition->project);
		return error_help(err, "an agent checks those of its own work tree; elsewhere data = and labels = are http, or "
				       "data = names an artifact");
	}
	if (!f->takes_rows) {
		*ret_data = xasprintf(INFLOW_ARTIFACT "%s", data);
		watch->data.data = *ret_data;
	}
	return 0;
}

static int set_up(struct op_context *ctx, const struct followed *f, struct monitor_setup *ret, char **ret_data,
		  struct error *err)
{
	if (f->definition->here)
		return monitor_setup_of(ctx, f->definition->pipeline, f->section, ret, err);
	monitor_watch(ctx, f->section, &ret->watch);
	return keep_to_store(f, &ret->watch, ret_data, err);
}

int follow_look(struct op_context *ctx, const struct followed *f, uint64_t *ret, struct error *err)
{
	CLEANUP(monitor_setup_release) struct monitor_setup setup = { 0 };
	CLEANUP(cleanup_free) char *data = NULL;
	uint64_t rows, labels = 0;

	if (set_up(ctx, f, &setup, &data, err) < 0 || inflow_glance(ctx->project, &setup.watch.data, &rows, err) < 0)
		return -1;
	if (setup.watch.labels) {
		const struct inflow_spec spec = { .data = setup.watch.labels };
		if (inflow_glance(ctx->project, &spec, &labels, err) < 0)
			return -1;
	}
	*ret = rows ^ labels * 31;
	return 0;
}

static int has_come(struct op_context *ctx, const struct followed *f, const struct inflow_spec *spec, struct error *err)
{
	CLEANUP(cleanup_free) struct ingest_segment *segments = NULL;
	uint64_t looks;
	struct db *db;
	size_t n;

	if (!f->takes_rows)
		return inflow_glance(ctx->project, spec, &looks, err) < 0 ? -1 : looks != 0;
	if (project_db(ctx->project, &db, err) < 0 || ingest_segments(db, f->monitor, MONITOR_DATA, &segments, &n, err) < 0)
		return -1;
	return n > 0;
}

/* Somebody else checks it. */
static bool is_held(struct op_context *ctx, const struct followed *f)
{
	CLEANUP(cleanup_free) char *lock = xasprintf("monitor-%s", f->monitor);
	struct lock_holder holder;

	return lock_is_held(ctx->project->locksfd, lock, &holder);
}

struct asker {
	struct op_context *ctx;
	const struct followed *followed;
	bool held;
};

static int ask_policy(void *ctx, struct error *err)
{
	struct asker *a = ctx;
	struct db *db;
	int r;

	if (project_db(a->ctx->project, &db, err) < 0)
		return -1;
	r = retrain_follow(a->ctx, db, a->followed->definition, a->followed->section, err);
	a->held = r == 0;
	return r;
}

static int check(struct op_context *ctx, const struct followed *f, const struct watch *watch, bool come, struct js **ret,
		 struct error *err)
{
	struct asker asker = { .ctx = ctx, .followed = f };
	const struct monitor_how how = { .stored = !f->definition->here, .next = ask_policy, .ctx = &asker };
	CLEANUP_JS struct js *result = NULL;

	/* what waits for a decision need not be read again and again */
	if (ask_policy(&asker, err) < 0)
		return -1;
	if (come && !asker.held && monitor_check(ctx, watch, &how, &result, err) < 0) {
		if (!is_held(ctx, f))
			return -1;
		asker.held = true;
	}
	if (!result)
		result = js_object();
	js_set_bool(result, "held", asker.held);
	*ret = steal(&result);
	return come ? 1 : 0;
}

int follow_check(struct op_context *ctx, const struct followed *f, struct js **ret, struct error *err)
{
	CLEANUP(monitor_setup_release) struct monitor_setup setup = { 0 };
	CLEANUP(cleanup_free) char *data = NULL;
	int r;

	if (set_up(ctx, f, &setup, &data, err) < 0)
		return -1;
	r = has_come(ctx, f, &setup.watch.data, err);
	return r < 0 ? -1 : check(ctx, f, &setup.watch, r > 0, ret, err);
}
