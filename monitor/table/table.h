/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Tables as files: CSV and TSV (RFC 4180, streaming) and JSON lines, plain or compressed by gzip or zstd, from any
 * descriptor that can be read: a file, a pipe, an object of the store.
 *
 * Strict about what would be guessed otherwise: a quote inside an unquoted field, text after a closing quote, a quote
 * that is never closed, a row with more or fewer fields than the header, a NUL, UTF-16, a row above ROW_BYTES are
 * ERR_USAGE with file and row (the header is row 1, as an editor counts the records of a file). A byte order mark of
 * UTF-8 is skipped; \n, \r\n and \r end rows; empty rows are skipped. An empty or repeated name of a column is one
 * clear error, and so are one that is not UTF-8 and more than TABLE_COLUMNS columns. Fields of CSV are bytes: what is not
 * UTF-8 stays as it is. Quotes do not make a value of an empty field or a word of `nulls`.
 * JSON lines (RFC 8259): one object a row, names at most once in it, strings of valid UTF-8; numbers of any size.
 *
 * Where pieces of rows end depends on the text alone, not on threads, compression or how a pipe was filled. A file that
 * changes while it is read is an error or read to its new end, and never ends the program.
 *
 * Life: table_open, then either table_next until 0 or table_scan once, table_close.
 * Threads: a table belongs to one thread; table_scan starts its own.
 */
struct error;
struct table;

#define TABLE_BLOCK	65536u		    /* rows; profiles are made a block at a time, so threads do not matter */
#define TABLE_COLUMNS	16384u
#define ROW_BYTES	((size_t)64 << 20)

enum table_format { TABLE_GUESS, TABLE_CSV, TABLE_TSV, TABLE_JSONL };
struct table_options {
	enum table_format format; /* TABLE_GUESS: by the name without .gz or .zst, else by the first row */
	char delimiter;		  /* 0: ',' of CSV, or ';' where the header has that instead; tab of TSV */
	const char *nulls;	  /* words that mean nothing, with ',' between; NULL: TABLE_NULLS. The empty field always does. */
};
#define TABLE_NULLS "NA,N/A,n/a,#N/A,NULL,Null,null,None,none,<NA>"

enum field_kind {
	FIELD_NULL,   /* empty, a word of `nulls`, JSON null, a key that this row lacks */
	FIELD_TEXT,   /* of CSV: whatever it looks like */
	FIELD_NUMBER, /* of JSON */
	FIELD_BOOL,   /* of JSON: true or false */
	FIELD_STRING, /* of JSON: never a number */
};
/* Not NUL-terminated. Quotes and escapes are undone. A JSON array or object is FIELD_STRING, as it is written. */
struct field {
	const char *text;
	uint32_t len;
	uint8_t kind; /* enum field_kind */
};
/* Whole rows, in order; lent until the next call. Some hundred KiB of them, or one row. */
struct rows {
	uint64_t first;	     /* number of the first one, from 0, without the header */
	size_t nrows, ncols; /* JSON lines: ncols grows when a new key appears; a field before that is FIELD_NULL */
	const struct field *fields; /* rows[row * ncols + column] */
};

/* Lends the descriptor and reads the header. `name` is for messages, and for the format. A file without a byte is
 * ERR_USAGE; a header alone is a table of 0 rows. */
int table_open(int fd, const char *name, const struct table_options *, struct table **ret, struct error *);
void table_close(struct table *);
void cleanup_table(struct table **);
const char *table_name(const struct table *);
enum table_format table_format(const struct table *); /* what it was found to be */
/* Names in file order, valid UTF-8. Of JSON lines they grow while it is read. */
size_t table_ncolumns(const struct table *);
const char *table_column(const struct table *, size_t i);
bool table_find(const struct table *, const char *column, size_t *ret);
/* What was read so far of the file as it is stored, for progress. */
uint64_t table_bytes(const struct table *);
/* How messages number row `row` of struct rows: from 1, the header of CSV counted, empty rows not. */
uint64_t table_row_number(const struct table *, uint64_t row);

/* After table_open, before rows: only those between these bytes of a regular file that is not compressed. Both are
 * where a row begins, or the end; `first` is the number of the first row there. From byte 0: behind the header. */
void table_seek(struct table *, uint64_t from, uint64_t to, uint64_t first);
/* 1 with rows, 0 at the end, -1. */
int table_next(struct table *, struct rows *ret, struct error *);

/*
 * The whole table, a block of TABLE_BLOCK rows at a time, on `threads` threads (0: as many as the machine has for
 * us; compressed files and JSON lines are split by one). Memory is bounded whatever the rows are.
 *   begin  a state for block `number`; rows  adds rows to it, in order, one call at a time a state: both on any thread.
 *   end    takes it back, in the order of blocks, one at a time: what is merged there does not depend on threads.
 * -1 from rows or end stops the scan with that error; every state that was begun is ended, with `failed` true then.
 */
struct table_work {
	void *(*begin)(void *ctx, uint64_t number);
	int (*rows)(void *state, const struct rows *, struct error *);
	int (*end)(void *ctx, void *state, bool failed, struct error *);
};
int table_scan(struct table *, const struct table_work *, void *ctx, unsigned threads, struct error *);
