/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"

#define HELP_WIDTH 80
#define HELP_LEFT  27 /* where explanations start */

/* "left      text", the text wrapped at HELP_WIDTH. */
static void put_row(const char *left, const char *text)
{
	int column = printf("  %s", left);

	if (column + 2 > HELP_LEFT) {
		putchar('\n');
		column = 0;
	}
	while (*text) {
		size_t len = strcspn(text, " ");

		if (column > HELP_LEFT && column + 1 + (int)len > HELP_WIDTH) {
			putchar('\n');
			column = 0;
		}
		column += column < HELP_LEFT ? printf("%*s", HELP_LEFT - column, "") : printf(" ");
		column += printf("%.*s", (int)len, text);
		text += len + strspn(text + len, " ");
	}
	putchar('\n');
}

static void put_option(const struct op_param *param)
{
	char letter[8] = "    ";
	CLEANUP(cleanup_free) char *left = NULL;

	if (param->letter)
		snprintf(letter, sizeof(letter), "-%c, ", param->letter);
	left = xasprintf("%s--%s%s%s", letter, param->name, param->value ? " " : "",
			 param->value ? param->value : "");
	put_row(left, param->help);
}

static void put_usage(const struct op *op)
{
	bool options = false;

	printf("Usage: mlops %s", op->command);
	for (const struct op_param *p = op->params; p && p->name; p++)
		options |= !(p->flags & OPP_POSITIONAL);
	if (options)
		printf(" [OPTIONS]");
	for (const struct op_param *p = op->params; p && p->name; p++) {
		if (!(p->flags & OPP_POSITIONAL))
			continue;
		printf(p->flags & OPP_REQUIRED ? " %s%s" : " [%s%s]", p->value,
		       p->flags & OPP_MANY ? "..." : "");
	}
	puts("\n");
}

static void put_params(const char *title, const struct op_param *params, unsigned positional)
{
	bool any = false;

	for (const struct op_param *p = params; p && p->name; p++) {
		if ((p->flags & OPP_POSITIONAL) != positional)
			continue;
		if (!any)
			printf("\n%s:\n", title);
		any = true;
		if (positional)
			put_row(p->value, p->help);
		else
			put_option(p);
	}
}

static void print_command(const struct op *op)
{
	printf("mlops %s: %s\n\n", op->command, op->summary);
	put_usage(op);
	fputs(op->details, stdout);
	put_params("Arguments", op->params, OPP_POSITIONAL);
	put_params("Options", op->params, 0);
	put_params("Options of every command", global_params, 0);
}

static void print_list(void)
{
	puts("mlops runs pipelines, keeps every version of data and models, and proves what\n"
	     "made them.\n"
	     "\n"
	     "Usage: mlops [OPTIONS] COMMAND [ARGUMENTS]\n"
	     "\n"
	     "Examples:\n"
	     "  mlops init              make a project of this directory\n"
	     "  mlops run               run the steps of pipeline.ini that need it\n"
	     "  mlops show              what the last run recorded\n"
	     "\n"
	     "Commands:");
	for (size_t i = 0; i < command_count(); i++)
		put_row(command_at(i)->command, command_at(i)->summary);
	put_params("Options of every command", global_params, 0);
	puts("\nRun mlops help COMMAND for more. Exit status: 0 ok, 1 a step failed, 2 usage,\n"
	     "3 not found, 4 conflict or locked, 5 environment, 6 not allowed, 7 the verdict\n"
	     "is no, 8 cannot judge, 9 damage found, 130 interrupted.");
}

void help_print(const struct op *op)
{
	if (op)
		print_command(op);
	else
		print_list();
}

static struct js *param_json(const struct op_param *param)
{
	static const char *const types[] = {
		[OP_TEXT] = "text", [OP_INT] = "int", [OP_BOOL] = "bool", [OP_REAL] = "real"
	};
	struct js *json = js_object();
	char letter[2] = { param->letter, '\0' }, key[64];

	js_set_str(json, "name", param->name);
	js_set_str(json, "key", op_param_key(param, key));
	js_set_str(json, "letter", param->letter ? letter : NULL);
	js_set_str(json, "type", types[param->type]);
	js_set_bool(json, "positional", param->flags & OPP_POSITIONAL);
	js_set_bool(json, "required", param->flags & OPP_REQUIRED);
	js_set_bool(json, "many", param->flags & OPP_MANY);
	js_set_str(json, "value", param->value);
	js_set_str(json, "help", param->help);
	return json;
}

static struct js *params_json(const struct op_param *params)
{
	struct js *list = js_array();

	for (const struct op_param *p = params; p && p->name; p++)
		js_push(list, param_json(p));
	return list;
}

static struct js *command_json(const struct op *op)
{
	static const char *const roles[] = { [ROLE_VIEWER] = "viewer", [ROLE_ENGINEER] = "engineer",
					     [ROLE_APPROVER] = "approver", [ROLE_ADMIN] = "admin" };
	struct js *json = js_object();

	js_set_str(json, "name", op->name);
	js_set_str(json, "command", op->command);
	js_set_str(json, "method", op->method);
	js_set_str(json, "path", op->path);
	js_set_str(json, "role", op->method ? roles[op->role] : NULL);
	js_set_bool(json, "stream", op->flags & OP_STREAM);
	js_set_str(json, "summary", op->summary);
	js_set_str(json, "details", op->details);
	js_set(json, "params", params_json(op->params));
	return json;
}

struct js *help_json(const struct op *op)
{
	struct js *json, *list;

	if (op)
		return command_json(op);
	json = js_object();
	list = js_array();
	for (size_t i = 0; i < command_count(); i++)
		js_push(list, command_json(command_at(i)));
	js_set(json, "commands", list);
	js_set(json, "options", params_json(global_params));
	return json;
}
