/* SPDX-License-Identifier: Apache-2.0 */
/* One window: its verdict, and the transaction that closes it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/schema/schema.h"
#include "monitor/stats/stats.h"
#include "monitor/watch/watch_internal.h"
#include "registry/lineage.h"
#include "registry/rows.h"

#define CONFIDENCE 0.95

/* The worst of what was found decides: the later the worse. */
static const char *const order[] = { "OK", "INSUFFICIENT", "UNDECIDED", "DRIFT", "QUARANTINED" };

static int badness(const char *state)
{
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (!strcmp(state, order[i]))
			return (int)i;
	return 0;
}

struct finding {
	const char *state; /* one of order */
	char reason[400];
};

/* `of` says of what the finding is, when it is not the features. */
static void find(struct finding *f, const char *state, const char *of, const char *reason)
{
	int r = badness(state);

	if (*f->reason && r <= badness(f->state))
		return;
	f->state = order[r];
	snprintf(f->reason, sizeof(f->reason), "%s%s%s", of, *of ? ": " : "", reason ? reason : "");
}

static int judge_columns(struct watching *x, struct form *form, const struct basis *basis, bool predictions,
			 struct js *verdict, struct finding *f, struct error *err)
{
	const struct profile *tables[] = { basis->profile, form->profile };
	struct drift_options options;
	enum drift_state state;
	struct js *part;
	int r;

	watch_options(x->watch, predictions, tables, ARRAY_LEN(tables), &options);
	r = drift_judge(basis->profile, form->profile, predictions ? basis->predictions : basis->features, &options, &state,
			&part, err);
	drift_options_release(&options);
	if (r < 0)
		return -1;
	find(f, drift_state_name(state), predictions ? "prediction" : "", js_get_str(part, "reason"));
	js_set(verdict, predictions ? "prediction" : "features", part);
	return 0;
}

static int check_schema(struct watching *x, struct form *form, struct js *verdict, struct finding *f, struct error *err)
{
	CLEANUP(cleanup_table) struct table *table = NULL;
	struct table_options options = x->inflow.options;
	struct js *report;
	bool ok;

	if (!x->watch->schema || !form->spool)
		return 0;
	rewind(form->spool);
	options.format = form_spooled(form);
	options.delimiter = options.format == TABLE_CSV ? ',' : 0;
	if (table_open(fileno(form->spool), "a window", &options, &table, err) < 0 ||
	    schema_check(x->watch->schema, table, 0, &ok, &report, NULL, err) < 0)
		return -1;
	js_set(verdict, "schema", report);
	if (!ok)
		find(f, "QUARANTINED", "", "it does not fit its schema");
	return 0;
}

static void put_interval(struct js *to, const struct interval *at)
{
	js_set_real(to, "value", at->value);
	js_set_real(to, "low", at->low);
	js_set_real(to, "high", at->high);
}

/* Errors of this window beside those of the reference: it is worse when all of the interval is. */
static void judge_errors(struct watching *x, const struct form *form, struct js *verdict, struct finding *f)
{
	uint64_t n = form->errors.len, ref = (uint64_t)js_get_int(x->row.reference, "labelled", 0);
	uint64_t wrong = (uint64_t)js_get_int(x->row.reference, "wrong", 0);
	struct js *performance, *drop;
	struct interval at;

	if (!n)
		return;
	performance = js_object();
	at = share_interval(n - form->wrong, n, CONFIDENCE);
	js_set_str(performance, "metric", "accuracy");
	js_set_int(performance, "rows", (int64_t)n);
	put_interval(performance, &at);
	js_set(verdict, "performance", performance);
	if (!ref)
		return;
	js_set_real(performance, "baseline", 1 - (double)wrong / (double)ref);
	at = shares_difference(n - form->wrong, n, ref - wrong, ref, CONFIDENCE);
	drop = js_object();
	put_interval(drop, &at);
	js_set(performance, "difference", drop);
	if (n >= x->watch->min_rows && at.high < 0)
		find(f, "DRIFT", "accuracy", "it is lower than in the reference, beyond its interval");
}

