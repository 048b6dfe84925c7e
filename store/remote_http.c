/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent as a remote: objects by PUT and GET, refs that it makes of its registry and takes into it.
 * Each answer to a PUT says that it is durable, so nothing is left for a commit. What fails on the way is tried again,
 * a download from where it was cut.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/credentials.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/remote_http_internal.h"
#include "store/store.h"

#define PROGRESS  (1u << 20) /* bytes that an attempt must have brought to count as none */

/* ---- opening ---- */

static int find_token(struct remote_http *r, struct error *err)
{
	CLEANUP_STRBUF struct strbuf token = STRBUF_INIT;
	int found = credentials_find(&r->address, &token, err);

	if (found > 0)
		r->authorization = xasprintf("Authorization: Bearer %s", token.buf);
	explicit_bzero(token.buf, token.len);
	return found < 0 ? -1 : 0;
}

static void http_close(struct remote *remote)
{
	struct remote_http *r = (struct remote_http *)remote;

	lines_free(r);
	if (r->authorization)
		explicit_bzero(r->authorization, strlen(r->authorization));
	free(r->authorization);
	address_release(&r->address);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}

/* Whether an agent is there and lets us in; once, because whoever names several remotes can do without one. */
static int greet(struct remote_http *r, struct error *err)
{
	const struct digest any = { .b = { 0 } };
	CLEANUP_JS struct js *body = remote_http_digests(&any, 1);
	struct ask a CLEANUP(ask_release) = ASK_INIT;
	int result;

	a.method = "POST";
	a.path = "/objects/missing";
	a.body = body;
	result = ask_once(r, &a, err);
	if (result != 0)
		return -1;
	if (a.status == 404 || a.status == 405)
		return error_set(err, ERR_NOT_FOUND, "%s is no agent, or one of an older version", r->address.name);
	return a.status == 200 ? 0 : ask_refused(r, &a, err);
}

static int http_open(const char *url, bool create, struct remote **ret, struct error *err)
{
	struct remote_http *r = xcalloc(1, sizeof(*r));

	(void)create; /* an agent's project is made where it runs */
	r->base.ops = &remote_http_ops;
	pthread_mutex_init(&r->mutex, NULL);
	if (address_parse(url, &r->address, err) < 0 || find_token(r, err) < 0 || greet(r, err) < 0) {
		http_close(&r->base);
		return -1;
	}
	*ret = &r->base;
	return 0;
}

/* ---- objects ---- */

static int has_group(struct remote_http *r, const struct digest *ids, size_t n, bool *ret, struct error *err)
{
	CLEANUP_JS struct js *body = remote_http_digests(ids, n);
	CLEANUP_JS struct js *answer = NULL;
	struct ask a CLEANUP(ask_release) = ASK_INIT;
	struct strmap missing CLEANUP(strmap_release) = STRMAP_INIT;
	char hex[DIGEST_HEX + 1];
	const struct js *list;

	a.method = "POST";
	a.path = "/objects/missing";
	a.body = body;
	if (ask_json(r, &a, &answer, err) < 0)
		return -1;
	list = js_get(answer, "missing");
	if (js_typeof(list) != JS_ARRAY)
		return error_set(err, ERR_ENV, "%s does not say what is missing", r->address.name);
	for (size_t i = 0; i < js_len(list); i++)
		if (js_text(js_at(list, i)))
			strmap_set(&missing, js_text(js_at(list, i)), &missing);
	for (size_t i = 0; i < n; i++)
		ret[i] = !strmap_has(&missing, digest_format(&ids[i], hex));
	return 0;
}

static int http_has(struct remote *remote, const struct digest *ids, size_t n, bool *ret, struct error *err)
{
	struct remote_http *r = (struct remote_http *)remote;

	for (size_t at = 0; at < n; at += REMOTE_HTTP_GROUP) {
		size_t len = n - at < REMOTE_HTTP_GROUP ? n - at : REMOTE_HTTP_GROUP;

		if (has_group(r, ids + at, len, ret + at, err) < 0)
			return -1;
	}
	return 0;
}

/* An object on its way here. */
struct arrival {
	struct store_batch *batch;
	struct batch_stream *stream;
	uint64_t max;
	struct error err; /* of the batch */
	bool too_long;
};

static int take(void *ctx, const char *bytes, size_t len)
{
	struct arrival *arrival = ctx;

	arrival->too_long = batch_stream_size(arrival->stream) + len > arrival->max;
	return arrival->too_long ? -1 : batch_stream_write(arrival->stream, bytes, len, &arrival->err);
}

