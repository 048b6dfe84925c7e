/* SPDX-License-Identifier: Apache-2.0 */
/* What a run would do and why: one step with all its differences, or all of them in short. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "cli/print.h"

#define WORDS_AROUND   3 /* unchanged words of a command that are shown beside a change */
#define CAUSES_SHOWN   5
#define PACKAGES_SHOWN 20
#define GROUPS_SHOWN   8 /* of the instances of one step */

static const struct {
	const char *state, *alone, *word, *count;
	enum style style;
} states[] = {
	{ "stale", "would run", "would run", "would run", STYLE_WARN },
	{ "restore", "would be restored from the store", "would be restored", "would be restored", STYLE_GOOD },
	{ "blocked", "cannot be judged yet", "waits", "wait for others", STYLE_DIM },
	{ "skipped", "is skipped", "would be skipped", "would be skipped", STYLE_DIM },
	{ "fresh", "is up to date", "up to date", "up to date", STYLE_GOOD },
};

static size_t state_index(const struct js *step)
{
	const char *state = js_get_str(step, "state");
	size_t i = 0;

	while (i < ARRAY_LEN(states) - 1 && strcmp(states[i].state, state) != 0)
		i++;
	return i;
}

static const char *step_name(const struct js *step)
{
	const char *name = js_get_str(step, "step");

	return name ? name : js_get_str(step, "name");
}

/* ---- steps with equal reasons, together ---- */

struct group {
	const struct js *first;
	size_t n;
};
struct groups {
	struct group *items; /* in order of the first step of each */
	size_t len, cap;
	struct strmap by_reason; /* "of\nstate\nreasons" -> index + 1 */
};

static void groups_release(struct groups *g)
{
	free(g->items);
	strmap_release(&g->by_reason);
}

static char *joined(const struct js *lines)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < js_len(lines); i++)
		strbuf_printf(&sb, "%s%s", i ? "; " : "", js_text(js_at(lines, i)));
	return strbuf_detach(&sb);
}

static char *joined_reasons(const struct js *step)
{
	const char *reason = js_get_str(step, "reason");

	return js_get(step, "reasons") || !reason ? joined(js_get(step, "reasons")) : xstrdup(reason);
}

static void gather_groups(struct groups *g, const struct js *steps)
{
	for (size_t i = 0; i < js_len(steps); i++) {
		const struct js *step = js_at(steps, i);
		const char *of = js_get_str(step, "of");
		CLEANUP(cleanup_free) char *reasons = joined_reasons(step);
		/* Steps of their own stay alone. */
		CLEANUP(cleanup_free) char *id = xasprintf("%s\n%s\n%s", of ? of : step_name(step),
							   js_get_str(step, "state"), of ? reasons : "");
		size_t at = (size_t)(uintptr_t)strmap_get(&g->by_reason, id);

		if (at) {
			g->items[at - 1].n++;
			continue;
		}
		GROW(g->items, g->len, g->cap);
		g->items[g->len++] = (struct group){ step, 1 };
		strmap_set(&g->by_reason, id, (void *)(uintptr_t)g->len);
	}
}

/* "train@xgb-1", or "train@* (120 steps)". Caller frees. */
static char *group_name(const struct group *g)
{
	char number[HUMAN];

	if (g->n == 1)
		return xstrdup(step_name(g->first));
	return xasprintf("%s@* (%s steps)", js_get_str(g->first, "of"), human_count(g->n, number));
}

void print_each_group(const struct js *steps, print_group *each, void *ctx)
{
	CLEANUP(groups_release) struct groups groups = { .by_reason = STRMAP_INIT };

	gather_groups(&groups, steps);
	for (size_t i = 0; i < groups.len; i++) {
		CLEANUP(cleanup_free) char *name = group_name(&groups.items[i]);
		each(ctx, groups.items[i].first, name);
	}
}

/* ---- all of them ---- */

static void plan_row(struct table *table, const char *name, size_t state, const char *reason)
{
	table_cell(table, STYLE_NAME, "%s", name);
	table_cell(table, states[state].style, "%s", states[state].word);
	table_cell(table, STYLE_PLAIN, "%s", reason);
}

