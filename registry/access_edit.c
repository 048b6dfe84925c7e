/* SPDX-License-Identifier: Apache-2.0 */
/* Users, tokens and permissions: added, changed, removed, listed. */
#include "registry/access_internal.h"
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/rows.h"

/* It stands in events, logs and the header of Basic, where ':' ends it. */
static int check_name(const char *what, const char *name, struct error *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-";

	if (*name && strlen(name) <= ACCESS_NAME && !name[strspn(name, letters)] && !strchr("-.@", *name))
		return 0;
	return error_set(err, ERR_USAGE,
			 "the name of a %s has 1 to %d letters, digits and '._@-', and begins with a letter or digit", what,
			 ACCESS_NAME);
}

static int no_user(const char *name, struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "there is no user %s", name);
	error_help(err, "list them: mlops user list; add one: mlops user add NAME");
	return REFUSED;
}

/* 0, REFUSED or -1. */
static int user_row(struct db *db, const char *name, int64_t *ret, const char **ret_role, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id, role FROM users WHERE name = ?1");
	int r, role = 0;

	db_bind(q, 1, name);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : no_user(name, err);
	*ret = db_int(q, 0);
	access_role(db_text(q, 1), &role, NULL);
	if (ret_role)
		*ret_role = access_roles[role];
	return 0;
}

static int exists(struct db *db, const char *sql, const char *name, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, sql);

	db_bind(q, 1, name);
	return db_step(q, err);
}

/* ---- users ---- */

static int insert_user(struct db *db, const char *name, int role, const char *password, int64_t now_ms, struct error *err)
{
	struct db_stmt *q;
	int r = exists(db, "SELECT 1 FROM users WHERE name = ?1", name, err);

	if (r > 0) {
		error_set(err, ERR_EXISTS, "there is a user %s", name);
		error_help(err, "to change role or password: mlops user edit %s", name);
		return REFUSED;
	}
	if (r < 0)
		return -1;
	q = db_query(db, "INSERT INTO users (name, password, role, created) VALUES (?1, ?2, ?3, ?4)");
	db_bind(q, 1, name);
	db_bind(q, 2, password);
	db_bind(q, 3, access_roles[role]);
	db_bind(q, 4, now_ms);
	return db_run(q, err);
}

int user_add(struct db *db, const char *name, int role, const char *password, int64_t now_ms, struct error *err)
{
	if (check_name("user", name, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return write_end(db, insert_user(db, name, role, password, now_ms, err), err);
}

static int update_user(struct db *db, const char *name, int role, const char *password, int disabled, struct error *err)
{
	struct db_stmt *q =
		db_query(db, "UPDATE users SET role = coalesce(?2, role), password = coalesce(?3, password),"
			     " disabled = coalesce(?4, disabled) WHERE name = ?1");

	db_bind(q, 1, name);
	db_bind(q, 2, role < 0 ? NULL : access_roles[role]);
	db_bind(q, 3, password);
	if (disabled >= 0)
		db_bind(q, 4, disabled);
	else
		db_bind(q, 4, (const char *)NULL);
	if (db_run(q, err) < 0)
		return -1;
	return db_changes(db) ? 0 : no_user(name, err);
}

int user_edit(struct db *db, const char *name, int role, const char *password, int disabled, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, update_user(db, name, role, password, disabled, err), err);
}

static int delete_user(struct db *db, const char *name, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM users WHERE name = ?1");

	db_bind(q, 1, name);
	if (db_run(q, err) < 0)
		return -1;
	return db_changes(db) ? 0 : no_user(name, err);
}

int user_remove(struct db *db, const char *name, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, delete_user(db, name, err), err);
}

