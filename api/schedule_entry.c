/* SPDX-License-Identifier: Apache-2.0 */
/* Triggers of a schedule, and a heap of those that have times. */
#include <stdlib.h>
#include <string.h>
#include "api/schedule_internal.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/zone.h"
#include "registry/firings.h"
#include "registry/project.h"
#include "registry/projects.h"

#define TIMES_MAX 1000

int64_t schedule_jitter(const char *project, const char *trigger, int64_t jitter_ms)
{
	CLEANUP(cleanup_free) char *name = xasprintf("%s/%s", project, trigger);
	struct digest digest;
	uint64_t n;

	digest_of(name, strlen(name), &digest);
	memcpy(&n, digest.b, sizeof(n));
	return jitter_ms > 0 ? (int64_t)(n % ((uint64_t)jitter_ms + 1)) : 0;
}

/* ---- the heap ---- */

static void put(struct schedule *s, size_t place, struct entry *e)
{
	s->heap[place] = e;
	e->place = place;
}

static void rise(struct schedule *s, struct entry *e)
{
	size_t at = e->place;

	for (size_t up; at && s->heap[up = (at - 1) / 2]->due_ms > e->due_ms; at = up)
		put(s, at, s->heap[up]);
	put(s, at, e);
}

static void sink(struct schedule *s, struct entry *e)
{
	size_t at = e->place, down;

	while ((down = 2 * at + 1) < s->nheap) {
		down += down + 1 < s->nheap && s->heap[down + 1]->due_ms < s->heap[down]->due_ms;
		if (s->heap[down]->due_ms >= e->due_ms)
			break;
		put(s, at, s->heap[down]);
		at = down;
	}
	put(s, at, e);
}

void entry_moved(struct schedule *s, struct entry *e)
{
	rise(s, e);
	sink(s, e);
}

int64_t schedule_next(const struct schedule *s)
{
	return s->nheap ? s->heap[0]->due_ms : INT64_MAX;
}

/* ---- reading ---- */

void entries_release(struct schedule *s)
{
	for (size_t i = 0; i < s->len; i++) {
		struct entry *e = &s->entries[i];
		char *const owned[] = { e->project, e->name, e->data, e->dir, e->seen, e->now, e->upstream };

		for (size_t k = 0; k < ARRAY_LEN(owned); k++)
			free(owned[k]);
	}
	for (size_t i = 0; i < s->nsources; i++)
		free(s->sources[i].project);
	free(s->entries);
	free(s->heap);
	free(s->sources);
	s->entries = NULL;
	s->heap = NULL;
	s->sources = NULL;
	s->len = s->nheap = s->nsources = 0;
}

/* NULL: there is none, or no more. */
static const struct zone *zone_of(struct schedule *s, const char *name)
{
	struct zone *zone = strmap_get(&s->zones, name);

	if (!zone && zone_load(name, &zone, NULL) == 0)
		strmap_set(&s->zones, name, zone);
	return zone;
}

void entry_advance(struct entry *e, int64_t last_s)
{
	e->last_s = last_s;
	e->next_s = cron_next(&e->cron, e->zone, last_s);
	e->due_ms = e->next_s * 1000 + e->jitter_ms;
}

