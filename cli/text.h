/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Text for people: what could drive a terminal is made harmless, widths are counted
 * in columns, and numbers get units. Formatters write into the caller's buffer and return it.
 */
struct strbuf;

/* Appends `text` with control bytes (^[, \x9f), invalid UTF-8 (\xff) and characters that reorder
 * text (\u202e) spelled out. TEXT_KEEP_LINES leaves newline and tab as they are. */
enum text_escape { TEXT_ONE_LINE, TEXT_KEEP_LINES };
void text_escape(const char *text, size_t len, enum text_escape, struct strbuf *ret);
/* Columns of text that went through text_escape. */
int text_width(const char *text);
/* Appends at most `width` columns; what is cut ends in an ellipsis. */
void text_cut(const char *text, int width, bool utf8, struct strbuf *ret);

#define HUMAN 32
char *human_bytes(uint64_t bytes, char buf[HUMAN]); /* "0 B", "1.5 MiB" */
char *human_count(uint64_t n, char buf[HUMAN]); /* "45,312" */
char *human_duration(int64_t ms, char buf[HUMAN]); /* "12 ms", "3.4 s", "2m 05s", "3d 04h" */
char *human_time(int64_t wall_ms, char buf[HUMAN]); /* local: "2026-11-22 05:23"; "-" for 0 */
char *human_number(double value, char buf[HUMAN]); /* 6 digits: "0.9124", "NaN" */
