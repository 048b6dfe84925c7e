/* SPDX-License-Identifier: Apache-2.0 */
/* The first pass: which windows are open, how many rows they have, and where in the files these stand. */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/table/number.h"
#include "monitor/watch/watch_internal.h"

#define SECONDS_MAX 1e11 /* the year 5138; larger numbers are milliseconds */

bool field_time(const struct field *f, int64_t *ret_ms)
{
	double x;
	bool whole;

	if (f->kind == FIELD_NULL)
		return false;
	if (time_parse(f->text, f->len, ret_ms))
		return true;
	if (!number_parse(f->text, f->len, &x, &whole) || !(x > -1e15 && x < 1e15))
		return false;
	*ret_ms = (int64_t)(x > -SECONDS_MAX && x < SECONDS_MAX ? x * 1000 : x);
	return true;
}

void row_walk_table(struct row_walk *walk, const struct table *table)
{
	const char *column = walk->x->watch->columns.time;

	if (!column || !table_find(table, column, &walk->time))
		walk->time = SIZE_MAX;
}

/* By its own time; what belongs to a closed window came too late. */
static bool place_by_value(struct row_walk *walk, uint64_t row, struct row_place *place)
{
	struct watching *x = walk->x;

	place->window = place->timed ? window_of_time(&x->watch->rule, place->ms) : 0;
	if (place->timed && !(x->row.begun && place->window <= x->row.last))
		return true;
	if (walk->counting && row >= x->inflow.files[walk->file].at.taken)
		x->late++;
	return false;
}

bool row_walk_place(struct row_walk *walk, uint64_t row, const struct field *fields, struct row_place *place)
{
	struct watching *x = walk->x;
	const struct window_rule *rule = &x->watch->rule;
	int64_t *file_window = &x->file_windows[walk->file];

	place->timed = walk->time != SIZE_MAX && field_time(&fields[walk->time], &place->ms);
	if (rule->by_value && rule->ms)
		return place_by_value(walk, row, place);
	if (row < x->inflow.files[walk->file].at.taken)
		return false;
	if (walk->counting && *file_window < 0)
		*file_window = x->next_file++;
	if (rule->step_ms) {
		place->ms = window_row_time(rule, walk->stream);
		place->timed = true;
	}
	place->window = window_of_row(rule, walk->stream++, *file_window);
	return true;
}

struct counter {
	struct row_walk walk;
	struct watch_piece *piece;
	uint64_t rows; /* of the file */
};

static int count_rows(void *ctx, const struct inflow_piece *piece, const struct table *table, const struct rows *rows,
		      uint64_t first, struct error *err)
{
	struct counter *c = ctx;

	(void)piece;
	row_walk_table(&c->walk, table);
	for (size_t i = 0; i < rows->nrows; i++) {
		struct row_place place;
		if (!row_walk_place(&c->walk, first + i, rows->fields + i * rows->ncols, &place))
			continue;
		if (place.window < c->piece->low)
			c->piece->low = place.window;
		if (place.window > c->piece->high)
			c->piece->high = place.window;
		if (!windows_add(&c->walk.x->open, place.window, place.timed ? place.ms : 0)) {
			error_set(err, ERR_LIMIT, "more than %u windows are open", WINDOWS_MAX);
			return error_help(err, "make the windows of the monitor longer");
		}
	}
	c->rows = first + rows->nrows;
	return 0;
}

static int index_file(struct watching *x, size_t file, int64_t *stream, struct error *err)
{
	struct inflow_file *f = &x->inflow.files[file];
	struct counter c = { .walk = { .x = x, .file = file, .stream = *stream, .counting = true }, .rows = f->at.skipped };
	struct inflow_piece piece;
	uint64_t from = f->at.anchor;
	int r;

	while ((r = inflow_piece_at(&x->inflow, file, from, c.rows, &piece, err)) > 0) {
		GROW(x->pieces, x->npieces, x->pieces_cap);
		c.piece = &x->pieces[x->npieces++];
		*c.piece = (struct watch_piece){ .piece = piece, .stream = c.walk.stream, .low = INT64_MAX, .high = INT64_MIN };
		if (inflow_read(&x->inflow, &piece, count_rows, &c, err) < 0)
			return -1;
		c.piece->rows = c.rows - piece.first;
		from = piece.to;
	}
	f->rows = c.rows;
	*stream = c.walk.stream;
	return r;
}

int watch_index(struct watching *x, struct error *err)
{
	int64_t stream = x->row.taken;

	x->file_windows = xcalloc(x->inflow.len + 1, sizeof(*x->file_windows));
	x->next_file = x->row.begun ? x->row.last + 1 : 0;
	for (size_t i = 0; i < x->inflow.len; i++) {
		x->file_windows[i] = -1;
		if (!x->inflow.files[i].closed && index_file(x, i, &stream, err) < 0)
			return -1;
	}
	return 0;
}
