/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "base/strbuf.h"
/* A request for an operation, and lines of its answer. */
struct error;
struct js;
struct op;

/* Appends "/api/v1/..." with the path's fields, and the query when there is no body. *ret_body: a JSON object of what
 * is neither; NULL: none. ERR_USAGE: a field of the path is missing. */
int remote_path(const struct op *, const struct js *args, struct strbuf *ret_path, struct js **ret_body, struct error *);

/* NDJSON as it comes. Life: LINES_INIT, lines_add, lines_end, lines_release. */
#define LINE_BYTES ((size_t)64 << 20)
struct lines {
	struct strbuf rest; /* the unfinished line */
	int (*each)(void *ctx, const struct js *line, struct error *);
	void *ctx;
};
#define LINES_INIT(each_, ctx_) { STRBUF_INIT, (each_), (ctx_) }
/* Calls `each` for each whole line. Empty ones are skipped. -1: no JSON, longer than LINE_BYTES, or `each` said so. */
int lines_add(struct lines *, const char *data, size_t len, struct error *);
/* What remains without a newline is a line, too. */
int lines_end(struct lines *, struct error *);
void lines_release(struct lines *);
