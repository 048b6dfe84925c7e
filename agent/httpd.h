/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * The HTTP server; the only door to microhttpd.h. It knows connections, heads and bodies; what a request means is the
 * router's (router.h), and where it is served the lanes' (lanes.h). It listens on several addresses, for which it has
 * one life.
 *
 * Every connection has deadlines (watch.h): for its head, in all; for a body that is kept, by its size; for one that
 * is taken as it comes, between its parts. Refusals end the connection.
 */
struct call;
struct error;
struct httpd;

#define HTTPD_LISTEN_MAX 8
struct httpd_listen {
	const char *address; /* listen.h */
	bool is_private;     /* a Unix socket for its owner alone */
};
struct httpd_config {
	struct httpd_listen listen[HTTPD_LISTEN_MAX];
	size_t nlisten;
	const char *cert, *key; /* PEM texts; NULL: no TLS. Unix sockets have none. */
	bool may_be_public;     /* addresses that other machines reach are taken, with TLS */
};
int httpd_start(const struct httpd_config *, struct httpd **ret, struct error *);
/* Where it listens, in the order of the configuration: "http://127.0.0.1:5000", "unix:PATH". Lent; NULL beyond the
 * last. */
const char *httpd_url(const struct httpd *, size_t i);
/* No new connections; answers end theirs; feeds that have nothing to say end. */
void httpd_quiesce(struct httpd *);
/* Whether no request is between its first line and the last byte of its answer. If so, none ever will be again: what
 * comes later finds its connection closed. After httpd_quiesce. */
bool httpd_drained(struct httpd *);
/* When it is drained, or was never ready. */
void httpd_stop(struct httpd *);

/* For lanes: the connection waits, then its answer is ready. */
void httpd_suspend(struct call *);
void httpd_answer(struct call *);
/* Its connection's, to look at; open until the call has ended. */
int httpd_socket(const struct call *);

struct httpd_counts {
	uint64_t requests, connections, refused;
	unsigned open; /* connections now */
};
void httpd_counts(const struct httpd *, struct httpd_counts *ret);
