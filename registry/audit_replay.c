/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/audit_replay.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* One event. Its body is parsed by those who need it. */
struct change {
	struct facts *facts;
	int64_t seq;
	const char *operation, *actor, *subject, *before, *after, *text; /* before, after, text may be NULL */
	struct js *body;
	/* "churn@champion": the model, and what stands behind the last '@' */
	struct fact_model *model;
	const char *part;
};

static const struct js *body_of(struct change *c)
{
	if (!c->body && (!c->text || js_parse(c->text, strlen(c->text), "an event", &c->body, NULL) < 0))
		c->body = js_object(); /* an edited one: the tree tells */
	return c->body;
}

static void set(struct change *c, enum fact_book book, const char *key, const char *value)
{
	fact_set(c->model, book, key, value, c->seq);
}

/* ---- versions ---- */

static void version_made(struct change *c)
{
	const struct js *body = body_of(c);
	const char *run = js_get_str(body, "run_id");

	set(c, FACT_VERSION, c->part, run ? run : "");
	set(c, FACT_STAGE, c->part, "none");
	if (js_get_str(body, "content"))
		set(c, FACT_CONTENT, c->part, js_get_str(body, "content"));
	if (js_get_str(body, "source"))
		set(c, FACT_SOURCE, c->part, js_get_str(body, "source"));
}

static void version_deleted(struct change *c)
{
	static const enum fact_book books[] = { FACT_VERSION, FACT_CONTENT, FACT_SOURCE, FACT_STAGE, FACT_VERDICT };
	const struct strmap *aliases = &c->model->books[FACT_ALIAS];

	for (size_t i = 0; i < ARRAY_LEN(books); i++)
		set(c, books[i], c->part, NULL);
	for (size_t i = 0; i < aliases->len; i++) {
		const struct fact *fact = aliases->entries[i].value;

		if (fact->value && !strcmp(fact->value, c->part))
			set(c, FACT_ALIAS, aliases->entries[i].key, NULL);
	}
}

static void lower(const char *text, char *ret, size_t size)
{
	size_t i;

	for (i = 0; text[i] && i + 1 < size; i++)
		ret[i] = (char)tolower((unsigned char)text[i]);
	ret[i] = '\0';
}

static void version_staged(struct change *c)
{
	const struct strmap *stages = &c->model->books[FACT_STAGE];
	char stage[32];

	lower(c->after ? c->after : "none", stage, sizeof(stage));
	for (size_t i = 0; js_get_bool(body_of(c), "archive_existing_versions") && i < stages->len; i++) {
		const struct fact *fact = stages->entries[i].value;

		if (fact->value && !strcmp(fact->value, stage))
			set(c, FACT_STAGE, stages->entries[i].key, "archived");
	}
	set(c, FACT_STAGE, c->part, stage);
}

static void gate_judged(struct change *c)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text, "%s ", js_get_str(body_of(c), "verdict") ? js_get_str(c->body, "verdict") : "");
	if (js_get(c->body, "lines"))
		js_dump(js_get(c->body, "lines"), JS_CANONICAL, &text);
	set(c, FACT_VERDICT, c->part, text.buf);
}

/* ---- aliases ---- */

/* Questions about the alias that wait are over. */
static void supersede(struct change *c, const char *alias)
{
	const struct strmap *approvals = &c->model->books[FACT_APPROVAL];
	CLEANUP(cleanup_free) char *waiting = xasprintf("waiting %s ", alias);
	size_t len = strlen(waiting);

	for (size_t i = 0; i < approvals->len; i++) {
		const struct fact *fact = approvals->entries[i].value;
		CLEANUP(cleanup_free) char *value = NULL;

		if (!fact->value || strncmp(fact->value, waiting, len) != 0)
			continue;
		value = xasprintf("superseded %s", fact->value + strlen("waiting "));
		set(c, FACT_APPROVAL, approvals->entries[i].key, value);
	}
}

static size_t count_moves(const struct fact_model *m, const char *alias)
{
	CLEANUP(cleanup_free) char *key = xasprintf("%s#", alias);
	const struct fact *fact = fact_get(m, FACT_MOVE, key);

	return fact ? (size_t)strtoull(fact->value, NULL, 10) : 0;
}

