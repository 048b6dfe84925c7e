/* SPDX-License-Identifier: Apache-2.0 */
/* Trees in memory. Their bytes are tree_format.c's. */
#include "store/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "store/tree_internal.h"

/* Text is kept in pieces that never move: a tree of a million files makes some thousand
 * allocations. */
struct tree_text {
	struct tree_text *next;
	size_t used, size;
	char buf[];
};
#define TEXT_PIECE (64u << 10)

void tree_release(struct tree *tree)
{
	struct tree_text *next;

	for (struct tree_text *text = tree->text; text; text = next) {
		next = text->next;
		free(text);
	}
	free(tree->entries);
	*tree = (struct tree)TREE_INIT;
}

static char *keep_text(struct tree *tree, const char *text, size_t len)
{
	struct tree_text *piece = tree->text;
	char *kept;

	if (!piece || piece->size - piece->used < len + 1) {
		/* The first is small: most trees are. */
		size_t size = piece ? TEXT_PIECE : 1024;

		if (size < len + 1)
			size = len + 1;
		piece = xmalloc(sizeof(*piece) + size);
		*piece = (struct tree_text){ .next = tree->text, .size = size };
		tree->text = piece;
	}
	kept = piece->buf + piece->used;
	memcpy(kept, text, len);
	kept[len] = '\0';
	piece->used += len + 1;
	tree->text_bytes += len;
	return kept;
}

void tree_append(struct tree *tree, const char *path, size_t path_len, enum entry_kind kind,
		 const struct digest *id, uint64_t size, const char *target, size_t target_len)
{
	struct tree_entry *entry;

	GROW(tree->entries, tree->len, tree->cap);
	entry = &tree->entries[tree->len++];
	*entry = (struct tree_entry){ .kind = kind, .path = keep_text(tree, path, path_len) };
	if (kind == ENTRY_LINK) {
		entry->target = keep_text(tree, target, target_len);
		return;
	}
	if (id)
		entry->id = *id;
	entry->size = size;
	tree->bytes += size;
}

void tree_truncate(struct tree *tree, size_t len)
{
	while (tree->len > len)
		tree->bytes -= tree->entries[--tree->len].size;
}

void tree_add(struct tree *tree, const char *path, enum entry_kind kind, const struct digest *id,
	      uint64_t size, const char *target)
{
	tree_append(tree, path, strlen(path), kind, id, size, target, target ? strlen(target) : 0);
}

/* Writing below .git or .mlops would be running somebody's hooks or changing somebody's facts. */
static bool component_valid(const char *name, size_t len)
{
	static const char *const never[] = { "", ".", "..", ".git", ".mlops" };

	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (strlen(never[i]) == len && !memcmp(never[i], name, len))
			return false;
	return true;
}

bool tree_path_valid(const char *path)
{
	const char *start = path;

	for (;;) {
		size_t len = strcspn(path, "/");

		if (!component_valid(path, len))
			return false;
		path += len;
		if (!*path)
			return (size_t)(path - start) <= TREE_MAX_PATH;
		path++;
	}
}

bool tree_target_inside(const char *path, const char *target)
{
	bool below = false;
	size_t depth = 0;

	if (!*target || *target == '/' || strlen(target) > TREE_MAX_PATH)
		return false;
	for (; *path; path++)
		depth += *path == '/';
	while (*target) {
		size_t len = strcspn(target, "/");

		if (len == 2 && target[0] == '.' && target[1] == '.') {
			if (below || !depth--)
				return false;
		} else if (len && !(len == 1 && *target == '.')) {
			below = true;
		}
		target += len;
		target += *target == '/';
	}
	return true;
}

/* Bytes order of `path` against the first `len` bytes of `key`. */
static int compare_prefix(const char *path, const char *key, size_t len)
{
	int order = strncmp(path, key, len);

	return order ? order : path[len] != '\0';
}

static const struct tree_entry *search(const struct tree *tree, size_t n, const char *key,
				       size_t len)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_prefix(tree->entries[middle].path, key, len);

		if (!order)
			return &tree->entries[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const char *tree_entry_fault(const struct tree *tree, size_t i)
{
	const struct tree_entry *entry = &tree->entries[i];
	const char *path = entry->path, *before;
	size_t same = 0;

	if (!tree_path_valid(path))
		return "is not a path that a tree may hold";
	if (entry->kind == ENTRY_LINK && !tree_target_inside(path, entry->target))
		return "is a symlink that does not stay inside the directory";
	if (!i)
		return NULL;
	before = tree->entries[i - 1].path;
	while (path[same] && path[same] == before[same])
		same++;
	if (path[same] == before[same])
		return "stands twice";
	if ((unsigned char)path[same] < (unsigned char)before[same])
		return "is out of order";
	/* Of all its parents only this one can be an entry: a longer one would stand between the
	 * two. */
	if (path[same] == '/' && search(tree, i, path, same))
		return "lies below a file";
	return NULL;
}

static int by_path(const void *a, const void *b)
{
	const struct tree_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static bool is_sorted(const struct tree *tree)
{
	for (size_t i = 1; i < tree->len; i++)
		if (strcmp(tree->entries[i - 1].path, tree->entries[i].path) > 0)
			return false;
	return true;
}

int tree_seal(struct tree *tree, struct error *err)
{
	if (tree->text_bytes > TREE_MAX_TEXT)
		return error_set(err, ERR_USAGE, "the paths of %zu files are too long for one tree",
				 tree->len);
	if (!is_sorted(tree))
		qsort(tree->entries, tree->len, sizeof(*tree->entries), by_path);
	for (size_t i = 0; i < tree->len; i++) {
		const char *fault = tree_entry_fault(tree, i);
		if (fault)
			return error_set(err, ERR_USAGE, "%s %s", tree->entries[i].path, fault);
	}
	return 0;
}

const struct tree_entry *tree_find(const struct tree *tree, const char *path)
{
	return search(tree, tree->len, path, strlen(path));
}

static bool entry_equal(const struct tree_entry *a, const struct tree_entry *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == ENTRY_LINK ? !strcmp(a->target, b->target) : digest_equal(&a->id, &b->id);
}

void tree_diff(const struct tree *old, const struct tree *now,
	       void (*each)(void *ctx, const struct tree_entry *old, const struct tree_entry *now),
	       void *ctx)
{
	size_t i = 0, j = 0;

	while (i < old->len || j < now->len) {
		const struct tree_entry *a = i < old->len ? &old->entries[i] : NULL;
		const struct tree_entry *b = j < now->len ? &now->entries[j] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);

		i += order <= 0;
		j += order >= 0;
		if (order < 0)
			each(ctx, a, NULL);
		else if (order > 0)
			each(ctx, NULL, b);
		else if (!entry_equal(a, b))
			each(ctx, a, b);
	}
}
