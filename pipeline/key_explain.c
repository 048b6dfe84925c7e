/* SPDX-License-Identifier: Apache-2.0 */
/* Why two step keys differ, from their records; one line a fact, fit for a terminal. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/expand.h"
#include "pipeline/key.h"
#include "pipeline/show.h"

static void say(struct strlist *ret, char *line)
{
	strlist_push_owned(ret, line);
}

static char *json_text(const struct js *value)
{
	struct strbuf sb = STRBUF_INIT;

	js_dump(value, JS_COMPACT, &sb);
	return strbuf_detach(&sb);
}

static void explain_value(const char *what, const char *key, const struct js *old, const struct js *now,
			  struct strlist *ret)
{
	CLEANUP(cleanup_free) char *before = old ? param_text(old) : NULL;
	CLEANUP(cleanup_free) char *after = now ? param_text(now) : NULL;

	if (before && after && !strcmp(before, after)) {
		/* The text 1 became the number 1: quotes tell them apart. */
		CLEANUP(cleanup_free) char *a = json_text(old);
		CLEANUP(cleanup_free) char *b = json_text(now);
		say(ret, xasprintf("%s %s: %s -> %s", what, SHOW(key), SHOW(a), SHOW(b)));
	} else if (before && after) {
		say(ret, xasprintf("%s %s: %s -> %s", what, SHOW(key), SHOW(before), SHOW(after)));
	} else if (after) {
		say(ret, xasprintf("%s %s added: %s", what, SHOW(key), SHOW(after)));
	} else {
		say(ret, xasprintf("%s %s removed: was %s", what, SHOW(key), SHOW(before)));
	}
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

static void explain_content(const char *what, const char *path, const struct js *old, const struct js *now,
			    struct strlist *ret)
{
	CLEANUP(cleanup_free) char *before = content_text(old);
	CLEANUP(cleanup_free) char *after = content_text(now);

	if (old && now)
		say(ret, xasprintf("%s %s changed: %s -> %s", what, SHOW(path), before, after));
	else
		say(ret, xasprintf("%s %s %s", what, SHOW(path), now ? "added" : "removed"));
}

/* Calls `explain` for each member that differs, sorted by key. */
static void explain_members(const char *what, const struct js *old, const struct js *now,
			    void (*explain)(const char *, const char *, const struct js *, const struct js *,
					    struct strlist *),
			    struct strlist *ret)
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
			explain(what, keys.items[i], a, b, ret);
	}
}

static const char *word_at(const struct js *argv, size_t i)
{
	const char *word = i < js_len(argv) ? js_text(js_at(argv, i)) : NULL;

	return word ? word : "";
}

static char *command_text(const struct js *argv)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < js_len(argv); i++)
		strbuf_printf(&sb, "%s%s", i ? " " : "", word_at(argv, i));
	return strbuf_detach(&sb);
}

/* now is old with one `before` in it replaced by `after`. */
static bool is_replaced(const char *old, const char *now, const char *before, const char *after)
{
	size_t len = strlen(before), new_len = strlen(after);

	if (!len)
		return false;
	for (const char *at = strstr(old, before); at; at = strstr(at + 1, before)) {
		size_t head = (size_t)(at - old);

		if (!strncmp(now, old, head) && !strncmp(now + head, after, new_len) &&
		    !strcmp(now + head + new_len, at + len))
			return true;
	}
	return false;
}

/* A word that differs by a param's value says nothing that the param did not say. */
static bool follows_from_params(const char *old, const char *now, const struct js *old_params,
				const struct js *now_params)
{
	for (void *it = now_params ? js_iter(now_params) : NULL; it; it = js_next(now_params, it)) {
		const struct js *was = js_get(old_params, js_iter_key(it));
		CLEANUP(cleanup_free) char *before = was ? param_text(was) : NULL;
		CLEANUP(cleanup_free) char *after = param_text(js_iter_value(it));

		if (before && strcmp(before, after) != 0 && is_replaced(old, now, before, after))
			return true;
	}
	return false;
}

