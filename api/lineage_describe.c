/* SPDX-License-Identifier: Apache-2.0 */
/* What the record says of the nodes of a graph, and what of them is missing. */
#include <stdio.h>
#include <string.h>
#include "api/lineage.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/forgotten.h"
#include "registry/git.h"
#include "registry/project.h"
#include "store/content.h"
#include "store/store.h"

struct describing {
	struct op_context *ctx;
	struct db *db;
	struct store *store;
};

/* Columns become members. ?1 is the name; what is cut out of it, NUMBER behind its last digits, BEFORE and AFTER '#'. */
#define NUMBER(text) "CAST(substr(" text ", length(rtrim(" text ", '0123456789')) + 1) AS INTEGER)"
#define NAMED(text)  "substr(rtrim(" text ", '0123456789'), 1, length(rtrim(" text ", '0123456789')) - 2)" /* of NAME@vN */
#define BEFORE	     "substr(?1, 1, instr(?1, '#') - 1)"
#define AFTER	     "substr(?1, instr(?1, '#') + 1)"
#define GATED	     "substr(?1, 1, length(?1) - 5)" /* without "/gate" */

static const struct {
	const char *kind, *sql;
	const char *hole; /* when there is no row; NULL: that is no hole */
} facts[] = {
	{ "run", "SELECT r.name AS title, r.step, r.status, r.user_id AS user, e.name AS experiment, p.run_id AS parent, r.end_time,"
		 " iif(r.lifecycle_stage = 'deleted', 'was deleted', NULL) AS hole FROM runs r"
		 " JOIN experiments e ON e.experiment_id = r.experiment LEFT JOIN runs p ON p.id = r.parent WHERE r.run_id = ?1",
	  "its record is not here" },
	{ "version", "SELECT v.actor, c.size, c.files FROM artifacts a JOIN artifact_versions v ON v.artifact = a.id"
		     " JOIN contents c ON c.id = v.content WHERE a.name = " NAMED("?1") " AND v.number = " NUMBER("?1"),
	  "was deleted" },
	{ "model", "SELECT v.description, v.stage, k.verdict AS gate, k.author FROM registered_models m JOIN model_versions v"
		   " ON v.model = m.id LEFT JOIN candidates k ON k.version = v.id WHERE m.name = " NAMED("?1")
		   " AND v.number = " NUMBER("?1"),
	  "was deleted" },
	{ "gate", "SELECT k.verdict, k.champion FROM registered_models m JOIN model_versions v ON v.model = m.id"
		  " JOIN candidates k ON k.version = v.id WHERE m.name = " NAMED(GATED) " AND v.number = " NUMBER(GATED),
	  "was deleted" },
	{ "alias", "SELECT p.how, p.actor, p.reason, p.before, p.after FROM promotions p JOIN registered_models m ON m.id = p.model"
		   " WHERE m.name = substr(" BEFORE ", 1, instr(" BEFORE ", '@') - 1)"
		   " AND p.alias = substr(" BEFORE ", instr(" BEFORE ", '@') + 1)"
		   " ORDER BY p.id LIMIT 1 OFFSET max(CAST(" AFTER " AS INTEGER) - 1, 0)",
	  "was deleted" },
	{ "approval", "SELECT alias, state, asker, actor, reason, decided FROM approvals WHERE id = " NUMBER("?1"), "was deleted" },
	{ "firing", "SELECT t.project, t.name AS trigger, f.cause, f.decision, f.outcome, f.actor FROM firings f"
		    " JOIN triggers t ON t.id = f.trigger WHERE f.id = " NUMBER("?1"),
	  "was deleted" },
	{ "window", "SELECT w.state, w.rows, w.start, w.stop FROM monitor_windows w JOIN monitors m ON m.id = w.monitor"
		    " WHERE m.name = " BEFORE " AND w.number = CAST(" AFTER " AS INTEGER)",
	  "its verdict is not here" },
	{ "logged", "SELECT name AS title, model_type AS type, status FROM logged_models WHERE model_id = ?1", "was deleted" },
	{ "dataset", "SELECT source_type, source FROM datasets WHERE name = " BEFORE " AND digest = " AFTER " LIMIT 1", NULL },
};

static void set_column(struct js *node, struct db_stmt *q, int column)
{
	switch (db_type(q, column)) {
	case DB_INT:
		js_set_int(node, db_column_name(q, column), db_int(q, column));
		break;
	case DB_TEXT:
		if (*db_text(q, column))
			js_set_str(node, db_column_name(q, column), db_text(q, column));
		break;
	default:
		break;
	}
}

