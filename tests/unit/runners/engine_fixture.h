/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
/*
 * A container engine as the runner sees one: it keeps containers by name, and a thread
 * serves each connection. What a container does is a script that all of them share;
 * faults say what goes wrong with which requests. All fields belong to `lock` while it serves.
 */
#define ENGINE_STAMP "2026-11-22T08:00:00.%09dZ "

enum engine_wrong {
	WRONG_LOST,  /* nothing is done, the connection closes */
	WRONG_AFTER, /* it is done, the reply is lost */
	WRONG_HANG,  /* nothing is done, nothing is said */
	WRONG_SAYS,  /* status and message */
};
struct engine_fault {
	const char *method, *path; /* `path` is somewhere in the path */
	enum engine_wrong wrong;
	int times; /* left */
	int status;
	const char *message;
};

enum engine_state { STATE_NONE, STATE_CREATED, STATE_RUNNING, STATE_EXITED };
struct engine_container {
	char name[128];
	enum engine_state state;
	int code;
	struct js *body;
	int starts;
};

struct engine_message {
	int stream;
	const char *text;
};

struct engine {
	char dir[64], path[96];
	int listener;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int connections;
	bool stops;
	struct engine_container containers[16];
	struct engine_fault faults[8];
	struct strbuf heard;       /* "METHOD PATH\n" of all requests */
	const char *api, *product, *arch;
	/* What a container does. */
	const struct engine_message *messages;
	size_t nmessages, repeat;  /* all of them, so often */
	size_t follow_lacks;       /* messages that a followed log never gives */
	size_t follow_breaks;      /* a followed log breaks off after so many messages, once; 0 never */
	size_t chunk;              /* bytes of a log sent at once, 0: all */
	int code;
	bool runs_on;              /* until it is killed */
	bool quick;                /* has ended before anybody can look */
	bool ignores_term, ignores_kill;
	bool oom;
	int undecided;             /* how often FinishedAt is not set yet */
	const char *error;
};

/* -- talking -- */

static inline bool engine_hear(int fd, struct strbuf *ret)
{
	char bytes[65536];
	const char *end, *length;
	ssize_t n;

	while (!(end = strstr(ret->buf, "\r\n\r\n"))) {
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			return false;
		strbuf_add(ret, bytes, (size_t)n);
	}
	length = strstr(ret->buf, "Content-Length: ");
	if (!length || length > end)
		return true;
	for (size_t want = (size_t)(end + 4 - ret->buf) + strtoul(length + 16, NULL, 10); ret->len < want;) {
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			return false;
		strbuf_add(ret, bytes, (size_t)n);
	}
	return true;
}

static inline void engine_send(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static inline void engine_reply(int fd, int status, const char *body)
{
	CLEANUP(cleanup_free) char *text = xasprintf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\n"
						     "Connection: close\r\n\r\n%s",
						     status, strlen(body), body);

	engine_send(fd, text, strlen(text));
}

static inline void engine_say(int fd, int status, const char *message)
{
	CLEANUP(cleanup_free) char *body = xasprintf("{\"message\":\"%s\"}", message);

	engine_reply(fd, status, body);
}

/* -- containers -- */

/* Of "/v1.41/containers/NAME/..." or "...create?name=NAME". */
static inline struct engine_container *engine_find(struct engine *engine, const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(engine->containers); i++)
		if (engine->containers[i].state != STATE_NONE && strlen(engine->containers[i].name) == len &&
		    !strncmp(engine->containers[i].name, name, len))
			return &engine->containers[i];
	return NULL;
}

static inline struct engine_container *engine_add(struct engine *engine, const char *name, const char *body,
						  enum engine_state state)
{
	for (size_t i = 0; i < ARRAY_LEN(engine->containers); i++) {
		struct engine_container *c = &engine->containers[i];

		if (c->state != STATE_NONE)
			continue;
		js_free(c->body);
		*c = (struct engine_container){ .state = state };
		snprintf(c->name, sizeof(c->name), "%s", name);
		if (js_parse(body, strlen(body), "body", &c->body, NULL) < 0)
			abort();
		return c;
	}
	abort();
}

static inline bool engine_is_pause(const struct engine_container *c)
{
	return !strncmp(c->name, "mlops-pause-", 12);
}

static inline void engine_end(struct engine *engine, struct engine_container *c, int code)
{
	c->state = STATE_EXITED;
	c->code = code;
	pthread_cond_broadcast(&engine->changed);
}

