/* SPDX-License-Identifier: Apache-2.0 */
/* Versions, aliases and stages. */
#include "registry/models.h"
#include "registry/versions.h"
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

static int64_t add(int64_t now)
{
	struct version_new new = { .model = "churn", .source = "s3://bucket/model" };
	int64_t number;

	change(version_create(db, &new, now, &number, &err));
	return number;
}

static void make(void)
{
	change(model_create(db, "churn", NULL, NULL, 1, &err));
}

static const char *version_text(int64_t number)
{
	CLEANUP_JS struct js *version = NULL;

	ok(version_load(db, "churn", number, &version, &err));
	return json_text(version);
}

static void a_version_has_mlflows_members(void **state)
{
	CLEANUP_JS struct js *tags = NULL;
	struct version_new new = { .model = "churn", .source = "s3://bucket/model", .run_id = "abc", .run_link = "http://x",
				   .description = "first" };
	int64_t number, before;

	(void)state;
	make();
	ok(js_parse("[{\"key\":\"k\",\"value\":\"v\"}]", strlen("[{'key':'k','value':'v'}]"), "tags", &tags, &err));
	new.tags = tags;
	change(version_create(db, &new, 7, &number, &err));
	change(alias_set(db, "churn", "champion", number, &before, &err));
	assert_string_equal(version_text(1),
			    "{\"name\":\"churn\",\"version\":\"1\",\"creation_timestamp\":7,\"last_updated_timestamp\":7,"
			    "\"current_stage\":\"None\",\"description\":\"first\",\"source\":\"s3://bucket/model\","
			    "\"run_id\":\"abc\",\"status\":\"READY\",\"tags\":[{\"key\":\"k\",\"value\":\"v\"}],"
			    "\"run_link\":\"http://x\",\"aliases\":[\"champion\"]}");
	add(8);
	change(version_describe(db, "churn", 2, NULL, 9, &err));
	assert_string_equal(version_text(2),
			    "{\"name\":\"churn\",\"version\":\"2\",\"creation_timestamp\":8,\"last_updated_timestamp\":9,"
			    "\"current_stage\":\"None\",\"source\":\"s3://bucket/model\",\"run_id\":\"\",\"status\":\"READY\","
			    "\"run_link\":\"\"}");
}

static void numbers_are_never_used_again(void **state)
{
	int64_t before;

	(void)state;
	make();
	assert_int_equal(add(1), 1);
	assert_int_equal(add(2), 2);
	change(alias_set(db, "churn", "champion", 2, &before, &err));
	change(alias_set(db, "churn", "old", 1, &before, &err));
	change(version_delete(db, "churn", 2, 3, &err));
	change_refused(version_delete(db, "churn", 2, 3, &err), ERR_NOT_FOUND);
	refused(version_load(db, "churn", 2, &(struct js *){ NULL }, &err), ERR_NOT_FOUND);
	/* what pointed at it is gone, what did not is there */
	refused(alias_find(db, "churn", "champion", &before, &err), ERR_USAGE);
	ok(alias_find(db, "churn", "old", &before, &err));
	assert_int_equal(add(4), 3);
}

static void numbers_are_read_as_python_reads_them(void **state)
{
	static const char *const bad[] = { "", "x", "1.0", "1x", "99999999999999999999" };
	int64_t number;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(version_number(bad[i], &number, &err), ERR_USAGE);
	ok(version_number(" +7 ", &number, &err));
	assert_int_equal(number, 7);
}

static void aliases_move_and_some_are_reserved(void **state)
{
	static const char *const bad[] = { "", "a b", "a/b", "latest", "LATEST", "v3", "V12", "a\n" };
	char longest[257];
	int64_t before, number;

	(void)state;
	make();
	add(1);
	add(2);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		change_refused(alias_set(db, "churn", bad[i], 1, &before, &err), ERR_USAGE);
	memset(longest, 'x', 256);
	longest[256] = '\0';
	change_refused(alias_set(db, "churn", longest, 1, &before, &err), ERR_USAGE);
	change(alias_set(db, "churn", longest + 1, 1, &before, &err));
	change_refused(alias_set(db, "churn", "champion", 9, &before, &err), ERR_NOT_FOUND);
	change_refused(alias_set(db, "nope", "champion", 1, &before, &err), ERR_NOT_FOUND);
	change(alias_set(db, "churn", "champion", 1, &before, &err));
	assert_int_equal(before, 0);
	change(alias_set(db, "churn", "champion", 2, &before, &err));
	assert_int_equal(before, 1);
	ok(alias_find(db, "churn", "champion", &number, &err));
	assert_int_equal(number, 2);
	refused(alias_find(db, "churn", "Champion", &number, &err), ERR_USAGE);
	change(alias_delete(db, "churn", "champion", &before, &err));
	assert_int_equal(before, 2);
	change(alias_delete(db, "churn", "champion", &before, &err));
	assert_int_equal(before, 0);
	ok(alias_find(db, "churn", "Latest", &number, &err));
	assert_int_equal(number, 2);
	change(alias_set(db, "churn", "v", 1, &before, &err));
	change(alias_set(db, "churn", "ü-1_x", 1, &before, &err));
}

