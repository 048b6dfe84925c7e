/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/table/repeats.h"
#include "monitor/schema/schema_check.h"
#include "monitor/table/table.h"

#define NAMES_SHOWN	5u
#define CONSTANT_VALUES 30u /* fewer may be equal by chance */

static const char *const check_names[COLUMN_CHECKS] = {
	[CHECK_MISSING] = "missing", [CHECK_TYPE] = "type",	    [CHECK_NULLS] = "nulls",	     [CHECK_RANGE] = "range",
	[CHECK_VALUES] = "values",   [CHECK_PATTERN] = "pattern",   [CHECK_LENGTH] = "length",	     [CHECK_ASCENDING] = "ascending",
	[CHECK_UNIQUE] = "unique",   [CHECK_CONSTANT] = "constant",
};

/* Shares are compared as a person would who has counted them. */
static bool above(uint64_t count, double share, uint64_t of)
{
	return (double)count > share * (double)of * (1 + 1e-12);
}

static double percent(uint64_t count, uint64_t of)
{
	return of ? 100.0 * (double)count / (double)of : 0;
}

static void put_limit(struct strbuf *text, const struct schema_column *spec, double limit)
{
	char time[32];

	if (spec->type == COLUMN_TIME) {
		clock_format_utc((int64_t)limit, time);
		strbuf_puts(text, time);
	} else {
		strbuf_printf(text, "%.15g", limit);
	}
}

static void say_range(const struct schema_column *spec, struct strbuf *text)
{
	strbuf_puts(text, spec->has_min && spec->has_max ? "must be from " : spec->has_min ? "must be at least " : "must be at most ");
	if (spec->has_min)
		put_limit(text, spec, spec->min);
	if (spec->has_min && spec->has_max)
		strbuf_puts(text, " to ");
	if (spec->has_max)
		put_limit(text, spec, spec->max);
}

static void say_length(const struct schema_column *spec, struct strbuf *text)
{
	strbuf_puts(text, "must have ");
	if (spec->max_len == UINT64_MAX)
		strbuf_printf(text, "at least %" PRIu64 " bytes", spec->min_len);
	else
		strbuf_printf(text, "%" PRIu64 " to %" PRIu64 " bytes", spec->min_len, spec->max_len);
}

/* What is wrong with the values of a column, without its name. */
static void say(const struct column_state *c, enum column_check check, const struct column *column, struct strbuf *text)
{
	const struct schema_column *spec = c->spec;
	uint64_t count = c->misfits[check].count, rows = c->values + c->nulls;

	switch (check) {
	case CHECK_MISSING:
		strbuf_puts(text, "is not in the table");
		break;
	case CHECK_TYPE:
		if (column && !type_fits(spec->type, column->type))
			strbuf_printf(text, "must be %s and is %s", column_type_name(spec->type), column_type_name(column->type));
		else
			strbuf_printf(text, "must be %s", column_type_name(spec->type));
		break;
	case CHECK_NULLS:
		strbuf_printf(text, "%.3g %% have no value, allowed are %.3g %%", percent(count, rows), 100 * spec->nulls);
		break;
	case CHECK_RANGE:
		say_range(spec, text);
		break;
	case CHECK_VALUES:
		strbuf_puts(text, "must be one of the allowed values");
		if (spec->unseen > 0)
			strbuf_printf(text, ": %.3g %% are not, allowed are %.3g %%", percent(count, c->values), 100 * spec->unseen);
		break;
	case CHECK_PATTERN:
		strbuf_printf(text, "must match %s", spec->pattern_text);
		break;
	case CHECK_LENGTH:
		say_length(spec, text);
		break;
	case CHECK_ASCENDING:
		strbuf_puts(text, "must not be below the one before");
		break;
	case CHECK_UNIQUE:
		strbuf_puts(text, "must be unique");
		break;
	case CHECK_CONSTANT:
		strbuf_puts(text, "must not be one and the same everywhere");
		break;
	case COLUMN_CHECKS:
		break;
	}
}

/* Rows may be 0 in a table without any: what is allowed then has no share. */
static void settle_shares(struct column_state *c)
{
	struct misfit *nulls = &c->misfits[CHECK_NULLS], *unseen = &c->misfits[CHECK_VALUES];

	if (!above(nulls->count, c->spec->nulls, c->values + c->nulls))
		nulls->count = 0;
	if (!above(unseen->count, c->spec->unseen, c->values))
		unseen->count = 0;
}

