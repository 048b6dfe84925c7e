/* SPDX-License-Identifier: Apache-2.0 */
/* What windows are compared with: made once, of a table or of the first windows, and kept in the store. */
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/watch/watch_internal.h"
#include "registry/project.h"
#include "registry/promotions.h"
#include "registry/rows.h"
#include "store/store.h"

#define PARTS_LEAST  10u /* fewer say nothing about what is usual: thresholds stay as they are */
#define PARTS_MAX    64u  /* windows of the reference that thresholds are calibrated by */
#define SEASONAL_MAX 256u /* with seasons, each of which has some of them */
#define PROFILE_MAX  ((size_t)1 << 30)

void basis_release(struct basis *basis)
{
	profile_free(basis->profile);
	calibration_free(basis->features);
	calibration_free(basis->predictions);
	*basis = (struct basis){ 0 };
}

int64_t watch_phase(const struct watch *w, int64_t number, int64_t ms)
{
	int64_t at = w->season_ms ? ms : number, season = w->season_ms ? w->season_ms : w->season_windows;

	return season ? (at % season + season) % season : 0;
}

/* ---- making it ---- */

struct part {
	int64_t number;
	struct form *form;
};
struct maker {
	struct watching *x;
	struct form *whole;
	struct part *parts; /* by number */
	size_t nparts, cap, most;
	int64_t stride;     /* every so-many-th window only */
	/* of tables: */
	const struct table *table; /* at hand */
	int64_t rows, files;
	struct hasher hasher;
	const struct content *trained; /* it is of the version that is watched; NULL: the monitor's own */
};

static void maker_release(struct maker *m)
{
	form_free(m->whole);
	for (size_t i = 0; i < m->nparts; i++)
		form_free(m->parts[i].form);
	free(m->parts);
	hasher_release(&m->hasher);
}

static struct form *new_form(const struct maker *m)
{
	return form_new(&m->x->watch->columns, NULL, false);
}

/* Every other one of them goes. */
static void thin_out(struct maker *m)
{
	size_t kept = 0;

	m->stride *= 2;
	for (size_t i = 0; i < m->nparts; i++)
		if (m->parts[i].number % m->stride == 0)
			m->parts[kept++] = m->parts[i];
		else
			form_free(m->parts[i].form);
	m->nparts = kept;
}

/* The part of a window; NULL: it is not one of those that are looked at. */
static struct form *part_of(struct maker *m, int64_t number)
{
	size_t at = m->nparts;

	if (number % m->stride)
		return NULL;
	while (at && m->parts[at - 1].number > number)
		at--;
	if (at && m->parts[at - 1].number == number)
		return m->parts[at - 1].form;
	if (m->nparts == m->most) {
		thin_out(m);
		return part_of(m, number);
	}
	GROW(m->parts, m->nparts, m->cap);
	memmove(m->parts + at + 1, m->parts + at, (m->nparts++ - at) * sizeof(*m->parts));
	m->parts[at] = (struct part){ number, new_form(m) };
	if (m->table)
		form_table(m->parts[at].form, m->table, table_format(m->table) == TABLE_JSONL);
	return m->parts[at].form;
}

/* INT64_MIN: it has no time. */
static int64_t window_in_table(struct maker *m, const struct field *time, int64_t *ret_ms, bool *ret_timed)
{
	const struct window_rule *rule = &m->x->watch->rule;
	int64_t row = m->rows++;

	*ret_timed = time && field_time(time, ret_ms);
	if (rule->by_value && rule->ms)
		return *ret_timed ? window_of_time(rule, *ret_ms) : INT64_MIN;
	if (rule->step_ms) {
		*ret_ms = window_row_time(rule, row);
		*ret_timed = true;
	}
	return window_of_row(rule, row, m->files);
}

/* Rows one after the other that are of one window. */
static int add_run(struct form *part, const struct rows *rows, size_t from, size_t to, struct error *err)
{
	struct rows run = { .first = rows->first + from, .nrows = to - from, .ncols = rows->ncols,
			    .fields = rows->fields + from * rows->ncols };

	return part && run.nrows ? form_add(part, &run, err) : 0;
}

static int add_rows(struct maker *m, const struct rows *rows, const size_t *time, struct error *err)
{
	int64_t window = INT64_MIN;
	struct form *part = NULL;
	size_t begin = 0;

	for (size_t i = 0; i < rows->nrows; i++) {
		const struct field *row = rows->fields + i * rows->ncols;
		int64_t ms = 0, number;
		bool timed;
		number = window_in_table(m, time ? &row[*time] : NULL, &ms, &timed);
		if (number != window || !i) {
			if (add_run(part, rows, begin, i, err) < 0)
				return -1;
			part = number == INT64_MIN ? NULL : part_of(m, number);
			window = number;
			begin = i;
		}
		if (part && timed)
			form_time(part, ms);
	}
	return add_run(part, rows, begin, rows->nrows, err) < 0 ? -1 : form_add(m->whole, rows, err);
}

