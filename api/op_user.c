/* SPDX-License-Identifier: Apache-2.0 */
/* user add, edit, list and rm. A password passes through here once; records and errors never hold it. */
#include <string.h>
#include "api/events.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "registry/access.h"
#include "registry/project.h"
#include "registry/secrets.h"

#define PASSWORD_MAX 1024 /* bytes */
#define PASSWORD_MIN 8

static int check_password(const struct strbuf *text, struct error *err)
{
	if (text->len < PASSWORD_MIN)
		return error_set(err, ERR_USAGE, "the password has fewer than %d bytes", PASSWORD_MIN);
	if (utf8_span(text->buf, text->len) < text->len)
		return error_set(err, ERR_USAGE, "the password is no UTF-8");
	for (size_t i = 0; i < text->len; i++)
		if ((unsigned char)text->buf[i] < ' ' || text->buf[i] == 0x7f)
			return error_set(err, ERR_USAGE, "the password has a control character in it");
	return 0;
}

/* Asks for it, and hashes it before any transaction begins: that takes a while. */
static int read_password(struct op_context *ctx, const char *name, char ret[PASSWORD_HASH], struct error *err)
{
	CLEANUP(secret_wipe) struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_free) char *what = xasprintf("password of %s", name);

	secret_guard();
	if (ctx->read(ctx->ctx, what, PASSWORD_MAX, &text, err) < 0 || check_password(&text, err) < 0)
		return -1;
	return password_hash(text.buf, ret, err);
}

/* What a change is, for its event; the transaction is the caller's. */
struct change {
	const char *operation, *name, *role;
	bool password, disable, enable;
};

static int record(struct op_context *ctx, struct db *db, const struct change *c, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();

	js_set_str(body, "role", c->role);
	if (c->password)
		js_set_bool(body, "password", true);
	if (c->disable || c->enable)
		js_set_bool(body, "disabled", c->disable);
	return op_event(ctx, db, &(struct op_event){ .operation = c->operation, .subject = c->name, .body = body }, err);
}

/* Ends what db_begin began: `r` is what the change said. */
static int finish(struct op_context *ctx, struct db *db, int r, const struct change *c, struct js **ret_result,
		  struct error *err)
{
	if (r < 0 || record(ctx, db, c, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "name", c->name);
	js_set_str(*ret_result, "role", c->role);
	return 0;
}

int op_user_add(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct change c = { .operation = "user.add", .name = js_get_str(args, "name"), .role = js_get_str(args, "role"),
			    .password = !js_get_bool(args, "no_password") };
	char hash[PASSWORD_HASH];
	struct db *db;
	int role;

	if (!c.role)
		c.role = access_roles[ROLE_VIEWER];
	if (access_role(c.role, &role, err) < 0 || (c.password && read_password(ctx, c.name, hash, err) < 0) ||
	    project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return finish(ctx, db, user_add(db, c.name, role, c.password ? hash : NULL, clock_wall_ms(), err), &c, ret_result,
		      err);
}

int op_user_edit(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct change c = { .operation = "user.edit", .name = js_get_str(args, "name"), .role = js_get_str(args, "role"),
			    .password = js_get_bool(args, "password"), .disable = js_get_bool(args, "disable"),
			    .enable = js_get_bool(args, "enable") };
	char hash[PASSWORD_HASH];
	struct db *db;
	int role = -1;

	if (c.disable && c.enable)
		return error_set(err, ERR_USAGE, "--disable and --enable exclude each other");
	if (!c.role && !c.password && !c.disable && !c.enable)
		return error_set(err, ERR_USAGE, "nothing to change: give --role, --password, --disable or --enable");
	if ((c.role && access_role(c.role, &role, err) < 0) || (c.password && read_password(ctx, c.name, hash, err) < 0) ||
	    project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return finish(ctx, db,
		      user_edit(db, c.name, role, c.password ? hash : NULL, c.disable || c.enable ? c.disable : -1, err), &c,
		      ret_result, err);
}

int op_user_rm(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct change c = { .operation = "user.rm", .name = js_get_str(args, "name") };
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return finish(ctx, db, user_remove(db, c.name, err), &c, ret_result, err);
}

int op_user_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *users;
	struct db *db;

	(void)args;
	if (project_db(ctx->project, &db, err) < 0 || user_list(db, &users, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "users", users);
	return 0;
}
