/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/* The log of a run itself, beside those of its steps: what a run without a terminal has to tell. */
struct op_context;
struct steplog;

/* NULL: it cannot be written, and the run is none the worse. */
struct steplog *run_log_open(struct op_context *, const char *run);
/* Lines, to be seen at once. */
void run_log_add(struct steplog *, bool error, const char *text, size_t len);
/* Frees. */
void run_log_close(struct steplog *);