/* Of a step with very many groups the first are shown, and the rest is one line. */
static void plan_rows(struct table *table, const struct groups *g)
{
	CLEANUP(strmap_release) struct strmap shown = STRMAP_INIT;

	for (size_t i = 0; i < g->len; i++) {
		const struct group *group = &g->items[i];
		const char *of = js_get_str(group->first, "of");
		size_t before = of ? (size_t)(uintptr_t)strmap_get(&shown, of) : 0;
		CLEANUP(cleanup_free) char *name = group_name(group);
		CLEANUP(cleanup_free) char *reasons = joined_reasons(group->first);

		if (of)
			strmap_set(&shown, of, (void *)(uintptr_t)(before + 1));
		if (before < GROUPS_SHOWN)
			plan_row(table, name, state_index(group->first), reasons);
	}
	for (size_t i = 0; i < shown.len; i++) {
		size_t n = (size_t)(uintptr_t)shown.entries[i].value;
		if (n <= GROUPS_SHOWN)
			continue;
		table_cell(table, STYLE_NAME, "%s@*", shown.entries[i].key);
		table_cell(table, STYLE_DIM, "and others");
		table_cell(table, STYLE_DIM, "for %zu more reasons: mlops why '%s@*'", n - GROUPS_SHOWN, shown.entries[i].key);
	}
}

void print_skipped(struct print *p, const struct js *steps)
{
	static const struct table_column columns[] = { { 0 }, { 0 }, { .shrink = true } };
	CLEANUP(groups_release) struct groups groups = { .by_reason = STRMAP_INIT };
	struct table table;

	gather_groups(&groups, steps);
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < groups.len && i < GROUPS_SHOWN; i++) {
		CLEANUP(cleanup_free) char *name = group_name(&groups.items[i]);
		CLEANUP(cleanup_free) char *reason = joined_reasons(groups.items[i].first);
		table_cell(&table, STYLE_WARN, "skipped");
		table_cell(&table, STYLE_NAME, "%s", name);
		table_cell(&table, STYLE_PLAIN, "%s", reason);
	}
	table_print(&table, p);
	if (groups.len > GROUPS_SHOWN)
		print_put(p, STYLE_DIM, "and others, for %zu more reasons: mlops why --all\n", groups.len - GROUPS_SHOWN);
}

void print_plan(struct print *p, const struct js *steps, int64_t fresh)
{
	static const struct table_column columns[] = { { 0 }, { 0 }, { .shrink = true } };
	CLEANUP(groups_release) struct groups groups = { .by_reason = STRMAP_INIT };
	int64_t counts[ARRAY_LEN(states)] = { 0 };
	const char *separator = "";
	struct table table;
	char number[HUMAN];

	gather_groups(&groups, steps);
	table_init(&table, columns, ARRAY_LEN(columns));
	plan_rows(&table, &groups);
	table_print(&table, p);
	for (size_t i = 0; i < js_len(steps); i++)
		counts[state_index(js_at(steps, i))]++;
	counts[ARRAY_LEN(states) - 1] = fresh;
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (!counts[i])
			continue;
		print_put(p, states[i].style, "%s%s %s", separator, human_count((uint64_t)counts[i], number), states[i].count);
		separator = ", ";
	}
	print_put(p, STYLE_PLAIN, "\n");
}

/* ---- one difference ---- */

static void put_word(struct print *p, const struct js *word)
{
	const char *change = js_get_str(word, "change"), *text = js_get_str(word, "text");
	const char *quote = *change != 's' && (*text == '-' || *text == '+') ? "'" : "";
	CLEANUP(cleanup_free) char *shown =
		xasprintf("%s%s%s%s", *change == 'r' ? "-" : *change == 'a' ? "+" : "", quote, text, quote);

	print_put(p, STYLE_PLAIN, " ");
	print_word(p, *change == 'r' ? STYLE_BAD : *change == 'a' ? STYLE_GOOD : STYLE_DIM, shown);
}

static bool is_near_change(const struct js *words, size_t i)
{
	for (size_t k = i > WORDS_AROUND ? i - WORDS_AROUND : 0; k < js_len(words) && k <= i + WORDS_AROUND; k++)
		if (*js_get_str(js_at(words, k), "change") != 's')
			return true;
	return false;
}

static void put_command(struct print *p, const struct js *words)
{
	bool gap = false;

	print_put(p, STYLE_PLAIN, "  command");
	for (size_t i = 0; i < js_len(words); i++) {
		if (is_near_change(words, i))
			put_word(p, js_at(words, i));
		else if (!gap)
			print_put(p, STYLE_DIM, " ...");
		gap = !is_near_change(words, i);
	}
	print_put(p, STYLE_PLAIN, "\n");
}

static void put_sides(struct print *p, const struct js *of, const char *old, const char *now)
{
	char text[HUMAN];

	if (js_get(of, old))
		print_put(p, STYLE_DIM, "  %s", human_bytes((uint64_t)js_get_int(of, old, 0), text));
	if (js_get(of, now))
		print_put(p, STYLE_DIM, "%s%s", js_get(of, old) ? " -> " : "  ",
			  human_bytes((uint64_t)js_get_int(of, now, 0), text));
}

