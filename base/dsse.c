/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dsse.h"
#include <stdbool.h>
#include <string.h>
#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define SIGNATURES_MAX 64

/* What is signed: "PAE" of the protocol. */
static void put_signed(const char *type, const void *body, size_t len, struct strbuf *ret)
{
	strbuf_printf(ret, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
	strbuf_add(ret, body, len);
}

int dsse_sign(const char *type, const void *body, size_t len, const struct sign_key *key, struct js **ret,
	      struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf payload = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf sig = STRBUF_INIT;
	uint8_t signature[SIGN_SIGNATURE];
	char id[SIGN_ID + 1];
	struct sign_public public;
	struct js *envelope, *signatures, *one;

	put_signed(type, body, len, &text);
	if (sign_bytes(key, text.buf, text.len, signature, err) < 0)
		return -1;
	sign_key_public(key, &public);
	sign_public_id(&public, id);
	base64_encode(body, len, &payload);
	base64_encode(signature, sizeof(signature), &sig);

	one = js_object();
	js_set_str(one, "keyid", id);
	js_set_str(one, "sig", sig.buf);
	signatures = js_array();
	js_push(signatures, one);
	envelope = js_object();
	js_set_str(envelope, "payloadType", type);
	js_set_str(envelope, "payload", payload.buf);
	js_set(envelope, "signatures", signatures);
	*ret = envelope;
	return 0;
}

/* The protocol lets writers choose between both alphabets. */
static bool decode(const char *text, struct strbuf *ret)
{
	CLEANUP(cleanup_free) char *plain = xstrdup(text);

	for (char *p = plain; (p = strpbrk(p, "-_")); p++)
		*p = *p == '-' ? '+' : '/';
	return base64_decode(plain, ret);
}

/* Of which key it says to be does not matter: a keyid is a hint that is not signed, and others make it in other ways. */
static bool has_signed(const struct js *signature, const struct sign_public *key, const struct strbuf *text)
{
	CLEANUP_STRBUF struct strbuf sig = STRBUF_INIT;
	const char *base64 = js_get_str(signature, "sig");

	return base64 && decode(base64, &sig) && sig.len == SIGN_SIGNATURE &&
	       sign_verify(key, text->buf, text->len, (const uint8_t *)sig.buf);
}

int dsse_open(const struct js *envelope, const char *type, const struct sign_public *key, struct strbuf *ret_body,
	      struct error *err)
{
	const char *found = js_get_str(envelope, "payloadType"), *payload = js_get_str(envelope, "payload");
	const struct js *signatures = js_get(envelope, "signatures");
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	bool right = false;

	if (!found || !payload || js_typeof(signatures) != JS_ARRAY)
		return error_set(err, ERR_USAGE, "it is no DSSE envelope: payloadType, payload or signatures is missing");
	if (strcmp(found, type) != 0)
		return error_set(err, ERR_USAGE, "the envelope holds '%.100s', not %s", found, type);
	if (js_len(signatures) > SIGNATURES_MAX)
		return error_set(err, ERR_USAGE, "the envelope has more than %d signatures", SIGNATURES_MAX);
	if (!decode(payload, &body))
		return error_set(err, ERR_USAGE, "the payload of the envelope is not base64");
	put_signed(type, body.buf, body.len, &text);
	for (size_t i = 0; i < js_len(signatures) && !right; i++)
		right = has_signed(js_at(signatures, i), key, &text);
	strbuf_add(ret_body, body.buf, body.len);
	return right;
}
