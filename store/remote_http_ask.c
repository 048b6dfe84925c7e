/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/error_json.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "store/remote_http_internal.h"

#define LOOK_MS	    200   /* so often it is asked whether to stop */
#define STALL_MS    30000 /* a transfer in which nothing moves for so long has failed */
#define ANSWER_MS   300000 /* an agent may have to hash, or to wait for a lock */
#define TRIES	    7
#define FIRST_MS    250
#define LONGEST_MS  8000

/* ---- connections ---- */

static struct line *line_take(struct remote_http *r)
{
	struct http_server server = address_server(&r->address);
	struct line *line;

	pthread_mutex_lock(&r->mutex);
	line = r->idle;
	if (line)
		r->idle = line->next;
	pthread_mutex_unlock(&r->mutex);
	if (line)
		return line;
	line = xcalloc(1, sizeof(*line));
	line->loop = loop_new();
	line->client = http_client_new(line->loop, &server);
	return line;
}

static void line_give(struct remote_http *r, struct line *line)
{
	pthread_mutex_lock(&r->mutex);
	line->next = r->idle;
	r->idle = line;
	pthread_mutex_unlock(&r->mutex);
}

void lines_free(struct remote_http *r)
{
	struct line *next;

	for (struct line *line = r->idle; line; line = next) {
		next = line->next;
		http_client_free(line->client);
		loop_free(line->loop);
		free(line);
	}
	r->idle = NULL;
}

/* ---- one attempt ---- */

struct attempt {
	struct remote_http *remote;
	struct ask *ask;
	struct line *line;
	struct http_call *call;
	struct loop_timer *timer;
	uint64_t sent;
	int64_t moved_ms;  /* when bytes moved last */
	int64_t patience_ms;
	bool interrupted, stopped, failed;
	struct error err;
};

static bool moved(struct attempt *a, size_t bytes)
{
	a->moved_ms = clock_mono_ms();
	a->interrupted |= watch_tick(a->remote->base.watch, bytes);
	return !a->interrupted;
}

static ssize_t upload(void *ctx, char *buf, size_t size)
{
	struct attempt *a = ctx;
	ssize_t n;

	do
		n = pread(a->ask->from, buf, size, (off_t)a->sent);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		a->stopped = true;
		error_sys(&a->err, errno, "cannot read a local object");
		a->err.code = ERR_DAMAGED;
		return -1;
	}
	a->sent += (uint64_t)n;
	/* What is left to wait for is an answer, for which the disk works. */
	if (!n)
		a->patience_ms = ANSWER_MS;
	return moved(a, (size_t)n) ? n : -1;
}

static int download(void *ctx, const char *bytes, size_t len)
{
	struct attempt *a = ctx;

	a->patience_ms = STALL_MS;
	if (!moved(a, len))
		return -1;
	if (a->ask->take(a->ask->ctx, bytes, len) == 0)
		return 0;
	a->stopped = true;
	return -1;
}

static void over(void *ctx, const struct http_reply *reply)
{
	struct attempt *a = ctx;

	a->call = NULL;
	loop_cancel(a->line->loop, a->timer);
	a->timer = NULL;
	a->ask->status = reply->status;
	strbuf_add(&a->ask->reply, reply->body->buf, reply->body->len);
	a->failed = reply->error != NULL;
	if (!a->failed || a->stopped)
		return;
	a->err = *reply->error;
	if (a->err.code == ERR_ENV && !a->err.help[0])
		error_help(&a->err, "check the remote's url in pipeline.ini, and that an agent runs there");
}

static void look(void *ctx)
{
	struct attempt *a = ctx;
	bool stalled = clock_mono_ms() - a->moved_ms > a->patience_ms;

	a->timer = NULL;
	a->interrupted |= watch_tick(a->remote->base.watch, 0);
	if (!stalled && !a->interrupted) {
		a->timer = loop_after(a->line->loop, LOOK_MS, look, a);
		return;
	}
	http_cancel(a->call);
	a->call = NULL;
	a->failed = true;
	error_sys(&a->err, ETIMEDOUT, "%s", a->remote->address.name);
}

