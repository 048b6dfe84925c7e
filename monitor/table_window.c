/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table_window.h"
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/source.h"

void window_release(struct window *w)
{
	free(w->text);
	w->text = NULL;
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
	w->len -= n;
	memmove(w->text, w->text + n, w->len);
}
