/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/when.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/expr.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/results.h"
#include "pipeline/show.h"
#include "registry/git.h"

#define LISTED_MAX 8 /* metrics that an error names */

/* One condition being judged. */
struct judging {
	struct when *when;
	const struct plan_node *node;
	const struct plan_node *waits; /* whose metric is asked for and not known yet */
	struct strlist seen;           /* "NAME = VALUE" of what was looked at, once each */
};

static void judging_release(struct judging *j)
{
	strlist_release(&j->seen);
}

static void metrics_free(struct metric_list *list)
{
	if (list)
		metric_list_release(list);
	free(list);
}

static void cleanup_metrics(struct metric_list **list)
{
	metrics_free(*list);
}

void when_release(struct when *w)
{
	for (size_t i = 0; i < w->metrics.len; i++)
		metrics_free(w->metrics.entries[i].value);
	strmap_release(&w->metrics);
	free(w->branch);
	w->branch = NULL;
}

void when_forget(struct when *w, const struct plan_node *node)
{
	if (strmap_has(&w->metrics, node->name))
		metrics_free(strmap_set(&w->metrics, node->name, NULL));
}

/* ---- what names stand for ---- */

static int param_value(struct judging *j, const struct when_name *name, struct expr_value *ret, struct error *err)
{
	(void)j;
	switch (js_typeof(name->param)) {
	case JS_INT:
	case JS_REAL:
		*ret = (struct expr_value){ .type = EXPR_NUMBER, .number = js_number(name->param) };
		return 0;
	case JS_STR:
		*ret = (struct expr_value){ .type = EXPR_TEXT, .text = js_text(name->param) };
		return 0;
	case JS_BOOL:
		*ret = (struct expr_value){ .type = EXPR_TRUTH, .truth = js_truth(name->param) };
		return 0;
	default:
		return error_set(err, ERR_USAGE, "the param is no number, text or truth");
	}
}

/* A value of a matrix is text; one that reads as a number is a number. */
static int matrix_value(struct judging *j, const struct when_name *name, struct expr_value *ret, struct error *err)
{
	(void)j;
	(void)err;
	*ret = (struct expr_value){ .type = EXPR_TEXT, .text = name->text };
	if (expr_number(name->text, &ret->number))
		ret->type = EXPR_NUMBER;
	return 0;
}

static int branch_value(struct judging *j, const struct when_name *name, struct expr_value *ret, struct error *err)
{
	struct when *w = j->when;
	int r = w->branch ? 1 : git_work_branch(w->root, &w->branch, err);

	(void)name;
	if (r < 0)
		return -1;
	if (r == 0) {
		error_set(err, ERR_NOT_FOUND, "the project is in no git repository");
		return error_help(err, "make it one: git init, or take git.branch out of the condition");
	}
	*ret = (struct expr_value){ .type = EXPR_TEXT, .text = w->branch };
	return 0;
}

static int read_metrics(struct when *w, const struct plan_node *node, const struct metric_list **ret, struct error *err)
{
	CLEANUP(cleanup_metrics) struct metric_list *list = NULL;

	*ret = strmap_get(&w->metrics, node->name);
	if (*ret)
		return 0;
	list = xcalloc(1, sizeof(*list));
	for (size_t i = 0; i < node->noutputs; i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		const char *path = node->outputs[i].path;
		if (node->outputs[i].use != OUT_METRICS)
			continue;
		if (io_read_file(w->rootfd, path, RESULTS_MAX_BYTES, &text, err) < 0) {
			error_wrap(err, "metrics of %s", node->name);
			return error_help(err, "make them: mlops run %s", node->name);
		}
		if (results_parse_metrics(text.buf, text.len, path, list, err) < 0)
			return -1;
	}
	*ret = list;
	strmap_set(&w->metrics, node->name, steal(&list));
	return 0;
}

