/* SPDX-License-Identifier: Apache-2.0 */
/* A request that takes long and tells of itself, a line at a time: builds and pushes. */
#include <signal.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "runners/docker_engine.h"
#include "runners/docker_internal.h"

struct following {
	struct docker_engine *engine;
	const struct docker_follow *what;
	struct loop *loop;
	struct loop_timer *timer;
	struct docker_stream *stream;
	int64_t begun_ms, moved_ms; /* monotonic */
	int status;
	struct strbuf body; /* of a refusal */
	struct error err;
	enum docker_followed end;
	bool over;
};

static void end(struct following *f, enum docker_followed how)
{
	if (f->over)
		return;
	f->over = true;
	f->end = how;
	loop_stop(f->loop);
}

static void tick(void *ctx)
{
	struct following *f = ctx;
	int64_t now = clock_mono_ms();
	uint64_t done, total;

	f->timer = NULL;
	docker_stream_bytes(f->stream, &done, &total);
	if (f->what->tick && f->what->tick(f->what->ctx, done, total))
		end(f, FOLLOW_STOPPED);
	else if (f->what->timeout_ms && now - f->begun_ms >= f->what->timeout_ms)
		end(f, FOLLOW_TIMEOUT);
	else if (f->what->idle_ms && now - f->moved_ms >= f->what->idle_ms)
		end(f, FOLLOW_IDLE);
	else
		f->timer = loop_after(f->loop, docker_limits.tick, tick, f);
}

static void caught(void *ctx, int signo)
{
	(void)signo;
	end(ctx, FOLLOW_STOPPED);
}

static ssize_t upload(void *ctx, char *buf, size_t size)
{
	struct following *f = ctx;
	ssize_t len = f->what->upload(f->what->ctx, buf, size);

	f->moved_ms = clock_mono_ms();
	if (len < 0)
		end(f, FOLLOW_STOPPED);
	return len;
}

static int take(void *ctx, const char *bytes, size_t len)
{
	struct following *f = ctx;

	f->moved_ms = clock_mono_ms();
	if (docker_stream_feed(f->stream, bytes, len, &f->err) == 0)
		return 0;
	end(f, docker_stream_failure(f->stream) ? FOLLOW_REFUSED : FOLLOW_LOST);
	return -1;
}

static void done(void *ctx, const struct http_reply *reply)
{
	struct following *f = ctx;

	f->status = reply->status;
	strbuf_add(&f->body, reply->body->buf, reply->body->len);
	if (f->over)
		return;
	if (reply->error && reply->status / 100 <= 2) {
		docker_lost_error(f->engine, reply->error, &f->err);
		end(f, FOLLOW_LOST);
	} else if (reply->status / 100 != 2) {
		end(f, FOLLOW_REFUSED);
	} else if (docker_stream_end(f->stream, &f->err) < 0) {
		end(f, docker_stream_failure(f->stream) ? FOLLOW_REFUSED : FOLLOW_LOST);
	} else {
		end(f, FOLLOWED);
	}
}

static int watch_signals(struct following *f)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };

	for (size_t i = 0; f->what->signals && i < ARRAY_LEN(stops); i++)
		if (loop_signal(f->loop, stops[i], caught, f, &f->err) < 0)
			return -1;
	return 0;
}

static void exchange(struct following *f)
{
	CLEANUP(cleanup_free) char *path = xasprintf("%s%s", docker_engine_prefix(f->engine), f->what->path);
	const struct http_request request = { .method = f->what->method,
					      .path = path,
					      .headers = f->what->headers,
					      .connect_ms = docker_limits.ping,
					      .upload = f->what->upload ? upload : NULL,
					      .data = take,
					      .done = done,
					      .ctx = f };
	struct http_client *client = http_client_new(f->loop, docker_engine_server(f->engine));

	f->end = FOLLOW_LOST;
	if (watch_signals(f) == 0) {
		http_start(client, &request);
		tick(f);
		if (!f->over)
			loop_run(f->loop, &f->err);
	}
	loop_cancel(f->loop, f->timer);
	http_client_free(client);
}

enum docker_followed docker_follow(struct docker_engine *engine, const struct docker_follow *what,
				   struct strbuf *words, int *ret_status, struct error *err)
{
	struct following f = {
		.engine = engine,
		.what = what,
		.loop = loop_new(),
		.stream = docker_stream_new(),
		.begun_ms = clock_mono_ms(),
		.moved_ms = clock_mono_ms(),
		.body = STRBUF_INIT,
	};

	docker_stream_each(f.stream, what->event, what->ctx);
	exchange(&f);
	*ret_status = f.status;
	if (f.end == FOLLOW_REFUSED && docker_stream_failure(f.stream))
		strbuf_puts(words, docker_stream_failure(f.stream));
	else if (f.end == FOLLOW_REFUSED)
		docker_reply_words(&f.body, words);
	if (f.end == FOLLOW_REFUSED && !words->len)
		strbuf_puts(words, "the engine does not say why");
	if (f.end == FOLLOW_LOST && err)
		*err = f.err;
	strbuf_release(&f.body);
	docker_stream_free(f.stream);
	loop_free(f.loop);
	return f.end;
}