/* A time that has not come was decided by a clock that was ahead: it counts from now, and what was decided stays so. */
static void read_times(struct schedule *s, const struct js *trigger, int64_t now_ms, struct entry *e)
{
	const struct js *spec = js_get(trigger, "spec");
	const char *cron = js_get_str(spec, "cron"), *tz = js_get_str(spec, "tz"), *catchup = js_get_str(spec, "catchup");
	int64_t last = js_get_int(trigger, "last", js_get_int(trigger, "since", 0));

	if (!cron || cron_parse(cron, &e->cron, NULL) < 0)
		return;
	e->zone = zone_of(s, tz ? tz : "UTC");
	e->catchup = !catchup || !strcmp(catchup, "last") ? CATCH_LAST : !strcmp(catchup, "all") ? CATCH_ALL : CATCH_NONE;
	e->jitter_ms = schedule_jitter(e->project, e->name, js_get_int(spec, "jitter_ms", 0));
	if (!e->zone)
		return;
	entry_advance(e, (last < now_ms ? last : now_ms) / 1000);
	e->place = s->nheap;
	s->heap[s->nheap++] = e;
	rise(s, e);
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static void read_entry(struct schedule *s, const struct js *trigger, const struct strmap *dirs, int64_t now_ms, struct entry *e)
{
	const struct js *spec = js_get(trigger, "spec");
	const char *data = js_get_str(spec, "data");

	*e = (struct entry){
		.id = js_get_int(trigger, "id", 0),
		.project = xstrdup(js_get_str(trigger, "project")),
		.name = xstrdup(js_get_str(trigger, "name")),
		.since_ms = js_get_int(trigger, "since", 0),
		.data = copy(data),
		.seen = copy(js_get_str(trigger, "seen")),
		.upstream = copy(js_get_str(spec, "pipeline")),
	};
	if (data)
		e->dir = copy(strmap_get(dirs, e->project));
	read_times(s, trigger, now_ms, e);
}

/* Directories of projects whose files can be read here, and projects that git fetches. */
static void read_projects(struct schedule *s, const struct project *p, const struct js *rows, int64_t now_ms, struct strmap *dirs)
{
	s->sources = xcalloc(js_len(rows) + 1, sizeof(*s->sources));
	for (size_t i = 0; i < js_len(rows); i++) {
		const struct js *row = js_at(rows, i);
		const char *name = js_get_str(row, "name");
		enum source_kind kind = SOURCE_GIT;

		source_kind_parse(js_get_str(row, "kind"), &kind);
		if (kind == SOURCE_GIT) {
			const struct definition *d = definition_of_project(&s->definitions, name);

			s->sources[s->nsources++] = (struct source){ xstrdup(name), d && d->commit ? now_ms + FETCH_EVERY_MS : 0 };
		} else {
			strmap_set(dirs, name, xstrdup(kind == SOURCE_HERE ? p->top : js_get_str(row, "source")));
		}
	}
}

static void release_texts(struct strmap *map)
{
	for (size_t i = 0; i < map->len; i++)
		free(map->entries[i].value);
	strmap_release(map);
}

int entries_read(struct schedule *s, struct project *p, struct db *db, int64_t now_ms, struct error *err)
{
	CLEANUP_JS struct js *list = NULL;
	CLEANUP_JS struct js *rows = NULL;
	struct strmap dirs CLEANUP(release_texts) = STRMAP_INIT;

	if (triggers_list(db, NULL, &list, err) < 0 || project_rows(db, &rows, err) < 0)
		return -1;
	entries_release(s);
	read_projects(s, p, rows, now_ms, &dirs);
	s->entries = xcalloc(js_len(list) + 1, sizeof(*s->entries));
	s->heap = xcalloc(js_len(list) + 1, sizeof(struct entry *));
	for (size_t i = 0; i < js_len(list); i++)
		read_entry(s, js_at(list, i), &dirs, now_ms, &s->entries[s->len++]);
	return 0;
}

/* ---- for people ---- */

int schedule_times(const char *text, const char *tz, int64_t after_ms, int64_t count, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_zone) struct zone *zone = NULL;
	CLEANUP_JS struct js *list = js_array();
	int64_t at = after_ms / 1000;
	struct cron cron;

	if (cron_parse(text, &cron, err) < 0 || zone_load(tz ? tz : "UTC", &zone, err) < 0)
		return -1;
	if (count < 1 || count > TIMES_MAX)
		return error_set(err, ERR_USAGE, "times are shown from 1 to %d", TIMES_MAX);
	while (count--) {
		char iso[32];

		at = cron_next(&cron, zone, at);
		clock_format_utc(at * 1000, iso);
		js_push_str(list, iso);
	}
	*ret = steal(&list);
	return 0;
}
