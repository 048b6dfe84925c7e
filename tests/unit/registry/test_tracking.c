/* SPDX-License-Identifier: Apache-2.0 */
/* Experiments and runs as clients of MLflow change them: its rules, and its words. */
#include "registry_fixture.h"
#include "base/strbuf.h"
#include "registry/answers.h"
#include "registry/experiments.h"
#include "registry/keys.h"
#include "registry/metrics.h"
#include "registry/run_edit.h"
#include "registry/run_read.h"
#include <float.h>
#include <math.h>

static struct js *json(const char *text)
{
	struct js *value = NULL;

	ok(js_parse(text, strlen(text), "the test", &value, &err));
	return value;
}

/* ---- experiments ---- */

static void experiment(const char *id, const char *stage, const char *name)
{
	CLEANUP_JS struct js *found = NULL;

	ok(experiment_load(db, id, &found, &err));
	assert_string_equal(js_get_str(found, "lifecycle_stage"), stage);
	assert_string_equal(js_get_str(found, "name"), name);
}

static int64_t make(const char *name)
{
	int64_t id = -1;

	ok(experiment_create(db, &(struct experiment_new){ .name = name }, &id, &err));
	return id;
}

static void a_deleted_experiment_keeps_its_name(void **state)
{
	int64_t id;

	(void)state;
	assert_int_equal(make("churn"), 1);
	refused(experiment_create(db, &(struct experiment_new){ .name = "churn" }, &id, &err), ERR_EXISTS);
	ok(experiment_delete(db, "1", &err));
	experiment("1", "deleted", "churn");
	refused(experiment_create(db, &(struct experiment_new){ .name = "churn" }, &id, &err), ERR_EXISTS);
	refused(experiment_delete(db, "1", &err), ERR_NOT_FOUND);
	refused(experiment_rename(db, "1", "other", &err), ERR_USAGE);
	refused(experiment_set_tag(db, "1", "a", "b", &err), ERR_USAGE);
	ok(experiment_restore(db, "1", &err));
	refused(experiment_restore(db, "1", &err), ERR_NOT_FOUND);
	ok(experiment_rename(db, "1", "other", &err));
	experiment("1", "active", "other");
	refused(experiment_rename(db, "1", "Default", &err), ERR_EXISTS);
	assert_int_equal(make("churn"), 2);
}

static char *begin_run(const char *experiment_id, const char *name)
{
	static char ids[4][33];
	static int next;
	char *id = ids[next++ % 4];
	int64_t row;

	ok(run_begin(db, &(struct run_begin){ .experiment = experiment_id, .name = name }, id, &row, &err));
	return id;
}

static bool is_active(const char *id)
{
	struct run_ref ref;

	ok(run_find(db, id, &ref, &err));
	return ref.active;
}

static void deleting_an_experiment_takes_its_runs_and_restoring_brings_them_all(void **state)
{
	const char *a, *b, *other;

	(void)state;
	make("churn");
	a = begin_run("1", NULL);
	b = begin_run("1", NULL);
	other = begin_run("0", NULL);
	ok(run_delete(db, a, &err));
	ok(experiment_delete(db, "1", &err));
	assert_false(is_active(a));
	assert_false(is_active(b));
	assert_true(is_active(other));
	refused(run_begin(db, &(struct run_begin){ .experiment = "1" }, (char[33]){ 0 }, &(int64_t){ 0 }, &err), ERR_USAGE);
	ok(experiment_restore(db, "1", &err));
	assert_true(is_active(a));
	assert_true(is_active(b));
}

static void ids_of_experiments_are_whole_numbers(void **state)
{
	static const char *const bad[] = { "", "abc", "1x", "1.0", "99999999999999999999" };
	int64_t id;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(experiment_parse(bad[i], &id, &err), ERR_USAGE);
	refused(experiment_delete(db, "77", &err), ERR_NOT_FOUND);
}

static void places_of_files_are_checked(void **state)
{
	static const struct {
		const char *location;
		int fine;
	} cases[] = { { "s3://bucket/x", 1 },	{ "mlflow-artifacts:/9", 1 }, { "s3://bucket/x#f", 0 },
		      { "s3://b/x;p", 0 },	{ "runs:/1", 0 },	      { "s3://b/x?a=../b", 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct experiment_new new = { .name = cases[i].location, .location = cases[i].location };
		int64_t id;

		if (cases[i].fine)
			ok(experiment_create(db, &new, &id, &err));
		else
			refused(experiment_create(db, &new, &id, &err), ERR_USAGE);
	}
}

/* ---- runs ---- */

static void check_view(const char *id, const char *key, const char *wanted)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *view = NULL;
	const struct js *list;

	ok(run_write_by_id(db, id, &text, &err));
	ok(js_parse(text.buf, text.len, "run", &view, &err));
	list = js_get(js_get(view, "data"), key);
	assert_string_equal(list ? json_text(list) : "", wanted);
}

