/* SPDX-License-Identifier: Apache-2.0 */
/* Records of models that others wrote, and that were checked: compared with what is here, and what is new is added. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/candidates.h"
#include "registry/cards.h"
#include "registry/events.h"
#include "registry/model_records.h"
#include "registry/model_records_internal.h"
#include "registry/models.h"
#include "registry/models_internal.h"
#include "registry/promotions.h"
#include "registry/records_internal.h"
#include "registry/version_source.h"
#include "registry/versions.h"

static struct js *tag_list(const struct js *tags)
{
	struct js *list = js_array();

	for (void *it = js_iter(tags); it; it = js_next(tags, it)) {
		struct js *pair = js_object();

		js_set_str(pair, "key", js_iter_key(it));
		js_set_str(pair, "value", js_text(js_iter_value(it)));
		js_push(list, pair);
	}
	return list;
}

/* Takes the body, which may be NULL. */
static int write_event(struct db *db, const struct model_import *import, const char *operation, const char *subject,
		       struct js *of, struct error *err)
{
	CLEANUP_JS struct js *body = of ? of : js_object();
	const struct event event = {
		.actor = import->actor, .origin = import->origin, .operation = operation, .subject = subject,
		.after = js_get_str(body, "stage"), .body = body,
	};

	js_set_str(body, "bundle", import->from);
	return event_append(db, &event, import->now_ms, NULL, err);
}

/* 1: *ret tells whether the event that made it, before `until`, was an import's; 0: no event of this name did. */
static int made_by_import(struct db *db, const char *model, int64_t number, int64_t until, bool *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *subject = xasprintf("%s@v%lld", model, (long long)number);
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT json_extract(body, '$.bundle') IS NOT NULL FROM events WHERE subject = ?1"
			     " AND operation = 'version.create' AND seq < ?2 ORDER BY seq DESC LIMIT 1");
	int r;

	db_bind(q, 1, subject);
	db_bind(q, 2, until);
	r = db_step(q, err);
	if (r > 0)
		*ret = db_int(q, 0);
	return r;
}

/* 1: what it was called before its newest renaming ahead of `until`, which becomes that one's event. */
static int find_old_name(struct db *db, char **name, int64_t *until, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT before, seq FROM events WHERE operation = 'model.rename'"
						      " AND after = ?1 AND seq < ?2 AND before IS NOT NULL ORDER BY seq DESC LIMIT 1");
	int r;

	db_bind(q, 1, *name);
	db_bind(q, 2, *until);
	r = db_step(q, err);
	if (r > 0) {
		free(*name);
		*name = xstrdup(db_text(q, 0));
		*until = db_int(q, 1);
	}
	return r;
}

int model_version_imported(struct db *db, const char *model, int64_t number, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xstrdup(model);
	int64_t until = INT64_MAX;
	bool imported = false;
	int r;

	while ((r = made_by_import(db, name, number, until, &imported, err)) == 0)
		if ((r = find_old_name(db, &name, &until, err)) <= 0)
			return r;
	return r < 0 ? -1 : imported;
}

static struct js *body_of(const struct js *from, const char *const *keys, size_t n)
{
	struct js *body = js_object();

	for (size_t i = 0; i < n; i++)
		if (js_get(from, keys[i]))
			js_set(body, keys[i], js_ref(js_get(from, keys[i])));
	return body;
}

/* What came with a version is told by the events that would have told it here. */
static int write_events(struct db *db, const struct model_import *import, const char *subject, const struct js *version,
			struct error *err)
{
	static const char *const made[] = { "run_id", "source" }, *const judged[] = { "verdict", "lines" }, *const staged[] = { "stage" };
	static const char *const rejected[] = { "rejected" };
	const struct js *candidate = js_get(version, "candidate");
	struct js *body = body_of(version, made, ARRAY_LEN(made));

	js_set_str(body, "content", js_get_str(js_get(candidate, "content"), "content"));
	if (write_event(db, import, "version.create", subject, body, err) < 0)
		return -1;
	if (candidate && write_event(db, import, "gate.judge", subject, body_of(candidate, judged, ARRAY_LEN(judged)), err) < 0)
		return -1;
	if (js_get(version, "rejected") &&
	    write_event(db, import, "model.reject", subject, body_of(version, rejected, ARRAY_LEN(rejected)), err) < 0)
		return -1;
	return strcmp(js_get_str(version, "stage"), "None") != 0
		       ? write_event(db, import, "version.stage", subject, body_of(version, staged, ARRAY_LEN(staged)), err)
		       : 0;
}

