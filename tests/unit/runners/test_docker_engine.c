/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "runners/docker_engine.h"
#include "runners/docker_internal.h"
/*
 * An engine of a script: it expects requests in order, each on a connection of its own, and
 * gives each its reply. What it did not expect fails the test when it is stopped.
 */
#define MAX_SCRIPT 32
#define HEX        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID         "sha256:" HEX
#define DIGEST     "sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define HTTP       "HTTP/1.1 "
#define STOP       "STOP\r\n\r\n"

enum after { CLOSE, HOLD }; /* HOLD: until the client hangs up */

struct fake {
	char dir[64], path[96];
	int listener;
	pthread_t thread;
	bool running;
	struct {
		const char *request; /* how it starts */
		char *reply;         /* NULL: none */
		enum after after;
	} script[MAX_SCRIPT];
	int len, next;
	char surprise[512];      /* the first request that was not in the script */
	struct strbuf heard[MAX_SCRIPT];
	atomic_int held; /* requests that were held so far */
};

/* -- the fake -- */

static void hear(int fd, struct strbuf *ret)
{
	char bytes[4096];
	ssize_t n;

	while (!strstr(ret->buf, "\r\n\r\n") && (n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		strbuf_add(ret, bytes, (size_t)n);
}

static void say(int fd, const char *text)
{
	ssize_t n;

	for (size_t left = strlen(text); left > 0; left -= (size_t)n, text += n) {
		n = send(fd, text, left, MSG_NOSIGNAL);
		if (n <= 0)
			return;
	}
}

/* False: it was told to stop. */
static bool answer(struct fake *fake, int fd)
{
	CLEANUP_STRBUF struct strbuf heard = STRBUF_INIT;
	char byte;

	hear(fd, &heard);
	if (!heard.len || !strcmp(heard.buf, STOP))
		return !heard.len;
	if (fake->next == fake->len || strncmp(heard.buf, fake->script[fake->next].request,
					       strlen(fake->script[fake->next].request)) != 0) {
		if (!*fake->surprise)
			snprintf(fake->surprise, sizeof(fake->surprise), "%s", heard.buf);
		say(fd, HTTP "500 Surprise\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		return true;
	}
	strbuf_add(&fake->heard[fake->next], heard.buf, heard.len);
	if (fake->script[fake->next].reply)
		say(fd, fake->script[fake->next].reply);
	if (fake->script[fake->next].after == HOLD)
		atomic_fetch_add(&fake->held, 1);
	while (fake->script[fake->next].after == HOLD && recv(fd, &byte, 1, 0) > 0)
		;
	fake->next++;
	return true;
}

static void *serve(void *arg)
{
	struct fake *fake = arg;
	bool more = true;

	while (more) {
		int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);

		more = fd >= 0 && answer(fake, fd);
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

static void expect_raw(struct fake *fake, const char *request, char *reply, enum after after)
{
	assert_true(fake->len < MAX_SCRIPT);
	fake->script[fake->len].request = request;
	fake->script[fake->len].reply = reply;
	fake->script[fake->len++].after = after;
}

static void expect(struct fake *fake, const char *request, int status, const char *body)
{
	expect_raw(fake, request,
		   xasprintf(HTTP "%d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, strlen(body),
			     body),
		   CLOSE);
}

static void expect_version(struct fake *fake, const char *api, const char *oldest)
{
	CLEANUP(cleanup_free) char *version =
		xasprintf("{\"Version\":\"9.8.7\",\"ApiVersion\":\"%s\",\"MinAPIVersion\":\"%s\",\"Os\":\"linux\","
			  "\"Arch\":\"arm64\",\"Components\":[{\"Name\":\"Engine\"}]}",
			  api, oldest);

	expect_raw(fake, "GET /_ping ",
		   xasprintf(HTTP "200 OK\r\nApi-Version: %s\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK", api),
		   CLOSE);
	expect(fake, "GET /version ", 200, version);
}

static struct sockaddr_un fake_address(const struct fake *fake)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", fake->path);
	return addr;
}

static void fake_listen(struct fake *fake)
{
	const struct sockaddr_un addr = fake_address(fake);

	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fake->listener, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fake->listener, 8), 0);
}

static void fake_start(struct fake *fake)
{
	fake_listen(fake);
	assert_int_equal(pthread_create(&fake->thread, NULL, serve, fake), 0);
	fake->running = true;
}

/* After all connections that were made before this one. */
static void fake_stop(struct fake *fake)
{
	const struct sockaddr_un addr = fake_address(fake);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	say(fd, STOP);
	pthread_join(fake->thread, NULL);
	close(fd);
}

static int make_fake(void **state)
{
	struct fake *fake = xcalloc(1, sizeof(*fake));
	CLEANUP(cleanup_free) char *host = NULL;

	fake->listener = -1;
	for (size_t i = 0; i < MAX_SCRIPT; i++)
		fake->heard[i] = (struct strbuf)STRBUF_INIT;
	snprintf(fake->dir, sizeof(fake->dir), "/tmp/mlops-engine-XXXXXX");
	assert_non_null(mkdtemp(fake->dir));
	snprintf(fake->path, sizeof(fake->path), "%s/d.sock", fake->dir);
	host = xasprintf("unix://%s", fake->path);
	setenv("DOCKER_HOST", host, 1);
	setenv("HOME", fake->dir, 1);
	unsetenv("DOCKER_CONFIG");
	unsetenv("DOCKER_TLS_VERIFY");
	unsetenv("DOCKER_CERT_PATH");
	unsetenv("XDG_RUNTIME_DIR");
	docker_limits = (struct docker_limits){ .ping = 30000, .call = 30000, .idle = 30000, .tick = 10 };
	*state = fake;
	return 0;
}

static int drop_fake(void **state)
{
	struct fake *fake = *state;
	bool all;

	if (fake->running)
		fake_stop(fake);
	all = fake->next == fake->len;
	if (fake->listener >= 0)
		close(fake->listener);
	if (*fake->surprise)
		print_error("unexpected request: %s\n", fake->surprise);
	if (!all)
		print_error("%d of %d requests came\n", fake->next, fake->len);
	for (int i = 0; i < fake->len; i++)
		free(fake->script[i].reply);
	for (size_t i = 0; i < MAX_SCRIPT; i++)
		strbuf_release(&fake->heard[i]);
	fs_remove_tree(AT_FDCWD, fake->dir, NULL);
	all = all && !*fake->surprise;
	free(fake);
	return all ? 0 : -1;
}

static struct docker_engine *open_engine(struct fake *fake)
{
	struct docker_engine *engine;
	struct error err = { 0 };

	fake_start(fake);
	if (docker_engine_open(&engine, &err) < 0)
		fail_msg("%s", err.msg);
	return engine;
}

static void assert_no_engine(const char *message, const char *help)
{
	struct docker_engine *engine = (struct docker_engine *)&docker_limits, *before = engine;
	struct error err = { 0 };

	assert_int_equal(docker_engine_open(&engine, &err), -1);
	assert_ptr_equal(engine, before);
	assert_int_equal(err.code, ERR_ENV);
	if (!strstr(err.msg, message) || !strstr(err.help, help))
		fail_msg("message: %s; help: %s", err.msg, err.help);
}

/* -- finding it -- */

static void an_absent_engine_says_how_to_get_one(void **state)
{
	struct fake *fake = *state;

	assert_no_engine(fake->path, "apt-get install docker.io");
	assert_no_engine("no container engine answers at unix://", "leave image= out");
}

static void an_engine_that_is_not_running_is_refused(void **state)
{
	struct fake *fake = *state;

	fake_listen(fake);
	close(steal_fd(&fake->listener));
	assert_no_engine("connection refused", "systemctl start docker");
}

static void an_engine_that_hangs_says_so(void **state)
{
	struct fake *fake = *state;

	docker_limits.ping = 200;
	expect_raw(fake, "GET /_ping ", NULL, HOLD);
	fake_start(fake);
	assert_no_engine("hangs: ", "restart");
}

/* As somebody who may not use the socket; the child says 0 when it is told so. */
static int try_as_nobody(const char *message, const char *help)
{
	struct docker_engine *engine;
	struct error err = { 0 };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		if (docker_engine_open(&engine, &err) == 0)
			_exit(3);
		if (err.code != ERR_ENV || err.sys != EACCES || !strstr(err.msg, message))
			_exit(4);
		_exit(strstr(err.help, help) ? 0 : 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_socket_in_a_closed_directory_is_no_permission(void **state)
{
	struct fake *fake = *state;

	fake_listen(fake);
	assert_int_equal(chmod(fake->dir, 0), 0);
	assert_int_equal(try_as_nobody("no permission to use the container engine at unix://", "ls -l "), 0);
	assert_int_equal(chmod(fake->dir, 0700), 0);
}

static void a_socket_of_a_group_names_the_group(void **state)
{
	struct fake *fake = *state;
	const struct group *group = getgrgid(1);
	CLEANUP(cleanup_free) char *help = NULL;

	if (geteuid() != 0 || !group)
		skip();
	help = xasprintf("sudo usermod -aG %s ", group->gr_name);
	fake_listen(fake);
	assert_int_equal(chmod(fake->dir, 0755), 0);
	assert_int_equal(chown(fake->path, 0, 1), 0);
	assert_int_equal(chmod(fake->path, 0660), 0);
	assert_int_equal(try_as_nobody("no permission", help), 0);
}

static void addresses_that_cannot_be_used_say_why(void **state)
{
	static const struct {
		const char *host, *message, *help;
	} rows[] = {
		{ "tcp://127.0.0.1:2375", "without TLS anybody who reaches that port is root", "DOCKER_TLS_VERIFY=1" },
		{ "tcp://", "not tcp://HOST:PORT", "write tcp://HOST:PORT" },
		{ "tcp://a:1/path", "not tcp://HOST:PORT", "write tcp://HOST:PORT" },
		{ "tcp://user@a:1", "not tcp://HOST:PORT", "write tcp://HOST:PORT" },
		{ "ssh://host", "ssh:// is not supported", "unset DOCKER_HOST" },
		{ "unix://d.sock", "not absolute", "unix:///PATH" },
		{ "npipe:////./pipe/docker", "only unix://", "unix:///PATH" },
		{ "/var/run/docker.sock", "only unix://", "unix:///PATH" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		setenv("DOCKER_HOST", rows[i].host, 1);
		assert_no_engine(rows[i].host, rows[i].help);
		assert_no_engine(rows[i].message, rows[i].help);
	}
	setenv("DOCKER_HOST", rows[0].host, 1);
	setenv("DOCKER_TLS_VERIFY", "", 1);
	assert_no_engine(rows[0].message, rows[0].help);
}

static void tls_needs_its_files(void **state)
{
	struct fake *fake = *state;
	CLEANUP(cleanup_free) char *usual = xasprintf("%s/.docker/ca.pem: No such file", fake->dir);
	CLEANUP(cleanup_free) char *named = xasprintf("%s/certs/ca.pem: No such file", fake->dir);
	CLEANUP(cleanup_free) char *dir = xasprintf("%s/certs", fake->dir);

	setenv("DOCKER_HOST", "tcp://127.0.0.1:1", 1);
	setenv("DOCKER_TLS_VERIFY", "1", 1);
	assert_no_engine(usual, "DOCKER_CERT_PATH");
	setenv("DOCKER_CERT_PATH", dir, 1);
	assert_no_engine(named, "ca.pem, cert.pem and key.pem");
}

static void without_an_address_the_users_own_socket_is_found(void **state)
{
	struct fake *fake = *state;
	CLEANUP(cleanup_free) char *podman = xasprintf("%s/podman", fake->dir);
	CLEANUP(cleanup_free) char *expected = NULL;
	struct docker_engine *engine;
	struct docker_address address = { 0 };

	if (access("/var/run/docker.sock", F_OK) == 0)
		skip();
	unsetenv("DOCKER_HOST");
	setenv("XDG_RUNTIME_DIR", fake->dir, 1);
	assert_int_equal(mkdir(podman, 0755), 0);
	snprintf(fake->path, sizeof(fake->path), "%s/podman.sock", podman);
	expected = xasprintf("unix://%s", fake->path);
	expect_version(fake, "1.41", "1.24");
	engine = open_engine(fake);
	docker_engine_close(engine);
	assert_int_equal(docker_address_find(&address, NULL), 0);
	assert_string_equal(address.text, expected);
	docker_address_release(&address);
}

static void what_is_no_engine_is_refused(void **state)
{
	struct fake *fake = *state;

	expect(fake, "GET /_ping ", 200, "OK");
	expect(fake, "GET /version ", 200, "<html>hello</html>");
	expect(fake, "GET /_ping ", 200, "OK");
	expect(fake, "GET /version ", 200, "{\"ApiVersion\":\"one\"}");
	expect(fake, "GET /_ping ", 404, "<h1>there\nis nothing</h1>");
	expect_raw(fake, "GET /_ping ", xstrdup("220 smtp.example.com\r\n"), CLOSE);
	fake_start(fake);
	assert_no_engine("is no container engine", "DOCKER_HOST");
	assert_no_engine("is no container engine", "DOCKER_HOST");
	assert_no_engine("refuses /_ping: <h1>there is nothing</h1>", "");
	assert_no_engine("gave no answer", "docker -H unix://");
}

/* -- versions -- */

static void the_newest_version_that_both_speak_is_used(void **state)
{
	static const struct {
		const char *newest, *oldest, *prefix;
	} rows[] = {
		{ "1.41", "1.12", "/v1.41" }, { "1.44", "1.24", "/v1.44" }, { "1.51", "1.51", "/v1.51" },
		{ "1.55", "1.44", "/v1.51" }, { "2.0", "1.44", "/v1.51" },
	};
	struct fake *fake = *state;
	struct docker_engine *engine;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect_version(fake, rows[i].newest, rows[i].oldest);
	fake_start(fake);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(docker_engine_open(&engine, NULL), 0);
		assert_string_equal(docker_engine_prefix(engine), rows[i].prefix);
		docker_engine_close(engine);
	}
}

static void engines_that_share_no_version_are_refused_with_both_numbers(void **state)
{
	struct fake *fake = *state;

	expect_version(fake, "1.40", "1.12");
	expect_version(fake, "1.60", "1.52");
	fake_start(fake);
	assert_no_engine("speaks API versions up to 1.40, and at least 1.41 is needed", "upgrade it");
	assert_no_engine("speaks API versions from 1.52 on, and this mlops up to 1.51", "upgrade mlops");
}

static void a_replaced_engine_is_negotiated_with_again(void **state)
{
	static const char *const refusals[] = {
		"{\"message\":\"client version 1.44 is too new. Maximum supported API version is 1.41\"}",
		"client version 1.44 is too old. Minimum supported API version is 1.46, please upgrade your client",
	};
	struct fake *fake = *state;
	struct docker_engine *engine;
	struct js *image;

	expect_version(fake, "1.44", "1.24");
	expect(fake, "GET /v1.44/images/x:latest/json ", 400, refusals[0]);
	expect_version(fake, "1.41", "1.12");
	expect(fake, "GET /v1.41/images/x:latest/json ", 200, "{\"Id\":\"" ID "\"}");
	expect(fake, "GET /v1.41/images/x:latest/json ", 400, refusals[1]);
	expect_version(fake, "1.50", "1.46");
	expect(fake, "GET /v1.50/images/x:latest/json ", 200, "{\"Id\":\"" ID "\"}");
	engine = open_engine(fake);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(docker_image_inspect(engine, "x", &image, NULL), 0);
		js_free(image);
	}
	assert_string_equal(docker_engine_prefix(engine), "/v1.50");
	docker_engine_close(engine);
}

static void a_version_is_negotiated_once_a_request(void **state)
{
	static const char refusal[] = "{\"message\":\"client version 1.44 is too new. Maximum is 1.43\"}";
	struct fake *fake = *state;
	struct docker_engine *engine;
	struct error err = { 0 };
	struct js *image;

	expect_version(fake, "1.44", "1.24");
	expect(fake, "GET /v1.44/", 400, refusal);
	expect_version(fake, "1.44", "1.24");
	expect(fake, "GET /v1.44/", 400, refusal);
	engine = open_engine(fake);
	assert_int_equal(docker_image_inspect(engine, "x", &image, &err), -1);
	assert_non_null(strstr(err.msg, "too new"));
	docker_engine_close(engine);
}

static void what_was_agreed_on_survives_a_failed_negotiation(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;

	expect_version(fake, "1.44", "1.24");
	expect_version(fake, "1.40", "1.24");
	engine = open_engine(fake);
	assert_int_equal(docker_engine_renegotiate(engine, NULL), -1);
	assert_string_equal(docker_engine_prefix(engine), "/v1.44");
	docker_engine_close(engine);
}

static void the_engine_tells_about_itself_once(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;
	const struct docker_info *info;

	expect_version(fake, "1.44", "1.24");
	expect(fake, "GET /v1.44/info ", 200,
	       "{\"NCPU\":8,\"MemTotal\":1234567890123,\"SecurityOptions\":[\"name=seccomp\",\"name=rootless\"],"
	       "\"Plugins\":{\"Log\":[\"json-file\",\"local\"]}}");
	engine = open_engine(fake);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(docker_engine_info(engine, &info, NULL), 0);
		assert_string_equal(info->address, getenv("DOCKER_HOST"));
		assert_string_equal(info->product, "Docker");
		assert_string_equal(info->version, "9.8.7");
		assert_string_equal(info->api, "1.44");
		assert_string_equal(info->platform, "linux/arm64");
		assert_true(info->rootless);
		assert_true(info->cpus == 8);
		assert_true(info->mem == 1234567890123);
		assert_string_equal(info->log_driver, "local");
	}
	docker_engine_close(engine);
}

static void what_was_told_follows_a_new_negotiation(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;
	const struct docker_info *info;

	expect_version(fake, "1.44", "1.24");
	expect(fake, "GET /v1.44/info ", 200, "{}");
	expect_version(fake, "1.45", "1.24");
	engine = open_engine(fake);
	assert_int_equal(docker_engine_info(engine, &info, NULL), 0);
	assert_string_equal(info->api, "1.44");
	assert_int_equal(docker_engine_renegotiate(engine, NULL), 0);
	assert_string_equal(info->api, "1.45");
	assert_string_equal(info->version, "9.8.7");
	docker_engine_close(engine);
}

static void podman_is_told_from_docker(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;
	const struct docker_info *info;

	expect_raw(fake, "GET /_ping ", xstrdup(HTTP "200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n"), CLOSE);
	expect(fake, "GET /version ", 200,
	       "{\"Components\":[{\"Name\":\"Podman Engine\"}],\"Version\":\"4.3.1\",\"MinAPIVersion\":\"1.24\"}");
	expect(fake, "GET /v1.41/info ", 200, "{\"Rootless\":true,\"Plugins\":{\"Log\":[\"k8s-file\",\"journald\"]}}");
	engine = open_engine(fake);
	assert_int_equal(docker_engine_info(engine, &info, NULL), 0);
	assert_string_equal(info->product, "Podman");
	assert_true(info->rootless);
	assert_string_equal(info->log_driver, "json-file");
	docker_engine_close(engine);
}

/* -- images -- */

static void an_image_is_described(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *image = NULL;
	struct error err = { 0 };

	expect_version(fake, "1.41", "1.24");
	expect(fake, "GET /v1.41/images/%5B::1%5D:5000/x:1/json ", 200,
	       "{\"Id\":\"" HEX "\",\"RepoDigests\":[\"x@" DIGEST "\"],\"Os\":\"linux\",\"Architecture\":\"arm\","
	       "\"Variant\":\"v7\",\"Size\":123,\"Created\":\"2026-01-02T03:04:05Z\"}");
	expect(fake, "GET /v1.41/images/y:latest/json ", 404, "{\"message\":\"No such image\"}");
	expect(fake, "GET /v1.41/images/y:latest/json ", 500, "{\"message\":\"the disk\\nis gone\"}");
	expect(fake, "GET /v1.41/images/y:latest/json ", 200, "[]");
	expect(fake, "GET /v1.41/images/y:latest/json ", 200, "{");
	engine = open_engine(fake);
	assert_int_equal(docker_image_inspect(engine, "[::1]:5000/x:1", &image, NULL), 0);
	js_dump(image, JS_COMPACT, &text);
	assert_string_equal(text.buf, "{\"id\":\"" ID "\",\"digests\":[\"x@" DIGEST "\"],\"platform\":\"linux/arm/v7\","
				      "\"size\":123,\"created\":\"2026-01-02T03:04:05Z\"}");
	assert_int_equal(docker_image_inspect(engine, "y", &image, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(docker_image_inspect(engine, "y", &image, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	assert_non_null(strstr(err.msg, "image y: the disk is gone"));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(docker_image_inspect(engine, "y", &image, &err), -1);
		assert_int_equal(err.code, ERR_ENV);
	}
	assert_int_equal(docker_image_inspect(engine, "Bad Name", &image, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	docker_engine_close(engine);
}

static void a_name_becomes_the_digest_of_its_own_repository_or_the_id(void **state)
{
	static const struct {
		const char *name, *request, *digests, *pin;
	} rows[] = {
		{ "python:3", "GET /v1.41/images/python:3/json ", "\"ann/python@" ID "\",\"python@" DIGEST "\"",
		  "python@" DIGEST },
		{ "python", "GET /v1.41/images/python:latest/json ", "\"docker.io/library/python@" DIGEST "\"",
		  "python@" DIGEST },
		{ "r:1/x", "GET /v1.41/images/r:1/x:latest/json ", "\"r:2/x@" ID "\",\"r:1/x@" DIGEST "\"",
		  "r:1/x@" DIGEST },
		{ "train", "GET /v1.41/images/train:latest/json ", "", ID },
		{ "train", "GET /v1.41/images/train:latest/json ", "\"localhost/train@" DIGEST "\"", ID },
		{ "train", "GET /v1.41/images/train:latest/json ", "\"train:1\",\"<none>@<none>\"", ID },
		{ "localhost/train", "GET /v1.41/images/localhost/train:latest/json ", "\"localhost/train@" DIGEST "\"",
		  ID },
		{ "python@" DIGEST, "GET /v1.41/images/python@" DIGEST "/json ", "", "python@" DIGEST },
		{ ID, "GET /v1.41/images/" ID "/json ", "\"python@" DIGEST "\"", ID },
	};
	struct fake *fake = *state;
	struct docker_engine *engine;

	expect_version(fake, "1.41", "1.24");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(cleanup_free) char *image =
			xasprintf("{\"Id\":\"" ID "\",\"RepoDigests\":[%s]}", rows[i].digests);

		expect(fake, rows[i].request, 200, image);
	}
	engine = open_engine(fake);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(cleanup_free) char *pin = NULL;
		struct error err = { 0 };

		if (docker_image_resolve(engine, rows[i].name, false, NULL, &pin, &err) < 0)
			fail_msg("%s: %s", rows[i].name, err.msg);
		assert_string_equal(pin, rows[i].pin);
	}
	docker_engine_close(engine);
}

/* What a pull reported. Stops it once the fake holds that many requests. */
struct watcher {
	char what[128];
	uint64_t bytes, total;
	struct fake *fake;
	int stop_at;
};

static bool watch(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total)
{
	struct watcher *watcher = ctx;

	assert_int_equal(files, 0);
	snprintf(watcher->what, sizeof(watcher->what), "%s", what);
	watcher->bytes = bytes;
	watcher->total = total;
	return watcher->fake && atomic_load(&watcher->fake->held) >= watcher->stop_at;
}

#define PULL_PYTHON "POST /v1.41/images/create?fromImage=python&tag=3 "
#define LAYER(id, status, current, total)                                                          \
	"{\"status\":\"" status "\",\"progressDetail\":{\"current\":" #current ",\"total\":" #total "},\"id\":\"" id   \
	"\"}\r\n"

static void an_absent_image_is_pulled_with_progress_and_login(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;
	struct watcher watcher = { .fake = NULL };
	const struct progress progress = { watch, &watcher };
	CLEANUP(cleanup_free) char *config = path_join(fake->dir, ".docker/config.json");
	CLEANUP(cleanup_free) char *dir = path_join(fake->dir, ".docker");
	CLEANUP(cleanup_free) char *pin = NULL;
	struct error err = { 0 };
	FILE *f;

	assert_int_equal(mkdir(dir, 0700), 0);
	f = fopen(config, "w");
	assert_non_null(f);
	fputs("{\"auths\":{\"r.org\":{\"auth\":\"YTpi\"}}}", f);
	fclose(f);
	expect_version(fake, "1.41", "1.24");
	expect(fake, "GET /v1.41/images/r.org/ml/x:1/json ", 404, "{}");
	expect(fake, "POST /v1.41/images/create?fromImage=r.org%2Fml%2Fx&tag=1 ", 200,
	       "{\"status\":\"Pulling from ml/x\",\"id\":\"1\"}\r\n" LAYER("a", "Downloading", 10, 100)
		       LAYER("b", "Downloading", 700, 1000) LAYER("a", "Extracting", 1, 100)
			       LAYER("b", "Downloading", 800, 1000) LAYER("b", "Retrying in 1 second", 0, 0)
				       LAYER("c", "Already exists", 5, 7) "{\"status\":\"Digest: x\"}");
	expect(fake, "GET /v1.41/images/r.org/ml/x:1/json ", 200,
	       "{\"Id\":\"" ID "\",\"RepoDigests\":[\"r.org/ml/x@" DIGEST "\"]}");
	engine = open_engine(fake);
	if (docker_image_resolve(engine, "r.org/ml/x:1", false, &progress, &pin, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(pin, "r.org/ml/x@" DIGEST);
	assert_string_equal(watcher.what, "pulling r.org/ml/x:1");
	assert_int_equal(watcher.bytes, 900);
	assert_int_equal(watcher.total, 1100);
	docker_engine_close(engine);
	/* {"username":"a","password":"b","serveraddress":"r.org"} */
	assert_non_null(strstr(fake->heard[3].buf, "X-Registry-Auth: eyJ1c2VybmFtZSI6ImEiLCJwYXNzd29yZCI6ImIiLCJzZXJ2ZXJh"
						   "ZGRyZXNzIjoici5vcmcifQ==\r\n"));
}

static void the_newest_is_pulled_even_if_one_is_here(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;
	CLEANUP(cleanup_free) char *pin = NULL;
	struct error err = { 0 };

	expect_version(fake, "1.41", "1.24");
	expect(fake, PULL_PYTHON, 200, "{}\n");
	expect(fake, "GET /v1.41/images/python:3/json ", 200, "{\"Id\":\"" ID "\"}");
	expect(fake, PULL_PYTHON, 500, "{\"message\":\"dial tcp: connection refused\"}");
	engine = open_engine(fake);
	assert_int_equal(docker_image_resolve(engine, "python:3", true, NULL, &pin, NULL), 0);
	assert_string_equal(pin, ID);
	assert_non_null(strstr(fake->heard[2].buf, "X-Registry-Auth: e30=\r\n"));
	assert_int_equal(docker_image_resolve(engine, "python:3", true, NULL, &pin, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	docker_engine_close(engine);
}

static void a_pull_negotiates_again_too(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;
	CLEANUP(cleanup_free) char *pin = NULL;

	expect_version(fake, "1.44", "1.24");
	expect(fake, "POST /v1.44/images/create?", 400, "{\"message\":\"client version 1.44 is too new. Maximum 1.41\"}");
	expect_version(fake, "1.41", "1.24");
	expect(fake, PULL_PYTHON, 200, "{}\n");
	expect(fake, "GET /v1.41/images/python:3/json ", 200, "{\"Id\":\"" ID "\"}");
	engine = open_engine(fake);
	assert_int_equal(docker_image_resolve(engine, "python:3", true, NULL, &pin, NULL), 0);
	docker_engine_close(engine);
}

static void registries_that_refuse_are_understood(void **state)
{
	static const struct {
		int status; /* 200: inside of the stream */
		const char *body;
		enum error_code code;
		const char *message, *help;
	} rows[] = {
		{ 200, "{\"status\":\"x\"}\n{\"errorDetail\":{\"message\":\"write: no space left on device\"},\"error\":\"y\"}\n",
		  ERR_ENV, "no space for python:3", "docker system prune" },
		{ 200, "{\"error\":\"manifest unknown\"}", ERR_NOT_FOUND, "there is no image python:3: manifest unknown",
		  "check the name" },
		{ 404, "{\"message\":\"manifest for python:3 not found\"}", ERR_NOT_FOUND, "there is no image python:3",
		  "check the name" },
		{ 404, "{\"message\":\"pull access denied for python, repository does not exist or may require 'docker "
		       "login': denied\"}",
		  ERR_NOT_FOUND, "or it needs a login", "docker login docker.io" },
		{ 500, "{\"message\":\"Head: no basic auth credentials\"}", ERR_ENV, "refuses", "docker login docker.io" },
		{ 500, "{\"message\":\"unauthorized: incorrect username or password\"}", ERR_ENV, "refuses",
		  "docker login docker.io" },
		{ 500, "{\"message\":\"Get https: dial tcp: lookup r on 1.1.1.1:53: no such host\"}", ERR_ENV,
		  "cannot be reached", "network" },
		{ 500, "{\"message\":\"Get https: net/http: TLS handshake timeout\"}", ERR_ENV, "cannot be reached",
		  "network" },
		{ 500, "{\"message\":\"toomanyrequests: You have reached your pull rate limit\"}", ERR_ENV,
		  "limits how often", "log in" },
		{ 500, "{\"message\":\"x509: certificate signed by unknown authority\"}", ERR_ENV, "does not trust",
		  "certs.d" },
		{ 500, "{\"message\":\"http: server gave HTTP response to HTTPS client\"}", ERR_ENV, "no TLS",
		  "insecure-registries" },
		{ 404, "{\"message\":\"no matching manifest for linux/arm64 in the manifest list entries\"}",
		  ERR_NOT_FOUND, "for this platform", "built for it" },
		{ 500, "something\nelse", ERR_ENV, "cannot pull python:3: something else", "docker pull" },
		{ 500, "", ERR_ENV, "does not say why", "docker pull" },
	};
	struct fake *fake = *state;
	struct docker_engine *engine;
	char *pin = NULL;

	expect_version(fake, "1.41", "1.24");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect(fake, PULL_PYTHON, rows[i].status, rows[i].body);
	engine = open_engine(fake);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct error err = { 0 };

		assert_int_equal(docker_image_resolve(engine, "python:3", true, NULL, &pin, &err), -1);
		assert_int_equal(err.code, rows[i].code);
		if (!strstr(err.msg, rows[i].message) || !strstr(err.help, rows[i].help))
			fail_msg("%zu: %s; %s", i, err.msg, err.help);
		assert_null(pin);
	}
	docker_engine_close(engine);
}

#define BEGIN_STREAM HTTP "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CHUNK        "11\r\n{\"status\":\"abc\"}\n\r\n"

static void assert_pull_fails(struct docker_engine *engine, const struct progress *progress, enum error_code code,
			      const char *message)
{
	struct error err = { 0 };
	char *pin = NULL;

	assert_int_equal(docker_image_resolve(engine, "python:3", true, progress, &pin, &err), -1);
	assert_int_equal(err.code, code);
	if (!strstr(err.msg, message))
		fail_msg("%s", err.msg);
	assert_null(pin);
}

static void a_pull_that_breaks_off_is_no_success(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;

	expect_version(fake, "1.41", "1.24");
	expect_raw(fake, PULL_PYTHON, xstrdup(BEGIN_STREAM CHUNK), CLOSE);
	expect_raw(fake, PULL_PYTHON, xstrdup(BEGIN_STREAM), CLOSE);
	expect_raw(fake, PULL_PYTHON, NULL, CLOSE);
	expect(fake, PULL_PYTHON, 200, "{\"status\":\"half");
	expect(fake, PULL_PYTHON, 200, "{\"status\":\"Downloaded\"}\n");
	expect(fake, "GET /v1.41/images/python:3/json ", 404, "{}");
	engine = open_engine(fake);
	for (int i = 0; i < 3; i++)
		assert_pull_fails(engine, NULL, ERR_ENV, "cannot pull python:3: ");
	assert_pull_fails(engine, NULL, ERR_ENV, "what the engine says");
	assert_pull_fails(engine, NULL, ERR_ENV, "does not have it");
	docker_engine_close(engine);
}

/* The fake's HOLD ends only when the connection does. */
static void stopping_a_pull_closes_its_connection(void **state)
{
	struct fake *fake = *state;
	struct watcher watcher = { .fake = fake, .stop_at = 1 };
	const struct progress progress = { watch, &watcher };
	struct docker_engine *engine;

	expect_version(fake, "1.41", "1.24");
	expect_raw(fake, PULL_PYTHON, xstrdup(BEGIN_STREAM CHUNK), HOLD);
	expect_raw(fake, PULL_PYTHON, NULL, HOLD);
	engine = open_engine(fake);
	assert_pull_fails(engine, &progress, ERR_INTERRUPTED, "python:3");
	watcher.stop_at = 2;
	assert_pull_fails(engine, &progress, ERR_INTERRUPTED, "python:3");
	docker_engine_close(engine);
}

static void stopping_at_once_asks_for_nothing(void **state)
{
	struct fake *fake = *state;
	struct watcher watcher = { .fake = fake };
	const struct progress progress = { watch, &watcher };
	struct docker_engine *engine;

	expect_version(fake, "1.41", "1.24");
	engine = open_engine(fake);
	assert_pull_fails(engine, &progress, ERR_INTERRUPTED, "python:3");
	docker_engine_close(engine);
}

static void a_pull_that_stands_still_is_given_up(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;

	docker_limits.idle = 200;
	expect_version(fake, "1.41", "1.24");
	expect_raw(fake, PULL_PYTHON, xstrdup(BEGIN_STREAM CHUNK), HOLD);
	engine = open_engine(fake);
	assert_pull_fails(engine, NULL, ERR_ENV, "stands still");
	docker_engine_close(engine);
}

static void a_pin_that_is_here_is_left_alone(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;

	expect_version(fake, "1.41", "1.24");
	expect(fake, "GET /v1.41/images/python@" DIGEST "/json ", 200, "{\"Id\":\"" ID "\"}");
	expect(fake, "GET /v1.41/images/" ID "/json ", 200, "{\"Id\":\"" ID "\"}");
	engine = open_engine(fake);
	assert_int_equal(docker_image_ensure(engine, "python:3", "python@" DIGEST, NULL, NULL), 0);
	assert_int_equal(docker_image_ensure(engine, "train", ID, NULL, NULL), 0);
	docker_engine_close(engine);
}

static void a_pin_that_is_absent_is_pulled_by_its_digest(void **state)
{
	struct fake *fake = *state;
	struct watcher watcher = { .fake = NULL };
	const struct progress progress = { watch, &watcher };
	struct docker_engine *engine;

	expect_version(fake, "1.41", "1.24");
	expect(fake, "GET /v1.41/images/python@" DIGEST "/json ", 404, "{}");
	expect(fake, "POST /v1.41/images/create?fromImage=python&tag=sha256%3Afedcba", 200, "{}\n");
	expect(fake, "GET /v1.41/images/python@" DIGEST "/json ", 200, "{\"Id\":\"" ID "\"}");
	engine = open_engine(fake);
	assert_int_equal(docker_image_ensure(engine, "python:3", "python@" DIGEST, &progress, NULL), 0);
	assert_string_equal(watcher.what, "pulling python:3");
	docker_engine_close(engine);
}

static void a_pin_that_is_lost_names_the_way_out(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;
	struct error err = { 0 };

	expect_version(fake, "1.41", "1.24");
	expect(fake, "GET /v1.41/images/" ID "/json ", 404, "{}");
	expect(fake, "GET /v1.41/images/r.org/x@" DIGEST "/json ", 404, "{}");
	expect(fake, "POST /v1.41/images/create?fromImage=r.org%2Fx&tag=", 404, "{\"message\":\"manifest unknown\"}");
	engine = open_engine(fake);
	assert_int_equal(docker_image_ensure(engine, "train", ID, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.msg,
			    "image train is pinned in mlops.lock to " ID ", which this engine does not have");
	assert_non_null(strstr(err.help, "mlops image update train"));
	assert_int_equal(docker_image_ensure(engine, "r.org/x:1", "r.org/x@" DIGEST, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "which r.org does not have"));
	assert_int_equal(docker_image_ensure(engine, "x", "not a pin", NULL, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	docker_engine_close(engine);
}

/* -- containers -- */

static int collect(void *ctx, const struct docker_container *container)
{
	strbuf_printf(ctx, "%s %s %s %s %s;", container->id, container->name, container->run ? container->run : "-",
		      container->step ? container->step : "-", container->state);
	return strcmp(container->id, "stop") ? 0 : -1;
}

static void containers_of_a_project_are_listed(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;
	CLEANUP_STRBUF struct strbuf seen = STRBUF_INIT;

	expect_version(fake, "1.41", "1.24");
	/* {"label":["mlops.project=/srv/a b"]} */
	expect(fake,
	       "GET /v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22mlops.project%3D%2Fsrv%2Fa%20b%22%5D%7D ",
	       200,
	       "[{\"Id\":\"1\",\"Names\":[\"/r-s-1\"],\"Labels\":{\"mlops.run\":\"r\",\"mlops.step\":\"s\"},"
	       "\"State\":\"running\"},{\"Id\":\"bad\"},7,"
	       "{\"Id\":\"2\",\"Names\":[\"p\"],\"Labels\":{},\"State\":\"exited\"}]");
	expect(fake, "GET /v1.41/containers/json?all=1&", 200,
	       "[{\"Id\":\"stop\",\"Names\":[\"x\"],\"State\":\"created\"},"
	       "{\"Id\":\"2\",\"Names\":[\"x\"],\"State\":\"created\"}]");
	expect(fake, "GET /v1.41/containers/json?all=1&", 500, "{\"message\":\"no\"}");
	engine = open_engine(fake);
	assert_int_equal(docker_containers(engine, "/srv/a b", collect, &seen, NULL), 0);
	assert_string_equal(seen.buf, "1 r-s-1 r s running;2 p - - exited;");
	strbuf_clear(&seen);
	assert_int_equal(docker_containers(engine, "/p", collect, &seen, NULL), -1);
	assert_string_equal(seen.buf, "stop x - - created;");
	assert_int_equal(docker_containers(engine, "/p", collect, &seen, NULL), -1);
	docker_engine_close(engine);
}

static void removing_a_container_that_goes_or_is_gone_is_fine(void **state)
{
	static const char request[] = "DELETE /v1.41/containers/r-s-1?v=1&force=1 ";
	struct fake *fake = *state;
	struct docker_engine *engine;
	struct error err = { 0 };

	expect_version(fake, "1.41", "1.24");
	expect(fake, request, 200, "[]");
	expect(fake, request, 404, "{\"message\":\"No such container\"}");
	expect(fake, request, 409, "{\"message\":\"removal of container r-s-1 is already in progress\"}");
	expect(fake, request, 409, "{\"message\":\"it is paused\"}");
	expect(fake, request, 500, "{\"message\":\"device or resource busy\"}");
	engine = open_engine(fake);
	for (int i = 0; i < 3; i++)
		assert_int_equal(docker_container_remove(engine, "r-s-1", NULL), 0);
	assert_int_equal(docker_container_remove(engine, "r-s-1", &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(docker_container_remove(engine, "r-s-1", &err), -1);
	assert_string_equal(err.msg, "cannot remove the container r-s-1: device or resource busy");
	docker_engine_close(engine);
}

static void a_lost_engine_is_an_error_of_its_address(void **state)
{
	struct fake *fake = *state;
	struct docker_engine *engine;
	struct error err = { 0 };

	expect_version(fake, "1.41", "1.24");
	expect_raw(fake, "DELETE /v1.41/", NULL, CLOSE);
	expect_raw(fake, "DELETE /v1.41/", xstrdup(HTTP "200 OK\r\nContent-Length: 5\r\n\r\nab"), CLOSE);
	engine = open_engine(fake);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(docker_container_remove(engine, "x", &err), -1);
		assert_int_equal(err.code, ERR_ENV);
		assert_non_null(strstr(err.msg, getenv("DOCKER_HOST")));
	}
	docker_engine_close(engine);
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, make_fake, drop_fake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FAKE(an_absent_engine_says_how_to_get_one),
		WITH_FAKE(an_engine_that_is_not_running_is_refused),
		WITH_FAKE(an_engine_that_hangs_says_so),
		WITH_FAKE(a_socket_in_a_closed_directory_is_no_permission),
		WITH_FAKE(a_socket_of_a_group_names_the_group),
		WITH_FAKE(addresses_that_cannot_be_used_say_why),
		WITH_FAKE(tls_needs_its_files),
		WITH_FAKE(without_an_address_the_users_own_socket_is_found),
		WITH_FAKE(what_is_no_engine_is_refused),
		WITH_FAKE(the_newest_version_that_both_speak_is_used),
		WITH_FAKE(engines_that_share_no_version_are_refused_with_both_numbers),
		WITH_FAKE(a_replaced_engine_is_negotiated_with_again),
		WITH_FAKE(a_version_is_negotiated_once_a_request),
		WITH_FAKE(what_was_agreed_on_survives_a_failed_negotiation),
		WITH_FAKE(the_engine_tells_about_itself_once),
		WITH_FAKE(what_was_told_follows_a_new_negotiation),
		WITH_FAKE(podman_is_told_from_docker),
		WITH_FAKE(an_image_is_described),
		WITH_FAKE(a_name_becomes_the_digest_of_its_own_repository_or_the_id),
		WITH_FAKE(an_absent_image_is_pulled_with_progress_and_login),
		WITH_FAKE(the_newest_is_pulled_even_if_one_is_here),
		WITH_FAKE(a_pull_negotiates_again_too),
		WITH_FAKE(registries_that_refuse_are_understood),
		WITH_FAKE(a_pull_that_breaks_off_is_no_success),
		WITH_FAKE(stopping_a_pull_closes_its_connection),
		WITH_FAKE(stopping_at_once_asks_for_nothing),
		WITH_FAKE(a_pull_that_stands_still_is_given_up),
		WITH_FAKE(a_pin_that_is_here_is_left_alone),
		WITH_FAKE(a_pin_that_is_absent_is_pulled_by_its_digest),
		WITH_FAKE(a_pin_that_is_lost_names_the_way_out),
		WITH_FAKE(containers_of_a_project_are_listed),
		WITH_FAKE(removing_a_container_that_goes_or_is_gone_is_fine),
		WITH_FAKE(a_lost_engine_is_an_error_of_its_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
