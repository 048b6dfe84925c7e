/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strbuf.h"
/*
 * What programs send of their predictions, to rows as JSON lines. Pure: a request goes in, text comes out.
 *
 *   application/x-ndjson, application/jsonl      JSON lines, kept as they are
 *   text/csv                                     what is written as a number is one
 *   application/json                             an object, or an array of them: each a row, or one of these:
 *     Open Inference Protocol 2                  {"inputs": [tensor]}, {"outputs": [tensor]}: github.com/open-inference
 *     V1 of KServe and TensorFlow Serving        {"instances": []}, {"predictions": []}
 *   application/cloudevents+json, -batch+json,   CloudEvents 1.0 whose data is any of the last four; KServe's logger
 *   or headers ce-*                              sends what a model was asked and what it answered like that
 *
 * A tensor of N rows is a column of its name, or, with K values a row, the columns NAME_0 to NAME_(K-1). V1's lists are
 * instance_0..., prediction_0..., single values `instance` and `prediction`.
 *
 * What a model was asked and what it answered come apart. They are halves of rows, which meet by the id of the event, or
 * else of the inference. Where the monitor has no column of predictions, what was asked is all.
 */
struct error;

struct wire_request {
	const char *(*header)(void *ctx, const char *name); /* by its name, any case; or NULL. Lent. */
	void *ctx;
	const char *body;
	size_t len;
};
/* What the monitor calls them; NULL: it has none. Rows that lack them get the id (with several rows ID/0, ID/1, ...) and
 * time of what they came in. */
struct wire_columns {
	const char *id, *time;
	const char *label; /* with it, all rows must have id and label */
	bool paired;       /* rows hold predictions, too */
};
struct wire_half {
	char *id;
	bool answer;
	char *rows; /* JSON array of objects */
};
struct wire {
	struct strbuf lines; /* of whole rows, each with its end */
	uint64_t rows;
	struct wire_half *halves;
	size_t nhalves, halves_cap;
	char *event;         /* names the one event that it is, for ever; NULL: it is none, or several */
};
#define WIRE_LINES_MAX ((size_t)64 << 20) /* what is said once for many rows grows: columns, ids, times, names of tensors */
#define WIRE_INIT { .lines = STRBUF_INIT }
void wire_release(struct wire *);
#define CLEANUP_WIRE CLEANUP(wire_release)

/* ERR_USAGE says what is wrong where; ERR_TOO_LARGE. */
int wire_read(const struct wire_request *, const struct wire_columns *, struct wire *ret, struct error *);
/* Appends the rows of two halves: where both have a column, what was asked counts. ERR_USAGE when they do not match,
 * ERR_TOO_LARGE when the lines get too many. */
int wire_join(const char *asked, const char *answered, struct strbuf *lines, uint64_t *ret_rows, struct error *);
