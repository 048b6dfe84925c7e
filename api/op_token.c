/* SPDX-License-Identifier: Apache-2.0 */
/* token add, list and rm. The token itself is in the result of token add, and nowhere else. */
#include <string.h>
#include "api/events.h"
#include "api/ops.h"
#include "base/amount.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/access.h"
#include "registry/name.h"
#include "registry/project.h"

_Static_assert(ROLE_ADMIN == ACCESS_ROLES - 1, "roles stand in the order of access_roles");

static int read_scopes(const struct js *words, unsigned *ret, struct error *err)
{
	unsigned all = 0, bits;

	for (size_t i = 0; i < js_len(words); i++) {
		if (access_scope(js_text(js_at(words, i)), &bits, err) < 0)
			return -1;
		all |= bits;
	}
	*ret = all ? all : SCOPE_ALL;
	return 0;
}

/* A token for one run is for what training code does; more would be no use. */
static int read_run(struct op_context *ctx, const char *text, struct token_new *new, struct name *run, struct error *err)
{
	if (!text)
		return 0;
	if (name_resolve(ctx->project, text, ACCEPT_RUN, run, err) < 0)
		return -1;
	new->run = run->run;
	new->scopes = SCOPE_TRACKING;
	return 0;
}

static int read_new(struct op_context *ctx, const struct js *args, int64_t now_ms, struct token_new *ret,
		    struct name *run, struct error *err)
{
	const char *role = js_get_str(args, "role"), *expires = js_get_str(args, "expires");
	struct token_new new = { .name = js_get_str(args, "name"), .user = js_get_str(args, "user"), .role = -1 };
	int64_t ms;

	if (read_scopes(js_get(args, "scope"), &new.scopes, err) < 0 ||
	    read_run(ctx, js_get_str(args, "run"), &new, run, err) < 0 ||
	    (role && access_role(role, &new.role, err) < 0))
		return -1;
	if (expires) {
		if (parse_duration(expires, &ms, err) < 0)
			return -1;
		if (ms <= 0 || ms > INT64_MAX / 2 - now_ms)
			return error_set(err, ERR_USAGE, "a token cannot expire after '%s'", expires);
		new.expires_ms = now_ms + ms;
	}
	*ret = new;
	return 0;
}

/* What events and answers say of a token: all but itself. */
static struct js *describe(const struct token_new *new)
{
	struct js *json = js_object();

	js_set_str(json, "user", new->user);
	js_set_str(json, "role", new->role < 0 ? NULL : access_roles[new->role]);
	js_set_str(json, "run", new->run);
	if (new->expires_ms)
		js_set_int(json, "expires", new->expires_ms);
	return json;
}

int op_token_add(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *about = NULL;
	int64_t now_ms = clock_wall_ms();
	char token[TOKEN_LEN + 1];
	struct token_new new;
	struct name run;
	struct db *db;

	if (read_new(ctx, args, now_ms, &new, &run, err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    db_begin(db, err) < 0)
		return -1;
	about = describe(&new);
	if (js_get(args, "scope"))
		js_set(about, "scope", js_ref(js_get(args, "scope")));
	if (token_add(db, &new, now_ms, token, err) < 0 ||
	    op_event(ctx, db, &(struct op_event){ .operation = "token.add", .subject = new.name, .body = about }, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "name", new.name);
	js_set_str(*ret_result, "token", token);
	if (new.expires_ms)
		js_set_int(*ret_result, "expires", new.expires_ms);
	explicit_bzero(token, sizeof(token));
	return 0;
}

int op_token_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *tokens;
	struct db *db;

	(void)args;
	if (project_db(ctx->project, &db, err) < 0 || token_list(db, clock_wall_ms(), &tokens, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "tokens", tokens);
	return 0;
}

int op_token_rm(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "name");
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	if (token_remove(db, name, err) < 0 ||
	    op_event(ctx, db, &(struct op_event){ .operation = "token.rm", .subject = name }, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "name", name);
	return 0;
}
