/* SPDX-License-Identifier: Apache-2.0 */
/* What a column is, and what speaks for it. */
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/profile/values.h"

static const char *const type_names[] = {
	[COLUMN_EMPTY] = "empty", [COLUMN_INT] = "integer",	   [COLUMN_REAL] = "real", [COLUMN_BOOL] = "boolean",
	[COLUMN_TIME] = "time",	  [COLUMN_CATEGORY] = "category", [COLUMN_TEXT] = "text",
};
static const char *const value_names[VALUE_TYPES] = {
	[VALUE_INT] = "integer", [VALUE_REAL] = "real", [VALUE_BOOL] = "boolean", [VALUE_TIME] = "time", [VALUE_TEXT] = "text",
};

const char *column_type_name(enum column_type type)
{
	return type_names[type];
}

/*
 * The evidence that is asked, in this order. A column is what at least nine in ten of its values are, so that a broken
 * export does not turn a number into a text; the rest is a warning. Whole numbers and others are numbers together.
 */
static const struct {
	enum column_type type;
	unsigned values; /* bits of value_type that count */
	unsigned some;	 /* one of these must be among them */
} evidence[] = {
	{ COLUMN_REAL, 1u << VALUE_INT | 1u << VALUE_REAL, 1u << VALUE_REAL },
	{ COLUMN_INT, 1u << VALUE_INT, 1u << VALUE_INT },
	{ COLUMN_BOOL, 1u << VALUE_BOOL, 1u << VALUE_BOOL },
	{ COLUMN_TIME, 1u << VALUE_TIME, 1u << VALUE_TIME },
};
#define ENOUGH 0.9
/* Texts are categories when there are at most this many, or each comes twice on average. */
#define CATEGORIES_FEW 20

static uint64_t count_types(const struct column *c, unsigned values)
{
	uint64_t n = 0;

	for (unsigned t = 0; t < VALUE_TYPES; t++)
		n += values >> t & 1 ? c->types[t] : 0;
	return n;
}

uint64_t column_others(const struct column *c)
{
	uint64_t all = count_types(c, ~0u);

	for (size_t i = 0; i < ARRAY_LEN(evidence); i++)
		if (evidence[i].type == c->type)
			return all - count_types(c, evidence[i].values);
	return 0;
}

void column_infer(struct column *c)
{
	uint64_t all = count_types(c, ~0u);
	size_t n;

	c->type = COLUMN_EMPTY;
	if (!all)
		return;
	for (size_t i = 0; i < ARRAY_LEN(evidence); i++)
		if (count_types(c, evidence[i].some) && (double)count_types(c, evidence[i].values) >= ENOUGH * (double)all) {
			c->type = evidence[i].type;
			return;
		}
	c->type = column_values(c, &n) && (n <= CATEGORIES_FEW || n <= all / 2) ? COLUMN_CATEGORY : COLUMN_TEXT;
}

void column_evidence(const struct column *c, struct strbuf *ret)
{
	uint64_t all = count_types(c, ~0u);
	unsigned most = 0;

	if (!all) {
		strbuf_puts(ret, "no values");
		return;
	}
	for (unsigned t = 1; t < VALUE_TYPES; t++)
		if (c->types[t] > c->types[most])
			most = t;
	if (c->types[most] == all)
		strbuf_printf(ret, "all %s", value_names[most]);
	else
		/* never rounded up to all of them */
		strbuf_printf(ret, "%.1f %% %s", (double)(c->types[most] * 1000 / all) / 10, value_names[most]);
	for (unsigned t = 0; t < VALUE_TYPES; t++)
		if (t != most && c->types[t])
			strbuf_printf(ret, ", %llu %s", (unsigned long long)c->types[t], value_names[t]);
}
