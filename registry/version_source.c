/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/version_source.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/keys.h"
#include "registry/logged_models.h"
#include "registry/model_check.h"
#include "registry/models.h"
#include "registry/versions.h"

void version_source_release(struct version_source *s)
{
	free(s->source);
	free(s->location);
	free(s->run_id);
	free(s->model_id);
}

/* Which of the two a request must name, by MLflow's parameter. */
static int refuse(const char *source, const char *parameter, struct error *err)
{
	return error_set(err, ERR_USAGE,
			 "Invalid model version source: '%.300s'. The %s request parameter must identify the resource that"
			 " contains the source.", source, parameter);
}

static bool is_set(const char *text)
{
	return text && *text;
}

static bool scheme_is(const struct uri_parts *parts, const char *scheme)
{
	return parts->scheme_len == strlen(scheme) && !strncasecmp(parts->scheme, scheme, parts->scheme_len);
}

/* Schemes whose URIs choose the host that is asked for the files. */
static int check_scheme(const char *source, const struct uri_parts *parts, struct error *err)
{
	static const char *const hosts[] = { "ftp", "sftp", "hdfs", "viewfs", "http", "https", "r2", "b2", "abfss" };
	bool refused = scheme_is(parts, "mlflow-artifacts") && parts->netloc_len > 0;

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		refused |= scheme_is(parts, hosts[i]);
	if (!refused)
		return 0;
	return error_set(err, ERR_USAGE,
			 "'source' cannot use the '%.*s' scheme: the '%.*s' scheme addresses a host other than the tracking"
			 " server's configured artifact storage, so the server would connect to the host named in the URI",
			 (int)parts->scheme_len, source, (int)parts->scheme_len, source);
}

/* ---- of a run, or of a logged model ---- */

static int run_location(struct db *db, const char *run_id, struct strbuf *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT coalesce(e.artifact_location, 'mlflow-artifacts:/' || e.experiment_id) FROM runs r"
			     " JOIN experiments e ON e.experiment_id = r.experiment WHERE r.run_id = ?1");
	int r;

	db_bind(q, 1, run_id);
	r = db_step(q, err);
	if (r > 0)
		strbuf_printf(ret, "%s/%s/artifacts", db_text(q, 0), run_id);
	return r ? (r < 0 ? -1 : 0) : error_set(err, ERR_NOT_FOUND, "Run with id=%s not found", run_id);
}

/* Where the files of the run or the model that the request names are. */
static int owner_location(struct db *db, const char *source, const char *run_id, const char *model_id, struct strbuf *ret,
			  struct error *err)
{
	CLEANUP_JS struct js *model = NULL;
	struct error miss = { 0 };
	int r;

	if (model_id)
		r = logged_model_load(db, model_id, false, &model, &miss);
	else
		r = run_location(db, run_id, ret, &miss);
	if (r < 0 && miss.code == ERR_NOT_FOUND)
		return refuse(source, model_id ? "model_id" : "run_id", err);
	if (r < 0 && err)
		*err = miss;
	if (model)
		strbuf_puts(ret, js_get_str(js_get(model, "info"), "artifact_uri"));
	return r;
}

static bool is_local(const struct uri_parts *parts)
{
	return !parts->scheme_len || scheme_is(parts, "file");
}

static int check_local(struct db *db, const char *source, const char *run_id, const char *model_id, struct error *err)
{
	CLEANUP_STRBUF struct strbuf root = STRBUF_INIT;
	struct uri_parts parts, at;

	uri_split(source, &parts);
	if (run_id || model_id) {
		if (owner_location(db, source, run_id, model_id, &root, err) < 0)
			return -1;
		uri_split(root.buf, &at);
		/* "/srv/x" and "file:///srv/x" are one place */
		if (is_local(&at) && !parts.netloc_len && uri_is_clean(source) && uri_is_within(parts.path, at.path))
			return 0;
	}
	return error_set(err, ERR_USAGE,
			 "Invalid model version source: '%.300s'. To use a local path as a model version source, the %s request"
			 " parameter has to be specified and the local path has to be contained within the artifact directory of"
			 " the run specified by the %s.", source, model_id ? "model_id" : "run_id",
			 model_id ? "model_id" : "run_id");
}

