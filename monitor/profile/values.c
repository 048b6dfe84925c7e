/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/profile/values.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "monitor/profile/profile.h"

struct values *values_new(bool all)
{
	struct values *v = xcalloc(1, sizeof(*v));

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

static void place(struct values *v, size_t item)
{
	size_t at = v->items[item].hash & (v->nslots - 1);

	while (v->slots[at])
		at = (at + 1) & (v->nslots - 1);
	v->slots[at] = (uint32_t)(item + 1);
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
	for (size_t at = hash; v->nslots; at++) {
		uint32_t slot = v->slots[at & (v->nslots - 1)];
		struct value *item = &v->items[slot ? slot - 1 : 0];

		if (!slot)
			break;
		if (item->hash == hash && item->len == len && !memcmp(item->text, text, len)) {
			item->count += count;
			return true;
		}
	}
	return add_new(v, text, len, hash, count);
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
