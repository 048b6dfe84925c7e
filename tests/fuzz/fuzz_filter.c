/* SPDX-License-Identifier: Apache-2.0 */
/* A filter, and after a newline an order: refused with a reason, or SQL that SQLite compiles and
 * runs. */
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/filter.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	char *order_by = strchr(text, '\n');
	struct run_query query = {.filter = text, .all = true};
	struct strlist orders = STRLIST_INIT;
	struct filter_sql sql;
	struct error err;
	struct js *list;
	int r;

	if (!db)
		enter();
	if (order_by) {
		*order_by++ = '\0';
		query.order_by = order_by;
	}
	if (order_by)
		strlist_push(&orders, order_by);
	r = filter_compile(&filter_runs, query.filter, &orders, &sql, &err);
	strlist_release(&orders);
	if (r < 0) {
		if (err.code != ERR_USAGE || !*err.msg)
			abort();
		return 0;
	}
	filter_release(&sql);
	if (run_search(db, &query, &list, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	js_free(list);
	return 0;
}
