/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "monitor/table/scan.h"
#include "monitor/table/table_internal.h"
/*
 * CSV in two passes over a window: masks of 64 bytes give the places where a field may end ("marks": delimiters and ends
 * of rows outside of quotes); then each run of as many marks as there are columns is a row. Whether a byte is inside of
 * quotes is the parity of the quotes before it. That is wrong behind a misplaced quote, but its field is looked at
 * before anything that follows it, and ends the table.
 */
struct csv {
	const struct table *table;
	struct window window;
	struct scan_masks masks;
	size_t blocks, masks_cap; /* scanned so far */
	uint32_t *marks;	  /* places in the window */
	size_t nmarks, marks_cap, used;
	bool quoted; /* behind the last block */
	bool quotes; /* some are in the window */
	size_t at;   /* where the first row that was not given out begins */
	uint64_t row;
	struct field *fields, *other; /* other: those of the piece before, where they are lent longer */
	size_t fields_cap, other_cap;
	struct error failed; /* what is wrong with the row behind those that were given out */
};

#define A_NUL "a NUL byte"
#define STRAY_QUOTE "a quote inside of a field that does not begin with one"

static struct csv *csv_new(const struct table *t, struct window *w)
{
	struct csv *c = xcalloc(1, sizeof(*c));

	c->table = t;
	c->window = *w;
	*w = (struct window)WINDOW_INIT(NULL);
	return c;
}

void csv_free(struct csv *c)
{
	if (!c)
		return;
	window_release(&c->window);
	free(c->masks.marks);
	free(c->masks.lines);
	free(c->masks.quotes);
	free(c->marks);
	free(c->fields);
	free(c->other);
	free(c);
}

void cleanup_csv(struct csv **c)
{
	csv_free(*c);
}

static void masks_reserve(struct csv *c, size_t blocks)
{
	if (blocks <= c->masks_cap)
		return;
	c->masks_cap = blocks + blocks / 2;
	c->masks.marks = xreallocarray(c->masks.marks, c->masks_cap, sizeof(uint64_t));
	c->masks.lines = xreallocarray(c->masks.lines, c->masks_cap, sizeof(uint64_t));
	/* the last field may look at two words */
	c->masks.quotes = xreallocarray(c->masks.quotes, c->masks_cap + 1, sizeof(uint64_t));
}

/* Places of the bits of blocks [from, to). */
static void find_marks(struct csv *c, size_t from, size_t to)
{
	uint32_t *at;

	if (c->nmarks + (to - from) * SCAN_BLOCK > c->marks_cap) {
		c->marks_cap = c->nmarks + c->nmarks / 2 + (to - from) * SCAN_BLOCK;
		c->marks = xreallocarray(c->marks, c->marks_cap, sizeof(*c->marks));
	}
	at = c->marks + c->nmarks;
	for (size_t block = from; block < to; block++) {
		uint64_t quotes = c->masks.quotes[block], bits = c->masks.marks[block];

		if (quotes || c->quoted) {
			bits &= ~scan_inside(quotes, &c->quoted);
			c->quotes = true;
		}
		for (; bits; bits &= bits - 1)
			*at++ = (uint32_t)(block * SCAN_BLOCK) + (uint32_t)__builtin_ctzll(bits);
	}
	c->nmarks = (size_t)(at - c->marks);
}

/* The last row needs no end of its own; the last block is filled up with what is no mark. */
static void end_text(struct window *w)
{
	if (w->len && w->text[w->len - 1] != '\n' && w->text[w->len - 1] != '\r')
		w->text[w->len++] = '\n';
	if (w->len)
		memset(w->text + w->len, 'x', SCAN_BLOCK);
}

/* 1 when there is more to look at, 0 at the end. */
static int look(struct csv *c, struct error *err)
{
	struct window *w = &c->window;
	size_t to;

	/* To the full after what was given out: so where pieces end depends on the text alone. */
	if (((!c->blocks && w->len < WINDOW_PIECE) || (c->blocks + 1) * SCAN_BLOCK > w->len) && window_fill(w, err) < 0)
		return -1;
	if (w->ended)
		end_text(w);
	to = (w->len + (w->ended ? SCAN_BLOCK - 1 : 0)) / SCAN_BLOCK;
	if (to > c->blocks) {
		masks_reserve(c, to);
		scan_blocks(w->text, c->blocks, to, c->table->delimiter, &c->masks);
		find_marks(c, c->blocks, to);
		c->blocks = to;
	}
	return !w->ended;
}

