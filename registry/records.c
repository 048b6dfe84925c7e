/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/records.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "base/utf8.h"
#include "registry/cache.h"
#include "registry/keys.h"
#include "registry/records_internal.h"
#include "registry/rows.h"
#include "registry/runs.h"

/* A run, all below it, and nothing twice where parents go in a circle. */
#define FAMILY(top)                                                                                \
	"WITH RECURSIVE family (id) AS (SELECT " top                                               \
	" UNION SELECT r.id FROM runs r JOIN family f ON r.parent = f.id)"
#define ENDED "status IN ('FINISHED', 'FAILED', 'KILLED') AND r.end_time IS NOT NULL"
#define IS_COMPLETE                                                                                \
	" r.parent IS NULL AND r.lifecycle_stage = 'active' AND r." ENDED                          \
	" AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.parent = r.id AND a.state = 'running')"

/* ---- words that both sides share ---- */

void record_path_write(const char *path, struct strbuf *ret)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < len;) {
		size_t n = path[i] == '\\' ? 0 : utf8_length(path + i, len - i);

		if (n)
			strbuf_add(ret, path + i, n);
		else
			strbuf_printf(ret, "\\x%02x", (unsigned char)path[i]);
		i += n ? n : 1;
	}
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *record_path_read(const char *text)
{
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT, again = STRBUF_INIT;

	for (const char *s = text; *s; s++) {
		int high = *s == '\\' && s[1] == 'x' ? hex_digit(s[2]) : -1;
		int low = high >= 0 ? hex_digit(s[3]) : -1;

		if (low < 0) {
			strbuf_putc(&path, *s);
			continue;
		}
		strbuf_putc(&path, (char)(high << 4 | low));
		s += 3;
	}
	record_path_write(path.buf, &again);
	return strcmp(again.buf, text) ? NULL : strbuf_detach(&path);
}

bool record_path_travels(const char *path)
{
	CLEANUP(cleanup_free) char *clean = NULL;

	if (path_clean("", path, &clean, NULL) < 0 || strcmp(clean, path) != 0)
		return false;
	for (const char *part = path;; part++) {
		size_t len = strcspn(part, "/");

		if ((len == 4 && !strncasecmp(part, ".git", 4)) || (len == 6 && !strncasecmp(part, ".mlops", 6)))
			return false;
		part += len;
		if (!*part)
			return true;
	}
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

bool record_text_plain(const char *text)
{
	for (; *text; text++)
		if (is_control(*text))
			return false;
	return true;
}

bool record_step_valid(const char *step)
{
	size_t len = strlen(step);

	if (!len || len > RECORD_STEP_MAX || !(isalnum((unsigned char)*step) || *step == '_'))
		return false;
	for (const char *s = step; *s; s++)
		if ((unsigned char)*s >= 0x80 || (!isalnum((unsigned char)*s) && !strchr("_.-@+=,%", *s)))
			return false;
	return true;
}

/* ---- which runs ---- */

int records_runs(struct db *db, struct strlist *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "SELECT r.run_id FROM runs r WHERE" IS_COMPLETE
		" AND NOT EXISTS (" FAMILY("r.id") " SELECT 1 FROM family f JOIN runs n ON n.id = f.id"
		" WHERE n.status IN ('RUNNING', 'SCHEDULED') OR n.end_time IS NULL)"
		" ORDER BY r.start_time, r.run_id");
	int r;

	while ((r = db_step(q, err)) > 0)
		strlist_push(ret, db_text(q, 0));
	return r;
}

int records_drop_known(struct db *db, struct strlist *ids, struct error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < ids->len; i++) {
		CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM runs WHERE run_id = ?1");
		int r;

		db_bind(q, 1, ids->items[i]);
		r = db_step(q, err);
		if (r < 0)
			return -1;
		if (r > 0)
			continue;
		if (n != i) {
			char *id = ids->items[n];

			ids->items[n] = ids->items[i];
			ids->items[i] = id;
		}
		n++;
	}
	while (ids->len > n)
		free(ids->items[--ids->len]);
	return 0;
}

int record_top(struct db *db, const char *run_id, char ret[33], struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "WITH RECURSIVE above (id) AS (SELECT id FROM runs WHERE run_id = ?1"
		" UNION SELECT r.parent FROM runs r JOIN above a ON r.id = a.id WHERE r.parent IS NOT NULL)"
		" SELECT r.run_id FROM above a JOIN runs r ON r.id = a.id WHERE r.parent IS NULL");
	int r;

	db_bind(q, 1, run_id);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return error_set(err, ERR_NOT_FOUND, "no run %s", run_id);
	snprintf(ret, 33, "%s", db_text(q, 0));
	return 0;
}

/* ---- a run ---- */

