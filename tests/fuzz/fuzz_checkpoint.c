/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints that came from elsewhere: what is read is said again, and no stranger's signature is a key's. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/sign.h"
#include "registry/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *ctx, const char *where, const struct checkpoint *cp)
{
	size_t *bytes = ctx;

	if (!*where || !*cp->origin)
		abort();
	*bytes += strlen(cp->note);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	static const struct sign_public key = { { 1, 2, 3 } };
	struct checkpoint cp;
	size_t bytes = 0;

	if (checkpoint_parse((const char *)data, size, &cp, NULL) == 0) {
		if (strlen(cp.note) != size || strchr(cp.origin, '\n') || cp.size > INT64_MAX)
			abort();
		if (checkpoint_signed_by(&cp, &key))
			abort();
		checkpoint_release(&cp);
	}
	if (checkpoints_read(text, strlen(text), "it", count, &bytes, NULL) == 0 && bytes > size)
		abort();
	return 0;
}
