/* SPDX-License-Identifier: Apache-2.0 */
/* mlops.lock: its text, what it refuses, and how two branches merge it with the real git. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/lockfile.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C64 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static struct error err;

static int parse(const char *text, struct lockfile *ret)
{
	return lockfile_parse(text, strlen(text), ret, &err);
}

static void assert_format(const struct lockfile *lock, const char *want)
{
	struct strbuf sb = STRBUF_INIT;

	lockfile_format(lock, &sb);
	assert_string_equal(sb.buf, want);
	strbuf_release(&sb);
}

static void text_is_sorted_with_an_empty_line_after_each(void **state)
{
	struct lockfile lock = LOCKFILE_INIT;

	(void)state;
	lockfile_set(&lock, LOCKED_STEP, "train", A64);
	lockfile_set(&lock, LOCKED_DATA, "data/raw", "tree:" B64);
	lockfile_set(&lock, LOCKED_OUT, "model.bin", "file:" A64);
	lockfile_set(&lock, LOCKED_IMAGE, "train", "sha256:" C64);
	lockfile_set(&lock, LOCKED_DATA, "a b", "exec:" C64);
	assert_format(&lock, "data exec:" C64 " a b\n\n"
			     "data tree:" B64 " data/raw\n\n"
			     "image sha256:" C64 " train\n\n"
			     "out file:" A64 " model.bin\n\n"
			     "step " A64 " train\n\n");
	lockfile_release(&lock);
}

static void parse_gives_back_what_was_set(void **state)
{
	static const char text[] = "data tree:" B64 " data/raw\n\nstep " A64 " train\n\n";
	struct lockfile lock = LOCKFILE_INIT;
	struct content content;
	struct digest key, want;

	(void)state;
	assert_int_equal(parse(text, &lock), 0);
	assert_int_equal(lock.len, 2);
	assert_false(lock.dirty);
	assert_true(lockfile_content(&lock, LOCKED_DATA, "data/raw", &content));
	assert_int_equal(content.kind, CONTENT_TREE);
	assert_true(lockfile_step(&lock, "train", &key));
	assert_true(digest_parse(A64, &want));
	assert_true(digest_equal(&key, &want));
	assert_false(lockfile_step(&lock, "other", &key));
	assert_null(lockfile_find(&lock, LOCKED_OUT, "data/raw"));
	assert_format(&lock, text);
	lockfile_release(&lock);
}

static void lines_in_any_order_are_sorted(void **state)
{
	struct lockfile lock = LOCKFILE_INIT;

	(void)state;
	assert_int_equal(parse("step " A64 " b\nout file:" A64 " x\nstep " B64 " a\n", &lock), 0);
	assert_format(&lock, "out file:" A64 " x\n\nstep " B64 " a\n\nstep " A64 " b\n\n");
	lockfile_release(&lock);
}

static void bom_crlf_and_a_missing_last_newline_are_accepted(void **state)
{
	struct lockfile lock = LOCKFILE_INIT;

	(void)state;
	assert_int_equal(parse("\xef\xbb\xbfout file:" A64 " x\r\n\r\nstep " B64 " a", &lock), 0);
	assert_format(&lock, "out file:" A64 " x\n\nstep " B64 " a\n\n");
	lockfile_release(&lock);
}

static void odd_names_survive_a_round_trip(void **state)
{
	static const char *const names[] = { " lead",       "trail ",    "a\nb",
					     "back\\slash", "tab\there", "\xc3\xa9t\xc3\xa9",
					     "\x7f",        "a  b",      "\xff",
					     "x\\x41" };
	struct lockfile lock = LOCKFILE_INIT, again = LOCKFILE_INIT;
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		lockfile_set(&lock, LOCKED_STEP, names[i], A64);
	lockfile_format(&lock, &sb);
	assert_non_null(strstr(sb.buf, " \\x20lead\n"));
	assert_non_null(strstr(sb.buf, " a\\x0ab\n"));
	assert_int_equal(lockfile_parse(sb.buf, sb.len, &again, &err), 0);
	assert_int_equal(again.len, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_non_null(lockfile_find(&again, LOCKED_STEP, names[i]));
	assert_format(&again, sb.buf);
	strbuf_release(&sb);
	lockfile_release(&lock);
	lockfile_release(&again);
}

static void a_bad_line_is_named_with_its_number_and_fix(void **state)
{
	static const struct {
		const char *line, *what;
	} bad[] = {
		{ "model file:" A64 " x", "unknown kind" },
		{ "out", "not \"kind value name\"" },
		{ "out file:" A64, "not \"kind value name\"" },
		{ "out file:" A64 " ", "wrong name" },
		{ "out file:abc x", "wrong value" },
		{ "out - x", "wrong value" },
		{ "step file:" A64 " x", "wrong value" },
		{ "image  x", "wrong value" },
		{ "step " A64 " a\\x00", "wrong name" },
		{ "step " A64 " a\\", "wrong name" },
		{ "step " A64 " a\tb", "control byte" },
		{ "data file:" A64 " ../up", "not a path" },
		{ "data file:" A64 " /etc/passwd", "not a path" },
		{ "data file:" A64 " a/./b", "not a path" },
		{ "data file:" A64 " .", "not a path" },
		{ "out file:" A64 " .git/hooks/post-checkout", "not a path" },
		{ "out file:" A64 " sub/.Git/config", "not a path" },
		{ "out file:" A64 " .mlops/config.ini", "not a path" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct lockfile lock = LOCKFILE_INIT;
		struct strbuf sb = STRBUF_INIT;

		strbuf_printf(&sb, "step " A64 " fine\n\n%s\n\n", bad[i].line);
		assert_int_equal(lockfile_parse(sb.buf, sb.len, &lock, &err), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		if (!strstr(err.msg, bad[i].what))
			fail_msg("\"%s\" gave: %s", bad[i].line, err.msg);
		assert_string_equal(err.where, "mlops.lock:3");
		assert_non_null(strstr(err.help, "git checkout"));
		strbuf_release(&sb);
	}
}

static void names_like_gits_are_no_danger(void **state)
{
	struct lockfile lock = LOCKFILE_INIT;

	(void)state;
	assert_int_equal(parse("out file:" A64 " .gitx/a\nout file:" A64 " a.git\n", &lock), 0);
	assert_int_equal(lock.len, 2);
	lockfile_release(&lock);
}

static void a_name_twice_is_a_conflict_until_a_side_is_taken(void **state)
{
	static const char text[] = "out file:" A64 " x\n\nout file:" B64 " x\n\nstep " A64 " s\n\n";
	struct lockfile ours = LOCKFILE_INIT, theirs = LOCKFILE_INIT;

	(void)state;
	assert_int_equal(parse(text, &ours), 0);
	assert_int_equal(ours.conflicts, 1);
	assert_int_equal(lockfile_check(&ours, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "out x"));
	assert_non_null(strstr(err.help, "mlops lock take ours"));
	assert_format(&ours, text);
	assert_int_equal(lockfile_take(&ours, true), 1);
	assert_true(ours.dirty);
	assert_int_equal(lockfile_check(&ours, &err), 0);
	assert_format(&ours, "out file:" A64 " x\n\nstep " A64 " s\n\n");

	assert_int_equal(parse(text, &theirs), 0);
	assert_int_equal(lockfile_take(&theirs, false), 1);
	assert_format(&theirs, "out file:" B64 " x\n\nstep " A64 " s\n\n");
	lockfile_release(&ours);
	lockfile_release(&theirs);
}

static void the_same_line_twice_is_no_conflict(void **state)
{
	struct lockfile lock = LOCKFILE_INIT;

	(void)state;
	assert_int_equal(parse("step " A64 " s\nstep " A64 " s\n", &lock), 0);
	assert_int_equal(lock.conflicts, 0);
	assert_int_equal(lock.len, 1);
	lockfile_release(&lock);
}

static void setting_or_removing_settles_a_conflict(void **state)
{
	struct lockfile lock = LOCKFILE_INIT;

	(void)state;
	assert_int_equal(
		parse("step " A64 " s\nstep " B64 " s\nstep " A64 " t\nstep " B64 " t\n", &lock),
		0);
	assert_int_equal(lock.conflicts, 2);
	lockfile_set(&lock, LOCKED_STEP, "s", A64);
	assert_int_equal(lock.conflicts, 1);
	assert_true(lockfile_remove(&lock, LOCKED_STEP, "t"));
	assert_false(lockfile_remove(&lock, LOCKED_STEP, "t"));
	assert_int_equal(lock.conflicts, 0);
	assert_format(&lock, "step " A64 " s\n\n");
	lockfile_release(&lock);
}

static void conflict_markers_are_two_values(void **state)
{
	static const char text[] = "<<<<<<< HEAD\n"
				   "out file:" A64 " x\n"
				   "\n"
				   "||||||| 1234567\n"
				   "out file:" C64 " x\n"
				   "=======\n"
				   "out file:" B64 " x\n"
				   "step " B64 " only-theirs\n"
				   ">>>>>>> topic\n";
	struct lockfile lock = LOCKFILE_INIT;
	const struct lock_entry *entry;

	(void)state;
	assert_int_equal(parse(text, &lock), 0);
	assert_true(lock.dirty);
	assert_int_equal(lock.conflicts, 1);
	entry = lockfile_find(&lock, LOCKED_OUT, "x");
	assert_string_equal(entry->value, "file:" A64);
	assert_string_equal(entry->other, "file:" B64);
	assert_non_null(lockfile_find(&lock, LOCKED_STEP, "only-theirs"));
	lockfile_release(&lock);
}

static void an_equal_value_leaves_the_file_clean(void **state)
{
	struct lockfile lock = LOCKFILE_INIT;

	(void)state;
	assert_int_equal(parse("step " A64 " s\n", &lock), 0);
	lockfile_set(&lock, LOCKED_STEP, "s", A64);
	assert_false(lock.dirty);
	lockfile_set(&lock, LOCKED_STEP, "s", B64);
	assert_true(lock.dirty);
	lockfile_release(&lock);
}

struct work {
	char dir[32];
	int fd;
};

static void work_make(struct work *w)
{
	snprintf(w->dir, sizeof(w->dir), "/tmp/mlops-lf-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->fd >= 0);
}

static void work_remove(struct work *w)
{
	assert_int_equal(fs_remove_tree(AT_FDCWD, w->dir, &err), 0);
	close(w->fd);
}

static void save_writes_only_what_changed(void **state)
{
	struct lockfile lock = LOCKFILE_INIT, again = LOCKFILE_INIT;
	struct work w;

	(void)state;
	work_make(&w);
	assert_int_equal(lockfile_load(w.fd, &lock, &err), 0);
	assert_int_equal(lock.len, 0);
	assert_false(lockfile_may_have(w.fd, LOCKED_DATA));
	assert_int_equal(lockfile_save(&lock, w.fd, &err), 0);
	assert_int_not_equal(faccessat(w.fd, LOCKFILE_NAME, F_OK, 0), 0);
	lockfile_set(&lock, LOCKED_STEP, "s", A64);
	assert_int_equal(lockfile_save(&lock, w.fd, &err), 0);
	assert_false(lock.dirty);
	assert_int_equal(lockfile_load(w.fd, &again, &err), 0);
	assert_non_null(lockfile_find(&again, LOCKED_STEP, "s"));
	assert_false(lockfile_may_have(w.fd, LOCKED_DATA));
	lockfile_set(&lock, LOCKED_DATA, "d", "file:" A64);
	assert_int_equal(lockfile_save(&lock, w.fd, &err), 0);
	assert_true(lockfile_may_have(w.fd, LOCKED_DATA));
	lockfile_release(&lock);
	lockfile_release(&again);
	work_remove(&w);
}

static int git_run(const struct work *w, const char *const *args)
{
	const char *argv[16] = { "git", "-c", "user.name=t", "-c", "user.email=t@t" };
	size_t n = 5;
	pid_t child;
	int status;

	for (; *args; args++)
		argv[n++] = *args;
	child = fork();
	if (!child) {
		int null = open("/dev/null", O_WRONLY);

		setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
		setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
		dup2(null, 1);
		if (chdir(w->dir) == 0)
			execvp("git", (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}
#define GIT(w, ...) assert_int_equal(git_run((w), (const char *const[]){ __VA_ARGS__, NULL }), 0)

static void lock_commit(const struct work *w, struct lockfile *lock, const char *message)
{
	assert_int_equal(lockfile_save(lock, w->fd, &err), 0);
	GIT(w, "add", "-A");
	GIT(w, "commit", "-q", "-m", message);
}

/* A base of twenty steps; each side changes some neighbours, adds, and removes. */
static void lock_edit(const struct work *w, const char *branch)
{
	bool topic = !strcmp(branch, "topic");
	const char *value = topic ? B64 : C64;
	struct lockfile lock = LOCKFILE_INIT;

	GIT(w, "checkout", "-q", branch);
	assert_int_equal(lockfile_load(w->fd, &lock, &err), 0);
	lockfile_set(&lock, LOCKED_STEP, "s05", value);                   /* both: a conflict */
	lockfile_set(&lock, LOCKED_STEP, topic ? "s06" : "s07", value);   /* neighbours of it */
	lockfile_set(&lock, LOCKED_STEP, topic ? "s04a" : "s04b", value); /* added at one place */
	lockfile_set(&lock, LOCKED_STEP, "s99", B64);                     /* both, equal */
	lockfile_set(&lock, LOCKED_DATA, topic ? "t.csv" : "m.csv",
		     topic ? "file:" B64 : "file:" C64);
	if (topic)
		lockfile_remove(&lock, LOCKED_STEP, "s15");
	lock_commit(w, &lock, branch);
	lockfile_release(&lock);
}

