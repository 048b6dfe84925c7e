/* SPDX-License-Identifier: Apache-2.0 */
/* Lineage as a graph of Graphviz. */
#include <string.h>
#include "api/lineage.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

static const struct {
	const char *kind, *shape;
} shapes[] = {
	{ "object", "note" },	     { "version", "note" },    { "run", "box" },	   { "commit", "tab" },
	{ "image", "component" },    { "model", "box3d" },     { "gate", "diamond" },	   { "approval", "house" },
	{ "alias", "cds" },	     { "firing", "hexagon" },  { "window", "parallelogram" }, { "prediction", "ellipse" },
};

static const char *shape_of(const char *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (!strcmp(shapes[i].kind, kind))
			return shapes[i].shape;
	return "box";
}

/* In a string of DOT only the quote and the backslash mean something; a name's newline is none of ours. */
static void put_quoted(struct strbuf *ret, const char *text)
{
	strbuf_puts(ret, "\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			strbuf_puts(ret, "\\");
		strbuf_printf(ret, "%c", (unsigned char)*text < ' ' ? ' ' : *text);
	}
	strbuf_puts(ret, "\"");
}

static void put_node(struct strbuf *ret, const struct js *node, size_t i)
{
	CLEANUP_STRBUF struct strbuf label = STRBUF_INIT;
	const char *kind = js_get_str(node, "kind"), *hole = js_get_str(node, "hole");

	strbuf_printf(&label, "%s: ", kind);
	lineage_label(node, &label);
	if (hole)
		strbuf_printf(&label, " (%s)", hole);
	strbuf_printf(ret, "\tn%zu [shape=%s%s, label=", i, shape_of(kind), hole ? ", style=dashed" : i == 0 ? ", style=bold" : "");
	put_quoted(ret, label.buf);
	strbuf_puts(ret, "];\n");
}

void lineage_dot(const struct js *graph, struct strbuf *ret)
{
	const struct js *nodes = js_get(graph, "nodes"), *edges = js_get(graph, "edges");
	size_t n = js_len(nodes) < LINEAGE_DRAWN ? js_len(nodes) : LINEAGE_DRAWN;
	bool more;
	int64_t left = lineage_left_out(graph, n, &more);

	strbuf_puts(ret, "digraph lineage {\n\trankdir=LR;\n\tnode [fontname=\"sans-serif\"];\n");
	for (size_t i = 0; i < n; i++)
		put_node(ret, js_at(nodes, i), i);
	for (size_t i = 0; i < js_len(edges); i++) {
		const struct js *e = js_at(edges, i);
		int64_t from = js_get_int(e, "from", 0), to = js_get_int(e, "to", 0);

		if (from >= (int64_t)n || to >= (int64_t)n)
			continue;
		strbuf_printf(ret, "\tn%lld -> n%lld [label=", (long long)from, (long long)to);
		put_quoted(ret, js_get_str(e, "role"));
		strbuf_puts(ret, "];\n");
	}
	if (left)
		strbuf_printf(ret, "\tcut [shape=plaintext, label=\"and %s%lld nodes more\"];\n", more ? "at least " : "", (long long)left);
	strbuf_puts(ret, "}\n");
}
