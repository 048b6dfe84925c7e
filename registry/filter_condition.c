/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "registry/filter_internal.h"

#define VALUES_MAX  20000 /* SQLite binds at most 32,766 */
#define PATTERN_MAX 50000 /* what SQLite takes */
#define ANY	    (FILTER_NUMBER | FILTER_TEXT | FILTER_ID)

enum shape { COMPARE, PATTERN, LIST, NULLNESS };
struct comparison {
	const char *word, *sql;
	unsigned takes; /* kinds */
	enum shape shape;
};
/* Longer signs stand before their beginnings; words are found in any case. */
static const struct comparison comparisons[] = {
	{ "!=", "!=", ANY, COMPARE },
	{ ">=", ">=", FILTER_NUMBER, COMPARE },
	{ "<=", "<=", FILTER_NUMBER, COMPARE },
	{ "=", "=", ANY, COMPARE },
	{ ">", ">", FILTER_NUMBER, COMPARE },
	{ "<", "<", FILTER_NUMBER, COMPARE },
	{ "LIKE", "GLOB", FILTER_TEXT, PATTERN },
	{ "ILIKE", "LIKE", FILTER_TEXT, PATTERN },
	{ "NOT IN", "NOT IN", FILTER_TEXT | FILTER_ID, LIST },
	{ "IN", "IN", FILTER_TEXT | FILTER_ID, LIST },
	{ "IS NOT NULL", "IS NOT NULL", ANY, NULLNESS },
	{ "IS NULL", "IS NULL", ANY, NULLNESS },
};

/* ---- values ---- */

/* LIKE's pattern as one of GLOB, which minds case. */
static char *glob_of_like(const char *like)
{
	CLEANUP_STRBUF struct strbuf glob = STRBUF_INIT;

	for (const char *s = like; *s; s++) {
		if (strchr("*?[", *s))
			strbuf_printf(&glob, "[%c]", *s);
		else
			strbuf_putc(&glob, *s == '%' ? '*' : *s == '_' ? '?' : *s);
	}
	return strbuf_detach(&glob);
}

static int refuse_value(struct filter_parser *p, const struct filter_operand *o)
{
	int len = filter_value_len(p), entity = (int)strcspn(o->entity->words, "|");

	if (o->kind == FILTER_NUMBER && o->entity->table)
		return filter_refuse(p, p->at, "Expected numeric value type for %.*s. Found %.*s", entity,
				     o->entity->words, len, p->at);
	if (o->kind == FILTER_NUMBER)
		return filter_refuse(p, p->at, "Expected numeric value type for numeric %.*s: %s. Found %.*s", entity,
				     o->entity->words, o->key, len, p->at);
	return filter_refuse(p, p->at, "Expected a quoted string value for %.*s (e.g. 'my-value'). Got value %.*s",
			     entity, o->entity->words, len, p->at);
}

static int take_text(struct filter_parser *p, const struct filter_operand *o, char **ret)
{
	if (*p->at == '`')
		return filter_refuse(p, p->at,
				     "Parameter value is either not quoted or unidentified quote types used for string "
				     "value %.*s. Use either single or double quotes",
				     filter_value_len(p), p->at);
	if (*p->at != '\'' && *p->at != '"')
		return refuse_value(p, o);
	return filter_take_quoted(p, ret);
}

/* One text as SQL. */
static int add_text(struct filter_parser *p, const struct filter_operand *o, const char *start, char *text,
		    struct strbuf *sql)
{
	char *end;

	strbuf_printf(sql, o->kind == FILTER_ID ? "CAST(?%zu AS INTEGER)" : "?%zu", filter_add_value(p->out, text, 0));
	if (p->out->nvalues > VALUES_MAX)
		return filter_refuse(p, start, "more than %d values", VALUES_MAX);
	errno = 0;
	if (o->kind == FILTER_ID && (strtoll(text, &end, 10) < 0 || end == text || *end || errno))
		return filter_refuse(p, start, "Invalid %s '%.60s': it must be a whole number", o->key, text);
	return 0;
}

static int take_list(struct filter_parser *p, const struct filter_operand *o, struct strbuf *sql)
{
	static const char why[] = "While parsing a list in the query, expected";

	if (!filter_take(p, "("))
		return filter_refuse(p, p->at, "expected a list like ('a', 'b')");
	if (*p->at == ')')
		return filter_refuse(p, p->at, "%s a non-empty list of string values, but got empty list", why);
	for (;;) {
		const char *start = p->at;
		char *text;

		if (*start != '\'' && *start != '"')
			return filter_refuse(p, start,
					     "%s string value, punctuation, or whitespace, but got different type in "
					     "list: %.*s",
					     why, filter_value_len(p), start);
		strbuf_puts(sql, sql->len ? ", " : "(");
		if (filter_take_quoted(p, &text) < 0 || add_text(p, o, start, text, sql) < 0)
			return -1;
		if (filter_take(p, ",") && *p->at != ')')
			continue;
		strbuf_putc(sql, ')');
		if (filter_take(p, ")"))
			return 0;
		return filter_refuse(p, p->at, "%s ',' or ')', but got ill-formed list", why);
	}
}

