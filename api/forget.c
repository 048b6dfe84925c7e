/* SPDX-License-Identifier: Apache-2.0 */
#include "api/forget.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "api/data.h"
#include "api/events.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/forgotten.h"
#include "registry/project.h"
#include "registry/rows.h"
#include "store/store.h"
#include "store/tombstone.h"

#define MARKER "forgetting"
#define LOCK   "forget"

int forget_begin(struct op_context *ctx, struct error *err)
{
	return lock_take(ctx->project->locksfd, LOCK, LOCK_EXCLUSIVE, LOCK_WAIT, NULL, NULL, err);
}

int forget_mark(struct op_context *ctx, struct error *err)
{
	return io_replace_file(ctx->project->homefd, MARKER, "", 0, 0644, true, err);
}

/* ---- what every place is told ---- */

static struct digest *ids_of(const struct forget_request *request)
{
	struct digest *ids = xcalloc(request->len + 1, sizeof(*ids));

	for (size_t i = 0; i < request->len; i++)
		ids[i] = request->items[i].id;
	return ids;
}

static void stone_of(const struct forget_request *request, struct tombstone *ret)
{
	char now[32];

	clock_format_utc(clock_wall_ms(), now);
	snprintf(ret->date, sizeof(ret->date), "%.10s", now);
	snprintf(ret->reason, sizeof(ret->reason), "%s", request->reason);
}

/* ---- here ---- */

/* Nobody writes into the store meanwhile: who has looked whether he may, has committed. */
static int remove_here(struct op_context *ctx, const struct forget_request *request, struct js *result, struct error *err)
{
	CLEANUP(cleanup_free) struct digest *ids = ids_of(request);
	CLEANUP(cleanup_fd) int lock = -1;
	struct tombstone stone;
	struct store *store;
	uint64_t removed, copies;

	if (project_store(ctx->project, &store, err) < 0)
		return -1;
	lock = lock_take(ctx->project->locksfd, LOCK_STORE, LOCK_EXCLUSIVE, LOCK_WAIT, NULL, NULL, err);
	if (lock < 0)
		return -1;
	stone_of(request, &stone);
	if (store_forget(store, ids, request->len, &stone, &removed, err) < 0)
		return -1;
	FAILPOINT("forget.removed");
	if (forget_copies(ctx, request, &copies, err) < 0)
		return -1;
	js_set_int(result, "removed", (int64_t)removed);
	js_set_int(result, "copies", (int64_t)copies);
	return 0;
}

/* ---- remotes ---- */

struct outcome {
	char *remote;
	struct error err; /* code 0: it has forgotten */
};
struct outcomes {
	struct outcome *v;
	size_t len;
};

static void outcomes_release(struct outcomes *o)
{
	for (size_t i = 0; i < o->len; i++)
		free(o->v[i].remote);
	free(o->v);
}

/* A pipeline.ini that cannot be read names no remotes, and must not keep bytes here. */
static void tell_remotes(struct op_context *ctx, const struct forget_request *request, struct outcomes *ret)
{
	struct remotes remotes CLEANUP(remotes_release) = { 0 };
	CLEANUP(cleanup_free) struct digest *ids = ids_of(request);
	struct tombstone stone;

	if (remotes_load(ctx, NULL, &remotes, NULL) < 0)
		return;
	stone_of(request, &stone);
	ret->v = xcalloc(remotes.len + 1, sizeof(*ret->v));
	for (size_t i = 0; i < remotes.len; i++) {
		struct outcome *o = &ret->v[ret->len++];
		struct remote *remote;

		o->remote = xstrdup(remotes.places[i].name);
		if (remotes_open(&remotes, o->remote, false, &remote, &o->err) == 0)
			remote->ops->forget(remote, ids, request->len, &stone, &o->err);
	}
}

static int record_remotes(struct db *db, int64_t id, const struct outcomes *o, int64_t now_ms, struct error *err)
{
	for (size_t i = 0; i < o->len; i++)
		if (forget_remote_set(db, id, o->v[i].remote, o->v[i].err.code ? o->v[i].err.msg : NULL, now_ms, err) < 0)
			return -1;
	return 0;
}

/* ---- done ---- */

