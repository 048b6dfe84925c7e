/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * What an operator's programs ask: GET /livez (the server's threads answer), /readyz (work can be done: database, free
 * space, lanes), /metrics (Prometheus). Strangers learn yes or no.
 */
struct census;
struct error;
struct httpd;
struct project;

/* Adds the routes. */
void health_start(void);
/* What else the metrics tell of; before the first request that asks. NULL: it is gone. */
void health_set_server(const struct httpd *);
/* Counts (registry/census.h) that are as old as they may be for taking them to cost little. On a lane's thread. */
int health_census(struct project *, struct census *ret, struct error *);
/* Whether the server's threads and the lanes make progress: ERR_ENV says which does not. From a thread of its own: asks
 * /livez over the Unix socket at `path`, and waits at most `ms`. */
int health_check(const char *path, int ms, struct error *);
