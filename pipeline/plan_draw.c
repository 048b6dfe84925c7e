/* SPDX-License-Identifier: Apache-2.0 */
/* The graph as text. Names of steps are plain; the pipeline's name may be any text. */
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"

/* "train <- prepare, features" */
static void draw_text(const struct plan *plan, struct strbuf *out)
{
	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];
		strbuf_puts(out, node->name);
		for (size_t k = 0; k < node->nneeds; k++)
			strbuf_printf(out, "%s%s", k ? ", " : " <- ", node->needs[k]->name);
		strbuf_putc(out, '\n');
	}
}

static void quote(const char *text, struct strbuf *out)
{
	strbuf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			strbuf_putc(out, '\\');
		strbuf_putc(out, (unsigned char)*text < 0x20 ? ' ' : *text);
	}
	strbuf_putc(out, '"');
}

static void draw_dot(const struct plan *plan, struct strbuf *out)
{
	strbuf_puts(out, "digraph ");
	quote(plan->pipeline->name, out);
	strbuf_puts(out, " {\n\trankdir=LR;\n\tnode [shape=box];\n");
	for (size_t i = 0; i < plan->len; i++)
		strbuf_printf(out, "\t\"%s\";\n", plan->nodes[i].name);
	for (size_t i = 0; i < plan->len; i++)
		for (size_t k = 0; k < plan->nodes[i].nneeds; k++)
			strbuf_printf(out, "\t\"%s\" -> \"%s\";\n", plan->nodes[i].needs[k]->name,
				      plan->nodes[i].name);
	strbuf_puts(out, "}\n");
}

/* A name may be a word of Mermaid's own, such as "end", so nodes have numbers and names are labels. */
static void draw_mermaid(const struct plan *plan, struct strbuf *out)
{
	strbuf_puts(out, "flowchart LR\n");
	for (size_t i = 0; i < plan->len; i++)
		strbuf_printf(out, "    n%zu[\"%s\"]\n", i, plan->nodes[i].name);
	for (size_t i = 0; i < plan->len; i++)
		for (size_t k = 0; k < plan->nodes[i].nneeds; k++)
			strbuf_printf(out, "    n%td --> n%zu\n", plan->nodes[i].needs[k] - plan->nodes, i);
}

void plan_draw(const struct plan *plan, enum plan_format format, struct strbuf *out)
{
	static void (*const draw[])(const struct plan *, struct strbuf *) = {
		[PLAN_TEXT] = draw_text,
		[PLAN_DOT] = draw_dot,
		[PLAN_MERMAID] = draw_mermaid,
	};

	draw[format](plan, out);
}
