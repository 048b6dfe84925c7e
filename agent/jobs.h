/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Runs of registered projects (registry/jobs.h). A thread of the agent starts them, at most agent.runs at once and one a
 * project; each is a process of its own, `mlops-agent job`, which the agent may die under and finds again by its lock.
 */
struct error;

/* After lanes_start. Runs that lost who executed them end, what was about to start waits again. */
int jobs_start(const char *dir, struct error *);
/* Starts nothing more; what runs goes on. Before lanes_stop. */
void jobs_stop(void);
/* There may be one to start. */
void jobs_wake(void);

/* The other process, from its start to its exit status: fetches the project and executes the run. It has one thread and
 * nothing opened. */
int job_main(const char *dir, const char *run);
