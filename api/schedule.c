/* SPDX-License-Identifier: Apache-2.0 */
#include "api/schedule.h"
#include <stdlib.h>
#include <string.h>
#include "api/fire.h"
#include "api/ops.h"
#include "api/schedule_internal.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/zone.h"
#include "registry/events.h"
#include "registry/firings.h"
#include "registry/outbox.h"
#include "registry/project.h"

#define FILES_MS  1000  /* between looks at files of projects, */
#define DATA_MS	  1000  /* at data, at least, */
#define DATA_PART 20	/* and they take at most this part of the time */
#define SETTLE_MS 10000 /* who ends a job settles its firing at once; after that nobody will */
#define HELD_MS	  1000  /* what waits for its group is looked at again */
#define LATE_MS	  60000 /* a time that is later than that was missed */
#define BACK_MS	  1000  /* a clock that was set back by more is another one */
#define EVENTS	  500   /* of one look */
#define AT_ONCE	  100   /* times that are decided in one transaction */
#define LAG	  1000  /* events that a restart may read again */
#define TIMES_MAX 100000 /* that were missed and are counted */
#define READER	  "triggers"

struct schedule *schedule_new(void)
{
	return xcalloc(1, sizeof(struct schedule));
}

static void release_ended(struct schedule *s)
{
	for (size_t i = 0; i < s->nended; i++) {
		free(s->ended[i].project);
		free(s->ended[i].run);
		free(s->ended[i].trigger);
	}
	s->nended = 0;
}

void schedule_free(struct schedule *s)
{
	if (!s)
		return;
	entries_release(s);
	definitions_free(&s->definitions);
	for (size_t i = 0; i < s->stamps.len; i++)
		free(s->stamps.entries[i].value);
	strmap_release(&s->stamps);
	for (size_t i = 0; i < s->zones.len; i++)
		zone_free(s->zones.entries[i].value);
	strmap_release(&s->zones);
	strlist_release(&s->gone);
	release_ended(s);
	free(s->ended);
	free(s);
}

void schedule_doubt(struct schedule *s)
{
	for (size_t i = 0; i < s->stamps.len; i++) {
		free(s->stamps.entries[i].value);
		s->stamps.entries[i].value = NULL;
	}
	release_ended(s);
	s->entries_known = s->events_begun = s->data_waits = s->unsettled = false;
	s->files_ms = s->data_ms = s->settle_ms = 0;
}

/* ---- looking ---- */

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static bool is_upstream(const struct schedule *s, const char *project)
{
	for (size_t i = 0; project && i < s->len; i++)
		if (s->entries[i].upstream && !strcmp(s->entries[i].upstream, project))
			return true;
	return false;
}

static void take_end(struct schedule *s, const struct js *event)
{
	const struct js *body = js_get(event, "body");
	const char *project = js_get_str(body, "project"), *state = js_get_str(event, "after");
	const char *outcome = js_get_str(body, "outcome");

	if (!state || strcmp(state, "finished") != 0 || (outcome && !strcmp(outcome, "nothing new")) || !is_upstream(s, project))
		return;
	GROW(s->ended, s->nended, s->ended_cap);
	s->ended[s->nended++] = (struct ended){
		.project = xstrdup(project),
		.run = xstrdup(js_get_str(event, "subject")),
		.trigger = copy(js_get_str(body, "trigger")),
		.time_ms = js_get_int(event, "time", 0),
	};
}

static void take_event(struct schedule *s, const struct js *event)
{
	const char *operation = js_get_str(event, "operation");

	s->seq = js_get_int(event, "seq", s->seq);
	if (!strcmp(operation, "job.end"))
		take_end(s, event);
	else if (!strncmp(operation, "project.", 8))
		s->files_ms = 0;
	if (!strcmp(operation, "job.end") || !strncmp(operation, "data.", 5) || !strncmp(operation, "run.", 4))
		s->data_ms = 0;
}

