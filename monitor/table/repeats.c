/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/repeats.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"

#define SIDES_MASK ((uint64_t)UINT16_MAX)
#define SLOTS_MIN  1024u
#define PIECE	   256u /* entries of a run that are read together */

/* A hash, the first row that had it, and a bit for each side on which it was seen: row << 16 | sides. 0: a free slot. */
struct entry {
	uint64_t hash, tag;
};
/* A table that was full: sorted, in the file. */
struct run {
	uint64_t at, end; /* entries of the file */
	struct entry *piece;
	size_t next, len;
};
struct repeats {
	struct entry *slots;
	size_t nslots, used, most; /* powers of two, and slots at most */
	int fd;			   /* -1: all fits */
	uint64_t written;	   /* entries of the file */
	struct run *runs;
	size_t nruns, cap;
	struct repeats_found found;
};

struct repeats *repeats_new(size_t memory)
{
	struct repeats *r = xcalloc(1, sizeof(*r));

	r->fd = -1;
	r->nslots = r->most = SLOTS_MIN;
	while (r->most * 2 * sizeof(struct entry) <= memory)
		r->most *= 2;
	r->slots = xcalloc(r->nslots, sizeof(*r->slots));
	return r;
}

void repeats_free(struct repeats *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->nruns; i++)
		free(r->runs[i].piece);
	free(r->runs);
	free(r->slots);
	cleanup_fd(&r->fd);
	free(r);
}

void cleanup_repeats(struct repeats **r)
{
	repeats_free(*r);
}

double repeats_odds(uint64_t rows)
{
	return ldexp((double)rows * (double)rows, -65);
}

static struct entry *slot_of(struct entry *slots, size_t nslots, uint64_t hash)
{
	size_t i = (size_t)(hash * 0x9e3779b97f4a7c15u >> 32) & (nslots - 1);

	while (slots[i].tag && slots[i].hash != hash)
		i = (i + 1) & (nslots - 1);
	return &slots[i];
}

static void table_grow(struct repeats *r)
{
	size_t nslots = r->nslots * 2;
	struct entry *slots = xcalloc(nslots, sizeof(*slots));

	for (size_t i = 0; i < r->nslots; i++)
		if (r->slots[i].tag)
			*slot_of(slots, nslots, r->slots[i].hash) = r->slots[i];
	free(r->slots);
	r->slots = slots;
	r->nslots = nslots;
}