static int hash_file(struct maker *m, int fd, const char *name, struct error *err)
{
	CLEANUP(cleanup_free) char *buf = xmalloc(1 << 20);
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buf, 1 << 20, at)) > 0) {
		hasher_update(&m->hasher, buf, (size_t)n);
		at += n;
	}
	hasher_update(&m->hasher, "\n", 1);
	return n < 0 ? error_set(err, ERR_ENV, "cannot read %s", name) : 0;
}

static int hash_table(void *ctx, int fd, const char *name, struct error *err)
{
	return hash_file(ctx, fd, name, err);
}

static int take_table(void *ctx, int fd, const char *name, struct error *err)
{
	struct maker *m = ctx;
	CLEANUP(cleanup_table) struct table *table = NULL;
	const char *column = m->x->watch->columns.time;
	struct rows rows;
	size_t time;
	bool timed;
	int r;

	if (table_open(fd, name, &m->x->inflow.options, &table, err) < 0)
		return -1;
	timed = column && table_find(table, column, &time);
	m->table = table;
	form_table(m->whole, table, table_format(table) == TABLE_JSONL);
	for (size_t i = 0; i < m->nparts; i++)
		form_table(m->parts[i].form, table, table_format(table) == TABLE_JSONL);
	while ((r = table_next(table, &rows, err)) > 0)
		if (add_rows(m, &rows, timed ? &time : NULL, err) < 0)
			return -1;
	m->table = NULL;
	m->files++;
	return r;
}

/* ---- keeping it ---- */

static int store_profile(struct store_batch *batch, const struct profile *profile, struct content *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	profile_write(profile, &text);
	*ret = (struct content){ .kind = CONTENT_FILE, .size = text.len, .files = 1 };
	return batch_add_bytes(batch, text.buf, text.len, &ret->id, err);
}

/* How often the model was wrong, and how its probabilities are to be read. */
static int note_labels(struct maker *m, struct js *reference, struct error *err)
{
	const struct form *form = m->whole;
	struct error why = { 0 };
	struct cbpe *cbpe;
	size_t n = 0;

	(void)err;
	js_set_int(reference, "labelled", (int64_t)form->errors.len);
	js_set_int(reference, "wrong", (int64_t)form->wrong);
	for (size_t i = 0; i < form->nscores; i++) {
		if (form->label[i] > 1)
			continue;
		form->probability[n] = form->probability[i];
		form->predicted[n] = form->predicted[i];
		form->label[n++] = form->label[i];
	}
	if (!n)
		return 0;
	if (cbpe_fit(form->probability, form->predicted, form->label, n, &cbpe, &why) < 0) {
		js_set_str(reference, "cbpe_note", why.msg); /* windows without labels have no estimate then */
		return 0;
	}
	js_set(reference, "cbpe", cbpe_to_json(cbpe));
	cbpe_free(cbpe);
	return 0;
}

int watch_calibrate(const struct watching *x, const struct profile *const *parts, size_t n, bool predictions,
		     struct calibration **ret, struct error *err)
{
	struct drift_options options;
	int r;

	*ret = NULL;
	if (n < PARTS_LEAST || x->watch->options.method != DRIFT_MLOPS)
		return 0;
	watch_options(x->watch, predictions, parts, n, &options);
	r = predictions && !options.columns.len ? 0 : drift_calibrate(parts, n, &options, ret, err);
	drift_options_release(&options);
	return r;
}

/* Windows with fewer rows than are judged would be farther from the others than those that are. */
static size_t whole_parts(const struct maker *m, const struct profile **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nparts; i++)
		if (m->parts[i].form->rows >= m->x->watch->min_rows)
			ret[n++] = m->parts[i].form->profile;
	return n;
}

static int describe(struct maker *m, struct js *reference, struct error *err)
{
	struct watching *x = m->x;
	CLEANUP(cleanup_free) const struct profile **parts = xcalloc(m->nparts + 1, sizeof(*parts));
	size_t n = whole_parts(m, parts);

	if (watch_calibrate(x, parts, n, false, &x->basis.features, err) < 0)
		return -1;
	if (x->watch->columns.prediction && watch_calibrate(x, parts, n, true, &x->basis.predictions, err) < 0)
		return -1;
	js_set_int(reference, "rows", (int64_t)m->whole->rows);
	js_set_int(reference, "windows", (int64_t)n);
	if (x->basis.features)
		js_set(reference, "calibration", calibration_to_json(x->basis.features));
	if (x->basis.predictions)
		js_set(reference, "predictions", calibration_to_json(x->basis.predictions));
	return note_labels(m, reference, err);
}

