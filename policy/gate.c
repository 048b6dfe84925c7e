/* SPDX-License-Identifier: Apache-2.0 */
/* From a line to a condition or a test. */
#include "policy/gate.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/expr.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "policy/gate_internal.h"

#define DEFAULT_P 0.05
#define LEAST_P	  0.001 /* PAIRED_SAMPLES tell no less */

/* One test being read. */
struct reader {
	const char *text, *at;
	struct gate_line *line;
	bool has_p;
	size_t *ret_offset;
	struct error *err;
};

void gate_line_free(struct gate_line *line)
{
	if (!line)
		return;
	expr_free(line->condition);
	free(line->holdout);
	free(line->text);
	free(line);
}

void cleanup_gate_line(struct gate_line **line)
{
	gate_line_free(*line);
}

int gate_line_each_name(const struct gate_line *line, int (*each)(void *ctx, const char *name, size_t offset), void *ctx)
{
	return line->condition ? expr_each_name(line->condition, each, ctx) : 0;
}

bool gate_line_is_test(const struct gate_line *line, const char **ret_holdout)
{
	*ret_holdout = line->holdout;
	return !line->condition;
}

/* ---- tests ---- */

static int fault(struct reader *r, const char *at)
{
	if (r->ret_offset)
		*r->ret_offset = (size_t)(at - r->text);
	return -1;
}

static void skip_blanks(struct reader *r)
{
	r->at += strspn(r->at, " \t");
}

static size_t word_len(const char *at)
{
	size_t n = 0;

	while (isalnum((unsigned char)at[n]) || (at[n] && strchr("_.-", at[n])))
		n++;
	return n;
}

static bool take(struct reader *r, char c)
{
	skip_blanks(r);
	if (*r->at != c)
		return false;
	r->at++;
	skip_blanks(r);
	return true;
}

static int expected(struct reader *r, const char *what)
{
	error_set(r->err, ERR_USAGE, *r->at ? "%s should stand before '%.40s'" : "%s should stand at the end", what, r->at);
	return fault(r, r->at);
}

static int unknown_word(struct reader *r, const char *what, const char *word, const struct strlist *known)
{
	CLEANUP(cleanup_free) char *all = strlist_join(known, ", ");
	const char *near = strlist_nearest(known, word);

	error_set(r->err, ERR_USAGE, "unknown %s '%.40s'", what, word);
	if (near)
		error_help(r->err, "did you mean %s?", near);
	else
		error_help(r->err, "known are %s", all);
	return fault(r, r->at);
}

static int read_metric(struct reader *r)
{
	CLEANUP(strlist_release) struct strlist known = STRLIST_INIT;
	CLEANUP(cleanup_free) char *word = xstrndup(r->at, word_len(r->at));

	if (!*word)
		return expected(r, "a metric");
	for (enum paired_metric m = 0; m < PAIRED_METRICS; m++) {
		strlist_push(&known, paired_metric_name(m));
		if (strcmp(word, paired_metric_name(m)) != 0)
			continue;
		r->line->metric = m;
		r->at += strlen(word);
		return 0;
	}
	return unknown_word(r, "metric of a test", word, &known);
}

static int read_number(struct reader *r, const char *key, double least, double most, double *ret)
{
	CLEANUP(cleanup_free) char *word = xstrndup(r->at, strcspn(r->at, " \t,)"));
	double value;

	if (!expr_number(word, &value) || !(value >= least && value <= most)) {
		error_set(r->err, ERR_USAGE, "%s is a number from %g to %g, not '%.40s'", key, least, most, word);
		return fault(r, r->at);
	}
	r->at += strlen(word);
	*ret = value;
	return 0;
}

static int read_p(struct reader *r)
{
	r->has_p = true;
	return read_number(r, "p", LEAST_P, 0.5, &r->line->p);
}

static int read_margin(struct reader *r)
{
	return read_number(r, "margin", 0, 1e9, &r->line->margin);
}

