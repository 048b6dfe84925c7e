/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The two functions that keep the digits of a probability that is a product of huge and tiny factors (Loader 2000,
 * "Fast and accurate computation of binomial probabilities"): what is large is cancelled on paper.
 */

double stirling_error(double x); /* ln Gamma(x) - ((x - 1/2) ln x - x + ln(2 pi)/2), x > 0 */
double log1p_gap(double u);	 /* u - ln(1 + u) >= 0, for u >= -1; infinite at -1 */

#define LN_SQRT_2PI 0.91893853320467274178
#define SQRT_2PI    2.5066282746310005024