static int look_at_events(struct schedule *s, struct db *db, struct error *err)
{
	struct event_query query = { .limit = EVENTS, .oldest_first = true };
	CLEANUP_JS struct js *events = NULL;
	int64_t last;

	if (event_last(db, &last, err) < 0)
		return -1;
	if (!s->events_begun) {
		int r = event_reader_load(db, READER, &s->seq, err);

		if (r < 0)
			return -1;
		s->seq = r ? s->seq : last;
		s->seq_stored = r ? s->seq : -1;
		s->events_begun = true;
	}
	query.after = s->seq;
	if (last == s->seq)
		return 0;
	if (event_find(db, &query, &events, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(events); i++)
		take_event(s, js_at(events, i));
	return 0;
}

static bool is_stored(const struct schedule *s, const struct definition *d)
{
	const char *stamp = strmap_get(&s->stamps, d->project);

	return stamp && !strcmp(stamp, d->stamp);
}

/* Which definitions are others than those that are stored. */
static int look_at_files(struct schedule *s, struct project *p, struct db *db, struct error *err)
{
	CLEANUP_JS struct js *triggers = NULL;
	int r = definitions_refresh(p, &s->definitions, err);

	if (r < 0 || (!r && s->entries_known))
		return r < 0 ? -1 : 0;
	s->entries_known = false; /* which projects git fetches, at least */
	strlist_release(&s->gone);
	for (size_t i = 0; i < s->definitions.len; i++)
		s->unstored |= s->definitions.items[i].pipeline && !is_stored(s, &s->definitions.items[i]);
	if (triggers_list(db, NULL, &triggers, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(triggers); i++) {
		const char *project = js_get_str(js_at(triggers, i), "project");

		if (!definition_of_project(&s->definitions, project) && !strlist_has(&s->gone, project))
			strlist_push(&s->gone, project);
	}
	s->unstored |= s->gone.len > 0;
	return 0;
}

static int look_for_unsettled(struct schedule *s, struct db *db, int64_t now_ms, struct error *err)
{
	CLEANUP_JS struct js *list = NULL, *waiting = NULL;

	if (firings_unsettled(db, now_ms - SETTLE_MS, &list, err) < 0 || firings_stranded(db, &waiting, err) < 0)
		return -1;
	s->unsettled = js_len(list) || js_len(waiting);
	return 0;
}

/* The clock may have been set back: nothing waits for longer than its time. */
static bool is_time(int64_t *next_ms, int64_t now_ms, int64_t period_ms)
{
	if (*next_ms > now_ms && *next_ms <= now_ms + period_ms)
		return false;
	*next_ms = now_ms + period_ms;
	return true;
}

static int look(struct schedule *s, struct op_context *ctx, struct db *db, int64_t now_ms, struct error *err)
{
	int64_t took;

	if (now_ms < s->looked_ms - BACK_MS)
		s->entries_known = false;
	s->looked_ms = now_ms;
	if (look_at_events(s, db, err) < 0)
		return -1;
	if (is_time(&s->files_ms, now_ms, FILES_MS) && look_at_files(s, ctx->project, db, err) < 0)
		return -1;
	if (!s->entries_known) {
		if (entries_read(s, ctx->project, db, now_ms, err) < 0)
			return -1;
		s->entries_known = true;
	}
	if (is_time(&s->data_ms, now_ms, DATA_MS)) {
		s->data_waits = data_look(s, db, &took);
		s->data_ms += took * DATA_PART > DATA_MS ? took * DATA_PART - DATA_MS : 0;
	}
	return is_time(&s->settle_ms, now_ms, SETTLE_MS) ? look_for_unsettled(s, db, now_ms, err) : 0;
}

int schedule_look(struct schedule *s, struct op_context *ctx, int64_t now_ms, struct error *err)
{
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || look(s, ctx, db, now_ms, err) < 0)
		return -1;
	return s->unstored || s->data_waits || s->unsettled || s->nended || s->seq_stored < 0 || s->seq - s->seq_stored > LAG ||
	       schedule_next(s) <= now_ms;
}

char *schedule_unfetched(struct schedule *s, int64_t now_ms)
{
	for (size_t i = 0; i < s->nsources; i++)
		if (is_time(&s->sources[i].fetch_ms, now_ms, FETCH_EVERY_MS))
			return xstrdup(s->sources[i].project);
	return NULL;
}

void schedule_fetch(struct schedule *s, const char *project)
{
	for (size_t i = 0; i < s->nsources; i++)
		if (!strcmp(s->sources[i].project, project))
			s->sources[i].fetch_ms = 0;
}

/* ---- writing ---- */

static int store_specs(struct schedule *s, struct db *db, const char *project, const struct js *specs, int64_t now_ms,
		       struct error *err)
{
	int changed;

	if (triggers_set(db, project, specs, now_ms, &changed, err) < 0)
		return -1;
	if (changed)
		s->entries_known = false;
	return 0;
}

static int store_definitions(struct schedule *s, struct db *db, int64_t now_ms, struct error *err)
{
	CLEANUP_JS struct js *none = js_object();

	for (size_t i = 0; i < s->definitions.len; i++) {
		const struct definition *d = &s->definitions.items[i];
		CLEANUP_JS struct js *specs = NULL;

		if (!d->pipeline || is_stored(s, d))
			continue;
		specs = trigger_specs(d->pipeline);
		if (store_specs(s, db, d->project, specs, now_ms, err) < 0)
			return -1;
		free(strmap_set(&s->stamps, d->project, xstrdup(d->stamp)));
	}
	for (size_t i = 0; i < s->gone.len; i++) {
		if (store_specs(s, db, s->gone.items[i], none, now_ms, err) < 0)
			return -1;
		free(strmap_set(&s->stamps, s->gone.items[i], NULL));
	}
	strlist_release(&s->gone);
	s->unstored = false;
	return 0;
}

struct writing {
	struct schedule *schedule;
	struct op_context *ctx;
	struct db *db;
	int64_t now_ms;
	int fired;
};

static int fire_cause(struct writing *w, const struct entry *e, struct cause *c, struct error *err)
{
	int r;

	c->project = e->project;
	c->trigger = e->name;
	r = fire(w->ctx, w->db, c, NULL, err);
	w->fired += r > 0;
	return r < 0 ? -1 : 0;
}

/* ---- data ---- */

static int decide_data(struct writing *w, struct entry *e, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("data:%s:%s", e->data, e->now);
	CLEANUP_JS struct js *evidence = js_object();
	struct cause cause = { .name = name, .kind = "data", .time_ms = w->now_ms, .evidence = evidence };

	js_set_str(evidence, "data", e->data);
	js_set_str(evidence, "before", e->seen);
	js_set_str(evidence, "after", e->now);
	/* What was there when the trigger began is no cause. */
	if (e->seen && e->now && fire_cause(w, e, &cause, err) < 0)
		return -1;
	if (trigger_saw(w->db, e->id, e->now ? e->now : "nothing", err) < 0)
		return -1;
	free(e->seen);
	e->seen = xstrdup(e->now ? e->now : "nothing");
	return 0;
}

static int decide_all_data(struct writing *w, struct error *err)
{
	struct schedule *s = w->schedule;

	for (size_t i = 0; i < s->len; i++) {
		struct entry *e = &s->entries[i];

		if (e->data && !e->moving && (e->now ? !e->seen || strcmp(e->now, e->seen) != 0 : !e->seen) && decide_data(w, e, err) < 0)
			return -1;
	}
	s->data_waits = false;
	return 0;
}

/* ---- runs of others ---- */

/* Its own run is no cause for it. */
static bool follows(const struct entry *e, const struct ended *run)
{
	return e->upstream && !strcmp(e->upstream, run->project) && run->time_ms >= e->since_ms &&
	       !(run->trigger && !strcmp(run->trigger, e->name) && !strcmp(run->project, e->project));
}

static int decide_ended(struct writing *w, struct error *err)
{
	struct schedule *s = w->schedule;

	for (size_t k = 0; k < s->nended; k++) {
		const struct ended *run = &s->ended[k];
		CLEANUP(cleanup_free) char *name = xasprintf("pipeline:%s", run->run);
		CLEANUP_JS struct js *evidence = js_object();
		struct cause cause = { .name = name, .kind = "pipeline", .time_ms = run->time_ms, .evidence = evidence };

		js_set_str(evidence, "project", run->project);
		js_set_str(evidence, "run_id", run->run);
		for (size_t i = 0; i < s->len; i++)
			if (follows(&s->entries[i], run) && fire_cause(w, &s->entries[i], &cause, err) < 0)
				return -1;
	}
	release_ended(s);
	return 0;
}

/* ---- times ---- */

static int fire_time(struct writing *w, const struct entry *e, int64_t at_s, int64_t missed, const char *held, struct error *err)
{
	CLEANUP(cleanup_free) char *name = NULL;
	CLEANUP_JS struct js *evidence = js_object();
	struct cause cause = { .kind = "cron", .time_ms = at_s * 1000, .evidence = evidence, .held = held };
	char iso[32];

	clock_format_utc(at_s * 1000, iso);
	name = xasprintf("cron:%.19sZ", iso); /* whole seconds */
	cause.name = name;
	js_set_str(evidence, "scheduled", iso);
	if (missed)
		js_set_int(evidence, "missed", missed);
	return fire_cause(w, e, &cause, err);
}

/* The newest time that has come, and how many came before it. After a very long time what is older than a day is not
 * counted any more. */
static int64_t newest_time(const struct entry *e, int64_t now_ms, int64_t *ret_missed)
{
	int64_t at = e->next_s, now_s = (now_ms - e->jitter_ms) / 1000, next;

	*ret_missed = 0;
	while ((next = cron_next(&e->cron, e->zone, at)) <= now_s) {
		at = next;
		if (++*ret_missed == TIMES_MAX && at < now_s - 86400)
			at = now_s - 86400;
	}
	return at;
}

static int group_is_busy(struct writing *w, const struct entry *e, bool *ret, struct error *err)
{
	CLEANUP_JS struct js *trigger = NULL, *running = NULL;
	const char *group;

	if (trigger_load(w->db, e->project, e->name, &trigger, err) < 0)
		return -1;
	group = js_get_str(js_get(trigger, "spec"), "group");
	if (firings_of_group(w->db, e->project, group ? group : e->name, "run", &running, err) < 0)
		return -1;
	*ret = js_len(running) > 0;
	return 0;
}

static int decide_time(struct writing *w, struct entry *e, struct error *err)
{
	bool busy = false;
	int64_t at = e->next_s, missed = 0;
	const char *held = NULL;

	if (e->catchup == CATCH_ALL) {
		/* One after the other: in a group only the newest would wait. */
		if (group_is_busy(w, e, &busy, err) < 0)
			return -1;
		if (busy) {
			e->due_ms = w->now_ms + HELD_MS;
			entry_moved(w->schedule, e);
			return 0;
		}
	} else {
		at = newest_time(e, w->now_ms, &missed);
		if (e->catchup == CATCH_NONE && w->now_ms - (at * 1000 + e->jitter_ms) > LATE_MS)
			held = "its time was missed, and catchup = none";
	}
	if (fire_time(w, e, at, missed, held, err) < 0 || trigger_advance(w->db, e->id, at * 1000, err) < 0)
		return -1;
	entry_advance(e, at);
	entry_moved(w->schedule, e);
	return 0;
}

static int decide_times(struct writing *w, struct error *err)
{
	struct schedule *s = w->schedule;

	/* Others write, too: the rest is of the next transaction. */
	for (int n = 0; n < AT_ONCE && s->nheap && s->heap[0]->due_ms <= w->now_ms; n++)
		if (decide_time(w, s->heap[0], err) < 0)
			return -1;
	return 0;
}

/* ---- the rest ---- */

static int settle(struct writing *w, struct error *err)
{
	CLEANUP_JS struct js *list = NULL;

	if (firings_unsettled(w->db, w->now_ms - SETTLE_MS, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(list); i++)
		if (fire_settle(w->ctx, w->db, js_get_str(js_at(list, i), "run_id"), js_get_str(js_at(list, i), "state"), err) < 0)
			return -1;
	if (fire_waiting(w->ctx, w->db, err) < 0)
		return -1;
	w->schedule->unsettled = false;
	return 0;
}

static int write_all(struct writing *w, struct error *err)
{
	struct schedule *s = w->schedule;

	if ((s->unstored && store_definitions(s, w->db, w->now_ms, err) < 0) || (s->unsettled && settle(w, err) < 0))
		return -1;
	/* Triggers that are others now decide when they were read. */
	if (!s->entries_known)
		return 0;
	if ((s->data_waits && decide_all_data(w, err) < 0) || decide_ended(w, err) < 0 || decide_times(w, err) < 0 ||
	    event_reader_store(w->db, READER, s->seq, err) < 0)
		return -1;
	s->seq_stored = s->seq;
	return 0;
}

int schedule_write(struct schedule *s, struct op_context *ctx, int64_t now_ms, int *ret_fired, struct error *err)
{
	struct writing w = { .schedule = s, .ctx = ctx, .now_ms = now_ms };

	if (project_db(ctx->project, &w.db, err) < 0 || write_all(&w, err) < 0)
		return -1;
	*ret_fired = w.fired;
	return 0;
}
