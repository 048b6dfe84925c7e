/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/strbuf.h"
/*
 * HTTP requests to one server, on an event loop; the only door to curl/curl.h.
 *
 * Any number of requests run at once, each on a connection of its own while it lasts;
 * idle connections are used again. A request that streams (logs) keeps its
 * connection until it ends or is cancelled. Redirects are not followed, proxies of the
 * environment are not used.
 *
 * Threads: all calls and callbacks belong to the thread that runs the loop.
 */
struct error;
struct http_call;
struct http_client;
struct http_reply;
struct loop;
struct reach;

struct http_server {
	const char *url;       /* "http://engine", "https://host:2376": scheme, host, port; no path */
	const char *unix_path; /* connect here instead of to the host; NULL: TCP */
	/* https: PEM files; NULL: the system's authorities, no certificate of ours */
	const char *ca, *cert, *key;
	const struct reach *reach; /* addresses that a connection may go to (base/reach.h), lent while the client lives; NULL: all.
				    * Each that is tried is looked at; refused: ERR_DENIED */
};
struct http_request {
	const char *method;
	const char *path;            /* starts with '/', is escaped, has its query */
	const char *const *headers;  /* "Name: value", NULL-terminated; may be NULL */
	const void *body;            /* copied */
	size_t body_len;
	/* Instead of a body: bytes as they are wanted, sent in chunks. How many; 0 is the end, -1 stops the request. */
	ssize_t (*upload)(void *ctx, char *buf, size_t size);
	int64_t timeout_ms;          /* of the whole; 0: none */
	int64_t connect_ms;          /* 0: 10 s */
	bool once;                   /* on a connection of its own: of one that was used and then dies without an answer,
				      * curl cannot tell whether the request was taken, and sends it again */
	size_t max;                  /* bytes of reply kept when there is no `data`; 0: 16 MiB. More is an error. */
	/* Bytes of a reply with a 2xx status as they come; other replies are kept for `done`. -1 stops the request.
	 * May be NULL: all replies are kept. */
	int (*data)(void *ctx, const char *bytes, size_t len);
	/* Exactly once, unless cancelled. The call is freed afterwards. */
	void (*done)(void *ctx, const struct http_reply *);
	void *ctx;
};
struct http_reply {
	int status;               /* 0: no reply, `error` says why */
	const struct strbuf *body; /* NUL-terminated beyond its length; lent */
	const char *header;       /* value of the header asked for by http_want, or NULL; lent */
	/* With status 0, and when the reply broke off: then status is what its head said. ERR_DENIED, or ERR_ENV; sys is ECONNREFUSED,
	 * ENOENT, EACCES, ETIMEDOUT, ECONNRESET, EPROTO (not HTTP, TLS refused), EAGAIN (a Unix socket whose
	 * queue is full), another errno of connecting, or 0. Else NULL. */
	const struct error *error;
};

struct http_client *http_client_new(struct loop *, const struct http_server *); /* copies */
void http_client_free(struct http_client *); /* cancels what still runs, without callbacks */
void cleanup_http_client(struct http_client **);
/* A header of replies to keep, such as "Api-Version". */
void http_want(struct http_client *, const char *header);
/* Never calls back from inside. What cannot be sent fails in `done`. */
struct http_call *http_start(struct http_client *, const struct http_request *);
void http_cancel(struct http_call *); /* `done` is not called; NULL is legal */

/* For a short exchange where there is no loop yet: waits. 0 with any status; -1 when there was no whole reply.
 * *ret_body (appended) and ret_header (may be NULL, the value of `header`, owned) are the reply's. */
int http_exchange(const struct http_server *, const struct http_request *, const char *header, int *ret_status,
		  struct strbuf *ret_body, char **ret_header, struct error *);
/* Appends text as one path or query component: all but unreserved bytes become %XX. */
void http_escape(struct strbuf *, const char *text);
