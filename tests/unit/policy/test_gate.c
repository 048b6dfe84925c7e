/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a gate: what they may say, and when they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/gate.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct world {
	const char *holdout; /* text of the table; NULL: none */
	bool champion;
};

static int world_metric(void *ctx, bool champion, const char *name, double *ret, struct error *err)
{
	static const struct {
		const char *name;
		double candidate, champion;
	} metrics[] = { { "auc", 0.9, 0.88 }, { "evaluate.profit", 10, 12 }, { "lost", NAN, 1 }, { "wide", INFINITY, 1 } };

	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
		if (!strcmp(metrics[i].name, name))
			return *ret = champion ? metrics[i].champion : metrics[i].candidate, 0;
	return error_set(err, ERR_NOT_FOUND, "no metric '%s'", name);
}

static int world_holdout(void *ctx, const char *name, int *ret_fd, char ret_digest[65], struct error *err)
{
	const struct world *w = ctx;
	int fd;

	if (!w->holdout || (name && strcmp(name, "old") != 0))
		return error_set(err, ERR_NOT_FOUND, "no holdout");
	fd = memfd_create("holdout.csv", MFD_CLOEXEC);
	assert_true(write(fd, w->holdout, strlen(w->holdout)) == (ssize_t)strlen(w->holdout));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	snprintf(ret_digest, 65, "%064d", 7);
	*ret_fd = fd;
	return 0;
}

