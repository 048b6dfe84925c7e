/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/live.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "cli/print.h"
#include "cli/term.h"
#include "cli/text.h"

#define DRAW_EVERY_MS  100
#define QUIET_START_MS 300  /* short work shows no progress */
#define STALE_MS       1000 /* progress that was not heard of for so long is over */
#define MOST_STEPS     8    /* steps shown at a time */
#define MOST_LINES     1000 /* output lines a step appends where nothing is redrawn */

struct live_step {
	char *name; /* escaped, as the next */
	char *last; /* last line it printed; NULL none */
	int64_t started_ms;
	uint64_t lines;
	bool running;
};
struct live {
	enum live_mode mode;
	struct term *term;
	pthread_mutex_t mutex; /* progress may come from a worker */
	struct progress progress;
	struct live_step **steps; /* in order of start; few run, ended ones are dropped */
	size_t nsteps, cap;
	struct strmap seen;    /* step name -> struct live_step * */
	int64_t started_ms, done, total, failed;
	bool announced;
	struct strbuf pending; /* lines for good, written at the next draw */
	int drawn;             /* lines of the view on the screen */
	int64_t drawn_ms;
	unsigned frame;
	char *work;            /* what progress is about */
	uint64_t files, bytes, total_bytes;
	int64_t work_started_ms, work_heard_ms;
};

static bool report(void *ctx, const char *what, uint64_t files, uint64_t bytes,
		   uint64_t total_bytes);

struct live *live_new(enum live_mode mode, struct term *term)
{
	struct live *live = xcalloc(1, sizeof(*live));

	live->mode = mode;
	live->term = term;
	live->started_ms = clock_mono_ms();
	live->pending = (struct strbuf)STRBUF_INIT;
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

/* One line of the view, cut so that it never wraps. */
static void add_view_line(struct live *live, struct strbuf *frame, const char *mark,
			  const char *text)
{
	int room = live->term->width - 1 - (*mark ? 2 : 0);

	if (*mark) {
		add_styled(frame, live->term, "36", mark);
		strbuf_putc(frame, ' ');
	}
	text_cut(text, room, live->term->utf8, frame);
	strbuf_puts(frame, "\033[K\n");
	live->drawn++;
}

static const char *spinner(const struct live *live)
{
	static const char *const fancy[] = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" };
	static const char *const plain[] = { "|", "/", "-", "\\" };

	return live->term->utf8 ? fancy[live->frame % ARRAY_LEN(fancy)]
				: plain[live->frame % ARRAY_LEN(plain)];
}

static void add_steps(struct live *live, struct strbuf *frame, int64_t now)
{
	int room = live->term->height - 4 < MOST_STEPS ? live->term->height - 4 : MOST_STEPS;
	int shown = 0, hidden = 0;
	char time[HUMAN];

	for (size_t i = 0; i < live->nsteps; i++) {
		const struct live_step *step = live->steps[i];
		CLEANUP(cleanup_free) char *text = NULL;

		if (shown >= room) {
			hidden++;
			continue;
		}
		text = xasprintf("%s  %s%s%s", step->name,
				 human_duration(now - step->started_ms, time),
				 step->last ? "  " : "", step->last ? step->last : "");
		add_view_line(live, frame, spinner(live), text);
		shown++;
	}
	if (hidden) {
		CLEANUP(cleanup_free) char *text = xasprintf("and %d more", hidden);

		add_view_line(live, frame, " ", text);
	}
}

static void add_work(struct live *live, struct strbuf *frame, int64_t now)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int64_t spent = now - live->work_started_ms;
	char number[HUMAN];

	if (!live->work || spent < QUIET_START_MS || now - live->work_heard_ms > STALE_MS)
		return;
	strbuf_printf(&text, "%s  %s", live->work, human_bytes(live->bytes, number));
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
	add_view_line(live, frame, spinner(live), text.buf);
}

static void add_status(struct live *live, struct strbuf *frame, int64_t now)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	char time[HUMAN];

	if (!live->nsteps)
		return;
	strbuf_printf(&text, "%lld/%lld steps", (long long)live->done, (long long)live->total);
	if (live->failed)
		strbuf_printf(&text, ", %lld failed", (long long)live->failed);
	strbuf_printf(&text, "  %s", human_duration(now - live->started_ms, time));
	add_view_line(live, frame, "", text.buf);
}