static int note_done(struct op_context *ctx, struct db *db, const struct forget_request *request, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();
	struct js *digests = js_array();
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < request->len; i++)
		js_push_str(digests, digest_format(&request->items[i].id, hex));
	js_set_int(body, "id", request->id);
	js_set(body, "digests", digests);
	js_set_str(body, "reason", request->reason);
	return op_event(ctx, db, &(struct op_event){ .operation = "forget.done", .subject = request->subject, .body = body }, err);
}

static int finish(struct op_context *ctx, struct db *db, const struct forget_request *request, const struct outcomes *o,
		  struct error *err)
{
	int64_t now_ms = clock_wall_ms();
	int r;

	if (db_begin(db, err) < 0)
		return -1;
	r = forget_finish(db, request, now_ms, err);
	if (r == 0)
		r = record_remotes(db, request->id, o, now_ms, err);
	if (r == 0)
		r = note_done(ctx, db, request, err);
	return write_end(db, r, err);
}

int forget_carry_out(struct op_context *ctx, int64_t id, struct js **ret, struct error *err)
{
	CLEANUP(forget_request_release) struct forget_request request = { .id = 0 };
	CLEANUP(outcomes_release) struct outcomes outcomes = { .len = 0 };
	CLEANUP_JS struct js *result = js_object();
	struct js *paths = js_array();
	struct db *db;
	int64_t next;

	js_set(result, "work_tree", paths);
	if (project_db(ctx->project, &db, err) < 0 || forget_load(db, id, &request, err) < 0 ||
	    forget_work_tree(ctx, &request, paths, err) < 0 || remove_here(ctx, &request, result, err) < 0)
		return -1;
	tell_remotes(ctx, &request, &outcomes);
	FAILPOINT("forget.told");
	if (finish(ctx, db, &request, &outcomes, err) < 0)
		return -1;
	FAILPOINT("forget.done");
	if (forget_agreed(db, &next, err) == 0)
		unlinkat(ctx->project->homefd, MARKER, 0);
	*ret = steal(&result);
	return 0;
}

static void tell_resumed(struct op_context *ctx, struct db *db, int64_t id)
{
	CLEANUP_JS struct js *row = NULL;
	CLEANUP(cleanup_free) char *text = NULL;

	if (forget_describe(db, id, &row, NULL) < 0)
		return;
	text = xasprintf("what was agreed to and interrupted is done: %s is forgotten", js_get_str(row, "subject"));
	data_tell(ctx, text);
}

int forget_resume(struct op_context *ctx, struct error *err)
{
	CLEANUP(cleanup_fd) int turn = -1;
	struct db *db;
	int64_t id;
	int r;

	if (faccessat(ctx->project->homefd, MARKER, F_OK, 0) < 0)
		return 0;
	turn = lock_take(ctx->project->locksfd, LOCK, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, NULL);
	if (turn < 0)
		return 0;
	if (project_db(ctx->project, &db, err) < 0)
		return -1;
	while ((r = forget_agreed(db, &id, err)) > 0) {
		CLEANUP_JS struct js *result = NULL;

		if (forget_carry_out(ctx, id, &result, err) < 0)
			return -1;
		tell_resumed(ctx, db, id);
	}
	if (r == 0)
		unlinkat(ctx->project->homefd, MARKER, 0);
	return r;
}

/* ---- remotes that were not there ---- */

int forget_tell_remotes(struct op_context *ctx, int64_t id, struct error *err)
{
	CLEANUP(forget_request_release) struct forget_request request = { .id = 0 };
	CLEANUP(outcomes_release) struct outcomes outcomes = { .len = 0 };
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || forget_load(db, id, &request, err) < 0)
		return -1;
	tell_remotes(ctx, &request, &outcomes);
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, record_remotes(db, id, &outcomes, clock_wall_ms(), err), err);
}

int forget_tell_left(struct op_context *ctx, struct error *err)
{
	int64_t id = 0;
	struct db *db;
	int r = project_db(ctx->project, &db, err);

	while (r == 0 && (r = forget_left(db, id, &id, err)) > 0)
		r = forget_tell_remotes(ctx, id, err);
	return r;
}
