/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "store/tombstone.h"

static const struct tombstone stone = { .date = "2026-11-22", .reason = "ticket 7" };

static struct digest keep(const char *text)
{
	struct store_batch *batch = NULL;
	struct digest id;

	assert_int_equal(batch_open(store, &batch, &err), 0);
	assert_int_equal(batch_add_bytes(batch, text, strlen(text), &id, &err), 0);
	assert_int_equal(batch_commit(batch, &err), 0);
	batch_free(batch);
	return id;
}

static void forgotten_bytes_are_gone_and_say_why(void **state)
{
	struct digest ids[2] = { keep("anna"), keep("ben") }, other = keep("carl");
	struct tombstone found;
	uint64_t removed;

	(void)state;
	assert_int_equal(store_forget(store, ids, 2, &stone, &removed, &err), 0);
	assert_int_equal(removed, 2);
	assert_false(store_has(store, &ids[0]));
	assert_true(store_has(store, &other));
	assert_true(tombstone_find(store, &ids[1], &found));
	assert_string_equal(found.date, "2026-11-22");
	assert_string_equal(found.reason, "ticket 7");
	assert_false(tombstone_find(store, &other, NULL));
	assert_int_equal(store_open_object(store, &ids[0], NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "was forgotten on 2026-11-22: ticket 7"));
	assert_int_equal(count_in("staging"), 0);
}

static void they_are_not_taken_again_and_the_batch_goes_on(void **state)
{
	struct digest id = keep("anna"), none, other;
	struct store_batch *batch = NULL;
	struct batch_stream *stream;

	(void)state;
	assert_int_equal(store_forget(store, &id, 1, &stone, NULL, &err), 0);
	assert_int_equal(batch_open(store, &batch, &err), 0);
	assert_int_equal(batch_add_bytes(batch, "anna", 4, &none, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(batch_add_bytes(batch, "anna", 4, &none, &err), -1);
	assert_int_equal(batch_stream_open(batch, &stream, &err), 0);
	assert_int_equal(batch_stream_write(stream, "anna", 4, &err), 0);
	assert_int_equal(batch_stream_close(stream, &none, &(uint64_t){ 0 }, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(batch_add_bytes(batch, "dora", 4, &other, &err), 0);
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_true(store_has(store, &other));
	assert_false(store_has(store, &id));
	batch_free(batch);
}

static void to_forget_twice_keeps_the_first_reason_and_removes_what_is_there(void **state)
{
	const struct tombstone later = { .date = "2027-01-01", .reason = "again" };
	struct digest id = keep("anna");
	struct tombstone found;
	uint64_t removed = 9;
	char path[128], hex[DIGEST_HEX + 1];

	(void)state;
	assert_int_equal(store_forget(store, &id, 1, &stone, NULL, &err), 0);
	/* as if the first had been killed before it removed */
	digest_format(&id, hex);
	snprintf(path, sizeof(path), ".mlops/objects/%.2s/%s", hex, hex + 2);
	put(path, "anna");
	assert_int_equal(store_forget(store, &id, 1, &later, &removed, &err), 0);
	assert_int_equal(removed, 1);
	assert_false(store_has(store, &id));
	assert_true(tombstone_find(store, &id, &found));
	assert_string_equal(found.reason, "ticket 7");
}

static void a_tombstone_that_cannot_be_read_forbids_no_less(void **state)
{
	struct digest id, none;
	struct store_batch *batch = NULL;
	struct tombstone found;
	char path[128], hex[DIGEST_HEX + 1];

	(void)state;
	digest_of("anna", 4, &id);
	assert_int_equal(mkdirat(rootfd, ".mlops/forgotten", 0755), 0);
	snprintf(path, sizeof(path), ".mlops/forgotten/%s", digest_format(&id, hex));
	put(path, "x");
	assert_true(tombstone_find(store, &id, &found));
	assert_string_equal(found.date, "?");
	assert_int_equal(batch_open(store, &batch, &err), 0);
	assert_int_equal(batch_add_bytes(batch, "anna", 4, &none, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	batch_free(batch);
}

static void no_byte_goes_before_the_tombstone_is_on_disk(void **state)
{
	static const enum io_op ops[] = { IO_CREATE, IO_WRITE, IO_SYNC, IO_RENAME, IO_MKDIR };
	struct digest id = keep("anna");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		arm(ops[i], 1, ENOSPC);
		if (store_forget(store, &id, 1, &stone, NULL, &err) == 0)
			assert_true(tombstone_find(store, &id, NULL));
		else
			assert_true(store_has(store, &id));
		io_fault = NULL;
		if (!store_has(store, &id))
			break;
	}
	assert_int_equal(store_forget(store, &id, 1, &stone, NULL, &err), 0);
	assert_false(store_has(store, &id));
}

static void many_are_forgotten_at_once(void **state)
{
	struct digest ids[200];
	uint64_t removed;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		char text[32];

		snprintf(text, sizeof(text), "person %zu", i);
		ids[i] = keep(text);
	}
	assert_int_equal(store_forget(store, ids, ARRAY_LEN(ids), &stone, &removed, &err), 0);
	assert_int_equal(removed, ARRAY_LEN(ids));
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_true(!store_has(store, &ids[i]) && tombstone_find(store, &ids[i], NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(forgotten_bytes_are_gone_and_say_why),
		CASE(they_are_not_taken_again_and_the_batch_goes_on),
		CASE(to_forget_twice_keeps_the_first_reason_and_removes_what_is_there),
		CASE(a_tombstone_that_cannot_be_read_forbids_no_less),
		CASE(no_byte_goes_before_the_tombstone_is_on_disk),
		CASE(many_are_forgotten_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
