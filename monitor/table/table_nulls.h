/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
/* Fields that mean nothing: the empty one, and words. Most fields are none and are told by one look at a table. */
struct null_words {
	/* By first byte: bit n is set when a word of n bytes begins so, bit 63 for longer ones, bit 0 always. */
	uint64_t lengths[256];
	struct strlist words;
};
void null_words_init(struct null_words *, const char *list); /* with ',' between; blanks around are dropped */
void null_words_release(struct null_words *);
bool null_words_have(const struct null_words *, const char *text, size_t len);

/* Looks at text[0], also of an empty text. */
static inline bool null_words_is(const struct null_words *w, const char *text, size_t len)
{
	if (!(w->lengths[(unsigned char)text[0]] >> (len < 63 ? len : 63) & 1))
		return false;
	return !len || null_words_have(w, text, len);
}
