/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a bundle is one: every name, size, digest, record, tree and signature, and that all that is named is there.
 * One pass, which writes nothing but the trees' objects into a file without a name: trees are read when all of them came.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "api/bundle_check.h"
#include "base/digest.h"
#include "base/dsse.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/cache.h"
#include "registry/model_records.h"
#include "registry/records.h"

#define BAD(...) error_set(err, ERR_DAMAGED, __VA_ARGS__)

static void check_release(struct check *c)
{
	bundle_reader_close(c->reader);
	js_free(c->head);
	js_free(c->statements);
	strbuf_release(&c->sums);
	bundle_log_release(&c->log);
	strmap_release(&c->trees);
	strmap_release(&c->holes);
	bundle_objects_release(&c->wanted);
	cleanup_fd(&c->scratch);
	free(c->texts);
}

/* ---- the facts ---- */

/* A text that is JSON in its canonical form. */
static int read_json(const struct strbuf *text, const char *name, struct js **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf again = STRBUF_INIT;
	CLEANUP_JS struct js *json = NULL;

	if (js_count(text->buf, text->len) > JS_STRANGERS_MAX)
		return BAD("%s holds more than %d values", name, JS_STRANGERS_MAX);
	if (js_parse(text->buf, text->len, name, &json, err) < 0) {
		if (err)
			err->code = ERR_DAMAGED;
		return -1;
	}
	js_dump(json, JS_CANONICAL, &again);
	if (again.len != text->len || memcmp(again.buf, text->buf, again.len) != 0)
		return BAD("%s is not written in its canonical form", name);
	*ret = steal(&json);
	return 0;
}

static int check_format(const struct js *head, struct error *err)
{
	int64_t format = js_get_int(head, "format", 0);

	if (format == BUNDLE_FORMAT)
		return 0;
	if (format < BUNDLE_FORMAT)
		return BAD("bundle.json names no format");
	error_set(err, ERR_UNSUPPORTED, "the bundle has format %lld, and this program knows %d", (long long)format, BUNDLE_FORMAT);
	return error_help(err, "read it with a newer mlops");
}

static int read_holes(struct check *c, struct error *err)
{
	const struct js *missing = js_get(c->head, "missing");

	for (size_t i = 0; i < js_len(missing); i++) {
		const char *hex = js_get_str(js_at(missing, i), "sha256");
		struct digest id;

		if (!hex || !digest_parse(hex, &id))
			return BAD("bundle.json says that something is missing, and not what");
		strmap_set(&c->holes, hex, c);
	}
	return 0;
}

static bool are_texts(const struct js *list)
{
	for (size_t i = 0; i < js_len(list); i++)
		if (!js_text(js_at(list, i)))
			return false;
	return js_len(list) > 0;
}

static int take_head(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	if (read_json(text, entry->name, &c->head, err) < 0 || check_format(c->head, err) < 0)
		return -1;
	if (js_get_int(c->head, "objects", -1) < 0 || js_get_int(c->head, "bytes", -1) < 0 || !are_texts(js_get(c->head, "roots")))
		return BAD("bundle.json does not say what it holds");
	return read_holes(c, err);
}

static int take_signature(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	(void)entry;
	if (text->len != SIGN_SIGNATURE)
		return BAD("the signature has %zu bytes instead of %d", text->len, SIGN_SIGNATURE);
	memcpy(c->signature, text->buf, SIGN_SIGNATURE);
	c->is_signed = true;
	return 0;
}

static int take_key(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	return bundle_log_key(&c->log, entry->id, text, err);
}

static int take_checkpoint(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	(void)entry;
	return bundle_log_checkpoint(&c->log, text, err);
}

static int take_proof(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	if (bundle_log_proof(&c->log, (uint64_t)strtoull(entry->id, NULL, 10), text, err) < 0)
		return -1;
	c->events++;
	return 0;
}

static int take_run(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;

	if (record_read(text->buf, text->len, entry->id, &record, err) < 0)
		return -1;
	c->records++;
	return record_each_content(record, check_want, c, err);
}

static int take_result(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	struct cache_entry result CLEANUP(cache_entry_release) = { .created_ms = 0 };
	struct digest key;

	if (!digest_parse(entry->id, &key) || cache_read(text->buf, text->len, &key, &result, err) < 0)
		return -1;
	c->records++;
	for (size_t i = 0; i < result.noutputs; i++)
		check_want(c, &result.outputs[i].content);
	return 0;
}

/* Records of named things stand at the digest of their names. */
static int check_place(const struct bundle_entry *entry, const struct js *record, struct error *err)
{
	const char *name = js_get_str(record, "name");
	char hex[DIGEST_HEX + 1];
	struct digest id;

	digest_of(name, strlen(name), &id);
	return strcmp(digest_format(&id, hex), entry->id) ? BAD("%.80s does not stand at its name", name) : 0;
}

static int take_model(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;

	if (model_record_read(text->buf, text->len, &record, err) < 0 || check_place(entry, record, err) < 0)
		return -1;
	c->records++;
	return model_record_each_content(record, check_want, c);
}

