/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * Keeps secrets out of what is shown and stored: every occurrence of a secret in a stream of bytes becomes "***", also
 * when it comes in pieces; occurrences that overlap become one. Looked for are
 * - each line of the value without the blanks around it, as it is, in a string of JSON and percent-encoded, each in the
 *   ways that are common (not so the lines of a binary value above 4 KiB);
 * - base64 of the whole value, also in lines of 64 or 76, and of each line: both alphabets, any of the three alignments,
 *   with and without padding. A first or last digit that holds bits of a neighbour stays.
 * What is shorter than MASK_SHORTEST bytes is not looked for: it would shred the text.
 *
 * A mask_set is filled, then read by any thread; nothing is added after its first stream or text. A mask_stream belongs
 * to one stream and thread. Time is linear in the input for any set. A set takes some 500 bytes for a byte of its
 * secrets, twice that while it is made ready; a stream holds back at most the longest pattern.
 */
struct mask_set;
struct mask_stream;
struct strbuf;

#define MASK_SHORTEST 4

struct mask_set *mask_set_new(void);
void mask_set_free(struct mask_set *);
void mask_set_add(struct mask_set *, const char *secret, size_t len);
/* No pattern at all: nothing needs to be masked. */
int mask_set_is_empty(const struct mask_set *);
/* A whole text. Appends to `out`. */
void mask_text(const struct mask_set *, const char *text, size_t len, struct strbuf *out);
/* One whose end was cut off, maybe inside of a secret: see mask_stream_cut. */
void mask_cut_text(const struct mask_set *, const char *text, size_t len, struct strbuf *out);

/* An empty set, or NULL: all goes through. The set outlives the stream. */
struct mask_stream *mask_stream_new(const struct mask_set *);
void mask_stream_free(struct mask_stream *);
/* Appends what is certain by now; bytes that may begin a secret are held back, but never across a line feed. */
void mask_stream_feed(struct mask_stream *, const char *data, size_t len, struct strbuf *out);
/* The end of the stream: what was held back. Another may follow. */
void mask_stream_end(struct mask_stream *, struct strbuf *out);
/* The end of one that was broken off: what may be the first MASK_SHORTEST bytes of a secret, or more, is one. */
void mask_stream_cut(struct mask_stream *, struct strbuf *out);
