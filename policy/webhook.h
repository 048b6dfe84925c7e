/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
/*
 * What GitHub, Gitea, Forgejo and GitLab send when somebody pushes, and any program that signs with HMAC-SHA256. Pure:
 * headers and bytes in, proof and meaning out. An event is a reason to look at a ref, and nothing in it is believed beyond
 * that; forks and pushers are named so that they can be kept apart.
 *
 * Proofs, the first that is there counts:
 *   webhook-signature    "v1,BASE64" of ID.TIMESTAMP.BODY, several apart by blanks; webhook-id, webhook-timestamp (Standard
 *                        Webhooks; GitLab with a signing token). A secret "whsec_BASE64" is the bytes that it spells.
 *   x-hub-signature-256  "sha256=HEX" of the body (GitHub, Gitea, Forgejo, and others that follow them)
 *   x-forgejo-signature, x-gitea-signature   HEX of the body
 *   x-gitlab-token       the secret itself
 *
 * A program of one's own sends {"ref", "after", "before", "changed": [PATH...]} with one of the first two; all but ref and
 * after may be left out.
 */
struct error;

enum webhook_provider { WEBHOOK_GITHUB, WEBHOOK_GITEA, WEBHOOK_FORGEJO, WEBHOOK_GITLAB, WEBHOOK_GENERIC };
struct webhook_request {
	/* A header's value by its lower-case name, or NULL. Lent. */
	const char *(*header)(void *ctx, const char *name);
	void *ctx;
	const void *body;
	size_t len;
};
/* Whether there is anything to verify; before the body came. ERR_AUTH; ERR_USAGE: the body will be no JSON. */
int webhook_check_head(const struct webhook_request *, struct error *);
/* Any of the secrets may have signed it; one that is shorter than WEBHOOK_SECRET_MIN never has. ERR_AUTH; ERR_USAGE for a
 * time that is signed and more than 5 minutes off. */
#define WEBHOOK_SECRET_MIN 8
int webhook_verify(const struct webhook_request *, const char *const *secrets, size_t n, int64_t now_ms,
		   enum webhook_provider *ret, struct error *);

enum webhook_kind { WEBHOOK_PING, WEBHOOK_PUSH, WEBHOOK_TAG, WEBHOOK_PULL_REQUEST, WEBHOOK_OTHER };
struct webhook_event {
	enum webhook_provider provider;
	enum webhook_kind kind;
	char *delivery;             /* its id; the digest of the body when the sender gives none */
	char *repository;           /* OWNER/NAME */
	char *ref;                  /* refs/heads/main; of a pull request what its commits are fetched by */
	char *branch;               /* main; of a pull request the branch it would change; NULL: a tag */
	char *before, *after;       /* commits; before NULL: it is new, after NULL: it was deleted */
	struct strlist changed;     /* files, as far as it says */
	bool all_changed;           /* it does not say */
	int64_t number;             /* of a pull request; 0: none */
	bool fork;                  /* of another repository than its own */
	char *actor;
	int64_t time_ms;            /* of the commit; 0: it does not say */
};
const char *webhook_provider_name(enum webhook_provider);
/* ERR_USAGE: it is no event as they send them; ERR_TOO_LARGE: more values than strangers may send. What is of no interest
 * is WEBHOOK_OTHER, and has no more than delivery and repository. */
int webhook_read(const struct webhook_request *, enum webhook_provider, struct webhook_event *ret, struct error *);
void webhook_event_release(struct webhook_event *);