/* The value is known when the row is the one that repeats_add told of. */
static void settle_unique(struct column_state *c, const struct repeats_found *found)
{
	struct misfit *m = &c->misfits[CHECK_UNIQUE];

	if (m->count && m->row != found->row) {
		free(m->value);
		m->value = NULL;
	}
	m->row = found->row;
	m->count = found->again;
}

static bool type_changed(const struct column_state *c, const struct column *column)
{
	if (!c->spec->typed || !column || column->type == COLUMN_EMPTY || type_fits(c->spec->type, column->type))
		return false;
	/* Words that happen to look like numbers: all of them are allowed. */
	return !c->spec->has_values || c->misfits[CHECK_VALUES].count || c->misfits[CHECK_TYPE].count;
}

static int settle(struct column_state *c, const struct column *column, struct repeats_found *found,
		  struct error *err)
{
	const struct schema_column *spec = c->spec;

	if (c->at == SIZE_MAX) {
		c->misfits[CHECK_MISSING].count = spec->required;
		return 0;
	}
	if (c->repeats && repeats_end(c->repeats, found, err) < 0)
		return -1;
	if (c->repeats)
		settle_unique(c, found);
	settle_shares(c);
	if (type_changed(c, column) && !c->misfits[CHECK_TYPE].count) {
		c->misfits[CHECK_TYPE] = c->first;
		c->misfits[CHECK_TYPE].count = c->values;
		c->first.value = NULL;
	}
	if (!spec->constant && c->values >= CONSTANT_VALUES && column && column_distinct(column) < 1.5) {
		c->misfits[CHECK_CONSTANT] = c->first;
		c->misfits[CHECK_CONSTANT].count = c->values;
		c->first.value = NULL;
	}
	return 0;
}

static struct js *breach(const char *name, const char *message, uint64_t count)
{
	struct js *b = js_object();

	js_set_str(b, "check", name);
	js_set_str(b, "message", message);
	if (count)
		js_set_int(b, "count", (int64_t)count);
	return b;
}

static void set_row(const struct check *check, struct js *b, const char *key, uint64_t row)
{
	js_set_int(b, key, (int64_t)table_row_number(check->table, row));
}

static struct js *column_breaches(const struct check *check, const struct column_state *c, const struct column *column,
				  const struct repeats_found *found)
{
	struct js *list = js_array();

	for (enum column_check k = 0; k < COLUMN_CHECKS; k++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		const struct misfit *m = &c->misfits[k];
		struct js *b;

		if (!m->count)
			continue;
		say(c, k, column, &text);
		b = breach(check_names[k], text.buf, k == CHECK_MISSING ? 0 : m->count);
		if (k != CHECK_MISSING && k != CHECK_CONSTANT)
			set_row(check, b, "row", m->row);
		if (k == CHECK_UNIQUE)
			set_row(check, b, "before", found->before);
		js_set_str(b, "value", m->value);
		js_push(list, b);
	}
	return list;
}

static const char *state_of(const struct column_state *c, const struct column *column)
{
	if (c->at == SIZE_MAX)
		return "MISSING";
	if (c->nulls && !c->values)
		return "ALL_NULL";
	return type_changed(c, column) ? "TYPE_CHANGED" : "OK";
}

static int report_column(struct check *check, struct column_state *c, struct js *columns, bool *ok, struct error *err)
{
	const struct column *column = profile_find(check->profile, c->found);
	struct repeats_found found = { 0 };
	struct js *shown, *breaches;

	if (settle(c, column, &found, err) < 0)
		return -1;
	shown = js_object();
	js_set_str(shown, "name", c->spec->name);
	js_set_str(shown, "state", state_of(c, column));
	if (c->spec->typed)
		js_set_str(shown, "type", column_type_name(c->spec->type));
	if (c->at != SIZE_MAX && column)
		js_set_str(shown, "found", column_type_name(column->type));
	if (c->found != c->spec->name)
		js_set_str(shown, "renamed_from", c->found);
	breaches = column_breaches(check, c, column, &found);
	*ok = *ok && !js_len(breaches);
	js_set(shown, "breaches", breaches);
	js_push(columns, shown);
	return 0;
}

