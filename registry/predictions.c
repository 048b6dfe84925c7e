/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/predictions.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"

#define TEXTS_MAX 1000 /* different texts of one window: rows that each name another model name none */
#define NEWEST	  "latest"

/* From a time on a version answers. */
struct span {
	int64_t from_ms, number, move;
	int64_t answer; /* id in prediction_answers; 0: not looked for yet */
};
/* What one text means, as time goes on. */
struct meaning {
	char *model, *alias; /* alias "": none */
	char *said;          /* when it names no version: the text itself */
	struct span *spans;  /* by time */
	size_t len, cap;
	int64_t answer;      /* of `said` */
};
struct predictions {
	struct db *db;
	int64_t monitor, window;
	char *watched;
	struct strmap meanings; /* text -> struct meaning */
};

int64_t prediction_key(const void *id, size_t len)
{
	struct digest digest;
	uint64_t key = 0;

	digest_of(id, len, &digest);
	for (int i = 0; i < 8; i++)
		key = key << 8 | digest.b[i];
	return (int64_t)key;
}

struct predictions *predictions_open(struct db *db, int64_t monitor, int64_t window, const char *watched)
{
	struct predictions *p = xcalloc(1, sizeof(*p));

	*p = (struct predictions){ .db = db, .monitor = monitor, .window = window, .meanings = STRMAP_INIT };
	p->watched = watched ? xstrdup(watched) : NULL;
	return p;
}

static void meaning_free(struct meaning *m)
{
	free(m->model);
	free(m->alias);
	free(m->said);
	free(m->spans);
	free(m);
}

void predictions_close(struct predictions *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->meanings.len; i++)
		meaning_free(p->meanings.entries[i].value);
	strmap_release(&p->meanings);
	free(p->watched);
	free(p);
}

void cleanup_predictions(struct predictions **p)
{
	predictions_close(*p);
}

/* ---- what a text means ---- */

/* In the order in which they became true. A clock that was set back makes a later one begin before an earlier one, which
 * then never was. */
static void push_span(struct meaning *m, int64_t from_ms, int64_t number, int64_t move)
{
	while (m->len && m->spans[m->len - 1].from_ms >= from_ms)
		m->len--;
	GROW(m->spans, m->len, m->cap);
	m->spans[m->len++] = (struct span){ .from_ms = from_ms, .number = number, .move = move };
}

static int read_spans(struct meaning *m, struct db_stmt *q, struct error *err)
{
	int r;

	while ((r = db_step(q, err)) > 0)
		push_span(m, db_int(q, 0), db_int(q, 1), db_int(q, 2));
	db_done(q);
	return r;
}

static int read_alias(struct db *db, struct meaning *m, struct error *err)
{
	struct db_stmt *q = db_query(db, "SELECT p.time, p.after, p.id FROM promotions p JOIN registered_models m ON m.id = p.model"
					 " WHERE m.name = ?1 AND p.alias = ?2 ORDER BY p.id");

	db_bind(q, 1, (const char *)m->model);
	db_bind(q, 2, (const char *)m->alias);
	return read_spans(m, q, err);
}

/* `only` 0: all of them, of which the newest counts. */
static int read_versions(struct db *db, struct meaning *m, int64_t only, struct error *err)
{
	struct db_stmt *q = db_query(db, "SELECT iif(?2, ?3, v.creation_time), v.number, 0 FROM model_versions v"
					 " JOIN registered_models m ON m.id = v.model WHERE m.name = ?1 AND ?2 IN (0, v.number)"
					 " ORDER BY v.number");

	db_bind(q, 1, (const char *)m->model);
	db_bind(q, 2, only);
	db_bind(q, 3, INT64_MIN); /* one that is named is meant whatever the clocks say */
	return read_spans(m, q, err);
}

/* The N of "vN", or 0. */
static int64_t number_of(const char *text)
{
	size_t digits = *text == 'v' ? strspn(text + 1, "0123456789") : 0;

	return digits && digits < 19 && !text[1 + digits] && text[1] != '0' ? strtoll(text + 1, NULL, 10) : 0;
}

static int read_meaning(struct db *db, const char *text, struct meaning *m, struct error *err)
{
	const char *at = strrchr(text, '@');
	int64_t number = at ? number_of(at + 1) : 0;
	bool by_alias = at && !number && strcmp(at + 1, NEWEST) != 0;

	m->model = xstrndup(text, at ? (size_t)(at - text) : strlen(text));
	m->alias = xstrdup(by_alias ? at + 1 : "");
	if ((by_alias ? read_alias(db, m, err) : read_versions(db, m, number, err)) < 0)
		return -1;
	if (!m->len)
		m->said = xstrdup(text);
	return 0;
}

