/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/httpd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "agent/call.h"
#include "agent/lanes.h"
#include "agent/router.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define THREADS	       2
#define CONNECTIONS    4096
#define IDLE_S	       75 /* an idle connection is closed after that */
#define BUFFER_BYTES   (128u << 10)
#define FEED_STALL_S   30

enum conn_state { CONN_BODY, CONN_WORKING, CONN_READY };

struct httpd {
	struct MHD_Daemon *daemon;
	char *url, *socket_path;
	bool is_unix, is_tls;
	atomic_uint_fast64_t requests, connections, refused;
	atomic_uint open, active;
};

/* A call, and what is the server's of it. */
struct conn {
	struct call call; /* first: a call is its conn */
	struct httpd *httpd;
	struct MHD_Connection *mhd;
	char *query; /* raw */
	enum conn_state state;
	bool refused; /* the rest of the body is not looked at */
};

struct feed {
	pthread_mutex_t mutex;
	pthread_cond_t room;
	struct strbuf buf;
	size_t at;
	struct MHD_Connection *waiting; /* suspended until there is more */
	bool ended, gone;
	unsigned refs;
};

/* ---- feeds ---- */

static struct feed *feed_new(void)
{
	struct feed *f = xcalloc(1, sizeof(*f));
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->room, &attr);
	pthread_condattr_destroy(&attr);
	f->buf = (struct strbuf)STRBUF_INIT;
	f->refs = 1;
	return f;
}

struct feed *feed_ref(struct feed *f)
{
	pthread_mutex_lock(&f->mutex);
	f->refs++;
	pthread_mutex_unlock(&f->mutex);
	return f;
}

void feed_free(struct feed *f)
{
	unsigned left;

	if (!f)
		return;
	pthread_mutex_lock(&f->mutex);
	left = --f->refs;
	pthread_mutex_unlock(&f->mutex);
	if (left)
		return;
	strbuf_release(&f->buf);
	pthread_cond_destroy(&f->room);
	pthread_mutex_destroy(&f->mutex);
	free(f);
}

static void feed_wake(struct feed *f)
{
	if (f->waiting)
		MHD_resume_connection(f->waiting);
	f->waiting = NULL;
}

static void feed_append(struct feed *f, const void *data, size_t len)
{
	if (f->at == f->buf.len) {
		strbuf_clear(&f->buf);
		f->at = 0;
	}
	strbuf_add(&f->buf, data, len);
	feed_wake(f);
}

int feed_write(struct feed *f, const void *data, size_t len)
{
	struct timespec end;
	bool gone;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += FEED_STALL_S;
	pthread_mutex_lock(&f->mutex);
	while (!f->gone && f->buf.len - f->at > FEED_MAX)
		if (pthread_cond_timedwait(&f->room, &f->mutex, &end) == ETIMEDOUT)
			f->gone = true;
	gone = f->gone;
	if (!gone)
		feed_append(f, data, len);
	pthread_mutex_unlock(&f->mutex);
	return gone ? -1 : 0;
}

bool feed_offer(struct feed *f, const void *data, size_t len)
{
	bool fits;

	pthread_mutex_lock(&f->mutex);
	fits = !f->gone && f->buf.len - f->at + len <= FEED_MAX;
	if (fits)
		feed_append(f, data, len);
	pthread_mutex_unlock(&f->mutex);
	return fits;
}

bool feed_gone(struct feed *f)
{
	bool gone;

	pthread_mutex_lock(&f->mutex);
	gone = f->gone;
	pthread_mutex_unlock(&f->mutex);
	return gone;
}

void feed_end(struct feed *f)
{
	pthread_mutex_lock(&f->mutex);
	f->ended = true;
	feed_wake(f);
	pthread_mutex_unlock(&f->mutex);
}

/* The server's side. */
static ssize_t feed_read(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct conn *c = cls;
	struct feed *f = c->call.feed;
	ssize_t n = 0;
	size_t len;

	(void)pos;
	pthread_mutex_lock(&f->mutex);
	len = f->buf.len - f->at;
	if (len) {
		n = (ssize_t)(len < max ? len : max);
		memcpy(buf, f->buf.buf + f->at, (size_t)n);
		f->at += (size_t)n;
		pthread_cond_broadcast(&f->room);
	} else if (f->ended || f->gone) {
		n = f->gone ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
	} else {
		f->waiting = c->mhd;
		MHD_suspend_connection(c->mhd);
	}
	pthread_mutex_unlock(&f->mutex);
	return n;
}

