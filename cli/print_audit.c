/* SPDX-License-Identifier: Apache-2.0 */
/* Text of audit list, verify, prove, check and checkpoint. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

void print_audit_list(struct print *p, const struct js *result)
{
	if (js_get_str(result, "csv"))
		print_put(p, STYLE_PLAIN, "%s", js_get_str(result, "csv"));
	else
		print_events(p, result);
}

static void print_finding(struct print *p, const struct js *finding)
{
	print_put(p, STYLE_BAD, "%s", js_get_str(finding, "what"));
	print_put(p, STYLE_PLAIN, " ");
	print_word(p, STYLE_PLAIN, js_get_str(finding, "text"));
	print_put(p, STYLE_PLAIN, "\n");
}

static void print_notes(struct print *p, const struct js *notes)
{
	for (size_t i = 0; i < js_len(notes); i++) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " ");
		print_word(p, STYLE_PLAIN, js_text(js_at(notes, i)));
		print_put(p, STYLE_PLAIN, "\n");
	}
}

static long long number(const struct js *result, const char *key)
{
	return js_get_int(result, key, 0);
}

void print_audit_verify(struct print *p, const struct js *result)
{
	const struct js *findings = js_get(result, "findings");
	long long more = number(result, "found") - (long long)js_len(findings);

	for (size_t i = 0; i < js_len(findings); i++)
		print_finding(p, js_at(findings, i));
	if (more > 0)
		print_put(p, STYLE_PLAIN, "and %lld more\n", more);
	print_notes(p, js_get(result, "notes"));
	if (!js_len(findings))
		print_put(p, STYLE_GOOD, "all holds: ");
	print_put(p, STYLE_PLAIN, "%lld events, %lld of them under a signature; %lld checkpoint%s, %lld run%s\n",
		  number(result, "events"), number(result, "signed"), number(result, "checkpoints"),
		  number(result, "checkpoints") == 1 ? "" : "s", number(result, "runs"), number(result, "runs") == 1 ? "" : "s");
	if (number(result, "edited"))
		print_put(p, STYLE_DIM, "%lld runs were changed after their end, by events that say so\n", number(result, "edited"));
	if (js_get_str(result, "root"))
		print_put(p, STYLE_DIM, "log %s, root %s\n", js_get_str(result, "origin"), js_get_str(result, "root"));
}

void print_audit_prove(struct print *p, const struct js *result)
{
	print_put(p, STYLE_PLAIN, "%s", js_get_str(result, "proof"));
}

void print_audit_checkpoint(struct print *p, const struct js *result)
{
	print_put(p, STYLE_PLAIN, "%s", js_get_str(result, "note"));
}

void print_audit_check(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "it holds: ");
	print_put(p, STYLE_PLAIN, "event %lld of %lld in log ", number(js_get(result, "event"), "seq"), number(result, "size"));
	print_word(p, STYLE_NAME, js_get_str(result, "origin"));
	print_put(p, STYLE_PLAIN, ", signed by key %.12s\n", js_get_str(result, "key"));
	print_event(p, js_get(result, "event"));
}
