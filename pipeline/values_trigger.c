/* SPDX-License-Identifier: Apache-2.0 */
/* Values of [trigger.NAME], and what a trigger must say to be one. */
#include <stdlib.h>
#include <string.h>
#include "base/cron.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "base/zone.h"
#include "pipeline/parse_internal.h"
#include "pipeline/show.h"
#include "registry/projects.h"

#define ALARM_MAX     60 /* windows that are looked back at */
#define JITTER_MAX_MS 86400000

void value_cooldown(struct parser *p, const struct ini_entry *entry, void *section)
{
	const struct ini_line *line = value_line(p, entry);
	struct trigger_section *trigger = section;

	if (line && !value_counted(line->text, "windows", &trigger->cooldown_windows) &&
	    !value_lasting(line->text, &trigger->cooldown_ms))
		error_help(problem(p, line->line, line->column, "'%s' does not take '%s'", entry->key, SHOW(line->text)),
			   "say how long: 6h, 1d, or 6 windows of the monitor");
}

/* ---- limits ---- */

/* "3/week": a whole number, from 1 on. */
static bool read_budget(const char *text, struct trigger_limits *limits)
{
	size_t digits = strspn(text, "0123456789");
	int64_t n = digits && digits < 7 ? strtol(text, NULL, 10) : 0;

	if (n && !strcmp(text + digits, "/day"))
		limits->per_day = n;
	else if (n && !strcmp(text + digits, "/week"))
		limits->per_week = n;
	else
		return false;
	return true;
}

/* "2 of 3" */
static bool read_alarm(const char *text, struct trigger_limits *limits)
{
	char *end;
	int64_t of = strtol(text, &end, 10), in;

	if (*text < '1' || *text > '9' || strncmp(end, " of ", 4) != 0 || end[4] < '1' || end[4] > '9')
		return false;
	in = strtol(end + 4, &end, 10);
	if (*end || of > in || in > ALARM_MAX)
		return false;
	limits->alarm_of = of;
	limits->alarm_in = in;
	return true;
}

/* "0.8 for 2" */
static bool read_clear(const char *text, struct trigger_limits *limits)
{
	const char *mid = strstr(text, " for ");
	CLEANUP(cleanup_free) char *share = mid ? xstrndup(text, (size_t)(mid - text)) : NULL;
	const char *count = mid ? mid + strlen(" for ") : "";
	size_t digits = strspn(count, "0123456789");
	char *end;
	double value = share ? strtod(share, &end) : 0;

	if (!share || *end || strspn(share, "0123456789.") != strlen(share) || !(value > 0 && value <= 1) || count[digits] ||
	    !digits || digits > 2 || !strtol(count, NULL, 10) || strtol(count, NULL, 10) > ALARM_MAX)
		return false;
	limits->clear_share = value;
	limits->clear_for = strtol(count, NULL, 10);
	return true;
}

void trigger_limits(const struct trigger_section *trigger, struct trigger_limits *ret)
{
	*ret = (struct trigger_limits){ .alarm_of = 2, .alarm_in = 3, .clear_share = 0.8, .clear_for = 2 };
	if (trigger->monitor && !trigger->budget.len) {
		ret->per_day = 1;
		ret->per_week = 3;
	}
	for (size_t i = 0; i < trigger->budget.len; i++)
		read_budget(trigger->budget.items[i].text, ret);
	if (trigger->alarm.text)
		read_alarm(trigger->alarm.text, ret);
	if (trigger->clear.text)
		read_clear(trigger->clear.text, ret);
}

/* ---- what they must be ---- */

static struct error *wrong(struct parser *p, const char *key, const struct text_at *value)
{
	return problem(p, value->at.line, value->at.column, "'%s' does not take '%s'", key, SHOW(value->text));
}

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(text, words[i]))
			return true;
	return false;
}

/* A value that is one of a few words, when it is said. */
static void check_word(struct parser *p, const char *key, const struct text_at *value, const char *const *words, size_t n,
		       const char *all)
{
	const char *near;
	struct error *err;

	if (!value->text || is_one_of(value->text, words, n))
		return;
	err = wrong(p, key, value);
	near = nearest_word(words, n, value->text);
	if (near)
		error_help(err, "did you mean '%s'?", near);
	else
		error_help(err, "it is one of: %s", all);
}

static void check_cron(struct parser *p, const struct trigger_section *trigger)
{
	static const char *const catchups[] = { "none", "last", "all" };
	CLEANUP(cleanup_zone) struct zone *zone = NULL;
	struct error why = { 0 };
	struct cron cron;

	if (trigger->cron.text && cron_parse(trigger->cron.text, &cron, &why) < 0)
		error_help(problem(p, trigger->cron.at.line, trigger->cron.at.column, "cron: %s", why.msg), "%s",
			   *why.help ? why.help : "write minute hour day month weekday: 0 3 * * 1-5");
	if (trigger->tz.text && zone_load(trigger->tz.text, &zone, &why) < 0)
		error_help(problem(p, trigger->tz.at.line, trigger->tz.at.column, "%s", why.msg), "%s", why.help);
	check_word(p, "catchup", &trigger->catchup, catchups, ARRAY_LEN(catchups), "none, last, all");
	if (!trigger->cron.text && (trigger->tz.text || trigger->catchup.text || trigger->jitter_ms))
		error_help(problem(p, trigger->at.line, trigger->at.column, "[trigger.%s]: '%s' is for times", trigger->name,
				   trigger->tz.text ? "tz" : trigger->catchup.text ? "catchup" : "jitter"),
			   "name them: cron = 0 3 * * *");
	if (trigger->jitter_ms > JITTER_MAX_MS)
		problem(p, trigger->at.line, trigger->at.column, "[trigger.%s]: 'jitter' is at most 1d", trigger->name);
}

