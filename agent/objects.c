/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/objects.h"
#include <stdlib.h>
#include "agent/reply_object.h"
#include "agent/router.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/project.h"
#include "store/content.h"
#include "store/intake.h"
#include "store/store.h"
#include "store/tombstone.h"

static struct store *store;
static struct intake *intake;

/* An object on its way in. */
struct incoming {
	struct digest id;
	struct intake_file *file; /* NULL: the store has it, and the bytes are not looked at */
};

static void forget(void *state)
{
	struct incoming *in = state;

	intake_drop(in->file);
	free(in);
}

static int read_digest(const struct call *call, struct digest *ret, struct error *err)
{
	const char *hex = call_field(call, "digest");

	return digest_parse(hex, ret) ? 0 : error_set(err, ERR_USAGE, "'%.80s' is no digest", hex);
}

static int begin(struct call *call, struct error *err)
{
	struct intake_file *file = NULL;
	struct incoming *in;
	struct digest id;

	if (read_digest(call, &id, err) < 0 || tombstone_refuse(store, &id, err) < 0 || (!store_has(store, &id) && intake_begin(intake, &file, err) < 0))
		return -1;
	in = xcalloc(1, sizeof(*in));
	*in = (struct incoming){ id, file };
	call->state = in;
	return 0;
}

static int take(struct call *call, const void *data, size_t len, struct error *err)
{
	struct incoming *in = call->state;

	return in->file ? intake_write(in->file, data, len, err) : 0;
}

static int keep(struct incoming *in, struct error *err)
{
	char hex[DIGEST_HEX + 1];
	struct digest id;
	uint64_t size;
	bool has;

	if (!in->file)
		return store_has_durable(store, &in->id, 1, &has, err);
	intake_digest(in->file, &id);
	if (!digest_equal(&id, &in->id))
		return error_set(err, ERR_VERDICT, "these bytes are not object %s", digest_format(&in->id, hex));
	return intake_commit(steal(&in->file), &id, &size, err);
}

static int put(struct call *call, struct project *project, struct error *err)
{
	CLEANUP_JS struct js *json = js_object();

	(void)project;
	if (keep(call->state, err) < 0)
		return -1;
	call_reply_json(call, 200, json);
	return 0;
}

static int get(struct call *call, struct project *project, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct content content = { .kind = CONTENT_FILE, .files = 1 };

	(void)project;
	if (read_digest(call, &content.id, err) < 0)
		return -1;
	fd = store_open_object(store, &content.id, &content.size, err);
	return fd < 0 ? -1 : reply_object(call, store, &content, NULL, err);
}

void objects_start(struct store *own_store, struct intake *own_intake)
{
	struct route *routes = xcalloc(3, sizeof(*routes)); /* for the life of the process */
	const struct route reading = {
		.path = "/api/v1/objects/{digest}", .op = op_find("object.get"), .lane = LANE_READ, .serve = get,
	};

	store = own_store;
	intake = own_intake;
	routes[0] = routes[1] = routes[2] = reading;
	routes[0].method = "GET";
	routes[1].method = "HEAD";
	routes[2] = (struct route){
		.method = "PUT", .path = reading.path, .op = op_find("object.put"), .flags = ROUTE_RAW_BODY,
		.lane = LANE_SLOW, .max_body = INT64_MAX, .begin = begin, .take = take, .serve = put, .forget = forget,
	};
	router_add(routes, 3);
}
