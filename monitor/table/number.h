/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Numbers and times in tables, without a locale. All of the text must be one; blanks around it are allowed.
 */
/* Decimal with an optional sign, fraction and exponent, or nan, inf, infinity in any case: the nearest double (so 1e999
 * is infinite). Hex, "1,5", "1_000" and the like are text. *ret_whole: written without fraction and exponent. */
bool number_parse(const char *text, size_t len, double *ret, bool *ret_whole);
/* A date, or date and time of ISO 8601 (T or a blank between, fraction of seconds, Z or an offset; none is UTC): the
 * milliseconds since 1970. Other ways to write a date are text. */
bool time_parse(const char *text, size_t len, int64_t *ret_ms);
