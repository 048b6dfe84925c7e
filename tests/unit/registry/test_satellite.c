/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch trees: what they share with their project, and whose they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "registry/git.h"
#include "registry/project.h"
#include "registry/satellite.h"
#include "store/content.h"

static char *dir;
static struct error err;

static int enter(void **state)
{
	char name[] = "/tmp/mlops-satellite-XXXXXX";
	bool made;

	(void)state;
	error_clear(&err);
	if (!mkdtemp(name))
		return -1;
	dir = realpath(name, NULL);
	return project_create(dir, &made, &err);
}

static int leave(void **state)
{
	int r = fs_remove_tree(AT_FDCWD, dir, NULL);

	(void)state;
	free(dir);
	return r;
}

/* Makes a scratch tree in DIR/PATH; its path is the caller's. */
static char *make_tree(const char *path)
{
	CLEANUP_JS struct js *note = js_object();
	CLEANUP(cleanup_fd) int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(cleanup_fd) int tree = -1;

	js_set_str(note, "command", "mlops run");
	assert_int_equal(fs_make_dirs(root, path, 0777, &err), 0);
	tree = fs_open_direct(root, path, O_RDONLY | O_DIRECTORY, 0, &err);
	if (satellite_make(tree, note, &err) < 0)
		fail_msg("%s", err.msg);
	return path_join(dir, path);
}

static void refuses(const char *path, const char *message)
{
	struct project *p = NULL;

	error_clear(&err);
	assert_int_equal(project_open(path, &p, &err), -1);
	if (!strstr(err.msg, message))
		fail_msg("%s", err.msg);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static void a_tree_has_its_own_work_and_the_projects_facts(void **state)
{
	CLEANUP(cleanup_free) char *path = make_tree(SCRATCH_DIR "/0123/1");
	CLEANUP(cleanup_free) char *database = NULL;
	struct project *tree, *top;
	struct db *db;
	int first, second;

	(void)state;
	assert_int_equal(project_open(dir, &top, &err), 0);
	if (project_open(path, &tree, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(tree->root, path);
	assert_string_equal(tree->top, dir);
	assert_string_equal(top->top, top->root);
	assert_null(top->scratch);
	assert_string_equal(js_get_str(tree->scratch, "command"), "mlops run");
	assert_true(same_file(tree->homefd, top->dirfd) && !same_file(tree->dirfd, top->dirfd));
	assert_true(same_file(tree->locksfd, top->locksfd) && !same_file(tree->treelocksfd, top->treelocksfd));
	assert_int_equal(project_db(tree, &db, &err), 0);
	database = path_join(path, ".mlops/registry.db");
	assert_int_equal(access(database, F_OK), -1);
	/* Two runs may go on, one in each tree. */
	first = lock_take(top->treelocksfd, LOCK_TREE, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, &err);
	second = lock_take(tree->treelocksfd, LOCK_TREE, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, &err);
	assert_true(first >= 0 && second >= 0);
	close(first);
	close(second);
	project_close(tree);
	project_close(top);
}

static void a_moved_project_takes_its_trees_along(void **state)
{
	CLEANUP(cleanup_free) char *path = make_tree(SCRATCH_DIR "/0123/1");
	CLEANUP(cleanup_free) char *there = xasprintf("%s-moved", dir);
	CLEANUP(cleanup_free) char *tree_there = xasprintf("%s/" SCRATCH_DIR "/0123/1", there);
	struct project *tree;

	(void)state;
	assert_non_null(path);
	assert_int_equal(rename(dir, there), 0);
	assert_int_equal(project_open(tree_there, &tree, &err), 0);
	assert_string_equal(tree->top, there);
	project_close(tree);
	assert_int_equal(rename(there, dir), 0);
}

static void only_the_place_makes_it_a_tree(void **state)
{
	static const char *const places[] = { "clone", "scratch/a/b", SCRATCH_DIR "/a", SCRATCH_DIR "/a/b/c", ".mlops/work/a/b" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		CLEANUP(cleanup_free) char *path = make_tree(places[i]);
		refuses(path, ".mlops/home");
	}
}

static void there_must_be_a_project_around_it(void **state)
{
	CLEANUP(cleanup_free) char *path = make_tree("clone/" SCRATCH_DIR "/a/b");

	(void)state;
	refuses(path, "clone/.mlops/locks");
}

static void a_tree_in_a_tree_is_none(void **state)
{
	CLEANUP(cleanup_free) char *outer = make_tree(SCRATCH_DIR "/a/b");
	CLEANUP(cleanup_free) char *inner = make_tree(SCRATCH_DIR "/a/b/" SCRATCH_DIR "/c/d");
	bool made;

	(void)state;
	refuses(inner, "inside of another one");
	assert_int_equal(project_create(outer, &made, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
}

static void a_tree_of_somebody_else_is_refused(void **state)
{
	CLEANUP(cleanup_free) char *path = make_tree(SCRATCH_DIR "/a/b");
	CLEANUP(cleanup_free) char *home = path_join(path, ".mlops");

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(home, 12345, (gid_t)-1), 0);
	refuses(path, "not of the same owner");
}

static void a_note_that_is_none_is_refused(void **state)
{
	CLEANUP(cleanup_free) char *path = make_tree(SCRATCH_DIR "/a/b");
	CLEANUP(cleanup_free) char *note = path_join(path, ".mlops/" SATELLITE_NOTE);
	FILE *f = fopen(note, "w");

	(void)state;
	fputs("[]\n", f);
	fclose(f);
	refuses(path, "no JSON object");
	unlink(note);
	assert_int_equal(symlink("/etc/passwd", note), 0);
	refuses(path, SATELLITE_NOTE);
}

static void the_code_comes_back_as_it_was(void **state)
{
	struct code_version in = { .commit = "5d207de7", .branch = (char *)"main", .dirty = true, .note = (char *)"x" }, out;
	struct content deleted = { .kind = CONTENT_FILE, .size = 7, .files = 1 }, again;
	CLEANUP_JS struct js *note = js_object();

	(void)state;
	in.changes = (struct content){ .kind = CONTENT_TREE, .size = 5, .files = 2 };
	memset(&in.changes.id, 7, sizeof(in.changes.id));
	js_set(note, "code", satellite_code_json(&in, &deleted));
	satellite_code(note, &out, &again);
	assert_string_equal(out.commit, "5d207de7");
	assert_string_equal(out.branch, "main");
	assert_string_equal(out.note, "x");
	assert_null(out.remote);
	assert_true(out.dirty && content_equal(&in.changes, &out.changes) && out.changes.files == 2);
	assert_true(content_equal(&deleted, &again) && again.size == 7);
	code_version_release(&out);
	/* A tree without a note has no code. */
	satellite_code(NULL, &out, &again);
	assert_true(!out.commit[0] && !out.dirty && again.kind == CONTENT_ABSENT);
	code_version_release(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(a_tree_has_its_own_work_and_the_projects_facts),
		TEST(a_moved_project_takes_its_trees_along),
		TEST(only_the_place_makes_it_a_tree),
		TEST(there_must_be_a_project_around_it),
		TEST(a_tree_in_a_tree_is_none),
		TEST(a_tree_of_somebody_else_is_refused),
		TEST(a_note_that_is_none_is_refused),
		TEST(the_code_comes_back_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
