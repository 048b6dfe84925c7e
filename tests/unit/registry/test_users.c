/* SPDX-License-Identifier: Apache-2.0 */
/* Users, tokens and permissions as the registry keeps them. */
#include "registry/access.h"
#include "registry_fixture.h"

#define NOW 1000000

static char token[TOKEN_LEN + 1];

static void add_token(const char *name, const char *user, int role, int64_t expires_ms)
{
	struct token_new new = { .name = name, .user = user, .role = role, .scopes = SCOPE_ALL, .expires_ms = expires_ms };

	ok(token_add(db, &new, NOW, token, &err));
}

static void a_token_gives_what_it_was_made_with(void **state)
{
	struct grant grant;

	(void)state;
	add_token("ci", NULL, -1, 0);
	ok(grant_by_token(db, token, NOW, &grant, &err));
	assert_string_equal(grant.token, "ci");
	assert_string_equal(grant.user, "");
	assert_string_equal(access_roles[grant.role], "engineer");
	assert_int_equal(grant.scopes, SCOPE_ALL);
	assert_false(grant.special);
	assert_int_equal(grant.last_used, 0);
}

static void only_the_hash_of_a_token_is_kept(void **state)
{
	struct db_stmt *q = db_query(db, "SELECT * FROM tokens");
	char *secret = token + 6 + TOKEN_ID + 1;

	(void)state;
	add_token("ci", NULL, -1, 0);
	assert_int_equal(db_step(q, &err), 1);
	for (int i = 0; i < 10; i++)
		assert_true(!db_text(q, i) || !strstr(db_text(q, i), secret));
	db_done(q);
}

static void tokens_end(void **state)
{
	struct grant grant;

	(void)state;
	add_token("short", NULL, -1, NOW + 10);
	ok(grant_by_token(db, token, NOW + 9, &grant, &err));
	refused(grant_by_token(db, token, NOW + 10, &grant, &err), ERR_AUTH);
	add_token("gone", NULL, -1, 0);
	ok(token_remove(db, "gone", &err));
	refused(grant_by_token(db, token, NOW, &grant, &err), ERR_AUTH);
	refused(token_remove(db, "gone", &err), ERR_NOT_FOUND);
	add_token("found", NULL, -1, 0);
	ok(grant_by_token(db, token, NOW, &grant, &err));
	ok(token_remove(db, grant.token_id, &err));
	refused(grant_by_token(db, token, NOW, &grant, &err), ERR_AUTH);
}

static void a_token_has_never_more_than_its_user(void **state)
{
	struct grant grant;

	(void)state;
	ok(user_add(db, "anna", 1, NULL, NOW, &err));
	add_token("laptop", "anna", 3, 0);
	ok(grant_by_token(db, token, NOW, &grant, &err));
	assert_int_equal(grant.role, 1);
	assert_string_equal(grant.user, "anna");
	ok(user_edit(db, "anna", 0, NULL, -1, &err));
	ok(grant_by_token(db, token, NOW, &grant, &err));
	assert_int_equal(grant.role, 0);
	ok(user_edit(db, "anna", -1, NULL, 1, &err));
	refused(grant_by_token(db, token, NOW, &grant, &err), ERR_AUTH);
	ok(user_edit(db, "anna", -1, NULL, 0, &err));
	ok(grant_by_token(db, token, NOW, &grant, &err));
	ok(user_remove(db, "anna", &err));
	refused(grant_by_token(db, token, NOW, &grant, &err), ERR_AUTH);
}

