/* SPDX-License-Identifier: Apache-2.0 */
/* Steps in containers, played by a scripted runner that writes where /w is mounted. */
#include "run_fixture.h"
#include "pipeline/orphans.h"
#include "pipeline/scratch.h"
#include "registry/lockfile.h"

#define IMAGE "[pipeline]\nimage = box\n"

/* What the runner was told of the step that ran last. */
static struct fixture *current;
static struct seen {
	char *mounts, *env;
	uid_t uid;
	bool network;
} seen;

static void forget_seen(void)
{
	free(seen.mounts);
	free(seen.env);
	seen = (struct seen){ 0 };
}

static void see(void *ctx, const struct runner_spec *spec)
{
	const struct fixture *f = current;
	struct strbuf mounts = STRBUF_INIT, env = STRBUF_INIT;

	(void)ctx;
	forget_seen();
	for (size_t i = 0; i < spec->nmounts; i++) {
		const char *source = spec->mounts[i].source;
		bool inside = !strncmp(source, f->p->root, strlen(f->p->root));
		strbuf_printf(&mounts, "%s%s %s\n", spec->mounts[i].writable ? "rw " : "", spec->mounts[i].target,
			      !inside			       ? "outside" :
			      strstr(source, "/.mlops/objects/") ? "object" :
			      strstr(source, "/farm/")		 ? "farm" :
								   "");
	}
	for (size_t i = 0; spec->env[i]; i++)
		strbuf_printf(&env, "%s\n", spec->env[i]);
	seen = (struct seen){ strbuf_detach(&mounts), strbuf_detach(&env), spec->uid, spec->network };
}

static const struct fake_action make_x[] = {
	{ .act = FAKE_CALL, .call = see },
	{ .act = FAKE_FILE, .text = "x", .data = "X" },
	{ .act = FAKE_END },
};
static const struct fake_step steps[] = { { "a", 0, make_x } };

static struct fake_script script_of(struct fixture *f, const struct fake_step *step)
{
	forget_seen();
	current = f;
	return (struct fake_script){ .steps = step, .nsteps = 1 };
}

static void outputs_come_out_of_the_container(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = script_of(f, steps);

	put(f, "x", "old");
	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n", &script, (struct run_options){ 0 }), 0);
	expect(f, "x", "X");
	assert_string_equal(seen.mounts, "rw /w \nrw /mlops \n/w/in \n");
	assert_non_null(strstr(seen.env, "HOME=/tmp\n"));
	assert_non_null(strstr(seen.env, "MLOPS_PARAMS=/mlops/params.json\n"));
	assert_null(strstr(seen.env, "PATH="));
	assert_false(seen.network);
	assert_true(seen.uid != 0);
	strlist_release(&script.log);
}

static void nothing_is_run_twice_and_the_pin_is_in_the_lock(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = script_of(f, steps);
	struct lockfile lock CLEANUP(lockfile_release) = LOCKFILE_INIT;
	const char *ini = IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n";

	assert_int_equal(run(f, ini, &script, (struct run_options){ 0 }), 0);
	assert_int_equal(run(f, ini, &script, (struct run_options){ 0 }), 0);
	assert_int_equal(count(f, "fresh"), 1);
	assert_int_equal(lockfile_load(f->p->rootfd, &lock, NULL), 0);
	assert_non_null(lockfile_find(&lock, LOCKED_IMAGE, "box"));
	strlist_release(&script.log);
}

static void undeclared_files_are_dropped_and_named(void **state)
{
	static const struct fake_action acts[] = {
		{ .act = FAKE_FILE, .text = "x", .data = "X" },
		{ .act = FAKE_FILE, .text = "cache.bin", .data = "?" },
		{ .act = FAKE_FILE, .text = "a.pyc", .data = "of no interest" },
		{ .act = FAKE_END },
	};
	static const struct fake_step step[] = { { "a", 0, acts } };
	struct fixture *f = *state;
	struct fake_script script = script_of(f, step);

	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n", &script, (struct run_options){ 0 }), 0);
	expect(f, "cache.bin", NULL);
	assert_int_equal(f->notes.len, 1);
	assert_non_null(strstr(f->notes.items[0], "it also wrote cache.bin"));
	strlist_release(&script.log);
}

