/* SPDX-License-Identifier: Apache-2.0 */
/* What a step prints: secrets are masked first of all, then it goes into the log and to who watches. */
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/loop.h"
#include "base/mask.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/engine.h"
#include "pipeline/secret_files.h"
#include "pipeline/steplog.h"

#define UNSEEN_MAX (64u << 10) /* bytes that wait for an event */
#define OUTPUT_MS  20          /* how long output waits for company */

/* The first bytes of what no event has told, and a line feed after them that needs no telling. */
static void emit_output(struct task *t, enum runner_stream stream, size_t len)
{
	struct strbuf *text = &t->unseen[stream];
	struct js *event = js_object();

	js_set_str(event, "event", "output");
	js_set_str(event, "step", t->node->name);
	js_set_str(event, "stream", stream == RUNNER_STDERR ? "stderr" : "stdout");
	js_set(event, "text", js_strn(text->buf, len));
	engine_emit(t->engine, event);
	len += len < text->len && text->buf[len] == '\n';
	memmove(text->buf, text->buf + len, text->len - len + 1);
	text->len -= len;
}

static void emit_lines(struct task *t, enum runner_stream stream)
{
	const struct strbuf *text = &t->unseen[stream];
	const char *end = text->len ? memrchr(text->buf, '\n', text->len) : NULL;

	if (end)
		emit_output(t, stream, (size_t)(end - text->buf));
	if (text->len > UNSEEN_MAX)
		emit_output(t, stream, text->len);
}

/* A line that has not ended waits, unless it is a progress bar, which never ends before its work does. */
void task_emit_unfinished(struct task *t, bool all)
{
	for (enum runner_stream stream = RUNNER_STDOUT; stream <= RUNNER_STDERR; stream++) {
		const struct strbuf *text = &t->unseen[stream];

		emit_lines(t, stream);
		if (text->len && (all || memchr(text->buf, '\r', text->len)))
			emit_output(t, stream, text->len);
	}
}

static void output_due(void *ctx)
{
	struct task *t = ctx;

	t->output_timer = NULL;
	steplog_flush(t->log);
	emit_lines(t, RUNNER_STDOUT);
	emit_lines(t, RUNNER_STDERR);
}

/* Into the log, and to who watches; both in larger pieces than it may come in. Of two streams, what came
 * first is told first. */
static void take_output(struct task *t, enum runner_stream stream, const char *data, size_t len)
{
	struct strbuf *text = &t->unseen[stream];

	steplog_feed(t->log, stream == RUNNER_STDERR, data, len);
	if (!t->output_timer)
		t->output_timer = loop_after(t->engine->loop, OUTPUT_MS, output_due, t);
	if (!t->engine->opt->emit)
		return;
	emit_lines(t, stream == RUNNER_STDERR ? RUNNER_STDOUT : RUNNER_STDERR);
	strbuf_add(text, data, len);
	if (text->len > UNSEEN_MAX)
		emit_lines(t, stream);
}

void task_output(void *task, enum runner_stream stream, const char *data, size_t len)
{
	struct task *t = task;
	CLEANUP_STRBUF struct strbuf masked = STRBUF_INIT;

	if (!t->masks[stream]) {
		take_output(t, stream, data, len);
		return;
	}
	mask_stream_feed(t->masks[stream], data, len, &masked);
	if (masked.len)
		take_output(t, stream, masked.buf, masked.len);
}

void task_output_begin(struct task *t)
{
	const struct mask_set *mask = run_secrets_mask(t->engine->secrets);

	for (enum runner_stream stream = RUNNER_STDOUT; mask && stream <= RUNNER_STDERR; stream++)
		t->masks[stream] = mask_set_is_empty(mask) ? NULL : mask_stream_new(mask);
}

void task_output_end(struct task *t)
{
	for (enum runner_stream stream = RUNNER_STDOUT; stream <= RUNNER_STDERR; stream++) {
		CLEANUP_STRBUF struct strbuf rest = STRBUF_INIT;
		if (!t->masks[stream])
			continue;
		/* Who was killed, maybe by another program of the step, may have been in the middle of a secret. */
		if (t->exit->cause == CAUSE_EXIT && !t->exit->code)
			mask_stream_end(t->masks[stream], &rest);
		else
			mask_stream_cut(t->masks[stream], &rest);
		if (rest.len && t->log)
			take_output(t, stream, rest.buf, rest.len);
		mask_stream_free(t->masks[stream]);
		t->masks[stream] = NULL;
	}
	task_emit_unfinished(t, true);
}

static void mask_field(const struct mask_set *mask, char *field, size_t size)
{
	CLEANUP_STRBUF struct strbuf masked = STRBUF_INIT;

	if (strlen(field) + 1 < size)
		mask_text(mask, field, strlen(field), &masked);
	else
		mask_cut_text(mask, field, strlen(field), &masked);
	snprintf(field, size, "%s", masked.len ? masked.buf : "");
}

void task_mask_error(struct task *t)
{
	const struct mask_set *mask = run_secrets_mask(t->engine->secrets);

	if (!mask || mask_set_is_empty(mask) || !t->err->code)
		return;
	mask_field(mask, t->err->msg, sizeof(t->err->msg));
	mask_field(mask, t->err->help, sizeof(t->err->help));
}

char *task_masked(const struct task *t, const char *text)
{
	const struct mask_set *mask = run_secrets_mask(t->engine->secrets);
	struct strbuf masked = STRBUF_INIT;

	if (!mask || mask_set_is_empty(mask))
		return xstrdup(text);
	mask_text(mask, text, strlen(text), &masked);
	return strbuf_detach(&masked);
}
