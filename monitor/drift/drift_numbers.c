/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers: how far a column has moved, and how sure that is. */
#include <math.h>
#include "base/mem.h"
#include "monitor/drift/drift_bands.h"
#include "monitor/drift/drift_internal.h"
#include "monitor/profile/profile.h"
#include "monitor/stats/stats.h"

#define KS_CHANCE 1.95 /* over sqrt(1/n + 1/m): of 1,000 samples without drift, one is farther apart */
#define EXACT_P 200 /* values a side, up to which p is exact: beyond, the limit is as good and takes no time */

static double p_of(double d, uint64_t n, uint64_t m)
{
	if (n <= EXACT_P && m <= EXACT_P)
		return ks_exact_p(d, n, m);
	return kstwo_sf(d, llrint((double)n * (double)m / ((double)n + (double)m)));
}

/* A constant has no deviation to measure by: how many are something else? */
static struct effect constant_effect(const struct column *ref, const struct band *cur)
{
	double value = ref->min, low = 0, high = 0, share;
	struct effect effect = EFFECT_NONE;
	uint64_t others;

	for (size_t i = 0; i < cur->n; i++) {
		low = cur->steps[i].at < value ? cur->steps[i].high : low;
		high = cur->steps[i].at <= value ? cur->steps[i].low : high;
	}
	share = fmin(fmax(1 - fmax(high - low, 0), 0), 1);
	others = (uint64_t)llrint(share * (double)cur->count);
	effect.test = "new_values";
	effect.score = range_of(share);
	effect.p = range_of(two_shares_p(0, ref->numbers, others, cur->count));
	if (others == 0)
		effect.p = range_of(1);
	effect.least = DRIFT_NEW_VALUES;
	return effect;
}

struct effect numbers_effect(const struct column *ref, const struct column *cur)
{
	CLEANUP(band_release) struct band before = { 0 }, now = { 0 };
	struct effect effect = EFFECT_NONE;
	double deviation = column_std(ref);
	struct gap gap;

	band_init(&now, cur, &ref->fine);
	if (ref->min == ref->max)
		return constant_effect(ref, &now);
	band_init(&before, ref, NULL);
	gap = band_gap(&before, &now);
	effect.p = (struct range){ p_of(gap.ks, before.count, now.count), p_of(gap.ks_high, before.count, now.count),
				   p_of(gap.ks_low, before.count, now.count) };
	if (!(deviation > 0) || !isfinite(gap.distance_high / deviation) || !isfinite(deviation)) {
		effect.test = "ks";
		effect.score = (struct range){ gap.ks, gap.ks_low, gap.ks_high };
		effect.chance = KS_CHANCE * sqrt(1 / (double)before.count + 1 / (double)now.count);
		return effect;
	}
	effect.test = "wasserstein";
	effect.score = (struct range){ gap.distance / deviation, gap.distance_low / deviation, gap.distance_high / deviation };
	effect.chance = DRIFT_CHANCE * gap.chance / deviation;
	return effect;
}
