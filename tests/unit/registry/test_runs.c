/* SPDX-License-Identifier: Apache-2.0 */
/* Runs as MLflow's server keeps them: limits, repeats, the latest metric, mirrored tags, attempts.
 */
#include "base/strlist.h"
#include "registry_fixture.h"
#include <float.h>
#include <math.h>

static struct js *load(const char *id)
{
	struct js *run = NULL;

	ok(run_load(db, id, &run, &err));
	return run;
}

static void experiment_zero_is_there_and_names_are_found_again(void **state)
{
	int64_t zero, a, b;

	(void)state;
	ok(experiment_ensure(db, "Default", &zero, &err));
	ok(experiment_ensure(db, "churn", &a, &err));
	ok(experiment_ensure(db, "churn", &b, &err));
	assert_int_equal(zero, 0);
	assert_int_not_equal(a, 0);
	assert_int_equal(a, b);
	refused(experiment_ensure(db, "", &a, &err), ERR_USAGE);
	refused(experiment_ensure(db, "a\nb", &a, &err), ERR_USAGE);
	refused(experiment_ensure(db, "\xff", &a, &err), ERR_USAGE);
}

static void a_run_is_loaded_as_it_was_logged(void **state)
{
	const char *top = make_run(1, NULL), *id = make_run(2, top);
	struct content data = content_of("abc", CONTENT_TREE),
		       out = content_of("model", CONTENT_FILE);
	struct js *run;

	(void)state;
	data.files = 3;
	ok(run_log_param(db, id, "lr", "0.01", &err));
	ok(run_log_metric(db, id, "auc", 0.5, 1, 0, &err));
	ok(run_log_metric(db, id, "auc", 0.75, 2, 1, &err));
	ok(run_log_metric(db, id, "loss", NAN, 2, 1, &err));
	ok(run_set_tag(db, id, "team", "risk", &err));
	ok(run_log_content(db, id, RUN_INPUT, "data/raw", "data", &data, &err));
	ok(run_log_content(db, id, RUN_OUTPUT, "model.pkl", "out", &data, &err));
	ok(run_log_content(db, id, RUN_OUTPUT, "model.pkl", "out", &out, &err));
	ok(run_finish(db, id, RUN_FINISHED, 2500, &err));
	run = load(id);
	js_del(js_get(run, "tags"), "mlflow.runName");
	js_del(run, "name");
	assert_string_equal(
	    json_text(run),
	    "{\"run_id\":\"00000000000000000000000000000002\",\"experiment\":\"Default\","
	    "\"status\":\"FINISHED\","
	    "\"start_time\":2000,\"end_time\":2500,\"user\":\"ann@host\","
	    "\"parent\":\"00000000000000000000000000000001\",\"step\":\"train\","
	    "\"params\":{\"lr\":\"0.01\"},\"metrics\":{\"auc\":0.75,\"loss\":\"NaN\"},"
	    "\"tags\":{\"mlflow.parentRunId\":\"00000000000000000000000000000001\",\"team\":"
	    "\"risk\"},"
	    "\"inputs\":[{\"path\":\"data/raw\",\"use\":\"data\",\"content\":\"tree:"
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"size\":3,"
	    "\"files\":3}],"
	    "\"outputs\":[{\"path\":\"model.pkl\",\"use\":\"out\",\"content\":\"file:"
	    "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4\",\"size\":5,"
	    "\"files\":1}]}");
	js_free(run);
	refused(run_load(db, run_id(9), &run, &err), ERR_NOT_FOUND);
}

static void a_run_without_a_name_gets_one(void **state)
{
	struct js *run = load(make_run(1, NULL));
	const char *name = js_get_str(run, "name");
	char a[32], b[32], rest;
	unsigned n;

	(void)state;
	assert_int_equal(sscanf(name, "%31[a-z]-%31[a-z]-%u%c", a, b, &n, &rest), 3);
	assert_in_range(n, 0, 999);
	assert_string_equal(js_get_str(js_get(run, "tags"), "mlflow.runName"), name);
	js_free(run);
}

