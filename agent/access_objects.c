/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an operation may be done with the experiments and models that its arguments name. */
#include "agent/access_internal.h"
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/files.h"
#include "registry/project.h"
#include "registry/version_source.h"

/* What those may do, too, who see only a part of what is stored: it tells nothing of that. */
static const char *const neutral[] = { "project.version", "access.whoami", "pipeline.keys" };

/* What lists of results hold, and what each is about. */
static const struct {
	const char *op, *list, *inner, *key;
} listed[] = {
	{ "model.approvals", "approvals", NULL, "name" },
	{ "experiment.search", "experiments", NULL, "experiment_id" },
	{ "run.search", "runs", "info", "experiment_id" },
	{ "dataset.search", "dataset_summaries", NULL, "experiment_id" },
	{ "logged_model.search", "models", "info", "experiment_id" },
	{ "model.search", "registered_models", NULL, "name" },
	{ "version.search", "model_versions", NULL, "name" },
};

/* One thing that an argument names, and where it belongs. */
struct thing {
	bool is_model; /* a registered one, by `name`; else something of `experiment` */
	const char *name;
	char model[4 * 256 + 1]; /* which `name` may be */
	char experiment[24];
	char run[257]; /* which it is, or which made it; "" */
};

struct question {
	const struct principal *who;
	const struct op *op;
	struct db *db;
	enum access_level need;
};

static enum access_level role_level(const struct principal *who)
{
	return who->grant.role == ROLE_VIEWER ? LEVEL_READ : LEVEL_MANAGE;
}

/* ---- arguments ---- */

/* An id is looked up as a number, so each experiment has one spelling that counts: others name nothing. */
static bool is_canonical(const char *id)
{
	return *id && strlen(id) < 19 && id[strspn(id, "0123456789")] == '\0' && (*id != '0' || !id[1]);
}

static int no_experiment(const char *id, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "No Experiment with id=%.40s exists", id);
}

static int find_thing(const struct question *q, const char *key, const char *id, struct thing *ret, struct error *err)
{
	*ret = (struct thing){ 0 };
	if (!strcmp(key, "name")) {
		ret->is_model = true;
		ret->name = id;
		return 1;
	}
	if (!strcmp(key, "version")) {
		const char *at = strrchr(id, '@');

		snprintf(ret->model, sizeof(ret->model), "%.*s", at ? (int)(at - id) : (int)strlen(id), id);
		ret->is_model = true;
		ret->name = ret->model;
		return 1;
	}
	if (!strcmp(key, "experiment_id")) {
		if (!is_canonical(id))
			return no_experiment(id, err);
		snprintf(ret->experiment, sizeof(ret->experiment), "%s", id);
		return 1;
	}
	if (!strcmp(key, "experiment_name"))
		return access_experiment_named(q->db, id, ret->experiment, err);
	if (!strcmp(key, "model_id"))
		return access_model_place(q->db, id, ret->experiment, ret->run, err);
	snprintf(ret->run, sizeof(ret->run), "%s", id);
	return access_run_place(q->db, id, ret->experiment, err);
}

static int check_thing(const struct question *, const struct thing *, struct error *);
static int refuse(const struct question *, struct error *);

/* What is not there is no secret, and the operation says so. */
static int check_id(const struct question *q, const char *key, const char *id, struct error *err)
{
	struct thing thing;
	int r = find_thing(q, key, id, &thing, err);

	return r <= 0 ? r : check_thing(q, &thing, err);
}

static int check_path(const struct question *q, const char *path, struct error *err)
{
	char id[FILE_SUBJECT];
	const char *key = file_subject(path, id);
	struct thing thing;
	int r = key ? find_thing(q, key, id, &thing, err) : 0;

	if (r < 0)
		return -1;
	if (r)
		return check_thing(q, &thing, err);
	/* what could come to be another's is not written before */
	if (key)
		return q->need == LEVEL_READ ? 0 : refuse(q, err);
	/* where an experiment keeps its files elsewhere than below its number, they are nobody's */
	if (!access_is_partial(q->who) && role_level(q->who) >= q->need)
		return 0;
	return error_set(err, ERR_DENIED, "%s may not use files that belong to no experiment", q->who->name);
}

/* A number counts as its text. */
static int check_value(const struct question *q, const char *key, const struct js *value, struct error *err)
{
	char number[24];

	if (js_typeof(value) == JS_INT) {
		snprintf(number, sizeof(number), "%lld", (long long)js_int_value(value));
		return check_id(q, key, number, err);
	}
	if (js_typeof(value) != JS_STR)
		return error_set(err, ERR_USAGE, "%s must be text", key);
	return strcmp(key, "path") ? check_id(q, key, js_text(value), err) : check_path(q, js_text(value), err);
}

