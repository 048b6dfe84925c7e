/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/watch/watch.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/stats/stats.h"
#include "monitor/watch/watch_internal.h"
#include "registry/project.h"
#include "registry/rows.h"

#define BATCH 8u /* windows whose rows are read together */

char *watch_shape(const struct watch *w)
{
	CLEANUP_JS struct js *shape = js_object();
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	js_set_str(shape, "data", w->data.data);
	js_set_str(shape, "query", w->data.query);
	js_set_str(shape, "time", w->columns.time);
	js_set_int(shape, "rows", w->rule.rows);
	js_set_int(shape, "ms", w->rule.ms);
	js_set_int(shape, "step", w->rule.step_ms);
	js_set_int(shape, "start", w->rule.start_ms);
	js_set_int(shape, "first", w->first);
	js_dump(shape, JS_CANONICAL, &text);
	return strbuf_detach(&text);
}

static void push_all(struct strlist *to, const struct strlist *from)
{
	for (size_t i = 0; i < from->len; i++)
		strlist_push(to, from->items[i]);
}

static bool is_there(const char *column, const struct profile *const *tables, size_t n)
{
	for (size_t i = 0; column && i < n; i++)
		if (profile_find(tables[i], column))
			return true;
	return false;
}

/* The model's own columns are judged by themselves; times, ids and labels never. */
void watch_options(const struct watch *w, bool predictions, const struct profile *const *tables, size_t n,
		   struct drift_options *ret)
{
	const char *own[] = { w->columns.prediction, w->columns.probability, w->columns.time, w->columns.id, w->columns.label };
	struct drift_options options = w->options;

	options.columns = options.ignore = options.critical = (struct strlist)STRLIST_INIT;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (is_there(own[i], tables, n))
			strlist_push(predictions && i < 2 ? &options.columns : &options.ignore, own[i]);
	if (predictions) {
		options.min_columns = 1;
		options.share = 0;
	} else {
		push_all(&options.columns, &w->options.columns);
		push_all(&options.ignore, &w->options.ignore);
		push_all(&options.critical, &w->options.critical);
	}
	*ret = options;
}

/* ---- one check ---- */

static void watching_release(struct watching *x)
{
	monitor_row_release(&x->row);
	inflow_release(&x->inflow);
	free(x->pieces);
	free(x->file_windows);
	windows_release(&x->open);
	basis_release(&x->basis);
	cbpe_free(x->cbpe);
	js_free(x->result);
	js_free(x->windows);
}

static int begin_monitor(struct watching *x, const char *shape, struct error *err)
{
	if (db_begin(x->db, err) < 0)
		return -1;
	return write_end(x->db, monitor_add(x->db, x->watch->name, shape, &x->row.id, err), err);
}

/* Nothing was found with the one before: it was a mistake, perhaps. */
static int change_shape(struct watching *x, const char *shape, struct error *err)
{
	if (db_begin(x->db, err) < 0)
		return -1;
	return write_end(x->db, monitor_reshape(x->db, x->row.id, shape, err), err);
}

static int find_monitor(struct watching *x, struct error *err)
{
	CLEANUP(cleanup_free) char *shape = watch_shape(x->watch);
	int r = monitor_load(x->db, x->watch->name, &x->row, err);

	if (r <= 0)
		return r < 0 ? -1 : begin_monitor(x, shape, err);
	if (!strcmp(shape, x->row.shape))
		return 0;
	if (!x->row.begun && !x->row.reference)
		return change_shape(x, shape, err);
	error_set(err, ERR_CONFLICT, "monitor %s has judged other windows: data, window, time or first windows were changed",
		  x->watch->name);
	return error_help(err, "give the changed monitor a new name; what this one found stays");
}

static int open_data(struct watching *x, struct error *err)
{
	CLEANUP(monitor_sources_release) struct monitor_sources known = { 0 };

	if (monitor_sources_load(x->db, x->row.id, MONITOR_DATA, &known, err) < 0)
		return -1;
	return inflow_open(x->host->project, &x->watch->data, NULL, &known, &x->inflow, err);
}

/* Complete windows, as they are judged: those with few rows together with the next. Caller frees. */
static struct group *group_windows(const struct watching *x, size_t *ret_n)
{
	size_t due = windows_due(&x->watch->rule, &x->open), n = 0;
	struct group *groups = xcalloc(due + 1, sizeof(*groups));
	struct group next = { 0 };

	for (size_t i = 0; i < due; i++) {
		const struct window_count *w = &x->open.items[i];
		if (!next.rows)
			next.first = w->number;
		next.last = w->number;
		next.ms = w->ms;
		next.rows += w->rows;
		next.enough = next.rows >= x->watch->min_rows;
		groups[n++] = next;
		if (next.enough)
			next = (struct group){ 0 };
	}
	*ret_n = n;
	return groups;
}

/* Whether the next window may be judged. */
static int ask_next(struct watching *x, struct error *err)
{
	int r = x->host->next ? x->host->next(x->host->ctx, err) : 1;

	x->waits = r == 0;
	return r < 0 ? -1 : 0;
}

