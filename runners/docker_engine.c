/* SPDX-License-Identifier: Apache-2.0 */
#include "runners/docker_engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "runners/docker_internal.h"
/*
 * The version is agreed on when the engine is found: the newest that both speak. An
 * engine that is upgraded under us may drop it and answers 400; docker_request then
 * negotiates and asks again, once.
 */

struct docker_limits docker_limits = { .ping = 10000, .call = 60000, .idle = 300000, .tick = 200 };

struct docker_engine {
	struct docker_address address;
	struct http_server server; /* of the address */
	char *prefix;
	char *product, *version, *api, *platform;
	bool asked; /* /info, into the rest of: */
	struct docker_info info;
};

/* -- errors -- */

void docker_add_words(struct strbuf *out, const char *words)
{
	size_t start = out->len;

	for (; *words; words++) {
		bool blank = (unsigned char)*words <= ' ' || *words == 0x7f;

		if (!blank)
			strbuf_putc(out, *words);
		else if (out->len > start && out->buf[out->len - 1] != ' ')
			strbuf_putc(out, ' ');
	}
	while (out->len > start && out->buf[out->len - 1] == ' ')
		out->buf[--out->len] = '\0';
}

/* Some engines answer in plain text to versions they do not know. */
void docker_reply_words(const struct strbuf *body, struct strbuf *ret)
{
	CLEANUP_JS struct js *json = NULL;
	const char *words = NULL;

	if (js_parse(body->buf, body->len, "reply", &json, NULL) == 0)
		words = js_get_str(json, "message");
	docker_add_words(ret, words ? words : body->buf);
}

int docker_reply_error(int status, const struct strbuf *body, const char *what, struct error *err)
{
	static const struct {
		int status;
		enum error_code code;
	} codes[] = { { 400, ERR_USAGE }, { 404, ERR_NOT_FOUND }, { 409, ERR_CONFLICT } };
	CLEANUP_STRBUF struct strbuf words = STRBUF_INIT;
	enum error_code code = ERR_ENV;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].status == status)
			code = codes[i].code;
	docker_reply_words(body, &words);
	if (words.len)
		error_set(err, code, "%s: %.800s", what, words.buf);
	else
		error_set(err, code, "%s: the engine answered %d", what, status);
	if (strstr(words.buf, "no space left on device"))
		error_help(err, "free some disk space of the engine: docker system df, docker system prune");
	return -1;
}

int docker_reply_json(const struct strbuf *body, const char *what, struct js **ret, struct error *err)
{
	if (js_parse(body->buf, body->len, "the engine's reply", ret, err) == 0)
		return 0;
	error_wrap(err, "%s", what);
	if (err)
		err->code = ERR_ENV;
	return -1;
}

bool docker_reply_wants_version(int status, const struct strbuf *body)
{
	CLEANUP_STRBUF struct strbuf words = STRBUF_INIT;

	if (status != 400)
		return false;
	docker_reply_words(body, &words);
	return strstr(words.buf, "client version") &&
	       (strstr(words.buf, "is too new") || strstr(words.buf, "is too old"));
}

/* -- versions -- */

/* "1.41" as 1041; 0 when it is none. */
static int version_number(const char *text)
{
	char *end;
	unsigned long major, minor;

	if (!text || *text < '0' || *text > '9')
		return 0;
	major = strtoul(text, &end, 10);
	if (*end != '.' || end[1] < '0' || end[1] > '9')
		return 0;
	minor = strtoul(end + 1, &end, 10);
	return *end || major > 999 || minor > 999 ? 0 : (int)(major * 1000 + minor);
}

static int exchange(struct docker_engine *engine, const char *path, const char *want, struct strbuf *body,
		    char **ret_header, struct error *err)
{
	struct http_request request = { .method = "GET", .path = path, .timeout_ms = docker_limits.ping };
	CLEANUP(cleanup_free) char *header = NULL;
	struct error why = { 0 };
	int status;

	request.connect_ms = docker_limits.ping;
	if (http_exchange(&engine->server, &request, want, &status, body, &header, &why) < 0)
		return docker_address_error(&engine->address, &why, err);
	if (status != 200) {
		CLEANUP(cleanup_free) char *what =
			xasprintf("the container engine at %s refuses %s", engine->address.text, path);

		docker_reply_error(status, body, what, err);
		if (err)
			err->code = ERR_ENV;
		return -1;
	}
	*ret_header = steal(&header);
	return 0;
}

static int no_engine(const struct docker_engine *engine, struct error *err)
{
	error_set(err, ERR_ENV, "what answers at %s is no container engine", engine->address.text);
	return error_help(err, "point DOCKER_HOST to the socket of Docker or Podman, or unset it");
}

