/* SPDX-License-Identifier: Apache-2.0 */
/* From the local store to one remote. Nothing is sent before it is known that all is there. */
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/tombstone.h"
#include "store/transfer_internal.h"
#include "store/tree.h"

struct push {
	struct transfer *transfer;
	struct remote *remote;
	struct move move;
};

/* Trouble of the remote's side names it: nobody else says where there is no room. */
static int of_remote(const struct remote *remote, struct error *err)
{
	if (err && err->code == ERR_INTERRUPTED)
		return -1;
	return error_wrap(err, "remote %s (%s)", remote->name, remote->url);
}

static int read_local(void *ctx, const struct digest *id, struct strbuf *ret, struct error *err)
{
	return store_read(ctx, id, TREE_MAX_OBJECT, ret, err);
}

/* All trees must be here: what they list is known from them alone. */
static int gather(struct push *push, const struct content *contents, size_t n,
		  struct closure *closure, struct error *err)
{
	closure->read = read_local;
	closure->ctx = push->transfer->store;
	closure_contents(closure, contents, n);
	for (size_t i = 0; i < closure->roots.len; i++)
		closure->roots.v[i].state = ITEM_PRESENT;
	if (closure_roots(closure, err) < 0)
		return -1;
	for (size_t i = 0; i < closure->leaves.len; i++)
		closure->leaves.v[i].state = ITEM_PRESENT;
	return closure_leaves(closure, err);
}

/* Asks the remote; the states become PRESENT or WANTED. */
static int ask(struct push *push, struct items *items, struct error *err)
{
	CLEANUP(cleanup_free) struct digest *ids = xcalloc(items->len + 1, sizeof(*ids));
	CLEANUP(cleanup_free) bool *has = xcalloc(items->len + 1, sizeof(*has));

	for (size_t i = 0; i < items->len; i++)
		ids[i] = items->v[i].id;
	if (push->remote->ops->has(push->remote, ids, items->len, has, err) < 0)
		return of_remote(push->remote, err);
	for (size_t i = 0; i < items->len; i++)
		items->v[i].state = has[i] ? ITEM_PRESENT : ITEM_WANTED;
	return 0;
}

/* What the remote has forgotten is not sent, so that all else comes there. An agent of an older version does not know the
 * question. */
#define ASKED_MAX 1000u
static void drop_forgotten(struct push *push, struct items *items)
{
	CLEANUP(cleanup_free) struct tombstone *stones = xcalloc(ASKED_MAX, sizeof(*stones));
	struct transfer *t = push->transfer;
	struct digest ids[ASKED_MAX];
	size_t of[ASKED_MAX], n;

	for (size_t i = 0; i < items->len;) {
		for (n = 0; i < items->len && n < ASKED_MAX; i++)
			if (items->v[i].state == ITEM_WANTED && !tombstone_find(t->store, &items->v[i].id, NULL)) {
				ids[n] = items->v[i].id;
				of[n++] = i;
			}
		if (!n || push->remote->ops->forgotten(push->remote, ids, n, stones, NULL) < 0)
			return;
		for (size_t k = 0; k < n; k++) {
			if (!*stones[k].date)
				continue;
			items->v[of[k]].state = ITEM_FORGOTTEN;
			if (t->refused++)
				continue;
			t->first_refused = ids[k];
			t->refusal = stones[k];
		}
	}
}

/* Indexes of the items in one of two states; the caller frees. */
static size_t *select_items(const struct items *items, uint8_t a, uint8_t b, size_t *ret_n)
{
	size_t *todo = xcalloc(items->len + 1, sizeof(*todo));
	size_t n = 0;

	for (size_t i = 0; i < items->len; i++)
		if (items->v[i].state == a || items->v[i].state == b)
			todo[n++] = i;
	*ret_n = n;
	return todo;
}

static int verify_one(struct move *move, struct item *item, struct error *err)
{
	struct remote *remote = move->ctx;
	struct error why = { 0 };

	if (remote->ops->verify(remote, &item->id, &why) == 0)
		return 0;
	if (why.code != ERR_DAMAGED && why.code != ERR_NOT_FOUND) {
		if (err)
			*err = why;
		return -1;
	}
	item->state = why.code == ERR_DAMAGED ? ITEM_DAMAGED : ITEM_WANTED;
	return 0;
}

/* What the remote has is hashed there; then it may be DAMAGED, or WANTED after all. */
static int verify(struct push *push, struct items *items, struct error *err)
{
	size_t n;
	CLEANUP(cleanup_free) size_t *todo = select_items(items, ITEM_PRESENT, ITEM_PRESENT, &n);

	push->move.one = verify_one;
	push->move.ctx = push->remote;
	if (move_run(&push->move, items, todo, n, err) < 0)
		return of_remote(push->remote, err);
	return 0;
}

