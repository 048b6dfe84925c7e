/* SPDX-License-Identifier: Apache-2.0 */
/* What gates said of candidates. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

static void put_value(struct print *p, const char *name, const struct js *value)
{
	if (js_text(value))
		print_put(p, STYLE_DIM, " %s=%s", name, js_text(value));
	else
		print_put(p, STYLE_DIM, " %s=%.6g", name, js_number(value));
}

void print_gate_lines(struct print *p, const struct js *lines)
{
	for (size_t i = 0; i < js_len(lines); i++) {
		const struct js *line = js_at(lines, i), *values = js_get(line, "values");
		bool holds = js_get_bool(line, "holds");
		const char *why = js_get_str(line, "error") ? js_get_str(line, "error") : js_get_str(line, "note");

		print_put(p, holds ? STYLE_GOOD : STYLE_BAD, "    %s ",
			  holds ? print_symbol(p, "✓", "ok") : print_symbol(p, "✗", "no"));
		print_word(p, STYLE_PLAIN, js_get_str(line, "line"));
		print_put(p, STYLE_PLAIN, " ");
		for (void *it = js_iter(values); it; it = js_next(values, it))
			put_value(p, js_iter_key(it), js_iter_value(it));
		if (js_get_str(line, "test"))
			print_put(p, STYLE_DIM, " (%s)", js_get_str(line, "test"));
		if (why)
			print_put(p, holds ? STYLE_DIM : STYLE_WARN, "  %s", why);
		print_put(p, STYLE_PLAIN, "\n");
		if (js_get_str(line, "help"))
			print_put(p, STYLE_DIM, "      %s\n", js_get_str(line, "help"));
	}
}

/* What came of it, and what to type next. */
static const struct {
	const char *outcome, *before, *after; /* of the alias */
	enum style style;
} outcomes[] = {
	{ "promoted", "is ", " now", STYLE_GOOD },
	{ "pending", "passed its gate; people have to agree before it is ", ": mlops model approvals", STYLE_WARN },
	{ "rejected", "did not pass its gate: ", " stays where it is", STYLE_BAD },
	{ "waiting", "passed its gate, and waits for proof before it is ", ": mlops verify, mlops reproduce", STYLE_WARN },
	{ "held", "passed its gate, but ", " is held, or it was rejected: mlops model release", STYLE_WARN },
};

void print_candidates(struct print *p, const struct js *models)
{
	for (size_t i = 0; i < js_len(models); i++) {
		const struct js *model = js_at(models, i);
		const char *outcome = js_get_str(model, "outcome"), *alias = js_get_str(model, "alias");

		print_put(p, STYLE_NAME, "  %s@v%lld ", js_get_str(model, "name"), (long long)js_get_int(model, "version", 0));
		for (size_t k = 0; k < ARRAY_LEN(outcomes); k++)
			if (!strcmp(outcome, outcomes[k].outcome))
				print_put(p, outcomes[k].style, "%s%s%s", outcomes[k].before, alias ? alias : "", outcomes[k].after);
		if (js_get(model, "champion"))
			print_put(p, STYLE_DIM, "  (judged against v%lld)", (long long)js_get_int(model, "champion", 0));
		print_put(p, STYLE_PLAIN, "\n");
		print_gate_lines(p, js_get(model, "lines"));
	}
}
