/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/keys.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

size_t text_prefix(const char *text, size_t max_chars)
{
	size_t i;

	for (i = 0; text[i]; i++)
		if (((uint8_t)text[i] & 0xc0) != 0x80 && max_chars-- == 0)
			break;
	return i;
}

int text_check(const char *what, const char *text, size_t max_chars, struct error *err)
{
	size_t len = strlen(text), valid = utf8_span(text, len);

	if (!len)
		return error_set(err, ERR_USAGE, "the name of a %s is empty", what);
	if (valid < len)
		return error_set(err, ERR_USAGE, "the name of a %s is not valid UTF-8 at byte %zu",
				 what, valid + 1);
	if (text[text_prefix(text, max_chars)])
		return error_set(err, ERR_USAGE,
				 "the name of a %s is longer than %zu characters: %.*s...", what,
				 max_chars, (int)text_prefix(text, 40), text);
	for (const char *s = text; *s; s++)
		if ((uint8_t)*s < ' ' || *s == 0x7f)
			return error_set(err, ERR_USAGE,
					 "the name of a %s has a control character at byte %zu",
					 what, (size_t)(s - text) + 1);
	return 0;
}

/* Equal to its own posixpath.normpath(), relative, and not starting with "..": MLflow stores a
 * metric's history as a file of that name. */
static bool is_clean_path(const char *key)
{
	if (key[0] == '/' || strncmp(key, "..", 2) == 0)
		return false;
	for (const char *s = key;; s++) {
		size_t len = strcspn(s, "/");

		if (len == 0 || (len == 1 && s[0] == '.') ||
		    (len == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += len;
		if (!*s)
			return true;
	}
}

int key_check(const char *what, const char *key, struct error *err)
{
	if (text_check(what, key, KEY_CHARS, err) < 0)
		return -1;
	for (const char *s = key; *s; s++)
		if ((uint8_t)*s < 0x80 && !isalnum((unsigned char)*s) && !strchr("_-./: ", *s)) {
			error_set(err, ERR_USAGE, "the %s '%s' has a '%c' in its name", what, key,
				  *s);
			return error_help(
			    err, "letters, digits, '_', '-', '.', '/', ':' and blanks are allowed");
		}
	if (!is_clean_path(key)) {
		error_set(err, ERR_USAGE, "the %s '%s' is not a clean relative path", what, key);
		return error_help(err,
				  "leave out '..', '.', a slash at either end and double slashes");
	}
	return 0;
}

/* ---- in MLflow's words ---- */

/* Python's posixpath.normpath. */
static void normalise(const char *path, struct strbuf *ret)
{
	size_t root = strspn(path, "/");

	root = root > 2 ? 1 : root;
	strbuf_add(ret, "//", root);
	while (*path) {
		size_t len = strcspn(path, "/"), last = ret->len;

		while (last > root && ret->buf[last - 1] != '/')
			last--;
		if (len == 0 || (len == 1 && *path == '.')) {
			;
		} else if (len == 2 && !memcmp(path, "..", 2) && (root || ret->len > root) &&
			   strcmp(ret->buf + last, "..")) {
			ret->len = last > root ? last - 1 : root;
			ret->buf[ret->len] = '\0';
		} else {
			if (ret->len > root)
				strbuf_putc(ret, '/');
			strbuf_add(ret, path, len);
		}
		path += len + (path[len] == '/');
	}
	if (!ret->len)
		strbuf_putc(ret, '.');
}

static int refuse_name(const char *path, const char *name, const char *why, struct error *err)
{
	CLEANUP_JS struct js *json = js_str(name);
	CLEANUP_STRBUF struct strbuf quoted = STRBUF_INIT;

	js_dump(json, JS_COMPACT, &quoted);
	return error_set(err, ERR_USAGE, "Invalid value %.300s for parameter '%s' supplied: %s", quoted.buf, path, why);
}

static bool has_name_chars(const char *name)
{
	for (const char *s = name; *s; s++)
		if ((uint8_t)*s < 0x80 && !isalnum((unsigned char)*s) && !strchr("_-./: ", *s))
			return false;
	return true;
}

bool name_is_fine(const char *name)
{
	return has_name_chars(name) && is_clean_path(name);
}

int name_check(const char *path, const char *name, struct error *err)
{
	CLEANUP_STRBUF struct strbuf norm = STRBUF_INIT;
	CLEANUP(cleanup_free) char *why = NULL;

	if (name_is_fine(name))
		return 0;
	if (!has_name_chars(name))
		return refuse_name(path, name,
				   "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces "
				   "( ), colon(:) and slashes (/).",
				   err);
	normalise(name, &norm);
	why = xasprintf("Names may be treated as files in certain cases, and must not resolve to other names when "
			"treated as such. This name would resolve to '%.300s'",
			norm.buf);
	return refuse_name(path, name, why, err);
}

int length_check(const char *what, const char *text, size_t max_chars, struct error *err)
{
	if (!text[text_prefix(text, max_chars)])
		return 0;
	return error_set(err, ERR_USAGE, "'%s' exceeds the maximum length of %zu characters", what, max_chars);
}

static const char *const adjectives[] = {
    "amber",  "agile",  "ample", "austere", "bold",   "brave",   "brisk",   "calm",
    "candid", "clear",  "crisp", "deft",    "eager",  "early",   "earnest", "fair",
    "fleet",  "fond",   "frank", "fresh",   "gentle", "glad",    "grand",   "hardy",
    "happy",  "honest", "keen",  "kind",    "lively", "loyal",   "lucid",   "mellow",
    "merry",  "mild",   "neat",  "nimble",  "noble",  "patient", "plain",   "proud",
    "quick",  "quiet",  "rapid", "rare",    "ready",  "robust",  "sage",    "sharp",
    "shy",    "silent", "sleek", "smart",   "snug",   "sober",   "solid",   "spry",
    "steady", "stout",  "sunny", "swift",   "tidy",   "vivid",   "warm",    "wise",
};

static const char *const nouns[] = {
    "alder",  "auk",    "badger", "beech",  "birch",  "bison", "bream",  "carp",
    "cedar",  "crane",  "crow",   "deer",   "dove",   "eagle", "egret",  "elk",
    "elm",    "falcon", "fern",   "finch",  "fir",    "fox",   "gannet", "goose",
    "grouse", "hare",   "hawk",   "hazel",  "heron",  "ibis",  "jay",    "kestrel",
    "kite",   "larch",  "lark",   "linnet", "lynx",   "maple", "marten", "mole",
    "moose",  "newt",   "oak",    "orca",   "osprey", "otter", "owl",    "perch",
    "pike",   "pine",   "plover", "quail",  "raven",  "rook",  "rowan",  "seal",
    "shrew",  "stork",  "swan",   "tern",   "thrush", "vole",  "wren",   "yew",
};

void run_random_name(char *ret, size_t size)
{
	uint16_t r[3];

	clock_random(r, sizeof(r));
	snprintf(ret, size, "%s-%s-%u", adjectives[r[0] % ARRAY_LEN(adjectives)],
		 nouns[r[1] % ARRAY_LEN(nouns)], r[2] % 1000u);
}
