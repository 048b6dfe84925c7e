/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of trees: docs/format.md, "Trees". There is exactly one way to write a
 * tree, so equal trees have equal digests; the reader refuses any other way.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/store.h"
#include "store/tree_internal.h"

static const char leaf_magic[] = "mlops leaf 1\n";
static const char root_magic[] = "mlops tree 1\n";

/* A leaf ends after such a path. It depends on the path alone, so that editing files never moves a
 * cut. */
static bool ends_leaf(const char *path)
{
	uint64_t h = 14695981039346656037ull;

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 1099511628211ull;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
	h ^= h >> 33;
	return (h & 0xfff) == 0;
}

/* --- writing --- */

static void put_varint(struct strbuf *out, uint64_t value)
{
	char bytes[10];
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[n++] = (char)(value | 0x80);
	bytes[n++] = (char)value;
	strbuf_add(out, bytes, n);
}

static void put_entry(struct strbuf *out, const char *before, const struct tree_entry *entry)
{
	size_t same = 0, rest;

	while (before[same] && before[same] == entry->path[same])
		same++;
	rest = strlen(entry->path + same);
	put_varint(out, same);
	put_varint(out, rest);
	strbuf_add(out, entry->path + same, rest);
	strbuf_putc(out, (char)entry->kind);
	if (entry->kind == ENTRY_LINK) {
		put_varint(out, strlen(entry->target));
		strbuf_puts(out, entry->target);
		return;
	}
	put_varint(out, entry->size);
	strbuf_add(out, entry->id.b, sizeof(entry->id.b));
}

static int put_object(struct store_batch *batch, const struct strbuf *bytes, struct digest *ret,
		      struct error *err)
{
	if (bytes->len > TREE_MAX_OBJECT)
		return error_set(err, ERR_USAGE,
				 "paths and symlinks of this directory are too long for a tree");
	if (batch)
		return batch_add_bytes(batch, bytes->buf, bytes->len, ret, err);
	digest_of(bytes->buf, bytes->len, ret);
	return 0;
}

/* Writes the leaf that starts at entry `from`, and its line of the root. Returns how many entries
 * it took. */
static size_t put_leaf(const struct tree *tree, size_t from, struct strbuf *leaf,
		       struct strbuf *root, struct store_batch *batch, struct error *err)
{
	const char *first = tree->entries[from].path, *before = "";
	uint64_t bytes = 0;
	struct digest id;
	size_t n = 0;

	strbuf_clear(leaf);
	strbuf_puts(leaf, leaf_magic);
	while (from + n < tree->len && n < TREE_MAX_LEAF) {
		const struct tree_entry *entry = &tree->entries[from + n++];

		put_entry(leaf, before, entry);
		bytes += entry->size;
		before = entry->path;
		if (ends_leaf(before))
			break;
	}
	if (put_object(batch, leaf, &id, err) < 0)
		return 0;
	put_varint(root, strlen(first));
	strbuf_puts(root, first);
	strbuf_add(root, id.b, sizeof(id.b));
	put_varint(root, n);
	put_varint(root, bytes);
	return n;
}

int tree_write(const struct tree *tree, struct store_batch *batch, struct digest *ret,
	       struct error *err)
{
	CLEANUP_STRBUF struct strbuf root = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf refs = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf leaf = STRBUF_INIT;
	uint64_t leaves = 0;

	for (size_t i = 0; i < tree->len; leaves++) {
		size_t n = put_leaf(tree, i, &leaf, &refs, batch, err);
		if (!n)
			return -1;
		i += n;
	}
	strbuf_puts(&root, root_magic);
	put_varint(&root, leaves);
	strbuf_add(&root, refs.buf, refs.len);
	return put_object(batch, &root, ret, err);
}

/* --- reading --- */

struct input {
	const uint8_t *at, *end;
};

static bool take_magic(struct input *in, const char *magic)
{
	size_t len = strlen(magic);

	if ((size_t)(in->end - in->at) < len || memcmp(in->at, magic, len) != 0)
		return false;
	in->at += len;
	return true;
}

/* Only the shortest form of at most 64 bits. */
static bool take_varint(struct input *in, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (in->at == in->end)
			return false;
		byte = *in->at++;
		if (shift == 63 && byte > 1)
			return false;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if ((byte == 0 && shift > 0) || value > max)
			return false;
		*ret = value;
		return true;
	}
	return false;
}

