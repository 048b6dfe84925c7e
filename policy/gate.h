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
 * Tests compare predictions of both models for the same examples, row by row. accuracy: McNemar's exact test; auc, f1,
 * logloss, brier, rmse, mae: a paired bootstrap whose seed follows from the table's digest and the line, so the same bytes
 * give the same answer. A line that names the champion passes, and says so, when there is none.
 */
struct error;
struct gate_line;
struct js;

/* ERR_USAGE; *ret_offset (may be NULL) is the byte that is wrong. */
int gate_line_parse(const char *text, struct gate_line **ret, size_t *ret_offset, struct error *);
void gate_line_free(struct gate_line *);

struct gate_host {
	/* The value of a metric: of the champion, or of the candidate. ERR_NOT_FOUND: there is none, with the nearest. */
	int (*metric)(void *ctx, bool champion, const char *name, double *ret, struct error *);
	/* A descriptor of a holdout's table (name NULL: the first), and its digest as text. */
	int (*holdout)(void *ctx, const char *name, int *ret_fd, char ret_digest[65], struct error *);
	bool has_champion;
	void *ctx;
};
/* *ret: {"line", "holds", "values": {name: number}, "note", "error"}. What cannot be judged (no such metric, NaN, text)
 * does not hold, and says why: -1 is for what the machine did. */
int gate_line_judge(const struct gate_line *, const struct gate_host *, struct js **ret, struct error *);
