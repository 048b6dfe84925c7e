/* SPDX-License-Identifier: Apache-2.0 */
/* Text of hooks install, remove and run, and of trigger approve. */
#include "base/json.h"
#include "cli/print.h"

static void put_hooks(struct print *p, const struct js *result, const char *word, const char *flag, const char *with)
{
	const struct js *hooks = js_get(result, "hooks");

	for (size_t i = 0; i < js_len(hooks); i++) {
		const struct js *hook = js_at(hooks, i);

		print_put(p, STYLE_GOOD, "%s", word);
		print_put(p, STYLE_PLAIN, " %s", js_get_str(hook, "path"));
		print_put(p, STYLE_DIM, "%s\n", js_get_bool(hook, flag) ? with : "");
	}
}

void print_hooks_install(struct print *p, const struct js *result)
{
	put_hooks(p, result, "installed", "chained", "   what was there runs first");
	print_put(p, STYLE_PLAIN, "commits are told to %s as project ", js_get_str(result, "agent"));
	print_put(p, STYLE_NAME, "%s\n", js_get_str(result, "project"));
	if (!js_get_bool(result, "shared"))
		return;
	print_put(p, STYLE_WARN, "note:");
	print_put(p, STYLE_PLAIN, " other repositories share this directory; theirs do nothing more until they are installed, too\n");
}

void print_hooks_remove(struct print *p, const struct js *result)
{
	put_hooks(p, result, "removed", "restored", "   what was there before is back");
	if (js_get_bool(result, "shared"))
		print_put(p, STYLE_PLAIN, "commits are told to nobody any more; the scripts stay for the other repositories\n");
	else if (!js_len(js_get(result, "hooks")))
		print_put(p, STYLE_PLAIN, "there were none of mlops\n");
}

void print_hooks_run(struct print *p, const struct js *result)
{
	const struct js *notes = js_get(result, "notes");

	for (size_t i = 0; i < js_len(notes); i++)
		print_put(p, STYLE_PLAIN, "mlops: %s\n", js_text(js_at(notes, i)));
	if (js_get(result, "push"))
		print_push(p, js_get(result, "push"));
}

void print_trigger_approve(struct print *p, const struct js *result)
{
	const char *run = js_get_str(result, "run_id"), *reason = js_get_str(result, "reason");

	print_put(p, STYLE_NAME, "%s/%s", js_get_str(result, "project"), js_get_str(result, "trigger"));
	if (run)
		print_put(p, STYLE_PLAIN, " starts run %.8s; follow it: mlops logs %.8s -f\n", run, run);
	else
		print_put(p, STYLE_PLAIN, ": %s%s%s\n", js_get_str(result, "decision"), reason ? ", " : "", reason ? reason : "");
}
