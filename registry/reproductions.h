/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* What came of making something again. Writers work inside a transaction of the caller, who writes the event. */
struct db;
struct error;
struct js;

struct reproduction {
	const char *subject; /* a node of lineage: "churn@v7", "models/best@v3", a run's id */
	const char *run_id;  /* that was repeated */
	const char *verdict; /* IDENTICAL, EQUIVALENT, DIFFERENT, IMPOSSIBLE */
	const struct js *body;
	const char *actor;
	int64_t time_ms;
};
int reproduction_add(struct db *, const struct reproduction *, struct error *);
/* {subject, run_id, verdict, body, actor, time} of the newest; NULL: nobody tried. */
int reproduction_newest(struct db *, const char *subject, struct js **ret, struct error *);
