/* SPDX-License-Identifier: Apache-2.0 */
/* Logged models, their metrics and searches, and the list that older clients keep in a tag. */
#include <math.h>
#include "registry/experiments.h"
#include "registry/logged_models.h"
#include "registry/model_history.h"
#include "registry/rows.h"
#include "tests/unit/registry/registry_fixture.h"

#define change(call)                      \
	do {                              \
		ok(db_begin(db, &err));   \
		ok(call);                 \
		ok(db_commit(db, &err));  \
	} while (0)
#define change_refused(call, wanted)      \
	do {                              \
		ok(db_begin(db, &err));   \
		refused(call, wanted);    \
		db_rollback(db);          \
	} while (0)

static struct js *parse(const char *text)
{
	struct js *json;

	ok(js_parse(text, strlen(text), "test", &json, &err));
	return json;
}

static const char *make(const char *name, int64_t now)
{
	struct logged_model_new new = { .experiment_id = "0", .name = name };
	static char ids[8][LOGGED_MODEL_ID];
	static int next;
	char *id = ids[next++ % 8];

	change(logged_model_create(db, &new, now, id, &err));
	return id;
}

static void log_metric(const char *model, int64_t run, const char *key, double value, int64_t time, const char *dataset)
{
	struct logged_model_metric m = { model, run, key, value, time, 0, dataset, dataset ? "d1" : NULL };

	change(logged_model_log_metric(db, &m, &err));
}

static void a_model_has_mlflows_members(void **state)
{
	CLEANUP_JS struct js *params = parse("[{\"key\":\"p\",\"value\":\"1\"}]");
	CLEANUP_JS struct js *tags = parse("[{\"key\":\"t\",\"value\":\"x\"},{\"key\":\"t\",\"value\":\"y\"}]");
	CLEANUP_JS struct js *model = NULL;
	struct logged_model_new new = { "0", "one", "T", "r1", params, tags };
	char id[LOGGED_MODEL_ID], text[600];

	(void)state;
	change(logged_model_create(db, &new, 5, id, &err));
	assert_int_equal(strlen(id), 34);
	ok(logged_model_load(db, id, false, &model, &err));
	snprintf(text, sizeof(text),
		 "{\"info\":{\"model_id\":\"%s\",\"experiment_id\":\"0\",\"name\":\"one\",\"creation_timestamp_ms\":5,"
		 "\"last_updated_timestamp_ms\":5,\"artifact_uri\":\"mlflow-artifacts:/0/models/%s/artifacts\","
		 "\"status\":\"LOGGED_MODEL_PENDING\",\"model_type\":\"T\",\"source_run_id\":\"r1\","
		 "\"tags\":[{\"key\":\"t\",\"value\":\"y\"}]},\"data\":{\"params\":[{\"key\":\"p\",\"value\":\"1\"}]}}", id, id);
	assert_string_equal(json_text(model), text);
}

static void names_and_places_are_checked(void **state)
{
	static const char *const bad[] = { "a/b", "a:b", "a.b", "a%b", "a\"b", "a'b", "a\nb" };
	struct logged_model_new new = { .experiment_id = "0" };
	char id[LOGGED_MODEL_ID];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		new.name = bad[i];
		change_refused(logged_model_create(db, &new, 1, id, &err), ERR_USAGE);
	}
	new.name = "";
	change(logged_model_create(db, &new, 1, id, &err));
	new.experiment_id = "x";
	change_refused(logged_model_create(db, &new, 1, id, &err), ERR_USAGE);
	new.experiment_id = "99";
	change_refused(logged_model_create(db, &new, 1, id, &err), ERR_NOT_FOUND);
	change(experiment_delete(db, "0", &err));
	new.experiment_id = "0";
	change_refused(logged_model_create(db, &new, 1, id, &err), ERR_USAGE);
}

static const char *status_of(const char *id)
{
	CLEANUP_JS struct js *model = NULL;

	ok(logged_model_load(db, id, true, &model, &err));
	return json_text(js_get(js_get(model, "info"), "status"));
}

