/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * Keeps secrets out of what is shown and stored: every occurrence of a secret in a stream of bytes becomes "***",
 * also when it comes in pieces. Looked for are the value as a whole, each of its lines (a secret with line feeds is
 * printed line by line), and of both what base64 (standard and URL alphabet, at any of the three alignments, with and
 * without padding) and percent-encoding make of them. What is shorter than MASK_SHORTEST bytes is not looked for:
 * it would shred the text.
 *
 * A mask_set is made once and read by any thread; a mask_stream belongs to one stream and thread. Time is linear in
 * the input for any set; memory is a small multiple of the secrets, and a stream holds back at most the longest pattern.
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

struct mask_stream *mask_stream_new(const struct mask_set *);
void mask_stream_free(struct mask_stream *);
/* Appends what is certain by now; bytes that may begin a secret are held back, but never across a line feed. */
void mask_stream_feed(struct mask_stream *, const char *data, size_t len, struct strbuf *out);
/* The end of the stream: what was held back. */
void mask_stream_end(struct mask_stream *, struct strbuf *out);
