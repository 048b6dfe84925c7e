/* SPDX-License-Identifier: Apache-2.0 */
/* Records of models that others wrote: checked whole, then compared with what is here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/candidates.h"
#include "registry/cards.h"
#include "registry/events.h"
#include "registry/model_check.h"
#include "registry/model_records.h"
#include "registry/model_records_internal.h"
#include "registry/models.h"
#include "registry/models_internal.h"
#include "registry/promotions.h"
#include "registry/records_internal.h"
#include "registry/version_source.h"
#include "registry/versions.h"

#define BAD(...) error_set(err, ERR_DAMAGED, __VA_ARGS__)
#define FILES	 4 /* roles that a candidate may have files for */

/* ---- checking ---- */

static int check_tags(const struct js *tags, struct error *err)
{
	for (void *it = js_iter(tags); it; it = js_next(tags, it))
		if (!js_text(js_iter_value(it)) ||
		    registry_tag_check(js_iter_key(it), js_text(js_iter_value(it)), NULL) < 0)
			return BAD("the tag '%.40s' is none that could have been set", js_iter_key(it));
	return 0;
}

static int check_contents(const struct js *object, const char *const *keys, size_t n, struct error *err)
{
	static const struct record_member members[] = {
		{ "content", JS_STR, false }, { "size", JS_INT, false }, { "files", JS_INT, false },
	};
	struct content content;

	for (size_t i = 0; i < n; i++) {
		const struct js *item = js_get(object, keys[i]);

		if (item && (record_members(item, keys[i], members, ARRAY_LEN(members), err) < 0 ||
			     record_content(item, &content, err) < 0))
			return -1;
	}
	return 0;
}

static bool are_texts(const struct js *list)
{
	for (size_t i = 0; i < js_len(list); i++)
		if (!js_text(js_at(list, i)))
			return false;
	return !list || js_typeof(list) == JS_ARRAY;
}

/* What others read of it without asking again; the rest is as it was written. */
static int check_spec(const struct js *spec, struct error *err)
{
	const char *alias = js_get_str(spec, "alias"), *from = js_get_str(spec, "from");

	if ((js_get(spec, "alias") && (!alias || alias_check_new(alias, NULL) < 0)) || !from ||
	    !record_path_travels(from) || !are_texts(js_get(spec, "gate")) || !are_texts(js_get(spec, "approve")))
		return BAD("a version has an impossible [model]");
	return 0;
}

static int check_lines(const struct js *lines, struct error *err)
{
	for (size_t i = 0; i < js_len(lines); i++)
		if (!js_get_str(js_at(lines, i), "line"))
			return BAD("a line of a gate has no text");
	return 0;
}

static bool is_role(const char *role)
{
	static const char *const roles[FILES] = { "example", "signature", "slices", "limitations" };

	for (size_t i = 0; i < FILES; i++)
		if (!strcmp(roles[i], role))
			return true;
	return false;
}

static int check_file(const struct js *file, struct error *err)
{
	static const struct record_member members[] = {
		{ "path", JS_STR, false }, { "content", JS_STR, false }, { "size", JS_INT, false }, { "files", JS_INT, false },
	};
	struct content content;

	if (record_members(file, "a file", members, ARRAY_LEN(members), err) < 0 || record_content(file, &content, err) < 0)
		return -1;
	return record_path_travels(js_get_str(file, "path")) ? 0 : BAD("'%.80s' is no path of a project", js_get_str(file, "path"));
}

static int check_candidate(const struct js *candidate, struct error *err)
{
	static const struct record_member members[] = {
		{ "content", JS_OBJECT, false }, { "reference", JS_OBJECT, true }, { "spec", JS_OBJECT, false },
		{ "lines", JS_ARRAY, false },	 { "metrics", JS_OBJECT, false },  { "champion", JS_INT, true },
		{ "verdict", JS_STR, false },	 { "author", JS_STR, false },	   { "committer", JS_STR, true },
		{ "judged", JS_INT, false },	 { "files", JS_OBJECT, false },	   { "policy", JS_OBJECT, true },
	};
	static const char *const contents[] = { "content", "reference" };
	const struct js *files = js_get(candidate, "files");
	const char *verdict = js_get_str(candidate, "verdict");

	if (!candidate)
		return 0;
	if (record_members(candidate, "a candidate", members, ARRAY_LEN(members), err) < 0 ||
	    check_contents(candidate, contents, ARRAY_LEN(contents), err) < 0 ||
	    check_spec(js_get(candidate, "spec"), err) < 0 || check_lines(js_get(candidate, "lines"), err) < 0)
		return -1;
	if (strcmp(verdict, "passed") != 0 && strcmp(verdict, "failed") != 0)
		return BAD("a gate cannot say '%.40s'", verdict);
	if (!record_text_plain(js_get_str(candidate, "author")))
		return BAD("a version has an impossible author");
	for (void *it = js_iter(files); it; it = js_next(files, it))
		if (!is_role(js_iter_key(it)))
			return BAD("a version has files of an unknown role: %.40s", js_iter_key(it));
		else if (check_file(js_iter_value(it), err) < 0)
			return -1;
	return js_get(candidate, "policy") ? check_file(js_get(candidate, "policy"), err) : 0;
}

static int check_card(const struct js *card, struct error *err)
{
	static const struct record_member members[] = {
		{ "json", JS_OBJECT, false }, { "markdown", JS_OBJECT, false }, { "time", JS_INT, false },
	};
	static const char *const contents[] = { "json", "markdown" };

	if (!card)
		return 0;
	return record_members(card, "a card", members, ARRAY_LEN(members), err) < 0
		       ? -1
		       : check_contents(card, contents, ARRAY_LEN(contents), err);
}

