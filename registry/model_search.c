/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/filter.h"
#include "registry/models.h"
#include "registry/models_internal.h"
#include "registry/token.h"

#define MODELS_MAX   1000
#define VERSIONS_MAX 200000

#define TAG_ENTITY(table_, owner_)                                                                     \
	{ .words = "tag|tags", .table = (table_), .owner = (owner_), .kind = FILTER_TEXT, .flags = FILTER_NULL, \
	  .absent_key = PROMPT_TAG, .absent_value = "false" }
#define TEXT_KEY(key_, sql_, flags_)                                                                   \
	{ .entity = "attribute", .key = (key_), .sql = (sql_), .kind = FILTER_TEXT, .flags = (flags_) }
#define ORDER_KEY(key_, sql_, flags_)                                                                  \
	{ .entity = "attribute", .key = (key_), .sql = (sql_), .kind = FILTER_NUMBER, .flags = FILTER_ORDER | (flags_) }

static const struct filter_entity model_entities[] = {
	{ .words = "attribute", .flags = FILTER_ORDER },
	TAG_ENTITY("model_tags", "model"),
};
static const struct filter_column model_columns[] = {
	TEXT_KEY("name", "m.name", FILTER_ORDER),
	ORDER_KEY("timestamp", "m.last_update_time", FILTER_NO_WHERE),
	ORDER_KEY("last_updated_timestamp", "m.last_update_time", FILTER_NO_WHERE | FILTER_ALIAS),
	ORDER_KEY("creation_timestamp", "m.creation_time", FILTER_NO_WHERE),
};
static const struct filter_thing models = {
	.id = "m.id",
	.entities = model_entities,
	.nentities = ARRAY_LEN(model_entities),
	.columns = model_columns,
	.ncolumns = ARRAY_LEN(model_columns),
	.ties = { { "m.name", "m.name" } },
};

static const struct filter_entity version_entities[] = {
	{ .words = "attribute", .flags = FILTER_ORDER },
	TAG_ENTITY("version_tags", "version"),
};
static const struct filter_column version_columns[] = {
	TEXT_KEY("name", "m.name", FILTER_ORDER),
	ORDER_KEY("version_number", "v.number", FILTER_QUOTED),
	TEXT_KEY("run_id", "v.run_id", 0),
	TEXT_KEY("source_path", "v.source", 0),
	ORDER_KEY("creation_timestamp", "v.creation_time", FILTER_NO_WHERE),
	ORDER_KEY("last_updated_timestamp", "v.last_update_time", FILTER_NO_WHERE),
};
static const struct filter_thing versions = {
	.id = "v.id",
	.entities = version_entities,
	.nentities = ARRAY_LEN(version_entities),
	.columns = version_columns,
	.ncolumns = ARRAY_LEN(version_columns),
	.order = { { "v.last_update_time", "v.last_update_time DESC" } },
	.ties = { { "m.name", "m.name" }, { "v.number", "v.number DESC" } },
};

static int version_plain_json(struct db *db, struct db_stmt *q, struct js **ret, struct error *err)
{
	return version_json(db, q, false, ret, err);
}

static const struct searched {
	const struct filter_thing *thing;
	const char *columns, *from;
	const char *hidden; /* holds for prompts */
	const char *member; /* of the answer */
	int64_t max;
	int (*json)(struct db *, struct db_stmt *, struct js **ret, struct error *);
} searched_models = {
	&models, MODEL_COLUMNS, "registered_models m",
	"m.id IN (SELECT model FROM model_tags WHERE key = '" PROMPT_TAG "' AND value = 'true')",
	"registered_models", MODELS_MAX, model_json,
}, searched_versions = {
	&versions, VERSION_COLUMNS, "model_versions v CROSS JOIN registered_models m ON m.id = v.model",
	/* one version that is a prompt's hides the others */
	"v.model IN (SELECT p.model FROM version_tags t JOIN model_versions p ON p.id = t.version"
	" WHERE t.key = '" PROMPT_TAG "' AND t.value = 'true')",
	"model_versions", VERSIONS_MAX, version_plain_json,
};