static int take_data(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;

	if (artifact_record_read(text->buf, text->len, &record, err) < 0 || check_place(entry, record, err) < 0)
		return -1;
	c->records++;
	return artifact_record_each_content(record, check_want, c);
}

static int take_statements(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	static const char *const keys[] = { "subject", "predicate", "key", "sha256" };
	struct js *list;

	if (read_json(text, entry->name, &list, err) < 0)
		return -1;
	c->statements = list;
	for (size_t i = 0; i < js_len(list); i++)
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			if (!js_get_str(js_at(list, i), keys[k]))
				return BAD("a statement has no %s", keys[k]);
	return 0;
}

/* Every statement that names this envelope was signed by the key it names, and that key is there. */
static int take_envelope(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	CLEANUP_JS struct js *envelope = NULL;
	char hex[DIGEST_HEX + 1];
	bool named = false;
	struct digest id;

	digest_of(text->buf, text->len, &id);
	if (strcmp(digest_format(&id, hex), entry->id) != 0)
		return BAD("'%s' is not what its name says", entry->name);
	if (js_count(text->buf, text->len) > JS_STRANGERS_MAX || js_parse(text->buf, text->len, entry->name, &envelope, NULL) < 0)
		return BAD("'%s' is no signed statement", entry->name);
	for (size_t i = 0; i < js_len(c->statements); i++) {
		const struct js *statement = js_at(c->statements, i);
		CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
		const struct sign_public *key;

		if (strcmp(js_get_str(statement, "sha256"), entry->id) != 0)
			continue;
		named = true;
		key = bundle_log_find(&c->log, js_get_str(statement, "key"));
		if (!key || dsse_open(envelope, DSSE_IN_TOTO, key, &body, NULL) != 1)
			return BAD("the statement about %.80s is not signed by key %.12s", js_get_str(statement, "subject"),
				   js_get_str(statement, "key"));
		c->envelopes++;
	}
	return named ? 0 : BAD("no statement is in '%s'", entry->name);
}

static int take_any(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;

	(void)c;
	return read_json(text, entry->name, &json, err);
}

static int take_readme(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	(void)c, (void)entry, (void)text, (void)err;
	return 0;
}

static int (*const takers[BUNDLE_PARTS])(struct check *, const struct bundle_entry *, const struct strbuf *, struct error *) = {
	[PART_HEAD] = take_head,	   [PART_README] = take_readme,	    [PART_SIGNATURE] = take_signature,
	[PART_KEY] = take_key,		   [PART_CHECKPOINT] = take_checkpoint, [PART_PROOF] = take_proof,
	[PART_RUN] = take_run,		   [PART_RESULT] = take_result,	    [PART_MODEL] = take_model,
	[PART_DATA] = take_data,	   [PART_STATEMENTS] = take_statements, [PART_ENVELOPE] = take_envelope,
	[PART_REPRODUCTIONS] = take_any,   [PART_LINEAGE] = take_any,
};

/* ---- SHA256SUMS ---- */

/* Its lines stand in the order of the entries, so the next one is this entry's. What came before SHA256SUMS is compared
 * when that is there: see take_sums. */
static int match_line(struct check *c, const char *name, const struct digest *id, struct error *err)
{
	char want[DIGEST_HEX + TAR_NAME + 8], hex[DIGEST_HEX + 1];
	int len = snprintf(want, sizeof(want), "%s  %s\n", digest_format(id, hex), name);

	if (c->sums.len - c->line < (size_t)len || memcmp(c->sums.buf + c->line, want, (size_t)len) != 0)
		return BAD("'%s' is not what SHA256SUMS says", name);
	c->line += (size_t)len;
	return 0;
}

struct early {
	char name[TAR_NAME + 1];
	struct digest id;
};

