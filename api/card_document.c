/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "api/card_internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* ---- texts ---- */

static struct js *text_of_time(int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	char text[32] = "-";
	struct tm tm;

	if (ms && gmtime_r(&s, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
	return js_str(text);
}

static struct js *text_of_value(const struct js *value)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (js_typeof(value) == JS_NULL)
		return js_str("");
	if (js_typeof(value) == JS_STR)
		return js_str(js_text(value));
	if (js_typeof(value) == JS_REAL)
		strbuf_printf(&text, "%.6g", js_number(value));
	else
		js_dump(value, JS_COMPACT, &text);
	return js_str(text.buf);
}

static struct js *text_of_member(const struct js *object, const char *key)
{
	return strcmp(key, "time") ? text_of_value(js_get(object, key)) : text_of_time(js_get_int(object, key, 0));
}

/* ---- blocks ---- */

static struct js *add_block(struct js *blocks, const char *kind, struct js *value)
{
	struct js *block = js_object();

	js_set(block, kind, value);
	js_push(blocks, block);
	return value;
}

static void add_heading(struct js *blocks, const char *text)
{
	add_block(blocks, "heading", js_str(text));
}

static void add_item(struct js *items, const char *what, struct js *text)
{
	struct js *item = js_array();

	js_push_str(item, what);
	js_push(item, text);
	js_push(items, item);
}

/* "what" of each pair is a member of the object; what is not there is left out. */
static void add_members_as_items(struct js *items, const struct js *object, const char *const (*names)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (js_get(object, names[i][1]))
			add_item(items, names[i][0], text_of_value(js_get(object, names[i][1])));
}
#define ADD_ITEMS(items, object, ...)                                                           \
	do {                                                                                     \
		static const char *const names_[][2] = { __VA_ARGS__ };                          \
		add_members_as_items(items, object, names_, ARRAY_LEN(names_));                  \
	} while (0)

static void add_moment(struct js *items, const char *what, const struct js *object, const char *key)
{
	if (js_get(object, key))
		add_item(items, what, text_of_time(js_get_int(object, key, 0)));
}

static struct js *add_table(struct js *blocks, const char *const *titles, size_t n)
{
	struct js *table = js_object(), *names = js_array(), *rows = js_array();

	for (size_t i = 0; i < n; i++)
		js_push_str(names, titles[i]);
	js_set(table, "titles", names);
	js_set(table, "rows", rows);
	add_block(blocks, "table", table);
	return rows;
}

/* A row a member. */
static void add_members(struct js *blocks, const char *heading, const struct js *object)
{
	static const char *const titles[] = { "name", "value" };
	struct js *rows;

	if (!js_len(object))
		return;
	add_heading(blocks, heading);
	rows = add_table(blocks, titles, ARRAY_LEN(titles));
	for (void *it = js_iter(object); it; it = js_next(object, it))
		add_item(rows, js_iter_key(it), text_of_value(js_iter_value(it)));
}

/* A row an item, of the members that `keys` names. */
static void add_rows(struct js *blocks, const char *heading, const struct js *list, const char *const *keys, size_t n)
{
	struct js *rows;

	if (!js_len(list))
		return;
	add_heading(blocks, heading);
	rows = add_table(blocks, keys, n);
	for (size_t i = 0; i < js_len(list); i++) {
		struct js *row = js_array();

		for (size_t k = 0; k < n; k++)
			js_push(row, text_of_member(js_at(list, i), keys[k]));
		js_push(rows, row);
	}
}
#define ADD_ROWS(blocks, heading, list, ...)                                                     \
	do {                                                                                     \
		static const char *const keys_[] = { __VA_ARGS__ };                              \
		add_rows(blocks, heading, list, keys_, ARRAY_LEN(keys_));                        \
	} while (0)

/* ---- parts ---- */

static void add_about(struct js *blocks, const struct js *card)
{
	const struct js *run = js_get(card, "run"), *aliases = js_get(card, "aliases");
	const char *description = js_get_str(card, "description");
	struct js *items;

	if (description && *description)
		add_block(blocks, "note", js_str(description));
	items = add_block(blocks, "items", js_array());
	add_moment(items, "registered", card, "registered");
	for (size_t i = 0; i < js_len(aliases); i++)
		add_item(items, "alias", text_of_value(js_at(aliases, i)));
	ADD_ITEMS(items, card, { "rejected", "rejected" }, { "files", "content" });
	ADD_ITEMS(items, run, { "run", "run_id" }, { "pipeline", "experiment" }, { "step", "step" }, { "started by", "user" });
	add_moment(items, "started", run, "start_time");
	add_moment(items, "ended", run, "end_time");
	ADD_ITEMS(items, js_get(card, "code"), { "commit", "commit" }, { "branch", "branch" }, { "repository", "remote" },
		  { "changes beyond the commit", "changes" });
}

static void add_slices(struct js *blocks, const struct js *slices)
{
	const struct js *rows = js_get(slices, "rows");
	struct js *table;

	if (!slices)
		return;
	add_heading(blocks, "Metrics by slice");
	if (js_get_str(slices, "error")) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		strbuf_printf(&text, "The table cannot be read: %s", js_get_str(slices, "error"));
		add_block(blocks, "note", js_str(text.buf));
		return;
	}
	table = add_block(blocks, "table", js_object());
	js_set(table, "titles", js_ref(js_get(slices, "columns")));
	js_set(table, "rows", js_ref((struct js *)rows));
}

