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
/* At most two secrets are good at a time. ERR_AUTH; ERR_USAGE for a time that is more than 5 minutes off. */
int webhook_verify(const struct webhook_request *, const char *const *secrets, size_t n, int64_t now_ms,
		   enum webhook_provider *ret, struct error *);

enum webhook_kind { WEBHOOK_PING, WEBHOOK_PUSH, WEBHOOK_TAG, WEBHOOK_PULL_REQUEST, WEBHOOK_OTHER };
struct webhook_event {
	enum webhook_provider provider;
	enum webhook_kind kind;
	char *delivery;             /* its id; the digest of the body when the sender gives none */
	char *repository;           /* OWNER/NAME */
	char *ref, *branch;         /* refs/heads/main, main; of a pull request the branch it would change */
	char *before, *after;       /* commits; after NULL: the branch was deleted */
	struct strlist changed;     /* files, as far as it says */
	bool all_changed;           /* it does not say */
	int64_t number;             /* of a pull request; 0: none */
	bool fork;                  /* of another repository than its own */
	char *actor;
};
int webhook_read(const struct webhook_request *, enum webhook_provider, struct webhook_event *ret, struct error *);
void webhook_event_release(struct webhook_event *);
