/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/problems.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

void problems_release(struct problems *problems)
{
	for (size_t i = 0; i < problems->len; i++)
		free(problems->items[i].file);
	free(problems->items);
	*problems = (struct problems)PROBLEMS_INIT;
}

struct error *problems_add(struct problems *problems, const char *file, struct place at)
{
	struct problem *problem;

	if (problems->count++ >= PROBLEMS_MAX)
		return NULL;
	GROW(problems->items, problems->len, problems->cap);
	problem = &problems->items[problems->len++];
	problem->file = xstrdup(file);
	problem->at = at;
	error_clear(&problem->error);
	problem->error.code = ERR_USAGE;
	error_where(&problem->error, file, at.line, at.column);
	return &problem->error;
}

void problems_once(struct problems *problems, const char *file, struct place at, const struct error *why)
{
	struct error *err;

	for (size_t i = 0; at.line && i < problems->len; i++) {
		const struct problem *told = &problems->items[i];
		if (told->at.line == at.line && told->at.column == at.column && !strcmp(told->file, file))
			return;
	}
	err = problems_add(problems, file, at);
	if (!err)
		return;
	*err = *why;
	error_where(err, file, at.line, at.column);
}

int problems_verdict(const struct problems *problems, struct error *err)
{
	size_t more = problems->count - 1, used;

	if (!problems->count)
		return 0;
	if (!err)
		return -1;
	*err = problems->items[0].error;
	used = strlen(err->help);
	if (more)
		snprintf(err->help + used, sizeof(err->help) - used,
			 "%s%zu more problem%s in this file, which 'mlops pipeline check' lists",
			 !used ? "" : err->help[used - 1] == '?' ? " " : "; ", more, more > 1 ? "s" : "");
	return -1;
}

static int by_place(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	if (order)
		return order;
	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	return (x->at.column > y->at.column) - (x->at.column < y->at.column);
}

void problems_sort(struct problems *problems)
{
	if (problems->len)
		qsort(problems->items, problems->len, sizeof(*problems->items), by_place);
}
