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
struct table;

int schema_parse(const char *text, size_t len, const char *name, struct schema **ret, struct error *);
void schema_free(struct schema *);
void cleanup_schema(struct schema **);
/* A schema that the table meets, with some slack where a value may well be followed by a larger one. */
struct js *schema_infer(const struct profile *);
/*
 * One pass over the table. *ret_ok: it fits. The report names every breach with its first row:
 *   {"ok", "rows", "columns": [{"name", "state": "OK"|"NEW"|"MISSING"|"ALL_NULL"|"TYPE_CHANGED", "renamed_from"?,
 *     "breaches": [{"check": "range"|"nulls"|"values"|"unique"|"pattern"|"ascending"|"type"|"length", "message",
 *     "count", "row" (first, as table.h counts), "value"}]}], "breaches": [{"check": "rows"|"extra"|"order"|"duplicates"...}]}
 * `before_rows`: rows of the last version of the same data, 0: not known. *ret_profile (may be NULL) receives the
 * profile that was made on the way.
 */
int schema_check(const struct schema *, struct table *, uint64_t before_rows, bool *ret_ok, struct js **ret,
		 struct profile **ret_profile, struct error *);
