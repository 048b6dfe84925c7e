/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"

/* A project directory, and the latest plan made in it. */
static struct error error;
static char root[64];
static int rootfd;
static struct pipeline *pipeline;
static struct plan *plan;
static struct strlist once_made;

static void drop_plan(void)
{
	plan_free(plan);
	plan = NULL;
	pipeline_free(pipeline);
	pipeline = NULL;
}

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/mlops-test-XXXXXX");
	assert_non_null(mkdtemp(root));
	rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(rootfd >= 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	drop_plan();
	strlist_release(&once_made);
	close(rootfd);
	return fs_remove_tree(AT_FDCWD, root, NULL);
}

static void touch(const char *path)
{
	int fd;

	assert_return_code(fs_make_parents(rootfd, path, 0755, &error), 0);
	fd = fs_open_beneath(rootfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644, &error);
	assert_true(fd >= 0);
	close(fd);
}

static int try_plan(const char *text)
{
	drop_plan();
	error_clear(&error);
	if (pipeline_parse(text, strlen(text), "p.ini", NULL, NULL, &pipeline, &error) < 0)
		fail_msg("does not parse: %s: %s", error.where, error.msg);
	return plan_make(rootfd, pipeline, &once_made, &plan, &error);
}

static void make_plan(const char *text)
{
	if (try_plan(text) < 0)
		fail_msg("%s: %s", error.where, error.msg);
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

static void assert_refused(const char *text, const char *where, const char *message, const char *help)
{
	if (!try_plan(text))
		fail_msg("accepted: %s", text);
	assert_int_equal(error.code, ERR_USAGE);
	assert_string_equal(error.where, where);
	assert_contains(error.msg, message);
	assert_contains(error.help, help);
	assert_null(plan);
}

static struct plan_node *node(const char *name)
{
	struct plan_node *found = strmap_get(&plan->by_name, name);

	assert_non_null(found);
	return found;
}

static void assert_list(const struct strlist *list, const char *want)
{
	CLEANUP(cleanup_free) char *got = strlist_join(list, " ");

	assert_string_equal(got, want);
}

static void assert_graph(const char *want)
{
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;

	plan_draw(plan, PLAN_TEXT, &got);
	assert_string_equal(got.buf, want);
}

static void outputs_feed_the_inputs_that_name_them(void **state)
{
	(void)state;
	touch("raw.csv");
	make_plan("[step.pick]\ncmd = p\nin = models/a, models/b/\nout = best\n"
		  "[step.a]\ncmd = a\nin = clean\nout = models/a\n"
		  "[step.b]\ncmd = b\nin = ./clean//x.csv\nout = models/b\n"
		  "[step.clean]\ncmd = c\nin = raw.csv\nout = clean\n");
	assert_graph("clean\na <- clean\nb <- clean\npick <- a, b\n");
	assert_ptr_equal(node("clean"), &plan->nodes[0]);
	assert_int_equal(node("clean")->nfeeds, 2);
	assert_ptr_equal(node("clean")->feeds[0], node("a"));
	assert_list(&node("b")->inputs, "clean/x.csv");
	assert_list(&node("pick")->inputs, "models/a models/b");
	assert_ptr_equal(plan_maker(plan, "clean/deep/er.csv"), node("clean"));
	assert_ptr_equal(plan_maker(plan, "models/a"), node("a"));
	assert_null(plan_maker(plan, "models"));
	assert_null(plan_maker(plan, "clean2"));
}

static void an_output_inside_an_input_directory_comes_first(void **state)
{
	(void)state;
	make_plan("[step.use]\ncmd = u\nin = data\n"
		  "[step.make]\ncmd = m\nout = data/deep/x.csv\n"
		  "[step.other]\ncmd = o\nout = data-2/x.csv\n");
	assert_graph("make\nuse <- make\nother\n");
}

static void order_is_that_of_the_file_among_equals(void **state)
{
	(void)state;
	make_plan("[step.z]\ncmd = x\n[step.y]\ncmd = x\nafter = b\n[step.b]\ncmd = x\n[step.a]\ncmd = x\nafter = z\n");
	assert_graph("z\nb\ny <- b\na <- z\n");
	assert_ptr_equal(node("y")->needs[0], node("b"));
}

static void edges_count_once(void **state)
{
	(void)state;
	make_plan("[step.a]\ncmd = x\nout = o/1, o/2\n[step.b]\ncmd = x\nin = o, o/1, o/2, o/*\nafter = a\n");
	assert_int_equal(node("b")->nneeds, 1);
	assert_int_equal(node("a")->nfeeds, 1);
	assert_list(&node("b")->inputs, "o o/1 o/2");
}

static void a_node_carries_what_the_step_declares(void **state)
{
	CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;
	struct plan_node *n;

	(void)state;
	touch("in.csv");
	make_plan("[pipeline]\nenv = B=1, A=2\n"
		  "[params]\nlr = 0.1\ntrain.n = 3\ntrain.m = 4\nname = best\nunused = 9\n"
		  "[step.s]\ncmd = py --lr ${params.lr} --out ${out} ${env.A} ${run.id}\nin = in.csv\n"
		  "out = models/${params.name}\nmetrics = m.json\nplots = a.csv x=e\nparams = train.*\n"
		  "env = A=${env.B}0, C=${step}\n");
	n = node("s");
	assert_list(&n->argv, "py --lr 0.1 --out models/best 10 ${run.id}");
	assert_list(&n->env, "A=10 B=1 C=s");
	assert_int_equal(n->noutputs, 3);
	assert_string_equal(n->outputs[0].path, "a.csv");
	assert_int_equal(n->outputs[0].use, OUT_PLOTS);
	assert_string_equal(n->outputs[1].path, "m.json");
	assert_int_equal(n->outputs[1].use, OUT_METRICS);
	assert_string_equal(n->outputs[2].path, "models/best");
	assert_int_equal(n->outputs[2].use, OUT_DATA);
	js_dump(n->params, JS_COMPACT, &json);
	assert_string_equal(json.buf, "{\"lr\":0.1,\"name\":\"best\",\"train.m\":4,\"train.n\":3}");
	strbuf_clear(&json);
	js_dump(n->params_file, JS_COMPACT, &json);
	assert_string_equal(json.buf, "{\"train\":{\"m\":4,\"n\":3}}");
}

static void params_may_be_keys_groups_and_patterns(void **state)
{
	static const char text[] = "[params]\na = 1\nab.c = 2\nab.d.e = 3\nabc = 4\n[step.s]\ncmd = x\nparams = %s\n";
	static const struct {
		const char *wanted, *got;
	} cases[] = {
		{ "a", "{\"a\":1}" },
		{ "ab", "{\"ab.c\":2,\"ab.d.e\":3}" },
		{ "ab.*", "{\"ab.c\":2,\"ab.d.e\":3}" },
		{ "ab*", "{\"ab.c\":2,\"ab.d.e\":3,\"abc\":4}" },
		{ "*", "{\"a\":1,\"ab.c\":2,\"ab.d.e\":3,\"abc\":4}" },
		{ "?b?", "{\"abc\":4}" },
		{ "abc, a, a", "{\"a\":1,\"abc\":4}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(cleanup_free) char *ini = xasprintf(text, cases[i].wanted);
		CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;
		make_plan(ini);
		js_dump(node("s")->params, JS_COMPACT, &json);
		assert_string_equal(json.buf, cases[i].got);
	}
	assert_refused("[params]\nlr = 1\n[step.s]\ncmd = x\nparams = lr\n  rl\n", "p.ini:6:3",
		       "step s: no param matches 'rl'", "did you mean 'lr'?");
	assert_refused("[params]\nlr = 1\n[step.s]\ncmd = x\nparams = train.*\n", "p.ini:5:10",
		       "no param matches 'train.*'", "");
}

static void globs_match_outputs_and_source_files(void **state)
{
	(void)state;
	touch("metrics/by-hand.json");
	touch("metrics/.hidden.json");
	touch("metrics/note.txt");
	touch("metrics/sub/deep.json");
	make_plan("[step.pick]\ncmd = p\nin = metrics/*.json\n"
		  "[step.a]\ncmd = a\nmetrics = metrics/a.json\n[step.b]\ncmd = b\nmetrics = metrics/b.json\n");
	assert_list(&node("pick")->inputs, "metrics/a.json metrics/b.json metrics/by-hand.json");
	assert_graph("a\nb\npick <- a, b\n");
}

static void a_plan_is_the_same_before_and_after_a_run(void **state)
{
	static const char text[] = "[step.pick]\ncmd = p\nin = models/*\n[step.a]\ncmd = a\nout = models/a\n"
				   "[step.b]\ncmd = b\nout = models/deep/b\n";

	(void)state;
	make_plan(text);
	assert_list(&node("pick")->inputs, "models/a models/deep");
	assert_graph("a\nb\npick <- a, b\n");
	touch("models/a/weights");
	touch("models/deep/b");
	strlist_push(&once_made, "models/a");
	strlist_push(&once_made, "models/deep/b");
	make_plan(text);
	assert_list(&node("pick")->inputs, "models/a models/deep");
	assert_int_equal(node("pick")->leftovers.len, 0);
}

static void leftovers_are_ignored_and_named(void **state)
{
	static const char text[] = "[step.pick]\ncmd = p\nin = models/*\n[step.a]\ncmd = a\nout = models/a\n";

	(void)state;
	touch("models/old/weights");
	touch("models/gone.bin");
	touch("models/mine.bin");
	strlist_push(&once_made, "models/old");
	strlist_push(&once_made, "models/gone.bin");
	strlist_push(&once_made, "models/a");
	strlist_push(&once_made, "models/absent");
	make_plan(text);
	assert_list(&node("pick")->inputs, "models/a models/mine.bin");
	assert_list(&node("pick")->leftovers, "models/gone.bin models/old");
	assert_refused("[step.pick]\ncmd = p\nin = models/g*\n", "p.ini:3:6", "but left-overs of steps", "");
}

static void stars_follow_directories(void **state)
{
	(void)state;
	touch("src/a.py");
	touch("src/deep/er/b.py");
	touch("src/deep/c.txt");
	touch("src/__pycache__/x.py");
	touch("src/.git/x.py");
	touch("src/x.pyc");
	touch("ignored/x.py");
	assert_return_code(io_replace_file(rootfd, ".mlopsignore", "ignored\n", 8, 0644, false, NULL), 0);
	make_plan("[step.s]\ncmd = x\nin = src/**\n");
	assert_list(&node("s")->inputs, "src/a.py src/deep/c.txt src/deep/er/b.py");
	make_plan("[step.s]\ncmd = x\nin = **/*.py\n");
	assert_list(&node("s")->inputs, "src/a.py src/deep/er/b.py");
	make_plan("[step.s]\ncmd = x\nin = src/*/c.txt, s*/?.py\n");
	assert_list(&node("s")->inputs, "src/a.py src/deep/c.txt");
	make_plan("[step.s]\ncmd = x\nin = src/*\n");
	assert_list(&node("s")->inputs, "src/a.py src/deep");
	assert_refused("[step.s]\ncmd = x\nin = src/*.md\n", "p.ini:3:6", "pattern 'src/*.md' matches no output and no file",
		       "");
	assert_refused("[step.s]\ncmd = x\nin = nothere/*.md\n", "p.ini:3:6", "matches no output and no file", "");
}

static void a_glob_does_not_look_into_outputs(void **state)
{
	(void)state;
	touch("clean/part.csv");
	assert_refused("[step.a]\ncmd = x\nout = clean\n[step.b]\ncmd = x\nin = clean/*.csv\n", "p.ini:6:6",
		       "pattern 'clean/*.csv' looks inside 'clean', which step a makes as a whole", "in = clean");
	touch("other/x.csv");
	make_plan("[step.a]\ncmd = x\nout = clean\n[step.b]\ncmd = x\nin = */*.csv\n");
	assert_list(&node("b")->inputs, "other/x.csv");
}

static void cycles_are_printed(void **state)
{
	(void)state;
	assert_refused("[step.c]\ncmd = x\nafter = z\n[step.z]\ncmd = x\nin = c.out, a.out\nout = z.out\n"
		       "[step.a]\ncmd = x\nin = b.out\nout = a.out\n[step.b]\ncmd = x\nin = z.out\nout = b.out\n"
		       "[step.m]\ncmd = x\nout = c.out\n",
		       "p.ini:4:2", "steps wait for each other: z -> b -> a -> z", "a -> b");
	assert_refused("[step.a]\ncmd = x\nafter = b\n[step.b]\ncmd = x\nafter = a\n", "p.ini:1:2", "a -> b -> a", "");
	assert_refused("[step.a]\ncmd = x\nafter = a\n", "p.ini:3:9", "step a: it cannot come after itself", "");
}

static void a_long_cycle_is_cut(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	for (int i = 0; i < 3000; i++)
		strbuf_printf(&text, "[step.s%d]\ncmd = x\nafter = s%d\n", i, (i + 2999) % 3000);
	assert_refused(text.buf, "p.ini:1:2", "s0 -> s1 -> s2", "");
	assert_contains(error.msg, "s11 -> ... -> s0");
}

static void outputs_may_not_overlap(void **state)
{
	(void)state;
	assert_refused("[step.a]\ncmd = x\nout = m\n[step.b]\ncmd = x\nmetrics = ./m/\n", "p.ini:6:11",
		       "step b: output 'm' is made by step a too", "");
	assert_refused("[step.a]\ncmd = x\nout = m, n, m\n", "p.ini:3:13", "output 'm' is named twice", "");
	assert_refused("[step.a]\ncmd = x\nout = m/deep/x\n[step.b]\ncmd = x\nout = m-2\n  m\n", "p.ini:3:7",
		       "step a: output 'm/deep/x' lies inside 'm', which is an output of step b", "");
	make_plan("[step.a]\ncmd = x\nout = m, m-2, m2/x\n");
}

static void own_inputs_and_outputs_may_not_overlap(void **state)
{
	(void)state;
	touch("data/x.csv");
	assert_refused("[step.a]\ncmd = x\nin = data\nout = data/y\n", "p.ini:3:6",
		       "step a: its output 'data/y' lies inside its own input 'data'", "");
	assert_refused("[step.a]\ncmd = x\nin = o\nout = o\n", "p.ini:3:6", "input 'o' is one of its own outputs", "");
	assert_refused("[step.a]\ncmd = x\nin = o/y\nout = o\n", "p.ini:3:6", "input 'o/y' is inside one of its own outputs",
		       "");
	assert_refused("[step.a]\ncmd = x\nin = *.json\nmetrics = m.json\n", "p.ini:3:6",
		       "input 'm.json' is one of its own outputs", "");
	assert_refused("[step.a]\ncmd = x\nin = .\nout = o\n", "p.ini:3:6", "lies inside its own input '.'", "");
}

static void paths_stay_in_the_project(void **state)
{
	static const struct {
		const char *line, *message;
	} bad[] = {
		{ "in = /etc/passwd", "/etc/passwd is absolute" },
		{ "in = ../x", "../x leaves the project" },
		{ "in = a/../../x", "leaves the project" },
		{ "out = /tmp/x", "is absolute" },
		{ "in = ${params.up}", "leaves the project" },
		{ "out = ${params.root}", "is absolute" },
		{ "out = a/${run.id}", "${run.id} in a path" },
		{ "out = ${params.empty}", "is empty once expanded" },
		{ "out = .", "the project itself cannot be an output" },
		{ "out = a/..", "the project itself cannot be an output" },
		{ "out = .mlops/x", "belongs to mlops" },
		{ "in = .git/config", "belongs to git" },
		{ "out = sub/.Git", "belongs to git" },
		{ "out = p.ini", "would replace p.ini" },
		{ "out = mlops.lock", "would replace mlops.lock" },
		{ "out = models/*", "is a pattern" },
		{ "in = ${out}", "${out} is known in 'cmd' only" },
		{ "in = $HOME/x", "stands for nothing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(cleanup_free) char *text = xasprintf(
			"[params]\nup = ../x\nroot = /x\nempty = \"\"\n[step.a]\ncmd = x\n%s\n", bad[i].line);
		CLEANUP(cleanup_free) char *where = xasprintf("p.ini:7:%d", bad[i].line[0] == 'i' ? 6 : 7);
		assert_refused(text, where, bad[i].message, "");
	}
}

static void long_paths_are_refused(void **state)
{
	CLEANUP(cleanup_free) char *longest = xasprintf("[step.a]\ncmd = x\nout = %0255d\n", 1);
	CLEANUP(cleanup_free) char *name = xasprintf("[step.a]\ncmd = x\nout = d/%0256d\n", 1);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	make_plan(longest);
	assert_refused(name, "p.ini:3:7", "has a name longer than 255 bytes", "");
	strbuf_puts(&text, "[step.a]\ncmd = x\nout = a");
	for (int i = 0; i < 500; i++)
		strbuf_puts(&text, "/a");
	strbuf_putc(&text, '\n');
	assert_refused(text.buf, "p.ini:3:7", "is longer than 1000 bytes", "");
}

static void inputs_must_be_there_and_be_files(void **state)
{
	(void)state;
	touch("real.csv");
	assert_return_code(mkfifoat(rootfd, "pipe", 0644), 0);
	assert_return_code(symlinkat("/etc/passwd", rootfd, "escape"), 0);
	assert_return_code(symlinkat("real.csv", rootfd, "inside"), 0);
	assert_return_code(symlinkat("gone", rootfd, "dangling"), 0);
	make_plan("[step.a]\ncmd = x\nin = real.csv, inside\n");
	assert_refused("[step.a]\ncmd = x\nout = clean/x.csv\n[step.b]\ncmd = x\nin = clean/x.cvs\n", "p.ini:6:6",
		       "step b: input 'clean/x.cvs' does not exist, and no step makes it", "did you mean 'clean/x.csv'?");
	assert_refused("[step.a]\ncmd = x\nin = nope\n", "p.ini:3:6", "'nope' does not exist", "put it there");
	assert_refused("[step.a]\ncmd = x\nin = dangling\n", "p.ini:3:6", "'dangling' does not exist", "");
	assert_refused("[step.a]\ncmd = x\nin = pipe\n", "p.ini:3:6", "'pipe' is a FIFO", "");
	assert_refused("[step.a]\ncmd = x\nin = pip*\n", "p.ini:3:6", "pattern 'pip*' matches 'pipe', a FIFO", "");
	assert_int_equal(try_plan("[step.a]\ncmd = x\nin = escape\n"), -1);
	assert_contains(error.msg, "escape");
	assert_string_equal(error.where, "p.ini:3:6");
}

static void unknown_steps_get_the_nearest_right_one(void **state)
{
	(void)state;
	assert_refused("[step.prepare]\ncmd = x\n[step.b]\ncmd = x\nafter = prepar\n", "p.ini:5:9",
		       "'after' names an unknown step 'prepar'", "did you mean 'prepare'?");
}

static void errors_in_commands_are_placed_on_their_line(void **state)
{
	(void)state;
	assert_refused("[step.a]\ncmd = x --a 1 \\\n      --b ${params.no}\n", "p.ini:3:11", "step a: unknown param 'no'", "");
	assert_refused("[step.a]\ncmd = x | y\n", "p.ini:2:9", "unquoted |", "sh -c 'x | y'");
	assert_refused("[pipeline]\nenv = A=${env.B}\n[step.a]\ncmd = x\n", "p.ini:2:9", "${env.B} is not declared", "");
}

static void selection_follows_the_graph(void **state)
{
	static const struct {
		const char *name;
		enum select_mode mode;
		const char *want;
	} cases[] = {
		{ NULL, SELECT_UP_TO, "a b c d e" },   { "c", SELECT_UP_TO, "a b c" },   { "c", SELECT_ONLY, "c" },
		{ "b", SELECT_DOWNSTREAM, "b c d" },   { "[ae]", SELECT_ONLY, "a e" },	 { "*", SELECT_DOWNSTREAM, "a b c d e" },
	};

	(void)state;
	make_plan("[step.d]\ncmd = x\nafter = c\n[step.a]\ncmd = x\n[step.b]\ncmd = x\n[step.e]\ncmd = x\n"
		  "[step.c]\ncmd = x\nafter = a, b\n");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
		CLEANUP(strlist_release) struct strlist got = STRLIST_INIT;
		if (cases[i].name)
			strlist_push(&names, cases[i].name);
		assert_return_code(plan_select(plan, &names, cases[i].mode, &error), 0);
		for (size_t k = 0; k < plan->len; k++)
			if (plan->nodes[k].selected)
				strlist_push(&got, plan->nodes[k].name);
		strlist_sort(&got);
		assert_list(&got, cases[i].want);
	}
}

static void selecting_an_unknown_step_is_not_found(void **state)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	(void)state;
	make_plan("[step.train]\ncmd = x\n");
	strlist_push(&names, "tran");
	assert_int_equal(plan_select(plan, &names, SELECT_ONLY, &error), -1);
	assert_int_equal(error.code, ERR_NOT_FOUND);
	assert_contains(error.msg, "no step 'tran' in p.ini");
	assert_contains(error.help, "did you mean 'train'?");
}

