/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "cli/live_internal.h"
#include "cli/text.h"

#define MOST_OUTPUT   1000  /* lines of one step, where they are told */
#define SUMMARY_MS    10000

/* ---- lists ---- */

static void list_add(struct list *list, struct live_step *step, enum place place)
{
	step->at[place].prev = list->last;
	step->at[place].next = NULL;
	if (list->last)
		list->last->at[place].next = step;
	else
		list->first = step;
	list->last = step;
	list->len++;
}

static void list_drop(struct list *list, struct live_step *step, enum place place)
{
	struct live_step *prev = step->at[place].prev, *next = step->at[place].next;

	if (prev)
		prev->at[place].next = next;
	else
		list->first = next;
	if (next)
		next->at[place].prev = prev;
	else
		list->last = prev;
	list->len--;
}

static struct list *list_of(struct lists *lists, const struct live_step *step)
{
	return step->phase == STEP_RUNNING ? &lists->running : &lists->retrying;
}

static void set_phase(struct live_groups *g, struct live_step *step, enum live_phase phase)
{
	if (step->phase != STEP_IDLE) {
		list_drop(list_of(&g->lists, step), step, IN_ALL);
		if (step->group)
			list_drop(list_of(&step->group->lists, step), step, IN_GROUP);
	}
	step->phase = phase;
	if (phase == STEP_IDLE)
		return;
	list_add(list_of(&g->lists, step), step, IN_ALL);
	if (step->group)
		list_add(list_of(&step->group->lists, step), step, IN_GROUP);
}

/* ---- steps and groups ---- */

struct live_groups *live_groups_new(bool plain, const struct live_sink *sink, int64_t now)
{
	struct live_groups *g = xcalloc(1, sizeof(*g));

	g->plain = plain;
	g->sink = *sink;
	g->began = now;
	return g;
}

void live_groups_free(struct live_groups *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->steps.len; i++) {
		struct live_step *step = g->steps.entries[i].value;

		free(step->name);
		free(step->last);
		free(step->why);
		free(step);
	}
	for (size_t i = 0; i < g->groups.len; i++) {
		struct group *group = g->groups.entries[i].value;

		free(group->name);
		free(group);
	}
	for (size_t i = 0; i < LIVE_FAILED; i++)
		free(g->failed_names[i]);
	strmap_release(&g->steps);
	strmap_release(&g->groups);
	free(g);
}

static char *escaped(const char *text, size_t len)
{
	struct strbuf safe = STRBUF_INIT;

	text_escape(text, len, TEXT_ONE_LINE, &safe);
	return strbuf_detach(&safe);
}

/* An instance is named GROUP@VALUES. */
static struct group *group_of(const struct live_groups *g, const char *name)
{
	size_t len = strcspn(name, "@");
	CLEANUP(cleanup_free) char *group = name[len] ? xstrndup(name, len) : NULL;

	return group ? strmap_get(&g->groups, group) : NULL;
}

static struct live_step *step_of(struct live_groups *g, const char *name)
{
	struct live_step *step = strmap_get(&g->steps, name);

	if (step)
		return step;
	step = xcalloc(1, sizeof(*step));
	step->name = escaped(name, strlen(name));
	step->group = group_of(g, name);
	if (step->group)
		step->number = ++step->group->seen;
	strmap_set(&g->steps, name, step);
	return step;
}

static bool is_large(const struct group *group)
{
	return group && group->total > LIVE_MANY;
}

/* Whether the step's start, output and good end are told one by one. */
static bool is_told(const struct live_groups *g, const struct live_step *step)
{
	return !is_large(step->group) || (g->plain && step->number <= LIVE_MANY);
}

static void say(struct live_groups *g, const char *code, const char *word, const char *text)
{
	g->sink.say(g->sink.ctx, code, word, text);
}

/* ---- groups ---- */

static void tell_group(struct live_groups *g, struct group *group, int64_t now)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	bool over = group->done >= group->total;
	char time[HUMAN];

	strbuf_puts(&text, group->name);
	live_group_line(group, now, &text);
	if (over)
		strbuf_printf(&text, "  %s", human_duration(now - group->began, time));
	say(g, over ? group->failed ? "1;31" : "32" : "36", over ? "all of  " : "so far  ", text.buf);
	group->told = now;
	group->news = false;
}

static void group_has_news(struct live_groups *g, struct group *group, int64_t now)
{
	if (!is_large(group))
		return;
	if (!group->began)
		group->began = group->told = now;
	group->news = true;
	if (group->done >= group->total)
		tell_group(g, group, now);
}

static void tell_groups(struct live_groups *g, int64_t now)
{
	for (size_t i = 0; g->plain && i < g->groups.len; i++) {
		struct group *group = g->groups.entries[i].value;

		if (group->news && group->seen > LIVE_MANY && now - group->told >= SUMMARY_MS)
			tell_group(g, group, now);
	}
}

