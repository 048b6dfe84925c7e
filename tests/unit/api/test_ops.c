/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

static int calls;
static char *seen; /* the name the handler was given last */

static int spy(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	(void)ctx;
	(void)err;
	calls++;
	free(seen);
	seen = js_get_str(args, "name") ? xstrdup(js_get_str(args, "name")) : NULL;
	*ret_result = js_object();
	return 0;
}

static const struct op_param params[] = {
	{ .name = "name", .flags = OPP_POSITIONAL | OPP_REQUIRED, .value = "NAME" },
	{ .name = "keep-going", .letter = 'k', .type = OP_BOOL },
	{ .name = "jobs", .letter = 'j', .type = OP_INT, .value = "N" },
	{ .name = "param", .letter = 'p', .flags = OPP_MANY, .value = "K=V" },
	{ .name = "link", .complete = COMPLETE_CHOICE, .value = "copy|hardlink" },
	{ .name = "to", .complete = COMPLETE_PATH, .value = "DIR" },
	{ .name = NULL },
};
static const struct op row = {
	.name = "test.spy", .command = "spy", .flags = OP_NO_PROJECT, .params = params, .handler = spy,
};

/* Calls with the arguments as JSON text; the error's code, and its text in *ret_err. */
static enum error_code call(const char *text, struct error *ret_err)
{
	CLEANUP_JS struct js *args = NULL, *result = NULL;
	struct op_context ctx = { .dir = "/" };

	*ret_err = (struct error){ 0 };
	if (text)
		assert_int_equal(js_parse(text, strlen(text), "test", &args, NULL), 0);
	if (!op_call(&row, &ctx, args, &result, ret_err))
		return ERR_NONE;
	assert_null(result);
	return ret_err->code;
}

static void refuses(const char *text, const char *says)
{
	struct error err;
	int before = calls;

	assert_int_equal(call(text, &err), ERR_USAGE);
	assert_int_equal(calls, before);
	if (!strstr(err.msg, says))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
}

static void good_arguments_reach_the_handler(void **state)
{
	struct error err;

	(void)state;
	calls = 0;
	assert_int_equal(call("{\"name\": \"x\", \"keep_going\": true, \"jobs\": 0, \"param\": [\"a=1\", \"\"],"
			      " \"link\": \"hardlink\", \"to\": \"d\"}", &err), ERR_NONE);
	assert_int_equal(calls, 1);
	assert_string_equal(seen, "x");
}

static void a_missing_argument_is_named_as_the_user_types_it(void **state)
{
	struct error err;

	(void)state;
	refuses("{}", "NAME is missing");
	refuses(NULL, "NAME is missing");
	refuses("{\"name\": \"\"}", "NAME is empty");
	call("{}", &err);
	assert_string_equal(err.help, "run: mlops help spy");
}

static void an_unknown_argument_is_refused_with_the_nearest(void **state)
{
	struct error err;

	(void)state;
	refuses("{\"name\": \"x\", \"keep-going\": true}", "no argument 'keep-going'");
	refuses("{\"name\": \"x\", \"\": 1}", "no argument ''");
	call("{\"name\": \"x\", \"job\": 1}", &err);
	assert_non_null(strstr(err.help, "'jobs'"));
}

static void a_value_of_the_wrong_type_is_refused(void **state)
{
	(void)state;
	refuses("[]", "must be a JSON object");
	refuses("{\"name\": 1}", "NAME must be text");
	refuses("{\"name\": null}", "NAME must be text");
	refuses("{\"name\": [\"x\"]}", "NAME must be text");
	refuses("{\"name\": \"x\", \"jobs\": \"2\"}", "--jobs must be a whole number");
	refuses("{\"name\": \"x\", \"jobs\": 2.0}", "--jobs must be a whole number");
	refuses("{\"name\": \"x\", \"jobs\": -1}", "--jobs must not be negative");
	refuses("{\"name\": \"x\", \"keep_going\": 1}", "--keep-going must be true or false");
	refuses("{\"name\": \"x\", \"param\": \"a=1\"}", "--param must be a list");
	refuses("{\"name\": \"x\", \"param\": [\"a=1\", 2]}", "--param must be text");
}