/* What is not UTF-8 is replaced by longer text: cut again, so that it reads back as it is. */
static void set_text(struct js *object, const char *key, const char *text, size_t max_chars)
{
	CLEANUP_JS struct js *valid = js_str(text);

	if (text)
		js_set(object, key, js_strn(js_text(valid), text_prefix(js_text(valid), max_chars)));
}

/* A name of one line: what would end it, or steer a terminal, becomes a blank. */
static void set_line(struct js *object, const char *key, const char *text, size_t max_chars)
{
	CLEANUP(cleanup_free) char *line = text ? xstrdup(text) : NULL;

	for (char *s = line; s && *s; s++)
		if (is_control(*s))
			*s = ' ';
	set_text(object, key, line, max_chars);
}

static int each_row(struct db *db, const char *sql, int64_t run, void (*add)(struct js *, struct db_stmt *),
		    struct js *to, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, sql);
	int r;

	db_bind(q, 1, run);
	while ((r = db_step(q, err)) > 0)
		add(to, q);
	return r;
}

static void add_param(struct js *to, struct db_stmt *q)
{
	set_text(to, db_text(q, 0), db_text(q, 1), PARAM_CHARS);
}

static void add_tag(struct js *to, struct db_stmt *q)
{
	set_text(to, db_text(q, 0), db_text(q, 1), TAG_CHARS);
}

static void add_point(struct js *to, struct db_stmt *q)
{
	struct js *history = js_get(to, db_text(q, 0)), *point = js_array();
	double value = db_real(q, 3);

	if (!history)
		js_set(to, db_text(q, 0), history = js_array());
	js_push(point, js_int(db_int(q, 1)));
	js_push(point, js_int(db_int(q, 2)));
	js_push(point, js_real(db_int(q, 4) ? (double)NAN : value == 0 ? 0.0 : value));
	js_push(history, point);
}

static struct js *content_member(const char *path, const struct content *content)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct js *item = js_object();

	record_path_write(path, &text);
	js_set_str(item, "path", text.buf);
	content_describe(content, item);
	return item;
}

static int add_contents(struct db *db, int64_t run, const char *direction, struct js *to, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT i.path, i.use, c.kind, c.digest, c.size, c.files FROM run_contents i"
			 " JOIN contents c ON c.id = i.content WHERE i.run = ?1 AND i.direction = ?2"
			 " ORDER BY i.path");
	int r;

	db_bind(q, 1, run);
	db_bind(q, 2, direction);
	while ((r = db_step(q, err)) > 0) {
		struct content content;
		struct js *item;

		if (content_read(q, 2, &content, err) < 0)
			return -1;
		/* the code of a run and its files stand at such paths, by their use */
		if (strcmp(db_text(q, 1), "code") != 0 && strcmp(db_text(q, 1), "artifacts") != 0 &&
		    !record_path_travels(db_text(q, 0)))
			continue;
		item = content_member(db_text(q, 0), &content);
		js_set_str(item, "use", db_text(q, 1));
		js_push(to, item);
	}
	return r;
}

static int add_facts(struct db *db, int64_t run, struct js *object, struct error *err)
{
	struct js *params = js_object(), *tags = js_object(), *metrics = js_object();
	struct js *inputs = js_array(), *outputs = js_array();

	js_set(object, "params", params);
	js_set(object, "tags", tags);
	js_set(object, "metrics", metrics);
	js_set(object, "inputs", inputs);
	js_set(object, "outputs", outputs);
	if (each_row(db, "SELECT key, value FROM params WHERE run = ?1", run, add_param, params, err) < 0 ||
	    each_row(db, "SELECT key, value FROM tags WHERE run = ?1", run, add_tag, tags, err) < 0 ||
	    each_row(db, "SELECT key, timestamp, step, value, is_nan FROM metrics WHERE run = ?1"
			 " ORDER BY key, timestamp, step, value, is_nan", run, add_point, metrics, err) < 0)
		return -1;
	return add_contents(db, run, "in", inputs, err) < 0 ? -1 : add_contents(db, run, "out", outputs, err);
}

static struct js *run_member(struct db_stmt *q)
{
	struct js *run = js_object();

	js_set_str(run, "run_id", db_text(q, 1));
	set_line(run, "name", db_text(q, 2), TAG_CHARS);
	js_set_str(run, "experiment", db_text(q, 3));
	set_line(run, "user", db_text(q, 4), TAG_CHARS);
	js_set_str(run, "status", db_text(q, 5));
	js_set_int(run, "start_time", db_int(q, 6));
	js_set_int(run, "end_time", db_int(q, 7));
	js_set_str(run, "parent", db_text(q, 8));
	js_set_str(run, "step", db_text(q, 9));
	return run;
}