/* The number of moves so far is kept beside them, under the name without one. */
static void note_move(struct change *c)
{
	size_t n = count_moves(c->model, c->part) + 1;
	CLEANUP(cleanup_free) char *counter = xasprintf("%s#", c->part);
	CLEANUP(cleanup_free) char *count = xasprintf("%zu", n);
	CLEANUP(cleanup_free) char *key = xasprintf("%s#%zu", c->part, n);
	CLEANUP(cleanup_free) char *value = xasprintf("%s by %s", c->after, c->actor);

	set(c, FACT_MOVE, counter, count);
	fact_get(c->model, FACT_MOVE, counter)->seen = true;
	set(c, FACT_MOVE, key, value);
}

static void alias_moved(struct change *c)
{
	if (!c->after || (c->before && !strcmp(c->before, c->after)))
		return;
	set(c, FACT_ALIAS, c->part, c->after);
	note_move(c);
	supersede(c, c->part);
}

/* Who promotes by hand a version that was rejected takes that back; what MLflow's clients set does not ask. */
static void promoted(struct change *c)
{
	alias_moved(c);
	if (c->after && fact_get(c->model, FACT_REJECTED, c->after) && js_get_str(body_of(c), "how") &&
	    !strcmp(js_get_str(c->body, "how"), "person"))
		set(c, FACT_REJECTED, c->after, NULL);
}

static void rolled_back(struct change *c)
{
	alias_moved(c);
	if (c->before)
		set(c, FACT_REJECTED, c->before, "");
}

static void alias_deleted(struct change *c)
{
	set(c, FACT_ALIAS, c->part, NULL);
}

static void held(struct change *c)
{
	set(c, FACT_HELD, c->part, "");
}

static void released(struct change *c)
{
	set(c, FACT_HELD, c->part, NULL);
}

/* ---- approvals ---- */

static void approval(struct change *c, const char *state)
{
	const struct js *body = body_of(c);
	const char *alias = js_get_str(body, "alias");
	CLEANUP(cleanup_free) char *value = xasprintf("%s %s %s", state, alias ? alias : "", c->part);
	char id[24];

	snprintf(id, sizeof(id), "%lld", (long long)js_get_int(body, "id", 0));
	set(c, FACT_APPROVAL, id, value);
}

static void approval_asked(struct change *c)
{
	const char *alias = js_get_str(body_of(c), "alias");

	supersede(c, alias ? alias : "");
	approval(c, "waiting");
}

static void approval_approved(struct change *c)
{
	approval(c, "approved");
	set(c, FACT_REJECTED, c->part, NULL);
}

static void version_rejected(struct change *c)
{
	set(c, FACT_REJECTED, c->part, "");
}

static void version_unrejected(struct change *c)
{
	set(c, FACT_REJECTED, c->part, NULL);
}

static void approval_rejected(struct change *c)
{
	approval(c, "rejected");
	version_rejected(c);
}

static void approval_expired(struct change *c)
{
	approval(c, "expired");
}

/* ---- models ---- */

static void model_made(struct change *c)
{
	facts_model(c->facts, c->subject);
}

static void model_renamed(struct change *c)
{
	if (c->before && c->after)
		facts_rename(c->facts, c->before, c->after);
}

static void model_deleted(struct change *c)
{
	facts_delete(c->facts, c->subject);
}

/* ---- people ---- */

static void user_made(struct change *c)
{
	const char *role = js_get_str(body_of(c), "role");

	set(c, FACT_USER, c->subject, role ? role : "");
}

static void user_edited(struct change *c)
{
	const struct js *body = body_of(c);

	if (js_get_str(body, "role"))
		set(c, FACT_USER, c->subject, js_get_str(body, "role"));
	if (js_get(body, "disabled"))
		set(c, FACT_DISABLED, c->subject, js_get_bool(body, "disabled") ? "" : NULL);
}

static void drop_tokens(struct change *c)
{
	const struct strmap *tokens = &c->model->books[FACT_TOKEN];

	for (size_t i = 0; i < tokens->len; i++) {
		const struct fact *fact = tokens->entries[i].value;

		if (fact->value && !strcmp(fact->value, c->subject))
			set(c, FACT_TOKEN, tokens->entries[i].key, NULL);
	}
}

