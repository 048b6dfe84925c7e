/* SPDX-License-Identifier: Apache-2.0 */
/* What a webhook says. */
#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/moment.h"
#include "policy/webhook.h"
#include "registry/projects.h"

#define CHANGED_MAX    10000 /* files that are looked at one by one */
#define COMMITS_MAX    2048  /* of a push that GitHub tells */
#define DELIVERY_MAX   200
#define HEADS	       "refs/heads/"
#define TAGS	       "refs/tags/"

void webhook_event_release(struct webhook_event *event)
{
	char *const texts[] = { event->delivery, event->repository, event->ref,	  event->branch,
				event->before,	 event->after,	    event->actor };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	strlist_release(&event->changed);
	*event = (struct webhook_event){ 0 };
}

/* ---- JSON ---- */

/* "pull_request.head.sha" */
static struct js *walk(const struct js *json, const char *path)
{
	struct js *at = NULL;

	while (*path) {
		size_t len = strcspn(path, ".");
		char key[64];

		memcpy(key, path, len);
		key[len] = '\0';
		at = js_get(json, key);
		json = at;
		path += len + (path[len] == '.');
	}
	return at;
}

static const char *text(const struct js *json, const char *path)
{
	return js_text(walk(json, path));
}

static void copy(char **ret, const char *value)
{
	if (value && *value)
		*ret = xstrdup(value);
}

/* Of one place or the other. */
static const char *either(const struct js *json, const char *path, const char *other)
{
	const char *value = text(json, path);

	return value ? value : text(json, other);
}

/* ---- parts of an event ---- */

static bool is_commit(const char *hex)
{
	size_t len = strspn(hex, "0123456789abcdef");

	return (len == 40 || len == 64) && !hex[len];
}

/* All zeros say that there is none: *ret stays NULL. */
static int take_commit(const char *hex, const char *what, char **ret, struct error *err)
{
	if (!hex || !is_commit(hex))
		return error_set(err, ERR_USAGE, "%s of the webhook is no commit: '%.80s'", what, hex ? hex : "");
	if (hex[strspn(hex, "0")])
		*ret = xstrdup(hex);
	return 0;
}

static int take_branch(const char *name, struct webhook_event *e, struct error *err)
{
	const char *fault = branch_name_fault(name ? name : "");

	if (fault)
		return error_set(err, ERR_USAGE, "branch '%.100s' of the webhook %s", name ? name : "", fault);
	e->branch = xstrdup(name);
	return 0;
}

/* Refs of other kinds (notes, changes under review) start nothing. */
static int take_ref(const char *ref, struct webhook_event *e, struct error *err)
{
	if (!ref)
		return error_set(err, ERR_USAGE, "the webhook tells of a push and names no ref");
	if (!strncmp(ref, HEADS, strlen(HEADS))) {
		e->kind = WEBHOOK_PUSH;
		if (take_branch(ref + strlen(HEADS), e, err) < 0)
			return -1;
	} else if (!strncmp(ref, TAGS, strlen(TAGS)) && !branch_name_fault(ref + strlen(TAGS))) {
		e->kind = WEBHOOK_TAG;
	} else {
		e->kind = WEBHOOK_OTHER;
	}
	e->ref = xstrdup(ref);
	return 0;
}

/* ---- what changed ---- */

static void add_changed(struct webhook_event *e, const struct js *paths)
{
	for (size_t i = 0; i < js_len(paths) && !e->all_changed; i++) {
		const char *path = js_text(js_at(paths, i));

		if (path && e->changed.len < CHANGED_MAX)
			strlist_push(&e->changed, path);
		else
			e->all_changed = true;
	}
}

/* A commit that does not say what it changes may have changed anything. */
static void add_commit(struct webhook_event *e, const struct js *commit)
{
	static const char *const lists[] = { "added", "modified", "removed" };
	bool says = false;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct js *paths = js_get(commit, lists[i]);

		says |= js_typeof(paths) == JS_ARRAY;
		add_changed(e, paths);
	}
	e->all_changed |= !says;
}

