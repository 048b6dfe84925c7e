/* SPDX-License-Identifier: Apache-2.0 */
/* What the record knows, as signed statements. */
#include "api/attest.h"
#include <string.h>
#include "api/data.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/dsse.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/strbuf.h"
#include "policy/provenance.h"
#include "registry/attestations.h"
#include "registry/candidates.h"
#include "registry/jobs.h"
#include "registry/model_records.h"
#include "registry/project.h"
#include "registry/rows.h"
#include "registry/runs.h"
#include "store/store.h"
#include "store/tree.h"

#define FILES_ROOM (1u << 20) /* bytes of a statement for the files of directories, and of one beside its name */
#define FILE_ROOM  160
#define STATEMENTS 2 /* of one thing: how it was made, and what its gate said */

struct signing {
	struct op_context *ctx;
	struct db *db;
	const struct attest_thing *thing;
	struct sign_key *key;
	struct signing_public public;
	struct js *statements[STATEMENTS];
	struct content envelopes[STATEMENTS];
	size_t n;
};

static void signing_release(struct signing *s)
{
	sign_key_free(s->key);
	signing_public_release(&s->public);
	for (size_t i = 0; i < s->n; i++)
		js_free(s->statements[i]);
}

/* ---- facts ---- */

struct facts {
	struct js *run, *above, *attempts, *job;
};

static void facts_release(struct facts *f)
{
	js_free(f->run);
	js_free(f->above);
	js_free(f->attempts);
	js_free(f->job);
}

/* Of a step's run, its own attempt alone. */
static void keep_own(struct facts *f)
{
	struct js *own = js_array();

	for (size_t i = 0; i < js_len(f->attempts); i++) {
		const char *run = js_get_str(js_at(f->attempts, i), "run");

		if (run && !strcmp(run, js_get_str(f->run, "run_id")))
			js_push(own, js_ref(js_at(f->attempts, i)));
	}
	js_free(f->attempts);
	f->attempts = own;
}

/* The run that stands at the top is the one whose end is on record. */
static int gather(struct db *db, const char *run_id, struct facts *f, struct error *err)
{
	const char *parent, *top = run_id;
	struct error why = { 0 };

	if (run_load(db, run_id, &f->run, err) < 0)
		return -1;
	parent = js_get_str(f->run, "step") ? js_get_str(f->run, "parent") : NULL;
	if (parent) {
		top = parent;
		if (run_load(db, parent, &f->above, err) < 0)
			return -1;
	}
	if (run_is_as_it_ended(db, parent ? f->above : f->run, err) < 0 || attempts_list(db, top, &f->attempts, err) < 0)
		return -1;
	if (parent)
		keep_own(f);
	if (job_load(db, top, &f->job, &why) == 0 || why.code == ERR_NOT_FOUND)
		return 0;
	if (err)
		*err = why;
	return -1;
}

/* What a directory that was read held, for policies that ask for bytes: {path, content} of its files go into its item, of as
 * many directories as a statement has room for. */
static void name_files(struct store *store, struct js *run)
{
	const struct js *inputs = js_get(run, "inputs");
	size_t room = FILES_ROOM;

	for (size_t i = 0; i < js_len(inputs); i++) {
		struct js *input = js_at(inputs, i), *files;
		struct tree tree CLEANUP(tree_release) = TREE_INIT;
		const char *path = js_get_str(input, "path"), *text = js_get_str(input, "content");
		struct content content;

		if (!path || *path == '/' || !text || !content_parse(text, &content) || content.kind != CONTENT_TREE ||
		    tree_read(store, &content.id, &tree, NULL) < 0 || tree.len > room / FILE_ROOM)
			continue;
		files = js_array();
		for (size_t k = 0; k < tree.len; k++) {
			const struct tree_entry *e = &tree.entries[k];
			CLEANUP(cleanup_free) char *name = xasprintf("%s/%s", path, e->path);
			const struct content file = { CONTENT_FILE, e->id, e->size, 1 };
			char formatted[CONTENT_TEXT];
			struct js *item;

			if (e->kind == ENTRY_LINK)
				continue;
			item = js_object();
			js_set_str(item, "path", name);
			js_set_str(item, "content", content_format(&file, formatted));
			js_push(files, item);
			room -= strlen(name) + FILE_ROOM < room ? strlen(name) + FILE_ROOM : room;
		}
		if (room)
			js_set(input, "files", files);
		else
			js_free(files);
	}
}

static int state_making(struct signing *s, struct error *err)
{
	struct facts f CLEANUP(facts_release) = { 0 };
	struct provenance_facts facts = { 0 };
	struct store *store;

	if (!*s->thing->run && !s->thing->model) {
		error_set(err, ERR_CONFLICT, "no run made %s, so nothing can be stated of its making", s->thing->node);
		return error_help(err, "name a run, a model version, or what a step made");
	}
	if (project_store(s->ctx->project, &store, err) < 0 ||
	    (*s->thing->run && gather(s->db, s->thing->run, &f, err) < 0))
		return -1;
	name_files(store, f.run);
	facts = (struct provenance_facts){ .run = f.run, .above = f.above, .attempts = f.attempts, .job = f.job };
	s->statements[s->n++] = provenance_slsa(&facts, s->thing->subjects);
	return 0;
}

