/* SPDX-License-Identifier: Apache-2.0 */
/* Runs and results as text: what goes out comes in as the same, and nothing else comes in. */
#include <float.h>
#include <math.h>
#include "base/digest.h"
#include "base/strlist.h"
#include "registry/cache.h"
#include "registry/records.h"
#include "registry_fixture.h"

static const char key_hex[] = "00000000000000000000000000000000000000000000000000000000000000aa";

/* A second registry, to carry things into. */
static struct db *other_db(void)
{
	char path[96], lock[96];
	struct db *other;

	snprintf(path, sizeof(path), "%s/other.db", dir);
	snprintf(lock, sizeof(lock), "%s/other", dir);
	ok(db_open(path, lock, registry_schema, DB_READ_WRITE, &other, &err));
	return other;
}

static void finish(int n)
{
	ok(run_finish(db, run_id(n), RUN_FINISHED, n * 1000 + 500, &err));
}

/* Run 1 with run 2 below it, and something of everything. */
static void fill(void)
{
	struct content model = content_of("model", CONTENT_FILE), raw = content_of("raw", CONTENT_TREE);
	struct content odd = content_of("odd", CONTENT_EXEC);
	struct attempt a = { .step = "train", .number = 1, .state = "ok",
			     .exit_code = 0, .start_ms = 2000, .end_ms = 2500, .max_rss = 7, .reason = "never run here",
			     .record = "{\"argv\":[\"python3\"],\"z\":1.5,\"a\":null}" };

	raw.files = 3;
	digest_parse(key_hex, &a.key);
	make_run(1, NULL);
	make_run(2, run_id(1));
	ok(run_log_param(db, run_id(1), "lr", "0.1", &err));
	ok(run_log_metric(db, run_id(2), "loss", 0.5, 10, 0, &err));
	ok(run_log_metric(db, run_id(2), "loss", NAN, 11, 1, &err));
	ok(run_log_metric(db, run_id(2), "loss", INFINITY, 12, 2, &err));
	ok(run_log_metric(db, run_id(2), "loss", -0.0, 13, 3, &err));
	ok(run_log_metric(db, run_id(2), "auc", 0.25, 11, 7, &err));
	ok(run_set_tag(db, run_id(1), "mlops.command", "mlops run \xff -p 'a=\n'", &err));
	ok(run_log_content(db, run_id(1), RUN_INPUT, "data/raw", "data", &raw, &err));
	ok(run_log_content(db, run_id(1), RUN_INPUT, "odd \xff\\ name", "data", &odd, &err));
	ok(run_log_content(db, run_id(1), RUN_INPUT, RUN_CODE_CHANGES, "code", &raw, &err));
	ok(run_log_content(db, run_id(2), RUN_OUTPUT, "model", "out", &model, &err));
	a.run = run_id(2);
	a.parent = run_id(1);
	ok(attempt_store(db, &a, &err));
	a = (struct attempt){ .parent = run_id(1), .step = "prepare", .number = 1, .state = "cached", .exit_code = -1,
			      .start_ms = 2000, .source = run_id(9) };
	ok(attempt_store(db, &a, &err));
	finish(2);
	finish(1);
}

static const char *exported(struct db *from, int n)
{
	static struct strbuf texts[2] = { STRBUF_INIT, STRBUF_INIT };
	static int next;
	struct strbuf *text = &texts[next++ % 2];
	struct js *record;

	strbuf_clear(text);
	ok(record_export(from, run_id(n), &record, &err));
	js_dump(record, JS_CANONICAL, text);
	js_free(record);
	return text->buf;
}

static struct js *parsed(const char *text)
{
	struct js *json;

	ok(js_parse(text, strlen(text), "record", &json, &err));
	return json;
}

static void import_new(struct db *to, const char *text, bool want_new)
{
	struct js *record = parsed(text);
	bool is_new;

	ok(record_import(to, record, &is_new, &err));
	assert_int_equal(is_new, want_new);
	js_free(record);
}

