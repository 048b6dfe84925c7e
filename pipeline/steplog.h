/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
/*
 * What an attempt of a step printed: .mlops/logs/RUN/STEP.log, of the second attempt STEP~2.log, a line each:
 *
 *     MILLISECONDS SP o|e SP BYTES LF       wall clock; o is stdout, e is stderr
 *
 * Bytes are kept as printed, whoever shows them escapes control bytes. A line without its end, or of
 * more than 64 KiB, is written as a line of its own. Memory stays flat. Not durable: a log is
 * evidence, not a fact.
 *
 * Of a log with a limit the first half stays in STEP.log. What comes after it goes to STEP.log.1 and
 * STEP.log.2 in turn, each of them at least the other half; its first line says what stands before it,
 * in lines and in bytes as printed:
 *
 *     MILLISECONDS SP s SP LINES SP BYTES LF
 *
 * An ended log of 4096 bytes or more becomes STEP.log.zst, with one line for what is not there:
 *
 *     MILLISECONDS SP c SP ... cut: LINES lines, BYTES bytes ... LF
 *
 * and once that file is there, it is the log; the others are on their way out. Files of all
 * other names are none of ours.
 */
struct error;
struct steplog;
#define STEPLOG_TAIL 20
#define STEPLOG_RUN  "@run" /* in place of a step, which has no such name: the run itself, without a terminal */
#define STEPLOG_LINE_MAX (64u << 10)

/* Attempts count from 1. `max` limits the bytes of the file, 0 does not; it is at least four lines of the
 * longest kind. What an earlier log of this name left goes away. `mlops_fd` is lent until the log is finished. */
int steplog_open(int mlops_fd, const char *run, const char *step, int attempt, int64_t max, struct steplog **ret,
		 struct error *);
/* `err_stream`: 0 stdout, 1 stderr. What was fed is in the file after the next flush. */
void steplog_feed(struct steplog *, int err_stream, const char *data, size_t len);
void steplog_flush(struct steplog *);
/* The first write error, if any: the disk is full, and the rest of the output was dropped. */
int steplog_error(const struct steplog *);
/* Ends unfinished lines, closes, and appends the last lines to `tail` (may be NULL). NULL is legal. False: it was closed
 * before. */
bool steplog_close(struct steplog *, struct strlist *tail);
/* On any thread, after close: compresses what is worth it and frees. A log that cannot be compressed stays as
 * it is. NULL is legal. */
void steplog_finish(struct steplog *);
/* The project path of a log, of the file that is there. Caller frees. */
char *steplog_path(int mlops_fd, const char *run, const char *step, int attempt);

/* ---- reading ---- */

/* Whether a file of this name in logs/RUN belongs to a log; then its step, which the caller frees, and attempt. */
bool steplog_parse_name(const char *file, char **ret_step, int *ret_attempt);

struct steplog_line {
	int64_t time;     /* ms; 0 when the line has no head */
	char stream;      /* 'o', 'e', or 'c': the text says what was cut here */
	const char *text; /* without its line feed; lent */
	size_t len;
};
/* A log in any of its forms, while it grows and changes them: each line is told once. No file stays open
 * between two readings. */
struct steplog_reader;
struct steplog_reader *steplog_reader_new(const char *step, int attempt);
void steplog_reader_free(struct steplog_reader *);
/* All whole lines that are new, from the log's directory. When its writer is gone (`ended`), a last line
 * without its end is one, too. 0, -1 and *err, or what `take` returned when that was not 0. */
int steplog_read(struct steplog_reader *, int dirfd, bool ended, int (*take)(void *ctx, const struct steplog_line *),
		 void *ctx, struct error *);
