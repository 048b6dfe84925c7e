/* SPDX-License-Identifier: Apache-2.0 */
/* The headers Host and Origin, a line each: a stranger's name never passes, whatever stands around it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/access_internal.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *host = xstrndup((const char *)data, size);
	char *line = strchr(host, '\n');
	struct origin_head head = { .method = "POST", .host = host };

	if (line) {
		*line = '\0';
		head.origin = line + 1;
	}
	if (origin_check(&head, NULL) == 0 && strpbrk(host, "/@?# "))
		abort();
	head.method = "GET";
	if (origin_check(&head, NULL) == 0 && strstr(host, "evil"))
		abort();
	return 0;
}
