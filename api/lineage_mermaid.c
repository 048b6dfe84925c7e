/* SPDX-License-Identifier: Apache-2.0 */
/* Lineage as a flowchart of Mermaid, which forges and note books draw. */
#include <ctype.h>
#include <string.h>
#include "api/lineage.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* Whatever is not plain becomes an entity, by the code of its character: Mermaid reads Markdown and HTML in labels. */
static void put_text(struct strbuf *ret, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x80 || isalnum(c) || strchr(" ._-/@:+,()=", c))
			strbuf_printf(ret, "%c", c);
		else if (c >= ' ')
			strbuf_printf(ret, "#%u;", c);
	}
}

static void put_node(struct strbuf *ret, const struct js *node, size_t i)
{
	CLEANUP_STRBUF struct strbuf label = STRBUF_INIT;
	const char *hole = js_get_str(node, "hole");

	strbuf_printf(&label, "%s: ", js_get_str(node, "kind"));
	lineage_label(node, &label);
	if (hole)
		strbuf_printf(&label, " (%s)", hole);
	strbuf_printf(ret, "  n%zu[\"", i);
	put_text(ret, label.buf);
	strbuf_printf(ret, "\"]%s\n", hole ? ":::hole" : i == 0 ? ":::root" : "");
}

void lineage_mermaid(const struct js *graph, struct strbuf *ret)
{
	const struct js *nodes = js_get(graph, "nodes"), *edges = js_get(graph, "edges");
	size_t n = js_len(nodes) < LINEAGE_DRAWN ? js_len(nodes) : LINEAGE_DRAWN;
	bool more;
	int64_t left = lineage_left_out(graph, n, &more);

	strbuf_puts(ret, "flowchart LR\n");
	for (size_t i = 0; i < n; i++)
		put_node(ret, js_at(nodes, i), i);
	for (size_t i = 0; i < js_len(edges); i++) {
		const struct js *e = js_at(edges, i);
		int64_t from = js_get_int(e, "from", 0), to = js_get_int(e, "to", 0);

		if (from >= (int64_t)n || to >= (int64_t)n)
			continue;
		strbuf_printf(ret, "  n%lld -->|\"", (long long)from);
		put_text(ret, js_get_str(e, "role"));
		strbuf_printf(ret, "\"| n%lld\n", (long long)to);
	}
	if (left)
		strbuf_printf(ret, "  cut[\"and %s%lld nodes more\"]\n", more ? "at least " : "", (long long)left);
	strbuf_puts(ret, "  classDef hole stroke-dasharray: 4\n  classDef root stroke-width: 3px\n");
}
