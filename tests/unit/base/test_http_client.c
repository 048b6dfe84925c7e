/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/error.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/strbuf.h"
/*
 * A server of a few lines: each connection gets a thread that runs the test's script.
 * Where order matters the two sides wait for each other, never for the clock.
 */
#define CONNECTIONS 8
#define PATIENCE_MS 30000 /* a request that hangs fails its test */

struct server {
	char dir[64], path[96];
	int listener;
	void (*script)(struct server *, int fd, int nth);
	pthread_t acceptor;
	pthread_mutex_t mutex;
	int nconnections, nrequests;
	struct strbuf request; /* the newest whole one */
	sem_t go;              /* the client's side lets the script go on */
};

struct connection {
	struct server *server;
	pthread_t thread;
	int fd, nth;
};

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static size_t body_length(const char *head)
{
	const char *length = strcasestr(head, "\r\nContent-Length:");

	return length ? strtoul(length + 17, NULL, 10) : 0;
}

/* 1: a whole request stands in server->request; 0: the client hung up. */
static int hear(struct server *server, int fd)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const char *head_end = NULL;
	char bytes[4096];
	ssize_t n;

	while (!head_end || text.len < (size_t)(head_end + 4 - text.buf) + body_length(text.buf)) {
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			return 0;
		strbuf_add(&text, bytes, (size_t)n);
		head_end = strstr(text.buf, "\r\n\r\n");
	}
	pthread_mutex_lock(&server->mutex);
	server->nrequests++;
	strbuf_clear(&server->request);
	strbuf_add(&server->request, text.buf, text.len);
	pthread_mutex_unlock(&server->mutex);
	return 1;
}

static void *serve_connection(void *arg)
{
	struct connection *connection = arg;

	connection->server->script(connection->server, connection->fd, connection->nth);
	close(connection->fd);
	return NULL;
}

