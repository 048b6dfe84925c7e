/* SPDX-License-Identifier: Apache-2.0 */
#include "api/card.h"
#include <string.h>
#include "api/ops.h"
#include "api/profiles.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/profile.h"
#include "monitor/table/table.h"
#include "registry/candidates.h"
#include "registry/cards.h"
#include "registry/project.h"
#include "registry/promotions.h"
#include "registry/rows.h"
#include "registry/runs.h"
#include "registry/tables.h"
#include "registry/versions.h"
#include "store/store.h"

#define HISTORY_MAX	10
#define SLICES_MAX	200
#define LIMITATIONS_MAX (64 << 10)

struct card {
	struct op_context *ctx;
	struct db *db;
	struct store *store;
	struct js *json;
};

static void copy(struct js *to, const char *key, const struct js *from, const char *from_key)
{
	struct js *value = js_get(from, from_key);

	if (value && js_typeof(value) != JS_NULL)
		js_set(to, key, js_ref(value));
}

static void set_unless_empty(struct js *to, const char *key, struct js *value)
{
	if (js_len(value))
		js_set(to, key, value);
	else
		js_free(value);
}

/* ---- the run ---- */

static struct js *code_of(const struct js *tags)
{
	static const char *const keys[][2] = { { "commit", "mlflow.source.git.commit" },
					       { "branch", "mlflow.source.git.branch" },
					       { "remote", "mlflow.source.git.repoURL" },
					       { "dirty", "mlops.code.dirty" },
					       { "changes", "mlops.code.changes" } };
	struct js *code = js_object();

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		copy(code, keys[i][0], tags, keys[i][1]);
	return code;
}

/* What it read; the code stands among its inputs, too, and is told apart. */
static struct js *data_of(const struct js *run)
{
	const struct js *inputs = js_get(run, "inputs");
	struct js *data = js_array();

	for (size_t i = 0; i < js_len(inputs); i++) {
		const struct js *input = js_at(inputs, i);
		const char *path = js_get_str(input, "path");
		struct js *item;

		if (!path || *path == '/')
			continue;
		item = js_object();
		copy(item, "path", input, "path");
		copy(item, "content", input, "content");
		js_push(data, item);
	}
	return data;
}

/* Where it was made, as the attempt's record tells. */
static struct js *environment_of(const struct js *record)
{
	static const char *const keys[][2] = { { "platform", "platform" }, { "image", "image" } };
	const struct js *python = js_get(record, "python"), *program = js_get(record, "program");
	struct js *environment = js_object();

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		copy(environment, keys[i][0], record, keys[i][1]);
	copy(environment, "program", program, "path");
	copy(environment, "program_content", program, "content");
	copy(environment, "host", python, "host");
	copy(environment, "python", python, "version");
	if (js_get(python, "packages"))
		js_set_int(environment, "packages", (int64_t)js_len(js_get(python, "packages")));
	copy(environment, "packages_digest", python, "packages_digest");
	return environment;
}

static bool names_output(const struct js *record, const char *path)
{
	const struct js *outputs = js_get(record, "outputs");

	for (size_t i = 0; i < js_len(outputs); i++)
		if (!strcmp(js_text(js_at(outputs, i)), path))
			return true;
	return false;
}

/* Of the step of that pipeline run that made the output. */
static void add_environment(struct card *c, const char *run_id, const char *output)
{
	CLEANUP_JS struct js *attempts = NULL;

	if (!run_id || !output || attempts_list(c->db, run_id, &attempts, NULL) < 0)
		return;
	for (size_t i = 0; i < js_len(attempts); i++) {
		const struct js *record = js_get(js_at(attempts, i), "record");

		if (names_output(record, output))
			set_unless_empty(c->json, "environment", environment_of(record));
	}
}

/* Runs of clients may be another server's, and then are only named. */
static void add_run(struct card *c, const char *run_id)
{
	static const char *const keys[] = { "run_id", "name", "user", "experiment", "step", "status", "start_time", "end_time" };
	CLEANUP_JS struct js *run = NULL;
	CLEANUP_JS struct js *above = NULL;
	struct js *shown = js_object();

	js_set(c->json, "run", shown);
	js_set_str(shown, "run_id", run_id);
	if (run_load(c->db, run_id, &run, NULL) < 0)
		return;
	if (js_get_str(run, "parent"))
		run_load(c->db, js_get_str(run, "parent"), &above, NULL);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		copy(shown, keys[i], run, keys[i]);
	set_unless_empty(c->json, "code", code_of(js_get(above ? above : run, "tags")));
	set_unless_empty(c->json, "data", data_of(run));
	if (js_len(js_get(run, "params")))
		copy(c->json, "params", run, "params");
	if (js_len(js_get(run, "metrics")))
		copy(c->json, "metrics", run, "metrics");
}

