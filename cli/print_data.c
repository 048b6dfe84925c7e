/* SPDX-License-Identifier: Apache-2.0 */
/* Text of add, status, diff, checkout, lock take and fsck. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/shell.h"
#include "base/strbuf.h"
#include "cli/print.h"

#define FILES_SHOWN 20
#define HASH_SHOWN  13 /* "tree:" and eight digits */

static void put_notes(struct print *p, const struct js *result)
{
	const struct js *notes = js_get(result, "notes");

	for (size_t i = 0; i < js_len(notes); i++) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " %s\n", js_text(js_at(notes, i)));
	}
}

static void put_count(struct print *p, int64_t n, const char *one, const char *many)
{
	char text[HUMAN];

	print_put(p, STYLE_PLAIN, "%s %s", human_count((uint64_t)n, text), n == 1 ? one : many);
}

/* ---- add ---- */

void print_add(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .shrink = true }, { 0 }, { .right = true }, { .right = true }, { 0 }
	};
	const struct js *added = js_get(result, "added"), *sent = js_get(result, "sent");
	struct table table;
	char text[HUMAN];

	print_misfits(p, js_get(result, "schema"));
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(added); i++) {
		const struct js *item = js_at(added, i);
		int64_t files = js_get_int(item, "files", 0);
		bool is_new = js_get_bool(item, "new");

		table_cell(&table, STYLE_NAME, "%s", js_get_str(item, "path"));
		table_cell(&table, STYLE_BOLD, "v%lld", (long long)js_get_int(item, "version", 0));
		table_cell(&table, STYLE_PLAIN, "%s %s", human_count((uint64_t)files, text),
			   files == 1 ? "file" : "files");
		table_cell(&table, STYLE_PLAIN, "%s",
			   human_bytes((uint64_t)js_get_int(item, "size", 0), text));
		table_cell(&table, is_new ? STYLE_GOOD : STYLE_DIM, "%s",
			   is_new ? "new" : "unchanged");
	}
	table_print(&table, p);
	if (sent)
		print_put(p, STYLE_PLAIN, "sent to %s: %s of objects\n", js_get_str(sent, "agent"),
			  human_bytes((uint64_t)js_get_int(sent, "bytes", 0), text));
	put_notes(p, result);
}

/* ---- status ---- */

static const struct {
	const char *state, *text;
	enum style style;
} path_states[] = {
	{ "conflict", "in conflict", STYLE_BAD }, { "unreadable", "unreadable", STYLE_BAD },
	{ "missing", "missing", STYLE_BAD },      { "changed", "changed", STYLE_WARN },
	{ "new", "not recorded", STYLE_WARN },
};

static void files_text(const struct js *item, struct strbuf *sb)
{
	static const struct {
		const char *key, *sign;
	} parts[] = { { "added", "+" }, { "modified", "~" }, { "removed", "-" } };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int64_t n = js_get_int(item, parts[i].key, 0);

		if (n)
			strbuf_printf(sb, "%s%s%lld", sb->len ? " " : "", parts[i].sign,
				      (long long)n);
	}
	if (sb->len)
		strbuf_puts(sb, " files");
}

static void put_paths(struct print *p, const struct js *paths)
{
	static const struct table_column columns[] = { { 0 }, { .shrink = true }, { 0 }, { 0 } };
	struct table table;

	table_init(&table, columns, ARRAY_LEN(columns));
	table.indent = 2;
	for (size_t s = 0; s < ARRAY_LEN(path_states); s++)
		for (size_t i = 0; i < js_len(paths); i++) {
			const struct js *item = js_at(paths, i);
			CLEANUP_STRBUF struct strbuf files = STRBUF_INIT;

			if (strcmp(js_get_str(item, "state"), path_states[s].state) != 0)
				continue;
			files_text(item, &files);
			table_cell(&table, path_states[s].style, "%s", path_states[s].text);
			table_cell(&table, STYLE_NAME, "%s", js_get_str(item, "path"));
			table_cell(&table, STYLE_DIM, "%s",
				   strcmp(js_get_str(item, "kind"), "out") ? "data" : "output");
			table_cell(&table, STYLE_DIM, "%s", files.buf);
		}
	table_print(&table, p);
}

