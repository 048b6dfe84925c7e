/* SPDX-License-Identifier: Apache-2.0 */
/* forget: one asks, another agrees, the bytes go. And what a remote is told of it. */
#include <stdio.h>
#include <string.h>
#include "api/events.h"
#include "api/forget.h"
#include "api/ops.h"
#include "api/promote.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/forgotten.h"
#include "registry/project.h"
#include "registry/rows.h"
#include "store/store.h"
#include "store/tombstone.h"

static int check_reason(const char *reason, struct error *err)
{
	if (strlen(reason) > TOMBSTONE_REASON)
		return error_set(err, ERR_USAGE, "the reason has %zu bytes, at most %d are kept", strlen(reason), TOMBSTONE_REASON);
	for (const char *c = reason; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return error_set(err, ERR_USAGE, "the reason must be one line of text");
	return 0;
}

static int check_admin(const struct asker *asker, struct error *err)
{
	if (asker->role >= ROLE_ADMIN)
		return 0;
	return error_set(err, ERR_DENIED, "%s cannot have something forgotten: an admin has to", asker->name);
}

static int note(struct op_context *ctx, struct db *db, const char *operation, const struct js *row, bool alone, struct error *err)
{
	static const char *const kept[] = { "id", "reason", "contents" };
	CLEANUP_JS struct js *body = js_object();

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		js_set(body, kept[i], js_ref(js_get(row, kept[i])));
	if (alone)
		js_set_bool(body, "alone", true);
	return op_event(ctx, db, &(struct op_event){ .operation = operation, .subject = js_get_str(row, "subject"), .body = body },
			err);
}

/* ---- asking ---- */

static struct js *request_json(const struct op_context *ctx, const struct forget_request *request)
{
	struct js *result = js_object();
	uint64_t bytes = 0;

	for (size_t i = 0; i < request->len; i++)
		if (request->items[i].size != FORGET_SIZE)
			bytes += request->items[i].size;
	if (request->id) {
		js_set_int(result, "id", request->id);
		js_set_bool(result, "enforced", asker_of(ctx).enforced);
	}
	js_set_str(result, "subject", request->subject);
	js_set_str(result, "reason", request->reason);
	js_set_int(result, "contents", (int64_t)request->len);
	js_set_int(result, "bytes", (int64_t)bytes);
	js_set(result, "impact", js_ref(request->impact));
	return result;
}

static int ask(struct op_context *ctx, struct db *db, struct forget_request *request, struct error *err)
{
	CLEANUP_JS struct js *row = NULL;

	if (forget_ask(db, request, clock_wall_ms(), &request->id, err) < 0 || forget_describe(db, request->id, &row, err) < 0)
		return -1;
	return note(ctx, db, "forget.ask", row, false, err);
}

/* data.forget {name, reason, versions, dry} -> {subject, reason, contents, bytes, impact}, and without dry {id, enforced} */
int op_forget(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(forget_request_release) struct forget_request request = { .id = 0 };
	const char *reason = js_get_str(args, "reason");
	struct asker asker = asker_of(ctx);
	struct db *db;

	if (!js_get_bool(args, "dry") && (!reason || !*reason))
		return error_set(err, ERR_USAGE, "who has something forgotten says why: --reason TEXT");
	if (check_reason(reason ? reason : "", err) < 0 || check_admin(&asker, err) < 0 ||
	    forget_what(ctx, js_get_str(args, "name"), js_get_bool(args, "versions"), &request, err) < 0)
		return -1;
	request.reason = xstrdup(reason ? reason : "");
	request.asker = xstrdup(asker.name);
	if (!js_get_bool(args, "dry") &&
	    (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0 || write_end(db, ask(ctx, db, &request, err), err) < 0))
		return -1;
	*ret_result = request_json(ctx, &request);
	return 0;
}

/* ---- answering ---- */

static int check_second(const struct asker *asker, const struct js *row, bool alone, struct error *err)
{
	if (check_admin(asker, err) < 0)
		return -1;
	if (strcmp(asker->name, js_get_str(row, "asked_by")) != 0 || (alone && !asker->enforced))
		return 0;
	error_set(err, ERR_DENIED, "%s asked for it: somebody else has to agree", asker->name);
	if (asker->enforced)
		return error_help(err, "another admin runs: mlops forget agree %lld", (long long)js_get_int(row, "id", 0));
	return error_help(err, "where nobody else works on this machine: mlops forget agree %lld --alone; it is recorded",
			  (long long)js_get_int(row, "id", 0));
}

static int agree(struct op_context *ctx, struct db *db, int64_t id, bool alone, struct error *err)
{
	struct asker asker = asker_of(ctx);
	CLEANUP_JS struct js *row = NULL;

	if (forget_describe(db, id, &row, err) < 0 || check_second(&asker, row, alone, err) < 0)
		return -1;
	return forget_agree(db, id, asker.name, clock_wall_ms(), err) < 0 ? -1 : note(ctx, db, "forget.agree", row, alone, err);
}

static int describe(struct op_context *ctx, struct db *db, int64_t id, struct js *done, struct js **ret, struct error *err)
{
	if (forget_describe(db, id, ret, err) < 0)
		return -1;
	for (void *it = js_iter(done); it; it = js_next(done, it))
		js_set(*ret, js_iter_key(it), js_ref(js_iter_value(it)));
	js_set_bool(*ret, "enforced", asker_of(ctx).enforced);
	return 0;
}

/* From "waiting" to "agreed". */
static int say_agreed(struct op_context *ctx, struct db *db, int64_t id, bool alone, struct error *err)
{
	if (forget_mark(ctx, err) < 0 || db_begin(db, err) < 0 || write_end(db, agree(ctx, db, id, alone, err), err) < 0)
		return -1;
	FAILPOINT("forget.agreed");
	return 0;
}

/*
 * forget.agree {id, alone} -> as forget.list, and {removed, copies, work_tree[], enforced}. One that was agreed to is carried
 * on; one that is done, but not at some remote, is told there again.
 */
int op_forget_agree(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_fd) int turn = forget_begin(ctx, err);
	CLEANUP_JS struct js *row = NULL, *done = NULL;
	int64_t id = js_get_int(args, "id", 0);
	struct db *db;

	if (turn < 0 || project_db(ctx->project, &db, err) < 0 || forget_describe(db, id, &row, err) < 0)
		return -1;
	if (js_len(js_get(row, "left")))
		return forget_tell_remotes(ctx, id, err) < 0 ? -1 : describe(ctx, db, id, NULL, ret_result, err);
	if (strcmp(js_get_str(row, "state"), "agreed") != 0 &&
	    say_agreed(ctx, db, id, js_get_bool(args, "alone"), err) < 0)
		return -1;
	if (forget_carry_out(ctx, id, &done, err) < 0)
		return error_wrap(err, "agreed, and not yet done; the next command goes on");
	return describe(ctx, db, id, done, ret_result, err);
}

