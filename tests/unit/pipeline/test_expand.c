/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/amount.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/expand.h"

static struct error error;
static struct js *params;
static struct strlist env, outs, used;
static size_t offset;
static struct expand_scope scope;

static int setup(void **state)
{
	static const char text[] = "{\"lr\": 0.01, \"name\": \"two words\", \"on\": true, \"evil\": \"; rm -rf ~\","
				   " \"train\": {\"n\": 3, \"layers\": [64, 32]}, \"nothing\": null, \"empty\": \"\"}";

	(void)state;
	assert_return_code(js_parse(text, sizeof(text) - 1, "params", &params, &error), 0);
	strlist_push(&env, "HOME_DIR=/srv/x");
	strlist_push(&outs, "models/best");
	scope = (struct expand_scope){
		.params = params,
		.env = &env,
		.outs = &outs,
		.step = "train",
		.used_params = &used,
		.ret_offset = &offset,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	js_free(params);
	strlist_release(&env);
	strlist_release(&outs);
	strlist_release(&used);
	return 0;
}

/* The command's words, joined by '|'. */
static void assert_words(const char *cmd, const char *want)
{
	CLEANUP(strlist_release) struct strlist argv = STRLIST_INIT;
	CLEANUP(cleanup_free) char *got = NULL;

	if (expand_command(&scope, cmd, &argv, &error) < 0)
		fail_msg("%s: %s", cmd, error.msg);
	got = strlist_join(&argv, "|");
	assert_string_equal(got, want);
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

static void assert_refused(const char *cmd, size_t at, const char *message, const char *help)
{
	struct strlist argv = STRLIST_INIT;

	offset = 9999;
	if (!expand_command(&scope, cmd, &argv, &error)) {
		strlist_release(&argv);
		fail_msg("accepted: %s", cmd);
	}
	assert_int_equal(error.code, ERR_USAGE);
	assert_contains(error.msg, message);
	assert_contains(error.help, help);
	assert_int_equal(offset, at);
	assert_null(argv.items);
}

static void words_follow_posix_quoting(void **state)
{
	(void)state;
	assert_words("a b\tc  d ", "a|b|c|d");
	assert_words("a 'b c' \"d e\" f\\ g", "a|b c|d e|f g");
	assert_words("a''b '' \"\" c", "ab|||c");
	assert_words("a 'it'\\''s' \"say \\\"hi\\\" \\\\ \\n\"", "a|it's|say \"hi\" \\ \\n");
	assert_words("a '\"' \"'\" '\\'", "a|\"|'|\\");
	assert_words("a \\| \\$HOME '| & ; < > ` * ?' \"| & ; < > * ?\"", "a|||$HOME|| & ; < > ` * ?|| & ; < > * ?");
	assert_words("a #b ~c [d] {e} f=g !h (i)", "a|#b|~c|[d]|{e}|f=g|!h|(i)");
	assert_words("a $ b$ c", "a|$|b$|c");
}

static void values_expand_inside_words_and_never_split(void **state)
{
	(void)state;
	assert_words("a --lr=${params.lr} ${params.name} x${params.train.n}y", "a|--lr=0.01|two words|x3y");
	assert_words("a ${params.evil} \"${params.evil}\" '${params.evil}'", "a|; rm -rf ~|; rm -rf ~|; rm -rf ~");
	assert_words("a ${params.on} ${params.nothing} ${params.empty} ${params.train.layers}", "a|true|null||[64,32]");
	assert_words("a ${out} ${step} ${env.HOME_DIR}/b", "a|models/best|train|/srv/x/b");
	assert_words("a $$ $$HOME $${out} '$$x' \"$$x\"", "a|$|$HOME|${out}|$x|$x");
	/* A value's own ${} and quotes are text. */
	js_set_str(params, "odd", "${out} 'q' $HOME");
	assert_words("a ${params.odd}", "a|${out} 'q' $HOME");
}

static void run_id_stays_literal_until_it_is_known(void **state)
{
	(void)state;
	assert_words("a --id=${run.id}", "a|--id=${run.id}");
	scope.run_id = "4e1d";
	assert_words("a --id=${run.id} 'x${run.id}'", "a|--id=4e1d|x4e1d");
}

static void what_a_trigger_says_stays_literal_where_a_run_has_none(void **state)
{
	struct strlist argv CLEANUP(strlist_release) = STRLIST_INIT;
	const char *unset = NULL;
	struct expand_trigger trigger = { .time = "2026-01-31T03:00:00Z", .ret_unset = &unset };
	struct expand_scope with = { .step = "a", .trigger = &trigger };
	struct error err;

	(void)state;
	assert_int_equal(expand_command(&with, "sh -c 'x ${trigger.time}' ${trigger.time}", &argv, &err), 0);
	assert_string_equal(argv.items[2], "x 2026-01-31T03:00:00Z");
	assert_string_equal(argv.items[3], "2026-01-31T03:00:00Z");
	assert_null(unset);
	strlist_release(&argv);
	argv = (struct strlist)STRLIST_INIT;
	assert_int_equal(expand_command(&with, "x ${trigger.window}", &argv, &err), 0);
	assert_string_equal(argv.items[1], "${trigger.window}");
	assert_string_equal(unset, "trigger.window");
	assert_int_equal(expand_command(&with, "x ${trigger.tim}", &argv, &err), -1);
	assert_non_null(strstr(err.help, "time, window"));
	with.trigger = NULL;
	assert_int_equal(expand_command(&with, "x ${trigger.time}", &argv, &err), -1);
	assert_non_null(strstr(err.msg, "'cmd' only"));
}

static void used_params_are_told(void **state)
{
	CLEANUP(cleanup_free) char *got = NULL;

	(void)state;
	assert_words("a ${params.lr} ${params.train.n} ${params.lr}", "a|0.01|3|0.01");
	got = strlist_join(&used, " ");
	assert_string_equal(got, "lr train.n lr");
}

static void what_needs_a_shell_is_refused(void **state)
{
	(void)state;
	assert_refused("a b | c", 4, "unquoted | in a command: there is no shell", "sh -c 'a b | c'");
	assert_refused("sh -c \"echo $A\"", 12, "$A in a command: there is no shell", "single quotes leave the text behind -c");
	assert_refused("a && b", 2, "unquoted &", "sh -c 'a && b'");
	assert_refused("a; b", 1, "unquoted ;", "");
	assert_refused("a <b", 2, "unquoted <", "");
	assert_refused("a >b", 2, "unquoted >", "");
	assert_refused("a `b`", 2, "unquoted `", "");
	assert_refused("a \"`b`\"", 3, "unquoted `", "");
	assert_refused("a *.csv", 2, "unquoted *", "");
	assert_refused("a b?", 3, "unquoted ?", "");
	assert_refused("a $HOME/x", 2, "$HOME in a command", "");
	assert_refused("a \"$HOME\"", 3, "$HOME in a command", "");
	assert_refused("a $(b)", 2, "$( in a command", "");
	assert_refused("a $1", 2, "$1 in a command", "");
	assert_refused("a 'b' | c", 6, "unquoted |", "quote it if it is text, or run a shell: sh -c '...'");
	assert_refused("LR=1 python3 x.py", 0, "the command begins with LR=1", "env = LR=1");
}

static void broken_quoting_is_placed(void **state)
{
	(void)state;
	assert_refused("a 'b", 2, "a single quote is not closed", "");
	assert_refused("a b\"c d", 3, "a double quote is not closed", "");
	assert_refused("a b\\", 3, "a backslash ends the command", "");
	assert_refused("a ${params.lr", 2, "${ is not closed by }", "$$ is a dollar");
	assert_refused("", 0, "the command is empty", "");
	assert_refused("  ", 0, "the command is empty", "");
	assert_refused("'' x", 0, "first word is empty", "");
}

static void unknown_values_get_the_nearest_right_one(void **state)
{
	(void)state;
	assert_refused("a ${params.l}", 2, "unknown param 'l'", "did you mean ${params.lr}?");
	assert_refused("a ${params.train.m}", 2, "unknown param 'train.m'", "did you mean ${params.train.n}?");
	assert_refused("a ${params.zzzzzz}", 2, "unknown param 'zzzzzz'", "declare it in [params]: zzzzzz = VALUE");
	assert_refused("a ${param.lr}", 2, "unknown ${param.lr}", "did you mean ${params.NAME}?");
	assert_refused("a ${ot}", 2, "unknown ${ot}", "did you mean ${out}?");
	assert_refused("a ${}", 2, "unknown ${}", "known are");
	assert_refused("a ${params.}", 2, "unknown ${params.}", "");
	assert_refused("a ${env.NOPE}", 2, "${env.NOPE} is not declared", "env = NOPE=VALUE");
	assert_refused("a b ${matrix.model}", 4, "${matrix.model} in a step without a matrix", "matrix.model = VALUES");
	assert_refused("a ${matrix.key}", 2, "${matrix.key} in a step without a matrix", "matrix.model = xgb, mlp");
	assert_refused("a ${image.train}", 2, "${image.train} stands alone", "image = ${image.train}");
	assert_refused("a ${secret.KEY}", 2, "a secret is never part of a text", "secrets = KEY env");
}

static void out_needs_exactly_one_output(void **state)
{
	struct strlist none = STRLIST_INIT;

	(void)state;
	scope.outs = &none;
	assert_refused("a ${out}", 2, "${out} needs a step with one output; this one has 0", "");
	strlist_push(&outs, "other");
	scope.outs = &outs;
	assert_refused("a ${out}", 2, "this one has 2", "");
	scope.outs = NULL;
	assert_refused("a ${out}", 2, "${out} is known in 'cmd' only", "");
}

static void shell_text_takes_no_foreign_values(void **state)
{
	static const char *const shells[] = {
		"sh -c 'x ${params.lr}'",
		"/bin/bash -ec \"x ${params.lr}\"",
		"dash -e -c 'x ${params.lr}'",
		"bash -c -e 'x ${params.lr}'",
		"bash -o pipefail -c 'x ${params.lr}'",
		"bash -eco pipefail 'x ${params.lr}'",
		"bash --rcfile rc -c 'x ${params.lr}'",
		"env A=1 sh -c 'x ${params.lr}'",
		"nice -n 5 /usr/bin/zsh -c ${params.lr}",
		"'s'h -\"c\" a${params.lr}",
	};
	CLEANUP(strlist_release) struct strlist argv = STRLIST_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		assert_int_equal(expand_command(&scope, shells[i], &argv, &error), -1);
		assert_contains(error.msg, "inside the text of sh -c would be read as shell code");
		assert_contains(error.help, "\"$MLOPS_PARAM_LR\"");
	}
	assert_refused("sh -c 'x ${env.HOME_DIR}'", 9, "${env.HOME_DIR} inside the text", "\"$HOME_DIR\"");
}

static void shell_text_keeps_what_is_safe(void **state)
{
	(void)state;
	assert_words("sh -c 'sort a > ${out} && echo $HOME ${step} ${run.id} $${x:-y}'",
		     "sh|-c|sort a > models/best && echo $HOME train ${run.id} ${x:-y}");
	assert_words("sh -c 'train \"$1\"' sh ${params.evil}", "sh|-c|train \"$1\"|sh|; rm -rf ~");
	assert_words("sh train.sh ${params.evil}", "sh|train.sh|; rm -rf ~");
	assert_words("python3 -c ${params.lr}", "python3|-c|0.01");
	free(outs.items[0]);
	outs.items[0] = xstrdup("models/$(reboot)");
	assert_refused("sh -c 'x > ${out}'", 11, "${out} inside the text of sh -c", "\"$1\"");
	assert_words("sh -c 'x > \"$1\"' sh ${out}", "sh|-c|x > \"$1\"|sh|models/$(reboot)");
}

static void texts_expand_without_quoting(void **state)
{
	CLEANUP(cleanup_free) char *text = NULL;

	(void)state;
	assert_return_code(expand_text(&scope, "m/${params.lr}/'a b'$$x$", &text, &error), 0);
	assert_string_equal(text, "m/0.01/'a b'$x$");
	assert_int_equal(expand_text(&scope, "/x/$HOME/y", &text, &error), -1);
	assert_contains(error.msg, "stands for nothing");
	assert_int_equal(offset, 3);
	assert_int_equal(expand_text(&scope, "ab${nope}", &text, &error), -1);
	assert_int_equal(offset, 2);
}

static void sizes_are_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes; /* -1: refused */
	} cases[] = {
		{ "0", 0 },		 { "123", 123 },   { "100k", 102400 },	  { "512M", 536870912 },
		{ "1.5g", 1610612736 },	 { "16G", INT64_C(17179869184) },	  { "2T", INT64_C(2199023255552) },
		{ "0.5", 0 },		 { "", -1 },	   { "G", -1 },		  { "-1", -1 },
		{ "1.G", -1 },		 { ".5G", -1 },	   { "4 G", -1 },	  { "4GB", -1 },
		{ "0x10", -1 },		 { "1e3", -1 },	   { "9999999999T", -1 }, { "1.2.3", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = -1;
		int r = parse_size(cases[i].text, &got, &error);
		assert_int_equal(got, cases[i].bytes);
		assert_int_equal(r, cases[i].bytes < 0 ? -1 : 0);
	}
}

