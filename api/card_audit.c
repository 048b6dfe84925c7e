/* SPDX-License-Identifier: Apache-2.0 */
/* What proves a card: the events that it is made of, statements about the version, whether it was made again, and what to type. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/card.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "policy/provenance.h"
#include "registry/attestations.h"
#include "registry/audit.h"
#include "registry/events.h"
#include "registry/reproductions.h"

#define EVENTS_MAX 50

struct audited {
	struct db *db;
	const char *model;
	char number[24];  /* "v7" */
	char subject[300]; /* "churn@v7" */
	struct js *card, *events;
};

static bool is_about(const struct audited *a, const struct js *event, bool moves)
{
	const char *before = js_get_str(event, "before"), *after = js_get_str(event, "after");

	return !moves || (before && !strcmp(before, a->number)) || (after && !strcmp(after, a->number));
}

static void add_events_of(struct audited *a, const char *subject, bool moves)
{
	static const char *const keys[] = { "seq", "time", "operation", "subject", "before", "after", "actor" };
	CLEANUP_JS struct js *found = NULL;

	if (event_about(a->db, subject, EVENTS_MAX, &found, NULL) < 0)
		return;
	for (size_t i = 0; i < js_len(found); i++) {
		const struct js *event = js_at(found, i);
		struct js *row;

		if (!is_about(a, event, moves))
			continue;
		row = js_object();
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			if (js_get(event, keys[k]))
				js_set(row, keys[k], js_ref(js_get(event, keys[k])));
		js_push(a->events, row);
	}
}

static int compare_newest_first(const void *a, const void *b)
{
	int64_t x = js_get_int(*(struct js *const *)a, "seq", 0), y = js_get_int(*(struct js *const *)b, "seq", 0);

	return (x < y) - (x > y);
}

static struct js *sorted(const struct js *events)
{
	size_t n = js_len(events);
	struct js *list = js_array(), **items = xcalloc(n + 1, sizeof(struct js *));

	for (size_t i = 0; i < n; i++)
		items[i] = js_at(events, i);
	qsort(items, n, sizeof(struct js *), compare_newest_first);
	for (size_t i = 0; i < n; i++)
		js_push(list, js_ref(items[i]));
	free(items);
	return list;
}

/* Of the version itself, and of the aliases that it had. */
static void add_events(struct audited *a)
{
	const struct js *history = js_get(a->card, "history");
	CLEANUP_JS struct js *seen = js_object();
	char subject[300];

	add_events_of(a, a->subject, false);
	for (size_t i = 0; i < js_len(history); i++) {
		const char *alias = js_get_str(js_at(history, i), "alias");

		if (js_get(seen, alias))
			continue;
		js_set_bool(seen, alias, true);
		snprintf(subject, sizeof(subject), "%s@%s", a->model, alias);
		add_events_of(a, subject, true);
	}
	if (js_len(a->events))
		js_set(a->card, "events", sorted(a->events));
}

static void add_attestations(struct audited *a)
{
	static const char *const names[][2] = { { PROVENANCE_SLSA, "SLSA provenance v1" },
						{ PROVENANCE_TEST, "test result v0.1" } };
	CLEANUP_JS struct js *list = NULL;

	if (attestations_list(a->db, a->subject, &list, NULL) < 0 || !js_len(list))
		return;
	for (size_t i = 0; i < js_len(list); i++)
		for (size_t k = 0; k < ARRAY_LEN(names); k++)
			if (!strcmp(js_get_str(js_at(list, i), "predicate"), names[k][0]))
				js_set_str(js_at(list, i), "predicate", names[k][1]);
	js_set(a->card, "attestations", steal(&list));
}

static void add_reproduction(struct audited *a)
{
	CLEANUP_JS struct js *newest = NULL;

	if (reproduction_newest(a->db, a->subject, &newest, NULL) == 0 && newest)
		js_set(a->card, "reproduction", steal(&newest));
}

static void add_checkpoint(struct audited *a)
{
	CLEANUP(checkpoint_release) struct checkpoint newest = { 0 };
	char hex[DIGEST_HEX + 1], key[DIGEST_HEX + 1];
	struct js *shown;

	if (checkpoint_newest(a->db, &newest, NULL) < 0)
		return;
	shown = js_object();
	js_set_str(shown, "origin", newest.origin);
	js_set_int(shown, "size", (int64_t)newest.size);
	js_set_str(shown, "root", digest_format(&newest.root, hex));
	js_set_int(shown, "time", newest.time_ms);
	if (checkpoint_signed(a->db, &newest, key, NULL) > 0)
		js_set_str(shown, "key", key);
	js_set(a->card, "checkpoint", shown);
}

static void add_command(struct js *commands, const char *before, const char *subject, const char *after)
{
	CLEANUP(cleanup_free) char *text = xasprintf("mlops %s %s%s", before, subject, after);

	js_push_str(commands, text);
}

static void add_commands(struct audited *a)
{
	struct js *commands = js_array();
	char seq[24];

	js_push_str(commands, "mlops audit verify");
	add_command(commands, "verify", a->subject, "");
	add_command(commands, "reproduce", a->subject, "");
	add_command(commands, "lineage", a->subject, " --up");
	if (js_len(a->events)) {
		snprintf(seq, sizeof(seq), "%lld", (long long)js_get_int(js_at(js_get(a->card, "events"), 0), "seq", 0));
		add_command(commands, "audit prove", seq, " > event.proof");
		js_push_str(commands, "mlops audit check event.proof");
	}
	add_command(commands, "bundle create", a->subject, " FILE");
	js_set(a->card, "commands", commands);
}

void card_audit(struct db *db, const char *model, int64_t number, struct js *card)
{
	CLEANUP_JS struct js *events = js_array();
	struct audited a = { .db = db, .model = model, .card = card, .events = events };

	snprintf(a.number, sizeof(a.number), "v%lld", (long long)number);
	snprintf(a.subject, sizeof(a.subject), "%s@%s", model, a.number);
	add_events(&a);
	add_attestations(&a);
	add_reproduction(&a);
	add_checkpoint(&a);
	add_commands(&a);
}
