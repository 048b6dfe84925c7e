/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Bytes of the store as an answer to GET or HEAD. */
struct call;
struct content;
struct error;
struct store;

/* All of an object, or the range that was asked for; 304 when the client has it. The ETag is its SHA-256. `name` (a path,
 * or NULL) says what it is called and what type it seems to be; it is always an attachment, and never runs in a page of
 * ours. ERR_DAMAGED: it is missing or of another size; its bytes are not hashed. */
int reply_object(struct call *, struct store *, const struct content *, const char *name, struct error *);
