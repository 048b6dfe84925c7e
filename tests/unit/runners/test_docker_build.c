/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "runners/docker_build.h"
#include "runners/docker_engine.h"
#include "runners/docker_internal.h"
/*
 * Builds, pushes and labels against an engine of a script: it answers the requests in their order, and keeps
 * what was sent. One that holds waits until the other end hangs up.
 */
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PING "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"
#define VERSION "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"Version\":\"1\",\"Os\":\"linux\",\"Arch\":\"amd64\"}"
#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

struct server {
	char dir[64], path[96];
	int listener;
	pthread_t thread;
	const char *replies[9];
	bool holds[9];
	struct strbuf heard[9];
};
static struct server server;

/* Up to the end of the head, or of the last chunk. */
static void hear(int fd, struct strbuf *text)
{
	char bytes[4096];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		strbuf_add(text, bytes, (size_t)n);
		if (strstr(text->buf, "Transfer-Encoding: chunked") ?
			    text->len > 5 && !memcmp(text->buf + text->len - 5, "0\r\n\r\n", 5) :
			    strstr(text->buf, "\r\n\r\n") != NULL)
			return;
	}
}

/* The first two requests are those of docker_engine_open. */
static void *serve(void *arg)
{
	char byte;

	(void)arg;
	for (size_t i = 0; server.replies[i]; i++) {
		int fd = accept(server.listener, NULL, NULL);

		if (fd < 0)
			break;
		hear(fd, &server.heard[i]);
		send(fd, server.replies[i], strlen(server.replies[i]), MSG_NOSIGNAL);
		while (server.holds[i] && recv(fd, &byte, 1, 0) > 0)
			;
		close(fd);
	}
	return NULL;
}

static struct docker_engine *start(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(cleanup_free) char *host = NULL;
	struct docker_engine *engine;
	struct error err;

	snprintf(server.dir, sizeof(server.dir), "/tmp/mlops-build-XXXXXX");
	assert_non_null(mkdtemp(server.dir));
	snprintf(server.path, sizeof(server.path), "%s/s", server.dir);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", server.path);
	server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server.listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(server.listener, 8), 0);
	for (size_t i = 0; i < ARRAY_LEN(server.heard); i++)
		server.heard[i] = (struct strbuf)STRBUF_INIT;
	server.replies[0] = PING;
	server.replies[1] = VERSION;
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
	host = xasprintf("unix://%s", server.path);
	setenv("DOCKER_HOST", host, 1);
	if (docker_engine_open(&engine, &err) < 0)
		fail_msg("%s", err.msg);
	return engine;
}

static void stop(struct docker_engine *engine)
{
	docker_engine_close(engine);
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listener);
	for (size_t i = 0; i < ARRAY_LEN(server.heard); i++)
		strbuf_release(&server.heard[i]);
	unlink(server.path);
	rmdir(server.dir);
	server = (struct server){ 0 };
}

/* -- builds -- */

static ssize_t context(void *ctx, char *buf, size_t size, struct error *err)
{
	int *left = ctx;

	if (*left < 0)
		return error_set(err, ERR_CONFLICT, "the context changed");
	if (!*left)
		return 0;
	--*left;
	memset(buf, 't', size < 1000 ? size : 1000);
	return size < 1000 ? (ssize_t)size : 1000;
}

static int build(struct docker_engine *engine, int pieces, struct docker_build *more, struct docker_built *ret,
		 struct error *err)
{
	struct docker_build spec = more ? *more : (struct docker_build){ .network = true };

	spec.name = "image x";
	spec.context = context;
	spec.ctx = &pieces;
	spec.dockerfile = "a b";
	*err = (struct error){ 0 };
	return docker_build(engine, &spec, NULL, ret, err);
}

