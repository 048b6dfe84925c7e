/* SPDX-License-Identifier: Apache-2.0 */
/* monitor: what arrives, a window at a time, beside a reference. */
#include <stdlib.h>
#include <string.h>
#include "api/monitors.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/page/page.h"
#include "pipeline/grammar.h"
#include "registry/monitors.h"
#include "registry/project.h"

#define WINDOWS_SHOWN 100

/* ---- check ---- */

/* A drift outweighs what could not be told. */
static int verdict_of(const struct js *result, const char *name, struct error *err)
{
	int64_t drifted = js_get_int(result, "drifted", 0), quarantined = js_get_int(result, "quarantined", 0);
	int64_t unsure = js_get_int(result, "undecided", 0), judged = js_get_int(result, "judged", 0);
	int64_t insufficient = js_get_int(result, "insufficient", 0);

	if (drifted || quarantined) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		strbuf_printf(&text, "%lld of %lld windows drifted", (long long)drifted, (long long)judged);
		if (quarantined)
			strbuf_printf(&text, ", %lld quarantined", (long long)quarantined);
		error_set(err, ERR_VERDICT, "monitor %s: %s", name, text.buf);
		return error_help(err, "look at them: mlops monitor show %s", name);
	}
	if (judged > unsure || !(unsure + insufficient))
		return 0;
	error_set(err, ERR_UNDECIDED, "monitor %s: no window could be judged", name);
	return error_help(err, insufficient ? "min_rows = of the monitor asks for more rows"
					    : "look at them: mlops monitor show %s", name);
}

/* monitor.check {monitor, file} -> as watch_check; emits {event: "window"} for each */
int op_monitor_check(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(monitor_setup_release) struct monitor_setup setup = { 0 };

	if (monitor_setup_load(ctx, js_get_str(args, "file"), js_get_str(args, "monitor"), &setup, err) < 0 ||
	    monitor_check(ctx, &setup.watch, NULL, ret_result, err) < 0)
		return -1;
	return verdict_of(*ret_result, setup.watch.name, err);
}

/* ---- list ---- */

static struct js *describe(const struct watch *watch)
{
	CLEANUP(cleanup_free) char *window = monitor_window_text(&watch->rule);
	CLEANUP(cleanup_free) char *reference = monitor_reference_text(watch);
	struct js *monitor = js_object();

	js_set_str(monitor, "monitor", watch->name);
	js_set_str(monitor, "model", watch->model);
	js_set_str(monitor, "data", watch->data.data);
	js_set_str(monitor, "window", window);
	js_set_str(monitor, "reference", reference);
	js_set_str(monitor, "method", watch->options.method == DRIFT_EVIDENTLY ? "evidently" : "mlops");
	return monitor;
}

/* How it stands; nothing was looked at so far: WAITING. */
static int add_state(struct db *db, const char *name, struct js *monitor, struct monitor_row *row, struct error *err)
{
	static const char *const states[] = { "OK", "DRIFT", "QUARANTINED", "INSUFFICIENT", "UNDECIDED" };
	struct js *counts = js_object();
	int r = monitor_load(db, name, row, err);

	js_set(monitor, "windows_by_state", counts);
	js_set_str(monitor, "state", r > 0 ? row->state : "WAITING");
	js_set_bool(monitor, "alarm", r > 0 && row->alarm);
	if (r <= 0)
		return r;
	js_set_int(monitor, "late", row->late);
	js_set_bool(monitor, "referred", row->reference != NULL);
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		js_set_int(counts, states[i], monitor_count(db, row->id, states[i]));
	return 1;
}

/* monitor.list {file} -> {monitors: [{monitor, model, data, window, reference, method, state, alarm, ...}]} */
int op_monitor_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(monitor_setup_release) struct monitor_setup setup = { 0 };
	CLEANUP_JS struct js *list = js_array();
	struct db *db;

	if (monitor_setup_load(ctx, js_get_str(args, "file"), NULL, &setup, err) < 0 || project_db(ctx->project, &db, err) < 0)
		return -1;
	for (size_t i = 0; i < setup.pipeline->nmonitors; i++) {
		CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
		struct watch watch;
		struct js *monitor;
		monitor_watch(ctx, &setup.pipeline->monitors[i], &watch);
		monitor = describe(&watch);
		js_push(list, monitor);
		drift_options_release(&watch.options);
		if (add_state(db, watch.name, monitor, &row, err) < 0)
			return -1;
	}
	*ret_result = js_object();
	js_set(*ret_result, "monitors", steal(&list));
	return 0;
}

/* ---- show ---- */

static void add_windows(const struct watch *watch, const struct monitor_row *row, const struct js *windows,
			struct js *shown)
{
	struct js *summaries = js_array(), *performance = js_array();

	for (size_t i = 0; i < js_len(windows); i++) {
		struct js *figure = watch_performance(&watch->rule, js_at(windows, i), row->reference);
		js_push(summaries, watch_summary(&watch->rule, js_at(windows, i)));
		if (figure)
			js_push(performance, figure);
	}
	js_set(shown, "windows", summaries);
	js_set(shown, "performance", performance);
}

/* The detector of changes in the stream of errors, without its state. */
static void add_errors(const struct monitor_row *row, struct js *shown)
{
	static const char *const keys[] = { "seen", "wrong", "changes" };
	struct js *errors;

	if (!row->errors)
		return;
	errors = js_object();
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		js_set_int(errors, keys[i], js_get_int(row->errors, keys[i], 0));
	js_set(shown, "errors", errors);
}

static int show(struct op_context *ctx, const struct js *args, const struct watch *watch, struct js **ret, struct error *err)
{
	CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
	CLEANUP_JS struct js *shown = describe(watch), *windows = js_array();
	int64_t limit = js_get_int(args, "limit", js_get_bool(args, "html") ? (int64_t)PAGE_WINDOWS : WINDOWS_SHOWN);
	struct db *db;
	int r;

	if (project_db(ctx->project, &db, err) < 0)
		return -1;
	r = add_state(db, watch->name, shown, &row, err);
	if (r > 0) {
		js_free(steal(&windows));
		r = monitor_windows(db, row.id, limit, &windows, err);
	}
	if (r < 0)
		return -1;
	add_windows(watch, &row, windows, shown);
	add_errors(&row, shown);
	if (row.reference) {
		js_set_int(shown, "reference_rows", js_get_int(row.reference, "rows", 0));
		js_set_int(shown, "reference_windows", js_get_int(row.reference, "windows", 0));
		js_set_bool(shown, "calibrated", js_get(row.reference, "calibration") != NULL);
	}
	*ret = steal(&shown);
	return 0;
}

/* monitor.show {monitor, file, limit, html} -> see page.h, and more of it; or {page} */
int op_monitor_show(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(monitor_setup_release) struct monitor_setup setup = { 0 };
	CLEANUP_JS struct js *shown = NULL;
	CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;

	if (monitor_setup_load(ctx, js_get_str(args, "file"), js_get_str(args, "monitor"), &setup, err) < 0 ||
	    show(ctx, args, &setup.watch, &shown, err) < 0)
		return -1;
	if (!js_get_bool(args, "html")) {
		*ret_result = steal(&shown);
		return 0;
	}
	page_monitor(shown, &page);
	*ret_result = js_object();
	js_set_str(*ret_result, "page", page.buf);
	return 0;
}