static inline void engine_create(struct engine *engine, int fd, const char *name, const char *body)
{
	if (engine_find(engine, name, strlen(name))) {
		engine_say(fd, 409, "Conflict. The container name is already in use");
		return;
	}
	engine_add(engine, name, body, STATE_CREATED);
	engine_reply(fd, 201, "{\"Id\":\"0123456789abcdef0123\",\"Warnings\":[]}");
}

/* The pause container whose network it joins must run. */
static inline bool engine_can_join(struct engine *engine, const struct engine_container *c)
{
	const char *mode = js_get_str(js_get(c->body, "HostConfig"), "NetworkMode");
	const struct engine_container *pause;

	if (!mode || strncmp(mode, "container:", 10) != 0)
		return true;
	pause = engine_find(engine, mode + 10, strlen(mode + 10));
	return pause && pause->state == STATE_RUNNING;
}

static inline void engine_start_container(struct engine *engine, int fd, struct engine_container *c)
{
	if (c->state == STATE_RUNNING) {
		engine_reply(fd, 304, "");
	} else if (!engine_can_join(engine, c)) {
		engine_say(fd, 409, "cannot join network of a non running container");
	} else {
		c->state = STATE_RUNNING;
		c->starts++;
		if (engine->quick && !engine_is_pause(c))
			engine_end(engine, c, engine->code);
		engine_reply(fd, 204, "");
	}
}

static inline void engine_inspect(struct engine *engine, int fd, const struct engine_container *c)
{
	static const char *const states[] = { "", "created", "running", "exited" };
	bool decided = c->state == STATE_EXITED && engine->undecided-- <= 0;
	CLEANUP_STRBUF struct strbuf labels = STRBUF_INIT;
	CLEANUP(cleanup_free) char *body = NULL;

	if (js_get(c->body, "Labels"))
		js_dump(js_get(c->body, "Labels"), JS_COMPACT, &labels);
	body = xasprintf("{\"Id\":\"0123456789abcdef0123\",\"State\":{\"Status\":\"%s\",\"Running\":%s,\"ExitCode\":%d,"
			 "\"OOMKilled\":%s,\"FinishedAt\":\"%s\"},\"Config\":{\"Labels\":%s}}",
			 states[c->state], c->state == STATE_RUNNING ? "true" : "false",
			 c->state == STATE_CREATED ? 127 : c->code, engine->oom ? "true" : "false",
			 decided ? "2026-11-22T08:00:01Z" : "0001-01-01T00:00:00Z", labels.len ? labels.buf : "{}");
	engine_reply(fd, 200, body);
}

static inline void engine_kill(struct engine *engine, int fd, struct engine_container *c, const char *path)
{
	bool kill = strstr(path, "SIGKILL") != NULL;

	if (c->state != STATE_RUNNING) {
		engine_say(fd, 409, "is not running");
		return;
	}
	if (!(kill ? engine->ignores_kill : engine->ignores_term))
		engine_end(engine, c, 128 + (kill ? SIGKILL : SIGTERM));
	engine_reply(fd, 204, "");
}

/* Until it has ended, or nobody listens. */
static inline bool engine_await(struct engine *engine, struct engine_container *c)
{
	if (!engine->runs_on && !engine_is_pause(c) && c->state == STATE_RUNNING)
		engine_end(engine, c, engine->code);
	while (c->state == STATE_RUNNING && !engine->stops)
		pthread_cond_wait(&engine->changed, &engine->lock);
	return !engine->stops;
}

static inline void engine_add_message(const struct engine *engine, size_t i, struct strbuf *ret)
{
	const struct engine_message *message = &engine->messages[i % engine->nmessages];
	CLEANUP(cleanup_free) char *text = xasprintf(ENGINE_STAMP "%s", (int)i, message->text);
	size_t len = strlen(text);
	const char head[8] = { (char)message->stream, 0, 0, 0, 0, 0, (char)(len >> 8), (char)len };

	strbuf_add(ret, head, sizeof(head));
	strbuf_add(ret, text, len);
}

static inline void engine_send_chunks(int fd, const struct strbuf *bytes, size_t most)
{
	for (size_t at = 0, n; at < bytes->len; at += n) {
		char head[32];

		n = most && bytes->len - at > most ? most : bytes->len - at;
		snprintf(head, sizeof(head), "%zx\r\n", n);
		engine_send(fd, head, strlen(head));
		engine_send(fd, bytes->buf + at, n);
		engine_send(fd, "\r\n", 2);
	}
}

