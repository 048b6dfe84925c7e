/* SPDX-License-Identifier: Apache-2.0 */
#include "remote_fixture.h"

#include <limits.h>
#include <pthread.h>

#include "base/progress.h"

/* --- a tree here, remotes, and a second store to pull into --- */

static struct content tree;
static struct tree entries;
static struct store *other;
static struct remotes remotes;
static size_t notes;
static char last_note[512];

static void note(void *ctx, const char *text)
{
	(void)ctx;
	notes++;
	snprintf(last_note, sizeof(last_note), "%s", text);
}

static void add_remote(const char *name)
{
	remotes.places = xreallocarray(remotes.places, remotes.len + 1, sizeof(*remotes.places));
	remotes.places[remotes.len++] = (struct remote_place){ xstrdup(name), xstrdup(name), NULL, false };
}

static void reopen_remotes(void)
{
	remotes_release(&remotes);
	remotes.base = xstrdup(root);
	remotes.note = note;
	notes = 0;
	add_remote("a");
	add_remote("b");
}

static void open_other(void)
{
	char path[512];

	must(store_open(full("other", path), true, &other, &err));
}

static void drop_other(void)
{
	store_close(other);
	other = NULL;
	assert_int_equal(fs_remove_tree(rootfd, "other", NULL), 0);
	open_other();
}

/* n files, one of them large, one executable, one symlink, two equal */
static void make_tree(size_t n)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP(cleanup_free) char *big = xcalloc(1, 200001);
	struct digest id;

	tree_release(&entries);
	must(batch_open(store, &batch, &err));
	for (size_t i = 0; i < n; i++) {
		char path[64], text[64];

		snprintf(path, sizeof(path), "d%zu/%zu", i % 7, i);
		snprintf(text, sizeof(text), "file %zu", i / 2 ? i : 0);
		must(batch_add_bytes(batch, text, strlen(text), &id, &err));
		tree_add(&entries, path, i == 5 ? ENTRY_EXEC : ENTRY_FILE, &id, strlen(text), NULL);
	}
	memset(big, 'b', 200000);
	must(batch_add_bytes(batch, big, 200000, &id, &err));
	tree_add(&entries, "big", ENTRY_FILE, &id, 200000, NULL);
	tree_add(&entries, "link", ENTRY_LINK, NULL, 0, "big");
	must(tree_seal(&entries, &err));
	must(tree_write(&entries, batch, &tree.id, &err));
	must(batch_commit(batch, &err));
	tree.kind = CONTENT_TREE;
}

static int setup_all(void **state)
{
	setup(state);
	open_other();
	reopen_remotes();
	make_tree(80);
	return 0;
}

static int teardown_all(void **state)
{
	poor_disk = false;
	remotes_release(&remotes);
	tree_release(&entries);
	store_close(other);
	other = NULL;
	return teardown(state);
}

#define TRANSFER(f) cmocka_unit_test_setup_teardown(f, setup_all, teardown_all)

static struct transfer last;

static int push_with(struct transfer options, const char *name)
{
	struct remote *remote = NULL;

	last = options;
	last.store = store;
	error_clear(&err);
	if (remotes_open(&remotes, name, true, &remote, &err) < 0)
		return -1;
	return transfer_push(&last, remote, &tree, 1, &err);
}

static int push_to(const char *name)
{
	return push_with((struct transfer){ 0 }, name);
}

static int pull_with(struct transfer options)
{
	last = options;
	last.store = other;
	error_clear(&err);
	return transfer_pull(&last, &remotes, &tree, 1, &err);
}

static int pull(void)
{
	return pull_with((struct transfer){ 0 });
}

static int verify_one(void *ctx, const struct digest *id, uint64_t size, const char *name)
{
	(void)size;
	if (!id)
		fail_msg("%s is no object", name);
	must(store_verify(ctx, id, &err));
	return 0;
}

/* Every object that is seen holds its bytes, and a root stands for its whole tree. */
static bool is_sound(const char *dir)
{
	struct store *inside;
	char path[512];
	bool whole;

	if (store_open(full(dir, path), false, &inside, NULL) < 0)
		return false;
	must(store_each(inside, verify_one, inside, &err));
	whole = store_has(inside, &tree.id);
	if (whole) {
		struct tree got = TREE_INIT;

		must(tree_read(inside, &tree.id, &got, &err));
		assert_int_equal(got.len, entries.len);
		for (size_t i = 0; i < got.len; i++)
			if (got.entries[i].kind != ENTRY_LINK)
				assert_true(store_has(inside, &got.entries[i].id));
		tree_release(&got);
	}
	store_close(inside);
	return whole;
}

