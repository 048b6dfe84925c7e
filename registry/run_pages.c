/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/run_pages.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/filter_internal.h"
#include "registry/run_read.h"
#include "registry/token.h"

/* So many candidates are all looked at without a thought: sorting them takes some 30 ms. Counting ends there. */
#define FEW    20000
#define SO_FEW 500 /* that not even counting others pays */
/* A condition that more meet is no place to start from: every 200th of a million runs is soon met on the way. */
#define START_FEW 5000

struct search {
	struct db *db;
	const struct run_pages_query *query;
	struct filter_sql filter;
	const struct js *token; /* may be NULL */
	int64_t before;         /* rows that pages before had */
	struct strbuf experiments; /* SQL about r, and the same with all else that each way asks for */
	struct strbuf where;
	int64_t skip;           /* rows of them that a query still finds */
	int64_t *rows;
	size_t nrows, cap, want;
	struct error *err;
};

static void search_release(struct search *s)
{
	filter_release(&s->filter);
	strbuf_release(&s->experiments);
	strbuf_release(&s->where);
	free(s->rows);
}

/* ---- asking ---- */

static int count_some(struct search *s, const char *from, int max, int64_t *ret)
{
	CLEANUP(cleanup_free) char *sql = xasprintf("SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d)", from, max + 1);
	CLEANUP_STMT struct db_stmt *q = NULL;

	if (db_query_dynamic(s->db, sql, &q, s->err) < 0)
		return -1;
	filter_bind(&s->filter, q);
	if (db_step(q, s->err) < 0)
		return -1;
	*ret = db_int(q, 0);
	return 0;
}

/* Takes the rows of one way, or of one part of it. */
static int take_rows(struct search *s, const char *from, const char *joins, const char *where, const char *order)
{
	CLEANUP(cleanup_free) char *sql =
		xasprintf("SELECT r.id FROM %s%s WHERE %s%s ORDER BY %s LIMIT %" PRId64, from, joins, where, s->where.buf,
			  order, s->skip + (int64_t)(s->want - s->nrows));
	CLEANUP_STMT struct db_stmt *q = NULL;
	int r;

	if (s->nrows == s->want)
		return 0;
	if (db_query_dynamic(s->db, sql, &q, s->err) < 0)
		return -1;
	filter_bind(&s->filter, q);
	while ((r = db_step(q, s->err)) > 0) {
		if (s->skip > 0) {
			s->skip--;
			continue;
		}
		GROW(s->rows, s->nrows, s->cap);
		s->rows[s->nrows++] = db_int(q, 0);
	}
	return r;
}

/* ---- ways ---- */

/* Texts are found by their beginning: what the index holds, and enough to count them. */
static void put_indexed(const struct filter_start *start, struct strbuf *sql)
{
	if (start->entity->kind == FILTER_TEXT)
		strbuf_printf(sql, "s.key = ?%zu AND s.head = substr(?%zu, 1, 40)", start->key, start->value);
	else
		filter_put_start(start, "s", sql);
}

static int best_start(struct search *s, const struct filter_start **ret, int64_t *ret_count)
{
	int64_t best = START_FEW + 1;

	*ret = NULL;
	for (size_t i = 0; i < s->filter.nstarts; i++) {
		const struct filter_start *start = &s->filter.starts[i];
		CLEANUP_STRBUF struct strbuf from = STRBUF_INIT;
		int64_t count;

		strbuf_printf(&from, "%s s WHERE ", start->entity->table);
		put_indexed(start, &from);
		if (count_some(s, from.buf, START_FEW, &count) < 0)
			return -1;
		if (count < best) {
			best = count;
			*ret = start;
		}
	}
	*ret_count = best;
	return 0;
}

static int search_from(struct search *s, const struct filter_start *start)
{
	CLEANUP(cleanup_free) char *from =
		xasprintf("%s s CROSS JOIN runs r ON r.id = s.%s", start->entity->table, start->entity->owner);
	CLEANUP_STRBUF struct strbuf where = STRBUF_INIT;

	put_indexed(start, &where);
	strbuf_puts(&where, " AND ");
	return take_rows(s, from, s->filter.joins.buf, where.buf, s->filter.order.buf);
}

