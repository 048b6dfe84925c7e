/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to models and their answers: Open Inference Protocol 2 and V1. */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/wire/wire_internal.h"

#define DEPTH_MAX 32   /* dimensions */
#define ID_MAX	  1024 /* bytes, by which halves meet */
#define DIGITS	  8    /* behind a name, at most: _199999 */

/* ---- values ---- */

/* The scalars of nested lists, in order; lent. */
struct scalars {
	struct js **items;
	size_t len, cap;
};

static void scalars_release(struct scalars *s)
{
	free(s->items);
}

static int flatten(struct js *value, unsigned depth, struct scalars *to, struct error *err)
{
	if (js_typeof(value) == JS_OBJECT)
		return error_set(err, ERR_USAGE, "an object stands among its values");
	if (js_typeof(value) != JS_ARRAY) {
		GROW(to->items, to->len, to->cap);
		to->items[to->len++] = value;
		return 0;
	}
	if (depth == DEPTH_MAX)
		return error_set(err, ERR_USAGE, "its lists are more than %d deep", DEPTH_MAX);
	for (size_t i = 0; i < js_len(value); i++)
		if (flatten(js_at(value, i), depth + 1, to, err) < 0)
			return -1;
	return 0;
}

/* As NAME, or NAME_0... where there are several. */
static void set_values(struct js *row, const char *name, struct js *const *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_free) char *column = n > 1 ? xasprintf("%s_%zu", name, i) : xstrdup(name);
		js_set(row, column, js_ref(values[i]));
	}
}

static int want_rows(struct js *rows, bool first, size_t n, const char *name, struct error *err)
{
	if (!first && js_len(rows) != n)
		return error_set(err, ERR_USAGE, "tensor '%.80s' has %zu rows, the one before %zu", name, n, js_len(rows));
	while (first && js_len(rows) < n)
		js_push(rows, js_object());
	return 0;
}

/* ---- Open Inference Protocol ---- */

static int shape_of(const struct js *tensor, const char *name, size_t *ret_rows, size_t *ret_all, struct error *err)
{
	const struct js *shape = js_get(tensor, "shape");
	size_t all = 1;

	if (js_typeof(shape) != JS_ARRAY)
		return error_set(err, ERR_USAGE, "tensor '%.80s' has no shape", name);
	for (size_t i = 0; i < js_len(shape); i++) {
		int64_t n = js_typeof(js_at(shape, i)) == JS_INT ? js_int_value(js_at(shape, i)) : -1;
		if (n < 0 || n > JS_STRANGERS_MAX || (all *= (size_t)n) > JS_STRANGERS_MAX)
			return error_set(err, ERR_USAGE, "tensor '%.80s' has a shape that is none", name);
	}
	*ret_rows = js_len(shape) ? (size_t)js_int_value(js_at(shape, 0)) : 1;
	*ret_all = all;
	return 0;
}