static int read_on(struct reader *r)
{
	size_t n = word_len(r->at);

	if (!n)
		return expected(r, "the name of a holdout");
	r->line->holdout = xstrndup(r->at, n);
	r->at += n;
	return 0;
}

static const struct {
	const char *key;
	int (*read)(struct reader *);
} options[] = { { "p", read_p }, { "on", read_on }, { "margin", read_margin } };

static int read_option(struct reader *r, unsigned *seen)
{
	CLEANUP(strlist_release) struct strlist known = STRLIST_INIT;
	CLEANUP(cleanup_free) char *word = xstrndup(r->at, word_len(r->at));
	size_t n = ARRAY_LEN(options) - r->line->better; /* better has no margin */

	for (size_t i = 0; i < n; i++) {
		const char *at = r->at;

		strlist_push(&known, options[i].key);
		if (strcmp(word, options[i].key) != 0)
			continue;
		if (*seen >> i & 1) {
			error_set(r->err, ERR_USAGE, "'%s' stands twice", word);
			return fault(r, at);
		}
		*seen |= 1u << i;
		r->at += strlen(word);
		return take(r, '=') ? options[i].read(r) : expected(r, "=");
	}
	return unknown_word(r, "option of a test", word, &known);
}

static int read_test(struct reader *r)
{
	unsigned seen = 0;

	if (read_metric(r) < 0)
		return -1;
	while (take(r, ','))
		if (read_option(r, &seen) < 0)
			return -1;
	if (!take(r, ')'))
		return expected(r, "',' or ')'");
	if (*r->at) {
		error_set(r->err, ERR_USAGE, "a test has a line of its own, without '%.40s'", r->at);
		return fault(r, r->at);
	}
	if (r->line->better && !r->has_p)
		r->line->p = DEFAULT_P;
	return 0;
}

/* ---- conditions ---- */

/* Numbers that no condition was written for: what cannot be a truth with any of them never is one. */
static int any_number(void *ctx, const char *name, struct expr_value *ret, struct error *err)
{
	double *next = ctx;

	(void)name;
	(void)err;
	*next += 0.0137;
	*ret = (struct expr_value){ .type = EXPR_NUMBER, .number = *next };
	return 0;
}

static int read_condition(struct reader *r)
{
	double number = 0.2391;
	bool holds;

	if (expr_parse(r->text, &r->line->condition, r->ret_offset, r->err) < 0)
		return -1;
	return expr_holds(r->line->condition, any_number, &number, &holds, r->ret_offset, r->err);
}

int gate_line_parse(const char *text, struct gate_line **ret, size_t *ret_offset, struct error *err)
{
	CLEANUP(cleanup_gate_line) struct gate_line *line = xcalloc(1, sizeof(*line));
	struct reader r = { .text = text, .at = text, .line = line, .ret_offset = ret_offset, .err = err };
	CLEANUP(cleanup_free) char *word = NULL;
	const char *const tests[] = { "better", "not_worse" };
	CLEANUP(strlist_release) struct strlist known = STRLIST_INIT;
	const char *begin;

	line->text = xstrdup(text);
	skip_blanks(&r);
	begin = r.at;
	word = xstrndup(r.at, word_len(r.at));
	r.at += strlen(word);
	if (!*word || !take(&r, '(') || !strcmp(word, "not") || !strcmp(word, "and") || !strcmp(word, "or")) {
		if (read_condition(&r) < 0)
			return -1;
	} else {
		for (size_t i = 0; i < ARRAY_LEN(tests); i++)
			strlist_push(&known, tests[i]);
		if (!strlist_has(&known, word)) {
			r.at = begin;
			return unknown_word(&r, "test", word, &known);
		}
		line->better = !strcmp(word, "better");
		if (read_test(&r) < 0)
			return -1;
	}
	*ret = steal(&line);
	return 0;
}
