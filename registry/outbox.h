/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * What other programs are to be told, until they were. A letter is written in the transaction that moves the reader of
 * events on, so each event is made letters of once, whatever is killed when. It is sent at least once: who is told may be
 * told again after a kill, and tells repeats by the cause.
 *
 * Letters to one target go one after the other, in the order in which they were written: a status is never overtaken by
 * the one before it.
 *
 * Writers work inside a transaction of the caller.
 */
struct db;
struct error;
struct js;
struct strlist;

enum letter_kind { LETTER_WEBHOOK, LETTER_COMMAND, LETTER_STATUS, LETTER_COMMENT, LETTER_OPENLINEAGE };
struct letter {
	int64_t id;
	enum letter_kind kind;
	char *target; /* PROJECT/NAME of who is told, PROJECT of a forge, "" of the operator's command, see registry/openlineage.h */
	char *cause;
	struct js *body;
	int64_t tries;
};
void letter_release(struct letter *);

/* 1: it is new; 0: the target was written to for this cause before. */
int outbox_add(struct db *, enum letter_kind, const char *target, const char *cause, const struct js *body, int64_t now_ms,
	       struct error *);
/* The first that may be sent now, to a target that is not in `busy` (may be NULL). 1, or 0: none; then *ret_due is when the
 * next one may be (0: there is none). */
int outbox_next(struct db *, int64_t now_ms, const struct strlist *busy, struct letter *ret, int64_t *ret_due,
		struct error *);
/* The first to this target, as far as it may be sent by then. */
int outbox_next_to(struct db *, const char *target, int64_t now_ms, struct letter *ret, struct error *);
/* The id of the newest letter; 0: there is none. */
int outbox_newest(struct db *, int64_t *ret, struct error *);
int outbox_sent(struct db *, int64_t id, int64_t now_ms, struct error *);
/* It did not arrive: again at `due`; 0: never, it has failed. */
int outbox_failed(struct db *, int64_t id, const char *why, int64_t due_ms, int64_t now_ms, struct error *);
/* When to try again after so many tries, not all at the same moment, and not earlier than after again_ms; 0: never. */
int64_t outbox_due(int64_t tries, int64_t again_ms);
/* Letters that ended before that time go. */
int outbox_sweep(struct db *, int64_t before_ms, struct error *);
/* The newest first: [{id, kind, target, cause, state, tries, due, error, created, ended, title}] */
int outbox_list(struct db *, int64_t limit, struct js **ret, struct error *);
/* One that failed is tried again at once. ERR_NOT_FOUND */
int outbox_again(struct db *, int64_t id, int64_t now_ms, struct error *);

/* How far a reader of the events has come. 1, or 0 when it never read. */
int event_reader_load(struct db *, const char *name, int64_t *ret_seq, struct error *);
int event_reader_store(struct db *, const char *name, int64_t seq, struct error *);