/* An output is kept by running its step, not by adding it. */
static void put_path_hints(struct print *p, const struct js *paths)
{
	bool data = false, differs = false;

	for (size_t i = 0; i < js_len(paths); i++) {
		const struct js *item = js_at(paths, i);
		const char *state = js_get_str(item, "state");
		bool changed = !strcmp(state, "changed");

		differs |= changed || !strcmp(state, "missing");
		data |= changed && !strcmp(js_get_str(item, "kind"), "data");
	}
	if (data)
		print_put(p, STYLE_DIM, "  to keep a change: mlops add PATH\n");
	if (differs)
		print_put(p, STYLE_DIM, "  to go back: mlops checkout PATH\n");
}

static void put_conflicts(struct print *p, const struct js *conflicts)
{
	static const struct table_column columns[] = {
		{ .title = "KIND" },
		{ .title = "NAME", .shrink = true },
		{ .title = "OURS", .shrink = true },
		{ .title = "THEIRS", .shrink = true },
	};
	struct table table;

	if (!js_len(conflicts))
		return;
	print_put(p, STYLE_BAD, "two branches disagree in mlops.lock:\n");
	table_init(&table, columns, ARRAY_LEN(columns));
	table.indent = 2;
	for (size_t i = 0; i < js_len(conflicts); i++) {
		const struct js *item = js_at(conflicts, i);

		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(item, "kind"));
		table_cell(&table, STYLE_NAME, "%s", js_get_str(item, "name"));
		table_cell(&table, STYLE_PLAIN, "%.*s", HASH_SHOWN, js_get_str(item, "ours"));
		table_cell(&table, STYLE_PLAIN, "%.*s", HASH_SHOWN, js_get_str(item, "theirs"));
	}
	table_print(&table, p);
	print_put(p, STYLE_DIM,
		  "  choose a side: mlops lock take ours   or: mlops lock take theirs\n");
}

static bool is_skipped(const struct js *step)
{
	return !strcmp(js_get_str(step, "state"), "skipped");
}

struct step_rows {
	struct table table;
	bool skipped; /* those that are, or the others */
};

static void put_step_row(void *ctx, const struct js *step, const char *name)
{
	static const struct {
		const char *state, *text;
		enum style style;
	} states[] = { { "stale", "would run", STYLE_WARN },
		       { "restore", "would be restored", STYLE_PLAIN },
		       { "blocked", "waits for another", STYLE_DIM },
		       { "skipped", "skipped", STYLE_DIM } };
	const char *reason = js_get_str(step, "reason");
	struct step_rows *rows = ctx;

	if (rows->skipped != is_skipped(step))
		return;
	for (size_t s = 0; s < ARRAY_LEN(states); s++) {
		if (strcmp(js_get_str(step, "state"), states[s].state) != 0)
			continue;
		table_cell(&rows->table, states[s].style, "%s", states[s].text);
		table_cell(&rows->table, STYLE_NAME, "%s", name);
		table_cell(&rows->table, STYLE_DIM, "%s", reason ? reason : "");
	}
}

static void put_step_rows(struct print *p, const struct js *steps, bool skipped)
{
	static const struct table_column columns[] = { { 0 }, { .shrink = true }, { .shrink = true } };
	struct step_rows rows = { .skipped = skipped };

	table_init(&rows.table, columns, ARRAY_LEN(columns));
	rows.table.indent = 2;
	print_each_group(steps, put_step_row, &rows);
	table_print(&rows.table, p);
}

