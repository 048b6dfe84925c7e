/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/model_history.h"
#include <stdbool.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/keys.h"

#define TAG	   "mlflow.log-model.history"
#define TEXT_CHARS (1u << 20)

static int check(const struct js *model, struct error *err)
{
	static const char *const wanted[] = { "artifact_path", "flavors", "utc_time_created", "run_id" };
	CLEANUP_STRBUF struct strbuf missing = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (!js_get(model, wanted[i]))
			strbuf_printf(&missing, "%s'%s'", missing.len ? ", " : "", wanted[i]);
	return missing.len ? error_set(err, ERR_USAGE, "Model json is missing mandatory fields: {%s}", missing.buf) : 0;
}

/* Without their "config", which may be large. */
static struct js *short_flavors(const struct js *flavors)
{
	struct js *all = js_object();

	for (void *it = js_iter(flavors); it; it = js_next(flavors, it)) {
		const struct js *flavor = js_iter_value(it);
		struct js *copy;

		if (js_typeof(flavor) != JS_OBJECT) {
			js_set(all, js_iter_key(it), js_ref(js_iter_value(it)));
			continue;
		}
		copy = js_object();
		for (void *at = js_iter(flavor); at; at = js_next(flavor, at))
			if (strcmp(js_iter_key(at), "config") != 0)
				js_set(copy, js_iter_key(at), js_ref(js_iter_value(at)));
		js_set(all, js_iter_key(it), copy);
	}
	return all;
}

static struct js *entry(const struct js *model)
{
	static const char *const kept[] = { "run_id", "artifact_path", "utc_time_created", "model_uuid" };
	struct js *object = js_object();

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (js_get(model, kept[i]))
			js_set(object, kept[i], js_ref(js_get(model, kept[i])));
	js_set(object, "flavors", short_flavors(js_get(model, "flavors")));
	return object;
}

/* A tag that somebody set to something else begins anew. */
static int load(struct db *db, int64_t run, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT value FROM tags WHERE run = ?1 AND key = '" TAG "'");
	CLEANUP_JS struct js *list = NULL;
	int r;

	db_bind(q, 1, run);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	if (r == 0 || js_parse(db_text(q, 0), strlen(db_text(q, 0)), TAG, &list, NULL) < 0 ||
	    js_typeof(list) != JS_ARRAY) {
		js_free(list);
		list = js_array();
	}
	*ret = steal(&list);
	return 0;
}

int model_history_add(struct db *db, int64_t run, const char *model_json, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *model = NULL;
	CLEANUP_JS struct js *list = NULL;
	struct db_stmt *q;

	if (js_count(model_json, strlen(model_json)) > JS_STRANGERS_MAX ||
	    js_parse(model_json, strlen(model_json), "model_json", &model, NULL) < 0 || js_typeof(model) != JS_OBJECT)
		return error_set(err, ERR_USAGE, "Malformed model info. \n %.300s \n is not a valid JSON.", model_json);
	if (check(model, err) < 0 || load(db, run, &list, err) < 0)
		return -1;
	js_push(list, entry(model));
	js_dump(list, JS_SPACED, &text);
	/* A list that was cut would be no JSON: it is refused sooner, and much later than other tags are cut. */
	if (length_check(TAG, text.buf, TEXT_CHARS, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO tags (run, key, value) VALUES (?1, '" TAG "', ?2)"
			 " ON CONFLICT DO UPDATE SET value = excluded.value");
	db_bind(q, 1, run);
	db_bind(q, 2, text.buf);
	return db_run(q, err);
}
