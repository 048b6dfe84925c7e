/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/filter.h"
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "base/utf8.h"
#include "registry/filter_internal.h"

#define TEXT_MAX       (1u << 20)
#define ORDERS_MAX     20  /* of up to 3 expressions each: SQLite 3.40 crashes at 64 over joins */
#define CONDITIONS_MAX 200 /* each is a subquery */
#define DEPTH_MAX      50  /* SQLite refuses expressions of depth 1,000, and a chain of AND is as deep as long */

size_t filter_add_value(struct filter_sql *out, char *text, double number)
{
	GROW(out->values, out->nvalues, out->cap);
	out->values[out->nvalues++] = (struct filter_value){ text, number };
	return out->nvalues;
}

/* ---- filters ---- */

static int take_alternatives(struct filter_parser *p, bool must, struct strbuf *sql);

/* A condition, NOT and a term, or a filter in parentheses. */
static int take_term(struct filter_parser *p, bool must, struct strbuf *sql)
{
	const char *start = p->at;
	bool is_not = filter_take(p, "NOT");
	int r;

	if (!is_not && !filter_take(p, "(")) {
		if (++p->conditions > CONDITIONS_MAX)
			return filter_refuse(p, start, "more than %d conditions", CONDITIONS_MAX);
		return filter_take_condition(p, must, sql);
	}
	if (++p->depth > DEPTH_MAX)
		return filter_refuse(p, start, "more than %d parentheses or NOT within each other", DEPTH_MAX);
	strbuf_puts(sql, is_not ? "NOT (" : "(");
	r = is_not ? take_term(p, false, sql) : take_alternatives(p, false, sql);
	strbuf_putc(sql, ')');
	p->depth--;
	if (r == 0 && !is_not && !filter_take(p, ")"))
		return filter_refuse(p, p->at, "Invalid clause(s) in filter string: expected ')', not '%.40s'", p->at);
	return r;
}

static int take_alternatives(struct filter_parser *p, bool must, struct strbuf *sql)
{
	for (;;) {
		if (take_term(p, must, sql) < 0)
			return -1;
		if (filter_take(p, "AND")) {
			strbuf_puts(sql, " AND ");
			continue;
		}
		if (!filter_take(p, "OR"))
			return 0;
		strbuf_puts(sql, " OR ");
		if (must) {
			p->out->nstarts = 0;
			p->out->finds_few = false;
		}
		must = false;
	}
}

static int parse_filter(struct filter_parser *p)
{
	struct strbuf *where = &p->out->where;

	filter_skip(p);
	if (!*p->at)
		return 0;
	strbuf_putc(where, '(');
	if (take_alternatives(p, true, where) < 0)
		return -1;
	strbuf_putc(where, ')');
	return *p->at ? filter_refuse(p, p->at, "Invalid clause(s) in filter string: '%.60s'", p->at) : 0;
}

/* ---- orders ---- */

static int note_order(struct filter_parser *p, const char *start, const char *sql, const char *key)
{
	CLEANUP(cleanup_free) char *name = xasprintf("%s.%s", sql, key);

	if (strlist_has(p->seen, name))
		return filter_refuse(p, start, "`order_by` contains duplicate fields: %.60s", start);
	strlist_push(p->seen, name);
	return 0;
}

static int put_column_order(struct filter_parser *p, const struct filter_operand *o, const char *direction)
{
	const struct filter_column *c = &p->thing->columns[o->column];
	struct strbuf *order = &p->out->order;

	if (note_order(p, o->start, c->sql, "") < 0)
		return -1;
	if (c->flags & FILTER_NULL)
		strbuf_printf(order, "%s IS NULL, ", c->sql);
	strbuf_printf(order, "%s %s, ", c->sql, direction);
	return 0;
}

/* What has a value first, then NaN, then what has none, in both directions. */
static int put_keyed_order(struct filter_parser *p, struct filter_operand *o, const char *direction)
{
	const struct filter_entity *e = o->entity;
	struct filter_sql *out = p->out;
	size_t key;

	if (note_order(p, o->start, e->table, o->key) < 0)
		return -1;
	key = filter_add_value(out, steal(&o->key), 0);
	strbuf_printf(&out->joins, " LEFT JOIN %s t%u ON t%u.%s = %s AND t%u.key = ?%zu", e->table, p->orders,
		      p->orders, e->owner, p->thing->id, p->orders, key);
	strbuf_printf(&out->order, "t%u.%s IS NULL, ", p->orders, e->owner);
	if (p->orders == 1) {
		out->first = e;
		out->first_key = key;
		out->first_join = out->joins.len;
		out->first_order = out->order.len;
	}
	if (e->flags & FILTER_NAN)
		strbuf_printf(&out->order, "t%u.is_nan, ", p->orders);
	strbuf_printf(&out->order, "t%u.value %s, ", p->orders, direction);
	return 0;
}

