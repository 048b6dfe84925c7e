/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "registry/access.h"
/*
 * Who asks, and whether he may. Default is no.
 *
 * Who: a token, as "Authorization: Bearer TOKEN" or as the password of Basic; a user and his password (Basic); without
 * either, whoever may read the store anyway, over the Unix socket; or nobody from this machine, who has the tracking of
 * MLflow's clients and nothing else. Credentials that are wrong are refused, never ignored.
 *
 * Whether, in two steps: by role and scope when the head is here (access_check), by what it is about when the
 * arguments are known (access_op, from operation_call).
 */
struct call;
struct error;
struct js;
struct op;
struct project;

enum principal_how {
	PRINCIPAL_NOBODY,
	PRINCIPAL_CLAIMED, /* a name and a password, which nobody has looked at yet */
	PRINCIPAL_LOOPBACK, /* this machine, no credentials */
	PRINCIPAL_SOCKET,
	PRINCIPAL_TOKEN,
	PRINCIPAL_PASSWORD,
};
struct principal {
	enum principal_how how;
	/* For events: "anna", "anna (token laptop)", "token ci", "root@host", "uid 1000", "loopback (anonymous)". */
	char name[2 * ACCESS_NAME + 24];
	struct grant grant;              /* its role, scopes, permissions, the only run that it may write */
};

/* Opens what the look-ups need; before the server starts, after the database was brought up to date. `hosts`, which
 * outlive it: names beside its own that requests may call this server. `listen`: its addresses. Both end with NULL. */
int access_start(const struct project *, const char *const *listen, const char *const *hosts, struct error *);
/* After the last call, while the lanes still run. */
void access_stop(void);
/* From now on who brings no token is nobody, wherever he comes from. Before the server starts. */
void access_only_tokens(void);
/* Whether anybody but this machine could log in: ERR_USAGE tells what to do. For addresses that others reach. */
int access_ready(struct project *, struct error *);

/* Whether a browser may have been led here by another site (Host, Origin), and whether the body is what it seems.
 * Before anything is looked up. */
int access_admit(const struct call *, struct error *);
/* Sets call->who. ERR_AUTH: it is not known who asks; ERR_DENIED. On a thread of the server: does not wait. Where it
 * leaves PRINCIPAL_CLAIMED, access_defer comes before anything else. */
int access_check(struct call *, struct error *);
/* The connection waits while the password is looked at; then there is an answer, or call->who is known. */
int access_defer(struct call *, struct error *);
/* Of an open route, which asks nobody: whether it is known who asks, by a token, the socket, or this machine. */
static inline bool access_knows(const struct principal *who)
{
	return who->how != PRINCIPAL_NOBODY && who->how != PRINCIPAL_CLAIMED;
}
/* Whether the operation may be done with what its arguments name. */
int access_op(const struct principal *, const struct op *, struct project *, const struct js *args, struct error *);
/* Takes out of the result of a search what he may not read. */
int access_filter(const struct principal *, const struct op *, struct project *, struct js *result, struct error *);
/* Where the result of a search that access_filter narrows holds its list; NULL: it narrows nothing. */
const char *access_narrows(const struct principal *, const struct op *);
/* Of an answer that goes on: his token was not revoked and has not expired, he himself is not disabled. Waits for a look-up. */
bool access_holds(const struct principal *);
/* He sees a part of what is stored: routes that tell of all are not for him. */
bool access_is_partial(const struct principal *);
