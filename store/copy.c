/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying a file while hashing the very bytes that are written. Of a large file one
 * thread hashes a piece while the other reads and writes the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/batch_internal.h"

#define LARGE_FILE (16u << 20) /* from here on a thread pays */
#define PIECES	   3

struct copy {
	int from, to;
	const char *name;
	const struct watch *watch;
	struct hasher hasher;
	uint64_t at;
};

/* Reads one piece. Bytes, 0 at the end, -1 or COPY_SOURCE. */
static ssize_t read_piece(struct copy *copy, char *buf, struct error *err)
{
	ssize_t n;

	do {
		n = pread(copy->from, buf, COPY_CHUNK, (off_t)copy->at);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	error_sys(err, errno, "cannot read %s", copy->name);
	return COPY_SOURCE;
}

/* Writing to disk starts at once: the sync at the end has less to wait for. */
static int write_piece(struct copy *copy, const char *buf, size_t len, struct error *err)
{
	if (io_write_all(copy->to, buf, len, copy->name, err) < 0)
		return -1;
	copy->at += len;
	if (copy->at % (16 * COPY_CHUNK) == 0)
		sync_file_range(copy->to, 0, 0, SYNC_FILE_RANGE_WRITE);
	if (watch_tick(copy->watch, len))
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	return 0;
}

static int copy_alone(struct copy *copy, struct error *err)
{
	CLEANUP(cleanup_free) char *buf = xmalloc(COPY_CHUNK);
	ssize_t n;

	while ((n = read_piece(copy, buf, err)) > 0) {
		hasher_update(&copy->hasher, buf, (size_t)n);
		if (write_piece(copy, buf, (size_t)n, err) < 0)
			return -1;
	}
	return (int)n;
}

/* Pieces between the two threads: a ring, filled at `head` and hashed at `tail`. */
struct ring {
	struct copy *copy;
	char *buf[PIECES];
	size_t len[PIECES];
	pthread_mutex_t mutex;
	pthread_cond_t moved;
	unsigned head, tail; /* pieces so far */
	bool end;
};

static void *hash_pieces(void *arg)
{
	struct ring *ring = arg;

	pthread_mutex_lock(&ring->mutex);
	for (;;) {
		unsigned i = ring->tail % PIECES;

		while (ring->tail == ring->head && !ring->end)
			pthread_cond_wait(&ring->moved, &ring->mutex);
		if (ring->tail == ring->head)
			break;
		pthread_mutex_unlock(&ring->mutex);
		hasher_update(&ring->copy->hasher, ring->buf[i], ring->len[i]);
		pthread_mutex_lock(&ring->mutex);
		ring->tail++;
		pthread_cond_signal(&ring->moved);
	}
	pthread_mutex_unlock(&ring->mutex);
	return NULL;
}

/* Waits until one piece may be overwritten. */
static unsigned free_piece(struct ring *ring)
{
	unsigned i;

	pthread_mutex_lock(&ring->mutex);
	while (ring->head - ring->tail == PIECES)
		pthread_cond_wait(&ring->moved, &ring->mutex);
	i = ring->head % PIECES;
	pthread_mutex_unlock(&ring->mutex);
	return i;
}

static void give_piece(struct ring *ring, size_t len)
{
	pthread_mutex_lock(&ring->mutex);
	if (len)
		ring->len[ring->head++ % PIECES] = len;
	else
		ring->end = true;
	pthread_cond_signal(&ring->moved);
	pthread_mutex_unlock(&ring->mutex);
}

static int fill_ring(struct ring *ring, struct error *err)
{
	for (;;) {
		char *buf = ring->buf[free_piece(ring)];
		ssize_t n = read_piece(ring->copy, buf, err);

		if (n <= 0)
			return (int)n;
		/* Both only read it from here on, and it is reused after both are done. */
		give_piece(ring, (size_t)n);
		if (write_piece(ring->copy, buf, (size_t)n, err) < 0)
			return -1;
	}
}

static bool start_hashing(struct ring *ring, pthread_t *ret)
{
	sigset_t all, old;
	int sys;

	/* Signals belong to the thread that called. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	sys = pthread_create(ret, NULL, hash_pieces, ring);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return sys == 0;
}

static int copy_together(struct copy *copy, struct error *err)
{
	struct ring ring = { .copy = copy, .mutex = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };
	CLEANUP(cleanup_free) char *bufs = xmalloc((size_t)PIECES * COPY_CHUNK);
	pthread_t thread;
	int r;

	for (size_t i = 0; i < PIECES; i++)
		ring.buf[i] = bufs + i * COPY_CHUNK;
	if (!start_hashing(&ring, &thread))
		return copy_alone(copy, err);
	r = fill_ring(&ring, err);
	give_piece(&ring, 0);
	pthread_join(thread, NULL);
	return r;
}

int batch_copy_and_hash(int from, int to, const char *name, const struct watch *watch,
			struct digest *ret, uint64_t *ret_size, struct error *err)
{
	struct copy copy = { .from = from, .to = to, .name = name, .watch = watch };
	struct stat st;
	int r;

	hasher_init(&copy.hasher);
	if (fstat(from, &st) == 0 && st.st_size >= LARGE_FILE)
		r = copy_together(&copy, err);
	else
		r = copy_alone(&copy, err);
	if (r < 0) {
		hasher_release(&copy.hasher);
		return r;
	}
	hasher_final(&copy.hasher, ret);
	*ret_size = copy.at;
	return 0;
}
