/* SPDX-License-Identifier: Apache-2.0 */
/* A whole table: blocks on any thread, merged in their order. */
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/progress.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/table/table.h"

struct scan {
	struct table *table;
	const struct profile_options *options;
	struct profile *whole;
	pthread_mutex_t lock; /* of what follows: blocks are used again, because their memory is large */
	struct profile **spare;
	size_t nspare, cap;
};

static void *begin_block(void *ctx, uint64_t number)
{
	struct scan *s = ctx;
	struct profile *block = NULL;

	(void)number;
	pthread_mutex_lock(&s->lock);
	if (s->nspare)
		block = s->spare[--s->nspare];
	pthread_mutex_unlock(&s->lock);
	if (!block)
		block = profile_new(s->options);
	block->scanned = s->table;
	return block;
}

static int add_rows(void *state, const struct rows *rows, struct error *err)
{
	struct profile *block = state;

	if (profile_add_block(block, block->scanned, rows, err) < 0)
		return -1;
	if (block->rows == TABLE_BLOCK)
		profile_seal(block);
	return 0;
}

static int tell(const struct scan *s, struct error *err)
{
	const struct progress *progress = s->options->progress;

	if (progress && progress->report(progress->ctx, table_name(s->table), 0, table_bytes(s->table), 0))
		return error_set(err, ERR_INTERRUPTED, "interrupted while reading %s", table_name(s->table));
	return 0;
}

static int end_block(void *ctx, void *state, bool failed, struct error *err)
{
	struct scan *s = ctx;
	struct profile *block = state;
	int rc = 0;

	profile_seal(block);
	if (!failed)
		rc = profile_merge(s->whole, block, err) < 0 ? -1 : tell(s, err);
	profile_clear(block);
	pthread_mutex_lock(&s->lock);
	GROW(s->spare, s->nspare, s->cap);
	s->spare[s->nspare++] = block;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int profile_table(struct table *table, const struct profile_options *options, struct profile **ret, struct error *err)
{
	static const struct table_work work = { begin_block, add_rows, end_block };
	CLEANUP(cleanup_profile) struct profile *whole = profile_new(options);
	struct scan s = { .table = table, .options = options, .whole = whole, .lock = PTHREAD_MUTEX_INITIALIZER };
	int rc = table_scan(table, &work, &s, options->threads, err);

	while (s.nspare)
		profile_free(s.spare[--s.nspare]);
	free(s.spare);
	pthread_mutex_destroy(&s.lock);
	if (rc < 0)
		return -1;
	profile_columns(whole, table, table_ncolumns(table));
	profile_finish(whole);
	*ret = steal(&whole);
	return 0;
}