/* Up to where the view starts and away with it; lines for good; the view anew: one write. */
static void draw(struct live *live, bool view)
{
	CLEANUP_STRBUF struct strbuf frame = STRBUF_INIT;
	int64_t now = clock_mono_ms();

	if (live->mode != LIVE_SCREEN)
		return;
	term_measure(live->term);
	if (live->drawn)
		strbuf_printf(&frame, "\r\033[%dA\033[J", live->drawn);
	live->drawn = 0;
	strbuf_add(&frame, live->pending.buf, live->pending.len);
	strbuf_clear(&live->pending);
	if (view) {
		add_steps(live, &frame, now);
		add_work(live, &frame, now);
		add_status(live, &frame, now);
	}
	live->frame++;
	live->drawn_ms = now;
	if (frame.len) {
		fwrite(frame.buf, 1, frame.len, stderr);
		fflush(stderr);
	}
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
static void say(struct live *live, const char *code, const char *word, const char *text)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT, safe = STRBUF_INIT;

	text_escape(text, strlen(text), TEXT_ONE_LINE, &safe);
	add_styled(&line, live->term, code, word);
	strbuf_printf(&line, "%s%s\n", *word ? " " : "", safe.buf);
	if (live->mode == LIVE_SCREEN)
		strbuf_add(&live->pending, line.buf, line.len);
	else
		fputs(line.buf, stderr);
}

static struct live_step *step_of(struct live *live, const char *name)
{
	CLEANUP_STRBUF struct strbuf safe = STRBUF_INIT;
	struct live_step *step = strmap_get(&live->seen, name);

	if (step)
		return step;
	step = xcalloc(1, sizeof(*step));
	text_escape(name, strlen(name), TEXT_ONE_LINE, &safe);
	step->name = strbuf_detach(&safe);
	strmap_set(&live->seen, name, step);
	return step;
}

static void step_begins(struct live *live, struct live_step *step, const struct js *event)
{
	const char *reason = js_get_str(event, "reason");

	if (step->running)
		return;
	step->running = true;
	step->started_ms = clock_mono_ms();
	GROW(live->steps, live->nsteps, live->cap);
	live->steps[live->nsteps++] = step;
	if (live->mode == LIVE_LINES) {
		CLEANUP(cleanup_free) char *text =
			xasprintf("%s%s%s", step->name, reason ? ": " : "", reason ? reason : "");

		say(live, "36", "running ", text);
	}
}

static void step_ends(struct live *live, struct live_step *step)
{
	for (size_t i = 0; i < live->nsteps && step->running; i++) {
		if (live->steps[i] != step)
			continue;
		memmove(live->steps + i, live->steps + i + 1,
			(live->nsteps - i - 1) * sizeof(*live->steps));
		live->nsteps--;
		break;
	}
	step->running = false;
}

static const struct state_shown {
	const char *state, *word, *code;
	bool failed, why; /* why: its reason is told here, not when it began */
} states_shown[] = {
	{ "ok", "done    ", "32", false, false },
	{ "restored", "restored", "32", false, true },
	{ "cached", "cached  ", "32", false, true },
	{ "failed", "failed  ", "1;31", true, false },
	{ "timeout", "timeout ", "1;31", true, false },
	{ "killed", "killed  ", "1;31", true, false },
	{ "blocked", "skipped ", "33", false, true },
};

