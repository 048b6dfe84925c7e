/* SPDX-License-Identifier: Apache-2.0 */
/* From effects and p-values to states: of each column, and of the table. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/drift/drift_internal.h"
#include "monitor/profile/profile.h"
#include "monitor/stats/stats.h"

static bool is_measured(const struct judged *c)
{
	return c->state == DRIFT_NONE || c->state == DRIFT_FOUND || c->state == DRIFT_UNDECIDED;
}

static uint64_t least_rows(const struct judgement *j)
{
	return j->options->min_rows ? j->options->min_rows : 1;
}

static void measure(struct judgement *j, struct judged *c)
{
	uint64_t min_rows = least_rows(j), ref = column_filled(c->ref), cur = column_filled(c->cur);

	if (c->ref->count < min_rows || c->cur->count < min_rows) {
		c->state = DRIFT_INSUFFICIENT;
		return;
	}
	c->nulls = nulls_effect(c->ref, c->cur, c->null_share);
	if (ref >= min_rows && cur >= min_rows)
		c->effect = column_effect(c->ref, c->cur);
	else if (!c->nulls.test)
		c->state = DRIFT_INSUFFICIENT;
}

static double threshold_of(const struct judgement *j, const struct judged *c, const struct effect *effect)
{
	double least = isnan(effect->least) ? j->options->threshold : effect->least;

	return fmax(fmax(least, effect->chance), calibration_threshold(j->calibration, c->name, effect == &c->nulls));
}

/* Three times: p as it is estimated, and its bounds. Adjusted values grow with each of those that go in. */
static void adjust(struct judgement *j)
{
	CLEANUP(cleanup_free) double *p = xcalloc(3 * 2 * j->n + 1, sizeof(*p));
	double *value = p, *low = p + 2 * j->n, *high = low + 2 * j->n;

	for (size_t i = 0; i < j->n; i++) {
		const struct judged *c = &j->columns[i];

		value[2 * i] = c->effect.p.value;
		low[2 * i] = c->effect.p.low;
		high[2 * i] = c->effect.p.high;
		value[2 * i + 1] = low[2 * i + 1] = high[2 * i + 1] = c->nulls.p.value;
	}
	bh_adjust(value, 2 * j->n);
	bh_adjust(low, 2 * j->n);
	bh_adjust(high, 2 * j->n);
	for (size_t i = 0; i < j->n; i++) {
		j->columns[i].adjusted = (struct range){ value[2 * i], low[2 * i], high[2 * i] };
		j->columns[i].nulls_adjusted = value[2 * i + 1];
	}
}

static char *explain(const struct judged *c, bool moved, bool nulls)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (moved && c->effect.test[0] == 'n')
		strbuf_printf(&text, "the reference is constant, %.3g %% of the rows have another value",
			      100 * c->effect.score.value);
	else if (moved)
		strbuf_printf(&text, "moved by %.3g, at least %.3g is drift", c->effect.score.value, c->threshold);
	if (nulls)
		strbuf_printf(&text, "%s%.3g %% of the rows have no value, it was %.3g %%", text.len ? "; " : "",
			      100 * c->null_share[1], 100 * c->null_share[0]);
	return strbuf_detach(&text);
}

static void weigh(const struct judgement *j, struct judged *c)
{
	double alpha = j->options->alpha;
	const struct effect *effect = &c->effect;
	bool moved = effect->test && effect->score.low >= c->threshold && c->adjusted.high <= alpha;
	bool perhaps = effect->test && effect->score.high >= c->threshold && c->adjusted.low <= alpha;
	bool nulls = c->nulls.test && c->nulls.score.value >= c->nulls_threshold && c->nulls_adjusted <= alpha;

	if (moved || nulls) {
		c->state = DRIFT_FOUND;
		c->reason = explain(c, moved, nulls);
	} else if (perhaps) {
		c->state = DRIFT_UNDECIDED;
		c->reason = xasprintf("%.3g, known to %.2g, is too near to %.3g", effect->score.value,
				      fmax(effect->score.high - effect->score.value, effect->score.value - effect->score.low),
				      c->threshold);
	} else if (!effect->test && column_filled(c->ref) >= least_rows(j) &&
		   column_filled(c->cur) >= least_rows(j)) {
		c->reason = xasprintf("more than %u distinct texts: judged by missing values alone", PROFILE_VALUES);
	} else if (!effect->test) {
		c->state = DRIFT_INSUFFICIENT;
	} else if (c->threshold > 1 && c->threshold > effect->chance) {
		c->reason = xasprintf("windows of the reference differ by up to %.3g from each other: nearly nothing is drift",
				      c->threshold);
	}
	c->counted = c->state == DRIFT_FOUND;
}

