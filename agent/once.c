/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/once.h"
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "agent/call.h"
#include "agent/httpd.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/answers.h"
#include "registry/project.h"

#define KEEP_MS	 (15 * 60 * 1000ll)
#define CHAINS	 1024
#define ACK_MS	 5000 /* an answer is acknowledged by then */

struct receipt {
	struct digest request;
	int64_t id;      /* of the answer that is kept */
	int64_t time_ms;
	int fd;          /* whose client waits for it; -1: nobody does */
	bool fresh;      /* the answer was made by the call that has this */
	uint64_t acked;  /* bytes that the client had acknowledged before the answer */
	int64_t sent_ms; /* by the monotonic clock; 0: it is not out yet, as far as we were told */
	bool passed_on;  /* to another call: this one stands in no chain any more */
	struct receipt *next;
};

struct ids {
	int64_t *items;
	size_t len, cap;
};

static struct {
	pthread_mutex_t mutex;
	struct receipt *chains[CHAINS];
	struct ids gone;  /* to be dropped from the database */
	size_t sweeping;  /* so many of them are, in the open transaction */
	int64_t swept_ms; /* when all were looked at last */
} table = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static struct receipt **chain_of(const struct digest *request)
{
	return &table.chains[(request->b[0] | request->b[1] << 8) % CHAINS];
}

static void hash_field(struct hasher *h, const void *data, size_t len)
{
	uint64_t n = len;

	hasher_update(h, &n, sizeof(n));
	hasher_update(h, data, len);
}

static void hash_request(const struct call *call, struct digest *ret)
{
	struct hasher h;

	hasher_init(&h);
	hash_field(&h, call->who.name, strlen(call->who.name));
	hash_field(&h, call->method, strlen(call->method));
	hash_field(&h, call->path, strlen(call->path));
	for (size_t i = 0; i < call->nfields; i++) {
		hash_field(&h, call->fields[i].name, strlen(call->fields[i].name));
		hash_field(&h, call->fields[i].value, strlen(call->fields[i].value));
	}
	hash_field(&h, call->body.buf, call->body.len);
	hasher_final(&h, ret);
}

/* ---- the table, under the mutex ---- */

static bool sees(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0 && p.revents & (events | POLLERR | POLLNVAL);
}

/* Of an answer that is out. A reset, which nobody has looked at, means that it was not read. What is not acknowledged
 * after seconds never was; just after the answer nothing can be said, and all is likely well. The end of a connection
 * counts as one byte. */
static bool was_cut_off(const struct receipt *r)
{
	int unsent = 0;

	if (sees(r->fd, 0))
		return true;
	return clock_mono_ms() - r->sent_ms > ACK_MS && ioctl(r->fd, TIOCOUTQ, &unsent) == 0 && unsent > 1;
}

/* Of a Unix socket nothing is known. */
static uint64_t acked_bytes(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return fd >= 0 && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_bytes_acked : 0;
}

/* A client may have read its answer, and be back on another connection, before the server's thread has told that the
 * answer is out. One that is not out is lost when nobody is at the other end any more. */
static bool is_lost(const struct receipt *r)
{
	if (r->fd < 0)
		return true;
	return r->sent_ms || acked_bytes(r->fd) > r->acked ? was_cut_off(r) : sees(r->fd, POLLRDHUP | POLLHUP);
}

static struct receipt *find_lost(const struct digest *request)
{
	for (struct receipt *r = *chain_of(request); r; r = r->next)
		if (digest_equal(&r->request, request) && is_lost(r))
			return r;
	return NULL;
}

static struct receipt *add(const struct digest *request, int64_t id, int64_t time_ms, int fd)
{
	struct receipt *r = xcalloc(1, sizeof(*r)), **chain = chain_of(request);

	*r = (struct receipt){ .request = *request, .id = id, .time_ms = time_ms, .fd = fd, .acked = acked_bytes(fd),
			       .next = *chain };
	*chain = r;
	return r;
}

static void unlink_it(struct receipt *gone)
{
	struct receipt **at = chain_of(&gone->request);

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
}

static void forget(struct receipt *gone)
{
	if (!gone->passed_on)
		unlink_it(gone);
	free(gone);
}

static void drop(struct receipt *r)
{
	GROW(table.gone.items, table.gone.len, table.gone.cap);
	table.gone.items[table.gone.len++] = r->id;
	forget(r);
}

static void drop_old(int64_t now_ms)
{
	for (size_t i = 0; i < CHAINS; i++)
		for (struct receipt *r = table.chains[i], *next; r; r = next) {
			next = r->next;
			if (r->fd < 0 && now_ms - r->time_ms > KEEP_MS)
				drop(r);
		}
}

/* ---- the writer ---- */

static int note_kept(void *ctx, int64_t id, const struct digest *request, int64_t time_ms)
{
	(void)ctx;
	add(request, id, time_ms, -1);
	return 0;
}