static bool is_line(char c)
{
	return c == '\n' || c == '\r';
}

/* Whether a quote is among the bytes [start, end). */
static inline bool has_quote(const uint64_t *quotes, size_t start, size_t end)
{
	size_t first = start / SCAN_BLOCK, last = end / SCAN_BLOCK;
	uint64_t from = UINT64_MAX << start % SCAN_BLOCK, to = (UINT64_C(1) << end % SCAN_BLOCK) - 1;

	if (first == last)
		return quotes[first] & from & to;
	if (quotes[first] & from)
		return true;
	while (++first < last)
		if (quotes[first])
			return true;
	return quotes[last] & to;
}

/* What is wrong with a field as it stands in the file, or NULL. */
static const char *field_problem(const char *text, size_t len)
{
	const char *in = text + 1, *end = text + len - 1;

	if (memchr(text, '\0', len))
		return A_NUL;
	if (*text != '"')
		return memchr(text, '"', len) ? STRAY_QUOTE : NULL;
	if (len < 2 || *end != '"')
		return "text behind the closing quote";
	while (in < end && (in = memchr(in, '"', (size_t)(end - in)))) {
		if (in + 1 == end || in[1] != '"')
			return "text behind the closing quote";
		in += 2;
	}
	return NULL;
}

/* Of a field that the end of the file, inside of quotes, ends. */
static const char *rest_problem(const char *text, size_t len)
{
	const char *in = text + 1, *end = text + len;

	if (*text != '"')
		return STRAY_QUOTE;
	while ((in = memchr(in, '"', (size_t)(end - in)))) {
		if (in[1] != '"') /* the virtual end of a row follows the last byte */
			return "text behind the closing quote";
		in += 2;
	}
	return "its quote is never closed";
}

/* Of a field in quotes without a problem. */
static void undouble(char *text, size_t len, struct field *f)
{
	char *in = text + 1, *out = in, *end = text + len - 1, *quote;

	while ((quote = memchr(in, '"', (size_t)(end - in)))) {
		quote++;
		if (in != out)
			memmove(out, in, (size_t)(quote - in));
		out += quote - in;
		in = quote + 1;
	}
	if (in != out)
		memmove(out, in, (size_t)(end - in));
	f->text = text + 1;
	f->len = (uint32_t)(out + (end - in) - f->text);
}

/* Fields of the row that begins at `start`, whose places of end are `marks`. How many are right: all, or what explain_row
 * shall look at. */
static inline __attribute__((always_inline)) size_t split_row(struct csv *c, const uint32_t *marks, size_t ncols,
							      size_t start, struct field *f, const bool careful)
{
	const struct null_words *nulls = &c->table->nulls;
	const char delimiter = c->table->delimiter;
	char *text = c->window.text;

	for (size_t i = 0; i < ncols; i++, f++) {
		size_t end = marks[i];

		f->text = text + start;
		f->len = (uint32_t)(end - start);
		if (careful && (c->masks.nul || has_quote(c->masks.quotes, start, end))) {
			if (field_problem(text + start, end - start))
				return i;
			if (text[start] == '"')
				undouble(text + start, end - start, f);
		}
		if ((text[end] == delimiter) != (i + 1 < ncols))
			return i;
		f->kind = null_words_is(nulls, f->text, f->len) ? FIELD_NULL : FIELD_TEXT;
		start = end + 1;
	}
	return ncols;
}

static int bad_count(const struct csv *c, uint64_t row, size_t n, const char *more, struct error *err)
{
	const struct table *t = c->table;
	char delimiter[] = { '\'', t->delimiter, '\'', '\0' };

	if (!table_ncolumns(t))
		return error_set(err, ERR_USAGE, "%s has %s%u columns", t->name, more, TABLE_COLUMNS);
	error_set(err, ERR_USAGE, "%s: row %" PRIu64 " has %s%zu field%s, the header has %zu", t->name, row, more, n,
		  n == 1 ? "" : "s", table_ncolumns(t));
	return error_help(err, "fields end at %s here; what has it inside needs quotes around it",
			  t->delimiter == '\t' ? "a tab" : delimiter);
}

