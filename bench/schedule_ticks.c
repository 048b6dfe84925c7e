/* SPDX-License-Identifier: Apache-2.0 */
/* Looks of a scheduler over the triggers of this directory's project, a hundred a second of the clock that it is told:
 * prints mean and worst milliseconds. bench/loop.py calls it. */
#include <stdio.h>
#include <stdlib.h>
#include "api/ops.h"
#include "api/schedule.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "registry/project.h"

enum { LOOKS = 3600 };

static _Noreturn void fail(const struct error *err)
{
	fprintf(stderr, "%s\n", err->msg);
	exit(1);
}

/* What is new is written first, so that the looks that count find nothing to do. */
static void settle(struct schedule *s, struct op_context *op, struct db *db, int64_t now_ms)
{
	struct error err;
	int fired, r;

	while ((r = schedule_look(s, op, now_ms, &err)) > 0)
		if (db_begin(db, &err) < 0 || schedule_write(s, op, now_ms, &fired, &err) < 0 || db_commit(db, &err) < 0)
			fail(&err);
	if (r < 0)
		fail(&err);
}

int main(void)
{
	struct op_context op = { .origin = "trigger", .actor = "bench" };
	struct schedule *s = schedule_new();
	int64_t now_ms = clock_wall_ms(), total = 0, worst = 0;
	struct error err;
	struct db *db;

	if (project_open(NULL, &op.project, &err) < 0 || project_db(op.project, &db, &err) < 0)
		fail(&err);
	settle(s, &op, db, now_ms);
	for (int i = 0; i < LOOKS; i++) {
		int64_t begin = clock_mono_ns(), took;

		if (schedule_look(s, &op, now_ms + i * 10, &err) < 0)
			fail(&err);
		took = clock_mono_ns() - begin;
		total += took;
		worst = took > worst ? took : worst;
	}
	printf("%.4f %.4f\n", (double)total / LOOKS / 1e6, (double)worst / 1e6);
	schedule_free(s);
	project_close(op.project);
	return 0;
}
