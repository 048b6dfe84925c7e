/* SPDX-License-Identifier: Apache-2.0 */
#include "store/intake.h"
#include <pthread.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include "store/store.h"

/* A batch and who writes into it. */
struct shared_batch {
	struct store_batch *batch;
	unsigned refs;
};

struct intake {
	struct store *store;
	pthread_mutex_t mutex;
	pthread_cond_t committed;
	struct shared_batch *now; /* where new files go; NULL: the last one failed */
	struct ending *waiting;   /* files that ended and wait for a commit */
	bool committing;
};

struct intake_file {
	struct intake *intake;
	struct shared_batch *in;
	struct batch_stream *stream; /* NULL: closed */
};

/* A file at its end, on the stack of the thread that waits. */
struct ending {
	struct intake_file *file;
	struct digest id;
	uint64_t size;
	struct error err;
	bool failed, done;
	struct ending *next;
};

/* The mutex is held. */
static void leave(struct shared_batch *in)
{
	if (--in->refs)
		return;
	batch_free(in->batch);
	free(in);
}

/* The mutex is held. */
static int renew(struct intake *intake, struct error *err)
{
	struct store_batch *batch;

	if (intake->now)
		return 0;
	if (batch_open(intake->store, &batch, err) < 0)
		return -1;
	intake->now = xcalloc(1, sizeof(*intake->now));
	*intake->now = (struct shared_batch){ .batch = batch, .refs = 1 };
	return 0;
}

int intake_open(struct store *store, struct intake **ret, struct error *err)
{
	struct intake *intake = xcalloc(1, sizeof(*intake));

	intake->store = store;
	pthread_mutex_init(&intake->mutex, NULL);
	pthread_cond_init(&intake->committed, NULL);
	if (renew(intake, err) < 0) {
		intake_close(intake);
		return -1;
	}
	*ret = intake;
	return 0;
}

void intake_close(struct intake *intake)
{
	if (!intake)
		return;
	if (intake->now)
		leave(intake->now);
	pthread_cond_destroy(&intake->committed);
	pthread_mutex_destroy(&intake->mutex);
	free(intake);
}

int intake_begin(struct intake *intake, struct intake_file **ret, struct error *err)
{
	struct batch_stream *stream;
	struct shared_batch *in;
	int r;

	pthread_mutex_lock(&intake->mutex);
	r = renew(intake, err);
	in = intake->now;
	if (r == 0)
		r = batch_stream_open(in->batch, &stream, err);
	if (r == 0)
		in->refs++;
	pthread_mutex_unlock(&intake->mutex);
	if (r < 0)
		return -1;
	*ret = xcalloc(1, sizeof(**ret));
	**ret = (struct intake_file){ .intake = intake, .in = in, .stream = stream };
	return 0;
}

int intake_write(struct intake_file *file, const void *data, size_t len, struct error *err)
{
	return batch_stream_write(file->stream, data, len, err);
}

uint64_t intake_size(const struct intake_file *file)
{
	return batch_stream_size(file->stream);
}

void intake_digest(struct intake_file *file, struct digest *ret)
{
	batch_stream_digest(file->stream, ret);
}

void intake_drop(struct intake_file *file)
{
	struct intake *intake;

	if (!file)
		return;
	intake = file->intake;
	batch_stream_drop(file->stream);
	pthread_mutex_lock(&intake->mutex);
	leave(file->in);
	pthread_mutex_unlock(&intake->mutex);
	free(file);
}

/* ---- ends together ---- */

static void fail(struct ending *e, const struct error *err)
{
	e->failed = true;
	e->err = *err;
}

/* All that wait and are of the same batch as the first; the rest stays. The mutex is held. */
static struct ending *take_group(struct intake *intake)
{
	struct shared_batch *in = intake->waiting->file->in;
	struct ending *group = NULL;

	for (struct ending **at = &intake->waiting; *at;) {
		struct ending *e = *at;

		if (e->file->in != in) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		e->next = group;
		group = e;
	}
	return group;
}

/* One thread at a time. */
static bool commit_group(struct ending *group)
{
	struct store_batch *batch = group->file->in->batch;
	struct error err = { 0 };
	int r;

	for (struct ending *e = group; e; e = e->next)
		e->failed = batch_stream_close(steal(&e->file->stream), &e->id, &e->size, &e->err) < 0;
	r = batch_commit(batch, &err);
	for (struct ending *e = group; r < 0 && e; e = e->next)
		if (!e->failed)
			fail(e, &err);
	return r == 0;
}

/* The mutex is held, but not meanwhile. */
static void lead(struct intake *intake)
{
	struct ending *group = take_group(intake), *next;
	struct shared_batch *in = group->file->in;
	bool good;

	intake->committing = true;
	pthread_mutex_unlock(&intake->mutex);
	good = commit_group(group);
	pthread_mutex_lock(&intake->mutex);
	intake->committing = false;
	if (!good && intake->now == in) {
		intake->now = NULL;
		leave(in);
	}
	for (; group; group = next) {
		next = group->next;
		group->done = true;
	}
	pthread_cond_broadcast(&intake->committed);
}

int intake_commit(struct intake_file *file, struct digest *ret, uint64_t *ret_size, struct error *err)
{
	struct ending e = { .file = file };
	struct intake *intake = file->intake;

	pthread_mutex_lock(&intake->mutex);
	e.next = intake->waiting;
	intake->waiting = &e;
	while (!e.done) {
		if (intake->committing)
			pthread_cond_wait(&intake->committed, &intake->mutex);
		else
			lead(intake);
	}
	pthread_mutex_unlock(&intake->mutex);
	intake_drop(file);
	if (e.failed) {
		if (err)
			*err = e.err;
		return -1;
	}
	*ret = e.id;
	*ret_size = e.size;
	return 0;
}