static int by_hash(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

/* What was seen so far goes to the file, in order, and the table is empty. */
static int table_spill(struct repeats *r, struct error *err)
{
	size_t n = 0;

	if (r->fd < 0 && (r->fd = io_scratch(err)) < 0)
		return -1;
	for (size_t i = 0; i < r->nslots; i++)
		if (r->slots[i].tag)
			r->slots[n++] = r->slots[i];
	qsort(r->slots, n, sizeof(*r->slots), by_hash);
	if (io_write_all(r->fd, r->slots, n * sizeof(*r->slots), "a temporary file", err) < 0)
		return -1;
	GROW(r->runs, r->nruns, r->cap);
	r->runs[r->nruns++] = (struct run){ .at = r->written, .end = r->written + n };
	r->written += n;
	memset(r->slots, 0, r->nslots * sizeof(*r->slots));
	r->used = 0;
	return 0;
}

static bool found_again(struct repeats_found *found, uint64_t row, uint64_t before)
{
	bool first = !found->again || row < found->row;

	if (first) {
		found->row = row;
		found->before = before;
	}
	found->again++;
	return first;
}

/* Two rows, each seen on one side, that say the same: the earliest are shown. */
static void found_across(struct repeats_found *found, uint64_t row, uint64_t sides, uint64_t before, uint64_t sides_before)
{
	if (sides == sides_before || (found->across && found->across_row[1] <= row))
		return;
	if (__builtin_popcountll(sides) != 1 || __builtin_popcountll(sides_before) != 1)
		return;
	found->across = 1;
	found->across_row[0] = before;
	found->across_row[1] = row;
	found->across_side[0] = (unsigned)__builtin_ctzll(sides_before);
	found->across_side[1] = (unsigned)__builtin_ctzll(sides);
}

int repeats_add(struct repeats *r, uint64_t hash, uint64_t row, unsigned side, struct error *err)
{
	struct entry *e = slot_of(r->slots, r->nslots, hash);
	uint64_t bit = (uint64_t)1 << side;

	if (e->tag) {
		found_across(&r->found, row, bit, e->tag >> 16, e->tag & SIDES_MASK);
		e->tag |= bit;
		return found_again(&r->found, row, e->tag >> 16);
	}
	if (r->used + 1 > r->nslots / 4 * 3) {
		if (r->nslots < r->most)
			table_grow(r);
		else if (table_spill(r, err) < 0)
			return -1;
		e = slot_of(r->slots, r->nslots, hash);
	}
	*e = (struct entry){ hash, row << 16 | bit };
	r->used++;
	return 0;
}

/* 1, 0 at the end of the run. */
static int run_fill(const struct repeats *r, struct run *run, struct error *err)
{
	size_t n = run->end - run->at < PIECE ? (size_t)(run->end - run->at) : PIECE, done = 0;

	if (run->next < run->len)
		return 1;
	while (done < n * sizeof(struct entry)) {
		ssize_t got = pread(r->fd, (char *)run->piece + done, n * sizeof(struct entry) - done,
				    (off_t)(run->at * sizeof(struct entry) + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return error_sys(err, got < 0 ? errno : EIO, "cannot read a temporary file");
		done += (size_t)got;
	}
	run->at += n;
	run->next = 0;
	run->len = n;
	return n > 0;
}

/* Of equal hashes the earlier run comes first: its rows were before. */
static bool run_before(const struct run *a, const struct run *b)
{
	uint64_t x = a->piece[a->next].hash, y = b->piece[b->next].hash;

	return x != y ? x < y : a < b;
}

static void heap_sink(struct run **heap, size_t n, size_t i)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		struct run *up;

		if (child + 1 < n && run_before(heap[child + 1], heap[child]))
			child++;
		if (!run_before(heap[child], heap[i]))
			return;
		up = heap[child];
		heap[child] = heap[i];
		heap[i] = up;
	}
}

/* The next entry of all runs in order: either what came before has its hash, or it is a new one. */
static void merge_entry(struct repeats_found *found, struct entry *group, const struct entry *e, uint64_t *across)
{
	if (!group->tag || group->hash != e->hash) {
		*group = *e;
		found->values++;
		*across += __builtin_popcountll(e->tag & SIDES_MASK) > 1;
		return;
	}
	found_again(found, e->tag >> 16, group->tag >> 16);
	found_across(found, e->tag >> 16, e->tag & SIDES_MASK, group->tag >> 16, group->tag & SIDES_MASK);
	*across -= __builtin_popcountll(group->tag & SIDES_MASK) > 1;
	group->tag |= e->tag & SIDES_MASK;
	*across += __builtin_popcountll(group->tag & SIDES_MASK) > 1;
}

static int merge_runs(struct repeats *r, uint64_t *across, struct error *err)
{
	CLEANUP(cleanup_free) struct run **heap = xcalloc(r->nruns, sizeof(struct run *));
	struct entry group = { 0, 0 };
	size_t n = 0;

	for (size_t i = 0; i < r->nruns; i++) {
		r->runs[i].piece = xcalloc(PIECE, sizeof(struct entry));
		if (run_fill(r, &r->runs[i], err) < 0)
			return -1;
		heap[n++] = &r->runs[i];
	}
	for (size_t i = n / 2; i-- > 0;)
		heap_sink(heap, n, i);
	while (n) {
		struct run *run = heap[0];
		int more;

		merge_entry(&r->found, &group, &run->piece[run->next++], across);
		more = run_fill(r, run, err);
		if (more < 0)
			return -1;
		if (!more)
			heap[0] = heap[--n];
		heap_sink(heap, n, 0);
	}
	return 0;
}

int repeats_end(struct repeats *r, struct repeats_found *ret, struct error *err)
{
	uint64_t across = 0;

	if (r->nruns && r->used && table_spill(r, err) < 0)
		return -1;
	if (r->nruns && merge_runs(r, &across, err) < 0)
		return -1;
	for (size_t i = 0; !r->nruns && i < r->nslots; i++) {
		r->found.values += r->slots[i].tag != 0;
		across += __builtin_popcountll(r->slots[i].tag & SIDES_MASK) > 1;
	}
	r->found.across = across;
	*ret = r->found;
	return 0;
}
