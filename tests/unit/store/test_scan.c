/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/progress.h"
#include "store/ignore.h"
#include "store/scan.h"
#include "store/statcache.h"

#define ABC "file:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct content scan_with(const struct scanner *scanner, const char *path)
{
	struct content content = { .kind = CONTENT_TREE };

	if (scan_path(scanner, path, &content, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	return content;
}

static struct content scan(const char *path)
{
	struct scanner scanner = { .rootfd = rootfd };

	return scan_with(&scanner, path);
}

static void assert_text(struct content content, const char *want)
{
	char text[CONTENT_TEXT];

	assert_string_equal(content_format(&content, text), want);
}

static void assert_refused(const char *path, enum error_code code, const char *named)
{
	struct scanner scanner = { .rootfd = rootfd };
	struct content content = { .files = 77 };
	struct tree tree;

	assert_int_equal(scan_path(&scanner, path, &content, &tree, &err), -1);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, named));
	assert_int_equal(content.files, 77);
	tree_release(&tree);
}

static void files_are_their_sha256(void **state)
{
	struct content content;

	(void)state;
	put("a", "abc");
	content = scan("a");
	assert_text(content, ABC);
	assert_int_equal(content.size, 3);
	assert_int_equal(content.files, 1);
	assert_int_equal(fchmodat(rootfd, "a", 0755, 0), 0);
	assert_int_equal(scan("a").kind, CONTENT_EXEC);
	assert_text(scan("absent"), "-");
	assert_text(scan("a/below"), "-");
}

static void a_directory_is_the_tree_of_its_files(void **state)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	struct scanner scanner = { .rootfd = rootfd };
	struct digest abc, id;
	struct content content;

	(void)state;
	put("d/a.b", "abc");
	put("d/a/b", "abc");
	put("d/a/c", "abc");
	assert_int_equal(symlinkat("../a.b", rootfd, "d/a/link"), 0);
	assert_int_equal(mkdirat(rootfd, "d/empty", 0755), 0);
	assert_int_equal(fchmodat(rootfd, "d/a/c", 0700, 0), 0);
	assert_int_equal(scan_path(&scanner, "d", &content, &tree, &err), 0);
	assert_int_equal(tree.len, 4);
	assert_string_equal(tree.entries[0].path, "a.b");
	tree_release(&tree);
	digest_of("abc", 3, &abc);
	tree_add(&tree, "a.b", ENTRY_FILE, &abc, 3, NULL);
	tree_add(&tree, "a/b", ENTRY_FILE, &abc, 3, NULL);
	tree_add(&tree, "a/c", ENTRY_EXEC, &abc, 3, NULL);
	tree_add(&tree, "a/link", ENTRY_LINK, NULL, 0, "../a.b");
	assert_int_equal(tree_write(&tree, NULL, &id, &err), 0);
	assert_int_equal(content.kind, CONTENT_TREE);
	assert_true(digest_equal(&content.id, &id));
	assert_int_equal(content.size, 9);
	assert_int_equal(content.files, 4);
}

static void a_directory_without_files_is_a_tree_of_none(void **state)
{
	struct content content;

	(void)state;
	assert_int_equal(fs_make_dirs(rootfd, "d/e/f", 0755, &err), 0);
	content = scan("d");
	assert_text(content, "tree:d4c885f1a6e1c8cd8601c2ea064225978a1f5ab2f67d87a23cc7242aa20afa84");
	assert_int_equal(content.files, 0);
}

static void ignored_names_do_not_count(void **state)
{
	struct scanner scanner = { .rootfd = rootfd };
	struct content content, before;
	struct ignore *ignore;

	(void)state;
	put("d/a", "abc");
	before = scan("d");
	put("d/.git/config", "x");
	put("d/__pycache__/a.pyc", "x");
	content = scan("d");
	assert_true(content_equal(&before, &content));
	put("d/x.tmp", "x");
	content = scan("d");
	assert_false(content_equal(&before, &content));
	assert_int_equal(ignore_parse("/d/*.tmp", 8, &ignore, &err), 0);
	scanner.ignore = ignore;
	content = scan_with(&scanner, "d");
	assert_true(content_equal(&before, &content));
	assert_int_equal(scan_with(&scanner, ".").files, 1);
	ignore_free(ignore);
}

