/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/openapi.h"
#include <stdio.h>
#include <string.h>
#include "agent/call.h"
#include "agent/v1.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"

#define NDJSON "application/x-ndjson"

/* "{...}" as a constant of this file. */
static struct js *fixed(const char *text)
{
	struct js *json = NULL;

	if (js_parse(text, strlen(text), "openapi", &json, NULL) < 0)
		abort();
	return json;
}

static struct js *reference(const char *kind, const char *name)
{
	CLEANUP(cleanup_free) char *path = xasprintf("#/components/%s/%s", kind, name);
	struct js *json = js_object();

	js_set_str(json, "$ref", path);
	return json;
}

/* ---- parameters ---- */

static struct js *choices(const char *words)
{
	struct js *list = js_array();

	while (*words) {
		size_t n = strcspn(words, "|");

		js_push(list, js_strn(words, n));
		words += n + (words[n] == '|');
	}
	return list;
}

/* What op_check takes for one value. */
static struct js *value_schema(const struct op_param *p)
{
	static const char *const types[] = { [OP_TEXT] = "string", [OP_INT] = "integer", [OP_BOOL] = "boolean" };
	struct js *schema = js_object();

	if (p->type == OP_REAL) {
		js_free(schema);
		return fixed("{\"oneOf\": [{\"type\": \"number\"}, {\"enum\": [\"NaN\", \"Infinity\", \"-Infinity\"]}]}");
	}
	if (p->type == OP_JSON)
		return schema;
	js_set_str(schema, "type", types[p->type]);
	if (p->type == OP_INT) {
		js_set_str(schema, "format", "int64");
		if (!(p->flags & OPP_SIGNED))
			js_set_int(schema, "minimum", 0);
		js_set_int(schema, "maximum", INT64_MAX);
	}
	if (p->type == OP_TEXT && p->complete == COMPLETE_CHOICE)
		js_set(schema, "enum", choices(p->value));
	else if (p->type == OP_TEXT && (p->complete == COMPLETE_PATH || p->flags & OPP_REQUIRED))
		js_set_int(schema, "minLength", 1);
	return schema;
}

static struct js *param_schema(const struct op_param *p)
{
	struct js *schema;

	if (!(p->flags & OPP_MANY))
		return value_schema(p);
	schema = js_object();
	js_set_str(schema, "type", "array");
	js_set(schema, "items", value_schema(p));
	if (p->flags & OPP_REQUIRED)
		js_set_int(schema, "minItems", 1);
	return schema;
}

static bool in_path(const struct op *op, const char *key)
{
	CLEANUP(cleanup_free) char *one = xasprintf("{%s}", key), *rest = xasprintf("{%s*}", key);

	return strstr(op->path, one) || strstr(op->path, rest);
}

/* Its arguments, as JSON. */
static bool in_body(const struct op *op)
{
	return strcmp(op->method, "GET") && !(op->flags & (OP_INPUT | OP_ROUTED));
}

static struct js *parameters(const struct op *op)
{
	struct js *list = js_array();
	char key[64];

	for (const struct op_param *p = op->params; p && p->name; p++) {
		bool path = in_path(op, op_param_key(p, key));
		struct js *item;

		if (!path && in_body(op))
			continue;
		item = js_object();
		js_set_str(item, "name", key);
		js_set_str(item, "in", path ? "path" : "query");
		js_set_str(item, "description", p->help);
		js_set_bool(item, "required", path || p->flags & OPP_REQUIRED);
		js_set(item, "schema", param_schema(p));
		js_push(list, item);
	}
	return list;
}

/* ---- bodies and answers ---- */

static struct js *content(const char *type, struct js *schema)
{
	struct js *media = js_object(), *json = js_object();

	js_set(media, "schema", schema);
	js_set(json, type, media);
	return json;
}

static struct js *body_schema(const struct op *op, bool *ret_required)
{
	struct js *schema = js_object(), *properties = js_object(), *required = js_array();
	char key[64];

	for (const struct op_param *p = op->params; p && p->name; p++) {
		struct js *property;

		if (in_path(op, op_param_key(p, key)))
			continue;
		property = param_schema(p);
		js_set_str(property, "description", p->help);
		js_set(properties, key, property);
		if (p->flags & OPP_REQUIRED)
			js_push_str(required, key);
	}
	*ret_required = js_len(required) > 0;
	js_set_str(schema, "type", "object");
	js_set(schema, "properties", properties);
	js_set_bool(schema, "additionalProperties", false);
	if (*ret_required)
		js_set(schema, "required", required);
	else
		js_free(required);
	return schema;
}

static struct js *request_body(const struct op *op)
{
	struct js *body = js_object();
	bool required = false;

	js_set(body, "content", in_body(op) ? content("application/json", body_schema(op, &required))
					    : content("*/*", js_object()));
	js_set_bool(body, "required", required);
	return body;
}

static struct js *success(const struct op *op)
{
	struct js *json = js_object(), *media = content("application/json", fixed("{\"type\": \"object\"}"));

