/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * When triggers of times, data and other pipelines meet a cause. Everything that matters is in the database: a schedule may
 * be lost at any moment, and the next one decides the same, because causes have names.
 *
 * Threads: one at a time. A look reads, and says whether there is something to write; a write belongs into a transaction
 * of the caller. When that is lost, schedule_doubt makes the next look read all anew.
 */
struct error;
struct op_context;
struct schedule;

struct schedule *schedule_new(void);
void schedule_free(struct schedule *);
/* What other processes and requests did. 1: schedule_write has to do; 0. */
int schedule_look(struct schedule *, struct op_context *, int64_t now_ms, struct error *);
/* Also causes whose time has come. *ret_fired: how many were decided. */
int schedule_write(struct schedule *, struct op_context *, int64_t now_ms, int *ret_fired, struct error *);
void schedule_doubt(struct schedule *);
/* The next time of any trigger; INT64_MAX: there is none. */
int64_t schedule_next(const struct schedule *);
/* One project whose source was never fetched, or not for long; NULL: none. The caller frees it. */
char *schedule_unfetched(struct schedule *, int64_t now_ms);
/* Somebody said that the source is elsewhere now: it is the next one, if git fetches it. */
void schedule_fetch(struct schedule *, const char *project);

/* Times of a schedule that lie ahead, as ISO 8601 UTC. */
struct js;
int schedule_times(const char *cron, const char *tz, int64_t after_ms, int64_t count, struct js **ret, struct error *);
/* How much later a trigger starts, each at its own moment. */
int64_t schedule_jitter(const char *project, const char *trigger, int64_t jitter_ms);
