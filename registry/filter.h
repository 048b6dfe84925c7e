/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/strbuf.h"
/*
 * MLflow's filters and orders (its search_utils.py), compiled to SQL with bound values. One grammar for all that is
 * searched; a struct filter_thing says which entities and keys there are.
 *
 *     condition:  ENTITY.KEY OPERATOR VALUE, or a bare KEY, which is an attribute's; ENTITY.KEY IS [NOT] NULL
 *     KEY:        a word, or quoted by " or `
 *     OPERATOR:   = != > >= < <= of numbers; = != LIKE ILIKE IN NOT IN of texts, where only LIKE minds case
 *     VALUE:      a number; a text in ' or ", its own quote written twice; a list ('a', 'b')
 *     filter:     conditions joined by AND, and, which MLflow has not, by OR, NOT and parentheses
 *     order:      ENTITY.KEY [ASC|DESC]
 *
 * A condition about a key that the thing lacks does not hold, != included. What is not a number is unequal to all
 * numbers. An order puts NaN, and then what is missing, last in both directions.
 *
 * Errors are ERR_USAGE in MLflow's words, with the column.
 */
struct error;
struct strlist;

/* An ID is a number that is written in quotes, as ids of experiments are. */
enum filter_kind { FILTER_NUMBER = 1, FILTER_TEXT = 2, FILTER_ID = 4 };

enum filter_flags {
	FILTER_ORDER = 1,    /* may stand in an order */
	FILTER_NO_WHERE = 2, /* of a column: may not stand in a filter */
	FILTER_NULL = 4,     /* of a column: it may be NULL; of an entity: takes IS [NOT] NULL */
	FILTER_NAN = 8,      /* of an entity: its table has is_nan, and then value is 0 */
	FILTER_UNIQUE = 32,  /* of a column: no two things have the same */
	FILTER_QUOTED = 64,  /* of a column: its whole numbers may stand in quotes */
	FILTER_ALIAS = 16,   /* of a column: another word for one of the same sql; messages leave it out */
};

/* What may stand before the dot. */
struct filter_entity {
	const char *words;         /* "metric|metrics"; the first one stands in messages */
	/* Keys that users choose are rows (OWNER, key, value) of a table, one a key; NULL: they are filter_columns. */
	const char *table, *owner;
	enum filter_kind kind;     /* of the values in the table */
	unsigned flags;
	const char *also;          /* another condition about such a row, which is t; or NULL */
	/* A row of this key that is not there counts as this value; or NULL. */
	const char *absent_key, *absent_value;
};

/* A key that is there by itself. */
struct filter_column {
	const char *entity; /* its first word */
	const char *key;
	const char *sql;    /* its value */
	/* "FROM ... WHERE": rows of the thing that have such a value, any of which will do; NULL: the thing has one.
	 * Of several columns with the same key any will do, too. */
	const char *from;
	enum filter_kind kind;
	unsigned flags;
	const char *twin;   /* a key of the entity "tag" that always has the same value; or NULL */
};

/* Last parts of an order; one whose key the order has already is left out. */
struct filter_tie {
	const char *key, *sql;
};

/* What is searched. Its rows are those of FROM, which is the caller's. */
struct filter_thing {
	const char *id; /* what the owner of entities' tables refers to: "r.id" */
	const struct filter_entity *entities; /* the first one's keys may be bare */
	size_t nentities;
	const struct filter_column *columns;
	size_t ncolumns;
	struct filter_tie ties[3]; /* ends with sql NULL */
	struct filter_tie order[2]; /* instead of an order that is empty, before the ties; ends with sql NULL */
};
extern const struct filter_thing filter_runs;        /* of FROM runs r */
extern const struct filter_thing filter_experiments; /* of FROM experiments e */

struct filter_value {
	char *text; /* NULL: number */
	double number;
};

/* A comparison of one value that must hold, of an entity with a table: where a search may start from. */
struct filter_start {
	const struct filter_entity *entity;
	size_t key, value; /* parameters */
	const char *op;    /* = > >= < <= */
};
#define FILTER_STARTS 8

/*
 * SELECT ... FROM (the thing) JOINS WHERE (the caller's) AND WHERE ORDER BY ORDER
 *
 * When the first order is by an entity's key, its row is t1, and what has one comes before what has none. So such a
 * search can be done in two: FROM the entity's table t1, with the joins from first_join and the order from
 * first_order; then WHERE t1.OWNER IS NULL, with the order from first_rest.
 */
struct filter_sql {
	struct strbuf joins; /* " LEFT JOIN ..." or "" */
	struct strbuf where; /* "" or one that can be joined by AND */
	struct strbuf order; /* never "" */
	struct filter_value *values; /* of ?1, ?2, ... */
	size_t nvalues, cap;
	const struct filter_entity *first; /* or NULL */
	size_t first_key;                  /* the parameter ?N that is t1.key */
	size_t first_join, first_order, first_rest;
	bool is_default_order; /* none was asked for */
	bool finds_few;        /* a FILTER_UNIQUE column must be one of some values */
	struct filter_start starts[FILTER_STARTS];
	size_t nstarts;
};
#define FILTER_SQL_INIT { .joins = STRBUF_INIT, .where = STRBUF_INIT, .order = STRBUF_INIT }

/* `filter` may be NULL. Each of `orders`, which may be NULL, is an order or several with commas between them; the same
 * key twice is refused. */
int filter_compile(const struct filter_thing *, const char *filter, const struct strlist *orders,
		   struct filter_sql *ret, struct error *);
void filter_release(struct filter_sql *);
/* The condition about a row of the entity's table. */
void filter_put_start(const struct filter_start *, const char *row, struct strbuf *sql);
struct db_stmt;
/* Binds the values to ?1, ?2, ..., as far as the query has them. */
void filter_bind(const struct filter_sql *, struct db_stmt *);
