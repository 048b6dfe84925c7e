/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/accepts.h"
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/cache.h"
#include "registry/events.h"
#include "registry/rows.h"

static struct js *body_of(const struct acceptance *a)
{
	struct js *body = js_object(), *changes = js_array();

	for (size_t i = 0; i < a->changes->len; i++)
		js_push_str(changes, a->changes->items[i]);
	js_set_str(body, "pipeline", a->pipeline);
	js_set_str(body, "run", a->result->run[0] ? a->result->run : NULL);
	js_set(body, "changes", changes);
	js_set(body, "record", js_ref(a->record));
	return body;
}

static int store(struct db *db, const struct acceptance *a, int64_t now_ms, struct error *err)
{
	char old[DIGEST_HEX + 1], now[DIGEST_HEX + 1];
	CLEANUP_JS struct js *body = body_of(a);
	struct event event = {
		.actor = a->actor,
		.origin = a->origin,
		.operation = "step.accept",
		.subject = a->step,
		.before = digest_format(&a->old, old),
		.after = digest_format(&a->now, now),
		.body = body,
	};

	a->result->accepted = true;
	a->result->created_ms = now_ms;
	if (a->result->run[0] && cache_store(db, &a->now, a->result, err) < 0)
		return -1;
	return event_append(db, &event, now_ms, NULL, err);
}

int accept_store(struct db *db, const struct acceptance *a, int64_t now_ms, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, store(db, a, now_ms, err), err);
}

static int read_event(struct db_stmt *q, struct js **ret, struct error *err)
{
	const char *text = db_text(q, 5);
	struct js *a, *body;

	if (!text || js_parse(text, strlen(text), "the body of an event", &body, err) < 0) {
		if (err)
			err->code = ERR_DAMAGED;
		return -1;
	}
	a = js_object();
	js_set_str(a, "step", db_text(q, 0));
	js_set_str(a, "by", db_text(q, 1));
	js_set_int(a, "time", db_int(q, 2));
	js_set_str(a, "old", db_text(q, 3));
	js_set_str(a, "key", db_text(q, 4));
	for (void *it = js_iter(body); it; it = js_next(body, it))
		js_set(a, js_iter_key(it), js_ref(js_iter_value(it)));
	js_free(body);
	*ret = a;
	return 0;
}

int accept_of_key(struct db *db, const struct digest *key, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT subject, actor, time, before, after, body FROM events"
			     " WHERE operation = 'step.accept' AND after = ?1 ORDER BY seq DESC LIMIT 1");
	char hex[DIGEST_HEX + 1];
	int r;

	*ret = NULL;
	db_bind(q, 1, digest_format(key, hex));
	r = db_step(q, err);
	return r <= 0 ? r : read_event(q, ret, err);
}

int accepts_of_run(struct db *db, const char *run, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT subject, actor, time, before, after, body FROM events"
			     " WHERE operation = 'step.accept' AND json_extract(body, '$.run') IN"
			     " (SELECT c.run_id FROM runs r JOIN runs c ON c.id = r.id OR c.parent = r.id"
			     " WHERE r.run_id = ?1) ORDER BY seq");
	CLEANUP_JS struct js *list = js_array();
	struct js *a;
	int r;

	db_bind(q, 1, run);
	while ((r = db_step(q, err)) > 0) {
		if (read_event(q, &a, err) < 0)
			return -1;
		js_del(a, "record");
		js_push(list, a);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}