/* Files of runs and models that came along are here. All else stays where it is, and is asked for by nobody: a source
 * that strangers chose must not make this machine open it. */
static int put_version(struct db *db, int64_t model, const char *name, const struct js *version, int64_t *ret,
		       struct model_import *import, struct error *err)
{
	CLEANUP_JS struct js *tags = tag_list(js_get(version, "tags"));
	struct version_source from CLEANUP(version_source_release) = { 0 };
	CLEANUP(cleanup_free) char *elsewhere = xasprintf("elsewhere:%s", js_get_str(version, "source")), *note = NULL;
	const struct version_new new = {
		.model = name,
		.source = js_get_str(version, "source"),
		.run_id = js_get_str(version, "run_id"),
		.run_link = js_get_str(version, "run_link"),
		.description = js_get_str(version, "description"),
		.model_id = js_get_str(version, "model_id"),
		.tags = tags,
	};
	struct error why = { 0 };
	bool here = version_source_resolve(db, &new, false, &from, &why) == 0;

	if (!here && why.code != ERR_NOT_FOUND && why.code != ERR_USAGE) {
		if (err)
			*err = why;
		return -1;
	}
	if (!here) {
		note = xasprintf("%s@v%lld: its files are where it came from: %s", name,
				 (long long)js_get_int(version, "number", 0), new.source);
		js_push_str(import->notes, note);
	}
	return version_put(db, model, js_get_int(version, "number", 0), &new, here ? from.location : elsewhere,
			   js_get_int(version, "created", 0), ret, err);
}

static int read_file(const char *role, const struct js *json, struct candidate_file *ret, struct error *err)
{
	ret->role = role;
	ret->path = js_get_str(json, "path");
	return record_content(json, &ret->content, err);
}

static int put_candidate(struct db *db, int64_t row, const struct js *candidate, struct error *err)
{
	const struct js *files = js_get(candidate, "files");
	struct content content = { 0 }, reference = { 0 };
	struct candidate_file kept[MODEL_RECORD_FILES], policy;
	struct candidate_new new = {
		.content = &content,
		.files = kept,
		.spec = js_get(candidate, "spec"),
		.lines = js_get(candidate, "lines"),
		.metrics = js_get(candidate, "metrics"),
		.champion = js_get_int(candidate, "champion", 0),
		.author = js_get_str(candidate, "author"),
		.committer = js_get_str(candidate, "committer"),
		.now_ms = js_get_int(candidate, "judged", 0),
	};

	if (!candidate)
		return 0;
	new.passed = !strcmp(js_get_str(candidate, "verdict"), "passed");
	if (record_content(js_get(candidate, "content"), &content, err) < 0)
		return -1;
	if (js_get(candidate, "reference")) {
		if (record_content(js_get(candidate, "reference"), &reference, err) < 0)
			return -1;
		new.reference = &reference;
	}
	for (void *it = js_iter(files); it; it = js_next(files, it))
		if (read_file(js_iter_key(it), js_iter_value(it), &kept[new.nfiles++], err) < 0)
			return -1;
	if (js_get(candidate, "policy")) {
		if (read_file(NULL, js_get(candidate, "policy"), &policy, err) < 0)
			return -1;
		new.policy = &policy;
	}
	return candidate_put(db, row, &new, err);
}

static int put_card(struct db *db, const char *name, int64_t number, const struct js *card, struct error *err)
{
	struct content json, markdown;

	if (!card)
		return 0;
	if (record_content(js_get(card, "json"), &json, err) < 0 || record_content(js_get(card, "markdown"), &markdown, err) < 0)
		return -1;
	return card_store(db, name, number, &json, &markdown, js_get_int(card, "time", 0), err) < 0 ? -1 : 0;
}