static void feed_leave(struct feed *f)
{
	pthread_mutex_lock(&f->mutex);
	f->gone = true;
	f->waiting = NULL;
	pthread_cond_broadcast(&f->room);
	pthread_mutex_unlock(&f->mutex);
}

/* ---- calls ---- */

const char *call_header(const struct call *call, const char *name)
{
	return MHD_lookup_connection_value(((const struct conn *)call)->mhd, MHD_HEADER_KIND, name);
}

const char *call_field(const struct call *call, const char *name)
{
	for (size_t i = 0; i < call->nfields; i++)
		if (!strcmp(call->fields[i].name, name))
			return call->fields[i].value;
	return NULL;
}

static void drop_answer(struct call *call)
{
	strbuf_clear(&call->text);
	if (call->fd >= 0)
		close(call->fd);
	call->fd = -1;
	feed_free(call->feed);
	call->feed = NULL;
	free(call->headers);
	call->headers = NULL;
	call->status = 0;
}

static void set_type(struct call *call, int status, const char *type)
{
	drop_answer(call);
	call->status = status;
	if (type)
		call_add_header(call, "Content-Type", type);
}

void call_reply(struct call *call, int status, const char *type, const char *text, size_t len)
{
	set_type(call, status, type);
	strbuf_add(&call->text, text, len);
}

void call_reply_buf(struct call *call, int status, const char *type, struct strbuf *text)
{
	set_type(call, status, type);
	strbuf_release(&call->text);
	call->text = *text;
	*text = (struct strbuf)STRBUF_INIT;
}

void call_reply_json(struct call *call, int status, const struct js *json)
{
	struct strbuf text = STRBUF_INIT;

	js_dump(json, JS_COMPACT, &text);
	call_reply_buf(call, status, "application/json", &text);
}

void call_reply_file(struct call *call, int status, const char *type, int fd, uint64_t offset, uint64_t length)
{
	set_type(call, status, type);
	call->fd = fd;
	call->fd_offset = offset;
	call->fd_length = length;
}

struct feed *call_reply_feed(struct call *call, int status, const char *type)
{
	set_type(call, status, type);
	call->feed = feed_new();
	return call->feed;
}