/* ---- the table ---- */

void judgement_set(struct judgement *j, enum drift_state state, char *reason)
{
	j->state = state;
	j->reason = reason;
}

static char *names_of(const struct judgement *j, enum drift_state state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	size_t more = 0;

	for (size_t i = 0; i < j->n; i++) {
		const struct judged *c = &j->columns[i];

		if (c->state != state)
			continue;
		if (text.len > 160)
			more++;
		else
			strbuf_printf(&text, "%s%s", text.len ? ", " : "", c->name);
	}
	if (more)
		strbuf_printf(&text, " and %zu more", more);
	return strbuf_detach(&text);
}

bool judgement_quarantined(struct judgement *j)
{
	static const struct {
		enum drift_state state;
		const char *why;
	} wrong[] = {
		{ DRIFT_MISSING, "missing" },
		{ DRIFT_ALL_NULL, "without any value" },
		{ DRIFT_TYPE_CHANGED, "of another type" },
	};
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		CLEANUP(cleanup_free) char *names = names_of(j, wrong[i].state);

		if (*names)
			strbuf_printf(&text, "%s%s: %s", text.len ? "; " : "", wrong[i].why, names);
	}
	if (!text.len)
		return false;
	judgement_set(j, DRIFT_QUARANTINED, strbuf_detach(&text));
	return true;
}

/* Is it drift of the table if so many columns drift? */
static bool is_drift(const struct judgement *j, size_t drifted, bool critical)
{
	const struct drift_options *options = j->options;
	size_t least = options->min_columns ? options->min_columns : j->judged == 1 ? 1 : 2;

	if (critical)
		return true;
	if (drifted < least)
		return false;
	return options->share <= 0 || (double)drifted >= options->share * (double)j->judged;
}

static void count(struct judgement *j, bool *critical, bool *perhaps, bool *unjudged)
{
	*critical = *perhaps = *unjudged = false;
	for (size_t i = 0; i < j->n; i++) {
		const struct judged *c = &j->columns[i];

		j->judged += is_measured(c);
		j->drifted += c->counted;
		j->undecided += c->state == DRIFT_UNDECIDED;
		*critical |= c->critical && c->state == DRIFT_FOUND;
		*perhaps |= c->critical && c->state == DRIFT_UNDECIDED;
		*unjudged |= c->critical && c->state == DRIFT_INSUFFICIENT;
	}
}

static void weigh_table(struct judgement *j)
{
	bool critical, perhaps, unjudged;
	CLEANUP(cleanup_free) char *drifted = names_of(j, DRIFT_FOUND);
	CLEANUP(cleanup_free) char *open = names_of(j, DRIFT_UNDECIDED);

	count(j, &critical, &perhaps, &unjudged);
	if (judgement_quarantined(j))
		return;
	if (is_drift(j, j->drifted, critical))
		judgement_set(j, DRIFT_FOUND, xasprintf("%zu of %zu columns drifted: %s", j->drifted, j->judged, drifted));
	else if (!j->judged && (j->ref->rows < j->options->min_rows || j->cur->rows < j->options->min_rows))
		judgement_set(j, DRIFT_INSUFFICIENT,
			  xasprintf("%" PRIu64 " rows of the reference and %" PRIu64 " current ones, at least %" PRIu64
				    " of each are needed",
				    j->ref->rows, j->cur->rows, j->options->min_rows));
	else if (!j->judged)
		judgement_set(j, DRIFT_INSUFFICIENT, xstrdup("no column could be judged"));
	else if (is_drift(j, j->drifted + j->undecided, perhaps))
		judgement_set(j, DRIFT_UNDECIDED, xasprintf("too near to the threshold to say: %s", open));
	else if (unjudged)
		judgement_set(j, DRIFT_INSUFFICIENT, xstrdup("a critical column has too few values"));
	else if (j->drifted)
		judgement_set(j, DRIFT_NONE, xasprintf("%zu of %zu columns drifted, which is not enough: %s", j->drifted, j->judged,
						   drifted));
	else
		judgement_set(j, DRIFT_NONE, xasprintf("no drift in %zu column%s", j->judged, j->judged == 1 ? "" : "s"));
}

void judgement_weigh(struct judgement *j)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->columns[i].state == DRIFT_NONE)
			measure(j, &j->columns[i]);
	adjust(j);
	for (size_t i = 0; i < j->n; i++) {
		struct judged *c = &j->columns[i];

		if (c->effect.test)
			c->threshold = threshold_of(j, c, &c->effect);
		if (c->nulls.test)
			c->nulls_threshold = threshold_of(j, c, &c->nulls);
		if (c->state == DRIFT_NONE)
			weigh(j, c);
	}
	weigh_table(j);
}
