/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/code_files.h"
#include "pipeline/engine.h"
#include "pipeline/expand.h"
#include "pipeline/grammar.h"
#include "pipeline/stepdir.h"
#include "pipeline/steplog.h"
#include "registry/artifacts.h"
#include "registry/cache.h"
#include "registry/events.h"
#include "registry/jobs.h"
#include "registry/keys.h"
#include "registry/openlineage.h"
#include "registry/project.h"
#include "registry/satellite.h"
#include "store/store.h"

#define SUMMARY_MAX (1u << 20)

void fact_list_release(struct fact_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		metric_list_release(&list->items[i].points);
	free(list->items);
	*list = (struct fact_list){ 0 };
}

/* ---- writing facts ---- */

static int record_points(struct db *db, const char *run, const struct metric_list *list, int64_t now, struct error *err)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct metric_point *p = &list->items[i];
		if (run_log_metric(db, run, p->key, p->value, p->timestamp ? p->timestamp : now, p->step, err) < 0)
			return -1;
	}
	return 0;
}

struct param_sink {
	struct db *db;
	const char *run;
	struct error *err;
	int status;
};

/* A name that MLflow does not allow was noted when the run began. */
static void record_param(void *ctx, const char *key, const struct js *value)
{
	struct param_sink *sink = ctx;
	CLEANUP(cleanup_free) char *text = param_text(value);

	if (sink->status == 0 && key_check("param", key, NULL) == 0)
		sink->status = run_log_param(sink->db, sink->run, key, text, sink->err);
}

static int tag(struct engine *e, const char *run, const char *key, const char *value, struct error *err)
{
	return value && *value ? run_set_tag(e->db, run, key, value, err) : 0;
}

static int record_code(struct engine *e, struct error *err)
{
	const struct code_version *code = &e->code;
	char text[CONTENT_TEXT], steps[24];
	const struct {
		const char *key, *value;
	} tags[] = {
		{ "mlflow.source.git.commit", code->commit },
		{ "mlflow.source.git.branch", code->branch },
		{ "mlflow.source.git.repoURL", code->remote },
		{ "mlflow.source.name", e->plan->pipeline->file },
		{ "mlflow.source.type", "PROJECT" },
		{ "mlflow.user", e->opt->job ? NULL : e->project->actor }, /* a job has who asked for it */
		{ "mlops.command", e->opt->job ? NULL : e->project->scratch ? js_get_str(e->project->scratch, "command") : e->opt->command },
		{ "mlops.trigger.time", e->plan->pipeline->trigger_time },
		{ "mlops.trigger.window", e->plan->pipeline->trigger_window },
		{ "mlops.host", e->host },
		{ "mlops.steps", steps }, /* that were not up to date when it began */
		{ "mlops.code.dirty", code->commit[0] ? (code->dirty ? "true" : "false") : NULL },
		{ "mlops.code.changes",
		  code->changes.kind == CONTENT_ABSENT ? NULL : content_format(&code->changes, text) },
		{ "mlops.code.note", code->note },
		{ "mlops.code.files", e->files.kind == CONTENT_ABSENT ? NULL : e->files_whole ? "all" : "some" },
	};

	snprintf(steps, sizeof(steps), "%zu", e->todo);
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (tag(e, e->run, tags[i].key, tags[i].value, err) < 0)
			return -1;
	if (code->changes.kind != CONTENT_ABSENT &&
	    run_log_content(e->db, e->run, RUN_INPUT, RUN_CODE_CHANGES, "code", &code->changes, err) < 0)
		return -1;
	if (e->deleted.kind != CONTENT_ABSENT &&
	    run_log_content(e->db, e->run, RUN_INPUT, RUN_CODE_DELETED, "code", &e->deleted, err) < 0)
		return -1;
	if (e->files.kind == CONTENT_ABSENT)
		return 0;
	return run_log_content(e->db, e->run, RUN_INPUT, RUN_CODE_FILES, "code", &e->files, err);
}

