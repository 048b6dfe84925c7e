/* SPDX-License-Identifier: Apache-2.0 */
#include "../registry/registry_fixture.h"
#include <string.h>
#include "api/fire.h"
#include "api/ops.h"
#include "api/policy_follow.h"
#include "base/json.h"
#include "registry/events.h"
#include "registry/firings.h"
#include "registry/jobs.h"
#include "registry/projects.h"

#define HOUR_MS 3600000LL
#define DAY_MS	86400000LL

static struct op_context ctx = { .origin = "http", .actor = "anna" };

static void define(const char *specs, int expected)
{
	struct js *json;
	int changed;

	ok(js_parse(specs, strlen(specs), "specs", &json, &err));
	ok(db_begin(db, &err));
	ok(triggers_set(db, "churn", json, 1000, &changed, &err));
	ok(db_commit(db, &err));
	assert_int_equal(changed, expected);
	js_free(json);
}

static void project(const char *specs, int expected)
{
	const struct project_row row = { .name = "churn", .source = "/srv/churn", .kind = SOURCE_DIR, .actor = "anna" };

	ok(db_begin(db, &err));
	assert_true(project_row_add(db, &row, &err) >= 0);
	ok(db_commit(db, &err));
	define(specs, expected);
}

/* What was decided: the caller frees. */
static struct js *cause(const char *trigger, const char *name, int64_t time_ms, int expected)
{
	const struct cause c = { .project = "churn", .trigger = trigger, .name = name, .kind = "cron", .time_ms = time_ms };
	struct js *firing;

	ok(db_begin(db, &err));
	assert_int_equal(fire(&ctx, db, &c, &firing, &err), expected);
	ok(db_commit(db, &err));
	return firing;
}

static void decided(struct js *firing, const char *decision, const char *reason)
{
	assert_string_equal(js_get_str(firing, "decision"), decision);
	if (reason)
		assert_string_equal(js_get_str(firing, "reason"), reason);
	else
		assert_null(js_get(firing, "reason"));
	assert_int_equal(js_get_str(firing, "run_id") != NULL, !strcmp(decision, "run"));
	js_free(firing);
}

static void settle(const char *run, const char *outcome)
{
	ok(db_begin(db, &err));
	ok(fire_settle(&ctx, db, run, outcome, &err));
	ok(db_commit(db, &err));
}

/* Fires, and its run ends at once. */
static void ran(const char *trigger, const char *name, int64_t time_ms, const char *outcome)
{
	struct js *firing = cause(trigger, name, time_ms, 1);

	assert_string_equal(js_get_str(firing, "decision"), "run");
	settle(js_get_str(firing, "run_id"), outcome);
	js_free(firing);
}

static void a_cause_is_decided_once(void **state)
{
	struct js *first, *again, *job, *events;
	const struct event_query all = { .limit = 10 };

	(void)state;
	project("{\"night\":{\"cron\":\"0 3 * * *\",\"update\":[\"data\"],\"steps\":[\"train\"],\"params\":[\"lr=1\"]}}", 1);
	first = cause("night", "cron:1", DAY_MS, 1);
	again = cause("night", "cron:1", 2 * DAY_MS, 0);
	assert_true(js_equal(first, again));
	ok(job_load(db, js_get_str(first, "run_id"), &job, &err));
	assert_string_equal(js_get_str(job, "actor"), "trigger churn/night");
	assert_string_equal(js_get_str(js_get(job, "args"), "trigger_time"), "1970-01-02T00:00:00.000Z");
	assert_string_equal(js_text(js_at(js_get(js_get(job, "args"), "args"), 1)), "train");
	assert_string_equal(js_text(js_at(js_get(js_get(job, "args"), "update"), 0)), "data");
	ok(event_find(db, &all, &events, &err));
	assert_int_equal(js_len(events), 1);
	assert_string_equal(js_get_str(js_at(events, 0), "subject"), "churn/night");
	assert_string_equal(js_get_str(js_at(events, 0), "after"), "run");
	js_free(events);
	js_free(job);
	js_free(first);
	js_free(again);
}

