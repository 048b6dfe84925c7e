/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/dockerignore.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/show.h"
/*
 * A pattern is compiled to tokens, and a path is matched by keeping the set of tokens that may come next: its time is
 * bounded by the product of both lengths, whatever the pattern.
 */

enum token_kind {
	LITERAL,
	ANY,      /* '?': one byte but a slash */
	CLASS,    /* [a-z] */
	STAR,     /* any bytes but slashes */
	DEEP,     /* "**" with something behind it: nothing, or any text that ends with a slash. Two tokens: */
	DEEP_IN,  /* in that text */
	ALL,      /* "**" at the end: any text */
};
struct token {
	enum token_kind kind;
	unsigned char byte;
	uint8_t set[32]; /* of a class: a bit for each byte */
};
struct pattern {
	bool exception;
	char *fixed; /* the text before the first token that is no literal */
	struct token *tokens;
	size_t len, cap;
};
struct dockerignore {
	struct pattern *patterns;
	size_t len, cap;
	size_t longest; /* tokens of a pattern */
};

/* -- compiling -- */

static struct token *add(struct pattern *p, enum token_kind kind)
{
	GROW(p->tokens, p->len, p->cap);
	p->tokens[p->len] = (struct token){ .kind = kind };
	return &p->tokens[p->len++];
}

static void add_literal(struct pattern *p, char byte)
{
	add(p, LITERAL)->byte = (unsigned char)byte;
}

/* One end of a range, which a backslash may escape. False: there is none. */
static bool class_byte(const char **at, unsigned char *ret)
{
	if (**at == '\\')
		++*at;
	if (!**at || **at == '-' || (**at == ']' && (*at)[-1] != '\\'))
		return false;
	*ret = (unsigned char)*(*at)++;
	return true;
}

/* "[a-z]", "[^a]" and its end, which *at is moved behind. */
static bool add_class(struct pattern *p, const char **at)
{
	struct token *token = add(p, CLASS);
	bool not = (*at)[1] == '^';
	const char *c = *at + 1 + not;

	for (size_t n = 0; *c != ']' || !n; n++) {
		unsigned char low, high;

		if (!class_byte(&c, &low))
			return false;
		high = low;
		if (*c == '-') {
			c++;
			if (!class_byte(&c, &high) || high < low)
				return false;
		}
		for (unsigned b = low; b <= high; b++)
			token->set[b / 8] |= (uint8_t)(1u << b % 8);
	}
	for (size_t i = 0; not && i < sizeof(token->set); i++)
		token->set[i] = (uint8_t)~token->set[i];
	token->set['/' / 8] &= (uint8_t)~(1u << '/' % 8);
	*at = c + 1;
	return true;
}

static bool compile(struct pattern *p, const char *text)
{
	while (*text) {
		if (text[0] == '*' && text[1] == '*') {
			text += 2 + strspn(text + 2, "*");
			text += *text == '/';
			if (*text) {
				add(p, DEEP);
				add(p, DEEP_IN);
			} else {
				add(p, ALL);
			}
		} else if (*text == '*') {
			add(p, STAR);
			text++;
		} else if (*text == '?') {
			add(p, ANY);
			text++;
		} else if (*text == '[') {
			if (!add_class(p, &text))
				return false;
		} else {
			if (*text == '\\' && !*++text)
				return false;
			add_literal(p, *text++);
		}
	}
	return true;
}

/* As filepath.Clean: "a//b/../c/" becomes "a/c". */
static char *clean(const char *text, size_t len)
{
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0, n; i < len; i += n + 1) {
		const char *part = text + i;
		const char *last;

		n = 0;
		while (i + n < len && part[n] != '/')
			n++;
		if (!n || (n == 1 && *part == '.'))
			continue;
		last = strrchr(out.buf, '/');
		last = last ? last + 1 : out.buf;
		if (n == 2 && !memcmp(part, "..", 2) && out.len && strcmp(last, "..") != 0) {
			out.len = last == out.buf ? 0 : (size_t)(last - out.buf) - 1;
			out.buf[out.len] = '\0';
			continue;
		}
		if (out.len)
			strbuf_putc(&out, '/');
		strbuf_add(&out, part, n);
	}
	return strbuf_detach(&out);
}

static char *fixed_part(const struct pattern *p)
{
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < p->len && p->tokens[i].kind == LITERAL; i++)
		strbuf_putc(&out, (char)p->tokens[i].byte);
	return strbuf_detach(&out);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void trim(const char **text, size_t *len)
{
	while (*len && is_blank(**text)) {
		++*text;
		--*len;
	}
	while (*len && is_blank((*text)[*len - 1]))
		--*len;
}

