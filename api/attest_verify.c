/* SPDX-License-Identifier: Apache-2.0 */
/* Who signed what about which bytes. */
#include "api/attest.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "base/dsse.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/provenance.h"
#include "policy/trust.h"
#include "registry/attestations.h"
#include "registry/project.h"
#include "store/store.h"

#define KEY_FILE_MAX (64u << 10)
#define ENVELOPE_MAX (2 * STATEMENT_MAX)

/* ---- keys ---- */

void verify_keys_release(struct verify_keys *keys)
{
	for (size_t i = 0; i < keys->len; i++)
		signing_public_release(&keys->items[i]);
	free(keys->items);
	*keys = (struct verify_keys){ 0 };
}

static void push_key(struct verify_keys *keys, const struct signing_public *public)
{
	GROW(keys->items, keys->len, keys->cap);
	keys->items[keys->len] = *public;
	keys->items[keys->len++].name = xstrdup(public->name);
}

static int take_key(void *ctx, const struct signing_public *public)
{
	push_key(ctx, public);
	return 0;
}

int verify_keys_of(struct db *db, struct verify_keys *ret, struct error *err)
{
	return signing_publics_each(db, take_key, ret, err);
}

int verify_keys_add_file(struct verify_keys *keys, const char *dir, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *full = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", dir, path);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct signing_public public = { .name = full, .state = SIGNING_TRUSTED };

	if (io_read_file(AT_FDCWD, full, KEY_FILE_MAX, &text, err) < 0)
		return -1;
	if (sign_public_parse(text.buf, text.len, &public.key, err) < 0) {
		error_wrap(err, "%s", path);
		return error_help(err, "give a public Ed25519 key, as mlops key show prints it");
	}
	public.name = (char *)path;
	sign_public_id(&public.key, public.id);
	push_key(keys, &public);
	return 0;
}

/* ---- one envelope ---- */

void verification_release(struct verification *v)
{
	js_free(v->statements);
	js_free(v->rules);
	js_free(v->good);
	v->statements = v->rules = v->good = NULL;
}

/* What a revoked key signed counts when the log tells that it did before. */
static bool signs(const struct signing_public *key, const struct js *row)
{
	int64_t seq = js_get_int(row, "seq", 0);

	return key->state != SIGNING_REVOKED || (seq > 0 && seq <= key->last);
}

static bool covers_all(const struct js *statement, const struct attest_thing *thing)
{
	size_t n = thing->apart ? js_len(thing->subjects) : 1;

	for (size_t i = 0; i < n; i++) {
		const char *hex = js_get_str(js_get(js_at(thing->subjects, i), "digest"), "sha256");

		if (!hex || !statement_covers(statement, hex, thing->uri))
			return false;
	}
	return true;
}

/* The key that signed it, or NULL; *ret_body is what was signed. */
static const struct signing_public *find_signer(const struct verification *v, const struct js *envelope, struct strbuf *ret_body,
						struct error *err)
{
	for (size_t i = 0; i < v->keys->len; i++) {
		int r;

		strbuf_clear(ret_body);
		r = dsse_open(envelope, DSSE_IN_TOTO, &v->keys->items[i].key, ret_body, err);
		if (r < 0)
			return NULL;
		if (r > 0)
			return &v->keys->items[i];
	}
	error_set(err, ERR_VERDICT, "no key that is trusted here has signed it");
	return NULL;
}

/* NULL: it is good, and *ret_statement is what it says. */
static const char *fault_of(const struct verification *v, const struct attest_thing *thing, const struct js *envelope,
			    const struct js *row, struct js *told, struct js **ret_statement, struct error *err)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	CLEANUP_JS struct js *statement = NULL;
	const struct signing_public *key = find_signer(v, envelope, &body, err);

	if (!key)
		return err->msg;
	js_set_str(told, "key", key->id);
	js_set_str(told, "key_name", key->name);
	if (!signs(key, row))
		return "its key was revoked, and no event tells that it was signed before";
	if (statement_parse(body.buf, body.len, &statement, err) < 0)
		return err->msg;
	js_set_str(told, "predicate", js_get_str(statement, "predicateType"));
	if (!covers_all(statement, thing))
		return "it is about something else";
	*ret_statement = steal(&statement);
	return NULL;
}

