/* SPDX-License-Identifier: Apache-2.0 */
/* Text of push and pull. */
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

static void put_notes(struct print *p, const struct js *result)
{
	const struct js *notes = js_get(result, "notes");

	for (size_t i = 0; i < js_len(notes); i++) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " %s\n", js_text(js_at(notes, i)));
	}
}

static void put_part(struct print *p, const char *before, int64_t n, const char *one)
{
	char text[HUMAN];

	print_put(p, STYLE_PLAIN, "%s%s %s%s", before, human_count((uint64_t)n, text), one, n == 1 ? "" : "s");
}

/* "12 objects (3.4 MB), 2 runs, 3 results" without what is 0; false when all is. */
static bool put_moved(struct print *p, const struct js *result, const char *done, const char *would)
{
	static const char *const parts[][2] = { { "objects", "object" }, { "runs", "run" }, { "results", "result" } };
	const char *before = " ";
	char text[HUMAN];
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int64_t n = js_get_int(result, parts[i][0], 0);

		if (!n)
			continue;
		if (!any)
			print_put(p, STYLE_GOOD, "%s", js_get_bool(result, "dry") ? would : done);
		put_part(p, before, n, parts[i][1]);
		if (!i)
			print_put(p, STYLE_PLAIN, " (%s)", human_bytes((uint64_t)js_get_int(result, "bytes", 0), text));
		before = ", ";
		any = true;
	}
	return any;
}

static void put_missing(struct print *p, const struct js *result)
{
	const struct js *missing = js_get(result, "missing");
	int64_t total = js_get_int(result, "missing_total", 0);

	if (!total)
		return;
	print_put(p, STYLE_WARN, "note:");
	put_part(p, " ", total, "recorded content");
	print_put(p, STYLE_PLAIN, " %s not in this store, and so not sent:\n", total == 1 ? "is" : "are");
	for (size_t i = 0; i < js_len(missing); i++) {
		print_put(p, STYLE_PLAIN, "  ");
		print_word(p, STYLE_NAME, js_text(js_at(missing, i)));
		putc('\n', p->out);
	}
	if (total > (int64_t)js_len(missing))
		print_put(p, STYLE_DIM, "  and %lld more\n", (long long)(total - (int64_t)js_len(missing)));
}

static void put_remote(struct print *p, const char *word, const struct js *result)
{
	print_put(p, STYLE_PLAIN, " %s ", word);
	print_word(p, STYLE_BOLD, js_get_str(result, "remote"));
	print_put(p, STYLE_PLAIN, " (");
	print_word(p, STYLE_PLAIN, js_get_str(result, "url"));
	print_put(p, STYLE_PLAIN, ")");
}

void print_push(struct print *p, const struct js *result)
{
	int64_t replaced = js_get_int(result, "replaced", 0);
	bool any = put_moved(p, result, "pushed", "would push");

	if (any) {
		put_remote(p, "to", result);
	} else if (!replaced) {
		print_put(p, STYLE_GOOD, "everything is there already");
		put_remote(p, "on", result);
	}
	if (replaced) {
		put_part(p, any ? "; " : "", replaced, "damaged part");
		print_put(p, STYLE_WARN, js_get_bool(result, "dry") ? " would be replaced" : " replaced");
	}
	putc('\n', p->out);
	put_missing(p, result);
	put_notes(p, result);
}

static void put_failed(struct print *p, const struct js *failed, const char *name)
{
	for (size_t i = 0; i < js_len(failed); i++) {
		const struct js *item = js_at(failed, i);

		print_put(p, STYLE_BAD, "not brought: ");
		print_word(p, STYLE_NAME, js_get_str(item, name));
		print_put(p, STYLE_PLAIN, ": %s\n", js_get_str(item, "message"));
	}
}

void print_pull(struct print *p, const struct js *result)
{
	int64_t written = js_get_int(result, "files_written", 0), removed = js_get_int(result, "files_removed", 0);
	const struct js *failed = js_get(result, "failed"), *damaged = js_get(result, "damaged");
	bool any = put_moved(p, result, "pulled", "would pull");

	if (any)
		put_remote(p, "from", result);
	if (written || removed) {
		put_part(p, any ? "; " : "", written, "file");
		print_put(p, STYLE_GOOD, " placed");
		if (removed)
			put_part(p, ", ", removed, "file");
		if (removed)
			print_put(p, STYLE_PLAIN, " removed");
	} else if (!any && !js_len(failed) && !js_len(damaged)) {
		print_put(p, STYLE_GOOD, "everything is here already");
	}
	if (any || written || removed || (!js_len(failed) && !js_len(damaged)))
		putc('\n', p->out);
	/* one alone is what the error tells */
	if (js_len(failed) > 1)
		put_failed(p, failed, "path");
	put_failed(p, damaged, "name");
	put_notes(p, result);
}