static void a_record_comes_back_as_the_same_bytes(void **state)
{
	struct db *other;
	const char *text;

	(void)state;
	fill();
	text = exported(db, 1);
	other = other_db();
	import_new(other, text, true);
	assert_string_equal(exported(other, 1), text);
	assert_non_null(strstr(text, "\"odd \\\\xff\\\\x5c name\""));
	assert_non_null(strstr(text, "[11,1,\"NaN\"]"));
	ok(db_check(other, &err));
	db_close(other);
}

static void what_was_imported_reads_like_what_ran_here(void **state)
{
	struct js *here, *there;
	struct db *other;

	(void)state;
	fill();
	other = other_db();
	import_new(other, exported(db, 1), true);
	for (int n = 1; n <= 2; n++) {
		ok(run_load(db, run_id(n), &here, &err));
		ok(run_load(other, run_id(n), &there, &err));
		/* but for what is no UTF-8 */
		if (n == 2)
			assert_true(js_equal(here, there));
		assert_string_equal(json_text(js_get(here, "metrics")), json_text(js_get(there, "metrics")));
		assert_string_equal(json_text(js_get(here, "inputs")), json_text(js_get(there, "inputs")));
		js_free(here);
		js_free(there);
	}
	ok(attempts_list(db, run_id(1), &here, &err));
	ok(attempts_list(other, run_id(1), &there, &err));
	assert_true(js_equal(here, there));
	js_free(here);
	js_free(there);
	db_close(other);
}

static void importing_twice_changes_nothing(void **state)
{
	struct db *other;
	const char *text;

	(void)state;
	fill();
	text = exported(db, 1);
	other = other_db();
	import_new(other, text, true);
	import_new(other, text, false);
	assert_string_equal(exported(other, 1), text);
	import_new(db, text, false);
	db_close(other);
}

static void runs_of_others_are_older_than_those_made_here(void **state)
{
	struct strlist late = STRLIST_INIT;
	char last[33];
	struct db *other;

	(void)state;
	fill();
	make_run(5, NULL);
	finish(5);
	other = other_db();
	import_new(other, exported(db, 5), true);
	import_new(other, exported(db, 1), true);
	ok(run_last(other, last, &err));
	assert_string_equal(last, run_id(5));
	ok(run_create(other, &(struct run_new){ .id = run_id(3), .user = "bob", .start_ms = 1 }, &err));
	ok(run_last(other, last, &err));
	assert_string_equal(last, run_id(3));
	make_run(7, NULL);
	finish(7);
	import_new(other, exported(db, 7), true);
	ok(run_last(other, last, &err));
	assert_string_equal(last, run_id(3));
	ok(records_runs(other, &late, &err));
	assert_int_equal(late.len, 3);
	strlist_release(&late);
	db_close(other);
}

static void two_runs_of_one_moment_both_come(void **state)
{
	struct db *other;
	struct run_new run = { .user = "ann", .start_ms = 44 };

	(void)state;
	other = other_db();
	for (int n = 1; n <= 3; n++) {
		run.id = run_id(n);
		ok(run_create(db, &run, &err));
		finish(n);
		import_new(other, exported(db, n), true);
	}
	db_close(other);
}

static void only_what_has_ended_is_a_record(void **state)
{
	struct strlist ids = STRLIST_INIT;
	struct js *record;

	(void)state;
	make_run(1, NULL);
	make_run(2, run_id(1));
	make_run(3, NULL);
	finish(1);
	ok(records_runs(db, &ids, &err));
	assert_int_equal(ids.len, 0);
	refused(record_export(db, run_id(1), &record, &err), ERR_CONFLICT);
	refused(record_export(db, run_id(2), &record, &err), ERR_CONFLICT);
	refused(record_export(db, run_id(3), &record, &err), ERR_CONFLICT);
	refused(record_export(db, run_id(4), &record, &err), ERR_NOT_FOUND);
	finish(2);
	ok(records_runs(db, &ids, &err));
	assert_int_equal(ids.len, 1);
	assert_string_equal(ids.items[0], run_id(1));
	strlist_push(&ids, run_id(8));
	strlist_push(&ids, run_id(3));
	strlist_push(&ids, run_id(9));
	ok(records_drop_known(db, &ids, &err));
	assert_int_equal(ids.len, 2);
	assert_string_equal(ids.items[0], run_id(8));
	assert_string_equal(ids.items[1], run_id(9));
	strlist_release(&ids);
}

