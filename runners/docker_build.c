/* SPDX-License-Identifier: Apache-2.0 */
#include "runners/docker_build.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "runners/docker_engine.h"
#include "runners/docker_internal.h"

/* -- labels -- */

/* "sha256:HEX" of what an engine calls an id, with or without the first word; NULL when it is none. */
static char *image_id(const char *text)
{
	char *id = strchr(text, ':') ? xstrdup(text) : xasprintf("sha256:%s", text);

	if (!strncmp(id, "sha256:", 7) && docker_ref_is_pinned(id))
		return id;
	free(id);
	return NULL;
}

static int has_id(const struct js *images, const char *id)
{
	for (size_t i = 0; i < js_len(images); i++) {
		const char *text = js_get_str(js_at(images, i), "Id");
		CLEANUP(cleanup_free) char *one = text ? image_id(text) : NULL;
		if (one && !strcmp(one, id))
			return 1;
	}
	return 0;
}

int docker_image_has_label(struct docker_engine *engine, const char *id, const char *label, const char *value,
			   struct error *err)
{
	static const char what[] = "cannot list the images";
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT, body = STRBUF_INIT, filter = STRBUF_INIT;
	CLEANUP_JS struct js *filters = js_object();
	CLEANUP_JS struct js *images = NULL;
	struct docker_request request = { .method = "GET" };
	struct js *labels = js_array();
	int status;

	strbuf_printf(&filter, "%s=%s", label, value);
	js_push_str(labels, filter.buf);
	js_set(filters, "label", labels);
	strbuf_clear(&filter);
	js_dump(filters, JS_COMPACT, &filter);
	strbuf_puts(&path, "/images/json?all=1&filters=");
	http_escape(&path, filter.buf);
	request.path = path.buf;
	if (docker_request(engine, &request, &status, &body, err) < 0)
		return -1;
	if (status != 200)
		return docker_reply_error(status, &body, what, err);
	if (docker_reply_json(&body, what, &images, err) < 0)
		return -1;
	return has_id(images, id);
}

/* -- building -- */

struct building {
	const struct docker_build *build;
	const struct progress *progress;
	struct docker_built *built;
	struct strbuf line;
	uint64_t sent;
	struct error err; /* of the context */
};

void docker_built_release(struct docker_built *built)
{
	free(built->id);
	free(built->instruction);
	strlist_release(&built->tail);
	*built = (struct docker_built){ 0 };
}

static void add_tail(struct strlist *tail, const char *line)
{
	if (tail->len == DOCKER_BUILD_TAIL) {
		free(tail->items[0]);
		memmove(tail->items, tail->items + 1, --tail->len * sizeof(*tail->items));
	}
	strlist_push(tail, line);
}

/* "Step 2/5 : RUN make", of Podman "STEP 2/5: RUN make". */
static bool take_step(struct docker_built *built, const char *line)
{
	int step, steps, at = 0;

	if (strncasecmp(line, "step ", 5) != 0 || sscanf(line + 5, "%9d/%9d%n", &step, &steps, &at) != 2)
		return false;
	line += 5 + at;
	line += strspn(line, " ");
	if (*line != ':')
		return false;
	built->step = step;
	built->steps = steps;
	free(built->instruction);
	built->instruction = xstrdup(line + 1 + strspn(line + 1, " "));
	strlist_release(&built->tail);
	return true;
}

/* What the builder says of itself, between the lines of instructions. */
static bool is_builders(const char *line)
{
	static const char *const heads[] = { " ---> ", "Removing intermediate container ", "Successfully built " };

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		if (!strncmp(line, heads[i], strlen(heads[i])))
			return true;
	return false;
}

/* The builder writes in red what came on standard error, and goes on in that line: "\x1b[91m", "\x1b[0m". */
static void drop_colors(struct strbuf *line)
{
	char *to = line->buf;

	if (!line->len)
		return;
	for (const char *from = line->buf; *from; from++) {
		size_t len = from[0] == '\x1b' && from[1] == '[' ? strspn(from + 2, "0123456789;") : 0;
		if (len && from[2 + len] == 'm')
			from += 2 + len;
		else
			*to++ = *from;
	}
	*to = '\0';
	line->len = (size_t)(to - line->buf);
}

static void take_line(struct building *b)
{
	char *line = b->line.buf;

	drop_colors(&b->line);
	/* A progress bar: what came last counts. */
	while (b->line.len && line[b->line.len - 1] == '\r')
		line[--b->line.len] = '\0';
	line = strrchr(line, '\r') ? strrchr(line, '\r') + 1 : line;
	bool told = *line && !is_builders(line);

	if (!take_step(b->built, line) && told)
		add_tail(&b->built->tail, line);
	if (told && b->build->line)
		b->build->line(b->build->line_ctx, line);
	strbuf_clear(&b->line);
}

static void take_event(void *ctx, const struct js *event)
{
	struct building *b = ctx;
	const char *text = js_get_str(event, "stream"), *id = js_get_str(js_get(event, "aux"), "ID");

	if (id) {
		free(b->built->id);
		b->built->id = image_id(id);
	}
	for (; text && *text; text++) {
		if (*text == '\n' || b->line.len > 4096)
			take_line(b);
		if (*text != '\n')
			strbuf_putc(&b->line, *text);
	}
}

