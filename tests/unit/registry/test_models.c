/* SPDX-License-Identifier: Apache-2.0 */
/* Registered models, their tags and searches. Changes happen as the agent makes them: inside a transaction. */
#include "registry/model_check.h"
#include "registry/models.h"
#include "registry/versions.h"
#include "tests/unit/registry/registry_fixture.h"

#define change(call)                      \
	do {                              \
		ok(db_begin(db, &err));   \
		ok(call);                 \
		ok(db_commit(db, &err));  \
	} while (0)
/* Refused, and what it wrote before is undone. */
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

static void make(const char *name, const char *tags, int64_t now)
{
	CLEANUP_JS struct js *list = tags ? parse(tags) : NULL;

	change(model_create(db, name, NULL, list, now, &err));
}

static const char *model_text(const char *name)
{
	CLEANUP_JS struct js *model = NULL;

	ok(model_load(db, name, &model, &err));
	return json_text(model);
}

static void a_model_has_mlflows_members(void **state)
{
	(void)state;
	make("churn", "[{\"key\":\"a\",\"value\":\"1\"},{\"key\":\"a\",\"value\":\"2\"},{\"key\":\"b\"}]", 5);
	assert_string_equal(model_text("churn"),
			    "{\"name\":\"churn\",\"creation_timestamp\":5,\"last_updated_timestamp\":5,"
			    "\"tags\":[{\"key\":\"a\",\"value\":\"2\"},{\"key\":\"b\",\"value\":\"\"}]}");
	change(model_describe(db, "churn", "who leaves", 6, &err));
	change(model_delete_tag(db, "churn", "a", &err));
	change(model_delete_tag(db, "churn", "a", &err));
	change(model_set_tag(db, "churn", "b", "3", &err));
	assert_string_equal(model_text("churn"),
			    "{\"name\":\"churn\",\"creation_timestamp\":5,\"last_updated_timestamp\":6,"
			    "\"description\":\"who leaves\",\"tags\":[{\"key\":\"b\",\"value\":\"3\"}]}");
}

