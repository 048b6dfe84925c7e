/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "monitor/stats/paired.h"
/* What the reading of a gate's lines (gate.c), of holdouts (gate_examples.c) and their judging (gate_judge.c) share. */
struct error;
struct expr;

struct gate_line {
	char *text;
	struct expr *condition;  /* NULL: a test */
	bool better;             /* else not_worse */
	enum paired_metric metric;
	double p, margin;        /* p is 0 when not_worse asks for none */
	char *holdout;           /* NULL: the first */
};

#define GATE_CHAMPION "champion."

/* A holdout's rows: numbers, or of accuracy also texts, each of which has a number of its own. */
struct gate_examples {
	double *label, *candidate, *champion;
	size_t len;
};
/* Columns label, candidate and champion, as the metric needs them. Labels 0 and 1 and predictions between them: of
 * accuracy and f1, what is 0.5 or more counts as 1. What does not fit is ERR_USAGE with its row. */
int gate_examples_read(int fd, const char *name, enum paired_metric, struct gate_examples *ret, struct error *);
void gate_examples_release(struct gate_examples *);
