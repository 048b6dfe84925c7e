/* SPDX-License-Identifier: Apache-2.0 */
#include "base/workers_internal.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/mem.h"

struct work_queue {
	struct work *head, **tail;
};

struct workers {
	int wake_fd; /* eventfd: the list of finished jobs is no longer empty */
	pthread_mutex_t lock;
	pthread_cond_t given;
	bool quit; /* under lock, as both queues */
	struct work_queue todo, finished;
	pthread_t *threads;
	int nthreads;
};

static void queue_push(struct work_queue *queue, struct work *work)
{
	work->next = NULL;
	*queue->tail = work;
	queue->tail = &work->next;
}

static struct work *queue_pop(struct work_queue *queue)
{
	struct work *work = queue->head;

	queue->head = work->next;
	if (!queue->head)
		queue->tail = &queue->head;
	return work;
}

static void wake(const struct workers *workers)
{
	uint64_t one = 1;

	/* A full counter means that it is readable already. */
	while (write(workers->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *worker_main(void *arg)
{
	struct workers *workers = arg;

	pthread_mutex_lock(&workers->lock);
	for (;;) {
		struct work *work;

		while (!workers->quit && !workers->todo.head)
			pthread_cond_wait(&workers->given, &workers->lock);
		if (workers->quit)
			break;
		work = queue_pop(&workers->todo);
		pthread_mutex_unlock(&workers->lock);
		work->work(work->ctx);
		pthread_mutex_lock(&workers->lock);
		if (!workers->finished.head)
			wake(workers);
		queue_push(&workers->finished, work);
	}
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

/* Fewer threads than asked for will do; none is an error. */
static int start_threads(struct workers *workers, int n)
{
	sigset_t all, old;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (workers->nthreads < n) {
		rc = pthread_create(&workers->threads[workers->nthreads], NULL, worker_main,
				    workers);
		if (rc)
			break;
		workers->nthreads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return workers->nthreads ? 0 : rc;
}

int workers_start(int n, struct workers **ret)
{
	struct workers *workers = xcalloc(1, sizeof(*workers));
	int rc;

	workers->todo.tail = &workers->todo.head;
	workers->finished.tail = &workers->finished.head;
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->given, NULL);
	workers->threads = xcalloc((size_t)n, sizeof(*workers->threads));
	workers->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = workers->wake_fd < 0 ? errno : start_threads(workers, n);
	if (rc) {
		workers_free(workers);
		return rc;
	}
	*ret = workers;
	return 0;
}

void workers_free(struct workers *workers)
{
	if (!workers)
		return;
	pthread_mutex_lock(&workers->lock);
	workers->quit = true;
	pthread_cond_broadcast(&workers->given);
	pthread_mutex_unlock(&workers->lock);
	for (int i = 0; i < workers->nthreads; i++)
		pthread_join(workers->threads[i], NULL);
	work_list_free(workers->todo.head);
	work_list_free(workers->finished.head);
	pthread_cond_destroy(&workers->given);
	pthread_mutex_destroy(&workers->lock);
	if (workers->wake_fd >= 0)
		close(workers->wake_fd);
	free(workers->threads);
	free(workers);
}

int workers_fd(const struct workers *workers)
{
	return workers->wake_fd;
}

void workers_give(struct workers *workers, struct work *work)
{
	pthread_mutex_lock(&workers->lock);
	queue_push(&workers->todo, work);
	pthread_cond_signal(&workers->given);
	pthread_mutex_unlock(&workers->lock);
}

struct work *workers_take(struct workers *workers)
{
	struct work *list;
	uint64_t count;

	pthread_mutex_lock(&workers->lock);
	/* Under the lock: a job that finishes between the two would wake nobody. */
	while (read(workers->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	list = workers->finished.head;
	workers->finished.head = NULL;
	workers->finished.tail = &workers->finished.head;
	pthread_mutex_unlock(&workers->lock);
	return list;
}

void work_list_free(struct work *work)
{
	while (work) {
		struct work *next = work->next;

		free(work);
		work = next;
	}
}
