/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/stats/isotonic.h"

/* Whether isotonic calibration helps: the expected calibration error, of 10 bins with equally many rows, over the
 * test rows of 10 splits is larger before than after. Never where the scores part the classes (an area over 0.999). */
bool calibration_helps(const struct labelled *sorted, const uint8_t *label, uint32_t n);
