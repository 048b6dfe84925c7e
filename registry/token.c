/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/token.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

int token_parse(const char *token, struct js **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *json = NULL;

	if (!base64_decode(token, &text))
		return error_set(err, ERR_USAGE, "Invalid page token, could not base64-decode");
	if (js_parse(text.buf, text.len, "page token", &json, NULL) < 0 || js_typeof(json) != JS_OBJECT)
		return error_set(err, ERR_USAGE, "Invalid page token, parsed value is not an object");
	*ret = steal(&json);
	return 0;
}

char *token_make(const struct js *json)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct strbuf token = STRBUF_INIT;

	js_dump(json, JS_SPACED, &text);
	base64_encode(text.buf, text.len, &token);
	return strbuf_detach(&token);
}

int token_offset(const char *token, int64_t *ret_offset, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;
	int64_t offset;

	if (!token || !*token) {
		*ret_offset = 0;
		return 0;
	}
	if (token_parse(token, &json, err) < 0)
		return -1;
	offset = js_get_int(json, "offset", -1);
	if (offset < 0)
		return error_set(err, ERR_USAGE, "Invalid page token, it has no offset");
	*ret_offset = offset;
	return 0;
}

char *token_of_offset(int64_t offset)
{
	CLEANUP_JS struct js *json = js_object();

	js_set_int(json, "offset", offset);
	return token_make(json);
}