void call_add_header(struct call *call, const char *name, const char *value)
{
	char *old = call->headers;

	for (const char *s = value; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return;
	call->headers = xasprintf("%s%s: %s\n", old ? old : "", name, value);
	free(old);
}

void call_fail(struct call *call, const struct error *err)
{
	struct js *error, *json;

	if (call->route && call->route->fail) {
		call->route->fail(call, err);
		return;
	}
	error = js_object();
	json = js_object();
	js_set_str(error, "code", error_name(err->code));
	js_set_str(error, "message", err->msg);
	if (*err->help)
		js_set_str(error, "help", err->help);
	js_set(json, "error", error);
	call_reply_json(call, error_http_status(err->code), json);
	js_free(json);
}

void httpd_suspend(struct call *call)
{
	struct conn *c = (struct conn *)call;

	c->state = CONN_WORKING;
	MHD_suspend_connection(c->mhd);
}

void httpd_answer(struct call *call)
{
	struct conn *c = (struct conn *)call;

	c->state = CONN_READY;
	MHD_resume_connection(c->mhd);
}

/* ---- answers ---- */

static void add_headers(struct MHD_Response *response, char *lines)
{
	static const char *const always[][2] = {
		{ "X-Content-Type-Options", "nosniff" },
		{ "Cache-Control", "no-store" },
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

static enum MHD_Result send_answer(struct conn *c)
{
	struct call *call = &c->call;
	struct MHD_Response *response;
	enum MHD_Result r;

	if (call->feed) {
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32768, feed_read, c, NULL);
	} else if (call->fd >= 0) {
		response = MHD_create_response_from_fd_at_offset64(call->fd_length, call->fd, call->fd_offset);
		call->fd = -1;
	} else {
		size_t len = call->text.len;
		char *text = strbuf_detach(&call->text);

		response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	}
	if (!response)
		return MHD_NO;
	add_headers(response, call->headers);
	r = MHD_queue_response(c->mhd, (unsigned)call->status, response);
	MHD_destroy_response(response);
	return r;
}

/* ---- requests ---- */

struct head {
	unsigned lengths, codings, hosts, authorizations;
	const char *length, *coding;
};

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct head *h = cls;

	(void)kind;
	if (!strcasecmp(name, "Content-Length")) {
		h->lengths++;
		h->length = value;
	} else if (!strcasecmp(name, "Transfer-Encoding")) {
		h->codings++;
		h->coding = value;
	} else if (!strcasecmp(name, "Host")) {
		h->hosts++;
	} else if (!strcasecmp(name, "Authorization")) {
		h->authorizations++;
	}
	return MHD_YES;
}

/* Whether the head says one thing only, whoever reads it. */
static int check_head(struct conn *c, struct error *err)
{
	struct head h = { 0 };

	MHD_get_connection_values(c->mhd, MHD_HEADER_KIND, count_header, &h);
	if (h.lengths > 1 || h.codings > 1 || h.hosts > 1 || h.authorizations > 1 || (h.lengths && h.codings))
		return error_set(err, ERR_USAGE, "the head says twice what it may say once");
	if (h.codings && strcasecmp(h.coding, "chunked"))
		return error_set(err, ERR_USAGE, "the transfer coding is not chunked");
	if (h.lengths && (strspn(h.length, "0123456789") != strlen(h.length) || strlen(h.length) > 18))
		return error_set(err, ERR_USAGE, "the content length is no number");
	c->call.body_length = h.lengths ? strtoll(h.length, NULL, 10) : h.codings ? -1 : 0;
	return 0;
}

static int check_size(const struct call *call, struct error *err)
{
	uint64_t max = call->route->max_body ? call->route->max_body : ROUTE_BODY_MAX;

	if (call->body_length > 0 && (uint64_t)call->body_length > max)
		return error_set(err, ERR_USAGE, "the body has %lld bytes, at most %llu are taken",
				 (long long)call->body_length, (unsigned long long)max);
	return 0;
}

static void look_at_peer(struct conn *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct peer *peer = &c->call.peer;
	const struct sockaddr *sa = info ? info->client_addr : NULL;

	peer->is_tls = c->httpd->is_tls;
	peer->is_unix = c->httpd->is_unix;
	peer->uid = (uid_t)-1;
	snprintf(peer->address, sizeof(peer->address), "%s", peer->is_unix ? "unix" : "?");
	if (peer->is_unix) {
		struct ucred cred;
		socklen_t len = sizeof(cred);

		info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (info && getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
			peer->uid = cred.uid;
	} else if (sa && sa->sa_family == AF_INET) {
		const struct in_addr *in = &((const struct sockaddr_in *)sa)->sin_addr;

		inet_ntop(AF_INET, in, peer->address, sizeof(peer->address));
		peer->is_loopback = (ntohl(in->s_addr) >> 24) == 127;
	} else if (sa && sa->sa_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;

		inet_ntop(AF_INET6, in6, peer->address, sizeof(peer->address));
		peer->is_loopback = IN6_IS_ADDR_LOOPBACK(in6);
	}
}

static int begin(struct conn *c, struct error *err)
{
	look_at_peer(c);
	if (check_head(c, err) < 0 || router_find(&c->call, c->query, err) < 0 || check_size(&c->call, err) < 0)
		return -1;
	return c->call.route->begin ? c->call.route->begin(&c->call, err) : 0;
}

static void take_body(struct conn *c, const char *data, size_t len)
{
	struct call *call = &c->call;
	uint64_t max = call->route->max_body ? call->route->max_body : ROUTE_BODY_MAX;

	if (c->refused)
		return;
	if (call->route->take) {
		c->refused = call->route->take(call, data, len, &call->err) < 0;
	} else if (call->body.len + len > max) {
		error_set(&call->err, ERR_USAGE, "the body has more than %llu bytes", (unsigned long long)max);
		c->refused = true;
	} else {
		strbuf_add(&call->body, data, len);
	}
}

static enum MHD_Result serve(struct conn *c)
{
	struct call *call = &c->call;

	if (c->refused) {
		call_fail(call, &call->err);
		return send_answer(c);
	}
	if (call->route->lane != LANE_HERE) {
		lanes_give(call, call->route->lane, call->route->serve);
		return MHD_YES;
	}
	if (call->route->serve(call, NULL, &call->err) < 0)
		call_fail(call, &call->err);
	return send_answer(c);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
				  const char *version, const char *data, size_t *len, void **slot)
{
	struct conn *c = *slot;

	(void)url;
	(void)version;
	if (!c->mhd) { /* the head is here */
		struct error err = { 0 };

		c->mhd = mhd;
		c->call.method = method;
		atomic_fetch_add(&c->httpd->requests, 1);
		if (begin(c, &err) == 0)
			return MHD_YES;
		atomic_fetch_add(&c->httpd->refused, 1);
		call_fail(&c->call, &err);
		return send_answer(c);
	}
	(void)cls;
	if (*len) {
		take_body(c, data, *len);
		*len = 0;
		return MHD_YES;
	}
	return c->state == CONN_READY ? send_answer(c) : serve(c);
}

/* The raw target of the request, before anything is decoded: here a call is born. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	const char *mark = strchr(target, '?');

	(void)mhd;
	c->httpd = cls;
	c->call.fd = -1;
	c->call.body = c->call.text = (struct strbuf)STRBUF_INIT;
	c->call.begun_ns = clock_mono_ns();
	c->call.path = xstrndup(target, mark ? (size_t)(mark - target) : strlen(target));
	c->query = xstrdup(mark ? mark + 1 : "");
	atomic_fetch_add(&c->httpd->active, 1);
	return c;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode how)
{
	struct conn *c = *slot;
	struct call *call;

	(void)cls;
	(void)mhd;
	(void)how;
	if (!c)
		return;
	call = &c->call;
	*slot = NULL;
	if (call->feed)
		feed_leave(call->feed);
	if (call->state && call->route && call->route->forget)
		call->route->forget(call->state);
	drop_answer(call);
	for (size_t i = 0; i < call->nfields; i++) {
		free(call->fields[i].name);
		free(call->fields[i].value);
	}
	free(call->fields);
	free(call->path);
	free(c->query);
	strbuf_release(&call->body);
	strbuf_release(&call->text);
	atomic_fetch_sub(&c->httpd->active, 1);
	free(c);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode code)
{
	struct httpd *h = cls;

	(void)mhd;
	(void)slot;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		atomic_fetch_add(&h->connections, 1);
		atomic_fetch_add(&h->open, 1);
	} else {
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

static int listen_unix(struct httpd *h, const char *path, struct error *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	CLEANUP(cleanup_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof(sa.sun_path))
		return error_set(err, ERR_USAGE, "the path of the socket is longer than %zu bytes",
				 sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 1024) < 0)
		return error_sys(err, errno, "cannot listen on %s", path);
	h->is_unix = true;
	h->socket_path = xstrdup(path);
	h->url = xasprintf("unix:%s", path);
	return steal_fd(&fd);
}

static int listen_tcp(struct httpd *h, const char *address, struct error *err)
{
	CLEANUP(cleanup_free) char *host = xstrdup(address);
	char *colon = strrchr(host, ':'), *name = host;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	char port[16];
	int fd, r;

	if (!colon)
		return error_set(err, ERR_USAGE, "'%s' is not ADDRESS:PORT", address);
	*colon = '\0';
	if (*name == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		name++;
	}
	r = getaddrinfo(name, colon + 1, &hints, &found);
	if (r)
		return error_set(err, ERR_USAGE, "cannot listen on %s: %s", address, gai_strerror(r));
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	r = fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 1024) < 0 ? errno : 0;
	freeaddrinfo(found);
	if (r || getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&sa, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV)) {
		cleanup_fd(&fd);
		return error_sys(err, r ? r : EINVAL, "cannot listen on %s", address);
	}
	h->url = xasprintf("http%s://%s:%s", h->is_tls ? "s" : "", host, port);
	return fd;
}

int httpd_start(const struct httpd_config *config, struct httpd **ret, struct error *err)
{
	struct httpd *h = xcalloc(1, sizeof(*h));
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
	int fd;

	h->is_tls = config->cert != NULL;
	fd = strncmp(config->address, "unix:", 5) ? listen_tcp(h, config->address, err)
						  : listen_unix(h, config->address + 5, err);
	if (fd < 0) {
		httpd_stop(h);
		return -1;
	}
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_THREAD_POOL_SIZE, THREADS, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, BUFFER_BYTES, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, h },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, h },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_target, h },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, h },
		{ MHD_OPTION_END, 0, NULL }, /* or the next */
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)config->cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)config->key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)"SECURE128:-VERS-TLS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
		{ MHD_OPTION_END, 0, NULL },
	};
	if (h->is_tls) {
		flags |= MHD_USE_TLS;
		memmove(&options[ARRAY_LEN(options) - 5], &options[ARRAY_LEN(options) - 4], 4 * sizeof(options[0]));
	}
	h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (!h->daemon) {
		close(fd);
		httpd_stop(h);
		return error_set(err, ERR_ENV, "cannot start the HTTP server");
	}
	*ret = h;
	return 0;
}

const char *httpd_url(const struct httpd *h)
{
	return h->url;
}

void httpd_drain(struct httpd *h, int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;
	int fd = MHD_quiesce_daemon(h->daemon);

	if (fd >= 0)
		close(fd);
	while (atomic_load(&h->active) && clock_mono_ms() < end)
		usleep(2000);
}

void httpd_stop(struct httpd *h)
{
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	if (h->socket_path)
		unlink(h->socket_path);
	free(h->socket_path);
	free(h->url);
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
