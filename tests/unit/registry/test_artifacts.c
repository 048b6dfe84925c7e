/* SPDX-License-Identifier: Apache-2.0 */
/* Artifacts and the contents that facts name. */
#include "registry/artifacts.h"
#include "registry/cache.h"
#include "registry_fixture.h"

static int64_t record(const char *name, const char *text, const char *run, bool want_new)
{
	struct content c = content_of(text, CONTENT_FILE);
	int64_t number = -1;
	bool is_new;

	ok(artifact_record(db, name, &c, run, "ann@host", 77, &number, &is_new, &err));
	assert_int_equal(is_new, want_new);
	return number;
}

static void versions_count_and_repeats_make_none(void **state)
{
	(void)state;
	assert_int_equal(record("data/raw", "a", NULL, true), 1);
	assert_int_equal(record("data/raw", "a", NULL, false), 1);
	assert_int_equal(record("data/raw", "b", "", true), 2);
	assert_int_equal(record("data/raw", "b", NULL, false), 2);
	assert_int_equal(record("data/raw", "a", make_run(1, NULL), true),
			 3); /* back again: that is news */
	assert_int_equal(record("model", "a", NULL, true), 1);
}

static void a_file_and_its_executable_twin_differ(void **state)
{
	struct content file = content_of("x", CONTENT_FILE), exec = content_of("x", CONTENT_EXEC);
	struct artifact_version v;
	int64_t number;

	(void)state;
	ok(artifact_record(db, "run.sh", &file, NULL, "a", 1, &number, NULL, &err));
	ok(artifact_record(db, "run.sh", &exec, NULL, "a", 2, &number, NULL, &err));
	assert_int_equal(number, 2);
	ok(artifact_find(db, "run.sh", 1, &v, &err));
	assert_int_equal(v.content.kind, CONTENT_FILE);
	ok(artifact_find(db, "run.sh", 0, &v, &err));
	assert_int_equal(v.content.kind, CONTENT_EXEC);
}

static void versions_are_found_with_what_made_them(void **state)
{
	struct content b = content_of("bb", CONTENT_FILE);
	struct artifact_version v;

	(void)state;
	record("data/raw", "a", NULL, true);
	record("data/raw", "bb", make_run(1, NULL), true);
	ok(artifact_find(db, "data/raw", 0, &v, &err));
	assert_int_equal(v.number, 2);
	assert_true(content_equal(&v.content, &b));
	assert_int_equal(v.content.size, 2);
	assert_int_equal(v.created_ms, 77);
	assert_string_equal(v.run, run_id(1));
	ok(artifact_find(db, "data/raw", 1, &v, &err));
	assert_string_equal(v.run, "");
}

static void what_is_not_there_names_what_is(void **state)
{
	struct artifact_version v;
	struct js *list;

	(void)state;
	record("data/raw", "a", NULL, true);
	assert_int_equal(artifact_find(db, "data/rwa", 0, &v, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.help, "data/raw"));
	assert_int_equal(artifact_find(db, "data/raw", 2, &v, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "the newest is v1"));
	refused(artifact_versions(db, "nothing/like/it", &list, &err), ERR_NOT_FOUND);
	refused(artifact_record(db, "x", &(struct content){.kind = CONTENT_ABSENT}, NULL, "a", 1,
				NULL, NULL, &err),
		ERR_USAGE);
	refused(artifact_record(db, "x", &(struct content){.kind = CONTENT_FILE}, run_id(4), "a", 1,
				NULL, NULL, &err),
		ERR_NOT_FOUND);
}

#define HEX_A "file:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define HEX_B "file:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"

