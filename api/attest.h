/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/sign.h"
#include "registry/signing_keys.h"
/*
 * Signed statements about runs, model versions and versions of artifacts: made of the record, signed by the project's key,
 * kept, and verified against what is there. Who trusts what is a policy (policy/trust.h).
 */
struct content;
struct db;
struct error;
struct js;
struct op_context;
struct trust_policy;

/* ---- what a statement is about (attest_thing.c) ---- */

struct attest_thing {
	char *node;          /* of lineage: "churn@v3", "models/best@v2", a run's id; of a file, its name */
	char *uri;           /* of a model version: "pkg:mlflow/churn@3"; else NULL */
	struct js *subjects; /* policy/provenance.h; the first stands for all of it when there are several */
	bool apart;          /* the subjects are things beside each other, and none stands for all */
	char run[33];        /* that made it; "" */
	char *model;         /* of a version, and its number */
	int64_t number;
};
void attest_thing_release(struct attest_thing *);
/* From a name of registry/name.h but a commit. ERR_CONFLICT: there is nothing that could be named. */
int attest_thing_of(struct op_context *, struct db *, const char *name, struct attest_thing *ret, struct error *);
int attest_thing_of_version(struct op_context *, struct db *, const char *model, int64_t number, struct attest_thing *ret,
			    struct error *);
/* Hashes a file or directory; needs no project. ERR_NOT_FOUND. */
int attest_thing_of_file(const char *dir, const char *path, struct attest_thing *ret, struct error *);

/* ---- making statements (attest.c) ---- */

/* Outside of a transaction. *ret: [{predicate, content, key, new}]. ERR_CONFLICT: nobody can vouch for its run. */
int attest_make(struct op_context *, struct db *, const struct attest_thing *, struct js **ret, struct error *);
/* The same of a version that a run has just made; what stands against it is told to who waits, and is no error. 1: it is
 * attested. */
int attest_version_made(struct op_context *, struct db *, const char *model, int64_t number);

/* Of a run that went well, when the setting attest.runs says so; likewise. */
void attest_run_made(struct op_context *, const char *run_id);

/* ---- verifying (attest_verify.c) ---- */

struct verify_keys {
	struct signing_public *items;
	size_t len, cap;
};
void verify_keys_release(struct verify_keys *);
/* Keys that the project knows: its own, and those that it was told to trust. */
int verify_keys_of(struct db *, struct verify_keys *ret, struct error *);
/* One of a PEM file, which is called by its name. */
int verify_keys_add_file(struct verify_keys *, const char *dir, const char *path, struct error *);

struct verification {
	const struct verify_keys *keys;
	const struct trust_policy *policy; /* NULL: any statement that is signed will do */
	int64_t now_ms;
	/* results: */
	struct js *statements; /* [{predicate, key, key_name, holds, why, content}] */
	struct js *rules;      /* of trust_check; NULL without a policy */
	struct js *good;       /* [{key, key_name, statement}] */
};
void verification_release(struct verification *);
/* Looks at one envelope: it goes into `statements`, and, when it is signed and about the thing, into `good`. `row`: of
 * attestations_list, or NULL. */
void verify_envelope(struct verification *, const struct attest_thing *, const struct js *envelope, const struct js *row);
/* All that the registry keeps of it. */
int verify_kept(struct verification *, struct op_context *, struct db *, const struct attest_thing *, struct error *);
/* After all envelopes: 1 when a good one is there and the policy holds. */
bool verify_decide(struct verification *);
