/* SPDX-License-Identifier: Apache-2.0 */
#include "api/webhooks.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "api/ops.h"
#include "api/push.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/webhook.h"
#include "registry/deliveries.h"
#include "registry/projects.h"
#include "registry/secrets.h"

#define SECRETS 2

struct webhook {
	char *project;
	struct webhook_event event;
	struct digest body;
	int64_t came_ms;
};

void webhook_free(struct webhook *hook)
{
	if (!hook)
		return;
	free(hook->project);
	webhook_event_release(&hook->event);
	free(hook);
}

static struct webhook_request request_of(const struct webhook_post *post)
{
	return (struct webhook_request){ post->header, post->ctx, post->body, post->len };
}

int webhook_look(const struct webhook_post *post, struct error *err)
{
	const struct webhook_request request = request_of(post);

	return webhook_check_head(&request, err);
}

/* ---- who sent it ---- */

static char *secret_name(const char *prefix, const char *project)
{
	char *name = xasprintf("%s_%s", prefix, project);

	for (char *c = name; (c = strpbrk(c, "-."));)
		*c = '_';
	return name;
}

/* Without the newline that `echo` left; a secret that cannot be read is none, and its operator is told. */
static void read_secret(struct project *p, const char *prefix, const char *project, struct strbuf *ret)
{
	CLEANUP(cleanup_free) char *name = secret_name(prefix, project);
	struct error err = { 0 };

	strbuf_reserve(ret, SECRET_MAX + 1);
	if (secret_get(p, name, ret, &err) < 0) {
		if (err.code != ERR_NOT_FOUND)
			fprintf(stderr, "hooks: %s\n", err.msg);
		return;
	}
	while (ret->len && strchr("\r\n", ret->buf[ret->len - 1]))
		ret->buf[--ret->len] = '\0';
	if (ret->len < WEBHOOK_SECRET_MIN)
		fprintf(stderr, "hooks: secret %s is shorter than %d bytes and proves nothing\n", name, WEBHOOK_SECRET_MIN);
}

static int verify(struct project *p, const struct webhook_post *post, int64_t now_ms, enum webhook_provider *ret,
		  struct error *err)
{
	static const char *const prefixes[SECRETS] = { "HOOK", "HOOK2" };
	const struct webhook_request request = request_of(post);
	struct strbuf values[SECRETS] = { STRBUF_INIT, STRBUF_INIT };
	const char *secrets[SECRETS];
	int r;

	for (size_t i = 0; i < SECRETS; i++) {
		read_secret(p, prefixes[i], post->project, &values[i]);
		secrets[i] = values[i].buf;
	}
	r = webhook_verify(&request, secrets, SECRETS, now_ms, ret, err);
	for (size_t i = 0; i < SECRETS; i++)
		secret_wipe(&values[i]);
	return r;
}

int webhook_prove(struct project *p, const struct webhook_post *post, int64_t now_ms, struct webhook **ret, struct error *err)
{
	const struct webhook_request request = request_of(post);
	struct webhook_event event;
	enum webhook_provider provider;
	struct webhook *hook;

	if (project_name_fault(post->project))
		return error_set(err, ERR_NOT_FOUND, "'%.64s' is no name of a project", post->project);
	if (verify(p, post, now_ms, &provider, err) < 0 || webhook_read(&request, provider, &event, err) < 0)
		return -1;
	hook = xcalloc(1, sizeof(*hook));
	*hook = (struct webhook){ .project = xstrdup(post->project), .event = event, .came_ms = now_ms };
	digest_of(post->body, post->len, &hook->body);
	*ret = hook;
	return 0;
}

/* ---- what it means here ---- */

static const char *kind_name(enum webhook_kind kind)
{
	static const char *const names[] = {
		[WEBHOOK_PING] = "ping",
		[WEBHOOK_PUSH] = "push",
		[WEBHOOK_TAG] = "tag",
		[WEBHOOK_PULL_REQUEST] = "pull_request",
		[WEBHOOK_OTHER] = "other",
	};

	return names[kind];
}

/* "OWNER/NAME" is the end of the source, whatever its scheme: https://host/OWNER/NAME.git, git@host:OWNER/NAME. */
static bool is_source(const char *repository, const char *source)
{
	size_t len = strlen(source), n = strlen(repository);

	while (len && source[len - 1] == '/')
		len--;
	if (len > 4 && !strncasecmp(source + len - 4, ".git", 4))
		len -= 4;
	return len > n && !strncasecmp(source + len - n, repository, n) && strchr("/:", source[len - n - 1]);
}

/* A hook of a whole organisation tells of all its repositories, and one that was renamed is another until somebody says
 * that it is this. NULL: it is the project's. Caller frees. */
static char *other_repository(const struct js *row, const struct webhook_event *e)
{
	const char *source = js_get_str(row, "source");
	bool named = !strcmp(js_get_str(row, "kind"), source_kind_name(SOURCE_GIT)) && e->repository;

	if (!named || is_source(e->repository, source))
		return NULL;
	return xasprintf("it is about %s, and the project is %s; if that was renamed, register the project anew", e->repository,
			 source);
}

static char *why_ignored(const struct js *row, const struct webhook_event *e)
{
	if (e->kind == WEBHOOK_OTHER)
		return xstrdup("nothing that starts a run");
	return other_repository(row, e);
}

static int fire_event(struct project *p, struct db *db, const struct webhook *hook, struct js **ret, struct error *err)
{
	const struct webhook_event *e = &hook->event;
	CLEANUP(cleanup_free) char *actor = xasprintf("webhook of %s", webhook_provider_name(e->provider));
	struct op_context ctx = { .project = p, .origin = "http", .actor = actor, .dir = "/" };
	const struct push push = {
		.project = hook->project,
		.kind = kind_name(e->kind),
		.ref = e->ref,
		.branch = e->branch,
		.before = e->before,
		.after = e->after,
		.changed = &e->changed,
		.all_changed = e->all_changed || e->kind == WEBHOOK_PULL_REQUEST,
		.number = e->number,
		.fork = e->fork,
		.actor = e->actor,
		.via = actor,
		.time_ms = e->time_ms,
	};

	return push_fire(&ctx, db, &push, ret, err);
}

static int answer(struct project *p, struct db *db, const struct webhook *hook, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *ignored = NULL;
	CLEANUP_JS struct js *row = NULL, *result = NULL;

	if (project_row_load(db, hook->project, &row, err) < 0)
		return -1;
	ignored = why_ignored(row, &hook->event);
	if (!ignored && hook->event.kind != WEBHOOK_PING && fire_event(p, db, hook, &result, err) < 0)
		return -1;
	if (!result)
		result = js_object();
	if (ignored)
		js_set_str(result, "ignored", ignored);
	js_set_str(result, "delivery", hook->event.delivery);
	js_set_str(result, "event", kind_name(hook->event.kind));
	*ret = steal(&result);
	return 0;
}

int webhook_deliver(struct project *p, struct db *db, const struct webhook *hook, struct js **ret, struct error *err)
{
	const char *id = hook->event.delivery;
	CLEANUP_JS struct js *result = NULL;
	int r = delivery_find(db, hook->project, id, &hook->body, &result, err);

	if (r < 0)
		return -1;
	if (r > 0) {
		js_set_bool(result, "repeated", true);
		*ret = steal(&result);
		return 0;
	}
	if (answer(p, db, hook, &result, err) < 0 ||
	    delivery_add(db, hook->project, id, &hook->body, result, hook->came_ms, err) < 0)
		return -1;
	*ret = steal(&result);
	return 0;
}
