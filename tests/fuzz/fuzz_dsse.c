/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and signed envelopes that came from elsewhere. What is read as a key comes back as the same one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/dsse.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sign.h"
#include "base/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_keys(const char *text, size_t len)
{
	CLEANUP(cleanup_sign_key) struct sign_key *private = NULL;
	CLEANUP_STRBUF struct strbuf pem = STRBUF_INIT;
	struct sign_public key, again;

	sign_key_parse(text, len, &private, NULL);
	if (sign_public_parse(text, len, &key, NULL) < 0)
		return;
	sign_public_pem(&key, &pem);
	if (sign_public_parse(pem.buf, pem.len, &again, NULL) < 0 || memcmp(key.b, again.b, SIGN_PUBLIC))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sign_public key = { { 1, 2, 3 } };
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	CLEANUP_JS struct js *json = NULL;

	read_keys((const char *)data, size);
	if (js_parse((const char *)data, size, "it", &json, NULL) == 0 &&
	    dsse_open(json, DSSE_IN_TOTO, &key, &body, NULL) > 0)
		abort();
	return 0;
}
