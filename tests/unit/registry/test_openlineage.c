/* SPDX-License-Identifier: Apache-2.0 */
/* Letters that the schema writes when runs change their state. */
#include "registry/openlineage.h"
#include "registry/outbox.h"
#include "registry/project.h"
#include "tests/unit/registry/registry_fixture.h"

static const char *const top = "11111111111111111111111111111111", *const step = "22222222222222222222222222222222";

static void agree(const char *url, const char *file)
{
	struct project p = { 0 };

	p.settings.values[SETTING_OPENLINEAGE_URL] = (char *)url;
	p.settings.values[SETTING_OPENLINEAGE_FILE] = (char *)file;
	assert_int_equal(openlineage_is_on(&p, NULL), url || file);
	ok(db_begin(db, &err));
	ok(openlineage_agree(&p, db, &err));
	ok(db_commit(db, &err));
}

static void begin(const char *id, const char *parent, const char *name)
{
	const struct run_new run = { .id = id, .user = "ann", .parent = parent, .step = name, .start_ms = 5 };

	ok(db_begin(db, &err));
	ok(run_create(db, &run, &err));
	if (!parent)
		ok(run_set_tag(db, id, "mlops.steps", "1", &err));
	ok(db_commit(db, &err));
}

static void end(const char *id, enum run_status status)
{
	ok(db_begin(db, &err));
	ok(run_finish(db, id, status, 9, &err));
	ok(db_commit(db, &err));
}

/* "file 2:START file 2:COMPLETE": targets and causes, with the first digit of the run. */
static char *letters(void)
{
	struct db_stmt *q = db_query(db, "SELECT target, substr(cause, 1, 1) || substr(cause, 33) FROM outbox ORDER BY id");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	while (db_step(q, &err) > 0)
		strbuf_printf(&text, "%s%s %s", text.len ? " " : "", db_text(q, 0), db_text(q, 1));
	db_done(q);
	return strbuf_detach(&text);
}

static void assert_letters(const char *wanted)
{
	CLEANUP(cleanup_free) char *found = letters();

	assert_string_equal(found, wanted);
}

static void nobody_who_wants_to_know(void **state)
{
	(void)state;
	agree(NULL, NULL);
	begin(top, NULL, NULL);
	end(top, RUN_FINISHED);
	agree("http://x", NULL);
	agree(NULL, NULL);
	begin(step, top, "a");
	assert_letters("");
}

static void each_change_of_state_once(void **state)
{
	struct letter letter CLEANUP(letter_release) = { 0 };

	(void)state;
	agree(NULL, "f");
	begin(top, NULL, NULL);
	begin(step, top, "a");
	end(step, RUN_KILLED);
	ok(db_begin(db, &err));
	ok(run_adopt(db, step, top, &err));
	ok(db_commit(db, &err));
	end(step, RUN_FINISHED);
	end(top, RUN_FAILED);
	end(top, RUN_FAILED);
	assert_letters("file 1:START file 2:START file 2:ABORT file 2:COMPLETE file 1:FAIL");
	assert_int_equal(outbox_next_to(db, "file", 4, &letter, &err), 0);
	assert_int_equal(outbox_next_to(db, "url", 5, &letter, &err), 0);
	assert_int_equal(outbox_next_to(db, "file", 5, &letter, &err), 1);
	assert_int_equal(letter.kind, LETTER_OPENLINEAGE);
	assert_string_equal(js_get_str(letter.body, "run"), top);
	assert_string_equal(js_get_str(letter.body, "type"), "START");
	assert_int_equal(js_get_int(letter.body, "time", 0), 5);
}

static void two_who_want_to_know(void **state)
{
	(void)state;
	agree("http://x", "f");
	begin(top, NULL, NULL);
	assert_letters("file 1:START url 1:START");
}

