/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/ini.h"
#include "base/strmap.h"
#include "pipeline/grammar.h"
#include "pipeline/problems.h"
/* What the reading of one pipeline file shares between its sections and keys (grammar.c) and its values (values*.c). */
struct js;
struct strbuf;

struct inline_param {
	char *key;
	struct js *value;
	struct place at;
};
/* What of the text must be whole: its remotes and schemas, also triggers, whose monitors are elsewhere, what watches and
 * starts, or all. */
enum parse_part { PARSE_REMOTES, PARSE_POLICY, PARSE_DEFINITIONS, PARSE_ALL };
struct parser {
	struct pipeline *pipeline;
	struct strmap sections;   /* as written -> line */
	size_t rows, nrows;       /* of the current section in grammar_keys; none: its keys are skipped */
	int key_lines[64];        /* of the current section, by row; 0: not seen */
	struct strmap open_keys;  /* the same for keys that a "*" row takes */
	struct inline_param *params;
	size_t nparams, params_cap;
	struct problems *problems;
	enum parse_part part;
	bool blind;               /* what is missing may be needed by every step: planning would only guess */
};

/* Adds a problem and returns it for error_help, or NULL when it is only counted. */
struct error *problem(struct parser *, int line, int column, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Reads the text into p->pipeline, which it makes. */
void parse_text(struct parser *p, const char *text, size_t len, const char *file, enum parse_part);
void parser_release(struct parser *);
/* The place in an error of FILE:LINE:COLUMN: the reader of INI has it as text only. */
struct place parse_place(const struct error *);
/* Puts the entry's value where its row says; what does not fit is a problem. */
void value_store(struct parser *, const struct grammar_key *, const struct ini_entry *);
/* What readers of values.c and values_engine.c share. The first gives the value when it is one line; otherwise a
 * problem and NULL. */
const struct ini_line *value_line(struct parser *, const struct ini_entry *);
void value_list(struct parser *, const struct ini_entry *, void *field);
void value_count(struct parser *, const struct ini_entry *, void *field);
void value_axis(struct parser *, const struct ini_entry *, void *field);
void value_pool(struct parser *, const struct ini_entry *, void *field);
void value_backoff(struct parser *, const struct ini_entry *, void *field);
void value_causes(struct parser *, const struct ini_entry *, void *field);
void value_secrets(struct parser *, const struct ini_entry *, void *field);
/* Of a monitor: values_monitor.c. They put what they read into the section. */
void value_window(struct parser *, const struct ini_entry *, void *section);
void value_times(struct parser *, const struct ini_entry *, void *section);
void value_reference(struct parser *, const struct ini_entry *, void *section);
void value_season(struct parser *, const struct ini_entry *, void *section);
void value_method(struct parser *, const struct ini_entry *, void *field);
/* Of models, triggers and notifications: values_model.c, values_trigger.c, values_notify.c. The last two put what they
 * read into the section. */
void value_lines(struct parser *, const struct ini_entry *, void *field);
void value_holdout(struct parser *, const struct ini_entry *, void *section);
void value_cooldown(struct parser *, const struct ini_entry *, void *section);
/* What the keys of a section must be to each other, when all of the file was read. */
void monitors_finish(struct parser *);
void models_finish(struct parser *);
void triggers_finish(struct parser *);
void notifies_finish(struct parser *);
/* "1000 rows", also "1 row"; a duration, also of weeks and years. False: it is none. */
bool value_counted(const char *text, const char *word, int64_t *ret);
bool value_lasting(const char *text, int64_t *ret);
/* A project path as all of the program writes it. */
void clean_path(struct parser *, struct text_at *path);

#define NAME_MAX_BYTES 100
/* NULL when the text can name a step, else what is wrong with it. */
const char *name_fault(const char *name);
void textlist_release(struct textlist *);
void textlist_push(struct textlist *, char *text, struct place); /* takes the text */
/* The whole of a regular file of at most `max` bytes; opened without waiting, so that a FIFO is named instead of hung on. */
int parse_read_file(int rootfd, const char *path, size_t max, struct strbuf *ret, struct error *);
