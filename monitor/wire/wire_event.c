/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents 1.0, JSON event format and HTTP binding: github.com/cloudevents/spec. */
#include <string.h>
#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/wire/wire_internal.h"

#define ATTRIBUTE_MAX 1024 /* bytes: it is known by them for a week */

struct attributes {
	const char *specversion, *id, *source, *type, *time, *datacontenttype;
};

static int check(const struct attributes *a, struct error *err)
{
	const struct {
		const char *name, *value;
	} needed[] = { { "specversion", a->specversion }, { "id", a->id }, { "source", a->source }, { "type", a->type } };

	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (!needed[i].value || !*needed[i].value)
			return error_set(err, ERR_USAGE, "a CloudEvent without '%s'", needed[i].name);
		else if (strlen(needed[i].value) > ATTRIBUTE_MAX)
			return error_set(err, ERR_USAGE, "'%s' of a CloudEvent has more than %d bytes", needed[i].name, ATTRIBUTE_MAX);
	if (strncmp(a->specversion, "1.", 2) != 0)
		return error_set(err, ERR_USAGE, "CloudEvents %.20s are not read, 1.0 is", a->specversion);
	return 0;
}

static bool is_json(const char *type)
{
	size_t len = type ? strcspn(type, "; \t") : 0;

	return !type || (len >= 5 && (!strncasecmp(type + len - 5, "/json", 5) || !strncasecmp(type + len - 5, "+json", 5)));
}

/* Its bytes: base64 of JSON. */
static int read_encoded(const char *text, struct js **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf plain = STRBUF_INIT;

	if (!base64_decode(text, &plain))
		return error_set(err, ERR_USAGE, "data_base64 of a CloudEvent is no base64");
	return wire_parse(plain.buf, plain.len, ret, err);
}

int wire_event(struct wiring *w, const struct js *event, struct error *err)
{
	const struct attributes a = {
		js_get_str(event, "specversion"), js_get_str(event, "id"),   js_get_str(event, "source"),
		js_get_str(event, "type"),	  js_get_str(event, "time"), js_get_str(event, "datacontenttype"),
	};
	const struct origin origin = { a.id, a.time };
	const char *encoded = js_get_str(event, "data_base64");
	CLEANUP_JS struct js *data = js_ref(js_get(event, "data"));

	if (check(&a, err) < 0)
		return -1;
	if (!is_json(a.datacontenttype))
		return error_set(err, ERR_USAGE, "CloudEvent %.80s holds %.80s, not JSON", a.id, a.datacontenttype);
	if (!data && !encoded)
		return error_set(err, ERR_USAGE, "CloudEvent %.80s has no data", a.id);
	if ((!data && read_encoded(encoded, &data, err) < 0) || wire_payload(w, data, &origin, err) < 0)
		return error_wrap(err, "CloudEvent %.80s", a.id);
	if (!w->out->event)
		w->out->event = xasprintf("%s %s %s", a.source, a.id, a.type);
	return 0;
}

int wire_events(struct wiring *w, const struct js *events, struct error *err)
{
	if (js_typeof(events) != JS_ARRAY)
		return error_set(err, ERR_USAGE, "a batch of CloudEvents is an array");
	for (size_t i = 0; i < js_len(events); i++)
		if (wire_event(w, js_at(events, i), err) < 0)
			return error_wrap(err, "event %zu", i + 1);
	if (js_len(events) != 1) {
		free(w->out->event);
		w->out->event = NULL;
	}
	return 0;
}

int wire_event_headers(struct wiring *w, const struct wire_request *r, struct error *err)
{
	const struct attributes a = {
		r->header(r->ctx, "ce-specversion"), r->header(r->ctx, "ce-id"),   r->header(r->ctx, "ce-source"),
		r->header(r->ctx, "ce-type"),	     r->header(r->ctx, "ce-time"), NULL,
	};
	const struct origin origin = { a.id, a.time };
	CLEANUP_JS struct js *data = NULL;

	if (check(&a, err) < 0)
		return -1;
	if (wire_parse(r->body, r->len, &data, err) < 0 || wire_payload(w, data, &origin, err) < 0)
		return error_wrap(err, "CloudEvent %.80s", a.id);
	w->out->event = xasprintf("%s %s %s", a.source, a.id, a.type);
	return 0;
}
