/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * What the checks of the audit log found. Threads may add at once. The first of each kind are kept with their words, all
 * are counted, so a log in which nothing holds is a short report, too.
 */
struct js;

#define FINDINGS_KEPT 20 /* of a kind */

enum finding {
	FOUND_EDITED,    /* the event is not what was logged */
	FOUND_REMOVED,   /* it was logged, and is not there */
	FOUND_INSERTED,  /* it is there, and was not logged */
	FOUND_MOVED,     /* it was logged under another number */
	FOUND_NODE,      /* a stored hash does not follow from those below it */
	FOUND_REPLACED,  /* the log is not the one that a checkpoint saw */
	FOUND_TRUNCATED, /* the log is shorter than a checkpoint saw it */
	FOUND_SIGNATURE, /* no key of the project made the signature of a checkpoint */
	FOUND_OTHER_LOG, /* a checkpoint of another log stands where ours are kept */
	FOUND_STATE,     /* a fact is not what the events say */
	FOUND_RECORD,    /* a run is not what its event says */
	FINDINGS
};
struct findings;

struct findings *findings_new(void);
void findings_free(struct findings *); /* NULL is legal */
void cleanup_findings(struct findings **);
/* `seq`: the event that it is about, `to`: the last of several; 0 when there is none. */
void findings_add(struct findings *, enum finding, int64_t seq, int64_t to, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
int64_t findings_count(struct findings *);
/* [{what: "edited", seq, to, text}], by kind, and in it as they came. */
struct js *findings_json(struct findings *);
