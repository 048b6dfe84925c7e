/* SPDX-License-Identifier: Apache-2.0 */
/* Labels: those that come later find their prediction by id in the database; errors go to a detector of changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/watch/watch_internal.h"
#include "registry/rows.h"

/* {"adwin", "seen", "wrong", "changes"} */
int watch_errors(struct watching *x, const char *errors, size_t n, struct error *err)
{
	CLEANUP_JS struct js *state = js_object();
	struct adwin *adwin = NULL;
	int64_t seen = js_get_int(x->row.errors, "seen", 0), wrong = js_get_int(x->row.errors, "wrong", 0);
	int64_t changes = js_get_int(x->row.errors, "changes", 0), found = 0;

	if (!n)
		return 0;
	if (!x->row.errors)
		adwin = adwin_new(ADWIN_DELTA);
	else if (adwin_from_json(js_get(x->row.errors, "adwin"), &adwin, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		double before = adwin_mean(adwin);
		wrong += errors[i];
		found += adwin_add(adwin, errors[i]) && adwin_mean(adwin) > before;
	}
	js_set(state, "adwin", adwin_to_json(adwin));
	adwin_free(adwin);
	js_set_int(state, "seen", seen + (int64_t)n);
	js_set_int(state, "wrong", wrong);
	js_set_int(state, "changes", changes + found);
	js_set_int(state, "found", found); /* just now */
	js_free(x->row.errors);
	x->row.errors = steal(&state);
	return monitor_set_errors(x->db, x->row.id, x->row.errors, err);
}

static bool is_wrong(const struct monitor_pair *pair)
{
	return !same_value(pair->prediction, strlen(pair->prediction), pair->label, strlen(pair->label));
}

int watch_waiting(struct watching *x, struct form *form, int64_t number, struct error *err)
{
	char *key = NULL, *prediction = NULL;
	size_t key_cap = 0, prediction_cap = 0;
	int r = 0;

	if (!form->waiting || !x->watch->labels)
		return 0;
	rewind(form->waiting);
	while (r == 0 && getdelim(&key, &key_cap, 0, form->waiting) > 0 &&
	       getdelim(&prediction, &prediction_cap, 0, form->waiting) > 0) {
		struct monitor_pair pair;
		r = monitor_predicted(x->db, x->row.id, key, number, prediction, &pair, err);
		if (r == 0 && pair.whole) {
			bool wrong = is_wrong(&pair);
			strbuf_putc(&form->errors, wrong);
			form->wrong += wrong;
		}
		if (r == 0)
			monitor_pair_release(&pair);
	}
	free(key);
	free(prediction);
	return r;
}

/* ---- labels that came ---- */

struct joiner {
	struct watching *x;
	const struct inflow *inflow;
	struct strbuf errors;
	int64_t found;
};

static int join_row(struct joiner *j, const struct field *id, const struct field *label, struct error *err)
{
	CLEANUP(cleanup_free) char *key = xstrndup(id->text, id->len), *text = xstrndup(label->text, label->len);
	struct monitor_pair pair;
	int r = 0;

	if (monitor_labelled(j->x->db, j->x->row.id, key, text, &pair, err) < 0)
		return -1;
	if (pair.whole) {
		bool wrong = is_wrong(&pair);
		strbuf_putc(&j->errors, wrong);
		r = monitor_count_label(j->x->db, j->x->row.id, pair.number, wrong, err);
		j->found++;
	}
	monitor_pair_release(&pair);
	return r;
}

static int join_rows(void *ctx, const struct inflow_piece *piece, const struct table *table, const struct rows *rows,
		     uint64_t first, struct error *err)
{
	struct joiner *j = ctx;
	const struct form_options *columns = &j->x->watch->columns;
	struct inflow_file *file = &((struct inflow *)j->inflow)->files[piece->file];
	size_t id, label;

	if (!table_find(table, columns->id, &id) || !table_find(table, columns->label, &label)) {
		error_set(err, ERR_USAGE, "%s has no columns '%s' and '%s'", table_name(table), columns->id, columns->label);
		return error_help(err, "labels are tables with the columns that id = and label = of the monitor name");
	}
	for (size_t i = 0; i < rows->nrows; i++) {
		const struct field *row = rows->fields + i * rows->ncols;
		if (first + i < file->at.taken || row[id].kind == FIELD_NULL || row[label].kind == FIELD_NULL)
			continue;
		if (join_row(j, &row[id], &row[label], err) < 0)
			return -1;
	}
	file->rows = first + rows->nrows;
	return 0;
}

/* One piece: its labels, how far the file was read, and the state of the detector are one transaction. */
static int join_piece(struct joiner *j, const struct inflow_piece *piece, struct error *err)
{
	struct watching *x = j->x;
	struct inflow_file *file = &((struct inflow *)j->inflow)->files[piece->file];
	struct monitor_sources sources;
	int r;

	strbuf_clear(&j->errors);
	if (db_begin(x->db, err) < 0)
		return -1;
	r = inflow_read(j->inflow, piece, join_rows, j, err);
	if (r == 0) {
		file->at.anchor = piece->to;
		file->at.skipped = file->at.taken = file->rows;
		inflow_sources(j->inflow, &sources);
		r = monitor_sources_store(x->db, x->row.id, MONITOR_LABELS, &sources, err);
		free(sources.items);
	}
	if (r == 0)
		r = watch_errors(x, j->errors.buf, j->errors.len, err);
	FAILPOINT("monitor.joined");
	return write_end(x->db, r, err);
}

static int join_all(struct joiner *j, struct error *err)
{
	for (size_t i = 0; i < j->inflow->len; i++) {
		struct inflow_file *file = &((struct inflow *)j->inflow)->files[i];
		struct inflow_piece piece;
		int r = 0;
		file->rows = file->at.skipped;
		while (!file->closed && (r = inflow_piece_at(j->inflow, i, file->at.anchor, file->rows, &piece, err)) > 0)
			if (join_piece(j, &piece, err) < 0)
				return -1;
		if (r < 0)
			return -1;
	}
	return 0;
}

int watch_labels(struct watching *x, struct error *err)
{
	CLEANUP(monitor_sources_release) struct monitor_sources known = { 0 };
	struct inflow inflow CLEANUP_INFLOW = { 0 };
	struct joiner j = { .x = x, .inflow = &inflow, .errors = STRBUF_INIT };
	struct inflow_spec spec = { .data = x->watch->labels, .monitor = x->watch->name, .kind = MONITOR_LABELS };
	struct error why = { 0 };
	int r;

	if (!spec.data)
		return 0;
	if (monitor_sources_load(x->db, x->row.id, MONITOR_LABELS, &known, err) < 0)
		return -1;
	if (inflow_open(x->host->project, &spec, NULL, &known, &inflow, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0; /* none came so far */
		if (err)
			*err = why;
		return -1;
	}
	r = join_all(&j, err);
	strbuf_release(&j.errors);
	js_set_int(x->result, "labels", j.found);
	return r;
}
