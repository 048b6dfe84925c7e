/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_client.h"
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "base/error.h"
#include "base/library.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/reach.h"
/*
 * curl's multi interface tells which sockets it wants watched and for what. They live in
 * one epoll descriptor, which is itself readable when one of them is ready, so the loop
 * watches only that: while a request runs, idle connections keep no loop going.
 *
 * curl may not be entered from inside its own callbacks, and users start, cancel and free
 * from inside theirs. So all three only mark what they want; settle() does it when curl
 * has returned. Outside of a turn that is at once.
 */
#define CONNECT_MS  10000
#define REPLY_MAX   ((size_t)16 << 20)
#define EVENTS_TURN 16

#define LIBCURL_FUNCTIONS(X)                                                         \
	X(curl_, easy_cleanup) X(curl_, easy_getinfo) X(curl_, easy_header)          \
	X(curl_, easy_init) X(curl_, easy_setopt) X(curl_, easy_strerror)            \
	X(curl_, global_init) X(curl_, multi_add_handle) X(curl_, multi_cleanup)     \
	X(curl_, multi_info_read) X(curl_, multi_init) X(curl_, multi_remove_handle) \
	X(curl_, multi_setopt) X(curl_, multi_socket_action) X(curl_, slist_append)  \
	X(curl_, slist_free_all)

enum call_state { CALL_NEW, CALL_RUNNING, CALL_OVER };

struct http_call {
	struct http_client *client;
	struct http_call *next;
	enum call_state state;
	CURL *easy;
	struct curl_slist *headers;
	size_t max;
	int64_t timeout_ms, connect_ms;
	int (*data)(void *ctx, const char *bytes, size_t len);
	ssize_t (*upload)(void *ctx, char *buf, size_t size);
	void (*done)(void *ctx, const struct http_reply *);
	void *ctx;
	struct strbuf body;
	const char *stopped; /* why we broke the reply off; NULL: we did not */
	char refused[64];    /* the last address that it may not go to; "": none */
	bool malformed;      /* a header with a line break, which would be two */
	char why[CURL_ERROR_SIZE];
};

struct http_client {
	struct loop *loop;
	CURLM *multi;
	int epoll;
	struct loop_timer *timer;
	struct http_call *calls; /* in the order they were started */
	char *url, *unix_path, *ca, *cert, *key, *name, *wanted;
	const struct reach *reach;
	int broken; /* errno for which sockets cannot be watched: all requests fail */
	struct error unloaded; /* without libcurl there is no multi, and no easy either: all fail with this */
	bool watched;
	bool in_turn;   /* curl or a callback is on the stack */
	bool unsettled; /* some call is NEW or OVER */
	bool freed;     /* inside a turn: goes when it ends */
};

/* Out of memory and options curl does not know: both are ours to get right. */
static void must(int code)
{
	if (code != 0)
		abort();
}

static struct {
	LIBCURL_FUNCTIONS(LIBRARY_MEMBER)
} libcurl;

static void init_curl(void)
{
	must((int)libcurl.global_init(CURL_GLOBAL_DEFAULT));
}

static const char *const functions[] = LIBRARY_NAMES(LIBCURL_FUNCTIONS);
static struct library library = LIBRARY(LIBCURL_SONAME, LIBCURL_PACKAGE, functions, &libcurl, init_curl);

/* -- the turn -- */

static void call_free(struct http_call *call)
{
	if (call->easy) {
		libcurl.easy_cleanup(call->easy);
		libcurl.slist_free_all(call->headers);
	}
	strbuf_release(&call->body);
	free(call);
}

static void client_destroy(struct http_client *client)
{
	if (client->multi)
		libcurl.multi_cleanup(client->multi);
	if (client->watched)
		loop_unwatch(client->loop, client->epoll);
	loop_cancel(client->loop, client->timer);
	if (client->epoll >= 0)
		close(client->epoll);
	free(client->url);
	free(client->unix_path);
	free(client->ca);
	free(client->cert);
	free(client->key);
	free(client->name);
	free(client->wanted);
	free(client);
}

static void sockets_ready(void *arg, int fd);
static void time_passed(void *arg);

