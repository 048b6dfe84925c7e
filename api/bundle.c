/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a bundle: what was gathered, in its order, as one tar in one zstd frame. */
#include "api/bundle.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "api/bundle_gather.h"
#include "api/ops.h"
#include "base/compress.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "registry/project.h"
#include "registry/signing_keys.h"
#include "store/store.h"

#define PIECE 65536

struct writer {
	struct gather *gather;
	struct compressor *zstd;
	struct sign_key *key; /* NULL: it is not signed */
	uint64_t files, bytes;
};

static int put_padding(struct writer *w, uint64_t size, struct error *err)
{
	static const char zeros[TAR_BLOCK];

	return compress_add(w->zstd, zeros, TAR_PADDING(size), err);
}

static int put_header(struct writer *w, const char *name, uint64_t size, struct error *err)
{
	uint8_t block[TAR_BLOCK];

	tar_header(name, size, block);
	return compress_add(w->zstd, block, sizeof(block), err);
}

static int put_text(struct writer *w, enum bundle_part part, const void *text, size_t len, struct error *err)
{
	char name[TAR_NAME + 1];

	bundle_name(part, "", name);
	return put_header(w, name, len, err) < 0 || compress_add(w->zstd, text, len, err) < 0 ? -1 : put_padding(w, len, err);
}

/* ---- facts ---- */

static int by_place(const void *a, const void *b)
{
	const struct bundle_fact *x = a, *y = b;

	return x->part != y->part ? (x->part > y->part) - (x->part < y->part) : strcmp(x->name, y->name);
}

static int read_piece(struct gather *g, const struct bundle_fact *fact, uint64_t at, char *buf, size_t *ret, struct error *err)
{
	size_t want = fact->size - at < PIECE ? (size_t)(fact->size - at) : PIECE;

	if (pread(g->scratch, buf, want, (off_t)(fact->at + at)) != (ssize_t)want)
		return error_sys(err, errno, "cannot read what was set aside for the bundle");
	*ret = want;
	return 0;
}

static int hash_fact(struct gather *g, struct bundle_fact *fact, struct error *err)
{
	struct hasher hasher;
	char buf[PIECE];
	size_t n = 0;
	int r = 0;

	hasher_init(&hasher);
	for (uint64_t at = 0; r == 0 && at < fact->size; at += n) {
		r = read_piece(g, fact, at, buf, &n, err);
		if (r == 0)
			hasher_update(&hasher, buf, n);
	}
	hasher_final(&hasher, &fact->id);
	return r;
}

static int put_fact(struct writer *w, const struct bundle_fact *fact, struct error *err)
{
	char buf[PIECE];
	size_t n;

	if (put_header(w, fact->name, fact->size, err) < 0)
		return -1;
	for (uint64_t at = 0; at < fact->size; at += n)
		if (read_piece(w->gather, fact, at, buf, &n, err) < 0 || compress_add(w->zstd, buf, n, err) < 0)
			return -1;
	return put_padding(w, fact->size, err);
}

/* ---- the first four ---- */

static void add_line(struct strbuf *sums, const struct digest *id, const char *name)
{
	char hex[DIGEST_HEX + 1];

	strbuf_printf(sums, "%s  %s\n", digest_format(id, hex), name);
}

static void add_text(struct strbuf *sums, enum bundle_part part, const struct strbuf *text)
{
	char name[TAR_NAME + 1];
	struct digest id;

	bundle_name(part, "", name);
	digest_of(text->buf, text->len, &id);
	add_line(sums, &id, name);
}

static void write_head(const struct gather *g, struct strbuf *ret)
{
	CLEANUP_JS struct js *head = js_object();

	js_set_int(head, "format", BUNDLE_FORMAT);
	js_set(head, "roots", js_ref(g->roots));
	js_set_int(head, "objects", (int64_t)(g->objects.len + g->trees.len));
	js_set_int(head, "bytes", (int64_t)g->bytes);
	if (js_len(g->missing))
		js_set(head, "missing", js_ref(g->missing));
	js_dump(head, JS_CANONICAL, ret);
}

static int put_first(struct writer *w, struct error *err)
{
	CLEANUP_STRBUF struct strbuf head = STRBUF_INIT, readme = STRBUF_INIT, sums = STRBUF_INIT;
	uint8_t signature[SIGN_SIGNATURE];
	char id[SIGN_ID + 1];
	struct sign_public public;

	if (w->key) {
		sign_key_public(w->key, &public);
		sign_public_id(&public, id);
	}
	write_head(w->gather, &head);
	bundle_readme(w->gather, w->key ? id : NULL, &readme);
	add_text(&sums, PART_HEAD, &head);
	add_text(&sums, PART_README, &readme);
	for (size_t i = 0; i < w->gather->nfacts; i++) {
		if (hash_fact(w->gather, &w->gather->facts[i], err) < 0)
			return -1;
		add_line(&sums, &w->gather->facts[i].id, w->gather->facts[i].name);
	}
	if (sums.len > BUNDLE_SUMS_MAX)
		return error_set(err, ERR_TOO_LARGE, "there are too many records for one bundle: %zu", w->gather->nfacts);
	if (put_text(w, PART_HEAD, head.buf, head.len, err) < 0 || put_text(w, PART_README, readme.buf, readme.len, err) < 0 ||
	    put_text(w, PART_SUMS, sums.buf, sums.len, err) < 0)
		return -1;
	if (!w->key)
		return 0;
	return sign_bytes(w->key, sums.buf, sums.len, signature, err) < 0
		       ? -1
		       : put_text(w, PART_SIGNATURE, signature, sizeof(signature), err);
}

