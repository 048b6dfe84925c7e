/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "monitor/table/table.h"
/*
 * Tables as a user names them: a file, "-" for standard input, or ARTIFACT[@VERSION] of the project. What is on the disk
 * goes before what a name might mean elsewhere. A directory, also one in the store, is its own files of one kind in the
 * order of their names, 512 at most; other files in it do not count.
 */
struct error;
struct js;
struct op_context;

struct table_input {
	int fd; /* at its first byte */
	char *name; /* for messages; its end tells the format */
};
struct table_inputs {
	char *name; /* as it was typed */
	struct table_input *items; /* at least one */
	size_t len, cap;
};
/* Whether a name ends as that of a table does. */
bool table_name_is(const char *name);
int table_inputs_open(struct op_context *, const char *text, struct table_inputs *ret, struct error *);
/* A stored content; `name` is of what, for messages. */
struct content;
int table_inputs_of(struct op_context *, const struct content *, const char *name, struct table_inputs *ret, struct error *);
void table_inputs_release(struct table_inputs *);
#define TABLE_INPUTS_INIT { NULL, NULL, 0, 0 }

/* Of the arguments `format`, `delimiter` and `null`, which the operations on tables share (TABLE_PARAMS). Lends texts of
 * args. */
int table_options_of(const struct js *args, struct table_options *ret, struct error *);
/* A finished profile of them all, told to ctx->progress. */
struct profile;
struct profile_options;
int table_inputs_profile(struct op_context *, struct table_inputs *, const struct table_options *,
			 const struct profile_options *, struct profile **ret, struct error *);
