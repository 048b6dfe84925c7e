/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/signing_keys.h"
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/events.h"
#include "registry/project.h"
#include "registry/rows.h"

#define NAME_BYTES 100
#define ID_LEAST   8 /* digits by which a key may be named */
/* The last tells a key that was added from those that were made here: a state alone does not, once it is revoked. */
#define COLUMNS                                                                                           \
	"id, name, public, state, created, coalesce(ended, 0), coalesce(last, 0), reason, state = 'trusted' OR" \
	" EXISTS (SELECT 1 FROM events e WHERE e.operation = 'key.add' AND e.subject = signing_keys.id"          \
	" AND json_extract(e.body, '$.state') = 'trusted')"

const char *const signing_states[] = { "active", "retired", "revoked", "trusted" };

void signing_public_release(struct signing_public *key)
{
	free(key->name);
	key->name = NULL;
}

/* ---- reading ---- */

static int read_row(struct db_stmt *q, struct signing_public *ret, struct error *err)
{
	struct signing_public key = { .created_ms = db_int(q, 4), .ended_ms = db_int(q, 5), .last = db_int(q, 6) };
	const char *state = db_text(q, 3);
	size_t len, i = 0;
	const void *public = db_blob(q, 2, &len);

	while (i < ARRAY_LEN(signing_states) && strcmp(state, signing_states[i]))
		i++;
	if (len != SIGN_PUBLIC || i == ARRAY_LEN(signing_states))
		return error_set(err, ERR_DAMAGED, "the row of signing key %.12s is damaged", db_text(q, 0));
	memcpy(key.key.b, public, SIGN_PUBLIC);
	sign_public_id(&key.key, key.id);
	if (strcmp(key.id, db_text(q, 0)) != 0)
		return error_set(err, ERR_DAMAGED, "signing key %.12s was replaced by key %.12s", db_text(q, 0), key.id);
	key.state = (enum signing_state)i;
	key.foreign = db_int(q, 8);
	key.name = xstrdup(db_text(q, 1));
	*ret = key;
	return 0;
}

/* 1, 0 when there is none, -1. */
static int read_one(struct db_stmt *q, struct signing_public *ret, struct error *err)
{
	int r = db_step(q, err);

	return r <= 0 ? r : read_row(q, ret, err) < 0 ? -1 : 1;
}

static int find_active(struct db *db, struct signing_public *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM signing_keys WHERE state = 'active'");

	return read_one(q, ret, err);
}

static int find_id(struct db *db, const char *text, struct signing_public *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT " COLUMNS " FROM signing_keys WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2");
	struct signing_public key;
	int r;

	db_bind(q, 1, text);
	r = read_one(q, &key, err);
	if (r <= 0)
		return r;
	r = db_step(q, err);
	if (r != 0) {
		signing_public_release(&key);
		return r < 0 ? -1 : error_set(err, ERR_USAGE, "several keys begin with %s", text);
	}
	*ret = key;
	return 1;
}

static int find_name(struct db *db, const char *name, struct signing_public *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT " COLUMNS " FROM signing_keys WHERE name = ?1"
			     " ORDER BY CASE state WHEN 'active' THEN 0 WHEN 'trusted' THEN 1 WHEN 'retired' THEN 2 ELSE 3 END,"
			     " created DESC, id LIMIT 1");

	db_bind(q, 1, name);
	return read_one(q, ret, err);
}

int signing_public_active(struct db *db, struct signing_public *ret, struct error *err)
{
	int r = find_active(db, ret, err);

	if (r != 0)
		return r < 0 ? -1 : 0;
	error_set(err, ERR_NOT_FOUND, "this project has no signing key yet");
	return error_help(err, "run: mlops audit checkpoint   (it makes the first key)");
}

