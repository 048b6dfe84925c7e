/* SPDX-License-Identifier: Apache-2.0 */
/* verify: the bytes, the signatures about them, and what they say. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "api/attest.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/provenance.h"
#include "policy/trust.h"
#include "registry/candidates.h"
#include "registry/name.h"
#include "registry/project.h"
#include "store/store.h"

#define ENVELOPES_MAX (16u << 20) /* bytes of a file of them */
#define ENVELOPES     10000	  /* in it */
#define SUFFIX	      ".intoto.jsonl"

struct checking {
	struct op_context *ctx;
	const struct js *args;
	struct db *db; /* NULL outside of a project */
	struct verify_keys keys;
	struct trust_policy *policy;
	struct js *results;
	int refused, unsigned_, damaged;
};

static void checking_release(struct checking *c)
{
	verify_keys_release(&c->keys);
	trust_free(c->policy);
	js_free(c->results);
}

static char *full_path(const struct checking *c, const char *path)
{
	return *path == '/' ? xstrdup(path) : path_join(c->ctx->dir, path);
}

/* ---- what was asked ---- */

/* Whoever gives the file of a key that was revoked here may not know of it. */
static int note_revoked(void *ctx, const struct signing_public *known)
{
	struct checking *c = ctx;

	for (size_t i = 0; known->state == SIGNING_REVOKED && i < c->keys.len; i++)
		if (!strcmp(c->keys.items[i].id, known->id)) {
			c->keys.items[i].state = SIGNING_REVOKED;
			c->keys.items[i].last = known->last;
		}
	return 0;
}

static int read_keys(struct checking *c, struct error *err)
{
	const struct js *files = js_get(c->args, "key");

	for (size_t i = 0; i < js_len(files); i++)
		if (verify_keys_add_file(&c->keys, c->ctx->dir, js_text(js_at(files, i)), err) < 0)
			return -1;
	if (js_len(files) && c->db && signing_publics_each(c->db, note_revoked, c, err) < 0)
		return -1;
	if (js_len(files))
		return 0;
	if (c->db)
		return verify_keys_of(c->db, &c->keys, err);
	error_set(err, ERR_USAGE, "outside of a project nobody's key is trusted by itself");
	return error_help(err, "name the public key of who is to have signed: --key FILE");
}

static int read_policy(struct checking *c, struct error *err)
{
	const char *path = js_get_str(c->args, "policy");
	CLEANUP(cleanup_free) char *full = path ? full_path(c, path) : NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (!path)
		return 0;
	return io_read_file(AT_FDCWD, full, TRUST_MAX, &text, err) < 0 ? -1 :
									 trust_parse(text.buf, text.len, path, &c->policy, err);
}

/* ---- envelopes in files ---- */

static int verify_lines(struct verification *v, const struct attest_thing *thing, const struct strbuf *text, const char *path,
			struct error *err)
{
	const char *at = text->buf, *end = text->buf + text->len;
	size_t n = 0;

	for (size_t line = 1; at < end; line++) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);
		CLEANUP_JS struct js *envelope = NULL;

		if (len > strspn(at, " \t\r") && js_count(at, len) <= JS_STRANGERS_MAX) {
			if (++n > ENVELOPES)
				return error_set(err, ERR_TOO_LARGE, "%s has more than %d envelopes", path, ENVELOPES);
			if (js_parse(at, len, path, &envelope, err) < 0)
				return error_wrap(err, "line %zu", line);
			verify_envelope(v, thing, envelope, NULL);
		}
		at += len + 1;
	}
	return 0;
}

static int verify_file(struct checking *c, struct verification *v, const struct attest_thing *thing, const char *path,
		       struct error *err)
{
	CLEANUP(cleanup_free) char *full = full_path(c, path);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	return io_read_file(AT_FDCWD, full, ENVELOPES_MAX, &text, err) < 0 ? -1 : verify_lines(v, thing, &text, path, err);
}

/* 1: there are some; 0: none. */
static int verify_beside(struct checking *c, struct verification *v, const struct attest_thing *thing, const char *path,
			 struct error *err)
{
	CLEANUP(cleanup_free) char *beside = xasprintf("%.*s%s", (int)(strlen(path) - (path[strlen(path) - 1] == '/')), path, SUFFIX);
	CLEANUP(cleanup_free) char *full = full_path(c, beside);
	struct stat st;

	if (stat(full, &st) < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "%s", beside);
	return verify_file(c, v, thing, beside, err) < 0 ? -1 : 1;
}

/* ---- one thing ---- */

static bool is_file(const struct checking *c, const char *name)
{
	CLEANUP(cleanup_free) char *full = full_path(c, name);
	struct stat st;

	return *name && stat(full, &st) == 0;
}

/* Who asks for a model must not get an answer about a file that somebody has called so. */
static int check_meaning(const struct checking *c, const char *text, struct error *err)
{
	struct name name;

	if (!c->db || name_resolve(c->ctx->project, text, ACCEPT_ANY, &name, NULL) < 0 ||
	    (name.kind != NAME_VERSION && name.kind != NAME_RUN))
		return 0;
	error_set(err, ERR_USAGE, "%s is a %s, and a file is called so, too", text, name.kind == NAME_RUN ? "run" : "model's version");
	return error_help(err, "of the file, say: mlops verify ./%s", text);
}

/* Objects of what is kept are what their names say; what is not here is told of, and cannot be. NULL: all is well. */
static char *damage_of(struct checking *c, const struct attest_thing *thing)
{
	struct store *store;
	struct error why = { 0 };

	if (project_store(c->ctx->project, &store, &why) < 0)
		return xstrdup(why.msg);
	for (size_t i = 0; i < js_len(thing->subjects); i++) {
		const char *hex = js_get_str(js_get(js_at(thing->subjects, i), "digest"), "sha256");
		struct digest digest;

		if (digest_parse(hex, &digest) && store_verify(store, &digest, &why) < 0)
			return xasprintf("%s: %s", js_get_str(js_at(thing->subjects, i), "name"), why.msg);
	}
	return NULL;
}

