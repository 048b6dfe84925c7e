/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ${...} in a text. How a command becomes words is in words.c.
 */
#include "pipeline/expand.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/expand_internal.h"
#include "pipeline/params.h"
#include "pipeline/show.h"

#define RUN_ID   "${run.id}"
#define TEXT_MAX ((size_t)16 << 20)

int expand_fault(const struct expand_scope *scope, size_t offset)
{
	if (scope->ret_offset)
		*scope->ret_offset = offset;
	return -1;
}

int expand_room(const struct expand_scope *scope, size_t len, bool taken, struct error *err)
{
	if (len > (scope->room ? *scope->room : TEXT_MAX)) {
		if (scope->room)
			*scope->room = 0; /* what follows is not even begun */
		error_set(err, ERR_USAGE, "the texts of this pipeline become too long, in all their instances together");
		return error_help(err, "write what is long into a file, and let the steps read it");
	}
	if (taken && scope->room)
		*scope->room -= len;
	return 0;
}

static int unknown_param(const struct expand_scope *scope, const char *key, struct error *err)
{
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;
	const char *near;

	params_keys(scope->params, &keys);
	near = strlist_nearest(&keys, key);
	error_set(err, ERR_USAGE, "unknown param '%s' in ${params.%s}", SHOW(key), SHOW(key));
	if (near)
		return error_help(err, "did you mean ${params.%s}?", SHOW(near));
	return error_help(err, "declare it in [params]: %s = VALUE", SHOW(key));
}

static int add_param(const struct expand_scope *scope, const char *key, struct strbuf *out, struct error *err)
{
	CLEANUP(cleanup_free) char *text = NULL;
	const struct js *value = param_find(scope->params, key);

	if (!value)
		return unknown_param(scope, key, err);
	text = param_text(value);
	strbuf_puts(out, text);
	if (scope->used_params)
		strlist_push(scope->used_params, key);
	return 0;
}

static int add_env(const struct expand_scope *scope, const char *name, struct strbuf *out, struct error *err)
{
	size_t len = strlen(name);

	for (size_t i = 0; scope->env && i < scope->env->len; i++) {
		const char *item = scope->env->items[i];
		if (!strncmp(item, name, len) && item[len] == '=') {
			strbuf_puts(out, item + len + 1);
			return 0;
		}
	}
	error_set(err, ERR_USAGE, "${env.%s} is not declared", SHOW(name));
	return error_help(err, "declare it above its use: env = %s=VALUE", SHOW(name));
}

static int add_out(const struct expand_scope *scope, const char *name, struct strbuf *out, struct error *err)
{
	(void)name;
	if (!scope->outs)
		return error_set(err, ERR_USAGE, "${out} is known in 'cmd' only");
	if (scope->outs->len != 1) {
		error_set(err, ERR_USAGE, "${out} needs a step with one output; this one has %zu in 'out'",
			  scope->outs->len);
		return error_help(err, "write the path in the command");
	}
	strbuf_puts(out, scope->outs->items[0]);
	return 0;
}

static int add_step(const struct expand_scope *scope, const char *name, struct strbuf *out, struct error *err)
{
	(void)name;
	(void)err;
	strbuf_puts(out, scope->step);
	return 0;
}

static int add_run_id(const struct expand_scope *scope, const char *name, struct strbuf *out, struct error *err)
{
	(void)name;
	(void)err;
	strbuf_puts(out, scope->run_id ? scope->run_id : RUN_ID);
	return 0;
}

static int add_trigger(const struct expand_scope *scope, const char *name, struct strbuf *out, struct error *err)
{
	static const char *const names[] = { "trigger.time", "trigger.window" };
	bool window = !strcmp(name, "window");
	const char *value;

	if (!window && strcmp(name, "time") != 0) {
		error_set(err, ERR_USAGE, "unknown ${trigger.%s}", SHOW(name));
		return error_help(err, "behind 'trigger.' may stand: time, window");
	}
	if (!scope->trigger)
		return error_set(err, ERR_USAGE, "${%s} is known in 'cmd' only", names[window]);
	value = window ? scope->trigger->window : scope->trigger->time;
	if (!value)
		*scope->trigger->ret_unset = names[window];
	strbuf_printf(out, value ? "%s" : "${%s}", value ? value : names[window]);
	return 0;
}