static void names_are_unique_and_clean(void **state)
{
	static const char *const bad[] = { "", "  ", "a/b", "a:b", ".", "..", "..a", "a\nb" };
	char longest[MODEL_NAME_CHARS + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		change_refused(model_create(db, bad[i], NULL, NULL, 1, &err), ERR_USAGE);
	memset(longest, 'x', sizeof(longest));
	longest[MODEL_NAME_CHARS + 1] = '\0';
	change_refused(model_create(db, longest, NULL, NULL, 1, &err), ERR_USAGE);
	longest[MODEL_NAME_CHARS] = '\0';
	make(longest, NULL, 1);
	make("Modèle 1.0 (neu)", NULL, 1);
	make("churn", NULL, 1);
	ok(db_begin(db, &err));
	assert_int_equal(model_create(db, "churn", NULL, NULL, 1, &err), -1);
	assert_int_equal(err.code, ERR_EXISTS);
	assert_string_equal(err.msg, "Registered Model (name=churn) already exists.");
	db_rollback(db);
	error_clear(&err);
	assert_int_equal(model_load(db, "nope", &(struct js *){ NULL }, &err), -1);
	assert_string_equal(err.msg, "Registered Model with name=nope not found");
	error_clear(&err);
}

static void bad_tags_leave_no_model(void **state)
{
	static const char *const bad[] = { "{\"a\":1}", "[1]", "[{\"value\":\"x\"}]", "[{\"key\":\"../a\",\"value\":\"x\"}]",
					   "[{\"key\":\"a\",\"value\":1}]", "[{\"key\":\"a*\",\"value\":\"x\"}]" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_JS struct js *tags = parse(bad[i]);

		change_refused(model_create(db, "churn", NULL, tags, 1, &err), ERR_USAGE);
		refused(model_load(db, "churn", &(struct js *){ NULL }, &err), ERR_NOT_FOUND);
	}
}

static void models_and_prompts_share_names(void **state)
{
	CLEANUP_JS struct js *prompt = parse("[{\"key\":\"" PROMPT_TAG "\",\"value\":\"true\"}]");

	(void)state;
	change(model_create(db, "greeting", NULL, prompt, 1, &err));
	make("churn", NULL, 1);
	ok(db_begin(db, &err));
	assert_int_equal(model_create(db, "greeting", NULL, prompt, 1, &err), -1);
	assert_string_equal(err.msg, "Prompt (name=greeting) already exists.");
	assert_int_equal(model_create(db, "greeting", NULL, NULL, 1, &err), -1);
	assert_non_null(strstr(err.msg, "already taken by a prompt"));
	assert_int_equal(model_create(db, "churn", NULL, prompt, 1, &err), -1);
	assert_non_null(strstr(err.msg, "already taken by a registered model"));
	db_rollback(db);
	error_clear(&err);
}

static void a_renamed_model_keeps_versions_and_aliases(void **state)
{
	struct version_new new = { .model = "churn", .source = "s3://b/m" };
	int64_t number, before;

	(void)state;
	make("churn", NULL, 1);
	make("other", NULL, 1);
	change(version_create(db, &new, 2, &number, &err));
	change(alias_set(db, "churn", "champion", 1, &before, &err));
	change_refused(model_rename(db, "churn", "other", 3, &err), ERR_EXISTS);
	change_refused(model_rename(db, "churn", "a/b", 3, &err), ERR_USAGE);
	change_refused(model_rename(db, "nope", "new", 3, &err), ERR_NOT_FOUND);
	change(model_rename(db, "churn", "churn", 3, &err));
	change(model_rename(db, "churn", "leavers", 4, &err));
	ok(alias_find(db, "leavers", "champion", &number, &err));
	assert_int_equal(number, 1);
	refused(model_load(db, "churn", &(struct js *){ NULL }, &err), ERR_NOT_FOUND);
}

static void a_deleted_model_leaves_nothing_and_its_name_begins_anew(void **state)
{
	struct version_new new = { .model = "churn", .source = "s3://b/m" };
	int64_t number, before;

	(void)state;
	for (int i = 0; i < 2; i++) {
		make("churn", "[{\"key\":\"a\",\"value\":\"1\"}]", 1);
		change(version_create(db, &new, 2, &number, &err));
		assert_int_equal(number, 1);
		change(alias_set(db, "churn", "champion", 1, &before, &err));
		assert_int_equal(before, 0);
		change(model_delete(db, "churn", &err));
	}
	change_refused(model_delete(db, "churn", &err), ERR_NOT_FOUND);
}

/* The names of a page, with commas. */
static const char *found(const char *filter, const char *order, int64_t max, char **token)
{
	CLEANUP_JS struct js *orders = order ? parse(order) : NULL;
	CLEANUP_JS struct js *result = NULL;
	struct registry_query query = { filter, orders, max, *token };
	static struct strbuf names = STRBUF_INIT;
	const char *next;

	ok(model_search(db, &query, &result, &err));
	strbuf_clear(&names);
	for (size_t i = 0; i < js_len(js_get(result, "registered_models")); i++)
		strbuf_printf(&names, "%s%s", i ? "," : "",
			      js_get_str(js_at(js_get(result, "registered_models"), i), "name"));
	next = js_get_str(result, "next_page_token");
	free(*token);
	*token = next ? xstrdup(next) : NULL;
	return names.buf;
}

static void searches_filter_order_and_page(void **state)
{
	CLEANUP(cleanup_free) char *none = NULL;
	CLEANUP(cleanup_free) char *token = NULL;

	(void)state;
	make("b", "[{\"key\":\"team\",\"value\":\"x\"}]", 3);
	make("a", NULL, 5);
	make("c", "[{\"key\":\"team\",\"value\":\"y\"}]", 4);
	make("p", "[{\"key\":\"" PROMPT_TAG "\",\"value\":\"true\"}]", 9);
	assert_string_equal(found(NULL, NULL, 100, &none), "a,b,c");
	assert_null(none);
	assert_string_equal(found(NULL, "[\"timestamp DESC\"]", 100, &none), "a,c,b");
	assert_string_equal(found(NULL, "[\"last_updated_timestamp ASC\"]", 100, &none), "b,c,a");
	assert_string_equal(found("tags.team = 'x'", NULL, 100, &none), "b");
	assert_string_equal(found("tags.team != 'x'", NULL, 100, &none), "c");
	assert_string_equal(found("name LIKE '%b%'", NULL, 100, &none), "b");
	assert_string_equal(found("name = 'p'", NULL, 100, &none), "");
	assert_string_equal(found("tags.`" PROMPT_TAG "` = 'true'", NULL, 100, &none), "p");
	assert_string_equal(found("tags.`" PROMPT_TAG "` != 'true'", NULL, 100, &none), "a,b,c");
	assert_string_equal(found("tags.`" PROMPT_TAG "` = 'false'", NULL, 100, &none), "a,b,c");
	assert_string_equal(found(NULL, NULL, 2, &token), "a,b");
	assert_non_null(token);
	assert_string_equal(found(NULL, NULL, 2, &token), "c");
	assert_null(token);
	assert_string_equal(found(NULL, NULL, 3, &token), "a,b,c");
	assert_null(token);
}

static void bad_searches_are_refused(void **state)
{
	static const struct registry_query bad[] = {
		{ .max_results = 0 },
		{ .max_results = 1001 },
		{ .max_results = 1, .page_token = "?" },
		{ .max_results = 1, .page_token = "e30=" },
		{ .max_results = 1, .filter = "foo = 'a'" },
		{ .max_results = 1, .filter = "name > 'a'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(model_search(db, &bad[i], &(struct js *){ NULL }, &err), ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_model_has_mlflows_members),
		TEST(names_are_unique_and_clean),
		TEST(bad_tags_leave_no_model),
		TEST(models_and_prompts_share_names),
		TEST(a_renamed_model_keeps_versions_and_aliases),
		TEST(a_deleted_model_leaves_nothing_and_its_name_begins_anew),
		TEST(searches_filter_order_and_page),
		TEST(bad_searches_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