int once_start(struct project *project, struct error *err)
{
	struct db *db;

	return project_db(project, &db, err) < 0 ? -1 : answers_each(db, note_kept, NULL, err);
}

/* Connections that are still open keep their receipts. */
static void leave(struct receipt *r)
{
	if (r->fd < 0) {
		forget(r);
	} else if (r->sent_ms) {
		GROW(table.gone.items, table.gone.len, table.gone.cap);
		table.gone.items[table.gone.len++] = r->id;
	}
}

void once_stop(struct project *project)
{
	struct db *db;

	pthread_mutex_lock(&table.mutex);
	for (size_t i = 0; i < CHAINS; i++)
		for (struct receipt *r = table.chains[i], *next; r; r = next) {
			next = r->next;
			leave(r);
		}
	pthread_mutex_unlock(&table.mutex);
	if (!table.gone.len || project_db(project, &db, NULL) < 0 || db_begin(db, NULL) < 0)
		return;
	if (once_sweep(db, NULL) < 0)
		db_rollback(db);
	else if (db_commit(db, NULL) == 0)
		once_committed();
}

/* What is kept for this request, now for this call; NULL: nothing is. */
static struct receipt *take_lost(const struct digest *request, int fd)
{
	struct receipt *r, *old;

	pthread_mutex_lock(&table.mutex);
	r = find_lost(request);
	if (r && r->fd >= 0) { /* its call has not ended yet */
		old = r;
		unlink_it(old);
		old->passed_on = true;
		r = add(request, old->id, old->time_ms, fd);
	}
	if (r) {
		r->fd = fd;
		r->acked = acked_bytes(fd);
	}
	pthread_mutex_unlock(&table.mutex);
	return r;
}

static int answer_new(struct call *call, struct db *db, const struct digest *request, struct error *err)
{
	int64_t now = clock_wall_ms(), id;

	if (answer_put(db, request, now, call->text.buf, &id, err) < 0)
		return -1;
	pthread_mutex_lock(&table.mutex);
	call->receipt = add(request, id, now, httpd_socket(call));
	call->receipt->fresh = true;
	pthread_mutex_unlock(&table.mutex);
	return 0;
}

int once_serve(struct call *call, struct project *project,
	       int (*serve)(struct call *, struct project *, struct error *), struct error *err)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct digest request;
	struct db *db;

	hash_request(call, &request);
	if (project_db(project, &db, err) < 0)
		return -1;
	call->receipt = take_lost(&request, httpd_socket(call));
	if (!call->receipt)
		return serve(call, project, err) < 0 ? -1 : answer_new(call, db, &request, err);
	if (answer_get(db, call->receipt->id, &body, err) < 0)
		return -1;
	call_reply_buf(call, 200, "application/json", &body);
	return 0;
}

void once_undo(struct call *call)
{
	struct receipt *r = call->receipt;

	call->receipt = NULL;
	if (!r)
		return;
	pthread_mutex_lock(&table.mutex);
	if (r->fresh)
		forget(r);
	else
		r->fd = -1;
	pthread_mutex_unlock(&table.mutex);
}

int once_sweep(struct db *db, struct error *err)
{
	int64_t now = clock_wall_ms();
	int r = 0;

	pthread_mutex_lock(&table.mutex);
	if (now - table.swept_ms > KEEP_MS / 15) {
		drop_old(now);
		table.swept_ms = now;
	}
	table.sweeping = table.gone.len;
	for (size_t i = 0; r == 0 && i < table.sweeping; i++)
		r = answer_drop(db, table.gone.items[i], err);
	pthread_mutex_unlock(&table.mutex);
	return r;
}

void once_committed(void)
{
	pthread_mutex_lock(&table.mutex);
	table.gone.len -= table.sweeping;
	if (table.gone.len)
		memmove(table.gone.items, table.gone.items + table.sweeping,
			table.gone.len * sizeof(*table.gone.items));
	table.sweeping = 0;
	pthread_mutex_unlock(&table.mutex);
}

/* ---- the server ---- */

void once_arrived(struct receipt *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&table.mutex);
	if (r->passed_on)
		free(r);
	else
		drop(r);
	pthread_mutex_unlock(&table.mutex);
}

void once_lost(struct receipt *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&table.mutex);
	r->fd = -1;
	r->fresh = false;
	r->sent_ms = 0;
	if (r->passed_on)
		free(r);
	pthread_mutex_unlock(&table.mutex);
}

struct receipt *once_sent(struct receipt *r)
{
	pthread_mutex_lock(&table.mutex);
	r->sent_ms = clock_mono_ms();
	pthread_mutex_unlock(&table.mutex);
	return r;
}

void once_closed(struct receipt *r)
{
	bool lost;

	if (!r)
		return;
	pthread_mutex_lock(&table.mutex);
	lost = was_cut_off(r);
	pthread_mutex_unlock(&table.mutex);
	if (lost)
		once_lost(r);
	else
		once_arrived(r);
}
