/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/streams.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "agent/call.h"
#include "agent/feed.h"
#include "agent/httpd.h"
#include "agent/operation.h"
#include "agent/router.h"
#include "api/ops.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/error_json.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "registry/project.h"

#define STREAMS_MAX 64
#define PIECE_BYTES (48u << 10) /* of one {"bytes"} line */
#define SILENCE_NS  1000000000
#define ASK_NS	    1000000000 /* whether its client may still read */
#define NDJSON	    "application/x-ndjson"

enum form { FORM_LINES, FORM_BYTES, FORM_RESULT };

struct stream {
	struct call *call; /* ours until it is answered, then NULL */
	struct feed *feed; /* from then on */
	const struct op *op;
	struct js *args;
	struct principal asker;
	char *path;
	const char *type; /* of the bytes */
	enum form form;
	bool as_text; /* FORM_LINES: text instead of events where there is a choice */
	bool gone;
	int64_t begun_ns, asked_ns;
	struct progress progress;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t fewer;
	char *dir;
	unsigned running;
	bool stop;
} pool = { .mutex = PTHREAD_MUTEX_INITIALIZER, .fewer = PTHREAD_COND_INITIALIZER };

/* ---- what goes out ---- */

/* The head of the answer goes; from here on the call is the server's. */
static void open_feed(struct stream *s)
{
	s->feed = feed_ref(call_reply_feed(s->call, 200, s->form == FORM_LINES ? NDJSON : s->type));
	httpd_answer(s->call);
	s->call = NULL;
}

static int put(struct stream *s, const void *data, size_t len)
{
	if (!s->feed)
		open_feed(s);
	s->gone |= feed_write(s->feed, data, len) < 0;
	return s->gone ? -1 : 0;
}

static int put_line(struct stream *s, const struct js *json)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

	js_dump(json, JS_COMPACT, &line);
	strbuf_putc(&line, '\n');
	return put(s, line.buf, line.len);
}

static void on_event(void *ctx, const struct js *event)
{
	struct stream *s = ctx;
	const char *name = js_get_str(event, "event");

	if (s->form == FORM_LINES && !(name && !strcmp(name, "tick")))
		put_line(s, event);
}

static int put_bytes(struct stream *s, const char *data, size_t len)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

	strbuf_puts(&line, "{\"bytes\":\"");
	base64_encode(data, len, &line);
	strbuf_puts(&line, "\"}\n");
	return put(s, line.buf, line.len);
}

static int on_bytes(void *ctx, const void *data, size_t len)
{
	struct stream *s = ctx;
	const char *at = data;

	if (s->form != FORM_LINES)
		return put(s, data, len);
	for (size_t n; len; at += n, len -= n) {
		n = len < PIECE_BYTES ? len : PIECE_BYTES;
		if (put_bytes(s, at, n) < 0)
			return -1;
	}
	return 0;
}

static bool stopping(void)
{
	bool stop;

	pthread_mutex_lock(&pool.mutex);
	stop = pool.stop;
	pthread_mutex_unlock(&pool.mutex);
	return stop;
}

/* The client's connection is cut when it may read no more. */
static bool is_refused(struct stream *s)
{
	int64_t now = clock_mono_ns();

	if (!s->feed || now - s->asked_ns < ASK_NS)
		return false;
	s->asked_ns = now;
	if (access_holds(&s->asker))
		return false;
	feed_cut(s->feed);
	return true;
}

/* Asked by what waits, which has then found nothing wrong: who follows learns that it has begun, and his leaving is
 * seen. */
static bool stopped(void *ctx)
{
	struct stream *s = ctx;

	if (!s->feed && s->form != FORM_RESULT && clock_mono_ns() - s->begun_ns > SILENCE_NS)
		open_feed(s);
	return stopping() || s->gone || is_refused(s) || (s->feed && feed_gone(s->feed));
}

static bool on_progress(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total_bytes)
{
	(void)what;
	(void)files;
	(void)bytes;
	(void)total_bytes;
	return stopped(ctx);
}

/* ---- its end ---- */

static void end_unanswered(struct stream *s, struct js *result, const struct error *err)
{
	if (err && result)
		call_reply_json(s->call, error_http_status(err->code), result);
	else if (err)
		call_fail(s->call, err);
	else if (s->form == FORM_BYTES)
		call_reply(s->call, 200, s->type, "", 0);
	else
		call_reply_json(s->call, 200, result);
	httpd_answer(s->call);
}

/* Bytes alone cannot say that they ended badly, so then the answer does not end. */
static void end(struct stream *s, struct js *result, const struct error *err)
{
	CLEANUP_JS struct js *last = js_typeof(result) == JS_OBJECT ? js_ref(result) : err ? NULL : js_object();

	if (err && s->feed && !last)
		last = js_object();
	if (err && last)
		js_set(last, "error", error_to_json(err));
	if (!s->feed && !err && s->form == FORM_LINES)
		open_feed(s);
	if (!s->feed) {
		end_unanswered(s, last, err);
		return;
	}
	if (s->form == FORM_LINES)
		put_line(s, last);
	if (err && s->form == FORM_BYTES)
		feed_cut(s->feed);
	else
		feed_end(s->feed);
}

