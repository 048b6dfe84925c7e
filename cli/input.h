/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/* What an operation takes from standard input. */
struct error;
struct strbuf;

/* Appends all of it, at most `max` bytes. On a terminal one line is asked for, which is not shown: "`what`: ". Without
 * its line feed, as the last one of a pipe or file is dropped, too: text files end in one. */
int input_read(const char *what, size_t max, struct strbuf *ret, struct error *);
