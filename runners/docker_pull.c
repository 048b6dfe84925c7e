/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "runners/docker_engine.h"
#include "runners/docker_internal.h"
/*
 * Pulling an image. It may take hours, so only standing still has a limit. The
 * connection's end is how an engine learns that nobody waits any more.
 */

struct pull {
	struct docker_engine *engine;
	const struct docker_ref *ref;
	const char *shown;
	const struct progress *progress; /* may be NULL */
	struct docker_login login;
	char *what; /* "pulling NAME" */
	/* One try: */
	struct loop *loop;
	struct loop_timer *timer;
	struct docker_stream *stream;
	int64_t moved_ms; /* when something came; monotonic */
	int status;
	struct strbuf body; /* of a refusal */
	struct error err;   /* why the stream could not be followed, or has no end */
	bool broken;        /* err is set */
};

/* -- why not -- */

enum refusal { REFUSED_SPACE, REFUSED_RATE, REFUSED_HTTP, REFUSED_CERT, DOWN, OTHER_PLATFORM, HIDDEN, DENIED, ABSENT,
	       UNKNOWN };

/* What engines and registries say, in the order of telling: a word of a later row may stand in an earlier one. */
static const struct {
	const char *words;
	enum refusal refusal;
} refusals[] = {
	{ "no space left on device", REFUSED_SPACE },
	{ "toomanyrequests", REFUSED_RATE },
	{ "rate limit", REFUSED_RATE },
	{ "server gave HTTP response to HTTPS client", REFUSED_HTTP },
	{ "x509:", REFUSED_CERT },
	{ "connection refused", DOWN },
	{ "connection reset", DOWN },
	{ "no such host", DOWN },
	{ "server misbehaving", DOWN },
	{ "name resolution", DOWN },
	{ "i/o timeout", DOWN },
	{ "handshake timeout", DOWN },
	{ "Client.Timeout", DOWN },
	{ "deadline exceeded", DOWN },
	{ "request canceled while waiting", DOWN },
	{ "network is unreachable", DOWN },
	{ "no route to host", DOWN },
	{ ": EOF", DOWN },
	{ "no matching manifest", OTHER_PLATFORM },
	{ "no image found in", OTHER_PLATFORM },
	{ "pull access denied", HIDDEN },
	{ "requested access to the resource is denied", HIDDEN },
	{ "no basic auth credentials", DENIED },
	{ "unauthorized", DENIED },
	{ "authentication required", DENIED },
	{ "incorrect username or password", DENIED },
	{ "denied:", DENIED },
	{ "403 Forbidden", DENIED },
	{ "401 Unauthorized", DENIED },
	{ "manifest unknown", ABSENT },
	{ "name unknown", ABSENT },
	{ "repository name not known", ABSENT },
	{ "not found", ABSENT },
	{ "does not exist", ABSENT },
	{ "No such image", ABSENT },
};

/* The first %s is the image, the second the engine's words; help has the registry. */
static const struct {
	enum error_code code;
	const char *message, *help;
} answers[] = {
	[REFUSED_SPACE] = { ERR_ENV, "the container engine has no space for %s: %.600s",
			    "free some: docker system df, docker system prune" },
	[REFUSED_RATE] = { ERR_ENV, "the registry limits how often %s is pulled: %.600s",
			   "wait, or log in, which raises the limit" },
	[REFUSED_HTTP] = { ERR_ENV, "the registry of %s speaks no TLS: %.600s",
			   "give it a certificate, or allow it in /etc/docker/daemon.json: insecure-registries" },
	[REFUSED_CERT] = { ERR_ENV, "the engine does not trust the registry of %s: %.600s",
			   "put its authority into /etc/docker/certs.d/REGISTRY/ca.crt of the engine's machine" },
	[DOWN] = { ERR_ENV, "the registry of %s cannot be reached: %.600s",
		   "check the network and that the registry is up, then run the command again" },
	[OTHER_PLATFORM] = { ERR_NOT_FOUND, "there is no image %s for this platform: %.600s",
			     "choose an image that was built for it" },
	[HIDDEN] = { ERR_NOT_FOUND, "there is no image %s, or it needs a login: %.600s", NULL },
	[DENIED] = { ERR_ENV, "the registry refuses to give out %s: %.600s", NULL },
	[ABSENT] = { ERR_NOT_FOUND, "there is no image %s: %.600s",
		     "check the name and the tag; an image of your own: docker build -t NAME ." },
	[UNKNOWN] = { ERR_ENV, "cannot pull %s: %.600s", "try it by hand: docker pull" },
};

static enum refusal refusal_of(const char *words)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (strcasestr(words, refusals[i].words))
			return refusals[i].refusal;
	return UNKNOWN;
}

static int help_login(const struct pull *pull, enum refusal refusal, struct error *err)
{
	const char *program = strcmp(docker_engine_product(pull->engine), "Podman") ? "docker" : "podman";

	return error_help(err, "%s%s login %s%s%s", refusal == HIDDEN ? "check the name, or: " : "", program,
			  pull->ref->registry, pull->login.remark ? "; " : "",
			  pull->login.remark ? pull->login.remark : "");
}

static int refuse_pull(const struct pull *pull, const char *words, struct error *err)
{
	enum refusal refusal = refusal_of(words);

	error_set(err, answers[refusal].code, answers[refusal].message, pull->shown, words);
	if (!answers[refusal].help)
		return help_login(pull, refusal, err);
	return error_help(err, "%s", answers[refusal].help);
}

