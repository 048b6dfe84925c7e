/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/error.h"
/*
 * Operations that stream, each on a thread of its own with a project of its own, as one may follow a log for days.
 *
 * What goes out follows from what the client accepts:
 *
 *   application/x-ndjson           a line of JSON for each event; the last one is the result, or {"error": ...} with
 *                                  what the result had. Bytes that the operation writes are {"bytes": "BASE64"}.
 *   application/x-ndjson;output=bytes   the same, but what could be events or text is text, as a person reads it
 *   anything else, OP_BYTES        the bytes as they are; the connection is cut when they do not come to a good end
 *   application/json, else         only the result
 *
 * An error that comes before anything was sent is an answer with its own status; after a second of silence the head of
 * the answer goes all the same. A client that leaves stops its operation.
 */
struct call;
struct js;

/* `dir` is the project's. */
void streams_start(const char *dir);
/* Tells all of them to stop; new ones are refused. */
void streams_quiesce(void);
/* The same, and waits. */
void streams_stop(void);
/* From the route's `serve` on a thread of the server: the call is answered later. Takes args. ERR_LIMIT. */
int stream_begin(struct call *, struct js *args, struct error *);
/* From the route's `serve` on a lane, which then returns what this does, 1 or -1: bytes of that type, whatever the client
 * accepts. Takes args. */
int stream_go_on(struct call *, struct js *args, const char *type, struct error *);
