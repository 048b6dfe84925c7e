/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
/*
 * Digests of files by their stat: (dev, ino) -> size, mtime, ctime, digest. An entry
 * is used only when size, mtime and ctime are equal and both times were older than
 * the start of hashing by STATCACHE_RACY_NS, so a write in the same clock tick is
 * never missed. A cache: losing it costs time only. A torn or foreign file is ignored.
 *
 * Threads: get and put are serialised by an internal lock.
 */
#define STATCACHE_RACY_NS 2000000000ll
struct digest;
struct error;
struct statcache;

/* Never fails for bad content: it then starts empty. `dirfd` is the .mlops directory. */
struct statcache *statcache_load(int dirfd);
void statcache_free(struct statcache *);
bool statcache_get(struct statcache *, const struct stat *, struct digest *ret);
/* `started_ns` is CLOCK_REALTIME when hashing began. Nothing is kept when the stat is too young. */
void statcache_put(struct statcache *, const struct stat *, const struct digest *, int64_t started_ns);
/* Writes when something changed; atomically, not durably. */
int statcache_save(struct statcache *, int dirfd, struct error *);
