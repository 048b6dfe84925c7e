/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/digest.h"
#include "store/content.h"
/*
 * Tables by their bytes: which file fitted which schema, and where the profile of a content is. Writers work inside
 * db_begin and db_commit.
 */
struct db;
struct error;

/* A file of the project that fitted a schema. */
struct table_check {
	char *path;
	struct digest content, schema;
	uint64_t rows;
};
/* Also when it is known: it is then the newest of its path again. */
int table_check_store(struct db *, const struct table_check *, int64_t now_ms, struct error *);
/* 1: it is known, and check->rows is set; 0; -1. */
int table_check_find(struct db *, struct table_check *check, struct error *);
/* Rows of the file that was the last to fit at this path, whatever the schema: 1, 0 when there was none, -1. */
int table_rows_before(struct db *, const char *path, uint64_t *ret, struct error *);

/* `format`: how the tables were read, as pipeline/tables.h writes it. A profile that is known stays. */
int table_profile_store(struct db *, const struct digest *content, const char *format, const struct content *profile,
			struct error *);
/* With `format` NULL, any. 1, 0, -1. */
int table_profile_find(struct db *, const struct digest *content, const char *format, struct content *ret,
		       struct error *);