static int withdraw(struct op_context *ctx, struct db *db, int64_t id, struct js **ret, struct error *err)
{
	struct asker asker = asker_of(ctx);

	if (check_admin(&asker, err) < 0 || forget_withdraw(db, id, asker.name, clock_wall_ms(), err) < 0 ||
	    forget_describe(db, id, ret, err) < 0)
		return -1;
	return note(ctx, db, "forget.withdraw", *ret, false, err);
}

/* forget.withdraw {id} -> as forget.list */
int op_forget_withdraw(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *row = NULL;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0 ||
	    write_end(db, withdraw(ctx, db, js_get_int(args, "id", 0), &row, err), err) < 0)
		return -1;
	*ret_result = steal(&row);
	return 0;
}

/* forget.list {all} -> {requests[], enforced} */
int op_forget_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *list;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || forget_list(db, !js_get_bool(args, "all"), &list, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "requests", list);
	js_set_bool(*ret_result, "enforced", asker_of(ctx).enforced);
	return 0;
}

/* forget.show {id} -> as forget.list, and {impact, enforced} */
int op_forget_show(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(forget_request_release) struct forget_request request = { .id = 0 };
	CLEANUP_JS struct js *impact = js_object();
	int64_t id = js_get_int(args, "id", 0);
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || forget_load(db, id, &request, err) < 0)
		return -1;
	js_set(impact, "impact", js_ref(request.impact));
	return describe(ctx, db, id, impact, ret_result, err);
}

