/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/access_internal.h"
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"

const char *const access_roles[ACCESS_ROLES] = { "viewer", "engineer", "approver", "admin" };
const char *const access_levels[ACCESS_LEVELS] = { "none", "read", "edit", "manage" };
static const struct {
	const char *word;
	unsigned bits;
} scopes[] = { { "tracking", SCOPE_TRACKING }, { "objects", SCOPE_OBJECTS }, { "all", SCOPE_ALL } };

/* ---- words ---- */

int access_role(const char *word, int *ret, struct error *err)
{
	for (int i = 0; i < ACCESS_ROLES; i++)
		if (!strcmp(access_roles[i], word)) {
			*ret = i;
			return 0;
		}
	return error_set(err, ERR_USAGE, "'%s' is no role: viewer, engineer, approver, admin", word);
}

int access_scope(const char *word, unsigned *ret, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (!strcmp(scopes[i].word, word)) {
			*ret = scopes[i].bits;
			return 0;
		}
	return error_set(err, ERR_USAGE, "'%s' is no scope: tracking, objects, all", word);
}

char *scopes_format(unsigned bits)
{
	struct strbuf text = STRBUF_INIT;

	if (bits == SCOPE_ALL)
		return xstrdup("all");
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (scopes[i].bits != SCOPE_ALL && bits & scopes[i].bits)
			strbuf_printf(&text, "%s%s", text.len ? "," : "", scopes[i].word);
	return strbuf_detach(&text);
}

unsigned scopes_parse(const char *text)
{
	unsigned bits = 0;

	while (*text) {
		size_t len = strcspn(text, ",");

		for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
			if (strlen(scopes[i].word) == len && !memcmp(scopes[i].word, text, len))
				bits |= scopes[i].bits;
		text += len + (text[len] == ',');
	}
	return bits;
}

/* A word that is none gives the lowest. */
static int role_of(const char *word)
{
	int role = 0;

	if (word)
		access_role(word, &role, NULL);
	return role;
}

int lower_role(const char *a, const char *b)
{
	int first = role_of(a), second = b ? role_of(b) : first;

	return first < second ? first : second;
}

/* ---- who it is ---- */

static void put_text(char *ret, size_t size, const char *text)
{
	snprintf(ret, size, "%s", text ? text : "");
}

static int no_token(struct error *err, const char *why)
{
	error_set(err, ERR_AUTH, "the token %s", why);
	return error_help(err, "an administrator makes one with: mlops token add NAME");
}

/* 0: no permissions; 2: one of them says "none"; else 1. */
#define SPECIAL "(SELECT coalesce(max(1 + (level = 'none')), 0) FROM permissions WHERE user = u.id)"
#define TOKEN_COLUMNS                                                                                                  \
	"t.name, t.hash, t.role, t.scopes, t.run, t.expires, t.last_used, u.id, u.name, u.role, u.disabled, " SPECIAL

static int read_token(struct db_stmt *q, const char *id, const char *token, int64_t now_ms, struct grant *ret,
		      struct error *err)
{
	struct digest given, kept;

	digest_of(token, strlen(token), &given);
	if (!db_digest(q, 1, &kept) || !secret_equal(given.b, sizeof(given.b), kept.b, sizeof(kept.b)))
		return no_token(err, "is not known here");
	if (!db_is_null(q, 5) && db_int(q, 5) <= now_ms)
		return no_token(err, "has expired");
	if (db_int(q, 10))
		return error_set(err, ERR_AUTH, "user %s is disabled", db_text(q, 8));
	*ret = (struct grant){
		.role = lower_role(db_text(q, 2), db_text(q, 9)),
		.scopes = scopes_parse(db_text(q, 3)),
		.last_used = db_int(q, 6),
		.user_row = db_int(q, 7),
		.special = db_int(q, 11) > 0,
		.hidden = db_int(q, 11) > 1,
	};
	put_text(ret->token, sizeof(ret->token), db_text(q, 0));
	put_text(ret->token_id, sizeof(ret->token_id), id);
	put_text(ret->run, sizeof(ret->run), db_text(q, 4));
	put_text(ret->user, sizeof(ret->user), db_text(q, 8));
	return 0;
}

