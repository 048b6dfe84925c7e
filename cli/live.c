/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/live.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "cli/live_groups.h"
#include "cli/print.h"
#include "cli/signals.h"
#include "cli/term.h"
#include "cli/text.h"

#define DRAW_EVERY_MS  100
#define QUIET_START_MS 300  /* short work shows no progress */
#define STALE_MS       1000 /* progress that was not heard of for so long is over */

struct live {
	enum live_mode mode;
	struct term *term;
	pthread_mutex_t mutex; /* progress may come from a worker */
	struct progress progress;
	struct live_groups *groups;
	struct strbuf pending; /* lines for good, written at the next draw */
	int drawn;             /* lines of the view on the screen */
	int64_t drawn_ms;
	struct strbuf frame;   /* being drawn */
	unsigned turn;         /* of the spinner */
	char *work;            /* what progress is about */
	uint64_t files, bytes, total_bytes;
	int64_t work_started_ms, work_heard_ms;
};

static bool report(void *ctx, const char *what, uint64_t files, uint64_t bytes,
		   uint64_t total_bytes);
static void say(void *ctx, const char *code, const char *word, const char *text);
static void show(void *ctx, enum live_mark, const char *text);

struct live *live_new(enum live_mode mode, struct term *term)
{
	struct live *live = xcalloc(1, sizeof(*live));

	live->mode = mode;
	live->term = term;
	live->groups = live_groups_new(mode != LIVE_SCREEN, &(struct live_sink){ say, show, live }, clock_mono_ms());
	live->pending = live->frame = (struct strbuf)STRBUF_INIT;
	live->progress = (struct progress){ .report = report, .ctx = live };
	pthread_mutex_init(&live->mutex, NULL);
	return live;
}

const struct progress *live_progress(struct live *live)
{
	return &live->progress;
}

static void add_styled(struct strbuf *to, const struct term *term, const char *code,
		       const char *text)
{
	if (term->err_color && *code)
		strbuf_printf(to, "\033[%sm%s\033[0m", code, text);
	else
		strbuf_puts(to, text);
}

static const char *spinner(const struct live *live)
{
	static const char *const fancy[] = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" };
	static const char *const plain[] = { "|", "/", "-", "\\" };

	return live->term->utf8 ? fancy[live->turn % ARRAY_LEN(fancy)]
				: plain[live->turn % ARRAY_LEN(plain)];
}

/* One line of the view, which never wraps. */
static void show(void *ctx, enum live_mark mark, const char *text)
{
	struct live *live = ctx;
	const char *bad = live->term->utf8 ? "✗" : "!";

	if (mark != MARK_NONE) {
		add_styled(&live->frame, live->term, mark == MARK_BAD ? "1;31" : "36", mark == MARK_BAD ? bad : spinner(live));
		strbuf_putc(&live->frame, ' ');
	}
	strbuf_printf(&live->frame, "%s\033[K\n", text);
	live->drawn++;
}

static void show_work(struct live *live, int64_t now)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, line = STRBUF_INIT;
	int64_t spent = now - live->work_started_ms;
	char number[HUMAN];

	if (!live->work || spent < QUIET_START_MS || now - live->work_heard_ms > STALE_MS)
		return;
	strbuf_puts(&text, live->work);
	if (live->bytes || live->total_bytes)
		strbuf_printf(&text, "  %s", human_bytes(live->bytes, number));
	if (live->total_bytes >= live->bytes && live->total_bytes) {
		double part = (double)live->bytes / (double)live->total_bytes;
		int64_t left = part > 0.01 ? (int64_t)((double)spent * (1 - part) / part) / 1000 : -1;

		strbuf_printf(&text, " of %s  %d%%", human_bytes(live->total_bytes, number),
			      (int)(part * 100));
		if (left >= 60)
			strbuf_printf(&text, "  %s left", human_duration(left * 1000, number));
		else if (left >= 0)
			strbuf_printf(&text, "  %d s left", (int)left + 1);
	}
	if (live->files > 1)
		strbuf_printf(&text, "  %s files", human_count(live->files, number));
	text_cut(text.buf, live->term->width - 3, live->term->utf8, &line);
	show(live, MARK_BUSY, line.buf);
}

/* In the background the terminal is somebody else's: lines that stay, and no view, as other programs do. */
static bool is_background(void)
{
	pid_t front = tcgetpgrp(STDERR_FILENO);

	return front > 0 && front != getpgrp();
}

