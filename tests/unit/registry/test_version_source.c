/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of model versions: what may be named, by whom, and what is refused. */
#include "registry/logged_models.h"
#include "registry/models.h"
#include "registry/version_source.h"
#include "registry/versions.h"
#include "tests/unit/registry/registry_fixture.h"

#define change(call)                      \
	do {                              \
		ok(db_begin(db, &err));   \
		ok(call);                 \
		ok(db_commit(db, &err));  \
	} while (0)

/* "SOURCE LOCATION RUN MODEL", or the error. */
static const char *resolve_as(const char *source, const char *run_id, const char *model_id, bool prompt)
{
	struct version_new new = { .model = "churn", .source = source, .run_id = run_id, .model_id = model_id };
	struct version_source from CLEANUP(version_source_release) = { 0 };
	static char text[1200];

	error_clear(&err);
	if (version_source_resolve(db, &new, prompt, &from, &err) < 0)
		snprintf(text, sizeof(text), "%s", err.msg);
	else
		snprintf(text, sizeof(text), "%s %s %s %s", from.source, from.location, from.run_id ? from.run_id : "-",
			 from.model_id ? from.model_id : "-");
	error_clear(&err);
	return text;
}

static const char *resolve(const char *source, const char *run_id, const char *model_id)
{
	return resolve_as(source, run_id, model_id, false);
}

#define says(call, part)                                                 \
	do {                                                             \
		const char *said = (call);                               \
		if (!strstr(said, part))                                 \
			fail_msg("\"%s\" does not say \"%s\"", said, part); \
	} while (0)

static void other_places_are_taken_as_they_are(void **state)
{
	(void)state;
	assert_string_equal(resolve("s3://bucket/model", NULL, NULL), "s3://bucket/model s3://bucket/model  -");
	assert_string_equal(resolve("dbfs:/a//b", "r", NULL), "dbfs:/a//b dbfs:/a//b r -");
	assert_string_equal(resolve("s3://a/b?x=1#f", NULL, NULL), "s3://a/b?x=1#f s3://a/b?x=1#f  -");
}

