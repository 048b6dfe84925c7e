/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "monitor/drift/drift.h"
#include "monitor/watch/inflow.h"
#include "monitor/watch/form.h"
#include "monitor/watch/windows.h"
/*
 * Watching: what arrived is cut into windows, and each window that is complete is judged once.
 *
 * Whatever happens, a window is judged once: its verdict, how far the sources were read and the event are one
 * transaction, and what was read of windows that are open is read again. The verdict depends on rows, reference and
 * settings alone, so the same rows give the same bytes anywhere.
 *
 * A window with fewer than min_rows rows is INSUFFICIENT, and judged together with the next ones.
 *
 * What a window is compared with: the table on which the version was trained that holds the alias which the monitor
 * watches, else the monitor's own reference. Profiles of both are kept, so that a rollback finds them again.
 */
struct db;
struct content;
struct error;
struct js;
struct project;
struct schema;

/* What a [monitor.NAME] says. Texts are lent. */
struct watch {
	const char *name, *model;
	struct window_rule rule;
	const char *reference;  /* as it was typed; NULL: */
	int64_t first;          /* the first so many windows */
	int64_t season_ms, season_windows; /* 0: none */
	uint64_t min_rows;
	struct form_options columns;
	struct inflow_spec data;
	const char *labels;     /* pattern; NULL: none come later */
	struct drift_options options;
	const struct schema *schema; /* NULL: none */
};
struct watch_host {
	struct project *project;
	/* Calls for each table of the reference, with a descriptor at its first byte. `trained`: this content, of the
	 * version that is watched; NULL: the monitor's own. */
	int (*reference)(void *ctx, const struct content *trained,
			 int (*each)(void *each_ctx, int fd, const char *name, struct error *), void *each_ctx,
			 struct error *);
	/* Writes an event, inside the transaction of what it tells. */
	int (*event)(void *ctx, struct db *, const char *operation, const char *after, const struct js *body, struct error *);
	void (*emit)(void *ctx, const struct js *event); /* for who looks on */
	/* Before the first window and after each, outside of transactions: 1: the next one may be judged; 0: it waits, because
	 * what it is to be compared with is being decided. NULL: it may. */
	int (*next)(void *ctx, struct error *);
	bool (*stopped)(void *ctx);
	void *ctx;
};
/*
 * *ret: {"monitor", "state", "alarm", "judged": windows, "drifted", "quarantined", "insufficient", "undecided", "labels":
 * that found their prediction, "waiting": rows of windows that are open, "held": host.next said that windows wait,
 * "windows": [as watch_summary], "notes": [...]}.
 * ERR_CONFLICT when another process checks it, or when it has judged windows of another shape.
 */
int watch_check(const struct watch *, const struct watch_host *, struct js **ret, struct error *);

/* What says which windows there are. Caller frees. */
char *watch_shape(const struct watch *);
/* A window of monitor_windows for people and pages: see page.h. `baseline` is the reference's share of errors, or NaN. */
struct js *watch_summary(const struct window_rule *, const struct js *window);
/* {"window","metric","value","low","high","baseline","rows"}, or NULL when nothing is labelled. `reference` may be NULL. */
struct js *watch_performance(const struct window_rule *, const struct js *window, const struct js *reference);
