/* SPDX-License-Identifier: Apache-2.0 */
/* When checkpoints are made, and proofs against them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/audit_internal.h"
#include "registry/project.h"
#include "registry/rows.h"
#include "registry/signing_keys.h"

/* ---- rows ---- */

static int read_row(struct db_stmt *q, struct checkpoint *ret, struct error *err)
{
	struct checkpoint cp;

	if (checkpoint_parse(db_text(q, 0), strlen(db_text(q, 0)), &cp, err) < 0) {
		if (err)
			err->code = ERR_DAMAGED;
		return -1;
	}
	cp.time_ms = db_int(q, 1);
	*ret = cp;
	return 0;
}

/* 1, 0 when there is none, -1. */
static int newest(struct db *db, struct checkpoint *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT note, time FROM checkpoints ORDER BY size DESC LIMIT 1");
	int r = db_step(q, err);

	return r <= 0 ? r : read_row(q, ret, err) < 0 ? -1 : 1;
}

int checkpoint_newest(struct db *db, struct checkpoint *ret, struct error *err)
{
	int r = newest(db, ret, err);

	if (r != 0)
		return r < 0 ? -1 : 0;
	error_set(err, ERR_NOT_FOUND, "the audit log has no checkpoint yet");
	return error_help(err, "run: mlops audit checkpoint");
}

/* Two makers of one size say the same; the first one's signature stays. */
static int keep(struct db *db, const struct checkpoint *cp, const char *key, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO checkpoints (size, root, key, note, time) VALUES (?1, ?2, ?3, ?4, ?5)"
					 " ON CONFLICT (size) DO NOTHING");

	if (db_begin(db, err) < 0) {
		db_done(q);
		return -1;
	}
	db_bind(q, 1, cp->size);
	db_bind(q, 2, &cp->root);
	db_bind(q, 3, key);
	db_bind(q, 4, cp->note);
	db_bind(q, 5, cp->time_ms);
	return write_end(db, db_run(q, err), err);
}

int checkpoints_each(struct project *p, int (*each)(void *ctx, const char *where, const struct checkpoint *), void *ctx,
		     struct js *notes, struct error *err)
{
	struct db *db;
	CLEANUP_STMT struct db_stmt *q = NULL;
	struct checkpoint cp;
	int r;

	if (project_db(p, &db, err) < 0)
		return -1;
	q = db_query(db, "SELECT note, time FROM checkpoints ORDER BY size");
	while ((r = db_step(q, err)) > 0) {
		if (read_row(q, &cp, err) < 0)
			return error_wrap(err, "a checkpoint of the database");
		r = each(ctx, "the database", &cp);
		checkpoint_release(&cp);
		if (r < 0)
			return -1;
	}
	return r < 0 ? -1 : places_each(p, each, ctx, notes, err);
}

/* ---- making ---- */

/* A log that was rolled back or written anew must not get our signature: what is known must be its beginning. */
static int check_known(struct db *db, const struct checkpoint *known, const char *where, uint64_t size, struct error *err)
{
	char origin[AUDIT_ORIGIN];
	struct digest root;

	if (audit_origin(db, origin, err) < 0)
		return -1;
	if (strcmp(origin, known->origin) != 0)
		error_set(err, ERR_DAMAGED, "%s holds a checkpoint of another log, %.100s", where, known->origin);
	else if (known->size > size)
		error_set(err, ERR_DAMAGED, "the audit log has %" PRIu64 " events, but a checkpoint in %s has %" PRIu64
			  ": it was rolled back", size, where, known->size);
	else if (audit_root(db, known->size, &root, err) < 0)
		return -1;
	else if (!digest_equal(&root, &known->root))
		error_set(err, ERR_DAMAGED, "the audit log was changed before event %" PRIu64
			  ": a checkpoint in %s has another root", known->size, where);
	else
		return 0;
	return error_help(err, "nothing was signed; see what holds: mlops audit verify");
}

static int sign_now(struct project *p, struct db *db, uint64_t size, struct checkpoint *ret, struct error *err)
{
	CLEANUP(cleanup_sign_key) struct sign_key *key = NULL;
	CLEANUP(signing_public_release) struct signing_public public = { 0 };
	char origin[AUDIT_ORIGIN];
	struct checkpoint cp;
	struct digest root;

	/* The size is older than the key: so no key signs what came after its end. */
	if (audit_root(db, size, &root, err) < 0 || audit_origin(db, origin, err) < 0 ||
	    signing_key_load(p, &key, &public, err) < 0 || checkpoint_sign(origin, size, &root, key, &cp, err) < 0)
		return -1;
	cp.time_ms = clock_wall_ms();
	if (keep(db, &cp, public.id, err) < 0) {
		checkpoint_release(&cp);
		return -1;
	}
	*ret = cp;
	return 0;
}