static void take_changed(struct webhook_event *e, const struct js *json)
{
	const struct js *commits = js_get(json, "commits"), *changed = js_get(json, "changed");
	int64_t n = (int64_t)js_len(commits);
	int64_t total = js_get_int(json, "total_commits_count", js_get_int(json, "total_commits", n));

	for (size_t i = 0; i < js_len(commits) && !e->all_changed; i++)
		add_commit(e, js_at(commits, i));
	add_changed(e, changed);
	e->all_changed |= !e->before || js_get_bool(json, "forced") || total > n || n >= COMMITS_MAX || (!n && !js_len(changed));
	if (!e->all_changed) {
		strlist_sort(&e->changed);
		strlist_uniq(&e->changed);
		return;
	}
	strlist_release(&e->changed);
	e->changed = (struct strlist)STRLIST_INIT;
}

/* Of the commit that the ref is at now. */
static void take_time(struct webhook_event *e, const struct js *json)
{
	const struct js *commits = js_get(json, "commits");
	const char *time = text(json, "head_commit.timestamp");

	for (size_t i = 0; !time && e->after && i < js_len(commits); i++) {
		const char *id = js_get_str(js_at(commits, i), "id");

		if (id && !strcmp(id, e->after))
			time = js_get_str(js_at(commits, i), "timestamp");
	}
	/* a date, not "2h" */
	if (time && strlen(time) > 10 && time[4] == '-')
		parse_moment(time, 0, &e->time_ms, NULL);
}

/* ---- kinds of events ---- */

/* The `after` of an annotated tag is the tag's own object, which stands beside its commit. */
static const char *commit_of(const struct webhook_event *e, const struct js *json)
{
	const char *after = js_get_str(json, "after"), *commit = either(json, "checkout_sha", "head_commit.id");
	bool zero = after && is_commit(after) && !after[strspn(after, "0")];

	return e->kind == WEBHOOK_TAG && commit && !zero ? commit : after;
}

static int read_push(const struct js *json, struct webhook_event *e, struct error *err)
{
	const char *before = js_get_str(json, "before");

	if (take_ref(js_get_str(json, "ref"), e, err) < 0 ||
	    (before && take_commit(before, "before", &e->before, err) < 0) ||
	    take_commit(commit_of(e, json), "after", &e->after, err) < 0)
		return -1;
	copy(&e->actor, either(json, "sender.login", "user_username"));
	if (!e->actor)
		copy(&e->actor, either(json, "pusher.login", "user_name"));
	take_changed(e, json);
	take_time(e, json);
	return 0;
}

static bool is_any(const char *word, const char *const *words)
{
	while (word && *words && strcmp(word, *words) != 0)
		words++;
	return word && *words;
}

static int read_pull_request(const struct js *json, struct webhook_event *e, struct error *err)
{
	static const char *const actions[] = { "opened", "reopened", "synchronize", "synchronized", NULL };
	const char *head = text(json, "pull_request.head.repo.full_name"), *base = text(json, "pull_request.base.repo.full_name");

	if (!is_any(js_get_str(json, "action"), actions))
		return 0;
	e->kind = WEBHOOK_PULL_REQUEST;
	e->number = js_get_int(json, "number", 0);
	e->fork = !head || !base || strcmp(head, base) != 0;
	e->ref = xasprintf("refs/pull/%lld/head", (long long)e->number);
	copy(&e->actor, text(json, "sender.login"));
	if (e->number <= 0)
		return error_set(err, ERR_USAGE, "the webhook tells of a pull request and gives no number");
	if (take_branch(text(json, "pull_request.base.ref"), e, err) < 0)
		return -1;
	return take_commit(text(json, "pull_request.head.sha"), "pull_request.head.sha", &e->after, err);
}

