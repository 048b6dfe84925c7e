/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Tars of our own, which programs exchange: ustar (POSIX.1-1988) with regular files only, mode 0644, owner 0, time 0, and
 * a size of 8 GiB or more in GNU's base 256. One name and size have one header, so equal files make equal bytes, and whoever
 * reads one refuses all else: links, devices, sparse files, other owners, hidden bytes. Any tar program reads them.
 */
struct error;

#define TAR_BLOCK 512
#define TAR_NAME  100 /* bytes of a name, at most */
/* Bytes behind a file until the next header. */
#define TAR_PADDING(size) ((size_t)(-(uint64_t)(size) % TAR_BLOCK))
/* Blocks of zeros at the end. */
#define TAR_END 2

struct tar_head {
	char name[TAR_NAME + 1];
	uint64_t size;
};
/* `name`: at most TAR_NAME bytes, as tar_parse wants it. */
void tar_header(const char *name, uint64_t size, uint8_t ret[TAR_BLOCK]);
/* 1: a file; 0: a block of zeros; -1: ERR_DAMAGED says what stands there instead. Names are relative, of parts of
 * [A-Za-z0-9._-] that are neither "." nor "..". */
int tar_parse(const uint8_t block[TAR_BLOCK], struct tar_head *ret, struct error *);
