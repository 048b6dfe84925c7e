/* SPDX-License-Identifier: Apache-2.0 */
/* A schema is refused at a place of the text, or a table is checked against it: the rest of the input, behind a NUL. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/schema/schema.h"
#include "monitor/table/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct schema *schema, const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_fd) int fd = memfd_create("table", MFD_CLOEXEC);
	CLEANUP(cleanup_table) struct table *table = NULL;
	CLEANUP_JS struct js *report = NULL;
	struct error err;
	bool ok;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	if (table_open(fd, "t", NULL, &table, &err) < 0 || schema_check(schema, table, 5, &ok, &report, NULL, &err) < 0) {
		/* a table may be compressed, and broken */
		if ((err.code != ERR_USAGE && err.code != ERR_DAMAGED) || !*err.msg)
			abort();
		return;
	}
	if (ok != js_get_bool(report, "ok"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\0', size);
	size_t len = end ? (size_t)(end - data) : size;
	CLEANUP(cleanup_schema) struct schema *schema = NULL;
	struct error err = { 0 };

	if (schema_parse((const char *)data, len, "s", &schema, &err) < 0) {
		if (err.code != ERR_USAGE || !*err.msg)
			abort();
		return 0;
	}
	if (end)
		check(schema, end + 1, size - len - 1);
	return 0;
}