static const char *latest(const char *stages)
{
	CLEANUP_JS struct js *list = NULL;
	CLEANUP_JS struct js *wanted = NULL;
	static char text[64];

	if (stages)
		ok(js_parse(stages, strlen(stages), "stages", &wanted, &err));
	ok(version_latest(db, "churn", wanted, &list, &err));
	*text = '\0';
	for (size_t i = 0; i < js_len(list); i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s:%s ", js_get_str(js_at(list, i), "version"),
			 js_get_str(js_at(list, i), "current_stage"));
	return text;
}

static void stages_archive_what_was_there(void **state)
{
	CLEANUP_JS struct js *bogus = js_array();
	const char *before;

	(void)state;
	make();
	for (int i = 0; i < 4; i++)
		add(i);
	change(version_set_stage(db, "churn", 1, "production", false, 10, &before, &err));
	assert_string_equal(before, "None");
	change(version_set_stage(db, "churn", 2, "Production", false, 11, &before, &err));
	assert_string_equal(latest(NULL), "2:Production 4:None ");
	change(version_set_stage(db, "churn", 3, "PRODUCTION", true, 12, &before, &err));
	assert_string_equal(latest(NULL), "2:Archived 3:Production 4:None ");
	assert_string_equal(latest("[\"none\",\"Staging\"]"), "4:None ");
	change_refused(version_set_stage(db, "churn", 3, "Archived", true, 12, &before, &err), ERR_USAGE);
	change_refused(version_set_stage(db, "churn", 3, "Gone", false, 12, &before, &err), ERR_USAGE);
	change_refused(version_set_stage(db, "churn", 9, "Staging", true, 12, &before, &err), ERR_NOT_FOUND);
	js_push_str(bogus, "bogus");
	refused(version_latest(db, "churn", bogus, &(struct js *){ NULL }, &err), ERR_USAGE);
}

static const char *found(const char *filter, const char *order)
{
	CLEANUP_JS struct js *orders = NULL;
	CLEANUP_JS struct js *result = NULL;
	struct registry_query query = { .filter = filter, .max_results = 100 };
	static char text[64];
	const struct js *list;

	if (order)
		ok(js_parse(order, strlen(order), "order", &orders, &err));
	query.order_by = orders;
	ok(version_search(db, &query, &result, &err));
	list = js_get(result, "model_versions");
	*text = '\0';
	for (size_t i = 0; i < js_len(list); i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s ", js_get_str(js_at(list, i), "name"),
			 js_get_str(js_at(list, i), "version"));
	return text;
}

static void searches_see_what_is_there(void **state)
{
	CLEANUP_JS struct js *prompt = NULL;
	struct version_new other = { .model = "b", .source = "s3://x/y", .run_id = "r1" };
	struct version_new text = { .model = "p", .source = "dummy-source" };
	static const char is_prompt[] = "[{\"key\":\"" PROMPT_TAG "\",\"value\":\"true\"}]";
	int64_t number;

	(void)state;
	make();
	add(5);
	add(6);
	add(7);
	change(version_delete(db, "churn", 2, 8, &err));
	change(model_create(db, "b", NULL, NULL, 1, &err));
	change(version_create(db, &other, 9, &number, &err));
	change(version_set_tag(db, "b", 1, "t", "x", &err));
	ok(js_parse(is_prompt, strlen(is_prompt), "tags", &prompt, &err));
	change(model_create(db, "p", NULL, prompt, 1, &err));
	text.tags = prompt;
	change(version_create(db, &text, 20, &number, &err));
	assert_string_equal(found(NULL, NULL), "b1 churn3 churn1 ");
	assert_string_equal(found("name = 'churn'", "[\"version_number ASC\"]"), "churn1 churn3 ");
	assert_string_equal(found("version_number > 1", NULL), "churn3 ");
	assert_string_equal(found("version_number = '3'", NULL), "churn3 ");
	assert_string_equal(found("version_number < \"3\" AND name = 'churn'", NULL), "churn1 ");
	assert_string_equal(found("run_id = 'r1'", NULL), "b1 ");
	assert_string_equal(found("run_id IN ('r1', 'r2')", NULL), "b1 ");
	assert_string_equal(found("source_path LIKE 's3://x%'", NULL), "b1 ");
	assert_string_equal(found("tags.t = 'x'", NULL), "b1 ");
	assert_string_equal(found("tags.`" PROMPT_TAG "` = 'true'", NULL), "p1 ");
	assert_string_equal(found(NULL, "[\"name DESC\", \"creation_timestamp ASC\"]"), "churn1 churn3 b1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_version_has_mlflows_members),
		TEST(numbers_are_never_used_again),
		TEST(numbers_are_read_as_python_reads_them),
		TEST(aliases_move_and_some_are_reserved),
		TEST(stages_archive_what_was_there),
		TEST(searches_see_what_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
