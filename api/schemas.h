/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/strlist.h"
#include "monitor/table/table.h"
/*
 * Which schema is for which tables, as `mlops schema check` is told: a schema's file and tables; the name of a
 * [schema.NAME] of pipeline.ini, and tables other than its own or none; nothing, for all of those sections. A file goes
 * before a section of that name.
 */
struct error;
struct js;
struct op_context;
struct schema;

struct schema_use {
	char *name; /* of the file, or of the section */
	struct schema *schema;
	struct strlist tables; /* as table_inputs_open takes them */
	struct table_options options;
	char *nulls; /* of options, from the section */
};
struct schema_uses {
	struct schema_use *items;
	size_t len, cap;
};
#define SCHEMA_USES_INIT { NULL, 0, 0 }
/* Of the arguments `schema`, `table` and those of TABLE_PARAMS, whose texts it lends. */
int schema_uses_find(struct op_context *, const struct js *args, struct schema_uses *ret, struct error *);
void schema_uses_release(struct schema_uses *);
