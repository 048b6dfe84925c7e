/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/audit_suspects.h"
#include <stdlib.h>
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/merkle.h"
#include "base/strbuf.h"
#include "registry/audit.h"
#include "registry/audit_findings.h"

#define PLACES 64 /* other leaves that an event is compared with: suspects about it */

void suspects_release(struct suspects *s)
{
	free(s->items);
	*s = (struct suspects){ 0 };
}

void suspects_add(struct suspects *s, int64_t seq, bool there, const struct digest *leaf)
{
	if (s->len == SUSPECTS_MAX) {
		s->more++;
		return;
	}
	GROW(s->items, s->len, s->cap);
	s->items[s->len++] = (struct suspect){ seq, there, *leaf };
}

/* ---- looking at one ---- */

struct inquest {
	struct db *db;
	const struct suspects *suspects;
	struct findings *findings;
	struct error *err;
	bool failed;
};

/* Whether event `seq`, had it the number of the suspect, would be what was logged there. */
static bool is_of(struct inquest *in, int64_t seq, const struct suspect *place)
{
	CLEANUP_STMT struct db_stmt *q = db_query(in->db, "SELECT actor, after, before, body, operation, origin, ?2, subject, time"
							  " FROM events WHERE seq = ?1");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct digest leaf;
	int r;

	db_bind(q, 1, seq);
	db_bind(q, 2, place->seq);
	r = db_step(q, in->err);
	in->failed = in->failed || r < 0;
	if (r <= 0)
		return false;
	audit_leaf_row(q, 0, &text);
	merkle_leaf(text.buf, text.len, &leaf);
	return digest_equal(&leaf, &place->leaf);
}

/* "event 7 (model.promote churn@champion)" */
static void name_event(struct inquest *in, int64_t seq, struct strbuf *ret)
{
	CLEANUP_STMT struct db_stmt *q = db_query(in->db, "SELECT operation, subject FROM events WHERE seq = ?1");
	int r;

	strbuf_printf(ret, "event %lld", (long long)seq);
	db_bind(q, 1, seq);
	r = db_step(q, in->err);
	in->failed = in->failed || r < 0;
	if (r > 0)
		strbuf_printf(ret, " (%.60s %.100s)", db_text(q, 0), db_text(q, 1));
}

static const struct suspect *suspect_at(const struct inquest *in, size_t i, int64_t seq)
{
	return i < in->suspects->len && in->suspects->items[i].seq == seq ? &in->suspects->items[i] : NULL;
}

/* ---- what was done ---- */

/* From the i-th on: how many suspects in a row are events that stand `by` behind (or before) where they were logged. */
static size_t shifted(struct inquest *in, size_t i, int by)
{
	const struct suspect *s = &in->suspects->items[i], *next;
	size_t n = 0;

	while ((next = suspect_at(in, i + n, s->seq + (int64_t)n)) && is_of(in, next->seq + by, next))
		n++;
	return n;
}

static size_t judge_inserted(struct inquest *in, size_t i)
{
	CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
	int64_t seq = in->suspects->items[i].seq;
	size_t n = shifted(in, i, 1);

	if (!n)
		return 0;
	name_event(in, seq, &name);
	findings_add(in->findings, FOUND_INSERTED, seq, 0, "%s was never logged: those behind it were moved by one to make room",
		     name.buf);
	return n;
}

/* An event was taken out, and those behind it have closed the gap; the last leaf then has no event. */
static size_t judge_closed(struct inquest *in, size_t i)
{
	int64_t seq = in->suspects->items[i].seq;
	const struct suspect *last;
	size_t n;

	if (i + 1 >= in->suspects->len || !in->suspects->items[i].there || !suspect_at(in, i + 1, seq + 1))
		return 0;
	n = shifted(in, i + 1, -1);
	if (!n)
		return 0;
	findings_add(in->findings, FOUND_REMOVED, seq, 0,
		     "event %lld was removed: those behind it were moved by one to close the gap", (long long)seq);
	last = suspect_at(in, i + 1 + n, seq + 1 + (int64_t)n);
	return 1 + n + (last && !last->there);
}

static size_t judge_gone(struct inquest *in, size_t i)
{
	const struct suspect *s = &in->suspects->items[i], *next;
	int64_t last;
	size_t n = 0;

	while ((next = suspect_at(in, i + n, s->seq + (int64_t)n)) && !next->there)
		n++;
	if (!n)
		return 0;
	last = s->seq + (int64_t)n - 1;
	if (n == 1)
		findings_add(in->findings, FOUND_REMOVED, s->seq, 0, "event %lld was removed", (long long)s->seq);
	else
		findings_add(in->findings, FOUND_REMOVED, s->seq, last, "events %lld to %lld were removed", (long long)s->seq,
			     (long long)last);
	return n;
}

static size_t judge_moved(struct inquest *in, size_t i)
{
	const struct suspect *s = &in->suspects->items[i];
	CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
	size_t from = i > PLACES ? i - PLACES : 0, to = i + PLACES < in->suspects->len ? i + PLACES : in->suspects->len;

	for (size_t k = from; k < to; k++) {
		if (k == i || !is_of(in, s->seq, &in->suspects->items[k]))
			continue;
		name_event(in, s->seq, &name);
		findings_add(in->findings, FOUND_MOVED, s->seq, 0, "%s was logged as event %lld: somebody changed their order",
			     name.buf, (long long)in->suspects->items[k].seq);
		return 1;
	}
	return 0;
}

static size_t judge_edited(struct inquest *in, size_t i)
{
	CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;

	name_event(in, in->suspects->items[i].seq, &name);
	findings_add(in->findings, FOUND_EDITED, in->suspects->items[i].seq, 0, "%s is not what was logged", name.buf);
	return 1;
}

/* ---- all ---- */

static int compare(const void *a, const void *b)
{
	const struct suspect *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* What explains more comes first; each tells how many suspects it explains. */
static size_t (*const judges[])(struct inquest *, size_t) = {
	judge_gone, judge_inserted, judge_closed, judge_moved, judge_edited,
};

int suspects_judge(struct db *db, struct suspects *s, struct findings *findings, struct error *err)
{
	struct inquest in = { .db = db, .suspects = s, .findings = findings, .err = err };

	if (s->len)
		qsort(s->items, s->len, sizeof(*s->items), compare);
	for (size_t i = 0, n; i < s->len && !in.failed; i += n) {
		n = 0;
		for (size_t k = 0; !n && k < ARRAY_LEN(judges); k++)
			n = judges[k](&in, i);
	}
	if (s->more)
		findings_add(findings, FOUND_EDITED, 0, 0, "%zu more events are not what was logged", s->more);
	return in.failed ? -1 : 0;
}
