/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/experiments.h"
#include "registry/filter.h"
#include "registry/logged_models.h"
#include "registry/logged_models_internal.h"
#include "registry/token.h"

#define DEFAULT_RESULTS 100
#define MAX_RESULTS	50000
#define ORDERS_MAX	20

#define KEY(key_, sql_, kind_, flags_)                                                                          \
	{ .entity = "attributes", .key = (key_), .sql = "m." sql_, .kind = (kind_), .flags = FILTER_ORDER | (flags_) }

static const struct filter_column columns[] = {
	KEY("name", "name", FILTER_TEXT, 0),
	KEY("model_id", "model_id", FILTER_TEXT, 0),
	KEY("model_type", "model_type", FILTER_TEXT, 0),
	KEY("status", "status", FILTER_TEXT, 0),
	KEY("source_run_id", "source_run_id", FILTER_TEXT, 0),
	KEY("experiment_id", "experiment", FILTER_ID, 0),
	KEY("artifact_location", "location", FILTER_TEXT, 0),
	KEY("lifecycle_stage", "lifecycle_stage", FILTER_TEXT, 0),
	KEY("creation_timestamp", "creation_time", FILTER_NUMBER, 0),
	KEY("creation_timestamp_ms", "creation_time", FILTER_NUMBER, FILTER_ALIAS),
	KEY("creation_time", "creation_time", FILTER_NUMBER, FILTER_ALIAS),
	KEY("last_updated_timestamp", "last_update_time", FILTER_NUMBER, 0),
	KEY("last_updated_timestamp_ms", "last_update_time", FILTER_NUMBER, FILTER_ALIAS),
};

/* A search as SQL, and the texts that are bound behind those of its filter. */
struct search {
	const struct logged_model_query *query;
	struct strbuf datasets; /* a condition about a row t of metrics, or "" */
	struct strbuf orders, columns;
	struct strlist texts;
	size_t ncolumns;
	struct filter_sql filter;
};
#define SEARCH_INIT(query_)                                                                              \
	{ .query = (query_), .datasets = STRBUF_INIT, .orders = STRBUF_INIT, .columns = STRBUF_INIT,     \
	  .texts = STRLIST_INIT, .filter = FILTER_SQL_INIT }

static void search_release(struct search *s)
{
	strbuf_release(&s->datasets);
	strbuf_release(&s->orders);
	strbuf_release(&s->columns);
	strlist_release(&s->texts);
	filter_release(&s->filter);
}

/* ---- data sets ---- */

/* The condition goes into the filter before its parameters are numbered, so its texts are literals. */
static void put_literal(struct strbuf *sql, const char *text)
{
	strbuf_putc(sql, '\'');
	for (const char *s = text; *s; s++) {
		if (*s == '\'')
			strbuf_putc(sql, '\'');
		strbuf_putc(sql, *s);
	}
	strbuf_putc(sql, '\'');
}

static int put_datasets(struct search *s, struct error *err)
{
	const struct js *list = s->query->datasets;

	for (size_t i = 0; i < js_len(list); i++) {
		const char *name = js_get_str(js_at(list, i), "dataset_name");
		const char *digest = js_get_str(js_at(list, i), "dataset_digest");

		if (!name || !*name)
			return error_set(err, ERR_USAGE, "`dataset_name` in the `datasets` clause must be specified.");
		strbuf_puts(&s->datasets, i ? " OR t.dataset_name = " : "(t.dataset_name = ");
		put_literal(&s->datasets, name);
		if (digest && *digest) {
			strbuf_puts(&s->datasets, " AND t.dataset_digest = ");
			put_literal(&s->datasets, digest);
		}
	}
	if (s->datasets.len)
		strbuf_putc(&s->datasets, ')');
	return 0;
}

/* ---- filter ---- */

