/* SPDX-License-Identifier: Apache-2.0 */
/* audit check: a proof of an event, where the log need not be. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/project.h"
#include "registry/tlog_proof.h"

#define KEY_MAX 65536
#define ED25519 0x01 /* of signed notes: the type before a public key */

static int read_file(struct op_context *ctx, const char *file, size_t max, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = *file != '/' ? path_join(ctx->dir, file) : NULL;

	return io_read_file(AT_FDCWD, path ? path : file, max, ret, err);
}

/* ---- keys ---- */

/* "NAME+HASH+BASE64", with or without a newline. Said again, it must be the same: then its hash is right, too. */
static int parse_line(const char *line, struct sign_public *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT, again = STRBUF_INIT;
	CLEANUP(cleanup_free) char *text = xstrndup(line, strcspn(line, "\r\n"));
	const char *hash = strchr(text, '+'), *key = hash ? strchr(hash + 1, '+') : NULL;
	CLEANUP(cleanup_free) char *name = hash ? xstrndup(text, (size_t)(hash - text)) : NULL;
	struct sign_public public;

	if (!key || !base64_decode(key + 1, &bytes) || bytes.len != 1 + SIGN_PUBLIC || bytes.buf[0] != ED25519)
		return error_set(err, ERR_USAGE, "it is neither a public key in PEM nor a line NAME+HASH+KEY");
	memcpy(public.b, bytes.buf + 1, SIGN_PUBLIC);
	checkpoint_key_line(name, &public, &again);
	if (strcmp(again.buf, text) != 0)
		return error_set(err, ERR_USAGE, "the hash of the key is not that of its name and bytes");
	*ret = public;
	return 0;
}

static int read_key(struct op_context *ctx, const char *file, struct sign_public *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (read_file(ctx, file, KEY_MAX, &text, err) < 0)
		return -1;
	return (strstr(text.buf, "-----BEGIN") ? sign_public_parse(text.buf, text.len, ret, err)
					       : parse_line(text.buf, ret, err)) < 0 ?
		       error_wrap(err, "%.200s", file) :
		       0;
}

/* 1: the checkpoint is signed, and *ret_id tells by which key; 0: by none that is known; -1. */
static int find_signer(struct op_context *ctx, const char *file, const struct checkpoint *cp, char ret_id[SIGN_ID + 1],
		       struct error *err)
{
	struct sign_public key;
	struct db *db;

	if (!file && !ctx->project) {
		error_set(err, ERR_USAGE, "whose log is it? outside of its project, the public key has to be given");
		return error_help(err, "ask for what mlops key show prints there, and give it by --key FILE");
	}
	if (!file)
		return project_db(ctx->project, &db, err) < 0 ? -1 : checkpoint_signed(db, cp, ret_id, err);
	if (read_key(ctx, file, &key, err) < 0)
		return -1;
	sign_public_id(&key, ret_id);
	return checkpoint_signed_by(cp, &key);
}

/* ---- the check ---- */

static int read_proof(struct op_context *ctx, const char *file, struct tlog_proof *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (read_file(ctx, file, TLOG_PROOF_MAX, &text, err) < 0)
		return -1;
	return tlog_proof_parse(text.buf, text.len, ret, err) < 0 ? error_wrap(err, "%.200s", file) : 0;
}

static int describe(const struct tlog_proof *proof, const char *key, struct js **ret, struct error *err)
{
	struct js *event;

	if (js_parse(proof->entry, proof->len, "the event", &event, err) < 0)
		return -1;
	*ret = js_object();
	js_set_str(*ret, "origin", proof->checkpoint.origin);
	js_set_int(*ret, "size", (int64_t)proof->checkpoint.size);
	js_set_str(*ret, "key", key);
	js_set(*ret, "event", event);
	return 0;
}

/* audit.check {proof, key} -> {origin, size, key: id of the signer, event{}}. ERR_DAMAGED: it does not hold;
 * ERR_UNDECIDED: nobody known has signed it. */
int op_audit_check(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(tlog_proof_release) struct tlog_proof proof = { 0 };
	const char *file = js_get_str(args, "proof");
	char key[SIGN_ID + 1];
	int r;

	if (read_proof(ctx, file, &proof, err) < 0)
		return -1;
	if (tlog_proof_check(&proof, err) < 0)
		return error_wrap(err, "%.200s", file);
	r = find_signer(ctx, js_get_str(args, "key"), &proof.checkpoint, key, err);
	if (r > 0)
		return describe(&proof, key, ret_result, err);
	if (r == 0) {
		error_set(err, ERR_UNDECIDED, "%.200s: no key that is known here signed the checkpoint of %.100s", file,
			  proof.checkpoint.origin);
		error_help(err, "give the key of that log: --key FILE");
	}
	return -1;
}
