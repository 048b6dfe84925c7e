/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From remotes to the local store: roots, then the leaves that they name, then the
 * files that these list. Roots wait in a batch of their own until all else is
 * published, so that a root in the store never stands for less than its tree.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/tombstone.h"
#include "store/transfer_internal.h"
#include "store/tree.h"

struct pull {
	struct transfer *transfer;
	struct remotes *remotes;
	struct move move;
	struct store_batch *roots, *rest; /* NULL: nothing to write so far */
	struct store_batch *batch;	  /* the one being filled */
	struct remote *remote;		  /* the one being asked */
	size_t place;			  /* its index */
	uint64_t max;			  /* bytes of an object, also where its size is not known */
	struct damage {
		size_t n;
		char *first;
	} *damage; /* of each remote, what was not told of before; guarded by the mutex */
	pthread_mutex_t mutex;
	bool relied[256];
	size_t lost;		  /* objects that no remote has whole */
	struct item first_lost;
};

static int use_batch(struct pull *pull, struct store_batch **batch, struct error *err)
{
	if (!*batch && batch_open(pull->transfer->store, batch, err) < 0)
		return -1;
	pull->batch = *batch;
	return 0;
}

/* --- what is here --- */

/* One that is damaged here is brought again. */
static int set_aside(struct pull *pull, struct item *item, struct error *err)
{
	if (!pull->transfer->dry && store_quarantine(pull->transfer->store, &item->id, err) < 0)
		return -1;
	pull->transfer->replaced++;
	item->state = ITEM_WANTED;
	return 0;
}

/* One that could not be read as a tree. Only bytes that do not hash to their name are damaged: whoever
 * names a large file a tree must not make it go away. */
static int judge_tree(struct pull *pull, struct item *item, const struct error *why, struct error *err)
{
	struct error found = { 0 };

	item->state = ITEM_WANTED;
	if (why->code == ERR_NOT_FOUND)
		return 0;
	if (why->code == ERR_DAMAGED && store_verify(pull->transfer->store, &item->id, &found) == 0) {
		item->state = ITEM_NO_TREE;
		return 0;
	}
	if (found.code == ERR_DAMAGED && !pull->transfer->dry)
		return set_aside(pull, item, err);
	if (err)
		*err = found.code ? found : *why;
	return -1;
}

/* Objects of trees are few, and are read anyway. */
static int look_for_trees(struct pull *pull, struct items *items, struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;

	for (size_t i = 0; i < items->len; i++) {
		struct item *item = &items->v[i];
		struct error why = { 0 };

		strbuf_clear(&bytes);
		item->state = ITEM_PRESENT;
		if (store_read(pull->transfer->store, &item->id, TREE_MAX_OBJECT, &bytes, &why) == 0)
			continue;
		if (judge_tree(pull, item, &why, err) < 0)
			return -1;
	}
	return 0;
}

static int verify_one(struct move *move, struct item *item, struct error *err)
{
	struct error why = { 0 };

	if (item->state != ITEM_PRESENT || store_verify(move->transfer->store, &item->id, &why) == 0)
		return 0;
	if (why.code != ERR_DAMAGED && why.code != ERR_NOT_FOUND) {
		if (err)
			*err = why;
		return -1;
	}
	item->state = why.code == ERR_DAMAGED ? ITEM_DAMAGED : ITEM_WANTED;
	return 0;
}

static int verify(struct pull *pull, struct items *items, const size_t *all, struct error *err)
{
	pull->move.one = verify_one;
	if (move_run(&pull->move, items, all, items->len, err) < 0)
		return -1;
	for (size_t i = 0; i < items->len; i++)
		if (items->v[i].state == ITEM_DAMAGED && set_aside(pull, &items->v[i], err) < 0)
			return -1;
	return 0;
}

static int look_for_files(struct pull *pull, struct items *items, struct error *err)
{
	CLEANUP(cleanup_free) struct digest *ids = xcalloc(items->len + 1, sizeof(*ids));
	CLEANUP(cleanup_free) bool *has = xcalloc(items->len + 1, sizeof(*has));
	CLEANUP(cleanup_free) size_t *all = xcalloc(items->len + 1, sizeof(*all));

	for (size_t i = 0; i < items->len; i++) {
		ids[i] = items->v[i].id;
		all[i] = i;
	}
	if (store_has_many(pull->transfer->store, ids, items->len, has, err) < 0)
		return -1;
	for (size_t i = 0; i < items->len; i++)
		items->v[i].state = has[i]						      ? ITEM_PRESENT :
				    tombstone_find(pull->transfer->store, &items->v[i].id, NULL) ? ITEM_FORGOTTEN :
												   ITEM_WANTED;
	return pull->transfer->verify ? verify(pull, items, all, err) : 0;
}