int grant_by_token(struct db *db, const char *token, int64_t now_ms, struct grant *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	char id[TOKEN_ID + 1];
	int r;

	if (access_token_parse(token, id, err) < 0)
		return -1;
	q = db_query(db, "SELECT " TOKEN_COLUMNS " FROM tokens t LEFT JOIN users u ON u.id = t.user WHERE t.id = ?1");
	db_bind(q, 1, id);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : no_token(err, "is not known here");
	return read_token(q, id, token, now_ms, ret, err);
}

int grant_by_user(struct db *db, const char *name, struct grant *ret, char ret_password[PASSWORD_HASH],
		  struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT u.id, u.role, u.password, " SPECIAL " FROM users u WHERE u.name = ?1 AND NOT u.disabled");
	int r;

	db_bind(q, 1, name);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	*ret = (struct grant){ .scopes = SCOPE_ALL };
	put_text(ret_password, PASSWORD_HASH, r ? db_text(q, 2) : NULL);
	if (!r)
		return 0;
	ret->user_row = db_int(q, 0);
	ret->role = role_of(db_text(q, 1));
	ret->special = db_int(q, 3) > 0;
	ret->hidden = db_int(q, 3) > 1;
	put_text(ret->user, sizeof(ret->user), name);
	return 0;
}

int grant_holds(struct db *db, const struct grant *grant, int64_t now_ms, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT (?1 = '' OR EXISTS (SELECT 1 FROM tokens WHERE id = ?1 AND (expires IS NULL OR expires > ?2)))"
		    " AND (?3 = 0 OR EXISTS (SELECT 1 FROM users WHERE id = ?3 AND NOT disabled))");

	db_bind(q, 1, grant->token_id);
	db_bind(q, 2, now_ms);
	db_bind(q, 3, grant->user_row);
	return db_step(q, err) < 0 ? -1 : db_int(q, 0) != 0;
}

int access_count(struct db *db, int64_t now_ms, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT (SELECT count(*) FROM tokens WHERE (expires IS NULL OR expires > ?1) AND run IS NULL)"
			     " + (SELECT count(*) FROM users WHERE password IS NOT NULL AND NOT disabled)");

	db_bind(q, 1, now_ms);
	if (db_step(q, err) < 0)
		return -1;
	*ret = db_int(q, 0);
	return 0;
}

/* ---- what about ---- */

int permission_find(struct db *db, int64_t user_row, const char *kind, const char *object, enum access_level *ret,
		    struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT level FROM permissions WHERE user = ?1 AND kind = ?2 AND object = ?3");
	int r;

	db_bind(q, 1, user_row);
	db_bind(q, 2, kind);
	db_bind(q, 3, object);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	*ret = LEVEL_NONE;
	for (int i = 0; i < ACCESS_LEVELS; i++)
		if (!strcmp(access_levels[i], db_text(q, 0)))
			*ret = (enum access_level)i;
	return 1;
}

/* The first column of the first row, as text. */
static int find_text(struct db_stmt *q, const char *key, char *ret, size_t size, struct error *err)
{
	int r;

	db_bind(q, 1, key);
	r = db_step(q, err);
	if (r > 0)
		put_text(ret, size, db_text(q, 0));
	return r;
}

int access_run_place(struct db *db, const char *run_id, char ret_experiment[24], struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT experiment FROM runs WHERE run_id = ?1");

	return find_text(q, run_id, ret_experiment, 24, err);
}

int access_experiment_named(struct db *db, const char *name, char ret_experiment[24], struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT experiment_id FROM experiments WHERE name = ?1");

	return find_text(q, name, ret_experiment, 24, err);
}

int access_model_place(struct db *db, const char *model_id, char ret_experiment[24], char ret_run[257],
		       struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT experiment, source_run_id FROM logged_models WHERE model_id = ?1");
	int r = find_text(q, model_id, ret_experiment, 24, err);

	if (r > 0)
		put_text(ret_run, 257, db_text(q, 1));
	return r;
}

int access_find_object(struct db *db, const char *kind, const char *name, char *ret, size_t size, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;

	if (!strcmp(kind, "model"))
		q = db_query(db, "SELECT name FROM registered_models WHERE name = ?1");
	else
		q = db_query(db, "SELECT experiment_id FROM experiments WHERE name = ?1 OR experiment_id = ?1"
				 " ORDER BY name = ?1 DESC LIMIT 1");
	return find_text(q, name, ret, size, err);
}