/* 0: all that it sent is in the stream; ASK_AGAIN: cut on the way; -1. */
static int fetch_some(struct remote_http *r, const char *hex, struct arrival *arrival, struct error *err)
{
	CLEANUP(cleanup_free) char *path = xasprintf("/objects/%s", hex);
	CLEANUP(cleanup_free) char *range = NULL;
	struct ask a CLEANUP(ask_release) = ASK_INIT;
	int result;

	if (batch_stream_size(arrival->stream))
		range = xasprintf("Range: bytes=%llu-", (unsigned long long)batch_stream_size(arrival->stream));
	a.method = "GET";
	a.path = path;
	a.header = range;
	a.take = take;
	a.ctx = arrival;
	result = ask_once(r, &a, err);
	if (result != 0)
		return result;
	/* All of it was here when it was cut. */
	if (a.status == 416 && range)
		return 0;
	return a.status == 200 || a.status == 206 ? 0 : ask_refused(r, &a, err);
}

static int fetch(struct remote_http *r, const char *hex, struct arrival *arrival, bool *ret_resumed, struct error *err)
{
	struct patience patience = { 0 };
	int result;

	*ret_resumed = false;
	for (;;) {
		uint64_t before = batch_stream_size(arrival->stream);

		result = fetch_some(r, hex, arrival, err);
		if (result != ASK_AGAIN)
			return result;
		if (batch_stream_size(arrival->stream) - before >= PROGRESS)
			patience.tries = 0;
		if (!patience_wait(&patience, r->base.watch))
			return -1;
		*ret_resumed |= batch_stream_size(arrival->stream) > 0;
	}
}

/* Whatever is wrong with reading an object, another remote may have it. */
static int cannot_get(const struct arrival *arrival, const char *hex, struct error *err)
{
	if (!err)
		return -1;
	if (arrival->err.code)
		*err = arrival->err;
	else if (arrival->too_long)
		error_set(err, ERR_DAMAGED, "object %s has more than the %llu bytes that are expected", hex,
			  (unsigned long long)arrival->max);
	else if (err->code != ERR_NOT_FOUND && err->code != ERR_INTERRUPTED)
		err->code = ERR_DAMAGED;
	return -1;
}

/* 1: what came after a cut did not fit to what came before. */
static int get_whole(struct remote_http *r, const struct digest *id, struct arrival *arrival, uint64_t *ret_size,
		     struct error *err)
{
	char hex[DIGEST_HEX + 1];
	struct digest found;
	bool resumed;

	digest_format(id, hex);
	if (batch_stream_open(arrival->batch, &arrival->stream, err) < 0)
		return -1;
	if (fetch(r, hex, arrival, &resumed, err) < 0) {
		batch_stream_drop(arrival->stream);
		return cannot_get(arrival, hex, err);
	}
	batch_stream_digest(arrival->stream, &found);
	if (digest_equal(&found, id))
		return batch_stream_close(arrival->stream, &found, ret_size, err);
	batch_stream_drop(arrival->stream);
	if (resumed)
		return 1;
	return error_set(err, ERR_DAMAGED, "object %s does not hold the bytes it is named after", hex);
}

static int http_get(struct remote *remote, const struct digest *id, uint64_t max, struct store_batch *batch,
		    uint64_t *ret_size, struct error *err)
{
	int result = 1;

	/* A proxy that does not know ranges, or sends another one. */
	for (int tries = 0; result > 0 && tries < 3; tries++) {
		struct arrival arrival = { .batch = batch, .max = max };

		result = get_whole((struct remote_http *)remote, id, &arrival, ret_size, err);
	}
	return result > 0 ? error_set(err, ERR_DAMAGED, "an object came in parts that do not fit") : result;
}

/* The agent got other bytes: those that are here, or what the way made of them. */
static int not_taken(struct store *store, const struct digest *id, struct error *err)
{
	struct error why = { 0 };

	if (store_verify(store, id, &why) == 0)
		return -1;
	if (err)
		*err = why;
	return -1;
}

/* One that is damaged there was set aside when it was verified. */
static int http_put(struct remote *remote, struct store *store, const struct digest *id, bool replace, struct error *err)
{
	struct remote_http *r = (struct remote_http *)remote;
	CLEANUP(cleanup_fd) int fd = store_open_object(store, id, NULL, err);
	CLEANUP(cleanup_free) char *path = NULL;
	struct ask a CLEANUP(ask_release) = ASK_INIT;
	char hex[DIGEST_HEX + 1];

	(void)replace;
	if (fd < 0) {
		if (err && err->code != ERR_NOT_FOUND)
			err->code = ERR_DAMAGED;
		return -1;
	}
	path = xasprintf("/objects/%s", digest_format(id, hex));
	a.method = "PUT";
	a.path = path;
	a.from = fd;
	if (ask(r, &a, err) < 0)
		return -1;
	if (a.status == 200)
		return 0;
	ask_refused(r, &a, err);
	/* These codes tell of what is here. */
	if (err && (err->code == ERR_NOT_FOUND || err->code == ERR_DAMAGED))
		err->code = ERR_ENV;
	return a.status == 422 ? not_taken(store, id, err) : -1;
}

