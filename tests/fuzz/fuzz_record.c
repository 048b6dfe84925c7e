/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as a record: refused as damaged, or imported so that exporting it gives the same again. The same for
 * a result of the cache. */
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/cache.h"
#include "registry/records.h"
#include "registry/schema.h"
#include <fcntl.h>
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

static void enter(void)
{
	char path[64], lock[64];
	struct error err;

	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/registry.db", dir);
	snprintf(lock, sizeof(lock), "%s/lock", dir);
	if (db_open(path, lock, registry_schema, DB_READ_WRITE, &db, &err) < 0)
		abort();
	atexit(leave);
}

static void must(int result, const struct error *err)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s\n", err->msg);
	abort();
}

static void must_equal(const struct js *a, const struct js *b)
{
	CLEANUP_STRBUF struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;

	js_dump(a, JS_CANONICAL, &x);
	js_dump(b, JS_CANONICAL, &y);
	if (strcmp(x.buf, y.buf) != 0) {
		fprintf(stderr, "%s\n%s\n", x.buf, y.buf);
		abort();
	}
}

static int any_content(void *ctx, const struct content *content)
{
	(void)ctx;
	return content->kind == CONTENT_ABSENT ? -1 : 0;
}

static void try_record(const struct js *json)
{
	CLEANUP_JS struct js *again = NULL;
	struct error err;
	bool is_new;

	must(record_each_content(json, any_content, NULL, &err), &err);
	must(db_begin(db, &err), &err);
	if (record_import(db, json, &is_new, &err) == 0) {
		must(record_export(db, js_get_str(js_at(js_get(json, "runs"), 0), "run_id"), &again, &err), &err);
		must_equal(json, again);
	} else if (err.code != ERR_DAMAGED || !*err.msg) {
		must(-1, &err);
	}
	db_rollback(db);
}

static void try_result(const struct js *json)
{
	struct cache_entry entry CLEANUP(cache_entry_release) = { .created_ms = 0 };
	CLEANUP_JS struct js *again = NULL;
	const char *hex = js_get_str(json, "key");
	struct error err;
	struct digest key;

	if (!hex || !digest_parse(hex, &key))
		return;
	if (cache_parse(json, &key, &entry, &err) < 0) {
		if (err.code != ERR_DAMAGED)
			must(-1, &err);
		return;
	}
	must(db_begin(db, &err), &err);
	must(cache_store(db, &key, &entry, &err), &err);
	must(cache_export(db, &key, &again, &err), &err);
	must_equal(json, again);
	db_rollback(db);
}

/* What is taken from somebody else is what a writer here writes, byte by byte. */
static void try_text(const char *text, size_t len, const struct js *json)
{
	const char *id = js_get_str(js_at(js_get(json, "runs"), 0), "run_id");
	CLEANUP_STRBUF struct strbuf again = STRBUF_INIT;
	CLEANUP_JS struct js *record = NULL;
	struct error err;

	if (!id)
		return;
	if (record_read(text, len, id, &record, &err) < 0) {
		if (err.code != ERR_DAMAGED)
			must(-1, &err);
		return;
	}
	js_dump(record, JS_CANONICAL, &again);
	if (again.len != len || memcmp(again.buf, text, len) != 0)
		abort();
	must(record_check(json, &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_JS struct js *json = NULL;

	if (!db)
		enter();
	if (js_parse((const char *)data, size, "record", &json, NULL) < 0)
		return 0;
	try_text((const char *)data, size, json);
	try_record(json);
	try_result(json);
	return 0;
}