/* The text with one part replaced is refused, and the transaction goes on. */
static void spoiled(struct db *to, const char *text, const char *from, const char *by)
{
	CLEANUP_STRBUF struct strbuf bad = STRBUF_INIT;
	const char *at = strstr(text, from);
	struct js *record;

	if (!at)
		fail_msg("%s does not stand in %s", from, text);
	strbuf_add(&bad, text, (size_t)(at - text));
	strbuf_puts(&bad, by);
	strbuf_puts(&bad, at + strlen(from));
	record = parsed(bad.buf);
	ok(db_begin(to, &err));
	if (record_import(to, record, NULL, &err) == 0)
		fail_msg("imported: %s", bad.buf);
	assert_int_equal(err.code, ERR_DAMAGED);
	error_clear(&err);
	ok(db_commit(to, &err));
	js_free(record);
}

static void what_no_export_writes_is_refused(void **state)
{
	static const char *const cases[][2] = {
		{ "\"version\":1", "\"version\":2" },
		{ "\"version\":1", "\"version\":\"1\"" },
		{ "{\"attempts\"", "{\"more\":1,\"attempts\"" },
		{ "\"status\":\"FINISHED\"", "\"status\":\"RUNNING\"" },
		{ "\"status\":\"FINISHED\"", "\"status\":\"FINE\"" },
		{ "\"start_time\":1000,", "\"start_time\":-1," },
		{ "\"start_time\":1000,", "\"start_time\":99999999999999999," },
		{ "\"start_time\":1000,", "" },
		{ "\"state\":\"ok\"", "\"state\":\"running\"" },
		{ "\"step\":\"train\"", "\"step\":\"../../train\"" },
		{ "\"step\":\"prepare\"", "\"step\":\"train\"" },
		{ "\"path\":\"data/raw\"", "\"path\":\"../raw\"" },
		{ "\"path\":\"data/raw\"", "\"path\":\"/etc/passwd\"" },
		{ "\"path\":\"data/raw\"", "\"path\":\".git/hooks/x\"" },
		{ "\"path\":\"data/raw\"", "\"path\":\"z\"" },
		{ "\"path\":\"data/raw\"", "\"path\":\"/code/changes\"" },
		{ "\"path\":\"data/raw\"", "\"path\":\"a\\\\b\"" },
		{ "\"path\":\"model\"", "\"path\":\".\"" },
		{ "\"path\":\"model\"", "\"path\":\"/code/changes\"" },
		{ "\"use\":\"out\"", "\"use\":\"code\"" },
		{ "\"content\":\"tree:", "\"content\":\"twig:" },
		{ "\"size\":5", "\"size\":-5" },
		{ "\"size\":3", "\"size\":4" },
		{ "\"files\":1", "\"files\":2" },
		{ "[10,0,0.5]", "[10,0,1e999]" },
		{ "[10,0,0.5]", "[10,0,1]" },
		{ "[10,0,0.5]", "[10,0,0.5],[10,0,0.5]" },
		{ "[10,0,0.5]", "[99,0,0.5]" },
		{ "[10,0,0.5]", "[10,0,-0.0]" },
		{ "[10,0,0.5]", "[-10,0,0.5]" },
		{ "\"auc\":", "\"../auc\":" },
		{ "\"lr\":\"0.1\"", "\"lr\":0.1" },
		{ "\"lr\":\"0.1\"", "\"l*r\":\"0.1\"" },
		{ "\"number\":1", "\"number\":0" },
		{ "\"exit_code\":0", "\"exit_code\":-7" },
		{ "\"experiment\":\"Default\"", "\"experiment\":\"\"" },
		{ "\"name\":\"", "\"name\":\"x\\nerror: " },
		{ "\"name\":\"", "\"name\":\"\\u001b[2J" },
		{ "\"user\":\"", "\"user\":\"\\r\\n" },
		{ "\"run_id\":\"00000000000000000000000000000002\"", "\"run_id\":\"2\"" },
		{ "\"run_id\":\"00000000000000000000000000000002\"", "\"run_id\":\"00000000000000000000000000000001\"" },
		{ "\"parent\":\"00000000000000000000000000000001\"", "\"parent\":\"00000000000000000000000000000002\"" },
		{ "\"parent\":\"00000000000000000000000000000001\"", "\"parent\":\"00000000000000000000000000000005\"" },
		{ "\"parent\":\"00000000000000000000000000000001\",", "" },
		{ "\"source\":\"0", "\"source\":\"x" },
		{ "00aa\"", "00AA\"" },
	};
	struct strlist ids = STRLIST_INIT;
	struct db *other;
	const char *text;

	(void)state;
	fill();
	text = exported(db, 1);
	other = other_db();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (strcmp(cases[i][1], "[10,0,1e999]") != 0) /* JSON itself refuses it */
			spoiled(other, text, cases[i][0], cases[i][1]);
	ok(records_runs(other, &ids, &err));
	assert_int_equal(ids.len, 0);
	import_new(other, text, true);
	strlist_release(&ids);
	db_close(other);
}

