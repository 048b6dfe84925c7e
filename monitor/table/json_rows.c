/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/table/json_text.h"
#include "monitor/table/table_internal.h"

#define FIELDS_MAX  (4u * TABLE_COLUMNS) /* that are given out at once */
#define NAME_BYTES  4096u
#define LINES_HELP  "JSON lines have one object a row: {\"id\": 1, \"name\": \"a\"}"

/* How reading of a row ended. */
enum outcome { ROW_WHOLE, ROW_NEW_COLUMN, ROW_WRONG };

struct json_rows {
	struct table *table;
	struct window window;
	size_t at;	 /* where the first row that was not given out begins */
	size_t searched; /* no row ends between `whole` and here */
	size_t whole;	 /* the end of the last whole row in the window */
	uint64_t row;
	/* What a piece of rows is made of; the other one is that of the piece before, where it is lent longer. */
	struct {
		struct field *fields;
		char *room; /* for strings with escapes */
		size_t room_cap;
	} piece, other;
	uint64_t *seen;	 /* by column: the last pass over a row that met it */
	uint64_t pass;
	struct error failed;
};

struct json_rows *json_rows_new(struct table *t, struct window *w, uint64_t first)
{
	struct json_rows *j = xcalloc(1, sizeof(*j));

	j->table = t;
	j->window = *w;
	*w = (struct window)WINDOW_INIT(NULL);
	j->row = first;
	j->piece.fields = xcalloc(FIELDS_MAX, sizeof(struct field));
	j->seen = xcalloc(TABLE_COLUMNS, sizeof(*j->seen));
	return j;
}

void json_rows_free(struct json_rows *j)
{
	if (!j)
		return;
	window_release(&j->window);
	free(j->piece.fields);
	free(j->seen);
	free(j->piece.room);
	free(j->other.fields);
	free(j->other.room);
	free(j);
}

void json_rows_lend_longer(struct json_rows *j)
{
	j->window.turns = true;
	j->other.fields = xcalloc(FIELDS_MAX, sizeof(struct field));
}

static void find_whole_rows(struct json_rows *j)
{
	struct window *w = &j->window;
	char *last = memrchr(w->text + j->searched, '\n', w->len - j->searched);

	if (!last)
		last = memrchr(w->text + j->searched, '\r', w->len - j->searched);
	if (last)
		j->whole = (size_t)(last - w->text) + 1;
	if (w->ended)
		j->whole = w->len;
	j->searched = w->len;
}

static void drop_given(struct json_rows *j)
{
	window_drop(&j->window, j->at);
	j->whole -= j->at;
	j->searched = j->at < j->searched ? j->searched - j->at : 0;
	j->at = 0;
}

/* Until there is a whole row: 1, 0 at the end. */
static int look(struct json_rows *j, struct error *err)
{
	while (j->whole <= j->at) {
		int r;

		if (j->window.len - j->at > ROW_BYTES)
			return error_set(err, ERR_USAGE, "%s: row %" PRIu64 " is longer than %zu MiB", j->table->name,
					 j->row + 1, ROW_BYTES >> 20);
		drop_given(j);
		r = window_fill(&j->window, err);
		if (r < 0)
			return -1;
		find_whole_rows(j);
		if (r == 0 && j->whole <= j->at)
			return 0;
	}
	if (j->piece.room_cap < j->window.len) {
		j->piece.room_cap = j->window.len + j->window.len / 2;
		free(j->piece.room);
		j->piece.room = xmalloc(j->piece.room_cap);
	}
	return 1;
}

/* The value at the cursor. */
static bool read_value(const struct json_rows *j, struct json_text *text, struct field *f)
{
	size_t len = 0;
	bool right;

	json_blanks(text);
	f->text = text->p;
	switch (text->p < text->end ? *text->p : '\0') {
	case '"':
		right = json_string(text, &f->text, &len);
		f->len = (uint32_t)len;
		f->kind = right && null_words_is(&j->table->nulls, f->text, len) ? FIELD_NULL : FIELD_STRING;
		return right;
	case '{':
	case '[':
		right = json_skip(text, 2);
		f->kind = FIELD_STRING;
		break;
	case 't':
	case 'f':
		right = json_word(text, *text->p == 't' ? "true" : "false");
		f->kind = FIELD_BOOL;
		break;
	case 'n':
		right = json_word(text, "null");
		f->kind = FIELD_NULL;
		break;
	default:
		right = json_number(text);
		f->kind = FIELD_NUMBER;
	}
	f->len = (uint32_t)(text->p - f->text);
	return right;
}

static bool same_name(const struct columns *c, size_t i, const char *name, size_t len)
{
	return i < c->len && c->lens[i] == len && !memcmp(c->names[i], name, len);
}

/* Most rows have the names of the one before, in their order. */
static enum outcome find_column(struct json_rows *j, struct json_text *text, size_t ncols, size_t *column)
{
	struct columns *c = &j->table->columns;
	const char *name;
	size_t len;

	json_blanks(text);
	text->why = "no name where one must be";
	if (text->p == text->end || *text->p != '"' || !json_string(text, &name, &len))
		return ROW_WRONG;
	if (!same_name(c, *column, name, len) && !columns_find(c, name, len, column)) {
		text->why = !len ? "a column without a name" : "a name of more than 4096 bytes";
		if (!len || len > NAME_BYTES)
			return ROW_WRONG;
		text->why = "more columns than a table may have";
		*column = c->len;
		if (!columns_add(c, xstrndup(name, len), len))
			return ROW_WRONG;
	}
	return *column < ncols ? ROW_WHOLE : ROW_NEW_COLUMN;
}

