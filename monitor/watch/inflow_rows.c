/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of files, as tables. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/watch/inflow_internal.h"

int inflow_piece_at(const struct inflow *inflow, size_t file, uint64_t from, uint64_t first, struct inflow_piece *ret,
		  struct error *err)
{
	const struct inflow_file *f = &inflow->files[file];
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	size_t whole = 0;
	ssize_t n = 1;

	if (from >= f->at.seen)
		return 0;
	*ret = (struct inflow_piece){ .file = file, .from = from, .to = f->at.seen, .first = first };
	if (f->packed || f->at.seen - from <= INFLOW_PIECE)
		return 1;
	fd = inflow_file_open(inflow, f, err);
	if (fd < 0)
		return -1;
	while (!whole && n > 0 && text.len < ROW_BYTES) {
		bool quoted = false;
		strbuf_reserve(&text, INFLOW_PIECE);
		n = pread(fd, text.buf + text.len, INFLOW_PIECE, (off_t)(from + text.len));
		if (n < 0)
			return error_sys(err, errno, "cannot read %s", f->at.name);
		text.len += (size_t)n;
		whole = inflow_whole_rows(text.buf, text.len, f->lines, &quoted);
	}
	if (whole && from + whole < f->at.seen)
		ret->to = from + whole;
	return 1;
}

int inflow_read(const struct inflow *inflow, const struct inflow_piece *piece, inflow_rows *each, void *ctx, struct error *err)
{
	const struct inflow_file *f = &inflow->files[piece->file];
	CLEANUP(cleanup_fd) int fd = inflow_file_open(inflow, f, err);
	CLEANUP(cleanup_table) struct table *table = NULL;
	struct table_options options = inflow->options;
	struct rows rows;
	int r;

	if (fd < 0)
		return -1;
	if (f->lines)
		options.format = TABLE_JSONL;
	if (table_open(fd, f->at.name, &options, &table, err) < 0)
		return -1;
	if (!f->packed)
		table_seek(table, piece->from, piece->to, piece->first);
	while ((r = table_next(table, &rows, err)) > 0)
		if (each(ctx, piece, table, &rows, rows.first, err) < 0)
			return -1;
	return r;
}