static void *accept_connections(void *arg)
{
	struct server *server = arg;
	struct connection connections[CONNECTIONS];
	int n = 0, fd;

	while (n < CONNECTIONS && (fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		pthread_mutex_lock(&server->mutex);
		server->nconnections++;
		pthread_mutex_unlock(&server->mutex);
		connections[n] = (struct connection){ .server = server, .fd = fd, .nth = n };
		assert_int_equal(
			pthread_create(&connections[n].thread, NULL, serve_connection, &connections[n]), 0);
		n++;
	}
	while (n > 0)
		pthread_join(connections[--n].thread, NULL);
	return NULL;
}

static void bind_server(struct server *server)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(server->dir, sizeof(server->dir), "/tmp/http-XXXXXX");
	assert_non_null(mkdtemp(server->dir));
	snprintf(server->path, sizeof(server->path), "%s/s", server->dir);
	memcpy(addr.sun_path, server->path, strlen(server->path) + 1);
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

/* -- what a test sees -- */

struct story {
	struct server server;
	struct loop *loop;
	struct http_client *client;
	struct http_call *call, *other;
	int ndone, ndata, nextra;
	int status;
	struct strbuf body, streamed, header;
	size_t longest; /* of one call of data */
	struct error err;
	bool has_error;
};

static int setup(void **state)
{
	struct story *story = xcalloc(1, sizeof(*story));

	pthread_mutex_init(&story->server.mutex, NULL);
	sem_init(&story->server.go, 0, 0);
	story->server.request = story->body = story->streamed = story->header = (struct strbuf)STRBUF_INIT;
	bind_server(&story->server);
	story->loop = loop_new();
	story->client = http_client_new(story->loop, &(struct http_server){ .url = "http://engine",
									     .unix_path = story->server.path });
	*state = story;
	return 0;
}

static void serve(struct story *story, void (*script)(struct server *, int fd, int nth))
{
	story->server.script = script;
	assert_int_equal(listen(story->server.listener, 16), 0);
	assert_int_equal(pthread_create(&story->server.acceptor, NULL, accept_connections, &story->server), 0);
}

static int teardown(void **state)
{
	struct story *story = *state;

	http_client_free(story->client);
	loop_free(story->loop);
	if (story->server.script) {
		shutdown(story->server.listener, SHUT_RDWR);
		pthread_join(story->server.acceptor, NULL);
	}
	close(story->server.listener);
	unlink(story->server.path);
	rmdir(story->server.dir);
	strbuf_release(&story->server.request);
	strbuf_release(&story->body);
	strbuf_release(&story->streamed);
	strbuf_release(&story->header);
	sem_destroy(&story->server.go);
	free(story);
	return 0;
}

static void done(void *arg, const struct http_reply *reply)
{
	struct story *story = arg;

	story->ndone++;
	story->status = reply->status;
	strbuf_clear(&story->body);
	strbuf_add(&story->body, reply->body->buf, reply->body->len);
	assert_int_equal(reply->body->buf[reply->body->len], '\0');
	strbuf_clear(&story->header);
	strbuf_puts(&story->header, reply->header ? reply->header : "(none)");
	story->has_error = reply->error != NULL;
	if (reply->error)
		story->err = *reply->error;
}

static int data(void *arg, const char *bytes, size_t len)
{
	struct story *story = arg;

	story->ndata++;
	strbuf_add(&story->streamed, bytes, len);
	if (len > story->longest)
		story->longest = len;
	sem_post(&story->server.go);
	return 0;
}

static struct http_request get(struct story *story)
{
	return (struct http_request){
		.method = "GET", .path = "/thing", .timeout_ms = PATIENCE_MS, .done = done, .ctx = story
	};
}

static void run(struct story *story)
{
	struct error err = { 0 };

	assert_int_equal(loop_run(story->loop, &err), 0);
}

static void run_one(struct story *story, const struct http_request *request)
{
	story->call = http_start(story->client, request);
	assert_int_equal(story->ndone, 0);
	run(story);
	assert_int_equal(story->ndone, 1);
}

static void assert_failed(const struct story *story, int status, int sys, const char *text)
{
	assert_true(story->has_error);
	assert_int_equal(story->err.code, ERR_ENV);
	assert_int_equal(story->err.sys, sys);
	assert_int_equal(story->status, status);
	if (!strstr(story->err.msg, text))
		fail_msg("\"%s\" does not say \"%s\"", story->err.msg, text);
}

/* -- replies -- */

static void reply_hello(struct server *server, int fd, int nth)
{
	(void)nth;
	while (hear(server, fd))
		say(fd, "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 5\r\n\r\nhello");
}

static void reply_comes_whole_with_the_wanted_header(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.headers = (const char *const[]){ "X-Registry-Auth: e30=", NULL };
	http_want(story->client, "api-version");
	serve(story, reply_hello);
	run_one(story, &request);
	assert_int_equal(story->status, 200);
	assert_false(story->has_error);
	assert_string_equal(story->body.buf, "hello");
	assert_string_equal(story->header.buf, "1.41");
	assert_memory_equal(story->server.request.buf, "GET /thing HTTP/1.1\r\nHost: engine\r\n", 35);
	assert_non_null(strstr(story->server.request.buf, "\r\nX-Registry-Auth: e30=\r\n"));
	assert_null(strcasestr(story->server.request.buf, "content-type"));
}

static void header_not_wanted_or_not_sent_is_null(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	http_want(story->client, "Absent");
	serve(story, reply_hello);
	run_one(story, &request);
	assert_string_equal(story->header.buf, "(none)");
}

static void reply_chunked(struct server *server, int fd, int nth)
{
	(void)nth;
	hear(server, fd);
	say(fd, "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n");
	say(fd, "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
}

static void chunked_reply_is_put_together(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	serve(story, reply_chunked);
	run_one(story, &request);
	assert_int_equal(story->status, 201);
	assert_string_equal(story->body.buf, "hello");
}

static void reply_in_steps(struct server *server, int fd, int nth)
{
	(void)nth;
	hear(server, fd);
	say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
	sem_wait(&server->go);
	say(fd, "3\r\ntwo\r\n");
	sem_wait(&server->go);
	say(fd, "5\r\nthree\r\n0\r\n\r\n");
}

static void stream_hands_on_each_piece_when_it_comes(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.data = data;
	serve(story, reply_in_steps);
	run_one(story, &request);
	assert_int_equal(story->status, 200);
	assert_int_equal(story->ndata, 3);
	assert_string_equal(story->streamed.buf, "onetwothree");
	assert_int_equal(story->body.len, 0);
}

static void reply_missing(struct server *server, int fd, int nth)
{
	(void)nth;
	hear(server, fd);
	say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno such");
}

static void refusal_of_a_stream_is_kept_for_done(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.data = data;
	serve(story, reply_missing);
	run_one(story, &request);
	assert_int_equal(story->status, 404);
	assert_false(story->has_error);
	assert_int_equal(story->ndata, 0);
	assert_string_equal(story->body.buf, "no such");
}

static void reply_moved(struct server *server, int fd, int nth)
{
	(void)nth;
	while (hear(server, fd))
		say(fd, "HTTP/1.1 302 Found\r\nLocation: http://engine/other\r\nContent-Length: 0\r\n\r\n");
}

static void redirects_are_replies(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	serve(story, reply_moved);
	run_one(story, &request);
	assert_int_equal(story->status, 302);
	assert_int_equal(story->server.nrequests, 1);
}

#define MANY (64 << 20)

static void reply_much(struct server *server, int fd, int nth)
{
	static char block[1 << 16];

	(void)nth;
	hear(server, fd);
	memset(block, 'x', sizeof(block) - 1);
	say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	for (int left = MANY; left > 0; left -= (int)sizeof(block) - 1)
		say(fd, block);
}

static int count_bytes(void *arg, const char *bytes, size_t len)
{
	struct story *story = arg;

	(void)bytes;
	if (len > story->longest)
		story->longest = len;
	story->ndata += (int)len;
	return 0;
}

static void long_stream_passes_in_small_pieces(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.data = count_bytes;
	serve(story, reply_much);
	run_one(story, &request);
	assert_false(story->has_error);
	assert_true(story->ndata >= MANY);
	assert_true(story->longest <= 1 << 20);
}

/* -- failures -- */

static void reply_half(struct server *server, int fd, int nth)
{
	(void)nth;
	hear(server, fd);
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
}

static void reply_half_chunked(struct server *server, int fd, int nth)
{
	(void)nth;
	hear(server, fd);
	say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
}

static void broken_reply_tells_status_and_error(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	serve(story, reply_half);
	run_one(story, &request);
	assert_failed(story, 200, ECONNRESET, "the connection broke off");
	assert_string_equal(story->body.buf, "hello");
}

static void broken_stream_gives_what_came_and_an_error(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.data = data;
	serve(story, reply_half_chunked);
	run_one(story, &request);
	assert_failed(story, 200, ECONNRESET, "the connection broke off");
	assert_string_equal(story->streamed.buf, "hello");
}

static void reply_nothing(struct server *server, int fd, int nth)
{
	(void)nth;
	hear(server, fd);
}

static void connection_without_reply_is_reset(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	serve(story, reply_nothing);
	run_one(story, &request);
	assert_failed(story, 0, ECONNRESET, "the connection broke off");
}

static void reply_never(struct server *server, int fd, int nth)
{
	(void)nth;
	while (hear(server, fd))
		;
}

static void silent_server_times_out(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.timeout_ms = 50;
	serve(story, reply_never);
	run_one(story, &request);
	assert_failed(story, 0, ETIMEDOUT, "no answer within 0.05 s");
}

static void reply_head_only(struct server *server, int fd, int nth)
{
	(void)nth;
	hear(server, fd);
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
	hear(server, fd);
}

static void half_answer_times_out_with_its_status(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.timeout_ms = 50;
	serve(story, reply_head_only);
	run_one(story, &request);
	assert_failed(story, 200, ETIMEDOUT, "no whole answer within 0.05 s");
}

static void missing_socket_is_named(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	unlink(story->server.path);
	run_one(story, &request);
	assert_failed(story, 0, ENOENT, "cannot reach unix:///tmp/http-");
	assert_non_null(strstr(story->err.msg, "/s: No such file or directory"));
}

static void socket_without_listener_refuses(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	run_one(story, &request);
	assert_failed(story, 0, ECONNREFUSED, "/s: Connection refused");
}

static void socket_of_others_denies(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);
	uid_t uid = geteuid();

	serve(story, reply_hello);
	assert_int_equal(chmod(story->server.path, 0), 0);
	if (uid == 0)
		assert_int_equal(seteuid(65534), 0);
	run_one(story, &request);
	assert_int_equal(seteuid(uid), 0);
	assert_failed(story, 0, EACCES, "Permission denied");
}

static void full_queue_asks_to_try_again(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	int fds[2];

	assert_int_equal(listen(story->server.listener, 0), 0);
	assert_int_equal(getsockname(story->server.listener, (struct sockaddr *)&addr, &len), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&addr, len), i == 0 ? 0 : -1);
	}
	run_one(story, &request);
	assert_failed(story, 0, EAGAIN, "/s: Resource temporarily unavailable");
	close(fds[0]);
	close(fds[1]);
}

