/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: what was read and written reads back as the same value, in each style. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct js *value, enum js_style style)
{
	CLEANUP_STRBUF struct strbuf once = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf twice = STRBUF_INIT;
	CLEANUP_JS struct js *again = NULL;

	js_dump(value, style, &once);
	if (js_parse(once.buf, once.len, "again", &again, NULL) < 0 || !js_equal(value, again))
		abort();
	js_dump(again, style, &twice);
	if (once.len != twice.len || memcmp(once.buf, twice.buf, once.len))
		abort();
	if (style != JS_PRETTY && strchr(once.buf, '\n'))
		abort();
}

/* Arbitrary bytes become text that is valid. */
static void round_trip_bytes(const char *text, size_t len)
{
	CLEANUP_JS struct js *value = js_strn(text, len);

	round_trip(value, JS_COMPACT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_JS struct js *value = NULL;
	struct error err;

	round_trip_bytes((const char *)data, size);
	if (js_parse((const char *)data, size, "fuzz", &value, &err) < 0) {
		if (err.code != ERR_USAGE || strchr(err.msg, '\n'))
			abort();
		return 0;
	}
	round_trip(value, JS_COMPACT);
	round_trip(value, JS_PRETTY);
	round_trip(value, JS_CANONICAL);
	return 0;
}