static void drop_permissions(struct change *c)
{
	const struct strmap *mine = &c->model->books[FACT_PERMISSION];
	size_t len = strlen(c->subject);

	for (size_t i = 0; i < mine->len; i++)
		if (!strncmp(mine->entries[i].key, c->subject, len) && mine->entries[i].key[len] == ' ')
			set(c, FACT_PERMISSION, mine->entries[i].key, NULL);
	for (size_t i = 0; i < c->facts->len; i++)
		fact_set(c->facts->all[i], FACT_PERMISSION, c->subject, NULL, c->seq);
}

static void user_removed(struct change *c)
{
	set(c, FACT_USER, c->subject, NULL);
	set(c, FACT_DISABLED, c->subject, NULL);
	drop_tokens(c);
	drop_permissions(c);
}

static void token_made(struct change *c)
{
	const struct js *body = body_of(c);

	/* those of runs go with them, and their going is no event */
	if (!js_get_str(body, "run"))
		set(c, FACT_TOKEN, c->subject, js_get_str(body, "user") ? js_get_str(body, "user") : "");
}

static void token_removed(struct change *c)
{
	set(c, FACT_TOKEN, c->subject, NULL);
}

static void permission_set(struct change *c)
{
	const char *model = js_get_str(body_of(c), "model"), *experiment = js_get_str(c->body, "experiment");
	CLEANUP(cleanup_free) char *key = xasprintf("%s %s", c->subject, experiment ? experiment : "");

	if (model)
		fact_set(facts_model(c->facts, model), FACT_PERMISSION, c->subject, c->after, c->seq);
	else
		set(c, FACT_PERMISSION, key, c->after);
}

static void permission_removed(struct change *c)
{
	c->after = NULL;
	permission_set(c);
}

/* ---- keys ---- */

static void key_ended(struct change *c, const char *id, const char *state, int64_t last)
{
	CLEANUP(cleanup_free) char *value = xasprintf("%s %lld", state, (long long)last);

	set(c, FACT_KEY, id, value);
}

static void key_made(struct change *c)
{
	const char *state = js_get_str(body_of(c), "state");

	set(c, FACT_KEY, c->subject, state ? state : "");
}

/* One that is revoked while it is the active one is rotated, too, by the event behind. */
static void key_rotated(struct change *c)
{
	const struct fact *old = c->before ? fact_get(c->model, FACT_KEY, c->before) : NULL;

	key_made(c);
	if (old)
		key_ended(c, c->before, !strncmp(old->value, "revoked", 7) ? "revoked" : "retired", c->seq - 1);
}

static void key_revoked(struct change *c)
{
	const struct fact *old = fact_get(c->model, FACT_KEY, c->subject);
	const char *last = old ? strchr(old->value, ' ') : NULL;

	key_ended(c, c->subject, "revoked", last ? strtoll(last + 1, NULL, 10) : c->seq - 1);
}

/* ---- data ---- */

/* Of "file:HEX", "sha256:HEX" or HEX. */
static const char *hex_of(const char *text)
{
	const char *colon = strchr(text, ':');

	return colon ? colon + 1 : text;
}

static void data_added(struct change *c)
{
	int64_t version = js_get_int(body_of(c), "version", 0);
	CLEANUP(cleanup_free) char *key = xasprintf("%s@v%lld", c->subject, (long long)version);

	if (version > 0)
		set(c, FACT_DATA, key, c->after);
}

static void forgotten(struct change *c)
{
	const struct js *digests = js_get(body_of(c), "digests");

	for (size_t i = 0; i < js_len(digests); i++)
		if (js_text(js_at(digests, i)))
			set(c, FACT_FORGOTTEN, hex_of(js_text(js_at(digests, i))), "");
}

static void reproduced(struct change *c)
{
	const char *run = js_get_str(body_of(c), "run_id");
	CLEANUP(cleanup_free) char *value = xasprintf("%s %s", c->after ? c->after : "", run ? run : "");

	set(c, FACT_REPRODUCED, c->subject, value);
}