/* --- bringing the rest --- */

static bool is_lost(const struct item *item)
{
	return item->state != ITEM_DONE && item->state != ITEM_PRESENT && item->state != ITEM_FORGOTTEN;
}

/* A remote may help. */
static bool is_open(const struct item *item)
{
	return is_lost(item) && item->state != ITEM_NO_TREE;
}

static void note_damage(struct pull *pull, const struct item *item, const struct error *why)
{
	struct damage *damage = &pull->damage[pull->place];
	char hex[DIGEST_HEX + 1];
	CLEANUP(cleanup_free)
	char *key = xasprintf("%s %s", pull->remote->name, digest_format(&item->id, hex));

	pthread_mutex_lock(&pull->mutex);
	if (!strmap_set(&pull->remotes->told, key, pull->remotes) && !damage->n++)
		damage->first = xstrdup(why->msg);
	pthread_mutex_unlock(&pull->mutex);
}

/* A remote may have thousands, and whoever reads this wants one line. */
static void tell_damage(struct pull *pull)
{
	for (size_t i = 0; i < pull->remotes->len; i++) {
		const struct damage *damage = &pull->damage[i];
		const char *name = pull->remotes->places[i].name;
		CLEANUP(cleanup_free) char *text = NULL;

		if (!damage->n || !pull->remotes->note)
			continue;
		if (damage->n == 1)
			text = xasprintf("remote %s: %s", name, damage->first);
		else
			text = xasprintf("remote %s: %zu objects are damaged or cannot be read, the first: %s",
					 name, damage->n, damage->first);
		pull->remotes->note(pull->remotes->ctx, text);
	}
}

static int get_one(struct move *move, struct item *item, struct error *err)
{
	struct pull *pull = move->ctx;
	struct remote *remote = pull->remote;
	uint64_t max = item->size < pull->max ? item->size : pull->max;
	struct error why = { 0 };
	uint64_t size;

	if (remote->ops->get(remote, &item->id, max, pull->batch, &size, &why) == 0) {
		item->state = ITEM_DONE;
		item->size = size;
		move_count(move, item);
		return 0;
	}
	if (why.code == ERR_NOT_FOUND || why.code == ERR_DAMAGED) {
		item->state = why.code == ERR_DAMAGED ? ITEM_DAMAGED : ITEM_MISSING;
		if (why.code == ERR_DAMAGED)
			note_damage(pull, item, &why);
		return 0;
	}
	if (err)
		*err = why;
	return -1;
}

static void count_group(struct pull *pull, const struct items *items, const size_t *todo, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct item *item = &items->v[todo[i]];

		if (item->state != ITEM_DONE)
			continue;
		pull->transfer->objects++;
		if (item->size != SIZE_UNKNOWN)
			pull->transfer->bytes += item->size;
	}
}

/* Open items that this remote says it has; the caller frees. NULL: it cannot be asked. */
static size_t *ask(struct pull *pull, size_t place, const struct items *items, size_t *ret_n)
{
	CLEANUP(cleanup_free) struct digest *ids = xcalloc(items->len + 1, sizeof(*ids));
	CLEANUP(cleanup_free) bool *has = xcalloc(items->len + 1, sizeof(*has));
	CLEANUP(cleanup_free) size_t *todo = xcalloc(items->len + 1, sizeof(*todo));
	struct remote *remote = remotes_use(pull->remotes, place);
	struct error why = { 0 };
	size_t n = 0, open = 0;

	if (!remote)
		return NULL;
	for (size_t i = 0; i < items->len; i++)
		if (is_open(&items->v[i])) {
			ids[open] = items->v[i].id;
			todo[open++] = i;
		}
	if (remote->ops->has(remote, ids, open, has, &why) < 0) {
		error_wrap(&why, "remote %s", remote->name);
		remotes_give_up(pull->remotes, place, why.msg);
		return NULL;
	}
	for (size_t i = 0; i < open; i++)
		if (has[i])
			todo[n++] = todo[i];
	pull->remote = remote;
	pull->place = place;
	*ret_n = n;
	return steal(&todo);
}