static void ids_are_checked_and_unique(void **state)
{
	struct run_new run = {.id = "ABC", .user = "u"};

	(void)state;
	refused(run_create(db, &run, &err), ERR_USAGE);
	run.id = "0123456789ABCDEF0123456789ABCDEF";
	refused(run_create(db, &run, &err), ERR_USAGE);
	run.id = make_run(1, NULL);
	refused(run_create(db, &run, &err), ERR_CONFLICT);
	run.id = run_id(2);
	run.parent = run_id(3);
	refused(run_create(db, &run, &err), ERR_NOT_FOUND);
}

static void a_param_keeps_its_first_value(void **state)
{
	const char *id = make_run(1, NULL);
	struct js *run;

	(void)state;
	ok(run_log_param(db, id, "lr", "0.1", &err));
	ok(run_log_param(db, id, "lr", "0.1", &err));
	refused(run_log_param(db, id, "lr", "0.2", &err), ERR_CONFLICT);
	run = load(id);
	assert_string_equal(js_get_str(js_get(run, "params"), "lr"), "0.1");
	js_free(run);
}

static void keys_follow_mlflow(void **state)
{
	static const char *const good[] = {"a",     "a/b.c-d e:f_9", ".a", "sch\xc3\xb6n",
					   "a/b/c", "a..b"};
	static const char *const bad[] = {
	    "",       "/a",    "a/",  "a//b", ".",   "..",   "../a", "..a",
	    "a/../b", "a/./b", "a,b", "a\tb", "a=b", "\xff", "a\"b",
	};
	const char *id = make_run(1, NULL);
	char key[252];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		ok(run_log_metric(db, id, good[i], 1, 0, 0, &err));
		ok(run_log_param(db, id, good[i], "1", &err));
		ok(run_set_tag(db, id, good[i], "1", &err));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		refused(run_log_metric(db, id, bad[i], 1, 0, 0, &err), ERR_USAGE);
		refused(run_log_param(db, id, bad[i], "1", &err), ERR_USAGE);
		refused(run_set_tag(db, id, bad[i], "1", &err), ERR_USAGE);
	}
	memset(key, 'k', sizeof(key));
	key[251] = '\0';
	refused(run_log_metric(db, id, key, 1, 0, 0, &err), ERR_USAGE);
	key[250] = '\0';
	ok(run_log_metric(db, id, key, 1, 0, 0, &err));
}

/* By characters, not bytes, and never within one. */
static void long_values_are_cut(void **state)
{
	const char *id = make_run(1, NULL);
	size_t n = 6001;
	char *value = xmalloc(n * 2 + 1);
	struct js *run;

	(void)state;
	for (size_t i = 0; i < n; i++)
		memcpy(value + 2 * i, "\xc3\xa4", 2);
	value[n * 2] = '\0';
	ok(run_log_param(db, id, "p", value, &err));
	ok(run_log_param(db, id, "p", value, &err));
	ok(run_set_tag(db, id, "t", value, &err));
	run = load(id);
	assert_int_equal(strlen(js_get_str(js_get(run, "params"), "p")), 12000);
	assert_int_equal(strlen(js_get_str(js_get(run, "tags"), "t")), 12002);
	js_free(run);
	free(value);
}

/* The largest by step, then time, then value; a repeat changes nothing, in any order of arrival. */
static void the_latest_metric_is_the_largest(void **state)
{
	static const struct {
		double value;
		int64_t time, step;
	} points[] = {{5, 10, 2}, {1, 90, 1}, {7, 10, 2}, {6, 10, 2},
		      {7, 10, 2}, {9, 9, 2},  {3, 1, -4}};
	const char *id = make_run(1, NULL);
	struct js *run, *history;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		ok(run_log_metric(db, id, "m", points[i].value, points[i].time, points[i].step,
				  &err));
	run = load(id);
	assert_true(js_get_real(js_get(run, "metrics"), "m", 0) == 7);
	js_free(run);
	ok(run_metric_history(db, id, "m", &history, &err));
	assert_string_equal(json_text(history),
			    "{\"m\":[{\"step\":-4,\"timestamp\":1,\"value\":3.0},"
			    "{\"step\":2,\"timestamp\":9,\"value\":9.0},"
			    "{\"step\":2,\"timestamp\":10,\"value\":5.0},"
			    "{\"step\":2,\"timestamp\":10,\"value\":6.0},"
			    "{\"step\":2,\"timestamp\":10,\"value\":7.0},"
			    "{\"step\":1,\"timestamp\":90,\"value\":1.0}]}");
	js_free(history);
	ok(run_metric_history(db, id, "none", &history, &err));
	assert_string_equal(json_text(history), "{\"none\":[]}");
	js_free(history);
}