/* A row says which event it is of. */
static void attested(struct change *c)
{
	const struct js *body = body_of(c);
	const char *predicate = js_get_str(body, "predicate"), *key = js_get_str(body, "key"), *content = js_get_str(body, "content");
	CLEANUP(cleanup_free) char *value = xasprintf("%s of %s by %s in %s", predicate ? predicate : "", c->subject, key ? key : "",
						      content ? hex_of(content) : "");
	char seq[24];

	snprintf(seq, sizeof(seq), "%lld", (long long)c->seq);
	set(c, FACT_ATTESTED, seq, value);
}

/* ---- the table ---- */

static const struct effect {
	const char *operation;
	enum { OF_PART, OF_WORLD } of; /* the subject is MODEL@PART; or it is what it is */
	void (*apply)(struct change *);
} effects[] = {
	{ "model.create", OF_WORLD, model_made },
	{ "model.rename", OF_WORLD, model_renamed },
	{ "model.delete", OF_WORLD, model_deleted },
	{ "model.register", OF_PART, version_made },
	{ "version.create", OF_PART, version_made },
	{ "version.delete", OF_PART, version_deleted },
	{ "version.stage", OF_PART, version_staged },
	{ "gate.judge", OF_PART, gate_judged },
	{ "model.promote", OF_PART, promoted },
	{ "model.rollback", OF_PART, rolled_back },
	{ "alias.set", OF_PART, alias_moved },
	{ "alias.delete", OF_PART, alias_deleted },
	{ "model.hold", OF_PART, held },
	{ "model.release", OF_PART, released },
	{ "approval.ask", OF_PART, approval_asked },
	{ "approval.approve", OF_PART, approval_approved },
	{ "approval.reject", OF_PART, approval_rejected },
	{ "approval.expire", OF_PART, approval_expired },
	{ "model.reject", OF_PART, version_rejected },
	{ "model.unreject", OF_PART, version_unrejected },
	{ "user.add", OF_WORLD, user_made },
	{ "user.edit", OF_WORLD, user_edited },
	{ "user.rm", OF_WORLD, user_removed },
	{ "token.add", OF_WORLD, token_made },
	{ "token.rm", OF_WORLD, token_removed },
	{ "permission.add", OF_WORLD, permission_set },
	{ "permission.rm", OF_WORLD, permission_removed },
	{ "key.add", OF_WORLD, key_made },
	{ "key.rotate", OF_WORLD, key_rotated },
	{ "key.revoke", OF_WORLD, key_revoked },
	{ "data.add", OF_WORLD, data_added },
	{ "forget.done", OF_WORLD, forgotten },
	{ "model.reproduce", OF_WORLD, reproduced },
	{ "attest", OF_WORLD, attested },
};

static void apply(struct change *c, const struct effect *effect)
{
	const char *at = strrchr(c->subject, '@');
	CLEANUP(cleanup_free) char *name = effect->of == OF_PART && at ? xstrndup(c->subject, (size_t)(at - c->subject)) : NULL;

	if (effect->of == OF_PART && !at)
		return;
	c->model = facts_model(c->facts, name);
	c->part = name ? at + 1 : NULL;
	effect->apply(c);
}

static const struct effect *effect_find(const struct strmap *map, const char *operation)
{
	return strmap_get(map, operation);
}

static int replay(struct db_stmt *q, const struct strmap *map, struct facts *facts, struct error *err)
{
	int r;

	while ((r = db_step(q, err)) > 0) {
		const struct effect *effect = effect_find(map, db_text(q, 1));
		struct change c = { .facts = facts };

		if (!effect)
			continue;
		c.seq = db_int(q, 0);
		c.operation = effect->operation;
		c.actor = db_text(q, 2);
		c.subject = db_text(q, 3);
		c.before = db_text(q, 4);
		c.after = db_text(q, 5);
		c.text = db_text(q, 6);
		apply(&c, effect);
		js_free(c.body);
	}
	return r;
}

int audit_replay(struct db *db, struct facts *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT seq, operation, actor, subject, before, after, body FROM events ORDER BY seq");
	CLEANUP(strmap_release) struct strmap map = STRMAP_INIT;

	for (size_t i = 0; i < ARRAY_LEN(effects); i++)
		strmap_set(&map, effects[i].operation, (void *)(uintptr_t)&effects[i]);
	return replay(q, &map, ret, err);
}
