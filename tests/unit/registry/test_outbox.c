/* SPDX-License-Identifier: Apache-2.0 */
#include "registry_fixture.h"
#include <string.h>
#include "base/json.h"
#include "base/strlist.h"
#include "registry/outbox.h"

static int add(const char *target, const char *cause, int64_t now)
{
	CLEANUP_JS struct js *body = js_object();

	js_set_str(body, "title", cause);
	return outbox_add(db, LETTER_WEBHOOK, target, cause, body, now, &err);
}

/* The cause of what may be sent now, or "" and when the next may. */
static const char *next(int64_t now, int64_t *ret_id, int64_t *ret_due)
{
	static char cause[32];
	struct letter letter CLEANUP(letter_release) = { 0 };
	int r = outbox_next(db, now, NULL, &letter, ret_due, &err);

	ok(r);
	if (!r)
		return "";
	*ret_id = letter.id;
	assert_string_equal(js_get_str(letter.body, "title"), letter.cause);
	snprintf(cause, sizeof(cause), "%s", letter.cause);
	return cause;
}

static void a_cause_is_told_once(void **state)
{
	(void)state;
	assert_int_equal(add("p/chat", "event:1", 10), 1);
	assert_int_equal(add("p/chat", "event:1", 20), 0);
	assert_int_equal(add("p/mail", "event:1", 20), 1);
}

static void letters_of_a_target_keep_their_order(void **state)
{
	int64_t id = 0, first, due = 0;

	(void)state;
	assert_int_equal(add("a", "1", 10), 1);
	assert_int_equal(add("a", "2", 11), 1);
	assert_int_equal(add("b", "3", 12), 1);
	assert_string_equal(next(100, &first, &due), "1");
	ok(outbox_failed(db, first, "no answer", 500, 100, &err));
	assert_string_equal(next(100, &id, &due), "3");
	ok(outbox_sent(db, id, 100, &err));
	assert_string_equal(next(100, &id, &due), "");
	assert_int_equal(due, 500);
	assert_string_equal(next(500, &id, &due), "1");
	assert_int_equal(id, first);
	ok(outbox_sent(db, id, 500, &err));
	assert_string_equal(next(500, &id, &due), "2");
	ok(outbox_failed(db, id, "gone", 0, 600, &err));
	assert_string_equal(next(700, &id, &due), "");
	assert_int_equal(due, 0);
}

static void who_is_written_to_waits(void **state)
{
	CLEANUP(strlist_release) struct strlist busy = STRLIST_INIT;
	struct letter letter CLEANUP(letter_release) = { 0 };
	int64_t due;

	(void)state;
	assert_int_equal(add("a", "1", 10), 1);
	strlist_push(&busy, "a");
	assert_int_equal(outbox_next(db, 100, &busy, &letter, &due, &err), 0);
	assert_int_equal(due, 0);
	assert_int_equal(add("b", "2", 20), 1);
	assert_int_equal(outbox_next(db, 100, &busy, &letter, &due, &err), 1);
	assert_string_equal(letter.target, "b");
}

static void what_failed_can_be_tried_again_and_what_ended_goes(void **state)
{
	CLEANUP_JS struct js *before = NULL, *after = NULL;
	int64_t id = 0, due;

	(void)state;
	assert_int_equal(add("a", "1", 10), 1);
	next(10, &id, &due);
	refused(outbox_again(db, id, 20, &err), ERR_NOT_FOUND);
	ok(outbox_failed(db, id, "404", 0, 20, &err));
	ok(outbox_list(db, 10, &before, &err));
	assert_string_equal(js_get_str(js_at(before, 0), "state"), "failed");
	assert_string_equal(js_get_str(js_at(before, 0), "error"), "404");
	assert_string_equal(js_get_str(js_at(before, 0), "title"), "1");
	assert_int_equal(js_get_int(js_at(before, 0), "tries", 0), 1);
	ok(outbox_again(db, id, 30, &err));
	assert_string_equal(next(30, &id, &due), "1");
	ok(outbox_sent(db, id, 40, &err));
	ok(outbox_sweep(db, 40, &err));
	ok(outbox_list(db, 10, &after, &err));
	assert_int_equal(js_len(after), 1);
	ok(outbox_sweep(db, 41, &err));
	js_free(after);
	after = NULL;
	ok(outbox_list(db, 10, &after, &err));
	assert_int_equal(js_len(after), 0);
}

static void a_reader_knows_how_far_it_came(void **state)
{
	int64_t seq = -1;

	(void)state;
	assert_int_equal(event_reader_load(db, "outbox", &seq, &err), 0);
	ok(event_reader_store(db, "outbox", 7, &err));
	ok(event_reader_store(db, "outbox", 9, &err));
	assert_int_equal(event_reader_load(db, "outbox", &seq, &err), 1);
	assert_int_equal(seq, 9);
}

#define WRITING(name) cmocka_unit_test_setup_teardown(name, enter_writing, leave_writing)

static int enter_writing(void **state)
{
	return enter(state) < 0 ? -1 : db_begin(db, &err);
}

static int leave_writing(void **state)
{
	db_rollback(db);
	return leave(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WRITING(a_cause_is_told_once),
		WRITING(letters_of_a_target_keep_their_order),
		WRITING(who_is_written_to_waits),
		WRITING(what_failed_can_be_tried_again_and_what_ended_goes),
		WRITING(a_reader_knows_how_far_it_came),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
