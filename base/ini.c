/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels through inih. Our reader callback gives it one short line a call:
 *
 *	[NAME]           a section, followed by a key line "@=" that announces it, because
 *	                 inih does not report sections
 *	NAME=>TEXT.      a key and its first line of text; "NAME=" when there is none
 *	 >TEXT.          the next line of the value
 *	 +TEXT.          more of the same line
 *
 * The mark in front and the dot behind keep inih from trimming TEXT, the mark also from
 * taking it for a comment; in TEXT "%," is ';' and "%%" is '%', so that no inline comment
 * begins. A NAME that is not short and plain travels as "@OFFSET+LENGTH", its place in
 * the text. inih calls back before it asks for the next line, so the reader's position
 * is that of the piece at hand.
 */
#include "base/ini.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* The library's name for its callback is ours too. */
#define ini_handler inih_handler
#include <ini.h>
#undef ini_handler
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"

#define PIECE_MAX  190 /* bytes of a line we give to inih */
#define PLAIN_NAME 48  /* longest name it keeps whole */

struct reader {
	const char *text, *end; /* the file without its BOM */
	const char *file;
	ini_handler *handler;
	void *ctx;
	struct error *err;

	const char *next;        /* the line after this one */
	const char *start;       /* this line */
	int line;                /* its number */
	int column, text_column; /* of its name; of its text */
	const char *rest, *rest_end; /* text of this line that inih has not got yet */
	bool in_section;
	bool has_value; /* a key stands above: lines that start with a blank continue it */
	bool announce;  /* inih knows the new section, our handler does not yet */
	bool awaited;   /* inih owes us a call */
	bool failed;

	/* The entry being put together, while `open`. */
	bool open, is_section;
	struct strbuf section, key, value;
	struct ini_line *lines; /* text: set at the end */
	size_t nlines, cap;
	int entry_line, entry_column;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Gives the collected entry to the caller's handler. */
static int flush_entry(struct reader *r)
{
	CLEANUP(cleanup_free) char *texts = NULL;
	char *p;

	if (!r->open)
		return 0;
	r->open = false;
	p = texts = xmemdup(r->value.buf, r->value.len + 1);
	for (size_t i = 0; i < r->nlines; i++) {
		r->lines[i].text = p;
		p += strcspn(p, "\n");
		*p++ = '\0';
	}
	struct ini_entry entry = {
		.section = r->section.buf,
		.key = r->is_section ? NULL : r->key.buf,
		.line = r->entry_line,
		.column = r->entry_column,
		.value = r->value.buf,
		.lines = r->lines,
		.nlines = r->nlines,
	};
	if (r->handler(r->ctx, &entry, r->err) < 0)
		r->failed = true;
	return r->failed ? -1 : 0;
}

/* An error of this line; what stands above it comes first. Ends the parse. */
static char *refuse(struct reader *r, const char *at, const char *message, const char *help)
{
	if (flush_entry(r) < 0)
		return NULL;
	r->failed = true;
	error_set(r->err, ERR_USAGE, "%s", message);
	error_where(r->err, r->file, r->line, (int)(at - r->start) + 1);
	error_help(r->err, "%s", help);
	return NULL;
}

/* inih dropped or split what it was given: no text can cause this, another build of it may. */
static char *refuse_library(struct reader *r)
{
	r->failed = true;
	error_set(r->err, ERR_ENV, "inih lost line %d of %s", r->line, r->file);
	error_help(r->err, "install inih r55 or later in its default configuration");
	return NULL;
}

static bool is_plain(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
		    c != '_' && c != '-' && c != '.')
			return false;
	}
	return len > 0 && len <= PLAIN_NAME;
}

/* Writes a name as it travels; the reader's buffer has room for either form. */
static size_t put_name(const struct reader *r, char *buf, const char *name, size_t len)
{
	if (!is_plain(name, len))
		return (size_t)snprintf(buf, PIECE_MAX, "@%td+%zu", name - r->text, len);
	memcpy(buf, name, len);
	return len;
}