static void durations_need_a_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {
		{ "500ms", 500 },   { "90s", 90000 },	 { "15m", 900000 }, { "2h", 7200000 }, { "1d", 86400000 },
		{ "1.5h", 5400000 }, { "0s", 0 },	 { "90", -1 },	    { "s", -1 },       { "1w", -1 },
		{ "-5s", -1 },	    { "5 s", -1 },	 { "1h30m", -1 },   { "999999999999999d", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = -1;
		int r = parse_duration(cases[i].text, &got, &error);
		assert_int_equal(got, cases[i].ms);
		assert_int_equal(r, cases[i].ms < 0 ? -1 : 0);
	}
}

static void param_names_become_environment_names(void **state)
{
	CLEANUP(cleanup_free) char *a = param_env_name("lr");
	CLEANUP(cleanup_free) char *b = param_env_name("train.lr-2 \xc3\xa4");

	(void)state;
	assert_string_equal(a, "MLOPS_PARAM_LR");
	assert_string_equal(b, "MLOPS_PARAM_TRAIN_LR_2___");
}

static void reals_print_short_and_as_reals(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = { { 0.1, "0.1" }, { 1, "1.0" }, { 0.01, "0.01" }, { 1e-7, "1e-07" }, { 1.0 / 3, "0.3333333333333333" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_JS struct js *value = js_real(cases[i].value);
		CLEANUP(cleanup_free) char *text = param_text(value);
		assert_string_equal(text, cases[i].text);
	}
}

static void set_matrix(struct js **matrix)
{
	*matrix = js_object();
	js_set_str(*matrix, "model", "a b");
	js_set_str(*matrix, "seed.x", "1");
	scope.matrix = *matrix;
	scope.matrix_key = "a%20b-1";
}

static void values_of_the_matrix_stay_one_word(void **state)
{
	CLEANUP_JS struct js *matrix = NULL;

	(void)state;
	set_matrix(&matrix);
	assert_words("run ${matrix.model} --seed=${matrix.seed.x} ${matrix.key}", "run|a b|--seed=1|a%20b-1");
	assert_words("sh -c 'echo ${matrix.key}'", "sh|-c|echo a%20b-1");
}

static void mistakes_about_the_matrix_are_told(void **state)
{
	CLEANUP_JS struct js *matrix = NULL;

	(void)state;
	set_matrix(&matrix);
	assert_refused("run ${matrix.modle}", 4, "unknown axis 'modle' in ${matrix.modle}", "${matrix.model}");
	assert_refused("run ${matrix.zzzzzz}", 4, "unknown axis", "may stand: model, seed.x, key");
	assert_refused("sh -c 'echo ${matrix.model}'", 12, "read as shell code", "write \"$MLOPS_MATRIX_MODEL\" there");
	assert_refused("sh -c 'echo ${matrix.seed.x}'", 12, "read as shell code", "$MLOPS_MATRIX_SEED_X");
}

static void texts_share_what_room_there_is(void **state)
{
	struct strlist argv = STRLIST_INIT;
	char *text = NULL;
	struct error err;
	size_t room = 20;

	(void)state;
	scope.room = &room;
	assert_int_equal(expand_text(&scope, "0123456789", &text, NULL), 0);
	free(text);
	assert_int_equal(expand_command(&scope, "a ${step}", &argv, NULL), 0);
	strlist_release(&argv);
	assert_int_equal(room, 20 - 10 - 1 - strlen(scope.step));
	assert_int_equal(expand_text(&scope, "$${step}${step}${step}", &text, &err), -1);
	assert_non_null(strstr(err.msg, "become too long"));
	assert_int_equal(expand_command(&scope, "a", &argv, &err), -1);
	assert_int_equal(expand_text(&scope, "a", &text, &err), -1);
	scope.room = NULL;
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(words_follow_posix_quoting),
		CASE(values_expand_inside_words_and_never_split),
		CASE(run_id_stays_literal_until_it_is_known),
		CASE(what_a_trigger_says_stays_literal_where_a_run_has_none),
		CASE(used_params_are_told),
		CASE(what_needs_a_shell_is_refused),
		CASE(broken_quoting_is_placed),
		CASE(unknown_values_get_the_nearest_right_one),
		CASE(out_needs_exactly_one_output),
		CASE(shell_text_takes_no_foreign_values),
		CASE(shell_text_keeps_what_is_safe),
		CASE(texts_expand_without_quoting),
		CASE(sizes_are_powers_of_1024),
		CASE(durations_need_a_unit),
		CASE(param_names_become_environment_names),
		CASE(reals_print_short_and_as_reals),
		CASE(values_of_the_matrix_stay_one_word),
		CASE(mistakes_about_the_matrix_are_told),
		CASE(texts_share_what_room_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
