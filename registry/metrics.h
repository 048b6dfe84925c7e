/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* The history of a metric: its points by (timestamp, step, value). */
struct db;
struct error;

struct metric_point {
	int64_t timestamp_ms, step;
	double value; /* or NaN */
};
/*
 * Calls with each of at most `limit` points: those after `after`, or, when it is NULL, all but the first `skip`. A run
 * that does not exist has none. Returns how many there were; -1 also when `each` returned it. The statement is open
 * while `each` runs, so a reader who may wait asks for few at a time.
 */
int metric_points(struct db *, const char *run_id, const char *key, const struct metric_point *after, int64_t skip,
		  int limit, int (*each)(void *ctx, const struct metric_point *), void *ctx, struct error *);
