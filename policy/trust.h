/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Policies of trust: what statements must say about a model, a run or a file before somebody uses it. An INI text of one
 * section:
 *
 *     [verify]
 *     signed_by  = auditors, 3f2a91bc   names of keys, or their ids from 8 digits on: only what they signed counts
 *     builder    = mlops://build1/agent   who made it           (patterns: * is any text)
 *     user       = anna@*               who started the run, or asked an agent for it
 *     repository = https://git.example.org/ml/churn.git
 *     branch     = main, release-*
 *     clean      = yes                  of a commit, without changes on top of it
 *     data       = *.csv, train.py      all that it read stands at one of these paths
 *     with       = sha256:HEX           it read these bytes
 *     without    = sha256:HEX           it did not read these
 *     gate       = auc >= 0.8           the gate was passed, and with this line (a line each; * is any)
 *     max_age    = 30d                  since it was made
 *
 * All that is asked about its making must hold of one statement of provenance, all about the gate of one test result.
 * Pure: who has verified the signatures hands the statements in.
 */
struct error;
struct js;
struct trust_policy;

#define TRUST_MAX (256u << 10)

/* ERR_USAGE with place and fix; a policy that asks for nothing is one, too. `file` is how messages call it. */
int trust_parse(const char *text, size_t len, const char *file, struct trust_policy **ret, struct error *);
void trust_free(struct trust_policy *); /* NULL is legal */
void cleanup_trust(struct trust_policy **);

struct trust_statement {
	const char *key, *key_name; /* id of who signed it; the name may be NULL */
	const struct js *statement; /* statement_parse; it covers what is asked about */
};
/* Whether all holds. *ret: [{rule, wants, found, holds}], in the order of the table above. */
bool trust_check(const struct trust_policy *, const struct trust_statement *, size_t n, int64_t now_ms, struct js **ret);
