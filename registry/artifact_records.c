/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of data that others recorded. Writing them is model_records.c's. */
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/artifacts.h"
#include "registry/events.h"
#include "registry/model_records.h"
#include "registry/model_records_internal.h"
#include "registry/records_internal.h"

#define BAD(...) error_set(err, ERR_DAMAGED, __VA_ARGS__)

static int check_version(const struct js *version, int64_t before, struct error *err)
{
	static const struct record_member members[] = {
		{ "number", JS_INT, false },  { "content", JS_STR, false }, { "size", JS_INT, false }, { "files", JS_INT, false },
		{ "created", JS_INT, false }, { "run", JS_STR, true },	    { "actor", JS_STR, false },
	};
	const char *run = js_get_str(version, "run");
	struct content content;
	int64_t created;

	if (record_members(version, "a version", members, ARRAY_LEN(members), err) < 0 ||
	    record_content(version, &content, err) < 0)
		return -1;
	created = js_get_int(version, "created", -1);
	if (js_get_int(version, "number", 0) <= before || created < 0 || created >= RECORD_TIME_MAX ||
	    !record_text_plain(js_get_str(version, "actor")) ||
	    (run && (strlen(run) != 32 || strspn(run, "0123456789abcdef") != 32)))
		return BAD("version %lld is impossible", (long long)js_get_int(version, "number", 0));
	return 0;
}

int artifact_record_read(const char *text, size_t len, struct js **ret, struct error *err)
{
	static const struct record_member members[] = {
		{ "version", JS_INT, false }, { "name", JS_STR, false }, { "versions", JS_ARRAY, false },
	};
	CLEANUP_JS struct js *record = NULL;
	CLEANUP(cleanup_free) char *path = NULL;
	const struct js *versions;
	int64_t before = 0;

	if (record_parse(text, len, "the record", &record, err) < 0 ||
	    record_members(record, "the record", members, ARRAY_LEN(members), err) < 0)
		return -1;
	if (js_get_int(record, "version", 0) != MODEL_RECORD_VERSION)
		return BAD("the record has version %lld, and this program knows %d", (long long)js_get_int(record, "version", 0),
			   MODEL_RECORD_VERSION);
	path = record_path_read(js_get_str(record, "name"));
	if (!path || !record_path_travels(path))
		return BAD("'%.80s' is no path of a project", js_get_str(record, "name"));
	versions = js_get(record, "versions");
	for (size_t i = 0; i < js_len(versions); i++) {
		if (check_version(js_at(versions, i), before, err) < 0)
			return error_wrap(err, "%.80s", path);
		before = js_get_int(js_at(versions, i), "number", 0);
	}
	if (record_canonical(record, text, len, "the record", err) < 0)
		return -1;
	*ret = steal(&record);
	return 0;
}

int artifact_record_each_content(const struct js *record, int (*each)(void *ctx, const struct content *), void *ctx)
{
	const struct js *versions = js_get(record, "versions");
	struct content content;

	for (size_t i = 0; i < js_len(versions); i++)
		if (record_content(js_at(versions, i), &content, NULL) == 0 && each(ctx, &content) < 0)
			return -1;
	return 0;
}

/* 1: a version has this content; 0; -1 */
static int has_content(struct db *db, const char *name, const struct content *content, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT 1 FROM artifacts a JOIN artifact_versions v ON v.artifact = a.id"
			     " JOIN contents c ON c.id = v.content WHERE a.name = ?1 AND c.digest = ?2 AND c.kind = ?3 LIMIT 1");

	db_bind(q, 1, name);
	db_bind(q, 2, &content->id);
	db_bind(q, 3, content_kind_name(content->kind));
	return db_step(q, err);
}

static int last_number(struct db *db, const char *name, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT last_number FROM artifacts WHERE name = ?1");
	int r;

	db_bind(q, 1, name);
	r = db_step(q, err);
	*ret = r > 0 ? db_int(q, 0) : 0;
	return r < 0 ? -1 : 0;
}

/* Numbers that nobody gave here stay free, so that the next version of a path that came along has its own number. */
static int skip_numbers(struct db *db, const char *name, int64_t before, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO artifacts (name, last_number) VALUES (?1, ?2)"
					 " ON CONFLICT (name) DO UPDATE SET last_number = ?2");

	db_bind(q, 1, name);
	db_bind(q, 2, before);
	return db_run(q, err);
}

/* The run stands there when it came along. */
static int known_run(struct db *db, const char *run, bool *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM runs WHERE run_id = ?1");
	int r;

	db_bind(q, 1, run ? run : "");
	r = db_step(q, err);
	*ret = r > 0;
	return r < 0 ? -1 : 0;
}

/* What no run made, an event tells of, as when it is added here. */
static int note_event(struct db *db, const char *name, int64_t number, const struct content *content,
		      const struct model_import *import, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();
	char text[CONTENT_TEXT];
	const struct event event = {
		.actor = import->actor, .origin = import->origin, .operation = "data.add", .subject = name,
		.after = content_format(content, text), .body = body,
	};

	js_set_int(body, "version", number);
	js_set_str(body, "bundle", import->from);
	return event_append(db, &event, import->now_ms, NULL, err);
}

static int take_version(struct db *db, const char *name, const struct js *version, struct model_import *import,
			struct error *err)
{
	int64_t number = js_get_int(version, "number", 0), last, given, row;
	struct content content;
	bool is_new, with_run;

	if (record_content(version, &content, err) < 0 || record_content_row(db, &content, &row, err) < 0 ||
	    last_number(db, name, &last, err) < 0 || known_run(db, js_get_str(version, "run"), &with_run, err) < 0 ||
	    (number > last + 1 && skip_numbers(db, name, number - 1, err) < 0) ||
	    artifact_record(db, name, &content, with_run ? js_get_str(version, "run") : NULL, js_get_str(version, "actor"),
			    js_get_int(version, "created", 0), &given, &is_new, err) < 0)
		return -1;
	if (given != number) {
		CLEANUP(cleanup_free) char *note = xasprintf("%s@v%lld of the bundle is v%lld here", name, (long long)number,
							     (long long)given);

		js_push_str(import->notes, note);
	}
	import->data += is_new;
	return with_run ? 0 : note_event(db, name, given, &content, import, err);
}

int artifact_record_import(struct db *db, const struct js *record, struct model_import *import, struct error *err)
{
	CLEANUP(cleanup_free) char *name = record_path_read(js_get_str(record, "name"));
	const struct js *versions = js_get(record, "versions");

	for (size_t i = 0; i < js_len(versions); i++) {
		struct content content;
		int r;

		if (record_content(js_at(versions, i), &content, err) < 0)
			return -1;
		r = has_content(db, name, &content, err);
		if (r < 0 || (r == 0 && take_version(db, name, js_at(versions, i), import, err) < 0))
			return -1;
	}
	return 0;
}