static bool tick(void *ctx, uint64_t done, uint64_t total)
{
	struct building *b = ctx;
	const struct progress *p = b->progress;
	CLEANUP(cleanup_free) char *what = NULL;

	(void)done;
	(void)total;
	if (!p)
		return false;
	if (!b->built->step) {
		what = xasprintf("%s: its context", b->build->name);
		return p->report(p->ctx, what, 0, b->sent, b->build->bytes > b->sent ? b->build->bytes : b->sent);
	}
	what = xasprintf("%s: step %d/%d %s", b->build->name, b->built->step, b->built->steps, b->built->instruction);
	return p->report(p->ctx, what, 0, 0, 0);
}

static ssize_t send_context(void *ctx, char *buf, size_t size)
{
	struct building *b = ctx;
	ssize_t len = b->build->context(b->build->ctx, buf, size, &b->err);

	if (len > 0)
		b->sent += (uint64_t)len;
	return len;
}

static void add_json(struct strbuf *path, const char *key, const struct strlist *items)
{
	CLEANUP_JS struct js *map = js_object();
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; items && i < items->len; i++) {
		CLEANUP(cleanup_free) char *name = xstrndup(items->items[i], strcspn(items->items[i], "="));
		const char *value = items->items[i] + strlen(name);

		js_set_str(map, name, *value ? value + 1 : "");
	}
	if (!js_len(map))
		return;
	js_dump(map, JS_COMPACT, &text);
	strbuf_printf(path, "&%s=", key);
	http_escape(path, text.buf);
}

static char *build_path(const struct docker_build *build)
{
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;

	strbuf_puts(&path, "/build?version=1&rm=1&forcerm=1&dockerfile=");
	http_escape(&path, build->dockerfile);
	strbuf_printf(&path, "&networkmode=%s", build->network ? "default" : "none");
	add_json(&path, "buildargs", build->args);
	add_json(&path, "labels", build->labels);
	return strbuf_detach(&path);
}

/* Words of builders, and what helps. */
static const struct {
	const char *words, *help;
} answers[] = {
	{ "BuildKit", "build it by hand (docker build -t NAME .), and name it in the step: image = NAME" },
	{ "Unknown flag", "this engine's classic builder does not know it; build it by hand (docker build -t NAME .), and "
			  "name it in the step: image = NAME" },
	{ "no space left on device", "free some: docker system df, docker system prune" },
	{ "file not found in build context", "is it below context=, and not named in .dockerignore?" },
	{ "COPY failed", "is it below context=, and not named in .dockerignore?" },
	{ "ADD failed", "is it below context=, and not named in .dockerignore?" },
	{ "unknown instruction", "a here-document needs BuildKit: write it with \\ at the ends of lines, or build the "
				 "image by hand and name it in the step: image = NAME" },
};

static int fail(const struct building *b, const char *words, int status, struct error *err)
{
	const char *name = b->build->name;

	if (status >= 500 && !b->built->step)
		error_set(err, ERR_ENV, "%s cannot be built: %.700s", name, words);
	else
		error_set(err, ERR_FAILED, "%s cannot be built: %.700s", name, words);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		if (strcasestr(words, answers[i].words))
			return error_help(err, "%s", answers[i].help);
	if (!b->build->network && b->built->instruction && !strncasecmp(b->built->instruction, "RUN", 3))
		return error_help(err, "if it needs the network: network = yes in the image's section");
	return -1;
}

static int judge(const struct building *b, enum docker_followed how, const char *words, int status,
		 struct error *err)
{
	const char *name = b->build->name;

	if (b->err.code) {
		if (err)
			*err = b->err;
		return -1;
	}
	switch (how) {
	case FOLLOWED:
		return b->built->id ? 0 : error_set(err, ERR_ENV, "%s: the engine built it and tells no id", name);
	case FOLLOW_REFUSED:
		return fail(b, words, status, err);
	case FOLLOW_TIMEOUT:
		error_set(err, ERR_FAILED, "%s was not built within its timeout of %g s", name,
			  (double)b->build->timeout_ms / 1000);
		return error_help(err, "see what it waits for, or give it more: timeout =");
	case FOLLOW_LOST:
		return error_wrap(err, "%s", name);
	default:
		return error_set(err, ERR_INTERRUPTED, "stopped while building %s", name);
	}
}

int docker_build(struct docker_engine *engine, const struct docker_build *build, const struct progress *progress,
		 struct docker_built *ret, struct error *err)
{
	static const char *const headers[] = { "Content-Type: application/x-tar", NULL };
	CLEANUP(cleanup_free) char *path = build_path(build);
	CLEANUP_STRBUF struct strbuf words = STRBUF_INIT;
	struct building b = { .build = build, .progress = progress, .built = ret, .line = STRBUF_INIT };
	const struct docker_follow follow = {
		.method = "POST",
		.path = path,
		.headers = headers,
		.upload = send_context,
		.event = take_event,
		.tick = tick,
		.ctx = &b,
		.timeout_ms = build->timeout_ms,
		.signals = build->signals,
	};
	enum docker_followed how;
	int status;

	*ret = (struct docker_built){ 0 };
	how = docker_follow(engine, &follow, &words, &status, err);
	if (b.line.len)
		take_line(&b);
	strbuf_release(&b.line);
	if (judge(&b, how, words.buf, status, err) == 0)
		return 0;
	free(steal(&ret->id)); /* of a stage before the one that failed */
	return -1;
}
