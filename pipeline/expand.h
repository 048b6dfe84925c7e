/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/strlist.h"
/*
 * Words and ${...}. A command is split once by POSIX quoting; ${} expands inside
 * words and never splits again; there is no shell. `$$` is a dollar.
 */
struct error;
struct js;
/* Values ${...} may name: params.KEY, matrix.AXIS and matrix.key (of an instance of a matrix), out (when there is
 * one), env.NAME, step, and run.id, which is left as it is for the key and replaced when the step starts; trigger.time and
 * trigger.window, which stay as they are where a run has none. */
struct expand_trigger {
	const char *time, *window; /* text, or NULL */
	const char **ret_unset;    /* receives the name of one that is NULL, and was named; lent for ever */
};
struct expand_scope {
	const struct js *params;
	const struct strlist *outs; /* NULL: ${out} is not known here */
	const struct strlist *env; /* NAME=VALUE */
	const struct js *matrix;   /* axis -> text; NULL without a matrix */
	const char *matrix_key;
	const char *step;
	const char *run_id;        /* NULL: ${run.id} stays literal */
	const struct expand_trigger *trigger; /* NULL: ${trigger.*} are not known here */
	struct strlist *used_params; /* receives each params.KEY; may be NULL */
	size_t *ret_offset;        /* receives where in the text an error is, in bytes; may be NULL */
	size_t *room;              /* bytes that texts may still become, together; NULL: one may become 16 MiB */
};
/* Whether a text of `len` bytes is still within bounds; a text that is done is also `taken` from what is left. */
int expand_room(const struct expand_scope *, size_t len, bool taken, struct error *);
/* Expands ${} in one text. */
int expand_text(const struct expand_scope *, const char *text, char **ret, struct error *);
/* cmd -> argv. An unquoted | & ; < > ` * ? or $NAME is ERR_USAGE with `sh -c '...'` as its fix; inside a word after
 * `sh -c` (sh, bash, dash and their kin, with or without a path) ${params.*}, ${matrix.AXIS} and ${env.*} are refused, and so is an ${out}
 * that the shell would read as more than a word. Words after that text are the shell's arguments and may hold anything. */
int expand_command(const struct expand_scope *, const char *cmd, struct strlist *ret_argv, struct error *);
/* MLOPS_PARAM_LR for "lr", MLOPS_PARAM_TRAIN_LR for "train.lr". Caller frees. */
char *param_env_name(const char *key);
/* MLOPS_MATRIX_SEED for the axis "seed". Caller frees. */
char *axis_env_name(const char *axis);
/* A scalar param as text, as ${params.x} and params of a run show it: 0.01, true, text; else compact JSON. Caller frees. */
char *param_text(const struct js *value);
