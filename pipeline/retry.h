/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Whether a failed attempt is followed by another, and when: retries=, retry_on=, backoff=, deadline= of a step.
 *
 * The wait is random between 0 and min(LAST, FIRST * 2^(attempt - 1)) ("full jitter"), so that many steps which failed
 * together do not come back together: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
struct step;
struct task;

/* The longest wait after attempt 1, 2, ..., in ms. */
int64_t retry_most_ms(const struct step *, int attempt);
/* Whether the attempt that just ended will be followed by another; asks for nothing that changes. */
bool retry_wanted(const struct task *);
/* Lets go of the attempt that ended and has its facts recorded, and waits for the next; false: there will be none. */
bool retry_begin(struct task *);
/* The next attempt begins: lets go of what belonged to the one before. */
void retry_forget(struct task *);
/* The run stops: the task that waits for its next attempt, or for its turn to make it, has failed for good. */
void retry_give_up(struct task *);
