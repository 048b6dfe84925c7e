/* SPDX-License-Identifier: Apache-2.0 */
/* Values of [monitor.NAME]: windows, times, references, seasons; and what a monitor must say to be one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/amount.h"
#include "base/mem.h"
#include "base/moment.h"
#include "pipeline/parse_internal.h"
#include "pipeline/show.h"

#define FIRST_MAX 1000 /* windows of a reference */

static struct error *refuse(struct parser *p, const struct ini_entry *entry, const struct ini_line *line)
{
	return problem(p, line->line, line->column, "'%s' does not take '%s'", entry->key, SHOW(line->text));
}

/* "1000 rows", also "1 row": digits, a blank, and the word. */
bool value_counted(const char *text, const char *word, int64_t *ret)
{
	size_t digits = strspn(text, "0123456789"), len = strlen(word);
	const char *rest = text + digits + strspn(text + digits, " \t");

	if (!digits || digits > 9 || (strcmp(rest, word) != 0 && (strncmp(rest, word, len - 1) != 0 || rest[len - 1])))
		return false;
	*ret = strtol(text, NULL, 10);
	return *ret > 0;
}

/* As parse_duration, and weeks and years of 365.25 days. */
bool value_lasting(const char *text, int64_t *ret)
{
	static const struct {
		char unit;
		const char *days;
	} long_units[] = { { 'w', "168h" }, { 'y', "8766h" } };
	size_t len = strlen(text);
	int64_t unit, n;

	for (size_t i = 0; len && i < ARRAY_LEN(long_units); i++) {
		if (text[len - 1] != long_units[i].unit)
			continue;
		if (len > 5 || strspn(text, "0123456789") != len - 1 || parse_duration(long_units[i].days, &unit, NULL) < 0)
			return false;
		n = strtol(text, NULL, 10);
		*ret = n * unit;
		return n > 0;
	}
	return parse_duration(text, ret, NULL) == 0 && *ret > 0;
}

void value_window(struct parser *p, const struct ini_entry *entry, void *section)
{
	const struct ini_line *line = value_line(p, entry);
	struct monitor_section *monitor = section;
	int64_t rows = 0, ms = 0;

	if (!line)
		return;
	if (strcmp(line->text, "file") != 0 && !value_counted(line->text, "rows", &rows) && !value_lasting(line->text, &ms)) {
		error_help(refuse(p, entry, line), "write a number of rows, a time, or: file. Such as 1000 rows, 12h, 7d, 1w");
		return;
	}
	monitor->window_rows = rows;
	monitor->window_ms = ms;
}

/* A date, or a date and time; without a zone it is UTC, so that a file means the same everywhere. */
static bool moment(const char *text, int64_t *ret)
{
	static const char *const forms[] = { "%sT00:00Z", "%sZ", "%s" };
	char whole[64];

	if (strlen(text) > 40 || strlen(text) < 10 || text[4] != '-')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		snprintf(whole, sizeof(whole), i == 0 ? "%sT00:00Z" : i == 1 ? "%sZ" : "%s", text);
		if (parse_moment(whole, 0, ret, NULL) == 0)
			return true;
	}
	return false;
}

/* "30m from 1996-05-07" */
static bool rows_step(const char *text, int64_t *ret_step, int64_t *ret_start)
{
	const char *from = strstr(text, " from ");
	CLEANUP(cleanup_free) char *step = from ? xstrndup(text, (size_t)(from - text)) : NULL;

	return from && value_lasting(step, ret_step) && moment(from + strlen(" from "), ret_start);
}

void value_times(struct parser *p, const struct ini_entry *entry, void *section)
{
	const struct ini_line *line = value_line(p, entry);
	struct monitor_section *monitor = section;

	if (!line)
		return;
	if (strncmp(line->text, "rows:", 5) != 0) {
		monitor->time = (struct text_at){ xstrdup(line->text), { line->line, line->column } };
		return;
	}
	if (!rows_step(line->text + 5, &monitor->step_ms, &monitor->start_ms)) {
		monitor->step_ms = 0;
		error_help(refuse(p, entry, line),
			   "name a column, or say how far rows are apart: rows:30m from 1996-05-07");
	}
}

void value_reference(struct parser *p, const struct ini_entry *entry, void *section)
{
	const struct ini_line *line = value_line(p, entry);
	struct monitor_section *monitor = section;

	if (!line)
		return;
	if (strncmp(line->text, "first ", 6) != 0)
		monitor->reference = (struct text_at){ xstrdup(line->text), { line->line, line->column } };
	else if (!value_counted(line->text + 6, "windows", &monitor->first) || monitor->first > FIRST_MAX)
		error_help(refuse(p, entry, line), "name a table, or say: first 26 windows; at most %d", FIRST_MAX);
}

