/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"

static const char *const plain_env[] = { "PATH=/usr/bin:/bin", "LANG=C", NULL };

struct bench {
	struct spawner *spawner;
	char dir[64];
	struct strbuf text; /* of the file read last */
};

static int setup(void **state)
{
	struct bench *bench = xcalloc(1, sizeof(*bench));

	bench->text = (struct strbuf)STRBUF_INIT;
	snprintf(bench->dir, sizeof(bench->dir), "/tmp/test_process.XXXXXX");
	if (!mkdtemp(bench->dir) || spawner_start(&bench->spawner, NULL) < 0)
		return -1;
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	CLEANUP_STRBUF struct strbuf nothing = STRBUF_INIT;
	int rc;

	spawner_stop(bench->spawner);
	strbuf_release(&bench->text);
	rc = process_capture((const char *const[]){ "rm", "-rf", bench->dir, NULL }, NULL, 60000, 0,
			     &nothing, NULL);
	free(bench);
	return rc;
}

static char *file_in(const struct bench *bench, const char *name)
{
	return xasprintf("%s/%s", bench->dir, name);
}

static const char *read_file(struct bench *bench, const char *name)
{
	CLEANUP(cleanup_free) char *path = file_in(bench, name);
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	strbuf_clear(&bench->text);
	if (fd < 0)
		return "";
	do {
		strbuf_reserve(&bench->text, 65536);
		n = read(fd, bench->text.buf + bench->text.len, 65536);
		assert_true(n >= 0);
		bench->text.len += (size_t)n;
	} while (n > 0);
	bench->text.buf[bench->text.len] = '\0';
	return bench->text.buf;
}