static int add_facts(struct describing *d, struct js *node, const char *kind, const char *name, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		CLEANUP_STMT struct db_stmt *q = NULL;
		int r;

		if (strcmp(kind, facts[i].kind) != 0)
			continue;
		q = db_query(d->db, facts[i].sql);
		db_bind(q, 1, name);
		r = db_step(q, err);
		for (int k = 0; r > 0 && k < db_columns(q); k++)
			set_column(node, q, k);
		if (r == 0 && facts[i].hole)
			js_set_str(node, "hole", facts[i].hole);
		return r < 0 ? -1 : 0;
	}
	return 0;
}

/* ---- runs ---- */

static int add_pairs(struct describing *d, struct js *node, const char *key, const char *sql, const char *run, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(d->db, sql);
	CLEANUP_JS struct js *pairs = js_object();
	int r;

	db_bind(q, 1, run);
	while ((r = db_step(q, err)) > 0)
		js_set(pairs, db_text(q, 0), db_type(q, 1) == DB_REAL ? js_real(db_real(q, 1)) : js_str(db_text(q, 1)));
	if (js_len(pairs))
		js_set(node, key, steal(&pairs));
	return r;
}

static int describe_run(struct describing *d, struct js *node, const char *run, struct error *err)
{
	if (add_pairs(d, node, "params",
		      "SELECT p.key, p.value FROM params p JOIN runs r ON r.id = p.run WHERE r.run_id = ?1 ORDER BY p.key", run, err) < 0)
		return -1;
	return add_pairs(d, node, "metrics",
			 "SELECT m.key, iif(m.is_nan, 'NaN', m.value) FROM latest_metrics m JOIN runs r ON r.id = m.run"
			 " WHERE r.run_id = ?1 ORDER BY m.key", run, err);
}

/* ---- objects, commits ---- */

static int describe_object(struct describing *d, struct js *node, const char *name, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	CLEANUP_JS struct js *gone = NULL;
	struct content content;
	int r;

	if (!content_parse(name, &content))
		return 0;
	q = db_query(d->db, "SELECT size, files FROM contents WHERE digest = ?1 ORDER BY kind = 'tree' = ?2 DESC LIMIT 1");
	db_bind(q, 1, &content.id);
	db_bind(q, 2, content.kind == CONTENT_TREE);
	r = db_step(q, err);
	for (int k = 0; r > 0 && k < db_columns(q); k++)
		set_column(node, q, k);
	if (r >= 0)
		r = forgotten_find(d->db, &content.id, &gone, err);
	if (r < 0)
		return -1;
	if (gone)
		js_set(node, "forgotten", steal(&gone));
	if (r > 0)
		js_set_str(node, "hole", "was forgotten");
	else if (!store_has(d->store, &content.id))
		js_set_str(node, "hole", "its bytes are not here");
	return 0;
}

static int describe_commit(struct describing *d, struct js *node, const char *commit, struct error *err)
{
	char found[65];
	int r = git_resolve(d->ctx->project->root, commit, found, NULL);

	(void)err;
	if (r <= 0)
		js_set_str(node, "hole", r < 0 ? "git cannot be asked" : "it is not in this repository");
	return 0;
}

static const struct {
	const char *kind;
	int (*describe)(struct describing *, struct js *node, const char *name, struct error *);
} more[] = { { "run", describe_run }, { "object", describe_object }, { "commit", describe_commit } };

/* An object is known to people by where it was read or made. */
static void add_paths(struct js *graph)
{
	static const char *const ends[] = { "from", "to" };
	const struct js *nodes = js_get(graph, "nodes"), *edges = js_get(graph, "edges");

	for (size_t i = 0; i < js_len(edges); i++)
		for (size_t k = 0; k < ARRAY_LEN(ends); k++) {
			struct js *node = js_at(nodes, (size_t)js_get_int(js_at(edges, i), ends[k], 0));
			if (!strcmp(js_get_str(node, "kind"), "object") && !js_get(node, "path"))
				js_set_str(node, "path", js_get_str(js_at(edges, i), "path"));
		}
}

int lineage_describe(struct op_context *ctx, struct db *db, struct js *graph, struct error *err)
{
	struct describing d = { .ctx = ctx, .db = db };
	const struct js *nodes = js_get(graph, "nodes");
	int64_t holes = 0;

	if (project_store(ctx->project, &d.store, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(nodes); i++) {
		struct js *node = js_at(nodes, i);
		const char *kind = js_get_str(node, "kind"), *name = js_get_str(node, "name");

		if (add_facts(&d, node, kind, name, err) < 0)
			return -1;
		for (size_t k = 0; k < ARRAY_LEN(more); k++)
			if (!strcmp(kind, more[k].kind) && more[k].describe(&d, node, name, err) < 0)
				return -1;
		holes += js_get(node, "hole") != NULL;
	}
	js_set_int(graph, "holes", holes);
	add_paths(graph);
	return 0;
}
