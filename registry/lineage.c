/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/lineage.h"
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

#define NODES_MAX 1000000

/* ---- what was seen ---- */

/* Row -> place, by open addressing. */
struct places {
	struct place {
		int64_t row; /* 0: free */
		size_t node;
	} *slots;
	size_t len, cap; /* cap: a power of two */
};

static struct place *place_slot(const struct places *p, int64_t row)
{
	size_t i = (size_t)((uint64_t)row * 0x9e3779b97f4a7c15u >> 20) & (p->cap - 1);

	while (p->slots[i].row && p->slots[i].row != row)
		i = (i + 1) & (p->cap - 1);
	return &p->slots[i];
}

static void places_grow(struct places *p)
{
	struct places bigger = { .cap = p->cap ? p->cap * 2 : 1024, .len = p->len };

	bigger.slots = xcalloc(bigger.cap, sizeof(*bigger.slots));
	for (size_t i = 0; i < p->cap; i++)
		if (p->slots[i].row)
			*place_slot(&bigger, p->slots[i].row) = p->slots[i];
	free(p->slots);
	*p = bigger;
}

/* A node of the walk. What has no row of its own has a negative one. */
struct node {
	int64_t row;
	int depth;
	bool through; /* the walk goes on behind it */
	bool up;      /* its origins were read */
};

struct walk {
	struct db *db;
	const struct lineage_query *query;
	struct places places;
	struct node *nodes; /* the first `shown` of them are in the result */
	size_t len, cap, shown, limit;
	size_t *queue;
	size_t queued, queue_cap;
	int64_t edges_left; /* that may be read */
	bool down, more;
	struct js *js_nodes, *js_edges;
};

static void walk_release(struct walk *w)
{
	free(w->places.slots);
	free(w->nodes);
	free(w->queue);
	js_free(w->js_nodes);
	js_free(w->js_edges);
}

static void show(struct walk *w, const char *kind, const char *name, int64_t time, int depth)
{
	struct js *node = js_object();

	js_set_str(node, "kind", kind);
	js_set_str(node, "name", name);
	js_set_int(node, "time", time);
	js_set_int(node, "depth", depth);
	js_push(w->js_nodes, node);
	w->shown++;
}

/* Nodes come in the order of the walk, so those that are shown come first. */
static int show_row(struct walk *w, int64_t row, int depth, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(w->db, "SELECT kind, name, time FROM lineage_nodes WHERE id = ?1");
	int r;

	db_bind(q, 1, row);
	r = db_step(q, err);
	if (r > 0)
		show(w, db_text(q, 0), db_text(q, 1), db_int(q, 2), depth);
	return r > 0 ? 0 : r < 0 ? -1 : error_set(err, ERR_DAMAGED, "the registry has an edge to a node that is not there");
}

static void push(struct walk *w, size_t node)
{
	GROW(w->queue, w->queued, w->queue_cap);
	w->queue[w->queued++] = node;
	w->nodes[node].through = true;
}

static size_t add(struct walk *w, int64_t row, int depth)
{
	if ((w->places.len + 1) * 2 > w->places.cap)
		places_grow(&w->places);
	*place_slot(&w->places, row) = (struct place){ row, w->len };
	w->places.len++;
	GROW(w->nodes, w->len, w->cap);
	w->nodes[w->len] = (struct node){ .row = row, .depth = depth };
	return w->len++;
}

/* ---- edges ---- */

/* Nobody goes through what only names or compares, unless it is from there that he comes. */
static const struct {
	const char *role;
	bool from_root;
} beside[] = { { "champion", true }, { "watched", true }, { "step", true }, { "cached", true }, { "registered", false } };

static bool goes_through(const char *role, bool root)
{
	for (size_t i = 0; i < ARRAY_LEN(beside); i++)
		if (!strcmp(role, beside[i].role))
			return root && beside[i].from_root;
	return true;
}

static void show_edge(struct walk *w, size_t here, size_t there, const char *role, const char *path, int64_t time)
{
	struct js *edge;

	/* An edge of a cycle, which was met on the way up. */
	if (here >= w->shown || there >= w->shown || (w->down && w->nodes[there].up))
		return;
	edge = js_object();
	js_set_int(edge, "from", (int64_t)(w->down ? here : there));
	js_set_int(edge, "to", (int64_t)(w->down ? there : here));
	js_set_str(edge, "role", role);
	if (*path)
		js_set_str(edge, "path", path);
	js_set_int(edge, "time", time);
	js_push(w->js_edges, edge);
}

/* Goes along an edge to a node that is known by its place. */
static void follow(struct walk *w, size_t here, size_t there, const char *role)
{
	if (w->nodes[there].through || !goes_through(role, here == 0))
		return;
	if (there < w->shown || (int64_t)(there - w->shown) < w->query->count_nodes)
		push(w, there);
	else
		w->more = true;
}

static int edge_row(struct walk *w, size_t here, bool own, struct db_stmt *q, struct error *err)
{
	int64_t row = db_int(q, 0);
	const struct place *known = place_slot(&w->places, row);
	int depth = w->nodes[here].depth + (w->down ? 1 : -1);
	size_t there = known->node;

	if (!own && known->row && there == here)
		return 0;
	if (!known->row) {
		there = add(w, row, depth);
		if (there < w->limit && show_row(w, row, depth, err) < 0)
			return -1;
	}
	show_edge(w, here, there, db_text(q, 1), db_text(q, 2), db_int(q, 3));
	follow(w, here, there, db_text(q, 1));
	return 0;
}

