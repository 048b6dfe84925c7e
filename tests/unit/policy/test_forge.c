/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/forge.h"

#define SHA "0123456789012345678901234567890123456789"

static int read_forge(const char *kind, const char *url, const char *repo, struct forge *ret, struct error *err)
{
	CLEANUP_JS struct js *config = js_object();

	js_set_str(config, "kind", kind);
	js_set_str(config, "url", url);
	js_set_str(config, "repo", repo);
	return forge_read(config, ret, err);
}

/* As the forges' API references have them. */
static const struct {
	const char *kind, *url, *repo;
	const char *status, *state, *key, *comments, *create, *method, *edit, *authorization;
} apis[] = {
	{ "github", NULL, "team/churn", "https://api.github.com/repos/team/churn/statuses/" SHA, "failure", "context",
	  "https://api.github.com/repos/team/churn/issues/7/comments?per_page=100&page=2",
	  "https://api.github.com/repos/team/churn/issues/7/comments", "PATCH",
	  "https://api.github.com/repos/team/churn/issues/comments/42", "Authorization: Bearer T" },
	{ "gitea", "https://git.example.org/", "team/churn", "https://git.example.org/api/v1/repos/team/churn/statuses/" SHA, "failure",
	  "context", "https://git.example.org/api/v1/repos/team/churn/issues/7/comments?limit=100&page=2",
	  "https://git.example.org/api/v1/repos/team/churn/issues/7/comments", "PATCH",
	  "https://git.example.org/api/v1/repos/team/churn/issues/comments/42", "Authorization: token T" },
	{ "gitlab", "https://gitlab.example.org/sub", "group/team/churn",
	  "https://gitlab.example.org/sub/api/v4/projects/group%2Fteam%2Fchurn/statuses/" SHA, "failed", "name",
	  "https://gitlab.example.org/sub/api/v4/projects/group%2Fteam%2Fchurn/merge_requests/7/notes"
	  "?per_page=100&page=2&sort=asc&order_by=created_at",
	  "https://gitlab.example.org/sub/api/v4/projects/group%2Fteam%2Fchurn/merge_requests/7/notes", "PUT",
	  "https://gitlab.example.org/sub/api/v4/projects/group%2Fteam%2Fchurn/merge_requests/7/notes/42", "PRIVATE-TOKEN: T" },
};

static void requests_are_those_of_each_forge(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
		struct forge_request status CLEANUP(forge_request_release) = { 0 }, page CLEANUP(forge_request_release) = { 0 };
		struct forge_request create CLEANUP(forge_request_release) = { 0 }, edit CLEANUP(forge_request_release) = { 0 };
		struct forge forge CLEANUP(forge_release) = { 0 };
		CLEANUP(cleanup_free) char *authorization = NULL;
		CLEANUP_JS struct js *body = NULL;

		assert_int_equal(read_forge(apis[i].kind, apis[i].url, apis[i].repo, &forge, NULL), 0);
		forge_status(&forge, SHA, FORGE_FAILURE, "mlops/nightly", "gate: auc >= 0.9", &status);
		assert_string_equal(status.method, "POST");
		assert_string_equal(status.url, apis[i].status);
		assert_int_equal(js_parse(status.body, strlen(status.body), "body", &body, NULL), 0);
		assert_string_equal(js_get_str(body, "state"), apis[i].state);
		assert_string_equal(js_get_str(body, apis[i].key), "mlops/nightly");
		assert_string_equal(js_get_str(body, "description"), "gate: auc >= 0.9");
		forge_comments(&forge, 7, 2, &page);
		assert_string_equal(page.url, apis[i].comments);
		assert_null(page.body);
		forge_comment(&forge, 7, 0, "text", &create);
		assert_string_equal(create.method, "POST");
		assert_string_equal(create.url, apis[i].create);
		forge_comment(&forge, 7, 42, "text", &edit);
		assert_string_equal(edit.method, apis[i].method);
		assert_string_equal(edit.url, apis[i].edit);
		authorization = forge_authorization(&forge, "T");
		assert_string_equal(authorization, apis[i].authorization);
	}
}