static const char *judge(const char *text, struct world *w)
{
	static struct strbuf shown = STRBUF_INIT;
	const struct gate_host host = { world_metric, world_holdout, w->champion, w };
	CLEANUP(cleanup_gate_line) struct gate_line *line = NULL;
	CLEANUP_JS struct js *result = NULL;
	struct error err;

	if (gate_line_parse(text, &line, NULL, &err) < 0 || gate_line_judge(line, &host, &result, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	assert_string_equal(js_get_str(result, "line"), text);
	js_del(result, "line");
	strbuf_clear(&shown);
	js_dump(result, JS_COMPACT, &shown);
	return shown.buf;
}

static void conditions_know_both_models(void **state)
{
	struct world w = { .champion = true };

	(void)state;
	assert_string_equal(judge("auc >= 0.9", &w), "{\"holds\":true,\"values\":{\"auc\":0.9}}");
	assert_string_equal(judge("auc >= champion.auc + 0.05", &w),
			    "{\"holds\":false,\"values\":{\"auc\":0.9,\"champion.auc\":0.88}}");
	assert_string_equal(judge("evaluate.profit >= champion.evaluate.profit or auc > 0", &w),
			    "{\"holds\":true,\"values\":{\"evaluate.profit\":10.0,\"champion.evaluate.profit\":12.0,\"auc\":0.9}}");
}

static void without_a_champion_what_asks_about_him_holds(void **state)
{
	struct world w = { .champion = false };

	(void)state;
	assert_string_equal(judge("auc >= champion.auc", &w),
			    "{\"holds\":true,\"values\":{\"auc\":0.9},\"note\":\"there is no champion yet\"}");
	assert_string_equal(judge("better(auc)", &w), "{\"holds\":true,\"values\":{},\"note\":\"there is no champion yet\"}");
	/* But a wrong name does not pass the first time to fail later. */
	assert_string_equal(judge("aux >= champion.aux", &w),
			    "{\"holds\":false,\"values\":{},\"error\":\"no metric 'aux'\"}");
	assert_non_null(strstr(judge("auc >= 0.95", &w), "\"holds\":false"));
}

static void what_cannot_be_judged_does_not_hold(void **state)
{
	struct world w = { .champion = true };

	(void)state;
	assert_string_equal(judge("aux > 0.5", &w), "{\"holds\":false,\"values\":{},\"error\":\"no metric 'aux'\"}");
	assert_string_equal(judge("auc > 0 or aux > 0", &w),
			    "{\"holds\":false,\"values\":{\"auc\":0.9},\"error\":\"no metric 'aux'\"}");
	assert_string_equal(judge("lost >= 0", &w),
			    "{\"holds\":false,\"values\":{\"lost\":\"NaN\"},\"error\":\"lost is NaN\"}");
	assert_non_null(strstr(judge("not (lost >= 0)", &w), "\"holds\":false"));
	assert_non_null(strstr(judge("wide >= 0", &w), "wide is infinite"));
	assert_non_null(strstr(judge("auc > 0 and auc / (auc - auc) > 1", &w), "\"error\":\"division by zero"));
	assert_string_equal(judge("better(auc, on=new)", &w), "{\"holds\":false,\"values\":{},\"error\":\"no holdout\"}");
}

#define HEAD "label,candidate,champion\n"

/* n rows that only the candidate gets right, m that only the champion does, k that both do. */
static char *classes(int n, int m, int k, const char *one, const char *other)
{
	struct strbuf table = STRBUF_INIT;

	strbuf_puts(&table, HEAD);
	for (int i = 0; i < n + m + k; i++)
		strbuf_printf(&table, "%s,%s,%s\n", one, i < n || i >= n + m ? one : other, i < n ? other : one);
	return strbuf_detach(&table);
}

static void accuracy_is_judged_by_mcnemar(void **state)
{
	CLEANUP(cleanup_free) char *clear = classes(20, 5, 10, "1", "0");
	CLEANUP(cleanup_free) char *words = classes(20, 5, 10, "up", "down");
	CLEANUP(cleanup_free) char *scores = classes(20, 5, 10, "1", "0.25");
	CLEANUP(cleanup_free) char *close = classes(9, 5, 10, "1", "0");
	const char *wanted = "{\"holds\":true,\"values\":{\"rows\":35,\"candidate\":0.8571428571428571,\"champion\":"
			     "0.42857142857142855,\"gain\":0.42857142857142855,\"p\":0.0040773153305053";
	struct world w = { clear, true };

	(void)state;
	assert_true(!strncmp(judge("better(accuracy)", &w), wanted, strlen(wanted)));
	w.holdout = words;
	assert_true(!strncmp(judge("better(accuracy)", &w), wanted, strlen(wanted)));
	w.holdout = scores;
	assert_true(!strncmp(judge("better(accuracy)", &w), wanted, strlen(wanted)));
	assert_non_null(strstr(judge("better(accuracy, p=0.002)", &w), "\"holds\":false"));
	w.holdout = close;
	assert_non_null(strstr(judge("better( accuracy , on=old )", &w), "\"holds\":false"));
}

static void margins_are_what_was_measured(void **state)
{
	/* 50 rows that both get right, and one that only the champion does: 1/51 is lost. */
	CLEANUP(cleanup_free) char *table = classes(0, 1, 50, "1", "0");
	struct world w = { table, true };

	(void)state;
	assert_non_null(strstr(judge("not_worse(accuracy, margin=0.02)", &w), "\"holds\":true"));
	assert_non_null(strstr(judge("not_worse(accuracy, margin=0.01)", &w), "\"holds\":false"));
	assert_non_null(strstr(judge("not_worse(accuracy)", &w), "\"holds\":false"));
	/* That it is no more than the margin, too, in most samples. */
	assert_non_null(strstr(judge("not_worse(accuracy, margin=0.02, p=0.05)", &w), "\"holds\":false"));
	assert_non_null(strstr(judge("not_worse(accuracy, margin=0.1, p=0.05)", &w), "\"holds\":true"));
}

static char *noisy(void)
{
	struct strbuf table = STRBUF_INIT;

	strbuf_puts(&table, HEAD);
	for (int i = 0; i < 60; i++)
		strbuf_printf(&table, "%d,%g,%g\n", i % 2, 0.3 + 0.4 * (i % 2) + 0.01 * (i * 7 % 20), 0.5 + 0.01 * (i * 11 % 23));
	return strbuf_detach(&table);
}

static void the_same_bytes_give_the_same_answer(void **state)
{
	static const char *const metrics[] = { "auc", "f1", "logloss", "brier", "rmse", "mae" };
	CLEANUP(cleanup_free) char *table = noisy();
	struct world w = { table, true };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
		CLEANUP(cleanup_free) char *line = xasprintf("better(%s)", metrics[i]);
		CLEANUP(cleanup_free) char *first = xstrdup(judge(line, &w));

		assert_string_equal(first, judge(line, &w));
		assert_non_null(strstr(first, "\"holds\":true"));
		assert_non_null(strstr(first, "\"p\":0.0"));
		assert_non_null(strstr(first, "paired bootstrap"));
	}
}

static void tables_that_do_not_fit_are_told_by_row(void **state)
{
	static const struct {
		const char *line, *table, *error;
	} cases[] = {
		{ "better(auc)", HEAD, "the holdout has no rows" },
		{ "better(auc)", "", "the holdout" },
		{ "better(auc)", "label,candidate\n1,0.5\n", "the holdout has no column 'champion'" },
		{ "better(auc)", HEAD "1,0.5,0.5\n0,,0.5\n", "the holdout, row 3: candidate is empty" },
		{ "better(auc)", HEAD "1,nan,0.5\n", "the holdout, row 2: candidate is 'nan', not a finite number" },
		{ "better(auc)", HEAD "2,0.5,0.5\n", "the holdout, row 2: label is 2; auc needs labels 0 and 1" },
		{ "better(auc)", HEAD "up,0.5,0.5\n", "the holdout, row 2: label is 'up', not a finite number" },
		{ "better(auc)", HEAD "1,0.5,0.5\n", "the labels are all of one class, so there is no auc" },
		{ "better(f1)", HEAD "1,1,7\n", "the holdout, row 2: champion is 7; f1 needs probabilities" },
		{ "better(accuracy)", HEAD "1,up,1\n", "the holdout, row 2: candidate is 'up', not a finite number" },
		{ "not_worse(mae, on=old)", HEAD "1,x,1\n", "holdout old, row 2: candidate is 'x', not a finite number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w = { cases[i].table, true };
		const char *said = judge(cases[i].line, &w);

		if (!strstr(said, cases[i].error) || !strstr(said, "\"holds\":false"))
			fail_msg("%s: %s", cases[i].error, said);
	}
}

static void lines_that_are_none_are_told_by_place(void **state)
{
	static const struct {
		const char *line;
		size_t offset;
		const char *error;
	} cases[] = {
		{ "", 0, "the expression ends" },
		{ "auc", 0, "it is a number, and a truth is asked for" },
		{ "auc >= \"high\"", 4, "text" },
		{ "\"high\"", 0, "text" },
		{ "auc >=", 6, "ends" },
		{ "auc >= 0.9 &&", 11, "&" },
		{ "bettr(auc)", 0, "unknown test 'bettr'" },
		{ "better(", 7, "a metric should stand at the end" },
		{ "better()", 7, "a metric should stand before ')'" },
		{ "better(acu)", 7, "unknown metric of a test 'acu'" },
		{ "better(auc", 10, "',' or ')'" },
		{ "better(auc, p)", 13, "= should stand before" },
		{ "better(auc, p=)", 14, "p is a number from 0.001 to 0.5, not ''" },
		{ "better(auc, p=0)", 14, "p is a number" },
		{ "better(auc, p=nan)", 14, "p is a number" },
		{ "better(auc, q=0.1)", 12, "unknown option of a test 'q'" },
		{ "better(auc, margin=0.1)", 12, "unknown option of a test 'margin'" },
		{ "not_worse(auc, margin=-1)", 22, "margin is a number" },
		{ "better(auc, p=0.1, p=0.2)", 19, "'p' stands twice" },
		{ "better(auc, on=)", 15, "the name of a holdout" },
		{ "better(auc) and auc > 0", 12, "a line of its own" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gate_line *line = NULL;
		size_t offset = 99;
		struct error err;

		error_clear(&err);
		if (gate_line_parse(cases[i].line, &line, &offset, &err) == 0)
			fail_msg("%s was taken", cases[i].line);
		assert_int_equal(err.code, ERR_USAGE);
		if (offset != cases[i].offset || !strstr(err.msg, cases[i].error))
			fail_msg("%s: %zu %s", cases[i].line, offset, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_know_both_models),
		cmocka_unit_test(without_a_champion_what_asks_about_him_holds),
		cmocka_unit_test(what_cannot_be_judged_does_not_hold),
		cmocka_unit_test(accuracy_is_judged_by_mcnemar),
		cmocka_unit_test(margins_are_what_was_measured),
		cmocka_unit_test(the_same_bytes_give_the_same_answer),
		cmocka_unit_test(tables_that_do_not_fit_are_told_by_row),
		cmocka_unit_test(lines_that_are_none_are_told_by_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
