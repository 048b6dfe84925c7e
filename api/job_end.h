/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Ends of jobs: the job, its run, the firing that asked for it and the event "job.end" are one transaction, whoever finds
 * out: its executor, the agent that finds it lost, or who cancels what waited.
 */
struct db;
struct error;
struct job_end;
struct js;
struct op_context;

#define JOB_NOTHING_NEW "nothing new"

/* What a pipeline's result came to, for who waits for it: "promoted", "pending", "rejected" or "held" of the models that it made,
 * JOB_NOTHING_NEW when no step ran and no model came of it, else "finished". Lent for ever. */
const char *job_outcome(const struct js *result);
/* `outcome` is that of a job that finished; NULL, and of any other: its state. A JOB_NOTHING_NEW leaves no run, unless
 * somebody has written to it. Nothing when it had ended before. */
int job_ends(struct op_context *, struct db *, const char *run, const struct job_end *, const char *outcome, struct error *);
/* 1: it waited, and has ended; 0: it runs, and its executor will be told. ERR_CONFLICT: it had ended. */
int job_ask_end(struct op_context *, struct db *, const char *run, const char *by, struct error *);
