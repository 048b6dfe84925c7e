/* SPDX-License-Identifier: Apache-2.0 */
/* Topological order by counting down what each node still waits for; file order among equals. */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/plan_internal.h"

#define CYCLE_NAMES_MAX 12

static int by_ends(const void *a, const void *b)
{
	const struct plan_edge *x = a, *y = b;

	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return (x->from > y->from) - (x->from < y->from);
}

void plan_sort_edges(struct plan_builder *b, size_t from)
{
	size_t kept = from;

	if (b->nedges > from)
		qsort(b->edges + from, b->nedges - from, sizeof(*b->edges), by_ends);
	for (size_t i = from; i < b->nedges; i++)
		if (kept == from || by_ends(&b->edges[kept - 1], &b->edges[i]) != 0)
			b->edges[kept++] = b->edges[i];
	b->nedges = kept;
}

/* Nodes that wait for nothing, the first of the file on top. */
struct ready {
	uint32_t *heap;
	size_t len;
};

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t tmp = *a;

	*a = *b;
	*b = tmp;
}

static void ready_push(struct ready *r, uint32_t node)
{
	size_t i = r->len++;

	for (r->heap[i] = node; i && r->heap[(i - 1) / 2] > r->heap[i]; i = (i - 1) / 2)
		swap(&r->heap[(i - 1) / 2], &r->heap[i]);
}

static uint32_t ready_pop(struct ready *r)
{
	uint32_t top = r->heap[0];

	r->heap[0] = r->heap[--r->len];
	for (size_t i = 0;;) {
		size_t least = i, left = 2 * i + 1;
		for (size_t child = left; child < left + 2 && child < r->len; child++)
			if (r->heap[child] < r->heap[least])
				least = child;
		if (least == i)
			return top;
		swap(&r->heap[i], &r->heap[least]);
		i = least;
	}
}

/* A need of the node that is itself waiting: edges of one node stand together. */
static uint32_t waiting_need(const struct plan_builder *b, const uint32_t *waits, uint32_t node)
{
	size_t low = 0, high = b->nedges;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (b->edges[mid].to < node)
			low = mid + 1;
		else
			high = mid;
	}
	while (!waits[b->edges[low].from])
		low++;
	return b->edges[low].from;
}

/* "a -> b -> a" with the first of the file in front. Needs lead upstream, so the loop is read backwards. */
static void cycle_text(const struct plan_builder *b, const uint32_t *loop, size_t n, size_t first, struct strbuf *text)
{
	for (size_t i = 0; i < n; i++) {
		if (i == CYCLE_NAMES_MAX) {
			strbuf_puts(text, "... -> ");
			break;
		}
		strbuf_printf(text, "%s -> ", b->nodes[loop[(first + n - i) % n]].name);
	}
	strbuf_puts(text, b->nodes[loop[first]].name);
}

/* Every waiting node has a waiting need, so following them must come round. */
static void cycle_error(struct plan_builder *b, const uint32_t *waits)
{
	CLEANUP(cleanup_free) uint32_t *path = xcalloc(b->len, sizeof(*path));
	CLEANUP(cleanup_free) uint32_t *seen = xcalloc(b->len, sizeof(*seen));
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	size_t len = 0, n, first = 0;
	const uint32_t *loop;
	struct place at;
	struct error why = { 0 };
	uint32_t node = 0;

	while (!waits[node])
		node++;
	for (; !seen[node]; node = waiting_need(b, waits, node)) {
		path[len++] = node;
		seen[node] = (uint32_t)len;
	}
	loop = path + seen[node] - 1;
	n = len - (seen[node] - 1);
	for (size_t i = 1; i < n; i++)
		if (loop[i] < loop[first])
			first = i;
	cycle_text(b, loop, n, first, &text);
	at = b->nodes[loop[first]].step->at;
	error_set(&why, ERR_USAGE, "steps wait for each other: %s", text.buf);
	error_help(&why, "a -> b: b reads an output of a, comes 'after' it, or has a condition on its metrics; one of "
		   "these has to go");
	problems_once(b->problems, b->pipeline->file, at, &why);
}

int plan_order(struct plan_builder *b, uint32_t **ret_order)
{
	CLEANUP(cleanup_free) uint32_t *waits = xcalloc(b->len, sizeof(*waits));
	CLEANUP(cleanup_free) uint32_t *starts = xcalloc(b->len + 1, sizeof(*starts));
	CLEANUP(cleanup_free) uint32_t *feeds = xcalloc(b->nedges, sizeof(*feeds));
	CLEANUP(cleanup_free) uint32_t *order = xcalloc(b->len, sizeof(*order));
	CLEANUP(cleanup_free) uint32_t *heap = xcalloc(b->len, sizeof(*heap));
	struct ready ready = { heap, 0 };
	size_t n = 0;

	plan_sort_edges(b, 0);
	for (size_t i = 0; i < b->nedges; i++) {
		waits[b->edges[i].to]++;
		starts[b->edges[i].from]++;
	}
	for (size_t i = 1; i <= b->len; i++)
		starts[i] += starts[i - 1];
	/* Counting sort from behind leaves starts[node] at the node's first feed. */
	for (size_t i = b->nedges; i-- > 0;)
		feeds[--starts[b->edges[i].from]] = b->edges[i].to;
	for (size_t i = 0; i < b->len; i++)
		if (!waits[i])
			ready_push(&ready, (uint32_t)i);
	while (ready.len) {
		uint32_t node = ready_pop(&ready);
		order[n++] = node;
		for (uint32_t i = starts[node]; i < starts[node + 1]; i++)
			if (!--waits[feeds[i]])
				ready_push(&ready, feeds[i]);
	}
	if (n < b->len) {
		cycle_error(b, waits);
		return -1;
	}
	*ret_order = steal(&order);
	return 0;
}