void verify_envelope(struct verification *v, const struct attest_thing *thing, const struct js *envelope, const struct js *row)
{
	struct js *told = js_object(), *good;
	struct js *statement = NULL;
	struct error err = { 0 };
	const char *fault = fault_of(v, thing, envelope, row, told, &statement, &err);

	if (!v->statements) {
		v->statements = js_array();
		v->good = js_array();
	}
	js_push(v->statements, told);
	if (!js_get(told, "predicate"))
		js_set_str(told, "predicate", js_get_str(row, "predicate"));
	js_set_str(told, "content", js_get_str(row, "content"));
	js_set_bool(told, "holds", !fault);
	js_set_str(told, "why", fault);
	if (fault)
		return;
	good = js_object();
	js_set_str(good, "key", js_get_str(told, "key"));
	js_set_str(good, "key_name", js_get_str(told, "key_name"));
	js_set(good, "statement", statement);
	js_push(v->good, good);
}

/* ---- what the registry keeps ---- */

static int read_envelope(struct store *store, const struct js *row, struct js **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct content content;

	if (!content_parse(js_get_str(row, "content"), &content))
		return error_set(err, ERR_DAMAGED, "the registry names an envelope that is none");
	return store_read(store, &content.id, ENVELOPE_MAX, &text, err) < 0 ? -1 :
									     js_parse(text.buf, text.len, "envelope", ret, err);
}

/* One that is lost or damaged is told of, and proves nothing. */
static void verify_row(struct verification *v, struct store *store, const struct attest_thing *thing, const struct js *row)
{
	CLEANUP_JS struct js *envelope = NULL;
	struct error why = { 0 };
	struct js *told;

	if (read_envelope(store, row, &envelope, &why) == 0) {
		verify_envelope(v, thing, envelope, row);
		return;
	}
	if (!v->statements) {
		v->statements = js_array();
		v->good = js_array();
	}
	told = js_object();
	js_set_str(told, "predicate", js_get_str(row, "predicate"));
	js_set_str(told, "content", js_get_str(row, "content"));
	js_set_bool(told, "holds", false);
	js_set_str(told, "why", why.msg);
	js_push(v->statements, told);
}

int verify_kept(struct verification *v, struct op_context *ctx, struct db *db, const struct attest_thing *thing,
		struct error *err)
{
	const char *hex = js_get_str(js_get(js_at(thing->subjects, 0), "digest"), "sha256");
	CLEANUP_JS struct js *rows = NULL;
	struct store *store;
	struct digest digest;

	if (project_store(ctx->project, &store, err) < 0)
		return -1;
	/* Of a run, what is said of that run; another one may have made the same. */
	if (!thing->model && !strcmp(thing->node, thing->run)) {
		if (attestations_list(db, thing->node, &rows, err) < 0)
			return -1;
	} else if (!hex || !digest_parse(hex, &digest) || attestations_about(db, &digest, &rows, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < js_len(rows); i++)
		verify_row(v, store, thing, js_at(rows, i));
	return 0;
}

/* ---- the verdict ---- */

bool verify_decide(struct verification *v)
{
	size_t n = js_len(v->good);
	struct trust_statement *list = xcalloc(n + 1, sizeof(*list));
	bool holds = n > 0;

	for (size_t i = 0; i < n; i++) {
		const struct js *good = js_at(v->good, i);

		list[i] = (struct trust_statement){ js_get_str(good, "key"), js_get_str(good, "key_name"), js_get(good, "statement") };
	}
	if (v->policy)
		holds = trust_check(v->policy, list, n, v->now_ms, &v->rules) && holds;
	free(list);
	return holds;
}
