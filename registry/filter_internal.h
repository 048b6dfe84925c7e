/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "registry/filter.h"
/* The text of a filter or an order, read from left to right. What is taken takes the blanks after it. */
struct strbuf;

struct filter_parser {
	const struct filter_thing *thing;
	const char *what; /* "filter" or "order_by" */
	const char *text, *at;
	struct filter_sql *out;
	struct strlist *seen; /* keys of the order so far */
	unsigned conditions, orders, depth;
	struct error *err;
};

/* What stands left of an operator. */
struct filter_operand {
	const struct filter_entity *entity;
	enum filter_kind kind;
	size_t column, ncolumns; /* of the thing, unless the entity has a table; ncolumns stand together */
	char *key;
	const char *start;
};
void filter_operand_release(struct filter_operand *);

/* filter_lex.c. filter_refuse: ERR_USAGE with the column of `at`; returns -1. */
int filter_refuse(const struct filter_parser *, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void filter_skip(struct filter_parser *); /* blanks */
size_t filter_word_len(const struct filter_parser *);
/* A sign, or words in any case with blanks between them; nothing is taken when it is not there. */
bool filter_take(struct filter_parser *, const char *words);
/* Quoted by *at; the quote itself is written twice. */
int filter_take_quoted(struct filter_parser *, char **ret);
/* As it stands in the text, for messages. */
int filter_value_len(const struct filter_parser *);
bool filter_take_number(struct filter_parser *, double *ret);

/* filter_operand.c: ENTITY.KEY, of a column only if it has none of the flags in `without`, and all in `with`. */
int filter_take_operand(struct filter_parser *, unsigned with, unsigned without, struct filter_operand *ret);

/* filter.c: keeps a value (taking `text`) and returns its parameter's number. */
size_t filter_add_value(struct filter_sql *, char *text, double number);
/* filter_condition.c: one condition, appended as SQL. `must`: all others depend on it. */
int filter_take_condition(struct filter_parser *, bool must, struct strbuf *sql);