static int take_order(struct filter_parser *p)
{
	struct filter_operand o CLEANUP(filter_operand_release) = { .key = NULL };
	const char *direction, *start = p->at;

	if (++p->orders > ORDERS_MAX)
		return filter_refuse(p, p->at, "more than %d orders", ORDERS_MAX);
	if (filter_take_operand(p, FILTER_ORDER, 0, &o) < 0)
		return -1;
	if (!(o.entity->flags & FILTER_ORDER))
		return filter_refuse(p, start, "Invalid order_by entity: %.*s", (int)strcspn(o.entity->words, "|"),
				     o.entity->words);
	direction = filter_take(p, "DESC") ? "DESC" : "ASC";
	if (*direction == 'A')
		filter_take(p, "ASC");
	if ((o.entity->table ? put_keyed_order(p, &o, direction) : put_column_order(p, &o, direction)) < 0)
		return -1;
	if (p->orders == 1)
		p->out->first_rest = p->out->order.len;
	return 0;
}

static int parse_orders(struct filter_parser *p)
{
	filter_skip(p);
	if (*p->at)
		do {
			if (take_order(p) < 0)
				return -1;
		} while (filter_take(p, ","));
	return *p->at ? filter_refuse(p, p->at, "Invalid order_by clause '%.60s'. Could not be parsed", p->text) : 0;
}

static void put_ties(struct filter_parser *p, const struct filter_tie *tie, size_t max)
{
	struct strbuf *order = &p->out->order;

	for (size_t i = 0; i < max && tie[i].sql; i++) {
		CLEANUP(cleanup_free) char *name = xasprintf("%s.", tie[i].key);

		if (!strlist_has(p->seen, name))
			strbuf_printf(order, "%s, ", tie[i].sql);
		strlist_push(p->seen, name);
	}
}

/* ---- both ---- */

static int parse(struct filter_parser *p, const char *what, const char *text, int (*grammar)(struct filter_parser *))
{
	p->what = what;
	p->text = p->at = text ? text : "";
	if (strlen(p->text) > TEXT_MAX)
		return error_set(p->err, ERR_USAGE, "%s is longer than 1 MiB", what);
	if (utf8_span(p->text, strlen(p->text)) < strlen(p->text))
		return error_set(p->err, ERR_USAGE, "%s is not valid UTF-8", what);
	return grammar(p);
}

static int compile(struct filter_parser *p, const char *filter, const struct strlist *orders)
{
	struct strbuf *order = &p->out->order;

	if (parse(p, "filter", filter, parse_filter) < 0)
		return -1;
	for (size_t i = 0; orders && i < orders->len; i++)
		if (parse(p, "order_by", orders->items[i], parse_orders) < 0)
			return -1;
	p->out->is_default_order = !p->orders;
	if (!p->orders)
		put_ties(p, p->thing->order, ARRAY_LEN(p->thing->order));
	put_ties(p, p->thing->ties, ARRAY_LEN(p->thing->ties));
	order->len -= strlen(", ");
	order->buf[order->len] = '\0';
	return 0;
}

int filter_compile(const struct filter_thing *thing, const char *filter, const struct strlist *orders,
		   struct filter_sql *ret, struct error *err)
{
	struct filter_sql out = FILTER_SQL_INIT;
	struct strlist seen = STRLIST_INIT;
	struct filter_parser p = { .thing = thing, .out = &out, .seen = &seen, .err = err };
	int r = compile(&p, filter, orders);

	strlist_release(&seen);
	if (r < 0)
		filter_release(&out);
	else
		*ret = out;
	return r;
}

void filter_release(struct filter_sql *f)
{
	strbuf_release(&f->joins);
	strbuf_release(&f->where);
	strbuf_release(&f->order);
	for (size_t i = 0; i < f->nvalues; i++)
		free(f->values[i].text);
	free(f->values);
	*f = (struct filter_sql)FILTER_SQL_INIT;
}

void filter_bind(const struct filter_sql *f, struct db_stmt *q)
{
	int n = db_parameters(q);

	for (int i = 0; i < n && i < (int)f->nvalues; i++) {
		if (f->values[i].text)
			db_bind(q, i + 1, f->values[i].text);
		else
			db_bind(q, i + 1, f->values[i].number);
	}
}
