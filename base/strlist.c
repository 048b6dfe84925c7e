/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strlist.h"
#include <string.h>
#include "base/mem.h"
#include "base/strbuf.h"

void strlist_release(struct strlist *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct strlist)STRLIST_INIT;
}

void strlist_push_owned(struct strlist *list, char *text)
{
	GROW(list->items, list->len, list->cap);
	list->items[list->len++] = text;
}

void strlist_push(struct strlist *list, const char *text)
{
	strlist_push_owned(list, xstrdup(text));
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strlist_sort(struct strlist *list)
{
	if (list->len > 1)
		qsort(list->items, list->len, sizeof(*list->items), by_bytes);
}

void strlist_uniq(struct strlist *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->len; i++) {
		if (kept && !strcmp(list->items[kept - 1], list->items[i]))
			free(list->items[i]);
		else
			list->items[kept++] = list->items[i];
	}
	list->len = kept;
}

bool strlist_has(const struct strlist *list, const char *text)
{
	for (size_t i = 0; i < list->len; i++)
		if (!strcmp(list->items[i], text))
			return true;
	return false;
}

bool strlist_has_sorted(const struct strlist *list, const char *text)
{
	return list->len &&
	       bsearch(&text, list->items, list->len, sizeof(*list->items), by_bytes) != NULL;
}

/* Optimal string alignment distance; words longer than this are never "near". */
#define WORD_MAX 63

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

static size_t distance(const char *a, size_t la, const char *b, size_t lb)
{
	size_t d[WORD_MAX + 1][WORD_MAX + 1];

	for (size_t i = 0; i <= la; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			size_t cost = a[i - 1] != b[j - 1];
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[la][lb];
}

const char *nearest_word(const char *const *words, size_t n, const char *word)
{
	size_t len = strlen(word), best = len / 3 > 1 ? len / 3 : 1;
	const char *found = NULL;

	if (!len || len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(words[i]);
		size_t d;
		if (other > WORD_MAX || (other > len ? other - len : len - other) > best)
			continue;
		d = distance(words[i], other, word, len);
		if (d < best || (d == best && !found)) {
			best = d;
			found = words[i];
		}
	}
	return found;
}

const char *strlist_nearest(const struct strlist *list, const char *word)
{
	return nearest_word((const char *const *)list->items, list->len, word);
}

char *strlist_join(const struct strlist *list, const char *separator)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < list->len; i++) {
		if (i)
			strbuf_puts(&sb, separator);
		strbuf_puts(&sb, list->items[i]);
	}
	return strbuf_detach(&sb);
}
