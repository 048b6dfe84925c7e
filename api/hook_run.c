/* SPDX-License-Identifier: Apache-2.0 */
#include "api/hook_run.h"
#include <stdlib.h>
#include <string.h>
#include "api/hook_files.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/credentials.h"
#include "base/error.h"
#include "base/error_json.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define TOLD_MS	    2000  /* all that a hook takes of somebody's time */
#define CHANGED_MAX 10000 /* files that are named one by one */

static void note(struct js *notes, char *text)
{
	js_push_str(notes, text);
	free(text);
}

/* ---- what happened ---- */

static bool is_zero(const char *hex)
{
	return !hex[strspn(hex, "0")];
}

/* "COMMIT SECONDS FIRST-PARENT..." of a commit, or of the one that a tag names. */
static int read_commit(const char *dir, const char *revision, char **ret, struct error *err)
{
	const char *const words[] = { "log", "-1", "--format=%H %ct %P", revision, "--", NULL };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int status = hook_git(dir, words, &text, err);

	if (status < 0)
		return -1;
	if (status)
		return error_set(err, ERR_USAGE, "git does not know the commit %s", revision);
	*ret = xstrndup(text.buf, strcspn(text.buf, "\n"));
	return 0;
}

/* NULL: too many to name, or nobody can say. */
static struct js *changed_files(const char *dir, const char *before, const char *after)
{
	const char *const words[] = { "diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after, "--", NULL };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct js *list = js_array();
	const char *at = text.buf;

	if (hook_git(dir, words, &text, NULL) == 0)
		for (at = text.buf; at < text.buf + text.len && js_len(list) < CHANGED_MAX; at += strlen(at) + 1)
			js_push_str(list, at);
	if (text.len && at >= text.buf + text.len)
		return list;
	js_free(list);
	return NULL;
}

/* The arguments of trigger.push. A NULL `before` is the commit's first parent. */
static int describe(const char *dir, const char *ref, const char *before, const char *after, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *text = NULL;
	char *save, *commit, *seconds, *parent;
	struct js *push, *changed;

	if (read_commit(dir, after, &text, err) < 0)
		return -1;
	commit = strtok_r(text, " ", &save);
	seconds = strtok_r(NULL, " ", &save);
	parent = strtok_r(NULL, " ", &save);
	if (!before)
		before = parent;
	else if (is_zero(before))
		before = NULL;
	changed = before ? changed_files(dir, before, commit) : NULL;
	push = js_object();
	js_set_str(push, "ref", ref);
	js_set_str(push, "after", commit);
	js_set_str(push, "before", before);
	js_set_int(push, "time", strtoll(seconds ? seconds : "0", NULL, 10) * 1000);
	if (changed)
		js_set(push, "changed", changed);
	*ret = push;
	return 0;
}

/* ---- telling it ---- */

struct listener {
	char *project, *agent;
	struct address address;
	int64_t until_ms; /* monotonic */
};

static void listener_release(struct listener *to)
{
	free(to->project);
	free(to->agent);
	address_release(&to->address);
}

static int find_listener(const char *dir, struct listener *ret, struct error *err)
{
	struct listener to CLEANUP(listener_release) = { .until_ms = clock_mono_ms() + TOLD_MS };

	if (hook_config_get(dir, "project", &to.project, err) < 0 || hook_config_get(dir, "agent", &to.agent, err) < 0)
		return -1;
	if (!to.project || !to.agent) {
		error_set(err, ERR_USAGE, "the repository's configuration names no agent and project");
		return error_help(err, "run: mlops hooks install");
	}
	if (address_parse(to.agent, &to.address, err) < 0)
		return -1;
	*ret = to;
	to = (struct listener){ 0 };
	return 0;
}

static int exchange(const struct listener *to, const struct js *push, struct js **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT, reply = STRBUF_INIT, token = STRBUF_INIT;
	CLEANUP(cleanup_free) char *path = xasprintf("%s/api/v1/projects/%s/push", to->address.prefix, to->project);
	CLEANUP(cleanup_free) char *bearer = NULL;
	const char *headers[] = { "Content-Type: application/json", NULL, NULL };
	struct http_server server = address_server(&to->address);
	struct http_request request = { .method = "POST", .path = path, .headers = headers, .once = true };
	int status, r = credentials_find(&to->address, &token, err);

	if (r < 0)
		return -1;
	bearer = xasprintf("Authorization: Bearer %s", token.buf);
	headers[1] = r > 0 ? bearer : NULL;
	js_dump(push, JS_COMPACT, &body);
	request.body = body.buf;
	request.body_len = body.len;
	request.timeout_ms = to->until_ms - clock_mono_ms();
	request.connect_ms = request.timeout_ms;
	if (request.timeout_ms <= 0)
		return error_set(err, ERR_ENV, "it takes too long");
	r = http_exchange(&server, &request, NULL, &status, &reply, NULL, err);
	explicit_bzero(bearer, strlen(bearer));
	if (r < 0 || js_parse(reply.buf, reply.len, "the answer", ret, err) < 0)
		return -1;
	return status == 200 ? 0 : error_from_json(js_get(*ret, "error"), "refused", err);
}

static void note_fired(struct js *notes, const struct js *fired)
{
	const char *trigger = js_get_str(fired, "trigger"), *run = js_get_str(fired, "run_id"), *reason = js_get_str(fired, "reason");

	if (js_get_bool(fired, "repeated"))
		return;
	if (run)
		note(notes, xasprintf("trigger %s starts run %.8s", trigger, run));
	else
		note(notes, xasprintf("trigger %s: %s%s%s", trigger, js_get_str(fired, "decision"), reason ? ", " : "", reason ? reason : ""));
}

static void tell(const struct listener *to, const struct js *push, struct js *notes)
{
	CLEANUP_JS struct js *answer = NULL;
	struct error err = { 0 };

	if (exchange(to, push, &answer, &err) < 0) {
		note(notes, xasprintf("the agent was not told of %s: %s", js_get_str(push, "ref"), err.msg));
		return;
	}
	for (size_t i = 0; i < js_len(js_get(answer, "fired")); i++)
		note_fired(notes, js_at(js_get(answer, "fired"), i));
}

/* ---- hooks ---- */

int hook_after_commit(const char *dir, struct js *notes, struct error *err)
{
	static const char *const words[] = { "symbolic-ref", "-q", "HEAD", NULL };
	struct listener to CLEANUP(listener_release) = { 0 };
	CLEANUP_STRBUF struct strbuf ref = STRBUF_INIT;
	CLEANUP_JS struct js *push = NULL;
	int status = hook_git(dir, words, &ref, err);

	if (status < 0)
		return -1;
	/* on no branch: a rebase, which ends on one */
	if (status)
		return 0;
	ref.buf[strcspn(ref.buf, "\n")] = '\0';
	if (find_listener(dir, &to, err) < 0 || describe(dir, ref.buf, NULL, "HEAD", &push, err) < 0)
		return -1;
	tell(&to, push, notes);
	return 0;
}

static int tell_line(const char *dir, const struct listener *to, char *line, struct js *notes, struct error *err)
{
	char *save, *before = strtok_r(line, " ", &save), *after = strtok_r(NULL, " ", &save), *ref = strtok_r(NULL, " ", &save);
	CLEANUP_JS struct js *push = NULL;

	if (!ref)
		return error_set(err, ERR_USAGE, "a line of a hook's input is not OLD NEW REF");
	if (is_zero(after) || (strncmp(ref, "refs/heads/", 11) != 0 && strncmp(ref, "refs/tags/", 10) != 0))
		return 0;
	if (describe(dir, ref, before, after, &push, err) < 0)
		return -1;
	tell(to, push, notes);
	return 0;
}

int hook_after_receive(const char *dir, const struct strbuf *lines, struct js *notes, struct error *err)
{
	struct listener to CLEANUP(listener_release) = { 0 };
	CLEANUP(cleanup_free) char *text = xstrndup(lines->buf, lines->len);
	char *save, *line = strtok_r(text, "\n", &save);

	if (line && find_listener(dir, &to, err) < 0)
		return -1;
	for (; line; line = strtok_r(NULL, "\n", &save)) {
		if (clock_mono_ms() >= to.until_ms) {
			note(notes, xstrdup("the agent was not told of more refs: it takes too long"));
			return 0;
		}
		if (tell_line(dir, &to, line, notes, err) < 0)
			return -1;
	}
	return 0;
}