static int state_gate(struct signing *s, struct error *err)
{
	CLEANUP_JS struct js *candidate = NULL;
	struct error why = { 0 };

	if (!s->thing->model)
		return 0;
	if (candidate_load(s->db, s->thing->model, s->thing->number, &candidate, &why) == 0) {
		s->statements[s->n++] = provenance_gate(candidate, s->thing->subjects);
		return 0;
	}
	if (why.code == ERR_NOT_FOUND) /* registered by a client: no gate */
		return 0;
	if (err)
		*err = why;
	return -1;
}

/* ---- envelopes ---- */

static int seal(struct signing *s, size_t i, struct store_batch *batch, struct error *err)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT, text = STRBUF_INIT;
	CLEANUP_JS struct js *envelope = NULL;
	struct content *content = &s->envelopes[i];

	js_dump(s->statements[i], JS_CANONICAL, &body);
	if (body.len > STATEMENT_MAX)
		return error_set(err, ERR_TOO_LARGE, "the statement about %s is larger than %u bytes", s->thing->node, STATEMENT_MAX);
	if (dsse_sign(DSSE_IN_TOTO, body.buf, body.len, s->key, &envelope, err) < 0)
		return -1;
	js_dump(envelope, JS_CANONICAL, &text);
	strbuf_putc(&text, '\n'); /* so that several make a file of JSON lines */
	*content = (struct content){ .kind = CONTENT_FILE, .size = text.len, .files = 1 };
	return batch_add_bytes(batch, text.buf, text.len, &content->id, err);
}

static int seal_all(struct signing *s, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	struct store *store;

	if (project_store(s->ctx->project, &store, err) < 0 || batch_open(store, &batch, err) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		if (seal(s, i, batch, err) < 0)
			return -1;
	return batch_commit(batch, err);
}

static int record(const struct signing *s, struct js *list, struct error *err)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct attestation_new new = {
			.subject = s->thing->node,
			.predicate = js_get_str(s->statements[i], "predicateType"),
			.key = s->public.id,
			.envelope = s->envelopes[i],
			.subjects = js_get(s->statements[i], "subject"),
			.actor = op_actor(s->ctx),
			.origin = s->ctx->origin ? s->ctx->origin : "cli",
			.now_ms = clock_wall_ms(),
		};
		char text[CONTENT_TEXT];
		struct js *row = js_object();
		int64_t id;
		int r;

		js_push(list, row);
		r = attestation_add(s->db, &new, &id, err);
		if (r < 0)
			return -1;
		js_set_str(row, "predicate", new.predicate);
		js_set_str(row, "key", new.key);
		js_set_str(row, "key_name", s->public.name);
		js_set_str(row, "content", content_format(&new.envelope, text));
		js_set_bool(row, "new", r);
	}
	return 0;
}

/* Its gate was judged elsewhere. */
static int refuse_imported(struct db *db, const struct attest_thing *thing, struct error *err)
{
	int imported = thing->model ? model_version_imported(db, thing->model, thing->number, err) : 0;

	if (imported <= 0)
		return imported;
	error_set(err, ERR_CONFLICT, "%s came with a bundle, so nobody here can vouch for it", thing->node);
	return error_help(err, "what its maker signed came along: mlops verify %s", thing->node);
}

int attest_make(struct op_context *ctx, struct db *db, const struct attest_thing *thing, struct js **ret, struct error *err)
{
	struct signing s CLEANUP(signing_release) = { .ctx = ctx, .db = db, .thing = thing };
	CLEANUP(data_unlock) struct data_locks locks = DATA_LOCKS_INIT;
	CLEANUP_JS struct js *list = js_array();

	if (refuse_imported(db, thing, err) < 0 || state_making(&s, err) < 0 || state_gate(&s, err) < 0 ||
	    signing_key_load(ctx->project, &s.key, &s.public, err) < 0 || data_lock_store(ctx, &locks, err) < 0 ||
	    seal_all(&s, err) < 0)
		return -1;
	FAILPOINT("attest.stored");
	if (db_begin(db, err) < 0 || write_end(db, record(&s, list, err), err) < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

/* What stands against it is told to who waits: what was made is made. */
static int tell_unless(struct op_context *ctx, const char *node, int r, const struct error *why)
{
	CLEANUP(cleanup_free) char *text = NULL;

	if (r == 0)
		return 1;
	text = xasprintf("%s is not attested: %s; when that is settled: mlops attest %s", node, why->msg, node);
	data_tell(ctx, text);
	return 0;
}

int attest_version_made(struct op_context *ctx, struct db *db, const char *model, int64_t number)
{
	struct attest_thing thing CLEANUP(attest_thing_release) = { 0 };
	CLEANUP(cleanup_free) char *node = xasprintf("%s@v%lld", model, (long long)number);
	CLEANUP_JS struct js *list = NULL;
	struct error why = { 0 };
	int r = attest_thing_of_version(ctx, db, model, number, &thing, &why);

	return tell_unless(ctx, node, r < 0 ? -1 : attest_make(ctx, db, &thing, &list, &why), &why);
}

void attest_run_made(struct op_context *ctx, const char *run_id)
{
	struct attest_thing thing CLEANUP(attest_thing_release) = { 0 };
	CLEANUP_JS struct js *list = NULL;
	struct error why = { 0 };
	struct db *db;
	int r;

	if (!run_id || strcmp(settings_get(op_settings(ctx), SETTING_ATTEST_RUNS), "yes") != 0)
		return;
	r = project_db(ctx->project, &db, &why) < 0 ? -1 : attest_thing_of(ctx, db, run_id, &thing, &why);
	tell_unless(ctx, run_id, r < 0 ? -1 : attest_make(ctx, db, &thing, &list, &why), &why);
}
