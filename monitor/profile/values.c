/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/profile/values.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "monitor/profile/profile.h"
#include "monitor/table/stable_hash.h"

#define SLOTS_NEAR 16

static uint64_t secret;

static void make_secret(void)
{
	clock_random(&secret, sizeof(secret));
}

struct values *values_new(bool all)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct values *v = xcalloc(1, sizeof(*v));

	pthread_once(&once, make_secret);
	v->all = all;
	return v;
}

void values_free(struct values *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n; i++)
		free(v->items[i].text);
	free(v->items);
	free(v->slots);
	free(v);
}

/*
 * The slot of a text, or the free one where it would be. After some by its hash the search goes on by a hash that who
 * wrote the table cannot know: texts of equal hashes are easily made, and each would be compared with all of them.
 */
static uint32_t *slot_of(const struct values *v, const char *text, size_t len, uint64_t hash)
{
	size_t at = hash;

	for (size_t seen = 1;; at++, seen++) {
		uint32_t *slot = &v->slots[at & (v->nslots - 1)];
		const struct value *item = &v->items[*slot ? *slot - 1 : 0];

		if (!*slot || (item->hash == hash && item->len == len && !memcmp(item->text, text, len)))
			return slot;
		if (seen == SLOTS_NEAR)
			at = stable_hash(text, len, secret) - 1;
	}
}

static void place(struct values *v, size_t item)
{
	const struct value *value = &v->items[item];

	*slot_of(v, value->text, value->len, value->hash) = (uint32_t)(item + 1);
}

static void grow(struct values *v)
{
	free(v->slots);
	v->nslots = v->nslots ? v->nslots * 2 : 16;
	v->slots = xcalloc(v->nslots, sizeof(*v->slots));
	for (size_t i = 0; i < v->n; i++)
		place(v, i);
}

static bool add_new(struct values *v, const char *text, size_t len, uint64_t hash, uint64_t count)
{
	char *copy;

	if (v->all ? v->n == UINT32_MAX / 4 || len > UINT32_MAX : v->n == PROFILE_VALUES || len > VALUE_BYTES)
		return false;
	GROW(v->items, v->n, v->cap);
	copy = xmalloc(len + 1); /* a text of JSON may hold a NUL */
	memcpy(copy, text, len);
	copy[len] = '\0';
	v->items[v->n++] = (struct value){ hash, count, copy, (uint32_t)len };
	v->bytes += sizeof(struct value) + 2 * sizeof(*v->slots) + len + 1;
	if (v->n * 2 > v->nslots)
		grow(v);
	else
		place(v, v->n - 1);
	return true;
}

bool values_add(struct values *v, const char *text, size_t len, uint64_t hash, uint64_t count)
{
	uint32_t slot = v->nslots ? *slot_of(v, text, len, hash) : 0;

	if (!slot)
		return add_new(v, text, len, hash, count);
	v->items[slot - 1].count += count;
	return true;
}

bool values_merge(struct values *into, const struct values *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct value *value = &from->items[i];

		if (!values_add(into, value->text, value->len, value->hash, value->count))
			return false;
	}
	return true;
}
