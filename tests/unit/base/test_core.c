/* SPDX-License-Identifier: Apache-2.0 */
/* The small things everything stands on: errors, buffers, lists, maps, digests, clock, locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/strmap.h"

static void error_gains_context_as_it_climbs(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(error_sys(&err, ENOSPC, "write %s", "a"), -1);
	error_wrap(&err, "add %s", "data");
	assert_string_equal(err.msg, "add data: write a: No space left on device");
	assert_int_equal(err.code, ERR_ENV);
	assert_int_equal(error_exit_status(err.code), 5);
	assert_true(strlen(err.help) > 0);
	error_where(&err, "pipeline.ini", 3, 9);
	assert_string_equal(err.where, "pipeline.ini:3:9");
}

static void error_never_overflows(void **state)
{
	struct error err;
	char *text = xmalloc(5000);

	(void)state;
	memset(text, 'x', 4999);
	text[4999] = '\0';
	error_set(&err, ERR_USAGE, "%s", text);
	for (int i = 0; i < 5; i++)
		error_wrap(&err, "%s", text);
	error_help(&err, "%s", text);
	error_where(&err, text, 1, 1);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	free(text);
}

static void strbuf_grows_and_detaches(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	char *text;

	(void)state;
	assert_string_equal(sb.buf, "");
	for (int i = 0; i < 1000; i++)
		strbuf_printf(&sb, "%d,", i % 10);
	assert_int_equal(sb.len, 2000);
	text = strbuf_detach(&sb);
	assert_int_equal(strlen(text), 2000);
	assert_int_equal(sb.len, 0);
	free(text);
	strbuf_release(&sb);
}

static void nearest_word_finds_a_swap_but_no_stranger(void **state)
{
	static const char *const words[] = { "checkout", "status", "show" };

	(void)state;
	assert_string_equal(nearest_word(words, 3, "chekcout"), "checkout");
	assert_string_equal(nearest_word(words, 3, "stauts"), "status");
	assert_null(nearest_word(words, 3, "frobnicate"));
}

static void strmap_keeps_order_and_replaces(void **state)
{
	struct strmap map = STRMAP_INIT;
	static int values[500];
	char key[16];

	(void)state;
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_null(strmap_set(&map, key, &values[i]));
	}
	assert_ptr_equal(strmap_set(&map, "k7", &values[0]), &values[7]);
	assert_ptr_equal(strmap_get(&map, "k7"), &values[0]);
	assert_string_equal(map.entries[499].key, "k499");
	assert_false(strmap_has(&map, "k500"));
	strmap_release(&map);
}

static void digest_is_sha256(void **state)
{
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	char hex[DIGEST_HEX + 1];
	struct digest d, parsed;
	struct hasher h;

	(void)state;
	digest_of("abc", 3, &d);
	assert_string_equal(digest_format(&d, hex), abc);
	hasher_init(&h);
	hasher_update(&h, "ab", 2);
	hasher_update(&h, "c", 1);
	hasher_final(&h, &parsed);
	assert_true(digest_equal(&d, &parsed));
	assert_true(digest_parse(abc, &parsed));
	assert_false(digest_parse("BA78", &parsed));
	hex[10] = 'A';
	assert_false(digest_parse(hex, &parsed));
}

static void uuid_has_version_four(void **state)
{
	char a[33], b[33];

	(void)state;
	clock_uuid(a);
	clock_uuid(b);
	assert_int_equal(strlen(a), 32);
	assert_int_equal(a[12], '4');
	assert_string_not_equal(a, b);
}

static void utc_is_formatted_before_and_after_1970(void **state)
{
	char text[32];

	(void)state;
	clock_format_utc(1700000000123, text);
	assert_string_equal(text, "2023-11-14T22:13:20.123Z");
	clock_format_utc(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void a_held_lock_names_its_holder_and_dies_with_it(void **state)
{
	char dir[] = "/tmp/mlops-lock-XXXXXX";
	int dirfd, ready[2], fd;
	struct error err;
	pid_t child;
	char c;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		lock_set_command("mlops run");
		if (lock_take(dirfd, "tree", LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, NULL) < 0)
			_exit(1);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	fd = lock_take(dirfd, "tree", LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, &err);
	assert_int_equal(fd, -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "mlops run"));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	fd = lock_take(dirfd, "tree", LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, &err);
	assert_true(fd >= 0);
	close(fd);
	unlinkat(dirfd, "tree", 0);
	close(dirfd);
	close(ready[0]);
	close(ready[1]);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_gains_context_as_it_climbs),
		cmocka_unit_test(error_never_overflows),
		cmocka_unit_test(strbuf_grows_and_detaches),
		cmocka_unit_test(nearest_word_finds_a_swap_but_no_stranger),
		cmocka_unit_test(strmap_keeps_order_and_replaces),
		cmocka_unit_test(digest_is_sha256),
		cmocka_unit_test(uuid_has_version_four),
		cmocka_unit_test(utc_is_formatted_before_and_after_1970),
		cmocka_unit_test(a_held_lock_names_its_holder_and_dies_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
