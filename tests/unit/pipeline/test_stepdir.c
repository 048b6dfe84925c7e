/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs of a running step: old ones come back, new ones are kept, however often it is interrupted. */
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
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/orphans.h"
#include "pipeline/plan.h"
#include "pipeline/stepdir.h"
#include "registry/project.h"

#define RUN "0123456789abcdef0123456789abcdef"

struct fixture {
	char dir[64];
	struct project *p;
	struct plan_output outputs[2];
	struct plan_node node;
};

static void put(struct fixture *f, const char *path, const char *text)
{
	assert_int_equal(fs_make_parents(f->p->rootfd, path, 0777, NULL), 0);
	assert_int_equal(io_replace_file(f->p->rootfd, path, text, strlen(text), 0644, false, NULL), 0);
}

static void expect(struct fixture *f, const char *path, const char *text)
{
	struct strbuf got = STRBUF_INIT;
	struct stat st;

	if (!text) {
		assert_int_equal(fs_stat_beneath(f->p->rootfd, path, &st, NULL), 0);
		return;
	}
	assert_int_equal(io_read_file(f->p->rootfd, path, 1 << 20, &got, NULL), 0);
	assert_string_equal(got.buf, text);
	strbuf_release(&got);
}

static int setup(void **state)
{
	static struct fixture f;
	struct error err;
	bool made;

	memset(&f, 0, sizeof(f));
	snprintf(f.dir, sizeof(f.dir), "/tmp/mlops-stepdir-XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	assert_int_equal(project_create(f.dir, &made, &err), 0);
	assert_int_equal(project_open(f.dir, &f.p, &err), 0);
	f.outputs[0] = (struct plan_output){ .path = (char *)"models/a", .use = OUT_DATA };
	f.outputs[1] = (struct plan_output){ .path = (char *)"new/dir/b", .use = OUT_DATA };
	f.node.name = "train";
	f.node.outputs = f.outputs;
	f.node.noutputs = 2;
	put(&f, "models/a", "old");
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	project_close(f->p);
	return fs_remove_tree(AT_FDCWD, f->dir, NULL);
}

static void begin_moves_old_outputs_away_and_makes_parents(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, NULL, NULL), 0);
	expect(f, "models/a", NULL);
	expect(f, ".mlops/work/" RUN "/train/old/models/a", "old");
	put(f, "new/dir/b", "made in a parent that begin made");
}

static void accept_drops_the_old(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, NULL, NULL), 0);
	put(f, "models/a", "new");
	assert_int_equal(stepdir_accept(f->p, RUN, "train", NULL, NULL), 0);
	expect(f, "models/a", "new");
	expect(f, ".mlops/work/" RUN "/train", NULL);
}

static void accept_puts_aside_what_is_precious(void **state)
{
	struct fixture *f = *state;
	struct strlist notes = STRLIST_INIT;
	const bool precious[] = { true, true };

	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, precious, NULL), 0);
	put(f, "models/a", "new");
	assert_int_equal(stepdir_accept(f->p, RUN, "train", &notes, NULL), 0);
	assert_int_equal(notes.len, 1);
	assert_non_null(strstr(notes.items[0], ".mlops/aside/" RUN "/models/a"));
	strlist_release(&notes);
	expect(f, "models/a", "new");
	expect(f, ".mlops/aside/" RUN "/models/a", "old");
	expect(f, ".mlops/work/" RUN "/train", NULL);
}

static void reject_brings_the_old_back_and_keeps_the_new(void **state)
{
	struct fixture *f = *state;
	bool kept;

	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, NULL, NULL), 0);
	put(f, "models/a", "half");
	put(f, "new/dir/b", "half too");
	assert_int_equal(stepdir_reject(f->p, RUN, "train", &kept, NULL), 0);
	assert_true(kept);
	expect(f, "models/a", "old");
	expect(f, "new/dir/b", NULL);
	expect(f, ".mlops/failed/" RUN "/train/models/a", "half");
	expect(f, ".mlops/failed/" RUN "/train/new/dir/b", "half too");
	assert_int_equal(stepdir_reject(f->p, RUN, "train", &kept, NULL), 0);
	assert_false(kept);
	expect(f, "models/a", "old");
}