static void users_who_cannot_log_in_look_like_none(void **state)
{
	char kept[PASSWORD_HASH];
	struct grant grant;

	(void)state;
	ok(user_add(db, "anna", 2, "scrypt:x", NOW, &err));
	ok(user_add(db, "bot", 1, NULL, NOW, &err));
	ok(grant_by_user(db, "anna", &grant, kept, &err));
	assert_string_equal(kept, "scrypt:x");
	assert_int_equal(grant.role, 2);
	ok(grant_by_user(db, "bot", &grant, kept, &err));
	assert_string_equal(kept, "");
	ok(grant_by_user(db, "nobody", &grant, kept, &err));
	assert_string_equal(kept, "");
	assert_int_equal(grant.role, 0);
	ok(user_edit(db, "anna", -1, NULL, 1, &err));
	ok(grant_by_user(db, "anna", &grant, kept, &err));
	assert_string_equal(kept, "");
}

static void names_are_taken_once_and_are_plain(void **state)
{
	static const char *const bad[] = { "", "a b", "a:b", "-rf", "../x", "\n", "a/b", "\xc3\xa4", ".", "@x" };

	(void)state;
	ok(user_add(db, "anna", 1, NULL, NOW, &err));
	refused(user_add(db, "anna", 1, NULL, NOW, &err), ERR_EXISTS);
	add_token("ci", NULL, -1, 0);
	refused(token_add(db, &(struct token_new){ .name = "ci", .role = -1, .scopes = SCOPE_ALL }, NOW, token, &err),
		ERR_EXISTS);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(user_add(db, bad[i], 1, NULL, NOW, &err), ERR_USAGE);
	refused(user_edit(db, "ben", 1, NULL, -1, &err), ERR_NOT_FOUND);
	refused(user_remove(db, "ben", &err), ERR_NOT_FOUND);
	refused(token_add(db, &(struct token_new){ .name = "x", .user = "ben", .role = -1 }, NOW, token, &err),
		ERR_NOT_FOUND);
	refused(token_add(db, &(struct token_new){ .name = "x", .run = "nowhere", .role = -1 }, NOW, token, &err),
		ERR_NOT_FOUND);
}

static void expired_tokens_of_runs_go_when_others_come(void **state)
{
	CLEANUP_JS struct js *list = NULL;
	struct token_new new = { .name = "step", .run = make_run(1, NULL), .role = -1, .scopes = SCOPE_TRACKING,
				 .expires_ms = NOW + 1 };

	(void)state;
	ok(token_add(db, &new, NOW, token, &err));
	new.name = "next";
	new.expires_ms = NOW + 100;
	ok(token_add(db, &new, NOW + 2, token, &err));
	ok(token_list(db, NOW + 2, &list, &err));
	assert_int_equal(js_len(list), 1);
	assert_string_equal(js_get_str(js_at(list, 0), "name"), "next");
	assert_string_equal(js_get_str(js_at(list, 0), "run"), run_id(1));
	assert_string_equal(json_text(js_get(js_at(list, 0), "scopes")), "[\"tracking\"]");
}

static void the_last_use_only_grows(void **state)
{
	struct grant grant;

	(void)state;
	add_token("ci", NULL, -1, 0);
	ok(grant_by_token(db, token, NOW, &grant, &err));
	ok(token_used(db, grant.token_id, NOW + 5, &err));
	ok(token_used(db, grant.token_id, NOW + 3, &err));
	ok(token_used(db, "gonegone", NOW, &err));
	ok(grant_by_token(db, token, NOW, &grant, &err));
	assert_int_equal(grant.last_used, NOW + 5);
}

static void permissions_are_found_and_told(void **state)
{
	char kept[PASSWORD_HASH];
	enum access_level level;
	struct grant grant;

	(void)state;
	ok(user_add(db, "anna", 1, NULL, NOW, &err));
	ok(grant_by_user(db, "anna", &grant, kept, &err));
	assert_false(grant.special);
	ok(permission_set(db, "anna", "experiment", "0", "read", &err));
	ok(grant_by_user(db, "anna", &grant, kept, &err));
	assert_true(grant.special);
	assert_false(grant.hidden);
	assert_int_equal(permission_find(db, grant.user_row, "experiment", "0", &level, &err), 1);
	assert_int_equal(level, LEVEL_READ);
	assert_int_equal(permission_find(db, grant.user_row, "model", "0", &level, &err), 0);
	ok(permission_set(db, "anna", "experiment", "0", "none", &err));
	ok(grant_by_user(db, "anna", &grant, kept, &err));
	assert_true(grant.hidden);
	ok(permission_remove(db, "anna", "experiment", "0", &err));
	refused(permission_remove(db, "anna", "experiment", "0", &err), ERR_NOT_FOUND);
	refused(permission_set(db, "ben", "experiment", "0", "read", &err), ERR_NOT_FOUND);
}

