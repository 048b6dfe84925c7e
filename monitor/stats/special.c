/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/stats/special.h"
#include <math.h>
#include "base/mem.h"

double stirling_error(double x)
{
	/* B_2k / (2k (2k - 1)) of Stirling's series; from 16 on the next one is below 1e-17. */
	static const double series[] = { 1.0 / 12,   -1.0 / 360,	   1.0 / 1260, -1.0 / 1680,
					 1.0 / 1188, -691.0 / 360360, 1.0 / 156 };
	if (x < 16) {
		int sign; /* lgamma() keeps it in a global, which threads would share */
		return lgamma_r(x, &sign) - ((x - 0.5) * log(x) - x + LN_SQRT_2PI);
	}
	double sum = 0, inverse = 1 / x;
	for (size_t k = ARRAY_LEN(series); k-- > 0;)
		sum = sum * inverse * inverse + series[k];
	return sum * inverse;
}

double log1p_gap(double u)
{
	if (u < -0.4 || u > 0.6)
		return u - log1p(u);
	/* ln(1 + u) = 2 atanh(r), and 2r = u - ru: what would cancel is gone. */
	double r = u / (2 + u), square = r * r, power = 1, sum = 1.0 / 3;
	for (int k = 5; power > 1e-18; k += 2) {
		power *= square;
		sum += power / k;
	}
	return r * (u - 2 * square * sum);
}
