/* SPDX-License-Identifier: Apache-2.0 */
/* First line: a path; the rest: the rules of .mlopsignore. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *eol = memchr(data, '\n', size);
	size_t path_len = eol ? (size_t)(eol - data) : size;
	CLEANUP(cleanup_free) char *path = NULL;
	struct ignore *ignore;

	if (memchr(data, 0, path_len) || path_len > 4095)
		return 0;
	path = xstrndup((const char *)data, path_len);
	path_len += eol != NULL;
	if (ignore_parse((const char *)data + path_len, size - path_len, &ignore, NULL) < 0)
		return 0;
	/* What a walk would skip is ignored from the root, too. */
	if (ignore_match_here(ignore, path, false) && !ignore_match(ignore, path, false))
		abort();
	ignore_match(ignore, path, true);
	ignore_free(ignore);
	return 0;
}
