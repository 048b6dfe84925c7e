/* SPDX-License-Identifier: Apache-2.0 */
/* What pipelines of several projects say is kept while their files stay, and read again when they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/definitions.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "registry/project.h"
#include "registry/projects.h"

static struct {
	char dir[32];
	struct project *p;
	struct db *db;
	struct definitions all;
} f;
static struct error err;

static void write_pipeline(const char *text)
{
	assert_int_equal(io_replace_file(f.p->rootfd, "pipeline.ini", text, strlen(text), 0644, false, &err), 0);
}

static void add(const char *name)
{
	const struct project_row row = { .name = name, .source = f.dir, .kind = SOURCE_HERE, .actor = "anna" };

	assert_int_equal(db_begin(f.db, &err), 0);
	assert_int_equal(project_row_add(f.db, &row, &err), 1);
	assert_int_equal(db_commit(f.db, &err), 0);
}

static int enter(void **state)
{
	bool made;

	(void)state;
	snprintf(f.dir, sizeof(f.dir), "/tmp/mlops-defs-XXXXXX");
	return !mkdtemp(f.dir) || project_create(f.dir, &made, &err) < 0 || project_open(f.dir, &f.p, &err) < 0 ||
			       project_db(f.p, &f.db, &err) < 0 ?
		       -1 :
		       0;
}

static int leave(void **state)
{
	(void)state;
	definitions_free(&f.all);
	project_close(f.p);
	return fs_remove_tree(AT_FDCWD, f.dir, NULL);
}

static void all_are_there(size_t n, const char *monitor)
{
	static const char *const names[] = { "a", "b", "c" };
	const struct monitor_section *section;

	assert_int_equal(f.all.len, n);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(f.all.items[i].project, names[i]);
		assert_non_null(f.all.items[i].pipeline);
		assert_ptr_equal(definition_of_project(&f.all, names[i]), &f.all.items[i]);
	}
	assert_ptr_equal(definition_of_monitor(&f.all, monitor, &section), &f.all.items[0]);
}

static void projects_that_stay_are_kept(void **state)
{
	(void)state;
	write_pipeline("[monitor.m]\ndata = a.csv\nreference = a.csv\n");
	add("a");
	add("b");
	assert_int_equal(definitions_refresh(f.p, &f.all, &err), 1);
	for (int i = 0; i < 3; i++) {
		all_are_there(2, "m");
		assert_int_equal(definitions_refresh(f.p, &f.all, &err), 0);
	}
	add("c");
	assert_int_equal(definitions_refresh(f.p, &f.all, &err), 1);
	all_are_there(3, "m");
	write_pipeline("[monitor.other]\ndata = a.csv\nreference = a.csv\n");
	assert_int_equal(definitions_refresh(f.p, &f.all, &err), 1);
	all_are_there(3, "other");
	assert_int_equal(db_begin(f.db, &err), 0);
	assert_int_equal(project_row_remove(f.db, "c", &err), 0);
	assert_int_equal(db_commit(f.db, &err), 0);
	assert_int_equal(definitions_refresh(f.p, &f.all, &err), 1);
	all_are_there(2, "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(projects_that_stay_are_kept, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
