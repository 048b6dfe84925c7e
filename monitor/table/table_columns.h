/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Names of columns, at most TABLE_COLUMNS, in their order. One thread adds; others may look at the same time, for nothing
 * that they see moves.
 */
struct columns {
	char **names;
	uint32_t *lens;
	atomic_size_t len;
	_Atomic uint32_t *slots; /* by hash: index + 1, 0 free */
};
void columns_init(struct columns *);
void columns_release(struct columns *);
/* Takes the name. False: there are TABLE_COLUMNS already. */
bool columns_add(struct columns *, char *name, size_t len);
bool columns_find(const struct columns *, const char *name, size_t len, size_t *ret);
