/* SPDX-License-Identifier: Apache-2.0 */
/* First line: a path; the rest: a .dockerignore. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "pipeline/dockerignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *eol = memchr(data, '\n', size);
	size_t path_len = eol ? (size_t)(eol - data) : size;
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *below = NULL;
	struct dockerignore *ignore;

	if (memchr(data, 0, path_len) || path_len > 512 || size > 8192)
		return 0;
	path = xstrndup((const char *)data, path_len);
	below = xasprintf("%s/x", path);
	path_len += eol != NULL;
	if (dockerignore_parse((const char *)data + path_len, size - path_len, ".dockerignore", &ignore, NULL) < 0)
		return 0;
	/* A walk that does not enter a directory misses nothing. */
	if (*path && dockerignore_match(ignore, path) && !dockerignore_may_return(ignore, path) &&
	    !dockerignore_match(ignore, below))
		abort();
	dockerignore_free(ignore);
	return 0;
}
