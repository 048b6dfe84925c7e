/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/artifacts.h"
#include <stdlib.h>
#include <string.h>
#include "agent/access.h"
#include "agent/objects.h"
#include "agent/reply_object.h"
#include "agent/router.h"
#include "agent/seals.h"
#include "agent/uploads.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "registry/files.h"
#include "registry/project.h"
#include "store/intake.h"
#include "store/store.h"

static struct store *store;
static struct intake *intake;

/* A file on its way in. */
struct incoming {
	struct intake_file *file; /* NULL: it is stored */
	struct content content;
	int lock; /* of the store, from storing until the answer is out */
};

void artifact_forget(void *state)
{
	struct incoming *in = state;

	intake_drop(in->file);
	cleanup_fd(&in->lock);
	free(in);
}

int artifact_place_path(const struct call *call, struct db *db, char **ret_path, struct error *err)
{
	const char *path = call_field(call, "path");

	(void)db;
	if (!path || !*path)
		return error_set(err, ERR_USAGE, "Missing value for required parameter 'path'");
	*ret_path = xstrdup(path);
	return 0;
}

/* The path, once it is known that the asker may. */
static int find_place(const struct call *call, struct project *project, struct db **ret_db, char **ret_path,
		      struct error *err)
{
	const struct artifact_route *row = call->route->more;
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP_JS struct js *args = js_object();
	struct db *db;

	if (project_db(project, &db, err) < 0 || row->place(call, db, &path, err) < 0 ||
	    file_path_check(path, err) < 0)
		return -1;
	js_set_str(args, "path", path);
	if (access_op(&call->who, call->route->op, project, args, err) < 0)
		return -1;
	*ret_db = db;
	*ret_path = steal(&path);
	return 0;
}

/* ---- in ---- */

void artifact_adopt(struct call *call, struct intake_file *file)
{
	struct incoming *in = xcalloc(1, sizeof(*in));

	in->file = file;
	in->lock = -1;
	call->state = in;
}

int artifact_begin(struct call *call, struct error *err)
{
	const char *path = call_field(call, "path");
	struct intake_file *file;

	/* What can be refused without a look is refused before the bytes come. */
	if ((path && file_path_check(path, err) < 0) || intake_begin(intake, &file, err) < 0)
		return -1;
	artifact_adopt(call, file);
	return 0;
}

int artifact_take(struct call *call, const void *data, size_t len, struct error *err)
{
	struct incoming *in = call->state;

	return intake_write(in->file, data, len, err);
}

static int write_row(struct call *call, struct project *project, struct error *err)
{
	const struct artifact_route *row = call->route->more;
	struct incoming *in = call->state;
	CLEANUP(cleanup_free) char *path = NULL;
	struct store *own;
	struct db *db;

	if (find_place(call, project, &db, &path, err) < 0 || project_store(project, &own, err) < 0 ||
	    file_put(db, own, path, &in->content, clock_wall_ms(), err) < 0)
		return -1;
	seals_wake();
	row->answer(call, &in->content);
	return 0;
}

int artifact_store(struct call *call, struct project *project, struct error *err)
{
	struct incoming *in = call->state;

	in->lock = lock_take(project->locksfd, LOCK_STORE, LOCK_SHARED, LOCK_WAIT, NULL, NULL, err);
	if (in->lock < 0)
		return -1;
	in->content.kind = CONTENT_FILE;
	in->content.files = 1;
	if (intake_commit(steal(&in->file), &in->content.id, &in->content.size, err) < 0)
		return -1;
	call_continue(call, LANE_WRITE, write_row);
	return 0;
}

/* ---- out ---- */

int artifact_send(struct call *call, struct project *project, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct content content;
	struct store *own;
	struct db *db;

	if (find_place(call, project, &db, &path, err) < 0 || project_store(project, &own, err) < 0 ||
	    file_find(db, own, path, &content, err) < 0)
		return -1;
	if (reply_object(call, own, &content, path, err) < 0)
		return error_wrap(err, "artifact '%.300s'", path);
	return 0;
}

/* ---- /api/v1 ---- */

static void tell(struct call *call, const struct content *content)
{
	CLEANUP_JS struct js *json = js_object();
	char hex[DIGEST_HEX + 1];

	js_set_str(json, "sha256", digest_format(&content->id, hex));
	js_set_int(json, "size", (int64_t)content->size);
	call_reply_json(call, 200, json);
}

const struct artifact_route artifact_by_path = { artifact_place_path, tell };

int artifacts_start(const struct project *project, struct error *err)
{
	CLEANUP(cleanup_free) char *home = project_home_path(project, "");
	const struct op *get = op_find("artifact.get"), *put = op_find("artifact.put");
	struct route *routes = xcalloc(3, sizeof(*routes)); /* for the life of the process */
	const struct route both = { .path = "/api/v1/artifacts/{path*}", .op = get, .lane = LANE_READ,
				    .serve = artifact_send, .more = &artifact_by_path };

	if (store_open(home, false, &store, err) < 0 || intake_open(store, &intake, err) < 0) {
		free(routes);
		return -1;
	}
	routes[0] = routes[1] = routes[2] = both;
	routes[0].method = "GET";
	routes[1].method = "HEAD";
	routes[2] = (struct route){
		.method = "PUT", .path = both.path, .op = put, .flags = ROUTE_RAW_BODY, .lane = LANE_SLOW,
		.max_body = INT64_MAX, .begin = artifact_begin, .take = artifact_take, .serve = artifact_store,
		.forget = artifact_forget, .more = &artifact_by_path,
	};
	router_add(routes, 3);
	objects_start(store, intake);
	uploads_start(intake);
	return 0;
}

void artifacts_stop(void)
{
	uploads_stop();
	intake_close(intake);
	store_close(store);
}
