/* SPDX-License-Identifier: Apache-2.0 */
#include "base/amount.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"

struct unit {
	const char *name;
	double factor;
};

/* A decimal number and a unit without a blank between them. */
static int parse_amount(const char *text, const struct unit *units, size_t nunits, int64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	size_t number = digits;
	double value;

	if (text[number] == '.')
		number += 1 + strspn(text + number + 1, "0123456789");
	if (!digits || text[number - 1] == '.')
		return -1;
	for (size_t i = 0; i < nunits; i++) {
		if (strcmp(text + number, units[i].name) != 0)
			continue;
		value = strtod(text, NULL) * units[i].factor;
		if (value >= 9e18)
			return -1;
		*ret = (int64_t)value;
		return 0;
	}
	return -1;
}

int parse_size(const char *text, int64_t *ret_bytes, struct error *err)
{
	static const struct unit units[] = {
		{ "", 1 },		 { "k", 1024 },		  { "K", 1024 },
		{ "m", 1048576 },	 { "M", 1048576 },	  { "g", 1073741824 },
		{ "G", 1073741824 },	 { "t", 1099511627776.0 }, { "T", 1099511627776.0 },
	};

	if (!parse_amount(text, units, ARRAY_LEN(units), ret_bytes))
		return 0;
	error_set(err, ERR_USAGE, "'%.100s' is not a size", text);
	return error_help(err, "write bytes, or a number with k, M, G or T: 512M, 1.5G");
}

int parse_duration(const char *text, int64_t *ret_ms, struct error *err)
{
	static const struct unit units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	};

	if (!parse_amount(text, units, ARRAY_LEN(units), ret_ms))
		return 0;
	error_set(err, ERR_USAGE, "'%.100s' is not a duration", text);
	return error_help(err, "write a number with ms, s, m, h or d: 90s, 15m, 2h");
}
