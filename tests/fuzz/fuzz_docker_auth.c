/* SPDX-License-Identifier: Apache-2.0 */
/* A registry, and after a newline a file of logins or what a credential helper printed; and base64. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "runners/docker_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_logins(const char *registry, const char *text, size_t len)
{
	CLEANUP_JS struct js *config = NULL;
	struct docker_auth auth;
	struct error err;

	if (docker_auth_from_helper(text, len, &auth))
		docker_auth_release(&auth);
	if (js_parse(text, len, "file", &config, &err) < 0)
		return;
	if (docker_auth_read(config, "file", registry, &auth, &err) < 0) {
		if (err.code != ERR_ENV || !*err.msg || !*err.help)
			abort();
		return;
	}
	if (auth.helper && (!*auth.helper || strpbrk(auth.helper, "/ ;$`'\"\n")))
		abort();
	docker_auth_release(&auth);
}

/* What is encoded comes back. The alphabets differ in two letters. */
static void code_there_and_back(const uint8_t *data, size_t size)
{
	CLEANUP_STRBUF struct strbuf code = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf back = STRBUF_INIT;

	base64url_encode(data, size, &code);
	for (size_t i = 0; i < code.len; i++)
		code.buf[i] = code.buf[i] == '-' ? '+' : code.buf[i] == '_' ? '/' : code.buf[i];
	if (!base64_decode(code.buf, &back) || back.len != size || memcmp(back.buf, data, size) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *registry = xstrndup((const char *)data, size);
	CLEANUP_STRBUF struct strbuf decoded = STRBUF_INIT;
	const uint8_t *line = memchr(data, '\n', size);

	base64_decode(registry, &decoded);
	code_there_and_back(data, size);
	registry[strcspn(registry, "\n")] = '\0';
	if (line)
		read_logins(registry, (const char *)line + 1, size - (size_t)(line + 1 - data));
	return 0;
}
