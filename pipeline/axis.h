/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/strlist.h"
/*
 * What one value of an axis, as written, stands for: a text, a range of numbers, or a param. A matrix has axes, and so
 * has a command line that gives a param several values.
 */
struct error;
struct js;

struct range {
	int64_t first, step; /* in units of 10^-places */
	int places;
	uint64_t count;
};
struct axis_item {
	enum { ITEM_TEXT, ITEM_RANGE, ITEM_PARAM } kind;
	const char *text;       /* as written; lent */
	struct range range;
	const struct js *param; /* lent */
	uint64_t count;         /* of values; nothing was made for it */
};
int axis_item_read(const char *text, const struct js *params, struct axis_item *ret, struct error *);
/* Appends its values. */
void axis_item_values(const struct axis_item *, struct strlist *ret);
