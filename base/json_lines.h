/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "base/strbuf.h"
struct error;
struct js;

/* NDJSON as it comes. Life: LINES_INIT, lines_add, lines_end, lines_release. */
#define LINE_BYTES ((size_t)64 << 20)
struct lines {
	struct strbuf rest; /* the unfinished line */
	int (*each)(void *ctx, const struct js *line, struct error *);
	void *ctx;
};
#define LINES_INIT(each_, ctx_) { STRBUF_INIT, (each_), (ctx_) }
/* Calls `each` for each whole line. Empty ones are skipped. -1: no JSON, longer than LINE_BYTES (ERR_ENV), or `each` said so. */
int lines_add(struct lines *, const char *data, size_t len, struct error *);
/* What remains without a newline is a line, too. */
int lines_end(struct lines *, struct error *);
void lines_release(struct lines *);
