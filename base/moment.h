/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * A moment as people write it: how long ago (90s, 10m, 2h, 1d), or a date with or without a time, of this
 * machine's zone unless it names one: 2026-01-31, 2026-01-31T10:00, 2026-01-31 10:00:05.250,
 * 2026-01-31T10:00Z, 2026-01-31T10:00+02:00. ERR_USAGE with a way to write one.
 */
struct error;
int parse_moment(const char *text, int64_t now_ms, int64_t *ret_ms, struct error *);