static void descriptions_are_cut_between_characters(void **state)
{
	struct forge_request status CLEANUP(forge_request_release) = { 0 };
	struct forge forge CLEANUP(forge_release) = { 0 };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *body = NULL;
	const char *description;

	(void)state;
	for (int i = 0; i < 100; i++)
		strbuf_puts(&text, "\xc3\xa4");
	assert_int_equal(read_forge("github", NULL, "a/b", &forge, NULL), 0);
	forge_status(&forge, SHA, FORGE_SUCCESS, "mlops", text.buf, &status);
	assert_int_equal(js_parse(status.body, strlen(status.body), "body", &body, NULL), 0);
	description = js_get_str(body, "description");
	assert_int_equal(strlen(description), 139);
	assert_string_equal(description + 130, "\xc3\xa4\xc3\xa4\xc3\xa4...");
}

static void a_forge_that_is_none_is_refused(void **state)
{
	static const char *const bad[][3] = {
		{ "svn", "https://x.example", "a/b" },   { "gitea", NULL, "a/b" },           { "gitlab", NULL, "a/b" },
		{ "github", "ssh://x", "a/b" },          { "github", "https://x/?y=1", "a/b" }, { "github", NULL, NULL },
		{ "github", NULL, "b" },                 { "github", NULL, "a/b/c" },        { "gitlab", "https://x.example", "a/../b" },
		{ "github", NULL, "a/b?x" },             { "github", NULL, "/a" },           { "github", NULL, "a/" },
		{ "gitlab", "https://x.example", "a//b" }, { "github", NULL, "a/b%2f" },     { "gitea", "https://u:p@x.example", "a/b" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct forge forge = { 0 };
		struct error err = { 0 };

		if (read_forge(bad[i][0], bad[i][1], bad[i][2], &forge, &err) == 0)
			fail_msg("%zu was taken", i);
		assert_int_equal(err.code, ERR_USAGE);
	}
}

static int find(const char *text, const char *mark, int64_t *id, size_t *n)
{
	int64_t first;
	struct error err = { 0 };

	return forge_comment_find(text, strlen(text), mark, id, n, &first, &err);
}

static void our_comment_is_the_oldest_that_begins_with_the_mark(void **state)
{
	CLEANUP_STRBUF struct strbuf mark = STRBUF_INIT, other = STRBUF_INIT, again = STRBUF_INIT;
	CLEANUP(cleanup_free) char *list = NULL;
	int64_t id = 0;
	size_t n;

	(void)state;
	forge_mark("token", "churn", 7, &mark);
	forge_mark("token", "churn", 7, &again);
	forge_mark("token", "churn", 8, &other);
	assert_string_equal(mark.buf, again.buf);
	assert_string_not_equal(mark.buf, other.buf);
	assert_non_null(strstr(mark.buf, " -->\n"));
	list = xasprintf("[{\"id\":1,\"body\":\"> %.79s\"},{\"id\":2,\"body\":null},{\"id\":3,\"body\":\"%.79s\\r\\nold\"},"
			 "{\"id\":4,\"body\":\"%.79s\"}]",
			 mark.buf, mark.buf, mark.buf);
	assert_int_equal(find(list, mark.buf, &id, &n), 1);
	assert_int_equal(id, 3);
	assert_int_equal(n, 4);
	assert_int_equal(find(list, other.buf, &id, &n), 0);
	assert_int_equal(find("[]", mark.buf, &id, &n), 0);
	assert_int_equal(find("{\"message\":\"Not Found\"}", mark.buf, &id, &n), -1);
	assert_int_equal(find("<html>", mark.buf, &id, &n), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_those_of_each_forge),
		cmocka_unit_test(descriptions_are_cut_between_characters),
		cmocka_unit_test(a_forge_that_is_none_is_refused),
		cmocka_unit_test(our_comment_is_the_oldest_that_begins_with_the_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