/* ---- objects ---- */

static int stopped(struct writer *w, size_t n, struct error *err)
{
	const struct progress *progress = w->gather->ctx->progress;

	w->bytes += n;
	if (progress && progress->report(progress->ctx, "bundling", w->files, w->bytes, w->gather->bytes))
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	return 0;
}

/* What is not what its name says never leaves this machine. */
static int copy_object(struct writer *w, int fd, const struct bundle_object *object, struct error *err)
{
	char buf[PIECE], hex[DIGEST_HEX + 1];
	struct hasher hasher;
	struct digest id;
	uint64_t at = 0;
	ssize_t n;
	int r = 0;

	hasher_init(&hasher);
	while (r == 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		at += (uint64_t)n;
		hasher_update(&hasher, buf, (size_t)n);
		r = at > object->size ? 0 : compress_add(w->zstd, buf, (size_t)n, err);
		if (r == 0)
			r = stopped(w, (size_t)n, err);
	}
	hasher_final(&hasher, &id);
	if (r < 0)
		return -1;
	if (at == object->size && digest_equal(&id, &object->id))
		return put_padding(w, object->size, err);
	error_set(err, ERR_DAMAGED, "object %.12s is damaged", digest_format(&object->id, hex));
	return error_help(err, "look what else is, and how to repair it: mlops fsck");
}

static int put_objects(struct writer *w, enum bundle_part part, const struct bundle_objects *set, struct error *err)
{
	for (size_t i = 0; i < set->len; i++) {
		char name[TAR_NAME + 1], hex[DIGEST_HEX + 1];
		CLEANUP(cleanup_fd) int fd = -1;
		uint64_t size;

		digest_format(&set->v[i].id, hex);
		bundle_name(part, hex, name);
		fd = store_open_object(w->gather->store, &set->v[i].id, &size, err);
		if (fd < 0 || put_header(w, name, set->v[i].size, err) < 0 || copy_object(w, fd, &set->v[i], err) < 0)
			return -1;
		w->files++;
	}
	return 0;
}

/* ---- the whole ---- */

static int put_all(struct writer *w, struct error *err)
{
	static const char end[TAR_END * TAR_BLOCK];
	struct gather *g = w->gather;

	if (g->nfacts)
		qsort(g->facts, g->nfacts, sizeof(*g->facts), by_place);
	if (put_first(w, err) < 0)
		return -1;
	for (size_t i = 0; i < g->nfacts; i++)
		if (put_fact(w, &g->facts[i], err) < 0)
			return -1;
	if (put_objects(w, PART_TREE, &g->trees, err) < 0 || put_objects(w, PART_OBJECT, &g->objects, err) < 0)
		return -1;
	return compress_add(w->zstd, end, sizeof(end), err) < 0 ? -1 : compress_end(w->zstd, err);
}

/* A bundle may go without a signature: who receives it is told. */
static int load_key(struct gather *g, struct sign_key **ret, struct error *err)
{
	struct signing_public public = { .name = NULL };
	struct error why = { 0 };

	if (signing_key_load(g->ctx->project, ret, &public, &why) == 0) {
		signing_public_release(&public);
		return 0;
	}
	if (why.code != ERR_NOT_FOUND && why.code != ERR_AUTH) {
		if (err)
			*err = why;
		return -1;
	}
	js_push_str(g->notes, "the bundle is not signed");
	js_push_str(g->notes, why.msg);
	return 0;
}

static int write_gathered(struct gather *g, int fd, const char *file, struct error *err)
{
	CLEANUP(cleanup_compressor) struct compressor *zstd = compress_to(fd, file);
	CLEANUP(cleanup_sign_key) struct sign_key *key = NULL;
	struct writer w = { .gather = g, .zstd = zstd };

	if (load_key(g, &key, err) < 0)
		return -1;
	w.key = key;
	return put_all(&w, err);
}

int bundle_write(struct op_context *ctx, const char *name, bool partial, int fd, const char *file, struct js **ret_summary,
		 struct error *err)
{
	CLEANUP(gather_release) struct gather g = {
		.ctx = ctx, .partial = partial, .scratch = -1,
		.roots = js_array(), .notes = js_array(), .missing = js_array(),
	};
	struct js *summary;

	if (gather_all(&g, name, err) < 0 || write_gathered(&g, fd, file, err) < 0)
		return -1;
	/* whoever receives it reads it so, too */
	if (bundle_verify(fd, file, NULL, &summary, err) < 0)
		return error_wrap(err, "what was written does not hold");
	js_set(summary, "notes", js_ref(g.notes));
	*ret_summary = summary;
	return 0;
}