static bool is_stage(const char *stage)
{
	return !strcmp(stage, "None") || !strcmp(stage, "Staging") || !strcmp(stage, "Production") || !strcmp(stage, "Archived");
}

static int check_version(const struct js *version, int64_t before, struct error *err)
{
	static const struct record_member members[] = {
		{ "number", JS_INT, false },   { "description", JS_STR, true }, { "created", JS_INT, false },
		{ "stage", JS_STR, false },    { "source", JS_STR, false },	{ "run_id", JS_STR, true },
		{ "run_link", JS_STR, true },  { "model_id", JS_STR, true },	{ "rejected", JS_STR, true },
		{ "tags", JS_OBJECT, false },  { "candidate", JS_OBJECT, true }, { "card", JS_OBJECT, true },
	};
	int64_t created;

	if (record_members(version, "a version", members, ARRAY_LEN(members), err) < 0)
		return -1;
	created = js_get_int(version, "created", -1);
	if (js_get_int(version, "number", 0) <= before || created < 0 || created >= RECORD_TIME_MAX ||
	    !is_stage(js_get_str(version, "stage")) || strlen(js_get_str(version, "source")) > SOURCE_CHARS ||
	    !record_text_plain(js_get_str(version, "source")))
		return BAD("version %lld is impossible", (long long)js_get_int(version, "number", 0));
	return check_tags(js_get(version, "tags"), err) < 0 || check_candidate(js_get(version, "candidate"), err) < 0 ||
			       check_card(js_get(version, "card"), err) < 0
		       ? -1
		       : 0;
}

static bool has_number(const struct js *versions, int64_t number)
{
	for (size_t i = 0; i < js_len(versions); i++)
		if (js_get_int(js_at(versions, i), "number", 0) == number)
			return true;
	return false;
}

static int check_format(const struct js *record, struct error *err)
{
	int64_t version = js_get_int(record, "version", 0);

	if (version == MODEL_RECORD_VERSION)
		return 0;
	BAD("the record has version %lld, and this program knows %d", (long long)version, MODEL_RECORD_VERSION);
	return error_help(err, "use the mlops that wrote it, or a newer one");
}

static int check_model(const struct js *record, struct error *err)
{
	static const struct record_member members[] = {
		{ "version", JS_INT, false },  { "name", JS_STR, false },    { "description", JS_STR, true },
		{ "created", JS_INT, false },  { "tags", JS_OBJECT, false }, { "versions", JS_ARRAY, false },
		{ "aliases", JS_OBJECT, false }, { "moves", JS_ARRAY, false },
	};
	const struct js *versions = js_get(record, "versions"), *aliases = js_get(record, "aliases");
	int64_t before = 0;

	if (record_members(record, "the record", members, ARRAY_LEN(members), err) < 0 || check_format(record, err) < 0 ||
	    check_tags(js_get(record, "tags"), err) < 0)
		return -1;
	if (model_name_check(js_get_str(record, "name"), NULL) < 0)
		return BAD("'%.80s' is no name of a model", js_get_str(record, "name"));
	for (size_t i = 0; i < js_len(versions); i++) {
		if (check_version(js_at(versions, i), before, err) < 0)
			return error_wrap(err, "%.80s", js_get_str(record, "name"));
		before = js_get_int(js_at(versions, i), "number", 0);
	}
	for (void *it = js_iter(aliases); it; it = js_next(aliases, it))
		if (alias_check_new(js_iter_key(it), NULL) < 0 || !has_number(versions, js_int_value(js_iter_value(it))))
			return BAD("the alias '%.40s' is impossible", js_iter_key(it));
	return 0;
}

int model_record_read(const char *text, size_t len, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;

	if (record_parse(text, len, "the model", &record, err) < 0 || check_model(record, err) < 0 ||
	    record_canonical(record, text, len, "the model", err) < 0)
		return -1;
	*ret = steal(&record);
	return 0;
}

/* ---- what it names ---- */

struct naming {
	int (*each)(void *ctx, const struct content *);
	void *ctx;
};

static int name_content(const struct naming *n, const struct js *item)
{
	struct content content;

	return item && record_content(item, &content, NULL) == 0 ? n->each(n->ctx, &content) : 0;
}

static int name_version(const struct naming *n, const struct js *version)
{
	const struct js *candidate = js_get(version, "candidate"), *card = js_get(version, "card");
	const struct js *files = js_get(candidate, "files");

	for (void *it = js_iter(files); it; it = js_next(files, it))
		if (name_content(n, js_iter_value(it)) < 0)
			return -1;
	return name_content(n, js_get(candidate, "content")) < 0 || name_content(n, js_get(candidate, "reference")) < 0 ||
			       name_content(n, js_get(candidate, "policy")) < 0 ||
			       name_content(n, js_get(card, "json")) < 0 || name_content(n, js_get(card, "markdown")) < 0
		       ? -1
		       : 0;
}

int model_record_each_content(const struct js *record, int (*each)(void *ctx, const struct content *), void *ctx)
{
	const struct js *versions = js_get(record, "versions");
	const struct naming n = { each, ctx };

	for (size_t i = 0; i < js_len(versions); i++)
		if (name_version(&n, js_at(versions, i)) < 0)
			return -1;
	return 0;
}

int model_record_each_run(const struct js *record, int (*each)(void *ctx, const char *run_id), void *ctx)
{
	const struct js *versions = js_get(record, "versions");

	for (size_t i = 0; i < js_len(versions); i++) {
		const char *run = js_get_str(js_at(versions, i), "run_id");

		if (run && each(ctx, run) < 0)
			return -1;
	}
	return 0;
}

/* ---- writing ---- */

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
	struct candidate_file kept[FILES], policy;
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
				xasprintf("%s@%s is not moved: the model was here before; by hand: mlops model promote %s@v%lld %s", name,
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