/* The arguments that name things, of one or several. */
static const struct {
	enum op_about about;
	const char *argument, *key;
} arguments[] = {
	{ ABOUT_EXPERIMENT, "experiment_id", "experiment_id" },
	{ ABOUT_EXPERIMENT, "experiment_ids", "experiment_id" },
	{ ABOUT_EXPERIMENT, "experiment_name", "experiment_name" },
	{ ABOUT_RUN, "run_id", "run_id" },
	{ ABOUT_RUN, "run_uuid", "run_id" },
	{ ABOUT_RUN, "run_ids", "run_id" },
	{ ABOUT_LOGGED_MODEL, "model_id", "model_id" },
	{ ABOUT_MODEL, "name", "name" },
	{ ABOUT_VERSION, "name", "version" },
	{ ABOUT_FILE, "path", "path" },
};

static int check_argument(const struct question *q, const char *key, const struct js *value, struct error *err)
{
	if (js_typeof(value) != JS_ARRAY)
		return check_value(q, key, value, err);
	for (size_t i = 0; i < js_len(value); i++)
		if (check_value(q, key, js_at(value, i), err) < 0)
			return -1;
	return 0;
}

static int check_arguments(const struct question *q, const struct js *args, struct error *err)
{
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
		const struct js *value = js_get(args, arguments[i].argument);

		if (arguments[i].about != q->op->about || !value)
			continue;
		found = true;
		if (check_argument(q, arguments[i].key, value, err) < 0)
			return -1;
	}
	if (found)
		return 0;
	/* MLflow's default */
	if (q->op->about == ABOUT_EXPERIMENT)
		return check_id(q, "experiment_id", "0", err);
	return error_set(err, ERR_DENIED, "%s does not say what it is about", q->op->name);
}

/* What some write or copy besides what they are about; with `list` each of it names one. */
static const struct {
	const char *op, *list, *argument;
	enum access_level need;
} besides[] = {
	{ "metric.log", NULL, "model_id", LEVEL_EDIT },
	{ "run.log", "metrics", "model_id", LEVEL_EDIT },
	{ "version.create", NULL, "model_id", LEVEL_READ },
	{ "version.create", NULL, "run_id", LEVEL_READ },
};

static int check_beside(struct question q, size_t row, const struct js *holder, struct error *err)
{
	const struct js *value = js_get(holder, besides[row].argument);
	const char *text = js_text(value);

	q.need = besides[row].need;
	return js_typeof(value) == JS_NULL || (text && !*text) ? 0 : check_value(&q, besides[row].argument, value, err);
}

/* A version that is made of another one takes over what that says. */
static int check_source(struct question q, const char *source, struct error *err)
{
	struct models_uri uri CLEANUP(models_uri_release) = { 0 };

	q.need = LEVEL_READ;
	if (!source || models_uri_parse(source, &uri, NULL) < 0)
		return 0;
	return uri.name ? check_id(&q, "name", uri.name, err) : check_id(&q, "model_id", uri.model_id, err);
}

static int check_besides(const struct question *q, const struct js *args, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(besides); i++) {
		const struct js *list = besides[i].list ? js_get(args, besides[i].list) : NULL;

		if (strcmp(besides[i].op, q->op->name) != 0)
			continue;
		if (!besides[i].list && check_beside(*q, i, args, err) < 0)
			return -1;
		for (size_t k = 0; k < js_len(list); k++)
			if (check_beside(*q, i, js_at(list, k), err) < 0)
				return -1;
	}
	return strcmp(q->op->name, "version.create") ? 0 : check_source(*q, js_get_str(args, "source"), err);
}

/* ---- levels ---- */

static enum access_level needed(const struct op *op)
{
	if (op->flags & OP_MANAGES)
		return LEVEL_MANAGE;
	return op->role == ROLE_VIEWER ? LEVEL_READ : LEVEL_EDIT;
}

static int find_level(const struct question *q, const struct thing *thing, enum access_level *ret, struct error *err)
{
	const struct grant *g = &q->who->grant;

	*ret = role_level(q->who);
	if (!g->special)
		return 0;
	return permission_find(q->db, g->user_row, thing->is_model ? "model" : "experiment",
			       thing->is_model ? thing->name : thing->experiment, ret, err) < 0 ? -1 : 0;
}

static int refuse(const struct question *q, struct error *err)
{
	static const char *const verbs[ACCESS_LEVELS] = { "", "read", "edit", "manage" };

	if (!*q->who->grant.run)
		return error_set(err, ERR_DENIED, "Permission denied: %s may not %s this", q->who->name, verbs[q->need]);
	return error_set(err, ERR_DENIED, "Permission denied: %s is for run %s, and may %s no other", q->who->name,
			 q->who->grant.run, verbs[q->need]);
}

/* Its run and what that made may be written, and the experiment that it is in read. */
static int check_run_only(const struct question *q, const struct thing *thing, struct error *err)
{
	const char *run = q->who->grant.run;
	char experiment[24];
	int r;

	if (*thing->run)
		return !strcmp(thing->run, run) && q->need <= LEVEL_EDIT ? 0 : refuse(q, err);
	if (thing->is_model || q->need > LEVEL_READ)
		return refuse(q, err);
	r = access_run_place(q->db, run, experiment, err);
	if (r < 0)
		return -1;
	return r && !strcmp(experiment, thing->experiment) ? 0 : refuse(q, err);
}

