/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/digest.h"
#include "store/content.h"
/*
 * What monitors know: their reference, how far each source was read, the verdict of each window, predictions that wait
 * for labels. A window is judged once: its row, how far the sources were read and the event that tells it are one
 * transaction of monitor_close, which refuses a window that is closed already.
 *
 * Writers work inside db_begin/db_commit of the caller, who writes the event.
 */
struct db;
struct error;
struct js;

struct monitor_row {
	int64_t id;
	char *shape;
	struct js *reference;  /* NULL: none yet */
	struct content profile; /* of the reference; ABSENT without one */
	int64_t taken, late;
	bool begun;            /* a window was closed: */
	int64_t last;
	char *state;
	bool alarm;
	struct js *errors;     /* NULL: none yet */
};
#define MONITOR_ROW_INIT { .id = 0 }
void monitor_row_release(struct monitor_row *);
/* 1, or 0 when nothing is known of it. */
int monitor_load(struct db *, const char *name, struct monitor_row *ret, struct error *);
/* Makes it, with a shape, canonical JSON. */
int monitor_add(struct db *, const char *name, const char *shape, int64_t *ret_id, struct error *);
/* Another shape of one that has judged nothing and has no reference; what it saw of its data is forgotten. */
int monitor_reshape(struct db *, int64_t monitor, const char *shape, struct error *);

struct monitor_part {
	int64_t phase; /* of the season */
	struct content profile;
};
/* Takes the place of the one before. The contents are stored. */
int monitor_set_reference(struct db *, int64_t monitor, const struct js *reference, const struct content *profile,
			  const struct monitor_part *parts, size_t n, struct error *);
/* The reference at hand will come back, perhaps: `trained`, it is of a version, and not the monitor's own. */
int monitor_keep_reference(struct db *, int64_t monitor, const char *key, bool trained, struct error *);
/* The kept one of this key, or, NULL, the newest of the monitor's own, takes its place again: 1, or 0 when there is none. */
int monitor_restore_reference(struct db *, int64_t monitor, const char *key, struct error *);
/* The caller frees *ret. */
int monitor_parts(struct db *, int64_t monitor, struct monitor_part **ret, size_t *ret_n, struct error *);

/* A source: a file by its name, a version of an artifact, a query. */
struct monitor_source {
	char *name;
	uint64_t dev, ino;
	int64_t ctime_ns;
	uint64_t seen;         /* bytes of whole rows that were read, or looked at */
	struct digest digest;  /* of them */
	uint64_t anchor;       /* where reading goes on */
	uint64_t skipped;      /* rows before that */
	uint64_t taken;        /* rows that are done with, but for those in open windows */
};
struct monitor_sources {
	struct monitor_source *items; /* by name */
	size_t len, cap;
};
enum monitor_kind { MONITOR_DATA, MONITOR_LABELS };
int monitor_sources_load(struct db *, int64_t monitor, enum monitor_kind, struct monitor_sources *ret, struct error *);
void monitor_sources_release(struct monitor_sources *);
/* These instead of those that were known. */
int monitor_sources_store(struct db *, int64_t monitor, enum monitor_kind, const struct monitor_sources *, struct error *);

struct monitor_window {
	int64_t number, start, stop;
	uint64_t rows;
	const char *state;
	bool timed;
	int64_t time_ms;
	const struct digest *digest, *profile; /* NULL: it is INSUFFICIENT, and judged with the next one */
	const struct js *verdict;
	uint64_t labelled, wrong;
};
/* ERR_CONFLICT when the window has a row, unless that was INSUFFICIENT. Sets the state of the monitor, too. */
int monitor_window_store(struct db *, int64_t monitor, const struct monitor_window *, int64_t now_ms, struct error *);
/* `last` NULL: no window was closed so far. `late` is added. */
int monitor_advance(struct db *, int64_t monitor, int64_t taken, const int64_t *last, int64_t late, struct error *);
int monitor_set_errors(struct db *, int64_t monitor, const struct js *errors, struct error *);
/* Of the newest windows, oldest first, at most `limit`: [{number, start, stop, rows, state, time, digest, profile,
 * verdict{}, labelled, wrong, judged}] */
int monitor_windows(struct db *, int64_t monitor, int64_t limit, struct js **ret, struct error *);
/* One of them; ERR_NOT_FOUND. */
int monitor_window(struct db *, int64_t monitor, int64_t number, struct js **ret, struct error *);
/* "OK", "DRIFT", ... of a window, or "". */
int monitor_window_state(struct db *, int64_t monitor, int64_t number, char ret[16], struct error *);
int64_t monitor_count(struct db *, int64_t monitor, const char *state); /* NULL: all */

/* A prediction, or a label, of a row. *ret_pair: both are known now, and forgotten; `prediction` and `label` are then the
 * caller's to free, and `number` is the window. A second prediction of one id takes the place of the first. */
struct monitor_pair {
	bool whole;
	int64_t number;
	char *prediction, *label;
};
int monitor_predicted(struct db *, int64_t monitor, const char *key, int64_t number, const char *prediction,
		      struct monitor_pair *ret, struct error *);
int monitor_labelled(struct db *, int64_t monitor, const char *key, const char *label, struct monitor_pair *ret,
		     struct error *);
void monitor_pair_release(struct monitor_pair *);
/* Counts of one window that a label came for. */
int monitor_count_label(struct db *, int64_t monitor, int64_t number, bool wrong, struct error *);
