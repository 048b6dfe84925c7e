/* SPDX-License-Identifier: Apache-2.0 */
/* HyperLogLog (Flajolet and others 2007) with Ertl's estimator of 2017, which needs no table of biases and no seam between
 * small and large counts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/sketch_internal.h"
#include "monitor/table/stable_hash.h"

#define HLL_BITS  12
#define REGISTERS (1u << HLL_BITS)
#define RANK_MAX  (64 - HLL_BITS + 1)

struct hll {
	uint8_t registers[REGISTERS];
};

/* ---- registers ---- */

struct hll *hll_new(void)
{
	return xcalloc(1, sizeof(struct hll));
}

void hll_free(struct hll *h)
{
	free(h);
}

void hll_add(struct hll *h, uint64_t hash)
{
	/* the bit stops the count of zeros at RANK_MAX */
	uint8_t rank = (uint8_t)(__builtin_clzll(hash << HLL_BITS | 1u << (HLL_BITS - 1)) + 1);
	uint8_t *at = &h->registers[hash >> (64 - HLL_BITS)];

	if (rank > *at)
		*at = rank;
}

void hll_add_numbers(struct hll *h, const double *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!i || values[i] != values[i - 1])
			hll_add(h, stable_hash(&values[i], sizeof(values[i]), 0));
}

void hll_merge(struct hll *into, const struct hll *from)
{
	for (size_t i = 0; i < REGISTERS; i++)
		into->registers[i] = from->registers[i] > into->registers[i] ? from->registers[i] : into->registers[i];
}

static double sigma(double x)
{
	double y = 1, z = x, before;

	if (x == 1)
		return HUGE_VAL;
	do {
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z != before);
	return z;
}

static double tau(double x)
{
	double y = 1, z = 1 - x, before;

	if (x == 0 || x == 1)
		return 0;
	do {
		x = sqrt(x);
		before = z;
		y *= 0.5;
		z -= (1 - x) * (1 - x) * y;
	} while (z != before);
	return z / 3;
}

double hll_count(const struct hll *h)
{
	const double m = REGISTERS;
	unsigned counts[RANK_MAX + 1] = { 0 };
	double z;

	for (size_t i = 0; i < REGISTERS; i++)
		counts[h->registers[i]]++;
	z = m * tau(1 - counts[RANK_MAX] / m);
	for (size_t k = RANK_MAX - 1; k >= 1; k--)
		z = 0.5 * (z + counts[k]);
	z += m * sigma(counts[0] / m);
	return m / (2 * M_LN2) * m / z;
}

/* ---- JSON: the registers in base64 ---- */

struct js *hll_to_json(const struct hll *h)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	base64_encode(h->registers, REGISTERS, &text);
	return js_str(text.buf);
}

int hll_from_json(const struct js *json, struct hll **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	struct hll *h;

	if (!js_text(json) || !base64_decode(js_text(json), &bytes) || bytes.len != REGISTERS)
		return error_set(err, ERR_DAMAGED, "the registers of distinct values are damaged");
	for (size_t i = 0; i < REGISTERS; i++)
		if ((uint8_t)bytes.buf[i] > RANK_MAX)
			return error_set(err, ERR_DAMAGED, "a register of distinct values is out of range");
	h = hll_new();
	memcpy(h->registers, bytes.buf, REGISTERS);
	*ret = h;
	return 0;
}
