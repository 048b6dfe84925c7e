/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
#include "store/content.h"
/*
 * Tables among what steps read and make: whether they fit the schemas of the pipeline, and their profiles.
 *
 * A [schema.NAME] holds for the files that its `path` names: a file itself, tables below a directory, files that match a
 * pattern, and tables below directories that do. A file is checked once for its bytes, its path and the schema, which is
 * the SHA-256 of "mlops schema 1", how tables are read, the paths, and the bytes of the schema's file, a line each
 * before the last; registry/tables.h keeps what fitted. So that what is up to date costs no database, .mlops/checked
 * holds the same of whole inputs and outputs, a digest each; to lose it costs a look into the database.
 *
 * Life: tables_open, any calls, tables_free. Threads: tables_look from several at once; the others from the owner's.
 */
struct data_kinds;
struct db;
struct error;
struct js;
struct pipeline;
struct problems;
struct project;
struct scanner;
struct store_batch;
struct table_check;
struct tables;
struct tree;

/* Reads the schemas, which must be there. NULL when the pipeline has none and no profiles either. */
int tables_open(const struct data_kinds *, struct project *, const struct pipeline *, struct tables **ret, struct error *);
void tables_free(struct tables *);
void cleanup_tables(struct tables **);
/* Tells what is wrong with the files of schemas that are there. */
void tables_check_schemas(const struct data_kinds *, struct project *, const struct pipeline *, struct problems *);
/* Whether the schema holds for the file at this project path. */
struct schema_section;
bool tables_section_names(const struct schema_section *, const char *file, bool is_table);
/* The name of the artifact that holds the profile of this output. Caller frees. */
char *tables_profile_name(const char *path);

/* What was found about one content. */
struct table_found {
	char *path;
	struct content content;
	bool profiled;              /* a profile was asked for */
	struct table_check *checks; /* files that fit */
	size_t nchecks, checks_cap;
	struct content profile;     /* its object was added to the batch, or is stored; ABSENT: there is none */
	struct js *reports;         /* of files that do not fit: [{path, schema, file, lines[], report}]; NULL: none */
	struct strlist lines;       /* all lines of them, "PATH: line" */
	char *note;                 /* why there is no profile; NULL: none was asked for, or there is one */
};
void table_found_release(struct table_found *);

/* Where bytes are: staged in the batch, else stored, else at the path below scanner->rootfd. */
struct table_place {
	const struct scanner *scanner; /* hash only; with its store */
	struct store_batch *batch;     /* receives profiles; NULL: nothing is staged, and none are made */
	const struct tree *tree;       /* of a directory, when it is known already; else NULL */
};
/* What one must know of this content is known: a look would find nothing new. NULL knows all. */
bool tables_know(struct tables *, const char *path, const struct content *, bool profile);
/* *ret is the caller's to release, whatever the outcome. ERR_VERDICT: it does not fit. Else the caller records what was
 * found. */
int tables_look(struct tables *, const struct table_place *, const char *path, const struct content *, bool profile,
		struct table_found *ret, struct error *);
/* Inside a transaction: checks, and the profile as a version made by `run` (NULL: none). */
int tables_record(struct tables *, struct db *, const struct table_found *, const char *run, int64_t now_ms,
		  struct error *);
/* It was recorded: from now on it is known, and after the next save by later runs, too. */
void tables_accept(struct tables *, const struct table_found *);
/* Failing costs only a look. */
void tables_save(struct tables *);
/* The profile of a content that is known, by the database: 1, 0, -1. */
int tables_profile(struct tables *, const char *path, const struct content *, struct content *ret, struct error *);
