/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_range.h"
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define DIGITS 18 /* fit in 63 bits */

/* Reads digits and moves on; false when there is none, or too many. */
static bool take_count(const char **text, uint64_t *ret)
{
	size_t len = strspn(*text, "0123456789");
	uint64_t n = 0;

	if (!len || len > DIGITS)
		return false;
	for (size_t i = 0; i < len; i++)
		n = n * 10 + (uint64_t)((*text)[i] - '0');
	*text += len;
	*ret = n;
	return true;
}

static bool take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

bool http_count_parse(const char *value, uint64_t *ret)
{
	uint64_t n;

	if (!take_count(&value, &n) || *value)
		return false;
	*ret = n;
	return true;
}

enum http_range http_range_parse(const char *value, uint64_t size, uint64_t *ret_at, uint64_t *ret_len)
{
	uint64_t first = 0, last = UINT64_MAX;
	bool has_first, has_last;

	if (strncasecmp(value, "bytes=", 6) != 0)
		return HTTP_RANGE_NONE;
	value += 6 + strspn(value + 6, " \t");
	has_first = take_count(&value, &first);
	if (!take_char(&value, '-'))
		return HTTP_RANGE_NONE;
	has_last = take_count(&value, &last);
	value += strspn(value, " \t");
	if (*value || (!has_first && !has_last) || (has_first && last < first))
		return HTTP_RANGE_NONE;
	if (!has_first) { /* the last so many */
		first = last < size ? size - last : 0;
		if (!last || !size)
			return HTTP_RANGE_BEYOND;
		last = size - 1;
	}
	if (first >= size)
		return HTTP_RANGE_BEYOND;
	*ret_at = first;
	*ret_len = (last < size ? last : size - 1) - first + 1;
	return HTTP_RANGE_PART;
}