static int take_orders(const struct js *order_by, struct strlist *ret, struct error *err)
{
	for (size_t i = 0; i < js_len(order_by); i++) {
		const char *text = js_text(js_at(order_by, i));

		if (!text)
			return error_set(err, ERR_USAGE, "Invalid value for parameter 'order_by' supplied: not a list of texts");
		strlist_push(ret, text);
	}
	return 0;
}

static int check_max(const struct searched *s, int64_t max, struct error *err)
{
	if (max < 1)
		return error_set(err, ERR_USAGE, "Invalid value for max_results. It must be a positive integer, but got %lld",
				 (long long)max);
	if (max > s->max)
		return error_set(err, ERR_USAGE,
				 "Invalid value \"%lld\" for parameter 'max_results' supplied: it must be at most %lld",
				 (long long)max, (long long)s->max);
	return 0;
}

/* Who asks about the tag of prompts says by it what he wants. */
static bool hides_prompts(const char *filter)
{
	return !filter || !strstr(filter, PROMPT_TAG);
}

static int prepare(struct db *db, const struct searched *s, const struct registry_query *query, int64_t offset,
		   struct db_stmt **ret, struct error *err)
{
	struct filter_sql f CLEANUP(filter_release) = FILTER_SQL_INIT;
	CLEANUP(strlist_release) struct strlist orders = STRLIST_INIT;
	CLEANUP_STRBUF struct strbuf sql = STRBUF_INIT;
	int n;

	if (take_orders(query->order_by, &orders, err) < 0 ||
	    filter_compile(s->thing, query->filter, &orders, &f, err) < 0)
		return -1;
	n = (int)f.nvalues;
	strbuf_printf(&sql, "SELECT %s FROM %s%s WHERE true", s->columns, s->from, f.joins.buf);
	if (hides_prompts(query->filter))
		strbuf_printf(&sql, " AND NOT (%s)", s->hidden);
	if (f.where.len)
		strbuf_printf(&sql, " AND %s", f.where.buf);
	strbuf_printf(&sql, " ORDER BY %s LIMIT ?%d OFFSET ?%d", f.order.buf, n + 1, n + 2);
	if (db_query_dynamic(db, sql.buf, ret, err) < 0)
		return -1;
	filter_bind(&f, *ret);
	db_bind(*ret, n + 1, query->max_results + 1);
	db_bind(*ret, n + 2, offset);
	return 0;
}

/* One more than the page holds tells whether there is another. */
static int search(struct db *db, const struct searched *s, const struct registry_query *query, struct js **ret,
		  struct error *err)
{
	CLEANUP_JS struct js *result = js_object();
	CLEANUP_JS struct js *list = js_array();
	CLEANUP_STMT struct db_stmt *q = NULL;
	CLEANUP(cleanup_free) char *next = NULL;
	int64_t offset;
	int r;

	if (check_max(s, query->max_results, err) < 0 || token_offset(query->page_token, &offset, err) < 0 ||
	    prepare(db, s, query, offset, &q, err) < 0)
		return -1;
	while ((r = db_step(q, err)) > 0 && (int64_t)js_len(list) < query->max_results) {
		struct js *item;

		if (s->json(db, q, &item, err) < 0)
			return -1;
		js_push(list, item);
	}
	if (r < 0)
		return -1;
	if (r > 0)
		next = token_of_offset(offset + query->max_results);
	if (js_len(list))
		js_set(result, s->member, steal(&list));
	js_set_str(result, "next_page_token", next);
	*ret = steal(&result);
	return 0;
}

int model_search(struct db *db, const struct registry_query *query, struct js **ret, struct error *err)
{
	return search(db, &searched_models, query, ret, err);
}

int version_search(struct db *db, const struct registry_query *query, struct js **ret, struct error *err)
{
	return search(db, &searched_versions, query, ret, err);
}
