/* SPDX-License-Identifier: Apache-2.0 */
/* The header Authorization and tokens: whatever comes, what is taken is whole, and no error holds the secret. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/access_internal.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *header = xstrndup((const char *)data, size);
	struct credentials given = { 0 };
	struct error err = { 0 };
	char id[TOKEN_ID + 1];

	if (access_token_parse(header, id, &err) == 0 && (strlen(header) != TOKEN_LEN || strncmp(header + 6, id, TOKEN_ID)))
		abort();
	if (credentials_parse(header, &given, &err) < 0)
		return err.code == ERR_AUTH && !given.text ? 0 : (abort(), 0);
	if (!given.secret || (given.user && strchr(given.user, ':')))
		abort();
	if (access_token_parse(given.secret, id, &err) < 0 && strlen(given.secret) > 20 && strstr(err.msg, given.secret))
		abort();
	credentials_release(&given);
	return 0;
}