/* ---- files that are kept with it ---- */

static bool content_at(const struct js *candidate, const char *role, struct content *ret)
{
	const char *text = js_get_str(js_get(js_get(candidate, "files"), role), "content");

	return text && content_parse(text, ret);
}

static int read_slices(int fd, const char *name, struct js *ret, struct error *err)
{
	CLEANUP(cleanup_table) struct table *table = NULL;
	struct js *columns = js_array(), *list = js_array();
	struct rows rows;
	int r;

	js_set(ret, "columns", columns);
	js_set(ret, "rows", list);
	if (table_open(fd, name, &(struct table_options){ 0 }, &table, err) < 0)
		return -1;
	while ((r = table_next(table, &rows, err)) > 0)
		for (size_t i = 0; i < rows.nrows && js_len(list) < SLICES_MAX; i++) {
			struct js *row = js_array();

			for (size_t k = 0; k < rows.ncols; k++)
				js_push(row, js_strn(rows.fields[i * rows.ncols + k].text, rows.fields[i * rows.ncols + k].len));
			js_push(list, row);
		}
	for (size_t i = 0; i < table_ncolumns(table); i++)
		js_push_str(columns, table_column(table, i));
	return r;
}

/* One that cannot be read is named with its fault: a card is made all the same. */
static void add_slices(struct card *c, const struct js *candidate)
{
	const char *path = js_get_str(js_get(js_get(candidate, "files"), "slices"), "path");
	CLEANUP(cleanup_fd) int fd = -1;
	struct error why = { 0 };
	struct content content;
	struct js *slices;

	if (!content_at(candidate, "slices", &content))
		return;
	slices = js_object();
	fd = store_open_object(c->store, &content.id, NULL, &why);
	if (fd < 0 || read_slices(fd, path, slices, &why) < 0)
		js_set_str(slices, "error", why.msg);
	js_set(c->json, "slices", slices);
}

static void add_limitations(struct card *c, const struct js *candidate)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct content content;

	if (content_at(candidate, "limitations", &content) &&
	    store_read(c->store, &content.id, LIMITATIONS_MAX, &text, NULL) == 0)
		js_set(c->json, "limitations", js_strn(text.buf, text.len));
}

static int add_training(struct card *c, const struct js *candidate, struct error *err)
{
	const char *text = js_get_str(candidate, "reference");
	struct content data, kept;
	CLEANUP(cleanup_profile) struct profile *profile = NULL;
	CLEANUP_JS struct js *summary = NULL;
	struct js *training;
	char hex[CONTENT_TEXT];
	int r;

	if (!text || !content_parse(text, &data))
		return 0;
	r = table_profile_find(c->db, &data.id, NULL, &kept, err);
	if (r < 0)
		return -1;
	training = js_object();
	js_set(c->json, "training", training);
	js_set_str(training, "content", text);
	if (r == 0)
		return 0;
	js_set_str(training, "profile", content_format(&kept, hex));
	if (profile_of_object(c->ctx, &kept, &profile, NULL) < 0)
		return 0;
	summary = profile_summary(profile);
	copy(training, "rows", summary, "rows");
	copy(training, "columns", summary, "columns");
	return 0;
}

static int add_candidate(struct card *c, const char *model, int64_t number, struct error *err)
{
	CLEANUP_JS struct js *candidate = NULL;
	struct error none = { 0 };
	struct js *gate;

	if (candidate_load(c->db, model, number, &candidate, &none) < 0) {
		if (none.code == ERR_NOT_FOUND)
			return 0;
		if (err)
			*err = none;
		return -1;
	}
	gate = js_object();
	copy(gate, "verdict", candidate, "verdict");
	copy(gate, "champion", candidate, "champion");
	copy(gate, "lines", candidate, "lines");
	js_set(c->json, "gate", gate);
	copy(c->json, "content", candidate, "content");
	if (js_len(js_get(candidate, "files")))
		copy(c->json, "files", candidate, "files");
	if (js_len(js_get(candidate, "metrics")))
		copy(c->json, "metrics", candidate, "metrics");
	add_environment(c, js_get_str(candidate, "run_id"), js_get_str(js_get(candidate, "spec"), "from"));
	add_slices(c, candidate);
	add_limitations(c, candidate);
	return add_training(c, candidate, err);
}

