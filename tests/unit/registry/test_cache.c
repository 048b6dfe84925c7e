/* SPDX-License-Identifier: Apache-2.0 */
/* Step key -> what the step made. */
#include "registry/cache.h"
#include "registry_fixture.h"

static struct digest key_of_text(const char *text)
{
	struct digest key;

	digest_of(text, strlen(text), &key);
	return key;
}

static void store(const struct digest *key, const char *step, const char *const *paths)
{
	struct cache_output outputs[4];
	struct cache_entry entry = {
	    .run = "0123456789abcdef0123456789abcdef", .created_ms = 5, .outputs = outputs};

	snprintf(entry.step, sizeof(entry.step), "%s", step);
	for (; paths[entry.noutputs]; entry.noutputs++)
		outputs[entry.noutputs] =
		    (struct cache_output){(char *)(uintptr_t)paths[entry.noutputs],
					  content_of(paths[entry.noutputs], CONTENT_EXEC)};
	ok(cache_store(db, key, &entry, &err));
}

static void an_unknown_key_is_a_miss(void **state)
{
	struct digest key = key_of_text("k");
	struct cache_entry entry;

	(void)state;
	assert_int_equal(cache_find(db, &key, &entry, &err), 0);
	ok(cache_forget(db, &key, &err));
}

static void what_was_stored_is_found_sorted(void **state)
{
	struct digest key = key_of_text("k");
	struct content want = content_of("b/c", CONTENT_EXEC);
	struct cache_entry entry;

	(void)state;
	store(&key, "train", (const char *[]){"model", "b/c", NULL});
	assert_int_equal(cache_find(db, &key, &entry, &err), 1);
	assert_string_equal(entry.run, "0123456789abcdef0123456789abcdef");
	assert_string_equal(entry.step, "train");
	assert_int_equal(entry.created_ms, 5);
	assert_int_equal(entry.noutputs, 2);
	assert_string_equal(entry.outputs[0].path, "b/c");
	assert_true(content_equal(&entry.outputs[0].content, &want));
	assert_int_equal(entry.outputs[0].content.size, 3);
	cache_entry_release(&entry);
	cache_entry_release(&entry);
}

static void storing_again_replaces_the_whole(void **state)
{
	struct digest key = key_of_text("k"), other = key_of_text("other");
	struct cache_entry entry;

	(void)state;
	store(&other, "prepare", (const char *[]){"model", NULL});
	store(&key, "train", (const char *[]){"model", "plot", NULL});
	store(&key, "train2", (const char *[]){"model", NULL});
	assert_int_equal(cache_find(db, &key, &entry, &err), 1);
	assert_string_equal(entry.step, "train2");
	assert_int_equal(entry.noutputs, 1);
	cache_entry_release(&entry);
	ok(cache_forget(db, &key, &err));
	assert_int_equal(cache_find(db, &key, &entry, &err), 0);
	assert_int_equal(cache_find(db, &other, &entry, &err), 1);
	assert_int_equal(entry.noutputs, 1);
	cache_entry_release(&entry);
}

static void a_step_without_outputs_is_remembered(void **state)
{
	struct digest key = key_of_text("k");
	struct cache_entry entry;

	(void)state;
	store(&key, "check", (const char *[]){NULL});
	assert_int_equal(cache_find(db, &key, &entry, &err), 1);
	assert_int_equal(entry.noutputs, 0);
	cache_entry_release(&entry);
}

static void an_output_that_is_absent_is_refused_whole(void **state)
{
	struct digest key = key_of_text("k");
	struct cache_output outputs[] = {{(char[]){"a"}, content_of("a", CONTENT_FILE)},
					 {(char[]){"b"}, {.kind = CONTENT_ABSENT}}};
	struct cache_entry entry = {.run = "0", .step = "s", .outputs = outputs, .noutputs = 2};

	(void)state;
	refused(cache_store(db, &key, &entry, &err), ERR_USAGE);
	assert_int_equal(cache_find(db, &key, &entry, &err), 0);
}

static int take_steps(void *ctx, const struct digest *key, const struct cache_entry *entry)
{
	(void)key;
	assert_int_equal(entry->noutputs, 0);
	strbuf_printf(ctx, "%s ", entry->step);
	return !strcmp(entry->step, "stop");
}

static void store_at(const char *text, const char *step, int64_t created_ms)
{
	struct cache_entry entry = {.run = "0123456789abcdef0123456789abcdef", .created_ms = created_ms};
	struct digest key = key_of_text(text);

	snprintf(entry.step, sizeof(entry.step), "%s", step);
	ok(cache_store(db, &key, &entry, &err));
}

static void each_row_comes_once_newest_first_until_stopped(void **state)
{
	CLEANUP_STRBUF struct strbuf steps = STRBUF_INIT;

	(void)state;
	store_at("1", "train@a", 10);
	store_at("2", "stop", 5);
	store_at("3", "train@b", 20);
	store_at("4", "oldest", 1);
	ok(cache_each(db, take_steps, &steps, &err));
	assert_string_equal(steps.buf, "train@b train@a stop ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_unknown_key_is_a_miss),
	    TEST(what_was_stored_is_found_sorted),
	    TEST(storing_again_replaces_the_whole),
	    TEST(a_step_without_outputs_is_remembered),
	    TEST(an_output_that_is_absent_is_refused_whole),
	    TEST(each_row_comes_once_newest_first_until_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
