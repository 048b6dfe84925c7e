/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/* What both sides of a record agree on: records.c writes it, records_import.c believes nothing. */
struct strbuf;

#define RECORD_VERSION 1
/* Times before the year 4199, in milliseconds. */
#define RECORD_TIME_MAX ((int64_t)1 << 46)
/* How deep runs nest. */
#define RECORD_DEPTH_MAX 64
/* Bytes of the name of a step instance: what a cache entry holds. */
#define RECORD_STEP_MAX 255

/* Paths are bytes and JSON is UTF-8: a backslash and what is not valid is written \xHH. */
void record_path_write(const char *path, struct strbuf *ret);
/* NULL unless record_path_write gives this text. The caller frees. */
char *record_path_read(const char *text);
/* Clean, in the project, outside of .git and .mlops: a checkout of it does no harm. */
bool record_path_travels(const char *path);
/* Without control characters. */
bool record_text_plain(const char *text);
/* The name of a step instance, which is a file's name, too. */
bool record_step_valid(const char *step);
