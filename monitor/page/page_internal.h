/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/page/html.h"
#include "monitor/page/page.h"
#include "monitor/page/page_number.h"
#include "monitor/page/svg.h"
/*
 * What pages share. A page stays usable and bounded whatever the table is: of many columns the first rows are shown, more in
 * a <details>, and the rest is counted; pictures are drawn of the first columns only. The page says so.
 */
struct js;

#define PAGE_ALL_ROWS 2000u /* then the rest is not written */
#define PAGE_SPARKS   300u  /* small pictures in rows */
#define PAGE_CARDS    60u   /* columns with large pictures */

extern const char style_picture[], style_page[]; /* made of style/ by the build */

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
/* What an area and a line are. */
void page_legend(struct html *);

/* A table of many rows: its heading is repeated in the <details> that hold what is more than `open`. */
struct page_rows {
	void (*head)(struct html *, const void *ctx); /* <th> of the columns */
	void (*row)(struct html *, const void *ctx, size_t i); /* cells of a row */
	const char *caption, *what; /* "columns" */
	size_t n, open;
};
void page_rows(struct html *, const struct page_rows *, const void *ctx);

/* A bar as long as the score, with a mark at the threshold. */
void page_meter(struct html *, double score, double threshold);
/* The small picture of a row. */
void page_spark(struct html *, const struct js *picture, const char *name);
/* How good a model was and is, of drift_performance; nothing where that is not known. */
void page_outcomes(struct html *, const struct js *metrics);
/* Link targets: column i of what was shown. */
void page_card_id(struct html *, size_t i);
void page_card_link(struct html *, size_t i, const char *name, bool has_card);