static int judge_batch(struct watching *x, const struct group *groups, size_t n, struct error *err)
{
	struct form *forms[BATCH] = { NULL };
	struct basis bases[BATCH] = { { 0 } };
	const struct basis *basis[BATCH];
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n; i++) {
		r = watch_basis(x, &groups[i], &bases[i], err);
		basis[i] = r > 0 ? &bases[i] : &x->basis;
		if (r >= 0)
			forms[i] = form_new(&x->watch->columns, basis[i]->profile, x->watch->schema != NULL);
	}
	if (r >= 0)
		r = watch_form(x, groups, forms, n, err);
	for (size_t i = 0; r >= 0 && i < n && !x->waits; i++) {
		r = watch_close(x, &groups[i], forms[i], basis[i], err);
		if (r == 0)
			r = ask_next(x, err);
	}
	for (size_t i = 0; i < n; i++) {
		form_free(forms[i]);
		basis_release(&bases[i]);
	}
	return r < 0 ? -1 : 0;
}

static bool is_stopped(const struct watching *x)
{
	return x->host->stopped && x->host->stopped(x->host->ctx);
}

static int judge_all(struct watching *x, struct error *err)
{
	size_t n;
	CLEANUP(cleanup_free) struct group *groups = group_windows(x, &n);
	struct group batch[BATCH];
	size_t filled = 0;

	for (size_t i = 0; i < n && !x->waits; i++) {
		if (is_stopped(x))
			return error_set(err, ERR_INTERRUPTED, "the check was stopped; what was judged is kept");
		if (groups[i].enough)
			batch[filled++] = groups[i];
		if (filled == BATCH || (filled && (i + 1 == n || !groups[i].enough))) {
			if (judge_batch(x, batch, filled, err) < 0)
				return -1;
			filled = 0;
		}
		if (!groups[i].enough && !x->waits && watch_insufficient(x, &groups[i], err) < 0)
			return -1;
	}
	return 0;
}

/* What was seen of files that are not done with: a log that is rotated now will be known. */
static int note_positions(struct watching *x, struct error *err)
{
	if (db_begin(x->db, err) < 0)
		return -1;
	return write_end(x->db, watch_store_positions(x, x->row.begun, x->row.last, err), err);
}

static void count_states(struct watching *x)
{
	static const char *const counts[][2] = { { "DRIFT", "drifted" }, { "QUARANTINED", "quarantined" },
						 { "INSUFFICIENT", "insufficient" }, { "UNDECIDED", "undecided" } };
	uint64_t waiting = 0;

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		int64_t n = 0;
		for (size_t k = 0; k < js_len(x->windows); k++)
			n += !strcmp(js_get_str(js_at(x->windows, k), "state"), counts[i][0]);
		js_set_int(x->result, counts[i][1], n);
	}
	js_set_int(x->result, "judged", (int64_t)js_len(x->windows) - js_get_int(x->result, "insufficient", 0));
	for (size_t i = 0; i < x->open.len; i++)
		if (!x->row.begun || x->open.items[i].number > x->row.last)
			waiting += x->open.items[i].rows;
	js_set_int(x->result, "waiting", (int64_t)waiting);
}

static int finish(struct watching *x, struct error *err)
{
	struct monitor_row row = MONITOR_ROW_INIT;
	struct js *notes = js_array();

	for (size_t i = 0; i < x->inflow.len; i++) {
		const struct inflow_file *file = &x->inflow.files[i];
		CLEANUP(cleanup_free) char *text = xasprintf("%s was %s", file->at.name, inflow_change_name(file->change));
		if (file->change == INFLOW_ROTATED || file->change == INFLOW_REWRITTEN)
			js_push_str(notes, text);
	}
	js_set(x->result, "notes", notes);
	js_set_str(x->result, "monitor", x->watch->name);
	count_states(x);
	if (monitor_load(x->db, x->watch->name, &row, err) < 0)
		return -1;
	js_set_str(x->result, "state", row.state);
	js_set_bool(x->result, "alarm", row.alarm);
	js_set_int(x->result, "late", row.late);
	js_set(x->result, "windows", js_ref(x->windows));
	monitor_row_release(&row);
	return 0;
}

/* Labels are read when it is known which rows there are, and before these are judged: one that came before the row that
 * completes its window always counts in it, however fast who asks. */
static int judge_due(struct watching *x, struct error *err)
{
	int r;

	if (open_data(x, err) < 0 || watch_index(x, err) < 0 || watch_labels(x, err) < 0)
		return -1;
	r = watch_reference(x, err);
	if (r < 0)
		return -1;
	js_set_bool(x->result, "referred", r > 0);
	if (r > 0 && judge_all(x, err) < 0)
		return -1;
	return note_positions(x, err);
}

static int check(struct watching *x, struct error *err)
{
	if (find_monitor(x, err) < 0 || ask_next(x, err) < 0)
		return -1;
	if (!x->waits && judge_due(x, err) < 0)
		return -1;
	js_set_bool(x->result, "held", x->waits);
	return finish(x, err);
}

int watch_check(const struct watch *w, const struct watch_host *host, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("monitor-%s", w->name);
	CLEANUP(cleanup_fd) int lock = lock_take(host->project->locksfd, name, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, err);
	CLEANUP(watching_release) struct watching x = { .watch = w, .host = host };

	if (lock < 0)
		return -1;
	if (project_db(host->project, &x.db, err) < 0 || project_store(host->project, &x.store, err) < 0)
		return -1;
	x.result = js_object();
	x.windows = js_array();
	if (check(&x, err) < 0)
		return -1;
	*ret = steal(&x.result);
	return 0;
}