static int read_tensor(const struct js *tensor, bool first, struct js *rows, struct error *err)
{
	CLEANUP(scalars_release) struct scalars values = { 0 };
	const char *name = js_get_str(tensor, "name");
	struct js *data = js_get(tensor, "data");
	size_t n, all;

	if (!name || !*name)
		return error_set(err, ERR_USAGE, "a tensor has no name");
	if (shape_of(tensor, name, &n, &all, err) < 0)
		return -1;
	if (js_typeof(data) != JS_ARRAY) {
		error_set(err, ERR_USAGE, "tensor '%.80s' has no data", name);
		return error_help(err, "send its values as JSON: binary tensors are not read");
	}
	if (flatten(data, 0, &values, err) < 0)
		return error_wrap(err, "tensor '%.80s'", name);
	if (values.len != all)
		return error_set(err, ERR_USAGE, "tensor '%.80s' has %zu values, its shape says %zu", name, values.len, all);
	if (wire_room(all, strlen(name) + DIGITS, err) < 0 || want_rows(rows, first, n, name, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		set_values(js_at(rows, i), name, values.items + i * (all / n), all / n);
	return 0;
}

static int read_tensors(const struct js *tensors, struct js *rows, struct error *err)
{
	for (size_t i = 0; i < js_len(tensors); i++)
		if (read_tensor(js_at(tensors, i), !i && !js_len(rows), rows, err) < 0)
			return -1;
	return 0;
}

/* ---- V1 ---- */

static int read_v1(const struct js *list, const char *name, struct js *rows, struct error *err)
{
	bool first = !js_len(rows);

	if (want_rows(rows, first, js_len(list), name, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(list); i++) {
		struct js *item = js_at(list, i), *row = js_at(rows, i);
		CLEANUP(scalars_release) struct scalars values = { 0 };
		if (js_typeof(item) == JS_OBJECT) {
			for (void *it = js_iter(item); it; it = js_next(item, it))
				js_set(row, js_iter_key(it), js_ref(js_iter_value(it)));
			continue;
		}
		if (flatten(item, 0, &values, err) < 0)
			return error_wrap(err, "%s %zu", name, i + 1);
		set_values(row, name, values.items, values.len);
	}
	return 0;
}

static int read_instances(const struct js *list, struct js *rows, struct error *err)
{
	return read_v1(list, "instance", rows, err);
}

static int read_predictions(const struct js *list, struct js *rows, struct error *err)
{
	return read_v1(list, "prediction", rows, err);
}

/* ---- either ---- */

static const struct {
	const char *key;
	bool answer;
	int (*read)(const struct js *, struct js *rows, struct error *);
} parts[] = {
	{ "inputs", false, read_tensors },
	{ "outputs", true, read_tensors },
	{ "instances", false, read_instances },
	{ "predictions", true, read_predictions },
};

static int keep_half(struct wiring *w, const struct origin *origin, bool answer, const struct js *rows, struct error *err)
{
	struct strbuf text = STRBUF_INIT;
	struct wire_half *half;

	if (!origin->id || !*origin->id) {
		error_set(err, ERR_USAGE, "an inference without id: what was asked and what was answered cannot meet");
		return error_help(err, "give both the same \"id\", or send them as CloudEvents of one id");
	}
	if (strlen(origin->id) > ID_MAX)
		return error_set(err, ERR_USAGE, "the id of an inference has more than %d bytes", ID_MAX);
	js_dump(rows, JS_COMPACT, &text);
	w->halves += text.len;
	if (wire_room(1, w->halves, err) < 0) {
		strbuf_release(&text);
		return -1;
	}
	GROW(w->out->halves, w->out->nhalves, w->out->halves_cap);
	half = &w->out->halves[w->out->nhalves++];
	*half = (struct wire_half){ .id = xstrdup(origin->id), .answer = answer, .rows = strbuf_detach(&text) };
	return 0;
}

int wire_inference(struct wiring *w, const struct js *json, const struct origin *origin, struct error *err)
{
	CLEANUP_JS struct js *rows = js_array();
	const char *id = js_get_str(json, "id");
	struct origin of_rows = { id ? id : origin->id, origin->time }, meets = { origin->id ? origin->id : id, NULL };
	bool asked = false, answered = false;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const struct js *list = js_get(json, parts[i].key);
		/* a column of a row may have such a name */
		if (js_typeof(list) != JS_ARRAY || (parts[i].read == read_tensors && js_typeof(js_at(list, 0)) != JS_OBJECT))
			continue;
		*(parts[i].answer ? &answered : &asked) = true;
		if (parts[i].read(list, rows, err) < 0)
			return -1;
	}
	if (!asked && !answered)
		return 0;
	if (wire_rows_mark(w, rows, &of_rows, err) < 0)
		return -1;
	if (w->columns->paired && asked != answered)
		return keep_half(w, &meets, answered, rows, err) < 0 ? -1 : 1;
	return asked && wire_rows_add(w, rows, err) < 0 ? -1 : 1;
}