/* Names the one word that changed, else both commands. */
static void explain_command(const struct js *old_record, const struct js *now_record, struct strlist *ret)
{
	const struct js *old = js_get(old_record, "argv"), *now = js_get(now_record, "argv");
	const struct js *old_params = js_get(old_record, "params"), *now_params = js_get(now_record, "params");
	CLEANUP(cleanup_free) char *before = NULL;
	CLEANUP(cleanup_free) char *after = NULL;
	size_t n = js_len(now), differ = 0, at = 0;

	for (size_t i = 0; i < n; i++) {
		const char *a = word_at(old, i), *b = word_at(now, i);

		if (strcmp(a, b) != 0 && !(n == js_len(old) && follows_from_params(a, b, old_params, now_params))) {
			differ++;
			at = i;
		}
	}
	if (n == js_len(old) && !differ)
		return;
	if (n == js_len(old) && differ == 1) {
		say(ret, xasprintf("command changed: %s -> %s", SHOW(word_at(old, at)), SHOW(word_at(now, at))));
		return;
	}
	before = command_text(old);
	after = command_text(now);
	say(ret, xasprintf("command changed: %s -> %s", SHOW(before), SHOW(after)));
}

static void explain_program(const struct js *old, const struct js *now, struct strlist *ret)
{
	const char *before = js_get_str(old, "path"), *after = js_get_str(now, "path");

	if ((!old && !now) || (old && now && js_equal(old, now)))
		return;
	if (before && after && !strcmp(before, after))
		explain_content("program", after, js_get(old, "content"), js_get(now, "content"), ret);
	else
		say(ret, xasprintf("program changed: %s -> %s", before ? SHOW(before) : "not found",
				   after ? SHOW(after) : "not found"));
}

/* A fact that is one word or absent. */
static void explain_word(const char *what, const char *absent, const struct js *old, const struct js *now,
			 struct strlist *ret)
{
	const char *before = js_get_str(old, what), *after = js_get_str(now, what);

	before = before ? before : absent;
	after = after ? after : absent;
	if (strcmp(before, after) != 0)
		say(ret, xasprintf("%s: %s -> %s", what, SHOW(before), SHOW(after)));
}

/* Outputs are a sorted list of paths. */
static void explain_outputs(const struct js *old, const struct js *now, struct strlist *ret)
{
	size_t i = 0, k = 0;

	while (i < js_len(old) || k < js_len(now)) {
		const char *a = word_at(old, i), *b = word_at(now, k);
		int order = i == js_len(old) ? 1 : k == js_len(now) ? -1 : strcmp(a, b);
		if (order < 0)
			say(ret, xasprintf("output %s removed", SHOW(a)));
		if (order > 0)
			say(ret, xasprintf("output %s added", SHOW(b)));
		i += order <= 0;
		k += order >= 0;
	}
}

void key_explain(const struct js *old, const struct js *now, struct strlist *ret)
{
	const char *before = js_get_str(old, "platform"), *after = js_get_str(now, "platform");

	explain_members("param", js_get(old, "params"), js_get(now, "params"), explain_value, ret);
	explain_members("input", js_get(old, "inputs"), js_get(now, "inputs"), explain_content, ret);
	explain_command(old, now, ret);
	if (!js_get_str(old, "image") && !js_get_str(now, "image"))
		explain_program(js_get(old, "program"), js_get(now, "program"), ret);
	explain_word("image", "none", old, now, ret);
	explain_word("user", "user", old, now, ret);
	explain_word("network", "no", old, now, ret);
	explain_members("env", js_get(old, "env"), js_get(now, "env"), explain_value, ret);
	explain_outputs(js_get(old, "outputs"), js_get(now, "outputs"), ret);
	if (before && after && strcmp(before, after) != 0)
		say(ret, xasprintf("platform: %s -> %s", SHOW(before), SHOW(after)));
}
