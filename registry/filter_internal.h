/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/* The text of a filter or an order, read from left to right. What is taken takes the blanks after
 * it. */
struct error;
struct filter_sql;

struct filter_parser {
	const char *what; /* "filter" or "order_by" */
	const char *text, *at;
	struct filter_sql *out;
	unsigned terms;
	struct error *err;
};

/* ERR_USAGE with the column of `at`; returns -1. */
int filter_refuse(const struct filter_parser *, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void filter_skip(struct filter_parser *); /* blanks */
size_t filter_word_len(const struct filter_parser *);
/* A sign, or words in any case with blanks between them; nothing is taken when it is not there. */
bool filter_take(struct filter_parser *, const char *words);
/* Quoted by *at; the quote itself is written twice. */
int filter_take_quoted(struct filter_parser *, char **ret);
int filter_take_number(struct filter_parser *, double *ret);
