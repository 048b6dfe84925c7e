/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * Tokens of this user for agents: ${XDG_CONFIG_HOME:-~/.config}/mlops/credentials.json, written by `mlops login`.
 * The file is 0600 and its directory 0700; one that others can read, or that is somebody else's, is refused. An agent
 * is known by its address's name (base/address.h).
 *
 * MLOPS_TOKEN goes before the file, but only for the agent that MLOPS_AGENT names: an address that came with a
 * project must not be given it.
 */
struct address;
struct error;
struct strbuf;

/* Appends the token. 1 there is one, 0 none. ERR_DENIED: there is one, and who listens on the way would learn it. */
int credentials_find(const struct address *, struct strbuf *ret_token, struct error *);
/* Replaces what was there, atomically; NULL removes. *ret_had (may be NULL): there was one. */
int credentials_store(const struct address *, const char *token, bool *ret_had, struct error *);
/* Where the file is; caller frees. ERR_ENV: no home. */
int credentials_path(char **ret, struct error *);
