/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <sys/types.h>
#include "base/compress.h"
/*
 * Files that gzip compressed, read in pieces: any number of members, sums checked; zeros may follow (tapes). The door to
 * zlib, which is loaded on first use. Memory is some 200 KiB.
 */
struct error;
struct gunzip;

int gunzip_of(struct compressed, const char *name, struct gunzip **ret, struct error *); /* lends ctx and name */
/* Bytes read, 0 at the end. ERR_DAMAGED: it is no such file, was changed, or lacks its end. */
ssize_t gunzip_read(struct gunzip *, void *buf, size_t room, struct error *);
void gunzip_free(struct gunzip *);
void cleanup_gunzip(struct gunzip **);