static void put_steps(struct print *p, const struct js *result)
{
	const struct js *steps = js_get(result, "steps");
	size_t skipped = 0, others;
	char number[HUMAN];

	for (size_t i = 0; i < js_len(steps); i++)
		skipped += is_skipped(js_at(steps, i));
	others = js_len(steps) - skipped;
	if (others) {
		put_count(p, (int64_t)others, "step is", "steps are");
		print_put(p, STYLE_PLAIN, " not up to date, of %s:\n",
			  human_count((uint64_t)js_get_int(result, "steps_total", 0), number));
		put_step_rows(p, steps, false);
		print_put(p, STYLE_DIM, "  to make them: mlops run   to see why: mlops why STEP\n");
	} else if (js_get_int(result, "steps_total", 0) && !js_len(js_get(result, "conflicts")) &&
		   !js_len(js_get(result, "notes"))) {
		print_put(p, STYLE_GOOD, skipped ? "all other steps are up to date\n" : "all steps are up to date\n");
	}
	put_step_rows(p, steps, true);
}

void print_status(struct print *p, const struct js *result)
{
	const struct js *paths = js_get(result, "paths"), *counts = js_get(result, "counts");
	int64_t ok = js_get_int(counts, "ok", 0), total = (int64_t)js_len(paths);
	const char *branch = js_get_str(result, "branch");

	if (branch) {
		print_put(p, STYLE_PLAIN, "on branch ");
		print_word(p, STYLE_BOLD, branch);
		putc('\n', p->out);
	}
	put_conflicts(p, js_get(result, "conflicts"));
	if (ok < total) {
		print_put(p, STYLE_PLAIN, "%lld of %lld paths are as mlops.lock says; not so:\n",
			  (long long)ok, (long long)total);
		put_paths(p, paths);
		put_path_hints(p, paths);
	} else if (total) {
		put_count(p, total, "path is", "paths are");
		print_put(p, STYLE_GOOD, " as mlops.lock says\n");
	} else {
		print_put(p, STYLE_PLAIN,
			  "nothing is versioned yet; start with: mlops add PATH%s\n",
			  js_get_bool(result, "pipeline") ? "   or: mlops run" : "");
	}
	put_steps(p, result);
	put_notes(p, result);
}

/* ---- diff ---- */

static void value_text(const struct js *value, struct strbuf *sb)
{
	char text[HUMAN];

	if (js_typeof(value) == JS_REAL || js_typeof(value) == JS_INT)
		strbuf_puts(sb, human_number(js_number(value), text));
	else if (js_typeof(value) == JS_STR)
		strbuf_puts(sb, js_text(value));
	else if (js_typeof(value) == JS_NULL)
		strbuf_puts(sb, "-");
	else
		js_dump(value, JS_COMPACT, sb);
}

static void value_cell(struct table *table, enum style style, const struct js *value)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	value_text(value, &text);
	table_cell(table, style, "%s", text.buf);
}

static void put_files(struct print *p, const struct js *item)
{
	static const struct {
		const char *change, *sign;
		enum style style;
	} changes[] = { { "added", "+", STYLE_GOOD },
			{ "modified", "~", STYLE_WARN },
			{ "removed", "-", STYLE_BAD } };
	const struct js *files = js_get(item, "files");
	int64_t all = js_get_int(item, "added", 0) + js_get_int(item, "modified", 0) +
		      js_get_int(item, "removed", 0);
	size_t shown = js_len(files) < FILES_SHOWN ? js_len(files) : FILES_SHOWN;

	for (size_t i = 0; i < shown; i++) {
		const struct js *file = js_at(files, i);

		for (size_t c = 0; c < ARRAY_LEN(changes); c++)
			if (!strcmp(js_get_str(file, "change"), changes[c].change))
				print_put(p, changes[c].style, "    %s ", changes[c].sign);
		print_word(p, STYLE_PLAIN, js_get_str(file, "path"));
		putc('\n', p->out);
	}
	if (all > (int64_t)shown)
		print_put(p, STYLE_DIM, "    and %lld more; all with --json\n",
			  (long long)(all - (int64_t)shown));
}

