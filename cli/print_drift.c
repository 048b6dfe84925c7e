/* SPDX-License-Identifier: Apache-2.0 */
/* drift: the columns by how far they moved, then one line that says what to think of it. */
#include <math.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

#define CALM_SHOWN 20 /* of columns that did not drift */

static const struct {
	const char *state;
	enum style style;
} styles[] = {
	{ "OK", STYLE_GOOD },	  { "DRIFT", STYLE_BAD },	 { "MISSING", STYLE_BAD },  { "ALL_NULL", STYLE_BAD },
	{ "TYPE_CHANGED", STYLE_BAD }, { "QUARANTINED", STYLE_BAD }, { "UNDECIDED", STYLE_WARN }, { "INSUFFICIENT", STYLE_WARN },
	{ "NEW", STYLE_WARN },	  { "SKIPPED", STYLE_DIM },
};

static enum style style_of(const char *state)
{
	for (size_t i = 0; i < ARRAY_LEN(styles); i++)
		if (state && strcmp(styles[i].state, state) == 0)
			return styles[i].style;
	return STYLE_PLAIN;
}

static const char *text_of(const struct js *json, const char *key)
{
	const char *text = js_get_str(json, key);

	return text ? text : "";
}

/* ---- sparklines ---- */

/* Both sides have one scale, so that they can be compared by eye. */
static double tallest(const struct js *picture)
{
	static const char *const sides[] = { "reference", "current" };
	double most = 0;

	for (size_t side = 0; side < ARRAY_LEN(sides); side++) {
		const struct js *shares = js_get(picture, sides[side]);

		for (size_t i = 0; i < js_len(shares); i++)
			most = fmax(most, js_number(js_at(shares, i)));
	}
	return most;
}

