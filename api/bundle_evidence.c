/* SPDX-License-Identifier: Apache-2.0 */
/* What proves the rest of a bundle: signed statements, the log, the keys that signed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/bundle_gather.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/attestations.h"
#include "registry/evidence.h"
#include "registry/lineage.h"
#include "registry/project.h"
#include "registry/reproductions.h"
#include "registry/signing_keys.h"
#include "store/store.h"
#include "store/tree.h"

#define ENVELOPE_MAX (16u << 20)
#define LINEAGE_NODES 4000 /* of each root: the records tell the rest */

#define PEM_MAX 4096

/* ---- keys ---- */

/* Those with which what is here may be verified: our own, those we trust, and those that came with statements of others. */
struct keys {
	struct gather *gather;
	struct error *err;
	struct strmap known; /* id -> PEM, owned */
};

static void keys_release(struct keys *keys)
{
	for (size_t i = 0; i < keys->known.len; i++)
		free(keys->known.entries[i].value);
	strmap_release(&keys->known);
}

static int add_key(struct keys *keys, const char *id, const char *pem)
{
	if (strmap_has(&keys->known, id))
		return 0;
	strmap_set(&keys->known, id, xstrdup(pem));
	return gather_fact(keys->gather, PART_KEY, id, pem, strlen(pem), keys->err);
}

