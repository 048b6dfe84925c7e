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
	enum access_scope scope;
	bool open, about; /* about: a permission of one's own may say otherwise than the role */
};
struct demand route_demand(const struct route *);
int demand_check(const struct demand *, const struct principal *, struct error *);

/* The database of all look-ups on the server's threads, behind a mutex: reads only, so no writer holds it up. NULL: the
 * agent is stopping. */
struct db *access_db_lock(void);
void access_db_unlock(void);
