/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions and labels that find each other by an id, in the order in which they come. */
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/monitors.h"

void monitor_pair_release(struct monitor_pair *pair)
{
	free(pair->prediction);
	free(pair->label);
	*pair = (struct monitor_pair){ 0 };
}

/* What is known of the id. */
static int find(struct db *db, int64_t monitor, const char *key, struct monitor_pair *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT number, prediction, label FROM monitor_pairs WHERE monitor = ?1 AND key = ?2");
	int r;

	*ret = (struct monitor_pair){ 0 };
	db_bind(q, 1, monitor);
	db_bind(q, 2, key);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	ret->number = db_int(q, 0);
	ret->prediction = db_text(q, 1) ? xstrdup(db_text(q, 1)) : NULL;
	ret->label = db_text(q, 2) ? xstrdup(db_text(q, 2)) : NULL;
	return 1;
}

static int forget(struct db *db, int64_t monitor, const char *key, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM monitor_pairs WHERE monitor = ?1 AND key = ?2");

	db_bind(q, 1, monitor);
	db_bind(q, 2, key);
	return db_run(q, err);
}

static int keep(struct db *db, int64_t monitor, const char *key, const struct monitor_pair *pair, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT OR REPLACE INTO monitor_pairs (monitor, key, number, prediction, label)"
					 " VALUES (?1, ?2, iif(?4 IS NULL, NULL, ?3), ?4, ?5)");

	db_bind(q, 1, monitor);
	db_bind(q, 2, key);
	db_bind(q, 3, pair->number);
	db_bind(q, 4, pair->prediction);
	db_bind(q, 5, pair->label);
	return db_run(q, err);
}

/* What came goes where it belongs; two that belong together are handed over. */
static int join(struct db *db, int64_t monitor, const char *key, struct monitor_pair *pair, struct error *err)
{
	int r;

	pair->whole = pair->prediction && pair->label;
	r = pair->whole ? forget(db, monitor, key, err) : keep(db, monitor, key, pair, err);
	if (r < 0)
		monitor_pair_release(pair);
	return r;
}

int monitor_predicted(struct db *db, int64_t monitor, const char *key, int64_t number, const char *prediction,
		      struct monitor_pair *ret, struct error *err)
{
	struct monitor_pair pair;

	if (find(db, monitor, key, &pair, err) < 0)
		return -1;
	free(pair.prediction);
	pair.prediction = xstrdup(prediction);
	pair.number = number;
	if (join(db, monitor, key, &pair, err) < 0)
		return -1;
	*ret = pair;
	return 0;
}

int monitor_labelled(struct db *db, int64_t monitor, const char *key, const char *label, struct monitor_pair *ret,
		     struct error *err)
{
	struct monitor_pair pair;

	if (find(db, monitor, key, &pair, err) < 0)
		return -1;
	free(pair.label);
	pair.label = xstrdup(label);
	if (join(db, monitor, key, &pair, err) < 0)
		return -1;
	*ret = pair;
	return 0;
}

int monitor_count_label(struct db *db, int64_t monitor, int64_t number, bool wrong, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE monitor_windows SET labelled = labelled + 1, wrong = wrong + ?3"
					 " WHERE monitor = ?1 AND number = ?2");

	db_bind(q, 1, monitor);
	db_bind(q, 2, number);
	db_bind(q, 3, wrong);
	return db_run(q, err);
}
