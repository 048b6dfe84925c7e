/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/attestations.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/audit_records.h"
#include "registry/events.h"
#include "registry/rows.h"

static int find(struct db *db, const struct attestation_new *new, int64_t content, int64_t *ret_id, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id FROM attestations WHERE subject = ?1 AND predicate = ?2"
						      " AND key = ?3 AND envelope = ?4");
	int r;

	db_bind(q, 1, new->subject);
	db_bind(q, 2, new->predicate);
	db_bind(q, 3, new->key);
	db_bind(q, 4, content);
	r = db_step(q, err);
	if (r > 0)
		*ret_id = db_int(q, 0);
	return r;
}

static int note_event(struct db *db, const struct attestation_new *new, int64_t *ret_seq, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();
	char text[CONTENT_TEXT];
	const struct event event = {
		.actor = new->actor, .origin = new->origin, .operation = "attest", .subject = new->subject, .body = body,
	};

	js_set_str(body, "predicate", new->predicate);
	js_set_str(body, "content", content_format(&new->envelope, text));
	js_set_str(body, "key", new->key);
	return event_append(db, &event, new->now_ms, ret_seq, err);
}

static int note_subjects(struct db *db, int64_t id, const struct js *subjects, struct error *err)
{
	for (size_t i = 0; i < js_len(subjects); i++) {
		const char *hex = js_get_str(js_get(js_at(subjects, i), "digest"), "sha256");
		struct digest digest;
		struct db_stmt *q;

		if (!hex || !digest_parse(hex, &digest))
			continue;
		q = db_query(db, "INSERT INTO attested (digest, attestation) VALUES (?1, ?2) ON CONFLICT DO NOTHING");
		db_bind(q, 1, &digest);
		db_bind(q, 2, id);
		if (db_run(q, err) < 0)
			return -1;
	}
	return 0;
}

