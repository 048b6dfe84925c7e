/* SPDX-License-Identifier: Apache-2.0 */
/* What push (transfer_push.c) and pull (transfer_pull.c) share. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "store/parallel_internal.h"
#include "store/transfer_internal.h"
#include "store/tree.h"

void items_release(struct items *items)
{
	free(items->v);
	*items = (struct items){ 0 };
}

void items_add(struct items *items, const struct digest *id, uint64_t size)
{
	GROW(items->v, items->len, items->cap);
	items->v[items->len++] = (struct item){ .id = *id, .size = size };
}

static int by_digest(const void *a, const void *b)
{
	return digest_compare(&((const struct item *)a)->id, &((const struct item *)b)->id);
}

void items_sort(struct items *items)
{
	size_t kept = 0;

	if (!items->len)
		return;
	qsort(items->v, items->len, sizeof(*items->v), by_digest);
	for (size_t i = 1; i < items->len; i++) {
		if (!digest_equal(&items->v[kept].id, &items->v[i].id))
			items->v[++kept] = items->v[i];
		else if (items->v[i].size != SIZE_UNKNOWN &&
			 (items->v[kept].size == SIZE_UNKNOWN || items->v[kept].size < items->v[i].size))
			items->v[kept].size = items->v[i].size;
	}
	items->len = kept + 1;
}

/* --- closures --- */

void closure_release(struct closure *closure)
{
	items_release(&closure->roots);
	items_release(&closure->leaves);
	items_release(&closure->files);
}

void closure_contents(struct closure *closure, const struct content *contents, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (contents[i].kind == CONTENT_TREE)
			items_add(&closure->roots, &contents[i].id, SIZE_UNKNOWN);
		else if (contents[i].kind != CONTENT_ABSENT)
			items_add(&closure->files, &contents[i].id,
				  contents[i].size ? contents[i].size : SIZE_UNKNOWN);
	items_sort(&closure->roots);
	items_sort(&closure->files);
}

static int read_root(struct closure *closure, const struct item *root, struct strbuf *bytes,
		     struct error *err)
{
	struct tree_leaf_ref *refs;
	size_t len;

	if (closure->read(closure->ctx, &root->id, bytes, err) < 0 ||
	    tree_parse_root(bytes->buf, bytes->len, &refs, &len, err) < 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		items_add(&closure->leaves, &refs[i].id, SIZE_UNKNOWN);
	tree_refs_free(refs, len);
	return 0;
}

static int read_leaf(struct closure *closure, const struct item *leaf, struct strbuf *bytes,
		     struct error *err)
{
	struct tree tree = TREE_INIT;
	int r = closure->read(closure->ctx, &leaf->id, bytes, err);

	if (r == 0)
		r = tree_parse_leaf(bytes->buf, bytes->len, &tree, err);
	for (size_t i = 0; r == 0 && i < tree.len; i++)
		if (tree.entries[i].kind != ENTRY_LINK)
			items_add(&closure->files, &tree.entries[i].id, tree.entries[i].size);
	tree_release(&tree);
	return r;
}

/* Reads what stands in `from` and sorts what it gave into `to`. */
static int read_items(struct closure *closure, struct items *from, struct items *to,
		      int (*one)(struct closure *, const struct item *, struct strbuf *, struct error *),
		      struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < from->len; i++) {
		struct item *item = &from->v[i];

		if (item->state != ITEM_DONE && item->state != ITEM_PRESENT)
			continue;
		strbuf_clear(&bytes);
		if (one(closure, item, &bytes, err) < 0)
			return error_wrap(err, "tree object %s", digest_format(&item->id, hex));
		item->size = bytes.len;
	}
	items_sort(to);
	return 0;
}

int closure_roots(struct closure *closure, struct error *err)
{
	return read_items(closure, &closure->roots, &closure->leaves, read_root, err);
}

int closure_leaves(struct closure *closure, struct error *err)
{
	return read_items(closure, &closure->leaves, &closure->files, read_leaf, err);
}

/* --- moving --- */

#define GROUP_OBJECTS 8192
#define GROUP_BYTES   (1ull << 30)
#define SMALL_CHUNK   64 /* a quarter of a fan-out directory of 70,000 objects: threads rarely meet */

static bool report(struct move *move)
{
	const struct progress *progress = move->transfer->progress;

	if (!progress)
		return false;
	pthread_mutex_lock(&move->mutex);
	if (progress->report(progress->ctx, move->what, atomic_load(&move->files),
			     atomic_load(&move->bytes), move->total))
		atomic_store(&move->stop, true);
	pthread_mutex_unlock(&move->mutex);
	return atomic_load(&move->stop);
}

/* Only large files tell of themselves on the way. */
static bool tick(void *ctx, uint64_t bytes)
{
	struct move *move = ctx;

	atomic_fetch_add(&move->bytes, bytes);
	return report(move);
}

void move_init(struct move *move, const struct transfer *transfer, const char *what)
{
	memset(move, 0, sizeof(*move));
	move->transfer = transfer;
	move->what = what;
	move->watch = (struct watch){ tick, move };
	pthread_mutex_init(&move->mutex, NULL);
}

void move_release(struct move *move)
{
	pthread_mutex_destroy(&move->mutex);
}

static int move_range(void *ctx, size_t from, size_t to, struct error *err)
{
	struct move *move = ctx;

	for (size_t i = from; i < to; i++)
		if (move->one(move, &move->items[move->todo[i]], err) < 0)
			return -1;
	return report(move) ? error_set(err, ERR_INTERRUPTED, "interrupted") : 0;
}

void move_count(struct move *move, const struct item *item)
{
	atomic_fetch_add(&move->files, 1);
	/* A large one has told by ticks. */
	if (item->size < SMALL_FILE)
		atomic_fetch_add(&move->bytes, item->size);
}

static uint64_t item_bytes(const struct item *item)
{
	return item->size == SIZE_UNKNOWN ? 0 : item->size;
}

int move_run(struct move *move, struct items *items, const size_t *todo, size_t n, struct error *err)
{
	struct parallel work = { n, SMALL_CHUNK, 2 * SMALL_CHUNK, move_range, move };
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += item_bytes(&items->v[todo[i]]);
	if (n < 2 * SMALL_CHUNK && bytes > (4u << 20)) {
		work.chunk = 1;
		work.alone = 2;
	}
	move->items = items->v;
	move->todo = todo;
	return parallel_run(&work, err);
}

size_t move_group(const struct items *items, const size_t *todo, size_t n)
{
	uint64_t bytes = 0;
	size_t len = 0;

	while (len < n && len < GROUP_OBJECTS && bytes < GROUP_BYTES)
		bytes += item_bytes(&items->v[todo[len++]]);
	return len;
}