static void graphs_are_drawn(void **state)
{
	CLEANUP_STRBUF struct strbuf dot = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf mermaid = STRBUF_INIT;

	(void)state;
	make_plan("[step.end]\ncmd = x\n[step.b]\ncmd = x\nafter = end\n");
	plan_draw(plan, PLAN_DOT, &dot);
	assert_string_equal(dot.buf, "digraph \"p\" {\n\trankdir=LR;\n\tnode [shape=box];\n\t\"end\";\n\t\"b\";\n"
				     "\t\"end\" -> \"b\";\n}\n");
	plan_draw(plan, PLAN_MERMAID, &mermaid);
	assert_string_equal(mermaid.buf, "flowchart LR\n    n0[\"end\"]\n    n1[\"b\"]\n    n0 --> n1\n");
}

static void ten_thousand_steps_make_a_plan(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	for (int i = 9999; i >= 0; i--) {
		strbuf_printf(&text, "[step.s%d]\ncmd = x\nout = o/%d\n", i, i);
		if (i)
			strbuf_printf(&text, "in = o/%d\n", i - 1);
	}
	make_plan(text.buf);
	assert_int_equal(plan->len, 10000);
	for (size_t i = 1; i < plan->len; i++)
		assert_ptr_equal(plan->nodes[i].needs[0], &plan->nodes[i - 1]);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(outputs_feed_the_inputs_that_name_them),
		CASE(an_output_inside_an_input_directory_comes_first),
		CASE(order_is_that_of_the_file_among_equals),
		CASE(edges_count_once),
		CASE(a_node_carries_what_the_step_declares),
		CASE(params_may_be_keys_groups_and_patterns),
		CASE(globs_match_outputs_and_source_files),
		CASE(a_plan_is_the_same_before_and_after_a_run),
		CASE(leftovers_are_ignored_and_named),
		CASE(stars_follow_directories),
		CASE(a_glob_does_not_look_into_outputs),
		CASE(cycles_are_printed),
		CASE(a_long_cycle_is_cut),
		CASE(outputs_may_not_overlap),
		CASE(own_inputs_and_outputs_may_not_overlap),
		CASE(paths_stay_in_the_project),
		CASE(long_paths_are_refused),
		CASE(inputs_must_be_there_and_be_files),
		CASE(unknown_steps_get_the_nearest_right_one),
		CASE(errors_in_commands_are_placed_on_their_line),
		CASE(selection_follows_the_graph),
		CASE(selecting_an_unknown_step_is_not_found),
		CASE(graphs_are_drawn),
		CASE(ten_thousand_steps_make_a_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