static const struct digest *id_of(const char *path)
{
	return &tree_find(&entries, path)->id;
}

/* --- there and back --- */

static void a_tree_goes_there_and_back(void **state)
{
	(void)state;
	must(push_to("a"));
	assert_int_equal(last.objects, 79 + 1 + 1 + 1); /* two are equal; big, leaf, root */
	assert_int_equal(last.present, 0);
	assert_true(is_sound("a"));
	must(pull());
	assert_int_equal(last.objects, 82);
	assert_true(last.bytes > 200000);
	assert_true(is_sound("other"));
	assert_int_equal(notes, 0); /* b is not there, and was not needed */
	reopen_remotes();
	assert_int_equal(count_names("a/staging"), 0);
	assert_int_equal(count_names("other/staging"), 0);
	must(push_to("a"));
	assert_int_equal(last.objects, 0);
	assert_int_equal(last.present, 82);
	must(pull());
	assert_int_equal(last.objects, 0);
	assert_int_equal(last.present, 82);
}

static void trees_of_no_and_of_many_leaves_travel(void **state)
{
	(void)state;
	for (size_t n = 0; n < 10000; n += 9000) {
		if (n)
			make_tree(n);
		else {
			CLEANUP(cleanup_batch) struct store_batch *batch = NULL;

			tree_release(&entries);
			must(batch_open(store, &batch, &err));
			must(tree_write(&entries, batch, &tree.id, &err));
			must(batch_commit(batch, &err));
		}
		must(push_to("a"));
		must(pull());
		assert_true(is_sound("a"));
		assert_true(is_sound("other"));
	}
}

static void nothing_and_files_travel(void **state)
{
	struct content contents[3] = { { .kind = CONTENT_ABSENT }, { .kind = CONTENT_FILE }, { .kind = CONTENT_EXEC } };
	struct transfer transfer = { .store = store };
	struct remote *remote;

	(void)state;
	contents[1].id = *id_of("big");
	contents[2].id = *id_of("d5/5");
	must(remotes_open(&remotes, "a", true, &remote, &err));
	must(transfer_push(&transfer, remote, contents, 1, &err));
	must(transfer_push(&transfer, remote, NULL, 0, &err));
	assert_int_equal(transfer.objects, 0);
	must(transfer_push(&transfer, remote, contents, 3, &err));
	assert_int_equal(transfer.objects, 2);
	transfer = (struct transfer){ .store = other };
	must(transfer_pull(&transfer, &remotes, contents, 3, &err));
	assert_int_equal(transfer.objects, 2);
	assert_int_equal(transfer.bytes, 200006);
}

/* --- halves --- */

static void a_half_copied_remote_is_completed(void **state)
{
	char path[256];

	(void)state;
	must(push_to("a"));
	assert_int_equal(unlinkat(rootfd, object_in("a", id_of("d5/5"), path), 0), 0);
	assert_int_equal(unlinkat(rootfd, object_in("a", id_of("big"), path), 0), 0);
	must(push_to("a"));
	assert_int_equal(last.objects, 2);
	assert_true(is_sound("a"));
	assert_int_equal(unlinkat(rootfd, object_in("a", &tree.id, path), 0), 0);
	must(push_to("a"));
	assert_int_equal(last.objects, 1);
}

static void a_half_pulled_store_is_completed(void **state)
{
	char path[256];

	(void)state;
	must(push_to("a"));
	must(pull());
	assert_int_equal(unlinkat(rootfd, object_in("other", id_of("d5/5"), path), 0), 0);
	damage_in("other", &tree.id, true);
	must(pull());
	assert_int_equal(last.objects, 2);
	assert_true(is_sound("other"));
}

