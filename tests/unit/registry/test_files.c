/* SPDX-License-Identifier: Apache-2.0 */
/* Files of runs and models: their places, their shape, what runs made among them. */
#include "registry/files.h"
#include "base/digest.h"
#include "registry_fixture.h"
#include "store/store.h"
#include "store/tree.h"

#define RUN  "00000000000000000000000000000007"
#define ROOT "0/" RUN "/artifacts"

static struct store *store;

static int enter_all(void **state)
{
	return enter(state) < 0 ? -1 : store_open(dir, true, &store, &err);
}

static int leave_all(void **state)
{
	store_close(store);
	return leave(state);
}

static int put(const char *path)
{
	struct content c = content_of(path, CONTENT_FILE);
	int r;

	if (db_begin(db, &err) < 0)
		return -1;
	r = file_put(db, store, path, &c, 1, &err);
	if (r < 0)
		db_rollback(db);
	return r < 0 ? -1 : db_commit(db, &err);
}

static int64_t removed(const char *path)
{
	int64_t n = -1;

	ok(db_begin(db, &err));
	ok(file_remove(db, store, path, &n, &err));
	ok(db_commit(db, &err));
	return n;
}

/* "a,d/" */
static const char *listed(const char *path, const char *after, size_t max)
{
	static char text[512];
	CLEANUP_JS struct js *files = NULL;
	CLEANUP(cleanup_free) char *next = NULL;

	ok(file_list(db, store, path, after, max, &files, &next, &err));
	*text = '\0';
	for (size_t i = 0; i < js_len(files); i++) {
		const struct js *f = js_at(files, i);
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s%s", i ? "," : "", js_get_str(f, "path"),
			 js_get_bool(f, "is_dir") ? "/" : "");
	}
	if (next)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " > %s", next);
	return text;
}

static void a_path_is_one_place_whoever_decodes_it(void **state)
{
	static const char *const bad[] = {
		"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "a/./b", "a\\..\\b", "%2e%2e/a", "%252e%252e/a",
		"%25252e./a", "a%2f..%2fb", "a%252f..", "a\nb", "a\x7f", "a%00", "a#b", "a%23b", "C:/a", "c%3a/a", "a\xff",
		"a%5c..",
	};
	static const char *const good[] = {
		"a", "a/b", "a b/c+d", "100%/x", "%zz", "...", "a..b", "..a", "-rf", "\xc3\xa4/\xe2\x82\xac", "a;b?c", ".git/config",
	};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(file_path_check(bad[i], &err), ERR_USAGE);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ok(file_path_check(good[i], &err));
	memset(longest, 'x', sizeof(longest));
	longest[256] = '\0';
	refused(file_path_check(longest, &err), ERR_USAGE);
	longest[255] = '\0';
	ok(file_path_check(longest, &err));
}

static void a_name_is_a_file_or_a_directory(void **state)
{
	(void)state;
	ok(put("x/a/b"));
	refused(put("x/a"), ERR_CONFLICT);
	refused(put("x/a/b/c"), ERR_CONFLICT);
	refused(put(ROOT), ERR_CONFLICT);
	ok(put("x/a.b"));
	assert_string_equal(listed("x", NULL, 0), "a.b,a/");
	assert_int_equal(removed("x/a"), 1);
	ok(put("x/a"));
	assert_int_equal(removed("x"), 2);
	assert_int_equal(removed("x"), 0);
	assert_string_equal(listed("", NULL, 0), "");
}

static void pages_go_on_where_the_last_ended(void **state)
{
	(void)state;
	make_run(7, NULL);
	ok(put(ROOT "/b/1"));
	ok(put(ROOT "/b/2"));
	ok(put(ROOT "/b-c"));
	ok(put(ROOT "/a"));
	ok(put(ROOT "/b0"));
	assert_string_equal(listed(ROOT, NULL, 0), "a,b-c,b/,b0");
	assert_string_equal(listed(ROOT, NULL, 2), "a,b-c > b-c");
	assert_string_equal(listed(ROOT, "b-c", 1), "b/ > b/");
	assert_string_equal(listed(ROOT, "b/", 1), "b0");
	assert_string_equal(listed(ROOT "/a", NULL, 0), "");
	assert_string_equal(listed("0", NULL, 0), RUN "/");
	assert_string_equal(listed("", NULL, 0), "0/");
}