static void merge_branches(struct work *w, bool with_union, int want_exit)
{
	struct lockfile lock = LOCKFILE_INIT;
	char name[8];

	work_make(w);
	GIT(w, "init", "-q", "-b", "main");
	if (with_union)
		assert_int_equal(io_replace_file(w->fd, ".gitattributes",
						 "mlops.lock merge=union\n", 23, 0644, false, &err),
				 0);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "s%02d", i);
		lockfile_set(&lock, LOCKED_STEP, name, A64);
	}
	lock_commit(w, &lock, "base");
	lockfile_release(&lock);
	GIT(w, "branch", "topic");
	lock_edit(w, "topic");
	lock_edit(w, "main");
	assert_int_equal(
		git_run(w, (const char *const[]){ "merge", "-q", "-m", "m", "topic", NULL }),
		want_exit);
}

static void assert_merged(const struct work *w)
{
	struct lockfile lock = LOCKFILE_INIT;
	const struct lock_entry *entry;

	assert_int_equal(lockfile_load(w->fd, &lock, &err), 0);
	assert_int_equal(lock.conflicts, 1);
	entry = lockfile_find(&lock, LOCKED_STEP, "s05");
	assert_string_equal(entry->value, C64); /* ours: the branch merged into */
	assert_string_equal(entry->other, B64);
	assert_string_equal(lockfile_find(&lock, LOCKED_STEP, "s06")->value, B64);
	assert_string_equal(lockfile_find(&lock, LOCKED_STEP, "s07")->value, C64);
	assert_string_equal(lockfile_find(&lock, LOCKED_STEP, "s04a")->value, B64);
	assert_string_equal(lockfile_find(&lock, LOCKED_STEP, "s04b")->value, C64);
	assert_string_equal(lockfile_find(&lock, LOCKED_DATA, "t.csv")->value, "file:" B64);
	assert_string_equal(lockfile_find(&lock, LOCKED_DATA, "m.csv")->value, "file:" C64);
	assert_null(lockfile_find(&lock, LOCKED_STEP, "s15"));
	assert_int_equal(lock.len, 20 - 1 + 2 + 1 + 2);
	lockfile_release(&lock);
}

