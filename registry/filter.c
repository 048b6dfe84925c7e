/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/filter.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "registry/filter_internal.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX    (1u << 20)
#define ORDERS_MAX  20    /* of up to 3 expressions each: SQLite 3.40 crashes at 64 over joins */
#define TERMS_MAX   60    /* each may be a join, and SQLite joins at most 64 tables */
#define VALUES_MAX  20000 /* SQLite binds at most 32,766 */
#define PATTERN_MAX 50000 /* what SQLite takes */

enum entity { METRIC, PARAM, TAG, ATTRIBUTE, DATASET };
enum kind { NUMBER = 1, TEXT = 2, ANY = NUMBER | TEXT };

static const struct {
	const char *word;
	enum entity entity;
} entities[] = {
    {"metric", METRIC},
    {"metrics", METRIC},
    {"param", PARAM},
    {"params", PARAM},
    {"parameter", PARAM},
    {"parameters", PARAM},
    {"tag", TAG},
    {"tags", TAG},
    {"attr", ATTRIBUTE},
    {"attribute", ATTRIBUTE},
    {"attributes", ATTRIBUTE},
    {"run", ATTRIBUTE},
    {"dataset", DATASET},
    {"datasets", DATASET},
};

/* Tables of the entities that are rows of (run, key, value). */
static const char *const tables[] = {
    [METRIC] = "latest_metrics", [PARAM] = "params", [TAG] = "tags"};

struct column {
	enum entity entity;
	const char *word, *sql;
	enum kind kind;
	bool maybe_null;
};
static const struct column columns[] = {
    {ATTRIBUTE, "run_id", "r.run_id", TEXT, false},
    {ATTRIBUTE, "run_name", "r.name", TEXT, false},
    {ATTRIBUTE, "run name", "r.name", TEXT, false},
    {ATTRIBUTE, "Run name", "r.name", TEXT, false},
    {ATTRIBUTE, "Run Name", "r.name", TEXT, false},
    {ATTRIBUTE, "status", "r.status", TEXT, false},
    {ATTRIBUTE, "user_id", "r.user_id", TEXT, false},
    {ATTRIBUTE, "artifact_uri",
     "('mlflow-artifacts:/' || r.experiment || '/' || r.run_id || '/artifacts')", TEXT, false},
    {ATTRIBUTE, "start_time", "r.start_time", NUMBER, false},
    {ATTRIBUTE, "created", "r.start_time", NUMBER, false},
    {ATTRIBUTE, "Created", "r.start_time", NUMBER, false},
    {ATTRIBUTE, "end_time", "r.end_time", NUMBER, true},
    /* A run's inputs are its data sets. */
    {DATASET, "name", "i.path", TEXT, false},
    {DATASET, "digest", "lower(hex(c.digest))", TEXT, false},
    {DATASET, "context", "i.use", TEXT, false},
};

enum shape { COMPARE, PATTERN, LIST, NULLNESS };
struct comparison {
	const char *word, *sql;
	enum kind takes;
	enum shape shape;
};
/* Longer signs stand before their beginnings; words are found in any case. */
static const struct comparison comparisons[] = {
    {"!=", "!=", ANY, COMPARE},
    {">=", ">=", NUMBER, COMPARE},
    {"<=", "<=", NUMBER, COMPARE},
    {"=", "=", ANY, COMPARE},
    {">", ">", NUMBER, COMPARE},
    {"<", "<", NUMBER, COMPARE},
    {"LIKE", "GLOB", TEXT, PATTERN},
    {"ILIKE", "LIKE", TEXT, PATTERN},
    {"NOT IN", "NOT IN", TEXT, LIST},
    {"IN", "IN", TEXT, LIST},
    {"IS NOT NULL", "IS NOT NULL", TEXT, NULLNESS},
    {"IS NULL", "IS NULL", TEXT, NULLNESS},
};

/* What stands left of an operator. */
struct operand {
	enum entity entity;
	enum kind kind;
	const struct column *column; /* of attributes and data sets */
	char *key;                   /* of metrics, params and tags */
	const char *start;
};

