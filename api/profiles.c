/* SPDX-License-Identifier: Apache-2.0 */
#include "api/profiles.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "api/remotes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/profile.h"
#include "registry/project.h"
#include "registry/tables.h"
#include "store/store.h"

#define PROFILE_BYTES (256u << 20)

int profile_of_object(struct op_context *ctx, const struct content *content, struct profile **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	char hex[DIGEST_HEX + 1];
	struct store *store;

	if (project_store(ctx->project, &store, err) < 0 ||
	    (!store_has(store, &content->id) && remotes_fetch(ctx, content, 1, NULL, NULL, err) < 0) ||
	    store_read(store, &content->id, PROFILE_BYTES, &text, err) < 0)
		return -1;
	return profile_read(text.buf, text.len, digest_format(&content->id, hex), ret, err);
}

int profile_of_data(struct op_context *ctx, const struct content *data, struct profile **ret, struct error *err)
{
	struct content profile;
	struct db *db;
	int r;

	if (project_db(ctx->project, &db, err) < 0)
		return -1;
	r = table_profile_find(db, &data->id, NULL, &profile, err);
	if (r > 0 && profile_of_object(ctx, &profile, ret, err) < 0)
		return -1;
	return r;
}

/* ---- one ---- */

static double null_share(const struct column *c)
{
	return c->count ? (double)c->nulls / (double)c->count : 0;
}

/* Times are milliseconds: they have no mean that would tell a person something. */
static bool is_number(const struct column *c)
{
	return c->numbers && (c->type == COLUMN_INT || c->type == COLUMN_REAL);
}

static struct js *column_summary(const struct column *c)
{
	struct js *json = js_object();

	js_set_str(json, "name", c->name);
	js_set_str(json, "type", column_type_name(c->type));
	js_set_real(json, "nulls", null_share(c));
	js_set_real(json, "distinct", column_distinct(c));
	if (!is_number(c))
		return json;
	js_set_real(json, "min", c->min);
	js_set_real(json, "max", c->max);
	js_set_real(json, "mean", c->mean);
	js_set_real(json, "median", column_quantile(c, 0.5));
	return json;
}

struct js *profile_summary(const struct profile *profile)
{
	struct js *json = js_object(), *columns = js_array();

	for (size_t i = 0; i < profile->ncolumns; i++)
		js_push(columns, column_summary(&profile->columns[i]));
	js_set_int(json, "rows", (int64_t)profile->rows);
	js_set(json, "columns", columns);
	return json;
}

/* ---- two ---- */

struct change {
	struct js *json;
	double weight; /* how much it changed */
};
struct changes {
	struct change *items;
	size_t len, cap;
};

static void set_pair(struct js *json, const char *what, double old, double now)
{
	CLEANUP(cleanup_free) char *old_key = xasprintf("old_%s", what);
	CLEANUP(cleanup_free) char *new_key = xasprintf("new_%s", what);

	js_set_real(json, old_key, old);
	js_set_real(json, new_key, now);
}

static void push_change(struct changes *changes, struct js *json, double weight)
{
	GROW(changes->items, changes->len, changes->cap);
	changes->items[changes->len++] = (struct change){ json, weight };
}

/* A column that only one side has weighs more than any that both have. */
static void one_sided(struct changes *changes, const struct column *c, bool added)
{
	struct js *json = js_object();

	js_set_str(json, "name", c->name);
	js_set_str(json, "change", added ? "added" : "removed");
	js_set_str(json, added ? "new_type" : "old_type", column_type_name(c->type));
	push_change(changes, json, INFINITY);
}

static double number_change(struct js *json, const struct column *old, const struct column *now)
{
	double was = column_quantile(old, 0.5), is = column_quantile(now, 0.5), spread = column_std(old);
	double shift = (now->mean - old->mean) / spread;

	if (old->mean == now->mean && was == is)
		return 0;
	set_pair(json, "mean", old->mean, now->mean);
	set_pair(json, "median", was, is);
	if (spread > 0)
		js_set_real(json, "shift", shift);
	return spread > 0 ? fabs(shift) : 1;
}

/* NULL when nothing that is told differs. */
static struct js *column_change(const struct column *old, const struct column *now, double *ret_weight)
{
	double nulls = null_share(old), nulls_now = null_share(now);
	double distinct = column_distinct(old), distinct_now = column_distinct(now);
	struct js *json = js_object();
	double weight = 0;

	js_set_str(json, "name", old->name);
	js_set_str(json, "change", "changed");
	if (old->type != now->type) {
		js_set_str(json, "old_type", column_type_name(old->type));
		js_set_str(json, "new_type", column_type_name(now->type));
		weight += 1000;
	}
	if (nulls != nulls_now) {
		set_pair(json, "nulls", nulls, nulls_now);
		weight += fabs(nulls_now - nulls);
	}
	if (is_number(old) && is_number(now)) {
		weight += number_change(json, old, now);
	} else if (distinct != distinct_now) {
		set_pair(json, "distinct", distinct, distinct_now);
		weight += fabs(log((distinct_now + 1) / (distinct + 1)));
	}
	if (weight > 0) {
		*ret_weight = weight;
		return json;
	}
	js_free(json);
	return NULL;
}

static int by_weight(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return strcmp(js_get_str(x->json, "name"), js_get_str(y->json, "name"));
}

struct js *profile_changes(const struct profile *old, const struct profile *now)
{
	struct js *json = js_object(), *columns = js_array();
	struct changes changes = { 0 };
	int64_t unchanged = 0;

	for (size_t i = 0; i < old->ncolumns; i++) {
		const struct column *was = &old->columns[i], *is = profile_find(now, was->name);
		double weight;
		struct js *change = is ? column_change(was, is, &weight) : NULL;

		if (change)
			push_change(&changes, change, weight);
		else if (is)
			unchanged++;
		else
			one_sided(&changes, was, false);
	}
	for (size_t i = 0; i < now->ncolumns; i++)
		if (!profile_find(old, now->columns[i].name))
			one_sided(&changes, &now->columns[i], true);
	if (changes.len)
		qsort(changes.items, changes.len, sizeof(*changes.items), by_weight);
	for (size_t i = 0; i < changes.len; i++)
		js_push(columns, changes.items[i].json);
	free(changes.items);
	js_set_int(json, "old_rows", (int64_t)old->rows);
	js_set_int(json, "new_rows", (int64_t)now->rows);
	js_set_int(json, "unchanged", unchanged);
	js_set(json, "columns", columns);
	return json;
}

/* ---- of a run ---- */

static struct js *profile_item(struct op_context *ctx, const struct js *output)
{
	CLEANUP(cleanup_profile) struct profile *profile = NULL;
	const char *text = js_get_str(output, "content");
	struct content content;
	struct js *item;

	if (!content_parse(text, &content) || profile_of_object(ctx, &content, &profile, NULL) < 0) {
		item = js_object();
		js_set_bool(item, "missing", true);
	} else {
		item = profile_summary(profile);
	}
	js_set_str(item, "path", js_get_str(output, "path"));
	js_set_str(item, "content", text);
	return item;
}

void profiles_of_run(struct op_context *ctx, const struct js *run, struct js *result)
{
	const struct js *outputs = js_get(run, "outputs");
	struct js *list = js_array();

	for (size_t i = 0; i < js_len(outputs); i++) {
		const struct js *output = js_at(outputs, i);
		const char *use = js_get_str(output, "use");

		if (use && !strcmp(use, "profile"))
			js_push(list, profile_item(ctx, output));
	}
	js_set(result, "profiles", list);
}
