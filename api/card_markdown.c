/* SPDX-License-Identifier: Apache-2.0 */
/* A card as Markdown. Its texts come from runs and files, so each is escaped; but for limitations, which are Markdown. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "api/card.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* In a line or a cell of a table: nothing in it is markup, and it ends neither. */
static void put_text(struct strbuf *md, const char *text)
{
	for (const char *s = text ? text : ""; *s; s++) {
		if ((unsigned char)*s < ' ') {
			strbuf_putc(md, ' ');
			continue;
		}
		if (strchr("\\`*_[]<>|#&~", *s))
			strbuf_putc(md, '\\');
		strbuf_putc(md, *s);
	}
}

static void put_value(struct strbuf *md, const struct js *value)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (js_typeof(value) == JS_STR) {
		put_text(md, js_text(value));
		return;
	}
	if (js_typeof(value) == JS_REAL) {
		strbuf_printf(md, "%.6g", js_number(value));
		return;
	}
	js_dump(value, JS_COMPACT, &text);
	put_text(md, text.buf);
}

static void put_time(struct strbuf *md, int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	char text[32] = "-";
	struct tm tm;

	if (ms && gmtime_r(&s, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
	strbuf_puts(md, text);
}

static void put_row(struct strbuf *md, const char *const *cells, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		strbuf_puts(md, i ? " | " : "| ");
		put_text(md, cells[i]);
	}
	strbuf_puts(md, " |\n");
}

static void put_head(struct strbuf *md, const char *const *titles, size_t n)
{
	put_row(md, titles, n);
	for (size_t i = 0; i < n; i++)
		strbuf_puts(md, "|---");
	strbuf_puts(md, "|\n");
}

/* ---- parts ---- */

static void put_line(struct strbuf *md, const char *what, const struct js *value)
{
	if (!value)
		return;
	strbuf_printf(md, "- %s: ", what);
	put_value(md, value);
	strbuf_putc(md, '\n');
}

static void put_moment(struct strbuf *md, const char *what, const struct js *object, const char *key)
{
	if (!js_get(object, key))
		return;
	strbuf_printf(md, "- %s: ", what);
	put_time(md, js_get_int(object, key, 0));
	strbuf_putc(md, '\n');
}

/* "## Params": a row a member. */
static void put_members(struct strbuf *md, const char *title, const struct js *object)
{
	static const char *const titles[] = { "name", "value" };

	if (!js_len(object))
		return;
	strbuf_printf(md, "\n## %s\n\n", title);
	put_head(md, titles, ARRAY_LEN(titles));
	for (void *it = js_iter(object); it; it = js_next(object, it)) {
		strbuf_puts(md, "| ");
		put_text(md, js_iter_key(it));
		strbuf_puts(md, " | ");
		put_value(md, js_iter_value(it));
		strbuf_puts(md, " |\n");
	}
}

/* "## Data": a row an item, of the members that `keys` names. */
static void put_list(struct strbuf *md, const char *title, const struct js *list, const char *const *keys, size_t n)
{
	if (!js_len(list))
		return;
	strbuf_printf(md, "\n## %s\n\n", title);
	put_head(md, keys, n);
	for (size_t i = 0; i < js_len(list); i++) {
		for (size_t k = 0; k < n; k++) {
			const struct js *value = js_get(js_at(list, i), keys[k]);

			strbuf_puts(md, k ? " | " : "| ");
			if (!strcmp(keys[k], "time"))
				put_time(md, js_int_value(value));
			else if (value)
				put_value(md, value);
		}
		strbuf_puts(md, " |\n");
	}
}
#define PUT_LIST(md, title, list, ...)                                                           \
	do {                                                                                     \
		static const char *const keys_[] = { __VA_ARGS__ };                              \
		put_list(md, title, list, keys_, ARRAY_LEN(keys_));                              \
	} while (0)

static void put_slices(struct strbuf *md, const struct js *slices)
{
	const struct js *columns = js_get(slices, "columns"), *rows = js_get(slices, "rows");

	if (!slices)
		return;
	strbuf_puts(md, "\n## Metrics by slice\n\n");
	if (js_get_str(slices, "error")) {
		strbuf_puts(md, "The table cannot be read: ");
		put_text(md, js_get_str(slices, "error"));
		strbuf_puts(md, "\n");
		return;
	}
	for (size_t i = 0; i <= js_len(rows); i++) {
		const struct js *row = i ? js_at(rows, i - 1) : columns;

		for (size_t k = 0; k < js_len(columns); k++) {
			strbuf_puts(md, k ? " | " : "| ");
			put_text(md, k < js_len(row) ? js_text(js_at(row, k)) : "");
		}
		strbuf_puts(md, " |\n");
		for (size_t k = 0; !i && k < js_len(columns); k++)
			strbuf_puts(md, k + 1 < js_len(columns) ? "|---" : "|---|\n");
	}
}

static void put_gate(struct strbuf *md, const struct js *gate)
{
	const struct js *lines = js_get(gate, "lines");

	if (!gate)
		return;
	strbuf_printf(md, "\n## Gate: %s\n\n", js_get_str(gate, "verdict"));
	if (js_get(gate, "champion"))
		strbuf_printf(md, "Compared with v%lld.\n\n", (long long)js_get_int(gate, "champion", 0));
	for (size_t i = 0; i < js_len(lines); i++) {
		const struct js *line = js_at(lines, i);
		const char *note = js_get_str(line, "error");

		note = note ? note : js_get_str(line, "note");
		strbuf_puts(md, js_get_bool(line, "holds") ? "- holds: " : "- does not hold: ");
		put_text(md, js_get_str(line, "line"));
		for (void *it = js_iter(js_get(line, "values")); it; it = js_next(js_get(line, "values"), it)) {
			strbuf_puts(md, "; ");
			put_text(md, js_iter_key(it));
			strbuf_puts(md, " = ");
			put_value(md, js_iter_value(it));
		}
		if (note) {
			strbuf_puts(md, " (");
			put_text(md, note);
			strbuf_puts(md, ")");
		}
		strbuf_putc(md, '\n');
	}
}

static void put_training(struct strbuf *md, const struct js *training)
{
	if (!training)
		return;
	strbuf_puts(md, "\n## Training data\n\n");
	put_line(md, "table", js_get(training, "content"));
	put_line(md, "profile", js_get(training, "profile"));
	put_line(md, "rows", js_get(training, "rows"));
	PUT_LIST(md, "Columns of the training data", js_get(training, "columns"), "name", "type", "nulls", "min", "max", "mean",
		 "median");
}

static void put_about(struct strbuf *md, const struct js *card)
{
	const struct js *run = js_get(card, "run"), *code = js_get(card, "code"), *aliases = js_get(card, "aliases");

	strbuf_puts(md, "# ");
	put_text(md, js_get_str(card, "model"));
	strbuf_printf(md, " v%lld\n\n", (long long)js_get_int(card, "number", 0));
	if (js_get_str(card, "description") && *js_get_str(card, "description")) {
		put_text(md, js_get_str(card, "description"));
		strbuf_puts(md, "\n\n");
	}
	put_moment(md, "registered", card, "registered");
	for (size_t i = 0; i < js_len(aliases); i++)
		put_line(md, "alias", js_at(aliases, i));
	put_line(md, "rejected", js_get(card, "rejected"));
	put_line(md, "files", js_get(card, "content"));
	put_line(md, "run", js_get(run, "run_id"));
	put_line(md, "pipeline", js_get(run, "experiment"));
	put_line(md, "step", js_get(run, "step"));
	put_line(md, "started by", js_get(run, "user"));
	put_moment(md, "started", run, "start_time");
	put_moment(md, "ended", run, "end_time");
	put_line(md, "commit", js_get(code, "commit"));
	put_line(md, "branch", js_get(code, "branch"));
	put_line(md, "repository", js_get(code, "remote"));
	put_line(md, "changes beyond the commit", js_get(code, "changes"));
}

void card_markdown(const struct js *card, struct strbuf *md)
{
	const char *limitations = js_get_str(card, "limitations");

	put_about(md, card);
	if (limitations) {
		strbuf_puts(md, "\n## Limitations\n\n");
		strbuf_puts(md, limitations);
		if (md->buf[md->len - 1] != '\n')
			strbuf_putc(md, '\n');
	}
	put_members(md, "Metrics", js_get(card, "metrics"));
	put_slices(md, js_get(card, "slices"));
	put_gate(md, js_get(card, "gate"));
	PUT_LIST(md, "Monitors", js_get(card, "monitors"), "name", "watches", "state", "alarm", "windows", "drifted");
	PUT_LIST(md, "Aliases it had", js_get(card, "history"), "alias", "before", "after", "how", "actor", "reason", "time");
	PUT_LIST(md, "Approvals", js_get(card, "approvals"), "alias", "state", "who", "actor", "reason");
	put_members(md, "Params", js_get(card, "params"));
	PUT_LIST(md, "Data", js_get(card, "data"), "path", "content");
	put_training(md, js_get(card, "training"));
}