static void operand_release(struct operand *o)
{
	free(o->key);
}

/* Operands. */

/* Most bare keys are meant as metrics or params. */
static int help_bare(const struct filter_parser *p, const char *key, size_t len)
{
	int n = (int)(len < 60 ? len : 60);

	return error_help(p->err, "did you mean metrics.%.*s or params.%.*s?", n, key, n, key);
}

static int find_entity(struct filter_parser *p, const char *word, size_t len, struct operand *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(entities); i++)
		if (strlen(entities[i].word) == len && memcmp(entities[i].word, word, len) == 0) {
			ret->entity = entities[i].entity;
			return 0;
		}
	filter_refuse(p, word, "'%.*s' is not metrics, params, tags, attributes or datasets",
		      (int)(len < 40 ? len : 40), word);
	return help_bare(p, word, filter_word_len(p));
}

static int find_column(struct filter_parser *p, struct operand *o)
{
	char known[200] = "";

	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		const struct column *c = &columns[i];
		size_t len = strlen(known);

		if (c->entity != o->entity)
			continue;
		if (strcmp(c->word, o->key) == 0) {
			o->column = c;
			o->kind = c->kind;
			return 0;
		}
		if (!strchr(c->word, ' ') && islower((unsigned char)c->word[0]))
			snprintf(known + len, sizeof(known) - len, "%s%s", len ? ", " : "",
				 c->word);
	}
	filter_refuse(p, o->start, "no %s is called '%.60s'; there are %s",
		      o->entity == DATASET ? "data set's key" : "attribute", o->key, known);
	return o->entity == ATTRIBUTE ? help_bare(p, o->key, strlen(o->key)) : -1;
}

/* entity.key, or the bare key of an attribute; the key may be quoted by " or `. */
static int parse_operand(struct filter_parser *p, struct operand *ret)
{
	size_t len = filter_word_len(p);
	const char *dot = memchr(p->at, '.', len);

	ret->entity = ATTRIBUTE;
	ret->start = p->at;
	if (dot) {
		if (find_entity(p, p->at, (size_t)(dot - p->at), ret) < 0)
			return -1;
		len -= (size_t)(dot + 1 - p->at);
		p->at = dot + 1;
	}
	if (!len && (*p->at == '"' || *p->at == '`')) {
		if (filter_take_quoted(p, &ret->key) < 0)
			return -1;
	} else if (len) {
		ret->key = xstrndup(p->at, len);
		p->at += len;
		filter_skip(p);
	} else {
		return filter_refuse(p, p->at, "expected a key, not '%.40s'", p->at);
	}
	ret->kind = ret->entity == METRIC ? NUMBER : TEXT;
	return ret->entity == ATTRIBUTE || ret->entity == DATASET ? find_column(p, ret) : 0;
}

/* Output. */

/* Keeps a value for binding (taking `text`) and returns its parameter's number. */
static size_t add_value(struct filter_parser *p, char *text, double number)
{
	struct filter_sql *out = p->out;

	GROW(out->values, out->nvalues, out->cap);
	out->values[out->nvalues++] = (struct filter_value){text, number};
	return out->nvalues;
}

/* CROSS JOIN keeps SQLite from starting anywhere but at the runs, whose order it then reads from an
 * index. */
static void add_join(struct filter_parser *p, const char *join, struct operand *o)
{
	size_t key = add_value(p, steal(&o->key), 0);

	strbuf_printf(&p->out->joins, " %s %s t%u ON t%u.run = r.id AND t%u.key = ?%zu", join,
		      tables[o->entity], p->terms, p->terms, p->terms, key);
}

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

static int parse_text(struct filter_parser *p, char **ret)
{
	if (*p->at != '\'' && *p->at != '"')
		return filter_refuse(p, p->at, "expected a text in quotes, not '%.40s'", p->at);
	return filter_take_quoted(p, ret);
}

