/* SPDX-License-Identifier: Apache-2.0 */
/* Values of -p, a line each: refused, or combinations of which each one is read as itself alone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "api/combinations.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A combination that is given with -p again is one, and the same. */
static void check_one(const struct combinations *c, size_t i)
{
	CLEANUP(strlist_release) struct strlist params = STRLIST_INIT, again = STRLIST_INIT;
	CLEANUP(combinations_release) struct combinations one = { 0 };
	CLEANUP(cleanup_free) char *label = combination_label(c, i);
	CLEANUP_JS struct js *list = js_array();

	combination_params(c, i, &params);
	if (!*label != !c->many)
		abort();
	for (size_t k = 0; k < params.len; k++)
		js_push_str(list, params.items[k]);
	if (combinations_read(list, &one, NULL) < 0 || one.many || one.len != 1)
		abort();
	combination_params(&one, 0, &again);
	for (size_t k = 0; k < params.len; k++)
		if (strcmp(js_text(js_at(list, k)), again.items[k]) != 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(combinations_release) struct combinations c = { 0 };
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	CLEANUP_JS struct js *params = js_array();
	struct error err;
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		js_push_str(params, line);
	if (combinations_read(params, &c, &err) < 0) {
		if (err.code != ERR_USAGE)
			abort();
		return 0;
	}
	if (!c.len || c.len > COMBINATIONS_MAX)
		abort();
	for (size_t i = 0; i < c.len; i += c.len / 7 + 1)
		check_one(&c, i);
	return 0;
}