int user_list(struct db *db, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT name, role, password IS NOT NULL, disabled, created,"
			     " (SELECT count(*) FROM tokens WHERE user = users.id),"
			     " (SELECT count(*) FROM permissions WHERE user = users.id) FROM users ORDER BY name");
	CLEANUP_JS struct js *list = js_array();
	int r;

	while ((r = db_step(q, err)) > 0) {
		struct js *user = js_object();

		js_set_str(user, "name", db_text(q, 0));
		js_set_str(user, "role", db_text(q, 1));
		js_set_bool(user, "password", db_int(q, 2));
		js_set_bool(user, "disabled", db_int(q, 3));
		js_set_int(user, "created", db_int(q, 4));
		js_set_int(user, "tokens", db_int(q, 5));
		js_set_int(user, "permissions", db_int(q, 6));
		js_push(list, user);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

/* ---- tokens ---- */

/* Of runs that ended without giving theirs back. */
static int forget_expired(struct db *db, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM tokens WHERE run IS NOT NULL AND expires <= ?1");

	db_bind(q, 1, now_ms);
	return db_run(q, err);
}

static int write_token(struct db *db, const struct token_new *new, int64_t user, const char *role, int64_t now_ms,
		       char ret_token[TOKEN_LEN + 1], struct error *err)
{
	CLEANUP(cleanup_free) char *words = scopes_format(new->scopes);
	struct db_stmt *q =
		db_query(db, "INSERT INTO tokens (id, name, hash, user, role, scopes, run, created, expires)"
			     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, nullif(?9, 0))");
	char id[TOKEN_ID + 1];
	struct digest hash;

	access_token_make(ret_token, id);
	digest_of(ret_token, TOKEN_LEN, &hash);
	db_bind(q, 1, id);
	db_bind(q, 2, new->name);
	db_bind(q, 3, &hash);
	if (user)
		db_bind(q, 4, user);
	else
		db_bind(q, 4, (const char *)NULL);
	db_bind(q, 5, role);
	db_bind(q, 6, words);
	db_bind(q, 7, new->run);
	db_bind(q, 8, now_ms);
	db_bind(q, 9, new->expires_ms);
	return db_run(q, err);
}

static int insert_token(struct db *db, const struct token_new *new, int64_t now_ms, char ret_token[TOKEN_LEN + 1],
			struct error *err)
{
	const char *role = access_roles[1];
	int64_t user = 0, run;
	int r = exists(db, "SELECT 1 FROM tokens WHERE name = ?1", new->name, err);

	if (r > 0) {
		error_set(err, ERR_EXISTS, "there is a token %s", new->name);
		error_help(err, "choose another name, or run first: mlops token rm %s", new->name);
		return REFUSED;
	}
	if (r == 0 && new->user)
		r = user_row(db, new->user, &user, &role, err);
	if (r == 0 && new->run)
		r = run_row(db, new->run, &run, err);
	if (r < 0 || forget_expired(db, now_ms, err) < 0)
		return r < 0 ? r : -1;
	return write_token(db, new, user, new->role < 0 ? role : access_roles[new->role], now_ms, ret_token, err);
}

int token_add(struct db *db, const struct token_new *new, int64_t now_ms, char ret_token[TOKEN_LEN + 1],
	      struct error *err)
{
	char token[TOKEN_LEN + 1] = "";
	int r;

	if (check_name("token", new->name, err) < 0)
		return -1;
	if (new->expires_ms && new->expires_ms <= now_ms)
		return error_set(err, ERR_USAGE, "the token would have expired before it is used");
	if (db_begin(db, err) < 0)
		return -1;
	r = write_end(db, insert_token(db, new, now_ms, token, err), err);
	if (r == 0)
		memcpy(ret_token, token, sizeof(token));
	explicit_bzero(token, sizeof(token));
	return r;
}

static int delete_token(struct db *db, const char *name, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM tokens WHERE name = ?1 OR id = ?1");

	db_bind(q, 1, name);
	if (db_run(q, err) < 0)
		return -1;
	if (db_changes(db))
		return 0;
	error_set(err, ERR_NOT_FOUND, "there is no token %.100s", name);
	error_help(err, "list them: mlops token list");
	return REFUSED;
}

int token_remove(struct db *db, const char *name, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, delete_token(db, name, err), err);
}

static struct js *words_json(const char *words)
{
	struct js *list = js_array();

	while (*words) {
		size_t len = strcspn(words, ",");

		js_push(list, js_strn(words, len));
		words += len + (words[len] == ',');
	}
	return list;
}

static struct js *token_json(struct db_stmt *q, int64_t now_ms)
{
	static const char *const times[] = { "created", "expires", "last_used" };
	struct js *token = js_object();

