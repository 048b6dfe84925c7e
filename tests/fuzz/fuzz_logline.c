/* SPDX-License-Identifier: Apache-2.0 */
/* A file of a step's log: its lines, what they say of places and cuts, and its name. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "pipeline/steplog_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A cut that was read is written as it stood, but for zeros before a number. */
static void check_cut(const struct steplog_line *line, const struct steplog_at *cut)
{
	char text[128];
	size_t len = (size_t)steplog_format_cut(text, sizeof(text), cut);
	struct steplog_line again = { .stream = 'c', .text = text, .len = len };
	struct steplog_at back;

	if (len >= sizeof(text) || len > line->len || !steplog_parse_cut(&again, &back) || back.lines != cut->lines ||
	    back.bytes != cut->bytes)
		abort();
}

static void check_name(const char *text, size_t len)
{
	CLEANUP(cleanup_free) char *name = xstrndup(text, len), *step = NULL;
	int attempt = 0;

	if (steplog_parse_name(name, &step, &attempt) && (!*step || attempt < 1 || strncmp(name, step, strlen(step)) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end;
	struct steplog_at all = { 0, 0 }, counted = { 0, 0 }, at;

	steplog_count(text, size, &all);
	for (size_t left = size; left && (end = memchr(text, '\n', left)); left -= (size_t)(end + 1 - text), text = end + 1) {
		struct steplog_line line;

		steplog_parse_line(text, (size_t)(end - text), &line);
		if (line.text < text || line.text + line.len != end || line.time < 0)
			abort();
		counted.lines++;
		counted.bytes += (int64_t)line.len + 1;
		if (steplog_parse_start(&line, &at) && (at.lines < 0 || at.bytes < 0))
			abort();
		if (steplog_parse_cut(&line, &at))
			check_cut(&line, &at);
		check_name(text, (size_t)(end - text));
	}
	if (counted.lines != all.lines || counted.bytes != all.bytes)
		abort();
	return 0;
}
