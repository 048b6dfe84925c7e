/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/dockerfile.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/dockerfile_words.h"
#include "pipeline/show.h"
#include "runners/docker_engine.h"

/* Where in an instruction an image stands. */
struct edit {
	size_t at, len; /* in its joined text */
	char *base;
};
struct instruction {
	size_t start, end; /* in the file; the end is behind the last line's newline, and before a here-document */
	int line, nlines;
	char *text;        /* its lines joined, without comments */
	struct edit *edits;
	size_t nedits, edits_cap;
};
struct dockerfile {
	const char *name;  /* lent while it is parsed */
	char *text;
	size_t len;
	char escape;
	struct instruction *items;
	size_t nitems, cap;
	struct strlist bases;
	struct strlist stages;   /* names, lower case; "" of one without */
	struct strlist vars;     /* NAME=VALUE of ARG before FROM */
	const struct strlist *args;
};

static int fault(const struct dockerfile *d, const struct instruction *in, struct error *err)
{
	return error_where(err, d->name, in ? in->line : 1, 0);
}

/* ---- lines ---- */

struct reader {
	struct dockerfile *file;
	size_t at;
	int line; /* of what comes next */
};

/* The next line without its end. NULL: there is none. */
static const char *next_line(struct reader *r, size_t *len)
{
	const char *line = r->file->text + r->at, *end;

	if (r->at >= r->file->len)
		return NULL;
	end = memchr(line, '\n', r->file->len - r->at);
	*len = end ? (size_t)(end - line) : r->file->len - r->at;
	r->at += *len + (end != NULL);
	r->line++;
	if (*len && line[*len - 1] == '\r')
		--*len;
	return line;
}

static size_t blanks(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && isspace((unsigned char)text[n]))
		n++;
	return n;
}

/* "# escape=`" among the first lines. */
static void take_directives(struct dockerfile *d)
{
	struct reader r = { d, 0, 1 };
	const char *line;
	size_t len;

	while ((line = next_line(&r, &len)) && *line == '#') {
		size_t at = 1 + blanks(line + 1, len - 1), word = at;

		while (word < len && isalnum((unsigned char)line[word]))
			word++;
		size_t equals = word + blanks(line + word, len - word);
		if (word == at || equals == len || line[equals] != '=')
			return;
		equals += 1 + blanks(line + equals + 1, len - equals - 1);
		if (word - at == 6 && !strncasecmp(line + at, "escape", 6) && equals < len &&
		    (line[equals] == '`' || line[equals] == '\\'))
			d->escape = line[equals];
	}
}

/* Takes the escape at the end of a line away. */
static bool goes_on(const struct dockerfile *d, struct strbuf *text, size_t from)
{
	size_t len = text->len;

	while (len > from && (text->buf[len - 1] == ' ' || text->buf[len - 1] == '\t'))
		len--;
	if (len == from || text->buf[len - 1] != d->escape || (len - from > 1 && text->buf[len - 2] == d->escape))
		return false;
	text->len = len - 1;
	text->buf[text->len] = '\0';
	return true;
}

/* One instruction with the lines that go on. False: there is none any more. */
static bool next_instruction(struct reader *r, struct instruction *ret)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const char *line;
	size_t len, skip;

	*ret = (struct instruction){ 0 };
	for (;;) {
		size_t start = r->at, from = text.len;
		int number = r->line;

		line = next_line(r, &len);
		if (!line)
			break;
		skip = blanks(line, len);
		if (skip == len || line[skip] == '#')
			continue;
		if (!ret->line) {
			ret->start = start;
			ret->line = number;
			line += skip;
			len -= skip;
		}
		strbuf_add(&text, line, len);
		if (!goes_on(r->file, &text, from))
			break;
	}
	ret->end = r->at;
	ret->nlines = r->line - ret->line;
	ret->text = strbuf_detach(&text);
	return ret->line != 0;
}