static void test_a_build_sends_its_context_and_tells_the_id(void **state)
{
	struct strlist args CLEANUP(strlist_release) = STRLIST_INIT;
	struct docker_build more = { .args = &args };
	struct docker_built built;
	struct docker_engine *engine;
	struct error err;

	(void)state;
	strlist_push(&args, "A=b c");
	server.replies[2] = OK "{\"stream\":\"Step 1/2 : FROM x\\n\"}\n{\"stream\":\" ---> 123\\n\"}\n"
			       "{\"aux\":{\"ID\":\"sha256:1\"}}\n{\"stream\":\"Step 2/2 : RUN y\\nzero\\u0000 \"}\n"
			       "{\"stream\":\"10%\\r20%\\r\\nlast\"}\n{\"aux\":{\"ID\":\"sha256:" HEX "\"}}";
	engine = start();
	if (build(engine, 3, &more, &built, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(built.id, "sha256:" HEX);
	assert_int_equal(built.step, 2);
	assert_int_equal(built.steps, 2);
	assert_string_equal(built.instruction, "RUN y");
	assert_int_equal(built.tail.len, 2);
	assert_string_equal(built.tail.items[0], "20%");
	assert_string_equal(built.tail.items[1], "last");
	docker_built_release(&built);
	assert_non_null(strstr(server.heard[2].buf, "POST /v1.41/build?version=1&rm=1&forcerm=1&dockerfile=a%20b&"
						    "networkmode=none&buildargs=%7B%22A%22%3A%22b%20c%22%7D HTTP/1.1"));
	assert_non_null(strstr(server.heard[2].buf, "\r\n3e8\r\nttt"));
	stop(engine);
}

static const struct {
	const char *reply, *message, *help;
	enum error_code code;
} refusals[] = {
	{ OK "{\"stream\":\"Step 1/1 : RUN false\\n\"}\n{\"errorDetail\":{\"message\":\"it returned 1\"},\"error\":\"x\"}\n",
	  "image x cannot be built: it returned 1", "", ERR_FAILED },
	{ OK "{\"error\":\"the --mount option requires BuildKit\"}\n",
	  "image x cannot be built: the --mount option requires BuildKit", "image = NAME", ERR_FAILED },
	{ "HTTP/1.1 400 Bad\r\nContent-Length: 22\r\nConnection: close\r\n\r\n{\"message\":\"bad line\"}",
	  "image x cannot be built: bad line", "", ERR_FAILED },
	{ "HTTP/1.1 500 No\r\nContent-Length: 54\r\nConnection: close\r\n\r\n"
	  "{\"message\":\"write /x: no space left on device, sorry\"}",
	  "image x cannot be built: write /x: no space left on device, sorry", "docker system prune", ERR_ENV },
	{ OK "{\"stream\":\"Step 1/1 : FROM x\\n\"}\n", "image x: the engine built it and tells no id", "", ERR_ENV },
	{ OK "no JSON\n", NULL, "", ERR_ENV },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"stream\":\"Step\"}\n", NULL, "", ERR_ENV },
	{ "", NULL, "", ERR_ENV },
};

static void test_what_an_engine_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct docker_engine *engine;
		struct docker_built built;
		struct error err;

		server.replies[2] = refusals[i].reply;
		engine = start();
		assert_int_equal(build(engine, 1, NULL, &built, &err), -1);
		if (err.code != refusals[i].code || (refusals[i].message && strcmp(err.msg, refusals[i].message) != 0))
			fail_msg("%zu: %d %s", i, err.code, err.msg);
		assert_non_null(strstr(err.help, refusals[i].help));
		assert_null(built.id);
		docker_built_release(&built);
		stop(engine);
	}
}

static bool at_once(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total)
{
	(void)files;
	(void)bytes;
	(void)total;
	snprintf(ctx, 100, "%s", what);
	return true;
}

