/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Locks between processes: flock on a file that says who holds it ("pid command
 * start"). The kernel drops a dead holder's lock, so there are no stale ones.
 * Close-on-exec; a lock is released by closing its descriptor. Only files of runs are ever deleted.
 */
struct error;
enum lock_mode { LOCK_SHARED, LOCK_EXCLUSIVE };
enum lock_wait { LOCK_TRY, LOCK_WAIT };

struct lock_holder {
	long pid; /* 0 unknown */
	char command[128];
	int64_t since_ms;
};
/* Returns the fd; -1 with ERR_CONFLICT naming the holder when LOCK_TRY finds it taken. `waiting`
 * (may be NULL) is called once before a LOCK_WAIT blocks. */
int lock_take(int dirfd, const char *name, enum lock_mode, enum lock_wait,
	      void (*waiting)(void *ctx, const struct lock_holder *), void *ctx, struct error *);
/* Whether another process holds the lock exclusively, and who; changes nothing. */
bool lock_is_held(int dirfd, const char *name, struct lock_holder *ret);
/* What this process writes into locks it takes; set once at start. */
void lock_set_command(const char *command);