static void put_data(struct print *p, const struct js *data)
{
	for (size_t i = 0; i < js_len(data); i++) {
		const struct js *item = js_at(data, i);
		const char *old = js_get_str(item, "old"), *now = js_get_str(item, "new");
		CLEANUP_STRBUF struct strbuf files = STRBUF_INIT;

		if (!i)
			print_put(p, STYLE_BOLD, "data\n");
		files_text(item, &files);
		print_put(p, STYLE_PLAIN, "  ");
		print_word(p, STYLE_NAME, js_get_str(item, "path"));
		print_put(p, STYLE_DIM, "  %.*s -> %.*s%s%s\n", HASH_SHOWN, old ? old : "absent",
			  HASH_SHOWN, now ? now : "absent", files.len ? "  " : "", files.buf);
		put_files(p, item);
		print_profile_changes(p, js_get(item, "profile"));
	}
}

static void put_values(struct print *p, const char *title, const struct js *list, bool deltas)
{
	static const struct table_column columns[] = { { .shrink = true },
						       { .right = true, .shrink = true },
						       { 0 },
						       { .right = true, .shrink = true },
						       { .right = true } };
	struct table table;
	char text[HUMAN];

	if (!js_len(list))
		return;
	print_put(p, STYLE_BOLD, "%s\n", title);
	table_init(&table, columns, ARRAY_LEN(columns));
	table.indent = 2;
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *item = js_at(list, i);
		double delta = js_get_real(item, "delta", NAN);

		table_cell(&table, STYLE_NAME, "%s", js_get_str(item, "key"));
		value_cell(&table, STYLE_PLAIN, js_get(item, "old"));
		table_cell(&table, STYLE_DIM, "->");
		value_cell(&table, STYLE_PLAIN, js_get(item, "new"));
		if (!deltas || isnan(delta))
			table_cell(&table, STYLE_DIM, "%s", "");
		else
			table_cell(&table, STYLE_DIM, "%s%s", delta > 0 ? "+" : "",
				   human_number(delta, text));
	}
	table_print(&table, p);
}

static void put_code_side(struct print *p, const char *title, const struct js *code)
{
	const char *commit = js_get_str(code, "commit"), *branch = js_get_str(code, "branch");

	print_put(p, STYLE_DIM, "  %s ", title);
	print_put(p, STYLE_NAME, "%.12s", commit ? commit : "no commit");
	print_put(p, STYLE_PLAIN, "%s%s%s\n", branch ? " on " : "", branch ? branch : "",
		  js_get_bool(code, "dirty") ? ", with changes" : "");
}

static void put_code(struct print *p, const struct js *code)
{
	if (js_typeof(code) != JS_OBJECT || js_get_bool(code, "same"))
		return;
	print_put(p, STYLE_BOLD, "code\n");
	put_code_side(p, "old", js_get(code, "old"));
	put_code_side(p, "new", js_get(code, "new"));
}

static void put_table(struct print *p, const char *title, const struct js *names,
		      const struct js *rows, bool only_different)
{
	size_t n = js_len(names) + 1;
	CLEANUP(cleanup_free) struct table_column *columns = xcalloc(n, sizeof(*columns));
	struct table table;

	columns[0] = (struct table_column){ .title = title, .shrink = true };
	for (size_t c = 1; c < n; c++)
		columns[c] = (struct table_column){ .title = js_text(js_at(names, c - 1)), .right = true, .shrink = true };
	table_init(&table, columns, n);
	for (size_t i = 0; i < js_len(rows); i++) {
		const struct js *row = js_at(rows, i), *values = js_get(row, "values");

		if (only_different && js_get_bool(row, "same"))
			continue;
		table_cell(&table, STYLE_NAME, "%s", js_get_str(row, "key"));
		for (size_t c = 0; c + 1 < n; c++)
			value_cell(&table, js_get_bool(row, "same") ? STYLE_DIM : STYLE_PLAIN,
				   js_at(values, c));
	}
	table_print(&table, p);
}