static void lists_are_json(void **state)
{
	struct js *list;

	(void)state;
	record("z", "a", NULL, true);
	record("data/raw", "a", NULL, true);
	record("data/raw", "b", make_run(1, NULL), true);
	ok(artifact_list(db, &list, &err));
	assert_string_equal(
	    json_text(list),
	    "[{\"name\":\"data/raw\",\"versions\":2,\"latest\":{\"number\":2,\"content\":\"" HEX_B
	    "\",\"size\":1,\"files\":1,\"created\":77,\"run\":\"00000000000000000000000000000001\"}"
	    "},"
	    "{\"name\":\"z\",\"versions\":1,\"latest\":{\"number\":1,\"content\":\"" HEX_A
	    "\",\"size\":1,\"files\":1,\"created\":77}}]");
	js_free(list);
	ok(artifact_versions(db, "data/raw", &list, &err));
	assert_string_equal(json_text(list), "[{\"number\":2,\"content\":\"" HEX_B
					     "\",\"size\":1,\"files\":1,\"created\":77,\"run\":"
					     "\"00000000000000000000000000000001\"},"
					     "{\"number\":1,\"content\":\"" HEX_A
					     "\",\"size\":1,\"files\":1,\"created\":77}]");
	js_free(list);
}

static int collect(void *ctx, const struct content *content, const char *what, bool elsewhere)
{
	assert_int_not_equal(content->kind, CONTENT_ABSENT);
	strbuf_printf(ctx, "%s%s\n", what, elsewhere ? " elsewhere" : "");
	return 0;
}

static int stop(void *ctx, const struct content *content, const char *what, bool elsewhere)
{
	(void)elsewhere;
	(void)content;
	(void)what;
	++*(int *)ctx;
	return -1;
}

static void each_content_comes_once_under_its_best_name(void **state)
{
	struct content a = content_of("a", CONTENT_FILE), b = content_of("b", CONTENT_FILE),
		       c = content_of("c", CONTENT_TREE), d = content_of("d", CONTENT_FILE);
	struct cache_output outputs[] = {{(char[]){"model"}, b}, {(char[]){"d"}, d}};
	struct cache_entry entry = {
	    .run = "00", .step = "train", .outputs = outputs, .noutputs = 2};
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const char *run = make_run(1, NULL);
	int calls = 0;

	(void)state;
	record("data", "a", NULL, true);
	ok(run_log_content(db, run, RUN_INPUT, "data", "data", &a, &err));
	ok(run_log_content(db, run, RUN_INPUT, "config", "data", &c, &err));
	ok(run_log_content(db, run, RUN_OUTPUT, "model", "out", &b, &err));
	ok(cache_store(db, &a.id, &entry, &err));
	ok(artifact_each_content(db, collect, &text, &err));
	assert_string_equal(text.buf,
			    "data@v1\ninput config of run 00000000\noutput model of run 00000000\n"
			    "cached d of step train elsewhere\n");
	memcpy(entry.run, run, 32);
	ok(cache_store(db, &a.id, &entry, &err));
	strbuf_clear(&text);
	ok(artifact_each_content(db, collect, &text, &err));
	assert_null(strstr(text.buf, "elsewhere"));
	assert_int_equal(artifact_each_content(db, stop, &calls, &err), -1);
	assert_int_equal(calls, 1);
}

/* A digest alone has no size; the first who knows it completes the row. */
static void a_size_learnt_later_is_kept(void **state)
{
	struct content known = content_of("abc", CONTENT_FILE), bare = known;
	struct artifact_version v;

	(void)state;
	bare.size = bare.files = 0;
	ok(artifact_record(db, "x", &bare, NULL, "a", 1, NULL, NULL, &err));
	ok(artifact_record(db, "y", &known, NULL, "a", 1, NULL, NULL, &err));
	ok(artifact_record(db, "z", &bare, NULL, "a", 1, NULL, NULL, &err));
	ok(artifact_find(db, "x", 0, &v, &err));
	assert_int_equal(v.content.size, 3);
	assert_int_equal(v.content.files, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(versions_count_and_repeats_make_none),
	    TEST(a_file_and_its_executable_twin_differ),
	    TEST(versions_are_found_with_what_made_them),
	    TEST(what_is_not_there_names_what_is),
	    TEST(lists_are_json),
	    TEST(each_content_comes_once_under_its_best_name),
	    TEST(a_size_learnt_later_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
