/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "base/strlist.h"
#include "runners/runner.h"
/*
 * A runner that plays a script, for tests of what drives a runner. One action a turn
 * of the loop; tasks take turns in the order they were started, so two runs of one
 * script tell one story. A step that no script names exits 0 at once.
 *
 * A signal ends a task with CAUSE_SIGNAL in a later turn.
 */
enum fake_act {
	FAKE_END,         /* exits 0; ends every list of actions that does not end otherwise */
	FAKE_STDOUT,      /* prints text */
	FAKE_STDERR,
	FAKE_DELAY,       /* waits for value milliseconds */
	FAKE_UNTIL,       /* waits until the log has the line text */
	FAKE_FILE,        /* writes data into the file text, a path below the workdir */
	FAKE_LINK,        /* makes the symlink text to data */
	FAKE_CALL,        /* calls call(ctx, spec) */
	FAKE_IGNORE_TERM, /* from now on only SIGKILL ends it */
	FAKE_HANG,        /* until it is killed */
	FAKE_EXIT,        /* with status value */
	FAKE_SIGNAL,      /* dies of signal value */
	FAKE_OOM,
	FAKE_LOST,        /* message is text */
	/* These two only as the first action. */
	FAKE_REFUSE,      /* start fails with ERR_ENV and text */
	FAKE_CANNOT,      /* CAUSE_START with text */
};
struct fake_action {
	enum fake_act act;
	int value;
	const char *text, *data;
	void (*call)(void *ctx, const struct runner_spec *);
	void *ctx;
};
struct fake_step {
	const char *name; /* STEP of RUN-STEP-ATTEMPT, or the whole name of a spec */
	int attempt;      /* 0 any */
	const struct fake_action *actions;
};
/* Lent to the runner until it is closed. */
struct fake_script {
	const struct fake_step *steps; /* the first that fits counts */
	size_t nsteps;
	/* What happened: "start STEP", "refuse STEP", "kill STEP SIGTERM", "exit STEP". The caller
	 * releases it. */
	struct strlist log;
	size_t running, most_running;
};
