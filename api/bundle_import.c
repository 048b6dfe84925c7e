/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Importing: the whole file is checked (bundle_check.c), then its records are imported and taken back, to see that they fit
 * what is here, then objects are stored, and only then do the records count, in one transaction. Killed before that, there
 * are objects that nothing names; the next import goes on.
 *
 * Events of the other log are not ours. All of the bundle but its objects is kept as a tree, as evidence, and named by the
 * event of the import.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include "api/bundle_internal.h"
#include "api/data.h"
#include "api/events.h"
#include "api/ops.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/dsse.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "registry/attestations.h"
#include "registry/cache.h"
#include "registry/evidence.h"
#include "registry/model_records.h"
#include "registry/project.h"
#include "registry/records.h"
#include "registry/signing_keys.h"
#include "store/store.h"
#include "store/tombstone.h"
#include "store/tree.h"

#define SPARE	(64u << 20) /* bytes that stay free on the disk */
#define PIECE	65536

struct import {
	struct op_context *ctx;
	int fd;
	const char *name;
	struct bundle_known known;
	struct data_locks locks;
	struct db *db;
	struct store *store;
	struct store_batch *batch;
	struct tree evidence;
	struct content kept; /* the evidence, stored */
	struct js *notes, *statements;
	char from[32];	     /* "bundle 0123456789ab" */
	uint64_t runs, results, objects, attestations, files, bytes, tombs;
	struct model_import models;
	bool repeated;
};

static void import_release(struct import *i)
{
	bundle_known_release(&i->known);
	data_unlock(&i->locks);
	cleanup_batch(&i->batch);
	tree_release(&i->evidence);
	js_free(i->notes);
	js_free(i->statements);
}

/* ---- records ---- */

static int import_run(struct import *i, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	bool is_new = false;

	if (record_read(text->buf, text->len, entry->id, &record, err) < 0 ||
	    record_import(i->db, record, &is_new, err) < 0)
		return -1;
	i->runs += is_new;
	return 0;
}

/* What is known here of a step's result stays. */
static int import_result(struct import *i, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	struct cache_entry result CLEANUP(cache_entry_release) = { .created_ms = 0 };
	struct cache_entry here CLEANUP(cache_entry_release) = { .created_ms = 0 };
	struct digest key;
	int r;

	if (!digest_parse(entry->id, &key) || cache_read(text->buf, text->len, &key, &result, err) < 0)
		return -1;
	r = cache_find(i->db, &key, &here, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	i->results++;
	return cache_store(i->db, &key, &result, err);
}

static int import_model(struct import *i, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;

	(void)entry;
	return model_record_read(text->buf, text->len, &record, err) < 0 ? -1
									 : model_record_import(i->db, record, &i->models, err);
}

static int import_data(struct import *i, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;

	(void)entry;
	return artifact_record_read(text->buf, text->len, &record, err) < 0 ? -1
									    : artifact_record_import(i->db, record, &i->models, err);
}

static int keep_statements(struct import *i, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	struct js *list;

	if (js_parse(text->buf, text->len, entry->name, &list, err) < 0)
		return -1;
	js_free(i->statements);
	i->statements = list;
	return 0;
}

/* The signature was checked with all of the bundle; what the statement says it is about is inside of it. */
static int read_subjects(const struct strbuf *envelope, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *json = NULL, *statement = NULL;
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	const char *payload;

	if (js_parse(envelope->buf, envelope->len, "a statement", &json, err) < 0)
		return -1;
	payload = js_get_str(json, "payload");
	if (!payload || !base64_decode(payload, &body) || js_count(body.buf, body.len) > JS_STRANGERS_MAX ||
	    js_parse(body.buf, body.len, "a statement", &statement, NULL) < 0)
		return error_set(err, ERR_DAMAGED, "a signed statement is no JSON");
	*ret = js_get(statement, "subject") ? js_ref(js_get(statement, "subject")) : js_array();
	return 0;
}

static int import_envelope(struct import *i, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	CLEANUP_JS struct js *subjects = NULL;
	struct attestation_new new = {
		.envelope = { .kind = CONTENT_FILE, .size = text->len, .files = 1 },
		.actor = i->models.actor, .origin = i->models.origin, .now_ms = i->models.now_ms,
	};
	int64_t id;

	digest_parse(entry->id, &new.envelope.id);
	if (read_subjects(text, &subjects, err) < 0)
		return -1;
	new.subjects = subjects;
	for (size_t k = 0; k < js_len(i->statements); k++) {
		const struct js *statement = js_at(i->statements, k);
		int r;

		if (strcmp(js_get_str(statement, "sha256"), entry->id) != 0)
			continue;
		new.subject = js_get_str(statement, "subject");
		new.predicate = js_get_str(statement, "predicate");
		new.key = js_get_str(statement, "key");
		r = attestation_add(i->db, &new, &id, err);
		if (r < 0)
			return -1;
		i->attestations += (uint64_t)r;
	}
	return 0;
}

static int (*const importers[BUNDLE_PARTS])(struct import *, const struct bundle_entry *, const struct strbuf *,
					     struct error *) = {
	[PART_RUN] = import_run,	       [PART_RESULT] = import_result,	  [PART_MODEL] = import_model,
	[PART_DATA] = import_data,	       [PART_STATEMENTS] = keep_statements, [PART_ENVELOPE] = import_envelope,
};

static int read_facts(struct import *i, struct bundle_reader *reader, struct error *err)
{
	struct bundle_entry entry;
	int r;

	while ((r = bundle_reader_next(reader, &entry, err)) > 0 && entry.part < PART_TREE) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		if (!importers[entry.part])
			continue;
		if (bundle_reader_all(reader, BUNDLE_FACT_MAX, &text, err) < 0 || importers[entry.part](i, &entry, &text, err) < 0)
			return error_wrap(err, "%s: %s", i->name, entry.name);
	}
	return r < 0 ? -1 : 0;
}

