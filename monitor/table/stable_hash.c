/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/stable_hash.h"
#include <endian.h>
#include <string.h>

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t read_tail(const unsigned char *p, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)p[i] << 8 * i;
	return word;
}

/* Folded multiplication of words with odd constants (digits of pi); the length and the seed go in first. */
uint64_t stable_hash(const void *data, size_t len, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t h = fold(seed ^ 0x243f6a8885a308d3u, len ^ 0x13198a2e03707345u);

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		h = fold(h ^ le64toh(word), 0xa4093822299f31d1u);
	}
	if (len)
		h = fold(h ^ read_tail(p, len), 0x082efa98ec4e6c89u);
	return fold(h ^ 0x452821e638d01377u, 0xbe5466cf34e90c6du);
}