/* Takes from one remote what it has. */
static int take(struct pull *pull, struct items *items, const size_t *todo, size_t n, bool commit,
		struct error *err)
{
	int r = 0;

	pull->move.one = get_one;
	pull->move.ctx = pull;
	pull->move.what = pull->remote->name;
	pull->remote->watch = &pull->move.watch;
	for (size_t from = 0, len; r == 0 && from < n; from += len) {
		len = move_group(items, todo + from, n - from);
		r = move_run(&pull->move, items, todo + from, len, err);
		if (r == 0 && commit)
			r = batch_commit(pull->batch, err);
		if (r == 0)
			count_group(pull, items, todo + from, len);
	}
	pull->remote->watch = NULL;
	return r;
}

static void take_dry(struct pull *pull, struct items *items, const size_t *todo, size_t n)
{
	for (size_t i = 0; i < n; i++)
		items->v[todo[i]].state = ITEM_DONE;
	count_group(pull, items, todo, n);
}

static void count_rest(struct pull *pull, const struct items *items)
{
	for (size_t i = 0; i < items->len; i++) {
		const struct item *item = &items->v[i];

		if (item->state == ITEM_PRESENT) {
			pull->transfer->present++;
			pull->relied[item->id.b[0]] = true;
		}
		if (is_lost(item) && !pull->lost++)
			pull->first_lost = *item;
	}
}

static size_t count_open(const struct items *items)
{
	size_t n = 0;

	for (size_t i = 0; i < items->len; i++)
		n += is_open(&items->v[i]);
	return n;
}

/* What no remote has may have been forgotten there: that is a hole, and no loss. */
#define ASKED_MAX 10000u /* who lacks more has lost more than was forgotten */
static void ask_forgotten(struct pull *pull, size_t place, struct items *items)
{
	CLEANUP(cleanup_free) struct digest *ids = xcalloc(ASKED_MAX, sizeof(*ids));
	CLEANUP(cleanup_free) struct tombstone *stones = xcalloc(ASKED_MAX, sizeof(*stones));
	CLEANUP(cleanup_free) size_t *todo = xcalloc(ASKED_MAX, sizeof(*todo));
	struct remote *remote = remotes_use(pull->remotes, place);
	char hex[DIGEST_HEX + 1];
	size_t n = 0, found = 0;

	for (size_t i = 0; i < items->len && n < ASKED_MAX; i++)
		if (is_open(&items->v[i])) {
			ids[n] = items->v[i].id;
			todo[n++] = i;
		}
	/* an agent of an older version does not know the question */
	if (!remote || remote->ops->forgotten(remote, ids, n, stones, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_free) char *text = NULL;

		if (!*stones[i].date)
			continue;
		items->v[todo[i]].state = ITEM_FORGOTTEN;
		if (found++ || !pull->remotes->note)
			continue;
		text = xasprintf("remote %s: object %s was forgotten on %s: %s", remote->name, digest_format(&ids[i], hex),
				 stones[i].date, stones[i].reason);
		pull->remotes->note(pull->remotes->ctx, text);
	}
}

/* From each remote in turn what is still open. `files`: commit in groups; a dry run only counts. */
static int bring(struct pull *pull, struct items *items, struct store_batch **batch, bool files,
		 struct error *err)
{
	bool dry = files && pull->transfer->dry;

	pull->max = files ? SIZE_UNKNOWN : TREE_MAX_OBJECT;
	for (size_t place = 0; place < pull->remotes->len && count_open(items); place++) {
		CLEANUP(cleanup_free) size_t *todo = NULL;
		size_t n = 0;

		todo = ask(pull, place, items, &n);
		if (!todo || !n)
			continue;
		if (dry) {
			take_dry(pull, items, todo, n);
			continue;
		}
		if (use_batch(pull, batch, err) < 0 || take(pull, items, todo, n, files, err) < 0)
			return -1;
	}
	for (size_t place = 0; files && place < pull->remotes->len && count_open(items); place++)
		ask_forgotten(pull, place, items);
	count_rest(pull, items);
	return 0;
}

/* --- the whole --- */

