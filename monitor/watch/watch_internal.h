/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/stats/labels.h"
#include "monitor/profile/profile.h"
#include "monitor/watch/watch.h"
#include "registry/monitors.h"
/* What the files of a check share. */
struct store;

/* A piece, and which windows its rows are in. */
struct watch_piece {
	struct inflow_piece piece;
	int64_t stream;   /* number of its first row that counts */
	int64_t low, high; /* windows; low > high: no row counts */
	uint64_t rows;
};
/* What a window is compared with. */
struct basis {
	struct profile *profile;
	struct calibration *features, *predictions; /* may be NULL */
};
/* Windows that are judged together. */
struct group {
	int64_t first, last;
	uint64_t rows;
	bool enough; /* else it only tells that it is INSUFFICIENT */
	int64_t ms;  /* of a row of the last one, where rows have times */
};
struct watching {
	const struct watch *watch;
	const struct watch_host *host;
	struct db *db;
	struct store *store;
	struct monitor_row row;
	struct inflow inflow;
	struct watch_piece *pieces;
	size_t npieces, pieces_cap;
	int64_t *file_windows; /* of each file; -1: not known yet */
	int64_t next_file;
	struct window_set open;
	int64_t late;
	int64_t closed_rows;   /* of windows that this check has closed */
	struct basis basis;
	struct cbpe *cbpe;
	bool waits;            /* no window may be judged now */
	struct js *result, *windows;
};

/* Where a row belongs. */
struct row_place {
	int64_t window, ms;
	bool timed;
};
/* Rows of a piece, one by one; for both passes. */
struct row_walk {
	struct watching *x;
	size_t file;
	int64_t stream;
	bool counting;    /* the first pass: late rows are counted, files get their windows */
	size_t time;      /* column of the table at hand, or SIZE_MAX */
};
void row_walk_table(struct row_walk *, const struct table *);
/* false: the row belongs to no open window. */
bool row_walk_place(struct row_walk *, uint64_t row, const struct field *, struct row_place *ret);

/* The time of a field: ISO 8601, or seconds or milliseconds since 1970. */
bool field_time(const struct field *, int64_t *ret_ms);

/* watch_index.c: the first pass. */
int watch_index(struct watching *, struct error *);
/* watch_form.c: the second pass, for the rows of these windows. forms[i] takes those of groups[i]. */
int watch_form(struct watching *, const struct group *, struct form *const *forms, size_t n, struct error *);
/* watch_reference.c: makes or loads what windows are compared with. 0: the windows for it are not complete. */
int watch_reference(struct watching *, struct error *);
void basis_release(struct basis *);
int watch_load(struct watching *, struct error *); /* what x->row says */
int watch_profile(const struct watching *, const struct content *, struct profile **ret, struct error *);
int watch_calibrate(const struct watching *, const struct profile *const *parts, size_t n, bool predictions,
		    struct calibration **ret, struct error *);
int64_t watch_phase(const struct watch *, int64_t number, int64_t ms); /* where in its season */
/* watch_kept.c: it is of the version that is watched, and not the monitor's own */
bool watch_is_trained(const struct js *reference);
/* That of a version goes and comes with it; of the monitor's own there is one. Inside the transaction that replaces it. */
int watch_keep_former(struct watching *, bool trained, struct error *);
/* The kept one of this key, or, NULL, the newest of the monitor's own: 1, or 0 when there is none. */
int watch_come_back(struct watching *, const char *key, struct error *);
/* watch_season.c: what the windows are compared with, when it is not the whole reference: 1, else 0 */
int watch_basis(struct watching *, const struct group *, struct basis *ret, struct error *);
/* watch_judge.c */
int watch_close(struct watching *, const struct group *, struct form *, const struct basis *, struct error *);
int watch_insufficient(struct watching *, const struct group *, struct error *);
/* Positions when all windows up to `last` are closed. The caller frees `items`. */
void watch_positions(const struct watching *, int64_t last, struct monitor_sources *ret);
int watch_store_positions(struct watching *, bool begun, int64_t last, struct error *);
/* watch_labels.c */
int watch_labels(struct watching *, struct error *);
/* Joins one by one what a window has to wait for, and feeds its errors to the detector. Inside the transaction. */
int watch_waiting(struct watching *, struct form *, int64_t number, struct error *);
/* watch_answers.c: who answered the rows with ids. Inside the transaction. */
int watch_answers(struct watching *, struct form *, int64_t number, struct error *);
int watch_errors(struct watching *, const char *errors, size_t n, struct error *);

/* Of the model's own columns those that one of the tables has. */
void watch_options(const struct watch *, bool predictions, const struct profile *const *tables, size_t n,
		   struct drift_options *ret);
