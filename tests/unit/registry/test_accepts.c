/* SPDX-License-Identifier: Apache-2.0 */
/* A person's word that a result is also that of another key. */
#include "registry/accepts.h"
#include "base/strlist.h"
#include "registry/cache.h"
#include "registry_fixture.h"

static struct digest key_of(const char *text)
{
	struct digest key;

	digest_of(text, strlen(text), &key);
	return key;
}

/* Says that the result of `old`, made by run 2 below run 1, holds for `now`. */
static int accept(const char *old, const char *now, const char *run)
{
	struct cache_output output = { (char[]){ "model" }, content_of("model", CONTENT_FILE) };
	struct cache_entry result = { .step = "train", .outputs = &output, .noutputs = 1 };
	CLEANUP(strlist_release) struct strlist changes = STRLIST_INIT;
	CLEANUP_JS struct js *record = js_object();
	struct acceptance a = {
		.actor = "ann@host", .origin = "cli", .pipeline = "churn", .step = "train", .old = key_of(old),
		.now = key_of(now), .result = &result, .changes = &changes, .record = record,
	};

	snprintf(result.run, sizeof(result.run), "%s", run);
	strlist_push(&changes, "input train.py changed");
	js_set_str(record, "platform", now);
	return accept_store(db, &a, 7, &err);
}

static void an_acceptance_is_an_event_and_a_row_that_says_so(void **state)
{
	CLEANUP(cache_entry_release) struct cache_entry entry = { 0 };
	CLEANUP_JS struct js *told = NULL;
	struct digest key = key_of("new");

	(void)state;
	make_run(1, NULL);
	ok(accept("old", "new", make_run(2, run_id(1))));
	assert_int_equal(cache_find(db, &key, &entry, &err), 1);
	assert_true(entry.accepted);
	assert_string_equal(entry.run, run_id(2));
	assert_int_equal(entry.created_ms, 7);
	assert_int_equal(entry.noutputs, 1);
	ok(accept_of_key(db, &key, &told, &err));
	assert_string_equal(js_get_str(told, "by"), "ann@host");
	assert_string_equal(js_get_str(told, "step"), "train");
	assert_string_equal(js_get_str(told, "run"), run_id(2));
	assert_string_equal(js_get_str(js_get(told, "record"), "platform"), "new");
	assert_int_equal(js_len(js_get(told, "changes")), 1);
}

static void without_a_known_run_there_is_an_event_and_no_row(void **state)
{
	struct digest key = key_of("new");
	struct cache_entry entry;
	CLEANUP_JS struct js *told = NULL;

	(void)state;
	ok(accept("old", "new", ""));
	assert_int_equal(cache_find(db, &key, &entry, &err), 0);
	ok(accept_of_key(db, &key, &told, &err));
	assert_non_null(told);
	assert_null(js_get(told, "run"));
}

static void the_newest_acceptance_of_a_key_counts_and_others_have_none(void **state)
{
	CLEANUP_JS struct js *told = NULL;
	CLEANUP_JS struct js *none = NULL;
	struct digest key = key_of("new"), other = key_of("old");
	char hex[DIGEST_HEX + 1];

	(void)state;
	make_run(1, NULL);
	ok(accept("older", "new", make_run(2, run_id(1))));
	ok(accept("old", "new", run_id(2)));
	ok(accept_of_key(db, &key, &told, &err));
	assert_string_equal(js_get_str(told, "old"), digest_format(&other, hex));
	ok(accept_of_key(db, &other, &none, &err));
	assert_null(none);
}

static void a_run_knows_what_was_accepted_of_it_and_of_its_steps(void **state)
{
	CLEANUP_JS struct js *of_top = NULL;
	CLEANUP_JS struct js *of_step = NULL;
	CLEANUP_JS struct js *of_other = NULL;

	(void)state;
	make_run(1, NULL);
	ok(accept("a", "b", make_run(2, run_id(1))));
	ok(accept("b", "c", run_id(2)));
	make_run(3, NULL);
	ok(accepts_of_run(db, run_id(1), &of_top, &err));
	ok(accepts_of_run(db, run_id(2), &of_step, &err));
	ok(accepts_of_run(db, run_id(3), &of_other, &err));
	assert_int_equal(js_len(of_top), 2);
	assert_int_equal(js_len(of_step), 2);
	assert_int_equal(js_len(of_other), 0);
	assert_null(js_get(js_at(of_top, 0), "record"));
}

static void what_is_refused_leaves_neither_event_nor_row(void **state)
{
	struct cache_output output = { (char[]){ "gone" }, { .kind = CONTENT_ABSENT } };
	struct cache_entry result = { .run = "0123456789abcdef0123456789abcdef", .outputs = &output, .noutputs = 1 };
	CLEANUP(strlist_release) struct strlist changes = STRLIST_INIT;
	CLEANUP_JS struct js *record = js_object();
	CLEANUP_JS struct js *told = NULL;
	struct acceptance a = { .actor = "a", .origin = "cli", .pipeline = "p", .step = "s", .old = key_of("o"),
				.now = key_of("n"), .result = &result, .changes = &changes, .record = record };

	(void)state;
	refused(accept_store(db, &a, 1, &err), ERR_USAGE);
	ok(accept_of_key(db, &a.now, &told, &err));
	assert_null(told);
}

/* A result that a run makes for the key later is a real one. */
static void a_run_takes_the_place_of_an_acceptance(void **state)
{
	CLEANUP(cache_entry_release) struct cache_entry entry = { 0 };
	struct cache_entry real = { .run = "0123456789abcdef0123456789abcdef", .step = "train", .created_ms = 9 };
	struct digest key = key_of("new");

	(void)state;
	make_run(1, NULL);
	ok(accept("old", "new", make_run(2, run_id(1))));
	ok(cache_store(db, &key, &real, &err));
	assert_int_equal(cache_find(db, &key, &entry, &err), 1);
	assert_false(entry.accepted);
	assert_int_equal(entry.noutputs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_acceptance_is_an_event_and_a_row_that_says_so),
		TEST(without_a_known_run_there_is_an_event_and_no_row),
		TEST(the_newest_acceptance_of_a_key_counts_and_others_have_none),
		TEST(a_run_knows_what_was_accepted_of_it_and_of_its_steps),
		TEST(what_is_refused_leaves_neither_event_nor_row),
		TEST(a_run_takes_the_place_of_an_acceptance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