int signing_public_find(struct db *db, const char *text, struct signing_public *ret, struct error *err)
{
	size_t len = strlen(text);
	int r = find_name(db, text, ret, err);

	if (r == 0 && len >= ID_LEAST && len <= SIGN_ID && strspn(text, "0123456789abcdef") == len)
		r = find_id(db, text, ret, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	error_set(err, ERR_NOT_FOUND, "there is no key %.100s", text);
	return error_help(err, "list them: mlops key list");
}

struct js *signing_public_json(const struct signing_public *key, const char *reason)
{
	CLEANUP_STRBUF struct strbuf pem = STRBUF_INIT;
	struct js *json = js_object();

	js_set_str(json, "id", key->id);
	js_set_str(json, "name", key->name);
	js_set_str(json, "state", signing_states[key->state]);
	js_set_int(json, "created", key->created_ms);
	if (key->ended_ms)
		js_set_int(json, "ended", key->ended_ms);
	js_set_str(json, "reason", reason);
	sign_public_pem(&key->key, &pem);
	js_set_str(json, "public", pem.buf);
	return json;
}

static struct db_stmt *query_all(struct db *db)
{
	return db_query(db, "SELECT " COLUMNS " FROM signing_keys ORDER BY created DESC, id");
}

int signing_keys_list(struct db *db, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = query_all(db);
	CLEANUP_JS struct js *list = js_array();
	struct signing_public key;
	int r;

	while ((r = read_one(q, &key, err)) > 0) {
		js_push(list, signing_public_json(&key, db_text(q, 7)));
		signing_public_release(&key);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

int signing_publics_each(struct db *db, int (*each)(void *ctx, const struct signing_public *), void *ctx, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = query_all(db);
	struct signing_public key;
	int r;

	while ((r = read_one(q, &key, err)) > 0) {
		r = each(ctx, &key);
		signing_public_release(&key);
		if (r < 0)
			return -1;
	}
	return r;
}

/* ---- changes: rows and their events ---- */

static const char *name_fault(const char *name)
{
	if (!*name)
		return "is empty";
	if (strlen(name) > NAME_BYTES)
		return "is longer than 100 bytes";
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '+' || *c == 0x7f)
			return "has a blank or a '+'";
	/* policies and commands tell keys by either */
	if (strlen(name) >= ID_LEAST && strspn(name, "0123456789abcdef") == strlen(name))
		return "could be taken for a key's id";
	return NULL;
}

static int check_name(const char *name, struct error *err)
{
	const char *fault = name_fault(name);

	return fault ? error_set(err, ERR_USAGE, "key name '%.100s' %s", name, fault) : 0;
}

static int insert_row(struct db *db, const struct signing_public *key, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO signing_keys (id, name, public, state, created) VALUES (?1, ?2, ?3, ?4, ?5)");

	db_bind(q, 1, key->id);
	db_bind(q, 2, key->name);
	db_bind_blob(q, 3, key->key.b, sizeof(key->key.b));
	db_bind(q, 4, signing_states[key->state]);
	db_bind(q, 5, key->created_ms);
	return db_run(q, err);
}

/* The smaller size counts when a key that was retired is revoked. */
static int end_row(struct db *db, const char *id, enum signing_state state, int64_t last, const struct signing_change *change,
		   struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE signing_keys SET state = ?2, ended = ?3, reason = ?4,"
					 " last = min(coalesce(last, ?5), ?5) WHERE id = ?1");

	db_bind(q, 1, id);
	db_bind(q, 2, signing_states[state]);
	db_bind(q, 3, change->now_ms);
	db_bind(q, 4, change->reason);
	db_bind(q, 5, last);
	return db_run(q, err);
}

/* The event holds the whole public key: so the log itself tells, later, with what its beginning was signed. */
static int note(struct db *db, const char *operation, const struct signing_public *key, const char *before,
		const struct signing_change *change, int64_t *ret_seq, struct error *err)
{
	CLEANUP_STRBUF struct strbuf pem = STRBUF_INIT;
	CLEANUP_JS struct js *body = js_object();
	struct event event = { .actor = change->actor, .origin = change->origin, .operation = operation,
			       .subject = key->id, .before = before, .after = before ? key->id : NULL, .body = body };

	sign_public_pem(&key->key, &pem);
	js_set_str(body, "name", key->name);
	js_set_str(body, "public", pem.buf);
	js_set_str(body, "state", signing_states[key->state]);
	js_set_str(body, "reason", change->reason);
	return event_append(db, &event, change->now_ms, ret_seq, err);
}

static bool has_ended(void *ctx, const char *id)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(ctx, "SELECT 1 FROM signing_keys WHERE id = ?1 AND state IN ('retired', 'revoked')");

	db_bind(q, 1, id);
	return db_step(q, NULL) > 0;
}