static void a_choice_is_one_of_its_words(void **state)
{
	(void)state;
	refuses("{\"name\": \"x\", \"link\": \"hard\"}", "--link must be copy|hardlink, not 'hard'");
	refuses("{\"name\": \"x\", \"link\": \"copy|hardlink\"}", "--link must be copy|hardlink");
	refuses("{\"name\": \"x\", \"link\": \"\"}", "--link must be copy|hardlink");
}

static void a_path_is_never_empty(void **state)
{
	(void)state;
	refuses("{\"name\": \"x\", \"to\": \"\"}", "--to is empty");
}

static void outside_a_project_an_operation_on_one_is_not_called(void **state)
{
	char dir[] = "/tmp/mlops-test-XXXXXX";
	CLEANUP_JS struct js *args = js_object(), *result = NULL;
	struct error err = { 0 };
	struct op needs = row, tries = row;
	struct op_context ctx = { .dir = mkdtemp(dir) };

	(void)state;
	needs.flags = 0;
	tries.flags = OP_TRY_PROJECT;
	js_set_str(args, "name", "x");
	calls = 0;
	assert_int_equal(op_call(&needs, &ctx, args, &result, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(calls, 0);
	assert_int_equal(op_call(&tries, &ctx, args, &result, &err), 0);
	assert_int_equal(calls, 1);
	assert_null(ctx.project);
	assert_null(op_settings(&ctx));
	op_close(&ctx);
	rmdir(dir);
}

static void names_and_commands_are_found_once(void **state)
{
	(void)state;
	const struct op *op;

	for (size_t i = 0; (op = op_at(i)); i++) {
		assert_ptr_equal(op_find(op->name), op);
		for (size_t j = 0; j < i; j++) {
			assert_false(!strcmp(op->method, op_at(j)->method) && !strcmp(op->path, op_at(j)->path));
			if (op->command && op_at(j)->command)
				assert_string_not_equal(op->command, op_at(j)->command);
		}
	}
	assert_null(op_find("run.star"));
}

static void check_param(const struct op *op, const struct op_param *p)
{
	assert_non_null(p->help);
	for (const char *c = p->name; *c; c++)
		assert_true(islower((unsigned char)*c) || *c == '-');
	/* what has a value says what to put there; a switch has none */
	assert_int_equal(p->value != NULL, p->type != OP_BOOL);
	if (p->flags & OPP_POSITIONAL)
		assert_true(p->letter == 0 && (p->type == OP_TEXT || p->type == OP_INT));
	for (const struct op_param *q = op->params; q != p; q++) {
		assert_string_not_equal(p->name, q->name);
		assert_true(!p->letter || p->letter != q->letter);
		/* nothing can follow an argument that takes all the rest */
		assert_false(p->flags & OPP_POSITIONAL && q->flags & OPP_POSITIONAL && q->flags & OPP_MANY);
	}
}

static void every_row_is_whole(void **state)
{
	(void)state;
	const struct op *op;

	for (size_t i = 0; (op = op_at(i)); i++) {
		/* files have a route of their own in the agent */
		assert_true(op->handler || op->flags & OP_ROUTED);
		assert_true(op->method && op->path && op->summary);
		assert_int_equal(op->path[0], '/');
		assert_true(islower((unsigned char)op->summary[0]));
		for (const struct op_param *p = op->params; p && p->name; p++)
			check_param(op, p);
		if (!op->command)
			continue;
		assert_non_null(op->details);
		assert_int_equal(strncmp(op->details, "Examples:\n  mlops ", 18), 0);
		assert_int_equal(op->details[strlen(op->details) - 1], '\n');
	}
}

static int release(void **state)
{
	(void)state;
	free(seen);
	seen = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_arguments_reach_the_handler),
		cmocka_unit_test(a_missing_argument_is_named_as_the_user_types_it),
		cmocka_unit_test(an_unknown_argument_is_refused_with_the_nearest),
		cmocka_unit_test(a_value_of_the_wrong_type_is_refused),
		cmocka_unit_test(a_choice_is_one_of_its_words),
		cmocka_unit_test(a_path_is_never_empty),
		cmocka_unit_test(outside_a_project_an_operation_on_one_is_not_called),
		cmocka_unit_test(names_and_commands_are_found_once),
		cmocka_unit_test(every_row_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