static void estimate_errors(struct watching *x, const struct form *form, struct js *verdict)
{
	struct cbpe_estimate e;
	struct js *estimated;

	if (!x->cbpe || !form->nscores || form->errors.len)
		return;
	e = cbpe_estimate(x->cbpe, form->probability, form->predicted, form->nscores);
	estimated = js_object();
	js_set_str(estimated, "metric", "accuracy");
	js_set_bool(estimated, "estimated", true);
	js_set_int(estimated, "rows", (int64_t)form->nscores);
	put_interval(estimated, &e.accuracy);
	if (!isnan(e.auc.value))
		js_set_real(estimated, "auc", e.auc.value);
	if (!isnan(e.f1.value))
		js_set_real(estimated, "f1", e.f1.value);
	if (js_get_int(x->row.reference, "labelled", 0))
		js_set_real(estimated, "baseline", 1 - (double)js_get_int(x->row.reference, "wrong", 0) /
							       (double)js_get_int(x->row.reference, "labelled", 0));
	js_set(verdict, "performance", estimated);
}

static int judge(struct watching *x, const struct group *group, struct form *form, const struct basis *basis,
		 struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *verdict = js_object();
	struct finding f = { .state = "OK" };
	const char *prediction = x->watch->columns.prediction;
	char hex[DIGEST_HEX + 1];
	struct digest reference;

	if (judge_columns(x, form, basis, false, verdict, &f, err) < 0)
		return -1;
	if (prediction && profile_find(basis->profile, prediction) &&
	    judge_columns(x, form, basis, true, verdict, &f, err) < 0)
		return -1;
	if (check_schema(x, form, verdict, &f, err) < 0)
		return -1;
	judge_errors(x, form, verdict, &f);
	estimate_errors(x, form, verdict);
	js_set_str(verdict, "state", f.state);
	js_set_str(verdict, "reason", *f.reason ? f.reason : NULL);
	profile_digest(basis->profile, &reference);
	js_set_str(verdict, "reference", digest_format(&reference, hex));
	if (group->first != group->last)
		js_set_int(verdict, "from", group->first);
	*ret = steal(&verdict);
	return 0;
}

/* ---- how far the sources were read ---- */

/* Where reading goes on: at the piece that holds the row, or behind all. */
static void set_anchor(const struct watching *x, size_t file, int64_t last, struct monitor_source *at)
{
	const struct inflow_file *f = &x->inflow.files[file];
	bool by_value = x->watch->rule.by_value && x->watch->rule.ms;

	at->anchor = at->seen;
	at->skipped = f->rows;
	for (size_t i = x->npieces; i-- > 0;) {
		const struct watch_piece *p = &x->pieces[i];
		bool open = by_value ? p->high > last : p->piece.first + p->rows > at->taken;
		if (p->piece.file != file || !open)
			continue;
		at->anchor = p->piece.from;
		at->skipped = p->piece.first;
	}
}

void watch_positions(const struct watching *x, int64_t last, struct monitor_sources *ret)
{
	bool by_value = x->watch->rule.by_value && x->watch->rule.ms;
	uint64_t left = 0;

	inflow_sources(&x->inflow, ret);
	left = (uint64_t)x->closed_rows;
	for (size_t i = 0; i < ret->len; i++) {
		struct monitor_source *at = &ret->items[i];
		uint64_t rows = x->inflow.files[i].rows, more;
		if (x->inflow.files[i].closed)
			continue;
		more = rows > at->taken ? rows - at->taken : 0;
		if (!by_value && more > left)
			more = left;
		left -= by_value ? 0 : more;
		at->taken += more;
		set_anchor(x, i, last, at);
	}
}

int watch_store_positions(struct watching *x, bool begun, int64_t last, struct error *err)
{
	struct monitor_sources sources;
	int r;

	watch_positions(x, last, &sources);
	r = monitor_sources_store(x->db, x->row.id, MONITOR_DATA, &sources, err);
	free(sources.items);
	if (r < 0)
		return -1;
	return monitor_advance(x->db, x->row.id, x->row.taken + x->closed_rows, begun ? &last : NULL, x->late, err);
}

/* ---- the transaction ---- */

static struct js *body_of(const struct monitor_window *w)
{
	struct js *body = js_object();
	char hex[DIGEST_HEX + 1];

