/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/machine.h"
#include "monitor/table/table_scan_internal.h"

#define BYTES_PER_THREAD ((uint64_t)1 << 20) /* below, starting a thread is not worth it */

int block_end(struct block *b, bool failed, struct error *err)
{
	if (!b->begun)
		return 0;
	b->begun = false;
	return b->work->end(b->ctx, b->state, failed, err);
}

int block_rows(struct block *b, const struct rows *rows, struct error *err)
{
	if (!b->begun) {
		b->state = b->work->begin(b->ctx, rows->first / TABLE_BLOCK);
		b->begun = true;
	}
	return b->work->rows(b->state, rows, err);
}

int blocks_rows(struct block *b, struct rows rows, struct error *err)
{
	while (rows.nrows) {
		uint64_t room = TABLE_BLOCK - rows.first % TABLE_BLOCK;
		struct rows part = rows;

		if (room == TABLE_BLOCK && block_end(b, false, err) < 0)
			return -1;
		if (part.nrows > room)
			part.nrows = (size_t)room;
		if (block_rows(b, &part, err) < 0)
			return -1;
		rows.first += part.nrows;
		rows.nrows -= part.nrows;
		rows.fields += part.nrows * rows.ncols;
	}
	return 0;
}

static int scan_alone(struct table *t, const struct table_work *work, void *ctx, struct error *err)
{
	struct block b = { work, ctx, NULL, false };
	struct rows rows;
	int r;

	while ((r = table_next(t, &rows, err)) > 0)
		if (blocks_rows(&b, rows, err) < 0) {
			r = -1;
			break;
		}
	if (r < 0) {
		block_end(&b, true, NULL);
		return -1;
	}
	return block_end(&b, false, err);
}

static unsigned count_threads(const struct table *t, unsigned threads)
{
	uint64_t bytes;

	if (!threads) {
		double cpus = machine_cpus();

		threads = cpus < 2 ? 1 : (unsigned)cpus;
	}
	if (table_size(t, &bytes) && bytes / BYTES_PER_THREAD < threads)
		threads = (unsigned)(bytes / BYTES_PER_THREAD);
	return threads ? threads : 1;
}

int table_scan(struct table *t, const struct table_work *work, void *ctx, unsigned threads, struct error *err)
{
	threads = count_threads(t, threads);
	if (threads == 1)
		return scan_alone(t, work, ctx, err);
	if (t->csv && table_is_plain(t))
		return scan_blocks_apart(t, work, ctx, threads, err);
	return scan_in_two(t, work, ctx, err);
}
