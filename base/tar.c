/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tar.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"

/* Where fields stand, and how long they are. */
#define MODE	 100
#define UID	 108
#define GID	 116
#define SIZE	 124
#define SIZE_LEN 12
#define MTIME	 136
#define CHECKSUM 148
#define TYPE	 156
#define MAGIC	 257
#define OCTAL_MAX (1ull << 33) /* 11 octal digits */

static const char magic[8] = "ustar\00000";

static void put_size(uint8_t *field, uint64_t size)
{
	char text[SIZE_LEN + 12];

	if (size < OCTAL_MAX) {
		snprintf(text, sizeof(text), "%011llo", (unsigned long long)size);
		memcpy(field, text, SIZE_LEN);
		return;
	}
	field[0] = 0x80;
	for (int i = SIZE_LEN - 1; i > SIZE_LEN - 9; i--, size >>= 8)
		field[i] = (uint8_t)size;
}

void tar_header(const char *name, uint64_t size, uint8_t ret[TAR_BLOCK])
{
	unsigned sum = 0;
	char text[8];

	memset(ret, 0, TAR_BLOCK);
	memcpy(ret, name, strnlen(name, TAR_NAME));
	memcpy(ret + MODE, "0000644", 8);
	memcpy(ret + UID, "0000000", 8);
	memcpy(ret + GID, "0000000", 8);
	put_size(ret + SIZE, size);
	memcpy(ret + MTIME, "00000000000", 12);
	memset(ret + CHECKSUM, ' ', 8);
	ret[TYPE] = '0';
	memcpy(ret + MAGIC, magic, sizeof(magic));
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += ret[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(ret + CHECKSUM, text, 7);
}

static bool is_zero(const uint8_t *block)
{
	for (size_t i = 0; i < TAR_BLOCK; i++)
		if (block[i])
			return false;
	return true;
}

static bool name_valid(const char *name)
{
	for (;;) {
		size_t len = strcspn(name, "/");

		if (!len || (len <= 2 && strspn(name, ".") >= len))
			return false;
		for (size_t i = 0; i < len; i++)
			if ((unsigned char)name[i] >= 0x80 || (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])))
				return false;
		name += len;
		if (!*name)
			return true;
		name++;
	}
}

static bool read_size(const uint8_t *field, uint64_t *ret)
{
	uint64_t size = 0;

	if (field[0] == 0x80) {
		for (size_t i = SIZE_LEN - 8; i < SIZE_LEN; i++)
			size = size << 8 | field[i];
		*ret = size;
		return size <= INT64_MAX;
	}
	for (size_t i = 0; i < SIZE_LEN - 1; i++) {
		if (field[i] < '0' || field[i] > '7')
			return false;
		size = size << 3 | (uint64_t)(field[i] - '0');
	}
	*ret = size;
	return true;
}

/* For whoever wonders why: what tar's types are. */
static const char *type_name(uint8_t type)
{
	static const struct {
		char type;
		const char *name;
	} types[] = {
		{ '1', "a hard link" },	    { '2', "a symlink" },	{ '3', "a device" },	    { '4', "a device" },
		{ '5', "a directory" },	    { '6', "a FIFO" },		{ 'S', "a sparse file" },   { 'x', "a pax header" },
		{ 'g', "a pax header" },    { 'L', "a GNU long name" }, { 'K', "a GNU long link" },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].type == (char)type)
			return types[i].name;
	return NULL;
}

int tar_parse(const uint8_t block[TAR_BLOCK], struct tar_head *ret, struct error *err)
{
	uint8_t again[TAR_BLOCK];
	struct tar_head head;
	const char *type;

	if (is_zero(block))
		return 0;
	memcpy(head.name, block, TAR_NAME);
	head.name[TAR_NAME] = '\0';
	if (memcmp(block + MAGIC, "ustar", 5) != 0)
		return error_set(err, ERR_DAMAGED, "it is no tar, or was cut");
	type = type_name(block[TYPE]);
	if (type)
		return error_set(err, ERR_DAMAGED, "'%.100s' is %s; only regular files belong there", head.name, type);
	if (!name_valid(head.name))
		return error_set(err, ERR_DAMAGED, "'%.100s' is no name that belongs there", head.name);
	if (!read_size(block + SIZE, &head.size))
		return error_set(err, ERR_DAMAGED, "'%.100s' has an impossible size", head.name);
	tar_header(head.name, head.size, again);
	if (memcmp(again, block, TAR_BLOCK) != 0)
		return error_set(err, ERR_DAMAGED, "the head of '%.100s' is not written as a bundle's is", head.name);
	*ret = head;
	return 1;
}