static void a_failure_that_names_an_undeclared_file_says_so(void **state)
{
	static const char *const lines[] = {
		"FileNotFoundError: [Errno 2] No such file or directory: 'utils.py'\n",
		"can't open file '/w/utils.py': [Errno 2]\n",
		"ModuleNotFoundError: No module named 'utils'\n",
	};
	struct fixture *f = *state;

	put(f, "utils.py", "");
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const struct fake_action acts[] = { { .act = FAKE_STDERR, .text = lines[i] }, { .act = FAKE_EXIT, .value = 1 } };
		const struct fake_step step[] = { { "a", 0, acts } };
		struct fake_script script = script_of(f, step);
		assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n", &script,
				     (struct run_options){ 0 }), -1);
		assert_non_null(strstr(f->err.help, "add utils.py to in="));
		strlist_release(&script.log);
	}
}

static void a_failure_leaves_the_project_alone(void **state)
{
	static const struct fake_action acts[] = {
		{ .act = FAKE_FILE, .text = "x", .data = "half" },
		{ .act = FAKE_EXIT, .value = 1 },
	};
	static const struct fake_step step[] = { { "a", 0, acts } };
	struct fixture *f = *state;
	struct fake_script script = script_of(f, step);

	put(f, "x", "old");
	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n", &script, (struct run_options){ 0 }), -1);
	expect(f, "x", "old");
	assert_non_null(js_get_str(js_get(f->result, "failure"), "kept"));
	strlist_release(&script.log);
}

static void an_output_that_is_a_symlink_is_refused(void **state)
{
	struct fixture *f = *state;
	CLEANUP(cleanup_free) char *target = xstrdup("elsewhere");
	const struct fake_action acts[] = {
		{ .act = FAKE_FILE, .text = "elsewhere", .data = "X" },
		{ .act = FAKE_LINK, .text = "x", .data = target },
		{ .act = FAKE_END },
	};
	const struct fake_step step[] = { { "a", 0, acts } };
	struct fake_script script = script_of(f, step);

	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n", &script, (struct run_options){ 0 }), -1);
	assert_int_equal(f->err.code, ERR_FAILED);
	assert_non_null(strstr(f->err.msg, "symlink"));
	strlist_release(&script.log);
}

static void put_many(struct fixture *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char path[32];
		snprintf(path, sizeof(path), "many/d/%04zu", i);
		put(f, path, path);
	}
}

static void many_files_are_one_mount(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = script_of(f, steps);

	put_many(f, SCRATCH_MOUNTS + 1);
	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = many/d/*\nout = x\n", &script, (struct run_options){ 0 }), 0);
	assert_string_equal(seen.mounts, "rw /w \nrw /mlops \n/w/many farm\n");
	strlist_release(&script.log);
}

static void see_farm(void *ctx, const struct runner_spec *spec)
{
	struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_free) char *inside = NULL;
	struct stat st;

	see(ctx, spec);
	inside = path_join(spec->mounts[0].source, "many/d/0003");
	assert_int_equal(io_read_file(AT_FDCWD, inside, 100, &text, NULL), 0);
	assert_string_equal(text.buf, "many/d/0003");
	assert_int_equal(lstat(inside, &st), 0);
	assert_int_equal(st.st_nlink, 1);
	strbuf_release(&text);
}

/* An output in their directory must be writable, and the store must not be. */
static void many_files_beside_an_output_are_copies(void **state)
{
	static const struct fake_action acts[] = {
		{ .act = FAKE_CALL, .call = see_farm },
		{ .act = FAKE_FILE, .text = "many/d/out", .data = "X" },
		{ .act = FAKE_END },
	};
	static const struct fake_step step[] = { { "a", 0, acts } };
	struct fixture *f = *state;
	struct fake_script script = script_of(f, step);

	put_many(f, SCRATCH_MOUNTS + 1);
	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = many/d/0*\nout = many/d/out\n", &script,
			     (struct run_options){ 0 }), 0);
	expect(f, "many/d/out", "X");
	assert_string_equal(seen.mounts, "rw /w \nrw /mlops \n");
	strlist_release(&script.log);
}

static void an_input_that_its_user_cannot_read_is_told_before_anything_runs(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = script_of(f, steps);

	if (geteuid() != 0)
		skip();
	assert_int_equal(fchmodat(f->p->rootfd, "in", 0600, 0), 0);
	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n", &script, (struct run_options){ 0 }), -1);
	assert_int_equal(f->err.code, ERR_ENV);
	assert_non_null(strstr(f->err.msg, "input in cannot be read by user 65532"));
	assert_string_equal(f->err.help, "run: chmod -R a+rX in");
	assert_int_equal(script.log.len, 0);
}