static void without_descriptors_every_request_fails(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);
	struct rlimit limit, none;

	http_client_free(story->client);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	story->client = http_client_new(story->loop, &(struct http_server){ .url = "http://engine",
									     .unix_path = story->server.path });
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	serve(story, reply_hello);
	http_start(story->client, &request);
	http_start(story->client, &request);
	run(story);
	assert_int_equal(story->ndone, 2);
	assert_failed(story, 0, EMFILE, "Too many open files");
}

static void port_without_listener_refuses(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	http_client_free(story->client);
	story->client = http_client_new(story->loop, &(struct http_server){ .url = "http://127.0.0.1:1" });
	run_one(story, &request);
	assert_failed(story, 0, ECONNREFUSED, "cannot reach http://127.0.0.1:1: Connection refused");
}

static void reply_garbage(struct server *server, int fd, int nth)
{
	(void)nth;
	hear(server, fd);
	say(fd, "220 mail.example ESMTP\r\n");
}

static void garbage_is_not_http(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	serve(story, reply_garbage);
	run_one(story, &request);
	assert_failed(story, 0, EPROTO, "no HTTP server");
}

static void reply_too_long_is_an_error(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.max = 4;
	serve(story, reply_hello);
	run_one(story, &request);
	assert_failed(story, 200, 0, "too long");
}