static inline void engine_logs(struct engine *engine, int fd, struct engine_container *c, const char *path)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
	const char *tail = strstr(path, "tail=");
	size_t n = engine->nmessages * (engine->repeat ? engine->repeat : 1), first = 0, last = n;
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	bool follow = strstr(path, "follow=1"), breaks = false;

	if (tail && strtoul(tail + 5, NULL, 10) < n)
		first = n - strtoul(tail + 5, NULL, 10);
	if (follow)
		last -= engine->follow_lacks;
	if (follow && engine->follow_breaks) {
		breaks = true;
		last = engine->follow_breaks;
		engine->follow_breaks = 0;
	}
	for (size_t i = first; i < last; i++)
		engine_add_message(engine, i, &bytes);
	if (breaks)
		bytes.len -= 3;
	engine_send(fd, head, sizeof(head) - 1);
	engine_send_chunks(fd, &bytes, engine->chunk);
	if (breaks || (follow && !engine_await(engine, c)))
		return;
	engine_send(fd, "0\r\n\r\n", 5);
}

static inline void engine_wait(struct engine *engine, int fd, struct engine_container *c)
{
	/* Podman's says 0 or -1 for what never ran: nobody may believe it. */
	if (engine_await(engine, c))
		engine_reply(fd, 200, "{\"StatusCode\":0}");
}

/* -- serving -- */

static inline void engine_serve_container(struct engine *engine, int fd, const char *method, const char *path)
{
	const char *name = strstr(path, "/containers/") + 12;
	size_t len = strcspn(name, "/?");
	struct engine_container *c = engine_find(engine, name, len);

	if (!c)
		engine_say(fd, 404, "No such container");
	else if (!strcmp(method, "DELETE")) {
		engine_end(engine, c, 137);
		c->state = STATE_NONE;
		engine_reply(fd, 204, "");
	} else if (!strncmp(name + len, "/start", 6))
		engine_start_container(engine, fd, c);
	else if (!strncmp(name + len, "/json", 5))
		engine_inspect(engine, fd, c);
	else if (!strncmp(name + len, "/kill", 5))
		engine_kill(engine, fd, c, path);
	else if (!strncmp(name + len, "/logs", 5))
		engine_logs(engine, fd, c, path);
	else if (!strncmp(name + len, "/wait", 5))
		engine_wait(engine, fd, c);
	else if (!strncmp(name + len, "/stats", 6))
		engine_reply(fd, 200, "{\"memory_stats\":{\"usage\":5000,\"stats\":{\"inactive_file\":1000}},\"cpu_stats\":"
				      "{\"cpu_usage\":{\"usage_in_usermode\":3000,\"usage_in_kernelmode\":2000}}}");
	else
		engine_say(fd, 404, "page not found");
}

static inline void engine_serve(struct engine *engine, int fd, const char *method, const char *path, const char *body)
{
	const char *create = strstr(path, "/containers/create?name=");
	CLEANUP(cleanup_free) char *version = xasprintf("/v%s/", engine->api);
	CLEANUP(cleanup_free) char *reply = NULL;

	if (!strcmp(path, "/_ping"))
		engine_reply(fd, 200, "OK");
	else if (!strcmp(path, "/version")) {
		reply = xasprintf("{\"Version\":\"1\",\"ApiVersion\":\"%s\",\"MinAPIVersion\":\"1.40\",\"Os\":\"linux\","
				  "\"Arch\":\"amd64\",\"Components\":[{\"Name\":\"%s\"}]}",
				  engine->api, engine->product);
		engine_reply(fd, 200, reply);
	} else if (strncmp(path, version, strlen(version)) != 0)
		engine_say(fd, 400, "client version is too old. Minimum supported API version is higher");
	else if (strstr(path, "/info"))
		engine_reply(fd, 200, "{\"NCPU\":2,\"MemTotal\":1000000,\"Plugins\":{\"Log\":[\"local\"]}}");
	else if (create)
		engine_create(engine, fd, create + 24, body);
	else if (strstr(path, "/images/localhost/mlops-pause"))
		engine_reply(fd, 200, "{}");
	else if (strstr(path, "/images/") && strstr(path, "/json")) {
		reply = xasprintf("{\"Os\":\"linux\",\"Architecture\":\"%s\"}", engine->arch);
		engine_reply(fd, 200, reply);
	} else if (strstr(path, "/containers/"))
		engine_serve_container(engine, fd, method, path);
	else
		engine_say(fd, 404, "page not found");
}