static int never(void *ctx, const char *run, const char *step)
{
	(void)ctx, (void)run, (void)step;
	return 0;
}

static int always(void *ctx, const char *run, const char *step)
{
	(void)ctx, (void)run, (void)step;
	return 1;
}

static void recover(struct fixture *f, int (*accepted)(void *, const char *, const char *), size_t notes)
{
	struct strlist list = STRLIST_INIT;

	assert_int_equal(stepdir_recover(f->p, accepted, NULL, &list, NULL), 0);
	assert_int_equal(list.len, notes);
	strlist_release(&list);
	expect(f, ".mlops/work/" RUN, NULL);
}

static void a_crash_before_anything_moved_leaves_the_old(void **state)
{
	struct fixture *f = *state;

	put(f, ".mlops/work/" RUN "/train/journal", "1 models/a\n0 new/dir/b\n");
	recover(f, never, 1);
	expect(f, "models/a", "old");
}

static void a_crash_between_the_moves_of_a_reject_is_completed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, NULL, NULL), 0);
	put(f, "new/dir/b", "half");
	/* models/a is back already, new/dir/b not yet dealt with. */
	assert_int_equal(renameat(f->p->rootfd, ".mlops/work/" RUN "/train/old/models/a", f->p->rootfd, "models/a"), 0);
	recover(f, never, 1);
	expect(f, "models/a", "old");
	expect(f, "new/dir/b", NULL);
	expect(f, ".mlops/failed/" RUN "/train/new/dir/b", "half");
}

static void a_crash_after_the_facts_were_recorded_keeps_the_new(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, NULL, NULL), 0);
	put(f, "models/a", "new");
	put(f, "new/dir/b", "new");
	recover(f, always, 0);
	expect(f, "models/a", "new");
	expect(f, "new/dir/b", "new");
}

static void a_crash_after_the_facts_were_recorded_puts_aside_what_is_precious(void **state)
{
	struct fixture *f = *state;
	const bool precious[] = { true, false };

	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, precious, NULL), 0);
	put(f, "models/a", "new");
	recover(f, always, 1);
	expect(f, "models/a", "new");
	expect(f, ".mlops/aside/" RUN "/models/a", "old");
}

static void what_is_precious_comes_back_as_all_else(void **state)
{
	struct fixture *f = *state;
	const bool precious[] = { true, false };

	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, precious, NULL), 0);
	put(f, "models/a", "half");
	recover(f, never, 1);
	expect(f, "models/a", "old");
	expect(f, ".mlops/aside/" RUN, NULL);
}

static void the_end_of_a_run_drops_nothing_that_is_not_settled(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, NULL, NULL), 0);
	put(f, "models/a", "half");
	assert_int_equal(stepdir_end_run(f->p, RUN, NULL), 0);
	recover(f, never, 1);
	expect(f, "models/a", "old");
	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, NULL, NULL), 0);
	assert_int_equal(stepdir_accept(f->p, RUN, "train", NULL, NULL), 0);
	assert_int_equal(stepdir_end_run(f->p, RUN, NULL), 0);
	expect(f, ".mlops/work/" RUN, NULL);
	assert_int_equal(stepdir_end_run(f->p, RUN, NULL), 0);
}

static void a_torn_journal_is_read_to_its_last_whole_line(void **state)
{
	struct fixture *f = *state;

	put(f, ".mlops/work/" RUN "/train/journal", "1 models/a\n0 new/d");
	put(f, "new/d", "not ours");
	recover(f, never, 1);
	expect(f, "new/d", "not ours");
}