static void a_model_is_finalized_by_name_or_number(void **state)
{
	static const struct {
		const char *wanted, *is;
	} good[] = {
		{ "2", "\"LOGGED_MODEL_READY\"" }, { "\"3\"", "\"LOGGED_MODEL_UPLOAD_FAILED\"" },
		{ "\"LOGGED_MODEL_PENDING\"", "\"LOGGED_MODEL_PENDING\"" }, { "\"READY\"", "\"LOGGED_MODEL_READY\"" },
	};
	static const char *const bad[] = { "7", "-1", "\"x\"", "null", "[]", "\"\"" };
	const char *id = make("one", 1);
	bool pending;

	(void)state;
	ok(logged_model_is_pending(db, id, &pending, &err));
	assert_true(pending);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CLEANUP_JS struct js *wanted = parse(good[i].wanted);

		change(logged_model_finalize(db, id, wanted, 2, &err));
		assert_string_equal(status_of(id), good[i].is);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_JS struct js *wanted = parse(bad[i]);

		change_refused(logged_model_finalize(db, id, wanted, 2, &err), ERR_USAGE);
	}
}

static void params_keep_their_value_and_tags_do_not(void **state)
{
	CLEANUP_JS struct js *one = parse("[{\"key\":\"k\",\"value\":\"1\"}]");
	CLEANUP_JS struct js *two = parse("[{\"key\":\"k\",\"value\":\"2\"}]");
	const char *id = make("one", 1);

	(void)state;
	change(logged_model_log_params(db, id, one, &err));
	change(logged_model_log_params(db, id, one, &err));
	change_refused(logged_model_log_params(db, id, two, &err), ERR_CONFLICT);
	change(logged_model_set_tags(db, id, one, &err));
	change(logged_model_set_tags(db, id, two, &err));
	change(logged_model_delete_tag(db, id, "k", &err));
	change_refused(logged_model_delete_tag(db, id, "k", &err), ERR_NOT_FOUND);
	change_refused(logged_model_set_tags(db, "m-x", one, &err), ERR_NOT_FOUND);
	change_refused(logged_model_log_params(db, "m-x", one, &err), ERR_NOT_FOUND);
}

static void a_deleted_model_is_seen_by_who_asks_for_it(void **state)
{
	const char *id = make("one", 1);
	CLEANUP_JS struct js *model = NULL;

	(void)state;
	change(logged_model_delete(db, id, 2, &err));
	change(logged_model_delete(db, id, 3, &err));
	refused(logged_model_load(db, id, false, &model, &err), ERR_NOT_FOUND);
	ok(logged_model_load(db, id, true, &model, &err));
}

static void versions_are_noted_in_a_tag(void **state)
{
	CLEANUP_JS struct js *odd = parse("[{\"key\":\"mlflow.modelVersions\",\"value\":\"{no list\"}]");
	CLEANUP_JS struct js *model = NULL;
	const char *id = make("one", 1);

	(void)state;
	change(logged_model_set_tags(db, id, odd, &err));
	change(logged_model_note_version(db, id, "churn", 1, &err));
	change(logged_model_note_version(db, id, "churn", 2, &err));
	ok(logged_model_load(db, id, false, &model, &err));
	assert_string_equal(js_get_str(js_at(js_get(js_get(model, "info"), "tags"), 0), "value"),
			    "[{\"name\": \"churn\", \"version\": 1}, {\"name\": \"churn\", \"version\": 2}]");
}

/* The names of a page, with commas. */
static const char *found(const char *filter, const char *datasets, const char *order, int64_t max, char **token)
{
	CLEANUP_JS struct js *experiments = parse("[\"0\"]");
	CLEANUP_JS struct js *on = datasets ? parse(datasets) : NULL;
	CLEANUP_JS struct js *by = order ? parse(order) : NULL;
	CLEANUP_JS struct js *result = NULL;
	struct logged_model_query query = { experiments, filter, on, by, max, token ? *token : NULL };
	static struct strbuf names = STRBUF_INIT;
	const char *next;

	strbuf_clear(&names);
	if (logged_model_search(db, &query, &result, &err) < 0) {
		assert_int_equal(err.code, ERR_USAGE);
		error_clear(&err);
		return "refused";
	}
	for (size_t i = 0; i < js_len(js_get(result, "models")); i++)
		strbuf_printf(&names, "%s%s", i ? "," : "",
			      js_get_str(js_get(js_at(js_get(result, "models"), i), "info"), "name"));
	next = js_get_str(result, "next_page_token");
	if (token) {
		free(*token);
		*token = next ? xstrdup(next) : NULL;
	}
	return names.buf;
}

