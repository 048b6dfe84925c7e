/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Whether the head of a request says one thing only, whoever reads it (RFC 9112, RFC 9110).
 *
 * libmicrohttpd before 1.0 is lenient where requests can be smuggled past a proxy: it takes differing lengths, a length
 * beside chunks, other codings, names with blanks, bare line feeds, and NULs, at which it cuts; and it folds a
 * continued line into the name of the field. It parses in place and hands out pointers into what it read, so what it
 * passed over can be seen around them: a value follows its name's end and blanks, and behind it are the zeros that it
 * put in place of CR and LF.
 */
struct error;

#define HEAD_TARGET_MAX (16u << 10)
#define HEAD_MAX	(24u << 10) /* names and values */

struct head {
	bool in_place;       /* the parser is such a one */
	size_t bytes;
	unsigned lengths, codings, hosts, authorizations, fields;
	const char *length, *coding;
	const char *bad;     /* why it is refused, or NULL */
};

/* Whether it may be a target: one word, which holds no control characters. NULL may not. */
bool head_is_target(const char *);
/* The first line, as the parser's pointers into it; target NULL: it was none. */
void head_line(struct head *, const char *method, const char *target, size_t target_len, const char *version);
/* One of its fields. */
void head_field(struct head *, const char *name, const char *value);
/* After the last one. *ret_length: of the body; -1: in chunks. *ret_status is the answer's when it is -1. */
int head_check(const struct head *, const char *version, int64_t *ret_length, int *ret_status, struct error *);