/* Which index is best for several experiments SQLite would have to guess. */
static const char *runs_from(const struct search *s, bool few)
{
	if (s->query->nexperiments < 2 || s->filter.finds_few)
		return "runs r";
	return few ? "runs r INDEXED BY runs_by_experiment" : "runs r INDEXED BY runs_by_start";
}

static bool is_own_condition(const struct filter_sql *f, const struct filter_start *start)
{
	return start->entity == f->first && !strcmp(f->values[start->key - 1].text, f->values[f->first_key - 1].text);
}

/* Conditions about the metric of the order hold for its row, too; then there are no runs without it. */
static bool put_own_conditions(const struct search *s, struct strbuf *where)
{
	const struct filter_sql *f = &s->filter;
	bool any = false;

	for (size_t i = 0; i < f->nstarts; i++) {
		const struct filter_start *start = &f->starts[i];

		if (!is_own_condition(f, start))
			continue;
		filter_put_start(start, "t1", where);
		strbuf_puts(where, " AND ");
		any = true;
	}
	return any;
}

static int search_along_metric(struct search *s)
{
	static const char *const parts[] = { " AND t1.is_nan = 0 AND ", " AND t1.is_nan = 1 AND " };
	const struct filter_sql *f = &s->filter;
	CLEANUP(cleanup_free) char *from = xasprintf("%s t1 CROSS JOIN runs r ON r.id = t1.run", f->first->table);
	bool must_have = false;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		CLEANUP_STRBUF struct strbuf where = STRBUF_INIT;

		strbuf_printf(&where, "t1.key = ?%zu%s", f->first_key, parts[i]);
		must_have = put_own_conditions(s, &where);
		if (take_rows(s, from, f->joins.buf + f->first_join, where.buf, f->order.buf + f->first_order) < 0)
			return -1;
	}
	if (must_have)
		return 0;
	return take_rows(s, runs_from(s, false), f->joins.buf, "t1.run IS NULL AND ", f->order.buf + f->first_rest);
}

static int search_runs(struct search *s, bool few)
{
	return take_rows(s, runs_from(s, few), s->filter.joins.buf, "", s->filter.order.buf);
}

/* Candidates that were not all counted are taken to be half of all runs, and spread evenly, as are all others. */
struct estimate {
	int64_t all, candidates;
	int64_t page; /* rows until this page ends */
};

/* Along the metric of the order, until the page is full. */
static bool pays_along(const struct search *s, const struct estimate *e)
{
	return s->filter.first && s->filter.first->flags & FILTER_NAN && e->candidates &&
	       e->page * (e->all / e->candidates + 1) < e->candidates;
}

/* From those that meet a condition, which are then sorted; else the page fills on the way along an order, or all
 * candidates are sorted. The metric of the order is gone along when the condition is about itself. */
static bool pays_start(const struct search *s, const struct filter_start *start, int64_t found,
		       const struct estimate *e)
{
	const struct filter_sql *f = &s->filter;
	bool along = pays_along(s, e);

	if (!start || (along && is_own_condition(f, start)))
		return false;
	return along || f->is_default_order ? found * found < e->page * e->candidates : found < e->candidates;
}

static int search(struct search *s)
{
	CLEANUP(cleanup_free) char *from = xasprintf("runs r WHERE %s", s->experiments.buf);
	CLEANUP_STMT struct db_stmt *q = db_query(s->db, "SELECT max(id) FROM runs");
	struct estimate e = { .page = s->skip + (int64_t)s->want };
	const struct filter_start *start = NULL;
	int64_t found = 0;
	bool few;

	if (db_step(q, s->err) < 0 || count_some(s, from, FEW, &e.candidates) < 0)
		return -1;
	if (s->filter.finds_few)
		return search_runs(s, true);
	e.all = db_int(q, 0);
	few = e.candidates <= FEW;
	if (!few && e.candidates < e.all / 2)
		e.candidates = e.all / 2;
	if (e.candidates > SO_FEW && best_start(s, &start, &found) < 0)
		return -1;
	if (pays_start(s, start, found, &e))
		return search_from(s, start);
	return pays_along(s, &e) ? search_along_metric(s) : search_runs(s, few);
}

