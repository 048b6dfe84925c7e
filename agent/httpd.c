/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/httpd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/access.h"
#include "agent/call.h"
#include "agent/feed.h"
#include "agent/head.h"
#include "agent/lanes.h"
#include "agent/once.h"
#include "agent/listen.h"
#include "agent/log.h"
#include "agent/metrics.h"
#include "agent/router.h"
#include "agent/watch.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/machine.h"
#include "base/mem.h"

#define CONNECTIONS    4096 /* of one address to listen on */
#define OF_ONE_CLIENT  1024 /* of them; not on loopback, where a proxy is one client */
#define BUFFER_BYTES   (64u << 10) /* of a connection: half of it is what one read of an upload brings */
#define FEED_BYTES     (32u << 10)
#define KEPT_MAX       (128u << 20) /* of the bodies that are kept, together */
#define STRANGERS_MAX  (64u << 20) /* of them, those of anybody: others find room, whatever strangers send and do not end */

/* Deadlines */
#define HEAD_S	       10 /* from the connection, or from the first line, to the end of the head */
#define IDLE_S	       75 /* from an answer to the next head; libmicrohttpd's own timeout, too */
#define BODY_S	       30 /* of a body that is kept, and more by its size: */
#define BODY_RATE      (16 << 10) /* bytes a second */
#define UPLOAD_S       60 /* between the parts of a body that is taken as it comes */
#define SWALLOW_MAX    (64 << 20) /* of a body that was refused: this much is still read */

enum conn_state { CONN_BODY, CONN_WORKING, CONN_READY };

struct listener {
	struct httpd *httpd;
	struct MHD_Daemon *daemon;
	struct listen_socket socket;
	bool is_tls, is_unix;
};

struct httpd {
	struct listener listeners[HTTPD_LISTEN_MAX];
	int closed_door; /* what stands for the listening sockets when nobody may come in any more */
	size_t nlisteners;
	bool in_place; /* see head.h */
	atomic_bool quiet, closed;
	atomic_uint_fast64_t requests, connections, refused;
	atomic_uint open, active;
	atomic_size_t kept, strangers;
};

/* A call, and what is the server's of it. */
struct conn {
	struct call call; /* first: a call is its conn */
	struct listener *listener;
	struct MHD_Connection *mhd;
	struct wire *wire;
	const char *target; /* in libmicrohttpd's buffer, until the head is here; NULL: there is none */
	size_t target_len;
	char *query; /* raw */
	int64_t taken;
	size_t kept; /* of it, until the call has ended */
	enum conn_state state;
	bool refused; /* the rest of the body is not looked at */
	bool deferred; /* until it is known who asks; then libmicrohttpd gives the head again */
};

static struct httpd *httpd_of(const struct conn *c)
{
	return c->listener->httpd;
}

const char *call_header(const struct call *call, const char *name)
{
	return MHD_lookup_connection_value(((const struct conn *)call)->mhd, MHD_HEADER_KIND, name);
}

static void set_deadline(struct conn *c, int64_t seconds)
{
	atomic_store(&c->wire->deadline_ns, seconds ? clock_mono_ns() + seconds * 1000000000 : 0);
}

void httpd_suspend(struct call *call)
{
	struct conn *c = (struct conn *)call;

	c->state = CONN_WORKING;
	MHD_suspend_connection(c->mhd);
}

int httpd_socket(const struct call *call)
{
	return ((const struct conn *)call)->wire->fd;
}

void httpd_answer(struct call *call)
{
	struct conn *c = (struct conn *)call;

	c->state = CONN_READY;
	MHD_resume_connection(c->mhd);
}

/* ---- answers ---- */

static void sleep_conn(void *ctx)
{
	MHD_suspend_connection(((struct conn *)ctx)->mhd);
}

static void wake_conn(void *ctx)
{
	MHD_resume_connection(((struct conn *)ctx)->mhd);
}

