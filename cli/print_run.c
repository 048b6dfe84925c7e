/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "cli/print.h"

/* ---- run ---- */

#define SLOWEST_OF  4    /* steps that ran, at least */
#define SLOWEST_MS  1000
#define MOST_FAILED 8    /* names */

static void print_failure(struct print *p, const struct js *failure)
{
	const struct js *log = js_get(failure, "log");
	const char *file = js_get_str(failure, "log_file"), *kept = js_get_str(failure, "kept");

	if (js_len(log)) {
		print_put(p, STYLE_DIM, js_get(failure, "schema") ? "  what does not fit:\n" : "  the end of its log:\n");
		for (size_t i = 0; i < js_len(log); i++) {
			print_put(p, STYLE_DIM, "  | ");
			print_word(p, STYLE_PLAIN, js_text(js_at(log, i)));
			print_put(p, STYLE_PLAIN, "\n");
		}
	}
	if (file)
		print_put(p, STYLE_PLAIN, "  whole log: %s\n", file);
	if (kept)
		print_put(p, STYLE_PLAIN, "  its outputs were kept in: %s\n", kept);
}

static void print_counts(struct print *p, const struct js *result)
{
	static const struct {
		const char *key, *text;
		enum style style;
	} parts[] = {
		{ "ran", "ran", STYLE_GOOD },           { "cached", "from the cache", STYLE_GOOD },
		{ "restored", "restored", STYLE_GOOD }, { "fresh", "up to date", STYLE_PLAIN },
		{ "failed", "failed", STYLE_BAD },      { "timeout", "timed out", STYLE_BAD },
		{ "killed", "killed", STYLE_BAD },      { "skipped", "skipped", STYLE_WARN },
		{ "blocked", "not run", STYLE_WARN },   { "retried", "tried again", STYLE_WARN },
	};
	const char *run = js_get_str(result, "run_id");
	const char *separator = "";
	char time[HUMAN];

	if (run)
		print_put(p, STYLE_PLAIN, "run %.8s: ", run);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int64_t n = js_get_int(result, parts[i].key, 0);
		if (!n)
			continue;
		print_put(p, STYLE_PLAIN, "%s", separator);
		print_put(p, parts[i].style, "%lld %s", (long long)n, parts[i].text);
		separator = ", ";
	}
	print_put(p, STYLE_DIM, "  (%s)\n", human_duration(js_get_int(result, "duration_ms", 0), time));
}

/* One that took far longer than the others is where time can be won. */
static void print_slowest(struct print *p, const struct js *steps)
{
	const struct js *slowest = NULL;
	int64_t most = 0, sum = 0, n = 0;
	char time[HUMAN];

	for (size_t i = 0; i < js_len(steps); i++) {
		int64_t took = js_get_int(js_at(steps, i), "duration_ms", 0);
		if (!js_get_str(js_at(steps, i), "run_id"))
			continue;
		n++;
		sum += took;
		if (took > most) {
			most = took;
			slowest = js_at(steps, i);
		}
	}
	if (n >= SLOWEST_OF && most >= SLOWEST_MS && most * n > 2 * sum)
		print_put(p, STYLE_DIM, "  slowest: %s  %s\n", js_get_str(slowest, "name"), human_duration(most, time));
}

/* The one that is told in full is left out. */
static void print_other_failures(struct print *p, const struct js *steps, const char *told)
{
	size_t n = 0;

	for (size_t i = 0; told && i < js_len(steps); i++) {
		const char *name = js_get_str(js_at(steps, i), "name"), *state = js_get_str(js_at(steps, i), "state");
		bool failed = !strcmp(state, "failed") || !strcmp(state, "timeout") || !strcmp(state, "killed");
		if (!failed || !strcmp(name, told) || ++n > MOST_FAILED)
			continue;
		print_put(p, STYLE_PLAIN, n == 1 ? "  also failed: " : ", ");
		print_put(p, STYLE_NAME, "%s", name);
	}
	if (n > MOST_FAILED)
		print_put(p, STYLE_PLAIN, " and %zu more", n - MOST_FAILED);
	if (n)
		print_put(p, STYLE_PLAIN, "\n");
}