static int log_text(const char *id, const char *metrics, const char *params, const char *tags)
{
	CLEANUP_JS struct js *m = json(metrics), *p = json(params), *t = json(tags);
	struct run_batch batch = { .metrics = m, .params = p, .tags = t };
	struct run_ref ref;

	return run_log_batch(db, id, &batch, &ref, &err);
}

static void a_name_is_a_tag_and_a_tag_the_name(void **state)
{
	CLEANUP_JS struct js *tags = json("[{\"key\":\"mlflow.runName\",\"value\":\"tagged\"}]");
	struct run_begin both = { .name = "other", .tags = tags };
	const char *id = begin_run(NULL, "first");
	struct run_ref ref;
	char tagged[33];
	int64_t row;

	(void)state;
	check_view(id, "tags", "[{\"key\":\"mlflow.runName\",\"value\":\"first\"}]");
	ok(log_text(id, "[]", "[]", "[{\"key\":\"mlflow.runName\",\"value\":\"second\"}]"));
	ok(log_text(id, "[]", "[]", "[{\"key\":\"mlflow.runName\",\"value\":\"\"}]"));
	check_view(id, "tags", "[{\"key\":\"mlflow.runName\",\"value\":\"second\"}]");
	ok(run_update(db, id, &(struct run_change){ .name = "third" }, &ref, &err));
	check_view(id, "tags", "[{\"key\":\"mlflow.runName\",\"value\":\"third\"}]");
	refused(run_begin(db, &both, tagged, &row, &err), ERR_USAGE);
	both.name = NULL;
	ok(run_begin(db, &both, tagged, &row, &err));
	check_view(tagged, "tags", "[{\"key\":\"mlflow.runName\",\"value\":\"tagged\"}]");
}

static void a_deleted_run_takes_nothing(void **state)
{
	const char *id = begin_run(NULL, "r");
	struct run_ref ref;

	(void)state;
	ok(run_delete(db, id, &err));
	ok(run_delete(db, id, &err));
	refused(log_text(id, "[]", "[{\"key\":\"a\",\"value\":\"1\"}]", "[]"), ERR_USAGE);
	refused(run_update(db, id, &(struct run_change){ .status = "FINISHED" }, &ref, &err), ERR_USAGE);
	refused(run_delete_tag(db, id, "mlflow.runName", &ref, &err), ERR_USAGE);
	ok(run_restore(db, id, &err));
	ok(log_text(id, "[]", "[{\"key\":\"a\",\"value\":\"1\"}]", "[]"));
	refused(run_restore(db, "nope", &err), ERR_NOT_FOUND);
}

static void a_batch_is_all_or_nothing(void **state)
{
	static const char *const metric = "[{\"key\":\"m\",\"value\":1,\"timestamp\":1}]";
	const char *id = begin_run(NULL, "r");

	(void)state;
	ok(log_text(id, "[]", "[{\"key\":\"a\",\"value\":\"1\"}]", "[]"));
	refused(log_text(id, metric, "[{\"key\":\"b\",\"value\":\"1\"},{\"key\":\"a\",\"value\":\"2\"}]",
			 "[{\"key\":\"t\",\"value\":\"1\"}]"),
		ERR_CONFLICT);
	check_view(id, "metrics", "");
	check_view(id, "params", "[{\"key\":\"a\",\"value\":\"1\"}]");
	ok(log_text(id, metric, "[{\"key\":\"b\",\"value\":\"1\"},{\"key\":\"a\",\"value\":\"1\"}]", "[]"));
	check_view(id, "params", "[{\"key\":\"a\",\"value\":\"1\"},{\"key\":\"b\",\"value\":\"1\"}]");
}

static void what_a_batch_may_not_hold(void **state)
{
	static const struct {
		const char *metrics, *params, *tags, *message;
	} cases[] = {
		{ "[{\"value\":1,\"timestamp\":1}]", "[]", "[]", "required parameter 'metrics[0].key'" },
		{ "[{\"key\":\"m\",\"timestamp\":1}]", "[]", "[]", "required parameter 'metrics[0].value'" },
		{ "[{\"key\":\"m\",\"value\":1}]", "[]", "[]", "required parameter 'metrics[0].timestamp'" },
		{ "[{\"key\":\"m\",\"value\":\"x\",\"timestamp\":1}]", "[]", "[]", "\"x\" for parameter 'metrics[0].value'" },
		{ "[{\"key\":\"m\",\"value\":1,\"timestamp\":-1}]", "[]", "[]", "-1 for parameter 'metrics[0].timestamp'" },
		{ "[{\"key\":\"a//b\",\"value\":1,\"timestamp\":1}]", "[]", "[]", "would resolve to 'a/b'" },
		{ "[7]", "[]", "[]", "required parameter 'metrics[0].key'" },
		{ "[]", "[{\"key\":\"p\",\"value\":5}]", "[]", "5 for parameter 'params[0].value'" },
		{ "[]", "[{\"key\":\"p\"},{\"key\":\"q\"},{\"key\":\"p\"}]", "[]", "Duplicate parameter keys" },
		{ "[]", "[]", "[{\"key\":\"a@b\"}]", "Names may only contain" },
		{ "[]", "[]", "[{\"key\":\"/a\"}]", "would resolve to '/a'" },
	};
	const char *id = begin_run(NULL, "r");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		error_clear(&err);
		assert_int_equal(log_text(id, cases[i].metrics, cases[i].params, cases[i].tags), -1);
		assert_int_equal(err.code, ERR_USAGE);
		if (!strstr(err.msg, cases[i].message))
			fail_msg("'%s' does not say '%s'", err.msg, cases[i].message);
	}
	error_clear(&err);
	check_view(id, "metrics", "");
}