static int store_parts(struct maker *m, struct store_batch *batch, struct monitor_part *parts, size_t *ret_n,
		       struct error *err)
{
	const struct watch *w = m->x->watch;
	size_t n = 0;

	for (size_t i = 0; (w->season_ms || w->season_windows) && i < m->nparts; i++) {
		const struct form *form = m->parts[i].form;
		if (form->rows < w->min_rows)
			continue;
		parts[n].phase = watch_phase(w, m->parts[i].number, form->time_ms);
		if (store_profile(batch, form->profile, &parts[n++].profile, err) < 0)
			return -1;
	}
	*ret_n = n;
	return 0;
}

static int record(struct maker *m, const struct js *reference, const struct content *profile,
		  const struct monitor_part *parts, size_t n, const struct group *windows, struct error *err)
{
	struct watching *x = m->x;
	char hex[DIGEST_HEX + 1];

	if (watch_keep_former(x, m->trained != NULL, err) < 0 ||
	    monitor_set_reference(x->db, x->row.id, reference, profile, parts, n, err) < 0 ||
	    x->host->event(x->host->ctx, x->db, "monitor.reference", digest_format(&profile->id, hex), NULL, err) < 0)
		return -1;
	return windows ? watch_store_positions(x, true, windows->last, err) : 0;
}

/* `windows`: those of the stream that it is made of; NULL: of a table. */
static int keep(struct maker *m, const char *key, const struct group *windows, struct error *err)
{
	struct watching *x = m->x;
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP(cleanup_free) struct monitor_part *parts = xcalloc(m->nparts + 1, sizeof(*parts));
	CLEANUP_JS struct js *reference = js_object();
	struct content profile;
	size_t n;

	js_set_str(reference, "key", key);
	if (m->trained)
		js_set_bool(reference, "trained", true);
	if (describe(m, reference, err) < 0 || batch_open(x->store, &batch, err) < 0 ||
	    store_profile(batch, m->whole->profile, &profile, err) < 0 || store_parts(m, batch, parts, &n, err) < 0 ||
	    batch_commit(batch, err) < 0)
		return -1;
	if (db_begin(x->db, err) < 0)
		return -1;
	x->closed_rows += windows ? (int64_t)windows->rows : 0;
	if (write_end(x->db, record(m, reference, &profile, parts, n, windows, err), err) < 0)
		return -1;
	FAILPOINT("monitor.referred");
	if (windows) {
		x->row.begun = true;
		x->row.last = windows->last;
	}
	js_free(x->row.reference);
	x->row.reference = steal(&reference);
	x->row.profile = profile;
	x->basis.profile = steal(&m->whole->profile);
	return 0;
}

/* ---- which ---- */

/* What decides the reference and its thresholds. Caller frees. */
static char *key_of(const struct watch *w, const char *digest)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_free) char *shape = watch_shape(w);
	const struct strlist *lists[] = { &w->options.columns, &w->options.ignore };

	strbuf_printf(&text, "%s\n%s\nseason %lld %lld\nrows %llu\nthreshold %.17g\nprediction %s %s label %s\n",
		      digest, shape, (long long)w->season_ms, (long long)w->season_windows,
		      (unsigned long long)w->min_rows, w->options.threshold,
		      w->columns.prediction ? w->columns.prediction : "", w->columns.probability ? w->columns.probability : "",
		      w->columns.label ? w->columns.label : "");
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (size_t k = 0; k < lists[i]->len; k++)
			strbuf_printf(&text, "%s %s\n", i ? "ignore" : "column", lists[i]->items[k]);
	return strbuf_detach(&text);
}

int watch_profile(const struct watching *x, const struct content *content, struct profile **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (store_read(x->store, &content->id, PROFILE_MAX, &text, err) < 0 ||
	    profile_read(text.buf, text.len, "the profile of a reference", ret, err) < 0)
		return -1;
	profile_finish(*ret);
	return 0;
}

static int load_calibration(const struct js *json, struct calibration **ret, struct error *err)
{
	*ret = NULL;
	return json ? calibration_from_json(json, ret, err) : 0;
}

int watch_load(struct watching *x, struct error *err)
{
	struct basis basis = { 0 };

	if (watch_profile(x, &x->row.profile, &basis.profile, err) < 0 ||
	    load_calibration(js_get(x->row.reference, "calibration"), &basis.features, err) < 0 ||
	    load_calibration(js_get(x->row.reference, "predictions"), &basis.predictions, err) < 0) {
		basis_release(&basis);
		return error_wrap(err, "monitor %s", x->watch->name);
	}
	x->basis = basis;
	return 0;
}

static int digest_of_table(struct maker *m, char hex[DIGEST_HEX + 1], struct error *err)
{
	const struct watch_host *host = m->x->host;
	struct digest digest;

	if (m->trained) {
		digest_format(&m->trained->id, hex);
		return 0;
	}
	hasher_init(&m->hasher);
	if (host->reference(host->ctx, NULL, hash_table, m, err) < 0)
		return -1;
	hasher_final(&m->hasher, &digest);
	digest_format(&digest, hex);
	return 0;
}

