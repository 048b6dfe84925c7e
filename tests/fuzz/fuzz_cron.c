/* SPDX-License-Identifier: Apache-2.0 */
/* Times: what is read comes, later than the moment before it, and again after that. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/cron.h"
#include "base/mem.h"
#include "base/zone.h"

#define LONGEST_S (41LL * 366 * 86400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size < 1000 ? size : 1000);
	CLEANUP(cleanup_zone) struct zone *zone = NULL;
	int64_t at = 1800000000;
	struct cron cron;

	if (cron_parse(text, &cron, NULL) < 0 || zone_load("UTC", &zone, NULL) < 0)
		return 0;
	for (int i = 0; i < 5; i++) {
		int64_t next = cron_next(&cron, zone, at);

		if (next <= at || next > at + LONGEST_S || next % 60)
			abort();
		at = next;
	}
	return 0;
}
