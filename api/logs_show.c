/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/logs.h"
#include "api/ops.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/steplog.h"

#define GONE 1 /* the reader is */

/* A line of a log, on its way out. */
struct showing {
	struct logs *logs;
	struct log *log;
	struct tail *tail; /* NULL: lines are shown as they come */
};

static const char *stream_name(char stream)
{
	return stream == 'e' ? "stderr" : stream == 'c' ? "cut" : "stdout";
}

static int write_text(const struct logs *l, const struct log *log, const char *text, size_t len)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	if (l->nsteps > 1)
		strbuf_printf(&out, "%s | ", log->step);
	strbuf_add(&out, text, len);
	strbuf_putc(&out, '\n');
	return l->ctx->write(l->ctx->ctx, out.buf, out.len) < 0 ? GONE : 0;
}

static int emit_line(const struct logs *l, const struct log *log, const struct steplog_line *line)
{
	CLEANUP_JS struct js *event = js_object();

	js_set_str(event, "event", "output");
	js_set_str(event, "step", log->step);
	js_set_int(event, "attempt", log->attempt);
	js_set_str(event, "stream", stream_name(line->stream));
	js_set_int(event, "time", line->time ? line->time : log->time);
	js_set(event, "text", js_strn(line->text, line->len));
	l->ctx->emit(l->ctx->ctx, event);
	return l->ctx->write(l->ctx->ctx, "", 0) < 0 ? GONE : 0;
}

/* Attempts after the first say so. */
static int begin(const struct logs *l, struct log *log)
{
	char text[48];

	if (log->begun)
		return 0;
	log->begun = true;
	if (log->attempt == 1 || l->ctx->events)
		return 0;
	return write_text(l, log, text, (size_t)snprintf(text, sizeof(text), "-- attempt %d --", log->attempt));
}

static int show_line(const struct logs *l, struct log *log, const struct steplog_line *line)
{
	int rc = begin(l, log);

	if (rc)
		return rc;
	return l->ctx->events ? emit_line(l, log, line) : write_text(l, log, line->text, line->len);
}

/* ---- the last lines ---- */

struct kept {
	int64_t time;
	uint64_t seq; /* of lines of one time, those that were read first come first */
	struct log *log;
	char stream;
	char *text;
	size_t len;
};

/* A heap whose top is the line that goes next. */
struct tail {
	struct kept *items;
	size_t len, cap, max;
	uint64_t seq;
};

static bool earlier(const struct kept *a, const struct kept *b)
{
	return a->time != b->time ? a->time < b->time : a->seq < b->seq;
}

static void swap(struct kept *a, struct kept *b)
{
	struct kept tmp = *a;

	*a = *b;
	*b = tmp;
}

static void rise(struct tail *t, size_t i)
{
	for (; i && earlier(&t->items[i], &t->items[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&t->items[i], &t->items[(i - 1) / 2]);
}

static void sink(struct tail *t)
{
	for (size_t i = 0, child; (child = 2 * i + 1) < t->len; i = child) {
		if (child + 1 < t->len && earlier(&t->items[child + 1], &t->items[child]))
			child++;
		if (!earlier(&t->items[child], &t->items[i]))
			return;
		swap(&t->items[i], &t->items[child]);
	}
}

static void keep(struct tail *t, struct log *log, const struct steplog_line *line)
{
	struct kept new = { .time = log->time, .seq = t->seq++, .log = log, .stream = line->stream, .len = line->len };

	if (!t->max || (t->len == t->max && earlier(&new, &t->items[0])))
		return;
	new.text = xmemdup(line->text, line->len);
	if (t->len == t->max) {
		free(t->items[0].text);
		t->items[0] = new;
		sink(t);
		return;
	}
	GROW(t->items, t->len, t->cap);
	t->items[t->len++] = new;
	rise(t, t->len - 1);
}

static int compare(const void *a, const void *b)
{
	return earlier(a, b) ? -1 : 1;
}

static void tail_release(struct tail *t)
{
	for (size_t i = 0; i < t->len; i++)
		free(t->items[i].text);
	free(t->items);
}

/* ---- all logs ---- */

static int take(void *ctx, const struct steplog_line *line)
{
	struct showing *s = ctx;

	if (line->time > s->log->time)
		s->log->time = line->time;
	if (s->log->time < s->logs->since)
		return 0;
	if (!s->tail)
		return show_line(s->logs, s->log, line);
	keep(s->tail, s->log, line);
	return 0;
}

/* What cannot be read is told at the end: it keeps nobody from the other logs. */
static int read_log(struct logs *l, struct log *log, struct tail *tail, bool ended)
{
	struct showing s = { .logs = l, .log = log, .tail = tail };
	struct error why;
	int rc;

	/* Of an attempt that printed nothing there is this one line, unless nothing may mean left out. */
	if (!l->partly && begin(l, log))
		return -1;
	rc = steplog_read(log->reader, l->dir, ended, take, &s, &why);
	if (rc == GONE)
		return -1;
	log->broken = rc < 0;
	if (rc < 0 && !l->why.code)
		l->why = why;
	return 0;
}

/* The run's own words come last: they say how it ended, and steps that started late stand behind them. */
static int read_logs(struct logs *l, struct tail *tail, bool ended)
{
	for (int of_run = 0; of_run < 2; of_run++) {
		for (size_t i = 0; i < l->len; i++) {
			struct log *log = &l->items[i];
			if (log->chosen && !log->broken && (strcmp(log->step, STEPLOG_RUN) == 0) == of_run &&
			    read_log(l, log, tail, ended) < 0)
				return -1;
		}
	}
	return 0;
}

int logs_show(struct logs *l, bool ended)
{
	return read_logs(l, NULL, ended);
}

int logs_show_tail(struct logs *l, size_t lines, bool ended)
{
	struct tail tail CLEANUP(tail_release) = { .max = lines };

	if (read_logs(l, &tail, ended) < 0)
		return -1;
	if (tail.len)
		qsort(tail.items, tail.len, sizeof(*tail.items), compare);
	for (size_t i = 0; i < tail.len; i++) {
		struct steplog_line line = { tail.items[i].time, tail.items[i].stream, tail.items[i].text, tail.items[i].len };

		if (show_line(l, tail.items[i].log, &line))
			return -1;
	}
	return 0;
}
