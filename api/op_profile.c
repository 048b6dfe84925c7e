/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops.h"
#include "api/tables.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "monitor/page/page.h"
#include "monitor/profile/profile.h"

static int check_target(const struct profile *p, const char *target, const char *name, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;

	if (!target || profile_find(p, target))
		return 0;
	for (size_t i = 0; i < p->ncolumns; i++)
		strlist_push(&names, p->columns[i].name);
	near = strlist_nearest(&names, target);
	error_set(err, ERR_NOT_FOUND, "%s has no column %s", name, target);
	return near ? error_help(err, "did you mean %s?", near) : -1;
}

/* profile.make {table, target, full, html, jobs, ...} -> what profile_show returns, or {page}. */
int op_profile(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(table_inputs_release) struct table_inputs in = TABLE_INPUTS_INIT;
	CLEANUP(cleanup_profile) struct profile *profile = NULL;
	CLEANUP_JS struct js *shown = NULL;
	CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;
	const char *target = js_get_str(args, "target");
	struct profile_options how = {
		.full = js_get_bool(args, "full"),
		.threads = (unsigned)js_get_int(args, "jobs", 0),
	};
	struct table_options options;

	if (table_options_of(args, &options, err) < 0 ||
	    table_inputs_open(ctx, js_get_str(args, "table"), &in, err) < 0 ||
	    table_inputs_profile(ctx, &in, &options, &how, &profile, err) < 0 ||
	    check_target(profile, target, in.name, err) < 0)
		return -1;
	shown = profile_show(profile, target);
	if (!js_get_bool(args, "html")) {
		js_set_str(shown, "table", in.name);
		*ret_result = steal(&shown);
		return 0;
	}
	page_profile(shown, in.name, &page);
	*ret_result = js_object();
	js_set_str(*ret_result, "page", page.buf);
	return 0;
}
