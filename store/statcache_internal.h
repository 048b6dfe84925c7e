/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "store/statcache.h"
/* What the file held when it was last hashed, if it had this size; it may have changed since. */
bool statcache_hint(struct statcache *, const struct stat *, struct digest *ret);
/*
 * Files that are hard links to an object: link() and unlink() of any other name of it
 * change ctime, so these are known by size and mtime, and the caller makes sure that
 * the file still is the very inode of the object found.
 */
bool statcache_get_linked(struct statcache *, const struct stat *, struct digest *ret);
void statcache_put_linked(struct statcache *, const struct stat *, const struct digest *);
