/* SPDX-License-Identifier: Apache-2.0 */
/* Who answered a request: versions and aliases as they were when it came. */
#include "registry/models.h"
#include "registry/monitors.h"
#include "registry/predictions.h"
#include "registry/promotions.h"
#include "registry/versions.h"
#include "tests/unit/registry/registry_fixture.h"

#define change(call)                     \
	do {                             \
		ok(db_begin(db, &err));  \
		ok(call);                \
		ok(db_commit(db, &err)); \
	} while (0)

static int64_t monitor;

static void version(int64_t number, int64_t time)
{
	struct db_stmt *q;

	ok(db_begin(db, &err));
	if (number == 1) {
		q = db_query(db, "INSERT INTO registered_models (id, name, creation_time, last_update_time) VALUES (1, 'churn', 1, 1)");
		ok(db_run(q, &err));
	}
	q = db_query(db, "INSERT INTO model_versions (model, number, creation_time, last_update_time, source, location)"
			 " VALUES (1, ?1, ?2, ?2, 's', 'l')");
	db_bind(q, 1, number);
	db_bind(q, 2, time);
	ok(db_run(q, &err));
	ok(db_commit(db, &err));
}

static void promote(int64_t number, int64_t time)
{
	struct promotion p = { .model = "churn", .alias = "champion", .number = number, .how = PROMOTED_BY_PERSON, .actor = "ann",
			       .now_ms = time };
	int64_t before;

	change(promotion_do(db, &p, &before, &err));
}

static void window(int64_t of, int64_t number)
{
	CLEANUP_JS struct js *verdict = js_object();
	const struct monitor_window w = { .number = number, .state = "OK", .verdict = verdict };

	change(monitor_window_store(db, of, &w, 1, &err));
}

/* Versions 1 and 2 of times 10 and 20; champions at 100, 200 and, back, 300. */
static void begin(void)
{
	version(1, 10);
	version(2, 20);
	promote(1, 100);
	promote(2, 200);
	promote(1, 300);
	change(monitor_add(db, "m", "{}", &monitor, &err));
	for (int64_t i = 0; i < 2; i++)
		window(monitor, i);
}

static void answer(const char *watched, const char *id, const char *model, int64_t time)
{
	struct predictions *p;

	ok(db_begin(db, &err));
	p = predictions_open(db, monitor, 1, watched);
	ok(predictions_add(p, prediction_key(id, strlen(id)), model, time, &err));
	predictions_close(p);
	ok(db_commit(db, &err));
}

/* "churn@v1 champion 3", "" when nobody can say */
static const char *found(const char *id)
{
	static char text[400];
	CLEANUP_JS struct js *list = NULL;
	const struct js *row;

	ok(predictions_find(db, NULL, id, &list, &err));
	assert_int_equal(js_len(list), 1);
	row = js_at(list, 0);
	*text = '\0';
	if (js_get_str(row, "model"))
		snprintf(text, sizeof(text), "%s%s", js_get_bool(row, "known") ? "" : "?", js_get_str(row, "model"));
	if (js_get_str(row, "alias"))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s %lld", js_get_str(row, "alias"),
			 (long long)js_get_int(row, "move", 0));
	return text;
}

static void an_alias_is_who_had_it_then(void **state)
{
	static const struct {
		int64_t time;
		const char *who;
	} cases[] = { { 99, "" }, { 100, "churn@v1 champion 1" }, { 199, "churn@v1 champion 1" }, { 200, "churn@v2 champion 2" },
		      { 300, "churn@v1 champion 3" }, { INT64_MAX, "churn@v1 champion 3" } };

	(void)state;
	begin();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		answer("churn@champion", "r", NULL, cases[i].time);
		assert_string_equal(found("r"), cases[i].who);
	}
}

static void what_the_row_says_goes_before(void **state)
{
	(void)state;
	begin();
	answer("churn@champion", "named", "churn@v2", 5);
	assert_string_equal(found("named"), "churn@v2");
	answer("churn@champion", "aliased", "churn@champion", 250);
	assert_string_equal(found("aliased"), "churn@v2 champion 2");
	answer("churn@champion", "same", "churn", 250);
	assert_string_equal(found("same"), "churn@v2 champion 2");
	answer(NULL, "newest", "churn", 15);
	assert_string_equal(found("newest"), "churn@v1");
	answer(NULL, "newest", "churn@latest", 25);
	assert_string_equal(found("newest"), "churn@v2");
}

static void what_is_not_known_is_not_made_up(void **state)
{
	char longest[PREDICTION_MODEL_MAX + 2];

	(void)state;
	begin();
	answer("churn@champion", "deleted", "churn@v9", 250);
	assert_string_equal(found("deleted"), "?churn@v9");
	answer(NULL, "stranger", "gpt", 250);
	assert_string_equal(found("stranger"), "?gpt");
	answer("churn@champion", "car", "corolla", 250);
	assert_string_equal(found("car"), "churn@v2 champion 2");
	answer(NULL, "nobody", NULL, 250);
	assert_string_equal(found("nobody"), "");
	answer("churn@champion", "empty", "", 250);
	assert_string_equal(found("empty"), "");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	answer("churn@champion", "long", longest, 250);
	assert_string_equal(found("long"), "");
}

/* A move after the clock was set back: from then on it is the one that counts. */
static void a_clock_that_is_set_back(void **state)
{
	(void)state;
	begin();
	promote(2, 150);
	answer("churn@champion", "before", NULL, 120);
	assert_string_equal(found("before"), "churn@v1 champion 1");
	answer("churn@champion", "after", NULL, 350);
	assert_string_equal(found("after"), "churn@v2 champion 4");
}

static void ids_of_several_windows(void **state)
{
	CLEANUP_JS struct js *all = NULL, *one = NULL, *none = NULL;
	struct predictions *p;
	int64_t other;

	(void)state;
	begin();
	change(monitor_add(db, "other", "{}", &other, &err));
	window(other, 2);
	ok(db_begin(db, &err));
	for (int64_t i = 0; i < 3; i++) {
		p = predictions_open(db, i == 2 ? other : monitor, i, NULL);
		ok(predictions_add(p, prediction_key("r", 1), NULL, 10 * i, &err));
		ok(predictions_add(p, prediction_key("r", 1), NULL, 10 * i + 1, &err));
		predictions_close(p);
	}
	ok(db_commit(db, &err));
	ok(predictions_find(db, NULL, "r", &all, &err));
	assert_int_equal(js_len(all), 3);
	assert_int_equal(js_get_int(js_at(all, 0), "time", 0), 21);
	ok(predictions_find(db, "m", "r", &one, &err));
	assert_int_equal(js_len(one), 2);
	assert_int_equal(js_get_int(js_at(one, 0), "window", 0), 1);
	ok(predictions_find(db, NULL, "R", &none, &err));
	assert_int_equal(js_len(none), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_alias_is_who_had_it_then, enter, leave),
		cmocka_unit_test_setup_teardown(what_the_row_says_goes_before, enter, leave),
		cmocka_unit_test_setup_teardown(what_is_not_known_is_not_made_up, enter, leave),
		cmocka_unit_test_setup_teardown(a_clock_that_is_set_back, enter, leave),
		cmocka_unit_test_setup_teardown(ids_of_several_windows, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
