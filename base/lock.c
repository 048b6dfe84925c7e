/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

static char command[128] = "mlops";

void lock_set_command(const char *text)
{
	snprintf(command, sizeof(command), "%s", text);
	for (char *c = command; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
}

/* "PID START_MS COMMAND\n"; what a dying writer left half-written reads as an unknown holder. */
static void read_holder(int fd, struct lock_holder *ret)
{
	char text[256];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long long since;
	int used = 0;

	*ret = (struct lock_holder){ 0 };
	if (n <= 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "%ld %lld %n", &ret->pid, &since, &used) < 2 || !used) {
		ret->pid = 0;
		return;
	}
	ret->since_ms = since;
	text[strcspn(text, "\n")] = '\0';
	snprintf(ret->command, sizeof(ret->command), "%.127s", text + used);
}

static void write_holder(int fd)
{
	char text[256];
	int len = snprintf(text, sizeof(text), "%ld %lld %s\n", (long)getpid(),
			   (long long)clock_wall_ms(), command);

	/* Only for people: a lock without it still locks. */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) != len)
		return;
}

static int taken(int fd, const char *name, struct error *err)
{
	struct lock_holder holder;

	read_holder(fd, &holder);
	if (!holder.pid)
		return error_set(err, ERR_CONFLICT, "the %s lock is held by another process", name);
	error_set(err, ERR_CONFLICT, "the %s lock is held by process %ld (%s)", name, holder.pid,
		  holder.command);
	return error_help(err, "wait until it has ended, or stop it: kill %ld", holder.pid);
}

static int flock_retry(int fd, int operation)
{
	int r;

	do
		r = flock(fd, operation);
	while (r < 0 && errno == EINTR);
	return r;
}

static int cannot_open(int dirfd, const char *name, struct error *err)
{
	int sys = errno;
	char proc[64], dir[PATH_MAX];
	ssize_t len;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", dirfd);
	len = readlink(proc, dir, sizeof(dir));
	error_sys(err, sys, "cannot open the lock file %.*s/%s", len > 0 ? (int)len : 1, len > 0 ? dir : ".", name);
	return error_help(err, "see what is wrong: mlops doctor");
}

int lock_take(int dirfd, const char *name, enum lock_mode mode, enum lock_wait wait,
	      void (*waiting)(void *ctx, const struct lock_holder *), void *ctx, struct error *err)
{
	int operation = mode == LOCK_SHARED ? LOCK_SH : LOCK_EX;
	CLEANUP(cleanup_fd) int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	struct stat st;

	if (fd < 0)
		return cannot_open(dirfd, name, err);
	if (flock_retry(fd, operation | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return error_sys(err, errno, "cannot lock %s", name);
		if (wait == LOCK_TRY)
			return taken(fd, name, err);
		if (waiting) {
			struct lock_holder holder;
			read_holder(fd, &holder);
			waiting(ctx, &holder);
		}
		if (flock_retry(fd, operation) < 0)
			return error_sys(err, errno, "cannot lock %s", name);
	}
	/* The lock of a run is deleted by who finds it free: this may be a file that nobody else can find. */
	if (fstat(fd, &st) == 0 && !st.st_nlink)
		return lock_take(dirfd, name, mode, wait, waiting, ctx, err);
	if (mode == LOCK_EXCLUSIVE)
		write_holder(fd);
	return steal_fd(&fd);
}

bool lock_is_held(int dirfd, const char *name, struct lock_holder *ret)
{
	CLEANUP(cleanup_fd) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	*ret = (struct lock_holder){ 0 };
	if (fd < 0 || flock_retry(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return false;
	read_holder(fd, ret);
	return true;
}
