/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Operations (api/ops.h) over HTTP: what every family of routes shares. */
struct call;
struct error;
struct js;
struct op;
struct principal;
struct project;

/* The JSON arguments of an operation: of the fields of path and query and, unless the body is its input, of the body. Fields
 * become what the operation's parameters are (numbers, lists of repeated ones). Body members that it does not know are
 * left in place when `strict`, so that op_check refuses them, else they are dropped. */
int operation_args(const struct call *, const struct op *, int strict, struct js **ret, struct error *);
/* Whether the body is JSON that may be parsed: ERR_TOO_LARGE when it holds too many values. */
int operation_check_body(const struct call *, struct error *);
/* Calls the operation as the call's asker. */
int operation_call(const struct call *, const struct op *, struct project *, const struct js *args,
		   struct js **ret_result, struct error *);
/* What whoami says of him: {actor, enforced, role, scopes[], user, token, run}. Caller frees. */
struct js *operation_who(const struct principal *);