static void what_is_missing_here_is_named_before_anything_is_sent(void **state)
{
	char path[256], hex[DIGEST_HEX + 1];

	(void)state;
	assert_int_equal(unlinkat(rootfd, object_in(".mlops", id_of("d5/5"), path), 0), 0);
	assert_int_equal(push_to("a"), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, digest_format(id_of("d5/5"), hex)));
	assert_int_equal(count_names("a/objects"), 0);
	assert_int_equal(unlinkat(rootfd, object_in(".mlops", &tree.id, path), 0), 0);
	assert_int_equal(push_to("a"), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void what_the_remote_has_need_not_be_here(void **state)
{
	char path[256];

	(void)state;
	must(push_to("a"));
	assert_int_equal(unlinkat(rootfd, object_in(".mlops", id_of("d5/5"), path), 0), 0);
	must(push_to("a"));
}

static void damage_here_is_not_spread(void **state)
{
	char path[256], hex[DIGEST_HEX + 1];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "big" : "d5/5";

		damage_in(".mlops", id_of(name), true);
		assert_int_equal(push_to("a"), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		assert_non_null(strstr(err.msg, digest_format(id_of(name), hex)));
		assert_non_null(strstr(err.help, "fsck"));
		assert_false(exists(object_in("a", id_of(name), path)));
		assert_false(is_sound("a"));
		reopen_remotes();
		damage_in(".mlops", id_of(name), true);
	}
	must(push_to("a"));
}

/* --- damage there --- */

static void verify_finds_and_replaces_what_is_damaged(void **state)
{
	struct transfer verify = { .verify = true };
	char path[256];

	(void)state;
	must(push_to("a"));
	must(push_with(verify, "a"));
	assert_int_equal(last.replaced, 0);
	damage_in("a", id_of("d5/5"), true);
	damage_in("a", id_of("big"), true);
	damage_in("a", id_of("d4/4"), false);
	damage_in("a", &tree.id, false);
	assert_int_equal(unlinkat(rootfd, object_in("a", id_of("d6/6"), path), 0), 0);
	must(push_to("a"));
	assert_int_equal(last.objects, 1);
	verify.dry = true;
	must(push_with(verify, "a"));
	assert_int_equal(last.replaced, 4);
	verify.dry = false;
	must(push_with(verify, "a"));
	assert_int_equal(last.replaced, 4);
	assert_int_equal(last.objects, 4);
	assert_true(is_sound("a"));
	must(push_with(verify, "a"));
	assert_int_equal(last.replaced, 0);
}

static void verify_of_a_pull_mends_this_store(void **state)
{
	struct transfer verify = { .verify = true };

	(void)state;
	must(push_to("a"));
	must(pull());
	damage_in("other", id_of("d5/5"), true);
	damage_in("other", id_of("big"), false);
	must(pull());
	assert_int_equal(last.objects, 0);
	must(pull_with(verify));
	assert_int_equal(last.replaced, 2);
	assert_int_equal(last.objects, 2);
	assert_true(is_sound("other"));
}

static void what_one_remote_damaged_another_gives(void **state)
{
	char path[256], hex[DIGEST_HEX + 1];

	(void)state;
	must(push_to("a"));
	must(push_to("b"));
	damage_in("a", id_of("d5/5"), true);
	damage_in("a", id_of("big"), false);
	damage_in("a", &tree.id, true);
	damage_in("b", id_of("d4/4"), true);
	assert_int_equal(unlinkat(rootfd, object_in("b", id_of("d6/6"), path), 0), 0);
	must(pull());
	assert_int_equal(last.objects, 82);
	assert_true(is_sound("other"));
	assert_int_equal(notes, 1);
	assert_non_null(strstr(last_note, "remote a: 3 objects are damaged or cannot be read, the first: object "));
	/* In neither: the error names both, what can be had is kept, and no root is seen. */
	damage_in("b", id_of("d5/5"), false);
	drop_other();
	assert_int_equal(pull(), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.msg, digest_format(id_of("d5/5"), hex)));
	assert_non_null(strstr(err.msg, "(a, b)"));
	assert_false(is_sound("other"));
	assert_true(exists(object_in("other", id_of("d4/4"), path)));
	assert_false(exists(object_in("other", id_of("d5/5"), path)));
	assert_int_equal(count_names("other/staging"), 0);
}