void value_season(struct parser *p, const struct ini_entry *entry, void *section)
{
	const struct ini_line *line = value_line(p, entry);
	struct monitor_section *monitor = section;

	if (line && !value_counted(line->text, "windows", &monitor->season_windows) && !value_lasting(line->text, &monitor->season_ms))
		error_help(refuse(p, entry, line), "say after what time all comes again: 1y, 7d, or 52 windows");
}

void value_method(struct parser *p, const struct ini_entry *entry, void *field)
{
	const struct ini_line *line = value_line(p, entry);

	if (!line)
		return;
	*(bool *)field = !strcmp(line->text, "evidently");
	if (!*(bool *)field && strcmp(line->text, "mlops") != 0)
		error_help(refuse(p, entry, line), "it is mlops or evidently");
}

static void want(struct parser *p, const struct monitor_section *monitor, const char *key, const char *example)
{
	error_help(problem(p, monitor->at.line, monitor->at.column, "[monitor.%s] has no '%s'", monitor->name, key), "%s",
		   example);
}

static void check_sources(struct parser *p, const struct monitor_section *monitor)
{
	bool sqlite = monitor->data.text && !strncmp(monitor->data.text, "sqlite:", 7);

	if (!monitor->data.text)
		want(p, monitor, "data", "name the files that arrive: data = logs/*.jsonl");
	if (sqlite && !monitor->query.text)
		want(p, monitor, "query", "say which rows, new ones last: query = SELECT * FROM predictions ORDER BY id");
	if (monitor->query.text && !sqlite)
		error_help(problem(p, monitor->query.at.line, monitor->query.at.column, "'query' is for a database"),
			   "name it: data = sqlite:PATH");
	if (monitor->data.text && !strcmp(monitor->data.text, "http") && !monitor->window_rows && !monitor->window_ms)
		error_help(problem(p, monitor->data.at.line, monitor->data.at.column, "rows by HTTP come in no files"),
			   "say how many are judged together: window = 1000 rows, or: window = 1d");
	if (!monitor->reference.text && !monitor->first)
		want(p, monitor, "reference", "name a table that is right: reference = train.csv, or: first 26 windows");
	if (monitor->labels.text && (!monitor->id.text || !monitor->label.text || !monitor->prediction.text))
		error_help(problem(p, monitor->labels.at.line, monitor->labels.at.column,
				   "later labels need 'id', 'label' and 'prediction'"),
			   "name the columns: id = id, label = label, prediction = prediction");
}

static void check_times(struct parser *p, const struct monitor_section *monitor)
{
	bool timed = monitor->time.text || monitor->step_ms;

	if (monitor->window_ms && !timed)
		want(p, monitor, "time", "windows of time need it: time = COLUMN, or: time = rows:30m from 1996-05-07");
	if (monitor->season_ms && !timed)
		want(p, monitor, "time", "a season of time needs it: time = COLUMN; or count: season = 52 windows");
	if (monitor->step_ms && monitor->window_ms % monitor->step_ms)
		problem(p, monitor->at.line, monitor->at.column, "[monitor.%s]: a window does not hold whole rows",
			monitor->name);
	if (monitor->late_ms && (!monitor->window_ms || !monitor->time.text))
		error_help(problem(p, monitor->at.line, monitor->at.column, "[monitor.%s]: 'late' is for windows of time",
				   monitor->name),
			   "name the column of times and the window: time = COLUMN, window = 1d");
	if (monitor->share > 1)
		problem(p, monitor->at.line, monitor->at.column, "[monitor.%s]: 'share' is at most 1", monitor->name);
}

/* Schemas are known only when all of the file was read. */
static void check_schema(struct parser *p, const struct monitor_section *monitor)
{
	const struct pipeline *pipeline = p->pipeline;
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;
	struct error *err;

	if (!monitor->schema.text)
		return;
	for (size_t i = 0; i < pipeline->nschemas; i++)
		strlist_push(&names, pipeline->schemas[i].name);
	if (strlist_has(&names, monitor->schema.text))
		return;
	near = strlist_nearest(&names, monitor->schema.text);
	err = problem(p, monitor->schema.at.line, monitor->schema.at.column, "there is no [schema.%s]",
		      SHOW(monitor->schema.text));
	if (near)
		error_help(err, "did you mean '%s'?", near);
	else
		error_help(err, "add the section, with path = and file =");
}

void monitors_finish(struct parser *p)
{
	for (size_t i = 0; i < p->pipeline->nmonitors; i++) {
		check_schema(p, &p->pipeline->monitors[i]);
		check_sources(p, &p->pipeline->monitors[i]);
		check_times(p, &p->pipeline->monitors[i]);
	}
}
