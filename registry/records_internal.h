/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/json.h"
/* What both sides of a record agree on: records.c writes it, records_import.c believes nothing. */
struct error;
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

/* What an object of a record has to have, and nothing else. */
struct record_member {
	const char *name;
	enum js_type type;
	bool optional;
};
/* ERR_DAMAGED; `what` is the object: "a run". */
int record_members(const struct js *object, const char *what, const struct record_member *, size_t n, struct error *);
/* A text of somebody else's record: one that no writer writes is refused before it takes memory. ERR_DAMAGED. */
int record_parse(const char *text, size_t len, const char *what, struct js **ret, struct error *);
/* ERR_DAMAGED unless the text is the canonical form of the value. */
int record_canonical(const struct js *, const char *text, size_t len, const char *what, struct error *);
/* A digest and its numbers, as content_describe sets them. ERR_DAMAGED. */
struct content;
int record_content(const struct js *item, struct content *ret, struct error *);
/* Its row, made when it is new. What is known here of a content is not changed by what others say of it. */
struct db;
int record_content_row(struct db *, const struct content *, int64_t *ret, struct error *);
