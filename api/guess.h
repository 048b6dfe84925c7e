/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/strlist.h"
/*
 * A first pipeline, guessed from what lies in a directory: one Python script, the
 * tables beside it, and what the script's text says it reads and writes. A guess is
 * a start that a person edits, so it names only what is clear.
 */
struct strbuf;

struct guess {
	char *script;           /* NULL: no Python script here */
	char *step;             /* name of the step */
	char *cmd;
	struct strlist in;      /* script, modules it imports, data */
	struct strlist out;     /* only what the script's text writes by name */
	struct strlist metrics;
};
void guess_release(struct guess *);
void guess_files(int rootfd, struct guess *ret);
/* Appends pipeline.ini. `title` becomes the pipeline's name, what a name cannot hold replaced. */
void guess_write(const struct guess *, const char *title, struct strbuf *ret);
