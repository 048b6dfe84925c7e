/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "base/digest.h"
#include "store/remote_internal.h"
/* What both directions of a transfer share: lists of objects, and moving them in groups on threads. */

#define SIZE_UNKNOWN UINT64_MAX
struct item {
	struct digest id;
	uint64_t size;
	uint8_t state; /* enum item_state */
};
enum item_state {
	ITEM_WANTED,
	ITEM_DONE,
	ITEM_PRESENT, /* was there before */
	ITEM_MISSING, /* asked for, and not there */
	ITEM_DAMAGED,
	ITEM_FORGOTTEN, /* not to be here, or not there any more: a hole */
	ITEM_NO_TREE, /* named as one, whole, and too large to be one: nobody has a better one */
};
struct items {
	struct item *v;
	size_t len, cap;
};
void items_release(struct items *);
void items_add(struct items *, const struct digest *, uint64_t size);
/* By digest, each once, of the sizes that are known the largest. The order is that of fan-out directories, so groups fill them one by one. */
void items_sort(struct items *);

/* The objects that contents are made of, read from wherever trees are. */
struct closure {
	struct items roots, leaves, files;
	int (*read)(void *ctx, const struct digest *, struct strbuf *ret, struct error *);
	void *ctx;
};
void closure_release(struct closure *);
/* Adds to roots and files. */
void closure_contents(struct closure *, const struct content *, size_t n);
/* Reads roots, adds to leaves; and so on. Those that are not DONE or PRESENT are passed over. */
int closure_roots(struct closure *, struct error *);
int closure_leaves(struct closure *, struct error *);

/* Work on some items of a list; progress goes to the transfer's. */
struct move {
	const struct transfer *transfer;
	const char *what; /* for the progress */
	uint64_t total;	  /* bytes */
	struct watch watch;
	pthread_mutex_t mutex; /* one report at a time */
	atomic_uint_fast64_t files, bytes;
	atomic_bool stop;
	struct item *items;
	const size_t *todo; /* indexes */
	/* Sets the item's state and size. */
	int (*one)(struct move *, struct item *, struct error *);
	void *ctx;
};
void move_init(struct move *, const struct transfer *, const char *what);
void move_release(struct move *);
/* After the first failure no more are begun. */
int move_run(struct move *, struct items *, const size_t *todo, size_t n, struct error *);
/* One more has arrived. */
void move_count(struct move *, const struct item *);
/* How many of todo[0..n) make the next group. */
size_t move_group(const struct items *, const size_t *todo, size_t n);
