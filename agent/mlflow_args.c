/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow_args.h"
#include <string.h>
#include <strings.h>
#include "agent/call.h"
#include "agent/operation.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/run_edit.h"

#define SEE_DOCS " See the API docs for more information about request parameters."

/* ---- the request as one object ---- */

static struct js *read_body(const char *text, size_t len)
{
	struct js *json = NULL, *inner = NULL;

	if (!len || js_parse(text, len, "the body", &json, NULL) < 0)
		return js_object();
	if (js_typeof(json) == JS_STR && js_count(js_text(json), strlen(js_text(json))) <= JS_STRANGERS_MAX &&
	    js_parse(js_text(json), strlen(js_text(json)), "the body", &inner, NULL) == 0) {
		js_free(json);
		json = inner;
	}
	return json;
}

/* A text of the query is what its parameter needs. */
static struct js *field_value(const struct op_param *p, const char *text)
{
	struct js *json = NULL;

	if (p->type == OP_BOOL && (!strcasecmp(text, "true") || !strcasecmp(text, "false")))
		return js_bool(*text == 't' || *text == 'T');
	if (p->type == OP_JSON && js_parse(text, strlen(text), p->name, &json, NULL) == 0)
		return json;
	return js_str(text);
}

static void add_fields(const struct call *call, const struct op *op, struct js *object)
{
	const char *old = call_field(call, "run_uuid");
	char key[64];

	if (old)
		js_set_str(object, "run_uuid", old);
	for (const struct op_param *p = op->params; p && p->name; p++) {
		op_param_key(p, key);
		for (size_t i = 0; i < call->nfields; i++) {
			if (strcmp(call->fields[i].name, key))
				continue;
			if (!(p->flags & OPP_MANY)) {
				js_set(object, key, field_value(p, call->fields[i].value));
				break;
			}
			if (js_typeof(js_get(object, key)) != JS_ARRAY)
				js_set(object, key, js_array());
			js_push(js_get(object, key), field_value(p, call->fields[i].value));
		}
	}
}

/* ---- checking ---- */

static const char *python_type(const struct js *value)
{
	static const char *const names[] = { [JS_NULL] = "NoneType", [JS_BOOL] = "bool",  [JS_INT] = "int",
					     [JS_REAL] = "float",    [JS_STR] = "str",	  [JS_ARRAY] = "list",
					     [JS_OBJECT] = "dict" };

	return names[js_typeof(value)];
}

static int invalid(const char *key, const struct js *value, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	js_dump(value, JS_CANONICAL, &text);
	return error_set(err, ERR_USAGE, "Invalid value %.200s for parameter '%s' supplied:  Hint: Value was of type '%s'." SEE_DOCS,
			 text.buf, key, python_type(value));
}

/* An owned value of the parameter's type, or NULL. */
static struct js *convert(const struct op_param *p, struct js *value)
{
	int64_t n;
	double real;

	switch (p->type) {
	case OP_TEXT:
		return js_typeof(value) == JS_STR ? js_ref(value) : NULL;
	case OP_BOOL:
		return js_typeof(value) == JS_BOOL ? js_ref(value) : NULL;
	case OP_INT:
		return wire_int(value, &n) ? js_int(n) : NULL;
	case OP_REAL:
		return wire_real(value, &real) ? js_real(real) : NULL;
	case OP_JSON:
		return js_ref(value);
	}
	return NULL;
}

static struct js *convert_all(const struct op_param *p, struct js *list)
{
	struct js *all;

	if (js_typeof(list) != JS_ARRAY || p->type == OP_JSON)
		return js_typeof(list) == JS_ARRAY ? js_ref(list) : NULL;
	all = js_array();
	for (size_t i = 0; i < js_len(list); i++) {
		struct js *item = convert(p, js_at(list, i));

		if (!item) {
			js_free(all);
			return NULL;
		}
		js_push(all, item);
	}
	return all;
}

static int missing(const char *key, struct error *err)
{
	return error_set(err, ERR_USAGE, "Missing value for required parameter '%s'." SEE_DOCS, key);
}

int mlflow_need(const struct js *args, const char *key, struct error *err)
{
	const struct js *value = js_get(args, key);

	return js_typeof(value) == JS_NULL || (js_text(value) && !*js_text(value)) ? missing(key, err) : 0;
}

static int add_arg(const struct op_param *p, const struct js *object, struct js *args, struct error *err)
{
	char key[64];
	struct js *value = js_get(object, op_param_key(p, key)), *arg;

	if (!value && !strcmp(key, "run_id"))
		value = js_get(object, "run_uuid");
	if (js_typeof(value) == JS_NULL || (p->flags & OPP_REQUIRED && js_text(value) && !*js_text(value)))
		return p->flags & OPP_REQUIRED ? missing(key, err) : 0;
	arg = p->flags & OPP_MANY ? convert_all(p, value) : convert(p, value);
	if (!arg)
		return invalid(key, value, err);
	js_set(args, key, arg);
	return 0;
}

static int args_of(const struct js *object, const struct op *op, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *args = js_object();

	if (js_typeof(object) != JS_OBJECT)
		return error_set(err, ERR_USAGE, "The body must be a JSON object." SEE_DOCS);
	for (const struct op_param *p = op->params; p && p->name; p++)
		if (add_arg(p, object, args, err) < 0)
			return -1;
	*ret = steal(&args);
	return 0;
}

int mlflow_args_of(const char *text, unsigned long len, const struct op *op, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *object = read_body(text, len);

	return args_of(object, op, ret, err);
}

int mlflow_args(const struct call *call, const struct op *op, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *object = NULL;

	if (operation_check_body(call, err) < 0)
		return -1;
	object = read_body(call->body.buf, call->body.len);
	if (call->nfields && js_typeof(object) == JS_OBJECT)
		add_fields(call, op, object);
	return args_of(object, op, ret, err);
}
