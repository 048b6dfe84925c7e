/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/shell.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/utf8.h"
#include "cli/commands.h"

struct parser {
	int argc, at; /* argv[at] is the next word */
	char **argv;
	struct args *args;
	size_t npositionals;
	bool words_only; /* after -- */
};

static const char *op_title(const struct op *op)
{
	return op ? op->command : "";
}

/* What other programs call it. */
static const char *option_alias(const struct op *op, const char *typed)
{
	static const struct {
		const char *typed, *option;
	} aliases[] = {
		{ "dry-run", "dry" },   { "just-print", "dry" }, { "set-param", "param" }, { "set", "param" },
		{ "workers", "jobs" },   { "parallel", "jobs" },   { "rev", "from" },
		{ "continue", "keep-going" }, { "sort", "order-by" }, { "max-results", "limit" },
		{ "silent", "quiet" },  { "output", "to" },      { "colour", "color" },    { "cwd", "directory" },
	};

	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (!strcmp(aliases[i].typed, typed) &&
		    option_find(op, aliases[i].option, strlen(aliases[i].option)))
			return aliases[i].option;
	return NULL;
}

static int unknown_option(const struct parser *ps, const char *shown, const char *name, size_t len,
			  struct error *err)
{
	const struct op *op = ps->args->op;
	CLEANUP(cleanup_free) char *typed = xstrndup(name, len);
	CLEANUP(strlist_release) struct strlist known = STRLIST_INIT;
	const char *nearest;

	for (const struct op_param *p = op ? op->params : NULL; p && p->name; p++)
		if (!(p->flags & OPP_POSITIONAL))
			strlist_push(&known, p->name);
	for (const struct op_param *p = global_params; p->name; p++)
		strlist_push(&known, p->name);
	if (op)
		error_set(err, ERR_USAGE, "mlops %s has no option %s", op->command, shown);
	else
		error_set(err, ERR_USAGE, "there is no option %s before the command", shown);
	nearest = option_alias(op, typed);
	if (!nearest && len > 1)
		nearest = strlist_nearest(&known, typed);
	if (nearest)
		return error_help(err, "did you mean --%s?", nearest);
	return error_help(err, "run: mlops help%s%s", op ? " " : "", op_title(op));
}

static int parse_int(const char *shown, const char *text, int64_t *ret, struct error *err)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	if (errno || end == text || *end || *ret < 0 || text[0] < '0' || text[0] > '9') {
		error_set(err, ERR_USAGE, "%s must be a whole number, not '%s'", shown, text);
		return error_help(err, "such as: %s 4", shown);
	}
	return 0;
}

/* Options of every command set fields, not arguments of the operation. 1 when it was one. */
static int set_global(struct args *args, const struct op_param *param, const char *value,
		      struct error *err)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "json", &args->as_json },    { "no-pager", &args->no_pager },
		{ "quiet", &args->quiet },     { "help", &args->help },
		{ "version", &args->version },
	};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (!strcmp(flags[i].name, param->name))
			*flags[i].flag = true;
	if (!strcmp(param->name, "directory"))
		args->dir = value;
	if (!strcmp(param->name, "agent"))
		args->agent = value;
	if (!strcmp(param->name, "color") && !term_color_parse(value, &args->color))
		return error_set(err, ERR_USAGE, "--color must be %s, not '%s'", param->value,
				 value);
	return 0;
}

static bool is_global(const struct op_param *param)
{
	for (const struct op_param *p = global_params; p->name; p++)
		if (p == param)
			return true;
	return false;
}

static int parse_real(const char *shown, const char *text, double *ret, struct error *err)
{
	char *end;
	double value = strtod(text, &end);

	if (!isalpha((unsigned char)*text) && end != text && !*end && isfinite(value)) {
		*ret = value;
		return 0;
	}
	return error_set(err, ERR_USAGE, "%s needs a number, not '%s'", shown, text);
}

static int set_value(struct parser *ps, const struct op_param *param, const char *shown,
		     const char *value, struct error *err)
{
	struct js *json = ps->args->json, *list;
	int64_t number;
	double real;
	char key[64];

	if (is_global(param))
		return set_global(ps->args, param, value, err);
	op_param_key(param, key);
	if (param->type == OP_BOOL) {
		js_set_bool(json, key, true);
		return 0;
	}
	if (param->type == OP_INT) {
		if (parse_int(shown, value, &number, err))
			return -1;
		js_set_int(json, key, number);
		return 0;
	}
	if (param->type == OP_REAL) {
		if (parse_real(shown, value, &real, err))
			return -1;
		js_set_real(json, key, real);
		return 0;
	}
	if (!(param->flags & OPP_MANY)) {
		js_set_str(json, key, value);
		return 0;
	}
	list = js_get(json, key);
	if (!list) {
		list = js_array();
		js_set(json, key, list);
	}
	js_push_str(list, value);
	return 0;
}

