/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * What the agent counts, in Prometheus' text format 0.0.4. Counters are lock-free; labels are bounded: routes as they
 * are declared, never what stood in a path; what no route took has the route "".
 */
struct call;
struct strbuf;

/* After router_ready. */
void metrics_start(void);
/* A request that ended, however. Its status is 0 when nothing was answered. */
void metrics_count(const struct call *, int64_t ns);
/* Appends what was counted of requests, and what the kernel says of this process. */
void metrics_write(struct strbuf *);
/* Begins a family: its lines # HELP and # TYPE. */
void metrics_family(struct strbuf *, const char *name, const char *type, const char *help);