static int check_runs(const char *source, const struct uri_parts *parts, const char *run_id, struct error *err)
{
	size_t len;

	if (parts->path_len < 2 || parts->path[0] != '/')
		return error_set(err, ERR_USAGE,
				 "Not a proper runs:/ URI: %.300s. Runs URIs must be of the form"
				 " 'runs:/<run_id>/run-relative/path/to/artifact'", source);
	len = strcspn(parts->path + 1, "/?#");
	if (parts->netloc_len || !run_id || strlen(run_id) != len || strncmp(run_id, parts->path + 1, len) != 0)
		return refuse(source, "run_id", err);
	return 0;
}

/* Whose files they are, the request must say, and truly. */
static int check_owner(struct db *db, const char *source, const char *run_id, const char *model_id, struct error *err)
{
	CLEANUP_STRBUF struct strbuf root = STRBUF_INIT;
	struct uri_parts parts;

	uri_split(source, &parts);
	if (is_local(&parts))
		return check_local(db, source, run_id, model_id, err);
	if (!uri_is_clean(source))
		return error_set(err, ERR_USAGE,
				 "Invalid model version source: '%.300s'. If supplying a source as an http, https, local file"
				 " path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without"
				 " relative path references present. Please provide an absolute path.", source);
	if (scheme_is(&parts, "runs"))
		return model_id ? refuse(source, "model_id", err) : check_runs(source, &parts, run_id, err);
	if (!scheme_is(&parts, "mlflow-artifacts"))
		return 0;
	if (!run_id && !model_id)
		return refuse(source, "run_id", err);
	if (owner_location(db, source, model_id ? NULL : run_id, model_id, &root, err) < 0)
		return -1;
	return uri_is_within(source, root.buf) ? 0 : refuse(source, model_id ? "model_id" : "run_id", err);
}

/* ---- of another version ---- */

static int find_number(struct db *db, const struct models_uri *uri, int64_t *ret, struct error *err)
{
	CLEANUP_JS struct js *stages = NULL;
	CLEANUP_JS struct js *latest = NULL;

	if (uri->version)
		return version_number(uri->version, ret, err);
	if (uri->alias)
		return alias_find(db, uri->name, uri->alias, ret, err);
	if (!uri->stage)
		return alias_find(db, uri->name, "latest", ret, err);
	stages = js_array();
	js_push_str(stages, uri->stage);
	if (version_latest(db, uri->name, stages, &latest, err) < 0)
		return -1;
	if (!js_len(latest))
		return error_set(err, ERR_NOT_FOUND, "No versions of model with name '%s' and stage '%s' found", uri->name,
				 uri->stage);
	return version_number(js_get_str(js_at(latest, 0), "version"), ret, err);
}

static int of_version(struct db *db, const struct version_new *new, const struct models_uri *uri,
		      struct version_source *ret, struct error *err)
{
	struct version_lineage from CLEANUP(version_lineage_release) = { 0 };
	int64_t model, number;
	bool prompt;

	if (model_row(db, uri->name, &model, err) < 0 || model_is_prompt(db, model, &prompt, err) < 0)
		return -1;
	if (prompt)
		return error_set(err, ERR_USAGE,
				 "Invalid model version source: '%.300s'. Prompt versions cannot be used as model version sources.",
				 new->source);
	if (find_number(db, uri, &number, err) < 0 || version_lineage(db, uri->name, number, &from, err) < 0)
		return -1;
	if ((new->run_id && strcmp(new->run_id, from.run_id ? from.run_id : "") != 0) ||
	    (is_set(new->model_id) && (!from.model_id || strcmp(new->model_id, from.model_id) != 0)))
		return error_set(err, ERR_USAGE,
				 "Invalid model version source: '%.300s'. The run_id and model_id request parameters must match"
				 " the referenced model version.", new->source);
	ret->source = xasprintf("models:/%s/%lld", uri->name, (long long)number);
	ret->location = steal(&from.location);
	ret->run_id = steal(&from.run_id);
	ret->model_id = steal(&from.model_id);
	return 0;
}

