/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_monitor.h"

/* Figures of one metric, in the order in which they came. */
struct metric {
	const char *name;
	double *values, *low, *high, *baseline;
	size_t n;
};

static const char *metric_of(const struct js *figure)
{
	const char *name = js_get_str(figure, "metric");

	return name ? name : "";
}

static bool has_come(const struct js *figures, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(metric_of(js_at(figures, k)), metric_of(js_at(figures, i))))
			return true;
	return false;
}

static void collect(const struct js *figures, const char *name, struct metric *ret)
{
	size_t n = js_len(figures);

	*ret = (struct metric){ .name = name };
	ret->values = xcalloc(n, sizeof(double));
	ret->low = xcalloc(n, sizeof(double));
	ret->high = xcalloc(n, sizeof(double));
	ret->baseline = xcalloc(n, sizeof(double));
	for (size_t i = 0; i < n; i++) {
		const struct js *figure = js_at(figures, i);

		if (strcmp(metric_of(figure), name))
			continue;
		ret->values[ret->n] = js_number(js_get(figure, "value"));
		ret->low[ret->n] = js_number(js_get(figure, "low"));
		ret->high[ret->n] = js_number(js_get(figure, "high"));
		ret->baseline[ret->n++] = js_number(js_get(figure, "baseline"));
	}
}

static void release(struct metric *metric)
{
	free(metric->values);
	free(metric->low);
	free(metric->high);
	free(metric->baseline);
}

/* What is drawn is near the figures, not from 0: a model that falls from 0.92 to 0.88 shall be seen. */
static void widen(double *low, double *high, const double *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (isfinite(values[i])) {
			*low = fmin(*low, values[i]);
			*high = fmax(*high, values[i]);
		}
}

static void put_metric(struct html *h, const struct metric *metric)
{
	struct steps steps = { .values = metric->values, .thresholds = metric->baseline, .low = metric->low,
			       .high = metric->high, .n = metric->n };
	double low = INFINITY, high = -INFINITY;
	char last[FIGURE];

	widen(&low, &high, metric->values, metric->n);
	widen(&low, &high, metric->low, metric->n);
	widen(&low, &high, metric->high, metric->n);
	widen(&low, &high, metric->baseline, metric->n);
	if (!(low <= high))
		return;
	steps.bottom = low - (high - low) * 0.1;
	steps.top = high + (high - low) * 0.1;
	html_open_class(h, "article", "card");
	html_open_class(h, "div", "head");
	html_open(h, "h3");
	html_data(h, metric->name, HTML_NAME);
	html_close(h);
	html_elementf(h, "small", NULL, "last %s", figure_number(metric->values[metric->n - 1], last));
	html_close(h);
	html_open_class(h, "figure", "plot");
	page_chart(h, &steps, false, NULL, metric->name, "By window, with its confidence interval.");
	html_close(h);
	html_close(h);
}

void page_performance(struct html *h, const struct js *figures)
{
	struct metric metric;

	if (!js_len(figures))
		return;
	html_element(h, "h2", NULL, "Performance");
	html_element(h, "p", "explain",
		     "By window: the line is the metric, the band its confidence interval, and the dashed line what it "
		     "is held against.");
	html_open_class(h, "div", "cards");
	for (size_t i = 0; i < js_len(figures); i++) {
		if (has_come(figures, i))
			continue;
		collect(figures, metric_of(js_at(figures, i)), &metric);
		put_metric(h, &metric);
		release(&metric);
	}
	html_close(h);
}
