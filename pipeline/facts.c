/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "pipeline/engine.h"
#include "pipeline/expand.h"
#include "pipeline/grammar.h"
#include "pipeline/stepdir.h"
#include "pipeline/steplog.h"
#include "registry/artifacts.h"
#include "registry/cache.h"
#include "registry/events.h"
#include "registry/project.h"
#include "store/store.h"

#define SUMMARY_MAX (1u << 20)

static const char *const end_names[] = {
	"waiting", "fresh", "restored", "cached", "ok", "failed", "timeout", "killed", "blocked",
};

const char *task_end_name(enum task_end end)
{
	return end_names[end];
}

char *task_file(const struct task *t, const char *name)
{
	return xasprintf(".mlops/work/%s/%s/%s", t->engine->run, t->node->name, name);
}

void fact_list_release(struct fact_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		metric_list_release(&list->items[i].points);
	free(list->items);
	*list = (struct fact_list){ 0 };
}

/* ---- finishing a step: what it left on the disk ---- */

/* One group's view: inputs that several steps share are scanned once. */
struct finishing {
	struct engine *e;
	struct scanner scanner;
	struct strmap seen; /* input path -> struct content * */
};

/* What the step left there is its failure; a disk or a store that fails is not. */
static int refuse_output(struct task *t, const char *path)
{
	if (t->err.code != ERR_ENV && t->err.code != ERR_DAMAGED)
		t->err.code = ERR_FAILED;
	if (!t->err.help[0])
		error_help(&t->err, "make the command write a file or a directory to %s", path);
	return error_wrap(&t->err, "step %s: output %s", t->node->name, path);
}

static int finish_outputs(struct finishing *f, struct task *t)
{
	const struct plan_node *node = t->node;

	t->outputs = xcalloc(node->noutputs, sizeof(*t->outputs));
	for (size_t i = 0; i < node->noutputs; i++) {
		const char *path = node->outputs[i].path;
		if (scan_path(&f->scanner, path, &t->outputs[i], NULL, &t->err) < 0)
			return refuse_output(t, path);
		if (t->outputs[i].kind == CONTENT_ABSENT) {
			error_set(&t->err, ERR_FAILED, "step %s ended well but did not write its output %s", node->name,
				  path);
			return error_help(&t->err, "make the command write %s, or correct out= of [step.%s]", path,
					  node->step->name);
		}
		if (node->outputs[i].use == OUT_METRICS && t->outputs[i].kind == CONTENT_TREE)
			return error_set(&t->err, ERR_FAILED, "step %s: metrics file %s is a directory", node->name, path);
	}
	return 0;
}

/* Inputs are stored here, after the step, so that what it read can be brought back. One that is not
 * what it was at the start makes the result true only once: it is kept, but never reused. */
static int finish_inputs(struct finishing *f, struct task *t)
{
	for (size_t i = 0; i < t->node->inputs.len; i++) {
		const char *path = t->node->inputs.items[i];
		struct content *now = strmap_get(&f->seen, path);
		if (!now) {
			now = xcalloc(1, sizeof(*now));
			strmap_set(&f->seen, path, now);
			if (scan_path(&f->scanner, path, now, NULL, &t->err) < 0)
				return error_wrap(&t->err, "step %s: input %s", t->node->name, path);
		}
		if (content_equal(now, &t->inputs[i]))
			continue;
		t->inputs_changed = true;
		js_set_bool(t->record, "inputs_changed", true);
		strlist_push_owned(&t->notes, xasprintf("step %s: input %s changed while it ran: its result is kept, but "
							"will not be reused",
							t->node->name, path));
	}
	return 0;
}

static int read_metrics(struct project *p, const struct plan_node *node, struct metric_list *ret, struct error *err)
{
	for (size_t i = 0; i < node->noutputs; i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		const char *path = node->outputs[i].path;
		if (node->outputs[i].use != OUT_METRICS)
			continue;
		if (io_read_file(p->rootfd, path, RESULTS_MAX_BYTES, &text, err) < 0 ||
		    results_parse_metrics(text.buf, text.len, path, ret, err) < 0) {
			if (err)
				err->code = ERR_FAILED;
			return error_wrap(err, "step %s", node->name);
		}
	}
	return 0;
}

