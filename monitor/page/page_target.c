/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_profile.h"

/* What bars are drawn of. */
static struct js *classes_picture(const struct js *classes)
{
	struct js *picture = js_object(), *values = js_array(), *shares = js_array();
	char figure[FIGURE];

	js_set(picture, "values", values);
	js_set(picture, "current", shares);
	for (size_t i = 0; i < js_len(classes); i++) {
		const struct js *value = js_get(js_at(classes, i), "value");

		js_push_str(values, js_text(value) ? js_text(value) : figure_value(value, false, figure));
		js_push(shares, js_real(js_get_real(js_at(classes, i), "share", 0)));
	}
	return picture;
}

static void put_classes(struct html *h, const struct js *target, const char *name)
{
	CLEANUP_JS struct js *picture = classes_picture(js_get(target, "classes"));
	double imbalance = js_number(js_get(target, "imbalance"));
	struct bars bars = BARS_INIT;
	char figure[FIGURE];

	if (!bars_from_json(picture, &bars))
		return;
	html_open(h, "figure");
	svg_bars(h, &bars, name);
	if (isfinite(imbalance))
		html_elementf(h, "figcaption", NULL,
			      "%zu classes; the most frequent has %s times the rows of the rarest", bars.all,
			      figure_score(imbalance, figure));
	html_close(h);
	bars_release(&bars);
}

static void put_numbers(struct html *h, const struct js *target)
{
	static const struct {
		const char *label, *key;
	} facts[] = { { "mean", "mean" }, { "deviation", "std" }, { "skewness", "skewness" } };
	char figure[FIGURE];

	html_open_class(h, "dl", "pairs");
	for (size_t i = 0; i < ARRAY_LEN(facts); i++)
		page_figure(h, facts[i].label, figure_number(js_number(js_get(target, facts[i].key)), figure));
	page_figure(h, "median", figure_number(js_number(js_get(js_get(target, "quantiles"), "0.5")), figure));
	html_close(h);
}

void page_profile_target(struct html *h, const struct js *shown)
{
	const struct js *target = js_get(shown, "target");
	const char *name = js_get_str(target, "name");

	if (!name)
		return;
	html_element(h, "h2", NULL, "Target");
	html_open_class(h, "div", "cards");
	html_open_class(h, "article", "card");
	html_open(h, "h3");
	html_data(h, name, HTML_NAME);
	html_close(h);
	if (js_len(js_get(target, "classes")))
		put_classes(h, target, name);
	else if (js_get(target, "mean"))
		put_numbers(h, target);
	else
		html_element(h, "p", NULL,
			     "Nothing can be said of its balance: it has no values, or too many that are no numbers.");
	html_close_n(h, 2);
}
