/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <ctype.h>
#include <dirent.h>

#include "store/tree.h"

static struct digest abc;

static int setup_tree(void **state)
{
	digest_of("abc", 3, &abc);
	return setup(state);
}

#define TREE_CASE(f) cmocka_unit_test_setup_teardown(f, setup_tree, teardown)

/* The hash of docs/format.md, written here once more. */
static bool cuts(const char *path)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *path; path++) {
		h ^= (uint8_t)*path;
		h *= UINT64_C(0x100000001b3);
	}
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return h % 4096 == 0;
}

/* --- golden trees --- */

static void decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		char hex[3] = { 0 };

		if (*text == '%' && isxdigit((unsigned char)text[1])) {
			memcpy(hex, text + 1, 2);
			*to++ = (char)strtol(hex, NULL, 16);
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

static void add_generated(struct tree *tree, const char *prefix, long n, bool uncut)
{
	for (long i = 0; n; i++) {
		char path[128];
		struct digest id;

		snprintf(path, sizeof(path), "%s%ld", prefix, i);
		if (uncut && cuts(path))
			continue;
		digest_of(path, strlen(path), &id);
		tree_add(tree, path, ENTRY_FILE, &id, strlen(path), NULL);
		n--;
	}
}

static void add_line(struct tree *tree, char *line, char want[DIGEST_HEX + 1])
{
	char word[8], b[128], path[2048], *rest = line;
	unsigned long long size;
	struct digest id;

	if (*line == '#' || *line == '\n')
		return;
	if (sscanf(line, "root %64s", want) == 1)
		return;
	if (sscanf(line, "%7s %127s %2047s", word, b, path) != 3)
		fail_msg("bad line: %s", line);
	size = strtoull(b, NULL, 10);
	if (!strcmp(word, "l")) {
		decode(b);
		decode(path);
		tree_add(tree, path, ENTRY_LINK, NULL, 0, b);
	} else if (strlen(word) > 1) {
		decode(path);
		add_generated(tree, path, (long)size, !strcmp(word, "uncut"));
	} else {
		assert_true(digest_parse(path, &id));
		rest = strrchr(line, ' ') + 1;
		rest[strcspn(rest, "\n")] = '\0';
		decode(rest);
		tree_add(tree, rest, (enum entry_kind)word[0], &id, size, NULL);
	}
}

static void check_golden(const char *name)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	CLEANUP(tree_release) struct tree back = TREE_INIT;
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	char path[1024], line[4096], want[DIGEST_HEX + 1] = "", hex[DIGEST_HEX + 1];
	struct digest id, again;
	FILE *f;

	snprintf(path, sizeof(path), "%s/trees/%s", GOLDEN_DIR, name);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		add_line(&tree, line, want);
	fclose(f);
	assert_int_equal(tree_seal(&tree, &err), 0);
	assert_int_equal(batch_open(store, &batch, &err), 0);
	assert_int_equal(tree_write(&tree, batch, &id, &err), 0);
	assert_string_equal(digest_format(&id, hex), want);
	assert_int_equal(batch_commit(batch, &err), 0);
	if (tree_read(store, &id, &back, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(back.len, tree.len);
	assert_int_equal(back.bytes, tree.bytes);
	assert_int_equal(tree_write(&back, NULL, &again, &err), 0);
	assert_true(digest_equal(&id, &again));
}

static void golden_trees_have_their_digests(void **state)
{
	char dir[1000];
	DIR *d;
	struct dirent *de;
	int n = 0;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/trees", GOLDEN_DIR);
	d = opendir(dir);
	assert_non_null(d);
	while ((de = readdir(d))) {
		size_t len = strlen(de->d_name);

		if (len > 5 && !strcmp(de->d_name + len - 5, ".tree")) {
			check_golden(de->d_name);
			n++;
		}
	}
	closedir(d);
	assert_true(n >= 5);
}

/* --- what a tree may hold --- */

static int seal_paths(const char *const *paths, size_t n)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;

	for (size_t i = 0; i < n; i++)
		tree_add(&tree, paths[i], ENTRY_FILE, &abc, 3, NULL);
	return tree_seal(&tree, &err);
}

static void unclean_paths_are_refused(void **state)
{
	static const char *const bad[] = { "",	  "/a",	  "a/",	  "a//b",  ".",	     "..",
					   "./a", "a/.",  "../a", "a/..",  "a/../b", "a/./b",
					   ".git/hooks/pre-commit", "a/.git", "a/.mlops/config.ini" };
	static const char *const good[] = { "...", ".a", "a\nb", "-", "a b", "\xff", "..a", ".gitignore" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(seal_paths(&bad[i], 1), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(seal_paths(&good[i], 1), 0);
}

static void a_path_stands_once_and_files_have_nothing_below(void **state)
{
	static const char *const twice[] = { "b", "a", "b" };
	static const char *const near[] = { "a", "a/b" };
	static const char *const far[] = { "a/b/c", "a-", "a", "a.b" };
	static const char *const deep[] = { "x/a", "x/a!", "x/a.b/c", "x/a/b/c/d" };
	static const char *const fine[] = { "a", "a-/b", "a.b/c", "ab" };

	(void)state;
	assert_int_equal(seal_paths(twice, ARRAY_LEN(twice)), -1);
	assert_int_equal(seal_paths(near, ARRAY_LEN(near)), -1);
	assert_int_equal(seal_paths(far, ARRAY_LEN(far)), -1);
	assert_int_equal(seal_paths(deep, ARRAY_LEN(deep)), -1);
	assert_int_equal(seal_paths(fine, ARRAY_LEN(fine)), 0);
}

static void symlinks_stay_inside(void **state)
{
	static const struct {
		const char *path, *target;
		bool inside;
	} cases[] = {
		{ "a", "b", true },	     { "a", "b/c", true },	  { "a", "./b", true },
		{ "d/a", "../b", true },     { "d/a", "..", true },	  { "d/e/a", "../../b", true },
		{ "a", "missing/x", true },  { "a", "b//c/", true },	  { "a", "..", false },
		{ "a", "../b", false },	     { "d/a", "../../b", false }, { "a", "/etc/passwd", false },
		{ "a", "", false },	     { "d/a", "x/../../b", false },
		/* Through a link that points up, this would leave. */
		{ "d/a", "up/..", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(tree_release) struct tree tree = TREE_INIT;

		assert_int_equal(tree_target_inside(cases[i].path, cases[i].target), cases[i].inside);
		tree_add(&tree, cases[i].path, ENTRY_LINK, NULL, 0, cases[i].target);
		assert_int_equal(tree_seal(&tree, &err), cases[i].inside ? 0 : -1);
	}
}

struct diff_log {
	char text[256];
};

static void log_diff(void *ctx, const struct tree_entry *old, const struct tree_entry *now)
{
	struct diff_log *log = ctx;
	size_t len = strlen(log->text);

	snprintf(log->text + len, sizeof(log->text) - len, "%c%s ", !old ? '+' : !now ? '-' : '~',
		 (old ? old : now)->path);
}

static void find_and_diff(void **state)
{
	CLEANUP(tree_release) struct tree a = TREE_INIT;
	CLEANUP(tree_release) struct tree b = TREE_INIT;
	struct diff_log log = { "" };

	(void)state;
	tree_add(&a, "same", ENTRY_FILE, &abc, 3, NULL);
	tree_add(&a, "gone", ENTRY_FILE, &abc, 3, NULL);
	tree_add(&a, "mode", ENTRY_FILE, &abc, 3, NULL);
	tree_add(&a, "link", ENTRY_LINK, NULL, 0, "same");
	tree_add(&b, "same", ENTRY_FILE, &abc, 3, NULL);
	tree_add(&b, "mode", ENTRY_EXEC, &abc, 3, NULL);
	tree_add(&b, "link", ENTRY_LINK, NULL, 0, "mode");
	tree_add(&b, "new/file", ENTRY_FILE, &abc, 3, NULL);
	assert_int_equal(tree_seal(&a, &err), 0);
	assert_int_equal(tree_seal(&b, &err), 0);
	assert_int_equal(a.bytes, 9);
	tree_diff(&a, &b, log_diff, &log);
	assert_string_equal(log.text, "-gone ~link ~mode +new/file ");
	assert_non_null(tree_find(&b, "new/file"));
	assert_null(tree_find(&b, "new"));
	assert_null(tree_find(&b, "new/file/x"));
}

/* --- what the reader refuses --- */

#define D "DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD"
#define LEAF "mlops leaf 1\n"
#define ROOT "mlops tree 1\n"

static int parse_leaf(const char *data, size_t len)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	int r;

	tree_add(&tree, "!first", ENTRY_FILE, &abc, 3, NULL);
	r = tree_parse_leaf(data, len, &tree, &err);
	if (r < 0) {
		assert_int_equal(err.code, ERR_DAMAGED);
		assert_int_equal(tree.len, 1);
		assert_int_equal(tree.bytes, 3);
	}
	return r;
}

struct bytes {
	const char *data;
	size_t len;
};
#define BYTES(s) { s, sizeof(s) - 1 }

static void leaves_have_one_form(void **state)
{
	static const struct bytes good[] = {
		BYTES(LEAF "\0\1af\3" D),
		BYTES(LEAF "\0\1af\3" D "\1\1bx\0" D),
		BYTES(LEAF "\0\3a/bf\3" D "\2\1cl\1b"),
	};
	static const struct bytes bad[] = {
		BYTES(""),
		BYTES(LEAF),				   /* no entry */
		BYTES("mlops leaf 2\n\0\1af\3" D),	   /* another version */
		BYTES(LEAF "\0\1af\3DDDD"),		   /* cut off */
		BYTES(LEAF "\0\1a"),
		BYTES(LEAF "\0\1af\203\0" D),		   /* a longer form of 3 */
		BYTES(LEAF "\1\1af\3" D),		   /* shares with nothing */
		BYTES(LEAF "\0\2abf\3" D "\0\2acf\3" D),  /* shares less than it could */
		BYTES(LEAF "\0\1bf\3" D "\0\1af\3" D),	   /* unsorted */
		BYTES(LEAF "\0\1af\3" D "\1\0f\3" D),	   /* twice */
		BYTES(LEAF "\0\1af\3" D "\1\2/bf\3" D),   /* below a file */
		BYTES(LEAF "\0\1af\3" D "\1\2-bf\3" D "\1\2/bf\3" D),
		BYTES(LEAF "\0\1ad\3" D),		   /* unknown kind */
		BYTES(LEAF "\0\2/af\3" D),
		BYTES(LEAF "\0\2..f\3" D),
		BYTES(LEAF "\0\4a/..f\3" D),
		BYTES(LEAF "\0\2a\0f\3" D),
		BYTES(LEAF "\0\1al\0"),			   /* empty target */
		BYTES(LEAF "\0\1al\4../b"),		   /* leaves */
		BYTES(LEAF "\0\1al\2/b"),
		BYTES(LEAF "\0\1al\2b\0"),
		BYTES(LEAF "\0\1af\200\200\200\200\200\200\200\200\200\1" D),	  /* 2^63 */
		BYTES(LEAF "\0\1af\200\200\200\200\200\200\200\200\200\200\1" D), /* 11 bytes */
		BYTES(LEAF "\0\200\40"),		   /* a path of 4,096 bytes */
		BYTES(LEAF "\0\1\40f\3" D),		   /* not behind what came before */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (parse_leaf(good[i].data, good[i].len) < 0)
			fail_msg("good leaf %zu: %s", i, err.msg);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse_leaf(bad[i].data, bad[i].len) == 0)
			fail_msg("bad leaf %zu was taken", i);
}

static void roots_have_one_form(void **state)
{
	static const struct bytes good[] = {
		BYTES(ROOT "\0"),
		BYTES(ROOT "\1\1a" D "\1\3"),
		BYTES(ROOT "\2\1a" D "\1\3\1b" D "\1\3"),
	};
	static const struct bytes bad[] = {
		BYTES(""),
		BYTES(ROOT),
		BYTES(ROOT "\0x"),			   /* something follows */
		BYTES(ROOT "\1"),
		BYTES(ROOT "\2\1a" D "\1\3"),		   /* one line of two */
		BYTES(ROOT "\1\1a" D "\0\3"),		   /* an empty leaf */
		BYTES(ROOT "\1\1a" D "\201\200\2\3"),	   /* 32,769 entries */
		BYTES(ROOT "\2\1b" D "\1\3\1a" D "\1\3"), /* unsorted */
		BYTES(ROOT "\2\1a" D "\1\3\1a" D "\1\3"),
		BYTES(ROOT "\1\2/a" D "\1\3"),
		BYTES(ROOT "\201\0\1a" D "\1\3"),
		BYTES(ROOT "\377\377\377\377\377\377\377\377\377\1"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct tree_leaf_ref *refs;
		size_t len;

		assert_int_equal(tree_parse_root(good[i].data, good[i].len, &refs, &len, &err), 0);
		assert_int_equal(len, i);
		tree_refs_free(refs, len);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct tree_leaf_ref *refs;
		size_t len;

		if (tree_parse_root(bad[i].data, bad[i].len, &refs, &len, &err) == 0)
			fail_msg("bad root %zu was taken", i);
		assert_int_equal(err.code, ERR_DAMAGED);
	}
}

static void a_leaf_does_not_go_on_behind_its_cut(void **state)
{
	CLEANUP_STRBUF struct strbuf leaf = STRBUF_INIT;
	char path[32];
	int i = 0;

	(void)state;
	do {
		snprintf(path, sizeof(path), "p%d", i++);
	} while (!cuts(path));
	strbuf_puts(&leaf, LEAF);
	strbuf_putc(&leaf, '\0');
	strbuf_putc(&leaf, (char)strlen(path));
	strbuf_puts(&leaf, path);
	strbuf_puts(&leaf, "f\3" D);
	assert_int_equal(parse_leaf(leaf.buf, leaf.len), 0);
	strbuf_add(&leaf, "\0\1zf\3" D, 5 + 32);
	assert_int_equal(parse_leaf(leaf.buf, leaf.len), -1);
}

/* Stores two one-entry leaves under a root that may lie about them. */
static struct digest store_lie(const char *first, unsigned entries, unsigned bytes, const char *second)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP_STRBUF struct strbuf root_bytes = STRBUF_INIT;
	struct digest a, b, root_id;

	assert_int_equal(batch_open(store, &batch, &err), 0);
	assert_int_equal(batch_add_bytes(batch, LEAF "\0\1af\3" D, 13 + 5 + 32, &a, &err), 0);
	assert_int_equal(batch_add_bytes(batch, LEAF "\0\1bf\3" D, 13 + 5 + 32, &b, &err), 0);
	strbuf_puts(&root_bytes, ROOT);
	strbuf_putc(&root_bytes, second ? 2 : 1);
	strbuf_putc(&root_bytes, 1);
	strbuf_puts(&root_bytes, first);
	strbuf_add(&root_bytes, a.b, 32);
	strbuf_putc(&root_bytes, (char)entries);
	strbuf_putc(&root_bytes, (char)bytes);
	if (second) {
		strbuf_putc(&root_bytes, 1);
		strbuf_puts(&root_bytes, second);
		strbuf_add(&root_bytes, b.b, 32);
		strbuf_puts(&root_bytes, "\1\3");
	}
	assert_int_equal(batch_add_bytes(batch, root_bytes.buf, root_bytes.len, &root_id, &err), 0);
	assert_int_equal(batch_commit(batch, &err), 0);
	return root_id;
}

static void a_root_tells_the_truth_about_its_leaves(void **state)
{
	static const struct {
		const char *first;
		unsigned entries, bytes;
		const char *second;
		bool good;
	} cases[] = {
		{ "a", 1, 3, NULL, true }, { "b", 1, 3, NULL, false },	{ "a", 2, 3, NULL, false },
		{ "a", 1, 4, NULL, false }, { "a", 1, 3, "b", false }, /* "a" ends no leaf */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct digest id = store_lie(cases[i].first, cases[i].entries, cases[i].bytes, cases[i].second);
		CLEANUP(tree_release) struct tree tree = TREE_INIT;
		int r = tree_read(store, &id, &tree, &err);

		assert_int_equal(r, cases[i].good ? 0 : -1);
		if (!cases[i].good)
			assert_int_equal(err.code, ERR_DAMAGED);
	}
}

static int count_digest(void *ctx, const struct digest *id)
{
	(void)id;
	return ++*(int *)ctx == 3 ? -1 : 0;
}

static void objects_of_a_tree_are_root_and_leaves(void **state)
{
	struct digest id = store_lie("a", 1, 3, NULL), missing;
	struct tree tree = TREE_INIT;
	int n = 0;

	(void)state;
	assert_int_equal(tree_objects(store, &id, count_digest, &n, &err), 0);
	assert_int_equal(n, 2);
	id = store_lie("a", 1, 3, "b");
	n = 0;
	assert_int_equal(tree_objects(store, &id, count_digest, &n, &err), -1);
	digest_of("?", 1, &missing);
	assert_int_equal(tree_read(store, &missing, &tree, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void an_edit_rewrites_one_leaf(void **state)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	struct digest id;
	size_t before;

	(void)state;
	add_generated(&tree, "f", 30000, false);
	assert_int_equal(tree_seal(&tree, &err), 0);
	assert_int_equal(batch_open(store, &batch, &err), 0);
	assert_int_equal(tree_write(&tree, batch, &id, &err), 0);
	assert_int_equal(batch_commit(batch, &err), 0);
	before = count_objects();
	tree.entries[12345].id = abc;
	assert_int_equal(tree_write(&tree, batch, &id, &err), 0);
	assert_int_equal(batch_commit(batch, &err), 0);
	assert_int_equal(count_objects(), before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_CASE(golden_trees_have_their_digests),
		TREE_CASE(unclean_paths_are_refused),
		TREE_CASE(a_path_stands_once_and_files_have_nothing_below),
		TREE_CASE(symlinks_stay_inside),
		TREE_CASE(find_and_diff),
		TREE_CASE(leaves_have_one_form),
		TREE_CASE(roots_have_one_form),
		TREE_CASE(a_leaf_does_not_go_on_behind_its_cut),
		TREE_CASE(a_root_tells_the_truth_about_its_leaves),
		TREE_CASE(objects_of_a_tree_are_root_and_leaves),
		TREE_CASE(an_edit_rewrites_one_leaf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
