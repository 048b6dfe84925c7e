/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Schemas: what a table must look like, as a JSON file that people edit:
 *   {"version": 1, "rows": {"min","max","max_change": 0.5}, "order": bool, "extra": "allow"|"refuse",
 *    "unique_rows": bool, "columns": [{"name","type","required": true,"nulls": 0.05 (largest share),"min","max",
 *    "values": [...] (allowed),"unseen": 0 (largest share of others),"unique": bool,"pattern": "POSIX extended regex",
 *    "ascending": bool,"constant": ok?,"length": {"min","max"}, "was": ["old name"], "description"}]}
 * Unknown keys are an error with the nearest right one. docs/data.md has each.
 */
struct error;
struct js;
struct profile;
struct schema;
struct strbuf;
struct table;

int schema_parse(const char *text, size_t len, const char *name, struct schema **ret, struct error *);
void schema_free(struct schema *);
void cleanup_schema(struct schema **);
/* A schema that the table meets, with some slack where a value may well be followed by a larger one. */
struct js *schema_infer(const struct profile *);
/* As a file that people edit: a line a column, long lists broken. */
void schema_write(const struct js *schema, struct strbuf *ret);
/* Columns that seem to be unique and are too many values for the profile to tell: the table, read once more, does. Adds
 * "unique" where it holds. */
int schema_infer_unique(struct js *schema, const struct profile *, struct table *, struct error *);
/*
 * One pass over the table. *ret_ok: it fits. The report names every breach with its first row:
 *   {"ok", "rows", "columns": [{"name", "state": "OK"|"NEW"|"MISSING"|"ALL_NULL"|"TYPE_CHANGED", "renamed_from"?,
 *     "type", "found" (types, asked for and there),
 *     "breaches": [{"check": "missing"|"type"|"nulls"|"range"|"values"|"pattern"|"length"|"ascending"|"unique"|"constant",
 *       "message", "count", "row" (first, as table.h counts), "before" (of unique), "value"}]}],
 *    "breaches": [{"check": "rows"|"extra"|"order"|"duplicates", "message", "count"?, "row"?, "before"?}]}
 * A missing column that `was` names finds has renamed_from, and is checked; a NEW one that looks like a MISSING one has the
 * name of that.
 * `before_rows`: rows of the last version of the same data, 0: not known. *ret_profile (may be NULL) receives the
 * profile that was made on the way.
 */
int schema_check(const struct schema *, struct table *, uint64_t before_rows, bool *ret_ok, struct js **ret,
		 struct profile **ret_profile, struct error *);
