/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/* Writes the shortest text that reads back as the same finite number, and as a real: it has '.' or 'e'. NUL-terminated;
 * returns its length. */
#define REAL_TEXT 32
size_t real_format(double, char ret[REAL_TEXT]);