/* ---- events ---- */

static void step_begins(struct live_groups *g, struct live_step *step, const char *reason, int64_t now)
{
	CLEANUP(cleanup_free) char *text = NULL;

	g->any = true;
	if (step->phase == STEP_RUNNING)
		return;
	set_phase(g, step, STEP_RUNNING);
	step->started = now;
	if (!g->plain || !is_told(g, step))
		return;
	text = xasprintf("%s%s%s", step->name, reason ? ": " : "", reason ? reason : "");
	say(g, "36", "running ", text);
}

static void step_waits(struct live_groups *g, struct live_step *step, const char *reason)
{
	CLEANUP(cleanup_free) char *text = xasprintf("%s  %s", step->name, reason ? reason : "");

	set_phase(g, step, STEP_RETRYING);
	free(step->why);
	step->why = escaped(reason ? reason : "", reason ? strlen(reason) : 0);
	g->retries++;
	if (is_told(g, step))
		say(g, "33", "again   ", text);
}

static const struct state_shown {
	const char *state, *word, *code;
	bool failed, skipped, why; /* why: its reason is told here, not when it began */
} states_shown[] = {
	{ "ok", "done    ", "32", false, false, false },
	{ "restored", "restored", "32", false, false, true },
	{ "cached", "cached  ", "32", false, false, true },
	{ "failed", "failed  ", "1;31", true, false, false },
	{ "timeout", "timeout ", "1;31", true, false, false },
	{ "killed", "killed  ", "1;31", true, false, false },
	{ "skipped", "skipped ", "33", false, true, true },
	{ "blocked", "not run ", "33", false, true, true },
};

static void note_failed(struct live_groups *g, const struct live_step *step)
{
	if (!is_large(step->group))
		return;
	free(g->failed_names[LIVE_FAILED - 1]);
	memmove(g->failed_names + 1, g->failed_names, (LIVE_FAILED - 1) * sizeof(*g->failed_names));
	g->failed_names[0] = xstrdup(step->name);
	g->nfailed_names++;
}

static void count_end(struct live_groups *g, struct live_step *step, const struct state_shown *shown)
{
	bool failed = shown && shown->failed, skipped = shown && shown->skipped;

	set_phase(g, step, STEP_IDLE);
	g->failed += failed;
	g->skipped += skipped;
	if (failed)
		note_failed(g, step);
	if (!step->group)
		return;
	step->group->done++;
	step->group->failed += failed;
	step->group->skipped += skipped;
}

static void tell_end(struct live_groups *g, const struct live_step *step, const struct state_shown *shown,
		     const struct js *event)
{
	const char *told = js_get_str(event, "error"), *reason = js_get_str(event, "reason");
	int64_t spent = js_get_int(event, "duration_ms", -1);
	/* What was only seen in the view stays: why it ran, and the last it said. */
	const char *last = !g->plain && !shown->failed ? step->last : NULL;
	CLEANUP(cleanup_free) char *text = NULL;
	char time[HUMAN];

	if (shown->why || (!told && !g->plain))
		told = reason;
	text = xasprintf("%s%s%s%s%s%s%s", step->name, spent >= 0 ? "  " : "",
			 spent >= 0 ? human_duration(spent, time) : "", told ? "  " : "", told ? told : "",
			 last ? "  | " : "", last ? last : "");
	say(g, shown->code, shown->word, text);
}

static void step_ends(struct live_groups *g, struct live_step *step, const char *state, const struct js *event)
{
	const struct state_shown *shown = NULL;

	for (size_t i = 0; i < ARRAY_LEN(states_shown) && !shown; i++)
		if (!strcmp(states_shown[i].state, state))
			shown = &states_shown[i];
	count_end(g, step, shown);
	if (shown && (shown->failed || is_told(g, step)))
		tell_end(g, step, shown, event);
	/* It says no more; a run may have ten thousand of them. */
	free(step->last);
	step->last = NULL;
}

