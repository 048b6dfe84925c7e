/* SPDX-License-Identifier: Apache-2.0 */
/* Text of reproduce. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

static enum style style_of(const char *verdict)
{
	return !strcmp(verdict, "IDENTICAL") || !strcmp(verdict, "EQUIVALENT") ? STYLE_GOOD :
	       !strcmp(verdict, "DIFFERENT")				       ? STYLE_BAD :
										 STYLE_WARN;
}

/* A line of text that may hold anything. */
static void put_line(struct print *p, const char *before, const char *text, enum style style)
{
	print_put(p, STYLE_PLAIN, "%s", before);
	print_word(p, style, text);
	print_put(p, STYLE_PLAIN, "\n");
}

static void put_steps(struct print *p, const struct js *steps)
{
	for (size_t i = 0; i < js_len(steps); i++) {
		const struct js *step = js_at(steps, i), *outputs = js_get(step, "outputs");
		bool same = js_get_bool(step, "same");

		print_put(p, same ? STYLE_GOOD : STYLE_BAD, "  %s ", same ? print_symbol(p, "✓", "ok") : print_symbol(p, "✗", "no"));
		print_put(p, STYLE_NAME, "%s", js_get_str(step, "step"));
		for (size_t k = 0; k < js_len(outputs); k++) {
			const struct js *output = js_at(outputs, k);

			if (js_get_bool(output, "same"))
				continue;
			print_put(p, STYLE_PLAIN, "  ");
			print_word(p, STYLE_PLAIN, js_get_str(output, "path"));
			print_put(p, STYLE_BAD, js_get_str(output, "made") ? " differs" : " is not made");
		}
		print_put(p, STYLE_PLAIN, "\n");
	}
}

static void put_first(struct print *p, const struct js *first)
{
	const struct js *difference = js_get(first, "difference"), *text = js_get(difference, "text");
	const char *file = js_get_str(difference, "file");

	if (!first)
		return;
	print_put(p, STYLE_BOLD, "\nfirst of %s: ", js_get_str(first, "step"));
	print_word(p, STYLE_PLAIN, js_get_str(first, "path"));
	print_put(p, STYLE_PLAIN, "%s", file ? "/" : "");
	print_word(p, STYLE_PLAIN, file ? file : "");
	if (js_get(difference, "offset"))
		print_put(p, STYLE_PLAIN, ", byte %lld of %lld", (long long)js_get_int(difference, "offset", 0),
			  (long long)js_get_int(difference, "recorded", 0));
	if (js_get_int(difference, "files", 0) > 1)
		print_put(p, STYLE_DIM, " (%lld files differ)", (long long)js_get_int(difference, "files", 0));
	print_put(p, STYLE_PLAIN, "\n");
	if (text && js_get_str(text, "recorded"))
		put_line(p, "  recorded  ", js_get_str(text, "recorded"), STYLE_PLAIN);
	if (text && js_get_str(text, "made"))
		put_line(p, "  made      ", js_get_str(text, "made"), STYLE_PLAIN);
}

static void put_causes(struct print *p, const struct js *causes)
{
	for (size_t i = 0; i < js_len(causes); i++)
		put_line(p, i ? "  " : "\nwhy\n  ", js_get_str(js_at(causes, i), "text"), STYLE_PLAIN);
}

static void put_metrics(struct print *p, const struct js *metrics)
{
	static const struct table_column columns[] = {
		{ .title = "METRIC", .shrink = true }, { .title = "RECORDED", .right = true }, { .title = "MADE", .right = true }, { .title = "" },
	};
	struct table table;

	if (!js_len(metrics))
		return;
	print_put(p, STYLE_PLAIN, "\n");
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(metrics); i++) {
		const struct js *line = js_at(metrics, i);
		bool within = js_get_bool(line, "within");

		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(line, "metric"));
		table_cell(&table, STYLE_PLAIN, "%.10g", js_number(js_get(line, "recorded")));
		if (js_get(line, "made"))
			table_cell(&table, STYLE_PLAIN, "%.10g", js_number(js_get(line, "made")));
		else
			table_cell(&table, STYLE_BAD, "-");
		table_cell(&table, within ? STYLE_DIM : STYLE_BAD, "%s", within ? "" : "differs");
	}
	table_print(&table, p);
}

static void put_missing(struct print *p, const struct js *missing)
{
	char time[HUMAN];

	for (size_t i = 0; i < js_len(missing); i++) {
		const struct js *line = js_at(missing, i), *seen = js_get(line, "last_seen"), *gone = js_get(line, "forgotten");

		print_put(p, STYLE_WARN, "%smissing ", i ? "" : "\n");
		print_word(p, STYLE_BOLD, js_get_str(line, "what"));
		put_line(p, ": ", js_get_str(line, "message"), STYLE_PLAIN);
		if (seen)
			print_put(p, STYLE_PLAIN, "  last seen: %s %s, %s\n", js_get_str(seen, "kind"), js_get_str(seen, "name"),
				  human_time(js_get_int(seen, "time", 0), time));
		if (gone)
			print_put(p, STYLE_PLAIN, "  forgotten: %s, %s\n", human_time(js_get_int(gone, "time", 0), time),
				  js_get_str(gone, "reason"));
	}
}

static void put_failure(struct print *p, const struct js *failure)
{
	const struct js *log = js_get(failure, "log");

	if (!failure)
		return;
	put_line(p, "\n", js_get_str(failure, "message"), STYLE_BAD);
	for (size_t i = 0; i < js_len(log); i++)
		put_line(p, "  | ", js_text(js_at(log, i)), STYLE_DIM);
}

void print_reproduce(struct print *p, const struct js *result)
{
	const char *verdict = js_get_str(result, "verdict"), *outcome = js_get_str(result, "outcome"), *run = js_get_str(result, "run_id");
	const struct js *notes = js_get(result, "notes");

	print_put(p, STYLE_NAME, "%s ", js_get_str(result, "subject"));
	print_put(p, style_of(verdict), "%s", verdict);
	print_put(p, STYLE_DIM, run ? "  (run %.8s again, %.1f s)\n" : "\n", run ? run : "",
		  (double)js_get_int(result, "duration_ms", 0) / 1000);
	put_steps(p, js_get(result, "steps"));
	put_first(p, js_get(result, "first"));
	put_failure(p, js_get(result, "failure"));
	put_causes(p, js_get(result, "causes"));
	put_metrics(p, js_get(result, "metrics"));
	put_missing(p, js_get(result, "missing"));
	for (size_t i = 0; i < js_len(notes); i++)
		put_line(p, "note: ", js_text(js_at(notes, i)), STYLE_DIM);
	if (outcome)
		print_put(p, STYLE_GOOD, "\n%s: %s\n", js_get_str(result, "alias"), outcome);
}
