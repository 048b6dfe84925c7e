/* SPDX-License-Identifier: Apache-2.0 */
/* A policy, and behind the first NUL an envelope or a statement of a stranger: refused with a reason, or judged. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/dsse.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/provenance.h"
#include "policy/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_tell(const struct error *err)
{
	if (!*err->msg || (err->code != ERR_USAGE && err->code != ERR_UNSUPPORTED))
		abort();
}

static int read_statement(const char *text, size_t len, struct js **ret)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	CLEANUP_JS struct js *envelope = NULL;
	const struct sign_public nobody = { { 0 } };
	struct error err = { 0 };

	if (js_count(text, len) > JS_STRANGERS_MAX)
		return -1;
	if (js_parse(text, len, "input", &envelope, &err) == 0 && js_get(envelope, "payload")) {
		if (dsse_open(envelope, DSSE_IN_TOTO, &nobody, &body, &err) < 0) {
			must_tell(&err);
			return -1;
		}
		text = body.buf;
		len = body.len;
	}
	error_clear(&err);
	if (statement_parse(text, len, ret, &err) == 0)
		return 0;
	must_tell(&err);
	return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	const char *rest = end ? (const char *)end + 1 : "";
	CLEANUP(cleanup_trust) struct trust_policy *policy = NULL;
	CLEANUP_JS struct js *statement = NULL, *rules = NULL;
	struct error err = { 0 };
	bool none;

	if (trust_parse((const char *)data, len, "policy", &policy, &err) < 0) {
		must_tell(&err);
		return 0;
	}
	none = trust_check(policy, NULL, 0, 1795392000000, &rules);
	if (none || !js_len(rules))
		abort(); /* each asks for something, and nothing was said */
	if (read_statement(rest, end ? size - len - 1 : 0, &statement) == 0) {
		const struct trust_statement said = { "0123456789abcdef", "team", statement };

		js_free(rules);
		trust_check(policy, &said, 1, 1795392000000, &rules);
		for (size_t i = 0; i < js_len(rules); i++)
			if (!js_get_str(js_at(rules, i), "found") || !js_get_str(js_at(rules, i), "wants"))
				abort();
		statement_covers(statement, "00", "pkg:mlflow/a@1");
	}
	return 0;
}
