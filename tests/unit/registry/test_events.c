/* SPDX-License-Identifier: Apache-2.0 */
/* The record of who changed what only grows. */
#include "registry/events.h"
#include "registry_fixture.h"

static int64_t append(const char *subject, const char *before, const struct js *body)
{
	struct event event = {
	    .actor = "ann@host",
	    .origin = "cli",
	    .operation = "run.start",
	    .subject = subject,
	    .before = before,
	    .body = body,
	};
	int64_t seq;

	ok(event_append(db, &event, 1000, &seq, &err));
	return seq;
}

static void events_come_back_newest_first(void **state)
{
	CLEANUP_JS struct js *body = js_object();
	CLEANUP_JS struct js *list = NULL;

	(void)state;
	js_set_int(body, "z", 1);
	js_set_int(body, "a", 2);
	assert_int_equal(append("one", NULL, NULL), 1);
	assert_int_equal(append("two", "RUNNING", body), 2);
	append("three", NULL, NULL);
	ok(event_find(db, &(struct event_query){ .limit = 2 }, &list, &err));
	assert_int_equal(js_len(list), 2);
	assert_string_equal(js_get_str(js_at(list, 0), "subject"), "three");
	assert_string_equal(
	    json_text(js_at(list, 1)),
	    "{\"seq\":2,\"time\":1000,\"actor\":\"ann@host\",\"origin\":\"cli\","
	    "\"operation\":\"run.start\",\"subject\":\"two\",\"before\":\"RUNNING\","
	    "\"body\":{\"a\":2,\"z\":1}}");
}

static void an_event_is_part_of_the_transaction(void **state)
{
	CLEANUP_JS struct js *list = NULL;

	(void)state;
	ok(db_begin(db, &err));
	append("undone", NULL, NULL);
	db_rollback(db);
	append("done", NULL, NULL);
	ok(event_find(db, &(struct event_query){ .limit = 10 }, &list, &err));
	assert_int_equal(js_len(list), 1);
}

static void events_are_never_changed_deleted_or_replaced(void **state)
{
	static const char *const attempts[] = {
	    "UPDATE events SET actor = 'eve'",
	    "UPDATE OR IGNORE events SET seq = 9",
	    "DELETE FROM events",
	    "INSERT OR REPLACE INTO events (seq, time, actor, origin, operation, subject)"
	    " VALUES (1, 0, 'eve', 'cli', 'x', 'y')",
	    "INSERT INTO events (seq, time, actor, origin, operation, subject) VALUES (1, 0, "
	    "'eve', 'cli', 'x', 'y')"
	    " ON CONFLICT DO UPDATE SET actor = 'eve'",
	};
	CLEANUP_JS struct js *list = NULL;

	(void)state;
	append("one", NULL, NULL);
	append("two", NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
		refused(db_exec(db, attempts[i], &err), ERR_CONFLICT);
	ok(event_find(db, &(struct event_query){ .limit = 10 }, &list, &err));
	assert_int_equal(js_len(list), 2);
	assert_string_equal(js_get_str(js_at(list, 1), "actor"), "ann@host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(events_come_back_newest_first),
	    TEST(an_event_is_part_of_the_transaction),
	    TEST(events_are_never_changed_deleted_or_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
