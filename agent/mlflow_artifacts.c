/* SPDX-License-Identifier: Apache-2.0 */
/* MLflow's artifact proxy, and its other ways to files. */
#include "agent/artifacts.h"
#include "agent/mlflow.h"
#include "agent/operation.h"
#include "agent/router.h"
#include "agent/seals.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/files.h"
#include "registry/versions.h"

static const char *const prefixes[] = { "/api/2.0", "/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0" };

/* ---- runs and versions ---- */

static const char *need(const struct call *call, const char *name, const char *other, struct error *err)
{
	const char *value = call_field(call, name);

	if ((!value || !*value) && other)
		value = call_field(call, other);
	if (value && *value)
		return value;
	error_set(err, ERR_USAGE, "Missing value for required parameter '%s'", name);
	return NULL;
}

static int join(const char *root, const char *path, char **ret, struct error *err)
{
	/* By itself, so that it cannot climb. */
	if (file_path_check(path, err) < 0)
		return -1;
	*ret = xasprintf("%s/%s", root, path);
	return 0;
}

static int place_in_run(const struct call *call, struct db *db, char **ret_path, struct error *err)
{
	const char *run = need(call, "run_id", "run_uuid", err), *path = run ? need(call, "path", NULL, err) : NULL;
	CLEANUP(cleanup_free) char *root = NULL;
	CLEANUP(cleanup_free) char *uri = NULL;

	if (!path || file_root_of_run(db, run, &root, &uri, err) < 0)
		return -1;
	return join(root, path, ret_path, err);
}

static int place_in_model(const struct call *call, struct db *db, char **ret_path, struct error *err)
{
	const char *path = need(call, "artifact_file_path", NULL, err);
	CLEANUP(cleanup_free) char *root = NULL;
	CLEANUP(cleanup_free) char *uri = NULL;

	if (!path || file_root_of_model(db, call_field(call, "model_id"), &root, &uri, err) < 0)
		return -1;
	return join(root, path, ret_path, err);
}

static int place_in_version(const struct call *call, struct db *db, char **ret_path, struct error *err)
{
	const char *name = need(call, "name", NULL, err), *version = name ? need(call, "version", NULL, err) : NULL;
	const char *path = version ? need(call, "path", NULL, err) : NULL;
	struct version_lineage files CLEANUP(version_lineage_release) = { 0 };
	CLEANUP(cleanup_free) char *root = NULL;
	int64_t number;

	if (!path || version_number(version, &number, err) < 0 ||
	    version_lineage(db, name, number, &files, err) < 0)
		return -1;
	root = file_root_of_uri(files.location);
	if (!root)
		return error_set(err, ERR_UNSUPPORTED, "the files of version %s of %s are kept at %s", version, name,
				 files.location);
	return join(root, path, ret_path, err);
}

/* ---- answers ---- */

static void answer_empty(struct call *call, const struct content *content)
{
	(void)content;
	call_reply(call, 200, "application/json", "{}", 2);
}

static int remove_files(struct call *call, struct project *project, struct error *err)
{
	CLEANUP_JS struct js *args = NULL;
	CLEANUP_JS struct js *result = NULL;

	if (operation_args(call, call->route->op, false, &args, err) < 0 ||
	    operation_call(call, call->route->op, project, args, &result, err) < 0)
		return -1;
	seals_wake();
	answer_empty(call, NULL);
	return 0;
}

/* What is no directory has an empty answer: so the client tells a file from one. An empty file has no size. */
static void encode_list(const struct call *call, struct js *result)
{
	struct js *files = js_get(result, "files");

	(void)call;
	for (size_t i = 0; i < js_len(files); i++)
		if (js_get_int(js_at(files, i), "file_size", 0) == 0)
			js_del(js_at(files, i), "file_size");
	if (!js_len(files))
		js_del(result, "files");
}

static int list_files(struct call *call, struct project *project, struct error *err)
{
	CLEANUP_JS struct js *args = NULL;
	CLEANUP_JS struct js *result = NULL;

	if (operation_args(call, call->route->op, false, &args, err) < 0)
		return -1;
	js_del(args, "max_results");
	js_del(args, "page_token");
	if (operation_call(call, call->route->op, project, args, &result, err) < 0)
		return -1;
	encode_list(call, result);
	call_reply_json(call, 200, result);
	return 0;
}

static int refuse_parts(struct call *call, struct project *project, struct error *err)
{
	(void)call;
	(void)project;
	return error_set(err, ERR_UNSUPPORTED, "Multipart upload is not supported for the current artifact repository");
}

static int refuse_presigned(struct call *call, struct project *project, struct error *err)
{
	(void)call;
	(void)project;
	return error_set(err, ERR_UNSUPPORTED,
			 "Presigned downloads are not supported for the current artifact repository");
}

