/* SPDX-License-Identifier: Apache-2.0 */
/* Versions that a pipeline made. */
#include "registry/candidates.h"
#include "registry/artifacts.h"
#include "registry/models.h"
#include "registry/versions.h"
#include "tests/unit/registry/registry_fixture.h"

#define file_of(text) content_of(text, CONTENT_FILE)

static struct js *json(const char *text)
{
	struct js *value;

	ok(js_parse(text, strlen(text), "text", &value, &err));
	return value;
}

static int add(const char *bytes, bool passed, int64_t *ret_number)
{
	CLEANUP_JS struct js *spec = json("{\"from\":\"best\"}"), *lines = json("[{\"line\":\"auc > 0\",\"holds\":true}]"),
			     *metrics = json("{\"auc\":0.9}");
	const struct content content = file_of(bytes), reference = file_of("train");
	const struct candidate_file file = { "example", "example.json", file_of("{}") };
	const struct candidate_new new = {
		.model = "churn", .run_id = run_id(7), .content = &content, .path = "best", .reference = &reference, .files = &file,
		.nfiles = 1, .spec = spec, .lines = lines, .metrics = metrics, .champion = 0, .passed = passed, .author = "ann",
		.now_ms = 7,
	};
	int r;

	ok(db_begin(db, &err));
	r = candidate_add(db, &new, ret_number, &err);
	ok(r);
	ok(db_commit(db, &err));
	return r;
}

static void the_newest_files_are_no_new_version(void **state)
{
	const struct content a = file_of("a"), b = file_of("b");
	int64_t number = 0;

	(void)state;
	make_run(7, NULL);
	ok(candidate_same(db, "churn", &a, &number, &err));
	assert_int_equal(number, 0);
	assert_int_equal(add("a", true, &number), 1);
	assert_int_equal(number, 1);
	assert_int_equal(add("a", true, &number), 0);
	assert_int_equal(number, 1);
	assert_int_equal(add("b", false, &number), 1);
	assert_int_equal(number, 2);
	/* Only the newest counts: who goes back makes a version. */
	assert_int_equal(add("a", true, &number), 1);
	assert_int_equal(number, 3);
	ok(candidate_same(db, "churn", &a, &number, &err));
	assert_int_equal(number, 3);
	ok(candidate_same(db, "churn", &b, &number, &err));
	assert_int_equal(number, 0);
}

static void a_candidate_is_told_as_it_was(void **state)
{
	CLEANUP_JS struct js *found = NULL;
	const struct content a = file_of("a"), train = file_of("train"), example = file_of("{}");
	char made[CONTENT_TEXT], trained[CONTENT_TEXT], shown[CONTENT_TEXT], wanted[1024];
	int64_t number;

	(void)state;
	make_run(7, NULL);
	add("a", false, &number);
	ok(candidate_load(db, "churn", 1, &found, &err));
	snprintf(wanted, sizeof(wanted),
		 "{\"model\":\"churn\",\"number\":1,\"content\":\"%s\",\"reference\":\"%s\",\"spec\":{\"from\":\"best\"},"
		 "\"verdict\":\"failed\",\"lines\":[{\"holds\":true,\"line\":\"auc > 0\"}],\"metrics\":{\"auc\":0.9},"
		 "\"author\":\"ann\",\"judged\":7,\"run_id\":\"%s\","
		 "\"files\":{\"example\":{\"path\":\"example.json\",\"content\":\"%s\"}}}",
		 content_format(&a, made), content_format(&train, trained), run_id(7),
		 content_format(&example, shown));
	assert_string_equal(json_text(found), wanted);
}

static void what_a_person_registered_has_no_gate(void **state)
{
	struct version_new new = { .model = "hand", .source = "s3://bucket/model" };
	struct js *found = NULL;
	int64_t number;

	(void)state;
	ok(db_begin(db, &err));
	ok(model_create(db, "hand", NULL, NULL, 1, &err));
	ok(version_create(db, &new, 1, &number, &err));
	ok(db_commit(db, &err));
	refused(candidate_load(db, "hand", 1, &found, &err), ERR_NOT_FOUND);
	refused(candidate_load(db, "hand", 2, &found, &err), ERR_NOT_FOUND);
	assert_null(found);
}

static void the_run_that_made_it_is_found(void **state)
{
	const struct content a = file_of("a"), b = file_of("b");
	char run[33];
	int64_t number;
	bool made;

	(void)state;
	make_run(7, NULL);
	ok(artifact_record(db, "best", &a, run_id(7), "ann", 1, &number, &made, &err));
	ok(candidate_run(db, "best", &a, run, &err));
	assert_string_equal(run, run_id(7));
	refused(candidate_run(db, "best", &b, run, &err), ERR_NOT_FOUND);
	refused(candidate_run(db, "worst", &a, run, &err), ERR_NOT_FOUND);
}

static int note(void *ctx, const struct content *content, const char *what, bool elsewhere)
{
	struct strbuf *out = ctx;

	(void)content;
	strbuf_printf(out, "%s%s;", elsewhere ? "elsewhere " : "", what);
	return 0;
}

static void its_files_are_kept(void **state)
{
	CLEANUP_STRBUF struct strbuf named = STRBUF_INIT;
	int64_t number;

	(void)state;
	make_run(7, NULL);
	add("a", true, &number);
	ok(artifact_each_content(db, note, &named, &err));
	assert_non_null(strstr(named.buf, "churn@v1;"));
	assert_non_null(strstr(named.buf, "reference of churn@v1;"));
	assert_non_null(strstr(named.buf, "example of churn@v1;"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_newest_files_are_no_new_version), TEST(a_candidate_is_told_as_it_was),
		TEST(what_a_person_registered_has_no_gate), TEST(the_run_that_made_it_is_found), TEST(its_files_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
