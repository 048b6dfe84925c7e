/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/stats/isotonic.h"
#include "base/mem.h"

static int by_score(const void *a, const void *b)
{
	const struct labelled *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? 1 : -1;
	return (x->row > y->row) - (x->row < y->row);
}

void labelled_sort(struct labelled *rows, size_t n)
{
	qsort(rows, n, sizeof(*rows), by_score);
}

void isotonic_release(struct isotonic *f)
{
	free(f->x);
	free(f->y);
	*f = (struct isotonic){ 0 };
}

/* Scores with one value: counts, so that means are compared without rounding. */
struct block {
	double first, last;
	uint64_t ones, rows;
};

static bool falls(const struct block *a, const struct block *b)
{
	return (unsigned __int128)a->ones * b->rows >= (unsigned __int128)b->ones * a->rows;
}

/* Adds the next score, and pools what does not rise. Returns the new number of blocks. */
static size_t blocks_add(struct block *blocks, size_t n, struct block next)
{
	while (n > 0 && falls(&blocks[n - 1], &next)) {
		const struct block *before = &blocks[--n];
		next = (struct block){ before->first, next.last, before->ones + next.ones, before->rows + next.rows };
	}
	blocks[n] = next;
	return n + 1;
}

static void points_of_blocks(const struct block *blocks, size_t n, struct isotonic *ret)
{
	*ret = (struct isotonic){ .x = xcalloc(2 * n + 1, sizeof(double)), .y = xcalloc(2 * n + 1, sizeof(double)) };
	for (size_t i = 0; i < n; i++) {
		double mean = (double)blocks[i].ones / (double)blocks[i].rows;
		ret->x[ret->len] = blocks[i].first;
		ret->y[ret->len++] = mean;
		if (blocks[i].last > blocks[i].first) {
			ret->x[ret->len] = blocks[i].last;
			ret->y[ret->len++] = mean;
		}
	}
}

void isotonic_fit(const struct labelled *sorted, size_t n, const bool *held_out, struct isotonic *ret)
{
	CLEANUP(cleanup_free) struct block *blocks = xcalloc(n + 1, sizeof(*blocks));
	struct block next = { 0 };
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		const struct labelled *row = &sorted[i];
		if (held_out && held_out[row->row])
			continue;
		if (next.rows > 0 && row->score - next.first >= 1e-15) {
			len = blocks_add(blocks, len, next);
			next.rows = 0;
		}
		if (next.rows == 0)
			next = (struct block){ .first = row->score, .last = row->score };
		next.ones += row->label;
		next.rows++;
	}
	if (next.rows > 0)
		len = blocks_add(blocks, len, next);
	points_of_blocks(blocks, len, ret);
}

double isotonic_at(const struct isotonic *f, double x)
{
	if (x <= f->x[0])
		return f->y[0];
	if (x >= f->x[f->len - 1])
		return f->y[f->len - 1];
	size_t low = 0, high = f->len - 1; /* x[low] <= x < x[high] */
	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (f->x[middle] <= x)
			low = middle;
		else
			high = middle;
	}
	double slope = (f->y[high] - f->y[low]) / (f->x[high] - f->x[low]);
	return slope * (x - f->x[low]) + f->y[low];
}
