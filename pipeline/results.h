/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * What a step reports through files. A metrics= file is one JSON value; its numbers
 * become metrics, nested keys joined by '.' ("test.auc"), booleans 0 or 1, texts are
 * left out; NaN and Infinity as Python's json module writes them are understood.
 * $MLOPS_METRICS holds one JSON object a line: {"key": NAME, "value": NUMBER, "step": N,
 * "timestamp": MS}; step and timestamp may be absent.
 */
struct error;
#define RESULTS_MAX_BYTES (16u << 20)
#define RESULTS_MAX_METRICS 10000

struct metric_point {
	char *key;
	double value;
	int64_t step, timestamp; /* ms; 0: not said */
};
struct metric_list {
	struct metric_point *items;
	size_t len, cap;
};
#define METRIC_LIST_INIT { NULL, 0, 0 }
void metric_list_release(struct metric_list *);

/* Appends. `name` is what errors call the text. */
int results_parse_metrics(const char *text, size_t len, const char *name, struct metric_list *, struct error *);
/* The name in the run of all of a metric that several steps report: STEP.KEY, and of an instance STEP/INSTANCE.KEY. Names
 * of metrics have no '@'; of what else an instance's name may hold, ':' and its code stand for it. Caller frees. */
char *results_metric_of(const char *step, const char *key);
/* Appends the metrics of whole lines; *ret_used is how many bytes those lines had. Returns how many lines
 * were no such object; they are left out, and *err tells of the first by its number, counted from first_line. */
size_t results_parse_lines(const char *text, size_t len, const char *name, int first_line, struct metric_list *,
			   size_t *ret_used, struct error *err);
