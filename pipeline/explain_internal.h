/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Shared by the files that explain differences: key_explain.c (facts of a key), command_diff.c, tools.c. */
struct js;

/* Appends a difference; a side that is absent is NULL, `name` too. Takes `text`. Lent, to add more to it. */
struct js *explain_add(struct js *list, const char *kind, const char *name, const struct js *old, const struct js *now,
		       char *text);
/* Adds the difference of the commands of two records, unless it follows from their params. */
void explain_command(struct js *list, const struct js *old_record, const struct js *now_record);