static struct js *many(size_t n)
{
	struct js *list = js_array();

	for (size_t i = 0; i < n; i++) {
		struct js *item = js_object();
		char key[24];

		snprintf(key, sizeof(key), "k%zu", i);
		js_set_str(item, "key", key);
		js_set_str(item, "value", "1");
		js_set_int(item, "timestamp", 1);
		js_push(list, item);
	}
	return list;
}

static void batches_have_limits(void **state)
{
	static const struct {
		size_t metrics, params, tags;
		int fine;
	} cases[] = { { 1000, 0, 0, 1 }, { 1001, 0, 0, 0 }, { 0, 100, 100, 1 }, { 0, 101, 0, 0 },
		      { 0, 0, 101, 0 },	 { 900, 100, 0, 1 }, { 901, 100, 0, 0 } };
	const char *id = begin_run(NULL, "r");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_JS struct js *m = many(cases[i].metrics), *p = many(cases[i].params), *t = many(cases[i].tags);
		struct run_batch batch = { .metrics = m, .params = p, .tags = t };
		struct run_ref ref;

		if (cases[i].fine)
			ok(run_log_batch(db, id, &batch, &ref, &err));
		else
			refused(run_log_batch(db, id, &batch, &ref, &err), ERR_USAGE);
	}
}

static void the_latest_metric_is_the_largest_by_step_time_value(void **state)
{
	const char *id = begin_run(NULL, "r");

	(void)state;
	ok(log_text(id,
		    "[{\"key\":\"m\",\"value\":5,\"timestamp\":9,\"step\":1},"
		    "{\"key\":\"m\",\"value\":1,\"timestamp\":2,\"step\":2},"
		    "{\"key\":\"m\",\"value\":3,\"timestamp\":3,\"step\":\"2\"},"
		    "{\"key\":\"m\",\"value\":2,\"timestamp\":3,\"step\":2},"
		    "{\"key\":\"n\",\"value\":\"NaN\",\"timestamp\":3,\"step\":-4},"
		    "{\"key\":\"i\",\"value\":\"-Infinity\",\"timestamp\":\"3\"}]",
		    "[]", "[]"));
	check_view(id, "metrics",
		   "[{\"key\":\"i\",\"value\":-1.7976931348623157e+308,\"timestamp\":3,\"step\":0},"
		   "{\"key\":\"m\",\"value\":3.0,\"timestamp\":3,\"step\":2},"
		   "{\"key\":\"n\",\"value\":\"NaN\",\"timestamp\":3,\"step\":-4}]");
	ok(log_text(id, "[{\"key\":\"m\",\"value\":9,\"timestamp\":99,\"step\":1}]", "[]", "[]"));
	check_view(id, "metrics",
		   "[{\"key\":\"i\",\"value\":-1.7976931348623157e+308,\"timestamp\":3,\"step\":0},"
		   "{\"key\":\"m\",\"value\":3.0,\"timestamp\":3,\"step\":2},"
		   "{\"key\":\"n\",\"value\":\"NaN\",\"timestamp\":3,\"step\":-4}]");
}