int attestation_add(struct db *db, const struct attestation_new *new, int64_t *ret_id, struct error *err)
{
	struct db_stmt *q;
	int64_t content, seq;
	int r = content_row(db, &new->envelope, &content, err);

	if (r < 0)
		return -1;
	r = find(db, new, content, ret_id, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	if (note_event(db, new, &seq, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO attestations (subject, predicate, key, envelope, seq, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
	db_bind(q, 1, new->subject);
	db_bind(q, 2, new->predicate);
	db_bind(q, 3, new->key);
	db_bind(q, 4, content);
	db_bind(q, 5, seq);
	db_bind(q, 6, new->now_ms);
	if (db_run(q, err) < 0)
		return -1;
	*ret_id = db_last_id(db);
	return note_subjects(db, *ret_id, new->subjects, err) < 0 ? -1 : 1;
}

#define ATTESTATIONS                                                                               \
	"SELECT a.id, a.subject, a.predicate, a.key, c.kind, c.digest, c.size, c.files, a.time, e.seq"     \
	" FROM attestations a JOIN contents c ON c.id = a.envelope"                                       \
	" LEFT JOIN events e ON e.seq = a.seq AND e.operation = 'attest' AND e.subject = a.subject"        \
	" AND json_extract(e.body, '$.content') = c.kind || ':' || lower(hex(c.digest))"

static int list_rows(struct db_stmt *q, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();
	struct content content;
	char text[CONTENT_TEXT];
	int r;

	while ((r = db_step(q, err)) > 0) {
		CLEANUP_JS struct js *row = js_object();

		if (content_read(q, 4, &content, err) < 0)
			return -1;
		js_set_int(row, "id", db_int(q, 0));
		js_set_str(row, "subject", db_text(q, 1));
		js_set_str(row, "predicate", db_text(q, 2));
		js_set_str(row, "key", db_text(q, 3));
		js_set_str(row, "content", content_format(&content, text));
		js_set_int(row, "time", db_int(q, 8));
		if (!db_is_null(q, 9))
			js_set_int(row, "seq", db_int(q, 9));
		js_push(list, steal(&row));
	}
	if (r == 0)
		*ret = steal(&list);
	return r;
}

int attestations_list(struct db *db, const char *subject, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, ATTESTATIONS " WHERE a.subject = ?1 ORDER BY a.id");

	db_bind(q, 1, subject);
	return list_rows(q, ret, err);
}

int attestations_about(struct db *db, const struct digest *digest, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, ATTESTATIONS " JOIN attested t ON t.attestation = a.id WHERE t.digest = ?1 ORDER BY a.id");

	db_bind(q, 1, digest);
	return list_rows(q, ret, err);
}

/* ---- whether a run is what it was ---- */

/* 1: *ret_record is the digest of its record then, *ret_seq its event; 0: it has none. */
static int find_end(struct db *db, const char *run_id, char ret_record[DIGEST_HEX + 1], int64_t *ret_seq, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT json_extract(body, '$.record'), seq FROM events WHERE subject = ?1"
			     " AND operation IN ('run.start', 'run.end', 'job.end') AND json_extract(body, '$.record') IS NOT NULL"
			     " ORDER BY seq DESC LIMIT 1");
	int r;

	db_bind(q, 1, run_id);
	r = db_step(q, err);
	if (r > 0) {
		snprintf(ret_record, DIGEST_HEX + 1, "%s", db_text(q, 0));
		*ret_seq = db_int(q, 1);
	}
	return r;
}

/* 1: an edit of it since then; *ret_seq is its event, and *ret_code: it touches what tells of code and host. The event goes
 * into the log in the edit's own transaction. */
static int find_edit(struct db *db, const char *run_id, int64_t since, bool *ret_code, int64_t *ret_seq, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT seq, body GLOB '*\"mlflow.source.*' OR body GLOB '*\"mlops.*' OR body GLOB '*\"mlflow.user\"*' AS code"
		    " FROM events WHERE seq > ?2 AND subject = ?1 AND operation GLOB 'run.*' ORDER BY code DESC, seq DESC LIMIT 1");
	int r;

	db_bind(q, 1, run_id);
	db_bind(q, 2, since);
	r = db_step(q, err);
	if (r > 0) {
		*ret_seq = db_int(q, 0);
		*ret_code = db_int(q, 1);
	}
	return r;
}

static int check_edits(struct db *db, const char *run_id, int64_t since, struct error *err)
{
	bool code;
	int64_t seq;
	int r = find_edit(db, run_id, since, &code, &seq, err);

	if (r < 0)
		return -1;
	if (r == 0) {
		error_set(err, ERR_DAMAGED, "run %s is not what it was when it ended, and no event tells of a change", run_id);
		return error_help(err, "see what else was changed: mlops audit verify");
	}
	if (!code)
		return 0;
	error_set(err, ERR_CONFLICT, "what run %s tells of its code was edited after its end (event %lld), so nobody can vouch for it",
		  run_id, (long long)seq);
	return error_help(err, "see who did: mlops audit list --subject %s; or make it again: mlops run --force", run_id);
}

int run_is_as_it_ended(struct db *db, const struct js *run, struct error *err)
{
	const char *id = js_get_str(run, "run_id"), *status = js_get_str(run, "status");
	char then[DIGEST_HEX + 1];
	int64_t seq;
	int r = find_end(db, id, then, &seq, err);

	if (r < 0)
		return -1;
	if (r == 0 && status && (!strcmp(status, "RUNNING") || !strcmp(status, "SCHEDULED")))
		return error_set(err, ERR_CONFLICT, "run %s goes on", id);
	if (r == 0)
		return error_set(err, ERR_CONFLICT, "run %s has no end in the events: it was killed, or made somewhere else", id);
	r = audit_record_is(db, id, then, err);
	return r > 0 ? 0 : r < 0 ? -1 : check_edits(db, id, seq, err);
}