#define by_filter(filter) found(filter, NULL, NULL, 0, NULL)
#define by_order(order) found(NULL, NULL, order, 0, NULL)

static void searches_know_metrics_on_data_sets(void **state)
{
	const char *a = make("a", 1), *b = make("b", 2), *c = make("c", 3);
	int64_t run;

	(void)state;
	make_run(1, NULL);
	ok(run_row(db, run_id(1), &run, &err));
	log_metric(a, run, "acc", 0.5, 1, "it's");
	log_metric(a, run, "acc", 0.9, 2, NULL);
	log_metric(b, run, "acc", 0.7, 1, "other");
	log_metric(b, run, "acc", 0.7, 1, "other");
	log_metric(c, run, "acc", NAN, 1, NULL);
	assert_string_equal(by_filter(NULL), "c,b,a");
	assert_string_equal(by_filter("metrics.acc > 0.6"), "b,a");
	assert_string_equal(by_filter("metrics.acc < 0.6"), "a");
	assert_string_equal(by_filter("metrics.acc > 0.6 AND name = 'a'"), "a");
	assert_string_equal(found("metrics.acc > 0.6", "[{\"dataset_name\":\"it's\"}]", NULL, 0, NULL), "");
	assert_string_equal(found("metrics.acc > 0.4", "[{\"dataset_name\":\"it's\",\"dataset_digest\":\"d1\"}]", NULL, 0,
				  NULL), "a");
	assert_string_equal(found("metrics.acc > 0.4", "[{\"dataset_name\":\"it's\",\"dataset_digest\":\"d2\"}]", NULL, 0,
				  NULL), "");
	assert_string_equal(found(NULL, "[{\"dataset_name\":\"it's\"},{\"dataset_name\":\"other\"}]", NULL, 0, NULL), "b,a");
	assert_string_equal(found(NULL, "[{\"dataset_digest\":\"d1\"}]", NULL, 0, NULL), "refused");
	assert_string_equal(by_order("[{\"field_name\":\"metrics.acc\",\"ascending\":true}]"), "b,a,c");
	assert_string_equal(by_order("[{\"field_name\":\"metrics.acc\",\"ascending\":false}]"), "a,b,c");
	assert_string_equal(by_order("[{\"field_name\":\"metrics.acc\",\"dataset_name\":\"it's\"}]"), "a,c,b");
	assert_string_equal(by_order("[{\"field_name\":\"name\"}]"), "a,b,c");
	assert_string_equal(by_order("[{\"field_name\":\"last_updated_timestamp\",\"ascending\":false}]"), "c,b,a");
	assert_string_equal(by_order("[{\"field_name\":\"bogus\"}]"), "refused");
	assert_string_equal(by_order("[{\"field_name\":\"params.x\"}]"), "refused");
	assert_string_equal(by_order("[{}]"), "refused");
}

static void searches_know_attributes_params_and_tags(void **state)
{
	CLEANUP_JS struct js *pairs = parse("[{\"key\":\"k\",\"value\":\"v\"}]");
	CLEANUP_JS struct js *ready = parse("2");
	const char *a = make("a", 1);
	char filter[80];

	(void)state;
	make("b", 2);
	change(logged_model_set_tags(db, a, pairs, &err));
	change(logged_model_log_params(db, a, pairs, &err));
	change(logged_model_finalize(db, a, ready, 3, &err));
	snprintf(filter, sizeof(filter), "model_id = '%s'", a);
	assert_string_equal(by_filter(filter), "a");
	assert_string_equal(by_filter("params.k = 'v'"), "a");
	assert_string_equal(by_filter("tags.k LIKE 'v%'"), "a");
	assert_string_equal(by_filter("tags.k IN ('v', 'w')"), "a");
	assert_string_equal(by_filter("attributes.status = 'READY'"), "a");
	assert_string_equal(by_filter("creation_timestamp > 1"), "b");
	assert_string_equal(by_filter("name = 'a' OR name = 'b'"), "b,a");
	assert_string_equal(by_filter("foo = 'a'"), "refused");
	assert_string_equal(by_filter("name > 'a'"), "refused");
	change(logged_model_delete(db, a, 4, &err));
	assert_string_equal(by_filter(NULL), "b");
}

