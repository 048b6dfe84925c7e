/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to the records that it needs: models, their runs, the runs that made what those read. */
#include "api/bundle_gather.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/cache.h"
#include "registry/evidence.h"
#include "registry/files.h"
#include "registry/model_records.h"
#include "registry/models.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/records.h"
#include "registry/reproductions.h"

void gather_release(struct gather *g)
{
	js_free(g->roots);
	js_free(g->notes);
	js_free(g->missing);
	cleanup_fd(&g->scratch);
	free(g->facts);
	strlist_release(&g->runs);
	strmap_release(&g->seen);
	strmap_release(&g->subjects);
	strmap_release(&g->contents);
	free(g->list);
	bundle_objects_release(&g->trees);
	bundle_objects_release(&g->objects);
}

/* ---- facts ---- */

int gather_more(struct gather *g, const void *text, size_t len, struct error *err)
{
	struct bundle_fact *fact = &g->facts[g->nfacts - 1];

	if (io_write_all(g->scratch, text, len, "a file set aside", err) < 0)
		return -1;
	fact->size += len;
	g->scratch_len += len;
	return 0;
}

int gather_fact(struct gather *g, enum bundle_part part, const char *id, const void *text, size_t len, struct error *err)
{
	struct bundle_fact *fact;

	GROW(g->facts, g->nfacts, g->cap);
	fact = &g->facts[g->nfacts++];
	*fact = (struct bundle_fact){ .part = part, .at = g->scratch_len };
	bundle_name(part, id, fact->name);
	if (len > BUNDLE_FACT_MAX)
		return error_set(err, ERR_TOO_LARGE, "%s has %zu bytes: too much for a bundle", fact->name, len);
	return gather_more(g, text, len, err);
}

int gather_json(struct gather *g, enum bundle_part part, const char *id, const struct js *json, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	js_dump(json, JS_CANONICAL, &text);
	return gather_fact(g, part, id, text.buf, text.len, err);
}

static int take_content(void *ctx, const struct content *content)
{
	struct gather *g = ctx;
	char text[CONTENT_TEXT];

	if (content->kind == CONTENT_ABSENT || strmap_has(&g->contents, content_format(content, text)))
		return 0;
	GROW(g->list, g->ncontents, g->contents_cap);
	g->list[g->ncontents++] = *content;
	strmap_set(&g->contents, text, g);
	return 0;
}

static void add_subject(struct gather *g, const char *subject)
{
	strmap_set(&g->subjects, subject, g);
}

static void note(struct gather *g, char *text)
{
	js_push_str(g->notes, text);
	free(text);
}

/* ---- runs ---- */

/* Queued once. A run that is not known here is another machine's. */
static int want_run(struct gather *g, const char *id, struct error *err)
{
	struct error why = { 0 };
	char top[33];

	if (record_top(g->db, id, top, &why) < 0) {
		if (why.code == ERR_NOT_FOUND) {
			note(g, xasprintf("run %.8s is not known here", id));
			return 0;
		}
		if (err)
			*err = why;
		return -1;
	}
	if (strmap_has(&g->seen, top))
		return 0;
	strmap_set(&g->seen, top, g);
	strlist_push(&g->runs, top);
	return 0;
}

struct making {
	struct gather *gather;
	struct error *err;
	const struct strmap *made; /* contents that the run made itself */
};

/* What a run read was made by some other one, or added by hand. */
static int want_maker(void *ctx, const struct content *content)
{
	struct making *m = ctx;
	char run[33], text[CONTENT_TEXT];
	CLEANUP(cleanup_free) char *path = NULL;
	int r;

	if (strmap_has(m->made, content_format(content, text)))
		return 0;
	r = content_maker(m->gather->db, NULL, content, run, &path, m->err);
	return r <= 0 ? r : want_run(m->gather, run, m->err);
}

static int want_sources(struct gather *g, const struct js *record, struct error *err)
{
	const struct js *runs = js_get(record, "runs"), *attempts = js_get(record, "attempts");
	struct strmap made CLEANUP(strmap_release) = STRMAP_INIT;
	struct making m = { g, err, &made };

	for (size_t i = 0; i < js_len(runs); i++) {
		const struct js *outputs = js_get(js_at(runs, i), "outputs");

		add_subject(g, js_get_str(js_at(runs, i), "run_id"));
		for (size_t k = 0; k < js_len(outputs); k++)
			strmap_set(&made, js_get_str(js_at(outputs, k), "content"), g);
	}
	for (size_t i = 0; i < js_len(attempts); i++) {
		const char *source = js_get_str(js_at(attempts, i), "source");

		if (source && want_run(g, source, err) < 0)
			return -1;
	}
	return record_each_content(record, want_maker, &m, err);
}

static int add_run(struct gather *g, const char *id, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	struct error why = { 0 };

	if (record_export(g->db, id, &record, &why) < 0) {
		if (why.code != ERR_CONFLICT || !g->whole) {
			if (err)
				*err = why;
			return -1;
		}
		note(g, xasprintf("run %.8s goes on, and is left out", id));
		return 0;
	}
	if (gather_json(g, PART_RUN, id, record, err) < 0 || record_each_content(record, take_content, g, err) < 0)
		return -1;
	return want_sources(g, record, err);
}

static int add_runs(struct gather *g, struct error *err)
{
	for (size_t i = 0; i < g->runs.len; i++)
		if (add_run(g, g->runs.items[i], err) < 0)
			return -1;
	return 0;
}

/* ---- models and data ---- */

struct queue {
	struct gather *gather;
	struct error *err;
};

static int queue_run(void *ctx, const char *id)
{
	struct queue *q = ctx;

	return want_run(q->gather, id, q->err);
}