static void odd_numbers_are_kept_as_mlflow_keeps_them(void **state)
{
	const char *id = make_run(1, NULL);
	struct js *run;

	(void)state;
	ok(run_log_metric(db, id, "nan", NAN, 0, 0, &err));
	ok(run_log_metric(db, id, "up", INFINITY, 0, 0, &err));
	ok(run_log_metric(db, id, "down", -INFINITY, 0, 0, &err));
	refused(run_log_metric(db, id, "m", 1, -1, 0, &err), ERR_USAGE);
	run = load(id);
	assert_string_equal(js_get_str(js_get(run, "metrics"), "nan"), "NaN");
	assert_true(js_get_real(js_get(run, "metrics"), "up", 0) == DBL_MAX);
	assert_true(js_get_real(js_get(run, "metrics"), "down", 0) == -DBL_MAX);
	js_free(run);
}

static void name_and_parent_are_tags_too(void **state)
{
	const char *a = make_run(1, NULL), *b = make_run(2, NULL);
	struct js *run;

	(void)state;
	ok(run_set_tag(db, b, "mlflow.runName", "champion", &err));
	ok(run_set_tag(db, b, "mlflow.parentRunId", a, &err));
	run = load(b);
	assert_string_equal(js_get_str(run, "name"), "champion");
	assert_string_equal(js_get_str(run, "parent"), a);
	js_free(run);
	ok(run_set_tag(db, a, "mlflow.parentRunId", a, &err)); /* its own parent it cannot be */
	run = load(a);
	assert_null(js_get_str(run, "parent"));
	js_free(run);
}

static void logging_to_no_run_is_not_found(void **state)
{
	struct content c = content_of("x", CONTENT_FILE), absent = {.kind = CONTENT_ABSENT};

	(void)state;
	refused(run_log_param(db, run_id(1), "k", "v", &err), ERR_NOT_FOUND);
	refused(run_log_metric(db, run_id(1), "k", 1, 0, 0, &err), ERR_NOT_FOUND);
	refused(run_set_tag(db, run_id(1), "k", "v", &err), ERR_NOT_FOUND);
	refused(run_log_content(db, run_id(1), RUN_INPUT, "p", "data", &c, &err), ERR_NOT_FOUND);
	refused(run_finish(db, run_id(1), RUN_FAILED, 1, &err), ERR_NOT_FOUND);
	refused(run_log_content(db, make_run(1, NULL), RUN_INPUT, "p", "data", &absent, &err),
		ERR_USAGE);
}

static void what_is_refused_leaves_the_callers_transaction_usable(void **state)
{
	const char *id = make_run(1, NULL);
	struct js *run;

	(void)state;
	ok(db_begin(db, &err));
	ok(run_log_param(db, id, "lr", "1", &err));
	refused(run_log_param(db, id, "lr", "2", &err), ERR_CONFLICT);
	refused(run_log_param(db, id, "a//b", "2", &err), ERR_USAGE);
	refused(run_log_metric(db, run_id(8), "m", 2, 0, 0, &err), ERR_NOT_FOUND);
	ok(run_log_metric(db, id, "m", 2, 0, 0, &err));
	ok(db_commit(db, &err));
	run = load(id);
	assert_string_equal(json_text(js_get(run, "params")), "{\"lr\":\"1\"}");
	assert_string_equal(json_text(js_get(run, "metrics")), "{\"m\":2.0}");
	js_free(run);
}

static void last_is_the_newest_top_level_run_whatever_the_clock(void **state)
{
	char id[33];

	(void)state;
	refused(run_last(db, id, &err), ERR_NOT_FOUND);
	make_run(50, NULL);
	make_run(51, run_id(50));
	make_run(7, NULL); /* the clock was set back */
	make_run(52, run_id(7));
	ok(run_last(db, id, &err));
	assert_string_equal(id, run_id(7));
}

static int remember(void *ctx, const char *id)
{
	strlist_push(ctx, id);
	return run_finish(db, id, RUN_KILLED, 1, &err);
}

