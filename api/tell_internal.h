/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a run came to, for its forge (policy/report.h says how it looks). */
struct definitions;
struct error;
struct js;
struct lockfile;
struct project;

/* `event` is the job.end. */
int report_of_job(struct project *, const struct definitions *, const struct js *event, struct js **ret, struct error *);