void print_run(struct print *p, const struct js *result)
{
	const struct js *steps = js_get(result, "steps");
	int64_t total = js_get_int(result, "total", 0);
	char number[HUMAN], time[HUMAN];

	if (js_get_bool(result, "detached")) {
		print_put(p, STYLE_PLAIN, "run %.8s started; follow it: ", js_get_str(result, "run_id"));
		print_put(p, STYLE_NAME, "mlops logs -f %.8s\n", js_get_str(result, "run_id"));
		return;
	}
	if (js_get_str(result, "project")) {
		print_submitted(p, result);
		return;
	}
	if (js_get(result, "combinations")) {
		print_experiments(p, result);
		return;
	}
	if (!js_len(steps) && js_get(result, "failure")) {
		print_failure(p, js_get(result, "failure")); /* an image could not be built, or a table does not fit */
		return;
	}
	if (!js_len(steps)) {
		print_put(p, STYLE_GOOD, "up to date");
		print_put(p, STYLE_DIM, "  (%s step%s, %s)\n", human_count((uint64_t)total, number), total == 1 ? "" : "s",
			  human_duration(js_get_int(result, "duration_ms", 0), time));
		print_candidates(p, js_get(result, "models"));
		return;
	}
	if (!js_get(result, "ran")) {
		print_plan(p, steps, total - (int64_t)js_len(steps));
		return;
	}
	if (js_get_int(result, "skipped", 0) == (int64_t)js_len(steps) && !js_get_str(result, "run_id"))
		print_skipped(p, steps); /* no event told of them */
	print_counts(p, result);
	print_slowest(p, steps);
	print_candidates(p, js_get(result, "models"));
	if (js_get(result, "failure") && strcmp(js_get_str(result, "status"), "KILLED") != 0) {
		print_failure(p, js_get(result, "failure"));
		print_other_failures(p, steps, js_get_str(js_get(result, "failure"), "step"));
	}
}

/* ---- dag ---- */

void print_dag(struct print *p, const struct js *result)
{
	print_put(p, STYLE_PLAIN, "%s", js_get_str(result, "text"));
}

/* ---- runs ---- */

#define MOST_COLUMNS 12 /* of params, and of metrics, that a list shows; `show` has all */

static bool differs(const struct js *runs, const char *member, const char *key)
{
	const struct js *first = js_get(js_get(js_at(runs, 0), member), key);

	for (size_t i = 1; i < js_len(runs); i++)
		if (!js_equal(first, js_get(js_get(js_at(runs, i), member), key)))
			return true;
	return js_len(runs) == 1;
}

/* The names the runs have, in order of appearance; those that are equal in all of them tell nothing. */
static void gather_keys(const struct js *runs, const char *member, bool different, struct strlist *ret)
{
	CLEANUP(strmap_release) struct strmap seen = STRMAP_INIT;

	for (size_t i = 0; i < js_len(runs); i++) {
		const struct js *values = js_get(js_at(runs, i), member);
		for (void *it = js_iter(values); it; it = js_next(values, it)) {
			if (strmap_has(&seen, js_iter_key(it)))
				continue;
			strmap_set(&seen, js_iter_key(it), &seen);
			if (!different || differs(runs, member, js_iter_key(it)))
				strlist_push(ret, js_iter_key(it));
		}
	}
}

static void value_cell(struct table *table, const struct js *value)
{
	char number[HUMAN];

	if (js_text(value))
		table_cell(table, STYLE_PLAIN, "%s", js_text(value));
	else if (js_typeof(value) == JS_INT || js_typeof(value) == JS_REAL)
		table_cell(table, STYLE_PLAIN, "%s", human_number(js_number(value), number));
	else
		table_cell(table, STYLE_DIM, "-");
}

static enum style status_style(const char *status)
{
	static const struct {
		const char *status;
		enum style style;
	} styles[] = {
		{ "FINISHED", STYLE_GOOD }, { "FAILED", STYLE_BAD }, { "KILLED", STYLE_BAD }, { "RUNNING", STYLE_WARN },
	};

