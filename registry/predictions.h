/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Which version of a model answered which request, where the log of predictions carries ids. Written in the transaction
 * that closes the window of the rows. An id is kept as 64 bits of its SHA-256: enough to find what somebody asks for, and
 * not to tell who asked.
 *
 * Who answered is what the row says in a member `model` ("churn@v7", "churn@champion", "churn"), else what the monitor
 * watches; a word that is no name of a model says nothing. An alias is the version that had it at the time of the row, by promotions; a model alone is its newest version
 * of then.
 */
struct db;
struct error;
struct js;
struct predictions;

#define PREDICTION_MODEL_MAX 250 /* bytes of what a row says of its model; more, and it is not known */

int64_t prediction_key(const void *id, size_t len);
/* Within a transaction, for the rows of one window. `watched`: MODEL[@ALIAS|@vN], or NULL. */
struct predictions *predictions_open(struct db *, int64_t monitor, int64_t window, const char *watched);
/* `model`: of the row; NULL: it says none; "": nobody can say which. Of several rows of a window with the same key the last one counts. */
int predictions_add(struct predictions *, int64_t key, const char *model, int64_t time_ms, struct error *);
void predictions_close(struct predictions *);
void cleanup_predictions(struct predictions **);

/* All with this id, the newest first: [{monitor, window, time, model, known, alias, move}]; `model` is a node of lineage
 * when `known`, alias and move (the number of the alias's move in promotions) are there when it was found by its alias, and
 * nothing of these when nobody can say. `monitor` NULL: of any. */
int predictions_find(struct db *, const char *monitor, const char *id, struct js **ret, struct error *);
