/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "agent/httpd.h"
/* The command line of mlops-agent: -C DIR, --help, --version, --routes, and what api/agent_options.h lists. */
struct error;

#define AGENT_HOSTS_MAX 16
struct agent_options {
	const char *dir;                         /* NULL: here */
	const char *listen[HTTPD_LISTEN_MAX];    /* ends with NULL: one place is left for the project's own socket */
	size_t nlisten;
	const char *cert, *key;                  /* files */
	const char *hosts[AGENT_HOSTS_MAX + 1];  /* ends with NULL */
	bool help, version, routes;
};
/* The words are lent from argv. */
int agent_options_parse(int argc, char **argv, struct agent_options *ret, struct error *);
/* On stdout. */
void agent_options_help(void);
