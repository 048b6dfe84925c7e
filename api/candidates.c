/* SPDX-License-Identifier: Apache-2.0 */
#include "api/candidates.h"
#include <stdlib.h>
#include <string.h>
#include "api/attest.h"
#include "api/candidate_ask.h"
#include "api/candidates_internal.h"
#include "api/card.h"
#include "api/data.h"
#include "api/ops.h"
#include "api/submit.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/results.h"
#include "policy/gate.h"
#include "policy/trust.h"
#include "registry/attestations.h"
#include "registry/candidates.h"
#include "registry/events.h"
#include "registry/git.h"
#include "registry/jobs.h"
#include "registry/model_records.h"
#include "registry/project.h"
#include "registry/promotions.h"
#include "store/store.h"

#define SIGNATURE_BYTES (1u << 20)
#define DEFAULT_ALIAS "champion"
#define JUDGED_MAX 5 /* against champions that change meanwhile */

/* One model of one run. */
struct making {
	struct op_context *ctx;
	const struct js *result;      /* of the run */
	const struct js *champions;
	struct candidate_gate gate;
	struct content from, reference;
	struct candidate_file files[4];
	size_t nfiles;
	struct candidate_file policy; /* path NULL: none */
	struct js *spec, *lines;
	bool passed;
	char run[33];
	char *author, *committer;
	const char *origin;
};

static void making_release(struct making *m)
{
	js_free(m->gate.metrics);
	js_free(m->gate.champion_metrics);
	free(m->gate.holdouts);
	js_free(m->spec);
	js_free(m->lines);
	free(m->author);
	free(m->committer);
}

/* ---- what the run made ---- */

static bool was_skipped(const struct js *result, const char *step)
{
	const struct js *steps = js_get(result, "steps");

	for (size_t i = 0; i < js_len(steps); i++)
		if (!strcmp(js_get_str(js_at(steps, i), "name"), step))
			return !strcmp(js_get_str(js_at(steps, i), "state"), "skipped");
	return false;
}

static void note(struct op_context *ctx, const char *text)
{
	CLEANUP_JS struct js *event = js_object();

	if (!ctx->emit)
		return;
	js_set_str(event, "event", "note");
	js_set_str(event, "text", text);
	ctx->emit(ctx->ctx, event);
}

struct needing {
	struct making *making;
	const struct plan_node *absent; /* it is needed, and not what it would be by this run */
};

static void need(struct needing *n, const struct plan_node *node)
{
	if (node && (!node->selected || was_skipped(n->making->result, node->name)))
		n->absent = node;
}

static int need_metric(void *ctx, const char *name, size_t offset)
{
	struct needing *n = ctx;
	const char *key;

	(void)offset;
	if (name == gate_metric_name(name))
		need(n, gate_metric_node(n->making->gate.plan, n->making->gate.model, name, &key));
	return 0;
}

/* A gate must not judge a new model by what an old one brought: all that it looks at is of this run. */
static int is_whole(struct making *m, bool *ret, struct error *err)
{
	const struct model_section *model = m->gate.model;
	struct needing n = { .making = m };
	CLEANUP(cleanup_free) char *text = NULL;

	for (size_t i = 0; i < model->gate.len; i++) {
		CLEANUP(cleanup_gate_line) struct gate_line *line = NULL;

		if (gate_line_parse(model->gate.items[i].text, &line, NULL, err) < 0)
			return -1;
		gate_line_each_name(line, need_metric, &n);
	}
	for (size_t i = 0; i < model->nholdouts; i++)
		need(&n, plan_maker(m->gate.plan, model->holdouts[i].path.text));
	if (n.absent) {
		text = xasprintf("model %s: no candidate, because its gate asks about step %s, which was not part of this run",
				 model->name, n.absent->name);
		note(m->ctx, text);
	}
	*ret = !n.absent;
	return 0;
}