/* A run of 1..TREE_MAX_PATH bytes without NUL; points into the input. */
static bool take_text(struct input *in, const char **ret, uint64_t *ret_len)
{
	uint64_t len;

	if (!take_varint(in, TREE_MAX_PATH, &len) || !len || len > (uint64_t)(in->end - in->at) ||
	    memchr(in->at, 0, len))
		return false;
	*ret = (const char *)in->at;
	*ret_len = len;
	in->at += len;
	return true;
}

static bool take_digest(struct input *in, struct digest *ret)
{
	if ((size_t)(in->end - in->at) < sizeof(ret->b))
		return false;
	memcpy(ret->b, in->at, sizeof(ret->b));
	in->at += sizeof(ret->b);
	return true;
}

static int refuse(struct error *err, const char *what)
{
	return error_set(err, ERR_DAMAGED, "not a tree of this format: %s", what);
}

static int take_file(struct input *in, struct tree *tree, const char *path, size_t path_len,
		     enum entry_kind kind, struct error *err)
{
	struct digest id;
	uint64_t size;

	if (!take_varint(in, INT64_MAX, &size) || !take_digest(in, &id))
		return refuse(err, "a file's size or digest is cut off");
	if (size > UINT64_MAX - tree->bytes)
		return refuse(err, "the sizes overflow");
	tree_append(tree, path, path_len, kind, &id, size, NULL, 0);
	return 0;
}

static int take_entry(struct input *in, struct tree *tree, const char *before, struct error *err)
{
	uint64_t same, rest_len, target_len;
	char path[TREE_MAX_PATH + 1];
	const char *rest, *target, *fault;
	uint8_t kind;

	if (!take_varint(in, strlen(before), &same) || !take_text(in, &rest, &rest_len) ||
	    in->at == in->end)
		return refuse(err, "an entry's path is cut off");
	if (same + rest_len > TREE_MAX_PATH)
		return refuse(err, "a path is too long");
	if (before[same] && before[same] == rest[0])
		return refuse(err, "a shared prefix is not the longest");
	memcpy(path, before, same);
	memcpy(path + same, rest, rest_len);
	path[same + rest_len] = '\0';
	kind = *in->at++;
	if (kind == ENTRY_LINK) {
		if (!take_text(in, &target, &target_len))
			return refuse(err, "a symlink's target is cut off");
		tree_append(tree, path, same + rest_len, ENTRY_LINK, NULL, 0, target, target_len);
	} else if (kind != ENTRY_FILE && kind != ENTRY_EXEC) {
		return refuse(err, "an entry is of no known kind");
	} else if (take_file(in, tree, path, same + rest_len, (enum entry_kind)kind, err) < 0) {
		return -1;
	}
	fault = tree_entry_fault(tree, tree->len - 1);
	if (fault)
		return error_set(err, ERR_DAMAGED, "not a tree of this format: %s %s", path, fault);
	if (tree->text_bytes > TREE_MAX_TEXT)
		return refuse(err, "its paths are too long");
	return 0;
}

static int take_leaf(struct input *in, struct tree *tree, struct error *err)
{
	const char *before = "";
	size_t n = 0;

	if (!take_magic(in, leaf_magic))
		return refuse(err, "a leaf does not start as one");
	do {
		if (n == TREE_MAX_LEAF || (n && ends_leaf(before)))
			return refuse(err, "a leaf goes on behind its end");
		if (take_entry(in, tree, before, err) < 0)
			return -1;
		before = tree->entries[tree->len - 1].path;
		n++;
	} while (in->at < in->end);
	return 0;
}

int tree_parse_leaf(const void *data, size_t len, struct tree *append, struct error *err)
{
	struct input in = { data, (const uint8_t *)data + len };
	size_t before = append->len;

	if (take_leaf(&in, append, err) == 0)
		return 0;
	tree_truncate(append, before);
	return -1;
}

void tree_refs_free(struct tree_leaf_ref *refs, size_t len)
{
	for (size_t i = 0; i < len; i++)
		free(refs[i].first);
	free(refs);
}

static int take_ref(struct input *in, const struct tree_leaf_ref *before, struct tree_leaf_ref *ret,
		    struct error *err)
{
	const char *first;
	uint64_t len;