/* Its file is there before its row: what a kill leaves is a file that nobody asks for. */
static int make_active(struct project *p, const char *name, int64_t now_ms, struct signing_public *ret, struct error *err)
{
	CLEANUP(cleanup_sign_key) struct sign_key *private = NULL;
	struct signing_public key = { .state = SIGNING_ACTIVE, .created_ms = now_ms };

	if (sign_key_make(&private, err) < 0)
		return -1;
	sign_key_public(private, &key.key);
	sign_public_id(&key.key, key.id);
	if (signing_file_put(p, key.id, private, err) < 0)
		return -1;
	key.name = xstrdup(name);
	*ret = key;
	return 0;
}

static int begin(struct project *p, struct db *db, struct error *err)
{
	struct signing_change change = { .actor = p->actor, .origin = "cli", .now_ms = clock_wall_ms() };
	const char *name = path_base(p->top);
	struct signing_public key;
	int r = find_active(db, &key, err);

	if (r < 0 || (r == 0 && make_active(p, name_fault(name) ? "mlops" : name, change.now_ms, &key, err) < 0))
		return -1;
	if (r == 0 && (insert_row(db, &key, err) < 0 || note(db, "key.add", &key, NULL, &change, NULL, err) < 0))
		r = -1;
	signing_public_release(&key);
	return r < 0 ? -1 : 0;
}

int signing_keys_begin(struct project *p, struct error *err)
{
	struct signing_public key;
	struct db *db;
	int r;

	if (project_db(p, &db, err) < 0 || (r = find_active(db, &key, err)) < 0)
		return -1;
	if (r > 0) {
		signing_public_release(&key);
		return 0;
	}
	return db_begin(db, err) < 0 ? -1 : write_end(db, begin(p, db, err), err);
}

int signing_key_load(struct project *p, struct sign_key **ret, struct signing_public *ret_public, struct error *err)
{
	struct signing_public key;
	struct db *db;

	if (signing_keys_begin(p, err) < 0 || project_db(p, &db, err) < 0 || signing_public_active(db, &key, err) < 0)
		return -1;
	if (signing_file_get(p, key.id, ret, err) < 0) {
		signing_public_release(&key);
		return -1;
	}
	if (ret_public)
		*ret_public = key;
	else
		signing_public_release(&key);
	return 0;
}

/* Policies tell keys by their names: what others sign must not become ours, nor ours theirs. */
static int check_own_name(struct db *db, const char *name, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM signing_keys WHERE name = ?1 AND state = 'trusted'");
	int r;

	db_bind(q, 1, name);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	error_set(err, ERR_CONFLICT, "%s is the name of somebody else's key", name);
	return REFUSED;
}

/* Within a transaction; `state` is what becomes of the old key. */
static int replace(struct project *p, struct db *db, const struct signing_public *old, const char *name,
		   enum signing_state state, const struct signing_change *change, struct signing_public *ret, struct error *err)
{
	struct signing_public ended = *old, key;
	int64_t seq;

	ended.state = state;
	if ((state == SIGNING_REVOKED && note(db, "key.revoke", &ended, NULL, change, NULL, err) < 0) ||
	    make_active(p, name, change->now_ms, &key, err) < 0)
		return -1;
	if (note(db, "key.rotate", &key, old->id, change, &seq, err) < 0 ||
	    end_row(db, old->id, state, seq - 1, change, err) < 0 || insert_row(db, &key, err) < 0) {
		signing_public_release(&key);
		return -1;
	}
	*ret = key;
	return 0;
}