static int take_sums(struct check *c, const struct early *early, size_t n, struct error *err)
{
	if (bundle_reader_all(c->reader, BUNDLE_SUMS_MAX, &c->sums, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (match_line(c, early[i].name, &early[i].id, err) < 0)
			return -1;
	return 0;
}

/* ---- the log as a whole ---- */

static int take_events(struct check *c, struct hasher *hasher, struct error *err)
{
	char piece[65536];
	ssize_t n;

	while ((n = bundle_reader_read(c->reader, piece, sizeof(piece), err)) > 0) {
		hasher_update(hasher, piece, (size_t)n);
		if (bundle_log_leaves(&c->log, piece, (size_t)n, err) < 0)
			return -1;
	}
	return n < 0 ? -1 : bundle_log_leaves_end(&c->log, &c->events, err);
}

/* ---- the whole ---- */

static int take_fact(struct check *c, const struct bundle_entry *entry, struct digest *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct hasher hasher;
	int r;

	if (entry->part == PART_EVENTS) {
		hasher_init(&hasher);
		r = take_events(c, &hasher, err);
		hasher_final(&hasher, ret);
		return r;
	}
	if (bundle_reader_all(c->reader, BUNDLE_FACT_MAX, &text, err) < 0)
		return -1;
	digest_of(text.buf, text.len, ret);
	return takers[entry->part](c, entry, &text, err);
}

static int take_entry(struct check *c, const struct bundle_entry *entry, struct early early[2], struct error *err)
{
	struct digest id;

	if (entry->part >= PART_TREE)
		return check_object(c, entry, err);
	if (entry->part == PART_SUMS)
		return take_sums(c, early, 2, err);
	if (entry->part > PART_SUMS && !c->sums.len)
		return BAD("there is no SHA256SUMS");
	if (take_fact(c, entry, &id, err) < 0)
		return -1;
	if (entry->part < PART_SUMS) {
		memcpy(early[entry->part].name, entry->name, sizeof(entry->name));
		early[entry->part].id = id;
		return 0;
	}
	return bundle_is_fact(entry->part) ? match_line(c, entry->name, &id, err) : 0;
}

static int check_end(struct check *c, struct error *err)
{
	if (!c->sums.len || c->line != c->sums.len)
		return BAD("SHA256SUMS names more than there is");
	if (c->envelopes != js_len(c->statements))
		return BAD("a signed statement is missing");
	return check_objects_end(c, err);
}

/* Keys that are in the bundle, or given, and signed SHA256SUMS. */
static int find_signers(struct check *c, const struct js *trusted, struct js *ret, struct error *err)
{
	bool wanted = js_len(trusted) > 0, found = false;

	for (size_t i = 0; c->is_signed && i < js_len(trusted); i++) {
		const char *pem = js_text(js_at(trusted, i));
		struct sign_public key;

		if (!pem || sign_public_parse(pem, strlen(pem), &key, err) < 0)
			return -1;
		found |= sign_verify(&key, c->sums.buf, c->sums.len, c->signature);
	}
	for (size_t i = 0; c->is_signed && i < c->log.nkeys; i++)
		if (sign_verify(&c->log.keys[i].key, c->sums.buf, c->sums.len, c->signature))
			js_push_str(ret, c->log.keys[i].id);
	if (c->is_signed && !js_len(ret) && !found)
		return BAD("its signature is of none of its keys");
	if (wanted && !found) {
		error_set(err, ERR_VERDICT, c->is_signed ? "it is not signed by a key that you gave" : "it is not signed");
		return error_help(err, "ask who sent it for his key: mlops key show");
	}
	return 0;
}

static struct js *summary_of(struct check *c, const struct digest *digest, struct js *signers)
{
	struct js *summary = js_object();
	char hex[DIGEST_HEX + 1];

	js_set_int(summary, "format", BUNDLE_FORMAT);
	js_set(summary, "roots", js_ref(js_get(c->head, "roots")));
	js_set_int(summary, "objects", (int64_t)c->objects);
	js_set_int(summary, "bytes", (int64_t)c->bytes);
	js_set_int(summary, "records", (int64_t)c->records);
	js_set_int(summary, "events", (int64_t)c->events);
	js_set_int(summary, "attestations", (int64_t)js_len(c->statements));
	js_set_str(summary, "log", c->log.checkpoint.origin);
	if (js_len(js_get(c->head, "missing")))
		js_set(summary, "missing", js_ref(js_get(c->head, "missing")));
	js_set(summary, "signed_by", js_ref(signers));
	js_set_str(summary, "digest", digest_format(digest, hex));
	return summary;
}

static int run_check(struct check *c, const char *name, const struct js *trusted, struct bundle_known *ret, struct error *err)
{
	struct early early[2] = { { .name = "" }, { .name = "" } };
	CLEANUP_JS struct js *signers = js_array();
	struct bundle_entry entry;
	int r;

	while ((r = bundle_reader_next(c->reader, &entry, err)) > 0)
		if (take_entry(c, &entry, early, err) < 0)
			return error_wrap(err, "%s", name);
	if (r < 0)
		return -1;
	if (!c->head)
		return BAD("%s is no bundle: it is empty", name);
	if (check_end(c, err) < 0 || find_signers(c, trusted, signers, err) < 0)
		return error_wrap(err, "%s", name);
	bundle_reader_digest(c->reader, &ret->digest);
	ret->summary = summary_of(c, &ret->digest, signers);
	ret->head = steal(&c->head);
	return 0;
}

void bundle_known_release(struct bundle_known *known)
{
	js_free(known->head);
	js_free(known->summary);
}

int bundle_check(int fd, const char *name, const struct js *trusted, struct bundle_known *ret, struct error *err)
{
	struct bundle_known known = { .head = NULL };
	CLEANUP(check_release) struct check c = { .sums = STRBUF_INIT, .scratch = -1, .log = BUNDLE_LOG_INIT };

	if (bundle_reader_open(fd, name, &c.reader, err) < 0)
		return -1;
	if (run_check(&c, name, trusted, &known, err) < 0) {
		bundle_known_release(&known);
		return -1;
	}
	*ret = known;
	return 0;
}

int bundle_verify(int fd, const char *name, const struct js *trusted, struct js **ret_summary, struct error *err)
{
	CLEANUP(bundle_known_release) struct bundle_known known = { .head = NULL };

	if (bundle_check(fd, name, trusted, &known, err) < 0)
		return -1;
	*ret_summary = steal(&known.summary);
	return 0;
}
