/* SPDX-License-Identifier: Apache-2.0 */
/* NDJSON: however the bytes are split, the same lines come. The first byte says where. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/json_lines.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int collect(void *ctx, const struct js *line, struct error *err)
{
	struct strbuf *all = ctx;

	(void)err;
	js_dump(line, JS_CANONICAL, all);
	strbuf_putc(all, '\n');
	return 0;
}

static int read_split(const char *data, size_t size, size_t piece, struct strbuf *all)
{
	struct lines lines CLEANUP(lines_release) = LINES_INIT(collect, all);

	for (size_t i = 0; i < size; i += piece)
		if (lines_add(&lines, data + i, size - i < piece ? size - i : piece, NULL) < 0)
			return -1;
	return lines_end(&lines, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_STRBUF struct strbuf whole = STRBUF_INIT, pieces = STRBUF_INIT;
	int r;

	if (!size)
		return 0;
	r = read_split((const char *)data + 1, size - 1, size, &whole);
	if (read_split((const char *)data + 1, size - 1, (size_t)data[0] % 7 + 1, &pieces) != r)
		abort();
	if (strcmp(whole.buf, pieces.buf))
		abort();
	return 0;
}