static void outputs_of_a_run_are_seen_and_kept(void **state)
{
	struct content c = content_of("model", CONTENT_FILE), found;

	(void)state;
	make_run(7, NULL);
	ok(run_log_content(db, RUN, RUN_OUTPUT, "models/best.pkl", "out", &c, &err));
	assert_string_equal(listed(ROOT, NULL, 0), "models/");
	assert_string_equal(listed(ROOT "/models", NULL, 0), "best.pkl");
	ok(file_find(db, store, ROOT "/models/best.pkl", &found, &err));
	assert_true(content_equal(&c, &found));
	refused(file_find(db, store, ROOT "/models", &found, &err), ERR_NOT_FOUND);
	refused(put(ROOT "/models/best.pkl"), ERR_CONFLICT);
	refused(put(ROOT "/models"), ERR_CONFLICT);
	refused(put(ROOT "/models/best.pkl/x"), ERR_CONFLICT);
	ok(put(ROOT "/models/other.pkl"));
	assert_string_equal(listed(ROOT "/models", NULL, 0), "best.pkl,other.pkl");
	assert_int_equal(removed(ROOT), 1);
	assert_string_equal(listed(ROOT "/models", NULL, 0), "best.pkl");
	/* Another place of that name is not the run's. */
	assert_string_equal(listed("1/" RUN "/artifacts", NULL, 0), "");
}

/* As of a run that was pulled: only its tree is known. */
static void a_tree_of_files_is_unpacked_when_one_changes(void **state)
{
	struct store_batch *batch CLEANUP(cleanup_batch) = NULL;
	struct tree tree CLEANUP(tree_release) = TREE_INIT;
	struct content content = { .kind = CONTENT_TREE, .size = 2, .files = 2 }, found;
	struct digest one;

	(void)state;
	make_run(7, NULL);
	digest_of("1", 1, &one);
	tree_add(&tree, "a", ENTRY_FILE, &one, 1, NULL);
	tree_add(&tree, "d/b", ENTRY_FILE, &one, 1, NULL);
	ok(tree_seal(&tree, &err));
	ok(batch_open(store, &batch, &err));
	ok(tree_write(&tree, batch, &content.id, &err));
	ok(batch_commit(batch, &err));
	ok(run_log_content(db, RUN, RUN_OUTPUT, RUN_ARTIFACTS, "artifacts", &content, &err));
	assert_string_equal(listed(ROOT, NULL, 0), "a,d/");
	ok(file_find(db, store, ROOT "/d/b", &found, &err));
	assert_true(digest_equal(&found.id, &one));
	ok(put(ROOT "/c"));
	assert_string_equal(listed(ROOT, NULL, 0), "a,c,d/");
	assert_int_equal(removed(ROOT "/d"), 1);
	assert_string_equal(listed(ROOT, NULL, 0), "a,c");
}

static void a_path_says_what_it_belongs_to(void **state)
{
	char id[FILE_SUBJECT];

	(void)state;
	assert_string_equal(file_subject(ROOT "/x", id), "run_id");
	assert_string_equal(id, RUN);
	assert_string_equal(file_subject("my/own/" RUN "/artifacts", id), "run_id");
	assert_string_equal(file_subject("0/models/m-12/artifacts/MLmodel", id), "model_id");
	assert_string_equal(id, "m-12");
	assert_string_equal(file_subject("12", id), "experiment_id");
	assert_string_equal(file_subject("12/" RUN, id), "experiment_id");
	assert_string_equal(id, "12");
	assert_null(file_subject("free/artifacts/x", id));
	assert_null(file_subject("12a/x", id));
}

int main(void)
{
#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, enter_all, leave_all)
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_path_is_one_place_whoever_decodes_it),
		WITH_STORE(a_name_is_a_file_or_a_directory),
		WITH_STORE(pages_go_on_where_the_last_ended),
		WITH_STORE(outputs_of_a_run_are_seen_and_kept),
		WITH_STORE(a_tree_of_files_is_unpacked_when_one_changes),
		WITH_STORE(a_path_says_what_it_belongs_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
