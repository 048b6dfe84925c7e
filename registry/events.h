/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * The append-only record of who changed what. Written inside the transaction of the
 * change. Triggers in the schema refuse updates and deletes, and each event is a leaf of the tree of
 * registry/audit.h, so that one who gets around them is found.
 */
struct db;
struct error;
struct js;
struct event {
	const char *actor;
	const char *origin;    /* "cli", later "http", "trigger" */
	const char *operation; /* "run.start" */
	const char *subject;   /* what it is about: a run id, a path */
	const char *before, *after; /* may be NULL */
	const struct js *body; /* stored in canonical form; may be NULL */
};
int event_append(struct db *, const struct event *, int64_t now_ms, int64_t *ret_seq, struct error *);
struct event_query {
	int64_t after;    /* those with a larger seq */
	int64_t since_ms; /* not before that; 0: all */
	int64_t limit;
	bool oldest_first; /* else the newest first */
	/* Only those of whom, about what, and which; NULL: all. The whole word, or its beginning up to '@', '.', '/' or a blank;
	 * or a pattern with '*' and '?'. "model" is "model.promote", too, "churn" is "churn@champion". */
	const char *actor, *subject, *operation;
};
/* [{seq, time, actor, origin, operation, subject, before, after, body}] */
int event_find(struct db *, const struct event_query *, struct js **ret, struct error *);
/* Those of exactly this subject, the newest first: by an index, so in a log of any length. */
int event_about(struct db *, const char *subject, int64_t limit, struct js **ret, struct error *);
/* The seq of the newest; 0: there is none. */
int event_last(struct db *, int64_t *ret_seq, struct error *);