static struct js *gate_line(const struct js *line)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const struct js *values = js_get(line, "values");
	const char *note = js_get_str(line, "error");

	note = note ? note : js_get_str(line, "note");
	strbuf_printf(&text, "%s: %s", js_get_bool(line, "holds") ? "holds" : "does not hold", js_get_str(line, "line"));
	for (void *it = js_iter(values); it; it = js_next(values, it)) {
		struct js *value = text_of_value(js_iter_value(it));

		strbuf_printf(&text, "; %s = %s", js_iter_key(it), js_text(value));
		js_free(value);
	}
	if (note)
		strbuf_printf(&text, " (%s)", note);
	return js_str(text.buf);
}

static void add_gate(struct js *blocks, const struct js *gate)
{
	const struct js *lines = js_get(gate, "lines");
	char text[64];
	struct js *list;

	if (!gate)
		return;
	snprintf(text, sizeof(text), "Gate: %s", js_get_str(gate, "verdict"));
	add_heading(blocks, text);
	if (js_get(gate, "champion")) {
		snprintf(text, sizeof(text), "Compared with v%lld.", (long long)js_get_int(gate, "champion", 0));
		add_block(blocks, "note", js_str(text));
	}
	if (!js_len(lines))
		return;
	list = add_block(blocks, "list", js_array());
	for (size_t i = 0; i < js_len(lines); i++)
		js_push(list, gate_line(js_at(lines, i)));
}

static void add_training(struct js *blocks, const struct js *training)
{
	struct js *items;

	if (!training)
		return;
	add_heading(blocks, "Training data");
	items = add_block(blocks, "items", js_array());
	ADD_ITEMS(items, training, { "table", "content" }, { "profile", "profile" }, { "rows", "rows" });
	ADD_ROWS(blocks, "Columns of the training data", js_get(training, "columns"), "name", "type", "nulls", "min", "max",
		 "mean", "median");
}

static void add_environment(struct js *blocks, const struct js *environment)
{
	struct js *items;

	if (!js_len(environment))
		return;
	add_heading(blocks, "Environment");
	items = add_block(blocks, "items", js_array());
	ADD_ITEMS(items, environment, { "machine", "host" }, { "platform", "platform" }, { "image", "image" },
		  { "program", "program" }, { "bytes of the program", "program_content" }, { "Python", "python" },
		  { "Python packages", "packages" }, { "digest of their list", "packages_digest" });
}

static void add_reproduction(struct js *blocks, const struct js *reproduction)
{
	struct js *items;

	add_heading(blocks, "Made again");
	if (!reproduction) {
		add_block(blocks, "note", js_str("Nobody has tried to make this version again."));
		return;
	}
	items = add_block(blocks, "items", js_array());
	ADD_ITEMS(items, reproduction, { "verdict", "verdict" }, { "by", "actor" });
	add_moment(items, "when", reproduction, "time");
}

static void add_proofs(struct js *blocks, const struct js *card)
{
	const struct js *checkpoint = js_get(card, "checkpoint"), *commands = js_get(card, "commands");
	struct js *items;

	ADD_ROWS(blocks, "Record", js_get(card, "events"), "seq", "time", "operation", "subject", "actor");
	ADD_ROWS(blocks, "Signed statements", js_get(card, "attestations"), "predicate", "key", "content", "time");
	if (checkpoint) {
		add_heading(blocks, "Newest checkpoint of the audit log");
		items = add_block(blocks, "items", js_array());
		ADD_ITEMS(items, checkpoint, { "log", "origin" }, { "events", "size" }, { "root", "root" }, { "signed by", "key" });
		add_moment(items, "when", checkpoint, "time");
	}
	if (js_len(commands)) {
		add_heading(blocks, "How to check this card");
		add_block(blocks, "commands", js_ref((struct js *)commands));
	}
}

void card_document(const struct js *card, struct card_document *ret)
{
	struct js *blocks = js_array();
	CLEANUP(cleanup_free) char *title =
		xasprintf("%s v%lld", js_get_str(card, "model"), (long long)js_get_int(card, "number", 0));

	add_about(blocks, card);
	if (js_get(card, "limitations")) {
		add_heading(blocks, "Limitations");
		add_block(blocks, "prose", js_ref(js_get(card, "limitations")));
	}
	add_members(blocks, "Metrics", js_get(card, "metrics"));
	add_slices(blocks, js_get(card, "slices"));
	add_gate(blocks, js_get(card, "gate"));
	ADD_ROWS(blocks, "Approvals", js_get(card, "approvals"), "alias", "state", "who", "actor", "reason");
	ADD_ROWS(blocks, "Aliases it had", js_get(card, "history"), "alias", "before", "after", "how", "actor", "reason", "time");
	add_reproduction(blocks, js_get(card, "reproduction"));
	ADD_ROWS(blocks, "Monitors", js_get(card, "monitors"), "name", "watches", "state", "alarm", "windows", "drifted");
	ADD_ROWS(blocks, "Drift", js_get(card, "drift"), "monitor", "window", "time", "state", "reason");
	ADD_ROWS(blocks, "Data", js_get(card, "data"), "path", "content");
	add_training(blocks, js_get(card, "training"));
	add_members(blocks, "Params", js_get(card, "params"));
	add_environment(blocks, js_get(card, "environment"));
	add_proofs(blocks, card);
	*ret = (struct card_document){ .blocks = blocks, .title = js_str(title) };
}

void card_document_release(struct card_document *document)
{
	js_free(document->blocks);
	js_free(document->title);
}