static void watch_while_busy(struct http_client *client)
{
	bool busy = client->calls && client->multi && !client->broken;

	if (busy && !client->watched)
		loop_watch(client->loop, client->epoll, sockets_ready, client);
	if (!busy && client->watched)
		loop_unwatch(client->loop, client->epoll);
	client->watched = busy;
	if (client->calls)
		return;
	loop_cancel(client->loop, client->timer);
	client->timer = NULL;
}

static void add_call(struct http_client *client, struct http_call *call)
{
	if (client->multi)
		must((int)libcurl.multi_add_handle(client->multi, call->easy));
	else if (!client->timer)
		client->timer = loop_after(client->loop, 0, time_passed, client);
}

/* Gives new calls to curl and takes ended ones away. Calls nothing back. */
static void settle(struct http_client *client)
{
	struct http_call **link = &client->calls, *call;

	if (!client->unsettled)
		return;
	client->unsettled = false;
	while ((call = *link)) {
		if (call->state == CALL_NEW) {
			call->state = CALL_RUNNING;
			add_call(client, call);
		}
		if (call->state != CALL_OVER) {
			link = &call->next;
			continue;
		}
		*link = call->next;
		if (client->multi)
			libcurl.multi_remove_handle(client->multi, call->easy);
		call_free(call);
	}
	watch_while_busy(client);
}

static void finish(struct http_call *call, CURLcode code);

/* Calls that are started meanwhile are not RUNNING yet: they fail in a turn of their own. */
static void finish_all(struct http_client *client)
{
	for (struct http_call *call = client->calls; call; call = call->next)
		if (call->state == CALL_RUNNING)
			finish(call, CURLE_COULDNT_CONNECT);
}