	if (!take_text(in, &first, &len) || !take_digest(in, &ret->id) ||
	    !take_varint(in, TREE_MAX_LEAF, &ret->entries) ||
	    !take_varint(in, UINT64_MAX, &ret->bytes))
		return refuse(err, "a root's line is cut off");
	if (!ret->entries)
		return refuse(err, "a leaf is empty");
	ret->first = xstrndup(first, len);
	if (tree_path_valid(ret->first) && (!before || strcmp(before->first, ret->first) < 0))
		return 0;
	free(steal(&ret->first));
	return refuse(err, "the leaves of a root are out of order");
}

int tree_parse_root(const void *data, size_t len, struct tree_leaf_ref **ret, size_t *ret_len,
		    struct error *err)
{
	struct input in = { data, (const uint8_t *)data + len };
	struct tree_leaf_ref *refs;
	uint64_t count;
	size_t n = 0;

	/* Each line has at least 36 bytes, so the input bounds the allocation. */
	if (!take_magic(&in, root_magic) || !take_varint(&in, len / 36, &count))
		return refuse(err, "a root does not start as one");
	refs = xcalloc(count ? count : 1, sizeof(*refs));
	while (n < count) {
		if (take_ref(&in, n ? &refs[n - 1] : NULL, &refs[n], err) < 0)
			goto fail;
		n++;
	}
	if (in.at != in.end) {
		refuse(err, "bytes follow a root's end");
		goto fail;
	}
	*ret = refs;
	*ret_len = n;
	return 0;
fail:
	tree_refs_free(refs, n);
	return -1;
}

static int load_refs(const struct tree_source *from, const struct digest *root, struct tree_leaf_ref **ret,
		     size_t *ret_len, struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;

	if (from->read(from->ctx, root, &bytes, err) < 0)
		return -1;
	return tree_parse_root(bytes.buf, bytes.len, ret, ret_len, err);
}

/* Appends one leaf and holds it against its line of the root. */
static int load_leaf(const struct tree_source *from, const struct tree_leaf_ref *ref, bool last,
		     struct strbuf *bytes, struct tree *tree, struct error *err)
{
	uint64_t bytes_before = tree->bytes;
	size_t start = tree->len;

	strbuf_clear(bytes);
	if (from->read(from->ctx, &ref->id, bytes, err) < 0 ||
	    tree_parse_leaf(bytes->buf, bytes->len, tree, err) < 0)
		return -1;
	if (strcmp(tree->entries[start].path, ref->first) != 0 || tree->len - start != ref->entries ||
	    tree->bytes - bytes_before != ref->bytes)
		return refuse(err, "a leaf is not what its root says");
	if (!last && ref->entries < TREE_MAX_LEAF && !ends_leaf(tree->entries[tree->len - 1].path))
		return refuse(err, "a leaf ends too early");
	return 0;
}

int tree_read_from(const struct tree_source *from, const struct digest *root, struct tree *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	struct tree tree = TREE_INIT;
	struct tree_leaf_ref *refs;
	size_t len;
	int r = 0;

	if (load_refs(from, root, &refs, &len, err) < 0)
		goto fail;
	for (size_t i = 0; r == 0 && i < len; i++)
		r = load_leaf(from, &refs[i], i + 1 == len, &bytes, &tree, err);
	tree_refs_free(refs, len);
	if (r < 0)
		goto fail;
	*ret = tree;
	return 0;
fail:
	tree_release(&tree);
	char hex[DIGEST_HEX + 1];
	return error_wrap(err, "tree %s", digest_format(root, hex));
}

static int read_stored(void *ctx, const struct digest *id, struct strbuf *ret, struct error *err)
{
	return store_read(ctx, id, TREE_MAX_OBJECT, ret, err);
}

int tree_read(struct store *store, const struct digest *root, struct tree *ret, struct error *err)
{
	return tree_read_from(&(struct tree_source){ read_stored, store }, root, ret, err);
}

int tree_objects(struct store *store, const struct digest *root,
		 int (*each)(void *ctx, const struct digest *), void *ctx, struct error *err)
{
	struct tree_leaf_ref *refs;
	size_t len;
	int r;

	if (load_refs(&(struct tree_source){ read_stored, store }, root, &refs, &len, err) < 0)
		return -1;
	r = each(ctx, root);
	for (size_t i = 0; r == 0 && i < len; i++)
		r = each(ctx, &refs[i].id);
	tree_refs_free(refs, len);
	return r;
}
