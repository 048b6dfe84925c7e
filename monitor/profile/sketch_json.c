/* SPDX-License-Identifier: Apache-2.0 */
/* Sketches as JSON. Numbers are the base64 of their IEEE 754 bits, little-endian: shorter than decimals, and exact. */
#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/sketch_internal.h"

#define LEVELS_MAX 54 /* a count below 2^63 needs no more */

static struct js *numbers_to_json(const double *values, size_t n)
{
	CLEANUP(cleanup_free) uint64_t *bits = xreallocarray(NULL, n + 1, sizeof(*bits));
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (n)
		memcpy(bits, values, n * sizeof(*bits));
	for (size_t i = 0; i < n; i++)
		bits[i] = htole64(bits[i]);
	base64_encode(bits, n * sizeof(*bits), &text);
	return js_str(text.buf);
}

/* Finite and ascending, strictly with `different`. */
static int numbers_from_json(const struct js *json, bool different, double **ret, size_t *ret_n, struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	CLEANUP(cleanup_free) double *values = NULL;
	size_t n;

	if (!js_text(json) || !base64_decode(js_text(json), &bytes) || bytes.len % sizeof(double))
		return error_set(err, ERR_DAMAGED, "the numbers of a sketch are damaged");
	n = bytes.len / sizeof(double);
	values = xreallocarray(NULL, n + 1, sizeof(*values));
	for (size_t i = 0; i < n; i++) {
		uint64_t bits;

		memcpy(&bits, bytes.buf + i * sizeof(bits), sizeof(bits));
		bits = le64toh(bits);
		memcpy(&values[i], &bits, sizeof(bits));
		if (!isfinite(values[i]) || (i && (different ? values[i] <= values[i - 1] : values[i] < values[i - 1])))
			return error_set(err, ERR_DAMAGED, "the numbers of a sketch are out of order");
	}
	*ret = steal(&values);
	*ret_n = n;
	return 0;
}

static struct js *levels_to_json(const struct sketch *s)
{
	struct js *levels = js_array();

	for (size_t h = 0; h < s->nlevels; h++) {
		struct js *level = js_object();

		js_set(level, "items", numbers_to_json(s->levels[h].items, s->levels[h].n));
		js_set_int(level, "flip", (int64_t)s->levels[h].flip);
		js_push(levels, level);
	}
	return levels;
}

struct js *sketch_to_json(struct sketch *s)
{
	struct js *json = js_object();

	sketch_seal(s);
	if (s->exact != SIZE_MAX)
		js_set_int(json, "exact", (int64_t)s->exact);
	js_set_int(json, "seed", (int64_t)s->seed);
	js_set_int(json, "count", (int64_t)s->count);
	if (s->nlevels) {
		js_set(json, "levels", levels_to_json(s));
		js_set_int(json, "coins", (int64_t)s->coins);
		js_set_real(json, "variance", s->variance);
		js_set(json, "distinct", hll_to_json(s->hll));
	} else if (s->nvalues) {
		struct js *weights = js_array();

		for (size_t i = 0; i < s->nvalues; i++)
			js_push(weights, js_int((int64_t)s->weights[i]));
		js_set(json, "values", numbers_to_json(s->values, s->nvalues));
		js_set(json, "counts", weights);
	} else {
		js_set(json, "all", numbers_to_json(s->tail, s->ntail));
	}
	return json;
}

/* ---- back ---- */

/* Adds n values of weight `weight` to *sum; false: that is no count any more. */
static bool add_weight(uint64_t *sum, uint64_t n, uint64_t weight)
{
	uint64_t product;

	return !__builtin_mul_overflow(n, weight, &product) && !__builtin_add_overflow(*sum, product, sum) &&
	       *sum <= INT64_MAX;
}

static int read_levels(struct sketch *s, const struct js *json, uint64_t *ret_sum, struct error *err)
{
	const struct js *levels = js_get(json, "levels");
	size_t n = js_len(levels);

	if (!n || n > LEVELS_MAX)
		return error_set(err, ERR_DAMAGED, "a sketch has %zu levels", n);
	s->levels = xcalloc(n, sizeof(*s->levels));
	s->nlevels = n;
	for (size_t h = 0; h < n; h++) {
		struct level *l = &s->levels[h];
		int64_t flip = js_get_int(js_at(levels, h), "flip", -1);

		if (numbers_from_json(js_get(js_at(levels, h), "items"), false, &l->items, &l->n, err) < 0)
			return -1;
		l->cap = l->n;
		l->flip = (unsigned)flip;
		if (flip < 0 || flip > 2 || !add_weight(ret_sum, l->n, 1ull << h))
			return error_set(err, ERR_DAMAGED, "a level of a sketch is damaged");
	}
	s->coins = (uint64_t)js_get_int(json, "coins", 0);
	s->variance = js_get_real(json, "variance", -1);
	if (!(s->variance >= 0) || !isfinite(s->variance))
		return error_set(err, ERR_DAMAGED, "the variance of a sketch is damaged");
	return hll_from_json(js_get(json, "distinct"), &s->hll, err);
}

static int read_counted(struct sketch *s, const struct js *json, uint64_t *ret_sum, struct error *err)
{
	const struct js *weights = js_get(json, "counts");

	if (numbers_from_json(js_get(json, "values"), true, &s->values, &s->nvalues, err) < 0)
		return -1;
	s->weights = xcalloc(s->nvalues + 1, sizeof(*s->weights));
	for (size_t i = 0; i < s->nvalues && i < js_len(weights); i++) {
		int64_t weight = js_int_value(js_at(weights, i));

		s->weights[i] = (uint64_t)weight;
		if (weight <= 0 || !add_weight(ret_sum, (uint64_t)weight, 1))
			return error_set(err, ERR_DAMAGED, "a count of a sketch is damaged");
	}
	if (js_len(weights) != s->nvalues || s->nvalues > PROFILE_VALUES)
		return error_set(err, ERR_DAMAGED, "the counts of a sketch are damaged");
	return 0;
}

int sketch_from_json(const struct js *json, struct sketch **ret, struct error *err)
{
	CLEANUP(cleanup_sketch) struct sketch *s = sketch_new(SIZE_MAX, (uint64_t)js_get_int(json, "seed", 0));
	int64_t exact = js_get_int(json, "exact", -1), count = js_get_int(json, "count", -1);
	uint64_t sum = 0;
	int rc;

	if (js_get(json, "exact"))
		s->exact = exact < 0 ? 0 : (size_t)exact;
	if (js_get(json, "levels")) {
		rc = read_levels(s, json, &sum, err);
	} else if (js_get(json, "values")) {
		rc = read_counted(s, json, &sum, err);
	} else {
		rc = numbers_from_json(js_get(json, "all"), false, &s->tail, &s->ntail, err);
		s->tail_cap = s->ntail;
		sum = s->ntail;
	}
	if (rc < 0)
		return -1;
	if (count < 0 || sum != (uint64_t)count || exact < (js_get(json, "exact") ? 0 : -1))
		return error_set(err, ERR_DAMAGED, "the count of a sketch is damaged");
	s->count = sum;
	*ret = steal(&s);
	return 0;
}