static void write_file(const struct bench *bench, const char *name, const char *text, mode_t mode)
{
	CLEANUP(cleanup_free) char *path = file_in(bench, name);
	CLEANUP(cleanup_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static pid_t read_pid(struct bench *bench, const char *name)
{
	long pid = strtol(read_file(bench, name), NULL, 10);

	assert_true(pid > 1);
	return (pid_t)pid;
}

static void wait_for_file(struct bench *bench, const char *name)
{
	while (!strchr(read_file(bench, name), '\n'))
		poll(NULL, 0, 2);
}

/* stdout goes to the file "out", stderr to "err". */
static void spawn(struct bench *bench, uint32_t id, const char *const *argv, const char *const *env,
		  const char *cwd)
{
	CLEANUP(cleanup_free) char *out_path = file_in(bench, "out");
	CLEANUP(cleanup_free) char *err_path = file_in(bench, "err");
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	CLEANUP(cleanup_fd) int out = open(out_path, flags, 0644);
	CLEANUP(cleanup_fd) int err = open(err_path, flags, 0644);
	const struct process_spec spec = { argv, env, cwd ? cwd : bench->dir, out, err };
	struct error why = { 0 };

	if (spawner_spawn(bench->spawner, id, &spec, &why) < 0)
		fail_msg("%s", why.msg);
}

static struct spawn_event next_event(struct bench *bench)
{
	struct spawn_event event;

	for (;;) {
		struct pollfd fd = { .fd = spawner_fd(bench->spawner), .events = POLLIN };
		int rc = spawner_next(bench->spawner, &event, NULL);

		assert_true(rc >= 0);
		if (rc == 1)
			return event;
		poll(&fd, 1, -1);
	}
}

static pid_t started(struct bench *bench, uint32_t id)
{
	struct spawn_event event = next_event(bench);

	assert_int_equal(event.kind, SPAWN_STARTED);
	assert_int_equal(event.id, id);
	return event.pid;
}

static struct process_exit exited(struct bench *bench, uint32_t id)
{
	struct spawn_event event = next_event(bench);

	assert_int_equal(event.kind, SPAWN_EXITED);
	assert_int_equal(event.id, id);
	return event.exit;
}

static void spawn_sh(struct bench *bench, uint32_t id, const char *script)
{
	spawn(bench, id, (const char *const[]){ "sh", "-c", script, NULL }, plain_env, NULL);
}

static struct process_exit run_sh(struct bench *bench, const char *script)
{
	spawn_sh(bench, 1, script);
	started(bench, 1);
	return exited(bench, 1);
}

static int failed_start(struct bench *bench, const char *program, const char *cwd)
{
	struct spawn_event event;

	spawn(bench, 9, (const char *const[]){ program, NULL }, plain_env, cwd);
	event = next_event(bench);
	assert_int_equal(event.kind, SPAWN_FAILED);
	assert_int_equal(event.id, 9);
	return event.sys;
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* -- what a step is given -- */

static void exit_status_and_usage_are_reported(void **state)
{
	struct process_exit result =
		run_sh(*state, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exit 7");

	assert_int_equal(result.code, 7);
	assert_int_equal(result.signal, 0);
	assert_true(result.user_us + result.system_us > 0);
	assert_true(result.max_rss > 256 * 1024 && result.max_rss < 1LL << 40);
}

static void a_signal_is_reported(void **state)
{
	struct process_exit result = run_sh(*state, "kill -SEGV $$");

	assert_int_equal(result.code, -1);
	assert_int_equal(result.signal, SIGSEGV);
}

static void output_goes_to_its_descriptors(void **state)
{
	run_sh(*state, "echo to out; echo to err >&2");
	assert_string_equal(read_file(*state, "out"), "to out\n");
	assert_string_equal(read_file(*state, "err"), "to err\n");
}

static void it_runs_in_its_directory_with_its_environment_only(void **state)
{
	struct bench *bench = *state;
	static const char *const env[] = { "PATH=/usr/bin:/bin", "ONE=1", "MLOPS_SPAWN_ID=forged",
					   NULL };
	CLEANUP(cleanup_free) char *want = NULL;
	const char *text;

	spawn(bench, 3, (const char *const[]){ "env", NULL }, env, NULL);
	started(bench, 3);
	exited(bench, 3);
	text = read_file(bench, "out");
	assert_int_equal(strncmp(text, "MLOPS_SPAWN_ID=", 15), 0);
	assert_non_null(strstr(text, ".3\nPATH=/usr/bin:/bin\nONE=1\n"));
	assert_null(strstr(text, "forged"));
	assert_null(strstr(text, "HOME="));
	run_sh(bench, "pwd");
	want = xasprintf("%s\n", bench->dir);
	assert_string_equal(read_file(bench, "out"), want);
}

static void it_inherits_nothing_else(void **state)
{
	struct bench *bench = *state;

	run_sh(bench, "ls /proc/self/fd; readlink /proc/self/fd/0; cat");
	assert_string_equal(read_file(bench, "out"),
			    "0\n1\n2\n3\n/dev/null\n"); /* 3 is the directory ls reads */
	run_sh(bench, "grep -E 'SigBlk|SigIgn' /proc/self/status | tr -d '\\t'");
	assert_string_equal(read_file(bench, "out"),
			    "SigBlk:0000000000000000\nSigIgn:0000000000000000\n");
	run_sh(bench, "exec < /dev/tty");
	assert_non_null(strstr(read_file(bench, "err"), "/dev/tty"));
}

static void it_does_not_inherit_what_is_held(void **state)
{
	struct bench *bench = *state;
	CLEANUP(cleanup_fd) int fd = open(bench->dir, O_RDONLY); /* would survive an exec */

	assert_int_equal(spawner_hold(bench->spawner, fd, NULL), 0);
	run_sh(bench, "ls /proc/self/fd");
	assert_string_equal(read_file(bench, "out"), "0\n1\n2\n3\n");
	run_sh(bench, "ls /proc/$PPID/fd -l | grep -c \" $PWD$\"");
	assert_string_equal(read_file(bench, "out"), "1\n");
}

static void each_has_a_process_group_of_its_own(void **state)
{
	struct bench *bench = *state;
	pid_t first, second;

	spawn_sh(bench, 1, "exec sleep 1000");
	first = started(bench, 1);
	spawn_sh(bench, 2, "exec sleep 1000");
	second = started(bench, 2);
	assert_int_equal(getpgid(first), first);
	assert_int_equal(getpgid(second), second);
	assert_int_not_equal(getsid(first), getsid(0));
}

static void what_cannot_start_says_why(void **state)
{
	struct bench *bench = *state;
	CLEANUP(cleanup_free) char *dir = file_in(bench, "dir");

	assert_int_equal(mkdir(dir, 0755), 0);
	write_file(bench, "plain", "text", 0644);
	write_file(bench, "bad", "neither ELF nor script", 0755);
	assert_int_equal(failed_start(bench, "no-such-program", NULL), ENOENT);
	assert_int_equal(failed_start(bench, "./no-such-file", NULL), ENOENT);
	assert_int_equal(failed_start(bench, "", NULL), ENOENT);
	assert_int_equal(failed_start(bench, "./plain", NULL), EACCES);
	assert_int_equal(failed_start(bench, "./dir", NULL), EACCES);
	assert_int_equal(failed_start(bench, "./bad", NULL), ENOEXEC);
	assert_int_equal(failed_start(bench, "true", "/no/such/directory"), ENOENT);
	assert_int_equal(run_sh(bench, "exit 0").code, 0);
}

static void a_program_is_found_in_its_own_path(void **state)
{
	struct bench *bench = *state;
	static const char *const env[] = { "PATH=/nowhere:bin", NULL };
	CLEANUP(cleanup_free) char *dir = file_in(bench, "bin");

	assert_int_equal(mkdir(dir, 0755), 0);
	write_file(bench, "bin/tool", "#!/bin/sh\nexit 5\n", 0755);
	spawn(bench, 1, (const char *const[]){ "tool", NULL }, env, NULL);
	started(bench, 1);
	assert_int_equal(exited(bench, 1).code, 5);
}

/* Well over what a socket buffer takes at once. */
static void huge_arguments_arrive_whole(void **state)
{
	enum { N = 12, SIZE = 100000 };
	struct bench *bench = *state;
	const char *argv[N + 5] = { "sh", "-c",
				    "printf '%s' \"$@\" | wc -c; printf '%s' \"$BIG\" | wc -c",
				    "sh" };
	const char *env[] = { "PATH=/usr/bin:/bin", NULL, NULL };
	CLEANUP(cleanup_free) char *word = xcalloc(SIZE + 1, 1);
	CLEANUP(cleanup_free) char *big = NULL;

	memset(word, 'x', SIZE);
	big = xasprintf("BIG=%s", word);
	env[1] = big;
	for (int i = 0; i < N; i++)
		argv[4 + i] = word;
	spawn(bench, 1, argv, env, NULL);
	started(bench, 1);
	assert_int_equal(exited(bench, 1).code, 0);
	assert_string_equal(read_file(bench, "out"), "1200000\n100000\n");
}

static void more_than_the_kernel_takes_is_an_error(void **state)
{
	struct bench *bench = *state;
	CLEANUP(cleanup_free) char *word = xcalloc(300001, 1);
	const struct process_spec spec = { (const char *const[]){ "true", word, NULL }, plain_env,
					   bench->dir, 1, 2 };

	memset(word, 'x', 300000);
	assert_int_equal(spawner_spawn(bench->spawner, 4, &spec, NULL), 0);
	assert_int_equal(next_event(bench).sys, E2BIG);
}

static void more_than_a_request_takes_is_refused(void **state)
{
	struct bench *bench = *state;
	CLEANUP(cleanup_free) char *word = xcalloc((17U << 20) + 1, 1);
	const struct process_spec spec = { (const char *const[]){ "true", word, NULL }, plain_env,
					   bench->dir, 1, 2 };
	struct error err = { 0 };

	memset(word, 'x', 17U << 20);
	assert_int_equal(spawner_spawn(bench->spawner, 4, &spec, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(run_sh(bench, "exit 0").code, 0);
}

/* -- ending a step -- */

static void kill_reaches_the_whole_group(void **state)
{
	struct bench *bench = *state;
	pid_t child;

	spawn_sh(bench, 1, "sleep 1000 & echo $! > child; wait");
	started(bench, 1);
	wait_for_file(bench, "child");
	child = read_pid(bench, "child");
	assert_int_equal(spawner_kill(bench->spawner, 1, SIGTERM, NULL), 0);
	assert_int_equal(exited(bench, 1).signal, SIGTERM);
	assert_true(is_gone(child));
}

static void a_step_that_ignores_term_dies_of_kill(void **state)
{
	struct bench *bench = *state;

	spawn_sh(bench, 1, "trap '' TERM; echo > ready; while :; do sleep 0.01; done");
	started(bench, 1);
	wait_for_file(bench, "ready");
	spawner_kill(bench->spawner, 1, SIGTERM, NULL);
	spawner_kill(bench->spawner, 1, SIGKILL, NULL);
	assert_int_equal(exited(bench, 1).signal, SIGKILL);
}

static void a_stopped_step_dies_of_term(void **state)
{
	struct bench *bench = *state;

	spawn_sh(bench, 1, "kill -STOP $$");
	started(bench, 1);
	spawner_kill(bench->spawner, 1, SIGTERM, NULL);
	assert_int_equal(exited(bench, 1).signal, SIGTERM);
}

static void unknown_and_ended_steps_are_not_signalled(void **state)
{
	struct bench *bench = *state;

	run_sh(bench, "exit 0");
	assert_int_equal(spawner_kill(bench->spawner, 1, SIGKILL, NULL), 0);
	assert_int_equal(spawner_kill(bench->spawner, 77, SIGKILL, NULL), 0);
	assert_int_equal(run_sh(bench, "exit 3").code, 3);
}

/* -- what a step leaves behind -- */

#define DAEMON                                                                                     \
	"setsid sh -c 'trap \"\" TERM; echo $$ > daemon; while :; do sleep 0.01; done' & "         \
	"until [ -s daemon ]; do sleep 0.01; done; "

static void a_daemon_is_gone_when_its_step_has_exited(void **state)
{
	struct process_exit result = run_sh(*state, DAEMON "exit 4");

	assert_int_equal(result.code, 4);
	assert_true(is_gone(read_pid(*state, "daemon")));
}

static void a_daemon_goes_with_a_killed_step(void **state)
{
	struct bench *bench = *state;

	spawn_sh(bench, 1, DAEMON "echo > ready; wait");
	started(bench, 1);
	wait_for_file(bench, "ready");
	spawner_kill(bench->spawner, 1, SIGKILL, NULL);
	assert_int_equal(exited(bench, 1).signal, SIGKILL);
	assert_true(is_gone(read_pid(bench, "daemon")));
}

static void a_daemon_lives_as_long_as_its_own_step(void **state)
{
	struct bench *bench = *state;
	pid_t daemon;

	/* Its parent dies, so it is the spawner's child while the step runs. */
	spawn_sh(bench, 1,
		 "sh -c \"setsid sh -c 'echo \\$\\$ > daemon; exec sleep 1000' &\"; "
		 "exec sleep 1000");
	started(bench, 1);
	wait_for_file(bench, "daemon");
	daemon = read_pid(bench, "daemon");
	spawn_sh(bench, 2, "exit 0");
	started(bench, 2);
	assert_int_equal(exited(bench, 2).code, 0);
	assert_false(is_gone(daemon));
	spawner_kill(bench->spawner, 1, SIGTERM, NULL);
	exited(bench, 1);
	assert_true(is_gone(daemon));
}

static void a_daemon_without_a_marker_is_gone_too(void **state)
{
	run_sh(*state, "env -i setsid sh -c 'echo $$ > daemon; exec /bin/sleep 1000' & "
		       "until [ -s daemon ]; do sleep 0.01; done");
	assert_true(is_gone(read_pid(*state, "daemon")));
}

static void a_tree_of_daemons_is_gone(void **state)
{
	run_sh(*state,
	       "setsid sh -c 'trap \"\" TERM; "
	       "setsid sh -c \"trap \\\"\\\" TERM; echo \\$\\$ > daemon; sleep 1000; sleep 1000\"; "
	       "sleep 1000' & until [ -s daemon ]; do sleep 0.01; done");
	assert_true(is_gone(read_pid(*state, "daemon")));
}

/* As when a step runs mlops: what the inner one leaves behind is the outer step's too. */
static void a_spawner_inside_a_step_extends_its_marker(void **state)
{
	struct bench *bench = *state;
	static const char *const outer[] = { "0a1b.7", "not a marker" };

	for (int i = 0; i < 2; i++) {
		spawner_stop(bench->spawner);
		assert_int_equal(setenv("MLOPS_SPAWN_ID", outer[i], 1), 0);
		assert_int_equal(spawner_start(&bench->spawner, NULL), 0);
		unsetenv("MLOPS_SPAWN_ID");
		run_sh(bench, "echo $MLOPS_SPAWN_ID");
		assert_int_equal(strncmp(read_file(bench, "out"), "0a1b.7/", 7) == 0, i == 0);
		assert_null(strchr(bench->text.buf, ' '));
	}
}

static void the_reader_of_a_pipe_may_finish(void **state)
{
	run_sh(*state, "mkfifo fifo; cat < fifo > tail & exec > fifo; echo last words");
	assert_string_equal(read_file(*state, "tail"), "last words\n");
}

/* The group's members have the time that the owner gives, even when the first one dies at once. */
static void a_graceful_child_is_not_hurried(void **state)
{
	struct bench *bench = *state;

	spawn_sh(bench, 1,
		 "(trap 'sleep 1.3; echo saved > model; exit' TERM; echo > ready; "
		 "while :; do sleep 0.01; done) & wait");
	started(bench, 1);
	wait_for_file(bench, "ready");
	spawner_kill(bench->spawner, 1, SIGTERM, NULL);
	assert_int_equal(exited(bench, 1).signal, SIGTERM);
	assert_string_equal(read_file(bench, "model"), "saved\n");
}

static void kill_ends_the_wait_for_a_child(void **state)
{
	struct bench *bench = *state;
	pid_t child;

	spawn_sh(bench, 1, "(trap '' TERM; exec sleep 1000) & echo $! > child; wait");
	started(bench, 1);
	wait_for_file(bench, "child");
	child = read_pid(bench, "child");
	spawner_kill(bench->spawner, 1, SIGTERM, NULL);
	spawner_kill(bench->spawner, 1, SIGKILL, NULL);
	assert_int_equal(exited(bench, 1).code, -1);
	assert_true(is_gone(child));
}

/* -- one of the two dies -- */

static void play_parent(struct bench *bench)
{
	spawner_stop(bench->spawner);
	spawner_start(&bench->spawner, NULL);
	spawn_sh(bench, 1,
		 "trap '' TERM HUP INT; setsid sleep 1000 & echo $! > daemon; "
		 "sleep 1000 & echo $$ > step; while :; do sleep 1; done");
	for (;;)
		pause();
}

static void steps_die_with_a_killed_parent(void **state)
{
	struct bench *bench = *state;
	pid_t parent, step, daemon;
	int status;

	/* The spawner becomes ours when its parent dies, so we can wait for its end. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	spawner_stop(steal(&bench->spawner));
	parent = fork();
	if (parent == 0) {
		play_parent(bench);
		_exit(1);
	}
	wait_for_file(bench, "step");
	step = read_pid(bench, "step");
	daemon = read_pid(bench, "daemon");
	assert_false(is_gone(step));
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	while (wait(&status) > 0)
		assert_true(WIFEXITED(status));
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	assert_true(is_gone(step));
	assert_true(is_gone(daemon));
	assert_int_equal(kill(-step, 0), -1);
}

static int open_lock(const struct bench *bench)
{
	CLEANUP(cleanup_free) char *path = file_in(bench, "lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	return fd;
}

static void play_locked_parent(struct bench *bench)
{
	int lock = open_lock(bench);

	spawner_start(&bench->spawner, NULL);
	if (flock(lock, LOCK_EX | LOCK_NB) == 0 && spawner_hold(bench->spawner, lock, NULL) == 0)
		spawn_sh(bench, 1,
			 "trap '' TERM; echo $$ > step; while :; do sleep 0.01; done");
	for (;;)
		pause();
}

static void a_held_lock_outlives_the_parent_until_its_steps_are_gone(void **state)
{
	struct bench *bench = *state;
	CLEANUP(cleanup_fd) int lock = open_lock(bench);
	pid_t parent, step;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	spawner_stop(steal(&bench->spawner));
	parent = fork();
	if (parent == 0) {
		play_locked_parent(bench);
		_exit(1);
	}
	wait_for_file(bench, "step");
	step = read_pid(bench, "step");
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_true(is_gone(step));
	while (wait(NULL) > 0)
		;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void a_lock_is_held_until_the_spawner_stops(void **state)
{
	struct bench *bench = *state;
	CLEANUP(cleanup_fd) int lock = open_lock(bench);
	int held = open_lock(bench);

	assert_int_equal(flock(held, LOCK_EX), 0);
	assert_int_equal(spawner_hold(bench->spawner, held, NULL), 0);
	close(held);
	assert_int_equal(run_sh(bench, "exit 2").code, 2);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), -1);
	spawner_stop(steal(&bench->spawner));
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
}

static void steps_die_with_a_killed_spawner(void **state)
{
	struct bench *bench = *state;
	struct pollfd fd = { .fd = spawner_fd(bench->spawner), .events = POLLIN };
	struct spawn_event event;
	struct error err = { 0 };
	siginfo_t info;
	pid_t step;
	int status;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	spawn_sh(bench, 1, "echo $PPID > spawner; exec sleep 1000");
	step = started(bench, 1);
	wait_for_file(bench, "spawner");
	kill(read_pid(bench, "spawner"), SIGKILL);
	poll(&fd, 1, -1);
	assert_int_equal(spawner_next(bench->spawner, &event, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	/* The socket closes before the step becomes our child. */
	assert_int_equal(waitid(P_PID, (id_t)read_pid(bench, "spawner"), &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(waitpid(step, &status, 0), step);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(spawner_kill(bench->spawner, 1, SIGTERM, &err), -1);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void signals_of_a_terminal_do_not_end_the_spawner(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGQUIT };
	struct bench *bench = *state;
	pid_t spawner;

	run_sh(bench, "echo $PPID > spawner");
	spawner = read_pid(bench, "spawner");
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		assert_int_equal(kill(spawner, signals[i]), 0);
	assert_int_equal(run_sh(bench, "exit 6").code, 6);
}

static void stop_kills_what_runs(void **state)
{
	struct bench *bench = *state;
	pid_t pid;

	spawn_sh(bench, 1, "exec sleep 1000");
	pid = started(bench, 1);
	spawner_stop(steal(&bench->spawner));
	assert_true(is_gone(pid));
}

static void a_thousand_steps_two_at_a_time(void **state)
{
	struct bench *bench = *state;
	const struct process_spec spec = { (const char *const[]){ "true", NULL }, plain_env, "/", 1,
					   2 };
	uint32_t given = 0, ended = 0;

	while (ended < 1000) {
		struct spawn_event event;

		while (given < 1000 && given < ended + 2)
			assert_int_equal(spawner_spawn(bench->spawner, ++given, &spec, NULL), 0);
		event = next_event(bench);
		assert_int_not_equal(event.kind, SPAWN_FAILED);
		assert_true(event.kind == SPAWN_STARTED || event.exit.code == 0);
		ended += event.kind == SPAWN_EXITED;
	}
}

/* -- helpers -- */

static int capture(struct strbuf *out, const char *script, int timeout_ms, size_t max,
		   struct error *err)
{
	return process_capture((const char *const[]){ "sh", "-c", script, NULL }, "/", timeout_ms,
			       max, out, err);
}

static void capture_brings_output_and_status(void **state)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	(void)state;
	strbuf_puts(&out, "> ");
	assert_int_equal(capture(&out, "pwd; echo noise >&2; exit 3", 60000, 100, NULL), 3);
	assert_string_equal(out.buf, "> /\n");
	strbuf_clear(&out);
	assert_int_equal(capture(&out, "head -c 300000 /dev/zero", -1, 300000, NULL), 0);
	assert_int_equal(out.len, 300000);
}

static void capture_fails_with_a_reason(void **state)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(process_capture((const char *const[]){ "no-such-program", NULL }, NULL,
					 1000, 9, &out, &err),
			 -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(capture(&out, "exec sleep 1000", 20, 9, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	assert_int_equal(capture(&out, "yes", -1, 1000, &err), -1);
	assert_non_null(strstr(err.msg, "more than 1000 bytes"));
	assert_int_equal(capture(&out, "kill -KILL $$", -1, 9, &err), -1);
	assert_non_null(strstr(err.msg, "SIGKILL"));
	assert_int_equal(out.len, 0);
}

static void capture_does_not_wait_for_what_is_left_behind(void **state)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	(void)state;
	assert_int_equal(capture(&out, "sleep 1000 & echo $!", -1, 100, NULL), 0);
	assert_int_equal(kill((pid_t)strtol(out.buf, NULL, 10), SIGKILL), 0);
}

static void find_resolves_symlinks(void **state)
{
	struct bench *bench = *state;
	CLEANUP(cleanup_free) char *target = file_in(bench, "real-tool");
	CLEANUP(cleanup_free) char *name = file_in(bench, "tool");
	CLEANUP(cleanup_free) char *path_env = xasprintf("/nowhere:%s", bench->dir);
	CLEANUP(cleanup_free) char *by_path = NULL;
	CLEANUP(cleanup_free) char *by_cwd = NULL;

	write_file(bench, "real-tool", "#!/bin/sh\n", 0755);
	write_file(bench, "data", "", 0644);
	assert_int_equal(symlink("real-tool", name), 0);
	by_path = process_find("tool", path_env, NULL);
	by_cwd = process_find("./tool", path_env, bench->dir);
	assert_string_equal(by_path, target);
	assert_string_equal(by_cwd, target);
	assert_null(process_find("absent", path_env, NULL));
	assert_null(process_find("data", path_env, NULL));
	assert_null(process_find("", path_env, NULL));
}

static void signals_have_names(void **state)
{
	(void)state;
	assert_string_equal(process_signal_name(SIGKILL), "SIGKILL");
	assert_string_equal(process_signal_name(SIGSEGV), "SIGSEGV");
	assert_non_null(process_signal_name(0));
	assert_non_null(process_signal_name(SIGRTMAX));
	assert_non_null(process_signal_name(-1));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(exit_status_and_usage_are_reported),
		CASE(a_signal_is_reported),
		CASE(output_goes_to_its_descriptors),
		CASE(it_runs_in_its_directory_with_its_environment_only),
		CASE(it_inherits_nothing_else),
		CASE(it_does_not_inherit_what_is_held),
		CASE(each_has_a_process_group_of_its_own),
		CASE(what_cannot_start_says_why),
		CASE(a_program_is_found_in_its_own_path),
		CASE(huge_arguments_arrive_whole),
		CASE(more_than_the_kernel_takes_is_an_error),
		CASE(more_than_a_request_takes_is_refused),
		CASE(kill_reaches_the_whole_group),
		CASE(a_step_that_ignores_term_dies_of_kill),
		CASE(a_stopped_step_dies_of_term),
		CASE(unknown_and_ended_steps_are_not_signalled),
		CASE(a_daemon_is_gone_when_its_step_has_exited),
		CASE(a_daemon_goes_with_a_killed_step),
		CASE(a_daemon_lives_as_long_as_its_own_step),
		CASE(a_daemon_without_a_marker_is_gone_too),
		CASE(a_tree_of_daemons_is_gone),
		CASE(a_spawner_inside_a_step_extends_its_marker),
		CASE(the_reader_of_a_pipe_may_finish),
		CASE(a_graceful_child_is_not_hurried),
		CASE(kill_ends_the_wait_for_a_child),
		CASE(steps_die_with_a_killed_parent),
		CASE(a_held_lock_outlives_the_parent_until_its_steps_are_gone),
		CASE(a_lock_is_held_until_the_spawner_stops),
		CASE(steps_die_with_a_killed_spawner),
		CASE(signals_of_a_terminal_do_not_end_the_spawner),
		CASE(stop_kills_what_runs),
		CASE(a_thousand_steps_two_at_a_time),
		cmocka_unit_test(capture_brings_output_and_status),
		cmocka_unit_test(capture_fails_with_a_reason),
		cmocka_unit_test(capture_does_not_wait_for_what_is_left_behind),
		CASE(find_resolves_symlinks),
		cmocka_unit_test(signals_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
