/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/progress.h"
#include "store/checkout.h"
#include "store/scan.h"
#include "store/statcache.h"

static struct scanner scanner;
static struct checkout how;
static struct checkout_result result;

static int setup_checkout(void **state)
{
	int r = setup(state);

	scanner = (struct scanner){ .rootfd = rootfd };
	how = (struct checkout){ .store = store, .scanner = &scanner, .aside = ".mlops/aside/run" };
	return r;
}

#define CHECKOUT_CASE(f) cmocka_unit_test_setup_teardown(f, setup_checkout, teardown)

static struct content scan(const char *path)
{
	struct content content;

	if (scan_path(&scanner, path, &content, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	return content;
}

/* Stores what stands at a path. */
static struct content add(const char *path)
{
	struct content content;

	assert_int_equal(batch_open(store, &scanner.batch, &err), 0);
	content = scan(path);
	assert_int_equal(batch_commit(scanner.batch, &err), 0);
	batch_free(scanner.batch);
	scanner.batch = NULL;
	return content;
}

static int try_checkout(const char *path, struct content want)
{
	int r = checkout_path(&how, path, &want, &result, &err);

	io_fault = NULL;
	assert_int_equal(count_in("staging"), 0);
	return r;
}

static void checkout(const char *path, struct content want)
{
	struct content now;

	if (try_checkout(path, want) < 0)
		fail_msg("%s", err.msg);
	now = scan(path);
	assert_true(content_equal(&now, &want));
}

static void assert_result(uint64_t written, uint64_t removed, uint64_t kept, uint64_t aside)
{
	assert_int_equal(result.files_written, written);
	assert_int_equal(result.files_removed, removed);
	assert_int_equal(result.files_kept, kept);
	assert_int_equal(result.files_aside, aside);
}

static void remove_path(const char *path)
{
	assert_int_equal(fs_remove_tree(rootfd, path, &err), 0);
}

/* d/{same, old, sub/x, run, link} and, as the second version, d/{same, new, sub/x changed, run, link}. */
static struct content first, second;

static void two_versions(void)
{
	put("d/same", "same");
	put("d/old", "old");
	put("d/sub/x", "one");
	put("d/run", "#!/bin/sh\n");
	assert_int_equal(fchmodat(rootfd, "d/run", 0755, 0), 0);
	assert_int_equal(symlinkat("same", rootfd, "d/link"), 0);
	first = add("d");
	assert_int_equal(unlinkat(rootfd, "d/old", 0), 0);
	put("d/new", "new");
	put("d/sub/x", "two");
	second = add("d");
}

static const struct content absent = { .kind = CONTENT_ABSENT };

static ino_t inode(const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(rootfd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(rootfd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 0777;
}

static void a_tree_comes_back_whole(void **state)
{
	(void)state;
	two_versions();
	remove_path("d");
	checkout("d", first);
	assert_result(5, 0, 0, 0);
	assert_file("d/old", "old");
	assert_int_equal(mode_of("d/run") & 0100, 0100);
	assert_int_equal(mode_of("d/same") & 0300, 0200);
	checkout("d", first);
	assert_result(0, 0, 5, 0);
	checkout("elsewhere/deep/d", second);
	assert_file("elsewhere/deep/d/sub/x", "two");
}

static void only_what_differs_is_written(void **state)
{
	ino_t same;

	(void)state;
	two_versions();
	same = inode("d/same");
	checkout("d", first);
	assert_result(2, 1, 3, 0);
	assert_int_equal(inode("d/same"), same);
	assert_false(exists("d/new"));
	checkout("d", second);
	assert_result(2, 1, 3, 0);
}

static void absent_removes_and_leaves_no_empty_directory(void **state)
{
	(void)state;
	two_versions();
	put("keep/d/a/b/c", "x");
	add("keep");
	checkout("d", absent);
	assert_false(exists("d"));
	checkout("keep/d", absent);
	assert_false(exists("keep/d"));
	assert_true(exists("keep"));
	checkout("nothing", absent);
	assert_result(0, 0, 0, 0);
	checkout("d", first);
	assert_int_equal(fs_make_dirs(rootfd, "d/empty/er", 0755, &err), 0);
	checkout("d", absent);
	assert_false(exists("d"));
}

static void single_files_come_and_change_kind(void **state)
{
	struct content file, exec, tree;

	(void)state;
	put("f", "text");
	file = add("f");
	assert_int_equal(fchmodat(rootfd, "f", 0755, 0), 0);
	exec = add("f");
	checkout("f", file);
	assert_int_equal(mode_of("f") & 0111, 0);
	checkout("f", exec);
	assert_int_equal(mode_of("f") & 0100, 0100);
	put("t/a/b", "x");
	tree = add("t");
	checkout("f", tree);
	assert_file("f/a/b", "x");
	checkout("f", file);
	assert_file("f", "text");
	checkout("new/place/f", file);
	assert_file("new/place/f", "text");
}

static void files_and_directories_change_places(void **state)
{
	struct content as_file, as_dir;

	(void)state;
	put("d/a", "file");
	put("d/b/c/x", "x");
	as_file = add("d");
	remove_path("d");
	put("d/a/deep/y", "y");
	put("d/b", "file");
	as_dir = add("d");
	checkout("d", as_file);
	assert_file("d/a", "file");
	checkout("d", as_dir);
	assert_file("d/a/deep/y", "y");
	assert_file("d/b", "file");
	/* An empty directory in a file's place is no content. */
	remove_path("d/b");
	assert_int_equal(fs_make_dirs(rootfd, "d/b/e/f", 0755, &err), 0);
	checkout("d", as_dir);
}

static void an_empty_tree_is_an_empty_directory(void **state)
{
	struct content none;

	(void)state;
	two_versions();
	assert_int_equal(mkdirat(rootfd, "none", 0755), 0);
	none = add("none");
	checkout("d", none);
	assert_true(exists("d"));
	checkout("x/y", none);
	assert_true(exists("x/y"));
}

static void unknown_content_is_refused_by_name_and_nothing_changes(void **state)
{
	struct content before, after;

	(void)state;
	two_versions();
	put("d/same", "edited");
	put("d/extra", "not stored");
	before = scan("d");
	assert_int_equal(try_checkout("d", first), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "d/same"));
	assert_non_null(strstr(err.msg, "d/extra"));
	after = scan("d");
	assert_true(content_equal(&before, &after));
	assert_int_equal(try_checkout("d", absent), -1);
	for (int i = 0; i < 10; i++) {
		char path[32];

		snprintf(path, sizeof(path), "d/more%d", i);
		put(path, path);
	}
	assert_int_equal(try_checkout("d", first), -1);
	assert_non_null(strstr(err.msg, "and 9 more"));
	/* What is stored may go without a word. */
	add("d");
	checkout("d", first);
}

static void unknown_content_is_replaced_on_request(void **state)
{
	(void)state;
	two_versions();
	put("d/same", "edited");
	put("d/extra/x", "not stored");
	assert_int_equal(mkfifoat(rootfd, "d/sub/fifo", 0600), 0);
	how.unknown = UNKNOWN_REPLACE;
	checkout("d", first);
	assert_file("d/same", "same");
	assert_false(exists("d/extra"));
}

static void unknown_content_can_be_moved_aside(void **state)
{
	(void)state;
	two_versions();
	put("d/same", "edited");
	put("d/extra/x", "not stored");
	how.unknown = UNKNOWN_ASIDE;
	checkout("d", first);
	assert_result(3, 2, 3 - 1, 2);
	assert_file(".mlops/aside/run/d/same", "edited");
	assert_file(".mlops/aside/run/d/extra/x", "not stored");
	assert_false(exists("d/extra"));
	put("d/same", "edited again");
	checkout("d", first);
	assert_file(".mlops/aside/run/d/same", "edited");
	assert_file(".mlops/aside/run/d/same.2", "edited again");
}

static void an_unknown_symlink_is_content(void **state)
{
	(void)state;
	two_versions();
	assert_int_equal(unlinkat(rootfd, "d/link", 0), 0);
	assert_int_equal(symlinkat("new", rootfd, "d/link"), 0);
	assert_int_equal(try_checkout("d", second), -1);
	assert_non_null(strstr(err.msg, "d/link"));
	add("d");
	checkout("d", second);
	assert_file("d/link", "same");
	/* One that leaves the tree cannot be stored. */
	assert_int_equal(symlinkat("/etc", rootfd, "d/out"), 0);
	assert_int_equal(try_checkout("d", second), -1);
	assert_non_null(strstr(err.msg, "d/out"));
	how.unknown = UNKNOWN_REPLACE;
	checkout("d", second);
	assert_true(access("/etc/passwd", F_OK) == 0);
}

static void ignored_files_stay_but_are_not_run_over(void **state)
{
	struct content tree, file;

	(void)state;
	put("f", "file");
	file = add("f");
	put("d/mod/a.py", "a");
	put("d/mod/__pycache__/a.pyc", "compiled");
	tree = add("d");
	assert_int_equal(tree.files, 1);
	assert_int_equal(try_checkout("d", absent), 0);
	assert_false(exists("d/mod/a.py"));
	assert_true(exists("d/mod/__pycache__/a.pyc"));
	checkout("d", tree);
	assert_int_equal(try_checkout("d", file), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_file("d/mod/a.py", "a");
	how.unknown = UNKNOWN_ASIDE;
	checkout("d", file);
	assert_file(".mlops/aside/run/d/mod/__pycache__/a.pyc", "compiled");
	/* An ignored file where a directory must be. */
	remove_path("d");
	put("t/a.pyc/x", "x");
	assert_int_equal(renameat(rootfd, "t/a.pyc", rootfd, "t/b"), 0);
	tree = add("t");
	remove_path("t");
	put("t", "in the way, unknown");
	how.unknown = UNKNOWN_REFUSE;
	assert_int_equal(try_checkout("t", tree), -1);
	how.unknown = UNKNOWN_REPLACE;
	checkout("t", tree);
}

static struct digest digest_text(const char *text)
{
	struct digest id;

	digest_of(text, strlen(text), &id);
	return id;
}

static char *object_name(const char *text, char path[128])
{
	struct digest id = digest_text(text);
	char hex[DIGEST_HEX + 1];

	digest_format(&id, hex);
	snprintf(path, 128, ".mlops/objects/%.2s/%s", hex, hex + 2);
	return path;
}

static void a_missing_object_changes_nothing(void **state)
{
	char path[128];
	struct content before, after;

	(void)state;
	two_versions();
	assert_int_equal(unlinkat(rootfd, object_name("one", path), 0), 0);
	before = scan("d");
	assert_int_equal(try_checkout("d", first), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "d/sub/x"));
	after = scan("d");
	assert_true(content_equal(&before, &after));
	before.id.b[0] ^= 1;
	assert_int_equal(try_checkout("d", before), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void damage_is_told_and_changes_nothing(void **state)
{
	size_t size = 200000;
	CLEANUP(cleanup_free) char *data = xcalloc(1, size);
	struct content big, before, after;
	char path[128];

	(void)state;
	two_versions();
	assert_int_equal(unlinkat(rootfd, object_name("one", path), 0), 0);
	put(path, "One");
	before = scan("d");
	assert_int_equal(try_checkout("d", first), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	after = scan("d");
	assert_true(content_equal(&before, &after));
	/* Large files are verified on request. */
	put_bytes("big", data, size);
	big = add("big");
	remove_path("big");
	{
		char hex[DIGEST_HEX + 1];

		digest_format(&big.id, hex);
		snprintf(path, sizeof(path), ".mlops/objects/%.2s/%s", hex, hex + 2);
	}
	data[100] = 1;
	assert_int_equal(unlinkat(rootfd, path, 0), 0);
	put_bytes(path, data, size);
	how.verify = true;
	for (int link = CHECKOUT_COPY; link <= CHECKOUT_SYMLINK; link++) {
		how.link = (enum checkout_link)link;
		assert_int_equal(try_checkout("big", big), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		assert_false(exists("big"));
	}
}

static void a_full_disk_changes_nothing_and_any_failure_is_completed_later(void **state)
{
	static const enum io_op ops[] = { IO_CREATE, IO_WRITE, IO_SYNC, IO_MKDIR, IO_RENAME, IO_UNLINK, IO_LINK };
	struct content now;

	(void)state;
	two_versions();
	put("d/deeper/and/deeper", "x");
	second = add("d");
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		for (int k = 1;; k++) {
			int r;

			checkout("d", first);
			arm(ops[i], k, ops[i] == IO_SYNC ? EIO : ENOSPC);
			r = checkout_path(&how, "d", &second, &result, &err);
			io_fault = NULL;
			now = scan("d");
			if (r == 0) {
				assert_true(content_equal(&now, &second));
				assert_true(fault_seen < k || ops[i] == IO_UNLINK || ops[i] == IO_LINK);
				break;
			}
			assert_int_equal(err.code, ERR_ENV);
			if (ops[i] == IO_CREATE || ops[i] == IO_WRITE || ops[i] == IO_SYNC)
				assert_true(content_equal(&now, &first));
			/* No half file: each is the old or the new one, so all bytes are known. */
			checkout("d", second);
			assert_true(k < 100);
		}
	}
}

static void hard_links_are_read_only_and_known_without_reading(void **state)
{
	CLEANUP(cleanup_free) char *big = xcalloc(1, 100000);
	struct content tree, now;
	struct digest fake;
	char path[128];
	struct stat st;

	(void)state;
	two_versions();
	put("d/empty", "");
	put_bytes("d/big", big, 100000);
	tree = add("d");
	remove_path("d");
	scanner.cache = statcache_load(mlopsfd);
	clock_ahead_ms = 10000;
	how.link = CHECKOUT_HARDLINK;
	scanner.store = store;
	checkout("d", tree);
	assert_int_equal(inode("d/same"), inode(object_name("same", path)));
	assert_int_equal(mode_of("d/same") & 0222, 0);
	assert_int_not_equal(inode("d/empty"), inode(object_name("", path)));
	assert_int_equal(mode_of("d/run") & 0300, 0300);
	/* Another link changes ctime, which the cache must survive. */
	checkout("e", tree);
	assert_int_equal(fstatat(rootfd, "d/same", &st, 0), 0);
	assert_int_equal(st.st_nlink, 3);
	assert_false(statcache_get(scanner.cache, &st, &fake));
	now = scan("d");
	assert_true(content_equal(&now, &tree));
	/* Removing a link leaves the object. */
	checkout("e", absent);
	assert_file("d/same", "same");
	assert_int_equal(store_verify(store, &tree.id, &err), 0);
	statcache_free(scanner.cache);
	scanner.cache = NULL;
}

static int too_many_links(enum io_op op, const char *name)
{
	(void)name;
	return op == IO_LINK ? EMLINK : 0;
}

static void where_links_end_copies_begin(void **state)
{
	char path[128];

	(void)state;
	two_versions();
	remove_path("d/link");
	second = add("d");
	remove_path("d");
	how.link = CHECKOUT_HARDLINK;
	io_fault = too_many_links;
	checkout("d", second);
	assert_int_not_equal(inode("d/same"), inode(object_name("same", path)));
	assert_int_equal(mode_of("d/same") & 0200, 0200);
}

static void symlinks_into_the_store_are_the_files_they_stand_for(void **state)
{
	char target[256], moved[80];
	struct content file;
	ssize_t len;

	(void)state;
	two_versions();
	remove_path("d");
	how.link = CHECKOUT_SYMLINK;
	checkout("deep/er/d", first);
	assert_result(5, 0, 0, 0);
	len = readlinkat(rootfd, "deep/er/d/sub/x", target, sizeof(target) - 1);
	assert_true(len > 0);
	target[len] = '\0';
	assert_memory_equal(target, "../../../../.mlops/objects/", 27);
	assert_file("deep/er/d/sub/x", "one");
	assert_int_equal(mode_of("deep/er/d/run") & 0100, 0100);
	/* The project may be moved. */
	snprintf(moved, sizeof(moved), "%s.moved", root);
	assert_int_equal(rename(root, moved), 0);
	assert_file("deep/er/d/sub/x", "one");
	assert_int_equal(rename(moved, root), 0);
	checkout("deep/er/d", second);
	assert_result(2, 1, 3, 0);
	put("f", "single");
	file = add("f");
	remove_path("f");
	checkout("f", file);
	assert_file("f", "single");
	how.link = CHECKOUT_COPY;
	checkout("f", absent);
	assert_false(exists("f"));
}

static bool stop(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total)
{
	(void)ctx;
	(void)what;
	(void)files;
	return bytes <= total;
}

static void stopping_changes_nothing(void **state)
{
	struct progress progress = { stop, NULL };
	struct content now;

	(void)state;
	two_versions();
	how.progress = &progress;
	assert_int_equal(try_checkout("d", first), -1);
	assert_int_equal(err.code, ERR_INTERRUPTED);
	now = scan("d");
	assert_true(content_equal(&now, &second));
}

static void many_files_come_back(void **state)
{
	struct content tree, part;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		char path[64];

		snprintf(path, sizeof(path), "m/%d/%d", i % 7, i);
		put(path, path);
	}
	tree = add("m");
	remove_path("m/3");
	part = add("m");
	checkout("m", tree);
	assert_int_equal(result.files_written, result.files_written + result.files_kept - part.files);
	checkout("m", part);
	assert_false(exists("m/3"));
	remove_path("m");
	checkout("m", tree);
	assert_result(2000, 0, 0, 0);
}

static void the_whole_project_is_a_path_too(void **state)
{
	struct content all;

	(void)state;
	put("a", "a");
	put("d/b", "b");
	all = add(".");
	assert_int_equal(all.files, 2);
	remove_path("a");
	remove_path("d");
	checkout(".", all);
	assert_file("d/b", "b");
	assert_true(exists(".mlops/objects"));
}

static void link_words(void **state)
{
	enum checkout_link link = CHECKOUT_COPY;

	(void)state;
	assert_int_equal(checkout_link_parse("symlink", &link, &err), 0);
	assert_int_equal(link, CHECKOUT_SYMLINK);
	assert_int_equal(checkout_link_parse("reflink", &link, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
}

/* An edit while bytes are staged: the plan was made before it. */
static bool edit(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total)
{
	(void)what, (void)files, (void)bytes, (void)total;
	put(ctx, "edited a moment ago");
	return false;
}

static void an_edit_made_meanwhile_is_not_overwritten(void **state)
{
	static const char *const paths[] = { "d/old", "d/sub/x" };

	(void)state;
	two_versions();
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct progress progress = { edit, (void *)paths[i] };

		how.progress = &progress;
		assert_int_equal(try_checkout("d", first), -1);
		how.progress = NULL;
		assert_int_equal(err.code, ERR_CONFLICT);
		assert_file(paths[i], "edited a moment ago");
		remove_path(paths[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHECKOUT_CASE(a_tree_comes_back_whole),
		CHECKOUT_CASE(only_what_differs_is_written),
		CHECKOUT_CASE(absent_removes_and_leaves_no_empty_directory),
		CHECKOUT_CASE(single_files_come_and_change_kind),
		CHECKOUT_CASE(files_and_directories_change_places),
		CHECKOUT_CASE(an_empty_tree_is_an_empty_directory),
		CHECKOUT_CASE(unknown_content_is_refused_by_name_and_nothing_changes),
		CHECKOUT_CASE(unknown_content_is_replaced_on_request),
		CHECKOUT_CASE(unknown_content_can_be_moved_aside),
		CHECKOUT_CASE(an_unknown_symlink_is_content),
		CHECKOUT_CASE(ignored_files_stay_but_are_not_run_over),
		CHECKOUT_CASE(a_missing_object_changes_nothing),
		CHECKOUT_CASE(damage_is_told_and_changes_nothing),
		CHECKOUT_CASE(a_full_disk_changes_nothing_and_any_failure_is_completed_later),
		CHECKOUT_CASE(hard_links_are_read_only_and_known_without_reading),
		CHECKOUT_CASE(where_links_end_copies_begin),
		CHECKOUT_CASE(symlinks_into_the_store_are_the_files_they_stand_for),
		CHECKOUT_CASE(stopping_changes_nothing),
		CHECKOUT_CASE(an_edit_made_meanwhile_is_not_overwritten),
		CHECKOUT_CASE(many_files_come_back),
		CHECKOUT_CASE(the_whole_project_is_a_path_too),
		CHECKOUT_CASE(link_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
