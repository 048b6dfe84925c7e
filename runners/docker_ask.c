/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "runners/docker_engine.h"
#include "runners/docker_runner.h"
/*
 * A request whose reply was lost may have been done or not; it is sent again, with growing
 * pauses, until there is an answer or patience ends. So only what can be done twice
 * may be asked here without `once`.
 */

struct docker_asked {
	struct docker *docker;
	struct docker_asked *next, **link;
	struct docker_ask ask;
	struct http_call *call;
	struct loop_timer *timer; /* to the next try, or to the note */
	int64_t since_ms, pause_ms;
};

static void send_request(void *arg);

static void unlink_asked(struct docker_asked *asked)
{
	*asked->link = asked->next;
	if (asked->next)
		asked->next->link = asked->link;
	if (asked->ask.handle)
		*asked->ask.handle = NULL;
	loop_cancel(asked->docker->loop, steal(&asked->timer));
	http_cancel(steal(&asked->call));
}

static void asked_free(struct docker_asked *asked)
{
	free(asked->ask.path);
	strbuf_release(&asked->ask.body);
	free(asked);
}

void docker_ask_cancel(struct docker_asked *asked)
{
	if (!asked)
		return;
	unlink_asked(asked);
	asked_free(asked);
}

void docker_ask_cancel_all(struct docker *docker)
{
	while (docker->asked)
		docker_ask_cancel(docker->asked);
}

void docker_ask_forget_task(struct docker *docker, const struct docker_task *task)
{
	for (struct docker_asked *asked = docker->asked; asked; asked = asked->next)
		if (asked->ask.task == task)
			asked->ask.task = NULL;
}

static void tell_silence(struct docker_asked *asked)
{
	struct docker *docker = asked->docker;

	if (docker->silent || !asked->ask.task)
		return;
	docker->silent = true;
	docker_task_note(asked->ask.task, "waiting for the container engine at %s", docker->address);
}

static void note_due(void *arg)
{
	struct docker_asked *asked = arg;

	asked->timer = NULL;
	tell_silence(asked);
}

static void answer(struct docker_asked *asked, int status, const struct strbuf *body, int sys)
{
	CLEANUP_JS struct js *json = NULL;
	CLEANUP_STRBUF struct strbuf none = STRBUF_INIT;
	struct docker_answer got = { .status = status, .body = body ? body : &none, .sys = sys };

	unlink_asked(asked);
	if (got.body->len && js_parse(got.body->buf, got.body->len, "reply", &json, NULL) == 0)
		got.json = json;
	asked->ask.done(asked->ask.ctx, &got);
	asked_free(asked);
}

static void try_again(struct docker_asked *asked)
{
	struct docker *docker = asked->docker;

	loop_cancel(docker->loop, steal(&asked->timer));
	asked->timer = loop_after(docker->loop, asked->pause_ms, send_request, asked);
	asked->pause_ms *= 2;
	if (asked->pause_ms > docker_patience.pause_most)
		asked->pause_ms = docker_patience.pause_most;
}

static bool patience_ends(const struct docker_asked *asked)
{
	return clock_mono_ms() - asked->since_ms >= docker_patience.lost;
}

static void no_answer(struct docker_asked *asked, int sys)
{
	if (asked->ask.once || patience_ends(asked)) {
		answer(asked, 0, NULL, sys);
		return;
	}
	tell_silence(asked);
	try_again(asked);
}

static void replied(void *ctx, const struct http_reply *reply)
{
	struct docker_asked *asked = ctx;

	asked->call = NULL;
	if (reply->error) {
		no_answer(asked, reply->error->sys);
		return;
	}
	asked->docker->silent = false;
	/* Of another version: it did nothing, so that even what is asked once may be asked again. */
	if (docker_reply_wants_version(reply->status, reply->body) && !patience_ends(asked)) {
		docker_engine_renegotiate(asked->docker->engine, NULL);
		try_again(asked);
		return;
	}
	answer(asked, reply->status, reply->body, 0);
}

static int64_t left_of_patience(const struct docker_asked *asked)
{
	int64_t left = docker_patience.lost - (clock_mono_ms() - asked->since_ms);

	return left > 1 ? left : 1;
}

static void send_request(void *arg)
{
	struct docker_asked *asked = arg;
	const struct docker_ask *ask = &asked->ask;
	CLEANUP(cleanup_free) char *path = docker_path(asked->docker, "%s", ask->path);
	CLEANUP(cleanup_free) char *type =
		xasprintf("Content-Type: %s", ask->type ? ask->type : "application/json");
	struct http_request request = {
		.method = ask->method,
		.path = path,
		.headers = ask->body.len ? (const char *const[]){ type, NULL } : NULL,
		.body = ask->body.buf,
		.body_len = ask->body.len,
		.timeout_ms = ask->timeout_ms ? ask->timeout_ms : docker_patience.call,
		.once = ask->once,
		.done = replied,
		.ctx = asked,
	};

	if (!ask->once && request.timeout_ms > left_of_patience(asked))
		request.timeout_ms = left_of_patience(asked);
	asked->call = http_start(asked->docker->client, &request);
	asked->timer = loop_after(asked->docker->loop, docker_patience.note, note_due, asked);
}

void docker_ask(struct docker *docker, const struct docker_ask *ask)
{
	struct docker_asked *asked = xcalloc(1, sizeof(*asked));

	asked->docker = docker;
	asked->ask = *ask;
	if (!asked->ask.body.buf)
		asked->ask.body = (struct strbuf)STRBUF_INIT;
	asked->since_ms = clock_mono_ms();
	asked->pause_ms = docker_patience.pause_first;
	asked->next = docker->asked;
	asked->link = &docker->asked;
	if (asked->next)
		asked->next->link = &asked->next;
	docker->asked = asked;
	if (ask->handle)
		*ask->handle = asked;
	send_request(asked);
}

char *docker_path(const struct docker *docker, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
	va_list args;

	strbuf_puts(&path, docker_engine_prefix(docker->engine));
	va_start(args, fmt);
	strbuf_vprintf(&path, fmt, args);
	va_end(args);
	return strbuf_detach(&path);
}

void docker_answer_words(const struct docker *docker, const struct docker_answer *answer, struct strbuf *ret)
{
	const char *words = js_get_str(answer->json, "message");

	if (!answer->status)
		strbuf_printf(ret, "the container engine at %s has not answered for %g s", docker->address,
			      (double)docker_patience.lost / 1000);
	else if (answer->body->len)
		docker_add_words(ret, words ? words : answer->body->buf);
	else
		strbuf_printf(ret, "the container engine answered %d", answer->status);
}

/* Podman's words for it come with 500. */
bool docker_answer_conflicts(const struct docker_answer *answer)
{
	return answer->status == 409 || (answer->status == 500 && strstr(answer->body->buf, "already in use"));
}