static void reply_of_just_the_bound_passes(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.max = 5;
	serve(story, reply_hello);
	run_one(story, &request);
	assert_false(story->has_error);
}

static int refuse_data(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	(void)bytes;
	(void)len;
	return -1;
}

static void reader_can_stop_a_stream(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.data = refuse_data;
	serve(story, reply_hello);
	run_one(story, &request);
	assert_failed(story, 200, 0, "stopped by its reader");
}

static void header_with_a_line_break_is_never_sent(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.headers = (const char *const[]){ "A: b\r\nInjected: c", NULL };
	serve(story, reply_hello);
	run_one(story, &request);
	assert_failed(story, 0, 0, "line break");
	assert_int_equal(story->server.nconnections, 0);
}

/* -- bodies -- */

/* More than 1 MiB: from there curl would first ask whether it may send it. */
#define BODY (((size_t)1 << 20) + 1)

static void send_body(struct story *story, const char *method)
{
	struct http_request request = get(story);
	char *body CLEANUP(cleanup_free) = xmalloc(BODY);
	const struct strbuf *seen = &story->server.request;

	for (size_t i = 0; i < BODY; i++)
		body[i] = (char)('a' + i % 23);
	request.method = method;
	request.body = body;
	request.body_len = BODY;
	request.headers = (const char *const[]){ "Content-Type: application/x-tar", NULL };
	serve(story, reply_hello);
	run_one(story, &request);
	assert_int_equal(story->status, 200);
	assert_memory_equal(seen->buf, method, strlen(method));
	assert_non_null(strstr(seen->buf, "\r\nContent-Type: application/x-tar\r\n"));
	assert_non_null(strstr(seen->buf, "\r\nContent-Length: 1048577\r\n"));
	assert_null(strcasestr(seen->buf, "\r\nExpect:"));
	assert_true(seen->len > BODY);
	assert_memory_equal(seen->buf + seen->len - BODY, body, BODY);
}