/* ---- what became of it ---- */

static struct js *rows_about(const struct js *list, int64_t number, const char *key, const char *other)
{
	struct js *rows = js_array();

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *row = js_at(list, i);

		if (js_get_int(row, key, 0) == number || (other && js_get_int(row, other, 0) == number))
			js_push(rows, js_ref(js_at(list, i)));
	}
	return rows;
}

static int add_history(struct card *c, const char *model, int64_t number, struct error *err)
{
	CLEANUP_JS struct js *moves = NULL;
	CLEANUP_JS struct js *asked = NULL;
	CLEANUP(cleanup_free) char *rejected = NULL;

	if (promotions_list(c->db, model, HISTORY_MAX * 10, &moves, err) < 0 ||
	    approvals_list(c->db, model, false, clock_wall_ms(), &asked, err) < 0 ||
	    version_is_rejected(c->db, model, number, &rejected, err) < 0)
		return -1;
	set_unless_empty(c->json, "history", rows_about(moves, number, "after", "before"));
	set_unless_empty(c->json, "approvals", rows_about(asked, number, "number", NULL));
	js_set_str(c->json, "rejected", rejected);
	return 0;
}

static void add_version(struct card *c, const struct js *version, const char *model, int64_t number)
{
	js_set_str(c->json, "model", model);
	js_set_int(c->json, "number", number);
	copy(c->json, "registered", version, "creation_timestamp");
	copy(c->json, "description", version, "description");
	copy(c->json, "aliases", version, "aliases");
}

int card_make(struct op_context *ctx, struct db *db, const char *model, int64_t number, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *json = js_object();
	CLEANUP_JS struct js *version = NULL;
	struct card c = { .ctx = ctx, .db = db, .json = json };
	const char *run;

	if (project_store(ctx->project, &c.store, err) < 0 || version_load(db, model, number, &version, err) < 0)
		return -1;
	add_version(&c, version, model, number);
	run = js_get_str(version, "run_id");
	if (run && *run)
		add_run(&c, run);
	if (add_candidate(&c, model, number, err) < 0 || add_history(&c, model, number, err) < 0)
		return -1;
	card_monitors(ctx, db, model, json);
	card_audit(db, model, number, json);
	*ret = steal(&json);
	return 0;
}

/* ---- keeping ---- */

static int add_text(struct store_batch *batch, const struct strbuf *text, struct content *ret, struct error *err)
{
	*ret = (struct content){ .kind = CONTENT_FILE, .size = text->len, .files = 1 };
	return batch_add_bytes(batch, text->buf, text->len, &ret->id, err);
}

static int note_card(struct db *db, const char *model, int64_t number, const struct content forms[2], struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, card_store(db, model, number, &forms[0], &forms[1], clock_wall_ms(), err), err) < 0 ? -1 : 0;
}

int card_keep(struct op_context *ctx, struct db *db, const char *model, int64_t number, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP(cleanup_fd) int lock = -1;
	CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf markdown = STRBUF_INIT;
	CLEANUP_JS struct js *card = NULL;
	struct content forms[2];
	struct store *store;

	if (project_store(ctx->project, &store, err) < 0 || card_make(ctx, db, model, number, &card, err) < 0)
		return -1;
	js_dump(card, JS_CANONICAL, &json);
	card_markdown(card, &markdown);
	lock = lock_take(ctx->project->locksfd, LOCK_STORE, LOCK_SHARED, LOCK_WAIT, NULL, NULL, err);
	if (lock < 0 || batch_open(store, &batch, err) < 0 || add_text(batch, &json, &forms[0], err) < 0 ||
	    add_text(batch, &markdown, &forms[1], err) < 0 || batch_commit(batch, err) < 0)
		return -1;
	return note_card(db, model, number, forms, err);
}
