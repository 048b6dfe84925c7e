/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/digest.h"
/*
 * What stands at a path: nothing, a file (executable or not) or a tree. Equal kind
 * and digest mean equal bytes. Written "file:HEX", "exec:HEX", "tree:HEX"; HEX of a
 * file is what sha256sum prints.
 */
enum content_kind { CONTENT_ABSENT, CONTENT_FILE, CONTENT_EXEC, CONTENT_TREE };
struct content {
	enum content_kind kind;
	struct digest id;
	uint64_t size;  /* bytes of all files */
	uint64_t files; /* 1 for a file; symlinks count as files */
};
#define CONTENT_TEXT (5 + DIGEST_HEX + 1)
bool content_equal(const struct content *, const struct content *);
/* Returns `text`. ABSENT is written "-". */
char *content_format(const struct content *, char text[CONTENT_TEXT]);
/* Sets kind and id, leaves size and files 0. */
bool content_parse(const char *text, struct content *ret);
const char *content_kind_name(enum content_kind); /* "absent" "file" "exec" "tree" */