static void put_files(struct print *p, const struct js *difference)
{
	static const struct {
		const char *key, *sign;
		enum style style;
	} changes[] = { { "added", "+", STYLE_GOOD }, { "changed", "~", STYLE_WARN }, { "removed", "-", STYLE_BAD } };
	const struct js *files = js_get(difference, "files");
	int64_t all = 0;

	for (size_t i = 0; i < js_len(files); i++) {
		const struct js *file = js_at(files, i);
		for (size_t k = 0; k < ARRAY_LEN(changes); k++)
			if (!strcmp(changes[k].key, js_get_str(file, "change")))
				print_put(p, changes[k].style, "    %s ", changes[k].sign);
		print_word(p, STYLE_PLAIN, js_get_str(file, "path"));
		put_sides(p, file, "old_size", "new_size");
		print_put(p, STYLE_PLAIN, "\n");
	}
	for (size_t k = 0; k < ARRAY_LEN(changes); k++)
		all += js_get_int(difference, changes[k].key, 0);
	if (all <= (int64_t)js_len(files))
		return;
	print_put(p, STYLE_DIM, "    and more: %lld added, %lld changed, %lld removed in all\n",
		  (long long)js_get_int(difference, "added", 0), (long long)js_get_int(difference, "changed", 0),
		  (long long)js_get_int(difference, "removed", 0));
}

static void put_difference(struct print *p, const struct js *difference)
{
	const char *note = js_get_str(difference, "note");

	if (js_get(difference, "words")) {
		put_command(p, js_get(difference, "words"));
		return;
	}
	print_put(p, STYLE_PLAIN, "  ");
	print_word(p, STYLE_PLAIN, js_get_str(difference, "text"));
	put_sides(p, difference, "old_size", "new_size");
	if (note)
		print_put(p, STYLE_DIM, "  (%s)", note);
	if (js_get(difference, "in_key") && !js_get_bool(difference, "in_key"))
		print_put(p, STYLE_DIM, "  (not part of the key)");
	print_put(p, STYLE_PLAIN, "\n");
	put_files(p, difference);
}

static void put_differences(struct print *p, const struct js *list)
{
	size_t packages = 0;

	for (size_t i = 0; i < js_len(list); i++) {
		packages += !strcmp(js_get_str(js_at(list, i), "kind"), "package");
		if (packages <= PACKAGES_SHOWN)
			put_difference(p, js_at(list, i));
	}
	if (packages > PACKAGES_SHOWN)
		print_put(p, STYLE_DIM, "  and %zu more packages: --json\n", packages - PACKAGES_SHOWN);
}

/* ---- one step ---- */

/* Reasons that no difference tells better. */
static void put_reasons(struct print *p, const struct js *step)
{
	const struct js *reasons = js_get(step, "reasons"), *list = js_get(step, "differences");

	for (size_t i = 0; i < js_len(reasons); i++) {
		const char *reason = js_text(js_at(reasons, i));
		bool told = false;
		for (size_t k = 0; k < js_len(list) && !told; k++)
			told = !strcmp(js_get_str(js_at(list, k), "text"), reason);
		if (!told)
			print_put(p, STYLE_PLAIN, "  %s\n", reason);
	}
}

static void put_causes(struct print *p, const struct js *causes)
{
	size_t n = js_len(causes) < CAUSES_SHOWN ? js_len(causes) : CAUSES_SHOWN;

	for (size_t i = 0; i < n; i++) {
		const struct js *cause = js_at(causes, i);
		CLEANUP(cleanup_free) char *reasons = joined_reasons(cause);
		print_put(p, STYLE_PLAIN, "  because ");
		print_put(p, STYLE_NAME, "%s", js_get_str(cause, "step"));
		print_put(p, STYLE_PLAIN, " %s: ", states[state_index(cause)].word);
		print_word(p, STYLE_PLAIN, reasons);
		print_put(p, STYLE_PLAIN, "\n");
	}
	if (n < js_len(causes))
		print_put(p, STYLE_DIM, "  and because of %zu more steps\n", js_len(causes) - n);
}