static const struct artifact_route by_path = { artifact_place_path, answer_empty };
static const struct artifact_route by_model = { place_in_model, answer_empty };
static const struct artifact_route by_version = { place_in_version, answer_empty };
static const struct artifact_route by_run = { place_in_run, answer_empty };

enum kind { LIST, SEND, STORE, REMOVE, REFUSE };
static const struct {
	const char *method, *path; /* below a prefix; `once`: as it is */
	bool once;
	enum kind kind;
	const char *op;
	const void *more;
	int (*serve)(struct call *, struct project *, struct error *);
} rows[] = {
	{ "GET", "/mlflow-artifacts/artifacts", false, LIST, "artifact.list", NULL, list_files },
	{ "GET", "/mlflow-artifacts/artifacts/{path*}", false, SEND, "artifact.get", &by_path, artifact_send },
	{ "HEAD", "/mlflow-artifacts/artifacts/{path*}", false, SEND, "artifact.get", &by_path, artifact_send },
	{ "PUT", "/mlflow-artifacts/artifacts/{path*}", false, STORE, "artifact.put", &by_path, artifact_store },
	{ "DELETE", "/mlflow-artifacts/artifacts/{path*}", false, REMOVE, "artifact.rm", NULL, remove_files },
	{ "POST", "/mlflow-artifacts/mpu/create/{path*}", false, REFUSE, "artifact.put", NULL, refuse_parts },
	{ "POST", "/mlflow-artifacts/mpu/complete/{path*}", false, REFUSE, "artifact.put", NULL, refuse_parts },
	{ "POST", "/mlflow-artifacts/mpu/abort/{path*}", false, REFUSE, "artifact.put", NULL, refuse_parts },
	{ "GET", "/mlflow-artifacts/presigned/{path*}", false, REFUSE, "artifact.get", NULL, refuse_presigned },
	{ "GET", "/get-artifact", true, SEND, "artifact.get", &by_run, artifact_send },
	{ "HEAD", "/get-artifact", true, SEND, "artifact.get", &by_run, artifact_send },
	{ "GET", "/model-versions/get-artifact", true, SEND, "artifact.get", &by_version, artifact_send },
	{ "HEAD", "/model-versions/get-artifact", true, SEND, "artifact.get", &by_version, artifact_send },
	{ "GET", "/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files", true, SEND, "artifact.get", &by_model,
	  artifact_send },
	{ "POST", "/ajax-api/2.0/mlflow/upload-artifact", true, STORE, "artifact.put", &by_run, artifact_store },
};
static const enum lane lanes[] = {
	[LIST] = LANE_READ, [SEND] = LANE_READ, [STORE] = LANE_SLOW, [REMOVE] = LANE_WRITE, [REFUSE] = LANE_HERE,
};

static struct route make_route(size_t i, const char *prefix)
{
	struct route route = {
		.method = rows[i].method,
		.flags = rows[i].kind == REFUSE ? ROUTE_REFUSED : 0,
		.path = xasprintf("%s%s", prefix, rows[i].path),
		.op = op_find(rows[i].op),
		.lane = lanes[rows[i].kind],
		.serve = rows[i].serve,
		.fail = mlflow_fail,
		.more = rows[i].more,
	};

	if (rows[i].kind == STORE) {
		route.flags = ROUTE_RAW_BODY;
		route.max_body = INT64_MAX;
		route.begin = artifact_begin;
		route.take = artifact_take;
		route.forget = artifact_forget;
	}
	return route;
}

void mlflow_artifacts_start(void)
{
	/* for the life of the process */
	struct route *routes = xcalloc(ARRAY_LEN(rows) * ARRAY_LEN(prefixes), sizeof(*routes));
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t p = 0; p < (rows[i].once ? 1 : ARRAY_LEN(prefixes)); p++)
			routes[n++] = make_route(i, rows[i].once ? "" : prefixes[p]);
	router_add(routes, n);
}

/* ---- below /mlflow ---- */

/* Its clients say run_uuid, too. */
static int decode_list(const struct call *call, struct js *args, struct error *err)
{
	const char *run = need(call, "run_id", "run_uuid", err);

	if (!run)
		return -1;
	js_set_str(args, "run_id", run);
	return 0;
}

static int decode_directory(const struct call *call, struct js *args, struct error *err)
{
	(void)err;
	js_set_str(args, "path", call_field(call, "artifact_directory_path"));
	return 0;
}

static const struct mlflow_route list_rows[] = {
	{ "GET", "/artifacts/list", "run.artifacts", decode_list, encode_list },
	{ "GET", "/logged-models/{model_id}/artifacts/directories", "logged_model.artifacts", decode_directory,
	  encode_list },
};
const struct mlflow_table mlflow_artifacts = { list_rows, ARRAY_LEN(list_rows) };