static int import_facts(struct import *i, struct error *err)
{
	CLEANUP(cleanup_bundle_reader) struct bundle_reader *reader = NULL;

	i->runs = i->results = i->attestations = 0;
	i->models.versions = i->models.aliases = i->models.data = 0;
	js_free(i->notes);
	i->notes = i->models.notes = js_array();
	return bundle_reader_open(i->fd, i->name, &reader, err) < 0 ? -1 : read_facts(i, reader, err);
}

/* Whether all fits what is here, before anything is stored. */
static int rehearse(struct import *i, struct error *err)
{
	int r;

	if (db_begin(i->db, err) < 0)
		return -1;
	r = import_facts(i, err);
	db_rollback(i->db);
	return r;
}

/* ---- bytes ---- */

static int need_space(struct import *i, struct error *err)
{
	uint64_t want = (uint64_t)js_get_int(i->known.head, "bytes", 0) + SPARE, have;
	struct statvfs fs;

	if (fstatvfs(i->ctx->project->homefd, &fs) < 0)
		return error_sys(err, errno, "cannot look how much room there is");
	have = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (want <= have)
		return 0;
	error_set(err, ERR_ENV, "the bundle takes up to %llu MiB, and the disk of %s has room for %llu",
		  (unsigned long long)((want >> 20) + 1), i->ctx->project->root, (unsigned long long)(have >> 20));
	return error_help(err, "free some disk space, then run the command again; nothing was changed");
}

static int report(struct import *i, size_t n, struct error *err)
{
	const struct progress *progress = i->ctx->progress;

	i->bytes += n;
	if (progress && progress->report(progress->ctx, "importing", i->files, i->bytes,
					 (uint64_t)js_get_int(i->known.head, "bytes", 0)))
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	return 0;
}

