/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/row_hash.h"
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/table/stable_hash.h"
#include "monitor/table/table.h"

void row_hashes_release(struct row_hashes *h)
{
	free(h->seeds);
	*h = (struct row_hashes)ROW_HASHES_INIT;
}

/* The end of MurmurHash3's 64 bits, a bijection. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
	return x ^ x >> 33;
}

uint64_t hash_seeded(uint64_t hash, uint64_t seed)
{
	return mix(hash + mix(seed + 0x9e3779b97f4a7c15u));
}

uint64_t field_hash(const struct field *f)
{
	return stable_hash(f->text, f->len, 0);
}

/* Fields are added, not chained, so that the order of columns does not matter. */
uint64_t row_hash(struct row_hashes *h, const struct table *table, const struct rows *rows, size_t row)
{
	const struct field *f = rows->fields + row * rows->ncols;
	uint64_t sum = 0;

	while (h->len < rows->ncols) {
		const char *name = table_column(table, h->len);

		GROW(h->seeds, h->len, h->cap);
		h->seeds[h->len++] = stable_hash(name, strlen(name), 0);
	}
	for (size_t i = 0; i < rows->ncols; i++)
		if (f[i].kind != FIELD_NULL)
			sum += stable_hash(f[i].text, f[i].len, h->seeds[i]);
	return mix(sum);
}
