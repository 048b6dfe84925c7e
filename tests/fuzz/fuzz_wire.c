/* SPDX-License-Identifier: Apache-2.0 */
/* What programs send of their predictions. The first byte says as what; what comes out is JSON lines that the reader of
 * tables takes, as many as it says, and halves are JSON. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
	"application/json", "application/x-ndjson", "text/csv", "application/cloudevents+json",
	"application/cloudevents-batch+json", "application/json",
};

static const char *header(void *ctx, const char *name)
{
	size_t type = *(const size_t *)ctx;

	if (!strcasecmp(name, "Content-Type"))
		return types[type];
	if (type + 1 < ARRAY_LEN(types) || strncasecmp(name, "ce-", 3) != 0)
		return NULL;
	return !strcmp(name, "ce-specversion") ? "1.0" : "event";
}

static uint64_t count_lines(const struct wire *w)
{
	uint64_t n = 0;

	for (size_t i = 0; i < w->lines.len; i++)
		n += w->lines.buf[i] == '\n';
	return n;
}

static void check_halves(const struct wire *w)
{
	for (size_t i = 0; i < w->nhalves; i++) {
		CLEANUP_STRBUF struct strbuf lines = STRBUF_INIT;
		const char *rows = w->halves[i].rows;
		uint64_t n;

		if (!*w->halves[i].id || wire_join(rows, rows, &lines, &n, NULL) < 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t type = size ? data[0] % ARRAY_LEN(types) : 0;
	struct wire_columns columns = { .id = "id", .time = "at", .paired = size && data[0] & 0x40 };
	struct wire_request request = { header, &type, (const char *)data + 1, size ? size - 1 : 0 };
	struct wire w CLEANUP_WIRE = WIRE_INIT;

	if (!size || wire_read(&request, &columns, &w, NULL) < 0)
		return 0;
	/* lines that came as lines may be empty, or end as other systems end them */
	if (type != 1 && count_lines(&w) != w.rows)
		abort();
	if (w.lines.len && w.lines.buf[w.lines.len - 1] != '\n')
		abort();
	check_halves(&w);
	return 0;
}
