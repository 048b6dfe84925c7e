/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/page/page_chart.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"

#define DAY 86400e3 /* milliseconds */

static void put_level(struct html *h, const struct steps *s, double value, const char *label)
{
	html_open_class(h, "span", "level");
	html_attrf(h, "style", "bottom:%.1f%%", steps_height(s, value) * 100);
	html_element(h, "span", NULL, label);
	html_close(h);
}

void page_chart(struct html *h, const struct steps *s, bool percent, const char *class, const char *title,
		const char *description)
{
	struct ticks ticks;
	char label[FIGURE + 4];

	ticks_make(s->bottom * (percent ? 100 : 1), s->top * (percent ? 100 : 1), percent ? 2 : 3, false, &ticks);
	html_open_class(h, "div", "chart");
	for (size_t i = 0; i < ticks.n; i++) {
		double value = ticks.at[i] / (percent ? 100 : 1);

		if (value <= s->bottom)
			continue;
		ticks_label(&ticks, i, label, FIGURE);
		if (percent)
			snprintf(label + strlen(label), 4, " %%");
		put_level(h, s, value, label);
	}
	svg_steps(h, s, class, title, description);
	html_close(h);
}

void page_along(struct html *h, const struct js *windows, size_t first)
{
	size_t last = js_len(windows) - 1, at[3] = { first, first + (last - first) / 2, last };
	char figure[FIGURE];

	html_open_class(h, "div", "along");
	for (size_t i = 0; i < 3; i++) {
		const struct js *window = js_at(windows, at[i]);
		const struct js *time = js_get(window, "time"), *when = js_get(window, i < 2 ? "from" : "to");

		if (i && at[i] == at[i - 1])
			continue;
		html_open(h, "span");
		if (time)
			html_text(h, figure_time(js_number(time), DAY, figure));
		else if (js_typeof(when) != JS_NULL)
			html_data(h, figure_value(when, false, figure), 24);
		html_close(h);
	}
	html_close(h);
}
