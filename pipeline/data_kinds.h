/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * What pipelines ask of data without knowing what is in it: api/ fills in the functions (api/data_kinds.c) and hands
 * them to whoever loads schemas or starts a run. All may be called by several threads at once.
 */
struct error;
struct js;
struct strbuf;
struct strlist;

/* How tables are read, as [schema.NAME] says it; NULL: not said. */
struct data_format {
	const char *delimiter, *nulls;
};
struct data_kinds {
	/* Whether a file of this name is a table: files of directories are only checked then. */
	bool (*is_table)(const char *name);

	/* What a [schema.NAME] names, from the text of its file. */
	int (*schema_read)(const char *text, size_t len, const char *name, void **ret, struct error *);
	void (*schema_free)(void *schema);
	/*
	 * One table, from its first byte. `before_rows`: rows of its last version, 0 when not known. *ret_ok: it fits;
	 * else *ret_report (owned) is what `mlops schema check` gives for it, and `lines` gets what a person must know,
	 * some lines. What is no table at all does not fit.
	 */
	int (*check)(const void *schema, int fd, const char *name, const struct data_format *, uint64_t before_rows,
		     bool *ret_ok, uint64_t *ret_rows, struct js **ret_report, struct strlist *lines, struct error *);

	/* One profile of several tables, added in order: new, add..., text, free. The text is the same for the same
	 * bytes. */
	void *(*profile_new)(const struct data_format *);
	int (*profile_add)(void *profile, int fd, const char *name, struct error *);
	void (*profile_text)(void *profile, struct strbuf *ret);
	void (*profile_free)(void *profile);
};