static int bad_field(const struct csv *c, uint64_t row, size_t column, const char *what, struct error *err)
{
	table_bad(c->table, row, column, what, err);
	if (!strcmp(what, A_NUL))
		return error_help(err, "text has none; to drop them, type: tr -d '\\000' < FILE > NEW");
	return error_help(err, "a field with a quote inside is written in quotes, and that quote twice: \"a \"\"b\"\" c\"");
}

/* What is wrong with a row whose field `column` begins at `start` and ends at mark `used`: it, or one behind it, or
 * their number. */
static int explain_row(const struct csv *c, uint64_t row, size_t column, size_t start, size_t used, struct error *err)
{
	for (; used < c->nmarks; column++, used++) {
		size_t end = c->marks[used];
		const char *what = field_problem(c->window.text + start, end - start);

		if (what)
			return bad_field(c, row, column, what, err);
		if (is_line(c->window.text[end]))
			return bad_count(c, row, column + 1, "", err);
		start = end + 1;
	}
	if (column > TABLE_COLUMNS)
		return bad_count(c, row, TABLE_COLUMNS, "more than ", err);
	if (c->window.ended)
		return bad_field(c, row, column, rest_problem(c->window.text + start, c->window.len - start), err);
	error_set(err, ERR_USAGE, "%s: row %" PRIu64 " is longer than %zu MiB", c->table->name, row, ROW_BYTES >> 20);
	return error_help(err, "a quote that is never closed makes one row of all that follows it");
}

/* A row that is not whole, or has too many or too few fields: 0 when more of it must be read. */
static int check_rest(const struct csv *c, uint64_t row, struct error *err)
{
	bool whole = c->window.ended;

	if (c->at == c->window.len)
		return 0;
	for (size_t i = c->used; i < c->nmarks && !whole; i++)
		whole = is_line(c->window.text[c->marks[i]]);
	if (!whole && c->nmarks - c->used <= TABLE_COLUMNS && c->window.len - c->at <= ROW_BYTES)
		return 0;
	return explain_row(c, row, 0, c->at, c->used, err);
}

static bool skip_empty_row(struct csv *c)
{
	if (c->marks[c->used] != c->at || !is_line(c->window.text[c->at]))
		return false;
	c->at++;
	c->used++;
	return true;
}

/* All rows that are whole, up to the end of a block. -1 with what is wrong behind them. */
static inline __attribute__((always_inline)) int split_rows(struct csv *c, size_t ncols, size_t *ret_n,
							    const bool careful, struct error *err)
{
	size_t n = 0, most = TABLE_BLOCK - c->row % TABLE_BLOCK;

	while (c->used < c->nmarks) {
		const uint32_t *marks = c->marks + c->used;
		size_t good;

		if (skip_empty_row(c))
			continue;
		if (c->nmarks - c->used < ncols || !is_line(c->window.text[marks[ncols - 1]]))
			break;
		good = split_row(c, marks, ncols, c->at, c->fields + n * ncols, careful);
		if (good < ncols) {
			size_t start = good ? (size_t)marks[good - 1] + 1 : c->at;

			*ret_n = n;
			return explain_row(c, c->row + n + 2, good, start, c->used + good, err);
		}
		c->used += ncols;
		c->at = (size_t)marks[ncols - 1] + 1;
		if (++n == most)
			break;
	}
	*ret_n = n;
	if (n == most)
		return 0;
	return check_rest(c, c->row + n + 2, err);
}

static void fields_reserve(struct csv *c, size_t n)
{
	if (n <= c->fields_cap)
		return;
	c->fields_cap = n + n / 4;
	free(c->fields);
	c->fields = xcalloc(c->fields_cap, sizeof(*c->fields));
}

static void drop_given(struct csv *c)
{
	if (!c->at)
		return;
	window_drop(&c->window, c->at);
	c->at = c->blocks = c->nmarks = c->used = 0;
	c->quoted = c->quotes = false;
}

