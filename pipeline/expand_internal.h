/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "pipeline/expand.h"
/* Shared by expand.c and words.c. */
struct strbuf;

/* Appends what the ${...} at text[*pos] stands for and moves *pos behind it. `in_shell`: the text is code for a shell. */
int expand_variable(const struct expand_scope *, const char *text, size_t *pos, bool in_shell, struct strbuf *out,
		    struct error *);
/* Tells the caller of the scope where the error is. Returns -1. */
int expand_fault(const struct expand_scope *, size_t offset);
