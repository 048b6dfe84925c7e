/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/strmap.h"
#include "monitor/page/page_chart.h"
/* What monitor.show returned, turned round: a lane a column, with a figure a window. */
struct js;

enum level { /* how a window looks in a strip; of the style */
	LEVEL_NONE, LEVEL_HALF, LEVEL_BELOW, LEVEL_ABOVE, LEVEL_TWICE, LEVEL_FAR, LEVEL_UNSURE, LEVEL_BROKEN, LEVELS
};
struct lane {
	const char *name;		    /* lent */
	double *scores, *thresholds, *nulls; /* NaN: none */
	unsigned char *levels;
	bool *alerts;
	size_t alerted;
	double highest;			    /* score over threshold */
};
struct lanes {
	const struct js *windows; /* lent */
	size_t first, n;	  /* windows that are shown */
	double *highest;	  /* of each: the highest score over its threshold, NaN without any */
	double *ones;
	unsigned char *states;	  /* levels of their states */
	bool *alerts;
	struct lane *items;	  /* most alerts first */
	size_t len, cap;
	struct strmap names;
};
void lanes_make(const struct js *windows, struct lanes *ret);
void lanes_release(struct lanes *);
/* Metrics over time; nothing where there are none. */
void page_performance(struct html *, const struct js *figures);