static int add_own_keys(struct keys *keys)
{
	CLEANUP_JS struct js *list = NULL;

	if (signing_keys_list(keys->gather->db, &list, keys->err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(list); i++)
		if (add_key(keys, js_get_str(js_at(list, i), "id"), js_get_str(js_at(list, i), "public")) < 0)
			return -1;
	return 0;
}

/* Of evidence that is not here any more there are none. */
static int add_imported_keys(void *ctx, const struct content *evidence)
{
	struct keys *keys = ctx;
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	static const char prefix[] = "keys/";

	if (tree_read(keys->gather->store, &evidence->id, &tree, NULL) < 0)
		return 0;
	for (size_t i = 0; i < tree.len; i++) {
		const char *path = tree.entries[i].path;
		CLEANUP_STRBUF struct strbuf pem = STRBUF_INIT;
		char id[SIGN_ID + 1];

		if (strncmp(path, prefix, sizeof(prefix) - 1) != 0 || strlen(path) < sizeof(prefix) - 1 + SIGN_ID ||
		    store_read(keys->gather->store, &tree.entries[i].id, PEM_MAX, &pem, NULL) < 0)
			continue;
		snprintf(id, sizeof(id), "%s", path + sizeof(prefix) - 1);
		if (add_key(keys, id, pem.buf) < 0)
			return -1;
	}
	return 0;
}

/* ---- statements ---- */

static int add_envelope(struct gather *g, const char *text, struct strmap *seen, struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	struct content content;
	char hex[DIGEST_HEX + 1];

	if (!content_parse(text, &content))
		return error_set(err, ERR_DAMAGED, "a statement is no content: %.80s", text);
	digest_format(&content.id, hex);
	if (strmap_set(seen, hex, g))
		return 0;
	return store_read(g->store, &content.id, ENVELOPE_MAX, &bytes, err) < 0
		       ? -1
		       : gather_fact(g, PART_ENVELOPE, hex, bytes.buf, bytes.len, err);
}

static int add_statement(struct gather *g, const struct js *row, struct js *list, struct strmap *seen, struct error *err)
{
	static const char *const keys[] = { "subject", "predicate", "key" };
	const char *content = js_get_str(row, "content");
	struct js *statement;

	if (add_envelope(g, content, seen, err) < 0)
		return -1;
	statement = js_object();
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		js_set_str(statement, keys[i], js_get_str(row, keys[i]));
	js_set_str(statement, "sha256", strchr(content, ':') + 1);
	js_set_int(statement, "time", js_get_int(row, "time", 0));
	js_push(list, statement);
	return 0;
}

static void note_unknown(struct gather *g, const struct js *row)
{
	CLEANUP(cleanup_free) char *note =
		xasprintf("a statement about %s is left out: nobody here knows key %.16s", js_get_str(row, "subject"),
			  js_get_str(row, "key"));

	js_push_str(g->notes, note);
}

static int add_statements(struct gather *g, const struct keys *keys, struct error *err)
{
	struct strmap seen CLEANUP(strmap_release) = STRMAP_INIT;
	CLEANUP_JS struct js *list = js_array();

	for (size_t i = 0; i < g->subjects.len; i++) {
		CLEANUP_JS struct js *rows = NULL;

		if (attestations_list(g->db, g->subjects.entries[i].key, &rows, err) < 0)
			return -1;
		for (size_t k = 0; k < js_len(rows); k++) {
			const struct js *row = js_at(rows, k);

			if (!strmap_has(&keys->known, js_get_str(row, "key")))
				note_unknown(g, row);
			else if (add_statement(g, row, list, &seen, err) < 0)
				return -1;
		}
	}
	return js_len(list) ? gather_json(g, PART_STATEMENTS, "", list, err) : 0;
}

static int add_reproductions(struct gather *g, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();

	for (size_t i = 0; i < g->subjects.len; i++) {
		CLEANUP_JS struct js *rows = NULL;

		if (reproductions_list(g->db, g->subjects.entries[i].key, &rows, err) < 0)
			return -1;
		for (size_t k = 0; k < js_len(rows); k++)
			js_push(list, js_ref(js_at(rows, k)));
	}
	return js_len(list) ? gather_json(g, PART_REPRODUCTIONS, "", list, err) : 0;
}

/* ---- lineage ---- */

static const char *root_kind(struct gather *g, const char *root)
{
	static const char *const kinds[] = { "model", "version", "run" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (lineage_has(g->db, kinds[i], root, NULL) > 0)
			return kinds[i];
	return NULL;
}

static int add_lineage(struct gather *g, struct error *err)
{
	CLEANUP_JS struct js *all = js_object();

	for (size_t i = 0; i < js_len(g->roots); i++) {
		const char *root = js_text(js_at(g->roots, i)), *kind = root_kind(g, root);
		const struct lineage_query query = { .kind = kind, .name = root, .up = true, .max_nodes = LINEAGE_NODES };
		struct js *graph;

		if (!kind)
			continue;
		if (lineage_walk(g->db, &query, &graph, err) < 0)
			return -1;
		js_set(all, root, graph);
	}
	return js_len(all) ? gather_json(g, PART_LINEAGE, "", all, err) : 0;
}

/* ---- the log ---- */

struct events {
	struct gather *gather;
	int64_t *seqs;
	size_t len, cap;
	struct error *err;
};

static int take_seq(void *ctx, int64_t seq)
{
	struct events *e = ctx;

	GROW(e->seqs, e->len, e->cap);
	e->seqs[e->len++] = seq;
	return 0;
}

static int take_leaf(void *ctx, const char *line, size_t len)
{
	struct events *e = ctx;

	return gather_more(e->gather, line, len, e->err);
}

static int add_proofs(struct gather *g, const struct events *events, const struct checkpoint *checkpoint, struct error *err)
{
	for (size_t i = 0; i < events->len; i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		char seq[24];

		snprintf(seq, sizeof(seq), "%lld", (long long)events->seqs[i]);
		if (audit_proof(g->db, events->seqs[i], checkpoint, &text, err) < 0 ||
		    gather_fact(g, PART_PROOF, seq, text.buf, text.len, err) < 0)
			return -1;
	}
	return 0;
}

/* 1; 0: nobody can sign one now, which a note tells. */
static int find_checkpoint(struct gather *g, int64_t seq, struct checkpoint *ret, struct error *err)
{
	CLEANUP_JS struct js *notes = NULL;
	struct error why = { 0 };
	int r = evidence_checkpoint(g->db, seq, ret, err);

	if (r != 0)
		return r;
	if (checkpoint_make(g->ctx->project, ret, &notes, &why) == 0)
		return 1;
	if (why.code != ERR_NOT_FOUND && why.code != ERR_AUTH) {
		if (err)
			*err = why;
		return -1;
	}
	js_push_str(g->notes, "the bundle has no proofs of the audit log: no checkpoint can be signed");
	js_push_str(g->notes, why.msg);
	return 0;
}

static int add_log(struct gather *g, struct error *err)
{
	struct events events = { .gather = g, .err = err };
	CLEANUP(cleanup_free) int64_t *seqs = NULL;
	struct checkpoint checkpoint CLEANUP(checkpoint_release) = { 0 };
	int r;

	r = evidence_events(g->db, g->whole ? NULL : &g->subjects, take_seq, &events, err);
	seqs = events.seqs;
	if (r < 0 || !events.len)
		return r;
	r = find_checkpoint(g, seqs[events.len - 1], &checkpoint, err);
	if (r <= 0)
		return r;
	if (gather_fact(g, PART_CHECKPOINT, "", checkpoint.note, strlen(checkpoint.note), err) < 0)
		return -1;
	if (!g->whole)
		return add_proofs(g, &events, &checkpoint, err);
	return gather_fact(g, PART_EVENTS, "", "", 0, err) < 0
		       ? -1
		       : evidence_leaves(g->db, checkpoint.size, take_leaf, &events, err);
}

int gather_evidence(struct gather *g, struct error *err)
{
	CLEANUP(keys_release) struct keys keys = { g, err, STRMAP_INIT };

	if (signing_keys_begin(g->ctx->project, err) < 0 || add_own_keys(&keys) < 0 ||
	    imports_each(g->db, add_imported_keys, &keys, err) < 0 || add_statements(g, &keys, err) < 0)
		return -1;
	return add_reproductions(g, err) < 0 || add_lineage(g, err) < 0 ? -1 : add_log(g, err);
}