static int compile(struct search *s, struct error *err)
{
	const struct filter_entity entities[] = {
		{ .words = "attributes|attribute|attr", .flags = FILTER_ORDER },
		{ .words = "metrics|metric", .table = "logged_model_metrics", .owner = "model", .kind = FILTER_NUMBER,
		  .flags = FILTER_NAN, .also = s->datasets.len ? s->datasets.buf : NULL },
		{ .words = "params|param", .table = "logged_model_params", .owner = "model", .kind = FILTER_TEXT,
		  .flags = FILTER_NULL },
		{ .words = "tags|tag", .table = "logged_model_tags", .owner = "model", .kind = FILTER_TEXT,
		  .flags = FILTER_NULL },
	};
	const struct filter_thing thing = {
		.id = "m.id",
		.entities = entities,
		.nentities = ARRAY_LEN(entities),
		.columns = columns,
		.ncolumns = ARRAY_LEN(columns),
		.ties = { { "m.model_id", "m.model_id" } },
	};

	return filter_compile(&thing, s->query->filter, NULL, &s->filter, err);
}

/* ---- order ---- */

static const char *bind_text(struct search *s, const char *text, char buf[24])
{
	CLEANUP(cleanup_free) char *name = NULL;

	strlist_push(&s->texts, text);
	name = xasprintf("?%zu", s->filter.nvalues + s->texts.len);
	memcpy(buf, name, strlen(name) + 1);
	return buf;
}

/* The latest value of a metric, on a data set or on any. */
static void put_metric(struct search *s, const char *key, const struct js *order)
{
	static const char *const members[] = { "dataset_name", "dataset_digest" };
	char buf[24];

	strbuf_printf(&s->columns,
		      ", (SELECT CASE WHEN NOT t.is_nan THEN t.value END FROM logged_model_metrics t WHERE t.model = m.id"
		      " AND t.key = %s", bind_text(s, key, buf));
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const char *text = js_get_str(order, members[i]);

		if (text && *text)
			strbuf_printf(&s->columns, " AND t.%s = %s", members[i], bind_text(s, text, buf));
	}
	strbuf_printf(&s->columns,
		      " ORDER BY t.timestamp DESC, t.step DESC, t.run, t.value DESC LIMIT 1) AS o%zu", ++s->ncolumns);
}

static const char *find_column(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		if (!strcmp(columns[i].key, key))
			return columns[i].sql;
	return NULL;
}

static int put_order(struct search *s, const struct js *order, struct error *err)
{
	const char *field = js_get_str(order, "field_name"), *column;
	const char *direction = js_get(order, "ascending") && !js_get_bool(order, "ascending") ? "DESC" : "ASC";

	if (!field || (!strchr(field, '.') && !find_column(field)))
		return error_set(err, ERR_USAGE, "Invalid order by field name: %.200s", field ? field : "");
	if (strchr(field, '.') && strncmp(field, "metrics.", strlen("metrics.")) != 0)
		return error_set(err, ERR_USAGE, "Invalid order by field name: %.200s. Only metrics are supported.", field);
	column = find_column(field);
	if (column) {
		strbuf_printf(&s->orders, "%s %s, ", column, direction);
		return 0;
	}
	put_metric(s, field + strlen("metrics."), order);
	strbuf_printf(&s->orders, "o%zu IS NULL, o%zu %s, ", s->ncolumns, s->ncolumns, direction);
	return 0;
}

static int put_orders(struct search *s, struct error *err)
{
	const struct js *list = s->query->order_by;

	if (js_len(list) > ORDERS_MAX)
		return error_set(err, ERR_USAGE, "more than %d orders", ORDERS_MAX);
	for (size_t i = 0; i < js_len(list); i++)
		if (put_order(s, js_at(list, i), err) < 0)
			return -1;
	strbuf_puts(&s->orders, "m.creation_time DESC, m.model_id");
	return 0;
}

/* ---- pages ---- */

static struct js *bound_to(const struct logged_model_query *query)
{
	struct js *bound = js_object();

	js_set(bound, "experiment_ids", js_ref((struct js *)(uintptr_t)query->experiment_ids));
	js_set(bound, "filter_string", js_str(query->filter));
	js_set(bound, "order_by", query->order_by ? js_ref((struct js *)(uintptr_t)query->order_by) : js_null());
	js_set(bound, "datasets", query->datasets ? js_ref((struct js *)(uintptr_t)query->datasets) : js_null());
	return bound;
}

static int take_token(const struct logged_model_query *query, const struct js *bound, int64_t *ret_offset,
		      struct error *err)
{
	CLEANUP_JS struct js *token = NULL;