/* ---- its thread ---- */

static int work(struct stream *s, struct js **ret_result, struct error *err)
{
	struct project *project = NULL;
	CLEANUP_JS struct js *who = operation_who(&s->asker);
	struct op_context ctx = {
		.dir = pool.dir,
		.command_line = s->path,
		.origin = "http",
		.actor = s->asker.name,
		.who = who,
		.emit = on_event,
		.events = s->form == FORM_LINES && !s->as_text,
		.write = on_bytes,
		.stopped = stopped,
		.progress = &s->progress,
		.ctx = s,
	};
	int r;

	if (project_open(pool.dir, &project, err) < 0)
		return -1;
	ctx.project = project;
	r = access_op(&s->asker, s->op, project, s->args, err) < 0 ? -1
								    : op_call(s->op, &ctx, s->args, ret_result, err);
	project_close(project);
	return r;
}

static void stream_free(struct stream *s)
{
	feed_free(s->feed);
	js_free(s->args);
	free(s->path);
	free(s);
}

static void leave_pool(void)
{
	pthread_mutex_lock(&pool.mutex);
	pool.running--;
	pthread_cond_broadcast(&pool.fewer);
	pthread_mutex_unlock(&pool.mutex);
}

static void *run(void *ctx)
{
	struct stream *s = ctx;
	CLEANUP_JS struct js *result = NULL;
	struct error err = { 0 };
	int r = work(s, &result, &err);

	if (r == 0 && !result && stopping())
		r = error_set(&err, ERR_ENV, "the agent is stopping");
	end(s, result, r < 0 ? &err : NULL);
	stream_free(s);
	leave_pool();
	return NULL;
}

static int enter_pool(struct error *err)
{
	bool enter;

	pthread_mutex_lock(&pool.mutex);
	enter = !pool.stop && pool.running < STREAMS_MAX;
	pool.running += enter;
	pthread_mutex_unlock(&pool.mutex);
	if (enter)
		return 0;
	error_set(err, ERR_LIMIT, "%d operations stream already", STREAMS_MAX);
	return error_help(err, "try again when one of them has ended");
}

static void choose_form(struct stream *s)
{
	const char *accept = call_header(s->call, "Accept");
	const char *lines = accept ? strstr(accept, NDJSON) : NULL;

	s->form = lines ? FORM_LINES : s->op->flags & OP_BYTES ? FORM_BYTES : FORM_RESULT;
	s->as_text = lines && strstr(lines, "output=bytes");
}

/* Takes args; NULL: no more may run. */
static struct stream *stream_new(struct call *call, struct js *args, struct error *err)
{
	struct stream *s;

	if (enter_pool(err) < 0) {
		js_free(args);
		return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	*s = (struct stream){ .call = call, .op = call->route->op, .args = args, .asker = call->who,
			      .path = xstrdup(call->path), .type = "application/octet-stream", .form = FORM_BYTES,
			      .begun_ns = clock_mono_ns(), .asked_ns = clock_mono_ns(),
			      .progress = { on_progress, s } };
	return s;
}

static void start_thread(struct stream *s)
{
	struct error why = { 0 };
	pthread_attr_t detached;
	pthread_t thread;
	int r;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &detached, run, s);
	pthread_attr_destroy(&detached);
	if (!r)
		return;
	error_sys(&why, r, "cannot start a thread");
	end(s, NULL, &why);
	stream_free(s);
	leave_pool();
}

int stream_begin(struct call *call, struct js *args, struct error *err)
{
	struct stream *s = stream_new(call, args, err);

	if (!s)
		return -1;
	choose_form(s);
	httpd_suspend(call);
	start_thread(s);
	return 0;
}

int stream_go_on(struct call *call, struct js *args, const char *type, struct error *err)
{
	struct stream *s = stream_new(call, args, err);

	if (!s)
		return -1;
	s->type = type;
	start_thread(s);
	return 1;
}

/* ---- all of them ---- */

void streams_start(const char *dir)
{
	pool.dir = xstrdup(dir);
}

void streams_quiesce(void)
{
	pthread_mutex_lock(&pool.mutex);
	pool.stop = true;
	pthread_mutex_unlock(&pool.mutex);
}

void streams_stop(void)
{
	pthread_mutex_lock(&pool.mutex);
	pool.stop = true;
	while (pool.running)
		pthread_cond_wait(&pool.fewer, &pool.mutex);
	pthread_mutex_unlock(&pool.mutex);
	free(pool.dir);
	pool.dir = NULL;
}