static int take_pattern(struct filter_parser *p, const struct filter_operand *o, bool minds_case, struct strbuf *sql)
{
	const char *start = p->at;
	char *text;

	if (take_text(p, o, &text) < 0)
		return -1;
	if (minds_case) {
		char *glob = glob_of_like(text);

		free(text);
		text = glob;
	}
	if (add_text(p, o, start, text, sql) < 0)
		return -1;
	if (strlen(text) > PATTERN_MAX)
		return filter_refuse(p, start, "a pattern may have %d bytes, and three for each of * ? [", PATTERN_MAX);
	return 0;
}

static int take_number(struct filter_parser *p, const struct filter_operand *o, double *ret)
{
	bool may_be_quoted = !o->entity->table && p->thing->columns[o->column].flags & FILTER_QUOTED;
	const char *start = p->at;
	CLEANUP(cleanup_free) char *text = NULL;
	char *end;

	if (filter_take_number(p, ret))
		return 0;
	if (!may_be_quoted || (*start != '\'' && *start != '"'))
		return refuse_value(p, o);
	if (filter_take_quoted(p, &text) < 0)
		return -1;
	errno = 0;
	*ret = (double)strtoll(text, &end, 10);
	if (end != text && !*end && !errno)
		return 0;
	p->at = start;
	return refuse_value(p, o);
}

/* The right side as SQL. */
static int take_value(struct filter_parser *p, const struct filter_operand *o, const struct comparison *op,
		      struct strbuf *sql)
{
	const char *start = p->at;
	double number;
	char *text;

	if (o->kind == FILTER_NUMBER) {
		if (take_number(p, o, &number) < 0)
			return -1;
		strbuf_printf(sql, "?%zu", filter_add_value(p->out, NULL, number));
		return 0;
	}
	if (op->shape == LIST)
		return take_list(p, o, sql);
	if (op->shape == PATTERN)
		return take_pattern(p, o, !strcmp(op->sql, "GLOB"), sql);
	return take_text(p, o, &text) < 0 ? -1 : add_text(p, o, start, text, sql);
}

/* ---- operators ---- */

static int refuse_comparison(struct filter_parser *p, const struct filter_operand *o, const struct comparison *op,
			     const char *start)
{
	CLEANUP_STRBUF struct strbuf known = STRBUF_INIT;

	if (op->shape == NULLNESS)
		return filter_refuse(p, start, "%s is only supported for tags and params, not for '%.*s' '%.60s'",
				     op->word, (int)strcspn(o->entity->words, "|"), o->entity->words, o->key);
	for (size_t i = 0; i < ARRAY_LEN(comparisons); i++)
		if (comparisons[i].takes & o->kind && comparisons[i].shape != NULLNESS)
			strbuf_printf(&known, "%s'%s'", known.len ? ", " : "", comparisons[i].word);
	return filter_refuse(p, start, "Invalid comparator '%s' not one of [%s]", op->word, known.buf);
}

static const struct comparison *take_comparison(struct filter_parser *p)
{
	for (size_t i = 0; i < ARRAY_LEN(comparisons); i++)
		if (filter_take(p, comparisons[i].word))
			return &comparisons[i];
	filter_refuse(p, p->at, "Invalid clause(s) in filter string: expected an operator, not '%.40s'", p->at);
	return NULL;
}

/* The value is read before the operator is refused, so that the more telling mistake is told. */
static int take_right_side(struct filter_parser *p, const struct filter_operand *o, const struct comparison **ret_op,
			   struct strbuf *value)
{
	const char *start = p->at;
	const struct comparison *op = take_comparison(p);

	if (!op)
		return -1;
	if (op->shape != NULLNESS && take_value(p, o, op, value) < 0)
		return -1;
	if (op->shape == NULLNESS ? !o->entity->table || !(o->entity->flags & FILTER_NULL) : !(op->takes & o->kind))
		return refuse_comparison(p, o, op, start);
	*ret_op = op;
	return 0;
}

/* ---- SQL ---- */