/* Columns that the schema does not know. Returns how many, and adds the names of some. */
static size_t report_new(const struct check *check, struct js *columns, struct strbuf *names)
{
	size_t n = 0;

	for (size_t i = 0; i < check->profile->ncolumns; i++) {
		const struct column *column = &check->profile->columns[i];
		const struct schema_column *old;
		struct js *shown;

		if (schema_knows(check, column->name))
			continue;
		shown = js_object();
		old = schema_renamed(check, column);
		js_set_str(shown, "name", column->name);
		js_set_str(shown, "state", "NEW");
		js_set_str(shown, "found", column_type_name(column->type));
		if (old)
			js_set_str(shown, "renamed_from", old->name);
		js_set(shown, "breaches", js_array());
		js_push(columns, shown);
		if (n < NAMES_SHOWN)
			strbuf_printf(names, "%s%s", n ? ", " : "", column->name);
		n++;
	}
	if (n > NAMES_SHOWN)
		strbuf_puts(names, ", ...");
	return n;
}

static void report_rows(const struct check *check, struct js *breaches)
{
	CLEANUP(cleanup_free) char *text = NULL;
	const struct schema *s = check->schema;
	double before = (double)check->before_rows, change = before > 0 ? fabs((double)check->rows - before) / before : 0;

	if (check->rows < s->min_rows)
		text = xasprintf("%" PRIu64 " rows, at least %" PRIu64 " must be", check->rows, s->min_rows);
	else if (check->rows > s->max_rows)
		text = xasprintf("%" PRIu64 " rows, at most %" PRIu64 " may be", check->rows, s->max_rows);
	else if (s->max_change >= 0 && change > s->max_change * (1 + 1e-12))
		text = xasprintf("%" PRIu64 " rows after %" PRIu64 ": %.3g %% %s, allowed are %.3g %%", check->rows,
				 check->before_rows, 100 * change, (double)check->rows < before ? "fewer" : "more",
				 100 * s->max_change);
	if (text)
		js_push(breaches, breach("rows", text, 0));
}

static void report_order(const struct check *check, struct js *breaches)
{
	const struct column_state *last = NULL;

	for (size_t i = 0; check->schema->order && i < check->schema->ncolumns; i++) {
		const struct column_state *c = &check->columns[i];

		if (c->at == SIZE_MAX)
			continue;
		if (last && c->at < last->at) {
			CLEANUP(cleanup_free) char *text = xasprintf("column '%s' stands before '%s'", c->found, last->found);

			js_push(breaches, breach("order", text, 0));
			return;
		}
		last = c;
	}
}

static int report_repeats(struct check *check, struct js *breaches, struct error *err)
{
	struct repeats_found found;
	struct js *b;

	if (!check->row_repeats)
		return 0;
	if (repeats_end(check->row_repeats, &found, err) < 0)
		return -1;
	if (!found.again)
		return 0;
	b = breach("duplicates", "rows say the same as one before them", found.again);
	set_row(check, b, "row", found.row);
	set_row(check, b, "before", found.before);
	js_push(breaches, b);
	return 0;
}

int check_report(struct check *check, bool *ret_ok, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *columns = js_array(), *breaches = js_array();
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	bool ok = true;
	size_t extra;

	for (size_t i = 0; i < check->schema->ncolumns; i++)
		if (report_column(check, &check->columns[i], columns, &ok, err) < 0)
			return -1;
	strbuf_puts(&text, "columns that the schema does not know: ");
	extra = report_new(check, columns, &text);
	report_rows(check, breaches);
	if (extra && check->schema->refuse_extra)
		js_push(breaches, breach("extra", text.buf, extra));
	report_order(check, breaches);
	if (report_repeats(check, breaches, err) < 0)
		return -1;
	*ret_ok = ok && !js_len(breaches);
	*ret = js_object();
	js_set_bool(*ret, "ok", *ret_ok);
	js_set_int(*ret, "rows", (int64_t)check->rows);
	js_set(*ret, "columns", js_ref(columns));
	js_set(*ret, "breaches", js_ref(breaches));
	return 0;
}
