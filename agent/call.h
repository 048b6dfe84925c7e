/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "agent/access.h"
#include "base/error.h"
#include "base/strbuf.h"
/*
 * One request over HTTP and its answer, from head to last byte.
 *
 * Life: the server (httpd.h) makes it when the head is there and asks the router what it is; then the body comes, into
 * `body` or into the route's sink; then the route's `serve` runs on the route's lane, and whatever it left as answer is
 * sent. Whoever serves it owns it meanwhile; the server frees it when the answer is out or the client has gone.
 *
 * Threads: never two at once. The head and the body are on a thread of the server, which must not block; `serve` is on
 * a thread of its lane.
 */
struct feed;
struct js;
struct project;
struct receipt;
struct route;

enum lane {
	LANE_HERE,  /* the server's thread: answers that need neither disk nor database */
	LANE_READ,  /* reads the database; several threads */
	LANE_WRITE, /* changes the database: one thread, many changes a commit */
	LANE_SLOW,  /* works for long: the store, trees, other programs */
	LANE_LOGIN, /* passwords (access.h): one at a time, slow by design */
	LANE_OWN,   /* a thread of the route's own: `serve` runs on the server's, and at 0 httpd_answer comes later */
};

struct peer {
	bool is_unix;      /* over the Unix socket: uid says who */
	bool is_loopback;
	bool is_tls;
	uid_t uid;
	char address[64];  /* "127.0.0.1", "unix" */
};

struct field {
	char *name, *value; /* decoded; the name as in the route's pattern or in the query */
};

struct call {
	const char *method;        /* lent */
	char *path;                /* raw, still escaped, without its query */
	struct field *fields;      /* of the path, then of the query, in their order */
	size_t nfields;
	const struct route *route; /* NULL until the router has found it */
	struct peer peer;
	int64_t body_length;       /* as announced; -1: it comes in chunks */
	struct strbuf body;        /* NUL-terminated beyond its length */
	void *state;               /* the route's: freed by route->forget */
	struct principal who;      /* what access.h found: who asks */
	int64_t begun_ns;

	/* the answer, made by call_reply and its like */
	int status;                /* 0: none yet */
	struct strbuf text;
	int fd;                    /* or -1 */
	uint64_t fd_offset, fd_length;
	struct feed *feed;
	char *headers;             /* "Name: value" lines besides those that every answer has; or NULL */
	struct error err;          /* of what returned -1 */
	int (*later)(struct call *, struct project *, struct error *); /* call_continue's */
	enum lane later_lane;
	struct receipt *receipt;   /* once.h's, of an answer that must arrive; or NULL */
};

/* Value of a header of the request, or NULL; lent. */
const char *call_header(const struct call *, const char *name);
/* Value of a field of path or query, or NULL; the first of that name. */
const char *call_field(const struct call *, const char *name);

/* Each replaces what was there. Text is copied. */
void call_reply(struct call *, int status, const char *type, const char *text, size_t len);
/* Takes the text out of the buffer. */
void call_reply_buf(struct call *, int status, const char *type, struct strbuf *);
void call_reply_json(struct call *, int status, const struct js *);
/* Takes the descriptor. */
void call_reply_file(struct call *, int status, const char *type, int fd, uint64_t offset, uint64_t length);
/* What the feed's writer writes, until it ends it: the writer keeps a reference of its own. */
struct feed *call_reply_feed(struct call *, int status, const char *type);
/* Nothing is answered yet. */
void call_drop_answer(struct call *);
/* Adds a line to the answer's headers; a value with control characters is dropped. */
void call_add_header(struct call *, const char *name, const char *value);
/* The answer for an error, as this family of routes writes it (route->fail). */
void call_fail(struct call *, const struct error *);
/* {"error": {code, message, help}}, with the status of its code. */
void call_fail_plainly(struct call *, const struct error *);

/* Goes on with another function on another lane; called from `serve`, which then returns 0. */
void call_continue(struct call *, enum lane, int (*serve)(struct call *, struct project *, struct error *));

/*
 * Bytes on their way from a thread to a client: bounded, thread-safe, counted. feed_write waits while FEED_MAX bytes
 * are unsent; -1 when the client has gone, or took nothing for 30 s. feed_offer does not wait: false when it does not
 * fit, or nobody is there. After feed_end the client gets what is left.
 */
#define FEED_MAX (1u << 18)
struct feed *feed_ref(struct feed *);
void feed_free(struct feed *); /* drops one reference */
int feed_write(struct feed *, const void *, size_t);
bool feed_offer(struct feed *, const void *, size_t);
bool feed_gone(struct feed *); /* the client has left */
void feed_end(struct feed *);