/* What the maker of a scratch tree says of its runs. */
static int record_note(struct engine *e, struct error *err)
{
	const struct js *tags = js_get(e->project->scratch, "tags");

	for (void *it = js_iter(tags); it; it = js_next(tags, it))
		if (tag(e, e->run, js_iter_key(it), js_text(js_iter_value(it)), err) < 0)
			return -1;
	return 0;
}

/* A run that was asked for is there since then. */
static int create_or_begin(struct engine *e, const struct run_new *row, struct error *err)
{
	int r;

	if (!e->opt->job)
		return run_create(e->db, row, err);
	r = job_run_begins(e->db, row, err);
	return r == 0 ? error_set(err, ERR_CONFLICT, "nobody waits for run %s any more", row->id) : r < 0 ? -1 : 0;
}

static int record_run_row(struct engine *e, struct error *err)
{
	struct param_sink sink = { e->db, e->run, err, 0 };
	struct run_new row = {
		.id = e->run,
		.user = e->project->actor,
		.start_ms = e->start_ms,
	};

	if (openlineage_agree(e->project, e->db, err) < 0 ||
	    experiment_ensure(e->db, e->plan->pipeline->name, &row.experiment, err) < 0 || create_or_begin(e, &row, err) < 0 || record_code(e, err) < 0 || record_note(e, err) < 0)
		return -1;
	pipeline_each_param(e->plan->pipeline->params, record_param, &sink);
	return sink.status;
}

/* Before it ended, the loop's thread may be writing what came of it. */
static int record_attempt(struct task *t, const char *state, const char *run, bool ended, struct error *err)
{
	CLEANUP_STRBUF struct strbuf record = STRBUF_INIT;
	struct attempt row = {
		.run = run,
		.parent = t->engine->run,
		.step = t->node->name,
		.number = t->attempt ? t->attempt : 1,
		.state = state,
		.key = t->look->key,
		.exit_code = -1,
		.start_ms = t->start_ms,
		.source = t->look->source[0] && !run ? t->look->source : NULL,
		.reason = t->reason,
	};

	if (ended) {
		row.exit_code = t->exit->cause == CAUSE_EXIT ? t->exit->code : -1;
		row.signal = t->exit->signal;
		row.end_ms = t->end_ms;
		row.user_us = t->exit->user_us;
		row.system_us = t->exit->system_us;
		row.max_rss = t->exit->max_rss;
		row.sampled = t->exit->sampled;
		if (t->err->code && t->record)
			js_set_str(t->record, "error", t->err->msg);
	}
	if (t->record)
		js_dump(t->record, JS_COMPACT, &record);
	row.record = t->record ? record.buf : NULL;
	return attempt_store(t->engine->db, &row, err);
}

static int record_start(struct task *t, struct error *err)
{
	struct engine *e = t->engine;
	struct param_sink sink = { e->db, t->run, err, 0 };
	struct run_new row = {
		.id = t->run,
		.name = t->node->name,
		.user = e->project->actor,
		.parent = e->run,
		.step = t->node->name,
		.start_ms = t->start_ms,
	};

	int adopted = t->adopted ? run_adopt(e->db, t->run, e->run, err) : 0;

	if (adopted < 0)
		return -1;
	if (adopted) /* with the token that it has */
		return record_attempt(t, "running", t->run, false, err);
	if (experiment_ensure(e->db, e->plan->pipeline->name, &row.experiment, err) < 0 ||
	    run_create(e->db, &row, err) < 0)
		return -1;
	t->experiment = row.experiment;
	if (t->node->step->tracking && tracking_give_token(t, e->db, err) < 0)
		return -1;
	pipeline_each_param(t->node->params, record_param, &sink);
	return sink.status < 0 ? -1 : record_attempt(t, "running", t->run, false, err);
}

static const char *const uses[] = { [OUT_DATA] = "out", [OUT_METRICS] = "metrics", [OUT_PLOTS] = "plots" };

