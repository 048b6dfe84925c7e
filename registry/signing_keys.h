/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/sign.h"
/*
 * The keys that sign for a project: checkpoints of its audit log, and attestations. The public halves are rows, for ever,
 * so that old signatures stay verifiable; the private ones are files .mlops/keys/ID.pem of mode 0600, or one systemd
 * credential. One key is active at a time. Adding, rotating and revoking are events.
 *
 * A credential `mlops-signing-key` ($CREDENTIALS_DIRECTORY) goes before the file of the active key, and must be that key.
 */
struct db;
struct error;
struct js;
struct project;

enum signing_state { SIGNING_ACTIVE, SIGNING_RETIRED, SIGNING_REVOKED, SIGNING_TRUSTED /* somebody else's, to verify with */ };
extern const char *const signing_states[];
struct signing_public {
	char id[SIGN_ID + 1];
	char *name;             /* of people: "churn", "auditors" */
	struct sign_public key;
	enum signing_state state;
	bool foreign;           /* somebody else's, whatever became of it: it never signed for this project */
	int64_t created_ms, ended_ms; /* 0: it has not */
	int64_t last;           /* of one that has: the size of the log then. It cannot have signed a larger one. */
};
void signing_public_release(struct signing_public *);

/* Who changes keys, for the event. */
struct signing_change {
	const char *actor, *origin;
	const char *reason; /* may be NULL */
	int64_t now_ms;
};

/* Of a new project, or one that was made before there were keys: makes the first. Nothing when there is one. */
int signing_keys_begin(struct project *, struct error *);
/* The active key; begins when there is none yet. ERR_NOT_FOUND: lost, with what to do; ERR_AUTH: others may read the file, or
 * it is another key. */
int signing_key_load(struct project *, struct sign_key **ret, struct signing_public *ret_public, struct error *);
/* A new active key by the old one's name, or by `name`; the old one is retired and its private half removed.
 * ERR_CONFLICT: the name is that of somebody else's key. */
int signing_key_rotate(struct project *, const char *name, const struct signing_change *, struct signing_public *ret,
		       struct error *);
/* Somebody else's, to verify with. ERR_USAGE: the name cannot be one; ERR_EXISTS: the key is there; ERR_CONFLICT: the name is
 * that of the project's own keys. */
int signing_key_trust(struct db *, const char *name, const struct sign_public *, const struct signing_change *,
		      struct signing_public *ret, struct error *);
/* Nothing is believed of it that is not in the log by now. The active one is rotated first. ERR_NOT_FOUND; ERR_CONFLICT: it
 * was revoked before. */
int signing_key_revoke(struct project *, const char *id, const struct signing_change *, struct error *);

/* ERR_NOT_FOUND: a project of before there were keys. */
int signing_public_active(struct db *, struct signing_public *ret, struct error *);
/* By id, or its first 8 digits or more, or by name: then the active one before others, the newest first. ERR_NOT_FOUND;
 * ERR_USAGE: several ids begin so. */
int signing_public_find(struct db *, const char *text, struct signing_public *ret, struct error *);
/* {id, name, state, created, ended, reason, public (PEM)} */
struct js *signing_public_json(const struct signing_public *, const char *reason);
/* [the same], the newest first */
int signing_keys_list(struct db *, struct js **ret, struct error *);
/* Each public key with which something may be verified, also retired and revoked ones. */
int signing_publics_each(struct db *, int (*each)(void *ctx, const struct signing_public *), void *ctx, struct error *);

/* ---- the private halves: registry/signing_files.c ---- */

/* Within a transaction of a writer. */
int signing_file_put(struct project *, const char *id, const struct sign_key *, struct error *);
/* The credential, else the file of the key; errors as signing_key_load. */
int signing_file_get(struct project *, const char *id, struct sign_key **ret, struct error *);
/* Where it would be read from; caller frees. */
char *signing_file_path(struct project *, const char *id);
/* Removes what is kept of keys that cannot sign any more (`ended` tells), and what a killed writer left. */
void signing_files_sweep(struct project *, bool (*ended)(void *ctx, const char *id), void *ctx);
