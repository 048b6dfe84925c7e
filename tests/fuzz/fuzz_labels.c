/* SPDX-License-Identifier: Apache-2.0 */
/* States of drift detectors and performance estimates: what is taken goes on, and is written as it was read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/stats/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void go_on(const struct js *state)
{
	struct adwin *a = NULL, *again = NULL;

	if (adwin_from_json(state, &a, NULL) < 0)
		return;
	CLEANUP_JS struct js *written = adwin_to_json(a);
	if (adwin_from_json(written, &again, NULL) < 0)
		abort();
	for (int i = 0; i < 200; i++)
		if (adwin_add(a, i % 7) != adwin_add(again, i % 7))
			abort();
	if (!(adwin_width(a) > 0) || adwin_width(a) != adwin_width(again))
		abort();
	adwin_free(a);
	adwin_free(again);
}

static void estimate(const struct js *state)
{
	static const double probability[] = { 0, 0.1, 0.25, 0.5, 0.999, 1 };
	static const uint8_t predicted[] = { 0, 0, 0, 1, 1, 1 };
	struct cbpe *c = NULL;

	if (cbpe_from_json(state, &c, NULL) < 0)
		return;
	struct cbpe_estimate e = cbpe_estimate(c, probability, predicted, ARRAY_LEN(probability));
	if (e.rows != ARRAY_LEN(probability) || !(e.accuracy.value >= 0 && e.accuracy.value <= 1))
		abort();
	cbpe_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_JS struct js *state = NULL;

	if (js_parse((const char *)data, size, "state", &state, NULL) < 0)
		return 0;
	go_on(state);
	estimate(state);
	return 0;
}