static void what_no_tree_holds_is_refused_by_name(void **state)
{
	(void)state;
	put("d/a", "abc");
	assert_int_equal(mkfifoat(rootfd, "d/fifo", 0600), 0);
	assert_refused("d", ERR_USAGE, "d/fifo");
	assert_refused("d/fifo", ERR_USAGE, "d/fifo");
	assert_int_equal(unlinkat(rootfd, "d/fifo", 0), 0);
	assert_int_equal(symlinkat("../../etc", rootfd, "d/out"), 0);
	assert_refused("d", ERR_USAGE, "d/out");
	assert_int_equal(unlinkat(rootfd, "d/out", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", rootfd, "passwd"), 0);
	assert_refused("passwd", ERR_USAGE, "passwd");
	if (geteuid() != 0) {
		assert_int_equal(fchmodat(rootfd, "d/a", 0000, 0), 0);
		assert_refused("d", ERR_ENV, "d/a");
	}
}

static void odd_things_can_be_listed_instead(void **state)
{
	struct strlist odd = STRLIST_INIT;
	struct scanner scanner = { .rootfd = rootfd, .odd = &odd };
	struct content content;

	(void)state;
	put("d/a", "abc");
	content = scan("d");
	assert_int_equal(mkfifoat(rootfd, "d/fifo", 0600), 0);
	assert_int_equal(symlinkat("/etc", rootfd, "d/out"), 0);
	assert_int_equal(symlinkat("/etc", rootfd, "out"), 0);
	content = scan_with(&scanner, "d");
	assert_int_equal(content.files, 1);
	strlist_sort(&odd);
	assert_int_equal(odd.len, 2);
	assert_string_equal(odd.items[0], "fifo");
	assert_string_equal(odd.items[1], "out");
	content = scan_with(&scanner, "out");
	assert_int_equal(content.kind, CONTENT_ABSENT);
	assert_string_equal(odd.items[2], "");
	strlist_release(&odd);
}

static void a_symlinked_path_is_followed_inside_the_project(void **state)
{
	struct content real, linked;

	(void)state;
	put("real/a", "abc");
	assert_int_equal(symlinkat("real", rootfd, "alias"), 0);
	assert_int_equal(symlinkat("real/a", rootfd, "file"), 0);
	real = scan("real");
	linked = scan("alias");
	assert_true(content_equal(&real, &linked));
	assert_text(scan("file"), ABC);
	assert_text(scan("alias/a"), ABC);
}

static void only_symlinks_to_our_own_objects_are_files(void **state)
{
	static const char name[] = "objects/ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	struct scanner scanner = { .rootfd = rootfd };
	char other[] = "/tmp/mlops-other-XXXXXX", target[256];
	struct content content;
	struct digest id;
	int otherfd;

	(void)state;
	assert_int_equal(batch_open(store, &scanner.batch, &err), 0);
	assert_int_equal(batch_add_bytes(scanner.batch, "abc", 3, &id, &err), 0);
	assert_int_equal(batch_commit(scanner.batch, &err), 0);
	batch_free(scanner.batch);
	scanner.batch = NULL;
	assert_int_equal(mkdirat(rootfd, "d", 0755), 0);
	snprintf(target, sizeof(target), "../.mlops/%s", name);
	assert_int_equal(symlinkat(target, rootfd, "d/ours"), 0);
	content = scan("d");
	assert_int_equal(content.files, 1);
	assert_int_equal(content.size, 3);
	scanner.store = store;
	assert_int_equal(scan_with(&scanner, "d").size, 3);
	assert_text(scan_with(&scanner, "d/ours"), ABC);
	/* Another store's, or a file that only looks like one. */
	assert_non_null(mkdtemp(other));
	otherfd = open(other, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fs_make_dirs(otherfd, "objects/ba", 0755, &err), 0);
	assert_int_equal(io_replace_file(otherfd, name, "secret", 6, 0400, false, &err), 0);
	snprintf(target, sizeof(target), "%s/%s", other, name);
	assert_int_equal(symlinkat(target, rootfd, "d/theirs"), 0);
	assert_refused("d", ERR_USAGE, "d/theirs");
	assert_refused("d/theirs", ERR_USAGE, "d/theirs");
	assert_int_equal(scan_path(&scanner, "d", &content, NULL, &err), -1);
	assert_int_equal(scan_path(&scanner, "d/theirs", &content, NULL, &err), -1);
	close(otherfd);
	assert_int_equal(fs_remove_tree(AT_FDCWD, other, &err), 0);
}

static void with_a_batch_everything_is_stored(void **state)
{
	struct scanner scanner = { .rootfd = rootfd };
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	struct content content;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		char path[64], text[32];

		snprintf(path, sizeof(path), "d/%03d/%d", i % 100, i);
		snprintf(text, sizeof(text), "%d", i % 1500);
		put(path, text);
	}
	assert_int_equal(batch_open(store, &scanner.batch, &err), 0);
	content = scan_with(&scanner, "d");
	assert_int_equal(batch_commit(scanner.batch, &err), 0);
	batch_free(scanner.batch);
	assert_int_equal(content.files, 3000);
	assert_int_equal(tree_read(store, &content.id, &tree, &err), 0);
	assert_int_equal(tree.len, 3000);
	for (size_t i = 0; i < tree.len; i++)
		assert_true(store_has(store, &tree.entries[i].id));
	/* 1,500 contents, a root and its leaves */
	assert_in_range(count_objects(), 1502, 1510);
}

static void the_cache_is_used_and_can_be_distrusted(void **state)
{
	struct scanner scanner = { .rootfd = rootfd };
	struct digest fake;
	struct content content;
	struct stat st;

	(void)state;
	put("a", "abc");
	scanner.cache = statcache_load(mlopsfd);
	/* Too young: hashed again each time. */
	assert_text(scan_with(&scanner, "a"), ABC);
	assert_int_equal(fstatat(rootfd, "a", &st, 0), 0);
	assert_false(statcache_get(scanner.cache, &st, &fake));
	clock_ahead_ms = 5000;
	assert_text(scan_with(&scanner, "a"), ABC);
	assert_true(statcache_get(scanner.cache, &st, &fake));
	/* The cache is believed. */
	memset(&fake, 7, sizeof(fake));
	statcache_put(scanner.cache, &st, &fake, clock_wall_ms() * 1000000);
	content = scan_with(&scanner, "a");
	assert_true(digest_equal(&content.id, &fake));
	/* But what it says must be stored when there is a batch, and nothing is believed on request. */
	assert_int_equal(batch_open(store, &scanner.batch, &err), 0);
	assert_text(scan_with(&scanner, "a"), ABC);
	batch_free(scanner.batch);
	scanner.batch = NULL;
	scanner.trust_nothing = true;
	statcache_put(scanner.cache, &st, &fake, clock_wall_ms() * 1000000);
	assert_text(scan_with(&scanner, "a"), ABC);
	statcache_free(scanner.cache);
}

static void a_touched_big_file_is_hashed_but_not_stored_twice(void **state)
{
	struct scanner scanner = { .rootfd = rootfd };
	size_t size = 300000;
	CLEANUP(cleanup_free) char *data = xcalloc(1, size);
	struct content first, second;

	(void)state;
	put_bytes("big", data, size);
	clock_ahead_ms = 5000;
	scanner.cache = statcache_load(mlopsfd);
	assert_int_equal(batch_open(store, &scanner.batch, &err), 0);
	first = scan_with(&scanner, "big");
	assert_int_equal(batch_commit(scanner.batch, &err), 0);
	assert_int_equal(utimensat(rootfd, "big", NULL, 0), 0);
	arm(IO_WRITE, 1, ENOSPC);
	second = scan_with(&scanner, "big");
	io_fault = NULL;
	assert_true(content_equal(&first, &second));
	/* The same size, other bytes. */
	data[5] = 1;
	put_bytes("big2", data, size);
	assert_int_equal(renameat(rootfd, "big2", rootfd, "big"), 0);
	second = scan_with(&scanner, "big");
	assert_false(content_equal(&first, &second));
	assert_int_equal(batch_commit(scanner.batch, &err), 0);
	assert_true(store_has(store, &second.id));
	batch_free(scanner.batch);
	statcache_free(scanner.cache);
}

/* The source changes while it is stored: the hook runs between reading and writing. */
static int meddle_left;

static int meddle(enum io_op op, const char *name)
{
	static int n;
	char text[32];
	int fd;

	(void)name;
	if (op != IO_CREATE || meddle_left == 0)
		return 0;
	meddle_left--;
	snprintf(text, sizeof(text), "changed %d", ++n);
	fd = openat(rootfd, "a", O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(write(fd, text, strlen(text)) > 0);
	close(fd);
	return 0;
}

static void a_file_that_changes_meanwhile_is_tried_again_then_refused(void **state)
{
	struct scanner scanner = { .rootfd = rootfd };
	struct content content = { .files = 77 }, now;

	(void)state;
	put("a", "abc");
	assert_int_equal(batch_open(store, &scanner.batch, &err), 0);
	meddle_left = 2;
	io_fault = meddle;
	content = scan_with(&scanner, "a");
	io_fault = NULL;
	now = scan("a");
	assert_true(content_equal(&content, &now));
	put("a", "something that is not stored yet");
	meddle_left = 100;
	io_fault = meddle;
	assert_int_equal(scan_path(&scanner, "a", &content, NULL, &err), -1);
	io_fault = NULL;
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(meddle_left, 97);
	batch_free(scanner.batch);
}

static bool count_reports(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total)
{
	uint64_t *last = ctx;

	assert_string_equal(what, "d");
	assert_true(bytes <= total);
	assert_true(files >= last[0]);
	last[0] = files;
	last[1] = total;
	return last[2] != 0;
}

static void progress_is_told_and_can_stop(void **state)
{
	uint64_t last[3] = { 0 };
	struct progress progress = { count_reports, last };
	struct scanner scanner = { .rootfd = rootfd, .progress = &progress };
	struct content content;

	(void)state;
	for (int i = 0; i < 200; i++) {
		char path[32];

		snprintf(path, sizeof(path), "d/%d", i);
		put(path, "1234567890");
	}
	scan_with(&scanner, "d");
	assert_int_equal(last[0], 200);
	assert_int_equal(last[1], 2000);
	memset(last, 0, sizeof(last));
	last[2] = 1;
	assert_int_equal(scan_path(&scanner, "d", &content, NULL, &err), -1);
	assert_int_equal(err.code, ERR_INTERRUPTED);
}

static void odd_names_and_depths_are_fine(void **state)
{
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
	char name[256];

	(void)state;
	put("d/ leading", "x");
	put("d/-dash", "x");
	put("d/new\nline", "x");
	put("d/\xff\xfe", "x");
	memset(name, 'n', 255);
	name[255] = '\0';
	strbuf_puts(&path, "d/");
	strbuf_puts(&path, name);
	assert_int_equal(close(openat(rootfd, path.buf, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	strbuf_clear(&path);
	strbuf_puts(&path, "d");
	for (int i = 0; i < 200; i++)
		strbuf_puts(&path, "/deep");
	assert_int_equal(fs_make_dirs(rootfd, path.buf, 0755, &err), 0);
	strbuf_puts(&path, "/file");
	put(path.buf, "x");
	assert_int_equal(scan("d").files, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(files_are_their_sha256),
		CASE(a_directory_is_the_tree_of_its_files),
		CASE(a_directory_without_files_is_a_tree_of_none),
		CASE(ignored_names_do_not_count),
		CASE(what_no_tree_holds_is_refused_by_name),
		CASE(odd_things_can_be_listed_instead),
		CASE(a_symlinked_path_is_followed_inside_the_project),
		CASE(only_symlinks_to_our_own_objects_are_files),
		CASE(with_a_batch_everything_is_stored),
		CASE(the_cache_is_used_and_can_be_distrusted),
		CASE(a_touched_big_file_is_hashed_but_not_stored_twice),
		CASE(a_file_that_changes_meanwhile_is_tried_again_then_refused),
		CASE(progress_is_told_and_can_stop),
		CASE(odd_names_and_depths_are_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