static void start(struct attempt *a, const char *path, const struct strbuf *body)
{
	const char *headers[4];
	size_t n = 0;
	struct http_request request = {
		.method = a->ask->method,
		.path = path,
		.headers = headers,
		.done = over,
		.data = a->ask->take ? download : NULL,
		.upload = a->ask->from >= 0 ? upload : NULL,
		.max = REMOTE_REF_MAX * 2,
		.ctx = a,
	};

	if (a->remote->authorization)
		headers[n++] = a->remote->authorization;
	if (a->ask->header)
		headers[n++] = a->ask->header;
	if (a->ask->body) {
		headers[n++] = "Content-Type: application/json";
		request.body = body->buf;
		request.body_len = body->len;
	}
	headers[n] = NULL;
	a->call = http_start(a->line->client, &request);
	a->timer = loop_after(a->line->loop, LOOK_MS, look, a);
}

/* 408, 429: later. 500 may be damage, which is told; the others are those of a way that fails for now. */
static bool is_passing(int status)
{
	return status == 408 || status == 429 || status == 502 || status == 503 || status == 504;
}

static int judge(const struct attempt *a, struct error *err)
{
	if (a->interrupted)
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	if (a->stopped) {
		if (err && a->err.code)
			*err = a->err;
		return -1;
	}
	if (!a->failed && !is_passing(a->ask->status))
		return 0;
	if (a->failed && err)
		*err = a->err;
	else if (!a->failed)
		ask_refused(a->remote, a->ask, err);
	return ASK_AGAIN;
}

int ask_once(struct remote_http *r, struct ask *ask, struct error *err)
{
	CLEANUP(cleanup_free) char *path = xasprintf("%s/api/v1%s", r->address.prefix, ask->path);
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct attempt a = {
		.remote = r, .ask = ask, .line = line_take(r), .moved_ms = clock_mono_ms(),
		.patience_ms = ask->from >= 0 ? STALL_MS : ANSWER_MS,
	};

	strbuf_clear(&ask->reply);
	ask->status = 0;
	if (ask->body)
		js_dump(ask->body, JS_COMPACT, &body);
	start(&a, path, &body);
	if (loop_run(a.line->loop, &a.err) < 0)
		a.failed = true;
	http_cancel(a.call);
	loop_cancel(a.line->loop, a.timer);
	line_give(r, a.line);
	return judge(&a, err);
}

void ask_release(struct ask *ask)
{
	strbuf_release(&ask->reply);
}

/* ---- until it works ---- */

bool patience_wait(struct patience *p, const struct watch *watch)
{
	int64_t longest = (int64_t)FIRST_MS << p->tries, end;
	uint64_t random;

	if (++p->tries >= TRIES)
		return false;
	if (longest > LONGEST_MS)
		longest = LONGEST_MS;
	clock_random(&random, sizeof(random));
	end = clock_mono_ms() + longest / 2 + (int64_t)(random % (uint64_t)(longest / 2 + 1));
	while (clock_mono_ms() < end) {
		if (watch_tick(watch, 0))
			return false;
		usleep(20000);
	}
	return true;
}

int ask(struct remote_http *r, struct ask *ask, struct error *err)
{
	struct patience patience = { 0 };
	int result;

	while ((result = ask_once(r, ask, err)) == ASK_AGAIN)
		if (!patience_wait(&patience, r->base.watch))
			return -1;
	return result;
}

/* ---- what was answered ---- */

static int no_right(const struct remote_http *r, struct error *err)
{
	return error_help(err, "run: mlops login %s", r->address.name);
}

int ask_refused(const struct remote_http *r, const struct ask *ask, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;
	const struct js *told;

	js_parse(ask->reply.buf, ask->reply.len, "the answer", &json, NULL);
	told = js_get(json, "error");
	if (told) {
		error_from_json(told, "no reason", err);
		error_wrap(err, "%s", r->address.name);
	} else {
		error_set(err, ERR_ENV, "%s answers with status %d", r->address.name, ask->status);
	}
	if (err && ask->status == 401) {
		err->code = ERR_AUTH;
		return no_right(r, err);
	}
	return -1;
}

int ask_json(struct remote_http *r, struct ask *question, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;

	if (ask(r, question, err) < 0)
		return -1;
	if (question->status < 200 || question->status > 299)
		return ask_refused(r, question, err);
	if (js_parse(question->reply.buf, question->reply.len, r->address.name, &json, err) < 0)
		return -1;
	if (js_typeof(json) != JS_OBJECT)
		return error_set(err, ERR_ENV, "%s answers with something that is no object", r->address.name);
	*ret = steal(&json);
	return 0;
}