static void numbers_on_the_wire_may_be_texts(void **state)
{
	static const struct {
		const char *json;
		bool real, whole;
	} cases[] = { { "1", true, true },	 { "1.5", true, false },  { "2.0", true, true },  { "\"3\"", true, true },
		      { "\"1e3\"", true, false }, { "\"NaN\"", true, false }, { "\"nan\"", false, false },
		      { "\"\"", false, false },	 { "\" 1\"", false, false },  { "\"0x1\"", false, false },
		      { "true", false, false },	 { "[1]", false, false },     { "1e300", true, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_JS struct js *value = json(cases[i].json);
		int64_t n;
		double x;

		assert_int_equal(wire_real(value, &x), cases[i].real);
		assert_int_equal(wire_int(value, &n), cases[i].whole);
	}
}

/* ---- history ---- */

struct seen {
	double values[8];
	int n, stop;
	struct metric_point last;
};

static int see(void *ctx, const struct metric_point *p)
{
	struct seen *s = ctx;

	s->values[s->n++] = p->value;
	s->last = *p;
	return s->n == s->stop ? -1 : 0;
}

static void a_history_is_read_in_pages_by_time(void **state)
{
	const char *id = begin_run(NULL, "r");
	struct seen s = { .n = 0 };

	(void)state;
	ok(log_text(id,
		    "[{\"key\":\"m\",\"value\":4,\"timestamp\":3},{\"key\":\"m\",\"value\":1,\"timestamp\":1,\"step\":-1},"
		    "{\"key\":\"m\",\"value\":2,\"timestamp\":1},{\"key\":\"m\",\"value\":3,\"timestamp\":1},"
		    "{\"key\":\"m\",\"value\":3,\"timestamp\":1}]",
		    "[]", "[]"));
	assert_int_equal(metric_points(db, id, "m", NULL, 0, 2, see, &s, &err), 2);
	assert_int_equal(metric_points(db, id, "m", &s.last, 0, 2, see, &s, &err), 2);
	assert_int_equal(metric_points(db, id, "m", &s.last, 0, 2, see, &s, &err), 0);
	for (int i = 0; i < 4; i++)
		assert_true(s.values[i] == i + 1);
	s = (struct seen){ .stop = 1 };
	assert_int_equal(metric_points(db, id, "m", NULL, 3, 9, see, &s, &err), -1);
	assert_true(s.values[0] == 4);
	assert_int_equal(metric_points(db, "nope", "m", NULL, 0, 9, see, &s, &err), 0);
}

/* ---- names and answers ---- */

static void names_are_refused_in_mlflows_words(void **state)
{
	static const struct {
		const char *name, *why;
	} cases[] = { { "a//b", "resolve to 'a/b'" }, { "/a", "resolve to '/a'" },   { "//a", "resolve to '//a'" },
		      { "///a", "resolve to '/a'" },  { "a/../b", "resolve to 'b'" }, { "..", "resolve to '..'" },
		      { "a/..", "resolve to '.'" },   { "a/", "resolve to 'a'" },     { "", "resolve to '.'" },
		      { "../a", "resolve to '../a'" }, { "/..", "resolve to '/'" },   { "a\n", "may only contain" },
		      { "a?", "may only contain" },   { "a,b", "may only contain" } };
	static const char *const fine[] = { "a", "a/b c", "a.b-c_d:e", "a/..b/c..", "\xc3\xa4/\xe6\x97\xa5" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		error_clear(&err);
		assert_int_equal(name_check("key", cases[i].name, &err), -1);
		if (!strstr(err.msg, cases[i].why))
			fail_msg("'%s': %s", cases[i].name, err.msg);
	}
	error_clear(&err);
	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		ok(name_check("key", fine[i], &err));
}

static int count(void *ctx, int64_t id, const struct digest *request, int64_t time_ms)
{
	(void)id;
	(void)request;
	(void)time_ms;
	++*(int *)ctx;
	return 0;
}

static void answers_are_kept_until_they_are_dropped(void **state)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct digest request;
	int64_t a, b;
	int n = 0;

	(void)state;
	digest_of("x", 1, &request);
	ok(db_begin(db, &err));
	ok(answer_put(db, &request, 5, "{\"a\":1}", &a, &err));
	ok(answer_put(db, &request, 6, "{}", &b, &err));
	ok(db_commit(db, &err));
	ok(answers_each(db, count, &n, &err));
	assert_int_equal(n, 2);
	ok(answer_get(db, a, &body, &err));
	assert_string_equal(body.buf, "{\"a\":1}");
	ok(db_begin(db, &err));
	ok(answer_drop(db, a, &err));
	ok(db_commit(db, &err));
	refused(answer_get(db, a, &body, &err), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_deleted_experiment_keeps_its_name),
		TEST(deleting_an_experiment_takes_its_runs_and_restoring_brings_them_all),
		TEST(ids_of_experiments_are_whole_numbers),
		TEST(places_of_files_are_checked),
		TEST(a_name_is_a_tag_and_a_tag_the_name),
		TEST(a_deleted_run_takes_nothing),
		TEST(a_batch_is_all_or_nothing),
		TEST(what_a_batch_may_not_hold),
		TEST(batches_have_limits),
		TEST(the_latest_metric_is_the_largest_by_step_time_value),
		TEST(numbers_on_the_wire_may_be_texts),
		TEST(a_history_is_read_in_pages_by_time),
		TEST(names_are_refused_in_mlflows_words),
		TEST(answers_are_kept_until_they_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
