/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/wire/wire.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/wire/wire_internal.h"

void wire_release(struct wire *w)
{
	for (size_t i = 0; i < w->nhalves; i++) {
		free(w->halves[i].id);
		free(w->halves[i].rows);
	}
	free(w->halves);
	free(w->event);
	strbuf_release(&w->lines);
	*w = (struct wire)WIRE_INIT;
}

int wire_parse(const char *text, size_t len, struct js **ret, struct error *err)
{
	if (js_count(text, len) > JS_STRANGERS_MAX) {
		error_set(err, ERR_TOO_LARGE, "the body has more than %d values", JS_STRANGERS_MAX);
		return error_help(err, "send JSON lines (application/x-ndjson), or several requests");
	}
	return js_parse(text, len, "the body", ret, err);
}

/* ---- rows ---- */

int wire_room(size_t times, size_t len, struct error *err)
{
	if (!len || times <= WIRE_LINES_MAX / len)
		return 0;
	error_set(err, ERR_TOO_LARGE, "the rows are more than %zu MiB as JSON", WIRE_LINES_MAX >> 20);
	return error_help(err, "send them in several requests, with shorter names and ids");
}

static int check_row(const struct wire_columns *columns, const struct js *row, size_t number, struct error *err)
{
	if (js_typeof(row) != JS_OBJECT || !js_len(row))
		return error_set(err, ERR_USAGE, "row %zu is not an object with columns", number);
	if (!columns->label || (js_get(row, columns->id) && js_get(row, columns->label)))
		return 0;
	return error_set(err, ERR_USAGE, "row %zu lacks '%s' or '%s'", number, columns->id, columns->label);
}

int wire_rows_add(struct wiring *w, const struct js *rows, struct error *err)
{
	for (size_t i = 0; i < js_len(rows); i++) {
		const struct js *row = js_at(rows, i);
		if (check_row(w->columns, row, i + 1, err) < 0)
			return -1;
		js_dump(row, JS_COMPACT, &w->out->lines);
		strbuf_putc(&w->out->lines, '\n');
		w->out->rows++;
		if (wire_room(1, w->out->lines.len, err) < 0)
			return -1;
	}
	return 0;
}

