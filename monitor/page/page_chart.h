/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/page/page_internal.h"
/* Charts along windows: the drawing takes the width of the page, the labels are text beside it. */
struct js;

void page_chart(struct html *, const struct steps *, bool percent, const char *class, const char *title,
		const char *description);
/* Below charts: when the first, the middle and the last window were. */
void page_along(struct html *, const struct js *windows, size_t first);
