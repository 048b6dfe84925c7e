/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/table_window.h"
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/table/source.h"

void window_release(struct window *w)
{
	free(w->text);
	free(w->other);
	w->text = w->other = NULL;
}

int window_fill(struct window *w, struct error *err)
{
	size_t room = WINDOW_PIECE;
	ssize_t n;

	if (w->ended)
		return 0;
	/* a short rest is filled up to a piece, a long row grows by halves */
	if (w->len < WINDOW_PIECE)
		room = WINDOW_PIECE - w->len;
	if (w->len + room > w->cap) {
		w->cap = w->cap + w->cap / 2 > w->len + room ? w->cap + w->cap / 2 : w->len + room;
		w->text = xreallocarray(w->text, w->cap + WINDOW_SPARE, 1);
	}
	n = source_read(w->source, w->text + w->len, room, err);
	if (n < 0)
		return -1;
	w->len += (size_t)n;
	w->ended = (size_t)n < room;
	return n > 0;
}

void window_drop(struct window *w, size_t n)
{
	char *rest = w->text + n;
	size_t cap = w->cap;

	w->len -= n;
	if (w->turns && w->lent) {
		if (w->other_cap < cap) {
			free(w->other);
			w->other = xmalloc(cap + WINDOW_SPARE);
			w->other_cap = cap;
		}
		memcpy(w->other, rest, w->len);
		rest = w->text;
		w->text = w->other;
		w->cap = w->other_cap;
		w->other = rest;
		w->other_cap = cap;
	} else if (w->len) {
		memmove(w->text, rest, w->len);
	}
	w->lent = false;
}
