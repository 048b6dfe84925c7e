/* SPDX-License-Identifier: Apache-2.0 */
/* A range of HTTP, after the size that it is of: what is read lies inside. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/http_range.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = NULL;
	uint64_t whole, at, len;

	if (size < sizeof(whole))
		return 0;
	memcpy(&whole, data, sizeof(whole));
	text = xstrndup((const char *)data + sizeof(whole), size - sizeof(whole));
	if (http_range_parse(text, whole, &at, &len) == HTTP_RANGE_PART && (!len || at >= whole || len > whole - at))
		abort();
	if (http_count_parse(text, &at) && at > 999999999999999999)
		abort();
	return 0;
}