static void outputs_belong_to_the_owner_of_the_project(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = script_of(f, steps);
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_int_equal(fchown(f->p->rootfd, 4711, 4712), 0);
	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n", &script, (struct run_options){ 0 }), 0);
	assert_int_equal(seen.uid, 4711);
	assert_int_equal(fchown(f->p->rootfd, 0, 0), 0);
	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true again\nin = in\nout = x\n", &script, (struct run_options){ 0 }), 0);
	assert_int_equal(seen.uid, 65532);
	assert_int_equal(fs_stat_beneath(f->p->rootfd, "x", &st, NULL), 1);
	assert_int_equal(st.st_uid, 0);
	strlist_release(&script.log);
}

static void one_step_may_opt_out(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = script_of(f, steps);

	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nimage = none\nin = in\nout = x\n", &script,
			     (struct run_options){ 0 }), 0);
	assert_string_equal(seen.mounts, "");
	assert_non_null(strstr(seen.env, "PATH="));
	expect(f, "x", "X");
	strlist_release(&script.log);
}

static int64_t mode_of(struct fixture *f, const char *path)
{
	struct stat st;

	assert_int_equal(fs_stat_beneath(f->p->rootfd, path, &st, NULL), 1);
	return st.st_mode & 07777;
}

static void make_odd_modes(void *ctx, const struct runner_spec *spec)
{
	CLEANUP(cleanup_free) char *path = path_join(spec->mounts[0].source, "x");

	see(ctx, spec);
	assert_int_equal(chmod(path, 06777), 0);
}

static void outputs_have_the_modes_of_our_own_files(void **state)
{
	static const struct fake_action acts[] = {
		{ .act = FAKE_FILE, .text = "x", .data = "X" },
		{ .act = FAKE_CALL, .call = make_odd_modes },
		{ .act = FAKE_END },
	};
	static const struct fake_step step[] = { { "a", 0, acts } };
	struct fixture *f = *state;
	struct fake_script script = script_of(f, step);
	mode_t mask = umask(022);

	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n", &script, (struct run_options){ 0 }), 0);
	umask(mask);
	assert_int_equal(mode_of(f, "x"), 0755);
	strlist_release(&script.log);
}

/* The summary of a step that made a symlink of it is not what the symlink leads to. */
static void link_summary(void *ctx, const struct runner_spec *spec)
{
	CLEANUP(cleanup_free) char *path = path_join(spec->mounts[1].source, "summary.md");

	see(ctx, spec);
	assert_int_equal(symlink("/etc/passwd", path), 0);
}

static void what_a_step_reports_is_not_read_through_symlinks(void **state)
{
	static const struct fake_action acts[] = {
		{ .act = FAKE_FILE, .text = "x", .data = "X" },
		{ .act = FAKE_CALL, .call = link_summary },
		{ .act = FAKE_END },
	};
	static const struct fake_step step[] = { { "a", 0, acts } };
	struct fixture *f = *state;
	struct fake_script script = script_of(f, step);
	CLEANUP_JS struct js *nested = NULL;
	const struct js *steps_ran;
	struct db *db;

	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n", &script, (struct run_options){ 0 }), 0);
	steps_ran = js_get(f->result, "steps");
	assert_int_equal(project_db(f->p, &db, NULL), 0);
	assert_int_equal(run_load(db, js_get_str(js_at(steps_ran, 0), "run_id"), &nested, NULL), 0);
	assert_null(js_get_str(js_get(nested, "tags"), "mlflow.note.content"));
	strlist_release(&script.log);
}

static void an_output_that_has_no_place_is_told_before_anything_runs(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = script_of(f, steps);

	put(f, "data", "a file");
	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = data/x\n", &script,
			     (struct run_options){ 0 }), -1);
	assert_int_equal(f->err.code, ERR_CONFLICT);
	assert_non_null(strstr(f->err.msg, "output data/x cannot be put there: data is no directory"));
	assert_int_equal(script.log.len, 0);
}

static void block_place(void *ctx, const struct runner_spec *spec)
{
	see(ctx, spec);
	put(current, "data", "in the way");
}

