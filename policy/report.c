/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/report.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define METRICS_MAX 100 /* rows of the table */
#define TEXT_MAX    300 /* bytes of one text */

/* As a code span, which in a table must not hold a '|' either. */
static void put_code(struct strbuf *out, const char *text)
{
	size_t n = 0;

	strbuf_putc(out, '`');
	for (; *text && (n < TEXT_MAX || ((unsigned char)*text & 0xc0) == 0x80); text++, n++)
		if (*text == '`')
			strbuf_putc(out, '\'');
		else if (*text == '|')
			strbuf_puts(out, "\\|");
		else
			strbuf_putc(out, (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
	strbuf_puts(out, *text ? "...`" : n ? "`" : " `");
}

static void put_number(struct strbuf *out, const struct js *value, bool sign)
{
	double number = js_number(value);

	if (!value || isnan(number))
		strbuf_puts(out, js_text(value) ? js_text(value) : "-");
	else
		strbuf_printf(out, sign ? "%+.6g" : "%.6g", number);
}

/* ---- metrics ---- */

static void put_change(struct strbuf *out, const struct js *base, const struct js *value)
{
	double change = js_number(value) - js_number(base);
	CLEANUP_JS struct js *number = js_real(change);

	if (isnan(change))
		strbuf_puts(out, "-");
	else if (change == 0)
		strbuf_puts(out, "=");
	else
		put_number(out, number, true);
}

static void put_metric(struct strbuf *out, const char *step, const char *key, const struct js *base, const struct js *value)
{
	strbuf_puts(out, "| ");
	put_code(out, step);
	strbuf_puts(out, " | ");
	put_code(out, key);
	strbuf_puts(out, " | ");
	put_number(out, base, false);
	strbuf_puts(out, " | ");
	put_number(out, value, false);
	strbuf_puts(out, " | ");
	put_change(out, base, value);
	strbuf_puts(out, " |\n");
}

static void put_metrics(struct strbuf *out, const struct js *metrics, const struct js *base)
{
	size_t rows = 0;

	for (void *s = js_iter(metrics); s; s = js_next(metrics, s)) {
		const struct js *values = js_iter_value(s), *before = js_get(base, js_iter_key(s));

		for (void *m = js_iter(values); m; m = js_next(values, m)) {
			if (rows++ == 0)
				strbuf_puts(out, "\n| step | metric | base | this | change |\n|---|---|--:|--:|--:|\n");
			if (rows <= METRICS_MAX)
				put_metric(out, js_iter_key(s), js_iter_key(m), js_get(before, js_iter_key(m)), js_iter_value(m));
		}
	}
	if (rows > METRICS_MAX)
		strbuf_printf(out, "\nand %zu metrics more\n", rows - METRICS_MAX);
}

/* ---- models ---- */

static void put_gate_line(struct strbuf *out, const struct js *line)
{
	const char *text = js_get_str(line, "line"), *note = js_get_str(line, "note"), *error = js_get_str(line, "error");
	const struct js *values = js_get(line, "values");
	const char *separator = ": ";

	strbuf_puts(out, js_get_bool(line, "holds") ? "- [x] " : "- [ ] ");
	put_code(out, text ? text : "?");
	for (void *it = js_iter(values); it; it = js_next(values, it)) {
		strbuf_puts(out, separator);
		put_code(out, js_iter_key(it));
		strbuf_puts(out, " = ");
		put_number(out, js_iter_value(it), false);
		separator = ", ";
	}
	if (note || error) {
		strbuf_puts(out, "; ");
		put_code(out, error ? error : note);
	}
	strbuf_putc(out, '\n');
}

static bool passed(const struct js *model)
{
	const char *verdict = js_get_str(model, "verdict");

	return verdict && !strcmp(verdict, "passed");
}

static void put_model(struct strbuf *out, const struct js *model)
{
	CLEANUP(cleanup_free) char *name = xasprintf("%s@v%lld", js_get_str(model, "model") ? js_get_str(model, "model") : "?",
						     (long long)js_get_int(model, "number", 0));
	const struct js *lines = js_get(model, "lines"), *aliases = js_get(model, "aliases");

	strbuf_putc(out, '\n');
	put_code(out, name);
	strbuf_puts(out, passed(model) ? ": its gate is passed" : ": **its gate is not passed**");
	for (size_t i = 0; i < js_len(aliases); i++) {
		strbuf_puts(out, i ? ", " : "; it is ");
		put_code(out, js_text(js_at(aliases, i)));
	}
	strbuf_puts(out, "\n\n");
	for (size_t i = 0; i < js_len(lines); i++)
		put_gate_line(out, js_at(lines, i));
}

/* ---- the whole ---- */

static void put_monitors(struct strbuf *out, const struct js *monitors)
{
	for (size_t i = 0; i < js_len(monitors); i++) {
		const struct js *monitor = js_at(monitors, i);
		const char *name = js_get_str(monitor, "name"), *state = js_get_str(monitor, "state");

		strbuf_puts(out, i ? ", " : "\nDrift: ");
		put_code(out, name ? name : "?");
		strbuf_printf(out, " %s%s", state ? state : "?", js_get_bool(monitor, "alarm") ? " (alarm)" : "");
	}
	if (js_len(monitors))
		strbuf_putc(out, '\n');
}

static void put_short(struct strbuf *out, const char *hex, size_t len)
{
	CLEANUP(cleanup_free) char *text = xstrndup(hex, len);

	put_code(out, text);
}

static void put_head(struct strbuf *out, const struct js *report)
{
	const char *project = js_get_str(report, "project"), *state = js_get_str(report, "state"), *run = js_get_str(report, "run_id");
	const char *commit = js_get_str(report, "commit"), *error = js_get_str(report, "error");
	const struct js *base = js_get(report, "base");

	strbuf_puts(out, "### mlops: ");
	put_code(out, project ? project : "?");
	strbuf_printf(out, " %s\n\n", state ? state : "?");
	if (run) {
		strbuf_puts(out, "run ");
		put_short(out, run, 8);
	}
	if (commit) {
		strbuf_puts(out, run ? " of commit " : "commit ");
		put_short(out, commit, 12);
	}
	if (base) {
		strbuf_puts(out, ", compared with ");
		put_code(out, js_get_str(base, "name") ? js_get_str(base, "name") : "the base");
		if (js_get_str(base, "commit")) {
			strbuf_puts(out, " at ");
			put_short(out, js_get_str(base, "commit"), 12);
		}
	}
	strbuf_puts(out, run || commit || base ? "\n" : "");
	if (error) {
		strbuf_puts(out, "\n**");
		put_code(out, error);
		strbuf_puts(out, "**\n");
	}
}

void report_markdown(const struct js *report, struct strbuf *out)
{
	const struct js *models = js_get(report, "models");

	put_head(out, report);
	put_metrics(out, js_get(report, "metrics"), js_get(report, "base_metrics"));
	for (size_t i = 0; i < js_len(models); i++)
		put_model(out, js_at(models, i));
	put_monitors(out, js_get(report, "monitors"));
}

void report_line(const struct js *report, struct strbuf *out)
{
	const char *error = js_get_str(report, "error"), *state = js_get_str(report, "state");
	const struct js *models = js_get(report, "models");

	strbuf_puts(out, error ? error : state ? state : "?");
	for (size_t i = 0; i < js_len(models); i++) {
		const struct js *model = js_at(models, i), *aliases = js_get(model, "aliases");

		strbuf_printf(out, "; %s@v%lld: gate %s", js_get_str(model, "model") ? js_get_str(model, "model") : "?",
			      (long long)js_get_int(model, "number", 0), passed(model) ? "passed" : "not passed");
		for (size_t a = 0; a < js_len(aliases); a++)
			strbuf_printf(out, ", %s", js_text(js_at(aliases, a)));
	}
}
