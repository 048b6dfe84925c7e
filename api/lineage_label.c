/* SPDX-License-Identifier: Apache-2.0 */
/* What pictures of lineage share. */
#include <string.h>
#include "api/lineage.h"
#include "base/json.h"
#include "base/strbuf.h"

#define SHORT 12 /* digits of an id */

/* "sha256:0123456789ab" of "sha256:0123456789ab...". */
static void put_short(struct strbuf *ret, const char *name)
{
	const char *colon = strchr(name, ':');
	size_t head = colon ? (size_t)(colon - name) + 1 : 0;

	strbuf_printf(ret, "%.*s", (int)(head + SHORT), name);
}

void lineage_label(const struct js *node, struct strbuf *ret)
{
	static const char *const shortened[] = { "object", "run", "commit", "image", "logged" };
	const char *kind = js_get_str(node, "kind"), *name = js_get_str(node, "name");
	const char *known = js_get_str(node, "path");

	if (!known)
		known = js_get_str(node, "step");
	if (!known)
		known = js_get_str(node, "title");
	for (size_t i = 0; i < sizeof(shortened) / sizeof(shortened[0]); i++) {
		if (strcmp(kind, shortened[i]) != 0)
			continue;
		if (known)
			strbuf_printf(ret, "%s ", known);
		put_short(ret, name);
		return;
	}
	strbuf_puts(ret, name);
}

int64_t lineage_left_out(const struct js *graph, size_t drawn, bool *ret_more)
{
	size_t shown = js_len(js_get(graph, "nodes"));

	*ret_more = js_get_bool(graph, "more");
	return js_get_int(graph, "cut", 0) + (int64_t)(shown > drawn ? shown - drawn : 0);
}
