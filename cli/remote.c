/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/remote.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "base/base64.h"
#include "base/credentials.h"
#include "base/error.h"
#include "base/error_json.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/json_lines.h"
#include "base/loop.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/remote_request.h"

#define NDJSON	   "application/x-ndjson"
#define REPLY_MAX  ((size_t)256 << 20)
#define INPUT_MAX  ((size_t)1 << 20)
#define WHOAMI_MS  30000

/* ---- whether, and whom ---- */

const char *remote_agent(const struct args *args)
{
	const char *agent = args->agent ? args->agent : getenv("MLOPS_AGENT");

	return agent && *agent ? agent : NULL;
}

static int refuse(const struct op *op, struct error *err)
{
	if (op->remote) {
		error_set(err, ERR_USAGE, "mlops %s works in a work tree, and an agent has projects", op->command);
		return error_help(err, "name one: mlops %s --project NAME; they are: mlops project list", op->command);
	}
	if (op->flags & OP_NO_PROJECT)
		return error_set(err, ERR_USAGE, "mlops %s is not done by an agent", op->command);
	error_set(err, ERR_USAGE, "mlops %s works in a work tree, and an agent has none of yours", op->command);
	return error_help(err, "go to the work tree and leave --agent out");
}

/* Whether the agent can do it: with a command that has an operation of its own there, when what that needs is said. */
static bool can_serve(const struct op *op, const struct js *args)
{
	char key[64];

	if (op->flags & OP_LOCAL && !op->remote)
		return false;
	for (const struct op_param *p = op->remote ? op_find(op->remote)->params : NULL; p && p->name; p++)
		if (p->flags & OPP_REQUIRED && !js_get(args, op_param_key(p, key)))
			return false;
	return true;
}

int remote_choose(const struct args *args, struct remote *ret, struct error *err)
{
	const char *agent = remote_agent(args);
	const struct op *op = args->op;

	*ret = (struct remote){ .op = op->remote ? op_find(op->remote) : op };
	if (op->flags & OP_SENDS)
		return 0;
	if (agent && args->agent && !can_serve(op, args->json))
		return refuse(op, err);
	if (!agent || !can_serve(op, args->json) || (!args->agent && op->flags & OP_NO_PROJECT))
		return 0;
	if (address_parse(agent, &ret->address, err) < 0)
		return args->agent ? -1 : error_wrap(err, "MLOPS_AGENT");
	/* so that MLOPS_TOKEN is known to be for it */
	setenv("MLOPS_AGENT", agent, 0);
	ret->used = true;
	return 0;
}

void remote_release(struct remote *remote)
{
	address_release(&remote->address);
}

/* ---- one exchange ---- */

struct exchange {
	const struct remote *remote;
	struct op_context *ctx;
	struct loop *loop;
	struct lines lines;
	struct js *result; /* the last line, or the whole answer */
	bool ended;        /* the last line has come */
	bool enough;       /* nobody reads any more */
	struct error err;  /* code ERR_NONE: none yet */
};

static int take_bytes(struct exchange *x, const char *text, struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;

	if (!base64_decode(text, &bytes))
		return error_set(err, ERR_ENV, "the agent's answer holds bytes that are no base64");
	x->enough = x->ctx->write(x->ctx->ctx, bytes.buf, bytes.len) < 0;
	return x->enough ? -1 : 0;
}

/* An event, bytes, or the last line. */
static int take_line(void *ctx, const struct js *line, struct error *err)
{
	struct exchange *x = ctx;
	const char *bytes = js_get_str(line, "bytes");

	if (x->ended)
		return error_set(err, ERR_ENV, "the agent's answer goes on after its end");
	if (js_typeof(line) != JS_OBJECT)
		return error_set(err, ERR_ENV, "a line of the agent's answer is no JSON object");
	if (js_get_str(line, "event")) {
		if (x->ctx->emit)
			x->ctx->emit(x->ctx->ctx, line);
		x->enough = x->ctx->stopped && x->ctx->stopped(x->ctx->ctx);
		return x->enough ? -1 : 0;
	}
	if (bytes)
		return take_bytes(x, bytes, err);
	x->ended = true;
	if (js_len(line))
		x->result = js_ref((struct js *)(uintptr_t)line);
	return 0;
}

static int on_data(void *ctx, const char *data, size_t len)
{
	struct exchange *x = ctx;

	return lines_add(&x->lines, data, len, &x->err);
}

