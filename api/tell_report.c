/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "api/definitions.h"
#include "api/tell_internal.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/jobs.h"
#include "registry/lockfile.h"
#include "registry/monitors.h"
#include "registry/project.h"
#include "registry/run_report.h"
#include "store/store.h"

#define LOCK_BYTES (16u << 20)

/* Metrics of the steps of a stored mlops.lock; none when it is there no more. */
static int metrics_of(struct project *p, struct db *db, const char *hex, struct js **ret, struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct digest digest;
	struct store *store;

	if (!hex || !digest_parse(hex, &digest))
		return 0;
	if (project_store(p, &store, err) < 0)
		return -1;
	if (store_read(store, &digest, LOCK_BYTES, &text, NULL) < 0 || lockfile_parse(text.buf, text.len, &lock, NULL) < 0)
		return 0;
	return report_metrics(db, &lock, ret, err);
}

static int add_metrics(struct project *p, struct db *db, const struct js *job, struct js *report, struct error *err)
{
	struct js *base = NULL, *metrics = NULL, *before = NULL;
	int r = report_base(db, js_get_str(job, "run_id"), &base, err);

	if (r > 0) {
		js_set_str(base, "name", "the run before");
		js_set(report, "base", base);
		r = metrics_of(p, db, js_get_str(base, "lock"), &before, err);
	}
	if (r < 0 || metrics_of(p, db, js_get_str(job, "lock"), &metrics, err) < 0) {
		js_free(before);
		return -1;
	}
	if (before)
		js_set(report, "base_metrics", before);
	if (metrics)
		js_set(report, "metrics", metrics);
	return 0;
}

static int add_monitors(struct db *db, const struct definitions *definitions, const char *project, struct js *report,
			struct error *err)
{
	const struct definition *d = definition_of_project(definitions, project);
	struct js *list = js_array();

	js_set(report, "monitors", list);
	for (size_t i = 0; d && d->pipeline && i < d->pipeline->nmonitors; i++) {
		CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
		int r = monitor_load(db, d->pipeline->monitors[i].name, &row, err);
		struct js *monitor;

		if (r < 0)
			return -1;
		if (r == 0)
			continue;
		monitor = js_object();
		js_set_str(monitor, "name", d->pipeline->monitors[i].name);
		js_set_str(monitor, "state", row.state);
		js_set_bool(monitor, "alarm", row.alarm);
		js_push(list, monitor);
	}
	return 0;
}

int report_of_job(struct project *p, const struct definitions *definitions, const struct js *event, struct js **ret,
		  struct error *err)
{
	const char *run = js_get_str(event, "subject"), *project = js_get_str(js_get(event, "body"), "project");
	const char *outcome = js_get_str(js_get(event, "body"), "outcome"), *after = js_get_str(event, "after");
	CLEANUP_JS struct js *report = js_object();
	CLEANUP_JS struct js *job = NULL;
	struct js *models;
	struct db *db;

	if (project_db(p, &db, err) < 0 || job_load(db, run, &job, err) < 0 || report_candidates(db, run, &models, err) < 0)
		return -1;
	js_set(report, "models", models);
	js_set_str(report, "project", project);
	js_set_str(report, "run_id", run);
	js_set_str(report, "state", outcome && after && !strcmp(after, "finished") ? outcome : after);
	js_set_str(report, "commit", js_get_str(js_get(event, "body"), "commit"));
	js_set_str(report, "error", js_get_str(js_get(job, "error"), "message"));
	if (add_metrics(p, db, job, report, err) < 0 || add_monitors(db, definitions, project, report, err) < 0)
		return -1;
	*ret = steal(&report);
	return 0;
}
