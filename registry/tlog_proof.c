/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/tlog_proof.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define HEAD "c2sp.org/tlog-proof@v1"

void tlog_proof_release(struct tlog_proof *proof)
{
	free(proof->entry);
	checkpoint_release(&proof->checkpoint);
	proof->entry = NULL;
}

/* ---- reading ---- */

struct reader {
	const char *at, *end;
	const char *line; /* the current one */
	size_t len;
	int number;
};

/* false: there is none, or it does not end. */
static bool next_line(struct reader *r)
{
	const char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));

	r->number++;
	if (!stop)
		return false;
	r->line = r->at;
	r->len = (size_t)(stop - r->at);
	r->at = stop + 1;
	return true;
}

static int bad_line(const struct reader *r, const char *what, struct error *err)
{
	return error_set(err, ERR_USAGE, "it is no proof of a log: line %d: %s", r->number, what);
}

/* Without its beginning, when it has that. */
static bool begins(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if (r->len < len || memcmp(r->line, word, len) != 0)
		return false;
	r->line += len;
	r->len -= len;
	return true;
}

/* One text for one value: what we would have written. */
static bool read_base64(const struct reader *r, struct strbuf *ret)
{
	CLEANUP(cleanup_free) char *text = xstrndup(r->line, r->len);
	CLEANUP_STRBUF struct strbuf again = STRBUF_INIT;

	if (strlen(text) != r->len || !base64_decode(text, ret))
		return false;
	base64_encode(ret->buf, ret->len, &again);
	return !strcmp(again.buf, text);
}

static bool read_index(const struct reader *r, uint64_t *ret)
{
	uint64_t n = 0;

	if (!r->len || r->len > 18 || (r->len > 1 && *r->line == '0'))
		return false;
	for (size_t i = 0; i < r->len; i++) {
		if (r->line[i] < '0' || r->line[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(r->line[i] - '0');
	}
	*ret = n;
	return true;
}

static int read_head(struct reader *r, struct strbuf *entry, uint64_t *ret_index, struct error *err)
{
	if (!next_line(r) || r->len != strlen(HEAD) || !begins(r, HEAD))
		return bad_line(r, "it begins with " HEAD, err);
	if (!next_line(r) || !begins(r, "extra ") || !read_base64(r, entry) || !entry->len)
		return bad_line(r, "the event is missing: extra BASE64", err);
	if (!next_line(r) || !begins(r, "index ") || !read_index(r, ret_index))
		return bad_line(r, "the number of the leaf is missing: index N", err);
	return 0;
}

static int read_path(struct reader *r, struct merkle_proof *ret, struct error *err)
{
	ret->len = 0;
	while (next_line(r) && r->len) {
		CLEANUP_STRBUF struct strbuf hash = STRBUF_INIT;

		if (ret->len == MERKLE_PROOF || !read_base64(r, &hash) || hash.len != sizeof(ret->hash[0].b))
			return bad_line(r, ret->len == MERKLE_PROOF ? "too many hashes" : "it is no SHA-256 hash in base64", err);
		memcpy(ret->hash[ret->len++].b, hash.buf, hash.len);
	}
	return r->at < r->end ? 0 : bad_line(r, "the checkpoint is missing; was it cut off?", err);
}

int tlog_proof_parse(const char *text, size_t len, struct tlog_proof *ret, struct error *err)
{
	struct reader r = { .at = text, .end = text + len };
	CLEANUP_STRBUF struct strbuf entry = STRBUF_INIT;
	struct tlog_proof proof;

	if (len > TLOG_PROOF_MAX)
		return error_set(err, ERR_USAGE, "it is no proof of a log: it has more than %u bytes", TLOG_PROOF_MAX);
	if (read_head(&r, &entry, &proof.index, err) < 0 || read_path(&r, &proof.path, err) < 0)
		return -1;
	if (checkpoint_parse(r.at, (size_t)(r.end - r.at), &proof.checkpoint, err) < 0)
		return error_wrap(err, "the checkpoint from line %d on", r.number + 1);
	proof.len = entry.len;
	proof.entry = strbuf_detach(&entry);
	*ret = proof;
	return 0;
}

/* ---- checking ---- */

int tlog_proof_check(const struct tlog_proof *proof, struct error *err)
{
	const struct checkpoint *cp = &proof->checkpoint;
	CLEANUP_JS struct js *event = NULL;
	struct digest leaf;

	merkle_leaf(proof->entry, proof->len, &leaf);
	if (proof->index >= cp->size)
		return error_set(err, ERR_DAMAGED, "the proof is of leaf %" PRIu64 ", and the log of its checkpoint has %" PRIu64,
				 proof->index, cp->size);
	if (!merkle_included(&leaf, proof->index, cp->size, &proof->path, &cp->root))
		return error_set(err, ERR_DAMAGED, "the event of the proof is not in the log of its checkpoint");
	if (js_count(proof->entry, proof->len) > JS_STRANGERS_MAX ||
	    js_parse(proof->entry, proof->len, "the event", &event, NULL) < 0 ||
	    js_get_int(event, "seq", 0) != (int64_t)proof->index + 1)
		return error_set(err, ERR_DAMAGED, "leaf %" PRIu64 " of the log is no event of that number", proof->index);
	return 0;
}