	for (size_t i = 0; status && i < ARRAY_LEN(styles); i++)
		if (!strcmp(styles[i].status, status))
			return styles[i].style;
	return STYLE_PLAIN;
}

static int64_t run_duration(const struct js *run)
{
	int64_t end = js_get_int(run, "end_time", 0);

	return end ? end - js_get_int(run, "start_time", 0) : 0;
}

static void run_row_cells(struct table *table, const struct js *run)
{
	const char *status = js_get_str(run, "status"), *step = js_get_str(run, "step");
	char text[HUMAN];

	table_cell(table, STYLE_NAME, "%.8s", js_get_str(run, "run_id"));
	table_cell(table, STYLE_PLAIN, "%s", step ? step : js_get_str(run, "experiment"));
	table_cell(table, status_style(status), "%s", status);
	table_cell(table, STYLE_PLAIN, "%s", human_time(js_get_int(run, "start_time", 0), text));
	table_cell(table, STYLE_PLAIN, "%s", js_get(run, "end_time") ? human_duration(run_duration(run), text) : "-");
}

static size_t shown_keys(const struct strlist *keys)
{
	return keys->len < MOST_COLUMNS ? keys->len : MOST_COLUMNS;
}

/* Column of the experiment or step: known to the reader when it is always the same. */
static bool one_pipeline(const struct js *runs)
{
	for (size_t i = 0; i < js_len(runs); i++)
		if (js_get_str(js_at(runs, i), "step") ||
		    !js_equal(js_get(js_at(runs, i), "experiment"), js_get(js_at(runs, 0), "experiment")))
			return false;
	return true;
}

/* Where room is scarce, the first metrics and params go before what is the same in each line. */
static void print_run_table(struct print *p, const struct js *runs)
{
	static const struct table_column fixed[] = {
		{ .title = "RUN" }, { .title = "PIPELINE" }, { .title = "STATUS" }, { .title = "STARTED" },
		{ .title = "TOOK", .right = true },
	};
	struct table_column columns[ARRAY_LEN(fixed) + 2 * MOST_COLUMNS];
	CLEANUP(strlist_release) struct strlist params = STRLIST_INIT;
	CLEANUP(strlist_release) struct strlist metrics = STRLIST_INIT;
	size_t n = ARRAY_LEN(fixed), more, nmetrics, nparams;
	struct table table;

	gather_keys(runs, "metrics", false, &metrics);
	gather_keys(runs, "params", true, &params);
	nmetrics = shown_keys(&metrics);
	nparams = shown_keys(&params);
	memcpy(columns, fixed, sizeof(fixed));
	columns[1].drop = one_pipeline(runs) ? 5 : 0;
	for (size_t i = 0; i < nmetrics; i++)
		columns[n++] = (struct table_column){ .title = metrics.items[i], .right = true, .drop = 10 * (int)i + 1 };
	for (size_t i = 0; i < nparams; i++)
		columns[n++] = (struct table_column){ .title = params.items[i], .right = true, .shrink = true,
						      .drop = 10 * (int)i + 2 };
	table_init(&table, columns, n);
	for (size_t i = 0; i < js_len(runs); i++) {
		const struct js *run = js_at(runs, i);
		run_row_cells(&table, run);
		for (size_t k = 0; k < nmetrics; k++)
			value_cell(&table, js_get(js_get(run, "metrics"), metrics.items[k]));
		for (size_t k = 0; k < nparams; k++)
			value_cell(&table, js_get(js_get(run, "params"), params.items[k]));
	}
	more = table_print(&table, p) + metrics.len - nmetrics + params.len - nparams;
	if (more)
		print_put(p, STYLE_DIM, "%zu more column%s: --json\n", more, more == 1 ? "" : "s");
}

