/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/metric_samples.h"
#include <math.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"

/* Columns value, is_nan, timestamp, step. */
static void put_point(struct strbuf *out, const char *run, const char *key, struct db_stmt *q)
{
	strbuf_puts(out, out->buf[out->len - 1] == '[' ? "{\"key\":" : ",{\"key\":");
	js_put_str(out, key);
	strbuf_puts(out, ",\"value\":");
	js_put_real(out, db_int(q, 1) ? (double)NAN : db_real(q, 0));
	strbuf_puts(out, ",\"timestamp\":");
	js_put_int(out, db_int(q, 2));
	strbuf_puts(out, ",\"step\":");
	js_put_int(out, db_int(q, 3));
	strbuf_puts(out, ",\"run_id\":");
	js_put_str(out, run);
	strbuf_putc(out, '}');
}

/* Row of a run, 0 when there is none. */
static int find_run(struct db *db, const char *run, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id FROM runs WHERE run_id = ?1");
	int r;

	db_bind(q, 1, run);
	r = db_step(q, err);
	*ret = r > 0 ? db_int(q, 0) : 0;
	return r < 0 ? -1 : 0;
}

struct span {
	int64_t run;
	const char *key;
	int64_t first, last;
};

static void bind_span(struct db_stmt *q, const struct span *span)
{
	db_bind(q, 1, span->run);
	db_bind(q, 2, span->key);
	db_bind(q, 3, span->first);
	db_bind(q, 4, span->last);
}

/* The points fall into `max` parts, the first ones longer by one where it does not come out even. The first of each is
 * taken, and of the last part the last. */
static int64_t sample_at(int64_t part, int64_t all, int64_t max)
{
	if (all <= max)
		return part;
	if (part == max - 1)
		return all - 1;
	return part * (all / max) + (part < all % max ? part : all % max);
}

static int sample_run(struct db *db, const char *run, const struct span *span, int64_t max, struct strbuf *ret,
		      struct error *err)
{
	CLEANUP_STMT struct db_stmt *count = db_query(
		db, "SELECT count(*) FROM metrics WHERE run = ?1 AND key = ?2 AND step BETWEEN ?3 AND ?4");
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT value, is_nan, timestamp, step FROM metrics WHERE run = ?1 AND key = ?2"
		    " AND step BETWEEN ?3 AND ?4 ORDER BY step, timestamp, value, is_nan");
	int64_t all, part = 0;
	int r;

	bind_span(count, span);
	bind_span(q, span);
	if (db_step(count, err) < 0)
		return -1;
	all = db_int(count, 0);
	for (int64_t i = 0; (r = db_step(q, err)) > 0; i++) {
		if (i != sample_at(part, all, max))
			continue;
		put_point(ret, run, span->key, q);
		part++;
	}
	return r;
}

int metric_samples(struct db *db, const struct strlist *runs, const char *key, int64_t first_step, int64_t last_step,
		   int64_t max, struct strbuf *ret, struct error *err)
{
	struct span span = { .key = key, .first = first_step, .last = last_step };

	strbuf_putc(ret, '[');
	for (size_t i = 0; i < runs->len; i++)
		if (find_run(db, runs->items[i], &span.run, err) < 0 ||
		    sample_run(db, runs->items[i], &span, max, ret, err) < 0)
			return -1;
	strbuf_putc(ret, ']');
	return 0;
}

static int put_history(struct db *db, const char *run, const char *key, int64_t *left, struct strbuf *ret,
		       struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT value, is_nan, timestamp, step FROM metrics WHERE run = ?1 AND key = ?2"
			     " ORDER BY timestamp, step, value LIMIT ?3");
	int64_t row;
	int r;

	if (find_run(db, run, &row, err) < 0)
		return -1;
	db_bind(q, 1, row);
	db_bind(q, 2, key);
	db_bind(q, 3, *left);
	for (; (r = db_step(q, err)) > 0; --*left)
		put_point(ret, run, key, q);
	return r;
}

int metric_histories(struct db *db, const struct strlist *runs, const char *key, int64_t max, struct strbuf *ret,
		     struct error *err)
{
	struct strlist sorted = STRLIST_INIT;
	int r = 0;

	for (size_t i = 0; i < runs->len; i++)
		strlist_push(&sorted, runs->items[i]);
	strlist_sort(&sorted);
	strlist_uniq(&sorted);
	strbuf_putc(ret, '[');
	for (size_t i = 0; i < sorted.len && r == 0; i++)
		r = put_history(db, sorted.items[i], key, &max, ret, err);
	strbuf_putc(ret, ']');
	strlist_release(&sorted);
	return r;
}