static int http_verify(struct remote *remote, const struct digest *id, struct error *err)
{
	CLEANUP_JS struct js *body = remote_http_digests(id, 1);
	CLEANUP_JS struct js *answer = NULL;
	struct ask a CLEANUP(ask_release) = ASK_INIT;
	char hex[DIGEST_HEX + 1];

	a.method = "POST";
	a.path = "/objects/verify";
	a.body = body;
	if (ask_json((struct remote_http *)remote, &a, &answer, err) < 0)
		return -1;
	digest_format(id, hex);
	if (js_len(js_get(answer, "missing")))
		return error_set(err, ERR_NOT_FOUND, "object %s is not there", hex);
	if (js_len(js_get(answer, "damaged")))
		return error_set(err, ERR_DAMAGED, "object %s is damaged", hex);
	return 0;
}

static int http_commit(struct remote *remote, struct error *err)
{
	(void)remote;
	(void)err;
	return 0;
}

/* ---- refs ---- */

static int http_ref_get(struct remote *remote, const char *name, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = xasprintf("/refs/%s", name);
	struct remote_http *r = (struct remote_http *)remote;
	CLEANUP_JS struct js *answer = NULL;
	struct ask a CLEANUP(ask_release) = ASK_INIT;
	const char *text;

	if (!remote_ref_valid(name))
		return error_set(err, ERR_USAGE, "'%s' is no name of a ref", name);
	a.method = "GET";
	a.path = path;
	if (ask_json(r, &a, &answer, err) < 0)
		return a.status == 404 ? 0 : -1;
	text = js_get_str(answer, "text");
	if (!text || strlen(text) > REMOTE_REF_MAX)
		return error_set(err, ERR_DAMAGED, "ref %s has no text", name);
	strbuf_puts(ret, text);
	return 1;
}

static int http_ref_put(struct remote *remote, const char *name, const char *text, size_t len, struct error *err)
{
	CLEANUP(cleanup_free) char *path = xasprintf("/refs/%s", name);
	CLEANUP_JS struct js *body = js_object();
	CLEANUP_JS struct js *answer = NULL;
	struct ask a CLEANUP(ask_release) = ASK_INIT;

	if (!remote_ref_valid(name))
		return error_set(err, ERR_USAGE, "'%s' is no name of a ref", name);
	js_set(body, "text", js_strn(text, len));
	a.method = "PUT";
	a.path = path;
	a.body = body;
	return ask_json((struct remote_http *)remote, &a, &answer, err);
}

static int each_name(const char *kind, const struct js *names, int (*each)(void *ctx, const char *name), void *ctx)
{
	for (size_t i = 0; i < js_len(names); i++) {
		const char *text = js_text(js_at(names, i));
		CLEANUP(cleanup_free) char *name = xasprintf("%s/%s", kind, text ? text : "");

		if (remote_ref_valid(name) && each(ctx, name) < 0)
			return -1;
	}
	return 0;
}

static int http_ref_list(struct remote *remote, const char *kind, int (*each)(void *ctx, const char *name), void *ctx,
			 struct error *err)
{
	struct remote_http *r = (struct remote_http *)remote;
	CLEANUP(cleanup_free) char *token = NULL;

	do {
		CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
		CLEANUP_JS struct js *answer = NULL;
		struct ask a CLEANUP(ask_release) = ASK_INIT;
		const char *next;

		strbuf_printf(&path, "/refs/%s", kind);
		if (token)
			strbuf_puts(&path, "?page_token=");
		if (token)
			http_escape(&path, token);
		a.method = "GET";
		a.path = path.buf;
		if (ask_json(r, &a, &answer, err) < 0 || each_name(kind, js_get(answer, "names"), each, ctx) < 0)
			return -1;
		next = js_get_str(answer, "next_page_token");
		/* One that goes back would never end. */
		if (next && token && strcmp(next, token) <= 0)
			return error_set(err, ERR_ENV, "%s lists refs in no order", r->address.name);
		free(token);
		token = next ? xstrdup(next) : NULL;
	} while (token);
	return 0;
}

const struct remote_ops remote_http_ops = {
	.open = http_open,
	.close = http_close,
	.has = http_has,
	.get = http_get,
	.put = http_put,
	.verify = http_verify,
	.commit = http_commit,
	.ref_get = http_ref_get,
	.ref_put = http_ref_put,
	.ref_list = http_ref_list,
	.forget = remote_http_forget,
	.forgotten = remote_http_forgotten,
};
