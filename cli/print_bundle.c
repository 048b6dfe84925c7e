/* SPDX-License-Identifier: Apache-2.0 */
/* Text of bundles. */
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

static void put_count(struct print *p, const struct js *from, const char *key, const char *one, const char *many, bool *any)
{
	int64_t n = js_get_int(from, key, 0);
	char text[HUMAN];

	if (!n)
		return;
	print_put(p, STYLE_PLAIN, "%s%s %s", *any ? ", " : "", human_count((uint64_t)n, text), n == 1 ? one : many);
	*any = true;
}

static void put_roots(struct print *p, const struct js *result)
{
	const struct js *roots = js_get(result, "roots");

	for (size_t i = 0; i < js_len(roots); i++) {
		const char *root = js_text(js_at(roots, i));

		if (i)
			print_put(p, STYLE_PLAIN, ", ");
		if (root[0] == '.' && !root[1])
			print_put(p, STYLE_NAME, "the project");
		else
			print_word(p, STYLE_NAME, root);
	}
}

static void put_holds(struct print *p, const struct js *result)
{
	char text[HUMAN];
	bool any = false;

	print_put(p, STYLE_PLAIN, "  holds      ");
	put_roots(p, result);
	print_put(p, STYLE_PLAIN, ": ");
	put_count(p, result, "records", "record", "records", &any);
	put_count(p, result, "objects", "object", "objects", &any);
	if (any)
		print_put(p, STYLE_PLAIN, " (%s)", human_bytes((uint64_t)js_get_int(result, "bytes", 0), text));
	put_count(p, result, "attestations", "signed statement", "signed statements", &any);
	put_count(p, result, "events", "event of the log", "events of the log", &any);
	print_put(p, STYLE_PLAIN, "%s\n", any ? "" : "nothing");
}

static void put_missing(struct print *p, const struct js *missing)
{
	for (size_t i = 0; i < js_len(missing); i++) {
		const struct js *hole = js_at(missing, i);

		print_put(p, STYLE_WARN, "  missing    ");
		print_put(p, STYLE_PLAIN, "%s ", js_get_str(hole, "what") ? js_get_str(hole, "what") : "");
		print_word(p, STYLE_PLAIN, js_get_str(hole, "sha256"));
		if (js_get_str(hole, "forgotten"))
			print_put(p, STYLE_DIM, " (forgotten on %s: %s)", js_get_str(hole, "forgotten"),
				  js_get_str(hole, "reason") ? js_get_str(hole, "reason") : "");
		print_put(p, STYLE_PLAIN, "\n");
	}
}

/* A signature by a key that came along says nothing about who has it. */
static void put_signers(struct print *p, const struct js *result)
{
	const struct js *ids = js_get(result, "signed_by"), *known = js_get(result, "known_keys");

	print_put(p, STYLE_PLAIN, "  signed by  ");
	if (!js_len(ids) && !js_get_bool(result, "trusted"))
		print_put(p, STYLE_WARN, "nobody");
	for (size_t i = 0; i < js_len(ids); i++)
		print_put(p, STYLE_PLAIN, "%s%.16s", i ? ", " : "", js_text(js_at(ids, i)));
	if (js_get_bool(result, "trusted"))
		print_put(p, STYLE_GOOD, " a key that you gave");
	for (size_t i = 0; i < js_len(known); i++) {
		print_put(p, STYLE_PLAIN, "%s", i ? ", " : " ");
		print_word(p, STYLE_GOOD, js_text(js_at(known, i)));
	}
	if (js_len(ids) && !js_len(known) && !js_get_bool(result, "trusted"))
		print_put(p, STYLE_WARN, " (a key that nobody here knows)");
	print_put(p, STYLE_PLAIN, "\n");
}

static void put_notes(struct print *p, const struct js *notes)
{
	for (size_t i = 0; i < js_len(notes); i++) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " %s\n", js_text(js_at(notes, i)));
	}
}

static void put_facts(struct print *p, const struct js *result)
{
	put_holds(p, result);
	put_missing(p, js_get(result, "missing"));
	put_signers(p, result);
	print_put(p, STYLE_PLAIN, "  sha256     %s\n", js_get_str(result, "digest"));
	put_notes(p, js_get(result, "notes"));
}

void print_bundle_create(struct print *p, const struct js *result)
{
	char text[HUMAN];

	print_put(p, STYLE_GOOD, "wrote ");
	print_word(p, STYLE_BOLD, js_get_str(result, "file"));
	print_put(p, STYLE_PLAIN, ", %s\n", human_bytes((uint64_t)js_get_int(result, "size", 0), text));
	put_facts(p, result);
}

void print_bundle_verify(struct print *p, const struct js *result)
{
	print_word(p, STYLE_BOLD, js_get_str(result, "file"));
	print_put(p, STYLE_GOOD, " holds\n");
	put_facts(p, result);
}

void print_bundle_import(struct print *p, const struct js *result)
{
	static const char *const parts[][3] = {
		{ "runs", "run", "runs" }, { "versions", "model version", "model versions" }, { "aliases", "alias", "aliases" },
		{ "data", "version of data", "versions of data" }, { "results", "result", "results" },
		{ "attestations", "signed statement", "signed statements" }, { "objects", "object", "objects" },
	};
	const struct js *new = js_get(result, "new");
	bool any = false;

	print_put(p, STYLE_GOOD, "imported ");
	print_word(p, STYLE_BOLD, js_get_str(result, "file"));
	print_put(p, STYLE_PLAIN, ": ");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		put_count(p, new, parts[i][0], parts[i][1], parts[i][2], &any);
	print_put(p, STYLE_PLAIN, "%s\n", any ? "" : "all of it was here already");
	put_facts(p, result);
}
