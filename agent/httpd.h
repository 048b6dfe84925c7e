/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * The HTTP server; the only door to microhttpd.h. It knows connections, heads and bodies; what a request means is the
 * router's (router.h), and where it is served the lanes' (lanes.h).
 *
 * libmicrohttpd 0.9.75 is lenient where requests can be smuggled: differing lengths, a length beside chunks, other
 * codings. Such heads are refused here, before anything is looked up, and end the connection.
 */
struct call;
struct error;
struct httpd;

struct httpd_config {
	const char *address;   /* "127.0.0.1:5000", "[::1]:5000", "unix:PATH"; port 0: any */
	const char *cert, *key; /* PEM texts; NULL: no TLS */
};
int httpd_start(const struct httpd_config *, struct httpd **ret, struct error *);
/* Where it listens: "http://127.0.0.1:5000", "unix:PATH". Lent. */
const char *httpd_url(const struct httpd *);
/* No new connections; waits until what was asked is answered, at most `ms`. */
void httpd_drain(struct httpd *, int64_t ms);
void httpd_stop(struct httpd *);

/* For lanes: the connection waits, then its answer is ready. */
void httpd_suspend(struct call *);
void httpd_answer(struct call *);

struct httpd_counts {
	uint64_t requests, connections, refused;
	unsigned open; /* connections now */
};
void httpd_counts(const struct httpd *, struct httpd_counts *ret);
