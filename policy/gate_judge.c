/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a line holds, and what it was judged by. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/digest.h"
#include "base/error.h"
#include "base/expr.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/gate.h"
#include "policy/gate_internal.h"

#define ROUNDING 1e-12 /* 0.9 - 0.91 is a little below -0.01 */

struct judging {
	const struct gate_host *host;
	struct js *values;
};

/* Errors of the candidate or of the line: it does not hold. Others are the machine's. */
static bool is_verdict(const struct error *err)
{
	return err->code == ERR_NOT_FOUND || err->code == ERR_USAGE || err->code == ERR_FAILED || err->code == ERR_TOO_LARGE;
}

static void set_error(struct js *result, const struct error *why)
{
	js_set_bool(result, "holds", false);
	js_set_str(result, "error", why->msg);
	js_set_str(result, "help", *why->help ? why->help : NULL);
}

/* ---- conditions ---- */

static bool of_champion(const char *name)
{
	return !strncmp(name, GATE_CHAMPION, strlen(GATE_CHAMPION));
}

static int metric(struct judging *j, const char *name, double *ret, struct error *err)
{
	bool champion = of_champion(name);

	if (j->host->metric(j->host->ctx, champion, champion ? name + strlen(GATE_CHAMPION) : name, ret, err) < 0)
		return -1;
	js_set_real(j->values, name, *ret);
	return isfinite(*ret) ? 0 : error_set(err, ERR_FAILED, "%s is %s", name, isnan(*ret) ? "NaN" : "infinite");
}

static int look_up(void *ctx, const char *name, struct expr_value *ret, struct error *err)
{
	*ret = (struct expr_value){ .type = EXPR_NUMBER };
	return metric(ctx, name, &ret->number, err);
}

struct asking {
	struct judging *judging;
	bool champion; /* it asks about him */
	struct error *err;
};

/* All that it names is looked up, also what `or` would not look at: the record is whole, and a wrong name never passes. */
static int ask_name(void *ctx, const char *name, size_t offset)
{
	struct asking *asking = ctx;
	double value;

	(void)offset;
	if (of_champion(name)) {
		asking->champion = true;
		if (!asking->judging->host->has_champion)
			return 0;
	}
	return metric(asking->judging, name, &value, asking->err);
}

static int judge_condition(const struct gate_line *line, struct judging *j, struct js *result, struct error *err)
{
	struct asking asking = { .judging = j, .err = err };
	bool holds;

	if (expr_each_name(line->condition, ask_name, &asking) < 0)
		return -1;
	if (asking.champion && !j->host->has_champion) {
		js_set_bool(result, "holds", true);
		js_set_str(result, "note", "there is no champion yet");
		return 0;
	}
	if (expr_holds(line->condition, look_up, j, &holds, NULL, err) < 0)
		return -1;
	js_set_bool(result, "holds", holds);
	return 0;
}

/* ---- tests ---- */

static uint64_t seed_of(const char *digest, const char *line)
{
	CLEANUP(cleanup_free) char *text = xasprintf("%s\n%s", digest, line);
	struct digest hash;
	uint64_t seed = 0;

	digest_of(text, strlen(text), &hash);
	for (size_t i = 0; i < 8; i++)
		seed = seed << 8 | hash.b[i];
	return seed;
}

static double mcnemar(const struct gate_examples *e)
{
	uint64_t only[2] = { 0, 0 };

	for (size_t i = 0; i < e->len; i++) {
		bool candidate = e->candidate[i] == e->label[i], champion = e->champion[i] == e->label[i];

		if (candidate != champion)
			only[candidate]++;
	}
	return mcnemar_exact_p(only[0], only[1]);
}

static bool judge_better(const struct gate_line *line, const struct gate_examples *e, const struct paired *paired, double gain,
			 uint64_t seed, struct js *result, struct js *values)
{
	bool exact = line->metric == PAIRED_ACCURACY;
	double p = exact ? mcnemar(e) : fmin(1, 2 * paired_share_at_most(paired, 0, seed));

	js_set_str(result, "test", exact ? "McNemar's exact test" : "paired bootstrap");
	js_set_real(values, "p", p);
	return gain > 0 && p <= line->p;
}

static bool judge_not_worse(const struct gate_line *line, const struct paired *paired, double gain, uint64_t seed,
			    struct js *result, struct js *values)
{
	double p;

	if (!(gain >= -line->margin - ROUNDING))
		return false;
	if (line->p <= 0)
		return true;
	p = paired_share_at_most(paired, -line->margin - ROUNDING, seed);
	js_set_str(result, "test", "paired bootstrap");
	js_set_real(values, "p", p);
	return p <= line->p;
}

static void compare(const struct gate_line *line, const struct gate_examples *e, uint64_t seed, struct js *result,
		    struct js *values)
{
	CLEANUP(cleanup_paired) struct paired *paired = paired_new(line->metric, e->label, e->candidate, e->champion, e->len);
	struct paired_score score = paired_score(paired);

	js_set_int(values, "rows", (int64_t)e->len);
	js_set_real(values, "candidate", score.candidate);
	js_set_real(values, "champion", score.champion);
	js_set_real(values, "gain", score.gain);
	if (isnan(score.gain)) {
		js_set_bool(result, "holds", false);
		js_set_str(result, "error", "the labels are all of one class, so there is no auc");
		return;
	}
	js_set_bool(result, "holds",
		    line->better ? judge_better(line, e, paired, score.gain, seed, result, values) :
				   judge_not_worse(line, paired, score.gain, seed, result, values));
}

static int judge_test(const struct gate_line *line, struct judging *j, struct js *result, struct error *err)
{
	struct gate_examples examples CLEANUP(gate_examples_release) = { .len = 0 };
	CLEANUP(cleanup_free) char *name =
		line->holdout ? xasprintf("holdout %s", line->holdout) : xstrdup("the holdout");
	CLEANUP(cleanup_fd) int fd = -1;
	char digest[DIGEST_HEX + 1];

	if (!j->host->has_champion) {
		js_set_bool(result, "holds", true);
		js_set_str(result, "note", "there is no champion yet");
		return 0;
	}
	if (j->host->holdout(j->host->ctx, line->holdout, &fd, digest, err) < 0 ||
	    gate_examples_read(fd, name, line->metric, &examples, err) < 0)
		return -1;
	compare(line, &examples, seed_of(digest, line->text), result, j->values);
	return 0;
}

int gate_line_judge(const struct gate_line *line, const struct gate_host *host, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *result = js_object();
	struct judging j = { .host = host, .values = js_object() };
	struct error why;

	error_clear(&why);
	js_set_str(result, "line", line->text);
	js_set_bool(result, "holds", false);
	js_set(result, "values", j.values);
	if ((line->condition ? judge_condition(line, &j, result, &why) : judge_test(line, &j, result, &why)) < 0) {
		if (!is_verdict(&why)) {
			if (err)
				*err = why;
			return -1;
		}
		set_error(result, &why);
	}
	*ret = steal(&result);
	return 0;
}