	js_set_str(token, "name", db_text(q, 0));
	js_set_str(token, "id", db_text(q, 1));
	js_set_str(token, "user", db_text(q, 2));
	js_set_str(token, "role", access_roles[lower_role(db_text(q, 3), db_text(q, 4))]);
	js_set(token, "scopes", words_json(db_text(q, 5)));
	js_set_str(token, "run", db_text(q, 6));
	for (int i = 0; i < (int)ARRAY_LEN(times); i++)
		if (!db_is_null(q, 7 + i))
			js_set_int(token, times[i], db_int(q, 7 + i));
	js_set_bool(token, "expired", !db_is_null(q, 8) && db_int(q, 8) <= now_ms);
	return token;
}

int token_list(struct db *db, int64_t now_ms, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT t.name, t.id, u.name, t.role, u.role, t.scopes, t.run, t.created, t.expires, t.last_used"
			     " FROM tokens t LEFT JOIN users u ON u.id = t.user ORDER BY t.name");
	CLEANUP_JS struct js *list = js_array();
	int r;

	while ((r = db_step(q, err)) > 0)
		js_push(list, token_json(q, now_ms));
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

int token_used(struct db *db, const char *id, int64_t now_ms, struct error *err)
{
	struct db_stmt *q;

	if (db_begin(db, err) < 0)
		return -1;
	q = db_query(db, "UPDATE tokens SET last_used = max(coalesce(last_used, 0), ?2) WHERE id = ?1");
	db_bind(q, 1, id);
	db_bind(q, 2, now_ms);
	return write_end(db, db_run(q, err), err);
}

/* ---- permissions ---- */

static int upsert_permission(struct db *db, const char *user, const char *kind, const char *object, const char *level,
			     struct error *err)
{
	struct db_stmt *q;
	int64_t row;
	int r = user_row(db, user, &row, NULL, err);

	if (r < 0)
		return r;
	q = db_query(db, "INSERT INTO permissions (user, kind, object, level) VALUES (?1, ?2, ?3, ?4)"
			 " ON CONFLICT DO UPDATE SET level = excluded.level");
	db_bind(q, 1, row);
	db_bind(q, 2, kind);
	db_bind(q, 3, object);
	db_bind(q, 4, level);
	return db_run(q, err);
}

int permission_set(struct db *db, const char *user, const char *kind, const char *object, const char *level,
		   struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, upsert_permission(db, user, kind, object, level, err), err);
}

static int delete_permission(struct db *db, const char *user, const char *kind, const char *object, struct error *err)
{
	struct db_stmt *q;
	int64_t row;
	int r = user_row(db, user, &row, NULL, err);

	if (r < 0)
		return r;
	q = db_query(db, "DELETE FROM permissions WHERE user = ?1 AND kind = ?2 AND object = ?3");
	db_bind(q, 1, row);
	db_bind(q, 2, kind);
	db_bind(q, 3, object);
	if (db_run(q, err) < 0)
		return -1;
	if (db_changes(db))
		return 0;
	error_set(err, ERR_NOT_FOUND, "user %s has no permission of his own for %s %s", user, kind, object);
	return REFUSED;
}

int permission_remove(struct db *db, const char *user, const char *kind, const char *object, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, delete_permission(db, user, kind, object, err), err);
}

int permission_list(struct db *db, const char *user, struct js **ret, struct error *err)
{
	static const char *const texts[] = { "user", "kind", "object", "name", "level" };
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT u.name, p.kind, p.object, coalesce(e.name, p.object), p.level"
			     " FROM permissions p JOIN users u ON u.id = p.user"
			     " LEFT JOIN experiments e ON p.kind = 'experiment' AND e.experiment_id = p.object"
			     " WHERE ?1 IS NULL OR u.name = ?1 ORDER BY 1, 2, 4");
	CLEANUP_JS struct js *list = js_array();
	int64_t row;
	int r;

	if (user && user_row(db, user, &row, NULL, err) < 0)
		return -1;
	db_bind(q, 1, user);
	while ((r = db_step(q, err)) > 0) {
		struct js *permission = js_object();

		for (int i = 0; i < (int)ARRAY_LEN(texts); i++)
			js_set_str(permission, texts[i], db_text(q, i));
		js_push(list, permission);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}