static void a_file_in_place_of_the_directory_above_makes_way(void **state)
{
	struct fixture *f = *state;
	bool kept;

	assert_int_equal(stepdir_begin(f->p, RUN, &f->node, NULL, NULL), 0);
	assert_int_equal(fs_remove_tree(f->p->rootfd, "models", NULL), 0);
	put(f, "models", "a file now");
	assert_int_equal(stepdir_reject(f->p, RUN, "train", &kept, NULL), 0);
	assert_true(kept);
	expect(f, "models/a", "old");
	expect(f, ".mlops/failed/" RUN "/train/models", "a file now");
}

static void old_outputs_without_a_journal_are_kept_aside(void **state)
{
	struct fixture *f = *state;

	put(f, ".mlops/work/" RUN "/train/journal", "");
	put(f, ".mlops/work/" RUN "/train/old/models/a", "by hand");
	recover(f, never, 1);
	expect(f, ".mlops/aside/" RUN "/train/models/a", "by hand");
}

/* A step in a container, whose outputs stand in its work directory when it has ended. */
static void begin_scratch(struct fixture *f, const bool *precious)
{
	assert_int_equal(stepdir_begin_scratch(f->p, RUN, &f->node, 1, precious, NULL), 0);
	expect(f, "models/a", "old");
	put(f, ".mlops/work/" RUN "/train/1/models/a", "made");
	put(f, ".mlops/work/" RUN "/train/1/new/dir/b", "made too");
	put(f, ".mlops/work/" RUN "/train/1/undeclared", "dropped");
}

static void scratch_touches_the_project_only_when_it_is_accepted(void **state)
{
	struct fixture *f = *state;
	struct strlist notes CLEANUP(strlist_release) = STRLIST_INIT;

	begin_scratch(f, NULL);
	expect(f, "models/a", "old");
	assert_int_equal(stepdir_accept(f->p, RUN, "train", &notes, NULL), 0);
	expect(f, "models/a", "made");
	expect(f, "new/dir/b", "made too");
	expect(f, "undeclared", NULL);
	expect(f, ".mlops/work/" RUN "/train", NULL);
	assert_int_equal(notes.len, 0);
}

static void what_is_precious_makes_room_for_scratch(void **state)
{
	struct fixture *f = *state;
	struct strlist notes CLEANUP(strlist_release) = STRLIST_INIT;
	const bool later[] = { true, false };

	begin_scratch(f, NULL);
	put(f, "models/a", "by hand, meanwhile");
	assert_int_equal(stepdir_set_precious(f->p, RUN, &f->node, 1, later, NULL), 0);
	assert_int_equal(stepdir_accept(f->p, RUN, "train", &notes, NULL), 0);
	expect(f, "models/a", "made");
	expect(f, ".mlops/aside/" RUN "/models/a", "by hand, meanwhile");
	assert_int_equal(notes.len, 1);
}

static void rejected_scratch_is_kept_and_leaves_the_project_alone(void **state)
{
	struct fixture *f = *state;
	bool kept;

	begin_scratch(f, NULL);
	assert_int_equal(stepdir_reject(f->p, RUN, "train", &kept, NULL), 0);
	assert_true(kept);
	expect(f, "models/a", "old");
	expect(f, ".mlops/failed/" RUN "/train/models/a", "made");
	expect(f, "new/dir/b", NULL);
}

/* Its container may still run: only the engine knows. */
static void recovery_leaves_scratch_that_was_not_accepted(void **state)
{
	struct fixture *f = *state;

	struct strlist notes CLEANUP(strlist_release) = STRLIST_INIT;

	begin_scratch(f, NULL);
	assert_int_equal(stepdir_recover(f->p, never, NULL, &notes, NULL), 0);
	assert_int_equal(notes.len, 0);
	expect(f, ".mlops/work/" RUN "/train/1/models/a", "made");
	expect(f, "models/a", "old");
}

static void a_crash_while_scratch_is_accepted_is_completed(void **state)
{
	struct fixture *f = *state;

	begin_scratch(f, NULL);
	/* The old output had made room, the new one had not come yet. */
	assert_int_equal(renameat(f->p->rootfd, "models/a", f->p->rootfd, ".mlops/work/" RUN "/train/1/undeclared"), 0);
	put(f, ".mlops/work/" RUN "/train/old/models/a", "old");
	recover(f, always, 0);
	expect(f, "models/a", "made");
	expect(f, "new/dir/b", "made too");
	expect(f, ".mlops/work/" RUN, NULL);
}