/* An error as the agent tells it; what stands beside it is the result. */
static void split_result(struct exchange *x, const char *fallback)
{
	struct js *error = js_get(x->result, "error");

	if (!error)
		return;
	error_from_json(error, fallback, &x->err);
	js_del(x->result, "error");
	if (js_len(x->result))
		return;
	js_free(x->result);
	x->result = NULL;
}

static void no_agent(struct exchange *x, int status)
{
	const char *name = x->remote->address.name;

	error_set(&x->err, ERR_ENV, "%s does not answer as an agent does: status %d", name, status);
	error_help(&x->err, "check the address; is there a proxy or a login page before it?");
}

static void on_done(void *ctx, const struct http_reply *reply)
{
	struct exchange *x = ctx;

	loop_stop(x->loop);
	if (x->err.code || x->enough)
		return;
	if (reply->error) {
		x->err = *reply->error;
		error_help(&x->err, "check the address, and that an agent runs there: mlops agent --listen ADDRESS:PORT");
		return;
	}
	if (!x->lines.each || reply->status / 100 != 2) {
		if (js_parse(reply->body->buf, reply->body->len, "the answer", &x->result, NULL) < 0 ||
		    js_typeof(x->result) != JS_OBJECT || (reply->status / 100 != 2 && !js_get(x->result, "error"))) {
			js_free(x->result);
			x->result = NULL;
			no_agent(x, reply->status);
			return;
		}
	} else if (lines_end(&x->lines, &x->err) < 0) {
		return;
	} else if (!x->ended) {
		error_set(&x->err, ERR_ENV, "%s: the answer broke off", x->remote->address.name);
		return;
	}
	split_result(x, "the agent says no more than that it failed");
}

static void on_interrupt(void *ctx, int signo)
{
	struct exchange *x = ctx;
	const struct op *op = x->remote->op;
	const char *agent = x->remote->address.name;

	(void)signo;
	error_set(&x->err, ERR_INTERRUPTED, "interrupted");
	if (op->handler == op_logs)
		error_help(&x->err, "the run goes on; end it with: mlops --agent %s stop RUN", agent);
	else if (strcmp(op->method, "GET"))
		error_help(&x->err, "the agent may go on with it; look with: mlops --agent %s events", agent);
	loop_stop(x->loop);
}

/* ---- errors with what to do ---- */

static void help_auth(const struct remote *remote, bool token, struct error *err)
{
	if (err->code != ERR_AUTH)
		return;
	if (token)
		error_help(err, "the token may have expired or been removed: mlops login %s", remote->address.name);
	else
		error_help(err, "run: mlops login %s", remote->address.name);
}

/* The agent has no such path: it is of another version. */
static void explain_unknown(const struct remote *remote, const char *path, struct error *err)
{
	size_t len = strcspn(path, "?");

	if ((err->code != ERR_NOT_FOUND && err->code != ERR_METHOD) || strlen(err->where) != len ||
	    strncmp(err->where, path, len) != 0)
		return;
	error_set(err, ERR_UNSUPPORTED, "the agent at %s does not know %s", remote->address.name, remote->op->name);
	error_help(err, "compare: mlops version   mlops --agent %s version", remote->address.name);
}

/* ---- sending ---- */

struct request {
	struct strbuf path, body, authorization, accept;
	const char *headers[4];
};

static void request_release(struct request *r)
{
	strbuf_release(&r->path);
	if (r->body.len)
		explicit_bzero(r->body.buf, r->body.len);
	strbuf_release(&r->body);
	if (r->authorization.len)
		explicit_bzero(r->authorization.buf, r->authorization.len);
	strbuf_release(&r->authorization);
	strbuf_release(&r->accept);
}

static void fill_headers(struct request *r, const struct op *op, const struct op_context *ctx)
{
	size_t n = 0;

	strbuf_puts(&r->accept, "Accept: ");
	strbuf_puts(&r->accept, op->flags & OP_STREAM ? NDJSON : "application/json");
	if (op->flags & OP_BYTES && !ctx->events)
		strbuf_puts(&r->accept, ";output=bytes");
	r->headers[n++] = r->accept.buf;
	if (op->flags & OP_INPUT)
		r->headers[n++] = "Content-Type: application/octet-stream";
	else if (strcmp(op->method, "GET"))
		r->headers[n++] = "Content-Type: application/json";
	if (r->authorization.len)
		r->headers[n++] = r->authorization.buf;
}

static int fill_body(struct request *r, const struct op *op, struct op_context *ctx, const struct js *json, struct error *err)
{
	CLEANUP(cleanup_free) char *what = NULL;

	if (json)
		js_dump(json, JS_COMPACT, &r->body);
	if (!(op->flags & OP_INPUT))
		return 0;
	what = xasprintf("input of mlops %s", op->command);
	return ctx->read(ctx->ctx, what, INPUT_MAX, &r->body, err);
}

