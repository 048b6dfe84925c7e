/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* Progress of long work. Called from one thread at a time, often; the receiver limits its own rate.
 * Totals are 0 while unknown. Returning true asks the work to stop with ERR_INTERRUPTED. */
#include <stdbool.h>
struct progress {
	bool (*report)(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total_bytes);
	void *ctx;
};