static void what_climbs_is_refused(void **state)
{
	static const char *const bad[] = {
		"s3://a/../b", "s3://a/b/..", "s3://a/%2e%2e/b", "s3://a/%252e%252e/b", "s3://a/b%2f..%2fc", "s3://a/b%00c",
		"s3://a/./b", "s3://a/b\\..\\c", "s3://a", "dbfs:a/b", "s3://a/%25252525252525252525252e",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		says(resolve(bad[i], NULL, NULL), "without relative path references");
}

static void hosts_are_not_chosen_by_a_source(void **state)
{
	static const char *const bad[] = { "http://evil/a", "HTTPS://evil/a", "ftp://h/a", "sftp://h/a", "hdfs://h/a",
					   "mlflow-artifacts://evil/0/x", "abfss://c@evil/a" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		says(resolve(bad[i], NULL, NULL), "scheme addresses a host");
}

static void files_here_belong_to_the_run_that_is_named(void **state)
{
	const char *run = make_run(7, NULL);
	char uri[200], other[200];

	(void)state;
	snprintf(uri, sizeof(uri), "mlflow-artifacts:/0/%s/artifacts/model", run);
	says(resolve(uri, run, NULL), uri);
	snprintf(other, sizeof(other), "mlflow-artifacts:/0/%s/artif%%61cts", run);
	says(resolve(other, run, NULL), other);
	says(resolve(uri, NULL, NULL), "The run_id request parameter must identify");
	says(resolve(uri, "nope", NULL), "The run_id request parameter must identify");
	says(resolve(uri, run_id(8), NULL), "The run_id request parameter must identify");
	snprintf(uri, sizeof(uri), "mlflow-artifacts:/0/%s/artifactsx/model", run);
	says(resolve(uri, run, NULL), "The run_id request parameter must identify");
	snprintf(uri, sizeof(uri), "mlflow-artifacts:/0/%s", run);
	says(resolve(uri, run, NULL), "The run_id request parameter must identify");
	says(resolve("runs:/abc/model", "abc", NULL), "runs:/abc/model runs:/abc/model abc -");
	says(resolve("runs:/abc/model", "ab", NULL), "The run_id request parameter must identify");
	says(resolve("runs:/abc/model", NULL, NULL), "The run_id request parameter must identify");
	says(resolve("runs://x/abc/model", "abc", NULL), "The run_id request parameter must identify");
	says(resolve("runs:", "abc", NULL), "an absolute path must be provided");
}

static void local_paths_need_a_run_that_keeps_its_files_there(void **state)
{
	static const char *const bad[] = { "/etc/passwd", "model", "file:///srv/x", "file://host/srv/x", "./x", "file:x" };
	const char *run = make_run(7, NULL);
	char path[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		says(resolve(bad[i], NULL, NULL), "To use a local path as a model version source, the run_id");
		says(resolve(bad[i], run, NULL), "To use a local path as a model version source, the run_id");
		says(resolve(bad[i], "nope", NULL), "The run_id request parameter must identify");
	}
	ok(db_begin(db, &err));
	ok(db_exec(db, "UPDATE experiments SET artifact_location = 'file:///srv/mlruns/0'", &err));
	ok(db_commit(db, &err));
	snprintf(path, sizeof(path), "/srv/mlruns/0/%s/artifacts/model", run);
	says(resolve(path, run, NULL), path);
	snprintf(path, sizeof(path), "file:///srv/mlruns/0/%s/artifacts", run);
	says(resolve(path, run, NULL), path);
	snprintf(path, sizeof(path), "/srv/mlruns/0/%s/artifacts/../../other", run);
	says(resolve(path, run, NULL), "To use a local path");
}

static void a_logged_model_must_be_named_and_gives_its_run(void **state)
{
	const char *run = make_run(7, NULL);
	struct logged_model_new new = { .experiment_id = "0", .source_run_id = run };
	char id[LOGGED_MODEL_ID], uri[100], location[200];

	(void)state;
	change(logged_model_create(db, &new, 5, id, &err));
	snprintf(uri, sizeof(uri), "models:/%s", id);
	snprintf(location, sizeof(location), "models:/%s mlflow-artifacts:/0/models/%s/artifacts %s %s", id, id, run, id);
	assert_string_equal(resolve(uri, NULL, id), location);
	assert_string_equal(resolve(uri, "", id), location);
	says(resolve(uri, "other", id), "artifacts other m-");
	says(resolve(uri, NULL, NULL), "The model_id request parameter must identify");
	says(resolve(uri, NULL, "m-x"), "The model_id request parameter must identify");
	says(resolve("models:/m-x", NULL, "m-x"), "Unable to fetch model from model URI");
	says(resolve("s3://a/b", NULL, "m-x"), "Logged model with ID 'm-x' not found");
	says(resolve("s3://a/b", NULL, id), run);
	snprintf(location, sizeof(location), "mlflow-artifacts:/0/models/%s/artifacts/model.pkl", id);
	says(resolve(location, NULL, id), location);
	snprintf(location, sizeof(location), "mlflow-artifacts:/0/models/%s", id);
	says(resolve(location, NULL, id), "The model_id request parameter must identify");
	says(resolve("runs:/abc/model", "abc", id), "The model_id request parameter must identify");
	change(logged_model_delete(db, id, 6, &err));
	says(resolve(uri, NULL, id), "not found");
}

static void another_version_is_meant_by_number_alias_stage_or_latest(void **state)
{
	struct version_new first = { .model = "churn", .source = "s3://a/1", .run_id = "r1" };
	struct version_new second = { .model = "churn", .source = "s3://a/2" };
	CLEANUP_JS struct js *prompt = NULL;
	static const char is_prompt[] = "[{\"key\":\"" PROMPT_TAG "\",\"value\":\"true\"}]";
	const char *stage;
	int64_t number;

	(void)state;
	change(model_create(db, "churn", NULL, NULL, 1, &err));
	change(version_create(db, &first, 2, &number, &err));
	change(version_create(db, &second, 3, &number, &err));
	change(alias_set(db, "churn", "champion", 1, &number, &err));
	change(version_set_stage(db, "churn", 1, "Production", false, 4, &stage, &err));
	ok(js_parse(is_prompt, strlen(is_prompt), "tags", &prompt, &err));
	change(model_create(db, "greet", NULL, prompt, 1, &err));
	assert_string_equal(resolve("models:/churn/1", NULL, NULL), "models:/churn/1 s3://a/1 r1 -");
	assert_string_equal(resolve("models:/churn@champion", NULL, NULL), "models:/churn/1 s3://a/1 r1 -");
	assert_string_equal(resolve("models:/churn/production", "r1", NULL), "models:/churn/1 s3://a/1 r1 -");
	assert_string_equal(resolve("models:/churn/Latest", NULL, NULL), "models:/churn/2 s3://a/2  -");
	says(resolve("models:/churn/1", "r2", NULL), "must match the referenced model version");
	says(resolve("models:/churn/1", NULL, "m-1"), "must match the referenced model version");
	says(resolve("models:/churn/9", NULL, NULL), "Model Version (name=churn, version=9) not found");
	says(resolve("models:/churn/Staging", NULL, NULL), "No versions of model with name 'churn' and stage 'Staging'");
	says(resolve("models:/churn/bogus", NULL, NULL), "Invalid Model Version stage: bogus");
	says(resolve("models:/nope/1", NULL, NULL), "Registered Model with name=nope not found");
	says(resolve("models:/greet/1", NULL, NULL), "Prompt versions cannot be used");
	says(resolve("models://host/churn/1", NULL, NULL), "must use the active model registry");
	says(resolve("models:/churn/1/x", NULL, NULL), "The model_id request parameter must identify");
	says(resolve("models:churn", NULL, NULL), "The model_id request parameter must identify");
	says(resolve("models:/", NULL, NULL), "The model_id request parameter must identify");
	says(resolve("models:/@x", NULL, NULL), "The model_id request parameter must identify");
}

static void prompts_have_a_word_for_a_source(void **state)
{
	(void)state;
	says(resolve_as("dummy-source", NULL, NULL, true), "dummy-source");
	says(resolve_as("prompt-template", NULL, NULL, true), "prompt-template");
	says(resolve_as("/etc/passwd", NULL, NULL, true), "Invalid prompt source");
	says(resolve("dummy-source", NULL, NULL), "To use a local path");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(other_places_are_taken_as_they_are),
		TEST(what_climbs_is_refused),
		TEST(hosts_are_not_chosen_by_a_source),
		TEST(files_here_belong_to_the_run_that_is_named),
		TEST(local_paths_need_a_run_that_keeps_its_files_there),
		TEST(a_logged_model_must_be_named_and_gives_its_run),
		TEST(another_version_is_meant_by_number_alias_stage_or_latest),
		TEST(prompts_have_a_word_for_a_source),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