static void test_a_build_that_ends_early(void **state)
{
	char said[100] = "";
	const struct progress stopper = { at_once, said };
	struct docker_build more = { .name = "image x", .context = context, .ctx = &(int){ 1 }, .dockerfile = "f" };
	struct docker_built built;
	struct docker_engine *engine;
	struct error err = { 0 };

	(void)state;
	server.replies[2] = server.replies[3] = OK "{\"stream\":\"Step 1/1 : RUN sleep 100\\n\"}\n";
	server.holds[2] = server.holds[3] = true;
	server.replies[4] = OK;
	engine = start();
	more.timeout_ms = 300;
	assert_int_equal(build(engine, 1, &more, &built, &err), -1);
	assert_int_equal(err.code, ERR_FAILED);
	assert_string_equal(err.msg, "image x was not built within its timeout of 0.3 s");
	assert_string_equal(built.instruction, "RUN sleep 100");
	docker_built_release(&built);

	assert_int_equal(docker_build(engine, &more, &stopper, &built, &err), -1);
	assert_int_equal(err.code, ERR_INTERRUPTED);
	assert_string_equal(said, "image x: its context");
	docker_built_release(&built);

	assert_int_equal(build(engine, -1, &more, &built, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_string_equal(err.msg, "the context changed");
	docker_built_release(&built);
	stop(engine);
}

static void test_the_end_of_the_output_is_kept(void **state)
{
	CLEANUP_STRBUF struct strbuf reply = STRBUF_INIT;
	struct docker_built built;
	struct docker_engine *engine;
	struct error err;

	(void)state;
	strbuf_puts(&reply, OK "{\"stream\":\"earlier\\nStep 1/1 : RUN y\\n\"}\n");
	for (int i = 0; i < 30; i++)
		strbuf_printf(&reply, "{\"stream\":\"\\u001b[91mline %d\\n\"}\n", i);
	strbuf_puts(&reply, "{\"stream\":\"\\u001b[0mRemoving intermediate container 12\\n\"}\n{\"error\":\"x\"}\n");
	server.replies[2] = reply.buf;
	engine = start();
	assert_int_equal(build(engine, 1, NULL, &built, &err), -1);
	assert_int_equal(built.tail.len, DOCKER_BUILD_TAIL);
	assert_string_equal(built.tail.items[0], "line 10");
	assert_string_equal(built.tail.items[DOCKER_BUILD_TAIL - 1], "line 29");
	docker_built_release(&built);
	stop(engine);
}

/* -- labels, pushes -- */

#define ID_A "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
#define ID_B "sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"

static void test_an_image_is_known_by_its_id_and_its_label(void **state)
{
	struct docker_engine *engine;

	(void)state;
	server.replies[2] = OK "[{\"Id\":\"" ID_B "\",\"Created\":20},{\"Id\":\"" ID_A "\",\"Created\":10}]";
	server.replies[3] = OK "[{\"Id\":\"" ID_B "\",\"Created\":20}]";
	server.replies[4] = OK "[{\"Id\":\"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"}]";
	server.replies[5] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	engine = start();
	assert_int_equal(docker_image_has_label(engine, ID_A, "l", "v", NULL), 1);
	assert_non_null(strstr(server.heard[2].buf, "all=1&filters=%7B%22label%22%3A%5B%22l%3Dv%22%5D%7D"));
	assert_int_equal(docker_image_has_label(engine, ID_A, "l", "v", NULL), 0);
	assert_int_equal(docker_image_has_label(engine, ID_A, "l", "v", NULL), 1); /* as Podman says it */
	assert_int_equal(docker_image_has_label(engine, ID_A, "l", "v", NULL), -1);
	stop(engine);
}

static void test_a_push_gives_the_digest(void **state)
{
	static const char tagged[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	struct docker_engine *engine;
	struct error err = { 0 };
	char *pin = NULL;

	(void)state;
	setenv("DOCKER_CONFIG", "/nonexistent", 1);
	server.replies[2] = server.replies[4] = server.replies[6] = tagged;
	server.replies[3] = OK "{\"status\":\"Pushing\",\"id\":\"1\",\"progressDetail\":{\"current\":1,\"total\":2}}\n"
			       "{\"aux\":{\"Tag\":\"t\",\"Digest\":\"sha256:" HEX "\",\"Size\":1}}\n";
	server.replies[5] = OK "{\"errorDetail\":{\"message\":\"unauthorized: authentication required\"}}\n";
	server.replies[7] = OK "{\"status\":\"Pushed\"}\n";
	engine = start();
	if (docker_push(engine, "sha256:1", "h:5000/a/b", "t", NULL, &pin, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(pin, "h:5000/a/b@sha256:" HEX);
	free(pin);
	assert_non_null(strstr(server.heard[2].buf, "/images/sha256:1/tag?repo=h%3A5000%2Fa%2Fb&tag=t "));
	assert_non_null(strstr(server.heard[3].buf, "/images/h:5000/a/b/push?tag=t "));
	assert_int_equal(docker_push(engine, "sha256:1", "h:5000/a/b", "t", NULL, &pin, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	assert_string_equal(err.help, "docker login h:5000");
	assert_int_equal(docker_push(engine, "sha256:1", "h:5000/a/b", "t", NULL, &pin, &err), -1);
	assert_non_null(strstr(err.msg, "tells no digest"));
	stop(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_build_sends_its_context_and_tells_the_id),
		cmocka_unit_test(test_what_an_engine_refuses),
		cmocka_unit_test(test_a_build_that_ends_early),
		cmocka_unit_test(test_the_end_of_the_output_is_kept),
		cmocka_unit_test(test_an_image_is_known_by_its_id_and_its_label),
		cmocka_unit_test(test_a_push_gives_the_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
