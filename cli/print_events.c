/* SPDX-License-Identifier: Apache-2.0 */
/* Text of events and whoami. */
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

/* One line each, so that they read the same one by one as they come. */
void print_event(struct print *p, const struct js *event)
{
	const char *before = js_get_str(event, "before"), *after = js_get_str(event, "after");
	char time[HUMAN];

	print_put(p, STYLE_DIM, "%lld ", (long long)js_get_int(event, "seq", 0));
	print_put(p, STYLE_PLAIN, "%s  ", human_time(js_get_int(event, "time", 0), time));
	print_word(p, STYLE_BOLD, js_get_str(event, "operation"));
	print_put(p, STYLE_PLAIN, " ");
	print_word(p, STYLE_NAME, js_get_str(event, "subject"));
	if (before || after) {
		print_put(p, STYLE_DIM, "  %s", before ? "" : "-> ");
		print_word(p, STYLE_DIM, before ? before : after);
	}
	if (before && after) {
		print_put(p, STYLE_DIM, " -> ");
		print_word(p, STYLE_DIM, after);
	}
	print_put(p, STYLE_PLAIN, "  by ");
	print_word(p, STYLE_PLAIN, js_get_str(event, "actor"));
	print_put(p, STYLE_DIM, " (%s)\n", js_get_str(event, "origin"));
}

void print_events(struct print *p, const struct js *result)
{
	const struct js *events = js_get(result, "events");

	for (size_t i = 0; i < js_len(events); i++)
		print_event(p, js_at(events, i));
	if (result && !js_len(events))
		print_put(p, STYLE_PLAIN, "no events\n");
}

void print_whoami(struct print *p, const struct js *result)
{
	const char *role = js_get_str(result, "role"), *run = js_get_str(result, "run");
	const struct js *scopes = js_get(result, "scopes");

	print_word(p, STYLE_NAME, js_get_str(result, "actor"));
	if (!js_get_bool(result, "enforced")) {
		print_put(p, STYLE_PLAIN, "\nroles are not enforced here: whoever may write the files may do all\n");
		return;
	}
	print_put(p, STYLE_PLAIN, ", role %s", role ? role : "-");
	for (size_t i = 0; i < js_len(scopes); i++)
		print_put(p, STYLE_PLAIN, "%s%s", i ? ", " : ", for ", js_text(js_at(scopes, i)));
	if (run)
		print_put(p, STYLE_PLAIN, ", of run %.8s alone", run);
	print_put(p, STYLE_PLAIN, "\n");
}
