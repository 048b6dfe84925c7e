/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "store/tree.h"
/* NULL when entry i may follow entries 0..i-1, else what is wrong with it ("... stands twice"). */
const char *tree_entry_fault(const struct tree *, size_t i);
/* Appends an entry whose path and target are given by length. */
void tree_append(struct tree *, const char *path, size_t path_len, enum entry_kind,
		 const struct digest *, uint64_t size, const char *target, size_t target_len);
void tree_truncate(struct tree *, size_t len);
