/* SPDX-License-Identifier: Apache-2.0 */
/* An expression: refused at a byte of the text, or evaluated to a value or a reason. What was shown as a value reads as
 * the same value. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/expr.h"
#include "base/mem.h"
#include "base/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names of all types, and some without a value. */
static int lookup(void *ctx, const char *name, struct expr_value *ret, struct error *err)
{
	(void)ctx;
	switch (strlen(name) % 4) {
	case 0:
		return error_set(err, ERR_NOT_FOUND, "no value");
	case 1:
		*ret = (struct expr_value){ .type = EXPR_NUMBER, .number = name[0] - 'a' };
		return 0;
	case 2:
		*ret = (struct expr_value){ .type = EXPR_TEXT, .text = name };
		return 0;
	default:
		*ret = (struct expr_value){ .type = EXPR_TRUTH, .truth = name[0] < 'm' };
		return 0;
	}
}

static int no_names(void *ctx, const char *name, struct expr_value *ret, struct error *err)
{
	(void)ctx;
	(void)name;
	(void)ret;
	(void)err;
	abort();
}

static int count(void *ctx, const char *name, size_t offset)
{
	size_t *room = ctx;

	if (!*name || offset >= *room)
		abort();
	return 0;
}

static void check_shown(const struct expr_value *value)
{
	CLEANUP_STRBUF struct strbuf shown = STRBUF_INIT;
	CLEANUP(cleanup_expr) struct expr *e = NULL;
	struct expr_value again;

	if (value->type == EXPR_TEXT)
		return;
	expr_value_show(value, &shown);
	if (expr_parse(shown.buf, &e, NULL, NULL) < 0 || expr_eval(e, no_names, NULL, &again, NULL, NULL) < 0)
		abort();
	if (again.type != value->type || again.truth != value->truth)
		abort();
	if (again.number < value->number || again.number > value->number)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	CLEANUP(cleanup_expr) struct expr *e = NULL;
	size_t len = strlen(text), offset = SIZE_MAX;
	struct expr_value value;
	struct error err;
	bool holds;

	if (expr_parse(text, &e, &offset, &err) < 0) {
		if (err.code != ERR_USAGE || !*err.msg || offset > len)
			abort();
		return 0;
	}
	expr_each_name(e, count, &len);
	if (expr_eval(e, lookup, NULL, &value, &offset, &err) == 0)
		check_shown(&value);
	else if (!*err.msg || offset >= len)
		abort();
	expr_holds(e, lookup, NULL, &holds, &offset, &err);
	return 0;
}