static int no_matrix(const char *name, struct error *err)
{
	error_set(err, ERR_USAGE, "${matrix.%s} in a step without a matrix", SHOW(name));
	if (!strcmp(name, "key"))
		return error_help(err, "add an axis: matrix.model = xgb, mlp");
	return error_help(err, "add the axis: matrix.%s = VALUES", SHOW(name));
}

static int add_matrix_key(const struct expand_scope *scope, const char *name, struct strbuf *out, struct error *err)
{
	(void)name;
	if (!scope->matrix)
		return no_matrix("key", err);
	strbuf_puts(out, scope->matrix_key);
	return 0;
}

static int add_matrix(const struct expand_scope *scope, const char *axis, struct strbuf *out, struct error *err)
{
	CLEANUP(strlist_release) struct strlist axes = STRLIST_INIT;
	const char *value = js_get_str(scope->matrix, axis), *near;
	CLEANUP(cleanup_free) char *all = NULL;

	if (!scope->matrix)
		return no_matrix(axis, err);
	if (value) {
		strbuf_puts(out, value);
		return 0;
	}
	for (void *it = js_iter(scope->matrix); it; it = js_next(scope->matrix, it))
		strlist_push(&axes, js_iter_key(it));
	strlist_push(&axes, "key");
	near = strlist_nearest(&axes, axis);
	error_set(err, ERR_USAGE, "unknown axis '%s' in ${matrix.%s}", SHOW(axis), SHOW(axis));
	if (near)
		return error_help(err, "did you mean ${matrix.%s}?", SHOW(near));
	all = strlist_join(&axes, ", ");
	return error_help(err, "behind 'matrix.' may stand: %s", SHOW(all));
}

static int add_image(const struct expand_scope *scope, const char *name, struct strbuf *out, struct error *err)
{
	(void)scope;
	(void)out;
	error_set(err, ERR_USAGE, "${image.%s} stands alone, as the whole of 'image'", SHOW(name));
	return error_help(err, "write: image = ${image.%s}", SHOW(name));
}

static int add_secret(const struct expand_scope *scope, const char *name, struct strbuf *out, struct error *err)
{
	(void)scope;
	(void)out;
	error_set(err, ERR_USAGE, "${secret.%s}: a secret is never part of a text", SHOW(name));
	return error_help(err, "write 'secrets = %s' for a file, or 'secrets = %s env' for a variable, too", SHOW(name),
			  SHOW(name));
}

/* What ${...} may name. A trailing dot takes a name behind it; the first row that fits counts. */
static const struct variable {
	const char *name;
	int (*add)(const struct expand_scope *, const char *name, struct strbuf *, struct error *);
	bool user_text; /* text of anybody, which no shell may read */
} variables[] = {
	{ "params.", add_param, true },
	{ "matrix.key", add_matrix_key, false },
	{ "matrix.", add_matrix, true },
	{ "env.", add_env, true },
	{ "out", add_out, false },
	{ "step", add_step, false },
	{ "run.id", add_run_id, false },
	{ "trigger.", add_trigger, false },
	{ "image.", add_image, false },
	{ "secret.", add_secret, false },
};

static const struct variable *find_variable(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		size_t len = strlen(variables[i].name);
		bool open = variables[i].name[len - 1] == '.';
		if (open ? !strncmp(name, variables[i].name, len) && name[len] : !strcmp(name, variables[i].name))
			return &variables[i];
	}
	return NULL;
}