int signing_key_rotate(struct project *p, const char *name, const struct signing_change *change, struct signing_public *ret,
		       struct error *err)
{
	struct signing_public old;
	struct db *db;
	int r;

	if ((name && check_name(name, err) < 0) || signing_keys_begin(p, err) < 0 || project_db(p, &db, err) < 0 ||
	    db_begin(db, err) < 0)
		return -1;
	r = find_active(db, &old, err) > 0 ? 0 : -1;
	if (r == 0) {
		r = name ? check_own_name(db, name, err) : 0;
		if (r == 0)
			r = replace(p, db, &old, name ? name : old.name, SIGNING_RETIRED, change, ret, err);
		signing_public_release(&old);
	}
	if (write_end(db, r, err) < 0) {
		if (r == 0)
			signing_public_release(ret);
		return -1;
	}
	signing_files_sweep(p, has_ended, db);
	return 0;
}

static int revoke_key(struct project *p, struct db *db, const struct signing_public *key, const struct signing_change *change,
		  struct error *err)
{
	struct signing_public next, ended = *key;
	int64_t seq;

	if (key->state == SIGNING_REVOKED) {
		error_set(err, ERR_CONFLICT, "key %.12s was revoked before", key->id);
		return REFUSED;
	}
	if (key->state == SIGNING_ACTIVE) {
		if (replace(p, db, key, key->name, SIGNING_REVOKED, change, &next, err) < 0)
			return -1;
		signing_public_release(&next);
		return 0;
	}
	ended.state = SIGNING_REVOKED;
	return note(db, "key.revoke", &ended, NULL, change, &seq, err) < 0 ? -1
		: end_row(db, key->id, SIGNING_REVOKED, seq - 1, change, err);
}

int signing_key_revoke(struct project *p, const char *id, const struct signing_change *change, struct error *err)
{
	struct signing_public key;
	struct db *db;
	int r;

	if (project_db(p, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	r = signing_public_find(db, id, &key, err) < 0 ? REFUSED : 0;
	if (r == 0) {
		r = revoke_key(p, db, &key, change, err);
		signing_public_release(&key);
	}
	if (write_end(db, r, err) < 0)
		return -1;
	signing_files_sweep(p, has_ended, db);
	return 0;
}

static int trust(struct db *db, struct signing_public *key, const struct signing_change *change, struct error *err)
{
	struct signing_public there;
	int r = find_id(db, key->id, &there, err);

	if (r > 0) {
		error_set(err, ERR_EXISTS, "key %.12s is there, by the name %s: %s", key->id, there.name,
			  signing_states[there.state]);
		signing_public_release(&there);
		return REFUSED;
	}
	if (r == 0)
		r = find_name(db, key->name, &there, err);
	if (r > 0) {
		bool taken = there.state == SIGNING_ACTIVE || there.state == SIGNING_RETIRED;

		signing_public_release(&there);
		if (taken) {
			error_set(err, ERR_CONFLICT, "%s is the name of this project's own keys", key->name);
			return REFUSED;
		}
	}
	return r < 0 || insert_row(db, key, err) < 0 || note(db, "key.add", key, NULL, change, NULL, err) < 0 ? -1 : 0;
}

int signing_key_trust(struct db *db, const char *name, const struct sign_public *public, const struct signing_change *change,
		      struct signing_public *ret, struct error *err)
{
	struct signing_public key = { .key = *public, .state = SIGNING_TRUSTED, .foreign = true, .created_ms = change->now_ms };

	if (check_name(name, err) < 0 || db_begin(db, err) < 0)
		return -1;
	sign_public_id(public, key.id);
	key.name = xstrdup(name);
	if (write_end(db, trust(db, &key, change, err), err) < 0) {
		signing_public_release(&key);
		return -1;
	}
	*ret = key;
	return 0;
}
