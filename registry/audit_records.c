/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/audit_records.h"
#include <string.h>
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "registry/audit_findings.h"
#include "registry/files.h"
#include "registry/runs.h"

struct check {
	struct db *db;
	struct findings *findings;
	struct strlist names;   /* that experiments had */
	struct strmap differ;   /* run -> seq of its event, of those that are not as it says */
	struct audit_records found;
};

static void check_release(struct check *c)
{
	strlist_release(&c->names);
	strmap_release(&c->differ);
}

static bool has_digest(const struct js *record, const char *hex)
{
	char now[DIGEST_HEX + 1];

	run_digest(record, now);
	return !strcmp(now, hex);
}

/* Files that clients gave a run become its output some time after its end. */
static bool drop_files(struct js *record)
{
	struct js *outputs = js_get(record, "outputs"), *kept = js_array();
	size_t n = js_len(outputs);

	for (size_t i = 0; i < n; i++)
		if (strcmp(js_get_str(js_at(outputs, i), "path"), RUN_ARTIFACTS) != 0)
			js_push(kept, js_ref(js_at(outputs, i)));
	n -= js_len(kept);
	js_set(record, "outputs", kept);
	return n > 0;
}

/* The record as it may have been then: the experiment had another name. */
static bool had_digest(const struct check *c, struct js *record, const char *hex)
{
	CLEANUP(cleanup_free) char *name = NULL;
	bool found = has_digest(record, hex);

	if (found || !c->names.len)
		return found;
	name = xstrdup(js_get_str(record, "experiment"));
	for (size_t i = 0; i < c->names.len && !found; i++) {
		js_set_str(record, "experiment", c->names.items[i]);
		found = has_digest(record, hex);
	}
	js_set_str(record, "experiment", name);
	return found;
}

/* Which ended by a client, and then by the pipeline, whose own run's record has what came of it. */
static bool is_step(const struct js *record)
{
	return js_get_str(record, "step") != NULL;
}

/* 1: it is as it was, 0: it is not, -1. */
static int compare(struct check *c, const char *run, const char *hex, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	struct error why = { 0 };

	if (run_load(c->db, run, &record, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		if (err)
			*err = why;
		return -1;
	}
	return is_step(record) || had_digest(c, record, hex) || (drop_files(record) && had_digest(c, record, hex));
}

/* The newest event of each run's end. */
static int check_runs(struct check *c, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(c->db, "SELECT max(seq), subject, record FROM (SELECT seq, subject,"
				" iif(json_valid(body), json_extract(body, '$.record'), NULL) AS record FROM events"
				" WHERE operation IN ('run.start', 'run.end', 'job.end')) WHERE record IS NOT NULL GROUP BY subject");
	int r, same;

	while ((r = db_step(q, err)) > 0) {
		const char *run = db_text(q, 1), *hex = db_text(q, 2);

		same = compare(c, run, hex, err);
		if (same < 0)
			return -1;
		if (same)
			c->found.runs++;
		else
			strmap_set(&c->differ, run, (void *)(intptr_t)db_int(q, 0));
	}
	return r;
}

/* Events about a run that came after its end have changed it. */
static int drop_edited(struct check *c, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(c->db, "SELECT seq, subject FROM events WHERE operation GLOB 'run.*'"
							 " AND operation NOT IN ('run.start', 'run.end', 'run.submit') ORDER BY seq");
	int r = 0;

	while (c->differ.len && (r = db_step(q, err)) > 0) {
		int64_t seq = (intptr_t)strmap_get(&c->differ, db_text(q, 1));

		if (!seq || db_int(q, 0) < seq)
			continue;
		strmap_set(&c->differ, db_text(q, 1), NULL);
		c->found.edited++;
	}
	return r;
}

static int read_names(struct check *c, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(c->db, "SELECT before FROM events WHERE operation = 'experiment.rename'"
							 " AND before IS NOT NULL GROUP BY before");
	int r;

	while ((r = db_step(q, err)) > 0)
		strlist_push(&c->names, db_text(q, 0));
	return r;
}

int audit_record_is(struct db *db, const char *run_id, const char *digest, struct error *err)
{
	CLEANUP(check_release) struct check c = { .db = db };

	return read_names(&c, err) < 0 ? -1 : compare(&c, run_id, digest, err);
}

int audit_check_records(struct db *db, struct findings *findings, struct audit_records *ret, struct error *err)
{
	CLEANUP(check_release) struct check c = { .db = db, .findings = findings };
	/* it stays open, so that all that follows sees the same moment */
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM audit_log");

	if (db_step(q, err) < 0 || read_names(&c, err) < 0 || check_runs(&c, err) < 0 || drop_edited(&c, err) < 0)
		return -1;
	for (size_t i = 0; i < c.differ.len; i++)
		if (c.differ.entries[i].value)
			findings_add(findings, FOUND_RECORD, (intptr_t)c.differ.entries[i].value, 0,
				     "run %s is not what was recorded when it ended", c.differ.entries[i].key);
	*ret = c.found;
	return 0;
}