static int read_merge_request(const struct js *json, struct webhook_event *e, struct error *err)
{
	static const char *const actions[] = { "open", "reopen", "update", NULL };
	const struct js *mr = js_get(json, "object_attributes");
	const char *action = js_get_str(mr, "action");

	/* an update without oldrev changed its words */
	if (!is_any(action, actions) || (!strcmp(action, "update") && !js_get_str(mr, "oldrev")))
		return 0;
	e->kind = WEBHOOK_PULL_REQUEST;
	e->number = js_get_int(mr, "iid", 0);
	e->fork = js_get_int(mr, "source_project_id", -1) != js_get_int(mr, "target_project_id", -2);
	e->ref = xasprintf("refs/merge-requests/%lld/head", (long long)e->number);
	copy(&e->actor, text(json, "user.username"));
	if (e->number <= 0)
		return error_set(err, ERR_USAGE, "the webhook tells of a merge request and gives no iid");
	if (take_branch(js_get_str(mr, "target_branch"), e, err) < 0)
		return -1;
	return take_commit(text(mr, "last_commit.id"), "object_attributes.last_commit.id", &e->after, err);
}

static int read_ping(const struct js *json, struct webhook_event *e, struct error *err)
{
	(void)json;
	(void)err;
	e->kind = WEBHOOK_PING;
	return 0;
}

/* ---- which it is ---- */

/* The events that count, as their headers name them; programs of one's own only push. */
static const struct event_name {
	const char *name;
	int (*read)(const struct js *, struct webhook_event *, struct error *);
} names[] = {
	{ "push", read_push },
	{ "Push Hook", read_push },
	{ "Tag Push Hook", read_push },
	{ "pull_request", read_pull_request },
	{ "pull_request_sync", read_pull_request },
	{ "Merge Request Hook", read_merge_request },
	{ "ping", read_ping },
};

static const char *first_header(const struct webhook_request *r, const char *const *list)
{
	const char *value = NULL;

	for (; *list && !(value && *value); list++)
		value = r->header(r->ctx, *list);
	return value && *value ? value : NULL;
}

static const char *event_name(const struct webhook_request *r, enum webhook_provider provider)
{
	static const char *const headers[] = { "x-forgejo-event", "x-gitea-event", "x-github-event", "x-gitlab-event", NULL };
	const char *name = provider == WEBHOOK_GENERIC ? "push" : first_header(r, headers);

	return name ? name : "";
}

/* A forge that sends it again keeps these. */
static char *delivery_of(const struct webhook_request *r)
{
	static const char *const ids[] = { "webhook-id",	"x-forgejo-delivery", "x-gitea-delivery",
					   "x-github-delivery", "idempotency-key",    NULL };
	const char *id = first_header(r, ids);
	char hex[DIGEST_HEX + 1];
	struct digest digest;

	if (id)
		return xstrndup(id, DELIVERY_MAX);
	digest_of(r->body, r->len, &digest);
	return xstrdup(digest_format(&digest, hex));
}

static int parse(const struct webhook_request *r, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;

	if (js_count(r->body, r->len) > JS_STRANGERS_MAX)
		return error_set(err, ERR_TOO_LARGE, "the webhook's body holds more than %d values", JS_STRANGERS_MAX);
	if (js_parse(r->body, r->len, "the webhook's body", &json, err) < 0)
		return -1;
	if (js_typeof(json) != JS_OBJECT)
		return error_set(err, ERR_USAGE, "the webhook's body is no JSON object");
	*ret = steal(&json);
	return 0;
}

int webhook_read(const struct webhook_request *r, enum webhook_provider provider, struct webhook_event *ret,
		 struct error *err)
{
	struct webhook_event e CLEANUP(webhook_event_release) = { .provider = provider, .kind = WEBHOOK_OTHER };
	const char *name = event_name(r, provider);
	CLEANUP_JS struct js *json = NULL;

	if (parse(r, &json, err) < 0)
		return -1;
	e.delivery = delivery_of(r);
	copy(&e.repository, either(json, "project.path_with_namespace", "repository.full_name"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(names[i].name, name) && names[i].read(json, &e, err) < 0)
			return -1;
	*ret = e;
	e = (struct webhook_event){ 0 };
	return 0;
}
