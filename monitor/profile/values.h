/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* Texts, each with how often it came: up to PROFILE_VALUES of them, none above VALUE_BYTES; or all that come. */
#define VALUE_BYTES 128u

struct value {
	uint64_t hash, count;
	char *text;
	uint32_t len;
};
struct values {
	struct value *items; /* in the order of their first time */
	size_t n, cap;
	uint32_t *slots;     /* 1 + index; 0: free */
	size_t nslots;	     /* a power of two */
	uint64_t bytes;	     /* of all this */
	bool all;	     /* without the limits */
};
struct values *values_new(bool all);
void values_free(struct values *);
/* false: it has no place here. */
bool values_add(struct values *, const char *text, size_t len, uint64_t hash, uint64_t count);
/* false: not all of them had a place, and what `into` has then is of no use. */
bool values_merge(struct values *into, const struct values *from);