static void finish_ended(struct http_client *client)
{
	struct http_call *call;
	CURLMsg *msg;
	int left;

	while ((msg = libcurl.multi_info_read(client->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		libcurl.easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		finish(call, msg->data.result);
	}
}

static void end_turn(struct http_client *client)
{
	if (client->multi)
		finish_ended(client);
	if (!client->multi || client->broken)
		finish_all(client);
	settle(client);
	client->in_turn = false;
	if (client->freed)
		client_destroy(client);
}

static int curl_events(uint32_t events)
{
	return (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
	       (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
}

static void sockets_ready(void *arg, int fd)
{
	struct http_client *client = arg;
	struct epoll_event events[EVENTS_TURN];
	int running, n;

	client->in_turn = true;
	n = epoll_wait(fd, events, EVENTS_TURN, 0);
	for (int i = 0; i < n && !client->freed; i++)
		libcurl.multi_socket_action(client->multi, events[i].data.fd, curl_events(events[i].events),
					 &running);
	end_turn(client);
}

static void time_passed(void *arg)
{
	struct http_client *client = arg;
	int running;

	client->timer = NULL;
	client->in_turn = true;
	if (client->multi)
		libcurl.multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	end_turn(client);
}

/* -- curl's callbacks -- */

static int want_time(CURLM *multi, long ms, void *arg)
{
	struct http_client *client = arg;

	(void)multi;
	loop_cancel(client->loop, client->timer);
	client->timer = NULL;
	if (ms >= 0 && !client->freed)
		client->timer = loop_after(client->loop, ms, time_passed, client);
	return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct http_client *client = arg;
	struct epoll_event event = { .data.fd = fd };

	(void)easy;
	(void)known;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(client->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(client->epoll, EPOLL_CTL_MOD, fd, &event) == 0)
		return 0;
	if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, fd, &event) < 0 && !client->broken)
		client->broken = errno;
	return 0;
}

/* curl's own sockets would be inherited by programs we start. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct http_call *call = arg;

	(void)purpose;
	if (call->client->reach && !reach_allows(call->client->reach, &addr->addr)) {
		if (getnameinfo(&addr->addr, addr->addrlen, call->refused, sizeof(call->refused), NULL, 0, NI_NUMERICHOST))
			snprintf(call->refused, sizeof(call->refused), "where it leads");
		return CURL_SOCKET_BAD;
	}
	return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

static int reply_status(const struct http_call *call)
{
	long status = 0;

	if (call->easy)
		libcurl.easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status <= 999 ? (int)status : 0;
}

/* Anything but the length ends the request. */
static size_t take_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_call *call = arg;
	size_t len = size * n;

	if (call->state == CALL_OVER)
		return CURL_WRITEFUNC_ERROR;
	if (call->data && reply_status(call) / 100 == 2) {
		if (call->data(call->ctx, bytes, len) == 0 && call->state != CALL_OVER)
			return len;
		call->stopped = "stopped by its reader";
		return CURL_WRITEFUNC_ERROR;
	}
	if (len > call->max - call->body.len) {
		call->stopped = "too long";
		return CURL_WRITEFUNC_ERROR;
	}
	strbuf_add(&call->body, bytes, len);
	return len;
}

static size_t give_bytes(char *buf, size_t size, size_t n, void *arg)
{
	struct http_call *call = arg;
	ssize_t len = call->state == CALL_OVER ? -1 : call->upload(call->ctx, buf, size * n);

	return len < 0 || call->state == CALL_OVER ? CURL_READFUNC_ABORT : (size_t)len;
}

/* -- the end of a request -- */

enum failure { CANNOT_REACH, BROKE_OFF, NOT_HTTP, REFUSED_TLS, TOO_SLOW, STOPPED };

static const struct {
	CURLcode code;
	enum failure failure;
} failures[] = {
	{ CURLE_COULDNT_CONNECT, CANNOT_REACH },
	{ CURLE_OPERATION_TIMEDOUT, TOO_SLOW },
	{ CURLE_WRITE_ERROR, STOPPED },
	{ CURLE_ABORTED_BY_CALLBACK, STOPPED },
	{ CURLE_PARTIAL_FILE, BROKE_OFF },
	{ CURLE_GOT_NOTHING, BROKE_OFF },
	{ CURLE_SEND_ERROR, BROKE_OFF },
	{ CURLE_RECV_ERROR, BROKE_OFF },
	{ CURLE_UNSUPPORTED_PROTOCOL, NOT_HTTP }, /* curl takes it for HTTP/0.9 */
	{ CURLE_WEIRD_SERVER_REPLY, NOT_HTTP },
	{ CURLE_BAD_CONTENT_ENCODING, NOT_HTTP },
	{ CURLE_SSL_CONNECT_ERROR, REFUSED_TLS },
	{ CURLE_PEER_FAILED_VERIFICATION, REFUSED_TLS },
	{ CURLE_SSL_CERTPROBLEM, REFUSED_TLS },
	{ CURLE_SSL_CACERT_BADFILE, REFUSED_TLS },
	{ CURLE_SSL_CIPHER, REFUSED_TLS },
	{ CURLE_SSL_ISSUER_ERROR, REFUSED_TLS },
};

static enum failure failure_of(CURLcode code)
{
	for (size_t i = 0; i < ARRAY_LEN(failures); i++)
		if (failures[i].code == code)
			return failures[i].failure;
	return CANNOT_REACH;
}

static int fail_slow(const struct http_call *call, struct error *err)
{
	const char *name = call->client->name;
	curl_off_t connected = 0;

	libcurl.easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
	if (connected > 0)
		error_set(err, ERR_ENV, "%s: no %sanswer within %g s", name,
			  reply_status(call) ? "whole " : "", (double)call->timeout_ms / 1000);
	else if (call->timeout_ms > 0 && call->timeout_ms < call->connect_ms)
		error_set(err, ERR_ENV, "cannot reach %s: no connection within %g s", name,
			  (double)call->timeout_ms / 1000);
	else
		error_set(err, ERR_ENV, "cannot reach %s: no connection within %g s", name,
			  (double)call->connect_ms / 1000);
	return ETIMEDOUT;
}

static int fail_reach(const struct http_call *call, CURLcode code, struct error *err)
{
	const char *why = call->why[0] ? call->why : libcurl.easy_strerror(code);
	long sys = 0;

	if (code == CURLE_COULDNT_CONNECT)
		libcurl.easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &sys);
	if (code == CURLE_COULDNT_CONNECT && sys == 0 && call->client->unix_path)
		sys = EAGAIN; /* its queue is full; curl waits for it as if for TCP, and forgets the errno */
	if (call->client->broken)
		sys = call->client->broken;
	if (call->refused[0]) {
		error_set(err, ERR_DENIED, "%s is not allowed: %s is no public address", call->client->name, call->refused);
		return EACCES;
	}
	if (call->malformed)
		why = "a header holds a line break";
	error_set(err, ERR_ENV, "cannot reach %s: %s", call->client->name, sys ? strerror((int)sys) : why);
	return (int)sys;
}

