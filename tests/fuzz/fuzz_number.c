/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers: whatever is taken for one is what strtod makes of it; what strtod takes whole is one, but for hex, nan(...)
 * and leading blanks of other kinds. Times: none ends the program. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/table/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool only_ours(const char *text)
{
	for (; *text; text++)
		if (!strchr(" \t0123456789.+-eEnaifNAIFtyTY", *text))
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	double got = 0, want;
	int64_t ms = 0;
	bool whole, is, none;
	char *end;

	is = number_parse((const char *)data, size, &got, &whole);
	time_parse((const char *)data, size, &ms);
	if (strlen(text) < size) {
		if (is)
			abort();
		return 0;
	}
	want = strtod(text, &end);
	none = end == text;
	if (is && (none || (isnan(want) ? !isnan(got) : memcmp(&want, &got, sizeof(got)) != 0)))
		abort();
	end += strspn(end, " \t");
	if (!is && !none && !*end && only_ours(text))
		abort();
	return 0;
}
