/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "base/strbuf.h"
#include "base/strlist.h"
/*
 * MLflow's filter and order_by grammars for runs, compiled to SQL with bound values.
 * Clauses joined by AND; entity.key op value; entities metrics, params, tags,
 * attributes, datasets and their aliases; a bare key is an attribute; keys quoted by " or `;
 * strings by ' or "; = != > >= < <= LIKE ILIKE IN NOT IN, IS [NOT] NULL for params and tags.
 * Errors are ERR_USAGE with the column.
 */
struct error;
struct filter_value {
	char *text; /* NULL: number */
	double number;
};
struct filter_sql {
	struct strbuf joins;  /* JOIN clauses against `runs r` */
	struct strbuf where;  /* "" or conditions joined by AND */
	struct strbuf order;  /* full ORDER BY list with the tie-break */
	struct filter_value *values; /* of ?1, ?2, ... */
	size_t nvalues, cap;
};
int filter_compile(const char *filter, const char *order_by, struct filter_sql *ret, struct error *);
void filter_release(struct filter_sql *);
