/* SPDX-License-Identifier: Apache-2.0 */
/* Values of [trigger.NAME], and what a trigger must say to be one. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "pipeline/parse_internal.h"
#include "pipeline/show.h"

#define ALARM_MAX 60 /* windows that are looked back at */

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

void triggers_finish(struct parser *p)
{
	for (size_t i = 0; i < p->pipeline->ntriggers; i++) {
		const struct trigger_section *trigger = &p->pipeline->triggers[i];

		if (!trigger->branch.len && !trigger->on.len && !trigger->cron.text && !trigger->data.text &&
		    !trigger->monitor && !trigger->pipeline.text)
			error_help(problem(p, trigger->at.line, trigger->at.column, "[trigger.%s] says nothing that starts it",
					   trigger->name),
				   "give it one of: branch, on, cron, data, monitor, pipeline");
	}
}