int facts_read_points(struct task *t, bool all, struct metric_list *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = task_file(t, "metrics.jsonl");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const char *from;
	struct stat st;
	size_t used;

	if (fs_stat_beneath(t->engine->project->rootfd, path, &st, NULL) <= 0 ||
	    (size_t)st.st_size <= t->points_read)
		return 0;
	if (io_read_file(t->engine->project->rootfd, path, 1u << 30, &text, err) < 0)
		return -1;
	if (text.len <= t->points_read)
		return 0;
	if (all && text.buf[text.len - 1] != '\n')
		strbuf_putc(&text, '\n');
	from = text.buf + t->points_read;
	if (results_parse_lines(from, text.len - t->points_read, "$MLOPS_METRICS", t->points_line + 1, ret, &used, err) < 0)
		return -1;
	for (size_t i = 0; i < used; i++)
		t->points_line += from[i] == '\n';
	t->points_read += used;
	return 0;
}

static void finish_step(struct finishing *f, struct fact *fact)
{
	struct task *t = fact->task;
	struct error err;

	if (facts_read_points(t, true, &fact->points, &err) < 0)
		strlist_push_owned(&t->notes, xasprintf("step %s: %s; the rest of it was not recorded", t->node->name, err.msg));
	if (t->err.code || finish_outputs(f, t) < 0 || finish_inputs(f, t) < 0)
		return;
	read_metrics(f->e->project, t->node, &t->metrics, &t->err);
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

static void record_param(void *ctx, const char *key, const struct js *value)
{
	struct param_sink *sink = ctx;
	CLEANUP(cleanup_free) char *text = param_text(value);

	if (sink->status == 0)
		sink->status = run_log_param(sink->db, sink->run, key, text, sink->err);
}

static int tag(struct engine *e, const char *run, const char *key, const char *value, struct error *err)
{
	return value && *value ? run_set_tag(e->db, run, key, value, err) : 0;
}

static int record_code(struct engine *e, struct error *err)
{
	const struct code_version *code = &e->code;
	char text[CONTENT_TEXT];
	const struct {
		const char *key, *value;
	} tags[] = {
		{ "mlflow.source.git.commit", code->commit },
		{ "mlflow.source.git.branch", code->branch },
		{ "mlflow.source.git.repoURL", code->remote },
		{ "mlflow.source.name", e->plan->pipeline->file },
		{ "mlflow.source.type", "PROJECT" },
		{ "mlflow.user", e->project->actor },
		{ "mlops.command", e->opt->command },
		{ "mlops.host", e->host },
		{ "mlops.code.dirty", code->commit[0] ? (code->dirty ? "true" : "false") : NULL },
		{ "mlops.code.changes",
		  code->changes.kind == CONTENT_ABSENT ? NULL : content_format(&code->changes, text) },
		{ "mlops.code.note", code->note },
	};

	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (tag(e, e->run, tags[i].key, tags[i].value, err) < 0)
			return -1;
	if (code->changes.kind != CONTENT_ABSENT &&
	    run_log_content(e->db, e->run, RUN_INPUT, RUN_CODE_CHANGES, "code", &code->changes, err) < 0)
		return -1;
	if (e->deleted.kind == CONTENT_ABSENT)
		return 0;
	return run_log_content(e->db, e->run, RUN_INPUT, RUN_CODE_DELETED, "code", &e->deleted, err);
}

static int record_run_row(struct engine *e, struct error *err)
{
	struct param_sink sink = { e->db, e->run, err, 0 };
	struct run_new row = {
		.id = e->run,
		.user = e->project->actor,
		.start_ms = e->start_ms,
	};

	if (experiment_ensure(e->db, e->plan->pipeline->name, &row.experiment, err) < 0 ||
	    run_create(e->db, &row, err) < 0 || record_code(e, err) < 0)
		return -1;
	pipeline_each_param(e->plan->pipeline->params, record_param, &sink);
	return sink.status;
}

static int record_attempt(struct task *t, const char *state, const char *run, struct error *err)
{
	CLEANUP_STRBUF struct strbuf record = STRBUF_INIT;
	struct attempt row = {
		.run = run,
		.parent = t->engine->run,
		.step = t->node->name,
		.number = 1,
		.state = state,
		.key = t->look->key,
		.exit_code = t->exit.cause == CAUSE_EXIT && t->end_ms ? t->exit.code : -1,
		.signal = t->exit.signal,
		.start_ms = t->start_ms,
		.end_ms = t->end_ms,
		.user_us = t->exit.user_us,
		.system_us = t->exit.system_us,
		.max_rss = t->exit.max_rss,
		.source = t->look->source[0] && !run ? t->look->source : NULL,
		.reason = t->err.code ? t->err.msg : t->reason,
	};

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

	if (experiment_ensure(e->db, e->plan->pipeline->name, &row.experiment, err) < 0 ||
	    run_create(e->db, &row, err) < 0)
		return -1;
	pipeline_each_param(t->node->params, record_param, &sink);
	return sink.status < 0 ? -1 : record_attempt(t, "running", t->run, err);
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
	return 0;
}

/* What a step made is a version of its path. */
static int record_versions(struct task *t, struct error *err)
{
	struct engine *e = t->engine;
	int64_t number;
	bool made;

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

	if (t->inputs_changed || !node->step->cache)
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
	struct stat st;

	if (fs_stat_beneath(t->engine->project->rootfd, path, &st, NULL) <= 0)
		return 0;
	if (io_read_file(t->engine->project->rootfd, path, SUMMARY_MAX, &text, NULL) < 0)
		return 0;
	return tag(t->engine, t->run, "mlflow.note.content", text.buf, err);
}

static int record_end(struct task *t, const struct metric_list *points, struct error *err)
{
	struct engine *e = t->engine;
	bool ok = !t->err.code;
	const char *state = ok ? "ok" : t->timed_out ? "timeout" : t->interrupted ? "killed" : "failed";
	enum run_status status = ok ? RUN_FINISHED : t->interrupted ? RUN_KILLED : RUN_FAILED;

	if (record_points(e->db, t->run, points, t->end_ms, err) < 0)
		return -1;
	if (ok && (record_points(e->db, t->run, &t->metrics, t->end_ms, err) < 0 ||
		   record_contents(t, t->run, err) < 0 || record_versions(t, err) < 0 ||
		   record_cache(t, err) < 0 || record_summary(t, err) < 0))
		return -1;
	if (record_attempt(t, state, t->run, err) < 0)
		return -1;
	return run_finish(e->db, t->run, status, t->end_ms, err);
}

/* ---- the environment of the run: code and tools ---- */

static void python_packages(struct js *tool, const char *program, const char *root)
{
	static const char script[] =
		"import sys,os\n"
		"print(sys.version.split()[0])\n"
		"print(*sorted({n[:-10] for p in sys.path if os.path.isdir(p) for n in os.listdir(p)"
		" if n.endswith('.dist-info')}|{n[:-9] for p in sys.path if os.path.isdir(p)"
		" for n in os.listdir(p) if n.endswith('.egg-info')}),sep='\\n')\n";
	const char *argv[] = { program, "-c", script, NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	char hex[DIGEST_HEX + 1];
	struct digest digest;
	struct js *packages;
	char *rest;

	if (process_capture(argv, root, 10000, 1u << 20, &out, NULL) != 0 || !(rest = strchr(out.buf, '\n')))
		return;
	*rest++ = '\0';
	js_set_str(tool, "version", out.buf);
	digest_of(rest, strlen(rest), &digest);
	js_set_str(tool, "packages_digest", digest_format(&digest, hex));
	packages = js_array();
	for (char *line = rest, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (*line)
			js_push_str(packages, line);
	}
	js_set(tool, "packages", packages);
}

/* Version and packages of an interpreter, asked once a run; the whole stands in the first step's
 * record that used it, the digest in all. */
static void add_tools(struct task *t)
{
	struct engine *e = t->engine;
	const char *path = js_get_str(js_get(t->record, "program"), "path");
	struct js *tool;

	if (!path || strncmp(path_base(path), "python", 6) != 0 || js_get(t->record, "python"))
		return;
	tool = js_get(e->tools, path);
	if (!tool) {
		tool = js_object();
		js_set(e->tools, path, tool);
		python_packages(tool, path, e->project->root);
	}
	js_set(t->record, "python", js_ref(tool));
}

/* Without a code version the run is worth recording all the same; the note says what is missing. */
static void add_code(struct engine *e, struct store_batch *batch)
{
	struct scanner scanner = e->scanner;
	struct error err;
	size_t len;

	scanner.batch = batch;
	if (git_code_version(&scanner, e->project->root, batch, &e->code, &err) < 0) {
		free(e->code.note);
		e->code.note = xstrdup(err.msg);
	}
	len = e->code.deleted ? strlen(e->code.deleted) : 0;
	if (len && batch_add_bytes(batch, e->code.deleted, len, &e->deleted.id, NULL) == 0)
		e->deleted = (struct content){ CONTENT_FILE, e->deleted.id, len, 1 };
}

/* ---- one group ---- */

static int record_fact(struct engine *e, const struct fact *fact, struct error *err)
{
	switch (fact->kind) {
	case FACT_RUN:
		return record_run_row(e, err);
	case FACT_START:
		return record_start(fact->task, err);
	case FACT_POINTS:
		return record_points(e->db, fact->task->run, &fact->points, clock_wall_ms(), err);
	case FACT_CACHED:
		return record_attempt(fact->task, "cached", NULL, err);
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

	if (t->err.code ? stepdir_reject(e->project, e->run, t->node->name, &t->kept, &err) < 0 :
			  stepdir_accept(e->project, e->run, t->node->name, &t->notes, &err) < 0)
		strlist_push_owned(&t->notes, xasprintf("step %s: %s", t->node->name, err.msg));
}

static void fail_group(struct fact_list *group, const struct error *why)
{
	for (size_t i = 0; i < group->len; i++)
		if (group->items[i].kind == FACT_END && !group->items[i].task->err.code)
			group->items[i].task->err = *why;
}

static void release_finishing(struct finishing *f)
{
	for (size_t i = 0; i < f->seen.len; i++)
		free(f->seen.entries[i].value);
	strmap_release(&f->seen);
}

static void gather(struct engine *e, struct store_batch *batch, struct fact_list *group)
{
	struct finishing f CLEANUP(release_finishing) = { .e = e, .scanner = e->scanner };

	f.scanner.batch = batch;
	for (size_t i = 0; i < group->len; i++) {
		struct fact *fact = &group->items[i];
		if (fact->kind == FACT_RUN)
			add_code(e, batch);
		if (fact->kind == FACT_START)
			add_tools(fact->task);
		if (fact->kind == FACT_END)
			finish_step(&f, fact);
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
	r = lock < 0 ? -1 : record_group(e, group, err);
	if (r < 0)
		fail_group(group, err);
	for (size_t i = 0; i < group->len; i++)
		if (group->items[i].kind == FACT_END)
			settle(e, group->items[i].task);
	return r;
}

/* ---- the whole run ---- */

/* Metrics of all steps, up to date ones too, under their own name; a name that two steps use becomes
 * STEP.NAME for both. */
static int record_run_metrics(struct engine *e, int64_t now, struct error *err)
{
	struct strmap owners CLEANUP(strmap_release) = STRMAP_INIT;
	static int shared;
	int r = 0;

	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		if (!t->node || t->end < END_FRESH || t->end > END_OK)
			continue;
		if (t->end != END_OK && read_metrics(e->project, t->node, &t->metrics, NULL) < 0)
			continue;
		for (size_t k = 0; k < t->metrics.len; k++) {
			void *before = strmap_get(&owners, t->metrics.items[k].key);
			strmap_set(&owners, t->metrics.items[k].key, before && before != t ? (void *)&shared : t);
		}
	}
	for (size_t i = 0; r == 0 && i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		for (size_t k = 0; t->node && r == 0 && k < t->metrics.len; k++) {
			const char *key = t->metrics.items[k].key;
			CLEANUP(cleanup_free) char *full = xasprintf("%s.%s", t->node->name, key);
			bool both = strmap_get(&owners, key) == &shared;
			r = run_log_metric(e->db, e->run, both ? full : key, t->metrics.items[k].value, now, 0, err);
		}
	}
	return r;
}

static int record_run_contents(struct engine *e, struct error *err)
{
	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		if (!t->node || t->end < END_FRESH || t->end > END_OK)
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
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *record = NULL;
	CLEANUP_JS struct js *body = js_object();
	char hex[DIGEST_HEX + 1];
	struct digest digest;
	struct event event = {
		.actor = e->project->actor,
		.origin = "cli",
		.operation = "run.start",
		.subject = e->run,
		.after = run_status_name(status),
		.body = body,
	};

	if (run_load(e->db, e->run, &record, err) < 0)
		return -1;
	js_dump(record, JS_CANONICAL, &text);
	digest_of(text.buf, text.len, &digest);
	js_set_str(body, "record", digest_format(&digest, hex));
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