	*ret_offset = 0;
	if (!query->page_token || !*query->page_token)
		return 0;
	if (token_parse(query->page_token, &token, err) < 0)
		return -1;
	for (void *it = js_iter(bound); it; it = js_next(bound, it))
		if (!js_equal(js_get(token, js_iter_key(it)), js_iter_value(it)))
			return error_set(err, ERR_USAGE, "The page token does not match the requested %s", js_iter_key(it));
	*ret_offset = js_get_int(token, "offset", -1);
	return *ret_offset < 0 ? error_set(err, ERR_USAGE, "Invalid page token, it has no offset") : 0;
}

/* ---- all of it ---- */

static int put_experiments(const struct js *ids, struct strbuf *sql, struct error *err)
{
	strbuf_puts(sql, " AND m.experiment IN (");
	for (size_t i = 0; i < js_len(ids); i++) {
		const char *text = js_text(js_at(ids, i));
		int64_t id;

		if (experiment_parse(text ? text : "", &id, err) < 0)
			return -1;
		strbuf_printf(sql, "%s%lld", i ? ", " : "", (long long)id);
	}
	strbuf_putc(sql, ')');
	return 0;
}

static int prepare(struct db *db, struct search *s, int64_t max, int64_t offset, struct db_stmt **ret,
		   struct error *err)
{
	CLEANUP_STRBUF struct strbuf sql = STRBUF_INIT;
	int n;

	if (put_datasets(s, err) < 0 || compile(s, err) < 0 || put_orders(s, err) < 0)
		return -1;
	strbuf_printf(&sql, "SELECT " LOGGED_MODEL_COLUMNS "%s FROM logged_models m WHERE m.lifecycle_stage = 'active'",
		      s->columns.buf);
	if (put_experiments(s->query->experiment_ids, &sql, err) < 0)
		return -1;
	if (s->filter.where.len)
		strbuf_printf(&sql, " AND %s", s->filter.where.buf);
	if (s->datasets.len && !strstr(s->filter.where.buf, "logged_model_metrics"))
		strbuf_printf(&sql, " AND EXISTS (SELECT 1 FROM logged_model_metrics t WHERE t.model = m.id AND %s)",
			      s->datasets.buf);
	n = (int)(s->filter.nvalues + s->texts.len);
	strbuf_printf(&sql, " ORDER BY %s LIMIT ?%d OFFSET ?%d", s->orders.buf, n + 1, n + 2);
	if (db_query_dynamic(db, sql.buf, ret, err) < 0)
		return -1;
	filter_bind(&s->filter, *ret);
	for (size_t i = 0; i < s->texts.len; i++)
		db_bind(*ret, (int)(s->filter.nvalues + i) + 1, (const char *)s->texts.items[i]);
	db_bind(*ret, n + 1, max + 1);
	db_bind(*ret, n + 2, offset);
	return 0;
}

static int take_page(struct db *db, struct db_stmt *q, int64_t max, struct js *list, struct error *err)
{
	int r;

	while ((r = db_step(q, err)) > 0 && (int64_t)js_len(list) < max) {
		struct js *model;

		if (logged_model_json(db, q, &model, err) < 0)
			return -1;
		js_push(list, model);
	}
	return r;
}

int logged_model_search(struct db *db, const struct logged_model_query *query, struct js **ret, struct error *err)
{
	CLEANUP(search_release) struct search s = SEARCH_INIT(query);
	CLEANUP_JS struct js *bound = bound_to(query);
	CLEANUP_JS struct js *list = js_array();
	CLEANUP_STMT struct db_stmt *q = NULL;
	CLEANUP(cleanup_free) char *next = NULL;
	int64_t max = query->max_results ? query->max_results : DEFAULT_RESULTS, offset;
	int r;

	max = max > MAX_RESULTS ? MAX_RESULTS : max;
	if (take_token(query, bound, &offset, err) < 0 || prepare(db, &s, max, offset, &q, err) < 0)
		return -1;
	r = take_page(db, q, max, list, err);
	if (r < 0)
		return -1;
	if (r > 0) {
		js_set_int(bound, "offset", offset + max);
		next = token_make(bound);
	}
	*ret = js_object();
	if (js_len(list))
		js_set(*ret, "models", steal(&list));
	js_set_str(*ret, "next_page_token", next);
	return 0;
}
