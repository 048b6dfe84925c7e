/* SPDX-License-Identifier: Apache-2.0 */
/* Which file fitted which schema, and where the profile of a content is. */
#include "registry/tables.h"
#include "registry_fixture.h"

static struct table_check check_of(const char *path, const char *content, const char *schema, uint64_t rows)
{
	struct table_check check = { .path = (char *)(uintptr_t)path, .rows = rows };

	digest_of(content, strlen(content), &check.content);
	digest_of(schema, strlen(schema), &check.schema);
	return check;
}

static void store(struct table_check check, int64_t now)
{
	ok(db_begin(db, &err));
	ok(table_check_store(db, &check, now, &err));
	ok(db_commit(db, &err));
}

static void what_fitted_is_known_by_path_content_and_schema(void **state)
{
	struct table_check check = check_of("a.csv", "v1", "s", 0);
	struct table_check others[] = { check_of("b.csv", "v1", "s", 0), check_of("a.csv", "v2", "s", 0),
					check_of("a.csv", "v1", "t", 0) };

	(void)state;
	store(check_of("a.csv", "v1", "s", 7), 1);
	assert_int_equal(table_check_find(db, &check, &err), 1);
	assert_int_equal(check.rows, 7);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(table_check_find(db, &others[i], &err), 0);
}

static void rows_before_are_those_of_what_was_accepted_last(void **state)
{
	uint64_t rows = 99;

	(void)state;
	assert_int_equal(table_rows_before(db, "a.csv", &rows, &err), 0);
	assert_int_equal(rows, 99);
	store(check_of("a.csv", "v1", "s", 7), 1);
	store(check_of("a.csv", "v2", "s", 8), 2);
	store(check_of("b.csv", "v3", "s", 9), 3);
	assert_int_equal(table_rows_before(db, "a.csv", &rows, &err), 1);
	assert_int_equal(rows, 8);
	store(check_of("a.csv", "v1", "s", 7), 4); /* an old version again */
	assert_int_equal(table_rows_before(db, "a.csv", &rows, &err), 1);
	assert_int_equal(rows, 7);
}

static void a_profile_is_of_bytes_and_of_how_they_were_read(void **state)
{
	struct content first = content_of("first", CONTENT_FILE), second = content_of("second", CONTENT_FILE), found;
	struct digest data;

	(void)state;
	digest_of("data", 4, &data);
	assert_int_equal(table_profile_find(db, &data, NULL, &found, &err), 0);
	ok(db_begin(db, &err));
	ok(table_profile_store(db, &data, "null=?", &first, &err));
	ok(table_profile_store(db, &data, "null=?", &second, &err));
	ok(db_commit(db, &err));
	assert_int_equal(table_profile_find(db, &data, "", &found, &err), 0);
	assert_int_equal(table_profile_find(db, &data, "null=?", &found, &err), 1);
	assert_true(content_equal(&found, &first));
	assert_int_equal(table_profile_find(db, &data, NULL, &found, &err), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_fitted_is_known_by_path_content_and_schema),
		TEST(rows_before_are_those_of_what_was_accepted_last),
		TEST(a_profile_is_of_bytes_and_of_how_they_were_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