/* The word after an option that needs one. */
static int next_value(struct parser *ps, const struct op_param *param, const char *shown,
		      const char **ret, struct error *err)
{
	if (ps->at == ps->argc) {
		error_set(err, ERR_USAGE, "%s needs a value", shown);
		return error_help(err, "give it as: %s %s", shown, param->value);
	}
	*ret = ps->argv[ps->at++];
	return 0;
}

static int parse_long(struct parser *ps, const char *word, struct error *err)
{
	const char *name = word + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	CLEANUP(cleanup_free) char *shown = xasprintf("--%.*s", (int)len, name);
	const struct op_param *param = option_find(ps->args->op, name, len);
	const char *value = equals ? equals + 1 : NULL;

	if (!param)
		return unknown_option(ps, shown, name, len, err);
	if (param->type == OP_BOOL && value)
		return error_set(err, ERR_USAGE, "%s takes no value", shown);
	if (param->type != OP_BOOL && !value && next_value(ps, param, shown, &value, err))
		return -1;
	return set_value(ps, param, shown, value, err);
}

static int parse_letters(struct parser *ps, const char *word, struct error *err)
{
	for (const char *c = word + 1; *c; c++) {
		const struct op_param *param = option_find_letter(ps->args->op, *c);
		char shown[] = { '-', *c, '\0' };
		const char *value = c[1] ? c + 1 : NULL;

		if (!param)
			return unknown_option(ps, (*c & 0x80) ? word : shown, c, 1, err);
		if (param->type == OP_BOOL) {
			set_value(ps, param, shown, NULL, err);
			continue;
		}
		if (!value && next_value(ps, param, shown, &value, err))
			return -1;
		return set_value(ps, param, shown, value, err);
	}
	return 0;
}

static int parse_command(struct parser *ps, struct error *err)
{
	size_t used;

	if (command_find((const char *const *)ps->argv + ps->at, (size_t)(ps->argc - ps->at),
			 &ps->args->op, &used, err))
		return -1;
	ps->at += (int)used;
	return 0;
}

static int parse_positional(struct parser *ps, const char *word, struct error *err)
{
	const struct op_param *param = positional_at(ps->args->op, ps->npositionals);

	if (!param) {
		error_set(err, ERR_USAGE, "mlops %s takes no %sargument: '%s'",
			  ps->args->op->command, ps->npositionals ? "further " : "", word);
		if (!strcmp(ps->args->op->name, "project.config"))
			return error_help(err, "give one key and its value: mlops config KEY VALUE");
		return error_help(err, "run: mlops help %s", ps->args->op->command);
	}
	ps->npositionals++;
	return set_value(ps, param, param->value, word, err);
}

static int parse_word(struct parser *ps, struct error *err)
{
	const char *word = ps->argv[ps->at];

	if (!ps->words_only && !strcmp(word, "--")) {
		ps->words_only = true;
		ps->at++;
		return 0;
	}
	if (!ps->words_only && word[0] == '-' && word[1]) {
		ps->at++;
		return word[1] == '-' ? parse_long(ps, word, err) : parse_letters(ps, word, err);
	}
	if (!ps->args->op)
		return parse_command(ps, err);
	ps->at++;
	return parse_positional(ps, word, err);
}

static int check_text(int argc, char **argv, struct error *err)
{
	for (int i = 1; i < argc; i++)
		if (utf8_span(argv[i], strlen(argv[i])) != strlen(argv[i]))
			return error_set(err, ERR_USAGE, "argument %d is not UTF-8: '%s'", i,
					 argv[i]);
	return 0;
}

/* So that an error before --json was reached is JSON too. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

int args_parse(int argc, char **argv, struct args *ret, struct error *err)
{
	struct parser ps = { .argc = argc, .at = 1, .argv = argv, .args = ret };

	*ret = (struct args){ .json = js_object(), .as_json = wants_json(argc, argv) };
	if (check_text(argc, argv, err))
		return -1;
	ret->as_json = false;
	while (ps.at < ps.argc) {
		if (!parse_word(&ps, err))
			continue;
		if (ret->help && ret->op)
			break;
		ret->as_json = wants_json(argc, argv);
		return -1;
	}
	return 0;
}

void args_release(struct args *args)
{
	js_free(args->json);
	args->json = NULL;
}

char *args_join(int argc, char **argv)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

	strbuf_puts(&line, "mlops");
	for (int i = 1; i < argc; i++) {
		strbuf_putc(&line, ' ');
		shell_append(&line, argv[i]);
	}
	return strbuf_detach(&line);
}