static int copy_entry(struct import *i, struct bundle_reader *reader, struct batch_stream *stream, struct error *err)
{
	char buf[PIECE];
	ssize_t n;

	while ((n = bundle_reader_read(reader, buf, sizeof(buf), err)) > 0)
		if (batch_stream_write(stream, buf, (size_t)n, err) < 0 || report(i, (size_t)n, err) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

static int store_entry(struct import *i, struct bundle_reader *reader, struct digest *ret, uint64_t *ret_size, struct error *err)
{
	struct batch_stream *stream;

	if (batch_stream_open(i->batch, &stream, err) < 0)
		return -1;
	if (copy_entry(i, reader, stream, err) < 0) {
		batch_stream_drop(stream);
		return -1;
	}
	return batch_stream_close(stream, ret, ret_size, err);
}

/* What has to stay forgotten here is left out, whoever sends it. */
static int store_object(struct import *i, struct bundle_reader *reader, const struct bundle_entry *entry, struct error *err)
{
	struct digest id;
	uint64_t size;

	i->files++;
	if (tombstone_find(i->store, &entry->digest, NULL)) {
		i->tombs++;
		return 0;
	}
	if (store_has(i->store, &entry->digest))
		return 0;
	if (store_entry(i, reader, &id, &size, err) < 0)
		return -1;
	i->objects++;
	return digest_equal(&id, &entry->digest) ? 0 : error_set(err, ERR_DAMAGED, "%s has changed while it was read", i->name);
}

static int store_fact(struct import *i, struct bundle_reader *reader, const struct bundle_entry *entry, struct error *err)
{
	struct digest id;
	uint64_t size;

	if (store_entry(i, reader, &id, &size, err) < 0)
		return -1;
	tree_add(&i->evidence, entry->name, ENTRY_FILE, &id, size, NULL);
	return 0;
}

static int store_all(struct import *i, struct error *err)
{
	CLEANUP(cleanup_bundle_reader) struct bundle_reader *reader = NULL;
	struct bundle_entry entry;
	struct digest digest;
	int r;

	if (need_space(i, err) < 0 || batch_open(i->store, &i->batch, err) < 0 ||
	    bundle_reader_open(i->fd, i->name, &reader, err) < 0)
		return -1;
	while ((r = bundle_reader_next(reader, &entry, err)) > 0)
		if ((entry.part < PART_TREE ? store_fact(i, reader, &entry, err) : store_object(i, reader, &entry, err)) < 0)
			return -1;
	if (r < 0)
		return -1;
	bundle_reader_digest(reader, &digest);
	if (!digest_equal(&digest, &i->known.digest))
		return error_set(err, ERR_CONFLICT, "%s has changed while it was read", i->name);
	i->kept = (struct content){ .kind = CONTENT_TREE };
	if (tree_seal(&i->evidence, err) < 0 || tree_write(&i->evidence, i->batch, &i->kept.id, err) < 0)
		return -1;
	i->kept.size = i->evidence.bytes;
	i->kept.files = i->evidence.len;
	return batch_commit(i->batch, err);
}

/* ---- the transaction ---- */

static int note_import(struct import *i, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();
	char hex[DIGEST_HEX + 1], text[CONTENT_TEXT];
	const struct op_event event = { .operation = "bundle.import", .subject = digest_format(&i->known.digest, hex), .body = body };
	const struct js *roots = js_get(i->known.head, "roots");
	int r = import_add(i->db, &i->known.digest, &i->kept, roots, i->models.actor, i->models.now_ms, err);

	i->repeated = r == 0;
	if (r <= 0)
		return r;
	js_set(body, "roots", js_ref(js_get(i->known.head, "roots")));
	js_set_str(body, "evidence", content_format(&i->kept, text));
	js_set_str(body, "log", js_get_str(i->known.summary, "log"));
	js_set(body, "signed_by", js_ref(js_get(i->known.summary, "signed_by")));
	return op_event(i->ctx, i->db, &event, err);
}

static int note_holes(struct import *i, struct error *err)
{
	const struct js *missing = js_get(i->known.head, "missing");
	struct digest id;

	for (size_t k = 0; k < js_len(missing); k++)
		if (digest_parse(js_get_str(js_at(missing, k), "sha256"), &id) && !store_has(i->store, &id) &&
		    import_hole_add(i->db, &id, err) < 0)
			return -1;
	return 0;
}

static int commit_facts(struct import *i, struct error *err)
{
	if (db_begin(i->db, err) < 0)
		return -1;
	if (import_facts(i, err) < 0 || note_import(i, err) < 0 || note_holes(i, err) < 0) {
		db_rollback(i->db);
		return -1;
	}
	return db_commit(i->db, err);
}

/* ---- the whole ---- */

static void add_notes(struct import *i, const struct js *known)
{
	CLEANUP(cleanup_free) char *note = NULL;

	if (i->tombs) {
		note = xasprintf("%llu of its objects %s forgotten here, and left out: mlops forget list --all",
				 (unsigned long long)i->tombs, i->tombs == 1 ? "was" : "were");
		js_push_str(i->notes, note);
	}
	if (!js_len(js_get(i->known.summary, "signed_by")))
		js_push_str(i->notes, "nobody has signed it");
	else if (!js_len(known))
		js_push_str(i->notes, "who signed it is not known here; if you know him: mlops key add --name NAME --public FILE");
}

static struct js *result_of(struct import *i)
{
	struct js *result = steal(&i->known.summary), *new = js_object(), *known;

	i->known.summary = js_ref(result);
	known = bundle_signers(i->db, result);
	add_notes(i, known);
	js_set_int(new, "runs", (int64_t)i->runs);
	js_set_int(new, "results", (int64_t)i->results);
	js_set_int(new, "versions", i->models.versions);
	js_set_int(new, "aliases", i->models.aliases);
	js_set_int(new, "data", i->models.data);
	js_set_int(new, "attestations", (int64_t)i->attestations);
	js_set_int(new, "objects", (int64_t)i->objects);
	js_set(result, "new", new);
	js_set(result, "known_keys", known);
	js_set(result, "notes", js_ref(i->notes));
	js_set_bool(result, "repeated", i->repeated);
	return result;
}

int bundle_import(struct op_context *ctx, int fd, const char *name, const struct js *trusted, struct js **ret, struct error *err)
{
	CLEANUP(import_release) struct import i = {
		.ctx = ctx, .fd = fd, .name = name, .locks = DATA_LOCKS_INIT, .evidence = TREE_INIT, .notes = js_array(),
		.models = { .actor = op_actor(ctx), .origin = "bundle", .from = i.from, .now_ms = clock_wall_ms() },
	};
	char hex[DIGEST_HEX + 1];

	if (bundle_check(fd, name, trusted, &i.known, err) < 0)
		return -1;
	snprintf(i.from, sizeof(i.from), "bundle %.12s", digest_format(&i.known.digest, hex));
	if (project_db(ctx->project, &i.db, err) < 0 || project_store(ctx->project, &i.store, err) < 0 ||
	    rehearse(&i, err) < 0 || data_lock_store(ctx, &i.locks, err) < 0 || store_all(&i, err) < 0 ||
	    commit_facts(&i, err) < 0)
		return -1;
	*ret = result_of(&i);
	return 0;
}
