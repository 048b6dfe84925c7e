/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
/*
 * The environment is read once a process, so each case is a child. It ends with 7 when it
 * got past all its points.
 */
#define PASSED 7

static void pass_points(void)
{
	FAILPOINT("test.first");
	FAILPOINT("test.second");
	_exit(PASSED);
}

static int status_of_child(const char *armed)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDERR_FILENO);
		sigaction(SIGABRT, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
		if (armed)
			setenv("MLOPS_FAILPOINT", armed, 1);
		else
			unsetenv("MLOPS_FAILPOINT");
		pass_points();
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void assert_passes(const char *armed)
{
	int status = status_of_child(armed);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), PASSED);
}

#ifdef MLOPS_FAILPOINTS
static void assert_dies(const char *armed, int signo)
{
	int status = status_of_child(armed);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signo);
}

static void armed_point_kills(void **state)
{
	(void)state;
	assert_dies("test.first=kill", SIGKILL);
	assert_dies("test.second=kill", SIGKILL);
}

static void other_points_pass(void **state)
{
	(void)state;
	assert_passes("test.third=kill");
	assert_passes("test.sec=kill");
	assert_passes("");
	assert_passes(NULL);
}

static void armed_point_sleeps(void **state)
{
	int64_t began = clock_mono_ms();

	(void)state;
	assert_passes("test.second=sleep:60");
	assert_true(clock_mono_ms() - began >= 60); /* no upper bound: machines are slow */
	assert_passes("test.second=sleep:0");
}

static void unknown_words_abort(void **state)
{
	static const char *const texts[] = { "test.first", "=kill", "test.first=", "test.first=die",
					     "test.first=sleep:", "test.first=sleep:-1", "test.first=sleep:1s",
					     "test.first=sleep:99999999999999999999", "list:" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_dies(texts[i], SIGABRT);
}

static void list_names_what_is_passed_in_order(void **state)
{
	CLEANUP_STRBUF struct strbuf listed = STRBUF_INIT;
	char path[] = "/tmp/failpoint-XXXXXX";
	char *armed CLEANUP(cleanup_free) = NULL;

	(void)state;
	close(mkstemp(path));
	armed = xasprintf("list:%s", path);
	assert_passes(armed);
	assert_passes(armed);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1000, &listed, NULL), 0);
	unlink(path);
	assert_string_equal(listed.buf, "test.first\ntest.second\ntest.first\ntest.second\n");
	assert_dies("list:/no/such/directory/file", SIGABRT);
}
#else
static void points_are_left_out_of_this_build(void **state)
{
	(void)state;
	assert_passes("test.first=kill");
	assert_passes("nonsense");
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef MLOPS_FAILPOINTS
		cmocka_unit_test(armed_point_kills),
		cmocka_unit_test(other_points_pass),
		cmocka_unit_test(armed_point_sleeps),
		cmocka_unit_test(unknown_words_abort),
		cmocka_unit_test(list_names_what_is_passed_in_order),
#else
		cmocka_unit_test(points_are_left_out_of_this_build),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
