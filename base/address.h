/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "base/http_client.h"
/*
 * Where an agent is, as people write it: http://HOST[:PORT][/PREFIX], https://..., unix:PATH. A scheme that is left
 * out is http for a loopback host, else https. The prefix is that of a proxy which puts the agent below a path.
 * Refused are names and passwords, queries and fragments: tokens stand in no URL.
 */
struct error;

struct address {
	char *name;   /* "https://host:5000/prefix": one form for each place; keys of credentials; shown to people */
	char *url;    /* scheme, host and port: for http_server */
	char *prefix; /* "" or "/prefix", as it was written: escaped */
	char *unix_path; /* absolute; NULL: TCP */
	bool is_private; /* nobody on the way can listen: https, a Unix socket, or this machine */
};
int address_parse(const char *text, struct address *ret, struct error *);
void address_release(struct address *);
/* Lent from the address, and from SSL_CERT_FILE: the authorities that are believed instead of the system's. */
struct http_server address_server(const struct address *);
