/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A project with a store in a temporary directory, for the tests of this floor. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "store/store.h"

#ifndef FIXTURE_TOP
#define FIXTURE_TOP "/tmp"
#endif
static char root[64];
static int rootfd = -1;
static int mlopsfd = -1;
static struct store *store;
static struct error err;

/* --- time: a test moves it on instead of waiting --- */
static struct clock_source real_clock;
static int64_t clock_ahead_ms;

static int64_t shifted_wall_ms(void)
{
	return real_clock.wall_ms() + clock_ahead_ms;
}

/* --- faults: the nth operation of a kind fails --- */
static enum io_op fault_op;
static int fault_at, fault_seen, fault_errno;

static int fail_nth(enum io_op op, const char *name)
{
	(void)name;
	return op == fault_op && ++fault_seen == fault_at ? fault_errno : 0;
}

__attribute__((unused)) static void arm(enum io_op op, int n, int sys)
{
	fault_op = op;
	fault_at = n;
	fault_seen = 0;
	fault_errno = sys;
	io_fault = fail_nth;
}

static int setup(void **state)
{
	char dir[80];

	(void)state;
	error_clear(&err);
	/* FIXTURE_TOP: where many small files cost less, if it is there. */
	snprintf(root, sizeof(root), "%s/mlops-store-XXXXXX", access(FIXTURE_TOP, W_OK) ? "/tmp" : FIXTURE_TOP);
	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/.mlops", root);
	assert_int_equal(store_open(dir, true, &store, &err), 0);
	rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mlopsfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(rootfd >= 0 && mlopsfd >= 0);
	real_clock = clock_source;
	clock_ahead_ms = 0;
	clock_source.wall_ms = shifted_wall_ms;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	io_fault = NULL;
	clock_source = real_clock;
	store_close(store);
	close(mlopsfd);
	close(rootfd);
	return fs_remove_tree(AT_FDCWD, root, NULL);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

__attribute__((unused)) static void put_bytes(const char *path, const void *data, size_t len)
{
	assert_int_equal(fs_make_parents(rootfd, path, 0755, &err), 0);
	assert_int_equal(io_replace_file(rootfd, path, data, len, 0644, false, &err), 0);
}

__attribute__((unused)) static void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

__attribute__((unused)) static bool exists(const char *path)
{
	struct stat st;

	return fs_stat_beneath(rootfd, path, &st, NULL) == 1;
}

__attribute__((unused)) static void assert_file(const char *path, const char *want)
{
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;

	if (io_read_file(rootfd, path, 1 << 20, &got, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(got.buf, want);
}

/* Everything below .mlops/staging; 0 when nothing was left behind. */
__attribute__((unused)) static size_t count_in(const char *dir)
{
	struct strlist names = STRLIST_INIT;
	size_t n;

	if (fs_list_dir(mlopsfd, dir, &names, NULL) < 0)
		return 0;
	n = names.len;
	strlist_release(&names);
	return n;
}

__attribute__((unused)) static int count_object(void *ctx, const struct digest *id, uint64_t size, const char *name)
{
	size_t *n = ctx;

	(void)size;
	if (!id)
		fail_msg("%s is no object", name);
	(*n)++;
	return 0;
}

__attribute__((unused)) static size_t count_objects(void)
{
	size_t n = 0;

	assert_int_equal(store_each(store, count_object, &n, &err), 0);
	return n;
}
