/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_internal.h"

static void put_head(struct html *h, const void *metrics)
{
	(void)metrics;
	page_th(h, NULL, "Metric");
	page_th(h, NULL, "State");
	page_th(h, "n", "Reference");
	page_th(h, "n", "Now");
	page_th(h, "n wide", "95 % from");
	page_th(h, "n wide", "to");
	page_th(h, "n wide", "Drop");
	page_th(h, "n wide", "95 % from");
	page_th(h, "n wide", "to");
}

static void put_metric(struct html *h, const void *metrics, size_t i)
{
	static const char *const keys[] = { "baseline", "value", "low", "high", "drop", "drop_low", "drop_high" };
	const struct js *metric = js_at(metrics, i), *row = js_get(metric, "row");
	const char *name = js_get_str(metric, "metric");
	char figure[FIGURE];

	html_open(h, "th");
	html_attr(h, "scope", "row");
	html_data(h, name ? name : "", PAGE_WORD);
	/* Of errors there is only where their mean changed. */
	if (row)
		html_elementf(h, "small", NULL, " changed at row %s", figure_count(js_number(row), figure));
	html_close(h);
	html_open(h, "td");
	page_state(h, js_get_str(metric, "state"));
	html_close(h);
	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		double value = js_number(js_get(metric, keys[k]));

		page_td(h, k < 2 ? "n" : "n wide", isfinite(value) ? figure_score(value, figure) : "");
	}
}

void page_outcomes(struct html *h, const struct js *metrics)
{
	const struct page_rows rows = { put_head, put_metric, "Performance", "metrics", js_len(metrics), 50 };

	if (!rows.n)
		return;
	html_element(h, "h2", NULL, "Performance");
	html_element(h, "p", "explain",
		     "Of rows whose label is known. A drop is drift when its whole interval is above 0.");
	page_rows(h, &rows, metrics);
}
