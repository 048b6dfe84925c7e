/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* What is told of a run beside the one before it: to the people of a forge, and to who is notified. */
struct db;
struct error;
struct js;
struct lockfile;

/* Metrics of each step that the lock names, as the run reported them that made the result: {STEP: {KEY: value}}; system
 * metrics, and steps whose result this registry did not see, are left out. */
int report_metrics(struct db *, const struct lockfile *, struct js **ret, struct error *);
/* Versions that the pipeline run, or a step of it, made: [{model, number, verdict, lines[], aliases[]}] */
int report_candidates(struct db *, const char *run, struct js **ret, struct error *);
/* How the job before it ended, of the same project, trigger, ref and pull request: "finished", "failed" or "lost", lent for
 * ever; NULL: there was none. */
int report_before(struct db *, const char *run, const char **ret, struct error *);
/* The newest job of the same project that finished before, of no pull request: {run_id, commit, lock}. 1, or 0: none. */
int report_base(struct db *, const char *run, struct js **ret, struct error *);
/* The rule that decided on the window before this one of the monitor, into `facts` as rule_before; nothing when there was none. */
int report_rule_before(struct db *, const char *monitor, int64_t window, struct js *facts, struct error *);
