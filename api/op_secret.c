/* SPDX-License-Identifier: Apache-2.0 */
/* secret add, list and rm. A value passes through here once; records and errors hold its name alone. */
#include <string.h>
#include <sys/stat.h>
#include "api/ops.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mask.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "registry/events.h"
#include "registry/project.h"
#include "registry/secrets.h"

static int begin(struct op_context *ctx, struct db **ret, struct error *err)
{
	return project_db(ctx->project, ret, err) < 0 ? -1 : db_begin(*ret, err);
}

static int record(struct op_context *ctx, struct db *db, const char *operation, const char *name, struct error *err)
{
	struct event event = {
		.actor = op_actor(ctx),
		.origin = ctx->origin ? ctx->origin : "cli",
		.operation = operation,
		.subject = name,
	};

	return event_append(db, &event, clock_wall_ms(), NULL, err);
}

/* The event is there before the change is seen, and goes if the change fails. */
static int put(struct op_context *ctx, const char *name, const struct strbuf *value, bool *ret_replaced,
	       struct error *err)
{
	struct db *db;

	if (begin(ctx, &db, err) < 0)
		return -1;
	if (record(ctx, db, "secret.add", name, err) < 0 ||
	    secret_put(ctx->project, name, value->buf, value->len, ret_replaced, err) < 0) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, err);
}

static int check_name(const char *name, struct error *err)
{
	const char *fault = secret_name_fault(name);

	if (!fault)
		return 0;
	error_set(err, ERR_USAGE, "secret name '%s' %s", name, fault);
	return error_help(err, "run: mlops secret add NAME < FILE   (the value is read from standard input)");
}

int op_secret_add(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(secret_wipe) struct strbuf value = STRBUF_INIT;
	CLEANUP(cleanup_free) char *what = NULL;
	const char *name = js_get_str(args, "name");
	bool replaced;

	if (check_name(name, err) < 0)
		return -1;
	what = xasprintf("value of %s", name);
	secret_guard();
	if (ctx->read(ctx->ctx, what, SECRET_MAX, &value, err) < 0)
		return err && err->code == ERR_USAGE ?
			error_help(err, "keep what is that large in a file of its own, and make the key to it the secret") : -1;
	if (put(ctx, name, &value, &replaced, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "name", name);
	js_set_bool(*ret_result, "replaced", replaced);
	js_set_bool(*ret_result, "masked", value.len >= MASK_SHORTEST);
	return 0;
}

int op_secret_rm(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "name");
	struct db *db;

	if (begin(ctx, &db, err) < 0)
		return -1;
	if (record(ctx, db, "secret.rm", name, err) < 0 || secret_remove(ctx->project, name, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "name", name);
	return 0;
}

/* ---- list ---- */

/* Who asks for it in the pipeline; NULL when nobody does. */
static struct js *steps_json(const struct pipeline *pipeline, const char *name)
{
	struct js *steps = NULL;

	for (size_t i = 0; pipeline && i < pipeline->nsteps; i++) {
		const struct step *step = &pipeline->steps[i];
		bool uses = false;
		for (size_t k = 0; k < step->nsecrets; k++)
			uses |= !strcmp(step->secrets[k].name, name);
		if (!uses)
			continue;
		if (!steps)
			steps = js_array();
		js_push_str(steps, step->name);
	}
	return steps;
}

static bool is_listed(const struct js *list, const char *name)
{
	for (size_t i = 0; i < js_len(list); i++)
		if (!strcmp(js_get_str(js_at(list, i), "name"), name))
			return true;
	return false;
}

/* Those that steps ask for and nobody added, in file order. */
static struct js *missing_json(const struct pipeline *pipeline, const struct js *there)
{
	struct js *missing = js_array();

	for (size_t i = 0; pipeline && i < pipeline->nsteps; i++) {
		const struct step *step = &pipeline->steps[i];
		for (size_t k = 0; k < step->nsecrets; k++) {
			const char *name = step->secrets[k].name;
			struct js *item;
			if (is_listed(there, name) || is_listed(missing, name))
				continue;
			item = js_object();
			js_set_str(item, "name", name);
			js_set(item, "steps", steps_json(pipeline, name));
			js_push(missing, item);
		}
	}
	return missing;
}

static void note_refused(void *ctx, const char *name, const struct error *err)
{
	CLEANUP(cleanup_free) char *text = xasprintf("%s; %s", err->msg, err->help);

	(void)name;
	js_push_str(ctx, text);
}

/* A pipeline with mistakes has no steps here, and the mistake is a note. */
static struct pipeline *load_pipeline(struct project *p, struct js *notes)
{
	struct pipeline *pipeline = NULL;
	struct error why = { 0 };
	struct stat st;

	if (fs_stat_beneath(p->rootfd, "pipeline.ini", &st, NULL) <= 0)
		return NULL;
	if (pipeline_load(p->rootfd, "pipeline.ini", NULL, &pipeline, &why) < 0) {
		CLEANUP(cleanup_free) char *text = xasprintf("which steps use them is not known: %s", why.msg);
		js_push_str(notes, text);
	}
	return pipeline;
}

int op_secret_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(secret_list_release) struct secret_list found = { 0 };
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;
	CLEANUP_JS struct js *notes = js_array();
	struct js *secrets;

	(void)args;
	if (secret_list(ctx->project, &found, note_refused, notes, err) < 0)
		return -1;
	pipeline = load_pipeline(ctx->project, notes);
	secrets = js_array();
	for (size_t i = 0; i < found.len; i++) {
		struct js *item = js_object(), *steps = steps_json(pipeline, found.items[i].name);
		js_set_str(item, "name", found.items[i].name);
		js_set_int(item, "changed", found.items[i].changed_ms);
		js_set(item, "steps", steps ? steps : js_array());
		js_push(secrets, item);
	}
	*ret_result = js_object();
	js_set(*ret_result, "missing", missing_json(pipeline, secrets));
	js_set(*ret_result, "secrets", secrets);
	js_set(*ret_result, "notes", js_ref(notes));
	return 0;
}