/* Of many bins two are one: the taller. */
static void cell_picture(struct table *table, const struct print *p, const struct js *picture, const char *side)
{
	static const char *const bars[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const ascii[] = { " ", ".", ".", ":", ":", "|", "|", "#", "#" };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const struct js *shares = js_get(picture, side);
	size_t n = js_len(shares), step = n > 10 ? 2 : 1;
	double most = tallest(picture);

	for (size_t i = 0; i < n; i += step) {
		double share = js_number(js_at(shares, i));

		if (step == 2 && i + 1 < n)
			share = fmax(share, js_number(js_at(shares, i + 1)));
		strbuf_puts(&text, (p->utf8 ? bars : ascii)[most > 0 ? (size_t)ceil(share / most * 8) : 0]);
	}
	table_cell(table, STYLE_DIM, "%s", text.buf);
}

/* ---- columns ---- */

static void cell_number(struct table *table, enum style style, const struct js *column, const char *key)
{
	double x = js_number(js_get(column, key));

	if (isnan(x))
		table_cell(table, style, "%s", "");
	else
		table_cell(table, style, x != 0 && fabs(x) < 0.001 ? "%.1e" : "%.3f", x);
}

static void cell_nulls(struct table *table, const struct js *nulls)
{
	double before = js_number(js_get(nulls, "reference")), now = js_number(js_get(nulls, "current"));

	if (isnan(before) || isnan(now) || (before == 0 && now == 0))
		table_cell(table, STYLE_PLAIN, "%s", "");
	else
		table_cell(table, STYLE_PLAIN, "%.1f%% > %.1f%%", 100 * before, 100 * now);
}

static void add_column(struct table *table, const struct print *p, const struct js *column)
{
	const char *state = text_of(column, "state");
	const struct js *picture = js_get(column, "picture");

	table_cell(table, js_get_bool(column, "critical") ? STYLE_BOLD : STYLE_PLAIN, "%s%s", text_of(column, "name"),
		   js_get_bool(column, "critical") ? " !" : "");
	table_cell(table, STYLE_DIM, "%s", text_of(column, "type"));
	table_cell(table, style_of(state), "%s", state);
	cell_number(table, STYLE_PLAIN, column, js_get(column, "score") ? "score" : "p");
	cell_number(table, STYLE_DIM, column, "threshold");
	table_cell(table, STYLE_DIM, "%s", text_of(column, "test"));
	cell_number(table, STYLE_DIM, column, js_get(column, "p_adjusted") ? "p_adjusted" : "p");
	cell_nulls(table, js_get(column, "nulls"));
	cell_picture(table, p, picture, "reference");
	cell_picture(table, p, picture, "current");
	table_cell(table, STYLE_PLAIN, "%s", text_of(column, "reason"));
}

static bool is_calm(const struct js *column)
{
	const char *state = text_of(column, "state");

	return strcmp(state, "OK") == 0 || strcmp(state, "SKIPPED") == 0 || strcmp(state, "INSUFFICIENT") == 0;
}

static void put_columns(struct print *p, const struct js *columns)
{
	static const struct table_column titles[] = {
		{ "COLUMN", false, true, 0 },	 { "TYPE", false, false, 8 },	{ "STATE", false, false, 0 },
		{ "SCORE", true, false, 1 },	 { "DRIFT AT", true, false, 2 }, { "TEST", false, false, 7 },
		{ "P", true, false, 6 },	 { "NO VALUE", false, false, 5 }, { "REFERENCE", false, false, 3 },
		{ "CURRENT", false, false, 4 }, { "", false, true, 9 },
	};
	struct table table;
	size_t calm = 0;

	table_init(&table, titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < js_len(columns); i++) {
		calm += is_calm(js_at(columns, i));
		if (!is_calm(js_at(columns, i)) || calm <= CALM_SHOWN)
			add_column(&table, p, js_at(columns, i));
	}
	table_print(&table, p);
	if (calm > CALM_SHOWN)
		print_put(p, STYLE_DIM, "and %zu more without drift: --json or --html has them\n", calm - CALM_SHOWN);
}

/* ---- labels ---- */

static void put_metric(struct print *p, const struct js *metric)
{
	const char *name = text_of(metric, "metric"), *state = text_of(metric, "state");

	if (strcmp(name, "errors") == 0) {
		if (js_get(metric, "row"))
			print_put(p, STYLE_BAD, "errors became more frequent at row %lld of the current table (ADWIN)\n",
				  (long long)js_get_int(metric, "row", 0));
		return;
	}
	print_put(p, style_of(state), "%s", name);
	print_put(p, STYLE_PLAIN, " %.4g [%.4g, %.4g], it was %.4g: ", js_get_real(metric, "value", NAN),
		  js_get_real(metric, "low", NAN), js_get_real(metric, "high", NAN), js_get_real(metric, "baseline", NAN));
	print_put(p, style_of(state), "worse by %.4g [%.4g, %.4g]\n", js_get_real(metric, "drop", NAN),
		  js_get_real(metric, "drop_low", NAN), js_get_real(metric, "drop_high", NAN));
}

static void put_verdict(struct print *p, const struct js *verdict)
{
	const char *state = text_of(verdict, "state");
	const struct js *warnings = js_get(verdict, "warnings");
	char before[HUMAN], now[HUMAN];

	for (size_t i = 0; i < js_len(warnings); i++)
		print_put(p, STYLE_WARN, "warning: %s\n", js_text(js_at(warnings, i)));
	print_put(p, style_of(state), "%s", state);
	print_put(p, STYLE_PLAIN, ": %s", text_of(verdict, "reason"));
	print_put(p, STYLE_DIM, " (%s rows against %s)\n",
		  human_count((uint64_t)js_get_int(js_get(verdict, "rows"), "current", 0), now),
		  human_count((uint64_t)js_get_int(js_get(verdict, "rows"), "reference", 0), before));
}

void print_drift(struct print *p, const struct js *result)
{
	const struct js *performance = js_get(result, "performance");

	put_columns(p, js_get(result, "columns"));
	for (size_t i = 0; i < js_len(performance); i++)
		put_metric(p, js_at(performance, i));
	put_verdict(p, result);
}
