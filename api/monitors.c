/* SPDX-License-Identifier: Apache-2.0 */
#include "api/monitors.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/strbuf.h"
#include "monitor/schema/schema.h"
#include "pipeline/grammar.h"
#include "registry/project.h"

#define SCHEMA_MAX ((size_t)16 << 20)

void monitor_setup_release(struct monitor_setup *setup)
{
	drift_options_release(&setup->watch.options);
	schema_free(setup->schema);
	pipeline_free(setup->pipeline);
	*setup = (struct monitor_setup){ 0 };
}

static void copy_names(const struct textlist *from, struct strlist *to)
{
	for (size_t i = 0; i < from->len; i++)
		strlist_push(to, from->items[i].text);
}

static void take_options(const struct monitor_section *section, struct drift_options *ret)
{
	*ret = (struct drift_options)DRIFT_OPTIONS_INIT;
	ret->method = section->evidently ? DRIFT_EVIDENTLY : DRIFT_MLOPS;
	ret->min_rows = (uint64_t)section->min_rows;
	ret->share = section->share;
	if (section->threshold > 0)
		ret->threshold = section->threshold;
	copy_names(&section->columns, &ret->columns);
	copy_names(&section->ignore, &ret->ignore);
	copy_names(&section->critical, &ret->critical);
}

void monitor_watch(const struct op_context *ctx, const struct monitor_section *section, struct watch *ret)
{
	bool file = !section->window_rows && !section->window_ms;

	*ret = (struct watch){
		.name = section->name,
		.model = section->model.text,
		.rule = { .rows = section->window_rows,
			  .ms = section->window_ms,
			  .by_value = section->time.text != NULL,
			  .step_ms = section->step_ms,
			  .start_ms = section->start_ms,
			  .late_ms = section->late_ms },
		.reference = section->reference.text,
		.first = section->first,
		.season_ms = section->season_ms,
		.season_windows = section->season_windows,
		.min_rows = (uint64_t)section->min_rows,
		.columns = { .time = section->time.text,
			     .id = section->id.text,
			     .prediction = section->prediction.text,
			     .probability = section->probability.text,
			     .label = section->label.text,
			     .exact = section->evidently },
		.data = { .data = section->data.text,
			  .query = section->query.text,
			  .sqlite = !strcmp(settings_get(op_settings(ctx), SETTING_MONITOR_SQLITE), "yes"),
			  .whole = file,
			  .monitor = section->name,
			  .kind = MONITOR_DATA },
		.labels = section->labels.text,
	};
	take_options(section, &ret->options);
}

static int find_section(struct monitor_setup *setup, const char *name, struct error *err)
{
	const struct pipeline *pipeline = setup->pipeline;
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;

	for (size_t i = 0; i < pipeline->nmonitors; i++) {
		if (!strcmp(pipeline->monitors[i].name, name)) {
			setup->section = &pipeline->monitors[i];
			return 0;
		}
		strlist_push(&names, pipeline->monitors[i].name);
	}
	near = strlist_nearest(&names, name);
	error_set(err, ERR_NOT_FOUND, "%s has no [monitor.%s]", pipeline->file, name);
	if (near)
		return error_help(err, "did you mean '%s'?", near);
	return error_help(err, names.len ? "list them: mlops monitor list" : "add a section [monitor.%s] to it", name);
}

bool monitor_takes(const struct watch *watch)
{
	return !strcmp(watch->data.data, INFLOW_HTTP) || (watch->labels && !strcmp(watch->labels, INFLOW_HTTP));
}

static int load_schema(struct op_context *ctx, const struct pipeline *pipeline, struct monitor_setup *setup,
		       struct error *err)
{
	const struct text_at *wanted = &setup->section->schema;
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const struct schema_section *schema = NULL;

	for (size_t i = 0; wanted->text && i < pipeline->nschemas; i++)
		if (!strcmp(pipeline->schemas[i].name, wanted->text))
			schema = &pipeline->schemas[i];
	if (!schema)
		return 0;
	fd = fs_open_beneath(ctx->project->rootfd, schema->file.text, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, err);
	if (fd < 0 || io_read_fd(fd, schema->file.text, SCHEMA_MAX, &text, err) < 0 ||
	    schema_parse(text.buf, text.len, schema->file.text, &setup->schema, err) < 0)
		return -1;
	setup->watch.schema = setup->schema;
	return 0;
}

int monitor_setup_load(struct op_context *ctx, const char *file, const char *name, struct monitor_setup *ret,
		       struct error *err)
{
	CLEANUP(monitor_setup_release) struct monitor_setup setup = { 0 };
	CLEANUP(cleanup_free) char *path = NULL;

	if (path_clean(file ? ctx->project->prefix : "", file ? file : "pipeline.ini", &path, err) < 0 ||
	    pipeline_load(ctx->project->rootfd, path, NULL, &setup.pipeline, err) < 0)
		return -1;
	if (name && find_section(&setup, name, err) < 0)
		return -1;
	if (name) {
		monitor_watch(ctx, setup.section, &setup.watch);
		if (load_schema(ctx, setup.pipeline, &setup, err) < 0)
			return -1;
	}
	*ret = setup;
	setup = (struct monitor_setup){ 0 };
	return 0;
}

int monitor_setup_of(struct op_context *ctx, const struct pipeline *pipeline, const struct monitor_section *section,
		     struct monitor_setup *ret, struct error *err)
{
	CLEANUP(monitor_setup_release) struct monitor_setup setup = { .section = section };

	monitor_watch(ctx, section, &setup.watch);
	if (load_schema(ctx, pipeline, &setup, err) < 0)
		return -1;
	*ret = setup;
	setup = (struct monitor_setup){ 0 };
	return 0;
}

static char *duration_text(int64_t ms)
{
	static const struct {
		int64_t ms;
		char unit;
	} units[] = { { 604800000, 'w' }, { 86400000, 'd' }, { 3600000, 'h' }, { 60000, 'm' }, { 1000, 's' } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (ms % units[i].ms == 0)
			return xasprintf("%lld%c", (long long)(ms / units[i].ms), units[i].unit);
	return xasprintf("%lldms", (long long)ms);
}

char *monitor_window_text(const struct window_rule *rule)
{
	if (rule->rows)
		return xasprintf("%lld rows", (long long)rule->rows);
	return rule->ms ? duration_text(rule->ms) : xstrdup("file");
}

char *monitor_reference_text(const struct watch *w)
{
	return w->first ? xasprintf("the first %lld windows", (long long)w->first) : xstrdup(w->reference);
}
