/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/decisions.h"
#include <string.h>
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/monitors.h"

static const char *const kinds[] = {
	[DECISION_WINDOW] = "window",
	[DECISION_OUTCOME] = "outcome",
	[DECISION_PERSON] = "person",
};

static int read_json(struct db_stmt *q, int column, struct js **ret, struct error *err)
{
	const char *text = db_text(q, column);

	*ret = NULL;
	if (!text || js_parse(text, strlen(text), "a decision", ret, err) == 0)
		return 0;
	if (err)
		err->code = ERR_DAMAGED;
	return -1;
}

/* ---- how it stands ---- */

void policy_state_release(struct policy_state *p)
{
	js_free(p->state);
	js_free(p->paused);
	*p = (struct policy_state){ 0 };
}

int policy_state_load(struct db *db, int64_t monitor, struct policy_state *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT state, paused, firing FROM policy_states WHERE monitor = ?1");
	CLEANUP(policy_state_release) struct policy_state p = { 0 };
	int r;

	db_bind(q, 1, monitor);
	r = db_step(q, err);
	if (r < 0 || (r > 0 && (read_json(q, 0, &p.state, err) < 0 || read_json(q, 1, &p.paused, err) < 0)))
		return -1;
	p.firing = r > 0 ? db_int(q, 2) : 0;
	if (!p.state)
		p.state = js_object();
	*ret = p;
	p = (struct policy_state){ 0 };
	return 0;
}

int policy_state_store(struct db *db, int64_t monitor, const struct policy_state *p, struct error *err)
{
	CLEANUP_STRBUF struct strbuf state = STRBUF_INIT, paused = STRBUF_INIT;
	struct db_stmt *q = db_query(db, "INSERT INTO policy_states (monitor, state, paused, firing)"
					 " VALUES (?1, ?2, ?3, nullif(?4, 0)) ON CONFLICT DO UPDATE SET"
					 " state = excluded.state, paused = excluded.paused, firing = excluded.firing");

	js_dump(p->state, JS_CANONICAL, &state);
	if (p->paused)
		js_dump(p->paused, JS_CANONICAL, &paused);
	db_bind(q, 1, monitor);
	db_bind(q, 2, state.buf);
	db_bind_text(q, 3, p->paused ? paused.buf : NULL);
	db_bind(q, 4, p->firing);
	return db_run(q, err);
}

/* ---- decisions ---- */

/* 1: the window was decided, or the outcome of the firing told. */
static int is_there(struct db *db, const struct decision_new *new, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT 1 FROM decisions WHERE kind = ?3 AND ((?3 = 'window' AND monitor = ?1 AND number = ?2)"
			     " OR (?3 = 'outcome' AND firing = ?4))");

	db_bind(q, 1, new->monitor);
	db_bind(q, 2, new->number);
	db_bind(q, 3, kinds[new->kind]);
	db_bind(q, 4, new->firing);
	return db_step(q, err);
}

int decision_add(struct db *db, const struct decision_new *new, char ret_digest[65], struct error *err)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct digest digest;
	struct db_stmt *q;
	int r = is_there(db, new, err);

	if (r < 0)
		return -1;
	if (r > 0)
		return error_set(err, ERR_CONFLICT, "another program has decided on window %lld", (long long)new->number);
	js_dump(new->body, JS_CANONICAL, &body);
	digest_of(body.buf, body.len, &digest);
	q = db_query(db, "INSERT INTO decisions (monitor, number, kind, time, rule, outcome, body, digest, firing, made)"
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, nullif(?9, 0), ?10)");
	db_bind(q, 1, new->monitor);
	db_bind(q, 2, new->number);
	db_bind(q, 3, kinds[new->kind]);
	db_bind(q, 4, new->time_ms);
	db_bind(q, 5, new->rule);
	db_bind(q, 6, new->outcome);
	db_bind(q, 7, body.buf);
	db_bind_digest(q, 8, &digest);
	db_bind(q, 9, new->firing);
	db_bind(q, 10, new->now_ms);
	if (db_run(q, err) < 0)
		return -1;
	if (ret_digest)
		digest_format(&digest, ret_digest);
	return 0;
}

static int describe(struct db_stmt *q, struct js *decision, struct error *err)
{
	char hex[DIGEST_HEX + 1];
	struct digest digest;
	struct js *body;

	if (read_json(q, 6, &body, err) < 0)
		return -1;
	js_set_int(decision, "id", db_int(q, 0));
	js_set_int(decision, "window", db_int(q, 1));
	js_set_str(decision, "kind", db_text(q, 2));
	js_set_int(decision, "time", db_int(q, 3));
	js_set_str(decision, "rule", db_text(q, 4));
	js_set_str(decision, "outcome", db_text(q, 5));
	js_set(decision, "body", body);
	if (db_digest(q, 7, &digest))
		js_set_str(decision, "digest", digest_format(&digest, hex));
	if (!db_is_null(q, 8))
		js_set_int(decision, "firing", db_int(q, 8));
	js_set_int(decision, "made", db_int(q, 9));
	return 0;
}

int decisions_list(struct db *db, int64_t monitor, int64_t limit, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT * FROM (SELECT id, number, kind, time, rule, outcome, body, digest, firing, made"
			     " FROM decisions WHERE monitor = ?1 ORDER BY id DESC LIMIT iif(?2, ?2, -1)) ORDER BY id");
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, monitor);
	db_bind(q, 2, limit);
	while ((r = db_step(q, err)) > 0) {
		struct js *decision = js_object();
		js_push(list, decision);
		if (describe(q, decision, err) < 0)
			return -1;
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

int decision_last(struct db *db, int64_t monitor, int64_t *ret_number, int64_t *ret_time_ms, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT number, time FROM decisions WHERE monitor = ?1"
						      " AND kind = 'window' ORDER BY number DESC LIMIT 1");
	int r;

	db_bind(q, 1, monitor);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	*ret_number = r ? db_int(q, 0) : 0;
	*ret_time_ms = r ? db_int(q, 1) : 0;
	return 0;
}

int decision_of_outcome(struct db *db, int64_t firing, int64_t *ret_monitor, char **ret_name, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT m.id, m.name FROM decisions d JOIN monitors m ON m.id = d.monitor"
						      " WHERE d.kind = 'outcome' AND d.firing = ?1");
	int r;

	db_bind(q, 1, firing);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	*ret_monitor = r ? db_int(q, 0) : 0;
	*ret_name = r ? xstrdup(db_text(q, 1)) : NULL;
	return 0;
}

int decision_due(struct db *db, int64_t monitor, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT number FROM monitor_windows WHERE monitor = ?1 AND state <> 'INSUFFICIENT'"
			     " AND number > coalesce((SELECT max(number) FROM decisions WHERE monitor = ?1"
			     " AND kind = 'window'), number - 1) ORDER BY number LIMIT 1");
	int r;

	db_bind(q, 1, monitor);
	r = db_step(q, err);
	if (r > 0)
		return monitor_window(db, monitor, db_int(q, 0), ret, err);
	if (r == 0)
		*ret = NULL;
	return r;
}
