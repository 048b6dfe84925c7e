/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* Amounts as people write them; ERR_USAGE with the way to write one. */
struct error;

/* 16G, 512M, 1.5g, 100k, bytes: powers of 1024. */
int parse_size(const char *text, int64_t *ret_bytes, struct error *);
/* 90s, 15m, 2h, 1d, 500ms. */
int parse_duration(const char *text, int64_t *ret_ms, struct error *);