/* Clients of MLflow begin and end runs of their own, and records of other machines come in ended. */
static void runs_of_others(void **state)
{
	const struct run_new run = { .id = top, .user = "ann", .start_ms = 5 };

	(void)state;
	agree("http://x", NULL);
	ok(db_begin(db, &err));
	ok(run_create(db, &run, &err));
	ok(run_finish(db, top, RUN_FINISHED, 9, &err));
	ok(run_set_tag(db, top, "mlops.steps", "1", &err));
	ok(db_commit(db, &err));
	assert_letters("");
}

static void what_there_is_to_tell(void **state)
{
	CLEANUP_JS struct js *facts = NULL;
	struct js *none = NULL;
	struct attempt attempt = { .run = step, .parent = top, .step = "a", .number = 1, .state = "failed", .exit_code = 1,
				   .start_ms = 5, .end_ms = 9, .record = "{\"error\":\"why\",\"python\":{}}" };

	(void)state;
	begin(top, NULL, NULL);
	begin(step, top, "a");
	ok(attempt_store(db, &attempt, &err));
	end(step, RUN_FAILED);
	ok(openlineage_facts(db, step, &facts, &err));
	assert_string_equal(js_get_str(facts, "error"), "why");
	assert_true(js_get_bool(facts, "python"));
	assert_string_equal(js_get_str(js_get(facts, "parent"), "run_id"), top);
	assert_string_equal(js_get_str(js_get(facts, "root"), "run_id"), top);
	js_free(facts);
	facts = NULL;
	ok(openlineage_facts(db, top, &facts, &err));
	assert_string_equal(js_get_str(facts, "error"), "why");
	assert_null(js_get(facts, "parent"));
	refused(openlineage_facts(db, "33333333333333333333333333333333", &none, &err), ERR_NOT_FOUND);
}

/* Somebody wrote into the database by hand. */
static void runs_in_a_circle(void **state)
{
	CLEANUP_JS struct js *facts = NULL;

	(void)state;
	begin(top, NULL, NULL);
	begin(step, top, "a");
	ok(db_begin(db, &err));
	ok(db_exec(db, "UPDATE runs SET parent = (SELECT id FROM runs WHERE step = 'a') WHERE step IS NULL", &err));
	ok(db_commit(db, &err));
	ok(openlineage_facts(db, step, &facts, &err));
	assert_string_equal(js_get_str(js_get(facts, "parent"), "run_id"), top);
}

/* Letters of before are there when their table was made again. */
static void an_older_database(void **state)
{
	struct db_migration older[64] = { 0 };
	CLEANUP_JS struct js *body = js_object();
	char path[96], lock[96];

	(void)state;
	for (size_t i = 0; registry_schema[i].version && registry_schema[i].version < 24; i++)
		older[i] = registry_schema[i];
	snprintf(path, sizeof(path), "%s/older.db", dir);
	snprintf(lock, sizeof(lock), "%s/db", dir);
	db_close(db);
	ok(db_open(path, lock, older, DB_READ_WRITE, &db, &err));
	ok(db_begin(db, &err));
	ok(outbox_add(db, LETTER_WEBHOOK, "p/chat", "event:1", body, 10, &err));
	ok(db_commit(db, &err));
	db_close(db);
	ok(db_open(path, lock, registry_schema, DB_READ_WRITE, &db, &err));
	assert_letters("p/chat e");
	ok(db_begin(db, &err));
	assert_int_equal(outbox_add(db, LETTER_WEBHOOK, "p/chat", "event:1", body, 10, &err), 0);
	ok(db_commit(db, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_who_wants_to_know, enter, leave),
		cmocka_unit_test_setup_teardown(each_change_of_state_once, enter, leave),
		cmocka_unit_test_setup_teardown(two_who_want_to_know, enter, leave),
		cmocka_unit_test_setup_teardown(runs_of_others, enter, leave),
		cmocka_unit_test_setup_teardown(what_there_is_to_tell, enter, leave),
		cmocka_unit_test_setup_teardown(runs_in_a_circle, enter, leave),
		cmocka_unit_test_setup_teardown(an_older_database, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