/* Sizes for the totals; what must be sent must be here. */
static int measure(struct push *push, struct items *items, struct error *err)
{
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < items->len; i++) {
		struct item *item = &items->v[i];
		struct stat st;

		if (item->state == ITEM_PRESENT) {
			push->transfer->present++;
			continue;
		}
		if (item->state == ITEM_FORGOTTEN)
			continue;
		if (!object_stat(push->transfer->store, &item->id, &st)) {
			if (tombstone_find(push->transfer->store, &item->id, NULL)) {
				item->state = ITEM_FORGOTTEN;
				continue;
			}
			error_set(err, ERR_NOT_FOUND, "object %s is neither here nor whole in remote %s",
				  digest_format(&item->id, hex), push->remote->name);
			return error_help(err, "bring it from where it is: mlops pull");
		}
		item->size = (uint64_t)st.st_size;
		push->move.total += item->size;
	}
	return 0;
}

/* What is absent or damaged is so here. */
static int put_failed(const struct remote *remote, struct error *err)
{
	if (err && err->code == ERR_DAMAGED)
		return error_help(err, "run: mlops fsck");
	return err && err->code == ERR_NOT_FOUND ? -1 : of_remote(remote, err);
}

static int put_one(struct move *move, struct item *item, struct error *err)
{
	struct remote *remote = move->ctx;
	bool replace = item->state == ITEM_DAMAGED;

	if (remote->ops->put(remote, move->transfer->store, &item->id, replace, err) < 0)
		return put_failed(remote, err);
	/* The state stays: it says what to count. */
	move_count(move, item);
	return 0;
}

static void count(struct push *push, struct items *items, const size_t *todo, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct item *item = &items->v[todo[i]];

		push->transfer->replaced += item->state == ITEM_DAMAGED;
		push->transfer->objects++;
		push->transfer->bytes += item->size;
		item->state = ITEM_DONE;
	}
}

static int send_group(struct push *push, struct items *items, const size_t *todo, size_t n,
		      struct error *err)
{
	if (!push->transfer->dry) {
		if (move_run(&push->move, items, todo, n, err) < 0)
			return -1;
		if (push->remote->ops->commit(push->remote, err) < 0)
			return of_remote(push->remote, err);
	}
	count(push, items, todo, n);
	return 0;
}

static int send(struct push *push, struct items *items, struct error *err)
{
	size_t n, from = 0;
	CLEANUP(cleanup_free) size_t *todo = select_items(items, ITEM_WANTED, ITEM_DAMAGED, &n);

	push->move.one = put_one;
	push->move.ctx = push->remote;
	while (from < n) {
		size_t len = move_group(items, todo + from, n - from);

		if (send_group(push, items, todo + from, len, err) < 0)
			return -1;
		from += len;
	}
	return 0;
}

static int prepare(struct push *push, struct items *items, struct error *err)
{
	if (ask(push, items, err) < 0)
		return -1;
	if (push->transfer->verify && verify(push, items, err) < 0)
		return -1;
	drop_forgotten(push, items);
	return measure(push, items, err);
}

static int run(struct push *push, struct closure *closure, struct error *err)
{
	/* Roots come last: where a root is, its tree was whole. */
	for (size_t i = 0; i < closure->leaves.len; i++)
		items_add(&closure->files, &closure->leaves.v[i].id, closure->leaves.v[i].size);
	items_sort(&closure->files);
	if (prepare(push, &closure->files, err) < 0 || prepare(push, &closure->roots, err) < 0 ||
	    send(push, &closure->files, err) < 0 || send(push, &closure->roots, err) < 0)
		return -1;
	if (push->transfer->dry)
		return 0;
	/* Also when nothing was sent: what another writer sent must be durable. */
	if (push->remote->ops->commit(push->remote, err) < 0)
		return of_remote(push->remote, err);
	return 0;
}

int transfer_push(struct transfer *transfer, struct remote *remote, const struct content *contents,
		  size_t n, struct error *err)
{
	struct push push = { .transfer = transfer, .remote = remote };
	struct closure closure = { 0 };
	int r;

	r = gather(&push, contents, n, &closure, err);
	if (r == 0) {
		move_init(&push.move, transfer, remote->name);
		remote->watch = &push.move.watch;
		r = run(&push, &closure, err);
		remote->watch = NULL;
		move_release(&push.move);
	}
	closure_release(&closure);
	return r;
}