static int add_metrics(struct making *m, const struct plan_node *node, bool own, struct error *err)
{
	for (size_t i = 0; i < node->noutputs; i++) {
		CLEANUP(metric_list_release) struct metric_list list = METRIC_LIST_INIT;
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		const char *path = node->outputs[i].path;

		if (node->outputs[i].use != OUT_METRICS)
			continue;
		if (io_read_file(m->ctx->project->rootfd, path, RESULTS_MAX_BYTES, &text, err) < 0 ||
		    results_parse_metrics(text.buf, text.len, path, &list, err) < 0)
			return error_wrap(err, "metrics of %s", node->name);
		for (size_t k = 0; k < list.len; k++) {
			CLEANUP(cleanup_free) char *full = xasprintf("%s.%s", node->name, list.items[k].key);

			js_set_real(m->gate.metrics, own ? list.items[k].key : full, list.items[k].value);
		}
	}
	return 0;
}

static int gather_metrics(struct making *m, struct error *err)
{
	const struct plan *plan = m->gate.plan;
	const struct plan_node *maker = strmap_get(&plan->by_output, m->gate.model->from.text);

	m->gate.metrics = js_object();
	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];

		if (node->selected && !was_skipped(m->result, node->name) && add_metrics(m, node, node == maker, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- bytes ---- */

static int keep(const struct scanner *scanner, const struct model_section *model, const char *path, bool must,
		struct content *ret, struct error *err)
{
	if (scan_path(scanner, path, ret, NULL, err) < 0)
		return error_wrap(err, "model %s", model->name);
	return !must || ret->kind != CONTENT_ABSENT ? 0 : error_set(err, ERR_NOT_FOUND, "model %s: there is no %s", model->name,
								   path);
}

static int keep_files(struct making *m, const struct scanner *scanner, struct error *err)
{
	const struct model_section *model = m->gate.model;
	const struct {
		const char *role;
		const struct text_at *path;
	} files[] = { { "example", &model->example }, { "signature", &model->signature }, { "slices", &model->slices },
		      { "limitations", &model->limitations } };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct candidate_file *file = &m->files[m->nfiles];

		if (!files[i].path->text)
			continue;
		*file = (struct candidate_file){ .role = files[i].role, .path = files[i].path->text };
		if (keep(scanner, model, file->path, true, &file->content, err) < 0)
			return -1;
		m->nfiles++;
	}
	if (!model->policy.text)
		return 0;
	m->policy = (struct candidate_file){ .path = model->policy.text };
	return keep(scanner, model, m->policy.path, true, &m->policy.content, err);
}

static int keep_tables(struct making *m, const struct scanner *scanner, struct error *err)
{
	const struct model_section *model = m->gate.model;

	if (model->reference.text && keep(scanner, model, model->reference.text, true, &m->reference, err) < 0)
		return -1;
	m->gate.holdouts = xcalloc(model->nholdouts + 1, sizeof(*m->gate.holdouts));
	for (size_t i = 0; i < model->nholdouts; i++) {
		struct holdout_content *h = &m->gate.holdouts[i];

		*h = (struct holdout_content){ .name = model->holdouts[i].name, .path = model->holdouts[i].path.text };
		if (keep(scanner, model, h->path, false, &h->content, err) < 0)
			return -1;
	}
	return 0;
}

static int keep_all(struct making *m, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	struct scanner scanner;

	if (batch_open(m->gate.store, &batch, err) < 0 || data_scanner(m->ctx, batch, &scanner, err) < 0 ||
	    keep(&scanner, m->gate.model, m->gate.model->from.text, true, &m->from, err) < 0 ||
	    keep_files(m, &scanner, err) < 0 || keep_tables(m, &scanner, err) < 0)
		return -1;
	return batch_commit(batch, err);
}

static int check_signature(const struct making *m, struct error *err)
{
	for (size_t i = 0; i < m->nfiles; i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		CLEANUP_JS struct js *value = NULL;

		if (!strcmp(m->files[i].role, "signature") &&
		    (store_read(m->gate.store, &m->files[i].content.id, SIGNATURE_BYTES, &text, err) < 0 ||
		     js_parse(text.buf, text.len, m->files[i].path, &value, err) < 0)) {
			error_wrap(err, "model %s: its signature", m->gate.model->name);
			return error_help(err, "write JSON: what the model takes and gives, as mlflow.models.infer_signature does");
		}
	}
	return 0;
}

/* One that says nothing would ask for nothing. */
static int check_policy(const struct making *m, struct error *err)
{
	CLEANUP(cleanup_trust) struct trust_policy *policy = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (!m->policy.path)
		return 0;
	return store_read(m->gate.store, &m->policy.content.id, TRUST_MAX, &text, err) < 0 ||
			       trust_parse(text.buf, text.len, m->policy.path, &policy, err) < 0 ?
		       error_wrap(err, "model %s: its policy", m->gate.model->name) :
		       0;
}

/* ---- who and how ---- */

static struct js *texts(const struct textlist *list)
{
	struct js *array = js_array();

	for (size_t i = 0; i < list->len; i++)
		js_push_str(array, list->items[i].text);
	return array;
}

static struct js *policy_of(const struct candidate_file *policy)
{
	struct js *object = js_object();
	char text[CONTENT_TEXT];

	js_set_str(object, "path", policy->path);
	js_set_str(object, "content", content_format(&policy->content, text));
	return object;
}

static struct js *spec_of(const struct making *m)
{
	const struct model_section *model = m->gate.model;
	struct js *spec = js_object(), *holdouts = js_object();

	js_set_str(spec, "from", model->from.text);
	js_set(spec, "gate", texts(&model->gate));
	for (size_t i = 0; i < model->nholdouts; i++)
		js_set_str(holdouts, model->holdouts[i].name, model->holdouts[i].path.text);
	js_set(spec, "holdouts", holdouts);
	js_set_str(spec, "alias", model->alias ? model->alias : DEFAULT_ALIAS);
	js_set(spec, "approve", texts(&model->approve));
	js_set_int(spec, "approve_within", model->approve_within_ms);
	js_set_bool(spec, "protect", model->protect);
	if (model->reproduced)
		js_set_bool(spec, "reproduced", true);
	js_set_str(spec, "reference", model->reference.text);
	if (m->policy.path)
		js_set(spec, "policy", policy_of(&m->policy));
	return spec;
}

static int authors_of(struct making *m, const char *project, const char *commit, struct error *err)
{
	CLEANUP(cleanup_free) char *part = project ? xasprintf("mirrors/%s.git", project) : NULL;
	CLEANUP(cleanup_free) char *mirror = part ? project_home_path(m->ctx->project, part) : NULL;
	int r = mirror ? git_authors(mirror, commit, &m->committer, err) : 0;

	if (r == 0)
		r = git_authors(m->ctx->project->top, commit, &m->committer, err);
	return r < 0 ? -1 : 0;
}

/* Of a job, who asked for it. Without a commit nobody is known to have made it. */
static int find_people(struct making *m, struct error *err)
{
	const char *id = getenv(JOB_VARIABLE), *commit = NULL;
	CLEANUP_JS struct js *job = NULL;
	char head[65];

	if (id && job_load(m->gate.db, id, &job, err) < 0)
		return -1;
	if (job && js_get_str(job, "actor")) {
		m->author = xstrdup(js_get_str(job, "actor"));
		commit = js_get_str(job, "commit");
	} else {
		m->author = xstrdup(op_actor(m->ctx));
	}
	m->origin = js_get(js_get(job, "args"), "trigger") ? "trigger" : m->ctx->origin ? m->ctx->origin : "cli";
	if (!commit && !m->ctx->project->scratch && git_resolve(m->ctx->project->root, "HEAD", head, NULL) > 0)
		commit = head;
	return commit ? authors_of(m, js_get_str(job, "project"), commit, err) : 0;
}

/* The run of all steps when there is one, else the one whose result is in place. */
static int find_run(struct making *m, struct error *err)
{
	const char *run = js_get_str(m->result, "run_id");

	if (run && strlen(run) == 32) {
		memcpy(m->run, run, sizeof(m->run));
		return 0;
	}
	if (candidate_run(m->gate.db, m->gate.model->from.text, &m->from, m->run, err) == 0)
		return 0;
	error_wrap(err, "model %s", m->gate.model->name);
	return error_help(err, "make it again: mlops run --force");
}

static bool is_placed(const struct making *m)
{
	return js_get(m->champions, m->gate.model->name) != NULL;
}

static int find_champion(struct making *m, struct error *err)
{
	js_free(steal(&m->gate.champion_metrics));
	if (is_placed(m))
		m->gate.champion = js_int_value(js_get(m->champions, m->gate.model->name));
	else if (champion_of(m->gate.db, m->gate.model, &m->gate.champion, err) < 0)
		return -1;
	return m->gate.champion ? candidate_metrics(m->gate.db, m->gate.model->name, m->gate.champion,
						    &m->gate.champion_metrics, err) :
				  0;
}

/* ---- facts ---- */

static int write_event(const struct making *m, const char *operation, const char *subject, const char *key,
		       struct js *value, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();
	char content[CONTENT_TEXT];
	const struct event event = {
		.actor = m->author, .origin = m->origin, .operation = operation, .subject = subject, .body = body,
	};

	js_set_str(body, "verdict", m->passed ? "passed" : "failed");
	js_set_str(body, "content", content_format(&m->from, content));
	js_set(body, key, value);
	return event_append(m->gate.db, &event, clock_wall_ms(), NULL, err);
}

static int write_events(const struct making *m, int64_t number, struct error *err)
{
	CLEANUP(cleanup_free) char *subject = xasprintf("%s@v%lld", m->gate.model->name, (long long)number);

	return write_event(m, "model.register", subject, "run_id", js_str(m->run), err) < 0 ||
			       write_event(m, "gate.judge", subject, "lines", js_ref(m->lines), err) < 0 ?
		       -1 :
		       0;
}

/* Steps had the files of the champion that is none any more: only another run can judge against the one that is. */
static int ask(struct making *m, const struct js *candidate, const char **ret, struct error *err)
{
	struct error why = { 0 };

	if (candidate_ask(m->ctx, m->gate.db, candidate, m->author, m->origin, ret, &why) == 0)
		return 0;
	if (why.code == ERR_CONFLICT && is_placed(m)) {
		note(m->ctx, why.msg);
		*ret = "held";
		return 0;
	}
	if (err)
		*err = why;
	return -1;
}

/* 1: *ret_number is new, and *ret_outcome came of it; 0: another run was first. Inside a transaction. */
static int register_candidate(struct making *m, int64_t *ret_number, const char **ret_outcome, struct error *err)
{
	const struct candidate_new new = {
		.model = m->gate.model->name,
		.run_id = m->run,
		.content = &m->from,
		.path = m->gate.model->from.text,
		.reference = m->reference.kind == CONTENT_ABSENT ? NULL : &m->reference,
		.files = m->files,
		.nfiles = m->nfiles,
		.policy = m->policy.path ? &m->policy : NULL,
		.spec = m->spec,
		.lines = m->lines,
		.metrics = m->gate.metrics,
		.champion = m->gate.champion,
		.passed = m->passed,
		.author = m->author,
		.committer = m->committer,
		.now_ms = clock_wall_ms(),
	};
	CLEANUP_JS struct js *candidate = NULL;
	int r = candidate_add(m->gate.db, &new, ret_number, err);

	*ret_outcome = "rejected";
	if (r <= 0)
		return r;
	if (write_events(m, *ret_number, err) < 0 ||
	    (m->passed && (candidate_load(m->gate.db, new.model, *ret_number, &candidate, err) < 0 ||
			   ask(m, candidate, ret_outcome, err) < 0)))
		return -1;
	return 1;
}

static struct js *model_result(const struct making *m, int64_t number, const char *outcome)
{
	struct js *model = js_object();

	js_set_str(model, "name", m->gate.model->name);
	js_set_int(model, "version", number);
	js_set_str(model, "verdict", m->passed ? "passed" : "failed");
	js_set_str(model, "outcome", outcome);
	js_set_str(model, "alias", js_get_str(m->spec, "alias"));
	if (m->gate.champion)
		js_set_int(model, "champion", m->gate.champion);
	js_set(model, "lines", js_ref(m->lines));
	return model;
}

/* Its statements are signed by what has been committed. What waited for them may ask now. */
static int settle(struct making *m, int64_t number, const char **outcome, struct error *err)
{
	const char *model = m->gate.model->name, *later;

	FAILPOINT("candidate.recorded");
	if (!attest_version_made(m->ctx, m->gate.db, model, number) || strcmp(*outcome, "waiting") != 0)
		return 0;
	if (candidate_ask_again(m->ctx, m->gate.db, model, number, &later, err) < 0)
		return -1;
	*outcome = later ? later : *outcome;
	return 0;
}

/* The one before was killed between registering it and signing. */
static int settle_same(struct making *m, int64_t number, struct error *err)
{
	CLEANUP(cleanup_free) char *node = xasprintf("%s@v%lld", m->gate.model->name, (long long)number);
	CLEANUP_JS struct js *list = NULL;
	const char *outcome = "waiting";
	int imported = model_version_imported(m->gate.db, m->gate.model->name, number, err);

	if (imported)
		return imported < 0 ? -1 : 0;
	if (attestations_list(m->gate.db, node, &list, err) < 0)
		return -1;
	return js_len(list) ? 0 : settle(m, number, &outcome, err);
}

static int record(struct making *m, struct js *models, struct error *err)
{
	const char *outcome;
	struct error why = { 0 };
	int64_t number;
	int r;

	if (db_begin(m->gate.db, err) < 0)
		return -1;
	r = register_candidate(m, &number, &outcome, &why);
	if (r < 0) {
		db_rollback(m->gate.db);
		if (why.code == ERR_CONFLICT)
			error_help(&why, "judge it again: mlops run");
		if (err)
			*err = why;
		return -1;
	}
	if (db_commit(m->gate.db, err) < 0)
		return -1;
	if (!r)
		return 0;
	if (settle(m, number, &outcome, err) < 0)
		return -1;
	js_push(models, model_result(m, number, outcome));
	return card_keep(m->ctx, m->gate.db, m->gate.model->name, number, err);
}

static int judge(struct making *m, struct error *err)
{
	js_free(steal(&m->lines));
	return find_champion(m, err) < 0 || candidate_judge(&m->gate, &m->lines, &m->passed, err) < 0 ? -1 : 0;
}

/* Who moves the alias meanwhile makes it a question about another champion. */
static int judge_and_record(struct making *m, struct js *models, struct error *err)
{
	for (int i = 1;; i++) {
		struct error why = { 0 };

		if (judge(m, err) < 0)
			return -1;
		FAILPOINT("candidate.judged");
		if (record(m, models, &why) == 0)
			return 0;
		if (why.code != ERR_CONFLICT || i == JUDGED_MAX) {
			if (err)
				*err = why;
			return -1;
		}
	}
}

static int make(struct making *m, struct js *models, struct error *err)
{
	CLEANUP(data_unlock) struct data_locks locks = DATA_LOCKS_INIT;
	int64_t same;
	bool whole;

	if (project_db(m->ctx->project, &m->gate.db, err) < 0 || project_store(m->ctx->project, &m->gate.store, err) < 0 ||
	    data_lock_store(m->ctx, &locks, err) < 0 || keep_all(m, err) < 0 ||
	    candidate_same(m->gate.db, m->gate.model->name, &m->from, &same, err) < 0)
		return -1;
	if (same)
		return settle_same(m, same, err);
	if (is_whole(m, &whole, err) < 0)
		return -1;
	if (!whole)
		return 0;
	m->spec = spec_of(m);
	if (check_signature(m, err) < 0 || check_policy(m, err) < 0 || gather_metrics(m, err) < 0 || find_run(m, err) < 0 || find_people(m, err) < 0)
		return -1;
	return judge_and_record(m, models, err);
}

int candidates_make(struct op_context *ctx, const struct plan *plan, const struct js *champions, struct js *result,
		    struct error *err)
{
	CLEANUP_JS struct js *models = js_array();

	for (size_t i = 0; i < plan->pipeline->nmodels; i++) {
		struct making m CLEANUP(making_release) = {
			.ctx = ctx, .result = result, .champions = champions,
			.gate = { .model = &plan->pipeline->models[i], .plan = plan },
		};
		const struct plan_node *maker = strmap_get(&plan->by_output, m.gate.model->from.text);

		if (maker && maker->selected && !was_skipped(result, maker->name) && make(&m, models, err) < 0)
			return -1;
	}
	if (js_len(models))
		js_set(result, "models", steal(&models));
	return 0;
}