static int read_here(void *ctx, const struct digest *id, struct strbuf *ret, struct error *err)
{
	struct pull *pull = ctx;

	if (pull->batch)
		return batch_read(pull->batch, id, TREE_MAX_OBJECT, ret, err);
	return store_read(pull->transfer->store, id, TREE_MAX_OBJECT, ret, err);
}

static int bring_trees(struct pull *pull, struct closure *closure, struct error *err)
{
	if (look_for_trees(pull, &closure->roots, err) < 0 ||
	    bring(pull, &closure->roots, &pull->roots, false, err) < 0)
		return -1;
	pull->batch = pull->roots;
	if (closure_roots(closure, err) < 0 || look_for_trees(pull, &closure->leaves, err) < 0 ||
	    bring(pull, &closure->leaves, &pull->rest, false, err) < 0)
		return -1;
	pull->batch = pull->rest;
	return closure_leaves(closure, err);
}

static int bring_files(struct pull *pull, struct closure *closure, struct error *err)
{
	struct items *files = &closure->files;

	if (look_for_files(pull, files, err) < 0)
		return -1;
	pull->move.total = atomic_load(&pull->move.bytes);
	for (size_t i = 0; i < files->len; i++)
		if (files->v[i].state == ITEM_WANTED && files->v[i].size != SIZE_UNKNOWN)
			pull->move.total += files->v[i].size;
	return bring(pull, files, &pull->rest, true, err);
}

static int finish(struct pull *pull, struct error *err)
{
	if (pull->transfer->dry)
		return 0;
	if (pull->rest && batch_commit(pull->rest, err) < 0)
		return -1;
	if (!pull->lost && pull->roots && batch_commit(pull->roots, err) < 0)
		return -1;
	return store_settle(pull->transfer->store, pull->relied, err);
}

static int say_lost(const struct pull *pull, struct error *err)
{
	CLEANUP_STRBUF struct strbuf names = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf more = STRBUF_INIT;
	char hex[DIGEST_HEX + 1];

	digest_format(&pull->first_lost.id, hex);
	if (pull->first_lost.state == ITEM_NO_TREE)
		return error_set(err, ERR_DAMAGED, "object %s is named as a tree and is too large to be one", hex);
	if (!pull->remotes->len) {
		error_set(err, ERR_NOT_FOUND, "object %s is not here, and this project has no remote", hex);
		return error_help(err, "add one to pipeline.ini: [remote.team] with url = DIRECTORY");
	}
	remotes_names(pull->remotes, &names);
	if (pull->lost > 1)
		strbuf_printf(&more, "; nor are %zu more", pull->lost - 1);
	if (pull->first_lost.state == ITEM_DAMAGED)
		error_set(err, ERR_DAMAGED, "object %s is whole in no remote (%s)%s", hex, names.buf,
			  more.buf);
	else
		error_set(err, ERR_NOT_FOUND, "object %s is in no remote (%s)%s", hex, names.buf,
			  more.buf);
	return error_help(err, "who has it can send it: mlops push --verify");
}

static int run(struct pull *pull, const struct content *contents, size_t n, struct error *err)
{
	struct closure closure = { .read = read_here, .ctx = pull };
	int r;

	closure_contents(&closure, contents, n);
	r = bring_trees(pull, &closure, err);
	if (r == 0)
		r = bring_files(pull, &closure, err);
	if (r == 0)
		r = finish(pull, err);
	closure_release(&closure);
	if (r < 0)
		return -1;
	return pull->lost ? say_lost(pull, err) : 0;
}

int transfer_pull(struct transfer *transfer, struct remotes *remotes, const struct content *contents,
		  size_t n, struct error *err)
{
	struct pull pull = { .transfer = transfer, .remotes = remotes };
	int r;

	pull.damage = xcalloc(remotes->len + 1, sizeof(*pull.damage));
	pthread_mutex_init(&pull.mutex, NULL);
	move_init(&pull.move, transfer, "pull");
	r = run(&pull, contents, n, err);
	tell_damage(&pull);
	for (size_t i = 0; i < remotes->len; i++)
		free(pull.damage[i].first);
	free(pull.damage);
	pthread_mutex_destroy(&pull.mutex);
	batch_free(pull.roots);
	batch_free(pull.rest);
	move_release(&pull.move);
	return r;
}
