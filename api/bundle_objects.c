/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "api/bundle_internal.h"
#include "base/error.h"
#include "base/mem.h"

#define FEW 4096 /* unsorted ones, at least, before they are sorted */

void bundle_objects_release(struct bundle_objects *set)
{
	free(set->v);
	*set = (struct bundle_objects){ 0 };
}

static int by_digest(const void *a, const void *b)
{
	const struct bundle_object *x = a, *y = b;
	int order = digest_compare(&x->id, &y->id);

	return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* An unknown size is the largest, so a known one stands before it. Of two known ones both stay, to be found. */
static void compact(struct bundle_objects *set)
{
	size_t kept = 0;

	if (set->sorted == set->len)
		return;
	qsort(set->v, set->len, sizeof(*set->v), by_digest);
	for (size_t i = 1; i < set->len; i++)
		if (!digest_equal(&set->v[kept].id, &set->v[i].id) ||
		    (set->v[i].size != set->v[kept].size && set->v[i].size != BUNDLE_SIZE_UNKNOWN))
			set->v[++kept] = set->v[i];
	set->len = set->sorted = kept + 1;
}

void bundle_objects_add(struct bundle_objects *set, const struct digest *id, uint64_t size)
{
	if (set->len == set->cap && set->len - set->sorted >= FEW + set->sorted / 2)
		compact(set);
	GROW(set->v, set->len, set->cap);
	set->v[set->len++] = (struct bundle_object){ *id, size };
}

int bundle_objects_sort(struct bundle_objects *set, struct error *err)
{
	char hex[DIGEST_HEX + 1];

	compact(set);
	for (size_t i = 1; i < set->len; i++)
		if (digest_equal(&set->v[i - 1].id, &set->v[i].id))
			return error_set(err, ERR_DAMAGED, "object %.12s is said to have %llu bytes, and %llu",
					 digest_format(&set->v[i].id, hex), (unsigned long long)set->v[i - 1].size,
					 (unsigned long long)set->v[i].size);
	return 0;
}

static int find(const void *key, const void *object)
{
	return digest_compare(key, &((const struct bundle_object *)object)->id);
}

struct bundle_object *bundle_objects_find(const struct bundle_objects *set, const struct digest *id)
{
	return set->len ? bsearch(id, set->v, set->len, sizeof(*set->v), find) : NULL;
}