/* A row that names just the model that is watched means what is watched of it. */
static const char *wanted_of(const struct predictions *p, const char *model)
{
	size_t len = model ? strlen(model) : 0;

	if (!model || (len && p->watched && !strncmp(p->watched, model, len) && p->watched[len] == '@'))
		return p->watched;
	return len && len <= PREDICTION_MODEL_MAX ? model : NULL;
}

/* NULL in *ret: nobody can say. */
static int find_meaning(struct predictions *p, const char *model, struct meaning **ret, struct error *err)
{
	const char *text = wanted_of(p, model);
	struct meaning *m = text ? strmap_get(&p->meanings, text) : NULL;

	if (text && !m && p->meanings.len < TEXTS_MAX) {
		m = xcalloc(1, sizeof(*m));
		if (read_meaning(p->db, text, m, err) < 0) {
			meaning_free(m);
			return -1;
		}
		strmap_set(&p->meanings, text, m);
	}
	/* Cars have models, too: a word that is no model of ours is a feature. */
	if (m && m->said && p->watched && model && !strchr(text, '@'))
		return find_meaning(p, NULL, ret, err);
	*ret = m;
	return 0;
}

static struct span *span_at(const struct meaning *m, int64_t time_ms)
{
	size_t low = 0, high = m->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->spans[middle].from_ms <= time_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &m->spans[low - 1] : NULL;
}

/* ---- writing ---- */

static int keep_answer(struct db *db, const char *model, const char *alias, int64_t move, bool known, int64_t *ret,
		       struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO prediction_answers (model, known, alias, move) VALUES (?1, ?2, ?3, ?4)"
					 " ON CONFLICT DO NOTHING");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, known);
	db_bind(q, 3, alias);
	db_bind(q, 4, move);
	if (db_run(q, err) < 0)
		return -1;
	q = db_query(db, "SELECT id FROM prediction_answers WHERE model = ?1 AND known = ?2 AND alias = ?3 AND move = ?4");
	db_bind(q, 1, model);
	db_bind(q, 2, known);
	db_bind(q, 3, alias);
	db_bind(q, 4, move);
	r = db_step(q, err);
	if (r > 0)
		*ret = db_int(q, 0);
	db_done(q);
	return r < 0 ? -1 : 0;
}

/* 0 in *ret: nobody can say. */
static int answer_at(struct predictions *p, struct meaning *m, int64_t time_ms, int64_t *ret, struct error *err)
{
	struct span *span = m && !m->said ? span_at(m, time_ms) : NULL;
	CLEANUP(cleanup_free) char *name = NULL;

	if (span && !span->answer) {
		name = xasprintf("%s@v%lld", m->model, (long long)span->number);
		if (keep_answer(p->db, name, m->alias, span->move, true, &span->answer, err) < 0)
			return -1;
	}
	if (m && m->said && !m->answer && keep_answer(p->db, m->said, "", 0, false, &m->answer, err) < 0)
		return -1;
	*ret = span ? span->answer : m && m->said ? m->answer : 0;
	return 0;
}

int predictions_add(struct predictions *p, int64_t key, const char *model, int64_t time_ms, struct error *err)
{
	struct meaning *m;
	struct db_stmt *q;
	int64_t answer;

	if (find_meaning(p, model, &m, err) < 0 || answer_at(p, m, time_ms, &answer, err) < 0)
		return -1;
	q = db_query(p->db, "INSERT OR REPLACE INTO predictions (monitor, number, key, time, answer)"
			    " VALUES (?1, ?2, ?3, ?4, nullif(?5, 0))");
	db_bind(q, 1, p->monitor);
	db_bind(q, 2, p->window);
	db_bind(q, 3, key);
	db_bind(q, 4, time_ms);
	db_bind(q, 5, answer);
	return db_run(q, err);
}

/* ---- reading ---- */

int predictions_find(struct db *db, const char *monitor, const char *id, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT m.name, w.number, p.time, a.model, a.known, a.alias, a.move FROM monitors m"
			     " CROSS JOIN monitor_windows w ON w.monitor = m.id"
			     " CROSS JOIN predictions p ON p.monitor = m.id AND p.number = w.number AND p.key = ?1"
			     " LEFT JOIN prediction_answers a ON a.id = p.answer WHERE coalesce(m.name = ?2, 1) ORDER BY p.time DESC, p.monitor, p.number DESC");
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, prediction_key(id, strlen(id)));
	db_bind(q, 2, monitor);
	while ((r = db_step(q, err)) > 0) {
		struct js *row = js_object();

		js_set_str(row, "monitor", db_text(q, 0));
		js_set_int(row, "window", db_int(q, 1));
		js_set_int(row, "time", db_int(q, 2));
		js_set_str(row, "model", db_text(q, 3));
		if (!db_is_null(q, 3))
			js_set_bool(row, "known", db_int(q, 4));
		if (db_int(q, 6)) {
			js_set_str(row, "alias", db_text(q, 5));
			js_set_int(row, "move", db_int(q, 6));
		}
		js_push(list, row);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}
