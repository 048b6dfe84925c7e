/* SPDX-License-Identifier: Apache-2.0 */
/* key add, list, rotate, revoke and show. Private halves never pass through here. */
#include <fcntl.h>
#include <string.h>
#include "api/ops.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/audit.h"
#include "registry/project.h"
#include "registry/signing_keys.h"

#define PEM_MAX 65536

static struct signing_change change_of(struct op_context *ctx, const struct js *args)
{
	return (struct signing_change){
		.actor = op_actor(ctx),
		.origin = ctx->origin ? ctx->origin : "cli",
		.reason = js_get_str(args, "reason"),
		.now_ms = clock_wall_ms(),
	};
}

/* ---- add ---- */

/* The file of the user, or what came as the input. */
static int read_public(struct op_context *ctx, const char *file, struct sign_public *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf pem = STRBUF_INIT;
	CLEANUP(cleanup_free) char *path = file && *file != '/' ? path_join(ctx->dir, file) : NULL;

	if (file && op_is_remote(ctx))
		return error_set(err, ERR_USAGE, "an agent reads no files of yours: give the key as the input");
	if ((file ? io_read_file(AT_FDCWD, path ? path : file, PEM_MAX, &pem, err)
		  : ctx->read(ctx->ctx, "public key", PEM_MAX, &pem, err)) < 0)
		return -1;
	if (strstr(pem.buf, "PRIVATE KEY")) {
		explicit_bzero(pem.buf, pem.len);
		error_set(err, ERR_USAGE, "this is a private key, and nobody else should have it");
		return error_help(err, "its public half: openssl pkey -in FILE -pubout");
	}
	return sign_public_parse(pem.buf, pem.len, ret, err) < 0 ? error_wrap(err, "%s", file ? file : "the input") : 0;
}

int op_key_add(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct signing_change change = change_of(ctx, args);
	struct signing_public key;
	struct sign_public public;
	struct db *db;

	if (read_public(ctx, js_get_str(args, "public"), &public, err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    signing_key_trust(db, js_get_str(args, "name"), &public, &change, &key, err) < 0)
		return -1;
	*ret_result = signing_public_json(&key, NULL);
	signing_public_release(&key);
	return 0;
}

/* ---- list, show ---- */

int op_key_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *keys;
	struct db *db;

	(void)args;
	if (project_db(ctx->project, &db, err) < 0 || signing_keys_list(db, &keys, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "keys", keys);
	return 0;
}

/* What is wrong with the private half is told, and no error: the public one can be shown all the same. */
static void add_private(struct op_context *ctx, const struct signing_public *key, struct js *json)
{
	CLEANUP(cleanup_free) char *path = signing_file_path(ctx->project, key->id);
	CLEANUP(cleanup_sign_key) struct sign_key *private = NULL;
	struct error why = { 0 };

	js_set_str(json, "private", path);
	if (signing_file_get(ctx->project, key->id, &private, &why) < 0) {
		CLEANUP(cleanup_free) char *text = xasprintf("%s%s%s", why.msg, *why.help ? "; " : "", why.help);

		js_set_str(json, "trouble", text);
	}
}

static struct js *show(struct op_context *ctx, const struct signing_public *key, const char *origin)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	struct js *json = signing_public_json(key, NULL);
	bool own = !key->foreign;

	checkpoint_key_line(own ? origin : key->name, &key->key, &line);
	js_set_str(json, "verifier", line.buf);
	if (own)
		js_set_str(json, "log", origin);
	if (key->state == SIGNING_ACTIVE && !op_is_remote(ctx))
		add_private(ctx, key, json);
	return json;
}

int op_key_show(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "key");
	struct signing_public key;
	char origin[AUDIT_ORIGIN];
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || audit_origin(db, origin, err) < 0 ||
	    (name ? signing_public_find(db, name, &key, err) : signing_public_active(db, &key, err)) < 0)
		return -1;
	*ret_result = show(ctx, &key, origin);
	signing_public_release(&key);
	return 0;
}

/* ---- rotate, revoke ---- */

int op_key_rotate(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct signing_change change = change_of(ctx, args);
	struct signing_public key;

	if (signing_key_rotate(ctx->project, js_get_str(args, "name"), &change, &key, err) < 0)
		return -1;
	*ret_result = signing_public_json(&key, NULL);
	signing_public_release(&key);
	return 0;
}

int op_key_revoke(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct signing_change change = change_of(ctx, args);
	struct signing_public key;
	struct db *db;

	if (!change.reason || !*change.reason) {
		error_set(err, ERR_USAGE, "--reason is missing: whoever meets an old signature will want to know it");
		return error_help(err, "run: mlops key revoke KEY --reason TEXT");
	}
	if (project_db(ctx->project, &db, err) < 0 || signing_public_find(db, js_get_str(args, "key"), &key, err) < 0)
		return -1;
	if (signing_key_revoke(ctx->project, key.id, &change, err) < 0) {
		signing_public_release(&key);
		return -1;
	}
	*ret_result = js_object();
	js_set_str(*ret_result, "id", key.id);
	js_set_str(*ret_result, "name", key.name);
	js_set_bool(*ret_result, "replaced", key.state == SIGNING_ACTIVE);
	signing_public_release(&key);
	if (signing_public_active(db, &key, err) < 0)
		return -1;
	js_set_str(*ret_result, "active", key.id);
	signing_public_release(&key);
	return 0;
}
