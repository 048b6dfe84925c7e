/* SPDX-License-Identifier: Apache-2.0 */
/* The second pass: rows go into the windows that are about to be judged. Pieces without one are not read. */
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/watch/watch_internal.h"

struct former {
	struct row_walk walk;
	const struct group *groups;
	struct form *const *forms;
	size_t n;
	size_t id, model; /* columns of the table at hand, or SIZE_MAX */
};

#define MODEL "model" /* the member that says who answered */

static struct form *form_of(const struct former *f, int64_t window)
{
	for (size_t i = 0; i < f->n; i++)
		if (window >= f->groups[i].first && window <= f->groups[i].last)
			return f->forms[i];
	return NULL;
}

static void find_columns(struct former *f, const struct table *table)
{
	const char *id = f->walk.x->watch->columns.id;

	row_walk_table(&f->walk, table);
	if (!id || !table_find(table, id, &f->id))
		f->id = SIZE_MAX;
	if (!table_find(table, MODEL, &f->model))
		f->model = SIZE_MAX;
}

static int note_answer(const struct former *f, struct form *form, const struct field *row, const struct row_place *place,
		       struct error *err)
{
	if (f->id == SIZE_MAX || row[f->id].kind == FIELD_NULL)
		return 0;
	return form_answer(form, &row[f->id], f->model == SIZE_MAX ? NULL : &row[f->model], place->timed ? &place->ms : NULL, err);
}

static int add_run(struct form *form, const struct rows *rows, size_t from, size_t to, struct error *err)
{
	struct rows run = { .first = rows->first + from, .nrows = to - from, .ncols = rows->ncols,
			    .fields = rows->fields + from * rows->ncols };

	return form && run.nrows ? form_add(form, &run, err) : 0;
}

static int form_rows(void *ctx, const struct inflow_piece *piece, const struct table *table, const struct rows *rows,
		     uint64_t first, struct error *err)
{
	struct former *f = ctx;
	const struct inflow *inflow = &f->walk.x->inflow;
	struct form *at = NULL;
	size_t begin = 0;

	find_columns(f, table);
	for (size_t i = 0; i < f->n; i++)
		form_table(f->forms[i], table, inflow->files[piece->file].lines);
	for (size_t i = 0; i < rows->nrows; i++) {
		struct row_place place;
		struct form *form = row_walk_place(&f->walk, first + i, rows->fields + i * rows->ncols, &place)
					    ? form_of(f, place.window)
					    : NULL;
		if (form && place.timed)
			form_time(form, place.ms);
		if (form && note_answer(f, form, rows->fields + i * rows->ncols, &place, err) < 0)
			return -1;
		if (form == at)
			continue;
		if (add_run(at, rows, begin, i, err) < 0)
			return -1;
		at = form;
		begin = i;
	}
	return add_run(at, rows, begin, rows->nrows, err);
}

int watch_form(struct watching *x, const struct group *groups, struct form *const *forms, size_t n, struct error *err)
{
	for (size_t i = 0; i < x->npieces; i++) {
		const struct watch_piece *piece = &x->pieces[i];
		struct former f = { .walk = { .x = x, .file = piece->piece.file, .stream = piece->stream },
				    .groups = groups, .forms = forms, .n = n };
		if (piece->low > groups[n - 1].last || piece->high < groups[0].first)
			continue;
		if (inflow_read(&x->inflow, &piece->piece, form_rows, &f, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++)
		form_finish(forms[i]);
	return 0;
}