static void what_is_damaged_is_told_once_and_why(void **state)
{
	struct transfer transfer = { .store = other };
	struct content one = { .kind = CONTENT_FILE, .id = *id_of("d5/5") };
	char path[256];

	(void)state;
	must(push_to("a"));
	/* Not what the name says, absent, and no file that can be read. */
	damage_in("a", id_of("d5/5"), true);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(transfer_pull(&transfer, &remotes, &one, 1, &err), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		assert_int_equal(notes, 1 + 1); /* and that b is not there */
	}
	one.id = *id_of("d4/4");
	if (geteuid() != 0)
		return;
	object_in("a", &one.id, path);
	assert_int_equal(fchmodat(rootfd, path, 0, 0), 0);
	assert_int_equal(chmod(root, 0755), 0);
	assert_int_equal(chown(root, 65534, 65534), 0);
	assert_int_equal(fchmodat(rootfd, "other", 0777, 0), 0);
	assert_int_equal(fchmodat(rootfd, "other/objects", 0777, 0), 0);
	assert_int_equal(fchmodat(rootfd, "other/staging", 0777, 0), 0);
	assert_int_equal(seteuid(65534), 0);
	int r = transfer_pull(&transfer, &remotes, &one, 1, &err);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(r, -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_int_equal(notes, 3);
	assert_non_null(strstr(last_note, "Permission denied"));
}

/* Neither a leaf nor an entry may cost a disk. */
static void what_is_larger_than_it_was_said_to_be_is_not_brought(void **state)
{
	struct transfer transfer = { .store = other };
	struct content one = { .kind = CONTENT_FILE, .id = *id_of("d5/5"), .size = 6 };
	char path[256];

	(void)state;
	must(push_to("a"));
	for (int i = 0; i < 3; i++) {
		reopen_remotes();
		object_in("a", i < 2 ? id_of("d5/5") : &tree.id, path);
		assert_int_equal(fchmodat(rootfd, path, 0600, 0), 0);
		int fd = openat(rootfd, path, O_WRONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, TREE_MAX_OBJECT + 1), 0);
		close(fd);
		assert_int_equal(i ? pull() : transfer_pull(&transfer, &remotes, &one, 1, &err), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		/* Not even read: it is not said that its bytes are not what they should be. */
		assert_non_null(strstr(last_note, "bytes, at most"));
		assert_false(is_sound("other"));
	}
}

static void what_no_remote_has_is_named(void **state)
{
	struct content one = { .kind = CONTENT_FILE };
	struct transfer transfer = { .store = other };
	char path[256], hex[DIGEST_HEX + 1];

	(void)state;
	digest_of("nowhere", 7, &one.id);
	must(push_to("a"));
	assert_int_equal(transfer_pull(&transfer, &remotes, &one, 1, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, digest_format(&one.id, hex)));
	assert_non_null(strstr(err.msg, "in no remote (a, b)"));
	assert_int_equal(unlinkat(rootfd, object_in("a", id_of("d5/5"), path), 0), 0);
	assert_int_equal(unlinkat(rootfd, object_in("a", id_of("d6/6"), path), 0), 0);
	assert_int_equal(pull(), -1);
	assert_non_null(strstr(err.msg, "; nor are 1 more"));
	remotes.len = 0; /* of the two, nothing is open but a */
	struct remote_place *places = remotes.places;
	remotes.places = NULL;
	assert_int_equal(pull(), -1);
	assert_non_null(strstr(err.msg, "this project has no remote"));
	remotes.places = places;
	remotes.len = 2;
}

static void garbage_of_a_tree_is_an_error(void **state)
{
	struct transfer transfer = { .store = store };
	struct remote *remote;

	(void)state;
	tree.id = store_text("this is no root");
	assert_int_equal(push_to("a"), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	must(remotes_open(&remotes, "a", true, &remote, &err));
	tree.kind = CONTENT_FILE;
	must(transfer_push(&transfer, remote, &tree, 1, &err));
	tree.kind = CONTENT_TREE;
	assert_int_equal(pull(), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_int_equal(count_names("other/objects"), 0);
}

/* An entry or record of a remote may call any object a tree. */
static void a_large_file_that_is_called_a_tree_stays_where_it_is(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP(cleanup_free) char *large = xcalloc(1, TREE_MAX_OBJECT + 1);
	struct transfer transfer = { .store = store };
	struct content contents[2] = { { .kind = CONTENT_TREE }, { .kind = CONTENT_FILE } };
	char path[256], hex[DIGEST_HEX + 1];

	(void)state;
	must(push_to("a"));
	must(batch_open(store, &batch, &err));
	must(batch_add_bytes(batch, large, TREE_MAX_OBJECT + 1, &contents[0].id, &err));
	must(batch_commit(batch, &err));
	contents[1].id = *id_of("big");
	assert_int_equal(unlinkat(rootfd, object_in(".mlops", id_of("big"), path), 0), 0);
	assert_int_equal(transfer_pull(&transfer, &remotes, contents, 2, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.msg, digest_format(&contents[0].id, hex)));
	assert_non_null(strstr(err.msg, "too large"));
	assert_true(exists(object_in(".mlops", &contents[0].id, path)));
	assert_int_equal(count_names(".mlops/quarantine"), 0);
	/* The other content came. */
	assert_true(exists(object_in(".mlops", id_of("big"), path)));
	/* What is damaged goes aside, whatever its size. */
	damage_in(".mlops", &tree.id, true);
	must(transfer_pull(&transfer, &remotes, &tree, 1, &err));
	assert_int_equal(count_names(".mlops/quarantine"), 1);
}

/* --- counting only --- */

static void a_dry_run_counts_and_writes_nothing(void **state)
{
	struct transfer dry = { .dry = true };

	(void)state;
	must(push_with(dry, "a"));
	assert_int_equal(last.objects, 82);
	assert_int_equal(count_names("a/objects"), 0);
	assert_int_equal(count_names("a/staging"), 0);
	must(push_to("a"));
	must(pull_with(dry));
	assert_int_equal(last.objects, 82);
	assert_int_equal(count_names("other/objects"), 0);
	assert_int_equal(count_names("other/staging"), 0);
	must(pull());
	must(pull_with(dry));
	assert_int_equal(last.objects, 0);
	assert_int_equal(last.present, 82);
}

struct seen {
	uint64_t files, bytes, total;
	int left; /* calls until it asks to stop */
};

static bool see(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total)
{
	struct seen *seen = ctx;

	assert_non_null(what);
	assert_true(files >= seen->files && bytes >= seen->bytes);
	seen->files = files;
	seen->bytes = bytes;
	seen->total = total;
	return --seen->left == 0;
}

static void progress_ends_at_its_total_and_may_stop(void **state)
{
	struct seen seen = { .left = 1000000 };
	const struct progress progress = { see, &seen };

	(void)state;
	must(push_with((struct transfer){ .progress = &progress }, "a"));
	assert_int_equal(seen.files, 82);
	assert_int_equal(seen.bytes, seen.total);
	assert_int_equal(seen.bytes, last.bytes);
	seen = (struct seen){ .left = 1000000 };
	must(pull_with((struct transfer){ .progress = &progress }));
	assert_int_equal(seen.files, 82);
	assert_int_equal(seen.bytes, last.bytes);
	drop_other();
	for (int n = 1; n < 4; n++) {
		seen = (struct seen){ .left = n };
		assert_int_equal(push_with((struct transfer){ .progress = &progress }, "b"), -1);
		assert_int_equal(err.code, ERR_INTERRUPTED);
		assert_false(is_sound("b"));
		seen = (struct seen){ .left = n };
		assert_int_equal(pull_with((struct transfer){ .progress = &progress }), -1);
		assert_int_equal(err.code, ERR_INTERRUPTED);
		assert_false(is_sound("other"));
		assert_int_equal(count_names("other/staging"), 0);
		reopen_remotes();
		assert_int_equal(fs_remove_tree(rootfd, "b", NULL), 0);
	}
}

/* --- killed, and failing --- */

static int push_to_a(void)
{
	return push_to("a");
}

static void a_killed_push_is_finished_by_the_next(void **state)
{
	int n = 1, step = 1;

	(void)state;
	for (; killed_at(n, push_to_a); n += step) {
		is_sound("a");
		must(push_to("a"));
		assert_true(is_sound("a"));
		reopen_remotes();
		/* Litter is swept by the next who writes. */
		if (last.objects)
			assert_int_equal(count_names("a/staging"), 0);
		assert_int_equal(fs_remove_tree(rootfd, "a", NULL), 0);
		/* In the middle it is the same operation over and over. */
		step = n > 30 ? 7 : 1;
	}
	assert_true(n > 200);
}

static void a_killed_pull_is_finished_by_the_next(void **state)
{
	int n = 1, step = 1;

	(void)state;
	must(push_to("a"));
	for (; killed_at(n, pull); n += step) {
		is_sound("other");
		must(pull());
		assert_true(is_sound("other"));
		if (last.objects)
			assert_int_equal(count_names("other/staging"), 0);
		drop_other();
		step = n > 30 ? 7 : 1;
	}
	assert_true(n > 200);
}

static void fail_everywhere(enum io_op op, int sys, int (*work)(void), const char *dir)
{
	int k = 1, seen = 1, r;

	/* Each of the first, then fewer. */
	for (; k <= seen; k += k < 10 ? 1 : 19) {
		arm(op, k, sys);
		r = work();
		io_fault = NULL;
		seen = fault_seen;
		if (r < 0)
			assert_int_equal(err.code, ERR_ENV);
		assert_true(is_sound(dir) || r < 0);
		reopen_remotes();
		must(work());
		assert_true(is_sound(dir));
		reopen_remotes();
		assert_int_equal(count_names(strcmp(dir, "a") ? "other/staging" : "a/staging"), 0);
		if (!strcmp(dir, "other"))
			drop_other();
		else
			assert_int_equal(fs_remove_tree(rootfd, "a", NULL), 0);
	}
	assert_true(k > 1);
}

static void a_failing_disk_is_one_error_and_nothing_half_is_seen(void **state)
{
	static const enum io_op ops[] = { IO_CREATE, IO_WRITE, IO_SYNC, IO_RENAME, IO_MKDIR };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		fail_everywhere(ops[i], i < 2 ? ENOSPC : EIO, push_to_a, "a");
	must(push_to("a"));
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		fail_everywhere(ops[i], i < 2 ? ENOSPC : EIO, pull, "other");
}

static void a_killed_transfer_goes_on_with_the_group_it_was_in(void **state)
{
	(void)state;
	make_tree(8900);
	assert_true(killed_at(2 * 8192 + 800, push_to_a));
	assert_false(is_sound("a"));
	must(push_to("a"));
	assert_true(last.objects > 0);
	assert_true(last.present >= 8192);
	assert_true(is_sound("a"));
	assert_true(killed_at(2 * 8192 + 800, pull));
	assert_false(is_sound("other"));
	must(pull());
	assert_true(last.present >= 8192);
	assert_true(is_sound("other"));
}

/* --- many at once --- */

static void processes_push_the_same(void **state)
{
	(void)state;
	make_tree(1000);
	for (int i = 0; i < 5; i++) {
		pid_t pids[3];

		for (size_t j = 0; j < 3; j++)
			pids[j] = start(push_to_a);
		for (size_t j = 0; j < 3; j++)
			assert_succeeds(pids[j]);
		assert_true(is_sound("a"));
		assert_int_equal(fs_remove_tree(rootfd, "a", NULL), 0);
	}
}

static void *push_in_thread(void *arg)
{
	struct transfer transfer = { .store = store };
	struct error *why = arg;
	struct remote *remote;

	if (remote_open("a", "a", root, true, &remote, why) < 0)
		return NULL;
	transfer_push(&transfer, remote, &tree, 1, why);
	remote_close(remote);
	return NULL;
}

static void threads_push_the_same(void **state)
{
	struct error errors[3] = { 0 };
	pthread_t threads[3];

	(void)state;
	make_tree(1000);
	poor_disk = true;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, push_in_thread, &errors[i]), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_string_equal(errors[i].msg, "");
	}
	assert_true(is_sound("a"));
}

/* Puts an empty directory in the place of an empty objects/ab, as a second writer does. */
static int replaced;
static void replace_fan(int to_dir)
{
	char fd[64], path[PATH_MAX], empty[PATH_MAX + 8];
	ssize_t len;

	snprintf(fd, sizeof(fd), "/proc/self/fd/%d", to_dir);
	len = readlink(fd, path, sizeof(path) - 1);
	if (replaced == 3 || len < 3 || path[len - 3] != '/')
		return;
	path[len] = '\0';
	snprintf(empty, sizeof(empty), "%s.new", path);
	if (mkdir(empty, 0755) < 0)
		return;
	if (rename(empty, path) == 0)
		replaced++;
	else
		rmdir(empty);
}

static void a_directory_that_another_writer_replaced_is_looked_for_again(void **state)
{
	(void)state;
	poor_disk = true;
	replaced = 0;
	meanwhile = replace_fan;
	assert_string_equal(push_to("a") < 0 ? err.msg : "", "");
	meanwhile = NULL;
	assert_true(replaced > 0);
	assert_true(is_sound("a"));
}

static void trouble_of_the_remote_names_it_and_of_this_store_does_not(void **state)
{
	static const enum io_op ops[] = { IO_MKDIR, IO_CREATE, IO_WRITE, IO_RENAME };
	char path[256];

	(void)state;
	must(push_to("b"));
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		reopen_remotes();
		struct remote *remote = NULL;
		must(remotes_open(&remotes, "a", true, &remote, &err));
		arm(ops[i], 1, ENOSPC);
		int r = push_to("a");
		io_fault = NULL;
		assert_int_equal(r, -1);
		assert_int_equal(err.code, ERR_ENV);
		assert_int_equal(strncmp(err.msg, "remote a (a): ", 14), 0);
		assert_null(strstr(err.msg + 14, "remote a"));
		assert_non_null(strstr(err.msg, "No space left on device"));
		assert_int_equal(fs_remove_tree(rootfd, "a", NULL), 0);
	}
	reopen_remotes();
	damage_in(".mlops", id_of("d5/5"), true);
	assert_int_equal(push_to("a"), -1);
	assert_null(strstr(err.msg, "remote a"));
	assert_int_equal(unlinkat(rootfd, object_in(".mlops", id_of("d6/6"), path), 0), 0);
	assert_int_equal(push_to("a"), -1);
	assert_null(strstr(err.msg, "(a)"));
}

