/* SPDX-License-Identifier: Apache-2.0 */
/* What the retraining policy decided: once a window, once an outcome. */
#include "registry/decisions.h"
#include "registry/monitors.h"
#include "registry/versions.h"
#include "registry/watched.h"
#include "tests/unit/registry/registry_fixture.h"

static int64_t monitor;

static void add_window(int64_t number, const char *state)
{
	CLEANUP_JS struct js *verdict = js_object();
	const struct monitor_window w = { .number = number, .start = number, .stop = number + 1, .rows = 10, .state = state, .verdict = verdict };

	ok(monitor_window_store(db, monitor, &w, 5, &err));
}

static int decide(enum decision_kind kind, int64_t number, char digest[65])
{
	CLEANUP_JS struct js *body = js_object();
	const struct decision_new new = {
		.monitor = monitor, .kind = kind, .number = number, .time_ms = number * 10, .rule = "rule", .outcome = "none",
		.body = body, .now_ms = 99,
	};

	js_set_int(body, "window", number);
	js_set_str(body, "alarm", "none");
	return decision_add(db, &new, digest, &err);
}

static int64_t due(void)
{
	CLEANUP_JS struct js *window = NULL;

	ok(decision_due(db, monitor, &window, &err));
	return window ? js_get_int(window, "number", -1) : -1;
}

static void windows_are_due_in_order_and_decided_once(void **state)
{
	CLEANUP_JS struct js *list = NULL;
	char first[65], second[65];
	int64_t number, time_ms;

	(void)state;
	ok(db_begin(db, &err));
	ok(monitor_add(db, "m", "{}", &monitor, &err));
	assert_int_equal(due(), -1);
	add_window(-3, "OK");
	add_window(-2, "INSUFFICIENT");
	add_window(0, "DRIFT");
	assert_int_equal(due(), -3);
	ok(decide(DECISION_WINDOW, -3, first));
	assert_int_equal(due(), 0);
	ok(decide(DECISION_WINDOW, 0, second));
	assert_int_equal(due(), -1);
	assert_string_not_equal(first, second);
	refused(decide(DECISION_WINDOW, 0, NULL), ERR_CONFLICT);
	ok(decide(DECISION_PERSON, 0, NULL));
	ok(decide(DECISION_PERSON, 0, NULL));
	ok(decision_last(db, monitor, &number, &time_ms, &err));
	assert_int_equal(number, 0);
	ok(db_commit(db, &err));
	ok(decisions_list(db, monitor, 3, &list, &err));
	assert_int_equal(js_len(list), 3);
	assert_string_equal(js_get_str(js_at(list, 0), "digest"), second);
	assert_string_equal(js_get_str(js_at(list, 2), "kind"), "person");
	assert_int_equal(js_get_int(js_get(js_at(list, 0), "body"), "window", -1), 0);
}

/* The digest is of the body alone: the same in another database, in another row, at another time. */
static void a_digest_is_of_the_body(void **state)
{
	char digest[65];

	(void)state;
	ok(db_begin(db, &err));
	ok(monitor_add(db, "m", "{}", &monitor, &err));
	ok(decide(DECISION_WINDOW, 4, digest));
	ok(db_commit(db, &err));
	/* printf '{"alarm":"none","window":4}' | sha256sum */
	assert_string_equal(digest, "e558ff9500e27adefa9a09e3f719584fae2fcd809a51e7c27c58682dcd3539cf");
}

static void how_it_stands_is_kept(void **state)
{
	CLEANUP(policy_state_release) struct policy_state p = { 0 }, again = { 0 };

	(void)state;
	ok(db_begin(db, &err));
	ok(monitor_add(db, "m", "{}", &monitor, &err));
	ok(policy_state_load(db, monitor, &p, &err));
	assert_int_equal(js_len(p.state), 0);
	assert_null(p.paused);
	js_set_int(p.state, "calm", 2);
	p.paused = js_object();
	js_set_str(p.paused, "by", "ann");
	ok(policy_state_store(db, monitor, &p, &err));
	ok(policy_state_store(db, monitor, &p, &err));
	ok(db_commit(db, &err));
	ok(policy_state_load(db, monitor, &again, &err));
	assert_true(js_equal(p.state, again.state) && js_equal(p.paused, again.paused));
	assert_int_equal(again.firing, 0);
}

static void a_reference_goes_and_comes_back(void **state)
{
	const struct content own = content_of("own", CONTENT_FILE), trained = content_of("trained", CONTENT_FILE);
	const struct monitor_part part = { .phase = 3, .profile = own };
	CLEANUP(cleanup_free) struct monitor_part *parts = NULL;
	CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
	CLEANUP_JS struct js *reference = js_object();
	size_t n;

	(void)state;
	ok(db_begin(db, &err));
	ok(monitor_add(db, "m", "{}", &monitor, &err));
	assert_int_equal(monitor_restore_reference(db, monitor, NULL, &err), 0);
	js_set_str(reference, "key", "own");
	ok(monitor_set_reference(db, monitor, reference, &own, &part, 1, &err));
	ok(monitor_keep_reference(db, monitor, "own", false, &err));
	ok(monitor_keep_reference(db, monitor, "own", false, &err));
	js_set_str(reference, "key", "t");
	ok(monitor_set_reference(db, monitor, reference, &trained, NULL, 0, &err));
	assert_int_equal(monitor_restore_reference(db, monitor, "other", &err), 0);
	ok(monitor_keep_reference(db, monitor, "t", true, &err));
	assert_int_equal(monitor_restore_reference(db, monitor, NULL, &err), 1);
	ok(db_commit(db, &err));
	ok(monitor_load(db, "m", &row, &err));
	assert_string_equal(js_get_str(row.reference, "key"), "own");
	assert_true(content_equal(&row.profile, &own));
	ok(monitor_parts(db, monitor, &parts, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(parts[0].phase, 3);
}

static void who_is_not_there_is_nobody(void **state)
{
	static const char *const nobody[] = { NULL, "churn", "churn@champion", "churn@v3", "churn@v", "@x", "a@b@c" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(nobody); i++) {
		CLEANUP(cleanup_free) char *digest = NULL;

		ok(watched_digest(db, nobody[i], &digest, &err));
		assert_null(digest);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		T(windows_are_due_in_order_and_decided_once),
		T(a_digest_is_of_the_body),
		T(how_it_stands_is_kept),
		T(a_reference_goes_and_comes_back),
		T(who_is_not_there_is_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