static int read_table(struct maker *m, struct error *err)
{
	struct watching *x = m->x;

	m->whole = new_form(m);
	if (x->host->reference(x->host->ctx, m->trained, take_table, m, err) < 0)
		return -1;
	form_finish(m->whole);
	for (size_t i = 0; i < m->nparts; i++)
		form_finish(m->parts[i].form);
	if (!m->whole->rows)
		return error_set(err, ERR_USAGE, "the reference of monitor %s has no rows", x->watch->name);
	return 0;
}

static int from_table(struct watching *x, const struct content *trained, struct error *err)
{
	bool seasonal = x->watch->season_ms || x->watch->season_windows;
	CLEANUP(maker_release) struct maker m = { .x = x, .stride = 1, .most = seasonal ? SEASONAL_MAX : PARTS_MAX, .trained = trained };
	CLEANUP(cleanup_free) char *key = NULL;
	char hex[DIGEST_HEX + 1];
	int r = 0;

	if (digest_of_table(&m, hex, err) < 0)
		return -1;
	key = key_of(x->watch, hex);
	if (x->row.reference && watch_is_trained(x->row.reference) == (trained != NULL) &&
	    !strcmp(js_get_str(x->row.reference, "key"), key))
		return watch_load(x, err);
	if (x->row.reference && (trained || watch_is_trained(x->row.reference)))
		r = watch_come_back(x, key, err);
	if (r)
		return r < 0 ? -1 : 0;
	return read_table(&m, err) < 0 ? -1 : keep(&m, key, NULL, err);
}

/* The first windows, as many as were asked for. */
static int form_parts(struct maker *m, const struct group *all, size_t n, struct error *err)
{
	struct watching *x = m->x;
	size_t step = (n + m->most - 1) / m->most, k = 0;
	CLEANUP(cleanup_free) struct group *groups = xcalloc(n, sizeof(*groups));
	CLEANUP(cleanup_free) struct form **forms = xcalloc(n, sizeof(*forms));

	for (size_t i = 0; i < n; i += step) {
		GROW(m->parts, m->nparts, m->cap);
		groups[k].first = groups[k].last = x->open.items[i].number;
		forms[k] = new_form(m);
		m->parts[m->nparts++] = (struct part){ groups[k].first, forms[k] };
		k++;
	}
	m->whole = new_form(m);
	return watch_form(x, groups, forms, k, err) < 0 || watch_form(x, all, &m->whole, 1, err) < 0 ? -1 : 0;
}

static int from_windows(struct watching *x, struct error *err)
{
	bool seasonal = x->watch->season_ms || x->watch->season_windows;
	CLEANUP(maker_release) struct maker m = { .x = x, .stride = 1, .most = seasonal ? SEASONAL_MAX : PARTS_MAX };
	CLEANUP(cleanup_free) char *key = key_of(x->watch, "first");
	size_t n = (size_t)x->watch->first;
	struct group all = { 0 };
	int r;

	hasher_init(&m.hasher);
	if (x->row.reference && !watch_is_trained(x->row.reference))
		return watch_load(x, err) < 0 ? -1 : 1;
	r = x->row.reference ? watch_come_back(x, NULL, err) : 0;
	if (r)
		return r;
	if (windows_due(&x->watch->rule, &x->open) < n)
		return 0;
	all.first = x->open.items[0].number;
	all.last = x->open.items[n - 1].number;
	for (size_t i = 0; i < n; i++)
		all.rows += x->open.items[i].rows;
	if (form_parts(&m, &all, n, err) < 0 || keep(&m, key, &all, err) < 0)
		return -1;
	x->open.len -= n;
	memmove(x->open.items, x->open.items + n, x->open.len * sizeof(*x->open.items));
	return 1;
}

/* 1, or 0: the windows for it are not complete. */
static int find_reference(struct watching *x, struct error *err)
{
	struct content trained;
	int64_t generation;
	int r = x->watch->model ? monitor_reference_find(x->db, x->watch->model, &trained, &generation, err) : 0;

	if (r < 0)
		return -1;
	if (r == 0 && x->watch->first)
		return from_windows(x, err);
	if (from_table(x, r ? &trained : NULL, err) == 0)
		return 1;
	return r ? error_wrap(err, "the table that %s was trained on", x->watch->model) : -1;
}

int watch_reference(struct watching *x, struct error *err)
{
	int r = find_reference(x, err);
	const struct js *cbpe;

	if (r <= 0)
		return r;
	cbpe = js_get(x->row.reference, "cbpe");
	return cbpe && cbpe_from_json(cbpe, &x->cbpe, err) < 0 ? -1 : 1;
}
