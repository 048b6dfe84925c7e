/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "base/address.h"
/*
 * Operations done by an agent: the same arguments go to the operation's method and path below /api/v1, and events,
 * bytes, result and error come back as if it had been done here.
 */
struct args;
struct error;
struct js;
struct op;
struct op_context;

struct remote {
	struct address address;
	const struct op *op; /* what the agent is asked for */
	bool used;           /* false: the command works here */
};
/* Whom --agent and MLOPS_AGENT mean. With --agent all is done there, and what cannot is an error that says what it
 * needs; MLOPS_AGENT leaves here what works in a work tree or needs no project. */
int remote_choose(const struct args *, struct remote *ret, struct error *);
void remote_release(struct remote *);

/* As op_call; of ctx only emit, events, write, read and ctx are used. An agent that cannot be reached: ERR_ENV. */
int remote_call(const struct remote *, struct op_context *, const struct js *args, struct js **ret_result,
		struct error *);

/* What --agent or MLOPS_AGENT says, or NULL; lent. */
const char *remote_agent(const struct args *);
/* GET of whoami with a token: whether the agent knows it. {actor, role, ...}; caller frees. */
int remote_whoami(const struct address *, const char *token, struct js **ret, struct error *);