static int parse_list(struct filter_parser *p, struct strbuf *sql)
{
	const char *separator = "";
	char *text;

	if (!filter_take(p, "("))
		return filter_refuse(p, p->at, "expected a list like ('a', 'b')");
	strbuf_puts(sql, "(");
	do {
		if (parse_text(p, &text) < 0)
			return -1;
		strbuf_printf(sql, "%s?%zu", separator, add_value(p, text, 0));
		separator = ", ";
		if (p->out->nvalues > VALUES_MAX)
			return filter_refuse(p, p->at, "more than %d values", VALUES_MAX);
	} while (filter_take(p, ","));
	strbuf_puts(sql, ")");
	return filter_take(p, ")") ? 0 : filter_refuse(p, p->at, "expected ',' or ')'");
}

/* The right side as SQL. */
static int parse_value(struct filter_parser *p, const struct operand *o,
		       const struct comparison *op, struct strbuf *sql)
{
	const char *start = p->at;
	double number;
	char *text;

	if (op->shape == LIST)
		return parse_list(p, sql);
	if (o->kind == NUMBER) {
		if (filter_take_number(p, &number) < 0)
			return -1;
		strbuf_printf(sql, "?%zu", add_value(p, NULL, number));
		return 0;
	}
	if (parse_text(p, &text) < 0)
		return -1;
	if (op->shape == PATTERN && strcmp(op->sql, "GLOB") == 0) {
		char *glob = glob_of_like(text);
		free(text);
		text = glob;
	}
	strbuf_printf(sql, "?%zu", add_value(p, text, 0));
	if (op->shape == PATTERN && strlen(text) > PATTERN_MAX)
		return filter_refuse(p, start,
				     "a pattern may have %d bytes, and three for each of * ? [",
				     PATTERN_MAX);
	return 0;
}

static const struct comparison *parse_comparison(struct filter_parser *p, const struct operand *o)
{
	const char *start = p->at;

	for (size_t i = 0; i < ARRAY_LEN(comparisons); i++) {
		const struct comparison *op = &comparisons[i];

		if (!filter_take(p, op->word))
			continue;
		if (op->shape == NULLNESS ? o->entity == PARAM || o->entity == TAG
					  : (op->takes & o->kind) != 0)
			return op;
		filter_refuse(p, start,
			      o->kind == NUMBER
				  ? "a number is compared by = != > >= < <=, not %s"
				  : "%s does not fit here: texts take = != LIKE ILIKE IN NOT IN",
			      op->word);
		return NULL;
	}
	filter_refuse(p, start, "expected an operator, not '%.40s'", start);
	return NULL;
}

static int parse_condition(struct filter_parser *p)
{
	struct operand o CLEANUP(operand_release) = {.entity = METRIC};
	CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
	struct strbuf *where = &p->out->where;
	const struct comparison *op;

	if (parse_operand(p, &o) < 0)
		return -1;
	op = parse_comparison(p, &o);
	if (!op || (op->shape != NULLNESS && parse_value(p, &o, op, &value) < 0))
		return -1;
	if (where->len)
		strbuf_puts(where, " AND ");
	if (o.entity == ATTRIBUTE) {
		strbuf_printf(where, "%s %s %s", o.column->sql, op->sql, value.buf);
	} else if (o.entity == DATASET) {
		strbuf_printf(
		    where,
		    "EXISTS (SELECT 1 FROM run_contents i CROSS JOIN contents c ON c.id = i.content"
		    " WHERE i.run = r.id AND i.direction = 'in' AND %s %s %s)",
		    o.column->sql, op->sql, value.buf);
	} else if (op->shape == NULLNESS) {
		add_join(p, "LEFT JOIN", &o);
		strbuf_printf(where, "t%u.run %s", p->terms, op->sql);
	} else {
		add_join(p, "CROSS JOIN", &o);
		strbuf_printf(where, "(t%u.value %s %s", p->terms, op->sql, value.buf);
		/* NaN stands as 0 in the table; it is unequal to everything. */
		if (o.entity == METRIC)
			strbuf_printf(where, " %s t%u.is_nan", *op->sql == '!' ? "OR" : "AND NOT",
				      p->terms);
		strbuf_puts(where, ")");
	}
	return 0;
}

