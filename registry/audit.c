/* SPDX-License-Identifier: Apache-2.0 */
/* The tree over the events: leaves, and the nodes that are kept. */
#include "registry/audit.h"
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/merkle.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "registry/rows.h"

/* ---- leaves ---- */

/* Of a leaf, in the order of canonical JSON, which is that of AUDIT_LEAF_COLUMNS, too. */
static const struct member {
	const char *name;
	enum { TEXT, NUMBER, JSON } kind;
} members[] = {
	{ "actor", TEXT },   { "after", TEXT }, { "before", TEXT },  { "body", JSON },   { "operation", TEXT },
	{ "origin", TEXT },  { "seq", NUMBER }, { "subject", TEXT }, { "time", NUMBER },
};

static void put_name(struct strbuf *ret, size_t start, const char *name)
{
	strbuf_puts(ret, ret->len == start ? "{\"" : ",\"");
	strbuf_puts(ret, name);
	strbuf_puts(ret, "\":");
}

void audit_leaf_text(const struct js *event, struct strbuf *ret)
{
	size_t start = ret->len;

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const struct js *value = js_get(event, members[i].name);

		if (!value)
			continue;
		put_name(ret, start, members[i].name);
		js_dump(value, JS_CANONICAL, ret);
	}
	strbuf_putc(ret, '}');
}

/* As js_str does it: what is no UTF-8 is replaced. */
static void put_text(const char *text, struct strbuf *ret)
{
	size_t len = strlen(text);

	if (utf8_span(text, len) == len) {
		js_put_str(ret, text);
	} else {
		CLEANUP_JS struct js *clean = js_str(text);

		js_dump(clean, JS_CANONICAL, ret);
	}
}

void audit_leaf_row(struct db_stmt *q, int column, struct strbuf *ret)
{
	size_t start = ret->len;

	for (size_t i = 0; i < ARRAY_LEN(members); i++, column++) {
		if (db_is_null(q, column))
			continue;
		put_name(ret, start, members[i].name);
		if (members[i].kind == NUMBER)
			js_put_int(ret, db_int(q, column));
		else if (members[i].kind == JSON)
			strbuf_puts(ret, db_text(q, column)); /* it is stored in canonical form */
		else
			put_text(db_text(q, column), ret);
	}
	strbuf_putc(ret, '}');
}

/* ---- nodes ---- */

static int read_node(void *ctx, int level, uint64_t index, struct digest *ret, struct error *err)
{
	struct db *db = ctx;
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT hash FROM audit_nodes WHERE level = ?1 AND place = ?2");
	int r;

	db_bind(q, 1, level);
	db_bind(q, 2, index);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	if (r > 0 && db_digest(q, 0, ret))
		return 0;
	error_set(err, ERR_DAMAGED, "the audit log lacks node %d/%llu of its tree", level, (unsigned long long)index);
	return error_help(err, "somebody changed the database: mlops audit verify   tells what holds; restore a backup");
}

static int keep_node(void *ctx, int level, uint64_t index, const struct digest *hash, struct error *err)
{
	struct db *db = ctx;
	struct db_stmt *q = db_query(db, "INSERT INTO audit_nodes (level, place, hash) VALUES (?1, ?2, ?3)");

	db_bind(q, 1, level);
	db_bind(q, 2, index);
	db_bind(q, 3, hash);
	return db_run(q, err);
}

struct merkle_source audit_source(struct db *db)
{
	return (struct merkle_source){ .node = read_node, .ctx = db };
}

int audit_size(struct db *db, uint64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT coalesce(max(place) + 1, 0) FROM audit_nodes WHERE level = 0");

	if (db_step(q, err) < 0)
		return -1;
	*ret = (uint64_t)db_int(q, 0);
	return 0;
}

int audit_root(struct db *db, uint64_t size, struct digest *ret, struct error *err)
{
	struct merkle_source source = audit_source(db);

	return merkle_root(&source, size, ret, err);
}

/* ---- appending ---- */

/* The levels below `levels` of the edge. One leaf more completes nothing above the lowest that is empty. */
static int read_edge(struct db *db, uint64_t size, int levels, struct merkle_edge *ret, struct error *err)
{
	ret->size = size;
	for (int level = 0; level < levels && size >> level; level++)
		if (size >> level & 1 && read_node(db, level, (size >> level) - 1, &ret->node[level], err) < 0)
			return -1;
	return 0;
}

static int add_leaf(struct db *db, struct merkle_edge *edge, const struct strbuf *text, struct error *err)
{
	struct digest leaf;

	merkle_leaf(text->buf, text->len, &leaf);
	return merkle_append(edge, &leaf, keep_node, db, err);
}

/* A number without an event, which only other hands than ours can have made, becomes a leaf of nothing: it is seen for
 * ever, and does not keep what follows out of the log. */
static int add_row(struct db *db, struct merkle_edge *edge, struct db_stmt *q, int64_t seq, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	while (edge->size + 1 < (uint64_t)seq)
		if (add_leaf(db, edge, &text, err) < 0)
			return -1;
	audit_leaf_row(q, 1, &text);
	return add_leaf(db, edge, &text, err);
}

static int take_in(struct db *db, uint64_t size, int64_t last, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT seq, " AUDIT_LEAF_COLUMNS
						      " FROM events WHERE seq > ?1 AND seq <= ?2 ORDER BY seq");
	bool one = size + 1 == (uint64_t)last;
	struct merkle_edge edge;
	int r;

	if (read_edge(db, size, one ? __builtin_ctzll(~size) : MERKLE_LEVELS, &edge, err) < 0)
		return -1;
	db_bind(q, 1, size);
	db_bind(q, 2, last);
	while ((r = db_step(q, err)) > 0)
		if (add_row(db, &edge, q, db_int(q, 0), err) < 0)
			return -1;
	return r;
}

int audit_append(struct db *db, int64_t seq, struct error *err)
{
	uint64_t size;

	return audit_size(db, &size, err) < 0 || take_in(db, size, seq, err) < 0 ? -1 : 0;
}

int audit_catch_up(struct db *db, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT coalesce(max(seq), 0) FROM events");
	uint64_t size;

	if (db_step(q, err) < 0 || audit_size(db, &size, err) < 0)
		return -1;
	if (size >= (uint64_t)db_int(q, 0))
		return 0;
	if (db_begin(db, err) < 0)
		return -1;
	/* another process may have done it since */
	return write_end(db, audit_append(db, db_int(q, 0), err), err);
}

int audit_origin(struct db *db, char ret[AUDIT_ORIGIN], struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 'mlops/' || id FROM audit_log");
	int r = db_step(q, err);

	if (r < 0)
		return -1;
	if (r == 0 || strlen(db_text(q, 0)) >= AUDIT_ORIGIN)
		return error_set(err, ERR_DAMAGED, "the audit log has lost its id");
	snprintf(ret, AUDIT_ORIGIN, "%s", db_text(q, 0));
	return 0;
}