static void a_model_keeps_its_permissions_under_a_new_name_and_leaves_none(void **state)
{
	char kept[PASSWORD_HASH], object[64];
	enum access_level level;
	struct grant grant;

	(void)state;
	ok(user_add(db, "anna", 1, NULL, NOW, &err));
	ok(grant_by_user(db, "anna", &grant, kept, &err));
	ok(db_begin(db, &err));
	ok(db_exec(db, "INSERT INTO registered_models (name, creation_time, last_update_time) VALUES ('a', 1, 1)", &err));
	ok(permission_set(db, "anna", "model", "a", "none", &err));
	ok(db_exec(db, "UPDATE registered_models SET name = 'b'", &err));
	assert_int_equal(permission_find(db, grant.user_row, "model", "b", &level, &err), 1);
	assert_int_equal(permission_find(db, grant.user_row, "model", "a", &level, &err), 0);
	assert_int_equal(access_find_object(db, "model", "b", object, sizeof(object), &err), 1);
	ok(db_exec(db, "DELETE FROM registered_models", &err));
	assert_int_equal(permission_find(db, grant.user_row, "model", "b", &level, &err), 0);
	assert_int_equal(access_find_object(db, "model", "b", object, sizeof(object), &err), 0);
	ok(db_commit(db, &err));
}

static void experiments_are_found_by_name_before_number(void **state)
{
	char object[64];

	(void)state;
	ok(db_begin(db, &err));
	ok(db_exec(db, "INSERT INTO experiments (experiment_id, name, creation_time, last_update_time) VALUES (7, '0', 1, 1)",
		   &err));
	ok(db_commit(db, &err));
	assert_int_equal(access_find_object(db, "experiment", "0", object, sizeof(object), &err), 1);
	assert_string_equal(object, "7");
	assert_int_equal(access_find_object(db, "experiment", "Default", object, sizeof(object), &err), 1);
	assert_string_equal(object, "0");
	assert_int_equal(access_find_object(db, "experiment", "7", object, sizeof(object), &err), 1);
	assert_int_equal(access_find_object(db, "experiment", "8", object, sizeof(object), &err), 0);
}

static void who_could_log_in_is_counted(void **state)
{
	int64_t n;

	(void)state;
	ok(user_add(db, "bot", 1, NULL, NOW, &err));
	ok(access_count(db, NOW, &n, &err));
	assert_int_equal(n, 0);
	ok(user_add(db, "anna", 1, "scrypt:x", NOW, &err));
	add_token("short", NULL, -1, NOW + 1);
	ok(access_count(db, NOW, &n, &err));
	assert_int_equal(n, 2);
	ok(access_count(db, NOW + 1, &n, &err));
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_token_gives_what_it_was_made_with),
		TEST(only_the_hash_of_a_token_is_kept),
		TEST(tokens_end),
		TEST(a_token_has_never_more_than_its_user),
		TEST(users_who_cannot_log_in_look_like_none),
		TEST(names_are_taken_once_and_are_plain),
		TEST(expired_tokens_of_runs_go_when_others_come),
		TEST(the_last_use_only_grows),
		TEST(permissions_are_found_and_told),
		TEST(a_model_keeps_its_permissions_under_a_new_name_and_leaves_none),
		TEST(experiments_are_found_by_name_before_number),
		TEST(who_could_log_in_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