/* Adds as much of the line's text as fits behind the `n` bytes that stand in buf. */
static char *put_text(struct reader *r, char *buf, size_t n, char mark)
{
	r->awaited = true;
	if (r->rest < r->rest_end) {
		buf[n++] = mark;
		/* room for an escaped byte and the dot */
		while (r->rest < r->rest_end && n + 3 <= PIECE_MAX) {
			char c = *r->rest++;

			if (c == '%' || c == ';')
				buf[n++] = '%';
			buf[n++] = c == ';' ? ',' : c;
		}
		buf[n++] = '.';
	}
	buf[n] = '\0';
	return buf;
}

static char *give_section(struct reader *r, char *buf, const char *from, const char *to)
{
	const char *close = memchr(from, ']', (size_t)(to - from));
	const char *name = from + 1;
	size_t n;

	if (!close)
		return refuse(r, from, "section without ']'", "write it as: [name]");
	if (close + 1 < to)
		return refuse(r, close + 1, "text after the section's ']'",
			      "put it on the next line; a comment has a line of its own");
	while (is_blank(*name))
		name++;
	while (close > name && is_blank(close[-1]))
		close--;
	if (close == name)
		return refuse(r, from, "section without a name", "write it as: [name]");
	if (flush_entry(r) < 0)
		return NULL;
	r->column = (int)(name - r->start) + 1;
	r->in_section = true;
	r->has_value = false;
	r->announce = true;
	buf[0] = '[';
	n = 1 + put_name(r, buf + 1, name, (size_t)(close - name));
	memcpy(buf + n, "]", sizeof("]"));
	return buf;
}

static char *give_key(struct reader *r, char *buf, const char *from, const char *to)
{
	const char *equals = memchr(from, '=', (size_t)(to - from));
	const char *name_end = equals;
	const char *text;
	size_t n;

	if (!r->in_section)
		return refuse(r, from, "text before the first section",
			      "start with a section: [name]");
	if (!equals)
		return refuse(r, from, "line without '='",
			      "write: key = value; a line that goes on with a value starts with a blank");
	while (name_end > from && is_blank(name_end[-1]))
		name_end--;
	if (name_end == from)
		return refuse(r, from, "'=' without a key before it", "write: key = value");
	if (flush_entry(r) < 0)
		return NULL;
	for (text = equals + 1; text < to && is_blank(*text);)
		text++;
	r->column = 1;
	r->text_column = (int)(text - r->start) + 1;
	r->has_value = true;
	r->rest = text;
	r->rest_end = to;
	n = put_name(r, buf, from, (size_t)(name_end - from));
	buf[n++] = '=';
	return put_text(r, buf, n, '>');
}

static char *give_continuation(struct reader *r, char *buf, const char *from, const char *to)
{
	if (!r->has_value)
		return refuse(r, r->start,
			      "the line starts with a blank, but no value stands above it",
			      "remove the blanks in front");
	r->text_column = (int)(from - r->start) + 1;
	r->rest = from;
	r->rest_end = to;
	buf[0] = ' ';
	return put_text(r, buf, 1, '>');
}

/* Moves to the next line that is neither blank nor a comment; its text without the blanks
 * around it is from..to. */
static bool next_line(struct reader *r, const char **from, const char **to)
{
	while (r->next < r->end) {
		const char *stop = memchr(r->next, '\n', (size_t)(r->end - r->next));
		const char *a = r->next, *b = stop ? stop : r->end;

		r->start = a;
		r->line++;
		r->next = stop ? stop + 1 : r->end;
		if (b > a && b[-1] == '\r')
			b--;
		while (a < b && is_blank(*a))
			a++;
		while (b > a && is_blank(b[-1]))
			b--;
		if (a == b)
			continue;
		if ((*a == '#' || *a == ';') && (a == r->start || !r->has_value))
			continue;
		*from = a;
		*to = b;
		return true;
	}
	return false;
}

/* inih's reader: its next line, or NULL to end. */
static char *give_line(char *buf, int size, void *user)
{
	struct reader *r = user;
	const char *from, *to;

	if (r->failed)
		return NULL;
	if (r->awaited || size <= PIECE_MAX)
		return refuse_library(r);
	if (r->announce) {
		r->announce = false;
		r->awaited = true;
		return memcpy(buf, "@=", sizeof("@="));
	}
	if (r->rest < r->rest_end) {
		buf[0] = ' ';
		return put_text(r, buf, 1, '+');
	}
	if (!next_line(r, &from, &to)) {
		flush_entry(r);
		return NULL;
	}
	if (from > r->start)
		return give_continuation(r, buf, from, to);
	return *from == '[' ? give_section(r, buf, from, to) : give_key(r, buf, from, to);
}

