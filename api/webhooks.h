/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Webhooks of forges (policy/webhook.h) for registered projects. Who sends one has no token: its signature by the secret of
 * the project is the proof, HOOK_NAME in the secret store, with '-' and '.' of the name as '_'; while secrets are changed
 * HOOK2_NAME is as good.
 *
 * Life: webhook_look when the head is here, webhook_prove when the body is, webhook_deliver in a transaction, webhook_free.
 */
struct db;
struct error;
struct js;
struct project;
struct webhook;

struct webhook_post {
	const char *project;
	/* A header's value by its lower-case name, or NULL. Lent. */
	const char *(*header)(void *ctx, const char *name);
	void *ctx;
	const void *body;
	size_t len;
};
#define WEBHOOK_BODY_MAX (25u << 20) /* GitHub's own */
/* ERR_AUTH, ERR_USAGE: its body is not worth reading. */
int webhook_look(const struct webhook_post *, struct error *);
/* Reads secrets, hashes the body. ERR_AUTH: nobody of the project signed it, or there is no project or no secret. */
int webhook_prove(struct project *, const struct webhook_post *, int64_t now_ms, struct webhook **ret, struct error *);
/* *ret: what push_fire says, with {delivery, event}; of one that came before what was answered then, with {repeated}. */
int webhook_deliver(struct project *, struct db *, const struct webhook *, struct js **ret, struct error *);
void webhook_free(struct webhook *);
