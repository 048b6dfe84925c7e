/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Time and randomness. Tests replace `clock_source`; all else asks through here.
 * Wall time may jump and only labels things; durations and timers use monotonic time.
 */
struct clock_source {
	int64_t (*wall_ms)(void);  /* since 1970-01-01 UTC */
	int64_t (*mono_ns)(void);
	void (*random)(void *buf, size_t len);
};
extern struct clock_source clock_source;

int64_t clock_wall_ms(void);
int64_t clock_mono_ns(void);
int64_t clock_mono_ms(void);
void clock_random(void *buf, size_t len);
/* 32 lower-case hex digits of a random UUID version 4, as MLflow names runs. */
void clock_uuid(char ret[33]);
/* "2026-11-22T04:23:23.123Z" */
void clock_format_utc(int64_t wall_ms, char ret[32]);