/* The opposite of put_name. */
static void take_name(const struct reader *r, const char *name, struct strbuf *ret)
{
	size_t size = (size_t)(r->end - r->text);
	char *plus;
	size_t at, len;

	strbuf_clear(ret);
	if (name[0] != '@') {
		strbuf_puts(ret, name);
		return;
	}
	at = strtoul(name + 1, &plus, 10);
	len = *plus ? strtoul(plus + 1, NULL, 10) : 0;
	if (at <= size && len <= size - at)
		strbuf_add(ret, r->text + at, len);
}

/* The opposite of put_text. */
static void take_text(struct reader *r, const char *piece)
{
	const char *p = piece + 1, *end = piece + strlen(piece) - 1;

	if (*piece == '>') {
		if (r->nlines)
			strbuf_putc(&r->value, '\n');
		GROW(r->lines, r->nlines, r->cap);
		r->lines[r->nlines++] =
			(struct ini_line){ .line = r->line, .column = r->text_column };
	}
	while (p < end) {
		const char *escape = memchr(p, '%', (size_t)(end - p));

		strbuf_add(&r->value, p, (size_t)((escape ? escape : end) - p));
		if (!escape)
			break;
		strbuf_putc(&r->value, escape[1] == ',' ? ';' : '%');
		p = escape + 2;
	}
}

/* inih's handler. The section is decoded once, not again for each of its keys. */
static int take_line(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;

	r->awaited = false;
	if (!r->open) {
		r->open = true;
		r->is_section = !strcmp(name, "@");
		r->entry_line = r->line;
		r->entry_column = r->column;
		r->nlines = 0;
		strbuf_clear(&r->value);
		take_name(r, r->is_section ? section : name, r->is_section ? &r->section : &r->key);
	}
	if (*value)
		take_text(r, value);
	return 1;
}

static void release_reader(struct reader *r)
{
	strbuf_release(&r->section);
	strbuf_release(&r->key);
	strbuf_release(&r->value);
	free(r->lines);
}

static int check_bytes(const char *text, size_t len, const char *file, struct error *err)
{
	size_t valid, line_at = 0;
	const char *nul;
	int line = 1;

	if (len > INI_MAX_BYTES) {
		error_set(err, ERR_USAGE, "the file is %zu bytes long, the limit is %u", len,
			  INI_MAX_BYTES);
		return error_where(err, file, 0, 0);
	}
	valid = utf8_span(text, len);
	nul = memchr(text, '\0', valid);
	if (nul)
		valid = (size_t)(nul - text);
	if (valid == len)
		return 0;
	for (size_t i = 0; i < valid; i++) {
		if (text[i] == '\n') {
			line++;
			line_at = i + 1;
		}
	}
	error_set(err, ERR_USAGE, nul ? "a NUL byte in the text" : "not valid UTF-8 text");
	error_where(err, file, line, (int)(valid - line_at) + 1);
	return error_help(err, "save the file as UTF-8 text");
}

int ini_parse_text(const char *text, size_t len, const char *file, ini_handler *handler, void *ctx,
		   struct error *err)
{
	static const char bom[] = "\xef\xbb\xbf";
	int rc;

	if (len >= 3 && !memcmp(text, bom, 3)) {
		text += 3;
		len -= 3;
	}
	if (check_bytes(text, len, file, err) < 0)
		return -1;
	CLEANUP(release_reader) struct reader r = {
		.text = text,
		.end = text + len,
		.next = text,
		.start = text,
		.file = file,
		.handler = handler,
		.ctx = ctx,
		.err = err,
		.section = STRBUF_INIT,
		.key = STRBUF_INIT,
		.value = STRBUF_INIT,
	};
	rc = ini_parse_stream(give_line, &r, take_line, &r);
	if (rc != 0 && !r.failed)
		refuse_library(&r);
	return r.failed ? -1 : 0;
}