static bool take_line(struct dockerignore *ignore, const char *text, size_t len)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct pattern pattern = { 0 };
	bool good;

	if (len && *text == '#')
		return true;
	trim(&text, &len);
	if (!len)
		return true;
	if (*text == '!') {
		pattern.exception = true;
		text++;
		len--;
		trim(&text, &len);
		if (!len)
			return false;
	}
	path = clean(text, len);
	if (!*path)
		return true; /* "." and "/" never meant anything */
	good = compile(&pattern, path);
	pattern.fixed = fixed_part(&pattern);
	GROW(ignore->patterns, ignore->len, ignore->cap);
	ignore->patterns[ignore->len++] = pattern;
	if (pattern.len > ignore->longest)
		ignore->longest = pattern.len;
	return good;
}

int dockerignore_parse(const char *text, size_t len, const char *name, struct dockerignore **ret, struct error *err)
{
	CLEANUP(cleanup_dockerignore) struct dockerignore *ignore = xcalloc(1, sizeof(*ignore));
	int number = 1;

	if (memchr(text, '\0', len))
		return error_set(err, ERR_USAGE, "%s is no text: it holds a NUL byte", name);
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	for (const char *end; len; number++) {
		size_t line = (end = memchr(text, '\n', len)) ? (size_t)(end - text) : len;
		CLEANUP(cleanup_free) char *shown = xstrndup(text, line);

		if (!take_line(ignore, text, line)) {
			error_set(err, ERR_USAGE, "'%s' is no pattern", SHOW(shown));
			error_help(err, "a [ needs its ], and a backslash or ! something behind it");
			return error_where(err, name, number, 0);
		}
		text += line + (end != NULL);
		len -= line + (end != NULL);
	}
	*ret = steal(&ignore);
	return 0;
}

void dockerignore_free(struct dockerignore *ignore)
{
	if (!ignore)
		return;
	for (size_t i = 0; i < ignore->len; i++) {
		free(ignore->patterns[i].fixed);
		free(ignore->patterns[i].tokens);
	}
	free(ignore->patterns);
	free(ignore);
}

void cleanup_dockerignore(struct dockerignore **ignore)
{
	dockerignore_free(*ignore);
}

/* -- matching -- */

/* Token `i` may come next, and with it what follows tokens that may stand for nothing. */
static void reach(const struct pattern *p, bool *next, size_t i)
{
	while (!next[i]) {
		next[i] = true;
		if (i == p->len)
			return;
		if (p->tokens[i].kind == STAR || p->tokens[i].kind == ALL) {
			i++;
		} else if (p->tokens[i].kind == DEEP) {
			next[i + 1] = true;
			i += 2;
		}
	}
}

static void step(const struct pattern *p, size_t i, unsigned char c, bool *next)
{
	const struct token *token = &p->tokens[i];

	switch (token->kind) {
	case LITERAL:
		if (c == token->byte)
			reach(p, next, i + 1);
		break;
	case ANY:
		if (c != '/')
			reach(p, next, i + 1);
		break;
	case CLASS:
		if (token->set[c / 8] >> c % 8 & 1)
			reach(p, next, i + 1);
		break;
	case STAR:
		if (c != '/')
			reach(p, next, i);
		break;
	case ALL:
		reach(p, next, i);
		break;
	case DEEP:
		break;
	case DEEP_IN:
		next[i] = true;
		if (c == '/')
			reach(p, next, i + 1);
		break;
	}
}

/* Whether the path, or a directory above it, is what the pattern says. `sets` has room for two sets. */
static bool pattern_matches(const struct pattern *p, const char *path, bool *sets)
{
	bool *now = sets, *next = sets + p->len + 1;

	memset(sets, 0, 2 * (p->len + 1));
	reach(p, now, 0);
	for (;; path++) {
		bool *other = now, alive = false;

		if (now[p->len] && (!*path || *path == '/'))
			return true;
		if (!*path)
			return false;
		memset(next, 0, p->len + 1);
		for (size_t i = 0; i < p->len; i++) {
			if (!now[i])
				continue;
			alive = true;
			step(p, i, (unsigned char)*path, next);
		}
		if (!alive)
			return false;
		now = next;
		next = other;
	}
}

bool dockerignore_match(const struct dockerignore *ignore, const char *path)
{
	CLEANUP(cleanup_free) bool *sets = NULL;
	bool out = false;

	if (!ignore || !ignore->len)
		return false;
	sets = xcalloc(2, ignore->longest + 1);
	for (size_t i = 0; i < ignore->len; i++) {
		const struct pattern *p = &ignore->patterns[i];

		if (p->exception == out && pattern_matches(p, path, sets))
			out = !p->exception;
	}
	return out;
}

bool dockerignore_may_return(const struct dockerignore *ignore, const char *dir)
{
	size_t len = strlen(dir);

	for (size_t i = 0; ignore && i < ignore->len; i++) {
		const char *fixed = ignore->patterns[i].fixed;
		size_t common = strlen(fixed) < len ? strlen(fixed) : len;

		if (ignore->patterns[i].exception && !strncmp(fixed, dir, common) &&
		    (common < len || !fixed[len] || fixed[len] == '/' ))
			return true;
	}
	return false;
}
