/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * How often the kernel of this machine killed for lack of memory since it started. It
 * does not say whom, so a rise is a hint and no proof. -1: unknown.
 */
struct oom_count {
	int64_t count, read_ms;
};
#define OOM_COUNT_INIT { -1, INT64_MIN / 2 }

/* Not older than this: reading takes a while, so steps that start close together share one. */
#define OOM_FRESH_MS 1000
int64_t oom_count_read(struct oom_count *, int64_t max_age_ms);