static void check_repository(struct parser *p, const struct trigger_section *trigger)
{
	static const char *const causes[] = { "push", "pull_request", "tag" };

	for (size_t i = 0; i < trigger->on.len; i++)
		check_word(p, "on", &trigger->on.items[i], causes, ARRAY_LEN(causes), "push, pull_request, tag");
	if (trigger->paths.len && !trigger->branch.len && !trigger->on.len)
		error_help(problem(p, trigger->paths.items[0].at.line, trigger->paths.items[0].at.column, "'paths' is for pushes"),
			   "name their branches: branch = main");
}

/* Words that reach a command line. */
static void check_plain(struct parser *p, const char *key, const struct textlist *list)
{
	for (size_t i = 0; i < list->len; i++)
		if (*list->items[i].text == '-')
			wrong(p, key, &list->items[i]);
}

static void check_run(struct parser *p, struct trigger_section *trigger)
{
	static const char *const cancels[] = { "no", "superseded" };

	check_plain(p, "steps", &trigger->steps);
	for (size_t i = 0; i < trigger->params.len; i++)
		if (*trigger->params.items[i].text == '=' || !strchr(trigger->params.items[i].text, '='))
			error_help(wrong(p, "params", &trigger->params.items[i]), "write KEY=VALUE: params = lr=0.1");
	for (size_t i = 0; i < trigger->update.len; i++)
		clean_path(p, &trigger->update.items[i]);
	check_plain(p, "update", &trigger->update);
	if (trigger->data.text)
		clean_path(p, &trigger->data);
	if (trigger->file.text)
		clean_path(p, &trigger->file);
	if (trigger->file.text && *trigger->file.text == '-')
		wrong(p, "file", &trigger->file);
	if (trigger->pipeline.text && project_name_fault(trigger->pipeline.text))
		error_help(wrong(p, "pipeline", &trigger->pipeline), "name a project of the agent; they are listed by: mlops project list");
	check_word(p, "cancel", &trigger->cancel, cancels, ARRAY_LEN(cancels), "no, superseded");
}

static void check_monitor(struct parser *p, const struct trigger_section *trigger)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;
	struct error *err;

	for (size_t i = 0; i < p->pipeline->nmonitors; i++)
		strlist_push(&names, p->pipeline->monitors[i].name);
	if (p->part == PARSE_POLICY || strlist_has(&names, trigger->monitor))
		return;
	err = problem(p, trigger->at.line, trigger->at.column, "[trigger.%s]: there is no [monitor.%s]", trigger->name,
		      trigger->monitor);
	near = strlist_nearest(&names, trigger->monitor);
	if (near)
		error_help(err, "did you mean '%s'?", near);
	else
		error_help(err, "add the section, with data = and reference =");
}

static void check_limits(struct parser *p, const struct trigger_section *trigger)
{
	struct trigger_limits limits;
	const char *alone = trigger->alarm.text ? "alarm" : trigger->clear.text ? "clear" : NULL;

	for (size_t i = 0; i < trigger->budget.len; i++)
		if (!read_budget(trigger->budget.items[i].text, &limits))
			error_help(wrong(p, "budget", &trigger->budget.items[i]), "say how many: 1/day, 3/week");
	if (trigger->alarm.text && !read_alarm(trigger->alarm.text, &limits))
		error_help(wrong(p, "alarm", &trigger->alarm), "say how many of the last windows drift: 2 of 3; at most %d", ALARM_MAX);
	if (trigger->clear.text && !read_clear(trigger->clear.text, &limits))
		error_help(wrong(p, "clear", &trigger->clear), "say below what share of the thresholds, and for how many windows: 0.8 for 2");
	if (trigger->cooldown_windows)
		alone = "cooldown";
	if (alone && !trigger->monitor)
		error_help(problem(p, trigger->at.line, trigger->at.column, "[trigger.%s]: '%s' counts windows of a monitor",
				   trigger->name, alone),
			   "name it: monitor = NAME");
}

/* One policy decides on a monitor, so one trigger has it. */
static void check_alone(struct parser *p, size_t at)
{
	const struct trigger_section *trigger = &p->pipeline->triggers[at];

	for (size_t i = 0; i < at; i++) {
		const struct trigger_section *other = &p->pipeline->triggers[i];

		if (!other->monitor || strcmp(other->monitor, trigger->monitor) != 0)
			continue;
		error_help(problem(p, trigger->at.line, trigger->at.column, "[trigger.%s]: [trigger.%s] has monitor = %s already",
				   trigger->name, other->name, trigger->monitor),
			   "one policy decides on a monitor; let its pipeline start the other: pipeline = PROJECT");
		return;
	}
}

void triggers_finish(struct parser *p)
{
	for (size_t i = 0; i < p->pipeline->ntriggers; i++) {
		struct trigger_section *trigger = &p->pipeline->triggers[i];

		if (!trigger->branch.len && !trigger->on.len && !trigger->cron.text && !trigger->data.text &&
		    !trigger->monitor && !trigger->pipeline.text)
			error_help(problem(p, trigger->at.line, trigger->at.column, "[trigger.%s] says nothing that starts it",
					   trigger->name),
				   "give it one of: branch, on, cron, data, monitor, pipeline");
		check_cron(p, trigger);
		check_repository(p, trigger);
		check_run(p, trigger);
		check_limits(p, trigger);
		if (trigger->monitor) {
			check_monitor(p, trigger);
			check_alone(p, i);
		}
	}
}
