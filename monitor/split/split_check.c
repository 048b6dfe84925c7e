/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "monitor/table/repeats.h"
#include "monitor/split/split_internal.h"

#define REPEATS_MEMORY ((size_t)32 << 20) /* for rows, and for groups */

struct class_rows {
	uint64_t rows[SPLIT_PARTS];
};
/* Of a time split, read from the last part to the first. */
struct part_times {
	uint64_t first, last;
};
struct later {
	uint64_t count, row, key; /* rows of `part` later than the first of a part behind it */
	size_t part;
};
struct check {
	const struct split_input *inputs;
	size_t n;
	const struct split_options *options;
	struct split_column column;
	struct repeats *rows, *groups; /* groups: NULL unless by group */
	uint64_t counts[SPLIT_PARTS], total;
	struct part_times times[SPLIT_PARTS];
	uint64_t first_behind; /* the earliest time of the parts behind this one */
	struct later later;
	struct strmap classes; /* value -> struct class_rows * */
	uint64_t first_row[SPLIT_PARTS]; /* number of a part's first row, as messages count */
};

static int count_class(struct check *c, const struct field *f, size_t part, struct error *err)
{
	CLEANUP(cleanup_free) char *name = f ? xasprintf("=%.*s", (int)f->len, f->text) : xstrdup("");
	struct class_rows *class = strmap_get(&c->classes, name);

	if (!class) {
		if (c->classes.len == SPLIT_CLASSES) {
			error_set(err, ERR_USAGE, "column '%s' has more than %u different values; it is no class",
				  c->options->column, SPLIT_CLASSES);
			return error_help(err, "--by group keeps rows of one value together");
		}
		class = xcalloc(1, sizeof(*class));
		strmap_set(&c->classes, name, class);
	}
	class->rows[part]++;
	return 0;
}

static int check_time(struct check *c, const struct table *table, const struct rows *rows, size_t r, size_t part,
		      struct error *err)
{
	struct part_times *t = &c->times[part];
	uint64_t key, row = rows->first + r;

	if (split_time_key(&c->column, table, rows, r, &key, err) < 0)
		return -1;
	if (!row || key < t->first)
		t->first = key;
	if (!row || key > t->last)
		t->last = key;
	if (key <= c->first_behind)
		return 0;
	if (!c->later.count || part < c->later.part) {
		c->later.row = row;
		c->later.part = part;
		c->later.key = key;
	}
	c->later.count++;
	return 0;
}

static int check_row(struct check *c, struct row_hashes *hashes, const struct table *table, const struct rows *rows, size_t r,
		     size_t part, struct error *err)
{
	const struct field *f = split_column_field(&c->column, rows, r);
	uint64_t row = rows->first + r;

	if (repeats_add(c->rows, row_hash(hashes, table, rows, r), row, (unsigned)part, err) < 0)
		return -1;
	switch (c->options->by) {
	case SPLIT_RANDOM:
		return 0;
	case SPLIT_GROUP:
		return f && repeats_add(c->groups, field_hash(f), row, (unsigned)part, err) < 0 ? -1 : 0;
	case SPLIT_STRATIFIED:
		return count_class(c, f, part, err);
	case SPLIT_TIME:
		return check_time(c, table, rows, r, part, err);
	}
	return 0;
}

static int check_part(struct check *c, const struct table_options *options, size_t part, struct error *err)
{
	CLEANUP(row_hashes_release) struct row_hashes hashes = ROW_HASHES_INIT;
	CLEANUP(cleanup_table) struct table *table = NULL;
	struct rows rows;
	int more;

	if (table_open(c->inputs[part].fd, c->inputs[part].name, options, &table, err) < 0)
		return -1;
	c->first_row[part] = table_row_number(table, 0);
	while ((more = table_next(table, &rows, err)) > 0) {
		if (split_column_find(&c->column, table, &rows, err) < 0)
			return -1;
		for (size_t r = 0; r < rows.nrows; r++)
			if (check_row(c, &hashes, table, &rows, r, part, err) < 0)
				return -1;
		c->counts[part] += rows.nrows;
	}
	if (more < 0)
		return -1;
	if (c->counts[part] && c->times[part].first < c->first_behind)
		c->first_behind = c->times[part].first;
	c->total += c->counts[part];
	return 0;
}

/* ---- what was found ---- */

static void push_part_row(const struct check *c, struct js *names, struct js *rows, size_t part, uint64_t row)
{
	js_push_str(names, c->inputs[part].name);
	js_push(rows, js_int((int64_t)(c->first_row[part] + row)));
}

