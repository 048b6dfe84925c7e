/* SPDX-License-Identifier: Apache-2.0 */
/* Method evidently: its verdict on each column, and its rule for the table. */
#include <math.h>
#include <stdlib.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/drift/drift_internal.h"
#include "monitor/drift/evidently.h"
#include "monitor/profile/profile.h"

static void skip(struct judged *c, enum drift_state state, const char *why)
{
	c->state = state;
	c->reason = xstrdup(why);
}

static void measure(struct judgement *j, struct judged *c)
{
	struct effect *effect = &c->effect;
	struct evidently_verdict verdict;
	struct error err;

	if (evidently_judge(c->ref, c->cur, j->options->psi, &verdict, &err) < 0) {
		skip(c, DRIFT_INSUFFICIENT, err.msg);
		return;
	}
	effect->test = evidently_test_name(verdict.test);
	c->adjusted = range_of(NAN);
	*(evidently_test_is_p(verdict.test) ? &effect->p : &effect->score) = range_of(verdict.score);
	c->threshold = verdict.threshold;
	c->state = verdict.drift ? DRIFT_FOUND : DRIFT_NONE;
	c->counted = verdict.counted;
	if (verdict.constant)
		c->reason = xstrdup("constant, the same on both sides");
	else if (verdict.drift != verdict.counted)
		c->reason = xstrdup("has infinities, which Evidently leaves out here, but not where it counts columns");
}

/* Categories are compared by the counts of all their values. */
static bool is_uncounted(const struct column *c)
{
	size_t n;

	return c->types[VALUE_TEXT] && !column_values(c, &n);
}

static void measure_column(struct judgement *j, struct judged *c)
{
	enum evidently_type type;

	/* Evidently knows no times and no ids */
	if (c->state == DRIFT_SKIPPED && c->ref->type != COLUMN_EMPTY) {
		free(c->reason);
		c->reason = NULL;
		c->state = DRIFT_NONE;
	}
	if (c->state != DRIFT_NONE)
		return;
	nulls_effect(c->ref, c->cur, c->null_share);
	type = evidently_type(c->cur);
	if (type == EVIDENTLY_UNKNOWN)
		skip(c, DRIFT_SKIPPED, "of no type that Evidently judges");
	else if (type == EVIDENTLY_TEXT)
		skip(c, DRIFT_UNDECIDED, "a text, for which Evidently trains a classifier: not done here");
	else if (type == EVIDENTLY_WIDE || evidently_type(c->ref) == EVIDENTLY_WIDE)
		skip(c, DRIFT_UNDECIDED, "whole numbers beyond 2^53, which are not all told apart here");
	else if (is_uncounted(c->ref) || is_uncounted(c->cur))
		skip(c, DRIFT_UNDECIDED, "more different texts than can be counted");
	else
		measure(j, c);
}

/* An open column may turn the verdict only where all of them together would. */
static void weigh_table(struct judgement *j)
{
	double share = j->options->share > 0 ? j->options->share : 0.5, all;

	for (size_t i = 0; i < j->n; i++) {
		j->judged += j->columns[i].state == DRIFT_NONE || j->columns[i].state == DRIFT_FOUND;
		j->drifted += j->columns[i].counted;
		j->undecided += j->columns[i].state == DRIFT_UNDECIDED;
	}
	all = (double)(j->judged + j->undecided);
	if (judgement_quarantined(j))
		return;
	if (all == 0)
		judgement_set(j, DRIFT_INSUFFICIENT, xstrdup("no column could be judged"));
	else if ((double)j->drifted >= share * all)
		judgement_set(j, DRIFT_FOUND, xasprintf("%zu of %zu columns drifted", j->drifted, j->judged));
	else if ((double)(j->drifted + j->undecided) >= share * all)
		judgement_set(j, DRIFT_UNDECIDED,
			      xasprintf("%zu of %zu columns drifted, and %zu that are open could turn that", j->drifted, j->judged,
					j->undecided));
	else
		judgement_set(j, DRIFT_NONE, xasprintf("%zu of %zu columns drifted, drift is %g %% of them", j->drifted,
						       j->judged, 100 * share));
}

void judgement_evidently(struct judgement *j)
{
	for (size_t i = 0; i < j->n; i++)
		measure_column(j, &j->columns[i]);
	weigh_table(j);
}