static int agree(struct docker_engine *engine, const char *newest, const char *oldest, struct error *err)
{
	bool ours = version_number(newest) > version_number(DOCKER_API_NEWEST);
	const char *api = ours ? DOCKER_API_NEWEST : newest;

	if (version_number(api) < version_number(DOCKER_API_OLDEST)) {
		error_set(err, ERR_ENV, "%s %s at %s speaks API versions up to %s, and at least " DOCKER_API_OLDEST
					" is needed",
			  engine->product, engine->version, engine->address.text, newest);
		return error_help(err, "upgrade it to Docker 20.10 or Podman 4, or newer");
	}
	if (version_number(api) < version_number(oldest)) {
		error_set(err, ERR_ENV, "%s %s at %s speaks API versions from %s on, and this mlops up to "
					DOCKER_API_NEWEST,
			  engine->product, engine->version, engine->address.text, oldest);
		return error_help(err, "upgrade mlops");
	}
	engine->api = xstrdup(api);
	engine->prefix = xasprintf("/v%s", api);
	return 0;
}

static bool is_podman(const struct js *version)
{
	const struct js *parts = js_get(version, "Components");

	for (size_t i = 0; i < js_len(parts); i++) {
		const char *name = js_get_str(js_at(parts, i), "Name");

		if (name && strstr(name, "Podman"))
			return true;
	}
	return false;
}

static char *copy_or(const char *text, const char *fallback)
{
	CLEANUP_STRBUF struct strbuf words = STRBUF_INIT;

	docker_add_words(&words, text ? text : fallback);
	return strbuf_detach(&words);
}

static void forget_version(struct docker_engine *engine)
{
	char **const owned[] = { &engine->prefix, &engine->product, &engine->version, &engine->api,
				 &engine->platform };

	for (size_t i = 0; i < ARRAY_LEN(owned); i++) {
		free(*owned[i]);
		*owned[i] = NULL;
	}
	engine->asked = false;
}

static int negotiate(struct docker_engine *engine, struct error *err)
{
	CLEANUP_STRBUF struct strbuf pong = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	CLEANUP(cleanup_free) char *api = NULL;
	CLEANUP(cleanup_free) char *none = NULL;
	CLEANUP_JS struct js *version = NULL;
	const char *newest, *oldest;

	if (exchange(engine, "/_ping", "Api-Version", &pong, &api, err) < 0 ||
	    exchange(engine, "/version", NULL, &body, &none, err) < 0)
		return -1;
	if (js_parse(body.buf, body.len, "version", &version, NULL) < 0)
		return no_engine(engine, err);
	newest = api ? api : js_get_str(version, "ApiVersion");
	oldest = js_get_str(version, "MinAPIVersion");
	if (!version_number(newest) || (oldest && !version_number(oldest)))
		return no_engine(engine, err);
	engine->product = xstrdup(is_podman(version) ? "Podman" : "Docker");
	engine->version = copy_or(js_get_str(version, "Version"), "of unknown version");
	engine->platform = xasprintf("%s/%s", js_get_str(version, "Os") ? js_get_str(version, "Os") : "linux",
				     js_get_str(version, "Arch") ? js_get_str(version, "Arch") : "unknown");
	return agree(engine, newest, oldest ? oldest : DOCKER_API_OLDEST, err);
}

static void name_info(struct docker_engine *engine)
{
	engine->info.address = engine->address.text;
	engine->info.product = engine->product;
	engine->info.version = engine->version;
	engine->info.api = engine->api;
	engine->info.platform = engine->platform;
}

/* On failure what was agreed on before stays. */
int docker_engine_renegotiate(struct docker_engine *engine, struct error *err)
{
	struct docker_engine fresh = *engine;

	fresh.prefix = fresh.product = fresh.version = fresh.api = fresh.platform = NULL;
	if (negotiate(&fresh, err) < 0) {
		forget_version(&fresh);
		return -1;
	}
	forget_version(engine);
	*engine = fresh;
	engine->asked = false;
	name_info(engine);
	return 0;
}

/* -- the engine -- */

int docker_engine_open(struct docker_engine **ret, struct error *err)
{
	CLEANUP(cleanup_docker_engine) struct docker_engine *engine = xcalloc(1, sizeof(*engine));

	struct docker_address *address = &engine->address;

	if (docker_address_find(address, err) < 0)
		return -1;
	engine->server = (struct http_server){ .url = address->url,
					       .unix_path = address->unix_path,
					       .ca = address->ca,
					       .cert = address->cert,
					       .key = address->key };
	if (negotiate(engine, err) < 0)
		return -1;
	*ret = steal(&engine);
	return 0;
}

void docker_engine_close(struct docker_engine *engine)
{
	if (!engine)
		return;
	forget_version(engine);
	docker_address_release(&engine->address);
	free(engine);
}

void cleanup_docker_engine(struct docker_engine **engine)
{
	docker_engine_close(*engine);
}

int docker_lost_error(const struct docker_engine *engine, const struct error *why, struct error *err)
{
	return docker_address_error(&engine->address, why, err);
}

const char *docker_engine_product(const struct docker_engine *engine)
{
	return engine->product;
}

const struct http_server *docker_engine_server(const struct docker_engine *engine)
{
	return &engine->server;
}

const char *docker_engine_prefix(const struct docker_engine *engine)
{
	return engine->prefix;
}

