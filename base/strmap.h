/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * A map from string to pointer, by open addressing. Keys are copied, values are
 * the caller's. Life: STRMAP_INIT (all zero), any calls, strmap_release.
 * Iteration order is insertion order; there is no removal.
 */
struct strmap_entry {
	char *key;
	void *value;
};
struct strmap {
	struct strmap_entry *entries; /* 0..len-1, in insertion order */
	size_t len, cap;
	unsigned *slots; /* index + 1 into entries, 0 free */
	size_t nslots;
};
#define STRMAP_INIT { NULL, 0, 0, NULL, 0 }
void strmap_release(struct strmap *);
void *strmap_get(const struct strmap *, const char *key); /* NULL: absent */
bool strmap_has(const struct strmap *, const char *key);
/* Returns the value that stood there before, or NULL. */
void *strmap_set(struct strmap *, const char *key, void *value);
