/* SPDX-License-Identifier: Apache-2.0 */
/* URLs to send to: what is taken can stand in a request, and its parts are the URL. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "policy/notify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size), *whole = NULL;
	struct endpoint first CLEANUP(endpoint_release) = { 0 }, again CLEANUP(endpoint_release) = { 0 };

	if (endpoint_parse(text, &first, NULL) < 0)
		return 0;
	if (strpbrk(first.server, " @?#\r\n") || strpbrk(first.path, " #\r\n") || *first.path != '/')
		abort();
	whole = xasprintf("%s%s", first.server, first.path);
	if (endpoint_parse(whole, &again, NULL) < 0 || strcmp(first.server, again.server) || strcmp(first.path, again.path) ||
	    first.plain != again.plain)
		abort();
	return 0;
}
