/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/events_feed.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include "agent/access.h"
#include "agent/call.h"
#include "agent/feed.h"
#include "agent/httpd.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/events.h"
#include "registry/project.h"

#define LOOK_MS	    200 /* for what other processes wrote */
#define PAUSE_MS    20  /* between two looks, however much is committed */
#define BEAT_MS	    15000
#define ASK_MS	    1000 /* whether clients may still read */
#define PIECE	    200 /* events of one look, */
#define PIECE_BYTES (64u << 10) /* or as many as these; and the largest event whose body is sent */

struct client {
	struct feed *feed;
	struct principal who;
	int64_t seen;  /* the last seq it was offered */
	int64_t begun; /* the newest when it came */
	struct client *next;
};

static struct {
	pthread_mutex_t mutex; /* of these: */
	pthread_cond_t woken;
	bool wake, stop;
	struct client *fresh;
	int64_t last;       /* the newest seq that was offered to all; written by the thread alone */
	/* the thread's own: */
	pthread_t thread;
	struct project *project;
	struct db *db;
	struct client *clients;
	struct strbuf text; /* what is offered, up to: */
	int64_t text_last;
	int64_t looked_ms, beat_ms, asked_ms;
} hub = { .mutex = PTHREAD_MUTEX_INITIALIZER, .text = STRBUF_INIT };

/* ---- events ---- */

static void render(struct js *event, struct strbuf *out)
{
	size_t start;

	strbuf_printf(out, "id: %lld\nevent: %s\ndata: ", (long long)js_get_int(event, "seq", 0),
		      js_get_str(event, "operation"));
	start = out->len;
	js_dump(event, JS_COMPACT, out);
	if (out->len - start > PIECE_BYTES) {
		out->buf[out->len = start] = '\0';
		js_del(event, "body");
		js_set_bool(event, "body_left_out", true);
		js_dump(event, JS_COMPACT, out);
	}
	strbuf_puts(out, "\n\n");
}

/* Some of those after a seq, into hub.text. False: there are none, or they cannot be read now. */
static bool read_events(int64_t after)
{
	CLEANUP_JS struct js *list = NULL;
	struct event_query query = { .after = after, .limit = PIECE, .oldest_first = true };

	strbuf_clear(&hub.text);
	if (event_find(hub.db, &query, &list, NULL) < 0)
		return false;
	for (size_t i = 0; i < js_len(list) && hub.text.len < PIECE_BYTES; i++) {
		hub.text_last = js_get_int(js_at(list, i), "seq", 0);
		render(js_at(list, i), &hub.text);
	}
	return hub.text.len > 0;
}

/* ---- clients ---- */

/* Drops those for whom it says false. */
static void each_client(bool (*keep)(struct client *))
{
	for (struct client **link = &hub.clients, *c; (c = *link);) {
		if (keep(c)) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		feed_free(c->feed);
		free(c);
	}
}

static bool offer_or_cut(struct client *c)
{
	if (feed_offer(c->feed, hub.text.buf, hub.text.len))
		return true;
	feed_cut(c->feed);
	return false;
}

/* One that has not seen just what was before them is given them by catch_up. */
static bool offer_new(struct client *c)
{
	if (c->seen != hub.last)
		return true;
	c->seen = hub.text_last;
	return offer_or_cut(c);
}

/* One that missed some gets the next piece when it has room for it. */
static bool catch_up(struct client *c)
{
	while (c->seen < hub.last && read_events(c->seen)) {
		if (!feed_offer(c->feed, hub.text.buf, hub.text.len))
			return !feed_gone(c->feed);
		c->seen = hub.text_last;
	}
	return true;
}

static bool cut_unless_allowed(struct client *c)
{
	if (access_holds(&c->who))
		return true;
	feed_cut(c->feed);
	return false;
}

static bool end_client(struct client *c)
{
	feed_end(c->feed);
	return false;
}

/* The hub may not have looked yet at what a client has seen; what nobody wrote it has not seen. */
static void take_fresh(void)
{
	struct client *fresh, *next;
	int64_t last = hub.last;

	pthread_mutex_lock(&hub.mutex);
	fresh = hub.fresh;
	hub.fresh = NULL;
	pthread_mutex_unlock(&hub.mutex);
	if (fresh)
		event_last(hub.db, &last, NULL);
	for (; fresh; fresh = next) {
		next = fresh->next;
		if (fresh->seen > last)
			fresh->seen = fresh->begun;
		fresh->next = hub.clients;
		hub.clients = fresh;
	}
}

