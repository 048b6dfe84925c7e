/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include "base/error.h"
#include "monitor/table/table_scan_internal.h"

/* One piece of rows between the two threads, while the next one is made. */
struct pair {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct rows rows;
	bool full, ended, failed; /* under lock, as `rows` */
	struct block block;	  /* of the thread that works, and of the other when it has ended */
	struct error err;
};

static void *work(void *arg)
{
	struct pair *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		int r;

		while (!p->full && !p->ended)
			pthread_cond_wait(&p->changed, &p->lock);
		if (!p->full)
			break;
		pthread_mutex_unlock(&p->lock);
		r = blocks_rows(&p->block, p->rows, &p->err);
		pthread_mutex_lock(&p->lock);
		p->full = false;
		p->failed = r < 0;
		pthread_cond_signal(&p->changed);
		if (p->failed)
			break;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* False: the other thread failed. */
static bool give(struct pair *p, const struct rows *rows)
{
	bool failed;

	pthread_mutex_lock(&p->lock);
	while (p->full)
		pthread_cond_wait(&p->changed, &p->lock);
	failed = p->failed;
	if (!failed) {
		p->rows = *rows;
		p->full = true;
		pthread_cond_signal(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return !failed;
}

static void end(struct pair *p, pthread_t thread)
{
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(thread, NULL);
}

int scan_in_two(struct table *t, const struct table_work *table_work, void *ctx, struct error *err)
{
	struct pair p = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER,
			  .block = { table_work, ctx, NULL, false } };
	pthread_t thread;
	struct rows rows;
	int r;

	table_lend_longer(t);
	r = pthread_create(&thread, NULL, work, &p);
	if (r)
		return error_sys(err, r, "cannot start a thread");
	while ((r = table_next(t, &rows, err)) > 0)
		if (!give(&p, &rows))
			break;
	end(&p, thread);
	if (p.failed && err)
		*err = p.err;
	if (r >= 0 && !p.failed)
		return block_end(&p.block, false, err);
	block_end(&p.block, true, NULL);
	return -1;
}
