/* SPDX-License-Identifier: Apache-2.0 */
/* A filter, and after a newline an order, of all that is searched: refused with a reason, or SQL that SQLite compiles
 * and runs. */
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/experiment_search.h"
#include "registry/filter.h"
#include "registry/logged_models.h"
#include "registry/models.h"
#include "registry/run_pages.h"
#include "registry/runs.h"
#include "registry/schema.h"
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/mlops-fuzz-XXXXXX";
static struct db *db;

static void leave(void)
{
	db_close(db);
	fs_remove_tree(AT_FDCWD, dir, NULL);
}

/* Two runs, so that conditions meet rows, NaN and missing values. */
static int fill(struct error *err)
{
	static const char *const ids[] = {"00000000000000000000000000000001",
					  "00000000000000000000000000000002"};
	struct content content = {.kind = CONTENT_FILE};

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct run_new run = {.id = ids[i], .user = "ann", .start_ms = (int64_t)i};
		if (run_create(db, &run, err) < 0 ||
		    run_log_metric(db, ids[i], "auc", i ? NAN : 0.9, 0, 0, err) < 0)
			return -1;
	}
	if (run_log_param(db, ids[0], "lr", "0.1", err) < 0)
		return -1;
	return run_log_content(db, ids[0], RUN_INPUT, "data/raw", "data", &content, err);
}

static void enter(void)
{
	char path[64], lock[64];
	struct error err;

	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/registry.db", dir);
	snprintf(lock, sizeof(lock), "%s/lock", dir);
	if (db_open(path, lock, registry_schema, DB_READ_WRITE, &db, &err) < 0 || fill(&err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	atexit(leave);
}

/* 0, or refused with a reason. */
static void check(int r, const struct error *err)
{
	if (r == 0 || (err->code == ERR_USAGE && *err->msg))
		return;
	fprintf(stderr, "%s\n", err->msg);
	abort();
}

/* What compiles must run. */
static void search_runs(const char *filter, const char *order_by, const struct strlist *orders)
{
	static const int64_t experiments[] = {0, 7};
	struct filter_sql sql;
	struct strbuf text = STRBUF_INIT;
	struct error err = {0};
	struct js *list;
	char *token = NULL;
	size_t n;

	if (filter_compile(&filter_runs, filter, orders, &sql, &err) < 0) {
		check(-1, &err);
		return;
	}
	filter_release(&sql);
	if (run_search(db, &(struct run_query){.filter = filter, .order_by = order_by, .all = true}, &list, &err) < 0)
		abort();
	js_free(list);
	for (size_t i = 1; i <= ARRAY_LEN(experiments); i++) {
		struct run_pages_query query = {.experiments = experiments, .nexperiments = i, .filter = filter,
						.order_by = orders, .view = VIEW_ALL, .limit = i};
		if (run_page(db, &query, &text, &n, &token, &err) < 0)
			abort();
		free(token);
	}
	strbuf_release(&text);
}

static void search_others(const char *filter, const struct strlist *orders)
{
	struct experiment_query experiments = {.filter = filter, .order_by = orders, .view = VIEW_ALL, .limit = 1};
	struct logged_model_query logged = {.filter = filter, .max_results = 1};
	struct registry_query models = {.filter = filter, .max_results = 1};
	CLEANUP_JS struct js *order = js_array();
	CLEANUP_JS struct js *ids = js_array();
	struct js *results[4] = {NULL};
	struct error err = {0};
	char *token = NULL;

	for (size_t i = 0; i < orders->len; i++)
		js_push_str(order, orders->items[i]);
	js_push_str(ids, "0");
	models.order_by = order;
	logged.experiment_ids = ids;
	check(experiment_search(db, &experiments, &results[0], &token, &err), &err);
	check(model_search(db, &models, &results[1], &err), &err);
	check(version_search(db, &models, &results[2], &err), &err);
	check(logged_model_search(db, &logged, &results[3], &err), &err);
	for (size_t i = 0; i < ARRAY_LEN(results); i++)
		js_free(results[i]);
	free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	struct strlist orders CLEANUP(strlist_release) = STRLIST_INIT;
	char *order_by = strchr(text, '\n');

	if (!db)
		enter();
	if (order_by) {
		*order_by++ = '\0';
		strlist_push(&orders, order_by);
	}
	search_runs(text, order_by, &orders);
	search_others(text, &orders);
	return 0;
}