/* ---- the thread ---- */

static void look(void)
{
	if (clock_mono_ms() - hub.asked_ms >= ASK_MS) {
		each_client(cut_unless_allowed);
		hub.asked_ms = clock_mono_ms();
	}
	while (read_events(hub.last)) {
		each_client(offer_new);
		pthread_mutex_lock(&hub.mutex);
		hub.last = hub.text_last;
		pthread_mutex_unlock(&hub.mutex);
	}
	each_client(catch_up);
	hub.looked_ms = clock_mono_ms();
	if (hub.looked_ms - hub.beat_ms < BEAT_MS)
		return;
	hub.beat_ms = hub.looked_ms;
	strbuf_clear(&hub.text);
	strbuf_puts(&hub.text, ": \n\n");
	each_client(offer_or_cut);
}

static void sleep_ms(int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	if (ms > 0)
		nanosleep(&t, NULL);
}

/* Until there may be something new. False: it is over. */
static bool wait_for_news(void)
{
	struct timespec end;
	bool go_on;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += LOOK_MS * 1000000L;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	pthread_mutex_lock(&hub.mutex);
	while (!hub.wake && !hub.stop && pthread_cond_timedwait(&hub.woken, &hub.mutex, &end) != ETIMEDOUT)
		;
	hub.wake = false;
	go_on = !hub.stop;
	pthread_mutex_unlock(&hub.mutex);
	return go_on;
}

static void *run(void *ctx)
{
	(void)ctx;
	while (wait_for_news()) {
		sleep_ms(PAUSE_MS - (clock_mono_ms() - hub.looked_ms));
		take_fresh();
		look();
	}
	take_fresh();
	each_client(end_client);
	return NULL;
}

/* ---- its life ---- */

int events_feed_start(const char *dir, struct error *err)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&hub.woken, &attr);
	pthread_condattr_destroy(&attr);
	hub.beat_ms = clock_mono_ms();
	if (project_open(dir, &hub.project, err) < 0 || project_db(hub.project, &hub.db, err) < 0 ||
	    event_last(hub.db, &hub.last, err) < 0)
		return -1;
	r = pthread_create(&hub.thread, NULL, run, NULL);
	return r ? error_sys(err, r, "cannot start a thread") : 0;
}

void events_feed_stop(void)
{
	pthread_mutex_lock(&hub.mutex);
	hub.stop = true;
	pthread_cond_signal(&hub.woken);
	pthread_mutex_unlock(&hub.mutex);
	pthread_join(hub.thread, NULL);
	strbuf_release(&hub.text);
	project_close(hub.project);
}

void events_feed_wake(void)
{
	pthread_mutex_lock(&hub.mutex);
	hub.wake = true;
	pthread_cond_signal(&hub.woken);
	pthread_mutex_unlock(&hub.mutex);
}

/* ---- a client comes ---- */

/* -1: only what is new. */
static int read_seen(const struct call *call, int64_t *ret, struct error *err)
{
	const char *text = call_header(call, "Last-Event-ID");
	char *end;

	if (!text)
		text = call_field(call, "after");
	*ret = -1;
	if (!text || !*text)
		return 0;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno)
		return error_set(err, ERR_USAGE, "'%.40s' is no id of an event: a whole number", text);
	return 0;
}

int events_feed_begin(struct call *call, struct error *err)
{
	struct client *c;
	int64_t seen;

	if (read_seen(call, &seen, err) < 0)
		return -1;
	c = xcalloc(1, sizeof(*c));
	c->who = call->who;
	httpd_suspend(call);
	c->feed = feed_ref(call_reply_feed(call, 200, "text/event-stream"));
	feed_offer(c->feed, ": \n\n", 4); /* so that the head goes out now */
	pthread_mutex_lock(&hub.mutex);
	if (hub.stop) {
		feed_end(c->feed);
		feed_free(c->feed);
		free(c);
	} else {
		c->begun = hub.last;
		c->seen = seen < 0 ? c->begun : seen;
		c->next = hub.fresh;
		hub.fresh = c;
		hub.wake = true;
		pthread_cond_signal(&hub.woken);
	}
	pthread_mutex_unlock(&hub.mutex);
	httpd_answer(call);
	return 0;
}
