/* SPDX-License-Identifier: Apache-2.0 */
/* What came of making something again, and where contents were seen. */
#include "registry/reproductions.h"
#include "registry/artifacts.h"
#include "tests/unit/registry/registry_fixture.h"

static void add(const char *subject, const char *verdict, int64_t time)
{
	CLEANUP_JS struct js *body = js_object();
	const struct reproduction r = { .subject = subject, .run_id = run_id(1), .verdict = verdict, .body = body, .actor = "ann",
					.time_ms = time };

	js_set_int(body, "at", time);
	ok(db_begin(db, &err));
	ok(reproduction_add(db, &r, &err));
	ok(db_commit(db, &err));
}

static void one_good_verdict_is_enough_and_the_newest_is_told(void **state)
{
	CLEANUP_JS struct js *newest = NULL;
	CLEANUP_JS struct js *list = NULL;

	(void)state;
	ok(reproduction_newest(db, "churn@v1", &newest, &err));
	assert_null(newest);
	add("churn@v1", "IMPOSSIBLE", 1);
	assert_int_equal(reproduction_is_known(db, "churn@v1", &err), 0);
	add("churn@v1", "IDENTICAL", 2);
	add("churn@v1", "DIFFERENT", 3);
	add("churn@v2", "EQUIVALENT", 4);
	assert_int_equal(reproduction_is_known(db, "churn@v1", &err), 1);
	assert_int_equal(reproduction_is_known(db, "churn@v2", &err), 1);
	assert_int_equal(reproduction_is_known(db, "churn@v3", &err), 0);
	ok(reproduction_newest(db, "churn@v1", &newest, &err));
	assert_string_equal(js_get_str(newest, "verdict"), "DIFFERENT");
	assert_int_equal(js_get_int(js_get(newest, "body"), "at", 0), 3);
	ok(reproductions_list(db, NULL, &list, &err));
	assert_int_equal(js_len(list), 4);
	js_free(steal(&list));
	ok(reproductions_list(db, "churn@v2", &list, &err));
	assert_int_equal(js_len(list), 1);
}

static void what_is_no_verdict_is_refused(void **state)
{
	CLEANUP_JS struct js *body = js_object();
	const struct reproduction r = { .subject = "a", .run_id = "", .verdict = "PERHAPS", .body = body, .actor = "ann" };

	(void)state;
	ok(db_begin(db, &err));
	assert_int_equal(reproduction_add(db, &r, &err), -1);
	db_rollback(db);
}

static void the_newest_step_that_made_a_content_is_found(void **state)
{
	const struct content made = { CONTENT_EXEC, { { 1, 2, 3 } }, 5, 1 }, other = { CONTENT_FILE, { { 9 } }, 5, 1 };
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP_JS struct js *seen = NULL;
	char id[33];

	(void)state;
	make_run(1, NULL);
	make_run(2, run_id(1));
	make_run(3, run_id(1));
	ok(run_log_content(db, run_id(2), RUN_OUTPUT, "model", "out", &made, &err));
	ok(run_log_content(db, run_id(3), RUN_OUTPUT, "again", "out", &made, &err));
	assert_int_equal(content_maker(db, NULL, &made, id, &path, &err), 1);
	assert_string_equal(id, run_id(3));
	assert_string_equal(path, "again");
	free(steal(&path));
	assert_int_equal(content_maker(db, "model", &made, id, &path, &err), 1);
	assert_string_equal(id, run_id(2));
	assert_int_equal(content_maker(db, NULL, &other, id, &path, &err), 0);
	ok(content_last_seen(db, &made, &seen, &err));
	assert_string_equal(js_get_str(seen, "name"), run_id(3));
	js_free(steal(&seen));
	ok(content_last_seen(db, &other, &seen, &err));
	assert_null(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_good_verdict_is_enough_and_the_newest_is_told),
		TEST(what_is_no_verdict_is_refused),
		TEST(the_newest_step_that_made_a_content_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