static void a_file_made_after_such_a_crash_is_kept(void **state)
{
	struct fixture *f = *state;

	begin_scratch(f, NULL);
	put(f, ".mlops/work/" RUN "/train/old/models/a", "old");
	put(f, "models/a", "by hand");
	recover(f, always, 1);
	expect(f, "models/a", "made");
	expect(f, ".mlops/aside/" RUN "/models/a", "by hand");
}

static void a_run_that_used_containers_is_left_to_who_asks_the_engine(void **state)
{
	struct fixture *f = *state;

	struct strlist notes CLEANUP(strlist_release) = STRLIST_INIT;

	put(f, ".mlops/work/" RUN "/" STEPDIR_PROBE, "");
	assert_int_equal(stepdir_recover(f->p, never, NULL, &notes, NULL), 0);
	expect(f, ".mlops/work/" RUN "/" STEPDIR_PROBE, "");
	assert_int_equal(stepdir_end_run(f->p, RUN, NULL), 0);
	expect(f, ".mlops/work/" RUN, NULL);
}

static void containers_of_instances_are_found_again(void **state)
{
	struct fixture *f = *state;
	struct orphan note = { .run = RUN, .nested = RUN, .step = (char *)"train@a%2Fb-+1", .name = (char *)"x", .attempt = 1 };
	struct orphans found = { 0 };

	f->node.name = note.step;
	assert_int_equal(stepdir_begin_scratch(f->p, RUN, &f->node, 1, NULL, NULL), 0);
	put(f, ".mlops/work/" RUN "/not@ours!/container", "{}");
	assert_int_equal(orphan_note(f->p, &note, NULL), 0);
	assert_int_equal(orphans_find(f->p, &found, NULL), 0);
	assert_int_equal(found.len, 1);
	assert_string_equal(found.items[0].step, note.step);
	assert_string_equal(found.items[0].name, "x");
	orphans_release(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(begin_moves_old_outputs_away_and_makes_parents, setup, teardown),
		cmocka_unit_test_setup_teardown(accept_drops_the_old, setup, teardown),
		cmocka_unit_test_setup_teardown(accept_puts_aside_what_is_precious, setup, teardown),
		cmocka_unit_test_setup_teardown(a_crash_after_the_facts_were_recorded_puts_aside_what_is_precious, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_precious_comes_back_as_all_else, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_of_a_run_drops_nothing_that_is_not_settled, setup, teardown),
		cmocka_unit_test_setup_teardown(reject_brings_the_old_back_and_keeps_the_new, setup, teardown),
		cmocka_unit_test_setup_teardown(a_crash_before_anything_moved_leaves_the_old, setup, teardown),
		cmocka_unit_test_setup_teardown(a_crash_between_the_moves_of_a_reject_is_completed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_crash_after_the_facts_were_recorded_keeps_the_new, setup, teardown),
		cmocka_unit_test_setup_teardown(a_torn_journal_is_read_to_its_last_whole_line, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_in_place_of_the_directory_above_makes_way, setup, teardown),
		cmocka_unit_test_setup_teardown(scratch_touches_the_project_only_when_it_is_accepted, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_precious_makes_room_for_scratch, setup, teardown),
		cmocka_unit_test_setup_teardown(rejected_scratch_is_kept_and_leaves_the_project_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(recovery_leaves_scratch_that_was_not_accepted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_crash_while_scratch_is_accepted_is_completed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_made_after_such_a_crash_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(a_run_that_used_containers_is_left_to_who_asks_the_engine, setup, teardown),
		cmocka_unit_test_setup_teardown(old_outputs_without_a_journal_are_kept_aside, setup, teardown),
		cmocka_unit_test_setup_teardown(containers_of_instances_are_found_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