/* ---- of a remote ---- */

#define MAX_DIGESTS 10000

static int read_items(const struct js *args, struct forget_request *ret, struct error *err)
{
	const struct js *list = js_get(args, "digests");

	if (!js_len(list) || js_len(list) > MAX_DIGESTS)
		return error_set(err, ERR_USAGE, "%zu digests, 1 to %d are taken", js_len(list), MAX_DIGESTS);
	for (size_t i = 0; i < js_len(list); i++) {
		struct forget_item item = { .size = FORGET_SIZE };

		if (!digest_parse(js_text(js_at(list, i)), &item.id))
			return error_set(err, ERR_USAGE, "'%.80s' is no digest", js_text(js_at(list, i)));
		GROW(ret->items, ret->len, ret->cap);
		ret->items[ret->len++] = item;
	}
	return 0;
}

/* What is forgotten here already needs no second request. */
static int drop_forgotten(struct op_context *ctx, struct forget_request *request, struct error *err)
{
	struct store *store;
	size_t n = 0;

	if (project_store(ctx->project, &store, err) < 0)
		return -1;
	for (size_t i = 0; i < request->len; i++) {
		struct forget_item item = request->items[i];
		CLEANUP(cleanup_fd) int fd = store_open_object(store, &item.id, &item.size, NULL);

		if (fd >= 0 || !tombstone_find(store, &item.id, NULL))
			request->items[n++] = item;
	}
	request->len = n;
	return 0;
}

static int take_order(struct op_context *ctx, struct db *db, struct forget_request *request, struct error *err)
{
	CLEANUP_JS struct js *row = NULL;

	if (forget_ask(db, request, clock_wall_ms(), &request->id, err) < 0 ||
	    forget_agree(db, request->id, request->asker, clock_wall_ms(), err) < 0 ||
	    forget_describe(db, request->id, &row, err) < 0)
		return -1;
	return note(ctx, db, "forget.agree", row, false, err);
}

/* object.forget {digests[], reason} -> {forgotten}: two persons agreed to it where the request was made. */
int op_object_forget(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(forget_request_release) struct forget_request request = { .id = 0 };
	const char *reason = js_get_str(args, "reason");
	CLEANUP(cleanup_fd) int turn = -1;
	CLEANUP_JS struct js *done = NULL;
	struct db *db;

	if (check_reason(reason, err) < 0 || read_items(args, &request, err) < 0 || drop_forgotten(ctx, &request, err) < 0)
		return -1;
	if (request.len) {
		turn = forget_begin(ctx, err);
		request.subject = xasprintf("%zu object%s", request.len, request.len == 1 ? "" : "s");
		request.reason = xstrdup(reason);
		request.asker = xstrdup(asker_of(ctx).name);
		request.impact = js_object();
		if (turn < 0 || project_db(ctx->project, &db, err) < 0 || forget_mark(ctx, err) < 0 || db_begin(db, err) < 0 ||
		    write_end(db, take_order(ctx, db, &request, err), err) < 0 || forget_carry_out(ctx, request.id, &done, err) < 0)
			return -1;
	}
	*ret_result = js_object();
	js_set_int(*ret_result, "forgotten", (int64_t)request.len);
	return 0;
}

/* object.forgotten {digests[]} -> {forgotten: [{digest, date, reason}]} */
int op_object_forgotten(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(forget_request_release) struct forget_request request = { .id = 0 };
	struct js *list;
	struct store *store;

	if (read_items(args, &request, err) < 0 || project_store(ctx->project, &store, err) < 0)
		return -1;
	list = js_array();
	for (size_t i = 0; i < request.len; i++) {
		char hex[DIGEST_HEX + 1];
		struct tombstone stone;
		struct js *json;

		if (!tombstone_find(store, &request.items[i].id, &stone))
			continue;
		json = js_object();
		js_set_str(json, "digest", digest_format(&request.items[i].id, hex));
		js_set_str(json, "date", stone.date);
		js_set_str(json, "reason", stone.reason);
		js_push(list, json);
	}
	*ret_result = js_object();
	js_set(*ret_result, "forgotten", list);
	return 0;
}
