/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/digest.h"
#include "base/merkle.h"
#include "base/sign.h"
/*
 * The audit log: the events (registry/events.h) as the leaves of a Merkle tree (base/merkle.h), and signed checkpoints of
 * it. Leaf N (from 0) is the canonical JSON of the event with seq N + 1: {"actor","after","before","body","operation",
 * "origin","seq","subject","time"}, absent values left out. event_append adds leaf and nodes in its transaction.
 *
 * A checkpoint is a signed note (C2SP signed-note, tlog-checkpoint): origin, size and root, signed by the active key
 * (registry/signing_keys.h). It says nothing new, so it is no event: it is made after others have committed. A proof is a
 * C2SP tlog-proof whose extra data are the event.
 */
struct db;
struct db_stmt;
struct error;
struct event;
struct js;
struct project;
struct strbuf;

/* ---- the tree ---- */

/* Within the transaction of event_append, for the row that it has written. Also takes in events of before the tree. */
int audit_append(struct db *, int64_t seq, struct error *);
/* Takes in what was there before the tree; nothing when all events are leaves. Whoever reads the tree calls it first. */
int audit_catch_up(struct db *, struct error *);
/* The canonical JSON of an event row as event_find gives it; appended. */
void audit_leaf_text(const struct js *event, struct strbuf *ret);
/* The same of a row that begins at the column with AUDIT_LEAF_COLUMNS, without making values of it: much faster. */
#define AUDIT_LEAF_COLUMNS "actor, after, before, body, operation, origin, seq, subject, time"
void audit_leaf_row(struct db_stmt *, int column, struct strbuf *ret);
/* Of nodes as they are stored; lent by the database. */
struct merkle_source audit_source(struct db *);
int audit_size(struct db *, uint64_t *ret, struct error *);
int audit_root(struct db *, uint64_t size, struct digest *ret, struct error *);
/* "mlops/" and the log's id: what its checkpoints begin with. */
#define AUDIT_ORIGIN 64
int audit_origin(struct db *, char ret[AUDIT_ORIGIN], struct error *);

/* ---- checkpoints ---- */

struct checkpoint {
	char *origin;          /* "mlops/" and the log's id */
	uint64_t size;
	struct digest root;
	char *note;            /* the signed note, whole */
	int64_t time_ms;       /* of its making; 0 when it came from outside */
};
void checkpoint_release(struct checkpoint *);
/* Reads a note; its signatures are not looked at. ERR_USAGE with the line that is wrong. */
int checkpoint_parse(const char *text, size_t len, struct checkpoint *ret, struct error *);
/* Of a key as it signs by that name: "NAME+HEX8+BASE64", as tools for signed notes take it; appended. */
void checkpoint_key_line(const char *name, const struct sign_public *, struct strbuf *ret);
/* 1: a line of the note is this key's, by the origin's name, and it has signed it; 0: no. */
int checkpoint_signed_by(const struct checkpoint *, const struct sign_public *);
/* 1: a key that may has signed it: of this log one of this project, which had not ended then; of another log one that is
 * trusted. *ret_key is its id. 0: none has. */
int checkpoint_signed(struct db *, const struct checkpoint *, char ret_key[65], struct error *);
/* The newest; ERR_NOT_FOUND. */
int checkpoint_newest(struct db *, struct checkpoint *ret, struct error *);
/* One of the log as it is now, kept and written to where settings say (audit.file, audit.ref, audit.remote); the newest when
 * nothing came since. Outside of a transaction. What cannot be written there is a note, not an error. ERR_DAMAGED: the newest
 * that is known is not of the beginning of this log, so nothing is signed. */
int checkpoint_make(struct project *, struct checkpoint *ret, struct js **ret_notes, struct error *);
/* The same when settings say that it is time (audit.events since the last, or audit.minutes); cheap when not. Whoever ends a
 * change that wrote events calls it after the commit. Trouble is for the log only. */
int checkpoint_due(struct project *, int64_t now_ms, struct error *);
/* Checkpoints that are kept anywhere: rows, the file, the git ref, the remote. `where` names the place, and where in it. A
 * place that cannot be read is a note (an array; may be NULL); a kept text that is no checkpoint is ERR_DAMAGED. */
int checkpoints_each(struct project *, int (*each)(void *ctx, const char *where, const struct checkpoint *), void *ctx,
		     struct js *notes, struct error *);
/* Of a text that holds one note after the other, as the file does; an end that was cut off is passed over. */
int checkpoints_read(const char *text, size_t len, const char *name,
		     int (*each)(void *ctx, const char *where, const struct checkpoint *), void *ctx, struct error *);
/* Appends the proof that the event is in the log of the checkpoint: text of C2SP tlog-proof. ERR_NOT_FOUND; ERR_CONFLICT: the
 * checkpoint is older. */
int audit_proof(struct db *, int64_t seq, const struct checkpoint *, struct strbuf *ret, struct error *);
