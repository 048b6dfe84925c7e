/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include "base/address.h"
#include "base/strbuf.h"
#include "store/remote_internal.h"
/* How a remote over HTTP is asked: connections that are used again, failures that are worth another try. */
struct js;

/* A connection and its loop; one thread at a time. */
struct line {
	struct loop *loop;
	struct http_client *client;
	struct line *next;
};
struct remote_http {
	struct remote base;
	struct address address;
	char *authorization;   /* a header line, or NULL */
	pthread_mutex_t mutex; /* guards the lines */
	struct line *idle;
};
void lines_free(struct remote_http *);

struct ask {
	const char *method;
	const char *path;      /* below /api/v1, escaped */
	const struct js *body; /* JSON, or NULL */
	const char *header;    /* a line, or NULL */
	int from;              /* bytes to send are those of this file, from offset 0; -1: none */
	/* Bytes of a good reply as they come; -1 stops. NULL: they are kept. */
	int (*take)(void *ctx, const char *bytes, size_t len);
	void *ctx;
	/* the outcome */
	int status;
	struct strbuf reply;
};
#define ASK_INIT { .from = -1, .reply = STRBUF_INIT }
void ask_release(struct ask *);

/* One attempt. 0: there is a whole reply with a status below 500. ASK_AGAIN: the way or the agent failed for now.
 * -1: it will not help to ask again. */
#define ASK_AGAIN 1
int ask_once(struct remote_http *, struct ask *, struct error *);
/* Until there is a reply, or patience is at an end. */
int ask(struct remote_http *, struct ask *, struct error *);
/* The error that a reply with a status of 400 and above tells. Returns -1. */
int ask_refused(const struct remote_http *, const struct ask *, struct error *);
/* The reply as an object; of another status than 2xx: the error. */
int ask_json(struct remote_http *, struct ask *, struct js **ret, struct error *);

/* {digests[]}, of which one request has at most REMOTE_HTTP_GROUP. */
#define REMOTE_HTTP_GROUP 5000
struct js *remote_http_digests(const struct digest *, size_t n);

/* remote_http_forget.c */
int remote_http_forget(struct remote *, const struct digest *ids, size_t n, const struct tombstone *, struct error *);
int remote_http_forgotten(struct remote *, const struct digest *ids, size_t n, struct tombstone *ret, struct error *);

/* Waits between two attempts: longer each time, up to 8 s, at random. False: too often, or told to stop. */
struct patience {
	int tries;
};
bool patience_wait(struct patience *, const struct watch *);