static int stop(void *ctx, const char *id)
{
	(void)id;
	++*(int *)ctx;
	return -1;
}

static void running_runs_may_be_ended_while_they_are_walked(void **state)
{
	struct strlist ids = STRLIST_INIT;
	int calls = 0;

	(void)state;
	for (int i = 1; i <= 6; i++)
		make_run(i, NULL);
	for (int i = 1; i <= 5; i++) /* the sixth is a client's */
		ok(run_set_tag(db, run_id(i), "mlops.steps", "1", &err));
	ok(run_finish(db, run_id(3), RUN_FINISHED, 1, &err));
	assert_int_equal(run_each_running(db, stop, &calls, &err), -1);
	assert_int_equal(calls, 1);
	ok(run_each_running(db, remember, &ids, &err));
	assert_int_equal(ids.len, 4);
	ok(run_each_running(db, remember, &ids, &err));
	assert_int_equal(ids.len, 4);
	strlist_release(&ids);
}

static void runs_are_matched_by_prefix_and_by_name(void **state)
{
	static const char *const ids[] = {"abcd0000000000000000000000000001",
					  "abcd0000000000000000000000000002",
					  "abce0000000000000000000000000003"};
	struct strlist found = STRLIST_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct run_new run = {
		    .id = ids[i], .user = "u", .name = i == 2 ? "abcd" : "x", .start_ms = 1};
		ok(run_create(db, &run, &err));
	}
	ok(run_match(db, "abcd", 10, &found, &err)); /* the third by its name */
	assert_int_equal(found.len, 3);
	assert_string_equal(found.items[0], ids[2]);
	assert_string_equal(found.items[2], ids[0]);
	strlist_release(&found);
	ok(run_match(db, "abc", 10, &found, &err)); /* too short */
	ok(run_match(db, "ABCD", 10, &found, &err));
	ok(run_match(db, "", 10, &found, &err));
	ok(run_match(db, "abcf", 10, &found, &err));
	assert_int_equal(found.len, 0);
	ok(run_match(db, ids[1], 10, &found, &err));
	assert_int_equal(found.len, 1);
	strlist_release(&found);
}

/* Searching. */

static void found(const struct run_query *query, const char *want)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *list = NULL;

	ok(run_search(db, query, &list, &err));
	for (size_t i = 0; i < js_len(list); i++)
		strbuf_printf(&text, "%s%ld", i ? " " : "",
			      strtol(js_get_str(js_at(list, i), "run_id"), NULL, 16));
	assert_string_equal(text.buf, want);
}

static void search_shows_top_level_runs_newest_first(void **state)
{
	(void)state;
	for (int i = 1; i <= 3; i++)
		make_run(i, NULL);
	make_run(5, run_id(1));
	make_run(6, run_id(1));
	found(&(struct run_query){.limit = 10}, "3 2 1");
	found(&(struct run_query){.limit = 2}, "3 2");
	found(&(struct run_query){.all = true}, "6 5 3 2 1");
	found(&(struct run_query){.parent = run_id(1)}, "6 5");
	found(&(struct run_query){.parent = run_id(1),
				  .filter = "start_time < 6000",
				  .order_by = "run_id"},
	      "5");
	found(&(struct run_query){.order_by = "start_time"}, "1 2 3");
	refused(
	    run_search(db, &(struct run_query){.parent = run_id(77)}, &(struct js *){NULL}, &err),
	    ERR_NOT_FOUND);
	refused(
	    run_search(db, &(struct run_query){.filter = "nonsense"}, &(struct js *){NULL}, &err),
	    ERR_USAGE);
}

/* Attempts. */

