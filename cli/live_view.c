/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/live_internal.h"
#include "cli/text.h"

#define MOST_RUNNING  8     /* lines of the view */
#define MOST_RETRYING 3
#define MOST_GROUPS   6
#define LAST_ROOM     8     /* columns, or what a step said last says nothing */

static void add_count(struct strbuf *to, int64_t n, const char *what)
{
	if (n > 0)
		strbuf_printf(to, ", %lld %s", (long long)n, what);
}

void live_group_line(const struct group *group, int64_t now, struct strbuf *to)
{
	int64_t running = (int64_t)group->lists.running.len, retrying = (int64_t)group->lists.retrying.len;
	const struct live_step *slowest = group->lists.running.first;
	char time[HUMAN];

	strbuf_printf(to, "  %lld/%lld done", (long long)group->done, (long long)group->total);
	add_count(to, running, "running");
	add_count(to, group->failed, "failed");
	add_count(to, retrying, "to try again");
	add_count(to, group->skipped, "not run");
	add_count(to, group->total - group->done - running - retrying, "waiting");
	if (slowest)
		strbuf_printf(to, "   slowest %s %s", slowest->name, human_duration(now - slowest->started, time));
}

struct view {
	struct live_groups *g;
	int width; /* of a text beside a mark */
	bool utf8;
	int64_t now;
};

static void show(const struct view *v, enum live_mark mark, const char *text)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

	text_cut(text, mark == MARK_NONE ? v->width + 2 : v->width, v->utf8, &line);
	v->g->sink.show(v->g->sink.ctx, mark, line.buf);
}

static int at_least(int a, int b)
{
	return a > b ? a : b;
}

static int at_most(size_t a, int b)
{
	return a < (size_t)at_least(b, 0) ? (int)a : at_least(b, 0);
}

/* A long name gives way to the time it took. */
static void show_running(const struct view *v, const struct live_step *step)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	char time[HUMAN];
	int room;

	human_duration(v->now - step->started, time);
	text_cut(step->name, at_least(v->width - 2 - text_width(time), 6), v->utf8, &line);
	strbuf_printf(&line, "  %s", time);
	room = v->width - text_width(line.buf) - 2;
	if (step->last && room >= LAST_ROOM) {
		strbuf_puts(&line, "  ");
		text_cut(step->last, room, v->utf8, &line);
	}
	show(v, MARK_BUSY, line.buf);
}

static void show_retrying(const struct view *v, const struct live_step *step)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

	text_cut(step->name, at_least(v->width / 2, 6), v->utf8, &line);
	strbuf_printf(&line, "  %s", step->why);
	show(v, MARK_NONE, line.buf);
}

static void show_failed(const struct view *v)
{
	const struct live_groups *g = v->g;
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	size_t n = g->nfailed_names < LIVE_FAILED ? g->nfailed_names : LIVE_FAILED;

	strbuf_puts(&line, "failed: ");
	for (size_t i = 0; i < n; i++)
		strbuf_printf(&line, "%s%s", i ? ", " : "", g->failed_names[i]);
	if (g->nfailed_names > n)
		strbuf_printf(&line, " and %zu more", g->nfailed_names - n);
	show(v, MARK_BAD, line.buf);
}

static bool is_active(const struct group *group)
{
	return group->seen && group->done < group->total;
}

static void show_group(const struct view *v, const struct group *group)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

	text_cut(group->name, at_least(v->width / 2, 6), v->utf8, &line);
	live_group_line(group, v->now, &line);
	show(v, MARK_NONE, line.buf);
}

static void show_steps(const struct view *v, const struct list *list, int most,
		       void (*one)(const struct view *, const struct live_step *))
{
	const struct live_step *step = list->first;

	for (int i = 0; step && i < most; i++, step = step->at[IN_ALL].next)
		one(v, step);
}

void live_groups_view(struct live_groups *g, int width, int height, bool utf8, int64_t now)
{
	const struct view v = { .g = g, .width = at_least(width - 2, 1), .utf8 = utf8, .now = now };
	int room = at_least(height - 4, 1), retrying, running, groups = 0, most_groups;

	for (size_t i = 0; i < g->groups.len; i++)
		groups += is_active(g->groups.entries[i].value);
	most_groups = at_most((size_t)groups, room / 3 < MOST_GROUPS ? room / 3 : MOST_GROUPS);
	retrying = at_most(g->lists.retrying.len, room / 4 < MOST_RETRYING ? room / 4 : MOST_RETRYING);
	if (g->nfailed_names && room > 2) {
		show_failed(&v);
		room--;
	}
	room -= most_groups + retrying;
	running = at_most(g->lists.running.len, room < MOST_RUNNING ? room : MOST_RUNNING);
	show_steps(&v, &g->lists.running, running, show_running);
	if (g->lists.running.len > (size_t)running) {
		CLEANUP(cleanup_free) char *text = xasprintf("and %zu more", g->lists.running.len - (size_t)running);

		show(&v, MARK_NONE, text);
	}
	show_steps(&v, &g->lists.retrying, retrying, show_retrying);
	for (size_t i = 0; i < g->groups.len && most_groups > 0; i++) {
		const struct group *group = g->groups.entries[i].value;

		if (!is_active(group))
			continue;
		show_group(&v, group);
		most_groups--;
	}
}

void live_groups_status(struct live_groups *g, int width, bool utf8, int64_t now)
{
	const struct view v = { .g = g, .width = at_least(width - 2, 1), .utf8 = utf8, .now = now };
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	char time[HUMAN];

	if (!g->any)
		return;
	if (g->total) /* images are built before steps are counted */
		strbuf_printf(&line, "%lld/%lld steps", (long long)g->done, (long long)g->total);
	add_count(&line, g->failed, "failed");
	add_count(&line, g->skipped, "not run");
	add_count(&line, g->retries, g->retries == 1 ? "retry" : "retries");
	strbuf_printf(&line, "  %s", human_duration(now - g->began, time));
	show(&v, MARK_NONE, line.buf);
}
