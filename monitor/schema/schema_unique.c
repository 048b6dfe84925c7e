/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile can only estimate, and a second look tells. */
#include <stdlib.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/table/repeats.h"
#include "monitor/table/row_hash.h"
#include "monitor/schema/schema_internal.h"
#include "monitor/table/table.h"

struct candidate {
	struct js *column; /* lent, of the schema */
	const char *name;
	struct repeats *repeats;
};
struct candidates {
	struct candidate *items;
	size_t len, cap;
};

static void cleanup_candidates(struct candidates *c)
{
	for (size_t i = 0; i < c->len; i++)
		repeats_free(c->items[i].repeats);
	free(c->items);
}

static size_t count_unique(const struct js *columns)
{
	size_t n = 0;

	for (size_t i = 0; i < js_len(columns); i++)
		n += js_get_bool(js_at(columns, i), "unique");
	return n;
}

static void find_candidates(const struct js *columns, const struct profile *profile, struct candidates *ret)
{
	size_t room = SCHEMA_UNIQUE - count_unique(columns);

	for (size_t i = 0; i < profile->ncolumns && ret->len < room; i++) {
		if (!column_may_be_unique(&profile->columns[i]))
			continue;
		GROW(ret->items, ret->len, ret->cap);
		ret->items[ret->len++] = (struct candidate){ js_at(columns, i), profile->columns[i].name, NULL };
	}
	for (size_t i = 0; i < ret->len; i++)
		ret->items[i].repeats = repeats_new(REPEATS_MEMORY / ret->len);
}

static int add_rows(struct candidate *c, const struct table *table, const struct rows *rows, struct error *err)
{
	size_t at;

	if (!table_find(table, c->name, &at) || at >= rows->ncols)
		return 0;
	for (size_t r = 0; r < rows->nrows; r++) {
		const struct field *f = &rows->fields[r * rows->ncols + at];

		if (f->kind != FIELD_NULL && repeats_add(c->repeats, field_hash(f), rows->first + r, 0, err) < 0)
			return -1;
	}
	return 0;
}

int schema_infer_unique(struct js *schema, const struct profile *profile, struct table *table, struct error *err)
{
	CLEANUP(cleanup_candidates) struct candidates all = { 0 };
	struct rows rows;
	int more;

	find_candidates(js_get(schema, "columns"), profile, &all);
	while (all.len && (more = table_next(table, &rows, err))) {
		if (more < 0)
			return -1;
		for (size_t i = 0; i < all.len; i++)
			if (add_rows(&all.items[i], table, &rows, err) < 0)
				return -1;
	}
	for (size_t i = 0; i < all.len; i++) {
		struct repeats_found found;

		if (repeats_end(all.items[i].repeats, &found, err) < 0)
			return -1;
		if (!found.again)
			js_set_bool(all.items[i].column, "unique", true);
	}
	return 0;
}