/* Of a row: that of the node itself, or of its bytes. */
static int read_edges(struct walk *w, size_t here, int64_t row, struct error *err)
{
	bool own = row == w->nodes[here].row;
	CLEANUP_STMT struct db_stmt *q = db_query(
		w->db, w->down ? "SELECT result, role, path, time FROM lineage_edges WHERE origin = ?1 AND (?2 = 0 OR time <= ?2)" :
				 "SELECT origin, role, path, time FROM lineage_edges WHERE result = ?1 AND (?2 = 0 OR time <= ?2)");
	int r = 0;

	db_bind(q, 1, row);
	db_bind(q, 2, w->query->at_ms);
	while (w->edges_left > 0 && (r = db_step(q, err)) > 0) {
		w->edges_left--;
		if (edge_row(w, here, own, q, err) < 0)
			return -1;
	}
	w->more |= r > 0;
	if (!w->down)
		w->nodes[here].up = true;
	return r < 0 ? -1 : 0;
}

/* ---- the root ---- */

/* 0: no row has it. */
static int find(struct db *db, const char *kind, const char *name, int64_t *ret_row, int64_t *ret_time, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id, time FROM lineage_nodes WHERE kind = ?1 AND name = ?2");
	int r;

	db_bind(q, 1, kind);
	db_bind(q, 2, name);
	r = db_step(q, err);
	*ret_row = r > 0 ? db_int(q, 0) : 0;
	*ret_time = r > 0 ? db_int(q, 1) : 0;
	return r;
}

int lineage_has(struct db *db, const char *kind, const char *name, struct error *err)
{
	int64_t row, time;

	return find(db, kind, name, &row, &time, err);
}

static int add_root(struct walk *w, struct error *err)
{
	const struct lineage_query *query = w->query;
	int64_t row, time;

	if (find(w->db, query->kind, query->name, &row, &time, err) < 0)
		return -1;
	if (!row && !query->nalso)
		return error_set(err, ERR_NOT_FOUND, "nothing is known of the %s %s", query->kind, query->name);
	add(w, row ? row : -1, 0);
	show(w, query->kind, query->name, time, 0);
	return 0;
}

static int follow_also(struct walk *w, const struct lineage_also *also, struct error *err)
{
	int depth = also->up ? -1 : 1;
	const struct place *known;
	int64_t row, time;
	size_t there;

	if (also->up == w->down || (w->query->at_ms && also->time_ms > w->query->at_ms))
		return 0;
	if (find(w->db, also->kind, also->name, &row, &time, err) < 0)
		return -1;
	if (!row)
		row = -2 - (int64_t)(also - w->query->also);
	known = place_slot(&w->places, row);
	there = known->node;
	if (!known->row) {
		there = add(w, row, depth);
		if (there < w->limit)
			show(w, also->kind, also->name, time ? time : also->time_ms, depth);
	}
	show_edge(w, 0, there, also->role, also->path ? also->path : "", also->time_ms);
	follow(w, 0, there, also->role);
	return 0;
}

/* Runs read bytes, and not the version that they are. */
static int read_bytes(struct walk *w, struct error *err)
{
	int64_t row, time;

	if (!w->down || !w->query->object)
		return 0;
	if (find(w->db, "object", w->query->object, &row, &time, err) < 0)
		return -1;
	return row ? read_edges(w, 0, row, err) : 0;
}

/* ---- walking ---- */

static int walk_one_way(struct walk *w, struct error *err)
{
	int depth = w->query->depth;

	/* What was met on the way up is gone through again only where it is met on the way down. */
	for (size_t i = 0; i < w->len; i++)
		w->nodes[i].through = false;
	w->queued = 0;
	push(w, 0);
	for (size_t i = 0; i < w->query->nalso; i++)
		if (follow_also(w, &w->query->also[i], err) < 0)
			return -1;
	if (read_bytes(w, err) < 0)
		return -1;
	for (size_t at = 0; at < w->queued; at++) {
		size_t here = w->queue[at];
		int away = w->nodes[here].depth;

		if ((depth && (away < 0 ? -away : away) >= depth) || w->nodes[here].row < 0)
			continue;
		if (w->edges_left <= 0)
			w->more = true;
		else if (read_edges(w, here, w->nodes[here].row, err) < 0)
			return -1;
	}
	return 0;
}

static struct js *result(struct walk *w)
{
	struct js *ret = js_object();

	js_set(ret, "nodes", steal(&w->js_nodes));
	js_set(ret, "edges", steal(&w->js_edges));
	js_set_int(ret, "cut", (int64_t)(w->len - w->shown));
	js_set_bool(ret, "more", w->more);
	return ret;
}

int lineage_walk(struct db *db, const struct lineage_query *query, struct js **ret, struct error *err)
{
	int64_t max = query->max_nodes > 0 && query->max_nodes < NODES_MAX ? query->max_nodes : NODES_MAX;
	struct walk w CLEANUP(walk_release) = {
		.db = db,
		.query = query,
		.limit = (size_t)max,
		.edges_left = 10 * (max + query->count_nodes) + 1000,
		.js_nodes = js_array(),
		.js_edges = js_array(),
	};

	if (add_root(&w, err) < 0 || (query->up && walk_one_way(&w, err) < 0))
		return -1;
	w.down = true;
	if (query->down && walk_one_way(&w, err) < 0)
		return -1;
	*ret = result(&w);
	return 0;
}
