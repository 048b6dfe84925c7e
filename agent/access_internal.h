/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "agent/access.h"
#include "agent/call.h"
#include "api/ops.h"
/* What the files of access*.c share, and what tests reach without a connection. */

/* "Bearer TOKEN", "Basic BASE64" (RFC 6750, RFC 7617), whatever blanks stand around. The secret is lent from `ret->text`,
 * which credentials_release wipes. ERR_AUTH: neither. */
struct credentials {
	char *text;
	const char *user;   /* NULL: a token */
	const char *secret; /* the token or password */
};
int credentials_parse(const char *header, struct credentials *ret, struct error *);
void credentials_release(struct credentials *);

/* What a route asks. */
struct demand {
	enum op_role role;
	enum access_scope scope; /* 0: any */
	const struct op *op; /* NULL: none */
	bool open;
};
struct demand route_demand(const struct route *);
int demand_check(const struct demand *, const struct principal *, struct error *);

/* The database of all look-ups on the server's threads, behind a mutex: reads only, so no writer holds it up. NULL: the
 * agent is stopping. */
struct db *access_db_lock(void);
void access_db_unlock(void);

/* A user and his password: known from before, or PRINCIPAL_CLAIMED. ERR_LIMIT: too many wrong ones came from there. */
int login_check(const struct peer *, const struct credentials *, struct principal *ret, struct error *);
/* Whether one from there may try a password now, and that he failed. `now_ms` is monotonic. */
int login_may_try(const char *address, int64_t now_ms, struct error *);
void login_failed(const char *address, int64_t now_ms);

/* Notes that a token was used; the writer lane records it a little later. */
void use_note(const char *token_id, int64_t now_ms);
int use_start(struct error *);
void use_stop(void);

/* Of the head of a request, what tells whether a browser was led here. NULL: absent. */
struct origin_head {
	const char *method, *host, *origin, *fetch_site;
	bool is_unix;
};
int origin_check(const struct origin_head *, struct error *);
/* The names that the address to listen on has, and `more`, which ends with NULL and may be NULL. */
void origin_allow(const char *listen, const char *const *more);
void origin_release(void);

/* access_objects.c */
bool access_is_neutral(const struct op *); /* tells nothing of what is stored */
/* Whether it can be done in part, for who may see a part: it is about one thing, or access_filter narrows it. */
bool access_is_divisible(const struct op *);
