/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as steps report them: JSON lines, and a whole file. Whole lines are used, or nothing is. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "pipeline/results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct metric_list lines = METRIC_LIST_INIT, file = METRIC_LIST_INIT;
	size_t used = 0;

	results_parse_lines(text, size, "lines", 1, &lines, &used, NULL);
	if (used > size || (used && text[used - 1] != '\n'))
		abort();
	results_parse_metrics(text, size, "file", &file, NULL);
	metric_list_release(&lines);
	metric_list_release(&file);
	return 0;
}
