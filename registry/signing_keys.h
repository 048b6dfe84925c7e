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
struct signing_public {
	char id[SIGN_ID + 1];
	char *name;             /* of people: "churn", "auditors" */
	struct sign_public key;
	enum signing_state state;
	int64_t created_ms, ended_ms; /* 0: it has not */
};
void signing_public_release(struct signing_public *);

/* Of a new project, or one that was made before there were keys: makes the first. Nothing when there is one. Outside of a
 * transaction. */
int signing_keys_begin(struct project *, struct error *);
/* The active key. ERR_NOT_FOUND: lost, with what to do; ERR_AUTH: others may read the file, or it is another key. */
int signing_key_load(struct project *, struct sign_key **ret, struct signing_public *ret_public, struct error *);
/* By id, or its first 8 digits or more, or by name. ERR_NOT_FOUND. */
int signing_public_find(struct db *, const char *text, struct signing_public *ret, struct error *);
/* [{id, name, state, created, ended, reason, public (PEM)}], the newest first */
int signing_keys_list(struct db *, struct js **ret, struct error *);
/* Each public key with which something may be verified, also retired and revoked ones. */
int signing_publics_each(struct db *, int (*each)(void *ctx, const struct signing_public *), void *ctx, struct error *);