/* The newest row, or, when the log grew since, a new one. 1: it is new. What is known is read before the size of the log,
 * because others make checkpoints meanwhile. */
static int make(struct project *p, struct db *db, struct checkpoint *ret, struct error *err)
{
	CLEANUP(checkpoint_release) struct checkpoint kept = { 0 };
	CLEANUP(checkpoint_release) struct checkpoint row = { 0 };
	int in_file = places_last(p, &kept, err);
	int in_row = in_file < 0 ? -1 : newest(db, &row, err);
	uint64_t size;

	if (in_row < 0 || audit_size(db, &size, err) < 0)
		return -1;
	if (in_file && check_known(db, &kept, settings_get(&p->settings, SETTING_AUDIT_FILE), size, err) < 0)
		return -1;
	if (in_row && check_known(db, &row, "the database", size, err) < 0)
		return -1;
	if (!in_row || row.size != size)
		return sign_now(p, db, size, ret, err) < 0 ? -1 : 1;
	*ret = row;
	row = (struct checkpoint){ 0 };
	return 0;
}

int checkpoint_make(struct project *p, struct checkpoint *ret, struct js **ret_notes, struct error *err)
{
	CLEANUP_JS struct js *notes = js_array();
	struct checkpoint cp;
	struct db *db;
	int r;

	if (signing_keys_begin(p, err) < 0 || project_db(p, &db, err) < 0 || audit_catch_up(db, err) < 0)
		return -1;
	r = make(p, db, &cp, err);
	if (r < 0)
		return -1;
	places_write(p, &cp, notes);
	*ret = cp;
	if (ret_notes)
		*ret_notes = steal(&notes);
	return 0;
}

int checkpoint_due(struct project *p, int64_t now_ms, struct error *err)
{
	int64_t events = settings_int(&p->settings, SETTING_AUDIT_EVENTS);
	int64_t wait_ms = settings_int(&p->settings, SETTING_AUDIT_MINUTES) * 60000, size, since = 0, time_ms = 0;
	CLEANUP_STMT struct db_stmt *q = NULL;
	struct checkpoint cp;
	struct db *db;
	int r;

	if (project_db(p, &db, err) < 0)
		return -1;
	q = db_query(db, "SELECT coalesce((SELECT max(seq) FROM events), 0), size, time FROM (SELECT 1)"
			 " LEFT JOIN (SELECT size, time FROM checkpoints ORDER BY size DESC LIMIT 1)");
	r = db_step(q, err);
	if (r < 0)
		return -1;
	size = db_int(q, 0);
	since = db_int(q, 1);
	time_ms = db_int(q, 2);
	if (size == since || !((events && size - since >= events) ||
			       (wait_ms && (now_ms - time_ms >= wait_ms || time_ms - now_ms >= wait_ms))))
		return 0;
	db_done(steal(&q));
	if (checkpoint_make(p, &cp, NULL, err) < 0)
		return -1;
	checkpoint_release(&cp);
	return 0;
}

/* ---- proofs: c2sp.org/tlog-proof ---- */

static int put_event(struct db *db, int64_t seq, struct strbuf *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT " AUDIT_LEAF_COLUMNS " FROM events WHERE seq = ?1");
	CLEANUP_STRBUF struct strbuf leaf = STRBUF_INIT;
	int r;

	db_bind(q, 1, seq);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	if (r == 0) {
		error_set(err, ERR_NOT_FOUND, "there is no event %" PRId64, seq);
		return error_help(err, "list them: mlops audit list");
	}
	audit_leaf_row(q, 0, &leaf);
	base64_encode(leaf.buf, leaf.len, ret);
	return 0;
}

int audit_proof(struct db *db, int64_t seq, const struct checkpoint *cp, struct strbuf *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct merkle_source source = audit_source(db);
	struct merkle_proof proof;

	strbuf_puts(&text, "c2sp.org/tlog-proof@v1\nextra ");
	if (put_event(db, seq, &text, err) < 0)
		return -1;
	if ((uint64_t)seq > cp->size) {
		error_set(err, ERR_CONFLICT, "the checkpoint has %" PRIu64 " events, and event %" PRId64 " came later", cp->size,
			  seq);
		return error_help(err, "make a newer one: mlops audit checkpoint");
	}
	if (merkle_inclusion(&source, (uint64_t)seq - 1, cp->size, &proof, err) < 0)
		return -1;
	strbuf_printf(&text, "\nindex %" PRId64 "\n", seq - 1);
	for (size_t i = 0; i < proof.len; i++) {
		base64_encode(proof.hash[i].b, sizeof(proof.hash[i].b), &text);
		strbuf_putc(&text, '\n');
	}
	strbuf_printf(&text, "\n%s", cp->note);
	strbuf_add(ret, text.buf, text.len);
	return 0;
}