static ssize_t read_feed(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct conn *c = cls;
	ssize_t n = feed_read(c->call.feed, &(struct feed_reader){ sleep_conn, wake_conn, c }, buf, max);

	(void)pos;
	return n == FEED_END ? MHD_CONTENT_READER_END_OF_STREAM : n == FEED_GONE ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static void add_headers(struct MHD_Response *response, char *lines)
{
	static const char *const always[][2] = {
		{ "X-Content-Type-Options", "nosniff" },
		{ "Cache-Control", "no-store" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
	};

	for (char *line = lines, *end; line && *line; line = end + 1) {
		char *colon = strstr(line, ": ");

		end = strchr(line, '\n');
		*end = '\0';
		*colon = '\0';
		MHD_add_response_header(response, line, colon + 2);
	}
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (!MHD_get_response_header(response, always[i][0]))
			MHD_add_response_header(response, always[i][0], always[i][1]);
}

static struct MHD_Response *make_response(struct conn *c)
{
	struct call *call = &c->call;
	size_t len = call->text.len;

	if (call->feed) {
		watch_feed(c->wire, call->feed);
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, FEED_BYTES, read_feed, c, NULL);
	}
	if (call->fd >= 0)
		return MHD_create_response_from_fd_at_offset64(call->fd_length, steal_fd(&call->fd), call->fd_offset);
	if (!len)
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	return MHD_create_response_from_buffer(len, strbuf_detach(&call->text), MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result send_answer(struct conn *c)
{
	struct call *call = &c->call;
	struct MHD_Response *response = make_response(c);
	enum MHD_Result r;

	if (!response)
		return MHD_NO;
	set_deadline(c, 0);
	add_headers(response, call->headers);
	if (atomic_load(&httpd_of(c)->quiet))
		MHD_add_response_header(response, "Connection", "close");
	if (call->status >= 500)
		log_failed_call(call);
	r = MHD_queue_response(c->mhd, (unsigned)call->status, response);
	MHD_destroy_response(response);
	return r;
}

/* ---- heads ---- */

static void find_ip(struct peer *peer, const struct sockaddr *sa)
{
	const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	const struct in_addr *in = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;

	if (sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(in6))
		in = (const struct in_addr *)(const void *)&in6->s6_addr[12];
	else if (sa->sa_family == AF_INET6)
		in = NULL;
	peer->is_loopback = in ? ntohl(in->s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(in6);
	inet_ntop(in ? AF_INET : AF_INET6, in ? (const void *)in : in6, peer->address, sizeof(peer->address));
}

static void look_at_peer(struct conn *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct peer *peer = &c->call.peer;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	peer->is_tls = c->listener->is_tls;
	peer->is_unix = c->listener->is_unix;
	peer->uid = (uid_t)-1;
	if (!peer->is_unix && info && info->client_addr)
		find_ip(peer, info->client_addr);
	else
		snprintf(peer->address, sizeof(peer->address), "%s", peer->is_unix ? "unix" : "?");
	if (peer->is_unix && getsockopt(c->wire->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		peer->uid = cred.uid;
}

static enum MHD_Result take_field(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	head_field(cls, name, value);
	return MHD_YES;
}

static int check_head(struct conn *c, const char *version, int *ret_status, struct error *err)
{
	struct head h = { .in_place = httpd_of(c)->in_place };

	if (c->target_len > HEAD_TARGET_MAX) {
		*ret_status = 414;
		return error_set(err, ERR_USAGE, "the target of the request is longer than %u bytes", HEAD_TARGET_MAX);
	}
	head_line(&h, c->call.method, c->target, c->target_len, version);
	MHD_get_connection_values(c->mhd, MHD_HEADER_KIND, take_field, &h);
	return head_check(&h, version, &c->call.body_length, ret_status, err);
}

static uint64_t max_body(const struct call *call)
{
	return call->route->max_body ? call->route->max_body : ROUTE_BODY_MAX;
}

static int too_large(const struct call *call, struct error *err)
{
	return error_set(err, ERR_TOO_LARGE, "the body has more than %llu bytes", (unsigned long long)max_body(call));
}

static int begin(struct conn *c, const char *version, int *ret_status, struct error *err)
{
	struct call *call = &c->call;

	*ret_status = 0;
	look_at_peer(c);
	if (check_head(c, version, ret_status, err) < 0)
		return -1;
	*ret_status = 0;
	return router_find(call, c->query, err);
}

/* It is known who asks, and that he may. */
static int enter(struct call *call, struct error *err)
{
	if (call->body_length > 0 && (uint64_t)call->body_length > max_body(call))
		return too_large(call, err);
	return call->route->begin ? call->route->begin(call, err) : 0;
}

static void set_body_deadline(struct conn *c)
{
	if (c->call.route && c->call.route->take && !c->refused)
		set_deadline(c, UPLOAD_S);
	else
		atomic_store(&c->wire->deadline_ns,
			     c->call.begun_ns + (BODY_S + c->taken / BODY_RATE) * 1000000000);
}

static void fail(struct conn *c, int status)
{
	struct call *call = &c->call;

	atomic_fetch_add(&httpd_of(c)->refused, 1);
	call_fail(call, &call->err);
	if (status)
		call->status = status;
	if (call->err.code == ERR_METHOD)
		router_allow(call);
	log_refusal(call);
}

/* An answer before the body came ends the connection, for what the client still sends is nobody's; it may not even see
 * the answer when the connection is reset. So where it is told well how short the body is, that is read first. */
static enum MHD_Result refuse(struct conn *c, int status)
{
	int64_t length = c->call.body_length;

	c->refused = true;
	if (!status && length >= 0 && length <= SWALLOW_MAX && !call_header(&c->call, "Expect")) {
		set_body_deadline(c);
		return MHD_YES;
	}
	fail(c, status);
	return send_answer(c);
}

/* ---- bodies ---- */

/* Where it is not asked who asks. */
static bool is_open(const struct conn *c)
{
	return c->call.route && c->call.route->flags & ROUTE_OPEN;
}

static void keep_no_more(struct conn *c)
{
	atomic_fetch_sub(&httpd_of(c)->kept, c->kept);
	if (is_open(c))
		atomic_fetch_sub(&httpd_of(c)->strangers, c->kept);
	c->kept = 0;
}

static bool has_room(struct conn *c, size_t len)
{
	bool fits = atomic_fetch_add(&httpd_of(c)->kept, len) + len <= KEPT_MAX;

	c->kept += len;
	return is_open(c) ? atomic_fetch_add(&httpd_of(c)->strangers, len) + len <= STRANGERS_MAX && fits : fits;
}

static int keep(struct conn *c, const char *data, size_t len, struct error *err)
{
	if (!has_room(c, len)) {
		keep_no_more(c);
		strbuf_release(&c->call.body);
		error_set(err, ERR_LIMIT, "too many large bodies come at once");
		return error_help(err, "try again when others have come");
	}
	strbuf_add(&c->call.body, data, len);
	return 0;
}

static void take_body(struct conn *c, const char *data, size_t len)
{
	struct call *call = &c->call;

	c->taken += (int64_t)len;
	set_body_deadline(c);
	if (c->refused)
		return;
	if ((uint64_t)c->taken > max_body(call))
		c->refused = too_large(call, &call->err) < 0;
	else if (call->route->take)
		c->refused = call->route->take(call, data, len, &call->err) < 0;
	else
		c->refused = keep(c, data, len, &call->err) < 0;
}

/* What was refused is not worth reading to its end. */
static bool is_far(const struct conn *c)
{
	int64_t left = c->call.body_length - c->taken;

	return c->refused && (c->call.body_length < 0 ? c->taken > SWALLOW_MAX : left > SWALLOW_MAX);
}

static enum MHD_Result serve(struct conn *c)
{
	struct call *call = &c->call;
	const struct route *route = call->route;
	int (*later)(struct call *, struct project *, struct error *);

	set_deadline(c, 0);
	if (c->refused) {
		fail(c, 0);
		return send_answer(c);
	}
	if (route->lane != LANE_HERE && route->lane != LANE_OWN) {
		lanes_give(call, route->lane, route->serve);
		return MHD_YES;
	}
	if (route->serve(call, NULL, &call->err) < 0)
		call_fail(call, &call->err);
	else if (route->lane == LANE_OWN)
		return MHD_YES;
	later = call->later;
	if (!later)
		return send_answer(c);
	call->later = NULL;
	lanes_give(call, call->later_lane, later);
	return MHD_YES;
}

/* ---- what libmicrohttpd calls ---- */

static struct wire *wire_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* After the head, or after the wait for who asks: then an answer is a refusal. */
static enum MHD_Result on_known(struct conn *c)
{
	c->deferred = false;
	c->state = CONN_BODY;
	if (c->call.status || enter(&c->call, &c->call.err) < 0)
		return refuse(c, 0);
	set_body_deadline(c);
	return MHD_YES;
}

static enum MHD_Result on_head(struct conn *c, struct MHD_Connection *mhd, const char *method, const char *version)
{
	int status;

	c->mhd = mhd;
	c->call.method = method;
	atomic_fetch_add(&httpd_of(c)->requests, 1);
	if (begin(c, version, &status, &c->call.err) < 0)
		return refuse(c, status);
	if (c->call.who.how != PRINCIPAL_CLAIMED)
		return on_known(c);
	set_deadline(c, 0);
	c->deferred = true;
	return access_defer(&c->call, &c->call.err) < 0 ? refuse(c, 0) : MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
				  const char *version, const char *data, size_t *len, void **slot)
{
	struct conn *c = *slot;

	(void)cls;
	(void)url;
	if (!c->mhd)
		return atomic_load(&httpd_of(c)->closed) ? MHD_NO : on_head(c, mhd, method, version);
	if (c->deferred && c->state == CONN_READY)
		return on_known(c);
	if (*len) {
		take_body(c, data, *len);
		*len = 0;
		return is_far(c) ? MHD_NO : MHD_YES;
	}
	return c->state == CONN_READY ? send_answer(c) : serve(c);
}

/* The raw target of the request, before anything is decoded: here a call is born. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	size_t path_len;

	c->listener = cls;
	c->wire = wire_of(mhd);
	once_arrived(c->wire->receipt);
	c->wire->receipt = NULL;
	c->target = head_is_target(target) ? target : NULL;
	target = target ? target : "";
	path_len = strcspn(target, "?");
	c->target_len = strlen(target);
	c->call.fd = -1;
	c->call.body = c->call.text = (struct strbuf)STRBUF_INIT;
	c->call.begun_ns = clock_mono_ns();
	c->call.path = xstrndup(target, path_len);
	c->query = xstrdup(target + path_len + (target[path_len] == '?'));
	atomic_fetch_add(&httpd_of(c)->active, 1);
	set_deadline(c, HEAD_S);
	return c;
}

static void free_call(struct call *call)
{
	if (call->state && call->route && call->route->forget)
		call->route->forget(call->state);
	call_drop_answer(call);
	for (size_t i = 0; i < call->nfields; i++) {
		free(call->fields[i].name);
		free(call->fields[i].value);
	}
	free(call->fields);
	free(call->path);
	strbuf_release(&call->body);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode how)
{
	struct conn *c = *slot;
	struct httpd *h;

	(void)cls;
	(void)mhd;
	if (!c)
		return;
	*slot = NULL;
	h = httpd_of(c);
	if (c->call.receipt && how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		c->wire->receipt = once_sent(c->call.receipt);
	else
		once_lost(c->call.receipt);
	if (c->call.feed)
		watch_feed(c->wire, NULL);
	if (c->mhd)
		metrics_count(&c->call, clock_mono_ns() - c->call.begun_ns);
	set_deadline(c, IDLE_S);
	free_call(&c->call);
	keep_no_more(c);
	free(c->query);
	free(c);
	atomic_fetch_sub(&h->active, 1);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode code)
{
	struct httpd *h = ((struct listener *)cls)->httpd;
	struct wire *wire;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*slot = wire = xcalloc(1, sizeof(*wire));
		wire->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		atomic_store(&wire->deadline_ns, clock_mono_ns() + HEAD_S * 1000000000ll);
		watch_add(wire);
		atomic_fetch_add(&h->connections, 1);
		atomic_fetch_add(&h->open, 1);
	} else {
		wire = *slot;
		once_closed(wire->receipt);
		watch_drop(*slot);
		free(*slot);
		*slot = NULL;
		atomic_fetch_sub(&h->open, 1);
	}
}

/* Escapes stay: the router splits first and decodes then, once. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

/* ---- its life ---- */

static unsigned thread_count(void)
{
	double cpus = machine_cpus();

	return cpus < 2 ? 2 : cpus > 8 ? 8 : (unsigned)cpus;
}

/* libmicrohttpd's strictness stays off: what it would refuse is refused here, as JSON. */
static int start_daemon(struct listener *l, const struct httpd_config *config, struct error *err)
{
	static const char tls_versions[] = "SECURE128:-VERS-TLS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (l->is_tls ? MHD_USE_TLS : 0u);
	struct MHD_OptionItem tls[] = {
		{ l->is_tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)(uintptr_t)config->cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)config->key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_versions },
		{ MHD_OPTION_END, 0, NULL },
	};
	bool is_far_reaching = !l->is_unix && !l->socket.is_loopback;

	l->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, l, MHD_OPTION_LISTEN_SOCKET, l->socket.fd, MHD_OPTION_THREAD_POOL_SIZE,
		thread_count(), MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)(is_far_reaching ? OF_ONE_CLIENT : 0), MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)BUFFER_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 0,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, l, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
		MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	if (l->daemon)
		return 0;
	close(l->socket.fd);
	error_set(err, ERR_ENV, "cannot start the HTTP server on %s", l->socket.url);
	if (l->is_tls)
		error_help(err, "check that --tls-cert and --tls-key are PEM files that belong together");
	return -1;
}

static int start_listener(struct httpd *h, const struct httpd_config *config, const struct httpd_listen *where,
			  struct error *err)
{
	struct listener *l = &h->listeners[h->nlisteners];

	l->httpd = h;
	l->is_unix = !strncmp(where->address, "unix:", 5);
	l->is_tls = config->cert && !l->is_unix;
	if (listen_on(where->address, l->is_tls, config->may_be_public && config->cert, where->is_private, &l->socket,
		      err) < 0)
		return -1;
	h->nlisteners++;
	return start_daemon(l, config, err);
}

int httpd_start(const struct httpd_config *config, struct httpd **ret, struct error *err)
{
	struct httpd *h = xcalloc(1, sizeof(*h));

	h->in_place = !strncmp(MHD_get_version(), "0.", 2);
	router_ready();
	metrics_start();
	h->closed_door = eventfd(0, EFD_CLOEXEC);
	if (h->closed_door < 0) {
		error_sys(err, errno, "cannot start the HTTP server");
		free(h);
		return -1;
	}
	if (watch_start(err) < 0) {
		close(h->closed_door);
		free(h);
		return -1;
	}
	for (size_t i = 0; i < config->nlisten; i++)
		if (start_listener(h, config, &config->listen[i], err) < 0) {
			httpd_stop(h);
			return -1;
		}
	*ret = h;
	return 0;
}

const char *httpd_url(const struct httpd *h, size_t i)
{
	return i < h->nlisteners ? h->listeners[i].socket.url : NULL;
}

/*
 * Nobody can connect any more. MHD_quiesce_daemon() would do it, but races with its own workers: both take the socket
 * out of an epoll set, and who comes second ends the process. So the socket makes way for a descriptor that is never
 * readable; libmicrohttpd closes that one in its place.
 */
void httpd_quiesce(struct httpd *h)
{
	atomic_store(&h->quiet, true);
	for (size_t i = 0; i < h->nlisteners; i++) {
		struct listener *l = &h->listeners[i];

		if (l->daemon)
			dup3(h->closed_door, l->socket.fd, O_CLOEXEC);
		if (l->socket.path)
			unlink(l->socket.path);
	}
	watch_end_feeds();
}

/* A request counts as active before it looks whether all is closed. */
bool httpd_drained(struct httpd *h)
{
	if (atomic_load(&h->active))
		return false;
	atomic_store(&h->closed, true);
	return !atomic_load(&h->active);
}

void httpd_stop(struct httpd *h)
{
	if (!atomic_load(&h->quiet))
		httpd_quiesce(h);
	for (size_t i = 0; i < h->nlisteners; i++) {
		if (h->listeners[i].daemon)
			MHD_stop_daemon(h->listeners[i].daemon);
		listen_release(&h->listeners[i].socket);
	}
	watch_stop();
	close(h->closed_door);
	free(h);
}

void httpd_counts(const struct httpd *h, struct httpd_counts *ret)
{
	*ret = (struct httpd_counts){
		.requests = atomic_load(&h->requests),
		.connections = atomic_load(&h->connections),
		.refused = atomic_load(&h->refused),
		.open = atomic_load(&h->open),
	};
}
