/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/operation.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "agent/access.h"
#include "agent/call.h"
#include "agent/router.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/project.h"

static const struct op_param *find_param(const struct op *op, const char *key)
{
	char buf[64];

	for (const struct op_param *p = op->params; p && p->name; p++)
		if (!strcmp(op_param_key(p, buf), key))
			return p;
	return NULL;
}

/* A text that should be a number stays one when it is not: op_check says so. */
static struct js *field_value(const struct op_param *p, const char *text)
{
	struct js *json = NULL;
	char *end;
	long long n;

	switch (p->type) {
	case OP_INT:
		errno = 0;
		n = strtoll(text, &end, 10);
		return *text && !*end && !errno ? js_int(n) : js_str(text);
	case OP_BOOL:
		return !strcmp(text, "true") || !strcmp(text, "false") ? js_bool(*text == 't') : js_str(text);
	case OP_REAL:
	case OP_JSON:
		return js_parse(text, strlen(text), p->name, &json, NULL) == 0 ? json : js_str(text);
	case OP_TEXT:
		break;
	}
	return js_str(text);
}

static void add_field(struct js *args, const struct op *op, const struct field *f, bool strict)
{
	const struct op_param *p = find_param(op, f->name);

	if (!p) {
		if (strict)
			js_set_str(args, f->name, f->value);
		return;
	}
	if (!(p->flags & OPP_MANY)) {
		js_set(args, f->name, field_value(p, f->value));
		return;
	}
	if (!js_get(args, f->name))
		js_set(args, f->name, js_array());
	js_push(js_get(args, f->name), field_value(p, f->value));
}

/* Numbers come as texts from some clients. */
static void add_member(struct js *args, const struct op *op, const char *key, struct js *value, bool strict)
{
	const struct op_param *p = find_param(op, key);

	if (!strict && (js_typeof(value) == JS_NULL || !p))
		return;
	if (p && p->type == OP_INT && !strict && js_typeof(value) == JS_STR)
		js_set(args, key, field_value(p, js_text(value)));
	else
		js_set(args, key, js_ref(value));
}

int operation_check_body(const struct call *call, struct error *err)
{
	if (js_count(call->body.buf, call->body.len) <= JS_STRANGERS_MAX)
		return 0;
	return error_set(err, ERR_TOO_LARGE, "the body has more than %d values", JS_STRANGERS_MAX);
}

int operation_args(const struct call *call, const struct op *op, int strict, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *args = js_object();
	CLEANUP_JS struct js *body = NULL;

	if (call->body.len && !(op->flags & OP_INPUT) &&
	    (operation_check_body(call, err) < 0 ||
	     js_parse(call->body.buf, call->body.len, "the body", &body, err) < 0))
		return -1;
	if (body && js_typeof(body) != JS_OBJECT)
		return error_set(err, ERR_USAGE, "the body must be a JSON object");
	for (void *it = js_iter(body); it; it = js_next(body, it))
		add_member(args, op, js_iter_key(it), js_iter_value(it), strict);
	for (size_t i = 0; i < call->nfields; i++)
		add_field(args, op, &call->fields[i], strict);
	*ret = steal(&args);
	return 0;
}

struct js *operation_who(const struct principal *who)
{
	static const struct {
		unsigned scope;
		const char *name;
	} scopes[] = { { SCOPE_TRACKING, "tracking" }, { SCOPE_OBJECTS, "objects" }, { SCOPE_REST, "rest" } };
	const struct grant *grant = &who->grant;
	struct js *json = js_object(), *list = js_array();

	js_set_str(json, "actor", who->name);
	js_set_bool(json, "enforced", true);
	js_set_str(json, "role", access_roles[grant->role]);
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (grant->scopes & scopes[i].scope)
			js_push_str(list, scopes[i].name);
	js_set(json, "scopes", list);
	js_set_str(json, "user", *grant->user ? grant->user : NULL);
	js_set_str(json, "token", *grant->token ? grant->token : NULL);
	js_set_str(json, "run", *grant->run ? grant->run : NULL);
	return json;
}

/* The body, for operations that take raw bytes. It may be a secret, so it is wiped. */
static int read_body(void *ctx, const char *what, size_t max, struct strbuf *ret, struct error *err)
{
	struct strbuf *body = &((struct call *)ctx)->body;
	size_t len = body->len;

	if (len <= max)
		strbuf_add(ret, body->buf, len);
	if (len)
		explicit_bzero(body->buf, len);
	strbuf_clear(body);
	return len <= max ? 0 : error_set(err, ERR_USAGE, "%s is larger than %zu bytes", what, max);
}

/* Who may see a part: the next page of what he searches. */
static int search_on(const struct call *call, const struct op *op, struct op_context *ctx, const struct js *args,
		     const char *token, size_t max, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *next = js_object();

	for (void *it = js_iter(args); it; it = js_next(args, it))
		js_set(next, js_iter_key(it), js_ref(js_iter_value(it)));
	js_set_str(next, "page_token", token);
	js_set_int(next, "max_results", (int64_t)max);
	if (op_call(op, ctx, next, ret, err) < 0)
		return -1;
	return access_filter(&call->who, op, ctx->project, *ret, err);
}

/* Neither the length of his page nor its token may tell of what he cannot see: it is filled from those that follow, and
 * has a token only if there is more to see. `max` is what it had before it was narrowed. */
static int fill_page(const struct call *call, const struct op *op, struct op_context *ctx, const struct js *args,
		     const char *list, size_t max, struct js *result, struct error *err)
{
	const char *token;

	while ((token = js_get_str(result, "next_page_token"))) {
		CLEANUP_JS struct js *page = NULL;
		size_t have = js_len(js_get(result, list));
		struct js *more;

		if (search_on(call, op, ctx, args, token, have < max ? max - have : 1, &page, err) < 0)
			return -1;
		more = js_get(page, list);
		if (have >= max && js_len(more))
			return 0;
		for (size_t i = 0; i < js_len(more); i++)
			js_push(js_get(result, list), js_ref(js_at(more, i)));
		token = js_get_str(page, "next_page_token");
		if (token)
			js_set_str(result, "next_page_token", token);
		else
			js_del(result, "next_page_token");
	}
	return 0;
}

static int narrow(const struct call *call, const struct op *op, struct op_context *ctx, const struct js *args,
		  struct js *result, struct error *err)
{
	const char *list = access_narrows(&call->who, op);
	size_t max = js_len(js_get(result, list));

	if (access_filter(&call->who, op, ctx->project, result, err) < 0)
		return -1;
	return fill_page(call, op, ctx, args, list, max, result, err);
}

int operation_call(const struct call *call, const struct op *op, struct project *project, const struct js *args,
		   struct js **ret_result, struct error *err)
{
	/* of what training code sends by the thousand nothing asks for it */
	bool unasked = op->flags & OP_TRACKING && op->about != ABOUT_MODEL;
	CLEANUP_JS struct js *who = unasked ? NULL : operation_who(&call->who);
	struct op_context ctx = {
		.project = project,
		.dir = project->root,
		.command_line = call->path,
		.origin = "http",
		.actor = call->who.name,
		.who = who,
		.read = read_body,
		.ctx = (void *)(uintptr_t)call,
	};

	if (access_op(&call->who, op, project, args, err) < 0)
		return -1;
	if (op_call(op, &ctx, args, ret_result, err) < 0)
		return -1;
	return *ret_result && access_narrows(&call->who, op) ? narrow(call, op, &ctx, args, *ret_result, err) : 0;
}
