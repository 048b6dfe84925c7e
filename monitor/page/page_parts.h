/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/page/html.h"
/*
 * What all pages are made of, also those that other floors make. A page stays usable and bounded whatever is on it: of
 * many rows the first are shown, more in a <details>, and the rest is counted; the page says so.
 */
struct js;

#define PAGE_ALL_ROWS 2000u /* then the rest is not written */

/* From <!DOCTYPE> into <main>; `kind` is what page it is. `name` is data. */
void page_begin(struct html *, const char *kind, const char *name);
void page_sub(struct html *, const char *before, const char *name, const char *after); /* below the heading */
void page_main(struct html *); /* the heading is done */
void page_end(struct html *);

/* How a state looks: "ok", "alert", "wait", "broken", "new"; and its symbol, so that no one needs the colour. */
const char *page_state_class(const char *state);
void page_state(struct html *, const char *state);
void page_verdict(struct html *, const char *state, const char *reason);

void page_figure(struct html *, const char *label, const char *value); /* in a <dl class="figures"> or "pairs" */
void page_th(struct html *, const char *class, const char *text);      /* of a column */
void page_td(struct html *, const char *class, const char *text);
void page_td_data(struct html *, const char *class, const char *text, size_t max); /* text may be NULL */
#define PAGE_WORD 24u /* characters of what is a word: a type, a state, a test */
void page_note(struct html *, const char *text); /* in a <ul class="notes">; text may hold data */
void page_notes(struct html *, const struct js *notes, size_t most); /* the list of them, of texts */

/* A table of many rows: its heading is repeated in the <details> that hold what is more than `open`. */
struct page_rows {
	void (*head)(struct html *, const void *ctx); /* <th> of the columns */
	void (*row)(struct html *, const void *ctx, size_t i); /* cells of a row */
	const char *caption, *what; /* "columns" */
	size_t n, open;
};
void page_rows(struct html *, const struct page_rows *, const void *ctx);
