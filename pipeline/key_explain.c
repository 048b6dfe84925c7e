/* SPDX-License-Identifier: Apache-2.0 */
/* Why two step keys differ, from their records: structured, and as lines fit for a terminal. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/expand.h"
#include "pipeline/explain_internal.h"
#include "pipeline/key.h"
#include "pipeline/show.h"

struct js *explain_add(struct js *list, const char *kind, const char *name, const struct js *old, const struct js *now,
		       char *text)
{
	CLEANUP(cleanup_free) char *line = text;
	struct js *difference = js_object();

	js_set_str(difference, "kind", kind);
	js_set_str(difference, "name", name);
	if (old)
		js_set(difference, "old", js_ref((struct js *)(uintptr_t)old));
	if (now)
		js_set(difference, "new", js_ref((struct js *)(uintptr_t)now));
	js_set_str(difference, "text", line);
	js_push(list, difference);
	return difference;
}

static char *json_text(const struct js *value)
{
	struct strbuf sb = STRBUF_INIT;

	js_dump(value, JS_COMPACT, &sb);
	return strbuf_detach(&sb);
}

static void explain_value(struct js *list, const char *kind, const char *name, const struct js *old,
			  const struct js *now)
{
	CLEANUP(cleanup_free) char *before = old ? param_text(old) : NULL;
	CLEANUP(cleanup_free) char *after = now ? param_text(now) : NULL;
	char *text;

	if (before && after && !strcmp(before, after)) {
		/* The text 1 became the number 1: quotes tell them apart. */
		CLEANUP(cleanup_free) char *a = json_text(old);
		CLEANUP(cleanup_free) char *b = json_text(now);
		text = xasprintf("%s %s: %s -> %s", kind, SHOW(name), SHOW(a), SHOW(b));
	} else if (before && after) {
		text = xasprintf("%s %s: %s -> %s", kind, SHOW(name), SHOW(before), SHOW(after));
	} else if (after) {
		text = xasprintf("%s %s added: %s", kind, SHOW(name), SHOW(after));
	} else {
		text = xasprintf("%s %s removed: was %s", kind, SHOW(name), SHOW(before));
	}
	explain_add(list, kind, name, old, now, text);
}

/* The kind, and enough of the digest to tell two apart: "file 1a2b3c4d". */
static char *content_text(const struct js *content)
{
	const char *text = js_text(content) ? js_text(content) : "-";
	const char *colon = strchr(text, ':');

	if (!colon)
		return xstrdup(!strcmp(text, "-") ? "absent" : text);
	return xasprintf("%.*s %.8s", (int)(colon - text), text, colon + 1);
}

static void explain_content(struct js *list, const char *kind, const char *path, const struct js *old,
			    const struct js *now)
{
	CLEANUP(cleanup_free) char *before = content_text(old);
	CLEANUP(cleanup_free) char *after = content_text(now);

	explain_add(list, kind, path, old, now,
		    old && now ? xasprintf("%s %s changed: %s -> %s", kind, SHOW(path), before, after) :
				 xasprintf("%s %s %s", kind, SHOW(path), now ? "added" : "removed"));
}

typedef void explainer(struct js *list, const char *kind, const char *name, const struct js *old,
		       const struct js *now);

/* For each member that differs, sorted by key. */
static void explain_members(struct js *list, const char *kind, const struct js *old, const struct js *now,
			    explainer *explain)
{
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;

	for (void *it = old ? js_iter(old) : NULL; it; it = js_next(old, it))
		strlist_push(&keys, js_iter_key(it));
	for (void *it = now ? js_iter(now) : NULL; it; it = js_next(now, it))
		strlist_push(&keys, js_iter_key(it));
	strlist_sort(&keys);
	strlist_uniq(&keys);
	for (size_t i = 0; i < keys.len; i++) {
		const struct js *a = js_get(old, keys.items[i]), *b = js_get(now, keys.items[i]);
		if (!a || !b || !js_equal(a, b))
			explain(list, kind, keys.items[i], a, b);
	}
}

static void explain_program(struct js *list, const struct js *old, const struct js *now)
{
	const char *before = js_get_str(old, "path"), *after = js_get_str(now, "path");

	if ((!old && !now) || (old && now && js_equal(old, now)))
		return;
	if (before && after && !strcmp(before, after))
		explain_content(list, "program", after, js_get(old, "content"), js_get(now, "content"));
	else
		explain_add(list, "program", NULL, old, now,
			    xasprintf("program changed: %s -> %s", before ? SHOW(before) : "not found",
				      after ? SHOW(after) : "not found"));
}

/* Twelve digits of a digest tell as much to a person as sixty-four. */
static void cut_digest(char *text)
{
	char *digits = strrchr(text, ':');

	if (digits && strlen(digits + 1) > 12 && strspn(digits + 1, "0123456789abcdef") == strlen(digits + 1))
		digits[13] = '\0';
}