static void what_is_paused_is_skipped_and_says_by_whom(void **state)
{
	struct js *trigger, *paused = js_object();

	(void)state;
	project("{\"night\":{\"cron\":\"0 3 * * *\"}}", 1);
	ok(trigger_load(db, "churn", "night", &trigger, &err));
	js_set_str(paused, "actor", "bob");
	js_set_str(paused, "reason", "holidays");
	ok(db_begin(db, &err));
	ok(trigger_pause(db, js_get_int(trigger, "id", 0), paused, &err));
	ok(db_commit(db, &err));
	decided(cause("night", "cron:1", DAY_MS, 1), "skipped", "paused by bob: holidays");
	ok(db_begin(db, &err));
	ok(trigger_pause(db, js_get_int(trigger, "id", 0), NULL, &err));
	ok(db_commit(db, &err));
	decided(cause("night", "cron:2", DAY_MS, 1), "run", NULL);
	js_free(trigger);
	js_free(paused);
}

static void budget_and_cooldown_count_what_ran_in_logical_time(void **state)
{
	(void)state;
	project("{\"night\":{\"budget\":{\"day\":1,\"week\":3}},\"calm\":{\"cooldown_ms\":3600000}}", 2);
	ran("night", "1", 10 * DAY_MS, "finished");
	decided(cause("night", "2", 10 * DAY_MS + 23 * HOUR_MS, 1), "skipped", "its budget of 1/day is used up");
	ran("night", "3", 11 * DAY_MS, "nothing new");
	ran("night", "4", 11 * DAY_MS + 1, "rejected");
	ran("night", "5", 13 * DAY_MS, "failed");
	decided(cause("night", "6", 16 * DAY_MS, 1), "skipped", "its budget of 3/week is used up");
	ran("night", "7", 17 * DAY_MS, "finished");
	ran("calm", "1", 10 * DAY_MS, "finished");
	decided(cause("calm", "2", 10 * DAY_MS + HOUR_MS - 1, 1), "skipped", "its cooldown lasts until 1970-01-11T01:00:00.000Z");
	ran("calm", "3", 10 * DAY_MS + HOUR_MS, "finished");
}

static void one_of_a_group_runs_and_the_newest_waits(void **state)
{
	struct js *first, *list;

	(void)state;
	project("{\"a\":{\"group\":\"train\"},\"b\":{\"group\":\"train\"},\"c\":{}}", 3);
	first = cause("a", "1", DAY_MS, 1);
	assert_string_equal(js_get_str(first, "decision"), "run");
	js_free(cause("a", "2", DAY_MS, 1));
	js_free(cause("b", "1", DAY_MS, 1));
	ran("c", "1", DAY_MS, "finished");
	settle(js_get_str(first, "run_id"), "finished");
	settle(js_get_str(first, "run_id"), "failed"); /* it was said before */
	ok(firings_list(db, "churn", NULL, 10, &list, &err));
	assert_int_equal(js_len(list), 4);
	assert_string_equal(js_get_str(js_at(list, 1), "decision"), "run");
	assert_non_null(js_get_str(js_at(list, 1), "run_id"));
	assert_string_equal(js_get_str(js_at(list, 2), "reason"), "a newer cause took its place");
	assert_string_equal(js_get_str(js_at(list, 3), "outcome"), "finished");
	js_free(first);
	js_free(list);
}

static void a_newer_cause_ends_what_is_superseded(void **state)
{
	struct js *first, *second, *third, *job;

	(void)state;
	project("{\"push\":{\"cancel\":\"superseded\"}}", 1);
	first = cause("push", "1", DAY_MS, 1);
	second = cause("push", "2", DAY_MS, 1);
	assert_string_equal(js_get_str(second, "decision"), "run");
	ok(job_load(db, js_get_str(first, "run_id"), &job, &err));
	assert_string_equal(js_get_str(job, "state"), "cancelled");
	js_free(job);
	assert_int_equal(job_move(db, js_get_str(second, "run_id"), "queued", "running", 1, &err), 1);
	third = cause("push", "3", DAY_MS, 1);
	assert_string_equal(js_get_str(third, "decision"), "waiting");
	ok(job_load(db, js_get_str(second, "run_id"), &job, &err));
	assert_string_equal(js_get_str(job, "stopped_by"), "trigger churn/push");
	js_free(job);
	js_free(first);
	js_free(second);
	js_free(third);
}

/* The newest firing says so: NULL is nothing. */
static void newest(const char *decision, const char *reason)
{
	struct js *list;

	ok(firings_list(db, "churn", NULL, 1, &list, &err));
	decided(js_ref(js_at(list, 0)), decision, reason);
	js_free(list);
}

static void who_waits_goes_on_when_the_other_trigger_is_gone(void **state)
{
	struct js *first;

	(void)state;
	project("{\"a\":{\"group\":\"train\"},\"b\":{\"group\":\"train\"}}", 2);
	first = cause("a", "1", DAY_MS, 1);
	js_free(cause("b", "1", DAY_MS, 1));
	define("{\"b\":{\"group\":\"other\"}}", 2);
	settle(js_get_str(first, "run_id"), "finished");
	newest("run", NULL);
	js_free(first);
}