static int check_thing(const struct question *q, const struct thing *thing, struct error *err)
{
	enum access_level level;

	if (*q->who->grant.run)
		return check_run_only(q, thing, err);
	if (find_level(q, thing, &level, err) < 0)
		return -1;
	return level >= q->need ? 0 : refuse(q, err);
}

/* ---- operations ---- */

bool access_is_neutral(const struct op *op)
{
	for (size_t i = 0; i < ARRAY_LEN(neutral); i++)
		if (!strcmp(neutral[i], op->name))
			return true;
	return false;
}

/* Searches whose results access_filter narrows, and makers of what is new. */
static bool is_filtered(const struct op *op)
{
	for (size_t i = 0; i < ARRAY_LEN(listed); i++)
		if (!strcmp(listed[i].op, op->name) && !(op->flags & OP_BYTES))
			return true;
	return false;
}

bool access_is_divisible(const struct op *op)
{
	bool makes = op->flags & OP_TRACKING && op->flags & OP_ONCE;

	return op->about != ABOUT_NOTHING || access_is_neutral(op) || is_filtered(op) || makes;
}

bool access_is_partial(const struct principal *who)
{
	return *who->grant.run || (who->grant.hidden && who->grant.role < ROLE_ADMIN);
}

/* A token for a run may make models of that run, where the run is. */
static bool makes_model_of_run(const struct question *q, const struct js *args)
{
	const char *source = js_get_str(args, "source_run_id");

	return *q->who->grant.run && source && !strcmp(q->op->name, "logged_model.create") &&
	       !strcmp(source, q->who->grant.run);
}

static int check_about_nothing(const struct question *q, struct error *err)
{
	bool may = *q->who->grant.run ? access_is_neutral(q->op) : access_is_divisible(q->op);

	if (may || !access_is_partial(q->who))
		return 0;
	return error_set(err, ERR_DENIED, "%s is not for %s, who may see a part only", q->op->name, q->who->name);
}

static int check_role(const struct principal *who, const struct op *op, struct error *err)
{
	const struct grant *g = &who->grant;
	bool lifted = op->about != ABOUT_NOTHING && g->special && op->role <= ROLE_ENGINEER;

	if (g->role >= (int)op->role || lifted)
		return 0;
	return error_set(err, ERR_DENIED, "%s has role %s, %s needs %s", who->name, access_roles[g->role], op->name,
			 access_roles[op->role]);
}

int access_op(const struct principal *who, const struct op *op, struct project *project, const struct js *args,
	      struct error *err)
{
	struct question q = { .who = who, .op = op, .need = needed(op) };

	if (who->how == PRINCIPAL_NOBODY)
		return error_set(err, ERR_AUTH, "it is not known who asks");
	if (check_role(who, op, err) < 0)
		return -1;
	if (!*who->grant.run && (!who->grant.special || who->grant.role == ROLE_ADMIN))
		return 0;
	if (op->about == ABOUT_NOTHING)
		return check_about_nothing(&q, err);
	if (makes_model_of_run(&q, args))
		q.need = LEVEL_READ;
	if (project_db(project, &q.db, err) < 0 || check_arguments(&q, args, err) < 0)
		return -1;
	return check_besides(&q, args, err);
}

/* ---- results ---- */

static int filter_list(const struct question *q, struct js *result, size_t row, struct error *err)
{
	CLEANUP_JS struct js *all = js_open(js_get(result, listed[row].list));
	CLEANUP_JS struct js *seen = js_array();

	for (size_t i = 0; i < js_len(all); i++) {
		struct js *item = js_at(all, i);
		const struct js *holder = listed[row].inner ? js_get(item, listed[row].inner) : item;
		struct error why = { 0 };

		if (check_value(q, listed[row].key, js_get(holder, listed[row].key), &why) == 0)
			js_push(seen, js_ref(item));
		else if (why.code != ERR_DENIED) {
			*err = why;
			return -1;
		}
	}
	if (all)
		js_set(result, listed[row].list, steal(&seen));
	return 0;
}

int access_filter(const struct principal *who, const struct op *op, struct project *project, struct js *result,
		  struct error *err)
{
	struct question q = { .who = who, .op = op, .need = LEVEL_READ };

	if (!access_is_partial(who))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(listed); i++)
		if (!strcmp(listed[i].op, op->name))
			return project_db(project, &q.db, err) < 0 ? -1 : filter_list(&q, result, i, err);
	return 0;
}

const char *access_narrows(const struct principal *who, const struct op *op)
{
	for (size_t i = 0; access_is_partial(who) && i < ARRAY_LEN(listed); i++)
		if (!strcmp(listed[i].op, op->name))
			return listed[i].list;
	return NULL;
}
