/* SPDX-License-Identifier: Apache-2.0 */
/* lineage: what made something, and what it touched. */
#include <limits.h>
#include "api/lineage.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/moment.h"
#include "base/strbuf.h"
#include "registry/project.h"

#define NODES_SHOWN   1000    /* unless somebody asks for more */
#define NODES_MAX     100000  /* in one answer: it takes 6 KB of memory for each, with its edges */
#define NODES_COUNTED 1000000 /* beyond those of a picture */

static const struct {
	const char *flag;
	void (*draw)(const struct js *graph, struct strbuf *ret);
} pictures[] = { { "dot", lineage_dot }, { "mermaid", lineage_mermaid }, { "html", lineage_html } };

/* NULL: none was asked for. */
static int find_picture(const struct js *args, void (**ret)(const struct js *, struct strbuf *), struct error *err)
{
	*ret = NULL;
	for (size_t i = 0; i < ARRAY_LEN(pictures); i++) {
		if (!js_get_bool(args, pictures[i].flag))
			continue;
		if (*ret)
			return error_set(err, ERR_USAGE, "one of --dot, --mermaid and --html, not several");
		*ret = pictures[i].draw;
	}
	return 0;
}

static int read_query(const struct js *args, bool drawn, struct lineage_query *ret, struct error *err)
{
	const char *at = js_get_str(args, "at");
	int64_t depth = js_get_int(args, "depth", 0), limit = js_get_int(args, "limit", NODES_SHOWN);

	ret->down = js_get_bool(args, "down");
	ret->up = js_get_bool(args, "up") || !ret->down;
	if (limit < 1 || limit > NODES_MAX)
		return error_set(err, ERR_USAGE, "--limit must be from 1 to %d", NODES_MAX);
	ret->depth = depth > INT_MAX ? INT_MAX : (int)depth;
	ret->max_nodes = limit;
	if (drawn) {
		ret->max_nodes = limit < LINEAGE_DRAWN ? limit : LINEAGE_DRAWN;
		ret->count_nodes = NODES_COUNTED;
	}
	return at ? parse_moment(at, clock_wall_ms(), &ret->at_ms, err) : 0;
}

/* lineage {name, up, down, depth, at, limit, dot, mermaid, html} -> registry/lineage.h's graph, with what is known of each
 * node and the number of holes; or {page}. */
int op_lineage(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct lineage_root root CLEANUP(lineage_root_release) = LINEAGE_ROOT_INIT;
	CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;
	CLEANUP_JS struct js *graph = NULL;
	struct lineage_query query = { 0 };
	void (*draw)(const struct js *, struct strbuf *);
	struct db *db;

	if (find_picture(args, &draw, err) < 0 || read_query(args, draw, &query, err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    lineage_root_find(ctx, db, js_get_str(args, "name"), query.at_ms, &root, err) < 0)
		return -1;
	query.kind = root.kind;
	query.name = root.name;
	query.also = root.also;
	query.nalso = root.nalso;
	query.object = root.object;
	if (lineage_walk(db, &query, &graph, err) < 0 || lineage_describe(ctx, db, graph, err) < 0)
		return -1;
	if (!draw) {
		*ret_result = steal(&graph);
		return 0;
	}
	draw(graph, &page);
	*ret_result = js_object();
	js_set_str(*ret_result, "page", page.buf);
	return 0;
}