/* The pipeline's run has as inputs only what no step made. */
static int record_contents(struct task *t, const char *run, struct error *err)
{
	struct engine *e = t->engine;
	bool whole = run == e->run;

	for (size_t i = 0; t->inputs && i < t->node->inputs.len; i++) {
		const char *path = t->node->inputs.items[i];
		if (whole && plan_maker(e->plan, path))
			continue;
		if (run_log_content(e->db, run, RUN_INPUT, path, "data", &t->inputs[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; t->outputs && i < t->node->noutputs; i++)
		if (run_log_content(e->db, run, RUN_OUTPUT, t->node->outputs[i].path, uses[t->node->outputs[i].use],
				    &t->outputs[i], err) < 0)
			return -1;
	return tables_record_profiles(t, run, err);
}

/* What a step made is a version of its path, and so what others take for its newest. */
static int record_versions(struct task *t, struct error *err)
{
	struct engine *e = t->engine;
	int64_t number;
	bool made;

	if (e->opt->untrusted)
		return 0;
	for (size_t i = 0; i < t->node->noutputs; i++)
		if (artifact_record(e->db, t->node->outputs[i].path, &t->outputs[i], t->run, e->project->actor, t->end_ms,
				    &number, &made, err) < 0)
			return -1;
	return 0;
}

static int record_cache(struct task *t, struct error *err)
{
	const struct plan_node *node = t->node;
	struct cache_entry entry = { .created_ms = t->end_ms, .noutputs = node->noutputs };
	int r;

	if (t->inputs_changed || !node->step->cache || t->engine->opt->untrusted)
		return 0;
	memcpy(entry.run, t->run, sizeof(entry.run));
	snprintf(entry.step, sizeof(entry.step), "%s", node->name);
	entry.outputs = xcalloc(node->noutputs, sizeof(*entry.outputs));
	for (size_t i = 0; i < node->noutputs; i++)
		entry.outputs[i] = (struct cache_output){ xstrdup(node->outputs[i].path), t->outputs[i] };
	r = cache_store(t->engine->db, &t->look->key, &entry, err);
	cache_entry_release(&entry);
	return r;
}

/* A step's $MLOPS_SUMMARY becomes the note of its run. */
static int record_summary(struct task *t, struct error *err)
{
	CLEANUP(cleanup_free) char *path = task_file(t, "summary.md");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_free) char *masked = NULL;
	CLEANUP(cleanup_fd) int fd = -1;
	struct error why;
	struct stat st;

	/* The step made it, and may have made something else of it. */
	fd = fs_open_direct(t->engine->project->rootfd, path, O_RDONLY | O_NONBLOCK, 0, NULL);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (io_read_fd(fd, path, SUMMARY_MAX, &text, &why) < 0) {
		task_note(t, "its summary was not recorded: %s", why.msg);
		return 0;
	}
	masked = task_masked(t, text.buf);
	return tag(t->engine, t->run, "mlflow.note.content", masked, err);
}

static int record_end(struct task *t, const struct metric_list *points, struct error *err)
{
	struct engine *e = t->engine;
	bool ok = !t->err->code;
	const char *state = ok ? "ok" : t->timed_out ? "timeout" : t->interrupted ? "killed" : "failed";
	enum run_status status = ok ? RUN_FINISHED : t->interrupted ? RUN_KILLED : RUN_FAILED;

	if (record_points(e->db, t->run, points, t->end_ms, err) < 0 ||
	    (t->node->step->tracking && tracking_take_token(t, e->db, err) < 0))
		return -1;
	if (ok && (record_points(e->db, t->run, &t->metrics, t->end_ms, err) < 0 ||
		   record_contents(t, t->run, err) < 0 || record_versions(t, err) < 0 || tables_record_step(t, err) < 0 ||
		   record_cache(t, err) < 0 || record_summary(t, err) < 0))
		return -1;
	if (record_attempt(t, state, t->run, true, err) < 0)
		return -1;
	return run_finish(e->db, t->run, status, t->end_ms, err);
}

/* ---- one group ---- */

/* Without a code version the run is worth recording all the same; the note says what is missing. */
static void add_code(struct engine *e, struct store_batch *batch)
{
	struct scanner scanner = e->scanner;
	struct error err;
	size_t len;

	scanner.batch = batch;
	if (code_files_store(&scanner, e->project, e->plan, &e->files, &e->files_whole, &err) < 0)
		e->files = (struct content){ .kind = CONTENT_ABSENT };
	if (e->project->scratch) {
		satellite_code(e->project->scratch, &e->code, &e->deleted);
		return;
	}
	if (git_code_version(&scanner, e->project->root, batch, &e->code, &err) < 0) {
		free(e->code.note);
		e->code.note = xstrdup(err.msg);
	}
	len = e->code.deleted ? strlen(e->code.deleted) : 0;
	if (len && batch_add_bytes(batch, e->code.deleted, len, &e->deleted.id, NULL) == 0)
		e->deleted = (struct content){ CONTENT_FILE, e->deleted.id, len, 1 };
}

static int record_fact(struct engine *e, const struct fact *fact, struct error *err)
{
	switch (fact->kind) {
	case FACT_RUN:
		return record_run_row(e, err);
	case FACT_START:
		return record_start(fact->task, err);
	case FACT_POINTS:
		if (record_points(e->db, fact->task->run, &fact->points, clock_wall_ms(), err) < 0)
			return -1;
		return attempt_set_points(e->db, e->run, fact->task->node->name, fact->task->attempt, fact->points_read,
					  fact->points_line, err);
	case FACT_NOT_RUN:
		return record_attempt(fact->task, fact->task->end == END_SKIPPED ? "skipped" : "cached", NULL, false, err);
	case FACT_END:
		return record_end(fact->task, &fact->points, err);
	}
	return 0;
}

static int record_group(struct engine *e, const struct fact_list *group, struct error *err)
{
	if (db_begin(e->db, err) < 0)
		return -1;
	for (size_t i = 0; i < group->len; i++) {
		if (record_fact(e, &group->items[i], err) < 0) {
			db_rollback(e->db);
			return -1;
		}
	}
	return db_commit(e->db, err);
}

/* Puts outputs where the facts say they belong. */
static void settle(struct engine *e, struct task *t)
{
	struct error err;

	if (t->err->code) {
		/* Of several attempts the last one's outputs are kept. */
		if (t->attempt > 1)
			stepdir_forget_failed(e->project, e->run, t->node->name);
		if (stepdir_reject(e->project, e->run, t->node->name, &t->kept, &err) < 0)
			task_note(t, "%s", err.msg);
		return;
	}
	if (stepdir_accept(e->project, e->run, t->node->name, &t->notes, &err) == 0)
		return;
	/* Its result is a fact, but not where it belongs: what depends on it must not run. */
	if (t->container)
		*t->err = err;
	else
		task_note(t, "%s", err.msg);
}

static void fail_group(struct fact_list *group, const struct error *why)
{
	for (size_t i = 0; i < group->len; i++)
		if (group->items[i].kind == FACT_END && !group->items[i].task->err->code)
			*group->items[i].task->err = *why;
}

static void gather(struct engine *e, struct store_batch *batch, struct fact_list *group)
{
	struct finishing f CLEANUP(finishing_release) = { .scanner = e->scanner };

	f.scanner.batch = batch;
	for (size_t i = 0; i < group->len; i++) {
		struct fact *fact = &group->items[i];
		if (fact->kind == FACT_RUN)
			add_code(e, batch);
		if (fact->kind == FACT_START) {
			tools_add(fact->task);
			host_facts_add(fact->task);
		}
		if (fact->kind == FACT_END) {
			finish_step(&f, fact->task, &fact->points);
			task_mask_error(fact->task);
		}
	}
}

static int store_group(struct engine *e, struct fact_list *group, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;

	if (batch_open(e->store, &batch, err) < 0)
		return -1;
	gather(e, batch, group);
	return batch_commit(batch, err);
}

int facts_commit(struct engine *e, struct fact_list *group, struct error *err)
{
	CLEANUP(cleanup_fd) int lock = -1;
	struct error why;
	int r;

	/* Garbage collection must not run between storing bytes and naming them. */
	lock = lock_take(e->project->locksfd, LOCK_STORE, LOCK_SHARED, LOCK_WAIT, NULL, NULL, err);
	if (lock >= 0 && store_group(e, group, &why) < 0)
		fail_group(group, &why);
	FAILPOINT("facts.stored");
	r = lock < 0 ? -1 : record_group(e, group, err);
	if (r < 0)
		fail_group(group, err);
	FAILPOINT("facts.recorded");
	for (size_t i = 0; i < group->len; i++)
		if (group->items[i].kind == FACT_END)
			settle(e, group->items[i].task);
	FAILPOINT("facts.settled");
	return r;
}

/* ---- the whole run ---- */

/* Metrics of all steps, up to date ones too, under their own name; a name that two steps use gets that of its step in
 * front, for both. Where that is too long for a name, the metric is in the step's own run only. */
static int record_run_metrics(struct engine *e, int64_t now, struct error *err)
{
	struct strmap owners CLEANUP(strmap_release) = STRMAP_INIT;
	static int shared;
	int r = 0;

	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		if (!task_succeeded(t))
			continue;
		if (t->end != END_OK && finish_metrics(t, e->project->rootfd, &t->metrics, NULL) < 0)
			continue;
		for (size_t k = 0; k < t->metrics.len; k++) {
			void *before = strmap_get(&owners, t->metrics.items[k].key);
			strmap_set(&owners, t->metrics.items[k].key, before && before != t ? (void *)&shared : t);
		}
	}
	for (size_t i = 0; r == 0 && i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		for (size_t k = 0; task_succeeded(t) && r == 0 && k < t->metrics.len; k++) {
			const char *key = t->metrics.items[k].key;
			CLEANUP(cleanup_free) char *full = results_metric_of(t->node->name, key);
			bool both = strmap_get(&owners, key) == &shared;
			if (both && key_check("metric", full, NULL) < 0)
				continue;
			r = run_log_metric(e->db, e->run, both ? full : key, t->metrics.items[k].value, now, 0, err);
		}
	}
	return r;
}

static int record_run_contents(struct engine *e, struct error *err)
{
	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		if (!task_succeeded(t))
			continue;
		if (!t->inputs) {
			t->inputs = xcalloc(t->node->inputs.len, sizeof(*t->inputs));
			for (size_t k = 0; k < t->node->inputs.len; k++)
				t->inputs[k] = *look_input(e->looker, t->node->inputs.items[k]);
		}
		if (!t->outputs && t->look->outputs)
			t->outputs = xmemdup(t->look->outputs, t->node->noutputs * sizeof(*t->outputs));
		if (record_contents(t, e->run, err) < 0)
			return -1;
	}
	return 0;
}

static int record_event(struct engine *e, enum run_status status, int64_t now, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	CLEANUP_JS struct js *body = js_object();
	char hex[DIGEST_HEX + 1];
	struct event event = {
		.actor = e->project->actor,
		.origin = e->opt->job ? "agent" : "cli",
		.operation = "run.start",
		.subject = e->run,
		.after = run_status_name(status),
		.body = body,
	};

	if (run_load(e->db, e->run, &record, err) < 0)
		return -1;
	run_digest(record, hex);
	js_set_str(body, "record", hex);
	js_set_str(body, "pipeline", e->plan->pipeline->name);
	return event_append(e->db, &event, now, NULL, err);
}

int facts_finish(struct engine *e, enum run_status status, struct error *err)
{
	int64_t now = clock_wall_ms();

	if (db_begin(e->db, err) < 0)
		return -1;
	if (record_run_contents(e, err) < 0 || record_run_metrics(e, now, err) < 0 ||
	    run_finish(e->db, e->run, status, now, err) < 0 || record_event(e, status, now, err) < 0) {
		db_rollback(e->db);
		return -1;
	}
	return db_commit(e->db, err);
}
