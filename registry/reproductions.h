/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "store/content.h"
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
/* The same of all of them, the oldest first. `subject` NULL: of everything. */
int reproductions_list(struct db *, const char *subject, struct js **ret, struct error *);
/* 1: it was made again, IDENTICAL or EQUIVALENT, at least once; 0; -1. */
int reproduction_is_known(struct db *, const char *subject, struct error *);

/* ---- what is asked on the way ---- */

/* The newest run of a step that made this content, at *ret_path, which the caller frees. `path` NULL: wherever. 1, 0, -1. */
int content_maker(struct db *, const char *path, const struct content *, char ret_run[33], char **ret_path, struct error *);
/* The fact that named a content last: {kind, name (of a node of lineage), path, time}; NULL: there is none. */
int content_last_seen(struct db *, const struct content *, struct js **ret, struct error *);