static int put_rest(struct db *db, const char *name, int64_t row, const struct js *version, struct error *err)
{
	int64_t number = js_get_int(version, "number", 0);
	const char *rejected = js_get_str(version, "rejected"), *before;

	if (put_candidate(db, row, js_get(version, "candidate"), err) < 0 ||
	    put_card(db, name, number, js_get(version, "card"), err) < 0)
		return -1;
	if (rejected && version_reject(db, name, number, rejected, err) < 0)
		return -1;
	return strcmp(js_get_str(version, "stage"), "None") != 0
		       ? version_set_stage(db, name, number, js_get_str(version, "stage"), false,
					   js_get_int(version, "created", 0), &before, err)
		       : 0;
}

/* What a version is, for ever; texts and tags of it may change. */
static int is_same(struct db *db, int64_t row, const struct js *version, bool *ret, struct error *err)
{
	static const char *const keys[] = { "source", "run_id", "model_id", "candidate" };
	CLEANUP_JS struct js *here = NULL;

	if (model_version_record(db, row, &here, err) < 0)
		return -1;
	*ret = true;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct js *a = js_get(here, keys[i]), *b = js_get(version, keys[i]);

		if (a != b && (!a || !b || !js_equal(a, b)))
			*ret = false;
	}
	return 0;
}

/* 1: its row; 0: there is none; -1. */
static int find_version(struct db *db, int64_t model, int64_t number, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id FROM model_versions WHERE model = ?1 AND number = ?2");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, number);
	r = db_step(q, err);
	if (r > 0)
		*ret = db_int(q, 0);
	return r;
}

static int take_version(struct db *db, int64_t model, const char *name, const struct js *version,
			struct model_import *import, struct error *err)
{
	int64_t number = js_get_int(version, "number", 0), row;
	CLEANUP(cleanup_free) char *subject = xasprintf("%s@v%lld", name, (long long)number);
	int r = find_version(db, model, number, &row, err);
	bool same;

	if (r < 0)
		return -1;
	if (r > 0) {
		if (is_same(db, row, version, &same, err) < 0)
			return -1;
		if (same)
			return 0;
		error_set(err, ERR_CONFLICT, "%s is another version here than in the bundle", subject);
		return error_help(err, "import it into a project of its own: mlops init DIRECTORY");
	}
	if (put_version(db, model, name, version, &row, import, err) < 0 || put_rest(db, name, row, version, err) < 0)
		return -1;
	import->versions++;
	return write_events(db, import, subject, version, err);
}

static int take_aliases(struct db *db, const struct js *record, bool is_new, struct model_import *import, struct error *err)
{
	const struct js *aliases = js_get(record, "aliases");
	const char *name = js_get_str(record, "name");

	for (void *it = js_iter(aliases); it; it = js_next(aliases, it)) {
		const struct promotion move = {
			.model = name, .alias = js_iter_key(it), .number = js_int_value(js_iter_value(it)),
			.how = PROMOTED_BY_PERSON, .actor = import->actor, .reason = import->from, .origin = import->origin,
			.now_ms = import->now_ms,
		};
		struct error why = { 0 };
		int64_t here = 0;

		if (is_new) {
			if (promotion_do(db, &move, &here, err) < 0 || version_unreject(db, name, move.number, err) < 0)
				return -1;
			import->aliases++;
		} else if (alias_find(db, name, move.alias, &here, &why) < 0 || here != move.number) {
			CLEANUP(cleanup_free) char *note =
				xasprintf("%s@%s is not moved: the model was here before; by hand: mlops model promote %s@v%lld --alias %s", name,
					  move.alias, name, (long long)move.number, move.alias);

			js_push_str(import->notes, note);
		}
	}
	return 0;
}

int model_record_import(struct db *db, const struct js *record, struct model_import *import, struct error *err)
{
	const char *name = js_get_str(record, "name");
	const struct js *versions = js_get(record, "versions");
	CLEANUP_JS struct js *tags = tag_list(js_get(record, "tags"));
	int64_t model;
	int known = model_find(db, name, &model, err);

	if (known < 0)
		return -1;
	if (!known && (model_create(db, name, js_get_str(record, "description"), tags, js_get_int(record, "created", 0), err) < 0 ||
		       model_row(db, name, &model, err) < 0 || write_event(db, import, "model.create", name, NULL, err) < 0))
		return -1;
	for (size_t i = 0; i < js_len(versions); i++)
		if (take_version(db, model, name, js_at(versions, i), import, err) < 0)
			return -1;
	return take_aliases(db, record, !known, import, err);
}
