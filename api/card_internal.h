/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * A card as a document: what stands in it, in which order and in which words, without saying how that looks. An array of
 * blocks, each an object with one member:
 *
 *     heading   text
 *     items     [[what, text]...]
 *     list      [text...]
 *     table     {titles[], rows[[text...]...]}
 *     prose     text of a person, Markdown
 *     commands  [text...] to be typed
 *     note      text
 */
struct js;

struct card_document {
	struct js *blocks;
	struct js *title; /* text: "churn v7" */
};
void card_document(const struct js *card, struct card_document *ret);
void card_document_release(struct card_document *);
