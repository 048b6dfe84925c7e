/* SPDX-License-Identifier: Apache-2.0 */
/* What the tree costs a change: appends to a log of many events, and its conversion. Prints JSON. Argument: a project. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "registry/audit.h"
#include "registry/events.h"
#include "registry/project.h"

#define TIMES 300

static struct error err;
static int64_t samples[TIMES];

static void must(int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s\n", err.msg);
	exit(1);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double median_us(void)
{
	qsort(samples, TIMES, sizeof(*samples), compare);
	return (double)samples[TIMES / 2] / 1000;
}

static const struct event event = { .actor = "anna@host", .origin = "cli", .operation = "step.note", .subject = "train" };

/* From taking the lock until it is durable: less than any promotion. */
static double change_us(struct db *db)
{
	for (int i = 0; i < TIMES; i++) {
		int64_t start = clock_mono_ns();

		must(db_begin(db, &err));
		must(event_append(db, &event, i, NULL, &err));
		must(db_commit(db, &err));
		samples[i] = clock_mono_ns() - start;
	}
	return median_us();
}

static double append_us(struct db *db)
{
	for (int i = 0; i < TIMES; i++) {
		int64_t start;

		must(db_begin(db, &err));
		must(db_exec(db, "INSERT INTO events (time, actor, origin, operation, subject)"
				 " VALUES (1, 'anna@host', 'cli', 'step.note', 'train')", &err));
		start = clock_mono_ns();
		must(audit_append(db, db_last_id(db), &err));
		samples[i] = clock_mono_ns() - start;
		/* kept, so that each size of the tree has its turn */
		must(db_commit(db, &err));
	}
	return median_us();
}

int main(int argc, char **argv)
{
	struct project *project;
	struct checkpoint cp;
	struct db *db;
	int64_t start;

	must(project_open(argc > 1 ? argv[1] : NULL, &project, &err));
	must(project_db(project, &db, &err));
	start = clock_mono_ns();
	must(audit_catch_up(db, &err));
	printf("{\"catch_up_s\": %.3f", (double)(clock_mono_ns() - start) / 1e9);
	printf(", \"change_us\": %.1f, \"append_us\": %.1f", change_us(db), append_us(db));
	start = clock_mono_ns();
	must(checkpoint_make(project, &cp, NULL, &err));
	printf(", \"checkpoint_ms\": %.2f}\n", (double)(clock_mono_ns() - start) / 1e6);
	checkpoint_release(&cp);
	project_close(project);
	return 0;
}
