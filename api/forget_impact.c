/* SPDX-License-Identifier: Apache-2.0 */
/* What came of bytes that are to be forgotten: lineage, downwards. */
#include <string.h>
#include "api/forget.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "registry/lineage.h"
#include "registry/project.h"
#include "store/content.h"

#define ROOTS_MAX 200    /* contents that are followed; who has more has named a directory */
#define NODES_MAX 100000
#define LISTED_MAX 50    /* of a kind; all are counted */

struct impact {
	struct strmap seen; /* "KIND NAME" */
	struct js *result;
};

static const struct kind {
	const char *kind, *key;
	bool listed; /* else only counted */
} kinds[] = {
	{ "run", "runs", false },       { "version", "versions", true },      { "model", "models", true },
	{ "alias", "aliases", true },   { "window", "windows", false },       { "prediction", "predictions", false },
	{ "approval", "approvals", false }, { "firing", "firings", false },
};

static void take_node(struct impact *im, const struct js *node)
{
	const char *kind = js_get_str(node, "kind"), *name = js_get_str(node, "name");
	CLEANUP(cleanup_free) char *key = xasprintf("%s %s", kind, name);

	if (strmap_set(&im->seen, key, im))
		return;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct js *list = js_get(im->result, kinds[i].key);

		if (strcmp(kinds[i].kind, kind) != 0)
			continue;
		if (!kinds[i].listed)
			js_set_int(im->result, kinds[i].key, js_get_int(im->result, kinds[i].key, 0) + 1);
		else if (js_len(list) < LISTED_MAX)
			js_push_str(list, name);
	}
}

/* What lineage does not know has touched nothing. */
static int follow(struct impact *im, struct db *db, const struct content *content, struct error *err)
{
	const char *word = content->kind == CONTENT_TREE ? "tree" : "file";
	char hex[DIGEST_HEX + 1];
	CLEANUP(cleanup_free) char *name = xasprintf("%s:%s", word, digest_format(&content->id, hex));
	const struct lineage_query query = { .kind = "object", .name = name, .down = true, .max_nodes = NODES_MAX };
	CLEANUP_JS struct js *graph = NULL;
	struct error why = { 0 };
	const struct js *nodes;

	if (lineage_walk(db, &query, &graph, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		if (err)
			*err = why;
		return -1;
	}
	nodes = js_get(graph, "nodes");
	for (size_t i = 0; i < js_len(nodes); i++)
		take_node(im, js_at(nodes, i));
	return 0;
}

int forget_impact(struct op_context *ctx, const struct content *holders, size_t n, struct js *names, struct js **ret,
		  struct error *err)
{
	CLEANUP_JS struct js *result = js_object();
	struct impact im = { .result = result };
	struct db *db;
	int r;

	js_set(result, "names", js_ref(names));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].listed)
			js_set(result, kinds[i].key, js_array());
		else
			js_set_int(result, kinds[i].key, 0);
	r = project_db(ctx->project, &db, err);
	/* trees stand last, and lead to more */
	for (size_t i = n; r == 0 && i > 0 && n - i < ROOTS_MAX; i--)
		r = follow(&im, db, &holders[i - 1], err);
	js_set_int(result, "nodes", (int64_t)im.seen.len);
	strmap_release(&im.seen);
	if (r < 0)
		return -1;
	*ret = steal(&result);
	return 0;
}