void csv_lend_longer(struct csv *c)
{
	c->window.turns = true;
}

static void swap_fields(struct csv *c)
{
	struct field *fields = c->fields;
	size_t cap = c->fields_cap;

	c->fields = c->other;
	c->fields_cap = c->other_cap;
	c->other = fields;
	c->other_cap = cap;
}

int csv_next(struct csv *c, struct rows *ret, struct error *err)
{
	size_t ncols = table_ncolumns(c->table), n = 0;
	int more = 1, r;

	if (c->failed.code)
		more = 0;
	if (c->window.turns)
		swap_fields(c);
	for (; !n && more; c->row += n) {
		drop_given(c);
		more = look(c, &c->failed);
		if (more < 0)
			break;
		fields_reserve(c, c->nmarks - c->used);
		r = c->quotes || c->masks.nul ? split_rows(c, ncols, &n, true, &c->failed)
					      : split_rows(c, ncols, &n, false, &c->failed);
		if (r < 0)
			more = 0;
	}
	c->window.lent = n;
	if (n)
		*ret = (struct rows){ c->row - n, n, ncols, c->fields };
	else if (c->failed.code) {
		if (err)
			*err = c->failed;
		return -1;
	}
	return n > 0;
}

struct csv *csv_rows(const struct table *t, struct window *w, uint64_t first)
{
	struct csv *c = csv_new(t, w);

	c->row = first;
	return c;
}

static int add_name(struct table *t, size_t column, const struct field *f, struct error *err)
{
	size_t other;

	if (utf8_span(f->text, f->len) < f->len) {
		error_set(err, ERR_USAGE, "%s: the name of column %zu is not UTF-8", t->name, column + 1);
		return error_help(err, "type: iconv -f LATIN1 -t UTF-8 FILE > NEW");
	}
	if (!f->len) {
		error_set(err, ERR_USAGE, "%s: column %zu has no name", t->name, column + 1);
		return error_help(err, "the first row names the columns; pandas leaves out its index with to_csv(index=False)");
	}
	if (columns_find(&t->columns, f->text, f->len, &other)) {
		error_set(err, ERR_USAGE, "%s: columns %zu and %zu are both named \"%.*s\"", t->name, other + 1,
			  column + 1, (int)f->len, f->text);
		return error_help(err, "give each column a name of its own in the first row");
	}
	if (columns_add(&t->columns, xstrndup(f->text, f->len), f->len))
		return 0;
	return error_set(err, ERR_USAGE, "%s has more than %u columns", t->name, TABLE_COLUMNS);
}

/* The first row is whole: its last mark is `last`. */
static int read_header(struct csv *c, struct table *t, size_t last, struct error *err)
{
	char *text = c->window.text;

	for (size_t column = 0; c->used <= last; column++, c->used++) {
		size_t len = c->marks[c->used] - c->at;
		struct field f = { text + c->at, (uint32_t)len, FIELD_TEXT };
		const char *what = field_problem(text + c->at, len);

		if (what)
			return bad_field(c, 1, column, what, err);
		if (*f.text == '"')
			undouble(text + c->at, len, &f);
		if (add_name(t, column, &f, err) < 0)
			return -1;
		c->at = (size_t)c->marks[c->used] + 1;
	}
	return 0;
}

int csv_header(struct table *t, struct window *w, struct csv **ret, uint64_t *ret_bytes, struct error *err)
{
	CLEANUP(cleanup_csv) struct csv *c = csv_new(t, w);
	int more;

	do {
		more = look(c, err);
		if (more < 0)
			return -1;
		while (c->used < c->nmarks && skip_empty_row(c))
			;
		for (size_t i = c->used; i < c->nmarks; i++)
			if (is_line(c->window.text[c->marks[i]])) {
				if (read_header(c, t, i, err) < 0)
					return -1;
				*ret_bytes = c->at;
				*ret = steal(&c);
				return 0;
			}
		if (check_rest(c, 1, err) < 0)
			return -1;
	} while (more);
	return error_set(err, ERR_USAGE, "%s has no header: its rows are empty", t->name);
}