/* The lines up to one that is `name` alone belong to the instruction before; nothing when no line is. */
static void skip_document(struct reader *r, const char *name, bool tabs)
{
	struct reader ahead = *r;
	const char *line;
	size_t len;

	while ((line = next_line(&ahead, &len))) {
		while (tabs && len && *line == '\t') {
			line++;
			len--;
		}
		if (len == strlen(name) && !memcmp(line, name, len)) {
			*r = ahead;
			return;
		}
	}
}

#define DOCUMENTS_MAX 100 /* of one instruction: each is looked for to the end of the file */

static void skip_documents(struct reader *r, const char *text)
{
	int left = DOCUMENTS_MAX;

	for (const char *at = strstr(text, "<<"); at && left; at = strstr(at, "<<")) {
		const char *word = at;
		bool tabs, quoted;
		size_t len;

		while (word > text && isdigit((unsigned char)word[-1]))
			word--;
		at += 2;
		tabs = *at == '-';
		at += tabs;
		quoted = *at == '"' || *at == '\'';
		len = strspn(at + quoted, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
		if (!len || (word > text && !isspace((unsigned char)word[-1])))
			continue;
		CLEANUP(cleanup_free) char *name = xstrndup(at + quoted, len);
		skip_document(r, name, tabs);
		left--;
	}
}

/* ---- images ---- */

static bool is_stage(const struct dockerfile *d, const char *name)
{
	for (size_t i = 0; i < d->stages.len; i++)
		if (!strcasecmp(d->stages.items[i], name))
			return true;
	return *name && !name[strspn(name, "0123456789")];
}

static int add_base(struct dockerfile *d, struct instruction *in, size_t at, size_t len, const char *name,
		    struct error *err)
{
	struct docker_ref ref;

	if (docker_ref_parse(name, &ref, err) < 0)
		return fault(d, in, err);
	docker_ref_release(&ref);
	GROW(in->edits, in->nedits, in->edits_cap);
	in->edits[in->nedits++] = (struct edit){ at, len, xstrdup(name) };
	strlist_push(&d->bases, name);
	return 0;
}

/* Of COPY and RUN: a stage or an image, in which nothing is expanded. */
static int add_from(struct dockerfile *d, struct instruction *in, size_t at, size_t len, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xstrndup(in->text + at, len);

	if (is_stage(d, name))
		return 0;
	if (strchr(name, '$')) {
		error_set(err, ERR_USAGE, "from=%s: only FROM may hold a variable", SHOW(name));
		error_help(err, "name it as a stage, FROM %s AS NAME, and write from=NAME", SHOW(name));
		return fault(d, in, err);
	}
	return add_base(d, in, at, len, name, err);
}

/* The next word of an instruction, by blanks. False: none. */
static bool next_word(const char *text, size_t *at, size_t *len)
{
	*at += *len;
	*at += strspn(text + *at, " \t\r\v\f");
	*len = strcspn(text + *at, " \t\r\v\f");
	return *len > 0;
}

static int expand(struct dockerfile *d, const struct instruction *in, size_t at, size_t len, char **ret,
		  struct error *err)
{
	struct dockerfile_scope scope = { .escape = d->escape, .vars = &d->vars };

	return dockerfile_expand(&scope, in->text + at, len, ret, err) < 0 ? fault(d, in, err) : 0;
}

static int take_from(struct dockerfile *d, struct instruction *in, size_t at, size_t len, struct error *err)
{
	CLEANUP(cleanup_free) char *name = NULL;
	CLEANUP(cleanup_free) char *stage = xstrdup("");
	size_t word, n;
	bool found;

	while ((found = next_word(in->text, &at, &len)) && !strncmp(in->text + at, "--", 2)) {
		CLEANUP(cleanup_free) char *flag = NULL;

		if (expand(d, in, at, len, &flag, err) < 0)
			return -1;
	}
	if (!found) {
		error_set(err, ERR_USAGE, "FROM names no image");
		error_help(err, "write FROM IMAGE, or FROM scratch");
		return fault(d, in, err);
	}
	if (expand(d, in, at, len, &name, err) < 0)
		return -1;
	if (!*name) {
		error_set(err, ERR_USAGE, "FROM %.*s names no image", (int)len, in->text + at);
		error_help(err, "its variables are empty: give them values in ARG before FROM, or in args=");
		return fault(d, in, err);
	}
	word = at;
	n = len;
	if (next_word(in->text, &word, &n) && n == 2 && !strncasecmp(in->text + word, "as", 2) &&
	    next_word(in->text, &word, &n)) {
		free(stage);
		stage = xstrndup(in->text + word, n);
	}
	if (strcmp(name, "scratch") != 0 && !is_stage(d, name) && add_base(d, in, at, len, name, err) < 0)
		return -1;
	strlist_push(&d->stages, stage);
	return 0;
}

/* "--mount=type=bind,from=NAME": its part from=. */
static int take_mount(struct dockerfile *d, struct instruction *in, size_t at, size_t end, struct error *err)
{
	while (at < end) {
		size_t len = strcspn(in->text + at, ",");

		len = at + len > end ? end - at : len;
		if (len > 5 && !strncmp(in->text + at, "from=", 5) && add_from(d, in, at + 5, len - 5, err) < 0)
			return -1;
		at += len + 1;
	}
	return 0;
}

static int take_flags(struct dockerfile *d, struct instruction *in, size_t at, size_t len, struct error *err)
{
	static const char from[] = "--from=", mount[] = "--mount=";

	while (next_word(in->text, &at, &len) && !strncmp(in->text + at, "--", 2)) {
		const char *word = in->text + at;

		if (len >= sizeof(from) && !strncmp(word, from, sizeof(from) - 1) &&
		    add_from(d, in, at + sizeof(from) - 1, len - sizeof(from) + 1, err) < 0)
			return -1;
		if (len >= sizeof(mount) && !strncmp(word, mount, sizeof(mount) - 1) &&
		    take_mount(d, in, at + sizeof(mount) - 1, at + len, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- arguments ---- */

static const char *find_var(const struct strlist *vars, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = vars ? vars->len : 0; i-- > 0;)
		if (!strncmp(vars->items[i], name, len) && vars->items[i][len] == '=')
			return vars->items[i] + len + 1;
	return NULL;
}

/* The newest value of a name is its only one. */
static void set_var(struct strlist *vars, const char *name, const char *value)
{
	size_t len = strlen(name), i = 0;

	while (i < vars->len && (strncmp(vars->items[i], name, len) != 0 || vars->items[i][len] != '='))
		i++;
	if (i == vars->len)
		strlist_push(vars, "");
	free(vars->items[i]);
	vars->items[i] = xasprintf("%s=%s", name, value);
}

/* ARG before the first FROM: what it is given, else its default. */
static int take_arg(struct dockerfile *d, struct instruction *in, size_t at, size_t len, struct error *err)
{
	at += len;
	while (dockerfile_word(in->text, d->escape, &at, &len)) {
		CLEANUP(cleanup_free) char *name = xstrndup(in->text + at, strcspn(in->text + at, "= \t"));
		CLEANUP(cleanup_free) char *value = NULL;
		size_t n = strlen(name) + 1;
		const char *given = find_var(d->args, name);

		if (given)
			value = xstrdup(given);
		else if (n <= len && expand(d, in, at + n, len - n, &value, err) < 0)
			return -1;
		if (value)
			set_var(&d->vars, name, value);
		at += len;
	}
	return 0;
}

/* ---- the file ---- */

static int take(struct dockerfile *d, struct reader *r, struct instruction *in, struct error *err)
{
	static const struct {
		const char *word;
		int (*take)(struct dockerfile *, struct instruction *, size_t, size_t, struct error *);
		bool first;     /* may stand before FROM */
		bool documents;
	} words[] = {
		{ "FROM", take_from, true, false }, { "ARG", take_arg, true, false },
		{ "COPY", take_flags, false, true }, { "ADD", take_flags, false, true },
		{ "RUN", take_flags, false, true },
	};
	size_t at = 0, len = 0;
	bool first = false;

	next_word(in->text, &at, &len);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strlen(words[i].word) != len || strncasecmp(in->text + at, words[i].word, len) != 0)
			continue;
		first = words[i].first;
		if (words[i].documents)
			skip_documents(r, in->text);
		/* An argument of a stage is not known to FROM. */
		if ((words[i].take != take_arg || !d->stages.len) && words[i].take(d, in, at, len, err) < 0)
			return -1;
	}
	if (first || d->stages.len)
		return 0;
	error_set(err, ERR_USAGE, "%.*s stands before FROM", len > 40 ? 40 : (int)len, in->text + at);
	error_help(err, "a Dockerfile begins with FROM IMAGE; only ARG may stand before it");
	return fault(d, in, err);
}

static int parse(struct dockerfile *d, struct error *err)
{
	struct reader r = { d, 0, 1 };
	struct instruction in;

	take_directives(d);
	while (next_instruction(&r, &in)) {
		GROW(d->items, d->nitems, d->cap);
		d->items[d->nitems++] = in;
		if (take(d, &r, &d->items[d->nitems - 1], err) < 0)
			return -1;
	}
	free(in.text);
	strlist_sort(&d->bases);
	strlist_uniq(&d->bases);
	if (d->stages.len)
		return 0;
	error_set(err, ERR_USAGE, "%s has no FROM", d->name);
	return error_help(err, "a Dockerfile begins with FROM IMAGE");
}

int dockerfile_parse(const char *text, size_t len, const char *name, const struct strlist *args,
		     struct dockerfile **ret, struct error *err)
{
	CLEANUP(cleanup_dockerfile) struct dockerfile *d = xcalloc(1, sizeof(*d));

	if (memchr(text, '\0', len))
		return error_set(err, ERR_USAGE, "%s is no Dockerfile: it holds a NUL byte", name);
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	d->text = xstrndup(text, len);
	d->len = len;
	d->name = name;
	d->escape = '\\';
	d->args = args;
	if (parse(d, err) < 0)
		return -1;
	*ret = steal(&d);
	return 0;
}

void dockerfile_free(struct dockerfile *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->nitems; i++) {
		for (size_t k = 0; k < d->items[i].nedits; k++)
			free(d->items[i].edits[k].base);
		free(d->items[i].edits);
		free(d->items[i].text);
	}
	free(d->items);
	free(d->text);
	strlist_release(&d->bases);
	strlist_release(&d->stages);
	strlist_release(&d->vars);
	free(d);
}

void cleanup_dockerfile(struct dockerfile **d)
{
	dockerfile_free(*d);
}

const struct strlist *dockerfile_bases(const struct dockerfile *d)
{
	return &d->bases;
}

int dockerfile_line(const struct dockerfile *d, int step)
{
	return step > 0 && (size_t)step <= d->nitems ? d->items[step - 1].line : 0;
}

/* The lines that were joined leave empty ones. */
static void add_edited(const struct instruction *in, const char *(*pin)(void *ctx, const char *base), void *ctx,
		       struct strbuf *out)
{
	size_t at = 0;

	for (size_t i = 0; i < in->nedits; i++) {
		strbuf_add(out, in->text + at, in->edits[i].at - at);
		strbuf_puts(out, pin(ctx, in->edits[i].base));
		at = in->edits[i].at + in->edits[i].len;
	}
	strbuf_puts(out, in->text + at);
	for (int i = 0; i < in->nlines; i++)
		strbuf_putc(out, '\n');
}

void dockerfile_pinned(const struct dockerfile *d, const char *(*pin)(void *ctx, const char *base), void *ctx,
		       struct strbuf *out)
{
	size_t at = 0;

	for (size_t i = 0; i < d->nitems; i++) {
		const struct instruction *in = &d->items[i];

		if (!in->nedits)
			continue;
		strbuf_add(out, d->text + at, in->start - at);
		add_edited(in, pin, ctx, out);
		at = in->end;
	}
	strbuf_add(out, d->text + at, d->len - at);
}
