/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to forget, from the question to the tombstones. */
#include "registry/cache.h"
#include "registry/forgotten.h"
#include "registry/tables.h"
#include "registry_fixture.h"

/* A request about two contents; returns its id. */
static int64_t ask(const char *subject)
{
	struct forget_item items[2] = { { content_of("anna", CONTENT_FILE).id, 4 }, { content_of("ben", CONTENT_FILE).id, FORGET_SIZE } };
	CLEANUP_JS struct js *impact = js_object();
	const struct forget_request request = {
		.subject = (char *)(uintptr_t)subject, .reason = (char *)(uintptr_t)"ticket 7", .asker = (char *)(uintptr_t)"eva",
		.impact = impact, .items = items, .len = 2,
	};
	int64_t id;

	js_set_int(impact, "runs", 3);
	ok(db_begin(db, &err));
	ok(forget_ask(db, &request, 1000, &id, &err));
	ok(db_commit(db, &err));
	return id;
}

static int change(int (*fn)(struct db *, int64_t, const char *, int64_t, struct error *), int64_t id, const char *actor)
{
	int r;

	ok(db_begin(db, &err));
	r = fn(db, id, actor, 2000, &err);
	ok(db_commit(db, &err));
	return r;
}

static int finish(int64_t id)
{
	CLEANUP(forget_request_release) struct forget_request request = { .id = 0 };
	int r;

	ok(forget_load(db, id, &request, &err));
	ok(db_begin(db, &err));
	r = forget_finish(db, &request, 3000, &err);
	ok(db_commit(db, &err));
	return r;
}

static void a_request_goes_one_way(void **state)
{
	CLEANUP_JS struct js *row = NULL;
	int64_t id = ask("anna.csv"), found;

	(void)state;
	assert_int_equal(finish(id), -1); /* nobody has agreed */
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(forget_agreed(db, &found, &err), 0);
	ok(change(forget_agree, id, "max"));
	assert_int_equal(change(forget_agree, id, "max"), -1);
	assert_int_equal(change(forget_withdraw, id, "eva"), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "anna.csv is agreed"));
	assert_int_equal(forget_agreed(db, &found, &err), 1);
	assert_int_equal(found, id);
	ok(finish(id));
	assert_int_equal(forget_agreed(db, &found, &err), 0);
	ok(forget_describe(db, id, &row, &err));
	assert_string_equal(js_get_str(row, "state"), "done");
	assert_string_equal(js_get_str(row, "asked_by"), "eva");
	assert_string_equal(js_get_str(row, "agreed_by"), "max");
	assert_int_equal(js_get_int(row, "decided", 0), 2000);
	assert_int_equal(js_get_int(row, "contents", 0), 2);
	assert_int_equal(js_get_int(row, "bytes", 0), 4); /* what is known of them */
	assert_int_equal(change(forget_agree, 99, "max"), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void tombstones_tell_who_and_why(void **state)
{
	struct digest anna = content_of("anna", CONTENT_FILE).id, carl = content_of("carl", CONTENT_FILE).id;
	CLEANUP_JS struct js *row = NULL, *list = NULL;
	int64_t id = ask("anna.csv");

	(void)state;
	assert_int_equal(forgotten_find(db, &anna, NULL, &err), 0);
	ok(change(forget_agree, id, "max"));
	ok(finish(id));
	assert_int_equal(forgotten_find(db, &anna, &row, &err), 1);
	assert_string_equal(js_get_str(row, "reason"), "ticket 7");
	assert_string_equal(js_get_str(row, "asked_by"), "eva");
	assert_string_equal(js_get_str(row, "agreed_by"), "max");
	assert_int_equal(js_get_int(row, "time", 0), 3000);
	assert_int_equal(forgotten_find(db, &carl, NULL, &err), 0);
	ok(forgotten_list(db, &list, &err));
	assert_int_equal(js_len(list), 2);
}

static void what_would_bring_it_back_goes_too(void **state)
{
	struct content anna = content_of("anna", CONTENT_FILE), other = content_of("other", CONTENT_FILE);
	struct cache_output outputs[] = { { (char *)(uintptr_t)"a", anna } }, kept[] = { { (char *)(uintptr_t)"o", other } };
	struct cache_entry entry = { .run = "0123456789abcdef0123456789abcdef", .step = "s", .outputs = outputs, .noutputs = 1 };
	struct content profile = content_of("profile", CONTENT_FILE), found;
	int64_t id = ask("anna.csv");

	(void)state;
	ok(cache_store(db, &anna.id, &entry, &err));
	entry.outputs = kept;
	ok(cache_store(db, &other.id, &entry, &err));
	ok(db_begin(db, &err));
	ok(table_profile_store(db, &anna.id, "csv", &profile, &err));
	ok(table_profile_store(db, &other.id, "csv", &profile, &err));
	ok(db_commit(db, &err));
	ok(change(forget_agree, id, "max"));
	ok(finish(id));
	assert_int_equal(cache_find(db, &anna.id, &entry, &err), 0);
	assert_int_equal(cache_find(db, &other.id, &entry, &err), 1);
	cache_entry_release(&entry);
	assert_int_equal(table_profile_find(db, &anna.id, NULL, &found, &err), 0);
	assert_int_equal(table_profile_find(db, &other.id, NULL, &found, &err), 1);
}

static void a_remote_that_was_not_there_is_remembered(void **state)
{
	int64_t id = ask("anna.csv"), left;
	CLEANUP_JS struct js *open = NULL, *all = NULL;
	const struct js *remotes;

	(void)state;
	ok(change(forget_agree, id, "max"));
	ok(finish(id));
	ok(db_begin(db, &err));
	ok(forget_remote_set(db, id, "team", "not there", 5, &err));
	ok(forget_remote_set(db, id, "team", "still not there", 6, &err));
	ok(db_commit(db, &err));
	assert_int_equal(forget_left(db, 0, &left, &err), 1);
	assert_int_equal(left, id);
	assert_int_equal(forget_left(db, id, &left, &err), 0);
	ok(forget_list(db, true, &open, &err));
	remotes = js_get(js_at(open, 0), "left");
	assert_int_equal(js_len(remotes), 1);
	assert_string_equal(js_get_str(js_at(remotes, 0), "why"), "still not there");
	ok(db_begin(db, &err));
	ok(forget_remote_set(db, id, "team", NULL, 7, &err));
	ok(db_commit(db, &err));
	assert_int_equal(forget_left(db, 0, &left, &err), 0);
	ok(forget_list(db, true, &all, &err));
	assert_int_equal(js_len(all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_goes_one_way),
		TEST(tombstones_tell_who_and_why),
		TEST(what_would_bring_it_back_goes_too),
		TEST(a_remote_that_was_not_there_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
