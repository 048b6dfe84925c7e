/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>
#include <stdint.h>

/* cmocka compares floats; these numbers have more digits. */
#define assert_near(value, right, room)                                                                                    \
	do {                                                                                                               \
		double value_ = (value), right_ = (right);                                                                 \
		if (value_ != right_ && !(fabs(value_ - right_) <= (room)))                                                \
			fail_msg("%s is %.17g, and should be %.17g", #value, value_, right_);                              \
	} while (0)

/* The next of a stream of numbers in [0, 1) that Python makes as well. */
static inline double uniform(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (double)(*state >> 11) * 0x1p-53;
}
