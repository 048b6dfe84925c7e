/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/table/table.h"
#include "monitor/table/table_columns.h"
#include "monitor/table/table_nulls.h"
#include "monitor/table/table_window.h"
/* What the readers of CSV and JSON lines share. */
struct csv;
struct json_rows;

struct table {
	int fd;
	char *name;
	enum table_format format; /* TSV is CSV with a tab */
	char delimiter;
	struct null_words nulls;
	struct columns columns;
	struct source *source;
	uint64_t body;		  /* of a plain file: where the rows begin, */
	uint64_t from, to, first; /* the bytes of those that are wanted, and the number of the first one */
	atomic_uint_fast64_t scanned; /* bytes that were read around `source` */
	struct csv *csv; /* one of them */
	struct json_rows *json;
};

/*
 * Rows of CSV. Both take the window over. The first row of csv_header gives the table its columns; it returns the bytes
 * that the header took. csv_rows begins at a row; `first` is its number.
 */
int csv_header(struct table *, struct window *, struct csv **ret, uint64_t *ret_bytes, struct error *);
struct csv *csv_rows(const struct table *, struct window *, uint64_t first);
int csv_next(struct csv *, struct rows *, struct error *);
void csv_lend_longer(struct csv *);
void csv_free(struct csv *);
void cleanup_csv(struct csv **);

/* Rows of JSON lines: takes the window over. json_rows_header reads the names of the first row. */
struct json_rows *json_rows_new(struct table *, struct window *, uint64_t first);
void json_rows_lend_longer(struct json_rows *);
int json_rows_header(struct json_rows *, struct error *);
int json_rows_next(struct json_rows *, struct rows *, struct error *);
void json_rows_free(struct json_rows *);

bool table_is_plain(const struct table *);
/* Bytes that are to be read, as they are stored; false: of a pipe. */
bool table_size(const struct table *, uint64_t *ret);
/* Rows of table_next are lent until the next call but one. */
void table_lend_longer(struct table *);

/* "FILE: row N, column "NAME": " and the rest; row as table_row_number, column from 0. Returns -1. */
int table_bad(const struct table *, uint64_t row, size_t column, const char *what, struct error *);
