/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "cli/term.h"
/*
 * From argv to one operation and its JSON arguments, by the rows' parameters:
 * --opt VALUE, --opt=VALUE, -jN, -j N, -kn for two switches, -- before what starts
 * with a dash. Options may stand anywhere. Names are never abbreviated.
 */
struct error;
struct js;
struct op;

struct args {
	const struct op *op; /* NULL: no command was named */
	struct js *json;     /* the operation's arguments; owned */
	const char *dir;     /* -C, or NULL */
	const char *agent;   /* --agent, or NULL; "": none, whatever MLOPS_AGENT says */
	enum term_color color;
	bool as_json, quiet, no_pager, help, version;
};
/* On an error what was read so far is in *ret, so that the error can be shown as asked for. */
int args_parse(int argc, char **argv, struct args *ret, struct error *);
void args_release(struct args *);
/* The command line as one text, words quoted where a shell needs it. Caller frees. */
char *args_join(int argc, char **argv);
