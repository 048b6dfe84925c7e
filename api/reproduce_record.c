/* SPDX-License-Identifier: Apache-2.0 */
/* A reproduction becomes a fact, and what waited for it goes on. */
#include <stdlib.h>
#include <string.h>
#include "api/candidate_ask.h"
#include "api/events.h"
#include "api/ops.h"
#include "api/reproduce.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/candidates.h"
#include "registry/reproductions.h"
#include "registry/rows.h"
#include "registry/versions.h"

/* A version that waited for this asks for its alias. */
static int promote(const struct recipe *r, struct js *result, struct error *err)
{
	CLEANUP(cleanup_free) char *model = xstrdup(r->subject);
	char *at = strrchr(model, '@');
	CLEANUP_JS struct js *candidate = NULL;
	const char *outcome;
	int64_t number;

	if (!at || at[1] != 'v' || version_number(at + 2, &number, NULL) < 0)
		return 0;
	*at = '\0';
	if (candidate_load(r->db, model, number, &candidate, NULL) < 0 ||
	    !js_get_bool(js_get(candidate, "spec"), "reproduced"))
		return 0;
	if (candidate_ask_again(r->ctx, r->db, model, number, &outcome, err) < 0)
		return -1;
	js_set_str(result, "outcome", outcome);
	js_set_str(result, "alias", outcome ? js_get_str(js_get(candidate, "spec"), "alias") : NULL);
	return 0;
}

static struct js *body_of(const struct js *result)
{
	static const char *const parts[] = { "compare", "tolerance", "steps", "first", "causes", "metrics", "missing", "failure",
					     "duration_ms", "notes" };
	struct js *body = js_object();

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (js_get(result, parts[i]))
			js_set(body, parts[i], js_ref(js_get(result, parts[i])));
	return body;
}

static int write_facts(const struct recipe *r, const char *verdict, const struct js *result, struct error *err)
{
	CLEANUP_JS struct js *body = body_of(result);
	CLEANUP_JS struct js *told = js_object();
	const struct reproduction fact = {
		.subject = r->subject, .run_id = r->run, .verdict = verdict, .body = body, .actor = op_actor(r->ctx),
		.time_ms = clock_wall_ms(),
	};
	const struct op_event event = {
		.operation = "model.reproduce", .subject = r->subject, .after = verdict, .body = told,
	};

	js_set_str(told, "run_id", *r->run ? r->run : NULL);
	js_set_str(told, "compare", js_get_str(result, "compare"));
	if (js_get(result, "tolerance"))
		js_set(told, "tolerance", js_ref(js_get(result, "tolerance")));
	return reproduction_add(r->db, &fact, err) < 0 || op_event(r->ctx, r->db, &event, err) < 0 ? -1 : 0;
}

int again_record(const struct recipe *r, const char *verdict, struct js *result, struct error *err)
{
	bool good = !strcmp(verdict, "IDENTICAL") || !strcmp(verdict, "EQUIVALENT");

	if (db_begin(r->db, err) < 0 || write_end(r->db, write_facts(r, verdict, result, err), err) < 0)
		return -1;
	return good ? promote(r, result, err) : 0;
}