static void a_run_of_another_is_not_taken_over(void **state)
{
	struct js *record;
	struct db *other;

	(void)state;
	fill();
	other = other_db();
	ok(run_create(other, &(struct run_new){ .id = run_id(2), .user = "bob", .start_ms = 1 }, &err));
	record = parsed(exported(db, 1));
	ok(db_begin(other, &err));
	refused(record_import(other, record, NULL, &err), ERR_DAMAGED);
	ok(db_commit(other, &err));
	js_free(record);
	db_close(other);
}

static void a_known_content_keeps_its_size(void **state)
{
	struct content raw = content_of("raw", CONTENT_TREE);
	struct db *other;
	struct db_stmt *q;

	(void)state;
	fill();
	raw.size = 77;
	raw.files = 2;
	other = other_db();
	ok(run_create(other, &(struct run_new){ .id = run_id(8), .user = "bob", .start_ms = 1 }, &err));
	ok(run_log_content(other, run_id(8), RUN_INPUT, "raw", "data", &raw, &err));
	import_new(other, exported(db, 1), true);
	q = db_query(other, "SELECT size FROM contents WHERE digest = ?1");
	db_bind(q, 1, &raw.id);
	assert_int_equal(db_step(q, &err), 1);
	assert_int_equal(db_int(q, 0), 77);
	db_done(q);
	db_close(other);
}

static int count_content(void *ctx, const struct content *content)
{
	int *n = ctx;

	assert_int_not_equal(content->kind, CONTENT_ABSENT);
	return ++*n > 100 ? -1 : 0;
}

static void each_content_is_named_once(void **state)
{
	struct js *record;
	int n = 0;

	(void)state;
	fill();
	ok(record_export(db, run_id(1), &record, &err));
	ok(record_each_content(record, count_content, &n, &err));
	assert_int_equal(n, 3);
	js_free(record);
	record = parsed("{\"runs\":[1,{\"inputs\":[[],{\"content\":5},{\"content\":\"-\"}]}]}");
	ok(record_each_content(record, count_content, &n, &err));
	assert_int_equal(n, 3);
	js_free(record);
}

/* ---- the cache ---- */

static void keep_result(void)
{
	struct cache_output outputs[] = { { "a \xff", content_of("m", CONTENT_FILE) },
					  { "dir/model", content_of("t", CONTENT_TREE) } };
	struct cache_entry entry = { .step = "train@xgb-1", .created_ms = 5, .outputs = outputs, .noutputs = 2 };
	struct digest key;

	snprintf(entry.run, sizeof(entry.run), "%s", run_id(2));
	digest_parse(key_hex, &key);
	ok(cache_store(db, &key, &entry, &err));
}

