/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/stats/paired.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/stats/special.h"

/* ---- McNemar ---- */

/* n! / (k! (n - k)!) / 2^n by Loader's saddle point; 0 < k < n. */
static double half_binomial(double k, double n)
{
	double rest = n - k, half = n / 2;
	double far = k * log1p_gap((half - k) / k) + rest * log1p_gap((half - rest) / rest);
	double near = stirling_error(n) - stirling_error(k) - stirling_error(rest);

	return exp(near - far) * sqrt(n / (k * rest)) / SQRT_2PI;
}

double mcnemar_exact_p(uint64_t b, uint64_t c)
{
	uint64_t smaller = b < c ? b : c;
	double n = (double)(b + c), k = (double)smaller, term, sum = 0;

	if (b == c)
		return 1;
	term = smaller ? half_binomial(k, n) : exp2(-n);
	for (; k >= 0 && term > sum * 1e-18; k--) {
		sum += term;
		term *= k / (n - k + 1);
	}
	return fmin(1, 2 * sum);
}

/* ---- scores ---- */

struct paired {
	enum paired_metric metric;
	const double *label, *prediction[2]; /* of the candidate, of the champion */
	size_t n;
	double *part[2];   /* what a row adds to a mean */
	/* Of AUC: rows by score; what is asked of each in that order stands beside it, so that a sample reads little. */
	struct ranked {
		uint32_t row : 30, one : 1, tied : 1; /* its label is 1; its score is that of the one before */
	} *order[2];
};

static const struct {
	const char *name;
	bool loss;
} metrics[] = {
	[PAIRED_ACCURACY] = { "accuracy", false }, [PAIRED_AUC] = { "auc", false },   [PAIRED_F1] = { "f1", false },
	[PAIRED_LOGLOSS] = { "logloss", true },	   [PAIRED_BRIER] = { "brier", true }, [PAIRED_RMSE] = { "rmse", true },
	[PAIRED_MAE] = { "mae", true },
};

const char *paired_metric_name(enum paired_metric metric)
{
	return metrics[metric].name;
}

static double part_of(enum paired_metric metric, double label, double said)
{
	static const double least = 0x1p-52;
	double off = said - label;

	switch (metric) {
	case PAIRED_ACCURACY:
		return said == label;
	case PAIRED_LOGLOSS:
		said = fmin(fmax(said, least), 1 - least);
		return label > 0 ? -log(said) : -log1p(-said);
	case PAIRED_BRIER:
	case PAIRED_RMSE:
		return off * off;
	default:
		return fabs(off);
	}
}

static int by_score(const void *a, const void *b, void *scores)
{
	const double *score = scores;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;

	if (score[i] != score[k])
		return score[i] < score[k] ? -1 : 1;
	return i < k ? -1 : i > k;
}

static struct ranked *order_by(const double *score, const double *label, size_t n)
{
	struct ranked *order = xcalloc(n, sizeof(*order));
	uint32_t *rows = xcalloc(n, sizeof(*rows));

	for (size_t i = 0; i < n; i++)
		rows[i] = (uint32_t)i;
	qsort_r(rows, n, sizeof(*rows), by_score, (void *)score);
	for (size_t i = 0; i < n; i++) {
		order[i].row = rows[i] & 0x3fffffffu;
		order[i].one = label[rows[i]] > 0;
		order[i].tied = i && score[rows[i]] == score[rows[i - 1]];
	}
	free(rows);
	return order;
}

struct paired *paired_new(enum paired_metric metric, const double *label, const double *candidate, const double *champion,
			  size_t n)
{
	struct paired *p = xcalloc(1, sizeof(*p));

	*p = (struct paired){ .metric = metric, .label = label, .prediction = { candidate, champion }, .n = n };
	for (size_t side = 0; side < 2; side++) {
		if (metric == PAIRED_AUC) {
			p->order[side] = order_by(p->prediction[side], label, n);
		} else if (metric != PAIRED_F1) {
			p->part[side] = xcalloc(n, sizeof(double));
			for (size_t i = 0; i < n; i++)
				p->part[side][i] = part_of(metric, label[i], p->prediction[side][i]);
		}
	}
	return p;
}

void paired_free(struct paired *p)
{
	for (size_t side = 0; p && side < 2; side++) {
		free(p->part[side]);
		free(p->order[side]);
	}
	free(p);
}

void cleanup_paired(struct paired **p)
{
	paired_free(*p);
}

/* Of pairs of a 1 and a 0 the share in which the 1 has the higher score. */
static double auc(const struct paired *p, size_t side, const uint16_t *times)
{
	const struct ranked *order = p->order[side];
	uint64_t below = 0, ones = 0, twice = 0;

	for (size_t i = 0; i < p->n;) {
		uint64_t tied[2] = { 0, 0 };

		do
			tied[order[i].one] += times[order[i].row];
		while (++i < p->n && order[i].tied);
		twice += tied[1] * (2 * below + tied[0]);
		below += tied[0];
		ones += tied[1];
	}
	return below && ones ? (double)twice / 2 / ((double)below * (double)ones) : NAN;
}

static double f1(const struct paired *p, size_t side, const uint16_t *times)
{
	uint64_t count[2][2] = { { 0, 0 }, { 0, 0 } }, off;

	for (size_t i = 0; i < p->n; i++)
		count[p->label[i] > 0][p->prediction[side][i] > 0] += times[i];
	off = count[0][1] + count[1][0];
	return count[1][1] ? 2 * (double)count[1][1] / (double)(2 * count[1][1] + off) : 0;
}

static double mean(const struct paired *p, size_t side, const uint16_t *times)
{
	double sum = 0;

	for (size_t i = 0; i < p->n; i++)
		sum += times[i] * p->part[side][i];
	return sum / (double)p->n;
}

/* Row i counts times[i] times; all together p->n. */
static struct paired_score score(const struct paired *p, const uint16_t *times)
{
	double value[2], gain;

	for (size_t side = 0; side < 2; side++) {
		value[side] = p->metric == PAIRED_AUC ? auc(p, side, times) :
			      p->metric == PAIRED_F1  ? f1(p, side, times) :
							mean(p, side, times);
		if (p->metric == PAIRED_RMSE)
			value[side] = sqrt(value[side]);
	}
	gain = value[0] - value[1];
	return (struct paired_score){ value[0], value[1], metrics[p->metric].loss ? -gain : gain };
}

struct paired_score paired_score(const struct paired *p)
{
	uint16_t *once = xcalloc(p->n, sizeof(*once));
	struct paired_score result;

	for (size_t i = 0; i < p->n; i++)
		once[i] = 1;
	result = score(p, once);
	free(once);
	return result;
}

/* ---- the bootstrap ---- */

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Of the 2^32 beginnings of a draw each row has as many as any other, but one: PAIRED_ROWS_MAX / 2^32 is 0.0002. */
static void draw(uint16_t *times, size_t n, uint64_t *state)
{
	memset(times, 0, n * sizeof(*times));
	for (size_t i = 0; i < n; i++)
		times[(splitmix64(state) >> 32) * n >> 32]++;
}

double paired_share_at_most(const struct paired *p, double bound, uint64_t seed)
{
	uint16_t *times = xcalloc(p->n, sizeof(*times));
	size_t at_most = 1;

	for (size_t i = 0; i < PAIRED_SAMPLES; i++) {
		draw(times, p->n, &seed);
		at_most += !(score(p, times).gain > bound);
	}
	free(times);
	return (double)at_most / (PAIRED_SAMPLES + 1);
}
