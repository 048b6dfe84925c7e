/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * The retraining policy follows a monitor: each window that was judged is decided once, in order, and a retrain that is
 * decided on is fired in the same transaction. How a retrain ended is taken from its firing, so whoever asks next, after a
 * crash too, goes on where the last one stood.
 *
 * While a retrain goes on nothing more is decided, and, when watch_host.next asks here, nothing more judged: what the next
 * window is to be compared with, and whether it is a reason for another, depend on how it ends. So the decisions are the
 * same however fast the rows come.
 */
struct db;
struct definition;
struct error;
struct js;
struct monitor_section;
struct op_context;
struct retrain_policy;
struct trigger_section;

/* 1: the next window may be judged; 0: a retrain goes on. Outside of transactions. */
int retrain_follow(struct op_context *, struct db *, const struct definition *, const struct monitor_section *, struct error *);

/* People rejected what the run made: its firing says so, and the policy counts it, when it had taken note of it as pending.
 * Inside a transaction. */
int retrain_rejected(struct op_context *, struct db *, const char *run_id, const char *reason, struct error *);

/* The trigger whose policy decides on the monitor: the first that names it. NULL: none. */
struct pipeline;
const struct trigger_section *trigger_of_monitor(const struct pipeline *, const char *monitor);
/* Where the window ends: of times of the data; else when it was judged, and *ret_timed is false. */
struct window_rule;
int64_t policy_time(const struct window_rule *, const struct js *window, bool *ret_timed);
