/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/lock.h"
/*
 * How a run that goes on is reached from outside: signals of its executor, and requests
 * of another process to stop some of its steps.
 *
 * A request is a file .mlops/work/RUN/.stop/ID, moved into place whole, and then SIGUSR1: one JSON object
 * {step, by, kill}; without step it is the whole run. The answer is a line in ID.answer beside it, which who asks made
 * before and keeps open: {stopped[], waiting[], ended[]}, names of steps that ran and were signalled, that will not start
 * (again), and that had ended, or {error, help} when there is no such step. At the end of the run their names are
 * removed.
 */
struct engine;
struct error;
struct js;
struct project;

/* In the executor, in the loop's thread. From open on, before the run's lock is taken, the signals are watched:
 *   INT, TERM, HUP  stop gracefully, twice: at once; HUP stays ignored where it was (nohup)
 *   TSTP            steps on this machine are stopped, then we are; all goes on with CONT
 *   USR1            requests are read */
int control_open(struct engine *, struct error *);
/* At the end of each pump: what waited for the worker is done. */
void control_settle(struct engine *);
void control_close(struct engine *);
/* {event: "run"} gets groups: [{group, total}], the selected steps of a section, where there are several. */
struct js *control_groups(const struct engine *);

/* In other processes. 1: somebody executes the run, and *ret says who; 0: nobody does. */
int control_executor(struct project *, const char *run, struct lock_holder *ret);
/* Sends a signal to the run's executor. ERR_CONFLICT when there is none (any more), ERR_DENIED when it is another user's. */
int control_signal(struct project *, const char *run, int signo, struct error *);
struct control_request {
	const char *step; /* a step, an instance or a pattern; NULL: the whole run */
	const char *by;   /* who asks */
	bool kill;        /* at once */
};
/* *ret_answer: the file of the answer, to be closed. */
int control_ask(struct project *, const char *run, const struct control_request *, int *ret_answer, struct error *);
/* 1 and the answer, of which `ret` is owned; 0: none yet, and none will come once nobody executes the run. */
int control_answer(int fd, struct js **ret, struct error *);