static void on_step(struct live *live, const struct js *event)
{
	const char *name = js_get_str(event, "step"), *state = js_get_str(event, "state");
	const char *told = js_get_str(event, "error"), *reason = js_get_str(event, "reason"), *last;
	int64_t spent = js_get_int(event, "duration_ms", -1);
	struct live_step *step;
	char time[HUMAN];

	if (!name || !state)
		return;
	live->done = js_get_int(event, "done", live->done);
	live->total = js_get_int(event, "total", live->total);
	step = step_of(live, name);
	if (!strcmp(state, "running")) {
		step_begins(live, step, event);
		return;
	}
	step_ends(live, step);
	for (size_t i = 0; i < ARRAY_LEN(states_shown); i++) {
		const struct state_shown *shown = &states_shown[i];
		CLEANUP(cleanup_free) char *text = NULL;

		if (strcmp(shown->state, state))
			continue;
		live->failed += shown->failed;
		if (shown->why || (!told && live->mode == LIVE_SCREEN))
			told = reason;
		/* What was only seen in the view stays: why it ran, and the last it said. */
		last = live->mode == LIVE_SCREEN && !shown->failed ? step->last : NULL;
		text = xasprintf("%s%s%s%s%s%s%s", name, spent >= 0 ? "  " : "",
				 spent >= 0 ? human_duration(spent, time) : "", told ? "  " : "",
				 told ? told : "", last ? "  | " : "", last ? last : "");
		say(live, shown->code, shown->word, text);
	}
}

/* Progress bars overwrite their line with carriage returns: what came last counts. */
static const char *after_return(const char *line, size_t *len)
{
	const char *start = line;

	while (*len && line[*len - 1] == '\r')
		--*len;
	for (const char *c = line; c < line + *len; c++)
		if (*c == '\r')
			start = c + 1;
	*len -= (size_t)(start - line);
	return start;
}

static void on_output_line(struct live *live, struct live_step *step, const char *line, size_t len)
{
	CLEANUP_STRBUF struct strbuf safe = STRBUF_INIT;

	line = after_return(line, &len);
	if (live->mode == LIVE_LINES) {
		CLEANUP(cleanup_free) char *text = NULL;

		if (++step->lines > MOST_LINES + 1)
			return;
		text = step->lines > MOST_LINES
			       ? xasprintf("%s | more is in its log: mlops logs last %s",
					   step->name, step->name)
			       : xasprintf("%s | %.*s", step->name, (int)len, line);
		say(live, "", "", text);
		return;
	}
	if (!len)
		return;
	text_escape(line, len, TEXT_ONE_LINE, &safe);
	free(step->last);
	step->last = strbuf_detach(&safe);
}

static void on_output(struct live *live, const struct js *event)
{
	const char *name = js_get_str(event, "step"), *text = js_get_str(event, "text");

	if (!name || !text)
		return;
	while (*text) {
		size_t len = strcspn(text, "\n");

		on_output_line(live, step_of(live, name), text, len);
		text += len + (text[len] == '\n');
	}
}

static void on_run(struct live *live, const struct js *event)
{
	const char *run = js_get_str(event, "run"), *name = js_get_str(event, "name");
	const char *pipeline = js_get_str(event, "pipeline");
	CLEANUP(cleanup_free) char *text = NULL;

	live->total = js_get_int(event, "total", live->total);
	if (!run || live->announced)
		return;
	live->announced = true;
	text = xasprintf("%s as run %.8s%s%s%s", pipeline ? pipeline : "pipeline", run,
			 name ? " (" : "", name ? name : "", name ? ")" : "");
	say(live, "1", "running ", text);
}

static void on_note(struct live *live, const struct js *event)
{
	const char *text = js_get_str(event, "text");

	if (!text)
		return;
	say(live, "33", "note:", text);
	draw(live, true); /* it may say what the next, long wait is for */
}

void live_event(struct live *live, const struct js *event)
{
	static const struct {
		const char *name;
		void (*handle)(struct live *, const struct js *);
	} handlers[] = { { "output", on_output }, { "step", on_step }, { "note", on_note },
			 { "run", on_run } };
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
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
		if (!strcmp(handlers[i].name, name))
			handlers[i].handle(live, event);
	draw_when_due(live);
	pthread_mutex_unlock(&live->mutex);
}

void live_free(struct live *live)
{
	if (!live)
		return;
	draw(live, false);
	for (size_t i = 0; i < live->seen.len; i++) {
		struct live_step *step = live->seen.entries[i].value;

		free(step->name);
		free(step->last);
		free(step);
	}
	strmap_release(&live->seen);
	free(live->steps);
	free(live->work);
	strbuf_release(&live->pending);
	pthread_mutex_destroy(&live->mutex);
	free(live);
}