void print_runs(struct print *p, const struct js *result)
{
	const struct js *runs = js_get(result, "runs");

	if (js_get(result, "active"))
		print_active(p, result);
	else if (js_len(runs))
		print_run_table(p, runs);
	else
		print_put(p, STYLE_PLAIN, "no runs\n");
}

/* ---- show ---- */

static void print_pairs(struct print *p, const char *title, const struct js *values)
{
	static const struct table_column columns[] = { { 0 }, { .shrink = true } };
	struct table table;

	if (!js_len(values))
		return;
	print_put(p, STYLE_BOLD, "%s\n", title);
	table_init(&table, columns, ARRAY_LEN(columns));
	table.indent = 2;
	for (void *it = js_iter(values); it; it = js_next(values, it)) {
		table_cell(&table, STYLE_PLAIN, "%s", js_iter_key(it));
		value_cell(&table, js_iter_value(it));
	}
	table_print(&table, p);
}

static void print_contents(struct print *p, const char *title, const struct js *list)
{
	static const struct table_column columns[] = { { .shrink = true }, { .right = true }, { 0 } };
	struct table table;
	size_t rows = 0;
	char size[HUMAN];

	table_init(&table, columns, ARRAY_LEN(columns));
	table.indent = 2;
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *item = js_at(list, i);
		const char *content = js_get_str(item, "content"), *path = js_get_str(item, "path");
		bool logged = !strcmp(path, "/artifacts");
		if (path[0] == '/' && !logged)
			continue; /* the run's code, told above */
		if (!rows++)
			print_put(p, STYLE_BOLD, "%s\n", title);
		if (logged)
			table_cell(&table, STYLE_PLAIN, "(%lld logged)", (long long)js_get_int(item, "files", 0));
		else
			table_cell(&table, STYLE_PLAIN, "%s", path);
		table_cell(&table, STYLE_PLAIN, "%s", human_bytes((uint64_t)js_get_int(item, "size", 0), size));
		table_cell(&table, STYLE_DIM, "%.17s", content ? content : "");
	}
	if (rows)
		table_print(&table, p);
}

