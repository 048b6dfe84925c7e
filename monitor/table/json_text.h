/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * JSON (RFC 8259) on one line, without building values: strict, and nothing is allocated. Blanks are ' ' and tab; what
 * ends a line is none.
 */
struct json_text {
	const char *p, *end;
	const char *why; /* what is wrong at p, after false */
	char *room;	 /* where escapes are undone: as many bytes as the text has */
};

/* Behind blanks: whether `c` stands there, which is then taken. */
bool json_sign(struct json_text *, char c);
void json_blanks(struct json_text *);
/* A string, its opening quote included. Points into the text, or into `room`. */
bool json_string(struct json_text *, const char **ret, size_t *ret_len);
bool json_number(struct json_text *);
bool json_word(struct json_text *, const char *word);
/* Any value, deeper ones to JSON_DEPTH. Keys may repeat. */
#define JSON_DEPTH 512
bool json_skip(struct json_text *, unsigned depth);