static struct js *leak(const char *kind, const char *message, uint64_t count)
{
	struct js *out = js_object();

	js_set_str(out, "kind", kind);
	js_set_str(out, "message", message);
	js_set_int(out, "count", (int64_t)count);
	return out;
}

static int report_across(const struct check *c, struct repeats *repeats, const char *kind, const char *message, struct js *leaks,
			 struct error *err)
{
	struct repeats_found found;
	struct js *out, *parts, *rows;

	if (repeats_end(repeats, &found, err) < 0)
		return -1;
	if (!found.across)
		return 0;
	out = leak(kind, message, found.across);
	parts = js_array();
	rows = js_array();
	for (size_t i = 0; i < 2; i++)
		push_part_row(c, parts, rows, found.across_side[i], found.across_row[i]);
	js_set(out, "parts", parts);
	js_set(out, "rows", rows);
	js_push(leaks, out);
	return 0;
}

static void report_later(const struct check *c, struct js *leaks)
{
	CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
	struct js *out, *parts, *rows;

	if (!c->later.count)
		return;
	out = leak("time", "are later than the first row of a part behind theirs", c->later.count);
	parts = js_array();
	rows = js_array();
	push_part_row(c, parts, rows, c->later.part, c->later.row);
	split_time_show(&c->column, c->later.key, &value);
	js_set(out, "parts", parts);
	js_set(out, "rows", rows);
	js_set_str(out, "value", value.buf);
	js_push(leaks, out);
}

static struct js *report_parts(const struct check *c)
{
	struct js *parts = js_array();

	for (size_t i = 0; i < c->n; i++) {
		CLEANUP_STRBUF struct strbuf from = STRBUF_INIT, to = STRBUF_INIT;
		struct js *part = js_object();

		js_set_str(part, "name", c->inputs[i].name);
		js_set_int(part, "rows", (int64_t)c->counts[i]);
		js_set_real(part, "share", c->total ? (double)c->counts[i] / (double)c->total : 0);
		if (c->options->by == SPLIT_TIME && c->counts[i]) {
			split_time_show(&c->column, c->times[i].first, &from);
			split_time_show(&c->column, c->times[i].last, &to);
			js_set_str(part, "from", from.buf);
			js_set_str(part, "to", to.buf);
		}
		js_push(parts, part);
	}
	return parts;
}

static struct js *report_classes(const struct check *c)
{
	struct js *classes = js_array();

	for (size_t i = 0; i < c->classes.len; i++) {
		const struct strmap_entry *e = &c->classes.entries[i];
		const struct class_rows *counts = e->value;
		struct js *class = js_object(), *rows = js_array();

		js_set(class, "value", *e->key ? js_str(e->key + 1) : js_null());
		for (size_t k = 0; k < c->n; k++)
			js_push(rows, js_int((int64_t)counts->rows[k]));
		js_set(class, "rows", rows);
		js_push(classes, class);
	}
	return classes;
}

static int report(struct check *c, bool *ret_clean, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *leaks = js_array();

	if (report_across(c, c->rows, "row", "stand in more than one part", leaks, err) < 0 ||
	    (c->groups && report_across(c, c->groups, "group", "have rows in more than one part", leaks, err) < 0))
		return -1;
	report_later(c, leaks);
	*ret_clean = !js_len(leaks);
	*ret = js_object();
	js_set_int(*ret, "rows", (int64_t)c->total);
	js_set(*ret, "parts", report_parts(c));
	if (c->options->by == SPLIT_STRATIFIED)
		js_set(*ret, "classes", report_classes(c));
	js_set(*ret, "leaks", js_ref(leaks));
	js_set_real(*ret, "odds", repeats_odds(c->total));
	return 0;
}

int split_check(const struct split_input *inputs, size_t n, const struct table_options *table,
		const struct split_options *options, bool *ret_clean, struct js **ret, struct error *err)
{
	struct check c = { .inputs = inputs, .n = n, .options = options, .column = { .options = options },
			   .first_behind = UINT64_MAX };
	int r = 0;

	c.rows = repeats_new(REPEATS_MEMORY);
	c.groups = options->by == SPLIT_GROUP ? repeats_new(REPEATS_MEMORY) : NULL;
	for (size_t i = n; i-- > 0 && !r;)
		r = check_part(&c, table, i, err);
	if (!r)
		r = report(&c, ret_clean, ret, err);
	for (size_t i = 0; i < c.classes.len; i++)
		free(c.classes.entries[i].value);
	strmap_release(&c.classes);
	repeats_free(c.rows);
	repeats_free(c.groups);
	return r;
}