static void a_token_fits_only_its_search(void **state)
{
	CLEANUP(cleanup_free) char *token = NULL;

	(void)state;
	make("a", 1);
	make("b", 2);
	make("c", 3);
	assert_string_equal(found(NULL, NULL, NULL, 2, &token), "c,b");
	assert_non_null(token);
	assert_string_equal(found("name != 'x'", NULL, NULL, 2, &token), "refused");
	assert_string_equal(found(NULL, NULL, "[{\"field_name\":\"name\"}]", 2, &token), "refused");
	assert_string_equal(found(NULL, NULL, NULL, 2, &token), "a");
	assert_null(token);
	token = xstrdup("zzz");
	assert_string_equal(found(NULL, NULL, NULL, 2, &token), "refused");
}

static void metrics_of_unknown_models_are_refused(void **state)
{
	struct logged_model_metric m = { "m-x", 1, "acc", 1, 1, 0, NULL, NULL };

	(void)state;
	change_refused(logged_model_log_metric(db, &m, &err), ERR_NOT_FOUND);
}

static const char *history(void)
{
	CLEANUP_JS struct js *run = NULL;

	ok(run_load(db, run_id(1), &run, &err));
	return json_text(js_get(js_get(run, "tags"), "mlflow.log-model.history"));
}

static void older_clients_keep_a_list_in_a_tag(void **state)
{
	static const char model[] = "{\"run_id\":\"r\",\"artifact_path\":\"m\",\"utc_time_created\":\"t\",\"x\":1,"
				    "\"flavors\":{\"f\":{\"a\":\"1\",\"config\":{\"big\":1}}}}";
	static const char *const bad[] = { "{", "[]", "1", "{}", "{\"run_id\":\"r\"}" };
	int64_t run;

	(void)state;
	make_run(1, NULL);
	ok(run_row(db, run_id(1), &run, &err));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		change_refused(model_history_add(db, run, bad[i], &err), ERR_USAGE);
	change(model_history_add(db, run, model, &err));
	assert_string_equal(history(), "\"[{\\\"run_id\\\": \\\"r\\\", \\\"artifact_path\\\": \\\"m\\\", "
				       "\\\"utc_time_created\\\": \\\"t\\\", \\\"flavors\\\": {\\\"f\\\": {\\\"a\\\": \\\"1\\\"}}}]\"");
	/* beyond what a tag of a run may hold, and never cut */
	for (int i = 0; i < 200; i++)
		change(model_history_add(db, run, model, &err));
	assert_true(strlen(history()) > 16000);
	assert_non_null(strstr(history(), "}}}]\""));
	change(run_set_tag(db, run_id(1), "mlflow.log-model.history", "no list", &err));
	change(model_history_add(db, run, model, &err));
	assert_true(strlen(history()) < 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_model_has_mlflows_members),
		TEST(names_and_places_are_checked),
		TEST(a_model_is_finalized_by_name_or_number),
		TEST(params_keep_their_value_and_tags_do_not),
		TEST(a_deleted_model_is_seen_by_who_asks_for_it),
		TEST(versions_are_noted_in_a_tag),
		TEST(searches_know_metrics_on_data_sets),
		TEST(searches_know_attributes_params_and_tags),
		TEST(a_token_fits_only_its_search),
		TEST(metrics_of_unknown_models_are_refused),
		TEST(older_clients_keep_a_list_in_a_tag),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
