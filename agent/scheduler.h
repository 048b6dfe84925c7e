/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A thread that lets time, data and ends of runs meet triggers (api/schedule.h). It sleeps until the next time of any
 * trigger, and looks now and then at what other processes and the clock did; a commit of the agent wakes it.
 */
struct error;

/* After lanes_start. */
int scheduler_start(const char *dir, struct error *);
/* Before lanes_stop. */
void scheduler_stop(void);
void scheduler_wake(void);
/* The branch of a project is somewhere else now, as far as one hears. */
void scheduler_fetch(const char *project);

/* The other process that fetches a project into its mirror: git may take its time. */
int fetch_main(const char *dir, const char *project);
