/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strmap.h"
#include <stdint.h>
#include <string.h>
#include "base/mem.h"

/* FNV-1a, 64 bits. */
static size_t hash_of(const char *key)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3u;
	return (size_t)(h ^ (h >> 32));
}

void strmap_release(struct strmap *map)
{
	for (size_t i = 0; i < map->len; i++)
		free(map->entries[i].key);
	free(map->entries);
	free(map->slots);
	*map = (struct strmap)STRMAP_INIT;
}

/* The slot that holds the key, or the free one where it belongs. */
static size_t slot_of(const struct strmap *map, const char *key)
{
	size_t mask = map->nslots - 1;
	size_t i = hash_of(key) & mask;

	while (map->slots[i] && strcmp(map->entries[map->slots[i] - 1].key, key) != 0)
		i = (i + 1) & mask;
	return i;
}

static void rehash(struct strmap *map)
{
	free(map->slots);
	map->nslots = map->nslots ? map->nslots * 2 : 16;
	map->slots = xcalloc(map->nslots, sizeof(*map->slots));
	for (size_t i = 0; i < map->len; i++)
		map->slots[slot_of(map, map->entries[i].key)] = (unsigned)i + 1;
}

void *strmap_get(const struct strmap *map, const char *key)
{
	unsigned at = map->nslots ? map->slots[slot_of(map, key)] : 0;

	return at ? map->entries[at - 1].value : NULL;
}

bool strmap_has(const struct strmap *map, const char *key)
{
	return map->nslots && map->slots[slot_of(map, key)];
}

void *strmap_set(struct strmap *map, const char *key, void *value)
{
	size_t slot;
	void *old;

	if ((map->len + 1) * 4 > map->nslots * 3)
		rehash(map);
	slot = slot_of(map, key);
	if (map->slots[slot]) {
		struct strmap_entry *entry = &map->entries[map->slots[slot] - 1];
		old = entry->value;
		entry->value = value;
		return old;
	}
	GROW(map->entries, map->len, map->cap);
	map->entries[map->len++] = (struct strmap_entry){ xstrdup(key), value };
	map->slots[slot] = (unsigned)map->len;
	return NULL;
}