static void name_hex(const char *name, char ret[DIGEST_HEX + 1])
{
	struct digest id;

	digest_of(name, strlen(name), &id);
	digest_format(&id, ret);
}

static void add_model_subjects(struct gather *g, const struct js *record)
{
	const char *name = js_get_str(record, "name");
	const struct js *versions = js_get(record, "versions"), *moves = js_get(record, "moves");

	add_subject(g, name);
	for (size_t i = 0; i < js_len(versions); i++) {
		CLEANUP(cleanup_free) char *subject =
			xasprintf("%s@v%lld", name, (long long)js_get_int(js_at(versions, i), "number", 0));

		add_subject(g, subject);
	}
	for (size_t i = 0; i < js_len(moves); i++) {
		CLEANUP(cleanup_free) char *subject = xasprintf("%s@%s", name, js_get_str(js_at(moves, i), "alias"));

		add_subject(g, subject);
	}
}

static int add_model(struct gather *g, const char *name, int64_t number, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	struct queue q = { g, err };
	char hex[DIGEST_HEX + 1];

	name_hex(name, hex);
	if (model_record_export(g->db, name, number, &record, err) < 0 || gather_json(g, PART_MODEL, hex, record, err) < 0)
		return -1;
	model_record_each_content(record, take_content, g);
	add_model_subjects(g, record);
	return model_record_each_run(record, queue_run, &q);
}

static int add_data(struct gather *g, const char *name, int64_t number, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	const struct js *versions;
	char hex[DIGEST_HEX + 1];

	if (artifact_record_export(g->db, name, number, &record, err) < 0)
		return -1;
	name_hex(js_get_str(record, "name"), hex);
	if (gather_json(g, PART_DATA, hex, record, err) < 0)
		return -1;
	artifact_record_each_content(record, take_content, g);
	add_subject(g, name);
	versions = js_get(record, "versions");
	for (size_t i = 0; i < js_len(versions); i++) {
		const char *run = js_get_str(js_at(versions, i), "run");
		CLEANUP(cleanup_free) char *subject =
			xasprintf("%s@v%lld", name, (long long)js_get_int(js_at(versions, i), "number", 0));

		add_subject(g, subject);
		if (run && want_run(g, run, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the project ---- */

static int take_model(void *ctx, const char *name)
{
	struct queue *q = ctx;

	return add_model(q->gather, name, 0, q->err);
}

static int take_data(void *ctx, const char *name)
{
	struct queue *q = ctx;

	return add_data(q->gather, name, 0, q->err);
}

static int take_result(void *ctx, const struct digest *key)
{
	struct queue *q = ctx;
	struct cache_entry entry CLEANUP(cache_entry_release) = { .created_ms = 0 };
	CLEANUP_JS struct js *json = NULL;
	char hex[DIGEST_HEX + 1];
	int r = cache_find(q->gather->db, key, &entry, q->err);

	/* what a person accepted goes with mlops.lock, where it is seen */
	if (r <= 0 || entry.accepted)
		return r < 0 ? -1 : 0;
	digest_format(key, hex);
	if (cache_export(q->gather->db, key, &json, q->err) < 0 || gather_json(q->gather, PART_RESULT, hex, json, q->err) < 0)
		return -1;
	for (size_t i = 0; i < entry.noutputs; i++)
		take_content(q->gather, &entry.outputs[i].content);
	return 0;
}

static int add_project(struct gather *g, struct error *err)
{
	CLEANUP(strlist_release) struct strlist runs = STRLIST_INIT;
	struct queue q = { g, err };

	g->whole = true;
	if (records_runs(g->db, &runs, err) < 0)
		return -1;
	for (size_t i = 0; i < runs.len; i++)
		if (want_run(g, runs.items[i], err) < 0)
			return -1;
	return evidence_models(g->db, take_model, &q, err) < 0 || evidence_data(g->db, take_data, &q, err) < 0 ||
			       cache_each_key(g->db, take_result, &q, err) < 0
		       ? -1
		       : 0;
}

/* ---- a name ---- */

static int add_named(struct gather *g, const char *text, struct error *err)
{
	CLEANUP(cleanup_free) char *root = NULL;
	struct name name;
	int64_t model;
	int r;

	if (!strchr(text, '@') && model_row(g->db, text, &model, NULL) == 0) {
		js_push_str(g->roots, text);
		return add_model(g, text, 0, err);
	}
	if (name_resolve(g->ctx->project, text, ACCEPT_RUN | ACCEPT_ARTIFACT | ACCEPT_VERSION, &name, err) < 0)
		return -1;
	if (name.kind == NAME_RUN) {
		js_push_str(g->roots, name.run);
		return want_run(g, name.run, err);
	}
	root = xasprintf("%s@v%lld", name.artifact, (long long)name.version);
	add_subject(g, root);
	r = name.kind == NAME_VERSION ? add_model(g, name.artifact, name.version, err)
				      : add_data(g, name.artifact, name.version, err);
	js_push_str(g->roots, root);
	return r;
}

int gather_all(struct gather *g, const char *name, struct error *err)
{
	bool left;

	g->scratch = io_scratch(err);
	if (g->scratch < 0 || project_db(g->ctx->project, &g->db, err) < 0 || project_store(g->ctx->project, &g->store, err) < 0 ||
	    files_seal(g->ctx->project, &left, err) < 0)
		return -1;
	if (!strcmp(name, "."))
		js_push_str(g->roots, name);
	if ((strcmp(name, ".") ? add_named(g, name, err) : add_project(g, err)) < 0 || add_runs(g, err) < 0)
		return -1;
	return gather_evidence(g, err) < 0 ? -1 : gather_objects(g, err);
}