/* ---- all of them ---- */

/* The run that made the logged model, unless the request names another one. */
static int take_model(struct db *db, const struct version_new *new, bool location, struct version_source *ret,
		      struct error *err)
{
	CLEANUP_JS struct js *model = NULL;
	const struct js *info;

	if (logged_model_load(db, new->model_id, false, &model, err) < 0)
		return location ? error_wrap(err, "Unable to fetch model from model URI source artifact location '%.300s'",
					     new->source)
				: -1;
	info = js_get(model, "info");
	ret->model_id = xstrdup(new->model_id);
	if (location) {
		free(ret->location);
		ret->location = xstrdup(js_get_str(info, "artifact_uri"));
	}
	if (!is_set(ret->run_id)) {
		free(ret->run_id);
		ret->run_id = xstrdup(js_get_str(info, "source_run_id"));
	}
	return 0;
}

static int of_models_uri(struct db *db, const struct version_new *new, struct version_source *ret, struct error *err)
{
	struct models_uri uri CLEANUP(models_uri_release) = { 0 };

	if (models_uri_parse(new->source, &uri, NULL) < 0)
		return refuse(new->source, "model_id", err);
	if (!uri.model_id)
		return of_version(db, new, &uri, ret, err);
	if (!is_set(new->model_id) || strcmp(uri.model_id, new->model_id) != 0)
		return refuse(new->source, "model_id", err);
	ret->source = xstrdup(new->source);
	ret->run_id = xstrdup(new->run_id ? new->run_id : "");
	return take_model(db, new, true, ret, err);
}

static int of_files(struct db *db, const struct version_new *new, struct version_source *ret, struct error *err)
{
	const char *run_id = is_set(new->run_id) ? new->run_id : NULL;
	const char *model_id = is_set(new->model_id) ? new->model_id : NULL;

	if (check_owner(db, new->source, run_id, model_id, err) < 0)
		return -1;
	ret->source = xstrdup(new->source);
	ret->location = xstrdup(new->source);
	ret->run_id = xstrdup(new->run_id ? new->run_id : "");
	return model_id ? take_model(db, new, false, ret, err) : 0;
}

/* Prompts live in tags; their source is a word that their clients know. */
static int of_prompt(const struct version_new *new, struct version_source *ret, struct error *err)
{
	if (strcmp(new->source, "dummy-source") != 0 && strcmp(new->source, "prompt-template") != 0)
		return error_set(err, ERR_USAGE,
				 "Invalid prompt source: '%.300s'. Prompt sources must use an MLflow placeholder.", new->source);
	ret->source = xstrdup(new->source);
	ret->location = xstrdup(new->source);
	ret->run_id = xstrdup(new->run_id ? new->run_id : "");
	return 0;
}

int version_source_resolve(struct db *db, const struct version_new *new, bool prompt, struct version_source *ret,
			   struct error *err)
{
	struct version_source found CLEANUP(version_source_release) = { 0 };
	struct uri_parts parts;
	int r;

	if (length_check("source", new->source, SOURCE_CHARS, err) < 0)
		return -1;
	uri_split(new->source, &parts);
	if (check_scheme(new->source, &parts, err) < 0)
		return -1;
	if (scheme_is(&parts, "models") && parts.netloc_len && !prompt)
		return error_set(err, ERR_USAGE,
				 "Invalid model version source: '%.300s'. Registered model sources must use the active model"
				 " registry.", new->source);
	if (prompt)
		r = of_prompt(new, &found, err);
	else
		r = scheme_is(&parts, "models") ? of_models_uri(db, new, &found, err) : of_files(db, new, &found, err);
	if (r < 0)
		return -1;
	*ret = found;
	found = (struct version_source){ 0 };
	return 0;
}
