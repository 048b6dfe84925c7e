/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <pthread.h>
#include <sys/file.h>

static struct store_batch *open_batch(void)
{
	struct store_batch *batch = NULL;

	assert_int_equal(batch_open(store, &batch, &err), 0);
	return batch;
}

static struct digest add(struct store_batch *batch, const char *text)
{
	struct digest id;

	assert_int_equal(batch_add_bytes(batch, text, strlen(text), &id, &err), 0);
	return id;
}

/* n different small objects */
static void add_many(struct store_batch *batch, size_t n, const char *salt)
{
	for (size_t i = 0; i < n; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s %zu", salt, i);
		add(batch, text);
	}
}

static char *object_name(const struct digest *id, char path[128])
{
	char hex[DIGEST_HEX + 1];

	digest_format(id, hex);
	snprintf(path, 128, ".mlops/objects/%.2s/%s", hex, hex + 2);
	return path;
}

static void damage(const struct digest *id, const char *text)
{
	char path[128];

	assert_int_equal(unlinkat(rootfd, object_name(id, path), 0), 0);
	put(path, text);
}

static void an_object_is_seen_only_after_commit(void **state)
{
	struct store_batch *batch = open_batch();
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	struct digest id = add(batch, "hello");
	char path[128];
	struct stat st;

	(void)state;
	assert_true(batch_has(batch, &id));
	assert_false(store_has(store, &id));
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_true(store_has(store, &id));
	assert_int_equal(store_read(store, &id, 100, &got, &err), 0);
	assert_string_equal(got.buf, "hello");
	assert_int_equal(fstatat(rootfd, object_name(&id, path), &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0444);
	batch_free(batch);
	assert_int_equal(count_in("staging"), 0);
}

static void an_object_is_named_as_sha256sum_does(void **state)
{
	struct store_batch *batch = open_batch();
	struct digest id = add(batch, "abc");
	char hex[DIGEST_HEX + 1];

	(void)state;
	assert_string_equal(digest_format(&id, hex),
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	batch_free(batch);
	assert_false(store_has(store, &id));
}

static void put_twice_keeps_one_copy(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = open_batch();
	struct digest id = add(batch, "same");
	char path[128];
	struct stat first, second;

	(void)state;
	add(batch, "same");
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(fstatat(rootfd, object_name(&id, path), &first, 0), 0);
	add(batch, "same");
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(fstatat(rootfd, object_name(&id, path), &second, 0), 0);
	assert_int_equal(first.st_ino, second.st_ino);
	assert_int_equal(count_objects(), 1);
}

static void two_batches_may_publish_the_same_object(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *a = open_batch();
	CLEANUP(cleanup_batch) struct store_batch *b = open_batch();
	struct digest id = add(a, "same");

	(void)state;
	add(b, "same");
	assert_int_equal(batch_commit(a, &err), 0);
	assert_int_equal(batch_commit(b, &err), 0);
	assert_int_equal(store_verify(store, &id, &err), 0);
	assert_int_equal(count_objects(), 1);
}

static void large_batches_publish_into_empty_and_filled_stores(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = open_batch();

	(void)state;
	add_many(batch, 1000, "a");
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(count_objects(), 1000);
	add_many(batch, 500, "b");
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(count_objects(), 1500);
	add_many(batch, 500, "b");
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(count_objects(), 1500);
}

static void big_files_are_stored_whole(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = open_batch();
	size_t size = (5u << 20) + 3;
	CLEANUP(cleanup_free) char *data = xmalloc(size);
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	struct digest id, want;
	uint64_t stored;
	int fd;

	(void)state;
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i % 253);
	put_bytes("big", data, size);
	digest_of(data, size, &want);
	fd = openat(rootfd, "big", O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(fd, 100, SEEK_SET), 100);
	assert_int_equal(batch_add_fd(batch, fd, "big", &id, &stored, &err), 0);
	assert_int_equal(stored, size);
	assert_true(digest_equal(&id, &want));
	assert_int_equal(batch_add_fd(batch, fd, "big", &id, &stored, &err), 0);
	close(fd);
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(store_read(store, &id, size, &got, &err), 0);
	assert_memory_equal(got.buf, data, size);
	assert_int_equal(count_objects(), 1);
	assert_int_equal(store_read(store, &id, size - 1, &got, &err), -1);
}

static void absent_objects_are_not_found(void **state)
{
	struct digest id;

	(void)state;
	digest_of("x", 1, &id);
	assert_int_equal(store_open_object(store, &id, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(store_verify(store, &id, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void damage_is_found_and_moved_away(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = open_batch();
	struct digest id = add(batch, "hello");
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;

	(void)state;
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(store_verify(store, &id, &err), 0);
	damage(&id, "jello");
	assert_int_equal(store_verify(store, &id, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_int_equal(store_read(store, &id, 100, &got, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_int_equal(got.len, 0);
	assert_int_equal(store_quarantine(store, &id, &err), 0);
	assert_false(store_has(store, &id));
	assert_int_equal(count_in("quarantine"), 1);
	add(batch, "hello");
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(store_verify(store, &id, &err), 0);
}

static void adding_heals_an_object_of_the_wrong_size(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = open_batch();
	struct digest id = add(batch, "hello");

	(void)state;
	assert_int_equal(batch_commit(batch, &err), 0);
	damage(&id, "");
	add(batch, "hello");
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(store_verify(store, &id, &err), 0);
}

static int note_stranger(void *ctx, const struct digest *id, uint64_t size, const char *name)
{
	struct strlist *names = ctx;

	(void)size;
	if (!id)
		strlist_push(names, name);
	return 0;
}

static void strangers_among_the_objects_are_reported(void **state)
{
	struct strlist names = STRLIST_INIT;

	(void)state;
	put(".mlops/objects/README", "x");
	put(".mlops/objects/ab/short", "x");
	put(".mlops/objects/zz/x", "x");
	assert_int_equal(store_each(store, note_stranger, &names, &err), 0);
	strlist_sort(&names);
	assert_int_equal(names.len, 3);
	assert_string_equal(names.items[0], "README");
	assert_string_equal(names.items[1], "ab/short");
	assert_string_equal(names.items[2], "zz");
	strlist_release(&names);
}

static void staging_of_the_dead_is_swept_and_of_the_living_kept(void **state)
{
	struct store_batch *living = open_batch(), *next;
	struct digest id = add(living, "alive");

	(void)state;
	put(".mlops/staging/1.0123456789abcdef/ab/x", "x");
	/* Of no writer, so not ours to remove. */
	put(".mlops/staging/mine/x", "x");
	put(".mlops/staging/1.0123456789abcdef.01234567/x", "x");
	assert_int_equal(count_in("staging"), 4);
	next = open_batch();
	assert_int_equal(count_in("staging"), 4);
	batch_free(next);
	assert_int_equal(batch_commit(living, &err), 0);
	assert_true(store_has(store, &id));
	batch_free(living);
	assert_int_equal(count_in("staging"), 2);
}

/* A batch of n objects in which the kth operation `op` fails: nothing is visible or everything is. */
static void fail_everywhere(enum io_op op, size_t n, const char *salt)
{
	for (int k = 1;; k++) {
		struct store_batch *batch = open_batch();
		size_t before = count_objects();
		struct digest id;
		char text[64];
		bool added = true;
		int r = 0;

		arm(op, k, op == IO_SYNC ? EIO : ENOSPC);
		for (size_t i = 0; added && i < n; i++) {
			snprintf(text, sizeof(text), "%s %d %zu", salt, k, i);
			added = batch_add_bytes(batch, text, strlen(text), &id, &err) == 0;
		}
		if (added)
			r = batch_commit(batch, &err);
		io_fault = NULL;
		if (added && r == 0) {
			assert_int_equal(count_objects(), before + n);
			assert_int_equal(store_verify(store, &id, &err), 0);
		} else {
			assert_int_equal(err.code, ERR_ENV);
		}
		if (!added)
			assert_int_equal(count_objects(), before);
		batch_free(batch);
		assert_int_equal(count_in("staging"), 0);
		if (fault_seen < k)
			return;
		assert_true(k < 500);
	}
}

static void a_full_disk_shows_nothing(void **state)
{
	(void)state;
	fail_everywhere(IO_CREATE, 3, "create");
	fail_everywhere(IO_WRITE, 3, "write");
	fail_everywhere(IO_WRITE, 70, "write many");
}

static void after_a_failed_sync_the_bytes_are_written_anew(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = open_batch();
	char path[128], staged[256], hex[DIGEST_HEX + 1];
	struct strlist dirs = STRLIST_INIT;
	struct digest id = add(batch, "precious");
	struct stat before, after;

	(void)state;
	assert_int_equal(fs_list_dir(mlopsfd, "staging", &dirs, &err), 0);
	snprintf(staged, sizeof(staged), "staging/%s/%s", dirs.items[0], digest_format(&id, hex));
	strlist_release(&dirs);
	assert_int_equal(fstatat(mlopsfd, staged, &before, 0), 0);
	arm(IO_SYNC, 1, EIO);
	assert_int_equal(batch_commit(batch, &err), 0);
	io_fault = NULL;
	assert_int_equal(fstatat(rootfd, object_name(&id, path), &after, 0), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(store_verify(store, &id, &err), 0);
}

static void any_failed_sync_is_survived_or_reported(void **state)
{
	(void)state;
	fail_everywhere(IO_SYNC, 3, "sync");
	fail_everywhere(IO_SYNC, 70, "sync many");
	fail_everywhere(IO_RENAME, 3, "rename");
	fail_everywhere(IO_MKDIR, 70, "mkdir");
}

static int fail_all_syncs(enum io_op op, const char *name)
{
	(void)name;
	return op == IO_SYNC ? EIO : 0;
}

static void a_disk_that_cannot_sync_shows_nothing(void **state)
{
	for (size_t n = 1; n < 200; n += 99) {
		struct store_batch *batch = open_batch();

		(void)state;
		add_many(batch, n, "lost");
		io_fault = fail_all_syncs;
		assert_int_equal(batch_commit(batch, &err), -1);
		io_fault = NULL;
		assert_int_equal(count_objects(), 0);
		/* Syncing the same pages again would lie. */
		assert_int_equal(batch_commit(batch, &err), -1);
		assert_int_equal(count_objects(), 0);
		batch_free(batch);
	}
}

static void an_object_of_another_writer_is_synced_before_it_is_relied_upon(void **state)
{
	struct store_batch *a = open_batch(), *b = open_batch();

	(void)state;
	add(a, "shared");
	assert_int_equal(batch_commit(a, &err), 0);
	add(b, "shared");
	arm(IO_SYNC, 1, EIO);
	assert_int_equal(batch_commit(b, &err), -1);
	io_fault = NULL;
	batch_free(a);
	batch_free(b);
}

struct adder {
	struct store_batch *batch;
	int id;
};

static void *add_overlapping(void *arg)
{
	struct adder *adder = arg;

	for (int i = 0; i < 2000; i++) {
		struct digest id;
		char text[32];

		/* Each text is added by two threads. */
		snprintf(text, sizeof(text), "text %d", (i + adder->id * 1000) % 4000);
		if (batch_add_bytes(adder->batch, text, strlen(text), &id, NULL) < 0 ||
		    !batch_has(adder->batch, &id))
			return arg;
	}
	return NULL;
}

static void threads_add_to_one_batch(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = open_batch();
	struct adder adders[4];
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		adders[i] = (struct adder){ batch, i };
		assert_int_equal(pthread_create(&threads[i], NULL, add_overlapping, &adders[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		void *failed;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(count_objects(), 4000);
}

static void opening_needs_a_store_unless_told_to_make_one(void **state)
{
	struct store *other;
	char dir[100];

	(void)state;
	snprintf(dir, sizeof(dir), "%s/none", root);
	assert_int_equal(store_open(dir, false, &other, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(store_open(dir, true, &other, &err), 0);
	store_close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_object_is_seen_only_after_commit),
		CASE(an_object_is_named_as_sha256sum_does),
		CASE(put_twice_keeps_one_copy),
		CASE(two_batches_may_publish_the_same_object),
		CASE(large_batches_publish_into_empty_and_filled_stores),
		CASE(big_files_are_stored_whole),
		CASE(absent_objects_are_not_found),
		CASE(damage_is_found_and_moved_away),
		CASE(adding_heals_an_object_of_the_wrong_size),
		CASE(strangers_among_the_objects_are_reported),
		CASE(staging_of_the_dead_is_swept_and_of_the_living_kept),
		CASE(a_full_disk_shows_nothing),
		CASE(after_a_failed_sync_the_bytes_are_written_anew),
		CASE(any_failed_sync_is_survived_or_reported),
		CASE(a_disk_that_cannot_sync_shows_nothing),
		CASE(an_object_of_another_writer_is_synced_before_it_is_relied_upon),
		CASE(threads_add_to_one_batch),
		CASE(opening_needs_a_store_unless_told_to_make_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