	js_set_int(body, "window", w->number);
	js_set_int(body, "rows", (int64_t)w->rows);
	js_set_str(body, "state", w->state);
	js_set_str(body, "reason", js_get_str(w->verdict, "reason"));
	if (w->digest)
		js_set_str(body, "digest", digest_format(w->digest, hex));
	if (w->profile)
		js_set_str(body, "profile", digest_format(w->profile, hex));
	if (w->timed)
		js_set_int(body, "time", w->time_ms);
	return body;
}

static int tell(struct watching *x, const struct monitor_window *w, struct error *err)
{
	CLEANUP_JS struct js *body = body_of(w);
	int64_t now = clock_wall_ms();

	if (monitor_window_store(x->db, x->row.id, w, now, err) < 0 ||
	    lineage_window(x->db, x->row.id, w->number, x->watch->model, w->timed ? w->time_ms : now, now, err) < 0)
		return -1;
	return x->host->event(x->host->ctx, x->db, "monitor.window", w->state, body, err);
}

static int record(struct watching *x, struct form *form, struct monitor_window *w, struct error *err)
{
	if (watch_answers(x, form, w->number, err) < 0 || watch_waiting(x, form, w->number, err) < 0 ||
	    watch_errors(x, form->errors.buf, form->errors.len, err) < 0)
		return -1;
	w->labelled = form->errors.len;
	w->wrong = form->wrong;
	return tell(x, w, err) < 0 || watch_store_positions(x, true, w->number, err) < 0 ? -1 : 0;
}

/* For who looks on, and the result. */
static void show(struct watching *x, const struct monitor_window *w)
{
	CLEANUP_JS struct js *window = js_object();
	struct js *event;

	js_set_int(window, "number", w->number);
	js_set_int(window, "start", w->start);
	js_set_int(window, "stop", w->stop);
	js_set_int(window, "rows", (int64_t)w->rows);
	js_set_str(window, "state", w->state);
	if (w->timed)
		js_set_int(window, "time", w->time_ms);
	js_set(window, "verdict", js_ref((struct js *)w->verdict));
	event = watch_summary(&x->watch->rule, window);
	js_push(x->windows, js_ref(event));
	js_set_str(event, "event", "window");
	js_set_str(event, "monitor", x->watch->name);
	x->host->emit(x->host->ctx, event);
	js_del(event, "event");
	js_free(event);
}

static void describe(const struct watching *x, const struct group *group, struct monitor_window *ret)
{
	int64_t stop;

	*ret = (struct monitor_window){ .number = group->last, .rows = group->rows };
	window_span(&x->watch->rule, group->first, &ret->start, &stop);
	window_span(&x->watch->rule, group->last, &stop, &ret->stop);
}

int watch_close(struct watching *x, const struct group *group, struct form *form, const struct basis *basis,
		struct error *err)
{
	CLEANUP_JS struct js *verdict = NULL;
	struct monitor_window w;
	struct digest profile;
	int64_t late = x->late;

	if (judge(x, group, form, basis, &verdict, err) < 0)
		return -1;
	profile_digest(form->profile, &profile);
	describe(x, group, &w);
	w.state = js_get_str(verdict, "state");
	w.verdict = verdict;
	w.timed = form->timed;
	w.time_ms = form->time_ms;
	w.digest = &form->digest;
	w.profile = &profile;
	FAILPOINT("monitor.judged");
	if (db_begin(x->db, err) < 0)
		return -1;
	x->closed_rows += (int64_t)group->rows;
	if (write_end(x->db, record(x, form, &w, err), err) < 0)
		return -1;
	FAILPOINT("monitor.closed");
	x->late -= late;
	x->row.begun = true;
	x->row.last = group->last;
	show(x, &w);
	return 0;
}

/* Told once, and then again when more rows have come. */
int watch_insufficient(struct watching *x, const struct group *group, struct error *err)
{
	CLEANUP_JS struct js *verdict = js_object();
	struct monitor_window w;
	char state[16];

	if (monitor_window_state(x->db, x->row.id, group->last, state, err) < 0)
		return -1;
	describe(x, group, &w);
	w.state = "INSUFFICIENT";
	js_set_str(verdict, "state", w.state);
	js_set_str(verdict, "reason", "too few rows: they are judged with those of the next window");
	w.verdict = verdict;
	if (!*state) {
		if (db_begin(x->db, err) < 0 || write_end(x->db, tell(x, &w, err), err) < 0)
			return -1;
	}
	show(x, &w);
	return 0;
}