static int ask(struct docker_engine *engine, const struct docker_request *request, int *ret_status,
	       struct strbuf *ret_body, struct error *err)
{
	static const char *const json_headers[] = { "Content-Type: application/json", NULL };
	CLEANUP(cleanup_free) char *path = xasprintf("%s%s", engine->prefix, request->path);
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct error why = { 0 };
	struct http_request http = { .method = request->method, .path = path, .timeout_ms = docker_limits.call };

	if (request->body) {
		js_dump(request->body, JS_COMPACT, &body);
		http.body = body.buf;
		http.body_len = body.len;
		http.headers = json_headers;
	}
	if (http_exchange(&engine->server, &http, NULL, ret_status, ret_body, NULL, &why) < 0)
		return docker_address_error(&engine->address, &why, err);
	return 0;
}

int docker_request(struct docker_engine *engine, const struct docker_request *request, int *ret_status,
		   struct strbuf *ret_body, struct error *err)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	int status;

	if (ask(engine, request, &status, &body, err) < 0)
		return -1;
	if (docker_reply_wants_version(status, &body)) {
		strbuf_clear(&body);
		if (docker_engine_renegotiate(engine, err) < 0 || ask(engine, request, &status, &body, err) < 0)
			return -1;
	}
	*ret_status = status;
	strbuf_add(ret_body, body.buf, body.len);
	return 0;
}

/* GET, with anything but 200 an error. */
static int get_json(struct docker_engine *engine, const char *path, const char *what, struct js **ret,
		    struct error *err)
{
	const struct docker_request request = { .method = "GET", .path = path };
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	int status;

	if (docker_request(engine, &request, &status, &body, err) < 0)
		return -1;
	if (status != 200)
		return docker_reply_error(status, &body, what, err);
	return docker_reply_json(&body, what, ret, err);
}

static bool has_text(const struct js *array, const char *text)
{
	for (size_t i = 0; i < js_len(array); i++) {
		const char *item = js_text(js_at(array, i));

		if (item && !strcmp(item, text))
			return true;
	}
	return false;
}

int docker_engine_info(struct docker_engine *engine, const struct docker_info **ret, struct error *err)
{
	CLEANUP_JS struct js *info = NULL;

	if (!engine->asked) {
		if (get_json(engine, "/info", "cannot ask the container engine about itself", &info, err) < 0)
			return -1;
		name_info(engine);
		engine->info.rootless = js_get_bool(info, "Rootless") ||
					has_text(js_get(info, "SecurityOptions"), "name=rootless");
		engine->info.cpus = js_get_real(info, "NCPU", 0);
		engine->info.mem = js_get_int(info, "MemTotal", 0);
		engine->info.log_driver =
			has_text(js_get(js_get(info, "Plugins"), "Log"), "local") ? "local" : "json-file";
		engine->asked = true;
	}
	*ret = &engine->info;
	return 0;
}

/* -- containers -- */

static int each_container(const struct js *list, int (*each)(void *ctx, const struct docker_container *),
			  void *ctx)
{
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *row = js_at(list, i), *labels = js_get(row, "Labels");
		const char *name = js_text(js_at(js_get(row, "Names"), 0));
		const struct docker_container container = {
			.id = js_get_str(row, "Id"),
			.name = name && *name == '/' ? name + 1 : name,
			.run = js_get_str(labels, "mlops.run"),
			.step = js_get_str(labels, "mlops.step"),
			.state = js_get_str(row, "State"),
		};

		if (container.id && container.name && container.state && each(ctx, &container) != 0)
			return -1;
	}
	return 0;
}

int docker_containers(struct docker_engine *engine, const char *project,
		      int (*each)(void *ctx, const struct docker_container *), void *ctx, struct error *err)
{
	CLEANUP(cleanup_free) char *label = xasprintf("mlops.project=%s", project);
	CLEANUP_STRBUF struct strbuf filter = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
	CLEANUP_JS struct js *filters = js_object();
	CLEANUP_JS struct js *list = NULL;

	js_set(filters, "label", js_array());
	js_push_str(js_get(filters, "label"), label);
	js_dump(filters, JS_COMPACT, &filter);
	strbuf_puts(&path, "/containers/json?all=1&filters=");
	http_escape(&path, filter.buf);
	if (get_json(engine, path.buf, "cannot list the containers", &list, err) < 0)
		return -1;
	return each_container(list, each, ctx);
}

int docker_container_remove(struct docker_engine *engine, const char *name, struct error *err)
{
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	CLEANUP(cleanup_free) char *what = xasprintf("cannot remove the container %s", name);
	struct docker_request request = { .method = "DELETE" };
	int status;

	strbuf_puts(&path, "/containers/");
	http_escape(&path, name);
	strbuf_puts(&path, "?v=1&force=1");
	request.path = path.buf;
	if (docker_request(engine, &request, &status, &body, err) < 0)
		return -1;
	if ((status >= 200 && status < 300) || status == 404 ||
	    (status == 409 && strstr(body.buf, "already in progress")))
		return 0;
	return docker_reply_error(status, &body, what, err);
}