/* Two words, or one and `absent`. */
static void add_words(struct js *list, const char *kind, const char *name, const char *absent, const struct js *old,
		      const struct js *now)
{
	CLEANUP(cleanup_free) char *before = xstrdup(js_text(old) ? js_text(old) : absent);
	CLEANUP(cleanup_free) char *after = xstrdup(js_text(now) ? js_text(now) : absent);

	if (!strcmp(before, after))
		return;
	cut_digest(before);
	cut_digest(after);
	explain_add(list, kind, name, old, now,
		    xasprintf("%s%s%s: %s -> %s", kind, name ? " " : "", name ? SHOW(name) : "", SHOW(before), SHOW(after)));
}

/* A fact that is one word or absent. */
static void explain_word(struct js *list, const char *kind, const char *absent, const struct js *old,
			 const struct js *now)
{
	add_words(list, kind, NULL, absent, js_get(old, kind), js_get(now, kind));
}

static void explain_base(struct js *list, const char *kind, const char *name, const struct js *old,
			 const struct js *now)
{
	CLEANUP(cleanup_free) char *full = xasprintf("base %s", name);

	add_words(list, kind, full, "none", old, now);
}

static void explain_arg(struct js *list, const char *kind, const char *name, const struct js *old, const struct js *now)
{
	CLEANUP(cleanup_free) char *full = xasprintf("arg %s", name);

	explain_value(list, kind, full, old, now);
}

/* Why an image that is built here became another one. */
static void explain_build(struct js *list, const struct js *old, const struct js *now)
{
	static const char *const files[] = { "context", "dockerfile" };

	if (!old || !now)
		return;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		const char *a = js_get_str(old, files[i]), *b = js_get_str(now, files[i]);
		if (a && b && strcmp(a, b) != 0)
			explain_add(list, "build", files[i], js_get(old, files[i]), js_get(now, files[i]),
				    xasprintf("build %s changed: %.8s -> %.8s", files[i], a, b));
	}
	explain_members(list, "build", js_get(old, "args"), js_get(now, "args"), explain_arg);
	explain_members(list, "build", js_get(old, "bases"), js_get(now, "bases"), explain_base);
	if (js_get_bool(old, "network") != js_get_bool(now, "network"))
		explain_value(list, "build", "network", js_get(old, "network"), js_get(now, "network"));
}

/* Sorted names; what is no text has none. */
static void add_names(const struct js *array, struct strlist *ret)
{
	for (size_t i = 0; i < js_len(array); i++)
		if (js_text(js_at(array, i)))
			strlist_push(ret, js_text(js_at(array, i)));
	strlist_sort(ret);
	strlist_uniq(ret);
}

static void explain_names(struct js *list, const char *kind, const struct js *old, const struct js *now)
{
	CLEANUP(strlist_release) struct strlist a = STRLIST_INIT;
	CLEANUP(strlist_release) struct strlist b = STRLIST_INIT;
	size_t i = 0, k = 0;

	add_names(old, &a);
	add_names(now, &b);
	while (i < a.len || k < b.len) {
		int order = i == a.len ? 1 : k == b.len ? -1 : strcmp(a.items[i], b.items[k]);
		const char *name = order < 0 ? a.items[i] : b.items[k];
		CLEANUP_JS struct js *value = js_str(name);
		if (order)
			explain_add(list, kind, name, order < 0 ? value : NULL, order > 0 ? value : NULL,
				    xasprintf("%s %s %s", kind, SHOW(name), order < 0 ? "removed" : "added"));
		i += order <= 0;
		k += order >= 0;
	}
}

struct js *key_differences(const struct js *old, const struct js *now)
{
	struct js *list = js_array();

	explain_members(list, "param", js_get(old, "params"), js_get(now, "params"), explain_value);
	explain_members(list, "matrix", js_get(old, "matrix"), js_get(now, "matrix"), explain_value);
	explain_members(list, "input", js_get(old, "inputs"), js_get(now, "inputs"), explain_content);
	explain_command(list, old, now);
	if (!js_get_str(old, "image") && !js_get_str(now, "image"))
		explain_program(list, js_get(old, "program"), js_get(now, "program"));
	explain_word(list, "image", "none", old, now);
	explain_build(list, js_get(old, "build"), js_get(now, "build"));
	explain_word(list, "user", "user", old, now);
	explain_word(list, "network", "no", old, now);
	explain_members(list, "env", js_get(old, "env"), js_get(now, "env"), explain_value);
	explain_names(list, "secret", js_get(old, "secrets"), js_get(now, "secrets"));
	explain_names(list, "output", js_get(old, "outputs"), js_get(now, "outputs"));
	if (js_get_str(old, "platform") && js_get_str(now, "platform"))
		explain_word(list, "platform", "", old, now);
	return list;
}

void key_explain(const struct js *old, const struct js *now, struct strlist *ret)
{
	CLEANUP_JS struct js *list = key_differences(old, now);

	for (size_t i = 0; i < js_len(list); i++)
		strlist_push(ret, js_get_str(js_at(list, i), "text"));
}