static void an_attempt_is_replaced_by_its_number(void **state)
{
	const char *top = make_run(1, NULL), *nested = make_run(2, top);
	struct attempt a = {.parent = top,
			    .run = nested,
			    .step = "train",
			    .number = 1,
			    .state = "running",
			    .exit_code = -1,
			    .start_ms = 5};
	struct js *list;

	(void)state;
	digest_of("key", 3, &a.key);
	ok(attempt_store(db, &a, &err));
	a.state = "failed";
	a.exit_code = 3;
	a.end_ms = 9;
	a.reason = "param lr: 0.01 -> 0.1";
	a.record = "{\"argv\":[\"python3\"]}";
	ok(attempt_store(db, &a, &err));
	ok(attempt_store(db,
			 &(struct attempt){.parent = top,
					   .step = "prepare",
					   .number = 1,
					   .state = "cached",
					   .exit_code = -1,
					   .source = run_id(77),
					   .start_ms = 4},
			 &err));
	ok(attempts_list(db, top, &list, &err));
	assert_string_equal(
	    json_text(list),
	    "[{\"step\":\"prepare\",\"state\":\"cached\",\"source\":"
	    "\"0000000000000000000000000000004d\",\"number\":1,"
	    "\"start_time\":4,\"user_us\":0,\"system_us\":0,\"max_rss\":0},"
	    "{\"run\":\"00000000000000000000000000000002\",\"step\":\"train\",\"state\":\"failed\","
	    "\"reason\":\"param lr: 0.01 -> "
	    "0.1\",\"number\":1,\"exit_code\":3,\"start_time\":5,\"end_time\":9,"
	    "\"user_us\":0,\"system_us\":0,\"max_rss\":0,"
	    "\"key\":\"2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683\","
	    "\"record\":{\"argv\":[\"python3\"]}}]");
	js_free(list);
	a.parent = run_id(9);
	refused(attempt_store(db, &a, &err), ERR_NOT_FOUND);
	refused(attempts_list(db, run_id(9), &list, &err), ERR_NOT_FOUND);
}

static void the_last_record_is_of_the_last_success_in_the_experiment(void **state)
{
	struct attempt a = {.step = "train", .number = 1, .state = "ok", .exit_code = 0};
	struct js *record;
	int64_t other;

	(void)state;
	a.parent = make_run(1, NULL);
	a.record = "{\"n\":1}";
	ok(attempt_store(db, &a, &err));
	a.number = 2;
	a.record = "{\"n\":2}";
	ok(attempt_store(db, &a, &err));
	a.number = 3;
	a.state = "failed";
	a.record = "{\"n\":3}";
	ok(attempt_store(db, &a, &err));
	ok(attempt_last_record(db, "Default", "train", &record, &err));
	assert_int_equal(js_get_int(record, "n", 0), 2);
	js_free(record);
	ok(experiment_ensure(db, "other", &other, &err));
	ok(attempt_last_record(db, "other", "train", &record, &err));
	assert_null(record);
	ok(attempt_last_record(db, "Default", "test", &record, &err));
	assert_null(record);
}

static void a_spoilt_record_is_damage(void **state)
{
	struct attempt a = {
	    .step = "s", .number = 1, .state = "ok", .record = "{", .parent = make_run(1, NULL)};
	struct js *list;

	(void)state;
	ok(attempt_store(db, &a, &err));
	refused(attempts_list(db, a.parent, &list, &err), ERR_DAMAGED);
}

static void statuses_have_names(void **state)
{
	enum run_status status;

	(void)state;
	for (int i = RUN_RUNNING; i <= RUN_KILLED; i++) {
		assert_true(run_status_parse(run_status_name((enum run_status)i), &status));
		assert_int_equal(status, i);
	}
	assert_false(run_status_parse("running", &status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(experiment_zero_is_there_and_names_are_found_again),
	    TEST(a_run_is_loaded_as_it_was_logged),
	    TEST(a_run_without_a_name_gets_one),
	    TEST(ids_are_checked_and_unique),
	    TEST(a_param_keeps_its_first_value),
	    TEST(keys_follow_mlflow),
	    TEST(long_values_are_cut),
	    TEST(the_latest_metric_is_the_largest),
	    TEST(odd_numbers_are_kept_as_mlflow_keeps_them),
	    TEST(name_and_parent_are_tags_too),
	    TEST(logging_to_no_run_is_not_found),
	    TEST(what_is_refused_leaves_the_callers_transaction_usable),
	    TEST(last_is_the_newest_top_level_run_whatever_the_clock),
	    TEST(running_runs_may_be_ended_while_they_are_walked),
	    TEST(runs_are_matched_by_prefix_and_by_name),
	    TEST(search_shows_top_level_runs_newest_first),
	    TEST(an_attempt_is_replaced_by_its_number),
	    TEST(the_last_record_is_of_the_last_success_in_the_experiment),
	    TEST(a_spoilt_record_is_damage),
	    TEST(statuses_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
