/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "monitor/stats/stats.h"

static const struct interval undefined = { NAN, NAN, NAN };

static double two_sided_quantile(double confidence)
{
	return -normal_quantile((1 - confidence) / 2);
}

struct interval share_interval(uint64_t hits, uint64_t n, double confidence)
{
	double z = two_sided_quantile(confidence), count = (double)n, share = (double)hits / count;
	if (n == 0 || hits > n || isnan(z))
		return undefined;
	double z2 = z * z, middle = (double)hits + z2 / 2, whole = count + z2;
	double half = z * sqrt((double)hits * (1 - share) + z2 / 4);
	/* The ends are 0 and 1 in exact arithmetic where all or nothing hits. */
	return (struct interval){ .value = share,
				  .low = hits == 0 ? 0 : fmax((middle - half) / whole, 0),
				  .high = hits == n ? 1 : fmin((middle + half) / whole, 1) };
}

struct interval shares_difference(uint64_t hits1, uint64_t n1, uint64_t hits2, uint64_t n2, double confidence)
{
	struct interval a = share_interval(hits1, n1, confidence), b = share_interval(hits2, n2, confidence);
	double gap = a.value - b.value;
	return (struct interval){ .value = gap,
				  .low = gap - hypot(a.value - a.low, b.high - b.value),
				  .high = gap + hypot(a.high - a.value, b.value - b.low) };
}

struct scored {
	double score;
	uint8_t label;
};

static int by_score(const void *a, const void *b)
{
	double x = ((const struct scored *)a)->score, y = ((const struct scored *)b)->score;
	return (x > y) - (x < y);
}

/*
 * DeLong 1988 by ranks (Sun and Xu 2014): a row's placement is the share of the other class that it beats, ties for a
 * half. The area is the mean placement of a class; its variance is that of both classes' placements, over their sizes.
 */
struct placements {
	double sum, squares;
};

static void placements_add(struct placements *p, double placement, double count)
{
	p->sum += placement * count;
	p->squares += placement * placement * count;
}

static double placements_variance(const struct placements *p, double count)
{
	double mean = p->sum / count;
	return count > 1 ? fmax(p->squares / count - mean * mean, 0) * count / (count - 1) / count : 0;
}

static struct interval placed(const struct scored *rows, size_t n, double positives, double confidence)
{
	struct placements up = { 0 }, down = { 0 };
	double negatives = (double)n - positives, positives_below = 0, negatives_below = 0;
	for (size_t i = 0, end; i < n; i = end) {
		double tied = 0;
		for (end = i; end < n && rows[end].score == rows[i].score; end++)
			tied += rows[end].label != 0;
		double others = (double)(end - i) - tied;
		/* Of a negative: the share of positives above it, so that both classes have the area as their mean. */
		placements_add(&up, (negatives_below + others / 2) / negatives, tied);
		placements_add(&down, 1 - (positives_below + tied / 2) / positives, others);
		positives_below += tied;
		negatives_below += others;
	}
	double area = up.sum / positives;
	double error = sqrt(placements_variance(&up, positives) + placements_variance(&down, negatives));
	double half = two_sided_quantile(confidence) * error;
	return (struct interval){ .value = area, .low = fmax(area - half, 0), .high = fmin(area + half, 1) };
}

struct interval auc_interval(const double *score, const uint8_t *label, size_t n, double confidence)
{
	CLEANUP(cleanup_free) struct scored *rows = xcalloc(n + 1, sizeof(*rows));
	double positives = 0;
	for (size_t i = 0; i < n; i++) {
		if (isnan(score[i]))
			return undefined;
		rows[i] = (struct scored){ .score = score[i], .label = label[i] };
		positives += label[i] != 0;
	}
	if (positives == 0 || positives == (double)n || isnan(two_sided_quantile(confidence)))
		return undefined;
	qsort(rows, n, sizeof(*rows), by_score);
	return placed(rows, n, positives, confidence);
}