/* About a row of an entity's table. NaN stands as 0 there; it is unequal to everything. */
static void put_value(const struct filter_entity *e, const char *row, const char *op, const char *value,
		      struct strbuf *sql)
{
	if (e->flags & FILTER_NAN && *op == '!')
		strbuf_printf(sql, " AND (%s.value != %s OR %s.is_nan)", row, value, row);
	else if (e->flags & FILTER_NAN)
		strbuf_printf(sql, " AND %s.is_nan = 0 AND %s.value %s %s", row, row, op, value);
	else
		strbuf_printf(sql, " AND %s.value %s %s", row, op, value);
}

void filter_put_start(const struct filter_start *start, const char *row, struct strbuf *sql)
{
	char value[24];

	snprintf(value, sizeof(value), "?%zu", start->value);
	strbuf_printf(sql, "%s.key = ?%zu", row, start->key);
	put_value(start->entity, row, start->op, value, sql);
}

static void add_start(struct filter_sql *out, const struct filter_entity *e, size_t key, const struct comparison *op)
{
	if (out->nstarts < FILTER_STARTS && op->shape == COMPARE && *op->sql != '!')
		out->starts[out->nstarts++] = (struct filter_start){ e, key, key - 1, op->sql };
}

static void put_keyed(struct filter_parser *p, struct filter_operand *o, const struct comparison *op,
		      const char *value, bool must, struct strbuf *sql)
{
	const struct filter_entity *e = o->entity;
	bool is_absent_key = e->absent_key && !strcmp(o->key, e->absent_key) && op->shape != NULLNESS;
	const char *id = p->thing->id, *also = e->also ? e->also : "true";
	size_t key = filter_add_value(p->out, steal(&o->key), 0);

	if (is_absent_key) {
		size_t absent = filter_add_value(p->out, xstrdup(e->absent_value), 0);

		strbuf_printf(sql, "coalesce((SELECT t.value FROM %s t WHERE t.%s = %s AND t.key = ?%zu AND %s), ?%zu) %s %s",
			      e->table, e->owner, id, key, also, absent, op->sql, value);
		return;
	}
	strbuf_printf(sql, "%sEXISTS (SELECT 1 FROM %s t WHERE t.%s = %s AND %s AND ",
		      op->shape == NULLNESS && !strcmp(op->sql, "IS NULL") ? "NOT " : "", e->table, e->owner, id, also);
	strbuf_printf(sql, "t.key = ?%zu", key);
	if (op->shape != NULLNESS)
		put_value(e, "t", op->sql, value, sql);
	strbuf_putc(sql, ')');
	if (must && !e->also)
		add_start(p->out, e, key, op); /* its value is the one before the key */
}

/* What a condition about a column says of where to start. */
static void note_column(struct filter_parser *p, const struct filter_column *c, const struct comparison *op)
{
	bool equal = !strcmp(op->sql, "=");

	if (c->flags & FILTER_UNIQUE && (equal || !strcmp(op->sql, "IN")))
		p->out->finds_few = true;
	for (size_t i = 0; c->twin && equal && i < p->thing->nentities; i++)
		if (!strncmp(p->thing->entities[i].words, "tag|", 4))
			add_start(p->out, &p->thing->entities[i], filter_add_value(p->out, xstrdup(c->twin), 0), op);
}

static void put_columns(const struct filter_parser *p, const struct filter_operand *o, const struct comparison *op,
			const char *value, struct strbuf *sql)
{
	for (size_t i = 0; i < o->ncolumns; i++) {
		const struct filter_column *c = &p->thing->columns[o->column + i];

		strbuf_puts(sql, i ? " OR " : o->ncolumns > 1 ? "(" : "");
		if (c->from)
			strbuf_printf(sql, "EXISTS (SELECT 1 %s AND %s %s %s)", c->from, c->sql, op->sql, value);
		else
			strbuf_printf(sql, "%s %s %s", c->sql, op->sql, value);
	}
	if (o->ncolumns > 1)
		strbuf_putc(sql, ')');
}

int filter_take_condition(struct filter_parser *p, bool must, struct strbuf *sql)
{
	struct filter_operand o CLEANUP(filter_operand_release) = { .key = NULL };
	CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
	const struct comparison *op = NULL;

	if (filter_take_operand(p, 0, FILTER_NO_WHERE, &o) < 0 || take_right_side(p, &o, &op, &value) < 0)
		return -1;
	if (o.entity->table)
		put_keyed(p, &o, op, value.buf, must, sql);
	else
		put_columns(p, &o, op, value.buf, sql);
	if (must && o.ncolumns)
		note_column(p, &p->thing->columns[o.column], op);
	return 0;
}
