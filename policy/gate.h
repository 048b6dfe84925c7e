/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * Gates: what a candidate must be before an alias moves to it. A line is a condition (base/expr.h) or a test.
 *
 *     auc >= 0.91                      metrics of the step that made the candidate
 *     auc >= champion.auc - 0.005      metrics that the champion's version was registered with
 *     evaluate.profit >= 0             metrics of another step
 *     better(auc, p=0.05)              on the first holdout: better, and not by chance
 *     not_worse(auc, margin=0.01, on=old)
 *
 * Tests compare predictions of both models for the same examples, row by row (monitor/stats/paired.h). better asks for a
 * gain and a two-sided p of at most `p` (0.05): of McNemar's exact test for accuracy, of a paired bootstrap for auc, f1,
 * logloss, brier, rmse and mae. not_worse asks for a gain of -margin or more as it was measured; with a `p`, also that at
 * most that share of the bootstrap's samples lose more. The bootstrap's seed follows from the table's digest and the
 * line, so the same bytes give the same answer. A line that asks about the champion holds, and says so, when there is
 * none and what it asks of the candidate is known.
 */
struct error;
struct gate_line;
struct js;

/* ERR_USAGE; *ret_offset (may be NULL) is the byte that is wrong. */
int gate_line_parse(const char *text, struct gate_line **ret, size_t *ret_offset, struct error *);
void gate_line_free(struct gate_line *);
void cleanup_gate_line(struct gate_line **);
/* Every metric that a condition names, as written; stops at the first -1, and returns it. */
int gate_line_each_name(const struct gate_line *, int (*each)(void *ctx, const char *name, size_t offset), void *ctx);
/* Whether it is a test; on which holdout (NULL: the first; lent). */
bool gate_line_is_test(const struct gate_line *, const char **ret_holdout);

struct gate_host {
	/* The value of a metric: of the champion (named without "champion."), or of the candidate. ERR_NOT_FOUND: there is none,
	 * with the nearest. */
	int (*metric)(void *ctx, bool champion, const char *name, double *ret, struct error *);
	/* A descriptor of a holdout's table (name NULL: the first), which the caller closes, and its digest as text. ERR_NOT_FOUND:
	 * it is not there. */
	int (*holdout)(void *ctx, const char *name, int *ret_fd, char ret_digest[65], struct error *);
	bool has_champion;
	void *ctx;
};
/* *ret: {"line", "holds", "values": {name: number}, "test", "note", "error", "help"}; the last four only where there is
 * something to say. What cannot be judged (no such metric, NaN, text, a table that does not fit) does not hold, and says
 * why: -1 is for what the machine did. */
int gate_line_judge(const struct gate_line *, const struct gate_host *, struct js **ret, struct error *);
