/* SPDX-License-Identifier: Apache-2.0 */
/* The half of base/fs.h that looks at names only and never at the disk. */
#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* Takes one component off the end of a clean path; false when there is none. */
static bool pop_component(struct strbuf *path)
{
	char *slash;

	if (!path->len)
		return false;
	slash = strrchr(path->buf, '/');
	path->len = slash ? (size_t)(slash - path->buf) : 0;
	path->buf[path->len] = '\0';
	return true;
}

/* Applies the components of `text` to the clean path so far; false when they leave the root. */
static bool add_components(struct strbuf *path, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "/");

		if (len == 2 && !memcmp(text, "..", 2)) {
			if (!pop_component(path))
				return false;
		} else if (len && !(len == 1 && *text == '.')) {
			if (path->len)
				strbuf_putc(path, '/');
			strbuf_add(path, text, len);
		}
		text += len;
		text += *text == '/';
	}
	return true;
}

static bool has_control_byte(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

int path_clean(const char *prefix, const char *text, char **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;

	if (has_control_byte(text))
		return error_set(err, ERR_USAGE, "a path must not contain control characters");
	if (*text == '/') {
		error_set(err, ERR_USAGE, "%s is absolute", text);
		return error_help(err, "name it relative to the project");
	}
	if (!add_components(&path, prefix) || !add_components(&path, text)) {
		error_set(err, ERR_USAGE, "%s leaves the project", text);
		return error_help(err, "move it into the project, or copy it there");
	}
	if (!path.len)
		strbuf_putc(&path, '.');
	*ret = strbuf_detach(&path);
	return 0;
}

bool path_contains(const char *outer, const char *inner)
{
	size_t len = strlen(outer);

	if (!strcmp(outer, "."))
		return true;
	return !strncmp(outer, inner, len) && (inner[len] == '\0' || inner[len] == '/');
}

char *path_join(const char *dir, const char *name)
{
	if (!*dir || !strcmp(dir, "."))
		return xstrdup(name);
	if (!*name || !strcmp(name, "."))
		return xstrdup(dir);
	return xasprintf("%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool path_is_pattern(const char *path)
{
	return path[strcspn(path, "*?[")] != '\0';
}

static const struct {
	const char *name;
	int (*is)(int);
} char_classes[] = {
	{ "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank }, { "cntrl", iscntrl },
	{ "digit", isdigit }, { "graph", isgraph }, { "lower", islower }, { "print", isprint },
	{ "punct", ispunct }, { "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit },
};

/* After "[:": moves *p behind ":]" and says whether c is in the class; unknown classes hold
 * nothing. */
static bool in_named_class(const char **p, unsigned char c)
{
	const char *end = strstr(*p, ":]");
	size_t len = (size_t)(end - *p);
	bool in = false;

	for (size_t i = 0; i < ARRAY_LEN(char_classes); i++)
		if (strlen(char_classes[i].name) == len && !memcmp(char_classes[i].name, *p, len))
			in = char_classes[i].is(c) != 0;
	*p = end + 2;
	return in;
}

/* `p` stands after '['. Returns what follows the ']', or NULL when there is none: '[' is then a
 * plain byte. */
static const char *match_set(const char *p, unsigned char c, bool *ret_in)
{
	bool negated = *p == '!' || *p == '^';
	bool in = false;

	p += negated;
	for (bool first = true; *p != ']' || first; first = false) {
		unsigned char low, high;

		if (*p == '[' && p[1] == ':' && strstr(p + 2, ":]")) {
			p += 2;
			in |= in_named_class(&p, c);
			continue;
		}
		if (*p == '\\' && p[1])
			p++;
		if (!*p)
			return NULL;
		low = high = (unsigned char)*p++;
		if (*p == '-' && p[1] && p[1] != ']') {
			p++;
			if (*p == '\\' && p[1])
				p++;
			high = (unsigned char)*p++;
		}
		in |= low <= c && c <= high;
	}
	*ret_in = in != negated && c != '/';
	return p + 1;
}

/* One byte of text against one element that is no star; returns the rest of the pattern or NULL. */
static const char *match_one(const char *p, unsigned char c)
{
	const char *rest;
	bool in;

	if (*p == '?')
		return c != '/' ? p + 1 : NULL;
	if (*p == '[') {
		rest = match_set(p + 1, c, &in);
		if (rest)
			return in ? rest : NULL;
	}
	if (*p == '\\' && p[1])
		p++;
	return *p && (unsigned char)*p == c ? p + 1 : NULL;
}

/*
 * Each kind of star remembers only its latest place: an earlier star of the same
 * kind cannot gain by taking more. So the time is at most quadratic in the path,
 * whatever the pattern.
 */
bool path_match(const char *pattern, const char *path)
{
	const char *star = NULL, *star_at = NULL;
	const char *deep = NULL, *deep_at = NULL;
	const char *p = pattern, *t = path;
	bool deep_dirs = false; /* the latest "**" was "**" + '/': it takes whole components */

	for (;;) {
		const char *rest;

		if (*p == '*' && p[1] == '*') {
			deep_dirs = p[2] == '/' && (p == pattern || p[-1] == '/');
			p += deep_dirs ? 3 : 2;
			deep = p;
			deep_at = t;
			star = NULL;
			continue;
		}
		if (*p == '*') {
			star = ++p;
			star_at = t;
			continue;
		}
		if (!*p && !*t)
			return true;
		rest = *t ? match_one(p, (unsigned char)*t) : NULL;
		if (rest) {
			p = rest;
			t++;
			continue;
		}
		if (star && *star_at && *star_at != '/') {
			p = star;
			t = ++star_at;
			continue;
		}
		if (!deep || !*deep_at)
			return false;
		if (deep_dirs) {
			deep_at = strchr(deep_at, '/');
			if (!deep_at)
				return false;
		}
		star = NULL;
		p = deep;
		t = ++deep_at;
	}
}
