/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/run_report.h"
#include <math.h>
#include <string.h>
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/lockfile.h"
#include "registry/runs.h"

#define STEPS_MAX 1000

/* ---- metrics ---- */

static int add_metrics(struct db *db, const char *run, const char *step, struct js *all, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT m.key, m.value, m.is_nan FROM runs r JOIN latest_metrics m ON m.run = r.id"
			     " WHERE r.run_id = ?1 AND m.key NOT GLOB 'system/*' ORDER BY m.key");
	CLEANUP_JS struct js *metrics = js_object();
	int r;

	db_bind(q, 1, run);
	while ((r = db_step(q, err)) > 0)
		js_set_real(metrics, db_text(q, 0), db_int(q, 2) ? (double)NAN : db_real(q, 1));
	if (r == 0 && js_len(metrics))
		js_set(all, step, steal(&metrics));
	return r;
}

int report_metrics(struct db *db, const struct lockfile *lock, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *all = js_object();

	for (size_t i = 0, steps = 0; i < lock->len && steps < STEPS_MAX; i++) {
		const struct lock_entry *entry = &lock->entries[i];
		CLEANUP_JS struct js *made = NULL;
		struct digest key;

		if (entry->kind != LOCKED_STEP || !digest_parse(entry->value, &key))
			continue;
		steps++;
		if (attempt_of_key(db, &key, &made, err) < 0 ||
		    (js_get_str(made, "run") && add_metrics(db, js_get_str(made, "run"), entry->name, all, err) < 0))
			return -1;
	}
	*ret = steal(&all);
	return 0;
}

/* ---- versions ---- */

static int add_aliases(struct db *db, int64_t model, struct js *version, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT alias FROM model_aliases WHERE model = ?1 AND number = ?2 ORDER BY alias");
	struct js *aliases = js_array();
	int r;

	js_set(version, "aliases", aliases);
	db_bind(q, 1, model);
	db_bind(q, 2, js_get_int(version, "number", 0));
	while ((r = db_step(q, err)) > 0)
		js_push_str(aliases, db_text(q, 0));
	return r;
}

static int read_candidate(struct db *db, struct db_stmt *q, struct js *list, struct error *err)
{
	const char *text = db_text(q, 4);
	CLEANUP_JS struct js *version = js_object();
	struct js *lines;

	if (js_parse(text, strlen(text), "the lines of a gate", &lines, err) < 0)
		return -1;
	js_set_str(version, "model", db_text(q, 1));
	js_set_int(version, "number", db_int(q, 2));
	js_set_str(version, "verdict", db_text(q, 3));
	js_set(version, "lines", lines);
	if (add_aliases(db, db_int(q, 0), version, err) < 0)
		return -1;
	js_push(list, steal(&version));
	return 0;
}

int report_candidates(struct db *db, const char *run, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT m.id, m.name, v.number, c.verdict, c.lines FROM runs t JOIN model_versions v ON v.run_id IN"
		    " (SELECT r.run_id FROM runs r WHERE r.id = t.id OR r.parent = t.id)"
		    " JOIN candidates c ON c.version = v.id JOIN registered_models m ON m.id = v.model"
		    " WHERE t.run_id = ?1 ORDER BY m.name, v.number");
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, run);
	while ((r = db_step(q, err)) > 0)
		if (read_candidate(db, q, list, err) < 0)
			return -1;
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

/* ---- other jobs ---- */

int report_before(struct db *db, const char *run, const char **ret, struct error *err)
{
	static const char *const states[] = { "finished", "failed", "lost" };
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT b.state FROM jobs j JOIN jobs b ON b.project = j.project AND b.id < j.id"
		    " AND b.state IN ('finished', 'failed', 'lost')"
		    " AND json_extract(b.args, '$.trigger') IS json_extract(j.args, '$.trigger')"
		    " AND json_extract(b.args, '$.ref') IS json_extract(j.args, '$.ref')"
		    " AND json_extract(b.args, '$.number') IS json_extract(j.args, '$.number')"
		    " WHERE j.run_id = ?1 ORDER BY b.id DESC LIMIT 1");
	int r;

	db_bind(q, 1, run);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	*ret = NULL;
	for (size_t i = 0; r && i < ARRAY_LEN(states); i++)
		if (!strcmp(states[i], db_text(q, 0)))
			*ret = states[i];
	return 0;
}

int report_base(struct db *db, const char *run, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT b.run_id, b.commit_id, b.lock FROM jobs j JOIN jobs b ON b.project = j.project AND b.id < j.id"
		    " AND b.state = 'finished' AND b.lock IS NOT NULL AND coalesce(json_extract(b.args, '$.number'), 0) = 0"
		    " AND NOT coalesce(json_extract(b.args, '$.untrusted'), 0)"
		    " WHERE j.run_id = ?1 ORDER BY b.id DESC LIMIT 1");
	char hex[DIGEST_HEX + 1];
	struct digest lock;
	int r;

	db_bind(q, 1, run);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	*ret = js_object();
	js_set_str(*ret, "run_id", db_text(q, 0));
	js_set_str(*ret, "commit", db_text(q, 1));
	if (db_digest(q, 2, &lock))
		js_set_str(*ret, "lock", digest_format(&lock, hex));
	return 1;
}

int report_rule_before(struct db *db, const char *monitor, int64_t window, struct js *facts, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT d.rule FROM monitors m JOIN decisions d ON d.monitor = m.id WHERE m.name = ?1 AND d.number < ?2"
		    " AND d.kind = 'window' ORDER BY d.number DESC LIMIT 1");
	int r;

	db_bind(q, 1, monitor);
	db_bind(q, 2, window);
	r = db_step(q, err);
	if (r > 0)
		js_set_str(facts, "rule_before", db_text(q, 0));
	return r < 0 ? -1 : 0;
}
