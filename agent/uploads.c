/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/uploads.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/artifacts.h"
#include "agent/router.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/http_range.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/intake.h"

#define UPLOADS	 64
#define REST_MS	 (24ll * 3600 * 1000)

struct upload {
	char id[33]; /* "": free */
	struct intake_file *file;
	bool busy; /* a request writes it */
	int64_t used_ms;
};
static struct upload uploads[UPLOADS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct intake *intake;

/* ---- the table; the mutex is held ---- */

static void drop(struct upload *u)
{
	intake_drop(u->file);
	*u = (struct upload){ .id = "" };
}

/* A free place, if need be that of who rested longest. NULL: all are busy. */
static struct upload *free_place(void)
{
	struct upload *oldest = NULL;

	for (size_t i = 0; i < UPLOADS; i++) {
		struct upload *u = &uploads[i];

		if (*u->id && !u->busy && clock_mono_ms() - u->used_ms > REST_MS)
			drop(u);
		if (!*u->id)
			return u;
		if (!u->busy && (!oldest || u->used_ms < oldest->used_ms))
			oldest = u;
	}
	if (oldest)
		drop(oldest);
	return oldest;
}

static struct upload *find(const struct call *call, struct error *err)
{
	const char *id = call_field(call, "upload");
	struct upload *found = NULL;

	for (size_t i = 0; i < UPLOADS; i++)
		if (*uploads[i].id && !strcmp(uploads[i].id, id))
			found = &uploads[i];
	if (!found)
		error_set(err, ERR_NOT_FOUND, "there is no such upload; begin another");
	else if (found->busy)
		error_set(err, ERR_CONFLICT, "another request writes this upload");
	return found && !found->busy ? found : NULL;
}

static void add_offset(struct call *call, const struct upload *u)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)intake_size(u->file));
	call_add_header(call, "Upload-Offset", text);
}

/* ---- requests ---- */

static int begin_upload(struct call *call, struct project *project, struct error *err)
{
	CLEANUP_JS struct js *json = js_object();
	struct upload *u;
	uint64_t random[2];

	(void)project;
	clock_random(random, sizeof(random));
	pthread_mutex_lock(&mutex);
	u = free_place();
	if (!u)
		error_set(err, ERR_LIMIT, "%d uploads are under way", UPLOADS);
	else if (intake_begin(intake, &u->file, err) < 0)
		u = NULL;
	if (u) {
		snprintf(u->id, sizeof(u->id), "%016llx%016llx", (unsigned long long)random[0],
			 (unsigned long long)random[1]);
		u->used_ms = clock_mono_ms();
		js_set_str(json, "upload", u->id);
	}
	pthread_mutex_unlock(&mutex);
	if (!u)
		return -1;
	call_reply_json(call, 201, json);
	return 0;
}

static int begin_part(struct call *call, struct error *err)
{
	const char *offset = call_header(call, "Upload-Offset");
	struct upload *u;
	uint64_t at;

	if (!offset || !http_count_parse(offset, &at))
		return error_set(err, ERR_USAGE, "Upload-Offset must say where the part begins");
	pthread_mutex_lock(&mutex);
	u = find(call, err);
	if (u && intake_size(u->file) != at) {
		error_set(err, ERR_CONFLICT, "the upload has %llu bytes, not %llu",
			  (unsigned long long)intake_size(u->file), (unsigned long long)at);
		u = NULL;
	}
	if (u)
		u->busy = true;
	call->state = u;
	pthread_mutex_unlock(&mutex);
	return u ? 0 : -1;
}

static int take_part(struct call *call, const void *data, size_t len, struct error *err)
{
	struct upload *u = call->state;

	return intake_write(u->file, data, len, err);
}

static void forget_part(void *state)
{
	struct upload *u = state;

	pthread_mutex_lock(&mutex);
	u->busy = false;
	u->used_ms = clock_mono_ms();
	pthread_mutex_unlock(&mutex);
}

static int answer_part(struct call *call, struct project *project, struct error *err)
{
	(void)project;
	(void)err;
	call_reply(call, 200, "application/json", "{}", 2);
	add_offset(call, call->state);
	return 0;
}

static int tell(struct call *call, struct project *project, struct error *err)
{
	struct upload *u;

	(void)project;
	pthread_mutex_lock(&mutex);
	u = find(call, err);
	if (u) {
		call_reply(call, 200, "application/json", "{}", 2);
		add_offset(call, u);
	}
	pthread_mutex_unlock(&mutex);
	return u ? 0 : -1;
}

static int remove_upload(struct call *call, struct project *project, struct error *err)
{
	struct upload *u;

	(void)project;
	pthread_mutex_lock(&mutex);
	u = find(call, err);
	if (u)
		drop(u);
	pthread_mutex_unlock(&mutex);
	if (!u)
		return -1;
	call_reply(call, 200, "application/json", "{}", 2);
	return 0;
}

static int finish(struct call *call, struct project *project, struct error *err)
{
	struct intake_file *file = NULL;
	struct upload *u;

	pthread_mutex_lock(&mutex);
	u = find(call, err);
	if (u) {
		file = steal(&u->file);
		drop(u);
	}
	pthread_mutex_unlock(&mutex);
	if (!file)
		return -1;
	artifact_adopt(call, file);
	return artifact_store(call, project, err);
}

void uploads_start(struct intake *own)
{
	static const struct route rows[] = {
		{ .method = "POST", .path = "/api/v1/uploads", .lane = LANE_SLOW, .serve = begin_upload },
		{ .method = "PATCH", .path = "/api/v1/uploads/{upload}", .lane = LANE_HERE, .max_body = INT64_MAX,
		  .flags = ROUTE_RAW_BODY, .begin = begin_part, .take = take_part, .serve = answer_part,
		  .forget = forget_part },
		{ .method = "HEAD", .path = "/api/v1/uploads/{upload}", .lane = LANE_HERE, .serve = tell },
		{ .method = "DELETE", .path = "/api/v1/uploads/{upload}", .lane = LANE_SLOW, .serve = remove_upload },
		{ .method = "POST", .path = "/api/v1/uploads/{upload}/finish", .lane = LANE_SLOW, .serve = finish,
		  .forget = artifact_forget, .more = &artifact_by_path },
	};
	struct route *routes = xmemdup(rows, sizeof(rows)); /* for the life of the process */

	intake = own;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		routes[i].op = op_find("artifact.put");
	router_add(routes, ARRAY_LEN(rows));
}

void uploads_stop(void)
{
	pthread_mutex_lock(&mutex);
	for (size_t i = 0; i < UPLOADS; i++)
		drop(&uploads[i]);
	pthread_mutex_unlock(&mutex);
}
