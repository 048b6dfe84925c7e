/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Where the fields of CSV may end: bit masks of 64 bytes of text each, made by AVX2 where the processor has it, else byte
 * by byte. Both give the same masks.
 */
#define SCAN_BLOCK 64u

struct scan_masks {
	uint64_t *marks;  /* delimiters, \n and \r */
	uint64_t *lines;  /* \n and \r alone */
	uint64_t *quotes;
	bool nul;	  /* a NUL was among the bytes; never taken back */
};
/* Blocks [from, to) of `text`. */
void scan_blocks(const char *text, size_t from, size_t to, char delimiter, struct scan_masks *);

typedef void scan_way(const char *text, size_t from, size_t to, char delimiter, struct scan_masks *);
scan_way scan_bytewise, scan_avx2;
bool scan_has_avx2(void);
extern scan_way *scan_forced; /* test hook: this way; NULL in production */

/* For each byte whether it is inside of quotes, the closing one counted out; *quoted goes in and out. */
static inline uint64_t scan_inside(uint64_t quotes, bool *quoted)
{
	uint64_t inside = quotes;

	inside ^= inside << 1;
	inside ^= inside << 2;
	inside ^= inside << 4;
	inside ^= inside << 8;
	inside ^= inside << 16;
	inside ^= inside << 32;
	inside ^= *quoted ? UINT64_MAX : 0;
	*quoted = inside >> 63;
	return inside;
}