static int no_metric(const struct plan_node *node, const char *key, const struct metric_list *list, struct error *err)
{
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;
	CLEANUP(cleanup_free) char *all = NULL;
	const char *near, *more = list->len > LISTED_MAX ? ", ..." : "";

	error_set(err, ERR_NOT_FOUND, "%s reported no metric '%s'", node->name, SHOW(key));
	for (size_t i = 0; i < list->len; i++)
		strlist_push(&keys, list->items[i].key);
	near = strlist_nearest(&keys, key);
	if (near)
		return error_help(err, "did you mean %s.%s?", node->name, SHOW(near));
	if (!keys.len)
		return error_help(err, "its metrics files hold no number");
	while (keys.len > LISTED_MAX)
		free(keys.items[--keys.len]);
	all = strlist_join(&keys, ", ");
	return error_help(err, "it reported %s%s", SHOW(all), more);
}

static int metric_value(struct judging *j, const struct when_name *name, struct expr_value *ret, struct error *err)
{
	const struct metric_list *list;

	if (!j->when->known(j->when->ctx, name->maker)) {
		j->waits = name->maker;
		return -1;
	}
	if (read_metrics(j->when, name->maker, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < list->len; i++) {
		if (strcmp(list->items[i].key, name->metric) != 0)
			continue;
		*ret = (struct expr_value){ .type = EXPR_NUMBER, .number = list->items[i].value };
		return 0;
	}
	return no_metric(name->maker, name->metric, list, err);
}

static int look_up(void *ctx, const char *name, struct expr_value *ret, struct error *err)
{
	static int (*const values[])(struct judging *, const struct when_name *, struct expr_value *, struct error *) = {
		[WHEN_PARAM] = param_value,
		[WHEN_MATRIX] = matrix_value,
		[WHEN_BRANCH] = branch_value,
		[WHEN_METRIC] = metric_value,
	};
	CLEANUP_STRBUF struct strbuf shown = STRBUF_INIT;
	struct judging *j = ctx;
	struct when_name what;

	if (plan_when_name(j->when->plan, j->node, name, &what, err) < 0 || values[what.kind](j, &what, ret, err) < 0)
		return -1;
	expr_value_show(ret, &shown);
	strlist_push_owned(&j->seen, xasprintf("%s = %s", SHOW(name), SHOW(shown.buf)));
	if (strlist_has(&(struct strlist){ j->seen.items, j->seen.len - 1, 0 }, j->seen.items[j->seen.len - 1]))
		free(j->seen.items[--j->seen.len]);
	return 0;
}

/* ---- the judgement ---- */

/* " (NAME = VALUE, ...)", or "". Caller frees. */
static char *seen_text(const struct judging *j)
{
	CLEANUP(cleanup_free) char *all = strlist_join(&j->seen, ", ");

	return j->seen.len ? xasprintf(" (%s)", all) : xstrdup("");
}

static int fail(const struct judging *j, size_t offset, const struct error *why, struct error *err)
{
	CLEANUP(cleanup_free) char *seen = seen_text(j);
	const struct text_at *when = &j->node->step->when;

	error_set(err, ERR_FAILED, "step %s: its condition cannot be judged: %s%s", j->node->name, why->msg, seen);
	error_where(err, j->when->plan->pipeline->file, when->at.line, when->at.column + (int)offset);
	return *why->help ? error_help(err, "%s", why->help) : -1;
}

int when_judge(struct when *w, const struct plan_node *node, enum when_answer *ret, char **ret_why, struct error *err)
{
	CLEANUP(judging_release) struct judging j = { .when = w, .node = node };
	CLEANUP(cleanup_free) char *seen = NULL;
	size_t offset = 0;
	struct error why;
	bool holds;
	int r;

	error_clear(&why);
	r = expr_holds(node->when, look_up, &j, &holds, &offset, &why);
	if (r < 0 && !j.waits)
		return fail(&j, offset, &why, err);
	if (r < 0) {
		*ret = WHEN_WAITS;
		*ret_why = xasprintf("its condition waits for %s", j.waits->name);
		return 0;
	}
	*ret = holds ? WHEN_HOLDS : WHEN_SKIPS;
	if (!holds) {
		seen = seen_text(&j);
		*ret_why = xasprintf("%s does not hold%s", SHOW(node->step->when.text), seen);
	}
	return 0;
}