static void a_remote_that_vanishes_is_an_error(void **state)
{
	struct remote *remote;
	struct transfer transfer = { .store = store };

	(void)state;
	must(remotes_open(&remotes, "a", true, &remote, &err));
	assert_int_equal(fs_remove_tree(rootfd, "a", NULL), 0);
	assert_int_equal(transfer_push(&transfer, remote, &tree, 1, &err), -1);
	assert_int_equal(pull(), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_vanished_staging_of_ours_is_not_the_remotes_fault(void **state)
{
	(void)state;
	must(push_to("a"));
	put("other/staging", "in the way");
	assert_int_equal(pull(), -1);
	assert_true(err.code != ERR_NOT_FOUND && err.code != ERR_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRANSFER(a_tree_goes_there_and_back),
		TRANSFER(trees_of_no_and_of_many_leaves_travel),
		TRANSFER(nothing_and_files_travel),
		TRANSFER(a_half_copied_remote_is_completed),
		TRANSFER(a_half_pulled_store_is_completed),
		TRANSFER(what_is_missing_here_is_named_before_anything_is_sent),
		TRANSFER(what_the_remote_has_need_not_be_here),
		TRANSFER(damage_here_is_not_spread),
		TRANSFER(verify_finds_and_replaces_what_is_damaged),
		TRANSFER(verify_of_a_pull_mends_this_store),
		TRANSFER(what_one_remote_damaged_another_gives),
		TRANSFER(what_is_damaged_is_told_once_and_why),
		TRANSFER(what_is_larger_than_it_was_said_to_be_is_not_brought),
		TRANSFER(what_no_remote_has_is_named),
		TRANSFER(garbage_of_a_tree_is_an_error),
		TRANSFER(a_large_file_that_is_called_a_tree_stays_where_it_is),
		TRANSFER(a_dry_run_counts_and_writes_nothing),
		TRANSFER(progress_ends_at_its_total_and_may_stop),
		TRANSFER(a_killed_push_is_finished_by_the_next),
		TRANSFER(a_killed_pull_is_finished_by_the_next),
		TRANSFER(a_failing_disk_is_one_error_and_nothing_half_is_seen),
		TRANSFER(a_killed_transfer_goes_on_with_the_group_it_was_in),
		TRANSFER(processes_push_the_same),
		TRANSFER(threads_push_the_same),
		TRANSFER(a_directory_that_another_writer_replaced_is_looked_for_again),
		TRANSFER(trouble_of_the_remote_names_it_and_of_this_store_does_not),
		TRANSFER(a_remote_that_vanishes_is_an_error),
		TRANSFER(a_vanished_staging_of_ours_is_not_the_remotes_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
