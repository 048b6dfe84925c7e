/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/table/source.h"
#include "monitor/table/table_scan_internal.h"
/*
 * Each thread takes the next block of rows, reads it by itself, and leaves its state in the ring; who finds the oldest
 * one there ends all that follow without a gap. The file is read twice, but once for the ends of rows alone, which
 * takes a tenth of the work; in return a thread holds one piece of rows, whatever the blocks are.
 */
struct done {
	bool there, failed;
	struct block block;
	struct error err;
};
struct scan {
	struct table *table;
	const struct table_work *work;
	void *ctx;
	pthread_mutex_t cutting; /* taken before `lock` */
	struct cutter *cutter;
	uint64_t taken; /* blocks */

	pthread_mutex_t lock;
	pthread_cond_t room;
	struct done *ring;
	size_t size;
	uint64_t ended;	 /* blocks */
	bool ending;	 /* a thread is at it */
	bool failed;	 /* a block up to `ended`: with err; of who is ending */
	struct error err;
	atomic_uint_fast64_t worst; /* the first block that failed so far; later ones are in vain */
};

/* The next block: 1, 0 when there is none, or none is wanted. What goes wrong is that block's. */
static int take_block(struct scan *s, struct cut *cut, uint64_t *ret_number, struct error *err)
{
	int r = 0;

	pthread_mutex_lock(&s->cutting);
	pthread_mutex_lock(&s->lock);
	while (s->taken - s->ended >= s->size)
		pthread_cond_wait(&s->room, &s->lock);
	pthread_mutex_unlock(&s->lock);
	if (atomic_load(&s->worst) > s->taken)
		r = cutter_next(s->cutter, cut, err);
	if (r)
		*ret_number = s->taken++;
	pthread_mutex_unlock(&s->cutting);
	return r;
}

static int read_block(struct scan *s, uint64_t number, const struct cut *cut, struct block *b, struct error *err)
{
	struct table *t = s->table;
	CLEANUP(cleanup_source) struct source *source = source_range(t->fd, t->name, cut->from, cut->to);
	struct window w = WINDOW_INIT(source);
	CLEANUP(cleanup_csv) struct csv *csv = csv_rows(t, &w, cut->first);
	uint64_t nrows = 0;
	struct rows rows;
	int r;

	while ((r = csv_next(csv, &rows, err)) > 0) {
		if (atomic_load_explicit(&s->worst, memory_order_relaxed) < number)
			return 0;
		nrows += rows.nrows;
		if (block_rows(b, &rows, err) < 0)
			return -1;
	}
	if (r < 0)
		return -1;
	if (nrows != cut->nrows)
		return error_set(err, ERR_CONFLICT, "%s was changed while it was read", t->name);
	atomic_fetch_add_explicit(&t->scanned, cut->to - cut->from, memory_order_relaxed);
	return 0;
}

/* The oldest of the ring, under lock; ending it is not. */
static void end_oldest(struct scan *s)
{
	struct done *oldest = &s->ring[s->ended % s->size];
	struct block block = oldest->block;
	struct error err = { 0 };

	oldest->there = false;
	if (oldest->failed && !s->failed) {
		s->failed = true;
		s->err = oldest->err;
	}
	pthread_mutex_unlock(&s->lock);
	/* only who is `ending` changes s->failed */
	if (block_end(&block, s->failed, &err) < 0 && !s->failed) {
		s->failed = true;
		s->err = err;
		atomic_store(&s->worst, 0);
	}
	pthread_mutex_lock(&s->lock);
	s->ended++;
	pthread_cond_broadcast(&s->room);
}

static void leave(struct scan *s, uint64_t number, const struct done *done)
{
	if (done->failed) {
		uint64_t worst = atomic_load(&s->worst);

		while (number < worst && !atomic_compare_exchange_weak(&s->worst, &worst, number))
			;
	}
	pthread_mutex_lock(&s->lock);
	s->ring[number % s->size] = *done;
	if (!s->ending) {
		s->ending = true;
		while (s->ring[s->ended % s->size].there)
			end_oldest(s);
		s->ending = false;
	}
	pthread_mutex_unlock(&s->lock);
}

static void *run(void *arg)
{
	struct scan *s = arg;
	struct cut cut;
	uint64_t number;
	int r;

	do {
		struct done done = { .there = true, .block = { s->work, s->ctx, NULL, false } };

		r = take_block(s, &cut, &number, &done.err);
		if (!r)
			break;
		done.failed = r < 0 || read_block(s, number, &cut, &done.block, &done.err) < 0;
		leave(s, number, &done);
	} while (r > 0);
	return NULL;
}

int scan_blocks_apart(struct table *t, const struct table_work *work, void *ctx, unsigned threads, struct error *err)
{
	struct scan s = { .table = t, .work = work, .ctx = ctx, .size = (size_t)threads * 2,
			  .cutting = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER,
			  .room = PTHREAD_COND_INITIALIZER };
	pthread_t *helpers = xcalloc(threads, sizeof(*helpers));
	unsigned n = 0;

	atomic_init(&s.worst, UINT64_MAX);
	s.ring = xcalloc(s.size, sizeof(*s.ring));
	s.cutter = cutter_new(t, t->from, t->to, t->first);
	/* fewer threads than wanted do the same */
	while (n < threads - 1 && !pthread_create(&helpers[n], NULL, run, &s))
		n++;
	run(&s);
	while (n)
		pthread_join(helpers[--n], NULL);
	if (s.failed && err)
		*err = s.err;
	cutter_free(s.cutter);
	free(s.ring);
	free(helpers);
	return s.failed ? -1 : 0;
}