/* What came into the way meanwhile fails the step, and is left alone. */
static void an_output_whose_place_is_taken_meanwhile_fails_the_step(void **state)
{
	static const struct fake_action acts[] = {
		{ .act = FAKE_FILE, .text = "data/x", .data = "X" },
		{ .act = FAKE_CALL, .call = block_place },
		{ .act = FAKE_END },
	};
	static const struct fake_step step[] = { { "a", 0, acts } };
	struct fixture *f = *state;
	struct fake_script script = script_of(f, step);

	assert_int_equal(run(f, IMAGE "[step.a]\ncmd = true\nin = in\nout = data/x\n", &script,
			     (struct run_options){ 0 }), -1);
	assert_non_null(strstr(f->err.msg, "data is no directory"));
	expect(f, "data", "in the way");
	strlist_release(&script.log);
}

/* Whoever wrote a tag into mlops.lock pinned nothing. */
static void a_tag_is_no_pin(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = script_of(f, steps);
	struct lockfile lock CLEANUP(lockfile_release) = LOCKFILE_INIT;
	const char *ini = IMAGE "[step.a]\ncmd = true\nin = in\nout = x\n";

	put(f, "mlops.lock", "image box:latest box\n\n");
	assert_int_equal(run(f, ini, &script, (struct run_options){ 0 }), 0);
	assert_int_equal(lockfile_load(f->p->rootfd, &lock, NULL), 0);
	assert_true(!strncmp(lockfile_find(&lock, LOCKED_IMAGE, "box")->value, "sha256:", 7));
	strlist_release(&script.log);
}

static int done(void **state)
{
	forget_seen();
	return teardown(state);
}

/* A deadline counts from the first attempt, also for who takes over a later one. */
static void what_a_container_is_to_do_is_found_again(void **state)
{
	struct fixture *f = *state;
	struct orphans list = { 0 };
	struct orphan note = {
		.run = "0123456789abcdef0123456789abcdef",
		.nested = "fedcba9876543210fedcba9876543210",
		.step = (char *)"a@x%2Fy-1",
		.name = (char *)"0123456789abcdef0123456789abcdef-a@x%2Fy-1-3",
		.attempt = 3,
		.start_ms = 2000,
		.first_ms = 1000,
	};

	assert_int_equal(fs_make_dirs(f->p->rootfd, ".mlops/work/0123456789abcdef0123456789abcdef/a@x%2Fy-1", 0777, NULL), 0);
	assert_int_equal(orphan_note(f->p, &note, &f->err), 0);
	assert_int_equal(orphans_find(f->p, &list, &f->err), 0);
	assert_int_equal(list.len, 1);
	assert_string_equal(list.items[0].step, note.step);
	assert_string_equal(list.items[0].name, note.name);
	assert_int_equal(list.items[0].attempt, 3);
	assert_int_equal(list.items[0].start_ms, 2000);
	assert_int_equal(list.items[0].first_ms, 1000);
	orphans_release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(outputs_come_out_of_the_container, setup, done),
		cmocka_unit_test_setup_teardown(nothing_is_run_twice_and_the_pin_is_in_the_lock, setup, done),
		cmocka_unit_test_setup_teardown(undeclared_files_are_dropped_and_named, setup, done),
		cmocka_unit_test_setup_teardown(a_failure_that_names_an_undeclared_file_says_so, setup, done),
		cmocka_unit_test_setup_teardown(a_failure_leaves_the_project_alone, setup, done),
		cmocka_unit_test_setup_teardown(an_output_that_is_a_symlink_is_refused, setup, done),
		cmocka_unit_test_setup_teardown(many_files_are_one_mount, setup, done),
		cmocka_unit_test_setup_teardown(many_files_beside_an_output_are_copies, setup, done),
		cmocka_unit_test_setup_teardown(an_input_that_its_user_cannot_read_is_told_before_anything_runs, setup, done),
		cmocka_unit_test_setup_teardown(outputs_belong_to_the_owner_of_the_project, setup, done),
		cmocka_unit_test_setup_teardown(one_step_may_opt_out, setup, done),
		cmocka_unit_test_setup_teardown(outputs_have_the_modes_of_our_own_files, setup, done),
		cmocka_unit_test_setup_teardown(what_a_step_reports_is_not_read_through_symlinks, setup, done),
		cmocka_unit_test_setup_teardown(an_output_that_has_no_place_is_told_before_anything_runs, setup, done),
		cmocka_unit_test_setup_teardown(an_output_whose_place_is_taken_meanwhile_fails_the_step, setup, done),
		cmocka_unit_test_setup_teardown(a_tag_is_no_pin, setup, done),
		cmocka_unit_test_setup_teardown(what_a_container_is_to_do_is_found_again, setup, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
