/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/strmap.h"
#include "monitor/watch/form.h"
/* What the files of a form share. */
struct form_private {
	struct form_options columns;
	struct table *names;       /* the columns of the window; no rows */
	const struct table *table; /* at hand, with its columns: */
	bool lines;
	size_t *map, nmap;         /* its column -> that of the window, or SIZE_MAX */
	size_t id, prediction, probability, label; /* its columns, or SIZE_MAX */
	struct field *fields;      /* of a slice, in the window's order */
	struct hasher hasher;
	bool keep_rows;
	bool spooled_lines;        /* how the spool is written */
	size_t spooled_columns;
	struct strmap models;      /* that rows name */
};
/* Writes rows into the spool, as what they came from. */
int form_spool(struct form *, const struct rows *, struct error *);

/* A table without rows: names of columns, as profile_add asks for them. */
struct table *table_of_names(void);
void table_add_name(struct table *, const char *name);
