/* SPDX-License-Identifier: Apache-2.0 */
/* Moments: what is read lies within ten thousand years, or as long ago as a duration is long. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/moment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	int64_t ms = 0;

	if (parse_moment(text, 1800000000000, &ms, NULL) == 0 && ms > 253402400000000)
		abort();
	return 0;
}