static void who_waits_for_a_trigger_that_is_gone_is_skipped(void **state)
{
	struct js *first, *trigger, *paused = js_object();

	(void)state;
	project("{\"a\":{\"group\":\"train\"},\"b\":{\"group\":\"train\"}}", 2);
	first = cause("a", "1", DAY_MS, 1);
	js_free(cause("b", "1", DAY_MS, 1));
	define("{}", 2);
	settle(js_get_str(first, "run_id"), "finished");
	newest("skipped", "its trigger is there no more");
	js_free(first);
	define("{\"a\":{\"group\":\"train\"},\"b\":{\"group\":\"train\"}}", 2);
	first = cause("a", "2", DAY_MS, 1);
	js_free(cause("b", "2", DAY_MS, 1));
	ok(trigger_load(db, "churn", "b", &trigger, &err));
	js_set_str(paused, "actor", "bob");
	ok(db_begin(db, &err));
	ok(trigger_pause(db, js_get_int(trigger, "id", 0), paused, &err));
	ok(db_commit(db, &err));
	settle(js_get_str(first, "run_id"), "finished");
	newest("skipped", "paused by bob");
	js_free(first);
	js_free(trigger);
	js_free(paused);
}

static void an_answer_ends_what_was_pending(void **state)
{
	struct js *first, *firing;
	int answered;

	(void)state;
	project("{\"a\":{}}", 1);
	first = cause("a", "1", DAY_MS, 1);
	ok(db_begin(db, &err));
	assert_int_equal(firing_answer(db, js_get_str(first, "run_id"), "promoted", &err), 0); /* it goes on */
	ok(db_commit(db, &err));
	settle(js_get_str(first, "run_id"), "pending");
	ok(db_begin(db, &err));
	answered = retrain_rejected(&ctx, db, js_get_str(first, "run_id"), "worse", &err);
	ok(answered);
	assert_int_equal(firing_answer(db, js_get_str(first, "run_id"), "promoted", &err), 0); /* it was said before */
	ok(db_commit(db, &err));
	ok(firing_load(db, js_get_int(first, "id", 0), &firing, &err));
	assert_string_equal(js_get_str(firing, "outcome"), "rejected");
	js_free(firing);
	js_free(first);
}

static void triggers_that_go_keep_their_firings_and_begin_anew(void **state)
{
	struct js *trigger, *list;
	int64_t id;

	(void)state;
	project("{\"night\":{\"cron\":\"0 3 * * *\"}}", 1);
	ran("night", "1", DAY_MS, "finished");
	ok(trigger_load(db, "churn", "night", &trigger, &err));
	id = js_get_int(trigger, "id", 0);
	js_free(trigger);
	ok(db_begin(db, &err));
	ok(trigger_advance(db, id, 77, &err));
	ok(db_commit(db, &err));
	define("{\"night\":{\"cron\":\"0 3 * * *\"}}", 0);
	define("{\"night\":{\"cron\":\"0 3 * * *\",\"steps\":[\"a\"]}}", 1);
	ok(trigger_load(db, "churn", "night", &trigger, &err));
	assert_int_equal(js_get_int(trigger, "last", 0), 77);
	js_free(trigger);
	define("{}", 1);
	assert_int_equal(trigger_load(db, "churn", "night", &trigger, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	define("{\"night\":{\"cron\":\"0 3 * * *\"}}", 1);
	ok(trigger_load(db, "churn", "night", &trigger, &err));
	assert_int_equal(js_get_int(trigger, "id", 0), id);
	assert_null(js_get(trigger, "last"));
	js_free(trigger);
	ok(firings_list(db, NULL, NULL, 10, &list, &err));
	assert_int_equal(js_len(list), 1);
	js_free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_cause_is_decided_once),
		TEST(what_is_paused_is_skipped_and_says_by_whom),
		TEST(budget_and_cooldown_count_what_ran_in_logical_time),
		TEST(one_of_a_group_runs_and_the_newest_waits),
		TEST(a_newer_cause_ends_what_is_superseded),
		TEST(who_waits_goes_on_when_the_other_trigger_is_gone),
		TEST(who_waits_for_a_trigger_that_is_gone_is_skipped),
		TEST(an_answer_ends_what_was_pending),
		TEST(triggers_that_go_keep_their_firings_and_begin_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
