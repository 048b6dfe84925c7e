/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/* Byte ranges of HTTP (RFC 9110, section 14), as both sides need them: one range at a time. */

enum http_range {
	HTTP_RANGE_NONE, /* all of it: another unit, several ranges, or nothing that could be read */
	HTTP_RANGE_PART,
	HTTP_RANGE_BEYOND, /* it holds no byte: 416 */
};
/* The value of "Range" for `size` bytes. */
enum http_range http_range_parse(const char *value, uint64_t size, uint64_t *ret_at, uint64_t *ret_len);

/* A number of at most 18 digits with nothing around it, as lengths and offsets are written. */
bool http_count_parse(const char *value, uint64_t *ret);
