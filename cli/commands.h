/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "api/ops.h"
/*
 * The commands a user can type: every operation's, and the CLI's own (help,
 * completion, login), which have a row but no handler; and the options each of them takes.
 */
struct error;
struct js;

extern const struct op command_help, command_completion, command_login;
size_t command_count(void);
const struct op *command_at(size_t i);
/* The command these words start with; *ret_used of them name it. Unknown or unfinished: ERR_USAGE
 * with the nearest. */
int command_find(const char *const *words, size_t nwords, const struct op **ret, size_t *ret_used,
		 struct error *);

/* Options of every command; ends with name NULL. */
extern const struct op_param global_params[];
/* The option called `name` (of `len` bytes) or `letter`, of the command (may be NULL) or of
 * all; NULL. */
const struct op_param *option_find(const struct op *, const char *name, size_t len);
const struct op_param *option_find_letter(const struct op *, char letter);
/* Positional parameter number `i`; one with OPP_MANY stands for all that follow. NULL beyond the
 * last. */
const struct op_param *positional_at(const struct op *, size_t i);

/* help.c: on stdout; op NULL: the list of commands. */
void help_print(const struct op *);
struct js *help_json(const struct op *);
/* completion.c */
int completion_script(const char *shell, struct error *);
/* Prints what could follow: a line each, "WORD TAB DESCRIPTION", or ":files". The last word is
 * unfinished. */
void completion_answer(const char *const *words, size_t nwords);
