/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/* Runs that an agent executes (registry/jobs.h): asking for one, and ending it. */
struct error;
struct js;
struct lock_holder;
struct op_context;
struct project;
struct strlist;

/* Environment of the `mlops run` that executes a job: its run's id. */
#define JOB_VARIABLE "MLOPS_JOB"
/* Set when a trigger asked for it: when nothing has to run, it leaves no run. */
#define JOB_TRIGGERED "MLOPS_JOB_TRIGGERED"
/* Set when its code is not of who may write to the repository. */
#define JOB_UNTRUSTED "MLOPS_JOB_UNTRUSTED"

/* The words of "mlops run" for the arguments of run.submit; begins with "run". */
void submit_words(const struct js *args, struct strlist *ret);
/* The same as a person would type it. Caller frees. */
char *submit_command(const char *project, const struct js *args);
/* Whether somebody executes the job, and who. */
bool job_executor(struct project *, const char *run, struct lock_holder *ret);
/* Whether the job waits or is executed: its run may still begin, or goes on. */
bool job_goes_on(struct project *, const char *run);
/* 1: it waited, and has ended; 0: its executor was told to end it, or the run is of no agent; -1. */
int job_stop(struct op_context *, const char *run, struct error *);
/* Whether an agent may take the files of this directory, an absolute path without symlinks: the operator says so in
 * agent.dirs. */
int project_dir_check(const struct project *, const char *dir, struct error *);