static int take_key(void *ctx, const struct digest *key)
{
	*(struct digest *)ctx = *key;
	return 0;
}

static void a_result_comes_back_as_it_was(void **state)
{
	struct cache_entry entry;
	struct digest key = { { 0 } };
	struct js *json, *again;
	struct db *other;

	(void)state;
	keep_result();
	ok(cache_each_key(db, take_key, &key, &err));
	ok(cache_export(db, &key, &json, &err));
	ok(cache_parse(json, &key, &entry, &err));
	assert_string_equal(entry.outputs[0].path, "a \xff");
	other = other_db();
	ok(cache_store(other, &key, &entry, &err));
	ok(cache_export(other, &key, &again, &err));
	assert_true(js_equal(json, again));
	cache_entry_release(&entry);
	js_free(json);
	js_free(again);
	memset(&key, 7, sizeof(key));
	refused(cache_export(db, &key, &json, &err), ERR_NOT_FOUND);
	db_close(other);
}

static void a_result_that_no_export_writes_is_refused(void **state)
{
	static const char good[] =
	    "{\"key\":\"%s\",\"run\":\"00000000000000000000000000000002\",\"step\":\"s\",\"created\":1,\"outputs\":[%s]}";
	static const char *const outputs[] = {
		"1", "{}", "{\"path\":\"../x\",\"content\":\"file:%1$s\",\"size\":1,\"files\":1}",
		"{\"path\":\"x\",\"content\":\"-\",\"size\":1,\"files\":1}",
		"{\"path\":\"x\",\"content\":\"file:%1$s\",\"size\":1,\"files\":1,\"use\":\"out\"}",
		"{\"path\":\".git\",\"content\":\"file:%1$s\",\"size\":1,\"files\":1}",
	};
	struct cache_entry entry;
	struct digest key, zero = { { 0 } };
	struct js *json;

	(void)state;
	digest_parse(key_hex, &key);
	for (size_t i = 0; i <= ARRAY_LEN(outputs); i++) {
		CLEANUP(cleanup_free) char *text = xasprintf(good, key_hex, i < ARRAY_LEN(outputs) ? outputs[i] : "");
		char *mark = strstr(text, "%1$s");

		if (mark) { /* any digest */
			CLEANUP(cleanup_free) char *tail = xstrdup(mark + 4);
			CLEANUP(cleanup_free) char *whole = NULL;

			*mark = '\0';
			whole = xasprintf("%s%s%s", text, key_hex, tail);
			json = parsed(whole);
		} else {
			json = parsed(text);
		}
		if (i < ARRAY_LEN(outputs)) {
			refused(cache_parse(json, &key, &entry, &err), ERR_DAMAGED);
		} else {
			refused(cache_parse(json, &zero, &entry, &err), ERR_DAMAGED);
			ok(cache_parse(json, &key, &entry, &err));
			cache_entry_release(&entry);
		}
		js_free(json);
	}
}

static void a_record_is_read_in_its_canonical_form_only(void **state)
{
	const char *text;
	CLEANUP(cleanup_free) char *good = NULL, *blank = NULL, *line = NULL, *order = NULL;
	struct js *json = NULL;

	(void)state;
	fill();
	text = exported(db, 1);
	good = xstrdup(text);
	blank = xasprintf("{ %s", text + 1);
	line = xasprintf("%s\n", text);
	/* "version" goes from the end to the start */
	order = xasprintf("{\"version\":1,%.*s}", (int)(strlen(text) - strlen("{,\"version\":1}")), text + 1);
	ok(record_read(good, strlen(good), run_id(1), &json, &err));
	js_free(json);
	json = parsed(order);
	ok(record_check(json, &err));
	js_free(json);
	json = NULL;
	refused(record_read(blank, strlen(blank), run_id(1), &json, &err), ERR_DAMAGED);
	refused(record_read(line, strlen(line), run_id(1), &json, &err), ERR_DAMAGED);
	refused(record_read(order, strlen(order), run_id(1), &json, &err), ERR_DAMAGED);
	refused(record_read(good, strlen(good), run_id(2), &json, &err), ERR_DAMAGED);
	refused(record_read(good, strlen(good) - 1, run_id(1), &json, &err), ERR_DAMAGED);
	assert_null(json);
}