/* In TLS 1.3 a server that wants a certificate of ours says so after the handshake. */
static bool alerted(const struct http_call *call)
{
	return strncmp(call->client->url, "https:", 6) == 0 && strstr(call->why, "alert") != NULL;
}

static void fill_error(const struct http_call *call, CURLcode code, struct error *err)
{
	enum failure failure = failure_of(code);
	const char *name = call->client->name;
	int sys = 0;

	if (!call->easy) {
		*err = call->client->unloaded;
		return;
	}
	if (failure == BROKE_OFF && alerted(call))
		failure = REFUSED_TLS;
	switch (failure) {
	case CANNOT_REACH:
		sys = fail_reach(call, code, err);
		break;
	case TOO_SLOW:
		sys = fail_slow(call, err);
		break;
	case BROKE_OFF:
		error_set(err, ERR_ENV, "%s: the connection broke off", name);
		sys = ECONNRESET;
		break;
	case NOT_HTTP:
		error_set(err, ERR_ENV, "%s: this is no HTTP server", name);
		sys = EPROTO;
		break;
	case REFUSED_TLS:
		error_set(err, ERR_ENV, "cannot reach %s: %s", name, call->why);
		sys = EPROTO;
		break;
	case STOPPED:
		error_set(err, ERR_ENV, "%s: the reply was %s", name, call->stopped ? call->stopped : "lost");
		break;
	}
	err->sys = sys;
}

static void finish(struct http_call *call, CURLcode code)
{
	struct http_reply reply = { .body = &call->body };
	struct curl_header *header;
	struct error err = { 0 };

	if (call->state == CALL_OVER)
		return;
	call->state = CALL_OVER;
	call->client->unsettled = true;
	reply.status = reply_status(call);
	if (code != CURLE_OK) {
		fill_error(call, code, &err);
		reply.error = &err;
	}
	if (call->easy && call->client->wanted &&
	    libcurl.easy_header(call->easy, call->client->wanted, 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
		reply.header = header->value;
	call->done(call->ctx, &reply);
}

/* -- requests -- */

static void add_header(struct http_call *call, const char *header)
{
	struct curl_slist *headers = libcurl.slist_append(call->headers, header);

	if (!headers)
		abort();
	call->headers = headers;
	call->malformed |= strpbrk(header, "\r\n") != NULL;
}

#define SET(option, value) must((int)libcurl.easy_setopt(call->easy, (option), (value)))

static void set_headers(struct http_call *call, const char *const *headers)
{
	bool typed = false;

	for (; headers && *headers; headers++) {
		add_header(call, *headers);
		typed |= strncasecmp(*headers, "Content-Type:", 13) == 0;
	}
	add_header(call, "Expect:"); /* without a value: curl leaves its own out */
	if (!typed)
		add_header(call, "Content-Type:");
	SET(CURLOPT_HTTPHEADER, call->headers);
}

static void set_body(struct http_call *call, const struct http_request *request)
{
	const char *method = request->method;

	SET(CURLOPT_FRESH_CONNECT, request->once || request->upload ? 1L : 0L);
	if (request->upload) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_READFUNCTION, give_bytes);
		SET(CURLOPT_READDATA, call);
		SET(CURLOPT_CUSTOMREQUEST, method);
		return;
	}
	if (!strcmp(method, "HEAD")) {
		SET(CURLOPT_NOBODY, 1L);
		return;
	}
	if (request->body_len || !strcmp(method, "POST") || !strcmp(method, "PUT")) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
		SET(CURLOPT_COPYPOSTFIELDS, request->body_len ? request->body : "");
	}
	SET(CURLOPT_CUSTOMREQUEST, method);
}