/* One object. *ret_ncols grows when `may_grow`; else a new column ends the pass. *column: the one at the cursor. */
static enum outcome read_members(struct json_rows *j, struct json_text *text, struct field *fields, bool may_grow,
				 size_t *ncols, size_t *found, size_t *column)
{
	text->why = "what is no object";
	if (!json_sign(text, '{'))
		return ROW_WRONG;
	if (json_sign(text, '}'))
		return ROW_WHOLE;
	for (size_t next = 0;; next = *column + 1) {
		enum outcome r;

		*column = SIZE_MAX;
		r = find_column(j, text, *ncols, &next);
		if (r == ROW_WRONG || (r == ROW_NEW_COLUMN && !may_grow))
			return r;
		*column = next;
		if (next >= *ncols)
			*ncols = next + 1;
		text->why = "a name that this row has twice";
		if (j->seen[next] == j->pass)
			return ROW_WRONG;
		j->seen[next] = j->pass;
		++*found;
		text->why = "no ':' behind a name";
		if (!json_sign(text, ':') || !read_value(j, text, &fields[next]))
			return ROW_WRONG;
		if (json_sign(text, ','))
			continue;
		text->why = "no ',' or '}' behind a value";
		return json_sign(text, '}') ? ROW_WHOLE : ROW_WRONG;
	}
}

static int bad_row(const struct json_rows *j, uint64_t row, const struct json_text *text, size_t column,
		   struct error *err)
{
	size_t byte = (size_t)(text->p - j->window.text) - j->at + 1;
	char what[160];

	snprintf(what, sizeof(what), "%s, at byte %zu", text->why, byte);
	if (column == SIZE_MAX)
		error_set(err, ERR_USAGE, "%s: row %" PRIu64 ": %s", j->table->name, row, what);
	else
		table_bad(j->table, row, column, what, err);
	return error_help(err, "%s", LINES_HELP);
}

static void fill_absent(const struct json_rows *j, struct field *fields, size_t ncols)
{
	for (size_t i = 0; i < ncols; i++)
		if (j->seen[i] != j->pass)
			fields[i] = (struct field){ "", 0, FIELD_NULL };
}

/* The row at j->at. 1; 0: it has a new column, and comes first in the next piece; -1. */
static int read_row(struct json_rows *j, char **room, size_t n, size_t *ncols, struct error *err)
{
	struct json_text text = { j->window.text + j->at, j->window.text + j->whole, NULL, *room };
	struct field *fields = j->piece.fields + n * *ncols;
	size_t found = 0, column = SIZE_MAX;
	enum outcome r;

	j->pass++;
	r = read_members(j, &text, fields, n == 0, ncols, &found, &column);
	if (r == ROW_NEW_COLUMN)
		return 0;
	if (r == ROW_WHOLE) {
		json_blanks(&text);
		column = SIZE_MAX;
		text.why = "text behind the object";
		if (text.p < text.end && *text.p != '\n' && *text.p != '\r')
			r = ROW_WRONG;
	}
	if (r == ROW_WRONG)
		return bad_row(j, j->row + n + 1, &text, column, err);
	if (found < *ncols)
		fill_absent(j, fields, *ncols);
	j->at = (size_t)(text.p - j->window.text);
	*room = text.room;
	return 1;
}

static bool skip_empty_rows(struct json_rows *j)
{
	while (j->at < j->whole && strchr(" \t\r\n", j->window.text[j->at]) && j->window.text[j->at])
		j->at++;
	return j->at < j->whole;
}

/* Whole rows of the window, as many as there is room for. -1 with what is wrong behind them. */
static int read_rows(struct json_rows *j, struct rows *ret, struct error *err)
{
	size_t ncols = table_ncolumns(j->table), n = 0;
	char *room = j->piece.room;
	int r = 1;

	while (r > 0 && skip_empty_rows(j) && (n + 1) * ncols <= FIELDS_MAX) {
		r = read_row(j, &room, n, &ncols, err);
		n += r > 0;
	}
	*ret = (struct rows){ j->row, n, ncols, j->piece.fields };
	return r < 0 ? -1 : 0;
}

int json_rows_next(struct json_rows *j, struct rows *ret, struct error *err)
{
	struct rows rows = { 0 };

	if (j->window.turns) {
		__typeof__(j->piece) piece = j->piece;

		j->piece = j->other;
		j->other = piece;
	}
	while (!rows.nrows && !j->failed.code) {
		int r = look(j, &j->failed);

		if (r == 0)
			return 0;
		if (r > 0)
			read_rows(j, &rows, &j->failed);
	}
	j->window.lent = rows.nrows;
	if (!rows.nrows) {
		if (err)
			*err = j->failed;
		return -1;
	}
	j->row += rows.nrows;
	*ret = rows;
	return 1;
}

int json_rows_header(struct json_rows *j, struct error *err)
{
	size_t ncols = 0, first;
	char *room;

	do {
		int r = look(j, err);

		if (r <= 0)
			return r < 0 ? -1 : error_set(err, ERR_USAGE, "%s has no row", j->table->name);
	} while (!skip_empty_rows(j));
	first = j->at;
	room = j->piece.room;
	if (read_row(j, &room, 0, &ncols, err) < 0)
		return -1;
	j->at = first; /* only its names are wanted so far */
	return 0;
}
