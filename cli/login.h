/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* `mlops login`: a token that the agent knows goes into the file of credentials (base/credentials.h). */
struct args;
struct error;
struct js;
struct print;

/* {agent, file, actor, role} of a login, {agent, file, removed} of --rm; the caller frees. */
int login(const struct args *, struct js **ret_result, struct error *);
void print_login(struct print *, const struct js *result);