static void print_attempts(struct print *p, const struct js *attempts)
{
	static const struct table_column columns[] = {
		{ .title = "STEP" }, { .title = "STATE" }, { .title = "TOOK", .right = true },
		{ .title = "CPU", .right = true }, { .title = "PEAK MEMORY", .right = true },
		{ .title = "WHY", .shrink = true },
	};
	struct table table;
	char text[HUMAN];

	if (!js_len(attempts))
		return;
	print_put(p, STYLE_BOLD, "steps\n");
	table_init(&table, columns, ARRAY_LEN(columns));
	table.indent = 2;
	for (size_t i = 0; i < js_len(attempts); i++) {
		const struct js *a = js_at(attempts, i);
		const char *error = js_get_str(js_get(a, "record"), "error");
		const char *reason = error ? error : js_get_str(a, "reason");
		int64_t cpu = js_get_int(a, "user_us", 0) + js_get_int(a, "system_us", 0);
		int64_t rss = js_get_int(a, "max_rss", 0);
		table_cell(&table, STYLE_NAME, "%s", js_get_str(a, "step"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(a, "state"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get(a, "end_time") ? human_duration(run_duration(a), text) : "-");
		table_cell(&table, STYLE_PLAIN, "%s", cpu ? human_duration(cpu / 1000, text) : "-");
		table_cell(&table, STYLE_PLAIN, "%s%s", rss ? human_bytes((uint64_t)rss, text) : "-",
			   js_get_bool(a, "sampled") ? " (sampled)" : "");
		table_cell(&table, STYLE_PLAIN, "%s", reason ? reason : "");
	}
	table_print(&table, p);
}

static void print_one_run(struct print *p, const struct js *result)
{
	const struct js *run = js_get(result, "run"), *attempts = js_get(result, "attempts");
	const struct js *tags = js_get(run, "tags");
	const char *status = js_get_str(run, "status"), *commit = js_get_str(tags, "mlflow.source.git.commit");
	const char *branch = js_get_str(tags, "mlflow.source.git.branch"), *note = js_get_str(tags, "mlflow.note.content");
	const char *command = js_get_str(tags, "mlops.command"), *dirty = js_get_str(tags, "mlops.code.dirty");
	char start[HUMAN], took[HUMAN];

	print_put(p, STYLE_NAME, "%s", js_get_str(run, "run_id"));
	print_put(p, STYLE_PLAIN, "  %s  ", js_get_str(run, "name"));
	print_put(p, status_style(status), "%s\n", status);
	print_put(p, STYLE_PLAIN, "  experiment %s\n", js_get_str(run, "experiment"));
	print_put(p, STYLE_PLAIN, "  started %s, took %s, by %s\n", human_time(js_get_int(run, "start_time", 0), start),
		  js_get(run, "end_time") ? human_duration(run_duration(run), took) : "-",
		  js_get_str(run, "user") ? js_get_str(run, "user") : "?");
	if (command)
		print_put(p, STYLE_PLAIN, "  command %s\n", command);
	if (commit)
		print_put(p, STYLE_PLAIN, "  code %.12s%s%s%s\n", commit, branch ? " on " : "", branch ? branch : "",
			  dirty && !strcmp(dirty, "true") ? ", with changes (kept)" : "");
	if (note)
		print_put(p, STYLE_PLAIN, "\n%s\n", note);
	if (!js_get_str(run, "parent"))
		print_attempts(p, attempts);
	for (size_t i = 0; i < js_len(attempts); i++)
		print_misfits(p, js_get(js_get(js_at(attempts, i), "record"), "schema"));
	print_pairs(p, "params", js_get(run, "params"));
	print_pairs(p, "metrics", js_get(run, "metrics"));
	print_contents(p, "inputs", js_get(run, "inputs"));
	print_contents(p, "outputs", js_get(run, "outputs"));
	print_run_profiles(p, js_get(result, "profiles"));
}

static void print_versions(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "VERSION" }, { .title = "CREATED" }, { .title = "SIZE", .right = true }, { .title = "CONTENT" },
		{ .title = "RUN" },
	};
	const struct js *versions = js_get(result, "versions");
	struct table table;
	char text[HUMAN];

	print_put(p, STYLE_NAME, "%s", js_get_str(result, "name"));
	print_put(p, STYLE_PLAIN, " v%lld  %s\n", (long long)js_get_int(result, "version", 0),
		  js_get_str(result, "content"));
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(versions); i++) {
		const struct js *v = js_at(versions, i);
		const char *run = js_get_str(v, "run");
		table_cell(&table, STYLE_PLAIN, "v%lld", (long long)js_get_int(v, "number", 0));
		table_cell(&table, STYLE_PLAIN, "%s", human_time(js_get_int(v, "created", 0), text));
		table_cell(&table, STYLE_PLAIN, "%s", human_bytes((uint64_t)js_get_int(v, "size", 0), text));
		table_cell(&table, STYLE_DIM, "%.17s", js_get_str(v, "content"));
		table_cell(&table, STYLE_PLAIN, "%.8s", run ? run : "");
	}
	table_print(&table, p);
}

void print_show(struct print *p, const struct js *result)
{
	const char *kind = js_get_str(result, "kind");
	char size[HUMAN];

	if (!strcmp(kind, "run")) {
		print_one_run(p, result);
		print_accepted(p, js_get(result, "accepted"));
		if (js_get_str(result, "log"))
			print_put(p, STYLE_PLAIN, "  it ran without a terminal; what it told: %s\n", js_get_str(result, "log"));
	} else if (!strcmp(kind, "artifact")) {
		print_versions(p, result);
	} else if (!strcmp(kind, "version")) {
		print_model_version(p, result);
	} else if (!strcmp(kind, "commit")) {
		print_put(p, STYLE_NAME, "commit %s\n", js_get_str(result, "commit"));
		print_runs(p, result);
	} else {
		print_put(p, STYLE_PLAIN, "%s  %s\n", js_get_str(result, "content"),
			  human_bytes((uint64_t)js_get_int(result, "size", 0), size));
	}
}