/* A version that was made with a policy of its own is judged by it. */
static int own_policy(struct checking *c, const struct attest_thing *thing, struct trust_policy **ret, struct error *err)
{
	CLEANUP_JS struct js *candidate = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const struct js *policy;
	struct error why = { 0 };
	struct content content;
	struct store *store;

	if (!thing->model || c->policy)
		return 0;
	if (candidate_load(c->db, thing->model, thing->number, &candidate, &why) < 0) {
		if (why.code != ERR_NOT_FOUND && err)
			*err = why;
		return why.code == ERR_NOT_FOUND ? 0 : -1;
	}
	policy = js_get(js_get(candidate, "spec"), "policy");
	if (!policy)
		return 0;
	if (!js_get_str(policy, "content") || !content_parse(js_get_str(policy, "content"), &content))
		return error_set(err, ERR_DAMAGED, "the registry names a policy of %s that is none", thing->node);
	return project_store(c->ctx->project, &store, err) < 0 || store_read(store, &content.id, TRUST_MAX, &text, err) < 0
		       ? -1
		       : trust_parse(text.buf, text.len, js_get_str(policy, "path"), ret, err);
}

static void tell(struct checking *c, const struct attest_thing *thing, const struct verification *v, const char *damage, bool holds)
{
	struct js *result = js_object();
	const char *verdict = damage ? "damaged" : holds ? "verified" : js_len(v->good) ? "refused" : "unsigned";

	c->damaged += damage != NULL;
	c->refused += !damage && !strcmp(verdict, "refused");
	c->unsigned_ += !damage && !strcmp(verdict, "unsigned");
	js_set_str(result, "name", thing->node);
	js_set_str(result, "digest", js_get_str(js_get(js_at(thing->subjects, 0), "digest"), "sha256"));
	js_set_str(result, "verdict", verdict);
	js_set_str(result, "damage", damage);
	js_set(result, "statements", v->statements ? js_ref(v->statements) : js_array());
	if (v->rules)
		js_set(result, "rules", js_ref(v->rules));
	js_push(c->results, result);
}

static int gather(struct checking *c, struct verification *v, const struct attest_thing *thing, const char *file,
		  struct error *err)
{
	const struct js *files = js_get(c->args, "attestation");
	int r = 0;

	for (size_t i = 0; i < js_len(files); i++)
		if (verify_file(c, v, thing, js_text(js_at(files, i)), err) < 0)
			return -1;
	if (!js_len(files) && file)
		r = verify_beside(c, v, thing, file, err);
	return r < 0 || (!js_len(files) && c->db && verify_kept(v, c->ctx, c->db, thing, err) < 0) ? -1 : 0;
}

static int check_one(struct checking *c, const char *name, struct error *err)
{
	struct attest_thing thing CLEANUP(attest_thing_release) = { 0 };
	struct verification v CLEANUP(verification_release) = { .keys = &c->keys, .policy = c->policy, .now_ms = clock_wall_ms() };
	CLEANUP(cleanup_trust) struct trust_policy *own = NULL;
	CLEANUP(cleanup_free) char *damage = NULL;
	bool file = is_file(c, name);
	bool holds;

	if (!file && !c->db)
		return error_set(err, ERR_NOT_FOUND, "there is no file %s, and no project in which it could be a name", name);
	if (file && check_meaning(c, name, err) < 0)
		return -1;
	if ((file ? attest_thing_of_file(c->ctx->dir, name, &thing, err) : attest_thing_of(c->ctx, c->db, name, &thing, err)) < 0 ||
	    gather(c, &v, &thing, file ? name : NULL, err) < 0 || own_policy(c, &thing, &own, err) < 0)
		return -1;
	if (own)
		v.policy = own;
	holds = verify_decide(&v);
	if (!file)
		damage = damage_of(c, &thing);
	tell(c, &thing, &v, damage, holds);
	return 0;
}

static int conclude(const struct checking *c, struct error *err)
{
	size_t n = js_len(c->results);

	if (c->damaged)
		return error_set(err, ERR_DAMAGED, "%d of %zu are not the bytes that they were", c->damaged, n);
	if (c->refused)
		return error_set(err, ERR_VERDICT, "%d of %zu do not meet the policy", c->refused, n);
	if (!c->unsigned_)
		return 0;
	error_set(err, ERR_UNDECIDED, "of %d of %zu nothing is known that a trusted key has signed", c->unsigned_, n);
	return error_help(err, "%s", c->db ? "sign what the record knows: mlops attest NAME; or trust who did: mlops key add --name NAME --public FILE" :
					     "get the statements from who made it, and name them: --attestation FILE");
}

/* attest.verify {names[], policy, key[], attestation[]} -> {things[{name, digest, verdict "verified" "refused" "unsigned"
 * "damaged", damage, statements[], rules[]}]} */
int op_verify(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct checking c CLEANUP(checking_release) = { .ctx = ctx, .args = args, .results = js_array() };
	const struct js *names = js_get(args, "names");

	if ((ctx->project && project_db(ctx->project, &c.db, err) < 0) || read_keys(&c, err) < 0 || read_policy(&c, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(names); i++)
		if (check_one(&c, js_text(js_at(names, i)), err) < 0)
			return -1;
	*ret_result = js_object();
	js_set(*ret_result, "things", js_ref(c.results));
	return conclude(&c, err);
}
