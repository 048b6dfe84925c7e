/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "store/statcache.h"
#include "store/statcache_internal.h"

#define SECOND 1000000000ll

static struct stat some_stat(uint64_t ino)
{
	return (struct stat){
		.st_dev = 7,
		.st_ino = ino,
		.st_size = 100,
		.st_mtim = { 1000, 5 },
		.st_ctim = { 1001, 6 },
	};
}

static struct digest some_digest(uint64_t n)
{
	struct digest id;

	digest_of(&n, sizeof(n), &id);
	return id;
}

static void fill(struct statcache *cache, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		struct stat st = some_stat(i);
		struct digest id = some_digest(i);

		statcache_put(cache, &st, &id, 2000 * SECOND);
	}
}

static size_t count_known(struct statcache *cache, uint64_t from, uint64_t to)
{
	size_t n = 0;

	for (uint64_t i = from; i < to; i++) {
		struct stat st = some_stat(i);
		struct digest id, want = some_digest(i);

		if (statcache_get(cache, &st, &id)) {
			assert_true(digest_equal(&id, &want));
			n++;
		}
	}
	return n;
}

static void what_was_saved_is_known(void **state)
{
	struct statcache *cache = statcache_load(mlopsfd);

	(void)state;
	fill(cache, 0, 5000);
	assert_int_equal(count_known(cache, 0, 6000), 5000);
	assert_int_equal(statcache_save(cache, mlopsfd, &err), 0);
	statcache_free(cache);
	cache = statcache_load(mlopsfd);
	assert_int_equal(count_known(cache, 0, 6000), 5000);
	fill(cache, 5000, 6000);
	assert_int_equal(statcache_save(cache, mlopsfd, &err), 0);
	statcache_free(cache);
	cache = statcache_load(mlopsfd);
	assert_int_equal(count_known(cache, 0, 6000), 6000);
	statcache_free(cache);
	statcache_free(NULL);
}

static void any_change_of_the_stat_is_a_miss(void **state)
{
	struct statcache *cache = statcache_load(mlopsfd);
	struct stat st = some_stat(1), other;
	struct digest id = some_digest(1);

	(void)state;
	statcache_put(cache, &st, &id, 2000 * SECOND);
	assert_true(statcache_get(cache, &st, &id));
	other = st;
	other.st_size++;
	assert_false(statcache_get(cache, &other, &id));
	other = st;
	other.st_mtim.tv_nsec++;
	assert_false(statcache_get(cache, &other, &id));
	other = st;
	other.st_ctim.tv_nsec++;
	assert_false(statcache_get(cache, &other, &id));
	other = st;
	other.st_ino++;
	assert_false(statcache_get(cache, &other, &id));
	other = st;
	other.st_dev++;
	assert_false(statcache_get(cache, &other, &id));
	statcache_free(cache);
}

static void a_file_too_young_is_not_kept(void **state)
{
	struct statcache *cache = statcache_load(mlopsfd);
	struct stat st = some_stat(1); /* its ctime is 1001.000000006 s */
	int64_t ctime = 1001 * SECOND + 6;
	struct digest id = some_digest(1);

	(void)state;
	statcache_put(cache, &st, &id, ctime + STATCACHE_RACY_NS);
	assert_false(statcache_get(cache, &st, &id));
	statcache_put(cache, &st, &id, 0);
	assert_false(statcache_get(cache, &st, &id));
	statcache_put(cache, &st, &id, ctime + STATCACHE_RACY_NS + 1);
	assert_true(statcache_get(cache, &st, &id));
	statcache_free(cache);
}

static void links_are_known_whatever_their_ctime(void **state)
{
	struct statcache *cache = statcache_load(mlopsfd);
	struct stat st = some_stat(1);
	struct digest id = some_digest(1), got;

	(void)state;
	statcache_put_linked(cache, &st, &id);
	assert_false(statcache_get(cache, &st, &got));
	st.st_ctim.tv_sec += 5;
	assert_true(statcache_get_linked(cache, &st, &got));
	assert_true(digest_equal(&got, &id));
	st.st_mtim.tv_sec++;
	assert_false(statcache_get_linked(cache, &st, &got));
	assert_true(statcache_hint(cache, &st, &got));
	st.st_size++;
	assert_false(statcache_hint(cache, &st, &got));
	statcache_free(cache);
}

static void a_torn_or_foreign_file_is_ignored(void **state)
{
	struct statcache *cache = statcache_load(mlopsfd);
	CLEANUP_STRBUF struct strbuf good = STRBUF_INIT;

	(void)state;
	fill(cache, 0, 20);
	assert_int_equal(statcache_save(cache, mlopsfd, &err), 0);
	statcache_free(cache);
	assert_int_equal(io_read_file(mlopsfd, "statcache", 1 << 20, &good, &err), 0);
	for (size_t i = 0; i < good.len; i++) {
		good.buf[i] ^= 0x10;
		put_bytes(".mlops/statcache", good.buf, good.len);
		good.buf[i] ^= 0x10;
		cache = statcache_load(mlopsfd);
		assert_int_equal(count_known(cache, 0, 20), 0);
		statcache_free(cache);
	}
	for (size_t i = 0; i < good.len; i += 13) {
		put_bytes(".mlops/statcache", good.buf, i);
		cache = statcache_load(mlopsfd);
		assert_int_equal(count_known(cache, 0, 20), 0);
		statcache_free(cache);
	}
	assert_int_equal(unlinkat(mlopsfd, "statcache", 0), 0);
	assert_int_equal(mkfifoat(mlopsfd, "statcache", 0600), 0);
	cache = statcache_load(mlopsfd);
	fill(cache, 0, 20);
	assert_int_equal(statcache_save(cache, mlopsfd, &err), 0);
	statcache_free(cache);
}

static void nothing_changed_writes_nothing(void **state)
{
	struct statcache *cache = statcache_load(mlopsfd);

	(void)state;
	arm(IO_CREATE, 1, ENOSPC);
	assert_int_equal(statcache_save(cache, mlopsfd, &err), 0);
	fill(cache, 0, 1);
	assert_int_equal(statcache_save(cache, mlopsfd, &err), -1);
	io_fault = NULL;
	assert_int_equal(statcache_save(cache, mlopsfd, &err), 0);
	statcache_free(cache);
}

static void entries_unused_for_long_go_when_they_outweigh(void **state)
{
	struct statcache *cache = statcache_load(mlopsfd);

	(void)state;
	fill(cache, 0, 9000);
	assert_int_equal(statcache_save(cache, mlopsfd, &err), 0);
	statcache_free(cache);
	clock_ahead_ms = 40ll * 24 * 3600 * 1000;
	cache = statcache_load(mlopsfd);
	assert_int_equal(count_known(cache, 0, 2000), 2000);
	assert_int_equal(statcache_save(cache, mlopsfd, &err), 0);
	statcache_free(cache);
	cache = statcache_load(mlopsfd);
	assert_int_equal(count_known(cache, 0, 9000), 2000);
	statcache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_was_saved_is_known),
		CASE(any_change_of_the_stat_is_a_miss),
		CASE(a_file_too_young_is_not_kept),
		CASE(links_are_known_whatever_their_ctime),
		CASE(a_torn_or_foreign_file_is_ignored),
		CASE(nothing_changed_writes_nothing),
		CASE(entries_unused_for_long_go_when_they_outweigh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