	js_set_str(json, "description", op->flags & OP_BYTES ? "the bytes" : "what was asked for");
	if (op->flags & (OP_BYTES | OP_ROUTED)) {
		js_free(media);
		media = content(op->flags & OP_ROUTED ? "*/*" : "application/octet-stream", js_object());
	}
	if (op->flags & OP_STREAM)
		js_set(media, NDJSON, fixed("{\"schema\": {\"type\": \"string\"}}"));
	if (op->handler == op_event_list)
		js_set(media, "text/event-stream", fixed("{\"schema\": {\"type\": \"string\"}}"));
	js_set(json, "content", media);
	return json;
}

/* Any error has one form; its status tells which it is. */
static struct js *responses(const struct op *op)
{
	static const int statuses[] = { 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 499, 500, 501, 503 };
	struct js *json = js_object();

	js_set(json, "200", success(op));
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		char status[8];

		snprintf(status, sizeof(status), "%d", statuses[i]);
		js_set(json, status, reference("responses", "Error"));
	}
	return json;
}

/* ---- operations ---- */

static struct js *operation_json(const struct op *op)
{
	static const char *const roles[] = { "viewer", "engineer", "approver", "admin" };
	CLEANUP(cleanup_free) char *tag = xstrndup(op->name, strcspn(op->name, "."));
	struct js *json = js_object(), *tags = js_array();

	js_set_str(json, "operationId", op->name);
	js_push_str(tags, tag);
	js_set(json, "tags", tags);
	js_set_str(json, "summary", op->summary);
	js_set_str(json, "description", op->details);
	js_set_str(json, "x-role", roles[op->role]);
	js_set(json, "parameters", parameters(op));
	if (strcmp(op->method, "GET") && strcmp(op->method, "HEAD"))
		js_set(json, "requestBody", request_body(op));
	js_set(json, "responses", responses(op));
	return json;
}

/* "/a/{name*}" is "/a/{name}" here. */
static char *path_of(const struct op *op)
{
	char *path = xasprintf("/api/v1%s", op->path), *star;

	while ((star = strstr(path, "*}")))
		memmove(star, star + 1, strlen(star));
	return path;
}

static void add_operation(const struct op *op, struct js *paths)
{
	CLEANUP(cleanup_free) char *path = path_of(op), *method = xstrdup(op->method);

	for (char *c = method; *c; c++)
		*c = (char)(*c | 0x20);
	if (!js_get(paths, path))
		js_set(paths, path, js_object());
	js_set(js_get(paths, path), method, operation_json(op));
}

static struct js *tags(void)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	struct js *list = js_array();
	const struct op *op;

	for (size_t i = 0; (op = op_at(i)); i++) {
		CLEANUP(cleanup_free) char *tag = xstrndup(op->name, strcspn(op->name, "."));
		struct js *item;

		if (!v1_serves(op) || strlist_has(&names, tag))
			continue;
		strlist_push(&names, tag);
		item = js_object();
		js_set_str(item, "name", tag);
		js_push(list, item);
	}
	return list;
}

static const char components[] =
	"{\"schemas\": {\"Error\": {\"type\": \"object\", \"required\": [\"error\"], \"properties\": {\"error\": {"
	"\"type\": \"object\", \"required\": [\"code\", \"message\"], \"properties\": {"
	"\"code\": {\"type\": \"string\"}, \"message\": {\"type\": \"string\"},"
	"\"where\": {\"type\": \"string\"}, \"help\": {\"type\": \"string\"}}}}}},"
	"\"responses\": {\"Error\": {\"description\": \"what failed, why, and what to do\", \"content\": {"
	"\"application/json\": {\"schema\": {\"$ref\": \"#/components/schemas/Error\"}}}}},"
	"\"securitySchemes\": {\"bearer\": {\"type\": \"http\", \"scheme\": \"bearer\"},"
	"\"basic\": {\"type\": \"http\", \"scheme\": \"basic\"}}}";

struct js *openapi_document(void)
{
	struct js *json = js_object(), *info = js_object(), *paths = js_object();
	const struct op *op;

	js_set_str(json, "openapi", "3.1.0");
	js_set_str(info, "title", "mlops");
	js_set_str(info, "version", MLOPS_VERSION);
	js_set_str(info, "description",
		   "The operations of an mlops agent. Arguments that no operation knows are refused.");
	js_set(json, "info", info);
	js_set(json, "tags", tags());
	for (size_t i = 0; (op = op_at(i)); i++)
		if (v1_serves(op))
			add_operation(op, paths);
	js_set(json, "paths", paths);
	js_set(json, "components", fixed(components));
	js_set(json, "security", fixed("[{}, {\"bearer\": []}, {\"basic\": []}]"));
	return json;
}

int openapi_serve(struct call *call, struct project *project, struct error *err)
{
	CLEANUP_JS struct js *json = openapi_document();

	(void)project;
	(void)err;
	call_reply_json(call, 200, json);
	return 0;
}
