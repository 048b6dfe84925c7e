/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/table_columns.h"
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/table/table.h"

#define SLOTS (TABLE_COLUMNS * 2)

void columns_init(struct columns *c)
{
	c->names = xcalloc(TABLE_COLUMNS, sizeof(*c->names));
	c->lens = xcalloc(TABLE_COLUMNS, sizeof(*c->lens));
	c->slots = xcalloc(SLOTS, sizeof(*c->slots));
	atomic_init(&c->len, 0);
}

void columns_release(struct columns *c)
{
	for (size_t i = 0; c->names && i < c->len; i++)
		free(c->names[i]);
	free(c->names);
	free(c->lens);
	free((void *)c->slots);
}

static uint32_t hash(const char *name, size_t len)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	return h ^ h >> 15;
}

/* The slot of a name, or the free one where it would be. */
static size_t probe(const struct columns *c, const char *name, size_t len, uint32_t *ret)
{
	size_t slot = hash(name, len) % SLOTS;

	for (;; slot = (slot + 1) % SLOTS) {
		uint32_t i = atomic_load_explicit(&c->slots[slot], memory_order_acquire);

		*ret = i;
		if (!i || (c->lens[i - 1] == len && !memcmp(c->names[i - 1], name, len)))
			return slot;
	}
}

bool columns_add(struct columns *c, char *name, size_t len)
{
	size_t i = atomic_load_explicit(&c->len, memory_order_relaxed), slot;
	uint32_t was;

	if (i == TABLE_COLUMNS) {
		free(name);
		return false;
	}
	slot = probe(c, name, len, &was);
	c->names[i] = name;
	c->lens[i] = (uint32_t)len;
	atomic_store_explicit(&c->slots[slot], (uint32_t)i + 1, memory_order_release);
	atomic_store_explicit(&c->len, i + 1, memory_order_release);
	return true;
}

bool columns_find(const struct columns *c, const char *name, size_t len, size_t *ret)
{
	uint32_t i;

	probe(c, name, len, &i);
	if (i)
		*ret = i - 1;
	return i;
}