static void on_step(struct live_groups *g, const struct js *event, int64_t now)
{
	const char *name = js_get_str(event, "step"), *state = js_get_str(event, "state");
	const char *reason = js_get_str(event, "reason");
	struct live_step *step;

	if (!name || !state)
		return;
	g->done = js_get_int(event, "done", g->done);
	g->total = js_get_int(event, "total", g->total);
	step = step_of(g, name);
	if (!strcmp(state, "running"))
		step_begins(g, step, reason, now);
	else if (!strcmp(state, "retrying"))
		step_waits(g, step, reason);
	else
		step_ends(g, step, state, event);
	if (step->group)
		group_has_news(g, step->group, now);
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

static void say_output(struct live_groups *g, struct live_step *step, const char *line, size_t len)
{
	CLEANUP(cleanup_free) char *text = NULL;

	step->lines++;
	text = step->lines > MOST_OUTPUT ? xasprintf("%s | more is in its log: mlops logs last %s", step->name, step->name) :
					   xasprintf("%s | %.*s", step->name, (int)len, line);
	say(g, "", "", text);
}

/* Of a flood only the last line that is not empty is seen. */
static void see_last(struct live_step *step, const char *text)
{
	const char *end = text + strlen(text), *feed;

	for (; end > text; end = feed ? feed : text) {
		const char *line;
		size_t len;

		feed = memrchr(text, '\n', (size_t)(end - text));
		line = feed ? feed + 1 : text;
		len = (size_t)(end - line);
		line = after_return(line, &len);
		if (!len)
			continue;
		free(step->last);
		step->last = escaped(line, len);
		return;
	}
}

static void on_output(struct live_groups *g, const struct js *event, int64_t now)
{
	const char *name = js_get_str(event, "step"), *text = js_get_str(event, "text");
	struct live_step *step;

	(void)now;
	if (!name || !text)
		return;
	step = step_of(g, name);
	if (!g->plain)
		see_last(step, text);
	while (g->plain && *text && is_told(g, step) && step->lines <= MOST_OUTPUT) {
		size_t whole = strcspn(text, "\n"), len = whole;
		const char *line = after_return(text, &len);

		say_output(g, step, line, len);
		text += whole + (text[whole] == '\n');
	}
}

/* An image that is built is shown like a step. */
static void on_build(struct live_groups *g, const struct js *event, int64_t now)
{
	const char *image = js_get_str(event, "image"), *state = js_get_str(event, "state");
	const char *text = js_get_str(event, "text");
	CLEANUP(cleanup_free) char *name = xasprintf("image %s", image ? image : ""), *line = NULL;
	struct live_step *step = step_of(g, name);

	if (state && strcmp(state, "running") != 0) {
		step_ends(g, step, state, event);
		return;
	}
	step_begins(g, step, NULL, now);
	if (text && g->plain) {
		line = xasprintf("%s | %s", step->name, text);
		say(g, "", "", line);
	} else if (text) {
		free(step->last);
		step->last = escaped(text, strlen(text));
	}
}

static void on_run(struct live_groups *g, const struct js *event, int64_t now)
{
	const char *run = js_get_str(event, "run"), *name = js_get_str(event, "name");
	const char *pipeline = js_get_str(event, "pipeline");
	const struct js *groups = js_get(event, "groups");
	CLEANUP(cleanup_free) char *text = NULL;

	(void)now;
	g->total = js_get_int(event, "total", g->total);
	for (size_t i = 0; i < js_len(groups); i++) {
		const char *group = js_get_str(js_at(groups, i), "group");
		struct group *new;

		if (!group || strmap_has(&g->groups, group))
			continue;
		new = xcalloc(1, sizeof(*new));
		new->name = escaped(group, strlen(group));
		new->total = js_get_int(js_at(groups, i), "total", 0);
		strmap_set(&g->groups, group, new);
	}
	if (!run || (g->announced && !js_get(event, "combination")))
		return;
	g->announced = true;
	text = xasprintf("%s as run %.8s%s%s%s", pipeline ? pipeline : "pipeline", run, name ? " (" : "", name ? name : "",
			 name ? ")" : "");
	say(g, "1", "running ", text);
}

static void on_suspended(struct live_groups *g, const struct js *event, int64_t now)
{
	(void)event;
	g->suspended = now;
}

static void on_resumed(struct live_groups *g, const struct js *event, int64_t now)
{
	int64_t stood = g->suspended ? now - g->suspended : 0;

	(void)event;
	for (struct live_step *step = g->lists.running.first; step; step = step->at[IN_ALL].next)
		step->started += stood;
	g->suspended = 0;
}

static void on_tick(struct live_groups *g, const struct js *event, int64_t now)
{
	(void)event;
	tell_groups(g, now);
}

void live_groups_event(struct live_groups *g, const struct js *event, int64_t now)
{
	static const struct {
		const char *name;
		void (*handle)(struct live_groups *, const struct js *, int64_t);
	} handlers[] = {
		{ "output", on_output }, { "step", on_step },           { "tick", on_tick },
		{ "build", on_build },   { "run", on_run },             { "suspended", on_suspended }, { "resumed", on_resumed },
	};
	const char *name = js_get_str(event, "event");

	for (size_t i = 0; name && i < ARRAY_LEN(handlers); i++)
		if (!strcmp(handlers[i].name, name))
			handlers[i].handle(g, event, now);
}