/* The one at the top first, the others by their ids. */
static int add_runs(struct db *db, int64_t top, struct js *to, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, FAMILY("?1") " SELECT r.id, r.run_id, r.name,"
		" (SELECT e.name FROM experiments e WHERE e.experiment_id = r.experiment), r.user_id, r.status,"
		" r.start_time, r.end_time, iif(r.id = ?1, NULL, (SELECT p.run_id FROM runs p WHERE p.id = r.parent)),"
		" r.step FROM family f JOIN runs r ON r.id = f.id ORDER BY r.id != ?1, r.run_id");
	int r;

	db_bind(q, 1, top);
	while ((r = db_step(q, err)) > 0) {
		struct js *run = run_member(q);

		js_push(to, run);
		if (add_facts(db, db_int(q, 0), run, err) < 0)
			return -1;
	}
	return r;
}

/* 1 and its row, 0 when it is still going on or below another, -1. */
static int complete_row(struct db *db, const char *run_id, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "SELECT r.id, " IS_COMPLETE " AND NOT EXISTS (" FAMILY("r.id")
		" SELECT 1 FROM family f JOIN runs n ON n.id = f.id WHERE n.status IN ('RUNNING', 'SCHEDULED')"
		" OR n.end_time IS NULL) FROM runs r WHERE r.run_id = ?1");
	int r;

	db_bind(q, 1, run_id);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return error_set(err, ERR_NOT_FOUND, "no run %s", run_id);
	*ret = db_int(q, 0);
	return db_int(q, 1) ? 1 : 0;
}

int record_export(struct db *db, const char *run_id, struct js **ret, struct error *err)
{
	/* Read to its end only when all is read: what follows sees one moment. */
	CLEANUP_STMT struct db_stmt *moment = db_query(db, "SELECT run_id FROM runs WHERE run_id = ?1");
	CLEANUP_JS struct js *record = js_object();
	struct js *runs = js_array(), *attempts;
	int64_t top = 0;
	int r;

	js_set_int(record, "version", RECORD_VERSION);
	js_set(record, "runs", runs);
	db_bind(moment, 1, run_id);
	if (db_step(moment, err) < 0)
		return -1;
	r = complete_row(db, run_id, &top, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return error_set(err, ERR_CONFLICT, "run %.8s has not ended, or is a part of another", run_id);
	if (add_runs(db, top, runs, err) < 0 || attempts_list(db, run_id, &attempts, err) < 0)
		return -1;
	js_set(record, "attempts", attempts);
	*ret = steal(&record);
	return 0;
}

/* ---- contents ---- */

int record_each_content(const struct js *record, int (*each)(void *ctx, const struct content *), void *ctx,
			struct error *err)
{
	static const char *const lists[] = { "inputs", "outputs" };
	struct strmap seen CLEANUP(strmap_release) = STRMAP_INIT;
	const struct js *runs = js_get(record, "runs");
	struct content content;

	(void)err; /* what stops is each's */
	for (size_t i = 0; i < js_len(runs) * ARRAY_LEN(lists); i++) {
		const struct js *list = js_get(js_at(runs, i / 2), lists[i % 2]);

		for (size_t k = 0; k < js_len(list); k++) {
			const char *text = js_get_str(js_at(list, k), "content");

			if (!text || !content_parse(text, &content) || content.kind == CONTENT_ABSENT ||
			    strmap_has(&seen, text))
				continue;
			strmap_set(&seen, text, &seen);
			content.size = (uint64_t)js_get_int(js_at(list, k), "size", 0);
			content.files = (uint64_t)js_get_int(js_at(list, k), "files", 0);
			if (each(ctx, &content) < 0)
				return -1;
		}
	}
	return 0;
}

/* ---- the cache ---- */

int cache_each_key(struct db *db, int (*each)(void *ctx, const struct digest *key), void *ctx, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT key FROM cache");
	struct digest key;
	int r;

	while ((r = db_step(q, err)) > 0)
		if (db_digest(q, 0, &key) && each(ctx, &key) < 0)
			return -1;
	return r;
}

int cache_export(struct db *db, const struct digest *key, struct js **ret, struct error *err)
{
	struct cache_entry entry CLEANUP(cache_entry_release) = { .created_ms = 0 };
	char hex[DIGEST_HEX + 1];
	struct js *json, *outputs = js_array();
	int r = cache_find(db, key, &entry, err);

	digest_format(key, hex);
	if (r <= 0) {
		js_free(outputs);
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "no result of the step key %.12s", hex);
	}
	json = js_object();
	js_set_str(json, "key", hex);
	js_set_str(json, "run", entry.run);
	js_set_str(json, "step", entry.step);
	js_set_int(json, "created", entry.created_ms);
	js_set(json, "outputs", outputs);
	for (size_t i = 0; i < entry.noutputs; i++)
		js_push(outputs, content_member(entry.outputs[i].path, &entry.outputs[i].content));
	*ret = json;
	return 0;
}