/* -- one try -- */

static void pull_stop(struct pull *pull)
{
	pull->broken = true;
	loop_stop(pull->loop);
}

static bool report(const struct pull *pull)
{
	uint64_t done, total;

	if (!pull->progress)
		return false;
	docker_stream_bytes(pull->stream, &done, &total);
	return pull->progress->report(pull->progress->ctx, pull->what, 0, done, total);
}

static void tick(void *ctx)
{
	struct pull *pull = ctx;

	pull->timer = NULL;
	if (report(pull)) {
		error_set(&pull->err, ERR_INTERRUPTED, "stopped while pulling %s", pull->shown);
		pull_stop(pull);
		return;
	}
	if (clock_mono_ms() - pull->moved_ms >= docker_limits.idle) {
		error_set(&pull->err, ERR_ENV, "pulling %s stands still: nothing came for %g s", pull->shown,
			  (double)docker_limits.idle / 1000);
		error_help(&pull->err, "check the network, then run the command again; what came is kept");
		pull_stop(pull);
		return;
	}
	pull->timer = loop_after(pull->loop, docker_limits.tick, tick, pull);
}

static int pull_data(void *ctx, const char *bytes, size_t len)
{
	struct pull *pull = ctx;

	pull->moved_ms = clock_mono_ms();
	if (docker_stream_feed(pull->stream, bytes, len, &pull->err) == 0)
		return 0;
	pull->broken = true;
	return -1;
}

static void pull_done(void *ctx, const struct http_reply *reply)
{
	struct pull *pull = ctx;

	pull->status = reply->status;
	strbuf_add(&pull->body, reply->body->buf, reply->body->len);
	if (!pull->broken && reply->error) {
		docker_lost_error(pull->engine, reply->error, &pull->err);
		error_wrap(&pull->err, "cannot pull %s", pull->shown);
		pull->broken = true;
	} else if (!pull->broken && reply->status == 200) {
		pull->broken = docker_stream_end(pull->stream, &pull->err) < 0;
	}
	loop_stop(pull->loop);
}

static char *pull_path(const struct pull *pull)
{
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;

	strbuf_printf(&path, "%s/images/create?fromImage=", docker_engine_prefix(pull->engine));
	http_escape(&path, pull->ref->repository);
	strbuf_puts(&path, "&tag="); /* without one, all tags would come */
	http_escape(&path, pull->ref->digest ? pull->ref->digest : pull->ref->tag);
	return strbuf_detach(&path);
}

/* How it went stands in the pull afterwards; -1 only when the loop fails. */
static int pull_try(struct pull *pull, struct error *err)
{
	CLEANUP(cleanup_free) char *path = pull_path(pull);
	CLEANUP(cleanup_free) char *auth = xasprintf("X-Registry-Auth: %s", pull->login.header);
	const char *const headers[] = { auth, NULL };
	const struct http_request request = { .method = "POST",
					      .path = path,
					      .headers = headers,
					      .connect_ms = docker_limits.ping,
					      .data = pull_data,
					      .done = pull_done,
					      .ctx = pull };
	struct http_client *client;
	int rc;

	pull->loop = loop_new();
	client = http_client_new(pull->loop, docker_engine_server(pull->engine));
	pull->stream = docker_stream_new();
	pull->moved_ms = clock_mono_ms();
	http_start(client, &request);
	tick(pull);
	rc = pull->broken ? 0 : loop_run(pull->loop, err);
	if (!pull->broken)
		report(pull);
	loop_cancel(pull->loop, pull->timer);
	http_client_free(client);
	loop_free(pull->loop);
	return rc;
}

static void pull_reset(struct pull *pull)
{
	docker_stream_free(pull->stream);
	pull->stream = NULL;
	strbuf_clear(&pull->body);
}

static int pull_result(const struct pull *pull, struct error *err)
{
	CLEANUP_STRBUF struct strbuf words = STRBUF_INIT;

	if (docker_stream_failure(pull->stream))
		return refuse_pull(pull, docker_stream_failure(pull->stream), err);
	if (pull->broken) {
		if (err)
			*err = pull->err;
		return -1;
	}
	if (pull->status == 200)
		return 0;
	docker_reply_words(&pull->body, &words);
	return refuse_pull(pull, words.len ? words.buf : "the engine does not say why", err);
}

int docker_pull(struct docker_engine *engine, const struct docker_ref *ref, const char *shown,
		const struct progress *progress, struct error *err)
{
	struct pull pull = { .engine = engine, .ref = ref, .shown = shown, .progress = progress };
	int rc = docker_login_find(ref->registry, &pull.login, err);

	if (rc < 0)
		return -1;
	pull.body = (struct strbuf)STRBUF_INIT;
	pull.what = xasprintf("pulling %s", shown);
	rc = pull_try(&pull, err);
	if (rc == 0 && docker_reply_wants_version(pull.status, &pull.body)) {
		rc = docker_engine_renegotiate(engine, err);
		if (rc == 0) {
			pull_reset(&pull);
			rc = pull_try(&pull, err);
		}
	}
	if (rc == 0)
		rc = pull_result(&pull, err);
	pull_reset(&pull);
	strbuf_release(&pull.body);
	docker_login_release(&pull.login);
	free(pull.what);
	return rc;
}
