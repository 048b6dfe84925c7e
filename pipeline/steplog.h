/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
/*
 * What a step printed: .mlops/logs/RUN/STEP.log, a line each:
 *
 *     MILLISECONDS SP o|e SP BYTES LF       wall clock; o is stdout, e is stderr
 *
 * Bytes are kept as printed, whoever shows them escapes control bytes. A line without its end, or of
 * more than 64 KiB, is written as a line of its own. Memory stays flat. Not durable: a log is
 * evidence, not a fact.
 */
struct error;
struct steplog;
#define STEPLOG_TAIL 20

int steplog_open(int mlops_fd, const char *run, const char *step, struct steplog **ret, struct error *);
/* `err_stream`: 0 stdout, 1 stderr. */
void steplog_feed(struct steplog *, int err_stream, const char *data, size_t len);
/* The first write error, if any: the disk is full, and the rest of the output was dropped. */
int steplog_error(const struct steplog *);
/* Ends unfinished lines, closes, and appends the last lines to `tail` (may be NULL). */
void steplog_close(struct steplog *, struct strlist *tail);
/* The project path of a log. Caller frees. */
char *steplog_path(const char *run, const char *step);
