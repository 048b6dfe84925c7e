/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * Text of a user inside our own lines: control bytes and backslash become \xHH, so that
 * it can neither break a line nor drive a terminal.
 */
struct strbuf;
#define SHOW_MAX 120
void show_escape(struct strbuf *, const char *text);
/* The same, cut to at most SHOW_MAX bytes with "..." at the end, for messages. Returns `buf`. */
char *show_text(char buf[SHOW_MAX + 1], const char *text);
/* show_text with a buffer that lives as long as the enclosing block. */
#define SHOW(text) show_text((char[SHOW_MAX + 1]){ 0 }, text)
