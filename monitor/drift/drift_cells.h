/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "monitor/profile/profile.h"
/* The values of two columns side by side, each once, in the order of their texts. Lends the texts of both columns. */
struct effect;

struct cell {
	struct value_count value;
	uint64_t ref, cur;
};
struct cells {
	struct cell *items;
	size_t n;
};
/* false: a side has more values than are counted. */
bool cells_init(struct cells *, const struct column *ref, const struct column *cur);
void cells_release(struct cells *);

/* Jensen and Shannon's distance of counts over k cells and its p; pools rare cells, in place. Room for k + 3. */
struct effect shares_effect(uint64_t *ref, uint64_t *cur, size_t k);
