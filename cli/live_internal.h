/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "base/strmap.h"
#include "cli/live_groups.h"
/* What live_groups.c keeps and live_view.c shows. */
#define LIVE_FAILED 3 /* names */

struct strbuf;

/* A step is in two lists of its phase, each in the order in which the phase began. */
enum place { IN_ALL, IN_GROUP, PLACES };
enum live_phase { STEP_IDLE, STEP_RUNNING, STEP_RETRYING };
struct live_step {
	char *name;        /* escaped, as the next two */
	char *last;        /* last line it printed; NULL none */
	char *why;         /* it will be tried again */
	struct group *group; /* NULL: it is alone */
	size_t number;     /* in its group, from 1, in order of appearance */
	int64_t started;
	uint64_t lines;
	enum live_phase phase;
	struct {
		struct live_step *prev, *next;
	} at[PLACES];
};
struct list {
	struct live_step *first, *last;
	size_t len;
};
struct lists {
	struct list running, retrying;
};
struct group {
	char *name;        /* escaped */
	int64_t total, done, failed, skipped;
	size_t seen;
	struct lists lists;
	int64_t began, told;
	bool news;         /* since it was told */
};
struct live_groups {
	struct live_sink sink;
	bool plain;
	struct strmap steps;  /* name -> struct live_step * */
	struct strmap groups; /* name -> struct group * */
	struct lists lists;
	char *failed_names[LIVE_FAILED]; /* the last ones of large groups */
	size_t nfailed_names;
	int64_t began, done, total, failed, skipped, retries;
	bool announced, any;
	int64_t suspended;    /* since when; 0: it is not */
};
/* Appends "  312/500 done, 4 running, ...   slowest NAME 4m". */
void live_group_line(const struct group *, int64_t now, struct strbuf *);
