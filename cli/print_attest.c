/* SPDX-License-Identifier: Apache-2.0 */
/* Text of attest and verify. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

/* As people call the kinds of statements; the rest by their URI. */
static const char *kind_of(const char *predicate)
{
	static const char *const kinds[][2] = { { "https://slsa.dev/provenance/v1", "provenance" },
						{ "https://in-toto.io/attestation/test-result/v0.1", "test result" } };

	for (size_t i = 0; predicate && i < ARRAY_LEN(kinds); i++)
		if (!strcmp(predicate, kinds[i][0]))
			return kinds[i][1];
	return predicate ? predicate : "statement";
}

static void put_signer(struct print *p, const struct js *row)
{
	const char *key = js_get_str(row, "key"), *name = js_get_str(row, "key_name");

	if (key)
		print_put(p, STYLE_DIM, " by %s (%.8s)", name ? name : "a key", key);
}

void print_attest(struct print *p, const struct js *result)
{
	const struct js *list = js_get(result, "attestations");
	const char *output = js_get_str(result, "output"), *outcome = js_get_str(result, "outcome");

	print_put(p, STYLE_GOOD, "attested");
	print_put(p, STYLE_NAME, " %s\n", js_get_str(result, "name"));
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *row = js_at(list, i);

		print_put(p, STYLE_PLAIN, "  %s", kind_of(js_get_str(row, "predicate")));
		put_signer(p, row);
		print_put(p, STYLE_DIM, "%s  %s\n", js_get_bool(row, "new") ? "" : ", as before", js_get_str(row, "content"));
	}
	if (output)
		print_put(p, STYLE_PLAIN, "written to %s\n", output);
	if (outcome)
		print_put(p, STYLE_PLAIN, "asked for its alias: %s\n", outcome);
}

static void put_mark(struct print *p, bool holds)
{
	print_put(p, holds ? STYLE_GOOD : STYLE_BAD, "  %s ", holds ? print_symbol(p, "✓", "ok") : print_symbol(p, "✗", "no"));
}

static void put_statements(struct print *p, const struct js *list)
{
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *row = js_at(list, i);

		put_mark(p, js_get_bool(row, "holds"));
		print_word(p, STYLE_PLAIN, kind_of(js_get_str(row, "predicate")));
		put_signer(p, row);
		if (js_get_str(row, "why")) {
			print_put(p, STYLE_WARN, "  ");
			print_word(p, STYLE_WARN, js_get_str(row, "why"));
		}
		print_put(p, STYLE_PLAIN, "\n");
	}
}

static void put_rules(struct print *p, const struct js *rules)
{
	for (size_t i = 0; i < js_len(rules); i++) {
		const struct js *rule = js_at(rules, i);
		bool holds = js_get_bool(rule, "holds");

		put_mark(p, holds);
		print_put(p, STYLE_PLAIN, "%s = ", js_get_str(rule, "rule"));
		print_word(p, STYLE_PLAIN, js_get_str(rule, "wants"));
		print_put(p, STYLE_PLAIN, "  ");
		print_word(p, holds ? STYLE_DIM : STYLE_WARN, js_get_str(rule, "found"));
		print_put(p, STYLE_PLAIN, "\n");
	}
}

void print_verify(struct print *p, const struct js *result)
{
	const struct js *things = js_get(result, "things");

	for (size_t i = 0; i < js_len(things); i++) {
		const struct js *thing = js_at(things, i);
		const char *verdict = js_get_str(thing, "verdict");

		print_put(p, strcmp(verdict, "verified") ? STYLE_BAD : STYLE_GOOD, "%s ", verdict);
		print_word(p, STYLE_NAME, js_get_str(thing, "name"));
		print_put(p, STYLE_DIM, "  sha256:%.16s\n", js_get_str(thing, "digest"));
		if (js_get_str(thing, "damage")) {
			put_mark(p, false);
			print_word(p, STYLE_BAD, js_get_str(thing, "damage"));
			print_put(p, STYLE_PLAIN, "\n");
		}
		put_statements(p, js_get(thing, "statements"));
		put_rules(p, js_get(thing, "rules"));
	}
}
