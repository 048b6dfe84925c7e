/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include "policy/retrain.h"
/*
 * What a decision is made of: the facts of a window, as they go on record. All that the policy reads of a window stands in
 * them, so a replay needs nothing else. They hold digests, scores of 12 digits and times of the data; no ids, and no time
 * of a clock.
 */
struct js;
struct trigger_section;

/* Of [trigger.NAME] with a monitor; NULL: nobody retrains. */
void retrain_policy_of(const struct trigger_section *, struct retrain_policy *ret);

/* {"window","rows","state","digest","profile","reference","scores": [{name, state, score, threshold, null_score,
 * null_threshold}], "worst": largest of them over its threshold, "performance": {value, low, high, baseline, difference}} of
 * a window as monitor_windows tells it. */
struct js *retrain_facts(const struct js *window);
/* The whole of the interval of the difference to the reference is below 0, with so many rows. */
bool facts_dropped(const struct js *facts, int64_t min_rows);
/* And of facts to which "model", "dropped" and "paused" were added what a step takes. Lends texts of the facts. */
void retrain_window_of(const struct js *facts, int64_t time_ms, struct retrain_window *ret);
