/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "api/definitions.h"
#include "api/schedule.h"
#include "base/cron.h"
#include "base/strlist.h"
#include "base/strmap.h"
/* What the files of a schedule share: schedule.c looks and writes, schedule_entry.c knows triggers and their times,
 * schedule_data.c what data looks like. */
struct db;
struct project;
struct zone;

enum catchup { CATCH_NONE, CATCH_LAST, CATCH_ALL };
struct entry {
	int64_t id;
	char *project, *name;
	int64_t since_ms;
	/* times; zone NULL: it has none */
	struct cron cron;
	const struct zone *zone; /* lent by the schedule */
	enum catchup catchup;
	int64_t jitter_ms;       /* its own */
	int64_t last_s;          /* the newest that was decided */
	int64_t next_s, due_ms;  /* and the next one, when it starts */
	size_t place;            /* in the heap */
	/* data; NULL: it has none */
	char *data, *dir;        /* dir: absolute, where its files are; NULL: only versions count */
	char *seen, *now;        /* what was decided, what is there; NULL: nothing */
	bool moving;             /* files differ from the look before: they may still be written */
	char *upstream;          /* project whose runs start it; NULL */
};
struct source {
	char *project;
	int64_t fetch_ms;        /* when it is to be fetched */
};
/* A run of another project that ended well. */
struct ended {
	char *project, *run, *trigger;
	int64_t time_ms;
};
struct schedule {
	struct definitions definitions;
	struct strmap stamps;    /* of definitions whose triggers are stored: owned texts */
	struct strlist gone;     /* projects that are no more registered, but have triggers */
	struct strmap zones;     /* owned */
	struct entry *entries;
	size_t len;
	struct entry **heap;     /* those with times, the next one first */
	size_t nheap;
	struct source *sources;  /* that git fetches */
	size_t nsources;
	struct ended *ended;
	size_t nended, ended_cap;
	bool entries_known, unstored, data_waits, events_begun, unsettled;
	int64_t seq, seq_stored; /* of events */
	int64_t looked_ms;       /* wall time of the last look */
	int64_t files_ms, data_ms, settle_ms; /* wall times of the next looks */
};

#define FETCH_EVERY_MS 600000 /* of a source that nothing is heard of */

/* ---- schedule_entry.c ---- */
/* Reads all triggers and what projects are made of. */
int entries_read(struct schedule *, struct project *, struct db *, int64_t now_ms, struct error *);
void entries_release(struct schedule *);
/* Its next time changed. */
void entry_moved(struct schedule *, struct entry *);
/* The next time after those that were decided, and when it starts. */
void entry_advance(struct entry *, int64_t last_s);

/* ---- schedule_data.c ---- */
/* Looks at all data; true: somebody has to decide about some. *ret_ms: how long it took. */
bool data_look(struct schedule *, struct db *, int64_t *ret_ms);
/* What the data of an entry is there, as text that another version or another file changes; NULL: nothing. */
char *data_stamp(struct db *, const char *path, const char *dir);