static int unknown_variable(const char *name, struct error *err)
{
	static const char *const words[] = { "out", "step", "run.id", "params", "matrix", "env", "trigger" };
	CLEANUP(cleanup_free) char *head = xstrndup(name, strcmp(name, "run.id") ? strcspn(name, ".") : 6);
	const char *near = nearest_word(words, ARRAY_LEN(words), head);

	error_set(err, ERR_USAGE, "unknown ${%s}", SHOW(name));
	if (near)
		return error_help(err, "did you mean ${%s%s}?", near,
				  strcmp(near, "out") && strcmp(near, "step") && strcmp(near, "run.id") ? ".NAME" : "");
	return error_help(err, "known are ${params.KEY} ${matrix.AXIS} ${matrix.key} ${env.NAME} ${out} ${step} "
			       "${run.id} ${trigger.time} ${trigger.window}; a variable of a shell inside sh -c is written $NAME or $${NAME}");
}

static bool plain_for_shell(const char *text)
{
	return !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@%+=:,-")];
}

/* Refuses what a shell would take for code. */
static int check_for_shell(const struct variable *variable, const char *name, const char *text, struct error *err)
{
	CLEANUP(cleanup_free) char *env = NULL;

	if (!variable->user_text && (variable->add != add_out || plain_for_shell(text)))
		return 0;
	error_set(err, ERR_USAGE, "${%s} inside the text of sh -c would be read as shell code", SHOW(name));
	if (variable->add == add_param) {
		env = param_env_name(name + strlen(variable->name));
		return error_help(err, "write \"$%s\" there and name the param in 'params'", SHOW(env));
	}
	if (variable->add == add_matrix) {
		env = axis_env_name(name + strlen(variable->name));
		return error_help(err, "write \"$%s\" there", SHOW(env));
	}
	if (variable->add == add_env)
		return error_help(err, "write \"$%s\" there", SHOW(name + strlen(variable->name)));
	return error_help(err, "give it behind the text and write \"$1\" there: sh -c '... \"$1\"' sh ${out}");
}

int expand_variable(const struct expand_scope *scope, const char *text, size_t *pos, bool in_shell,
		    struct strbuf *out, struct error *err)
{
	const char *start = text + *pos + 2;
	const char *end = strchr(start, '}');
	CLEANUP(cleanup_free) char *name = NULL;
	const struct variable *variable;
	size_t before = out->len;

	if (!end) {
		error_set(err, ERR_USAGE, "${ is not closed by }");
		error_help(err, "$$ is a dollar");
		return expand_fault(scope, *pos);
	}
	name = xstrndup(start, (size_t)(end - start));
	variable = find_variable(name);
	if (!variable) {
		unknown_variable(name, err);
		return expand_fault(scope, *pos);
	}
	if (variable->add(scope, strchr(variable->name, '.') ? name + strlen(variable->name) : name, out, err) < 0 ||
	    expand_room(scope, out->len, false, err) < 0)
		return expand_fault(scope, *pos);
	if (in_shell && check_for_shell(variable, name, out->buf + before, err) < 0)
		return expand_fault(scope, *pos);
	*pos = (size_t)(end - text) + 1;
	return 0;
}

int expand_text(const struct expand_scope *scope, const char *text, char **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	if (!strchr(text, '$')) {
		if (expand_room(scope, strlen(text), true, err) < 0)
			return expand_fault(scope, 0);
		*ret = xstrdup(text);
		return 0;
	}
	if (expand_room(scope, 1, false, err) < 0)
		return expand_fault(scope, 0);
	for (size_t i = 0; text[i];) {
		size_t plain = strcspn(text + i, "$");
		strbuf_add(&out, text + i, plain);
		i += plain;
		if (!text[i])
			break;
		if (text[i + 1] == '{') {
			if (expand_variable(scope, text, &i, false, &out, err) < 0)
				return -1;
			continue;
		}
		if (isalpha((unsigned char)text[i + 1]) || text[i + 1] == '_') {
			error_set(err, ERR_USAGE, "%s: a $ without braces stands for nothing here", SHOW(text + i));
			error_help(err, "write ${env.NAME} or ${params.KEY}; $$ is a dollar");
			return expand_fault(scope, i);
		}
		strbuf_putc(&out, '$');
		i += text[i + 1] == '$' ? 2 : 1;
	}
	if (expand_room(scope, out.len, true, err) < 0)
		return expand_fault(scope, 0);
	*ret = strbuf_detach(&out);
	return 0;
}
