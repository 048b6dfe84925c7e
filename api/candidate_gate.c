/* SPDX-License-Identifier: Apache-2.0 */
/* What a gate asks of a candidate, its champion and their holdouts. */
#include <math.h>
#include <string.h>
#include "api/candidates_internal.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "policy/gate.h"
#include "registry/candidates.h"
#include "registry/runs.h"
#include "registry/versions.h"
#include "store/store.h"

const char *gate_metric_name(const char *name)
{
	static const char champion[] = "champion.";

	return strncmp(name, champion, strlen(champion)) ? name : name + strlen(champion);
}

const struct plan_node *gate_metric_node(const struct plan *plan, const struct model_section *model, const char *name,
					 const char **ret_key)
{
	CLEANUP(cleanup_free) char *head = xstrdup(name);

	for (char *dot; (dot = strrchr(head, '.'));) {
		const struct plan_node *node;

		*dot = '\0';
		node = strmap_get(&plan->by_name, head);
		*ret_key = name + (dot - head) + 1;
		if (node && **ret_key)
			return node;
	}
	*ret_key = name;
	return strmap_get(&plan->by_output, model->from.text);
}

int candidate_metrics(struct db *db, const char *model, int64_t number, struct js **ret, struct error *err)
{
	struct version_lineage lineage CLEANUP(version_lineage_release) = { 0 };
	CLEANUP_JS struct js *found = NULL;
	struct error none;

	if (candidate_load(db, model, number, &found, &none) == 0) {
		*ret = js_ref(js_get(found, "metrics"));
		return 0;
	}
	if (none.code != ERR_NOT_FOUND || version_lineage(db, model, number, &lineage, &none) < 0) {
		if (err)
			*err = none;
		return -1;
	}
	if (!lineage.run_id || !*lineage.run_id || run_load(db, lineage.run_id, &found, &none) < 0) {
		*ret = js_object(); /* of a run of another server */
		return 0;
	}
	*ret = js_ref(js_get(found, "metrics"));
	return 0;
}

static int no_metric(const struct candidate_gate *g, bool champion, const char *name, const struct js *metrics,
		     struct error *err)
{
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;
	const char *near;

	for (void *it = js_iter(metrics); it; it = js_next(metrics, it))
		strlist_push(&keys, js_iter_key(it));
	near = strlist_nearest(&keys, name);
	if (champion)
		error_set(err, ERR_NOT_FOUND, "the champion v%lld was registered without a metric '%.100s'",
			  (long long)g->champion, name);
	else
		error_set(err, ERR_NOT_FOUND, "there is no metric '%.100s'", name);
	if (near)
		return error_help(err, "did you mean %s%s?", champion ? "champion." : "", near);
	if (champion)
		return error_help(err, "promote a version that has it by hand: mlops model promote %s@vN", g->model->name);
	return error_help(err, keys.len ? "it has %.100s and others: see them in the metrics files" :
					  "write it into a metrics= file of the step that makes %.100s",
			  keys.len ? keys.items[0] : g->model->from.text);
}

static int find_metric(void *ctx, bool champion, const char *name, double *ret, struct error *err)
{
	const struct candidate_gate *g = ctx;
	const struct js *metrics = champion ? g->champion_metrics : g->metrics, *value = js_get(metrics, name);
	const struct plan_node *maker = strmap_get(&g->plan->by_output, g->model->from.text);
	size_t own = maker ? strlen(maker->name) : 0;

	/* Its own metrics may be named with the step, too. */
	if (!value && own && !strncmp(name, maker->name, own) && name[own] == '.')
		value = js_get(metrics, name + own + 1);
	if (!value)
		return no_metric(g, champion, name, metrics, err);
	*ret = js_text(value) && strstr(js_text(value), "Infinity") ? INFINITY : js_number(value); /* "NaN" in JSON: NaN */
	return 0;
}

static int find_holdout(void *ctx, const char *name, int *ret_fd, char ret_digest[65], struct error *err)
{
	const struct candidate_gate *g = ctx;
	const struct holdout_content *h = g->holdouts;

	for (size_t i = 0; name && i < g->model->nholdouts; i++)
		if (!strcmp(g->holdouts[i].name, name))
			h = &g->holdouts[i];
	if (h->content.kind != CONTENT_FILE && h->content.kind != CONTENT_EXEC)
		return error_set(err, ERR_NOT_FOUND, h->content.kind == CONTENT_TREE ? "%s is a directory, not a table" :
										       "there is no %s",
				 h->path);
	*ret_fd = store_open_object(g->store, &h->content.id, NULL, err);
	digest_format(&h->content.id, ret_digest);
	return *ret_fd < 0 ? -1 : 0;
}

int candidate_judge(struct candidate_gate *g, struct js **ret, bool *ret_passed, struct error *err)
{
	const struct gate_host host = { find_metric, find_holdout, g->champion > 0, g };
	CLEANUP_JS struct js *lines = js_array();
	bool passed = true;

	for (size_t i = 0; i < g->model->gate.len; i++) {
		CLEANUP(cleanup_gate_line) struct gate_line *line = NULL;
		struct js *result;

		if (gate_line_parse(g->model->gate.items[i].text, &line, NULL, err) < 0 ||
		    gate_line_judge(line, &host, &result, err) < 0)
			return -1;
		passed = passed && js_get_bool(result, "holds");
		js_push(lines, result);
	}
	*ret = steal(&lines);
	*ret_passed = passed;
	return 0;
}
