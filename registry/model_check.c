/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/model_check.h"
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/keys.h"

static bool is_blank(const char *text)
{
	return !text[strspn(text, " \t\n\v\f\r")];
}

/* Names stand in URIs and paths, and on terminals. */
static int refuse_name(const char *name, struct error *err)
{
	CLEANUP_JS struct js *json = js_str(name);
	CLEANUP_STRBUF struct strbuf shown = STRBUF_INIT;

	js_dump(json, JS_COMPACT, &shown);
	return error_set(err, ERR_USAGE,
			 "Invalid value %.300s for parameter 'name' supplied: Names may be treated as files in certain"
			 " cases, and must not resolve to other names when treated as such. This name would resolve to"
			 " '%.300s'", shown.buf, name);
}

int model_name_check(const char *name, struct error *err)
{
	if (is_blank(name))
		return error_set(err, ERR_USAGE, "Missing value for required parameter 'name'.");
	if (strpbrk(name, "/:"))
		return error_set(err, ERR_USAGE, "Invalid model name '%.300s'. Names cannot contain '/' or ':'.", name);
	if (!strcmp(name, ".") || !strncmp(name, "..", 2))
		return refuse_name(name, err);
	for (const char *s = name; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return refuse_name(name, err);
	return length_check("name", name, MODEL_NAME_CHARS, err);
}

int alias_check(const char *alias, struct error *err)
{
	if (!*alias)
		return error_set(err, ERR_USAGE, "Registered model alias name cannot be empty.");
	for (const char *s = alias; *s; s++)
		if ((unsigned char)*s < 0x80 && !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *s))
			return error_set(err, ERR_USAGE,
					 "Invalid alias name: '%.300s'. Names may only contain alphanumerics, underscores (_),"
					 " and dashes (-).", alias);
	return length_check("Registered model alias name", alias, ALIAS_CHARS, err);
}

int alias_check_new(const char *alias, struct error *err)
{
	if (alias_check(alias, err) < 0)
		return -1;
	if (!strcasecmp(alias, "latest"))
		return error_set(err, ERR_USAGE, "'latest' alias name (case insensitive) is reserved.");
	if ((*alias | 0x20) == 'v' && alias[1] && !alias[1 + strspn(alias + 1, "0123456789")])
		return error_set(err, ERR_USAGE, "Version alias name '%s' is reserved.", alias);
	return 0;
}

int registry_tag_check(const char *key, const char *value, struct error *err)
{
	if (name_check("key", key, err) < 0 || length_check("key", key, KEY_CHARS, err) < 0)
		return -1;
	if (!strcmp(key, "mlflow.prompt.text") && length_check("value", value, REGISTRY_TAG_CHARS, NULL) < 0)
		return error_set(err, ERR_USAGE, "Prompt text exceeds max length of %d characters.", REGISTRY_TAG_CHARS);
	return length_check("value", value, REGISTRY_TAG_CHARS, err);
}

int logged_model_name_check(const char *name, struct error *err)
{
	char quote = strchr(name, '\'') && !strchr(name, '"') ? '"' : '\'';

	if (strpbrk(name, "/:.%\"'"))
		return error_set(err, ERR_USAGE,
				 "Invalid model name (%c%.300s%c) provided. Model name must be a non-empty string and cannot"
				 " contain the following characters: ('/', ':', '.', '%%', '\"', \"'\")", quote, name, quote);
	for (const char *s = name; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return refuse_name(name, err);
	return length_check("name", name, 500, err);
}

static int refuse_pairs(const struct js *value, const char *what, struct error *err)
{
	CLEANUP_STRBUF struct strbuf shown = STRBUF_INIT;

	js_dump(value, JS_COMPACT, &shown);
	return error_set(err, ERR_USAGE, "Invalid value %.200s for parameter '%s' supplied: not a list of keys and values",
			 shown.buf, what);
}

/* Or nothing, which is "" to protobuf. */
static bool is_text(const struct js *value)
{
	return !value || js_typeof(value) == JS_STR;
}

int pairs_each(const struct js *list, const char *what, pair_fn *each, void *ctx, struct error *err)
{
	if (js_typeof(list) != JS_NULL && js_typeof(list) != JS_ARRAY)
		return refuse_pairs(list, what, err);
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *pair = js_at(list, i), *key = js_get(pair, "key"), *value = js_get(pair, "value");

		if (js_typeof(pair) != JS_OBJECT || !is_text(key) || !is_text(value))
			return refuse_pairs(pair, what, err);
		if (each(ctx, key ? js_text(key) : "", value ? js_text(value) : "", err) < 0)
			return -1;
	}
	return 0;
}