static int find_token(const struct address *address, struct strbuf *authorization, struct error *err)
{
	CLEANUP_STRBUF struct strbuf token = STRBUF_INIT;
	int r = credentials_find(address, &token, err);

	if (r > 0)
		strbuf_printf(authorization, "Authorization: Bearer %s", token.buf);
	if (token.len)
		explicit_bzero(token.buf, token.len);
	return r;
}

static int make_request(const struct remote *remote, struct op_context *ctx, const struct js *args, struct request *r,
			struct error *err)
{
	CLEANUP_JS struct js *known = js_object(), *body = NULL;

	for (void *it = js_iter(args); it; it = js_next(args, it))
		if (strcmp(js_iter_key(it), "detach")) /* what an agent runs never has our terminal */
			js_set(known, js_iter_key(it), js_ref(js_iter_value(it)));
	if (op_check(remote->op, known, err) < 0)
		return -1;
	strbuf_puts(&r->path, remote->address.prefix);
	if (remote_path(remote->op, known, &r->path, &body, err) < 0 ||
	    find_token(&remote->address, &r->authorization, err) < 0 || fill_body(r, remote->op, ctx, body, err) < 0)
		return -1;
	fill_headers(r, remote->op, ctx);
	return 0;
}

static int run_exchange(struct exchange *x, const struct request *r, struct error *err)
{
	const struct op *op = x->remote->op;
	struct http_server server = address_server(&x->remote->address);
	CLEANUP(cleanup_loop) struct loop *loop = loop_new();
	CLEANUP(cleanup_http_client) struct http_client *client = http_client_new(loop, &server);
	struct http_request request = {
		.method = op->method,
		.path = r->path.buf,
		.headers = r->headers,
		.body = r->body.buf,
		.body_len = r->body.len,
		.once = strcmp(op->method, "GET") != 0,
		.max = REPLY_MAX,
		.data = op->flags & OP_STREAM ? on_data : NULL,
		.done = on_done,
		.ctx = x,
	};

	x->loop = loop;
	if (loop_signal(loop, SIGINT, on_interrupt, x, err) < 0)
		return -1;
	http_start(client, &request);
	return loop_run(loop, err);
}

int remote_call(const struct remote *remote, struct op_context *ctx, const struct js *args, struct js **ret_result,
		struct error *err)
{
	struct request r CLEANUP(request_release) = { STRBUF_INIT, STRBUF_INIT, STRBUF_INIT, STRBUF_INIT, { NULL } };
	struct exchange x = { .remote = remote, .ctx = ctx, .lines = LINES_INIT(NULL, &x) };
	int rc;

	if (make_request(remote, ctx, args, &r, err) < 0)
		return -1;
	if (remote->op->flags & OP_STREAM)
		x.lines.each = take_line;
	rc = run_exchange(&x, &r, err);
	lines_release(&x.lines);
	if (x.result)
		*ret_result = x.result;
	if (rc < 0 || !x.err.code)
		return rc;
	explain_unknown(remote, r.path.buf + strlen(remote->address.prefix), &x.err);
	help_auth(remote, r.authorization.len > 0, &x.err);
	*err = x.err;
	return -1;
}

int remote_whoami(const struct address *address, const char *token, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = xasprintf("%s/api/v1/whoami", address->prefix);
	CLEANUP(cleanup_free) char *bearer = xasprintf("Authorization: Bearer %s", token);
	const char *headers[] = { "Accept: application/json", bearer, NULL };
	struct http_request request = { .method = "GET", .path = path, .headers = headers, .timeout_ms = WHOAMI_MS };
	struct http_server server = address_server(address);
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	CLEANUP_JS struct js *json = NULL;
	int status, r = http_exchange(&server, &request, NULL, &status, &body, NULL, err);

	explicit_bzero(bearer, strlen(bearer));
	if (r < 0)
		return error_help(err, "check the address, and that an agent runs there");
	if (js_parse(body.buf, body.len, "the answer", &json, NULL) < 0)
		return error_set(err, ERR_ENV, "%s does not answer as an agent does: status %d", address->name, status);
	if (js_get(json, "error"))
		return error_from_json(js_get(json, "error"), "refused", err);
	if (status != 200 || !js_get_str(json, "actor"))
		return error_set(err, ERR_ENV, "%s does not answer as an agent does: status %d", address->name, status);
	*ret = steal(&json);
	return 0;
}