void print_diff(struct print *p, const struct js *result)
{
	const struct js *names = js_get(result, "names");

	if (js_get(result, "params_table")) {
		put_table(p, "PARAM", names, js_get(result, "params_table"), true);
		put_table(p, "METRIC", names, js_get(result, "metrics_table"), false);
		return;
	}
	print_word(p, STYLE_BOLD, js_text(js_at(names, 0)));
	print_put(p, STYLE_DIM, " -> ");
	print_word(p, STYLE_BOLD, js_text(js_at(names, 1)));
	print_put(p, STYLE_PLAIN, js_get_bool(result, "same") ? ": no difference\n" : "\n");
	put_values(p, "params", js_get(result, "params"), false);
	put_values(p, "metrics", js_get(result, "metrics"), true);
	put_code(p, js_get(result, "code"));
	put_data(p, js_get(result, "data"));
	put_notes(p, result);
}

/* ---- checkout ---- */

/* One alone is what the error tells. */
static void put_failed(struct print *p, const struct js *failed)
{
	if (js_len(failed) < 2)
		return;
	for (size_t i = 0; i < js_len(failed); i++) {
		const struct js *item = js_at(failed, i);

		print_put(p, STYLE_BAD, "not brought: ");
		print_word(p, STYLE_NAME, js_get_str(item, "path"));
		print_put(p, STYLE_PLAIN, ": %s\n", js_get_str(item, "message"));
	}
}

static void put_restored(struct print *p, const struct js *item)
{
	const char *before = js_get_str(item, "before");

	print_put(p, STYLE_GOOD, before ? "replaced " : "restored ");
	print_word(p, STYLE_NAME, js_get_str(item, "path"));
	print_put(p, STYLE_DIM, "  %lld written, %lld removed",
		  (long long)js_get_int(item, "written", 0), (long long)js_get_int(item, "removed", 0));
	if (before) {
		print_put(p, STYLE_PLAIN, "; what was there is ");
		print_word(p, STYLE_NAME, before);
	}
	putc('\n', p->out);
}

/* `item` is the last that was replaced. */
static void put_way_back(struct print *p, const struct js *item)
{
	const char *before = js_get_str(item, "before");
	CLEANUP(cleanup_free) char *path = shell_word(js_get_str(item, "path"));
	CLEANUP(cleanup_free) char *name = shell_word(before);
	bool named = strncmp(before, "sha256:", 7) != 0;

	print_put(p, STYLE_DIM, "  to have it again: mlops checkout %s%s--from %s\n", named ? "" : path,
		  named ? "" : " ", name);
}

static void put_lock(struct print *p, const struct js *result)
{
	const struct js *lock = js_get(result, "lock");

	if (!lock)
		return;
	if (!js_len(lock)) {
		print_put(p, STYLE_DIM, "mlops.lock names all of it already\n");
		return;
	}
	print_put(p, STYLE_GOOD, "mlops.lock");
	print_put(p, STYLE_PLAIN, " names what %s has: ", js_get_str(result, "from"));
	put_count(p, (int64_t)js_len(lock), "line", "lines");
	print_put(p, STYLE_PLAIN, " changed\n");
	print_put(p, STYLE_DIM, "keep it with: git commit mlops.lock\n");
}

void print_checkout(struct print *p, const struct js *result)
{
	const struct js *paths = js_get(result, "paths");
	const char *to = js_get_str(result, "to"), *commit = js_get_str(result, "commit");
	const char *repeat = js_get_str(result, "repeat");
	const struct js *replaced = NULL;
	size_t same = 0;

	for (size_t i = 0; i < js_len(paths); i++) {
		const struct js *item = js_at(paths, i);

		if (!strcmp(js_get_str(item, "state"), "ok")) {
			same++;
			continue;
		}
		put_restored(p, item);
		replaced = js_get(item, "before") ? item : replaced;
	}
	if (replaced)
		put_way_back(p, replaced);
	if (same && !to) {
		put_count(p, (int64_t)same, "path", "paths");
		print_put(p, STYLE_DIM, same == 1 ? " was so already\n" : " were so already\n");
	} else if (!js_len(paths) && !js_len(js_get(result, "failed"))) {
		print_put(p, STYLE_PLAIN, "%s names nothing to bring\n",
			  js_get_str(result, "from"));
	}
	if (commit)
		print_put(p, STYLE_GOOD, "restored the code of commit %.12s", commit);
	if (commit && same && to) {
		print_put(p, STYLE_PLAIN, ", and in it ");
		put_count(p, (int64_t)same, "input", "inputs");
		print_put(p, STYLE_PLAIN, " of the run");
	}
	if (commit)
		putc('\n', p->out);
	put_lock(p, result);
	if (to) {
		print_put(p, STYLE_PLAIN, "in ");
		print_word(p, STYLE_BOLD, to);
		putc('\n', p->out);
	}
	if (repeat)
		print_put(p, STYLE_PLAIN, "it ran with params that no file has; to repeat it there: %s\n", repeat);
	put_failed(p, js_get(result, "failed"));
	put_notes(p, result);
}

