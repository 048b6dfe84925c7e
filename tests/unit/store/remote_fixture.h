/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Remotes beside the store of fixture.h, and file systems that can do less than this one. */
#define FIXTURE_TOP "/dev/shm"
#include "fixture.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store/remote_internal.h"
#include "store/tree.h"

/* --- a file system without flock, hard links and renames that do not replace --- */
static bool poor_disk;

int flock(int fd, int how)
{
	if (!poor_disk)
		return (int)syscall(SYS_flock, fd, how);
	errno = ENOLCK;
	return -1;
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (!poor_disk || !flags)
		return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
	errno = EINVAL;
	return -1;
}

/* Called before a link is refused; what another process does just then. */
static void (*meanwhile)(int to_dir) __attribute__((unused));

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	if (!poor_disk)
		return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
	if (meanwhile)
		meanwhile(to_dir);
	errno = EPERM;
	return -1;
}

/* --- no waiting for the disk: a killed process loses nothing that it wrote, synced or not --- */

int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int syncfs(int fd)
{
	(void)fd;
	return 0;
}

/* --- paths: "remote/objects/ab/..." below the root of the fixture --- */

__attribute__((unused)) static char *full(const char *path, char buf[512])
{
	snprintf(buf, 512, "%s/%s", root, path);
	return buf;
}

__attribute__((unused)) static char *object_in(const char *top, const struct digest *id, char buf[256])
{
	char hex[DIGEST_HEX + 1];

	digest_format(id, hex);
	snprintf(buf, 256, "%s/objects/%.2s/%s", top, hex, hex + 2);
	return buf;
}

__attribute__((unused)) static size_t count_names(const char *dir)
{
	struct strlist names = STRLIST_INIT;
	size_t n;

	if (fs_list_dir(rootfd, dir, &names, NULL) < 0)
		return 0;
	n = names.len;
	strlist_release(&names);
	return n;
}

/* Writes over an object of a remote: `flip` the last byte, else cut it off. */
__attribute__((unused)) static void damage_in(const char *top, const struct digest *id, bool flip)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	char path[256];

	assert_int_equal(io_read_file(rootfd, object_in(top, id, path), 64 << 20, &bytes, &err), 0);
	assert_true(bytes.len > 0);
	if (flip)
		bytes.buf[bytes.len - 1] ^= 1;
	assert_int_equal(unlinkat(rootfd, path, 0), 0);
	put_bytes(path, bytes.buf, bytes.len - !flip);
}

__attribute__((unused)) static struct remote *open_remote(const char *dir, bool create)
{
	struct remote *remote = NULL;

	if (remote_open("team", dir, root, create, &remote, &err) < 0)
		fail_msg("%s", err.msg);
	return remote;
}

__attribute__((unused)) static void must(int r)
{
	if (r < 0)
		fail_msg("%s", err.msg);
}

__attribute__((unused)) static struct digest store_text(const char *text)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	struct digest id;

	must(batch_open(store, &batch, &err));
	must(batch_add_bytes(batch, text, strlen(text), &id, &err));
	must(batch_commit(batch, &err));
	return id;
}

/* --- processes --- */

static int kill_at, kill_seen;

static int kill_nth(enum io_op op, const char *name)
{
	(void)op;
	(void)name;
	if (__atomic_add_fetch(&kill_seen, 1, __ATOMIC_SEQ_CST) == kill_at)
		kill(getpid(), SIGKILL);
	return 0;
}

/* Runs work() in a child that is killed at its nth durable operation; true when it was. */
__attribute__((unused)) static bool killed_at(int n, int (*work)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		kill_at = n;
		kill_seen = 0;
		io_fault = kill_nth;
		_exit(work() < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

__attribute__((unused)) static pid_t start(int (*work)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(work() < 0);
	return pid;
}

__attribute__((unused)) static void assert_succeeds(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}