/* ---- pages ---- */

static void put_experiments(struct search *s)
{
	struct strbuf *sql = &s->experiments;

	if (s->query->nexperiments == 1) {
		strbuf_printf(sql, "r.experiment = %" PRId64, s->query->experiments[0]);
		return;
	}
	strbuf_puts(sql, "r.experiment IN (");
	for (size_t i = 0; i < s->query->nexperiments; i++)
		strbuf_printf(sql, "%s%" PRId64, i ? ", " : "", s->query->experiments[i]);
	strbuf_putc(sql, ')');
}

/* Where the page before ended: the run itself in the default order, else a number of runs. */
static void put_token(struct search *s)
{
	const char *run = js_get_str(s->token, "run");
	int64_t time = js_get_int(s->token, "time", 0);

	if (!s->filter.is_default_order || !run)
		s->skip = s->before;
	else
		strbuf_printf(&s->where, " AND r.start_time <= %" PRId64 " AND (r.start_time < %" PRId64 " OR r.run_id > ?%zu)",
			      time, time, filter_add_value(&s->filter, xstrdup(run), 0));
}

static int make_token(struct search *s, char **ret)
{
	CLEANUP_STMT struct db_stmt *q = db_query(s->db, "SELECT start_time, run_id FROM runs WHERE id = ?1");
	CLEANUP_JS struct js *json = js_object();

	js_set_int(json, "offset", s->before + (int64_t)s->nrows);
	if (s->filter.is_default_order) {
		db_bind(q, 1, s->rows[s->nrows - 1]);
		if (db_step(q, s->err) < 0)
			return -1;
		js_set_int(json, "time", db_int(q, 0));
		js_set_str(json, "run", db_text(q, 1));
	}
	*ret = token_make(json);
	return 0;
}

static int find_rows(struct search *s)
{
	if (filter_compile(&filter_runs, s->query->filter, s->query->order_by, &s->filter, s->err) < 0)
		return -1;
	put_experiments(s);
	strbuf_printf(&s->where, "%s AND r.lifecycle_stage %s", s->experiments.buf, life_view_sql(s->query->view));
	if (s->filter.where.len)
		strbuf_printf(&s->where, " AND %s", s->filter.where.buf);
	put_token(s);
	return search(s);
}

int run_page(struct db *db, const struct run_pages_query *query, struct strbuf *ret, size_t *ret_n, char **ret_token,
	     struct error *err)
{
	/* A query that stays open, so that all that follows sees the same moment. */
	CLEANUP_STMT struct db_stmt *moment = db_query(db, "SELECT count(*) FROM experiments WHERE experiment_id = 0");
	CLEANUP_JS struct js *token = NULL;
	CLEANUP(cleanup_free) char *next = NULL;
	struct search s CLEANUP(search_release) = {
		.db = db, .query = query, .filter = FILTER_SQL_INIT, .where = STRBUF_INIT, .experiments = STRBUF_INIT,
		.want = query->limit + 1, .err = err,
	};

	if (token_offset(query->token, &s.before, err) < 0 ||
	    (s.before && token_parse(query->token, &token, err) < 0) || db_step(moment, err) < 0)
		return -1;
	s.token = token;
	if (find_rows(&s) < 0)
		return -1;
	if (s.nrows > query->limit) {
		s.nrows = query->limit;
		if (make_token(&s, &next) < 0)
			return -1;
	}
	if (runs_write(db, s.rows, s.nrows, ret, err) < 0)
		return -1;
	*ret_n = s.nrows;
	*ret_token = steal(&next);
	return 0;
}
