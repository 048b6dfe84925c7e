/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/openlineage.h"
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/project.h"
#include "registry/runs.h"

#define ABOVE_MAX 8 /* levels of runs; someone may have made a circle */

static const struct {
	const char *target;
	enum setting setting;
} targets[] = {
	{ OPENLINEAGE_URL, SETTING_OPENLINEAGE_URL },
	{ OPENLINEAGE_FILE, SETTING_OPENLINEAGE_FILE },
};

bool openlineage_is_on(const struct project *p, const char *target)
{
	for (size_t i = 0; i < ARRAY_LEN(targets); i++)
		if ((!target || !strcmp(target, targets[i].target)) && *settings_get(&p->settings, targets[i].setting))
			return true;
	return false;
}

int openlineage_agree(const struct project *p, struct db *db, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		bool on = openlineage_is_on(p, targets[i].target);
		struct db_stmt *q = db_query(db, on ? "INSERT INTO openlineage (target) VALUES (?1) ON CONFLICT DO NOTHING" :
						      "DELETE FROM openlineage WHERE target = ?1");

		db_bind(q, 1, targets[i].target);
		if (db_run(q, err) < 0)
			return -1;
	}
	return 0;
}

/* The record of the attempt that decides how the run ended: a step's own, of a pipeline the first that failed. NULL: none. */
static int find_attempt(struct db *db, const char *run, bool step, struct js **ret_record, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, step ? "SELECT a.record FROM attempts a JOIN runs r ON r.id = a.run WHERE r.run_id = ?1 ORDER BY a.id DESC LIMIT 1" :
			   "SELECT a.record FROM attempts a JOIN runs r ON r.id = a.parent WHERE r.run_id = ?1"
			   " AND a.state IN ('failed', 'timeout') AND NOT EXISTS (SELECT 1 FROM attempts b WHERE b.parent = a.parent"
			   " AND b.step = a.step AND b.number > a.number) ORDER BY a.end_time, a.id LIMIT 1");
	const char *text;
	int r;

	db_bind(q, 1, run);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	text = db_text(q, 0);
	return text ? js_parse(text, strlen(text), "the record of an attempt", ret_record, err) : 0;
}

static int add_error(struct db *db, const struct js *run, struct js *facts, struct error *err)
{
	bool step = js_get_str(run, "step") != NULL;
	CLEANUP_JS struct js *record = NULL;
	const char *why;

	if (find_attempt(db, js_get_str(run, "run_id"), step, &record, err) < 0)
		return -1;
	why = js_get_str(record, "error");
	if (!why && !step) /* a job's, which an agent notes */
		why = js_get_str(js_get(run, "tags"), "mlflow.note.content");
	js_set_str(facts, "error", why);
	js_set_bool(facts, "python", js_get(record, "python") != NULL);
	return 0;
}

int openlineage_facts(struct db *db, const char *id, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *facts = js_object();
	struct js *run, *above;
	const char *parent;

	if (run_load(db, id, &run, err) < 0)
		return -1;
	js_set(facts, "run", run);
	if (add_error(db, run, facts, err) < 0)
		return -1;
	parent = js_get_str(run, "parent");
	for (int i = 0; parent && i < ABOVE_MAX; i++) {
		if (run_load(db, parent, &above, err) < 0)
			return -1;
		parent = js_get_str(above, "parent");
		if (!i)
			js_set(facts, "parent", js_ref(above));
		js_set(facts, "root", above);
	}
	*ret = steal(&facts);
	return 0;
}
