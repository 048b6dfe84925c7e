/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/params.h"
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/expand.h"
#include "pipeline/grammar.h"
#include "pipeline/show.h"

struct js *param_value(const char *text)
{
	struct js *value;

	if (*text && !js_parse(text, strlen(text), "value", &value, NULL))
		return value;
	return js_str(text);
}

int param_check_key(const char *key, struct error *err)
{
	size_t parts = 1;

	for (const char *p = key;; p++) {
		bool at_start = p == key || p[-1] == '.';
		if (at_start && (*p == '.' || !*p))
			return error_set(err, ERR_USAGE, "param '%s' has an empty part", SHOW(key));
		if (!*p)
			break;
		parts += *p == '.';
		if (strchr("{}$*?,\"", *p) || (unsigned char)*p < 0x20 || *p == 0x7f)
			return error_set(err, ERR_USAGE, "param '%s' has a character that ${params.KEY} cannot name",
					 SHOW(key));
	}
	if (parts > PARAM_DEPTH_MAX)
		return error_set(err, ERR_USAGE, "param '%s' has more than %d parts", SHOW(key), PARAM_DEPTH_MAX);
	return 0;
}

static bool has_members(const struct js *value)
{
	return js_typeof(value) == JS_OBJECT && js_len(value) > 0;
}

int param_set(struct js *root, const char *key, struct js *value, struct error *err)
{
	CLEANUP_JS struct js *owned = value;
	CLEANUP(cleanup_free) char *copy = xstrdup(key);
	struct js *object = root;
	struct js *old;
	char *part = copy;

	for (char *dot; (dot = strchr(part, '.')); part = dot + 1) {
		struct js *next;
		*dot = '\0';
		next = js_get(object, part);
		if (!next) {
			next = js_object();
			js_set(object, part, next);
		} else if (js_typeof(next) != JS_OBJECT) {
			return error_set(err, ERR_USAGE, "param '%s' cannot be set: '%s' is a plain value", SHOW(key),
					 SHOW(copy));
		}
		object = next;
		*dot = '.';
	}
	old = js_get(object, part);
	if (has_members(old) && js_typeof(value) != JS_OBJECT) {
		error_set(err, ERR_USAGE, "param '%s' is a group and cannot become a plain value", SHOW(key));
		return error_help(err, "set one of its members: %s.%s", SHOW(key), SHOW(js_iter_key(js_iter(old))));
	}
	js_set(object, part, steal(&owned));
	return 0;
}

struct js *param_find(const struct js *root, const char *key)
{
	const struct js *object = root;
	CLEANUP(cleanup_free) char *copy = NULL;
	char *part;

	if (!strchr(key, '.'))
		return js_get(root, key);
	part = copy = xstrdup(key);
	for (char *dot; object && (dot = strchr(part, '.')); part = dot + 1) {
		*dot = '\0';
		object = js_get(object, part);
	}
	return object ? js_get(object, part) : NULL;
}

static int check_members(const struct js *object, const char *name, struct error *err)
{
	for (void *it = js_iter(object); it; it = js_next(object, it)) {
		const char *key = js_iter_key(it);
		struct js *value = js_iter_value(it);
		if (strchr(key, '.')) {
			error_set(err, ERR_USAGE, "%s: key '%s' has a dot", name, SHOW(key));
			return error_help(err, "nest it: {\"train\": {\"lr\": 0.1}} is named train.lr");
		}
		if (param_check_key(key, err) < 0)
			return error_wrap(err, "%s", name);
		if (js_typeof(value) == JS_OBJECT && check_members(value, name, err) < 0)
			return -1;
	}
	return 0;
}

int params_parse(const char *text, size_t len, const char *name, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *params = NULL;

	if (js_parse(text, len, name, &params, err) < 0)
		return error_help(err, len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ?
					       "it begins with a byte order mark: save it as UTF-8 without BOM" :
					       "correct it there, or look at it with: python3 -m json.tool");
	if (js_typeof(params) != JS_OBJECT) {
		error_set(err, ERR_USAGE, "%s is not a JSON object", name);
		return error_help(err, "write {\"lr\": 0.01, \"train\": {\"epochs\": 5}}");
	}
	if (check_members(params, name, err) < 0)
		return -1;
	*ret = steal(&params);
	return 0;
}

static void each_leaf(const struct js *object, struct strbuf *key,
		      void (*each)(void *ctx, const char *key, const struct js *value), void *ctx)
{
	size_t len = key->len;

	for (void *it = js_iter(object); it; it = js_next(object, it)) {
		const struct js *value = js_iter_value(it);
		strbuf_puts(key, js_iter_key(it));
		if (has_members(value)) {
			strbuf_putc(key, '.');
			each_leaf(value, key, each, ctx);
		} else {
			each(ctx, key->buf, value);
		}
		key->len = len;
		if (key->cap)
			key->buf[len] = '\0';
	}
}

void pipeline_each_param(const struct js *params, void (*each)(void *ctx, const char *key, const struct js *value),
			 void *ctx)
{
	CLEANUP_STRBUF struct strbuf key = STRBUF_INIT;

	each_leaf(params, &key, each, ctx);
}

struct js *pipeline_param(const struct pipeline *pipeline, const char *key)
{
	return param_find(pipeline->params, key);
}

static void push_key(void *ctx, const char *key, const struct js *value)
{
	(void)value;
	strlist_push(ctx, key);
}

void params_keys(const struct js *root, struct strlist *ret)
{
	pipeline_each_param(root, push_key, ret);
}

bool param_match(const char *pattern, const char *key)
{
	const char *star = NULL, *retry = NULL;

	while (*key) {
		if (*pattern == '*') {
			star = pattern++;
			retry = key;
		} else if (*pattern == '?' || *pattern == *key) {
			pattern++;
			key++;
		} else if (star) {
			pattern = star + 1;
			key = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* As the name of a variable: upper case, and '_' for what cannot stand in one. */
static char *env_name(char *name)
{
	for (char *p = name; *p; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
		else if (!letter && !(*p >= '0' && *p <= '9'))
			*p = '_';
	}
	return name;
}

char *param_env_name(const char *key)
{
	return env_name(xasprintf("MLOPS_PARAM_%s", key));
}

char *axis_env_name(const char *axis)
{
	return env_name(xasprintf("MLOPS_MATRIX_%s", axis));
}

char *param_text(const struct js *value)
{
	struct strbuf sb = STRBUF_INIT;

	if (js_typeof(value) == JS_STR)
		return xstrdup(js_text(value));
	js_dump(value, JS_COMPACT, &sb);
	return strbuf_detach(&sb);
}
