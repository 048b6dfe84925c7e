/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/life.h"
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

static const char *const views[] = { [VIEW_ACTIVE] = "ACTIVE_ONLY", [VIEW_DELETED] = "DELETED_ONLY", [VIEW_ALL] = "ALL" };

int life_view_parse(const char *key, const struct js *json, enum life_view *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf shown = STRBUF_INIT;

	if (!json) {
		*ret = VIEW_ACTIVE;
		return 0;
	}
	for (int i = VIEW_ACTIVE; i <= VIEW_ALL; i++)
		if ((js_typeof(json) == JS_INT && js_int_value(json) == i) ||
		    (js_text(json) && (!strcmp(js_text(json), views[i]) || (js_text(json)[0] == '0' + i && !js_text(json)[1])))) {
			*ret = (enum life_view)i;
			return 0;
		}
	js_dump(json, JS_COMPACT, &shown);
	return error_set(err, ERR_USAGE, "Invalid value %.100s for parameter '%s' supplied", shown.buf, key);
}

const char *life_view_sql(enum life_view view)
{
	return view == VIEW_ACTIVE ? "= 'active'" : view == VIEW_DELETED ? "= 'deleted'" : "IS NOT NULL";
}