/* ---- lock take ---- */

void print_lock_take(struct print *p, const struct js *result)
{
	const struct js *settled = js_get(result, "settled");

	if (!js_len(settled)) {
		print_put(p, STYLE_PLAIN, "mlops.lock has no conflicts\n");
		return;
	}
	for (size_t i = 0; i < js_len(settled); i++) {
		const struct js *item = js_at(settled, i);

		print_put(p, STYLE_GOOD, "took %s ", js_get_str(result, "side"));
		print_put(p, STYLE_PLAIN, "%s ", js_get_str(item, "kind"));
		print_word(p, STYLE_NAME, js_get_str(item, "name"));
		putc('\n', p->out);
	}
	print_put(p, STYLE_BOLD, "next:");
	print_put(p, STYLE_PLAIN, " mlops checkout, then commit mlops.lock\n");
	put_notes(p, result);
}

/* ---- fsck ---- */

static void put_problem(struct print *p, const struct js *item)
{
	const struct js *list = js_get(item, "affects");
	int64_t all = js_get_int(item, "affected", 0);

	const char *from = js_get_str(item, "from");
	bool mended = js_get_bool(item, "mended");

	print_put(p, mended ? STYLE_WARN : STYLE_BAD, "%s", js_get_str(item, "problem"));
	print_put(p, STYLE_PLAIN, " object %.16s%s%s%s\n", js_get_str(item, "object"),
		  !mended ? "" : from ? ", brought again from remote " : ", put back from the work tree",
		  mended && from ? from : "",
		  all ? ", needed by:" : ", needed by nothing");
	for (size_t i = 0; i < js_len(list); i++) {
		print_put(p, STYLE_PLAIN, "  ");
		print_word(p, STYLE_NAME, js_text(js_at(list, i)));
		putc('\n', p->out);
	}
	if (all > (int64_t)js_len(list))
		print_put(p, STYLE_DIM, "  and %lld more\n",
			  (long long)(all - (int64_t)js_len(list)));
}

void print_fsck(struct print *p, const struct js *result)
{
	const struct js *problems = js_get(result, "problems");
	const char *database = js_get_str(result, "database");
	long long forgotten = js_get_int(result, "forgotten", 0);
	bool db_ok = database && !strcmp(database, "ok");
	bool bad = !db_ok || (int64_t)js_len(problems) > js_get_int(result, "mended", 0);
	char text[HUMAN];

	for (size_t i = 0; i < js_len(problems); i++)
		put_problem(p, js_at(problems, i));
	if (!db_ok)
		print_put(p, STYLE_BAD, "database: %s\n", database ? database : "not checked");
	put_count(p, js_get_int(result, "objects", 0), "object", "objects");
	print_put(p, STYLE_PLAIN, " (%s) and ",
		  human_bytes((uint64_t)js_get_int(result, "bytes", 0), text));
	put_count(p, js_get_int(result, "facts", 0), "record", "records");
	print_put(p, STYLE_PLAIN, " checked: ");
	print_put(p, bad ? STYLE_BAD : STYLE_GOOD, "%s\n",
		  bad ? "damage found" : js_len(problems) ? "damage found and mended" : "all good");
	if (forgotten)
		print_put(p, STYLE_DIM, "%lld of what is recorded %s forgotten, as mlops forget list --all tells\n", forgotten,
			  forgotten == 1 ? "was" : "were");
	put_notes(p, result);
}
