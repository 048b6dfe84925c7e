/* SPDX-License-Identifier: Apache-2.0 */
/* Lineage as a tree: each node once, below the one from which the walk first came to it. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

#define SHORT 12 /* digits of an id */
#define SUMMED 40 /* nodes from which on models and aliases are listed at the end, too */
#define NAMED  20 /* of each */

struct lineage_tree {
	const struct js *nodes;
	struct branch {
		const struct js *edge;  /* by which the walk came */
		size_t child, last, next; /* place + 1; 0: none */
	} *branches;
};

static const char *kind_of(const struct js *node)
{
	return js_get_str(node, "kind");
}

/* The edge that leads one step closer to the root comes first in the list, because the walk met it first. */
static void plant(struct lineage_tree *t, const struct js *edges)
{
	for (size_t i = 0; i < js_len(edges); i++) {
		const struct js *e = js_at(edges, i);
		size_t from = (size_t)js_get_int(e, "from", 0), to = (size_t)js_get_int(e, "to", 0);
		int64_t a = js_get_int(js_at(t->nodes, from), "depth", 0), b = js_get_int(js_at(t->nodes, to), "depth", 0);
		size_t near = llabs(a) < llabs(b) ? from : to, far = near == from ? to : from;

		if (llabs(a) == llabs(b) || far == 0 || t->branches[far].edge)
			continue;
		t->branches[far].edge = e;
		if (t->branches[near].last)
			t->branches[t->branches[near].last - 1].next = far + 1;
		else
			t->branches[near].child = far + 1;
		t->branches[near].last = far + 1;
	}
}

static void put_name(struct print *p, const struct js *node)
{
	static const char *const shortened[] = { "object", "run", "commit", "image" };
	const char *name = js_get_str(node, "name"), *colon = strchr(name, ':');

	for (size_t i = 0; i < ARRAY_LEN(shortened); i++)
		if (!strcmp(kind_of(node), shortened[i])) {
			print_put(p, STYLE_DIM, "%.*s", (int)(colon ? colon - name + 1 : 0) + SHORT, name);
			return;
		}
	print_word(p, STYLE_NAME, name);
}

static void put_known(struct print *p, const struct js *node)
{
	static const char *const keys[] = { "step", "title", "status", "state", "gate", "verdict", "decision", "outcome", "cause",
					    "how", "actor", "asker", "reason" };
	const char *hole = js_get_str(node, "hole");
	const struct js *gone = js_get(node, "forgotten");
	char size[HUMAN];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (js_get_str(node, keys[i]) && !(i == 1 && js_get_str(node, "step"))) {
			print_put(p, STYLE_PLAIN, "  ");
			print_word(p, STYLE_PLAIN, js_get_str(node, keys[i]));
		}
	if (js_get(node, "size") && !hole)
		print_put(p, STYLE_DIM, "  %s", human_bytes((uint64_t)js_get_int(node, "size", 0), size));
	if (hole)
		print_put(p, STYLE_BAD, "  %s", hole);
	if (js_get_str(gone, "reason")) {
		print_put(p, STYLE_BAD, ": ");
		print_word(p, STYLE_BAD, js_get_str(gone, "reason"));
	}
}

static void put_node(struct print *p, const struct lineage_tree *t, size_t i)
{
	const struct js *node = js_at(t->nodes, i), *edge = t->branches[i].edge;
	const char *path = js_get_str(edge, "path");
	int64_t depth = llabs(js_get_int(node, "depth", 0));

	print_put(p, STYLE_PLAIN, "%*s", (int)(2 * (depth < 40 ? depth : 40)), "");
	if (edge)
		print_put(p, STYLE_DIM, "%s ", js_get_str(edge, "role"));
	print_put(p, STYLE_PLAIN, "%s ", kind_of(node));
	if (path) {
		print_word(p, STYLE_NAME, path);
		print_put(p, STYLE_PLAIN, " ");
	}
	put_name(p, node);
	put_known(p, node);
	print_put(p, STYLE_PLAIN, "\n");
}

/* Down to the children, then on to the next; a chain of a million nodes is no reason to nest as deep. */
static void put_side(struct print *p, const struct lineage_tree *t, int sign)
{
	struct {
		size_t *items, len, cap;
	} stack = { 0 };

	for (size_t at = t->branches[0].child; at || stack.len;) {
		if (!at) {
			at = stack.items[--stack.len];
			continue;
		}
		GROW(stack.items, stack.len, stack.cap);
		stack.items[stack.len++] = t->branches[at - 1].next;
		if (js_get_int(js_at(t->nodes, at - 1), "depth", 0) * sign > 0) {
			put_node(p, t, at - 1);
			at = t->branches[at - 1].child;
		} else {
			at = 0;
		}
	}
	free(stack.items);
}

static bool has_side(const struct js *nodes, int sign)
{
	for (size_t i = 1; i < js_len(nodes); i++)
		if (js_get_int(js_at(nodes, i), "depth", 0) * sign > 0)
			return true;
	return false;
}

static void put_end(struct print *p, const struct js *result)
{
	int64_t cut = js_get_int(result, "cut", 0), holes = js_get_int(result, "holes", 0);
	bool more = js_get_bool(result, "more");

	if (holes)
		print_put(p, STYLE_BAD, "%lld of these %s\n", (long long)holes, holes == 1 ? "is missing" : "are missing");
	if (cut || more)
		print_put(p, STYLE_WARN, "and %s%lld more: --limit N shows them, --depth N less\n", more ? "at least " : "",
			  (long long)cut);
}

/* Of many nodes below, what people ask for. */
static void put_touched(struct print *p, const struct js *nodes)
{
	static const struct {
		const char *kind, *head;
	} kinds[] = { { "model", "models" }, { "alias", "aliases" } };

	if (js_len(nodes) < SUMMED)
		return;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		size_t n = 0;

		for (size_t i = 1; i < js_len(nodes); i++) {
			const struct js *node = js_at(nodes, i);

			if (js_get_int(node, "depth", 0) <= 0 || strcmp(kind_of(node), kinds[k].kind) != 0 || n++ >= NAMED)
				continue;
			if (n == 1)
				print_put(p, STYLE_BOLD, "%s it touched: ", kinds[k].head);
			else
				print_put(p, STYLE_PLAIN, ", ");
			print_word(p, STYLE_NAME, js_get_str(node, "name"));
		}
		if (n > NAMED)
			print_put(p, STYLE_PLAIN, " and %zu more", n - NAMED);
		if (n)
			print_put(p, STYLE_PLAIN, "\n");
	}
}

void print_lineage(struct print *p, const struct js *result)
{
	const char *page = js_get_str(result, "page");
	struct lineage_tree t = { .nodes = js_get(result, "nodes") };

	if (page) {
		print_put(p, STYLE_PLAIN, "%s", page);
		return;
	}
	t.branches = xcalloc(js_len(t.nodes), sizeof(*t.branches));
	plant(&t, js_get(result, "edges"));
	put_node(p, &t, 0);
	put_side(p, &t, -1);
	if (has_side(t.nodes, -1) && has_side(t.nodes, 1))
		print_put(p, STYLE_BOLD, "what it touched\n");
	put_side(p, &t, 1);
	put_touched(p, t.nodes);
	if (js_len(t.nodes) == 1)
		print_put(p, STYLE_DIM, "nothing else is known of it this way; --up shows what made it, --down what it touched\n");
	put_end(p, result);
	free(t.branches);
}