static void put_sends_its_body(void **state)
{
	send_body(*state, "PUT");
}

static void post_sends_its_body(void **state)
{
	send_body(*state, "POST");
}

static void post_without_body_says_so(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.method = "POST";
	serve(story, reply_hello);
	run_one(story, &request);
	assert_memory_equal(story->server.request.buf, "POST /thing ", 12);
	assert_non_null(strstr(story->server.request.buf, "\r\nContent-Length: 0\r\n"));
	assert_null(strcasestr(story->server.request.buf, "content-type"));
}

static void reply_head(struct server *server, int fd, int nth)
{
	(void)nth;
	while (hear(server, fd))
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
}

static void head_waits_for_no_body(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.method = "HEAD";
	serve(story, reply_head);
	run_one(story, &request);
	assert_false(story->has_error);
	assert_memory_equal(story->server.request.buf, "HEAD ", 5);
}

static void delete_keeps_its_path_and_query(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.method = "DELETE";
	request.path = "/a/../b%2Fc?v=1&force=1";
	serve(story, reply_hello);
	run_one(story, &request);
	assert_memory_equal(story->server.request.buf, "DELETE /a/../b%2Fc?v=1&force=1 HTTP/1.1\r\n", 41);
}

/* -- many at once -- */

/* The first connection answers only when the second has been asked. */
static void reply_crosswise(struct server *server, int fd, int nth)
{
	hear(server, fd);
	if (nth == 0)
		sem_wait(&server->go);
	else
		sem_post(&server->go);
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

static void two_requests_run_at_once(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	serve(story, reply_crosswise);
	http_start(story->client, &request);
	http_start(story->client, &request);
	run(story);
	sem_post(&story->server.go);
	assert_int_equal(story->ndone, 2);
	assert_int_equal(story->status, 200);
	assert_int_equal(story->server.nconnections, 2);
}

static void connection_is_used_again(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	serve(story, reply_hello);
	for (int i = 0; i < 3; i++) {
		story->ndone = 0;
		run_one(story, &request);
		assert_int_equal(story->status, 200);
	}
	assert_int_equal(story->server.nrequests, 3);
	assert_int_equal(story->server.nconnections, 1);
}

/* Answers once, then hangs up without having said that it would. */
static void reply_once(struct server *server, int fd, int nth)
{
	(void)nth;
	hear(server, fd);
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void connection_closed_while_idle_is_replaced(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	serve(story, reply_once);
	for (int i = 0; i < 3; i++) {
		story->ndone = 0;
		run_one(story, &request);
		assert_int_equal(story->status, 200);
	}
	assert_int_equal(story->server.nrequests, 3);
}

/* -- from inside callbacks -- */

static int cancel_inside(void *arg, const char *bytes, size_t len)
{
	struct story *story = arg;

	(void)bytes;
	(void)len;
	story->ndata++;
	http_cancel(story->call);
	return 0;
}

static void reply_then_wait(struct server *server, int fd, int nth)
{
	(void)nth;
	hear(server, fd);
	say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
	hear(server, fd);
}

static void cancel_from_data_ends_it_without_done(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.data = cancel_inside;
	serve(story, reply_then_wait);
	story->call = http_start(story->client, &request);
	run(story);
	assert_int_equal(story->ndata, 1);
	assert_int_equal(story->ndone, 0);
}

static int free_inside(void *arg, const char *bytes, size_t len)
{
	struct story *story = arg;

	(void)bytes;
	(void)len;
	story->ndata++;
	http_client_free(story->client);
	story->client = NULL;
	return 0;
}

static void client_freed_from_data_calls_nothing_back(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.data = free_inside;
	serve(story, reply_then_wait);
	http_start(story->client, &request);
	http_start(story->client, &request);
	run(story);
	assert_int_equal(story->ndata, 1);
	assert_int_equal(story->ndone, 0);
}

static void done_frees(void *arg, const struct http_reply *reply)
{
	struct story *story = arg;

	assert_int_equal(reply->status, 200);
	story->ndone++;
	http_client_free(story->client);
	story->client = NULL;
	assert_string_equal(reply->body->buf, "hello");
}

static void client_freed_from_done_ends_the_others(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.done = done_frees;
	serve(story, reply_hello);
	for (int i = 0; i < 3; i++)
		http_start(story->client, &request);
	run(story);
	assert_int_equal(story->ndone, 1);
}

static void done_cancels_other(void *arg, const struct http_reply *reply)
{
	struct story *story = arg;

	done(arg, reply);
	http_cancel(story->call); /* itself, for which it is too late */
	http_cancel(story->other);
	http_cancel(NULL);
}

static void answer_first_only(struct server *server, int fd, int nth)
{
	if (!hear(server, fd))
		return;
	if (nth == 0)
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	hear(server, fd);
}

static void cancel_of_another_from_done(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.done = done_cancels_other;
	serve(story, answer_first_only);
	story->call = http_start(story->client, &request);
	story->other = http_start(story->client, &request);
	run(story);
	assert_int_equal(story->ndone, 1);
}

static void start_again(void *arg, const struct http_reply *reply)
{
	struct story *story = arg;
	struct http_request request = get(story);

	done(arg, reply);
	if (story->ndone == 3)
		return;
	request.done = start_again;
	http_start(story->client, &request);
}

static void extra_done(void *arg, const struct http_reply *reply)
{
	struct story *story = arg;

	story->nextra += reply->status == 200;
}

static int start_more(void *arg, const char *bytes, size_t len)
{
	struct story *story = arg;
	struct http_request request = get(story);

	request.done = extra_done;
	http_start(story->client, &request);
	return data(arg, bytes, len);
}

static void start_from_done_and_from_data(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	request.done = start_again;
	request.data = start_more;
	serve(story, reply_hello);
	http_start(story->client, &request);
	run(story);
	assert_int_equal(story->ndata, 1);
	assert_int_equal(story->ndone, 3);
	assert_int_equal(story->nextra, 1);
	assert_false(story->has_error);
}

static void cancelled_before_the_loop_ran_is_never_sent(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	serve(story, reply_hello);
	http_cancel(http_start(story->client, &request));
	run(story);
	assert_int_equal(story->ndone, 0);
	assert_int_equal(story->server.nrequests, 0);
}

static void client_freed_with_open_requests_is_quiet(void **state)
{
	struct story *story = *state;
	struct http_request request = get(story);

	serve(story, reply_never);
	http_start(story->client, &request);
	http_client_free(story->client);
	story->client = NULL;
	run(story);
	assert_int_equal(story->ndone, 0);
	http_client_free(NULL);
}

/* -- without a loop -- */

static void exchange_waits_for_the_reply(void **state)
{
	struct story *story = *state;
	struct http_server server = { .url = "http://engine", .unix_path = story->server.path };
	struct http_request request = { .method = "GET", .path = "/", .timeout_ms = PATIENCE_MS };
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	char *header CLEANUP(cleanup_free) = NULL;
	struct error err = { 0 };
	int status = 0;

	serve(story, reply_hello);
	strbuf_puts(&body, "> ");
	assert_int_equal(http_exchange(&server, &request, "Api-Version", &status, &body, &header, &err), 0);
	assert_int_equal(status, 200);
	assert_string_equal(body.buf, "> hello");
	assert_string_equal(header, "1.41");
	assert_int_equal(http_exchange(&server, &request, NULL, &status, &body, NULL, &err), 0);
}

static void failed_exchange_leaves_its_outputs(void **state)
{
	struct story *story = *state;
	struct http_server server = { .url = "http://engine", .unix_path = story->server.path };
	struct http_request request = { .method = "GET", .path = "/", .timeout_ms = PATIENCE_MS };
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	char *header = NULL;
	struct error err = { 0 };
	int status = 7;

	serve(story, reply_half);
	assert_int_equal(http_exchange(&server, &request, "X", &status, &body, &header, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	assert_int_equal(err.sys, ECONNRESET);
	assert_int_equal(status, 7);
	assert_int_equal(body.len, 0);
	assert_null(header);
	assert_int_equal(http_exchange(&server, &request, "X", &status, &body, &header, NULL), -1);
}

static void escape_leaves_only_unreserved_bytes(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	http_escape(&text, "aZ09-._~");
	http_escape(&text, "/ ?&=%\"{\n\xc3\xa4");
	assert_string_equal(text.buf, "aZ09-._~%2F%20%3F%26%3D%25%22%7B%0A%C3%A4");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reply_comes_whole_with_the_wanted_header),
		TEST(header_not_wanted_or_not_sent_is_null),
		TEST(chunked_reply_is_put_together),
		TEST(stream_hands_on_each_piece_when_it_comes),
		TEST(refusal_of_a_stream_is_kept_for_done),
		TEST(redirects_are_replies),
		TEST(long_stream_passes_in_small_pieces),
		TEST(broken_reply_tells_status_and_error),
		TEST(broken_stream_gives_what_came_and_an_error),
		TEST(connection_without_reply_is_reset),
		TEST(silent_server_times_out),
		TEST(half_answer_times_out_with_its_status),
		TEST(missing_socket_is_named),
		TEST(socket_without_listener_refuses),
		TEST(socket_of_others_denies),
		TEST(full_queue_asks_to_try_again),
		TEST(without_descriptors_every_request_fails),
		TEST(port_without_listener_refuses),
		TEST(garbage_is_not_http),
		TEST(reply_too_long_is_an_error),
		TEST(reply_of_just_the_bound_passes),
		TEST(reader_can_stop_a_stream),
		TEST(header_with_a_line_break_is_never_sent),
		TEST(put_sends_its_body),
		TEST(post_sends_its_body),
		TEST(post_without_body_says_so),
		TEST(head_waits_for_no_body),
		TEST(delete_keeps_its_path_and_query),
		TEST(two_requests_run_at_once),
		TEST(connection_is_used_again),
		TEST(connection_closed_while_idle_is_replaced),
		TEST(cancel_from_data_ends_it_without_done),
		TEST(client_freed_from_data_calls_nothing_back),
		TEST(client_freed_from_done_ends_the_others),
		TEST(cancel_of_another_from_done),
		TEST(start_from_done_and_from_data),
		TEST(cancelled_before_the_loop_ran_is_never_sent),
		TEST(client_freed_with_open_requests_is_quiet),
		TEST(exchange_waits_for_the_reply),
		TEST(failed_exchange_leaves_its_outputs),
		cmocka_unit_test(escape_leaves_only_unreserved_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
