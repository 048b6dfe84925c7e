/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of registered projects: whatever is typed, git gets no option, no other protocol and no password. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "registry/projects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum source_kind kind, const char *source)
{
	const char *slashes = strstr(source, "://"), *at = strchr(source, '@');

	if (*source == '-' || strstr(source, "::") == source + strcspn(source, ":"))
		abort();
	if (kind == SOURCE_DIR) {
		if (*source != '/')
			abort();
		return;
	}
	if (slashes ? strncmp(source, "https://", 8) && strncmp(source, "ssh://", 6) : !at)
		abort();
	if (!strncmp(source, "https://", 8) && memchr(source + 8, '@', strcspn(source + 8, "/")))
		abort();
	for (const char *c = source; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size), *source = NULL;
	enum source_kind kind;

	if (source_parse(text, &kind, &source, NULL) == 0)
		check(kind, source);
	branch_name_fault(text);
	project_name_fault(text);
	return 0;
}
