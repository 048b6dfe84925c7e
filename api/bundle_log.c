/* SPDX-License-Identifier: Apache-2.0 */
#include "api/bundle_log.h"
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/error.h"
#include "base/mem.h"

#define BAD(...) error_set(err, ERR_DAMAGED, __VA_ARGS__)
#define KEYS_MAX 4096
#define LEAF_MAX (64u << 20)

void bundle_log_release(struct bundle_log *log)
{
	free(log->keys);
	checkpoint_release(&log->checkpoint);
	strbuf_release(&log->line);
}

/* ---- keys and the checkpoint ---- */

int bundle_log_key(struct bundle_log *log, const char *id, const struct strbuf *pem, struct error *err)
{
	CLEANUP_STRBUF struct strbuf again = STRBUF_INIT;
	struct bundle_key key;

	if (log->nkeys == KEYS_MAX)
		return BAD("there are more than %d keys", KEYS_MAX);
	if (sign_public_parse(pem->buf, pem->len, &key.key, NULL) < 0)
		return BAD("key %.12s is no Ed25519 public key", id);
	sign_public_id(&key.key, key.id);
	sign_public_pem(&key.key, &again);
	if (strcmp(key.id, id) != 0 || again.len != pem->len || memcmp(again.buf, pem->buf, again.len) != 0)
		return BAD("key %.12s is not the one that its name says", id);
	GROW(log->keys, log->nkeys, log->keys_cap);
	log->keys[log->nkeys++] = key;
	return 0;
}

const struct sign_public *bundle_log_find(const struct bundle_log *log, const char *id)
{
	for (size_t i = 0; i < log->nkeys; i++)
		if (!strcmp(log->keys[i].id, id))
			return &log->keys[i].key;
	return NULL;
}

int bundle_log_checkpoint(struct bundle_log *log, const struct strbuf *note, struct error *err)
{
	struct checkpoint checkpoint;

	if (checkpoint_parse(note->buf, note->len, &checkpoint, err) < 0) {
		if (err)
			err->code = ERR_DAMAGED;
		return -1;
	}
	log->checkpoint = checkpoint;
	for (size_t i = 0; i < log->nkeys; i++)
		if (checkpoint_signed_by(&checkpoint, &log->keys[i].key))
			return 0;
	return BAD("the checkpoint of the log is signed by none of its keys");
}

static int need_checkpoint(const struct bundle_log *log, struct error *err)
{
	return log->checkpoint.note ? 0 : BAD("there are events, and no checkpoint of their log");
}

/* ---- proofs: c2sp.org/tlog-proof ---- */

struct text {
	const char *at, *end;
};

/* The next line, cut at its end; NULL: there is none that ends. The caller frees. */
static char *next_line(struct text *text)
{
	const char *stop = memchr(text->at, '\n', (size_t)(text->end - text->at));
	const char *start = text->at;

	if (!stop)
		return NULL;
	text->at = stop + 1;
	return xstrndup(start, (size_t)(stop - start));
}

static bool take_line(struct text *text, const char *want)
{
	CLEANUP(cleanup_free) char *line = next_line(text);

	return line && !strcmp(line, want);
}

static bool read_hash(const char *line, struct digest *ret)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;

	if (!base64_decode(line, &bytes) || bytes.len != sizeof(ret->b))
		return false;
	memcpy(ret->b, bytes.buf, sizeof(ret->b));
	return true;
}

static bool read_hashes(struct text *text, struct merkle_proof *ret)
{
	ret->len = 0;
	for (;;) {
		CLEANUP(cleanup_free) char *line = next_line(text);

		if (!line || (*line && (ret->len == MERKLE_PROOF || !read_hash(line, &ret->hash[ret->len]))))
			return false;
		if (!*line)
			return true;
		ret->len++;
	}
}

int bundle_log_proof(struct bundle_log *log, uint64_t seq, const struct strbuf *proof, struct error *err)
{
	CLEANUP(cleanup_free) char *index = xasprintf("index %llu", (unsigned long long)(seq - 1)), *extra = NULL;
	CLEANUP_STRBUF struct strbuf leaf_text = STRBUF_INIT;
	struct text text = { proof->buf, proof->buf + proof->len };
	struct merkle_proof hashes;
	struct digest leaf;

	if (need_checkpoint(log, err) < 0)
		return -1;
	if (!take_line(&text, "c2sp.org/tlog-proof@v1") || !(extra = next_line(&text)) || strncmp(extra, "extra ", 6) != 0 ||
	    !base64_decode(extra + 6, &leaf_text) || !take_line(&text, index) || !read_hashes(&text, &hashes))
		return BAD("event %llu has no proof", (unsigned long long)seq);
	merkle_leaf(leaf_text.buf, leaf_text.len, &leaf);
	if ((size_t)(text.end - text.at) != strlen(log->checkpoint.note) ||
	    memcmp(text.at, log->checkpoint.note, (size_t)(text.end - text.at)) != 0 || seq > log->checkpoint.size ||
	    !merkle_included(&leaf, seq - 1, log->checkpoint.size, &hashes, &log->checkpoint.root))
		return BAD("event %llu is not in the log of the checkpoint", (unsigned long long)seq);
	return 0;
}

/* ---- the whole log ---- */

static int keep_nothing(void *ctx, int level, uint64_t index, const struct digest *hash, struct error *err)
{
	(void)ctx, (void)level, (void)index, (void)hash, (void)err;
	return 0;
}

static int add_leaf(struct bundle_log *log, struct error *err)
{
	struct digest leaf;

	merkle_leaf(log->line.buf, log->line.len, &leaf);
	strbuf_clear(&log->line);
	return merkle_append(&log->edge, &leaf, keep_nothing, NULL, err);
}

int bundle_log_leaves(struct bundle_log *log, const char *text, size_t len, struct error *err)
{
	const char *end = text + len;

	if (need_checkpoint(log, err) < 0)
		return -1;
	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		strbuf_add(&log->line, text, (size_t)((stop ? stop : end) - text));
		if (log->line.len > LEAF_MAX)
			return BAD("an event has more than %u bytes", LEAF_MAX);
		if (!stop)
			return 0;
		if (add_leaf(log, err) < 0)
			return -1;
		text = stop + 1;
	}
	return 0;
}

int bundle_log_leaves_end(struct bundle_log *log, uint64_t *ret_count, struct error *err)
{
	struct digest root;

	if (need_checkpoint(log, err) < 0)
		return -1;
	merkle_edge_root(&log->edge, &root);
	if (log->line.len || log->edge.size != log->checkpoint.size || !digest_equal(&root, &log->checkpoint.root))
		return BAD("the events are not the log of the checkpoint: some were changed, removed or added");
	*ret_count = log->edge.size;
	return 0;
}
