/* SPDX-License-Identifier: Apache-2.0 */
/* Records of models that others wrote: checked whole before anybody looks into them. */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/model_check.h"
#include "registry/model_records.h"
#include "registry/model_records_internal.h"
#include "registry/records_internal.h"

#define BAD(...) error_set(err, ERR_DAMAGED, __VA_ARGS__)

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
	static const char *const roles[MODEL_RECORD_FILES] = { "example", "signature", "slices", "limitations" };

	for (size_t i = 0; i < MODEL_RECORD_FILES; i++)
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
