/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables: both ways to scan, a pipe and a file give the same rows or the same error, and each line of JSON is taken
 * that jansson takes. The first byte: 'c' CSV, 't' TSV, 'j' JSON lines, else a guess.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/table/scan.h"
#include "monitor/table/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_all(int fd, enum table_format format, struct strbuf *all, struct error *err)
{
	struct table_options options = { .format = format };
	CLEANUP(cleanup_table) struct table *t = NULL;
	struct rows rows;
	int r;

	if (table_open(fd, "x", &options, &t, err) < 0)
		return -1;
	while ((r = table_next(t, &rows, err)) > 0)
		for (size_t i = 0; i < rows.nrows * rows.ncols; i++) {
			strbuf_putc(all, (char)('0' + rows.fields[i].kind));
			strbuf_add(all, rows.fields[i].text, rows.fields[i].len);
			strbuf_putc(all, '\n');
		}
	for (size_t i = 0; i < table_ncolumns(t); i++)
		strbuf_puts(all, table_column(t, i));
	return r;
}

static void compare(int fd, enum table_format format, scan_way *way, const struct strbuf *want, const char *msg)
{
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	struct error err = { 0 };

	scan_forced = way;
	read_all(fd, format, &got, &err);
	scan_forced = NULL;
	if (got.len != want->len || memcmp(got.buf, want->buf, got.len) != 0 || strcmp(err.msg, msg) != 0)
		abort();
}

static void compare_ways(const uint8_t *data, size_t size, int fd, enum table_format format)
{
	CLEANUP_STRBUF struct strbuf first = STRBUF_INIT;
	struct error err = { 0 };
	int pipes[2];

	read_all(fd, format, &first, &err);
	lseek(fd, 0, SEEK_SET);
	compare(fd, format, scan_bytewise, &first, err.msg);
	if (size > 4096 || pipe(pipes) < 0)
		return;
	if (write(pipes[1], data, size) != (ssize_t)size)
		abort();
	close(pipes[1]);
	compare(pipes[0], format, NULL, &first, err.msg);
	close(pipes[0]);
}

/* What jansson refuses and we do not: names twice inside of a value, numbers beyond its own. */
static bool is_finer(const char *msg)
{
	return strstr(msg, "duplicate") || strstr(msg, "too big") || strstr(msg, "overflow") || strstr(msg, "twice");
}

/* One line alone. */
static void compare_line(const char *line, size_t len)
{
	int fd = memfd_create("line", 0);
	CLEANUP_STRBUF struct strbuf all = STRBUF_INIT;
	CLEANUP_JS struct js *value = NULL;
	struct error err = { 0 }, ours = { 0 };
	bool theirs;

	if (fd < 0 || write(fd, line, len) != (ssize_t)len)
		abort();
	lseek(fd, 0, SEEK_SET);
	theirs = js_parse(line, len, "x", &value, &err) == 0 && js_typeof(value) == JS_OBJECT;
	if (read_all(fd, TABLE_JSONL, &all, &ours) < 0) {
		if (theirs && !strstr(ours.msg, "without a name") && !strstr(ours.msg, "4096") && !strstr(ours.msg, "UTF-16"))
			abort();
	} else if (!theirs && !is_finer(err.msg)) {
		abort();
	}
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum table_format format;
	int fd;

	if (!size)
		return 0;
	format = *data == 'c' ? TABLE_CSV : *data == 't' ? TABLE_TSV : *data == 'j' ? TABLE_JSONL : TABLE_GUESS;
	data++;
	size--;
	fd = memfd_create("table", 0);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	lseek(fd, 0, SEEK_SET);
	compare_ways(data, size, fd, format);
	close(fd);
	for (size_t at = 0, n; format == TABLE_JSONL && at < size; at += n + 1) {
		for (n = 0; at + n < size && data[at + n] != '\n' && data[at + n] != '\r'; n++)
			;
		if (memchr(data + at, '{', n) && memcmp(data + at, "\xef\xbb\xbf", n < 3 ? n : 3) != 0)
			compare_line((const char *)data + at, n);
	}
	return 0;
}
