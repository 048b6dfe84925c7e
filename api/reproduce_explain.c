/* SPDX-License-Identifier: Apache-2.0 */
/* Why the first step that differs does. Run twice from the same bytes it differs from itself, or what is around it does. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "api/ops.h"
#include "api/reproduce.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/host_facts.h"
#include "pipeline/key.h"
#include "pipeline/plan.h"
#include "pipeline/tools.h"
#include "registry/git.h"
#include "registry/project.h"

static void add_cause(struct js *causes, const char *cause, const char *text)
{
	struct js *line = js_object();

	js_set_str(line, "cause", cause);
	js_set_str(line, "text", text);
	js_push(causes, line);
}

/* "2026-11-22", "12:30", or seconds since 1970 of about now: what a clock writes. */
static bool holds_time(const char *text)
{
	char now[32], today[32];

	clock_format_utc(clock_wall_ms(), today);
	snprintf(now, sizeof(now), "%lld", (long long)(clock_wall_ms() / 1000));
	for (; *text; text++) {
		size_t digits = strspn(text, "0123456789");

		if ((!strncmp(text, today, 5) && isdigit((unsigned char)text[5])) || (digits >= 9 && !strncmp(text, now, 4)) ||
		    (digits == 2 && text[2] == ':' && isdigit((unsigned char)text[3])))
			return true;
	}
	return false;
}

static bool was_made_at_a_time(const struct js *difference)
{
	const char *made = js_get_str(js_get(difference, "text"), "made");
	const char *recorded = js_get_str(js_get(difference, "text"), "recorded");

	return made && recorded && holds_time(made) && strpbrk(recorded, "0123456789");
}

static bool equal_runs(const struct plan_node *node, const struct again *first, const struct again *second)
{
	for (size_t i = 0; i < node->noutputs; i++) {
		struct content a, b;
		int had = again_output(first, node->outputs[i].path, &a), has = again_output(second, node->outputs[i].path, &b);

		if (had != has || (had && !content_equal(&a, &b)))
			return false;
	}
	return true;
}

static void add_texts(struct js *causes, const char *cause, struct js *differences)
{
	for (size_t i = 0; i < js_len(differences); i++)
		add_cause(causes, cause, js_get_str(js_at(differences, i), "text"));
	js_free(differences);
}

/* Of what the two records say. */
static int add_surroundings(const struct recipe *r, const struct again *a, const char *step, struct js *causes, struct error *err)
{
	CLEANUP_JS struct js *was = NULL;
	const struct js *old, *now = NULL;

	if (recipe_attempt(r, step, &was, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(a->attempts); i++)
		if (!strcmp(js_get_str(js_at(a->attempts, i), "step"), step))
			now = js_get(js_at(a->attempts, i), "record");
	old = js_get(was, "record");
	if (!old || !now)
		return 0;
	add_texts(causes, "record", key_differences(old, now));
	add_texts(causes, "packages", tools_differences(js_get(old, "python"), js_get(now, "python")));
	add_texts(causes, "machine", host_differences(js_get(old, "machine"), js_get(now, "machine")));
	return 0;
}

static void add_own(const struct plan_node *node, const struct again *a, const struct js *difference, struct js *causes)
{
	const char *made = js_get_str(js_get(difference, "text"), "made");
	CLEANUP(cleanup_free) char *text =
		xasprintf("two runs of %s from the same bytes differ from each other: randomness without a seed, or a time stamp", node->name);

	add_cause(causes, "itself", text);
	if (was_made_at_a_time(difference))
		add_cause(causes, "time", "what differs looks like a time stamp");
	for (size_t i = 0; i < js_len(a->attempts); i++) {
		const char *run = js_get_str(js_at(a->attempts, i), "run");
		char start[9] = "";

		if (run)
			snprintf(start, sizeof(start), "%.8s", run);
		if (made && *start && strstr(made, start))
			add_cause(causes, "run.id", "what differs holds the id of the run");
	}
}

static void add_network(const struct plan_node *node, struct js *causes)
{
	if (node->step->network)
		add_cause(causes, "network", "the step may use the network, and what it finds there may have changed");
}

/* A step that asks git who it is had an answer then. */
static void add_commit(const struct recipe *r, struct js *causes)
{
	const char *commit = recipe_tag(r, "mlflow.source.git.commit");
	char found[65];

	if (commit && git_resolve(r->ctx->project->root, commit, found, NULL) <= 0)
		add_cause(causes, "commit", "the commit of the run is in no repository here, so git tells a step nothing of it");
}

static int explain_same(const struct recipe *r, const struct again *a, const struct plan_node *node, struct js *causes,
			struct error *err)
{
	CLEANUP(cleanup_free) char *text =
		xasprintf("two runs of %s here are equal, so it is not chance: something around it is not as it was", node->name);

	add_cause(causes, "environment", text);
	if (add_surroundings(r, a, node->name, causes, err) < 0)
		return -1;
	add_network(node, causes);
	add_commit(r, causes);
	if (js_len(causes) == 1)
		add_cause(causes, "undeclared", "nothing that was recorded differs: it reads what its section does not name, such as a "
						"file elsewhere, a device, or the network");
	return 0;
}

int again_explain(struct recipe *r, const struct again *first, const char *step, const struct js *difference, struct js **ret,
		  struct error *err)
{
	CLEANUP(again_tree_release) struct again_tree tree = AGAIN_TREE_INIT;
	CLEANUP(again_release) struct again second = { 0 };
	CLEANUP(strlist_release) struct strlist steps = STRLIST_INIT;
	CLEANUP_JS struct js *causes = js_array();
	const struct plan_node *node;

	if (again_make(r, "twice", step, &tree, err) < 0)
		return -1;
	node = tree.plan ? strmap_get(&tree.plan->by_name, step) : NULL;
	strlist_push(&steps, step);
	if (node && !js_len(r->missing) && again_run(r, &tree, &steps, &second, err) < 0)
		return -1;
	if (!node || !second.record) {
		add_cause(causes, "unknown", "it could not be run a second time");
	} else if (!equal_runs(node, first, &second)) {
		add_own(node, first, difference, causes);
		add_network(node, causes);
	} else if (explain_same(r, first, node, causes, err) < 0) {
		return -1;
	}
	*ret = steal(&causes);
	return 0;
}

int again_explain_failure(const struct recipe *r, const struct again *a, const char *step, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *causes = js_array();

	if (add_surroundings(r, a, step, causes, err) < 0)
		return -1;
	*ret = steal(&causes);
	return 0;
}