static void two_branches_merge_by_union_without_a_stop(void **state)
{
	struct work w;

	(void)state;
	merge_branches(&w, true, 0);
	assert_merged(&w);
	work_remove(&w);
}

static void two_branches_without_union_leave_markers_that_are_understood(void **state)
{
	struct work w;

	(void)state;
	merge_branches(&w, false, 1);
	assert_merged(&w);
	work_remove(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_sorted_with_an_empty_line_after_each),
		cmocka_unit_test(parse_gives_back_what_was_set),
		cmocka_unit_test(lines_in_any_order_are_sorted),
		cmocka_unit_test(bom_crlf_and_a_missing_last_newline_are_accepted),
		cmocka_unit_test(odd_names_survive_a_round_trip),
		cmocka_unit_test(a_bad_line_is_named_with_its_number_and_fix),
		cmocka_unit_test(names_like_gits_are_no_danger),
		cmocka_unit_test(a_name_twice_is_a_conflict_until_a_side_is_taken),
		cmocka_unit_test(the_same_line_twice_is_no_conflict),
		cmocka_unit_test(setting_or_removing_settles_a_conflict),
		cmocka_unit_test(conflict_markers_are_two_values),
		cmocka_unit_test(an_equal_value_leaves_the_file_clean),
		cmocka_unit_test(save_writes_only_what_changed),
		cmocka_unit_test(two_branches_merge_by_union_without_a_stop),
		cmocka_unit_test(two_branches_without_union_leave_markers_that_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
