/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the objects of a bundle are those that its records name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "api/bundle_check.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/tree.h"

#define BAD(...) error_set(err, ERR_DAMAGED, __VA_ARGS__)

/* ---- what is named ---- */

int check_want(void *ctx, const struct content *content)
{
	struct check *c = ctx;
	char hex[DIGEST_HEX + 1];

	if (content->kind == CONTENT_TREE)
		strmap_set(&c->trees, digest_format(&content->id, hex), c);
	else if (content->kind != CONTENT_ABSENT)
		bundle_objects_add(&c->wanted, &content->id, content->files ? content->size : BUNDLE_SIZE_UNKNOWN);
	return 0;
}

static bool is_hole(const struct check *c, const struct digest *id)
{
	char hex[DIGEST_HEX + 1];

	return strmap_has(&c->holes, digest_format(id, hex));
}

/* ---- trees ---- */

static int by_text(const void *a, const void *b)
{
	return digest_compare(&((const struct tree_text *)a)->id, &((const struct tree_text *)b)->id);
}

static int read_text(void *ctx, const struct digest *id, struct strbuf *ret, struct error *err)
{
	struct check *c = ctx;
	const struct tree_text key = { .id = *id };
	struct tree_text *text = c->ntexts ? bsearch(&key, c->texts, c->ntexts, sizeof(key), by_text) : NULL;
	CLEANUP(cleanup_free) char *bytes = NULL;

	if (!text)
		return error_set(err, is_hole(c, id) ? ERR_NOT_FOUND : ERR_DAMAGED, "a part of it is missing");
	text->used = true;
	bytes = xmalloc((size_t)text->size + 1);
	if (pread(c->scratch, bytes, (size_t)text->size, (off_t)text->at) != (ssize_t)text->size)
		return error_sys(err, errno, "cannot read what was set aside of a bundle");
	strbuf_add(ret, bytes, (size_t)text->size);
	return 0;
}

/* A tree with a hole is not looked into: bundle.json names the hole. */
static int read_tree(struct check *c, const char *hex, struct error *err)
{
	const struct tree_source source = { read_text, c };
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	struct error why = { 0 };
	struct digest root;

	digest_parse(hex, &root);
	if (strmap_has(&c->holes, hex))
		return 0;
	if (tree_read_from(&source, &root, &tree, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		if (err)
			*err = why;
		if (err && why.code != ERR_ENV)
			err->code = ERR_DAMAGED;
		return -1;
	}
	for (size_t i = 0; i < tree.len; i++)
		if (tree.entries[i].kind != ENTRY_LINK)
			bundle_objects_add(&c->wanted, &tree.entries[i].id, tree.entries[i].size);
	return 0;
}

static int read_trees(struct check *c, struct error *err)
{
	char hex[DIGEST_HEX + 1];

	if (c->trees_read)
		return 0;
	c->trees_read = true;
	for (size_t i = 0; i < c->trees.len; i++)
		if (read_tree(c, c->trees.entries[i].key, err) < 0)
			return -1;
	for (size_t i = 0; i < c->ntexts; i++)
		if (!c->texts[i].used && !c->holes.len)
			return BAD("nothing in it names the tree %.12s", digest_format(&c->texts[i].id, hex));
	return bundle_objects_sort(&c->wanted, err);
}

static int keep_text(struct check *c, const struct bundle_entry *entry, const struct strbuf *text, struct error *err)
{
	if (c->scratch < 0 && (c->scratch = io_scratch(err)) < 0)
		return -1;
	if (io_write_all(c->scratch, text->buf, text->len, "a file set aside", err) < 0)
		return -1;
	GROW(c->texts, c->ntexts, c->cap);
	c->texts[c->ntexts++] = (struct tree_text){ entry->digest, c->scratch_len, text->len, false };
	c->scratch_len += text->len;
	return 0;
}

static int check_digest(const struct bundle_entry *entry, const struct digest *id, struct error *err)
{
	return digest_equal(id, &entry->digest) ? 0 : BAD("'%s' is not what its name says", entry->name);
}

static int take_tree(struct check *c, const struct bundle_entry *entry, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct digest id;

	if (bundle_reader_all(c->reader, TREE_MAX_OBJECT, &text, err) < 0)
		return -1;
	digest_of(text.buf, text.len, &id);
	return check_digest(entry, &id, err) < 0 ? -1 : keep_text(c, entry, &text, err);
}

/* ---- files ---- */

/* Both sides are sorted: what stands in between is missing. */
static int find_wanted(struct check *c, const struct bundle_entry *entry, struct error *err)
{
	char hex[DIGEST_HEX + 1];

	for (; c->at < c->wanted.len; c->at++) {
		const struct bundle_object *want = &c->wanted.v[c->at];
		int order = entry ? digest_compare(&want->id, &entry->digest) : -1;

		if (order > 0)
			break;
		if (order < 0 && !is_hole(c, &want->id))
			return BAD("object %.12s is missing", digest_format(&want->id, hex));
		if (order < 0)
			continue;
		c->at++;
		if (want->size != BUNDLE_SIZE_UNKNOWN && want->size != entry->size)
			return BAD("object %.12s has %llu bytes, and must have %llu", entry->id, (unsigned long long)entry->size,
				   (unsigned long long)want->size);
		return 0;
	}
	/* what a tree with a hole would name cannot be known */
	return !entry || c->holes.len ? 0 : BAD("nothing in it names the object %.12s", entry->id);
}

static int take_object(struct check *c, const struct bundle_entry *entry, struct error *err)
{
	struct hasher hasher;
	char piece[65536];
	struct digest id;
	ssize_t n;

	if (read_trees(c, err) < 0 || find_wanted(c, entry, err) < 0)
		return -1;
	hasher_init(&hasher);
	while ((n = bundle_reader_read(c->reader, piece, sizeof(piece), err)) > 0)
		hasher_update(&hasher, piece, (size_t)n);
	hasher_final(&hasher, &id);
	return n < 0 ? -1 : check_digest(entry, &id, err);
}

/* Nobody is made to read, or to keep, more than was said first. */
static int count_object(struct check *c, const struct bundle_entry *entry, struct error *err)
{
	c->objects++;
	c->bytes += entry->size;
	if (c->objects > (uint64_t)js_get_int(c->head, "objects", 0) || c->bytes > (uint64_t)js_get_int(c->head, "bytes", 0) ||
	    entry->size > (uint64_t)INT64_MAX)
		return BAD("it holds more than bundle.json says");
	return 0;
}

/* ---- both ---- */

int check_object(struct check *c, const struct bundle_entry *entry, struct error *err)
{
	if (count_object(c, entry, err) < 0)
		return -1;
	return entry->part == PART_TREE ? take_tree(c, entry, err) : take_object(c, entry, err);
}

int check_objects_end(struct check *c, struct error *err)
{
	if (read_trees(c, err) < 0 || find_wanted(c, NULL, err) < 0)
		return -1;
	if (c->objects != (uint64_t)js_get_int(c->head, "objects", 0) || c->bytes != (uint64_t)js_get_int(c->head, "bytes", 0))
		return BAD("it holds less than bundle.json says");
	return 0;
}