static void a_flood_of_small_values_is_refused_unread(void **state)
{
	static const char *const units[] = { "{},", "[]," };
	CLEANUP_STRBUF struct strbuf quoted = STRBUF_INIT;
	struct js *json = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		strbuf_puts(&text, "[");
		for (int k = 0; k < 100000; k++)
			strbuf_puts(&text, units[i]);
		strbuf_puts(&text, "1]");
		assert_int_equal(record_read(text.buf, text.len, run_id(1), &json, &err), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		assert_string_equal(err.msg, "the record is nothing that a writer writes");
		error_clear(&err);
	}
	/* inside of a string it is only text */
	for (int k = 0; k < 1000; k++)
		strbuf_puts(&quoted, "{[\"");
	make_run(1, NULL);
	ok(run_set_tag(db, run_id(1), "text", quoted.buf, &err));
	finish(1);
	ok(record_read(exported(db, 1), strlen(exported(db, 1)), run_id(1), &json, &err));
	js_free(json);
}

static void names_of_more_lines_travel_as_one(void **state)
{
	struct db_stmt *q = db_query(db, "UPDATE runs SET name = ?1, user_id = ?2");
	struct js *json;

	(void)state;
	make_run(1, NULL);
	db_bind(q, 1, "fine\nerror: \x1b[2J");
	db_bind(q, 2, "eve\r\n");
	ok(db_begin(db, &err));
	ok(db_run(q, &err));
	ok(db_commit(db, &err));
	finish(1);
	ok(record_read(exported(db, 1), strlen(exported(db, 1)), run_id(1), &json, &err));
	assert_string_equal(js_get_str(js_at(js_get(json, "runs"), 0), "name"), "fine error:  [2J");
	assert_string_equal(js_get_str(js_at(js_get(json, "runs"), 0), "user"), "eve  ");
	js_free(json);
}

static void a_result_is_read_in_its_canonical_form_only(void **state)
{
	static const char form[] =
	    "{\"created\":1,%s\"key\":\"%s\",\"outputs\":[],\"run\":\"00000000000000000000000000000002\",\"step\":\"s\"}%s";
	CLEANUP(cleanup_free) char *good = xasprintf(form, "", key_hex, "");
	CLEANUP(cleanup_free) char *blank = xasprintf(form, " ", key_hex, "");
	CLEANUP(cleanup_free) char *line = xasprintf(form, "", key_hex, "\n");
	struct cache_entry entry;
	struct digest key;

	(void)state;
	digest_parse(key_hex, &key);
	ok(cache_read(good, strlen(good), &key, &entry, &err));
	cache_entry_release(&entry);
	refused(cache_read(blank, strlen(blank), &key, &entry, &err), ERR_DAMAGED);
	refused(cache_read(line, strlen(line), &key, &entry, &err), ERR_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_comes_back_as_the_same_bytes),
		TEST(what_was_imported_reads_like_what_ran_here),
		TEST(importing_twice_changes_nothing),
		TEST(runs_of_others_are_older_than_those_made_here),
		TEST(two_runs_of_one_moment_both_come),
		TEST(only_what_has_ended_is_a_record),
		TEST(what_no_export_writes_is_refused),
		TEST(a_run_of_another_is_not_taken_over),
		TEST(a_known_content_keeps_its_size),
		TEST(each_content_is_named_once),
		TEST(a_result_comes_back_as_it_was),
		TEST(a_result_that_no_export_writes_is_refused),
		TEST(a_record_is_read_in_its_canonical_form_only),
		TEST(a_flood_of_small_values_is_refused_unread),
		TEST(names_of_more_lines_travel_as_one),
		TEST(a_result_is_read_in_its_canonical_form_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