/* Up to where the view starts and away with it; lines for good; the view anew: one write. */
static void draw(struct live *live, bool view)
{
	const struct term *term = live->term;
	int64_t now = clock_mono_ms();

	if (live->mode != LIVE_SCREEN)
		return;
	term_measure(live->term);
	if (live->drawn)
		strbuf_printf(&live->frame, "\r\033[%dA\033[J", live->drawn);
	live->drawn = 0;
	strbuf_add(&live->frame, live->pending.buf, live->pending.len);
	strbuf_clear(&live->pending);
	if (view && !is_background()) {
		live_groups_view(live->groups, term->width - 1, term->height, term->utf8, now);
		show_work(live, now);
		live_groups_status(live->groups, term->width - 1, term->utf8, now);
	}
	live->turn++;
	live->drawn_ms = now;
	if (live->frame.len) {
		fwrite(live->frame.buf, 1, live->frame.len, stderr);
		fflush(stderr);
	}
	strbuf_clear(&live->frame);
	signals_view(live->drawn);
}

static void draw_when_due(struct live *live)
{
	if (clock_mono_ms() - live->drawn_ms >= DRAW_EVERY_MS || live->pending.len > (64u << 10))
		draw(live, true);
}

static bool report(void *ctx, const char *what, uint64_t files, uint64_t bytes,
		   uint64_t total_bytes)
{
	struct live *live = ctx;
	int64_t now = clock_mono_ms();

	if (live->mode != LIVE_SCREEN)
		return false;
	pthread_mutex_lock(&live->mutex);
	if (!live->work || bytes < live->bytes || now - live->work_heard_ms > STALE_MS)
		live->work_started_ms = now;
	live->work_heard_ms = now;
	live->files = files;
	live->bytes = bytes;
	live->total_bytes = total_bytes;
	if (now - live->drawn_ms >= DRAW_EVERY_MS) {
		CLEANUP_STRBUF struct strbuf safe = STRBUF_INIT;

		text_escape(what, strlen(what), TEXT_ONE_LINE, &safe);
		free(live->work);
		live->work = strbuf_detach(&safe);
		draw(live, true);
	} else if (!live->work) {
		live->work = xstrdup("");
	}
	pthread_mutex_unlock(&live->mutex);
	return false;
}

/* A line that stays: state word in its colour, then text. */
static void say(void *ctx, const char *code, const char *word, const char *text)
{
	struct live *live = ctx;
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT, safe = STRBUF_INIT;

	text_escape(text, strlen(text), TEXT_ONE_LINE, &safe);
	add_styled(&line, live->term, code, word);
	strbuf_printf(&line, "%s%s\n", *word ? " " : "", safe.buf);
	if (live->mode == LIVE_SCREEN)
		strbuf_add(&live->pending, line.buf, line.len);
	else
		fputs(line.buf, stderr);
}

static void on_note(struct live *live, const struct js *event)
{
	const char *text = js_get_str(event, "text");

	if (!text)
		return;
	say(live, "33", "note:", text);
	draw(live, true); /* it may say what the next, long wait is for */
}

/* What was reported of an image says nothing of the steps after it. */
static void on_build(struct live *live, const struct js *event)
{
	const char *state = js_get_str(event, "state");

	if (state && strcmp(state, "running") != 0) {
		free(live->work);
		live->work = NULL;
	}
	draw_when_due(live);
}

/* The terminal is the shell's until we go on. */
static void on_suspended(struct live *live, const struct js *event)
{
	(void)event;
	draw(live, false);
}

static void on_resumed(struct live *live, const struct js *event)
{
	(void)event;
	draw(live, true);
}

static void tell(struct live *live, const char *name, const struct js *event)
{
	static const struct {
		const char *name;
		void (*handle)(struct live *, const struct js *);
	} handlers[] = { { "note", on_note }, { "suspended", on_suspended }, { "resumed", on_resumed },
			 { "build", on_build } };

	live_groups_event(live->groups, event, clock_mono_ms());
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
		if (!strcmp(handlers[i].name, name)) {
			handlers[i].handle(live, event);
			return;
		}
	draw_when_due(live);
}

void live_event(struct live *live, const struct js *event)
{
	const char *name = js_get_str(event, "event");

	if (!name || live->mode == LIVE_SILENT)
		return;
	if (live->mode == LIVE_EVENTS) {
		if (strcmp(name, "tick"))
			print_json(stdout, event, false);
		fflush(stdout);
		return;
	}
	pthread_mutex_lock(&live->mutex);
	tell(live, name, event);
	pthread_mutex_unlock(&live->mutex);
}

void live_free(struct live *live)
{
	if (!live)
		return;
	draw(live, false);
	live_groups_free(live->groups);
	free(live->work);
	strbuf_release(&live->pending);
	strbuf_release(&live->frame);
	pthread_mutex_destroy(&live->mutex);
	free(live);
}
