/* SPDX-License-Identifier: Apache-2.0 */
/* Which monitors watch a model, and how they stand. */
#include <string.h>
#include "api/card.h"
#include "api/definitions.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/monitors.h"
#include "registry/project.h"

#define WINDOWS 30 /* of each that are looked at */

static bool watches(const struct monitor_section *monitor, const char *model)
{
	size_t len = strlen(model);
	const char *text = monitor->model.text;

	return text && !strncmp(text, model, len) && (text[len] == '@' || !text[len]);
}

static bool is_listed(const struct js *list, const char *name)
{
	for (size_t i = 0; i < js_len(list); i++)
		if (!strcmp(js_get_str(js_at(list, i), "name"), name))
			return true;
	return false;
}

/* Its last windows in which something was found. */
static void add_drift(struct db *db, const char *name, int64_t id, struct js *drift)
{
	CLEANUP_JS struct js *windows = NULL;

	if (monitor_windows(db, id, WINDOWS, &windows, NULL) < 0)
		return;
	for (size_t i = 0; i < js_len(windows); i++) {
		const struct js *window = js_at(windows, i);
		const char *state = js_get_str(window, "state");
		struct js *row;

		if (!state || !strcmp(state, "OK"))
			continue;
		row = js_object();
		js_set_str(row, "monitor", name);
		js_set_int(row, "window", js_get_int(window, "number", 0));
		js_set_int(row, "time", js_get_int(window, "judged", 0));
		js_set_str(row, "state", state);
		js_set_str(row, "reason", js_get_str(js_get(window, "verdict"), "reason"));
		js_push(drift, row);
	}
}

/* One that has not begun has no row. */
static void add_monitor(struct db *db, const struct monitor_section *monitor, struct js *list, struct js *drift)
{
	CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
	struct js *item;
	int r = monitor_load(db, monitor->name, &row, NULL);

	if (r < 0 || is_listed(list, monitor->name))
		return;
	item = js_object();
	js_set_str(item, "name", monitor->name);
	js_set_str(item, "watches", monitor->model.text);
	js_set_str(item, "state", r > 0 ? row.state : "WAITING");
	js_set_bool(item, "alarm", row.alarm);
	js_set_int(item, "windows", r > 0 ? monitor_count(db, row.id, NULL) : 0);
	js_set_int(item, "drifted", r > 0 ? monitor_count(db, row.id, "DRIFT") : 0);
	js_push(list, item);
	if (r > 0)
		add_drift(db, monitor->name, row.id, drift);
}

static void add_pipeline(struct db *db, const struct pipeline *pipeline, const char *model, struct js *list, struct js *drift)
{
	for (size_t i = 0; pipeline && i < pipeline->nmonitors; i++)
		if (watches(&pipeline->monitors[i], model))
			add_monitor(db, &pipeline->monitors[i], list, drift);
}

void card_monitors(struct op_context *ctx, struct db *db, const char *model, struct js *card)
{
	CLEANUP(definitions_free) struct definitions all = { 0 };
	CLEANUP(cleanup_pipeline) struct pipeline *own = NULL;
	struct js *list = js_array(), *drift = js_array();

	if (!op_is_remote(ctx) && pipeline_load_definitions(ctx->project->rootfd, "pipeline.ini", &own, NULL) == 0)
		add_pipeline(db, own, model, list, drift);
	if (definitions_load(ctx->project, &all, NULL) == 0)
		for (size_t i = 0; i < all.len; i++)
			add_pipeline(db, all.items[i].pipeline, model, list, drift);
	if (js_len(list))
		js_set(card, "monitors", js_ref(list));
	if (js_len(drift))
		js_set(card, "drift", js_ref(drift));
	js_free(list);
	js_free(drift);
}
