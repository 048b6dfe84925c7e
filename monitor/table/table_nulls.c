/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/table_nulls.h"
#include <string.h>
#include "base/mem.h"

static void add(struct null_words *w, const char *word, size_t len)
{
	while (len && (*word == ' ' || *word == '\t')) {
		word++;
		len--;
	}
	while (len && (word[len - 1] == ' ' || word[len - 1] == '\t'))
		len--;
	if (!len)
		return;
	strlist_push_owned(&w->words, xstrndup(word, len));
	w->lengths[(unsigned char)word[0]] |= UINT64_C(1) << (len < 63 ? len : 63);
}

void null_words_init(struct null_words *w, const char *list)
{
	w->words = (struct strlist)STRLIST_INIT;
	for (size_t i = 0; i < ARRAY_LEN(w->lengths); i++)
		w->lengths[i] = 1;
	for (;;) {
		size_t len = strcspn(list, ",");

		add(w, list, len);
		if (!list[len])
			break;
		list += len + 1;
	}
}

void null_words_release(struct null_words *w)
{
	strlist_release(&w->words);
}

bool null_words_have(const struct null_words *w, const char *text, size_t len)
{
	for (size_t i = 0; i < w->words.len; i++)
		if (strlen(w->words.items[i]) == len && !memcmp(w->words.items[i], text, len))
			return true;
	return false;
}
