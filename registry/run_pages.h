/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "registry/life.h"
/*
 * Searching runs as MLflow does, page by page, quickly among millions: the first of four ways that promises to look at
 * few runs is taken.
 *
 *     a condition that few runs meet   by the index of values of params, tags or metrics
 *     an order by a metric             along the index of its values: values, then NaN, then runs without it
 *     experiments of few runs          all of them, sorted
 *     else                             along the index of start times
 */
struct db;
struct error;
struct strbuf;
struct strlist;

struct run_pages_query {
	const int64_t *experiments;
	size_t nexperiments;
	const char *filter;            /* MLflow's grammar (registry/filter.h); may be NULL */
	const struct strlist *order_by; /* may be NULL */
	enum life_view view;
	size_t limit;
	const char *token;             /* of the page before; may be NULL */
};
/* Appends an array of registry/run_read.h's runs; *ret_n: how many. *ret_token, which the caller frees: for the next
 * page, NULL when this is the last one. A page of the default order begins where the one before ended, whatever was
 * made meanwhile; another one at a number of runs, as MLflow's. */
int run_page(struct db *, const struct run_pages_query *, struct strbuf *ret, size_t *ret_n, char **ret_token,
	     struct error *);
