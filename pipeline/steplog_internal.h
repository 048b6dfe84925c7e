/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "pipeline/steplog.h"
/* Shared by steplog.c (writing), steplog_pack.c (what an ended log becomes) and steplog_read.c. */

#define STEPLOG_PLAIN  ".log"
#define STEPLOG_PACKED ".log.zst"

/* A place in a log: what stands before it. */
struct steplog_at {
	int64_t lines, bytes; /* bytes as printed, with a line feed each */
};

struct steplog_segment {
	struct steplog_at start;
	int64_t head, size; /* bytes of its first line, and in all */
};
struct steplog_files {
	int mlops_fd;
	char *path;         /* below .mlops, without ".log" */
	int64_t max;
	int64_t size;       /* bytes of the head */
	struct steplog_at head_end;
	int nsegments;      /* made so far; number N is in the file 2 - N % 2 */
	struct steplog_segment segments[2]; /* the one before the last, and the last */
};

/* NAME.log, or NAME.log.1 and NAME.log.2. Caller frees. */
char *steplog_file(const char *path, int segment);
static inline int steplog_segment_file(int number)
{
	return 2 - number % 2;
}
/* How much of the log may stand behind the head. */
static inline int64_t steplog_tail_max(const struct steplog_files *f)
{
	return f->max - f->size;
}
/* The whole log as NAME.log.zst, in place of all other files. */
int steplog_pack(const struct steplog_files *, struct error *);

/* Whole lines of a file of a log. */
void steplog_count(const char *text, size_t len, struct steplog_at *at);
/* "MS o TEXT" -> TEXT and the rest; a line without a head is text as a whole, of stream 'o'. */
void steplog_parse_line(const char *line, size_t len, struct steplog_line *ret);
/* The place that a line of stream 's' or 'c' names. */
bool steplog_parse_start(const struct steplog_line *, struct steplog_at *ret);
bool steplog_parse_cut(const struct steplog_line *, struct steplog_at *ret);
int steplog_format_cut(char *buf, size_t room, const struct steplog_at *cut);
