/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* Histories of one metric in several runs, for charts, as text: MLflow's [{key, value, timestamp, step, run_id}]. */
struct db;
struct error;
struct strbuf;
struct strlist;

/* Of each run at most `max` points, evenly among those with a step from first to last, by step, timestamp and value; the
 * first and the last are among them, or the last alone. Unknown runs have none. */
int metric_samples(struct db *, const struct strlist *runs, const char *key, int64_t first_step, int64_t last_step,
		   int64_t max, struct strbuf *ret, struct error *);
/* All points, by run, timestamp, step and value, until there are `max`. */
int metric_histories(struct db *, const struct strlist *runs, const char *key, int64_t max, struct strbuf *ret,
		     struct error *);
