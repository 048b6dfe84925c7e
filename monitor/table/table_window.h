/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "monitor/table/table.h"
/*
 * The piece of a text that is looked at: whole rows, and the beginning of the next one. It grows only where a row is
 * longer than it, up to ROW_BYTES.
 */
struct error;
struct source;

#define WINDOW_PIECE ((size_t)128 << 10) /* what is read at once; with its fields it fits into a second-level cache */
#define WINDOW_SPARE 128u		 /* bytes behind `len` that may be written */

struct window {
	struct source *source; /* lent */
	char *text;
	size_t len, cap;
	bool ended;
	bool turns; /* what was lent stays where it is until window_drop is called again: there are two buffers */
	bool lent;  /* since the last window_drop */
	char *other;
	size_t other_cap;
};
#define WINDOW_INIT(source_) { .source = (source_) }
void window_release(struct window *);
/* Reads one more piece: 1, 0 at the end, -1. The text may move. */
int window_fill(struct window *, struct error *);
/* Forgets the first bytes; what follows moves to the front. */
void window_drop(struct window *, size_t);
