/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */

/* Bytes of the character at `text` (1..4), or 0 when what stands there is not valid. */
size_t utf8_length(const char *text, size_t len);
/* How many bytes from the start are valid: `len` when all are. A NUL byte is a character. */
size_t utf8_span(const char *text, size_t len);
