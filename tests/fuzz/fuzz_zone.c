/* SPDX-License-Identifier: Apache-2.0 */
/* Files of time zones: offsets stay below a day and a bit, and changes go forward. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_zone) struct zone *zone = NULL;
	int64_t at = -5000000000, moments[2];

	if (zone_read(data, size, "fuzz", &zone, NULL) < 0)
		return 0;
	for (int i = 0; i < 400 && at != ZONE_NEVER; i++) {
		int64_t next = zone_change(zone, at);
		int32_t offset = zone_offset(zone, at);
		int n = zone_moments(zone, at + offset, moments);

		if (next <= at || offset <= -26 * 3600 || offset >= 26 * 3600 || n < 0 || n > 2 || (n == 2 && moments[0] >= moments[1]))
			abort();
		at = next;
	}
	return 0;
}
