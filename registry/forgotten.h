/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/content.h"
/*
 * Contents whose bytes were removed because somebody had to: a tombstone keeps the digest, so lineage stays true, and whoever
 * misses the bytes learns why. One person asks, another agrees; only then are bytes removed.
 *
 * A request is `waiting`, then `withdrawn` or `agreed`; while it is agreed bytes are removed (api/forget.h), again and again
 * until all are gone, and then it is `done`. What it is about is fixed when it is asked, so both see the same.
 * store/tombstone.h is what keeps the bytes from coming back.
 */
struct db;
struct error;
struct js;

/* 1: *ret is {digest, reason, asked_by, agreed_by, time}; 0: it was not forgotten. *ret may be NULL. */
int forgotten_find(struct db *, const struct digest *, struct js **ret, struct error *);
/* [{digest, kind, size, reason, asked_by, agreed_by, time}], the newest first */
int forgotten_list(struct db *, struct js **ret, struct error *);

/* ---- requests ---- */

struct forget_item {
	struct digest id;
	uint64_t size; /* bytes; FORGET_SIZE: it is not known */
};
#define FORGET_SIZE ((uint64_t)INT64_MAX)
struct forget_request {
	int64_t id; /* 0: not yet asked */
	char *subject, *reason, *asker;
	struct js *impact;
	struct forget_item *items;
	size_t len, cap;
};
void forget_request_release(struct forget_request *);

/* Each within a transaction of the caller. Those that change a state that is another one by now: ERR_CONFLICT. */
int forget_ask(struct db *, const struct forget_request *, int64_t now_ms, int64_t *ret_id, struct error *);
int forget_agree(struct db *, int64_t id, const char *actor, int64_t now_ms, struct error *);
int forget_withdraw(struct db *, int64_t id, const char *actor, int64_t now_ms, struct error *);
/* All bytes are gone from here: writes the rows of what was forgotten, and drops what would bring it back or was computed of
 * it: results of the cache, profiles. */
int forget_finish(struct db *, const struct forget_request *, int64_t now_ms, struct error *);
/* That a remote may still hold it; `why` NULL: it does not. */
int forget_remote_set(struct db *, int64_t id, const char *remote, const char *why, int64_t now_ms, struct error *);

/* ERR_NOT_FOUND. */
int forget_load(struct db *, int64_t id, struct forget_request *ret, struct error *);
/* {id, subject, reason, asked_by, asked, state, agreed_by or withdrawn_by, decided, contents, bytes, left: [{remote, why,
 * time}]}. ERR_NOT_FOUND. */
int forget_describe(struct db *, int64_t id, struct js **ret, struct error *);
/* All of these, the newest first; `open`: only those that wait for somebody or something. */
int forget_list(struct db *, bool open, struct js **ret, struct error *);
/* 1 and the oldest that was agreed to and is not done; 0. */
int forget_agreed(struct db *, int64_t *ret_id, struct error *);
/* 1 and the oldest above `after` that is done here and not at some remote; 0. */
int forget_left(struct db *, int64_t after, int64_t *ret_id, struct error *);

/* ---- what it is about ---- */

/* Every fact with the content that it names: "data/raw@v3", "output model.pkl of run 0123abcd"; versions come first. There is
 * no index by content, so one pass serves any number of them. `each` returns 0, or -1 to stop. */
int content_each_name(struct db *, int (*each)(void *ctx, const struct content *, const char *what), void *ctx, struct error *);
/* Every tree that some fact names. */
int content_each_tree(struct db *, int (*each)(void *ctx, const struct content *), void *ctx, struct error *);
/* Contents that were computed of the bytes and tell of them: profiles. */
int content_profiles(struct db *, const struct digest *, int (*each)(void *ctx, const struct content *), void *ctx,
		     struct error *);