static int next_term(struct filter_parser *p)
{
	if (++p->terms > TERMS_MAX)
		return filter_refuse(p, p->at, "more than %d conditions and orders", TERMS_MAX);
	return 0;
}

static int parse_filter(struct filter_parser *p)
{
	filter_skip(p);
	if (!*p->at)
		return 0;
	do {
		if (next_term(p) < 0 || parse_condition(p) < 0)
			return -1;
	} while (filter_take(p, "AND"));
	if (filter_take(p, "OR"))
		return filter_refuse(p, p->at, "OR is not supported: conditions are joined by AND");
	return *p->at ? filter_refuse(p, p->at, "expected AND, not '%.40s'", p->at) : 0;
}

/* What has a value first, then NaN, then what has none, in both directions. */
static int parse_order_term(struct filter_parser *p, bool *by_start)
{
	struct operand o CLEANUP(operand_release) = {.entity = METRIC};
	struct strbuf *order = &p->out->order;
	const char *direction;

	if (parse_operand(p, &o) < 0)
		return -1;
	if (o.entity == DATASET)
		return filter_refuse(p, o.start, "runs are not ordered by data sets");
	direction = filter_take(p, "DESC") ? "DESC" : "ASC";
	if (direction[0] == 'A')
		filter_take(p, "ASC");
	if (o.entity == ATTRIBUTE) {
		if (o.column->maybe_null)
			strbuf_printf(order, "%s IS NULL, ", o.column->sql);
		strbuf_printf(order, "%s %s, ", o.column->sql, direction);
		*by_start = *by_start || strcmp(o.column->sql, "r.start_time") == 0;
		return 0;
	}
	add_join(p, "LEFT JOIN", &o);
	strbuf_printf(order, "t%u.run IS NULL, ", p->terms);
	if (o.entity == METRIC)
		strbuf_printf(order, "t%u.is_nan, ", p->terms);
	strbuf_printf(order, "t%u.value %s, ", p->terms, direction);
	return 0;
}

static int parse_order(struct filter_parser *p)
{
	bool by_start = false;
	int orders = 0;

	filter_skip(p);
	if (*p->at)
		do {
			if (++orders > ORDERS_MAX)
				return filter_refuse(p, p->at, "more than %d orders", ORDERS_MAX);
			if (next_term(p) < 0 || parse_order_term(p, &by_start) < 0)
				return -1;
		} while (filter_take(p, ","));
	if (*p->at)
		return filter_refuse(p, p->at, "expected ',', not '%.40s'", p->at);
	strbuf_puts(&p->out->order, by_start ? "r.run_id" : "r.start_time DESC, r.run_id");
	return 0;
}

static int parse(struct filter_parser *p, const char *what, const char *text,
		 int (*grammar)(struct filter_parser *))
{
	p->what = what;
	p->text = p->at = text ? text : "";
	if (strlen(p->text) > TEXT_MAX)
		return error_set(p->err, ERR_USAGE, "%s is longer than 1 MiB", what);
	if (utf8_span(p->text, strlen(p->text)) < strlen(p->text))
		return error_set(p->err, ERR_USAGE, "%s is not valid UTF-8", what);
	return grammar(p);
}

int filter_compile(const char *filter, const char *order_by, struct filter_sql *ret,
		   struct error *err)
{
	struct filter_sql out = {.joins = STRBUF_INIT, .where = STRBUF_INIT, .order = STRBUF_INIT};
	struct filter_parser p = {.out = &out, .err = err};

	if (parse(&p, "filter", filter, parse_filter) < 0 ||
	    parse(&p, "order_by", order_by, parse_order) < 0) {
		filter_release(&out);
		return -1;
	}
	*ret = out;
	return 0;
}

void filter_release(struct filter_sql *f)
{
	strbuf_release(&f->joins);
	strbuf_release(&f->where);
	strbuf_release(&f->order);
	for (size_t i = 0; i < f->nvalues; i++)
		free(f->values[i].text);
	free(f->values);
	*f = (struct filter_sql){.joins = STRBUF_INIT, .where = STRBUF_INIT, .order = STRBUF_INIT};
}
