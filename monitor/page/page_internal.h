/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/page/html.h"
#include "monitor/page/page.h"
#include "monitor/page/page_number.h"
#include "monitor/page/page_parts.h"
#include "monitor/page/svg.h"
/* What pages of tables share. Pictures are drawn of the first columns only; the page says so. */
struct js;

#define PAGE_SPARKS   300u  /* small pictures in rows */
#define PAGE_CARDS    60u   /* columns with large pictures */

extern const char style_picture[], style_page[]; /* made of style/ by the build */

/* What an area and a line are. */
void page_legend(struct html *);

/* A bar as long as the score, with a mark at the threshold. */
void page_meter(struct html *, double score, double threshold);
/* The small picture of a row. */
void page_spark(struct html *, const struct js *picture, const char *name);
/* How good a model was and is, of drift_performance; nothing where that is not known. */
void page_outcomes(struct html *, const struct js *metrics);
/* Link targets: column i of what was shown. */
void page_card_id(struct html *, size_t i);
void page_card_link(struct html *, size_t i, const char *name, bool has_card);
