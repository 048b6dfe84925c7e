/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a repository that somebody else made. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "registry/home.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char base[80], again[80];
	int r = git_index_names(data, size, ".mlops", base);

	if (r < -1 || r > 1 || strlen(base) >= sizeof(base))
		abort();
	if (git_index_names(data, size, ".mlops", again) != r || strcmp(base, again) != 0)
		abort();
	return 0;
}
