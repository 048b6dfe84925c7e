/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "monitor/table_internal.h"

/* The block that rows go to. */
struct block {
	const struct table_work *work;
	void *ctx, *state;
	uint64_t number;
	bool begun;
};

static int end_block(struct block *b, bool failed, struct error *err)
{
	if (!b->begun)
		return 0;
	b->begun = false;
	return b->work->end(b->ctx, b->state, failed, err);
}

/* Rows may lie across the ends of blocks. */
static int give_rows(struct block *b, struct rows rows, struct error *err)
{
	while (rows.nrows) {
		uint64_t number = rows.first / TABLE_BLOCK, room = (number + 1) * TABLE_BLOCK - rows.first;
		struct rows part = rows;

		if (b->begun && number != b->number && end_block(b, false, err) < 0)
			return -1;
		if (!b->begun) {
			b->state = b->work->begin(b->ctx, number);
			b->number = number;
			b->begun = true;
		}
		if (part.nrows > room)
			part.nrows = (size_t)room;
		if (b->work->rows(b->state, &part, err) < 0)
			return -1;
		rows.first += part.nrows;
		rows.nrows -= part.nrows;
		rows.fields += part.nrows * rows.ncols;
	}
	return 0;
}

static int scan_in_order(struct table *t, const struct table_work *work, void *ctx, struct error *err)
{
	struct block b = { work, ctx, NULL, 0, false };
	struct rows rows;
	int r;

	while ((r = table_next(t, &rows, err)) > 0)
		if (give_rows(&b, rows, err) < 0) {
			r = -1;
			break;
		}
	if (r < 0) {
		end_block(&b, true, NULL);
		return -1;
	}
	return end_block(&b, false, err);
}

int table_scan(struct table *t, const struct table_work *work, void *ctx, unsigned threads, struct error *err)
{
	(void)threads;
	return scan_in_order(t, work, ctx, err);
}
