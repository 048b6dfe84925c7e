/* SPDX-License-Identifier: Apache-2.0 */
/* An image that was built here goes to a registry: a tag, then the push, whose stream ends with the digest. */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "runners/docker_build.h"
#include "runners/docker_engine.h"
#include "runners/docker_internal.h"

struct push {
	struct docker_engine *engine;
	const struct progress *progress;
	const char *repository;
	char *registry, *what, *digest;
	struct docker_login login;
};

static int tag_image(struct docker_engine *engine, const char *id, const char *repository, const char *tag,
		     struct error *err)
{
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT, body = STRBUF_INIT;
	struct docker_request request = { .method = "POST" };
	int status;

	strbuf_printf(&path, "/images/%s/tag?repo=", id);
	http_escape(&path, repository);
	strbuf_puts(&path, "&tag=");
	http_escape(&path, tag);
	request.path = path.buf;
	if (docker_request(engine, &request, &status, &body, err) < 0)
		return -1;
	return status / 100 == 2 ? 0 : docker_reply_error(status, &body, "cannot tag the image", err);
}

static void take_event(void *ctx, const struct js *event)
{
	struct push *push = ctx;
	const char *digest = js_get_str(js_get(event, "aux"), "Digest");

	if (!digest)
		return;
	free(push->digest);
	push->digest = xstrdup(digest);
}

static bool tick(void *ctx, uint64_t done, uint64_t total)
{
	const struct push *push = ctx;

	return push->progress && push->progress->report(push->progress->ctx, push->what, 0, done, total);
}

static int refuse(const struct push *push, const char *words, struct error *err)
{
	static const char *const login_words[] = { "unauthorized", "authentication required", "denied",
						   "no basic auth credentials" };

	error_set(err, ERR_ENV, "cannot push to %s: %.700s", push->repository, words);
	for (size_t i = 0; i < ARRAY_LEN(login_words); i++)
		if (strcasestr(words, login_words[i]))
			return error_help(err, "%s login %s%s%s",
					  strcmp(docker_engine_product(push->engine), "Podman") ? "docker" : "podman",
					  push->registry, push->login.remark ? "; " : "",
					  push->login.remark ? push->login.remark : "");
	if (strcasestr(words, "server gave HTTP response"))
		return error_help(err, "give the registry a certificate, or allow it in /etc/docker/daemon.json: "
				       "insecure-registries");
	return error_help(err, "check that %.300s is up and takes pushes, or leave push= out", push->registry);
}

static int send_image(struct push *push, const char *tag, char **ret_pin, struct error *err)
{
	CLEANUP(cleanup_free) char *auth = xasprintf("X-Registry-Auth: %s", push->login.header);
	const char *const headers[] = { auth, NULL };
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT, words = STRBUF_INIT;
	struct docker_follow follow = {
		.method = "POST", .headers = headers, .event = take_event, .tick = tick, .ctx = push,
		.idle_ms = docker_limits.idle,
	};
	int status;

	strbuf_printf(&path, "/images/%s/push?tag=", push->repository);
	http_escape(&path, tag);
	follow.path = path.buf;
	switch (docker_follow(push->engine, &follow, &words, &status, err)) {
	case FOLLOWED:
		if (!push->digest)
			return error_set(err, ERR_ENV, "%s was pushed, and the engine tells no digest", push->repository);
		*ret_pin = xasprintf("%s@%s", push->repository, push->digest);
		return docker_ref_is_pinned(*ret_pin) ? 0 : error_set(err, ERR_ENV, "the digest of %s is none: %.100s",
								      push->repository, push->digest);
	case FOLLOW_REFUSED:
		return refuse(push, words.buf, err);
	case FOLLOW_LOST:
		return error_wrap(err, "cannot push to %s", push->repository);
	case FOLLOW_STOPPED:
		return error_set(err, ERR_INTERRUPTED, "stopped while pushing to %s", push->repository);
	default:
		error_set(err, ERR_ENV, "pushing to %s stands still: nothing moved for %g s", push->repository,
			  (double)docker_limits.idle / 1000);
		return error_help(err, "check the network, then run the command again");
	}
}

int docker_push(struct docker_engine *engine, const char *id, const char *repository, const char *tag,
		const struct progress *progress, char **ret_pin, struct error *err)
{
	struct push push = { .engine = engine, .progress = progress };
	struct docker_ref ref;
	char *pin = NULL;
	int rc;

	if (docker_ref_parse(repository, &ref, err) < 0)
		return -1;
	push.repository = ref.repository;
	push.registry = ref.registry;
	push.what = xasprintf("pushing %s", ref.repository);
	rc = tag_image(engine, id, ref.repository, tag, err);
	if (rc == 0)
		rc = docker_login_find(ref.registry, &push.login, err);
	if (rc == 0)
		rc = send_image(&push, tag, &pin, err);
	if (rc == 0)
		*ret_pin = steal(&pin);
	docker_login_release(&push.login);
	docker_ref_release(&ref);
	free(pin);
	free(push.what);
	free(push.digest);
	return rc;
}