int wire_rows_mark(const struct wiring *w, struct js *rows, const struct origin *origin, struct error *err)
{
	const struct wire_columns *columns = w->columns;
	size_t n = js_len(rows);

	if (wire_room(n, (origin->id ? strlen(origin->id) : 0) + (origin->time ? strlen(origin->time) : 0), err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct js *row = js_at(rows, i);
		CLEANUP(cleanup_free) char *id = NULL;
		if (js_typeof(row) != JS_OBJECT)
			continue;
		if (columns->time && origin->time && !js_get(row, columns->time))
			js_set_str(row, columns->time, origin->time);
		if (!columns->id || !origin->id || js_get(row, columns->id))
			continue;
		id = n > 1 ? xasprintf("%s/%zu", origin->id, i) : xstrdup(origin->id);
		js_set_str(row, columns->id, id);
	}
	return 0;
}

int wire_payload(struct wiring *w, const struct js *payload, const struct origin *origin, struct error *err)
{
	CLEANUP_JS struct js *rows = NULL;
	int r = wire_inference(w, payload, origin, err);

	if (r)
		return r < 0 ? -1 : 0;
	if (js_typeof(payload) != JS_ARRAY && js_typeof(payload) != JS_OBJECT)
		return error_set(err, ERR_USAGE, "a row is an object, and rows an array of them");
	if (js_typeof(payload) == JS_ARRAY) {
		rows = js_ref((struct js *)payload);
	} else {
		rows = js_array();
		js_push(rows, js_ref((struct js *)payload));
	}
	return wire_rows_mark(w, rows, origin, err) < 0 ? -1 : wire_rows_add(w, rows, err);
}

/* ---- halves ---- */

int wire_join(const char *asked, const char *answered, struct strbuf *lines, uint64_t *ret_rows, struct error *err)
{
	CLEANUP_JS struct js *rows = NULL, *more = NULL;

	if (js_parse(asked, strlen(asked), "what was asked", &rows, err) < 0 ||
	    js_parse(answered, strlen(answered), "what was answered", &more, err) < 0)
		return -1;
	if (js_len(rows) != js_len(more))
		return error_set(err, ERR_USAGE, "%zu rows were asked and %zu answered", js_len(rows), js_len(more));
	for (size_t i = 0; i < js_len(rows); i++) {
		struct js *row = js_at(rows, i), *from = js_at(more, i);
		for (void *it = js_iter(from); it; it = js_next(from, it))
			if (!js_get(row, js_iter_key(it)))
				js_set(row, js_iter_key(it), js_ref(js_iter_value(it)));
		js_dump(row, JS_COMPACT, lines);
		strbuf_putc(lines, '\n');
		if (wire_room(1, lines->len, err) < 0)
			return -1;
	}
	*ret_rows = js_len(rows);
	return 0;
}

/* ---- what it is ---- */

static int read_json(struct wiring *w, const struct wire_request *request, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;
	const struct origin none = { NULL, NULL };

	if (wire_parse(request->body, request->len, &json, err) < 0)
		return -1;
	return wire_payload(w, json, &none, err);
}

static int read_event(struct wiring *w, const struct wire_request *request, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;

	return wire_parse(request->body, request->len, &json, err) < 0 ? -1 : wire_event(w, json, err);
}

static int read_events(struct wiring *w, const struct wire_request *request, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;

	return wire_parse(request->body, request->len, &json, err) < 0 ? -1 : wire_events(w, json, err);
}

static int read_lines(struct wiring *w, const struct wire_request *request, struct error *err)
{
	return wire_lines(w, request->body, request->len, err);
}

static int read_csv(struct wiring *w, const struct wire_request *request, struct error *err)
{
	return wire_csv(w, request->body, request->len, err);
}

static const struct {
	const char *type;
	int (*read)(struct wiring *, const struct wire_request *, struct error *);
} types[] = {
	{ "application/json", read_json },
	{ "application/x-ndjson", read_lines },
	{ "application/ndjson", read_lines },
	{ "application/jsonl", read_lines },
	{ "application/x-jsonlines", read_lines },
	{ "application/json-lines", read_lines },
	{ "text/csv", read_csv },
	{ "application/cloudevents+json", read_event },
	{ "application/cloudevents-batch+json", read_events },
};

static bool is_type(const char *header, const char *type)
{
	size_t len = strlen(type);

	return !strncasecmp(header, type, len) && (!header[len] || strchr(" \t;", header[len]));
}

static int refuse_type(const char *type, struct error *err)
{
	if (type)
		error_set(err, ERR_USAGE, "rows do not come as %.80s", type);
	else
		error_set(err, ERR_USAGE, "the request has no Content-Type");
	return error_help(err, "say what it is: application/x-ndjson (JSON lines), text/csv, application/json, "
			       "application/cloudevents+json or application/cloudevents-batch+json");
}

static int read_any(struct wiring *w, const struct wire_request *request, struct error *err)
{
	const char *type = request->header(request->ctx, "Content-Type");
	const char *encoding = request->header(request->ctx, "Content-Encoding");

	if (encoding && strcasecmp(encoding, "identity") != 0)
		return error_set(err, ERR_USAGE, "rows do not come with Content-Encoding %.40s", encoding);
	for (size_t i = 0; type && i < ARRAY_LEN(types); i++) {
		if (!is_type(type, types[i].type))
			continue;
		if (types[i].read == read_json && request->header(request->ctx, "ce-specversion"))
			return wire_event_headers(w, request, err);
		return types[i].read(w, request, err);
	}
	return refuse_type(type, err);
}

int wire_read(const struct wire_request *request, const struct wire_columns *columns, struct wire *ret, struct error *err)
{
	struct wire wire CLEANUP_WIRE = WIRE_INIT;
	struct wiring w = { .columns = columns, .out = &wire };

	if (read_any(&w, request, err) < 0)
		return -1;
	*ret = wire;
	wire = (struct wire)WIRE_INIT;
	return 0;
}
