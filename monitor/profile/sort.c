/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers sorted by their bits, least digit first. Only the 32 bits or so below the common prefix are sorted by digits:
 * numbers rarely agree on them, so what is left to do is a walk that moves next to nothing. Where it would move much, the
 * other digits are sorted, too.
 */
#include <stdlib.h>
#include <string.h>

#include "monitor/profile/sketch_internal.h"

#define DIGIT_MAX 11u
#define PASSES	  3u

/* Unsigned order of keys is the order of numbers. */
static uint64_t key_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits >> 63 ? ~bits : bits | 1ull << 63;
}

static double number_of(uint64_t key)
{
	uint64_t bits = key >> 63 ? key & ~(1ull << 63) : ~key;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Moves at most `budget` times; false: given up, the keys are all still there. */
static bool insertion_sort(uint64_t *keys, size_t n, size_t budget)
{
	for (size_t i = 1; i < n; i++) {
		uint64_t key = keys[i];
		size_t k = i;

		if (keys[i - 1] <= key)
			continue;
		for (; k > 0 && keys[k - 1] > key && budget; k--, budget--)
			keys[k] = keys[k - 1];
		keys[k] = key;
		if (!budget)
			return false;
	}
	return true;
}

/* By the digits of bits [low, high), `width` bits each. Returns where the keys are then, one of the two. */
static uint64_t *sort_digits(uint64_t *from, uint64_t *to, size_t n, unsigned low, unsigned high, unsigned width)
{
	uint32_t starts[1u << DIGIT_MAX];
	uint64_t mask = (1ull << width) - 1;

	for (; low < high; low += width) {
		uint64_t *swap = from;
		uint32_t sum = 0;

		memset(starts, 0, sizeof(starts[0]) << width);
		for (size_t i = 0; i < n; i++)
			starts[from[i] >> low & mask]++;
		if (starts[from[0] >> low & mask] == n)
			continue;
		for (size_t d = 0; d <= mask; d++) {
			uint32_t count = starts[d];

			starts[d] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			to[starts[from[i] >> low & mask]++] = from[i];
		from = to;
		to = swap;
	}
	return from;
}

static uint64_t *sort_keys(uint64_t *keys, uint64_t *scratch, size_t n, uint64_t differ)
{
	unsigned low = (unsigned)__builtin_ctzll(differ), high = 64 - (unsigned)__builtin_clzll(differ);
	unsigned width = n < 4096 ? 8 : DIGIT_MAX;
	uint64_t *at;

	if (n <= 24) {
		insertion_sort(keys, n, SIZE_MAX);
		return keys;
	}
	if (high - low <= PASSES * width)
		return sort_digits(keys, scratch, n, low, high, width);
	at = sort_digits(keys, scratch, n, high - PASSES * width, high, width);
	if (insertion_sort(at, n, 4 * n))
		return at;
	return sort_digits(at, at == keys ? scratch : keys, n, low, high, width);
}

void sort_numbers(double *values, size_t n, double *scratch)
{
	uint64_t *keys = (uint64_t *)(void *)values, *at;
	uint64_t differ = 0, first, before = 0;
	bool sorted = true;

	if (n < 2)
		return;
	first = key_of(values[0]);
	for (size_t i = 0; i < n; i++) {
		uint64_t key = key_of(values[i]);

		sorted &= key >= before;
		before = key;
		differ |= key ^ first;
		memcpy(&keys[i], &key, sizeof(key));
	}
	at = sorted ? keys : sort_keys(keys, (uint64_t *)(void *)scratch, n, differ);
	for (size_t i = 0; i < n; i++) {
		uint64_t key;

		memcpy(&key, &at[i], sizeof(key));
		values[i] = number_of(key);
	}
}
