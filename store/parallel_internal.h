/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * A loop over 0..count-1 on several threads. Each call of `work` does the indexes
 * from..to-1 and returns 0 or -1; after the first -1 no further call starts, and its
 * error is the loop's. Below `alone` the caller's thread does it all.
 */
struct error;
struct parallel {
	size_t count;
	size_t chunk; /* indexes a call */
	size_t alone;
	int (*work)(void *ctx, size_t from, size_t to, struct error *);
	void *ctx;
};
int parallel_run(const struct parallel *, struct error *);