static void set_server(struct http_call *call, const struct http_client *client, const char *path)
{
	char *url CLEANUP(cleanup_free) = xasprintf("%s%s", client->url, path);

	SET(CURLOPT_URL, call->malformed ? "" : url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (client->unix_path)
		SET(CURLOPT_UNIX_SOCKET_PATH, client->unix_path);
	if (client->ca) {
		SET(CURLOPT_CAINFO, client->ca);
		SET(CURLOPT_CAPATH, NULL); /* else the system's authorities were trusted too */
	}
	if (client->cert)
		SET(CURLOPT_SSLCERT, client->cert);
	if (client->key)
		SET(CURLOPT_SSLKEY, client->key);
}

static void set_transfer(struct http_call *call)
{
	SET(CURLOPT_PRIVATE, call);
	SET(CURLOPT_ERRORBUFFER, call->why);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, call);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L); /* a log may be silent for days, a dead host too */
	SET(CURLOPT_WRITEFUNCTION, take_bytes);
	SET(CURLOPT_WRITEDATA, call);
	SET(CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_ms);
}

static void prepare(struct http_call *call, const struct http_client *client,
		    const struct http_request *request)
{
	call->easy = libcurl.easy_init();
	if (!call->easy)
		abort();
	if (request->upload)
		add_header(call, "Transfer-Encoding: chunked");
	set_headers(call, request->headers);
	set_server(call, client, request->path);
	set_body(call, request);
	set_transfer(call);
}

struct http_call *http_start(struct http_client *client, const struct http_request *request)
{
	struct http_call *call = xcalloc(1, sizeof(*call)), **end = &client->calls;

	call->client = client;
	call->max = request->max ? request->max : REPLY_MAX;
	call->timeout_ms = request->timeout_ms;
	call->connect_ms = request->connect_ms ? request->connect_ms : CONNECT_MS;
	call->data = request->data;
	call->upload = request->upload;
	call->done = request->done;
	call->ctx = request->ctx;
	call->body = (struct strbuf)STRBUF_INIT;
	if (client->multi)
		prepare(call, client, request);
	while (*end)
		end = &(*end)->next;
	*end = call;
	client->unsettled = true;
	if (!client->in_turn)
		settle(client);
	return call;
}

void http_cancel(struct http_call *call)
{
	if (!call)
		return;
	call->state = CALL_OVER;
	call->client->unsettled = true;
	if (!call->client->in_turn)
		settle(call->client);
}

/* -- clients -- */

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static CURLM *new_multi(struct http_client *client)
{
	CURLM *multi = libcurl.multi_init();

	if (!multi)
		abort();
	must((int)libcurl.multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket));
	must((int)libcurl.multi_setopt(multi, CURLMOPT_SOCKETDATA, client));
	must((int)libcurl.multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_time));
	must((int)libcurl.multi_setopt(multi, CURLMOPT_TIMERDATA, client));
	return multi;
}

struct http_client *http_client_new(struct loop *loop, const struct http_server *server)
{
	struct http_client *client = xcalloc(1, sizeof(*client));

	client->loop = loop;
	client->url = xstrdup(server->url);
	client->unix_path = copy(server->unix_path);
	client->ca = copy(server->ca);
	client->cert = copy(server->cert);
	client->key = copy(server->key);
	client->reach = server->reach;
	client->name = server->unix_path ? xasprintf("unix://%s", server->unix_path) : xstrdup(server->url);
	client->epoll = epoll_create1(EPOLL_CLOEXEC);
	client->broken = client->epoll < 0 ? errno : 0;
	if (library_load(&library, &client->unloaded) == 0)
		client->multi = new_multi(client);
	return client;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	for (struct http_call *call = client->calls; call; call = call->next)
		call->state = CALL_OVER;
	client->unsettled = true;
	client->freed = true;
	if (client->in_turn)
		return;
	settle(client);
	client_destroy(client);
}

void cleanup_http_client(struct http_client **client)
{
	http_client_free(*client);
}

void http_want(struct http_client *client, const char *header)
{
	free(client->wanted);
	client->wanted = xstrdup(header);
}
