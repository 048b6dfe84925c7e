/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/strbuf.h"
/*
 * HTML and SVG that can only come out well-formed, as XML too: elements are opened and closed in pairs, and every text and
 * every value of an attribute is escaped here. What a reader could not see, or what would mislead him, is spelled out:
 * control characters as their pictures, invalid UTF-8 as \xff, characters that reorder or hide text as \u202e.
 *
 * Life: HTML_INIT, any calls, each html_open with its html_close. Tags, names and classes are literals, lent for good.
 */
#define HTML_DEPTH 32
struct html {
	struct strbuf *out;
	const char *tags[HTML_DEPTH];
	size_t depth;
	bool in_tag;  /* the start tag still takes attributes */
	unsigned ids; /* given out by html_id */
};
#define HTML_INIT(strbuf) { .out = (strbuf) }

void html_open(struct html *, const char *tag);
void html_open_class(struct html *, const char *tag, const char *class);
void html_close(struct html *);
void html_close_n(struct html *, size_t n);
/* Of the element that was opened last, before anything went into it. */
void html_attr(struct html *, const char *name, const char *value);
void html_attrf(struct html *, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void html_coordinate(struct html *, const char *name, double); /* to a tenth */

void html_text(struct html *, const char *);
void html_textf(struct html *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A whole element with a text in it. `class` may be NULL. */
void html_element(struct html *, const char *tag, const char *class, const char *text);
void html_elementf(struct html *, const char *tag, const char *class, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A text that comes from data: kept apart from the direction of what is around it, and cut after `max` characters, then with
 * how many there are. */
#define HTML_NAME  80u
#define HTML_VALUE 120u
void html_data(struct html *, const char *text, size_t max);

/* The escaped text itself; for where a text is made of several. */
void html_escape(const char *text, size_t len, struct strbuf *ret);
/* As html_data, for inside attributes and drawings, which know no elements: cut, with an ellipsis, and not escaped yet. */
void html_cut(const char *text, size_t max, struct strbuf *ret);
/* A number for an id that no other element of the page has. */
unsigned html_id(struct html *);
/* Characters of UTF-8; a byte that is none counts as one. */
size_t html_characters(const char *text, size_t len);