static void put_acceptance(struct print *p, const struct js *accepted)
{
	const struct js *changes = js_get(accepted, "changes");
	char time[HUMAN];

	print_put(p, STYLE_WARN, "  accepted");
	print_put(p, STYLE_PLAIN, " by %s, %s, without a run, although:\n", js_get_str(accepted, "by"),
		  human_time(js_get_int(accepted, "time", 0), time));
	for (size_t i = 0; i < js_len(changes); i++) {
		print_put(p, STYLE_PLAIN, "    ");
		print_word(p, STYLE_PLAIN, js_text(js_at(changes, i)));
		print_put(p, STYLE_PLAIN, "\n");
	}
}

static void put_source(struct print *p, const struct js *step)
{
	const struct js *source = js_get(step, "source"), *last = js_get(step, "last");
	const char *run = js_get_str(source, "run_id"), *remote = js_get_str(source, "remote");
	const char *of = js_get_str(source, "step"), *reason = js_get_str(last, "reason");
	char time[HUMAN];

	if (js_get_str(source, "by"))
		print_put(p, STYLE_DIM, "  made by %s, %s, in run %.8s%s%s%s%s\n", js_get_str(source, "by"),
			  human_time(js_get_int(source, "time", 0), time), run ? run : js_get_str(source, "run"),
			  of && strcmp(of, step_name(step)) ? ", as step " : "",
			  of && strcmp(of, step_name(step)) ? of : "", remote ? ", known from remote " : "",
			  remote ? remote : "");
	if (js_get(source, "accepted"))
		put_acceptance(p, js_get(source, "accepted"));
	if (last)
		print_put(p, STYLE_DIM, "  in run %.8s: %s%s%s\n", js_get_str(last, "run_id"), js_get_str(last, "state"),
			  reason ? ", because: " : "", reason ? reason : "");
}

static void put_step(struct print *p, const struct group *g)
{
	const struct js *step = g->first;
	CLEANUP(cleanup_free) char *name = group_name(g);
	bool more = js_len(js_get(step, "reasons")) || js_len(js_get(step, "differences"));

	print_put(p, STYLE_NAME, "%s", name);
	print_put(p, STYLE_PLAIN, " %s%s\n", states[state_index(step)].alone, more ? ":" : "");
	put_reasons(p, step);
	put_causes(p, js_get(step, "causes"));
	put_differences(p, js_get(step, "differences"));
	put_source(p, step);
}

void print_why(struct print *p, const struct js *result)
{
	CLEANUP(groups_release) struct groups groups = { .by_reason = STRMAP_INIT };
	const struct js *steps = js_get(result, "steps");

	if (js_get_bool(result, "all")) {
		print_plan(p, steps, js_get_int(result, "fresh", 0));
		return;
	}
	gather_groups(&groups, steps);
	for (size_t i = 0; i < groups.len; i++) {
		if (i)
			print_put(p, STYLE_PLAIN, "\n");
		put_step(p, &groups.items[i]);
	}
}

/* ---- accept ---- */

void print_accept(struct print *p, const struct js *result)
{
	const struct js *accepted = js_get(result, "accepted"), *fresh = js_get(result, "fresh");

	for (size_t i = 0; i < js_len(accepted); i++) {
		const struct js *step = js_at(accepted, i);
		CLEANUP(cleanup_free) char *changes = joined_reasons(step);
		print_put(p, STYLE_GOOD, "accepted ");
		print_put(p, STYLE_NAME, "%s", js_get_str(step, "step"));
		print_put(p, STYLE_PLAIN, ", although ");
		print_word(p, STYLE_PLAIN, changes);
		print_put(p, STYLE_PLAIN, "\n");
	}
	for (size_t i = 0; i < js_len(fresh); i++)
		print_put(p, STYLE_PLAIN, "%s is up to date: nothing to accept\n", js_text(js_at(fresh, i)));
}

void print_accepted(struct print *p, const struct js *accepted)
{
	static const struct table_column columns[] = {
		{ .title = "STEP" }, { .title = "BY" }, { .title = "WHEN" }, { .title = "ALTHOUGH", .shrink = true },
	};
	struct table table;
	char time[HUMAN];

	if (!js_len(accepted))
		return;
	print_put(p, STYLE_BOLD, "accepted without a run\n");
	table_init(&table, columns, ARRAY_LEN(columns));
	table.indent = 2;
	for (size_t i = 0; i < js_len(accepted); i++) {
		const struct js *a = js_at(accepted, i);
		CLEANUP(cleanup_free) char *changes = joined(js_get(a, "changes"));
		table_cell(&table, STYLE_NAME, "%s", js_get_str(a, "step"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(a, "by"));
		table_cell(&table, STYLE_PLAIN, "%s", human_time(js_get_int(a, "time", 0), time));
		table_cell(&table, STYLE_PLAIN, "%s", changes);
	}
	table_print(&table, p);
}
