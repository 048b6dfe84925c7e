/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantiles in little memory, after Karnin, Lang and Liberty, "Optimal quantile approximation in streams" (2016): a full
 * level is sorted, and every other item goes up with twice the weight; which ones a coin says. Three things differ:
 *
 * - Runs come sorted, up to 65,536 values at once, so the lower levels are one step: every 2^j-th value from a random
 *   start.
 * - Of two compactions of a level the second takes the other side of the first one's coin (Ivkin and others, "Streaming
 *   quantiles algorithms with small space and update time", 2019), which halves the variance.
 * - The variance is added up as it comes. Keeping every s-th item of weight w, the rank of x is off by zero on average
 *   with a variance of at most (s w / 2)^2; of a pair of compactions the bound of one holds for both.
 *
 * The coin is a hash of the seed, the number of coins before and the items, so equal tables have equal sketches, and
 * those of two tables do not err in the same direction.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "monitor/profile/sketch_internal.h"
#include "monitor/table/stable_hash.h"

#define LEVEL_MIN   8
#define GROUP	    4u /* values of which one is picked */
#define GROUP_LEVEL 2
#define RUN_MIN	    64u /* values a run on average, for that */

static uint64_t throw_coin(struct sketch *s, const double *items, size_t n)
{
	uint64_t sum = n;

	for (size_t i = 0; i < n; i++) {
		uint64_t bits;

		memcpy(&bits, &items[i], sizeof(bits));
		sum += bits;
	}
	sum ^= s->coins++ * 0x9e3779b97f4a7c15u;
	return stable_hash(&sum, sizeof(sum), s->seed);
}

static struct level *level_at(struct sketch *s, size_t h)
{
	if (h >= s->nlevels) {
		s->levels = xreallocarray(s->levels, h + 1, sizeof(*s->levels));
		memset(s->levels + s->nlevels, 0, (h + 1 - s->nlevels) * sizeof(*s->levels));
		s->nlevels = h + 1;
	}
	return &s->levels[h];
}

/* Merges from the end, so that it needs no other room. Every `stride`-th of n items, ascending. */
static void level_add(struct level *l, const double *items, size_t n, size_t stride)
{
	size_t have = l->n, at = have + n;

	if (at > l->cap) {
		l->cap = at + at / 4;
		l->items = xreallocarray(l->items, l->cap, sizeof(*l->items));
	}
	l->n = at;
	while (n) {
		double item = items[(n - 1) * stride];

		if (have && l->items[have - 1] > item) {
			l->items[--at] = l->items[--have];
		} else {
			l->items[--at] = item;
			n--;
		}
	}
}

/* ---- compaction ---- */

static size_t capacity(const struct sketch *s, size_t h)
{
	double room = SKETCH_K * pow(2.0 / 3, (double)(s->nlevels - 1 - h));

	return room > LEVEL_MIN ? (size_t)ceil(room) : LEVEL_MIN;
}

/* One that is left over stays. */
static void compact(struct sketch *s, size_t h)
{
	struct level *upper = level_at(s, h + 1), *l = &s->levels[h];
	size_t side = l->flip ? 2 - l->flip : throw_coin(s, l->items, l->n) >> 63;

	if (!l->flip)
		s->variance += ldexp(1, 2 * (int)h);
	l->flip = l->flip ? 0 : 1 + (unsigned)side;
	level_add(upper, l->items + side, l->n / 2, 2);
	if (l->n % 2)
		l->items[0] = l->items[l->n - 1];
	l->n %= 2;
}

static void compress(struct sketch *s)
{
	for (;;) {
		size_t full = s->nlevels, room = 0, items = 0;

		for (size_t h = s->nlevels; h-- > 0;) {
			size_t cap = capacity(s, h);

			room += cap;
			items += s->levels[h].n;
			if (s->levels[h].n >= cap)
				full = h;
		}
		if (items <= room)
			return;
		compact(s, full);
	}
}

/* ---- what comes in ---- */

/* `level`: that of the items, each of which stands for 2^level values. */
void kll_push_run(struct sketch *s, const double *values, size_t n, size_t level)
{
	size_t j = 0, kept, start = 0;

	while (n >> j > SKETCH_K)
		j++;
	kept = n >> j;
	level_at(s, level + j);
	if (j) {
		start = throw_coin(s, values, n) >> (64 - j);
		s->variance += ldexp(1, 2 * (int)(level + j) - 2);
	}
	level_add(&s->levels[level + j], values + start, kept, (size_t)1 << j);
	level_add(&s->levels[level], values + (kept << j), n - (kept << j), 1);
	compress(s);
}

static size_t count_runs(const double *values, size_t n)
{
	size_t runs = 1;

	for (size_t i = 1; i < n; i++)
		runs += values[i] < values[i - 1];
	return runs;
}

/* One of each group of neighbours, by two bits of a coin. */
static void pick(struct sketch *s, const double *values, size_t groups, double *ret)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < groups; i++, bits >>= 2) {
		if (i % 32 == 0)
			bits = throw_coin(s, values + i * GROUP, GROUP);
		ret[i] = values[i * GROUP + (bits & (GROUP - 1))];
	}
}

/*
 * For x, a group errs only when some of its values are above x and some below: one a run, and those that lie across two.
 * So it costs little precision, and three quarters of the sorting are saved where many small profiles are merged.
 */
bool kll_push_runs(struct sketch *s, const double *values, size_t n, size_t least)
{
	size_t groups = n / GROUP, rest = n % GROUP, runs = count_runs(values, n), different = 1;
	CLEANUP(cleanup_free) double *picked = NULL;
	CLEANUP(cleanup_free) double *scratch = NULL;

	if (n / runs < RUN_MIN)
		return false;
	picked = xreallocarray(NULL, groups + 1, sizeof(*picked));
	scratch = xreallocarray(NULL, groups + GROUP, sizeof(*scratch));
	pick(s, values, groups, picked);
	sort_numbers(picked, groups, scratch);
	for (size_t i = 1; i < groups; i++)
		different += picked[i] != picked[i - 1];
	if (different < least)
		return false;
	s->variance += (double)(2 * runs * GROUP * GROUP / 4);
	kll_push_run(s, picked, groups, GROUP_LEVEL);
	memcpy(scratch, values + n - rest, rest * sizeof(*scratch));
	sort_numbers(scratch, rest, picked);
	level_add(level_at(s, 0), scratch, rest, 1);
	return true;
}

void kll_push_weighted(struct sketch *s, const double *values, const uint64_t *weights, size_t n)
{
	CLEANUP(cleanup_free) double *items = xreallocarray(NULL, n + 1, sizeof(*items));
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all |= weights[i];
	for (size_t h = 0; all >> h; h++) {
		size_t some = 0;

		for (size_t i = 0; i < n; i++)
			if (weights[i] >> h & 1)
				items[some++] = values[i];
		level_add(level_at(s, h), items, some, 1);
	}
	compress(s);
}

void kll_merge(struct sketch *into, const struct sketch *from)
{
	for (size_t h = 0; h < from->nlevels; h++)
		level_add(level_at(into, h), from->levels[h].items, from->levels[h].n, 1);
	into->variance += from->variance;
	into->coins += from->coins;
	compress(into);
}

void kll_release(struct sketch *s)
{
	for (size_t h = 0; h < s->nlevels; h++)
		free(s->levels[h].items);
	free(s->levels);
	s->levels = NULL;
	s->nlevels = 0;
}

size_t kll_items(const struct sketch *s)
{
	size_t n = 0;

	for (size_t h = 0; h < s->nlevels; h++)
		n += s->levels[h].n;
	return n;
}
