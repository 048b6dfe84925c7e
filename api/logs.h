/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/strmap.h"
/*
 * Inside run.logs: the logs of a run (pipeline/steplog.h), found by logs_find.c and shown by logs_show.c.
 */
struct op_context;
struct steplog_reader;

struct log {
	char *step;
	int attempt;
	struct steplog_reader *reader;
	bool chosen;     /* by `only` */
	bool begun;      /* something of it was shown */
	bool broken;     /* it cannot be read, which was noted */
	int64_t time;    /* of its newest line: clocks may step back, lines do not */
};
struct logs {
	struct op_context *ctx;
	const char *run;
	const char *only;  /* a step, a pattern of steps, or a step that stands for its instances; NULL: all */
	int64_t since;     /* ms; INT64_MIN: from the first line */
	bool partly;       /* not all lines are shown */
	int dir;           /* -1: nothing was logged yet */
	struct log *items; /* attempts of a step together, steps in order of their start; late ones as they came */
	size_t len, cap;
	struct strmap known; /* STEP, and STEP~ATTEMPT of each item */
	size_t nsteps;     /* chosen; with several each line says whose it is */
	struct error why;  /* the first log that cannot be read */
};

void logs_release(struct logs *);
/* Adds those that are new since the last time. */
int logs_find(struct logs *, struct error *);
/* Why there is nothing to show, if so. */
int logs_check_found(const struct logs *, struct error *);

/* What is new in them, one log after the other. 0, or -1 when the reader is gone. `ended`: nobody writes any more. */
int logs_show(struct logs *, bool ended);
/* The last lines of all, by their time. */
int logs_show_tail(struct logs *, size_t lines, bool ended);
#define LOGS_TAIL_MAX 100000 /* they are held in memory */