/* Serves it wrongly; false: as usual. */
static inline bool engine_goes_wrong(struct engine *engine, int *fd, const char *method, const char *path,
				     const char *body)
{
	char byte;
	int nowhere[2];

	for (size_t i = 0; i < ARRAY_LEN(engine->faults); i++) {
		struct engine_fault *fault = &engine->faults[i];

		if (!fault->times || strcmp(fault->method, method) != 0 || !strstr(path, fault->path))
			continue;
		fault->times--;
		if (fault->wrong == WRONG_SAYS)
			engine_say(*fd, fault->status, fault->message);
		if (fault->wrong == WRONG_AFTER && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, nowhere) == 0) {
			engine_serve(engine, nowhere[0], method, path, body);
			close(nowhere[0]);
			close(nowhere[1]);
		}
		if (fault->wrong == WRONG_HANG) {
			pthread_mutex_unlock(&engine->lock);
			while (recv(*fd, &byte, 1, 0) > 0)
				;
			pthread_mutex_lock(&engine->lock);
		}
		return true;
	}
	return false;
}

struct engine_connection {
	struct engine *engine;
	int fd;
};

static inline void *engine_connection_run(void *arg)
{
	struct engine_connection *connection = arg;
	struct engine *engine = connection->engine;
	CLEANUP_STRBUF struct strbuf heard = STRBUF_INIT;
	char method[16] = "", path[512] = "";
	const char *body;

	if (engine_hear(connection->fd, &heard) && sscanf(heard.buf, "%15s %511s", method, path) == 2) {
		body = strstr(heard.buf, "\r\n\r\n") + 4;
		pthread_mutex_lock(&engine->lock);
		strbuf_printf(&engine->heard, "%s %s\n", method, path);
		if (!engine_goes_wrong(engine, &connection->fd, method, path, body))
			engine_serve(engine, connection->fd, method, path, body);
		pthread_mutex_unlock(&engine->lock);
	}
	close(connection->fd);
	pthread_mutex_lock(&engine->lock);
	engine->connections--;
	pthread_cond_broadcast(&engine->changed);
	pthread_mutex_unlock(&engine->lock);
	free(connection);
	return NULL;
}

static inline void *engine_run(void *arg)
{
	struct engine *engine = arg;
	int fd;

	while ((fd = accept4(engine->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct engine_connection *connection = xcalloc(1, sizeof(*connection));
		pthread_t thread;

		*connection = (struct engine_connection){ engine, fd };
		pthread_mutex_lock(&engine->lock);
		engine->connections++;
		pthread_mutex_unlock(&engine->lock);
		if (pthread_create(&thread, NULL, engine_connection_run, connection) != 0)
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

static inline void engine_listen(struct engine *engine)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", engine->path);
	unlink(engine->path);
	engine->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(engine->listener, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(engine->listener, 64) < 0 || pthread_create(&engine->thread, NULL, engine_run, engine) != 0)
		abort();
}

static inline void engine_begin(struct engine *engine)
{
	*engine = (struct engine){ .heard = STRBUF_INIT, .api = "1.41", .product = "Engine", .arch = "amd64" };
	pthread_mutex_init(&engine->lock, NULL);
	pthread_cond_init(&engine->changed, NULL);
	snprintf(engine->dir, sizeof(engine->dir), "/tmp/mlops-docker-XXXXXX");
	if (!mkdtemp(engine->dir))
		abort();
	snprintf(engine->path, sizeof(engine->path), "%s/d.sock", engine->dir);
	engine_listen(engine);
}

/* Nobody listens any more; what is open ends. Containers stay. */
static inline void engine_go(struct engine *engine)
{
	shutdown(engine->listener, SHUT_RDWR);
	pthread_join(engine->thread, NULL);
	close(engine->listener);
	pthread_mutex_lock(&engine->lock);
	engine->stops = true;
	pthread_cond_broadcast(&engine->changed);
	while (engine->connections)
		pthread_cond_wait(&engine->changed, &engine->lock);
	engine->stops = false;
	pthread_mutex_unlock(&engine->lock);
	unlink(engine->path);
}

static inline void engine_finish(struct engine *engine)
{
	rmdir(engine->dir);
	for (size_t i = 0; i < ARRAY_LEN(engine->containers); i++)
		js_free(engine->containers[i].body);
	strbuf_release(&engine->heard);
	pthread_cond_destroy(&engine->changed);
	pthread_mutex_destroy(&engine->lock);
}
