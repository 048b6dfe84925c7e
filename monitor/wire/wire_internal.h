/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/wire/wire.h"
/* What the files of the wire share. */
struct js;

struct wiring {
	const struct wire_columns *columns;
	struct wire *out;
	size_t halves; /* bytes of them */
};
/* What the payload came in; NULL: not said. */
struct origin {
	const char *id, *time;
};
int wire_rows_add(struct wiring *, const struct js *rows, struct error *);
/* Puts id and time of the origin into the rows, where they lack them. ERR_TOO_LARGE. */
int wire_rows_mark(const struct wiring *, struct js *rows, const struct origin *, struct error *);
/* Before `len` bytes are written so many times: a few bytes of a request could become all of the memory. ERR_TOO_LARGE. */
int wire_room(size_t times, size_t len, struct error *);
/* Any payload that is JSON. */
int wire_payload(struct wiring *, const struct js *, const struct origin *, struct error *);
/* wire_inference.c: 1: it was one. 0: it is none. */
int wire_inference(struct wiring *, const struct js *, const struct origin *, struct error *);
/* wire_event.c: one of JSON, a list of them, one whose attributes are headers */
int wire_event(struct wiring *, const struct js *, struct error *);
int wire_events(struct wiring *, const struct js *, struct error *);
int wire_event_headers(struct wiring *, const struct wire_request *, struct error *);
/* wire_table.c */
int wire_csv(struct wiring *, const char *text, size_t len, struct error *);
int wire_lines(struct wiring *, const char *text, size_t len, struct error *);

/* JSON of a stranger: bounded before it is built. */
int wire_parse(const char *text, size_t len, struct js **ret, struct error *);
