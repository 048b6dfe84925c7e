/* SPDX-License-Identifier: Apache-2.0 */
/* Plans with instances of a matrix, and with the keys that only a plan understands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/problems.h"

static struct error error;
static char root[64];
static int rootfd;
static struct pipeline *pipeline;
static struct plan *plan;

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
	close(rootfd);
	return fs_remove_tree(AT_FDCWD, root, NULL);
}

static void put(const char *path, const char *text)
{
	assert_return_code(fs_make_parents(rootfd, path, 0755, &error), 0);
	assert_return_code(io_replace_file(rootfd, path, text, strlen(text), 0644, false, &error), 0);
}

static int try_plan(const char *text)
{
	drop_plan();
	error_clear(&error);
	if (pipeline_parse(text, strlen(text), "p.ini", NULL, NULL, &pipeline, &error) < 0)
		fail_msg("does not parse: %s: %s", error.where, error.msg);
	return plan_make(rootfd, pipeline, NULL, &plan, &error);
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

struct refused {
	const char *text, *where, *message, *help;
};

static void assert_refused(const struct refused *bad)
{
	if (!try_plan(bad->text))
		fail_msg("accepted: %s", bad->text);
	if (strcmp(error.where, bad->where) != 0)
		fail_msg("%s: %s, not %s: %s", bad->text, error.where, bad->where, error.msg);
	assert_int_equal(error.code, ERR_USAGE);
	assert_contains(error.msg, bad->message);
	assert_contains(error.help, bad->help);
}

static struct plan_node *node(const char *name)
{
	struct plan_node *found = strmap_get(&plan->by_name, name);

	if (!found)
		fail_msg("no node %s", name);
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

#define TRAIN                                                                                                          \
	"[step.train]\nmatrix.model = xgb, mlp\nmatrix.seed = 1..2\ncmd = train ${matrix.model} ${step} ${out}\n"          \
	"out = models/${matrix.key}\nmetrics = m/${matrix.key}.json\n"

static void each_combination_is_a_node(void **state)
{
	(void)state;
	make_plan("[params]\nlr = 1\n[step.prep]\ncmd = p\nout = data\n" TRAIN
		  "in = data\nenv = M=${matrix.seed}\nparams = lr\n[step.pick]\ncmd = p\nin = models/*\n");
	assert_graph("prep\ntrain@xgb-1 <- prep\ntrain@xgb-2 <- prep\ntrain@mlp-1 <- prep\ntrain@mlp-2 <- prep\n"
		     "pick <- train@xgb-1, train@xgb-2, train@mlp-1, train@mlp-2\n");
	assert_list(&node("train@mlp-2")->argv, "train mlp train@mlp-2 models/mlp-2");
	assert_list(&node("train@mlp-2")->env, "M=2");
	assert_list(&node("train@mlp-2")->inputs, "data");
	assert_string_equal(js_get_str(node("train@mlp-2")->matrix, "model"), "mlp");
	assert_int_equal(js_len(node("train@mlp-2")->matrix), 2);
	assert_null(node("prep")->matrix);
	assert_ptr_equal(node("train@mlp-2")->params, node("train@xgb-1")->params);
	assert_ptr_equal(plan_maker(plan, "m/xgb-2.json"), node("train@xgb-2"));
}

static void a_step_takes_all_instances_or_the_matching_one(void **state)
{
	(void)state;
	make_plan(TRAIN "[step.score]\nmatrix.model = xgb, mlp\nmatrix.seed = 1..2\ncmd = s\nin = models/${matrix.key}\n"
			"out = s/${matrix.key}\n"
			"[step.one]\ncmd = x\nafter = train@mlp-2\n"
			"[step.some]\ncmd = x\nafter = train@xgb-*\n"
			"[step.all]\ncmd = x\nafter = train\n"
			"[step.same]\nmatrix.k = xgb-1, mlp-2\ncmd = x\nafter = score@${matrix.k}\n");
	assert_graph("train@xgb-1\ntrain@xgb-2\ntrain@mlp-1\ntrain@mlp-2\n"
		     "score@xgb-1 <- train@xgb-1\nscore@xgb-2 <- train@xgb-2\nscore@mlp-1 <- train@mlp-1\n"
		     "score@mlp-2 <- train@mlp-2\n"
		     "one <- train@mlp-2\nsome <- train@xgb-1, train@xgb-2\n"
		     "all <- train@xgb-1, train@xgb-2, train@mlp-1, train@mlp-2\n"
		     "same@xgb-1 <- score@xgb-1\nsame@mlp-2 <- score@mlp-2\n");
}

/* Names of the selected nodes, joined by blanks. */
static void assert_selected(const char *name, const char *want)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	struct strlist got CLEANUP(strlist_release) = STRLIST_INIT;

	strlist_push(&names, name);
	if (plan_select(plan, &names, SELECT_ONLY, &error) < 0)
		fail_msg("%s: %s", name, error.msg);
	for (size_t i = 0; i < plan->len; i++)
		if (plan->nodes[i].selected)
			strlist_push(&got, plan->nodes[i].name);
	assert_list(&got, want);
}

static void steps_and_patterns_select_instances(void **state)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;

	(void)state;
	make_plan(TRAIN "[step.trains]\ncmd = x\n");
	assert_selected("train", "train@xgb-1 train@xgb-2 train@mlp-1 train@mlp-2");
	assert_selected("train@xgb-*", "train@xgb-1 train@xgb-2");
	assert_selected("*@*-2", "train@xgb-2 train@mlp-2");
	assert_selected("tr??n", "train@xgb-1 train@xgb-2 train@mlp-1 train@mlp-2");
	assert_selected("trains", "trains");
	strlist_push(&names, "train@xgb-3");
	assert_int_equal(plan_select(plan, &names, SELECT_ONLY, &error), -1);
	assert_int_equal(error.code, ERR_NOT_FOUND);
	assert_contains(error.help, "did you mean 'train@xgb-");
	strlist_release(&names);
	strlist_push(&names, "trian");
	assert_int_equal(plan_select(plan, &names, SELECT_ONLY, &error), -1);
	assert_contains(error.help, "did you mean 'train'?");
}

static void mistakes_of_instances_are_told(void **state)
{
	static const struct refused bad[] = {
		{ "[step.a]\nmatrix.x = 1..3\ncmd = c\nout = o\n", "p.ini:4:7", "output 'o' is made by step a@1 too",
		  "${matrix.key}" },
		{ "[step.a]\nmatrix.x = 1, 2\nmatrix.y = 1, 2\ncmd = c\nout = o/${matrix.x}\n", "p.ini:5:7",
		  "output 'o/1' is made by step a@1-1 too", "" },
		{ "[step.a]\nmatrix.x = 1..3\ncmd = c\nout = o/${matrix.y}\n", "p.ini:4:9", "unknown axis 'y'", "did you mean ${matrix.x}?" },
		{ "[step.a]\ncmd = c ${matrix.x}\n", "p.ini:2:9", "in a step without a matrix", "matrix.x = VALUES" },
		{ "[step.a]\nmatrix.x = 1\ncmd = sh -c 'echo ${matrix.x}'\n", "p.ini:3:19", "read as shell code",
		  "$MLOPS_MATRIX_X" },
		{ "[step.a]\nmatrix.x = 1..10001\ncmd = c\n", "p.ini:2:1", "step a: its matrix has 10001", "" },
		{ "[step.a]\nmatrix.x = 1..6000\ncmd = c\n[step.b]\nmatrix.x = 1..6000\ncmd = c\n", "p.ini:4:2",
		  "all steps together have 12000 instances; at most 10000", "" },
		{ "[step.a]\nmatrix.x = 1..3\ncmd = c\n[step.b]\ncmd = d\nafter = a@4\n", "p.ini:6:9",
		  "'after' names 'a@4', which no instance of step a is", "did you mean 'a@1'?" },
		{ "[step.a]\nmatrix.x = 1..3\ncmd = c\n[step.b]\ncmd = d\nafter = a@b*\n", "p.ini:6:9",
		  "'after' names 'a@b*', which no instance", "" },
		{ "[step.a]\nmatrix.x = 1..3\ncmd = c\nafter = a@1\n", "p.ini:4:9", "cannot come after itself", "" },
		{ "[step.a]\nmatrix.x = 1..3\ncmd = c\nafter = a\n", "p.ini:4:9", "cannot come after itself", "" },
		{ "[step.a]\nmatrix.x = 1, 2\ncmd = c\nout = o/${matrix.x}\nin = o\n", "p.ini:5:6",
		  "its output 'o/1' lies inside its own input 'o'", "" },
		{ "[step.a]\nmatrix.x = 1..1500\ncmd = c\n[step.b]\nmatrix.x = 1..1500\ncmd = c\nafter = a\n", "p.ini:4:2",
		  "need more than 1000000 instances of other steps", "${matrix.key}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_refused(&bad[i]);
}

static void ten_thousand_instances_share_what_is_equal(void **state)
{
	(void)state;
	make_plan("[params]\nlr = 1\n[step.p]\ncmd = p\nout = d\n"
		  "[step.a]\nmatrix.x = 1..10000\ncmd = c ${params.lr}\nin = d\nout = o/${matrix.x}\n");
	assert_int_equal(plan->len, 10001);
	assert_ptr_equal(node("a@1")->params, node("a@10000")->params);
	assert_ptr_equal(node("a@1")->inputs.items, node("a@10000")->inputs.items);
	assert_int_equal(node("p")->nfeeds, 10000);
}

/* ---- images ---- */

static void built_images_are_named(void **state)
{
	static const struct refused bad[] = {
		{ "[image.train]\ncontext = c\n[step.a]\ncmd = x\nimage = ${image.trian}\n", "p.ini:5:9",
		  "there is no section [image.trian]", "${image.train}" },
		{ "[step.a]\ncmd = x\nimage = ${image.zz}\n", "p.ini:3:9", "no section [image.zz]", "context = DIRECTORY" },
		{ "[image.t]\ncontext = c\n[step.a]\ncmd = x\nimage = ${image.t}:1\n", "p.ini:5:9", "stands alone", "" },
		{ "[image.t]\ncontext = c\n[step.a]\ncmd = x ${image.t}\n", "p.ini:4:9", "stands alone", "" },
		{ "[image.t]\ncontext = c\nargs = A=1, B=${params.no}\n[step.a]\ncmd = x\n", "p.ini:3:13",
		  "image t: unknown param 'no'", "" },
		{ "[image.t]\ncontext = ../c\n[step.a]\ncmd = x\n", "p.ini:2:11", "image t: ", "" },
		{ "[image.t]\ncontext = .mlops/secrets\n[step.a]\ncmd = x\n", "p.ini:2:11", "belongs to mlops", "" },
		{ "[image.t]\ncontext = .\nfile = .git/config\n[step.a]\ncmd = x\n", "p.ini:3:8", "belongs to git", "" },
		{ "[step.a]\ncmd = x\nshm = 1G\n", "p.ini:1:2", "shm= is for a step in a container", "add image=" },
		{ "[step.a]\ncmd = x\nuser = root\nimage = none\n", "p.ini:1:2", "user= is for a step in a container", "" },
		{ "[step.a]\ncmd = x ${secret.K}\n", "p.ini:2:9", "a secret is never part of a text", "secrets = K" },
	};

	(void)state;
	make_plan("[pipeline]\nimage = ${image.t}\n[image.t]\ncontext = c\n[step.a]\ncmd = x\nuser = root\n"
		  "[step.b]\ncmd = x\nimage = none\ngpu = 1\n[step.c]\nmatrix.v = 1, 2\ncmd = x\nimage = py:${matrix.v}\n");
	assert_string_equal(node("a")->image, "image.t");
	assert_ptr_equal(node("a")->build, &pipeline->images[0]);
	assert_null(node("b")->image);
	assert_string_equal(node("c@2")->image, "py:2");
	assert_null(node("c@2")->build);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_refused(&bad[i]);
}

/* ---- checkpoints ---- */

static void checkpoints_keep_apart(void **state)
{
	static const struct refused bad[] = {
		{ "[step.a]\ncmd = x\ncheckpoints = k, ./k/\n", "p.ini:3:18", "checkpoint 'k' is named twice", "" },
		{ "[step.a]\ncmd = x\ncheckpoints = k\n[step.b]\ncmd = x\ncheckpoints = k\n", "p.ini:6:15",
		  "checkpoint 'k' is that of step a too", "" },
		{ "[step.a]\nmatrix.x = 1, 2\ncmd = x\ncheckpoints = k\n", "p.ini:4:15", "is that of step a@1 too",
		  "ckpt/${matrix.key}" },
		{ "[step.a]\ncmd = x\ncheckpoints = k\n[step.b]\ncmd = x\ncheckpoints = k/b\n", "p.ini:6:15",
		  "checkpoint 'k/b' lies inside 'k', a checkpoint of step a", "" },
		{ "[step.a]\ncmd = x\ncheckpoints = k\nout = k\n", "p.ini:3:15", "checkpoint 'k' is 'k', an output of step a",
		  "directory of their own" },
		{ "[step.a]\ncmd = x\ncheckpoints = k\n[step.b]\ncmd = x\nout = k/o\n", "p.ini:3:15",
		  "checkpoint 'k' holds 'k/o', an output of step b", "" },
		{ "[step.a]\ncmd = x\nout = o\ncheckpoints = o/k\n", "p.ini:4:15", "lies inside 'o', an output of step a", "" },
		{ "[step.a]\ncmd = x\ncheckpoints = data/k\n[step.b]\ncmd = x\nin = data\n", "p.ini:3:15",
		  "checkpoint 'data/k' lies inside 'data', an input of step b", "" },
		{ "[step.a]\ncmd = x\ncheckpoints = data\n[step.b]\ncmd = x\nin = data/f\n", "p.ini:3:15",
		  "holds 'data/f', an input of step b", "" },
		{ "[step.a]\ncmd = x\ncheckpoints = k\n[step.b]\ncmd = x\nin = .\n", "p.ini:3:15",
		  "lies inside '.', an input of step b", "" },
		{ "[step.a]\ncmd = x\ncheckpoints = .\n", "p.ini:3:15", "the project itself cannot be a checkpoint", "" },
		{ "[step.a]\ncmd = x\ncheckpoints = k*\n", "p.ini:3:15", "checkpoint 'k*' is a pattern", "" },
		{ "[step.a]\ncmd = x\ncheckpoints = .git/k\n", "p.ini:3:15", "belongs to git", "" },
		{ "[step.a]\ncmd = x\ncheckpoints = p.ini\n", "p.ini:3:15", "checkpoint 'p.ini' would replace p.ini", "" },
		{ "[step.a]\ncmd = x\ncheckpoints = k/${run.id}\n", "p.ini:3:15", "another path each run", "" },
	};

	(void)state;
	put("data/f", "1");
	make_plan("[step.a]\nmatrix.x = 1, 2\ncmd = x\ncheckpoints = k/${matrix.key}/b, k/${matrix.key}/a\nout = o/${matrix.x}\n");
	assert_list(&node("a@2")->checkpoints, "k/2/a k/2/b");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_refused(&bad[i]);
}

/* ---- env_file ---- */

#define WITH_FILE "[pipeline]\nenv = A=pipeline, B=pipeline, C=pipeline\n[step.a]\ncmd = x ${env.B}\nenv_file = e.env\n"

static void an_env_file_stands_between_pipeline_and_step(void **state)
{
	(void)state;
	put("e.env", "\xef\xbb\xbf# comment\n\n  export B='file'\r\nC=file # kept ${params.x}\n\tD=\"a b\" \nE=\nF=\"odd'\n");
	make_plan(WITH_FILE "env = C=step, G=${env.D}\n");
	assert_list(&node("a")->env, "A=pipeline B=file C=step D=a b E= F=\"odd' G=a b");
	assert_list(&node("a")->argv, "x file");
	make_plan(WITH_FILE);
	assert_list(&node("a")->env, "A=pipeline B=file C=file # kept ${params.x} D=a b E= F=\"odd'");
}

static void bad_env_files_are_told_with_their_lines(void **state)
{
	static const struct {
		const char *text, *where, *message;
	} bad[] = {
		{ "A=1\nB\n", "e.env:2:1", "the line is not NAME=VALUE" },
		{ "A = 1\n", "e.env:1:1", "the line is not NAME=VALUE" },
		{ "export  1A=1\n", "e.env:1:9", "the line is not NAME=VALUE" },
		{ "=1\n", "e.env:1:1", "the line is not NAME=VALUE" },
		{ "\n MLOPS_RUN_ID=1\n", "e.env:2:2", "set by mlops" },
		{ "A=1\nB=2\nA=3\n", "e.env:3:1", "stands twice" },
		{ "A=\xff\n", "e.env:1:1", "not text in UTF-8" },
	};
	static const struct refused paths[] = {
		{ "[step.a]\ncmd = x\nenv_file = ../e\n", "p.ini:3:12", "step a: ", "" },
		{ "[step.a]\ncmd = x\nenv_file = ${params.x}\n", "p.ini:3:12", "'env_file' is a plain path", "" },
		{ "[step.a]\ncmd = x\nenv_file = dir\n", "p.ini:3:12", "env_file: dir is a directory", "NAME=VALUE lines" },
		{ "[step.a]\ncmd = x\nenv_file = big\n", "p.ini:3:12", "at most 1048576 are read", "" },
		{ "[step.a]\ncmd = x\nenv_file = good\n[step.b]\ncmd = x\nout = good\n", "p.ini:6:7",
		  "output 'good' would replace good", "" },
		{ "[step.a]\ncmd = x\nenv_file = good\nsecrets = TOKEN env\n", "p.ini:4:11", "secret 'TOKEN' would be the variable",
		  "take TOKEN out of env" },
	};
	CLEANUP(cleanup_free) char *big = xcalloc(1, (1 << 20) + 2);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct refused refused = { WITH_FILE, bad[i].where, bad[i].message, "" };
		put("e.env", bad[i].text);
		assert_refused(&refused);
	}
	memset(big, '#', (1 << 20) + 1);
	put("big", big);
	put("dir/x", "");
	put("good", "TOKEN=1\n");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_refused(&paths[i]);
	assert_int_equal(try_plan("[step.a]\ncmd = x\nenv_file = none\n"), -1);
	assert_int_equal(error.code, ERR_NOT_FOUND);
	assert_string_equal(error.where, "p.ini:3:12");
}

/* ---- when ---- */

#define METRIC "[step.t.x]\ncmd = t\nmetrics = t.json\n[step.t]\ncmd = t\nmetrics = u.json\n[step.n]\ncmd = t\n"

static void conditions_wait_for_the_metrics_they_name(void **state)
{
	struct when_name name;

	(void)state;
	make_plan("[params]\nlr = 0.1\n" METRIC "[step.g]\nmatrix.s = 1, 2\ncmd = g\nmetrics = g/${matrix.s}\n"
		  "[step.w]\nmatrix.m = a\ncmd = w\n"
		  "when = params.lr < 1 and git.branch == \"main\" and t.x.auc > 0.5 and ${g@2.deep.loss} < 3 and matrix.m == \"a\"\n");
	assert_graph("t.x\nt\nn\ng@1\ng@2\nw@a <- t.x, g@2\n");
	assert_non_null(node("w@a")->when);
	assert_null(node("t")->when);
	assert_return_code(plan_when_name(plan, node("w@a"), "t.x.auc", &name, &error), 0);
	assert_int_equal(name.kind, WHEN_METRIC);
	assert_ptr_equal(name.maker, node("t.x"));
	assert_string_equal(name.metric, "auc");
	assert_return_code(plan_when_name(plan, node("w@a"), "t.y.auc", &name, &error), 0);
	assert_ptr_equal(name.maker, node("t"));
	assert_string_equal(name.metric, "y.auc");
	assert_return_code(plan_when_name(plan, node("w@a"), "matrix.key", &name, &error), 0);
	assert_string_equal(name.text, "a");
	assert_return_code(plan_when_name(plan, node("w@a"), "params.lr", &name, &error), 0);
	assert_true(js_number(name.param) == 0.1);
}

static void conditions_name_only_what_there_is(void **state)
{
	static const struct {
		const char *when, *where, *message, *help;
	} bad[] = {
		{ "params.lr >", "p.ini:16:", "", "" },
		{ "params.rl > 1", "p.ini:16:8", "unknown param 'rl'", "did you mean params.lr?" },
		{ "true and params.l > 1", "p.ini:16:17", "params.l is a list", "" },
		{ "params.g > 1", "p.ini:16:8", "params.g is a group", "" },
		{ "matrix.x == \"1\"", "p.ini:16:8", "a step without a matrix", "matrix.x = VALUES" },
		{ "git.branch == main", "p.ini:16:22", "unknown name 'main'", "quotes: \"main\"" },
		{ "tt.auc > 1", "p.ini:16:8", "unknown name 'tt.auc'", "did you mean t.auc?" },
		{ "git.commit == \"1\"", "p.ini:16:8", "unknown name 'git.commit'", "git.branch" },
		{ "n.auc > 1", "p.ini:16:8", "step n has no metrics= that 'auc' could be in", "[step.n]" },
		{ "w.auc > 1", "p.ini:16:8", "is its own metric", "" },
		{ "m.auc > 1", "p.ini:16:8", "step m has a matrix", "${m@1.auc}" },
		{ "after.auc > 1", "p.ini:14:2", "steps wait for each other: w -> after -> w", "condition" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(cleanup_free) char *text = xasprintf(
			"[params]\nlr = 1\nl = [1]\ng.x = 1\n[step.t]\ncmd = t\nmetrics = u.json\n[step.n]\ncmd = t\n"
			"[step.m]\nmatrix.s = 1, 2\ncmd = x\nmetrics = m/${matrix.s}\n[step.w]\ncmd = w\nwhen = %s\n"
			"metrics = w.json\n[step.after]\ncmd = a\nin = w.json\nmetrics = a.json\n",
			bad[i].when);
		if (!try_plan(text))
			fail_msg("accepted: %s", bad[i].when);
		assert_contains(error.where, bad[i].where);
		assert_contains(error.msg, bad[i].message);
		assert_contains(error.help, bad[i].help);
	}
}

/* ---- all problems ---- */

/* LINE:COLUMN of all problems of a file, by place. */
static void assert_places(const char *text, const char *want)
{
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	struct strlist got CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_pipeline) struct pipeline *read = NULL;

	put("p.ini", text);
	pipeline_check(rootfd, "p.ini", &problems, &read);
	if (read)
		plan_check(rootfd, read, NULL, &problems);
	problems_sort(&problems);
	for (size_t i = 0; i < problems.len; i++)
		strlist_push_owned(&got, xasprintf("%d:%d", problems.items[i].at.line, problems.items[i].at.column));
	assert_list(&got, want);
}

static void every_mistake_is_told_once(void **state)
{
	(void)state;
	assert_places("[step.a]\ncmd = x\n", "");
	/* of several kinds, in several steps */
	assert_places("[step.a]\ncmd = x | y\nin = gone\nparams = q\nafter = zz\nwhen = 1 +\n[step.b]\ncmd = ${x}\n"
		      "after = a\n[model.m]\nfrom = x\nform = x\n",
		      "2:9 3:6 4:10 5:9 6:11 8:7 12:1");
	assert_places("[step.a]\ncmd = x |\nout = .git/a, ../b\nparams = q\n", "2:9 3:7 3:15 4:10");
	/* the same in every instance */
	assert_places("[step.a]\nmatrix.x = 1..100\ncmd = x ${y}\nout = o/${matrix.x}\nin = gone\n", "3:9 5:6");
	/* and in every step */
	assert_places("[pipeline]\nenv = A=${params.no}\n[step.a]\ncmd = x\n[step.b]\ncmd = x\n", "2:9");
}

static void what_follows_from_a_mistake_is_not_told(void **state)
{
	(void)state;
	/* b reads what a would make, and waits for its instances */
	assert_places("[step.a]\nmatrix.x = 3..1\ncmd = x\nout = o/${matrix.x}\nmetrics = m/${matrix.x}\n"
		      "[step.b]\ncmd = x\nin = o/1, o/*\nafter = a@1, a\nwhen = ${a@1.auc} > 1\n",
		      "2:12");
	assert_places("[step.a]\ncmd = x ${out}\nout = ../o\n[step.b]\ncmd = x\nin = o\n", "3:7");
	assert_places("[step.a]\ncmd = x ${env.A}\nenv = A=${params.no}\n", "3:9");
	/* a step whose section has mistakes */
	assert_places("[step.a]\ncmd = x ${out}\noutt = o\n[step.b]\ncmd = x\nin = o\n[step.c]\ncmd = y |\n", "3:1 8:9");
	/* nothing can be planned without params */
	assert_places("[pipeline]\nparams = gone.json\n[step.a]\ncmd = ${params.x}\n", "2:10");
	assert_places("[step.a\n", "1:1");
}

static void problems_beyond_what_is_kept_are_counted(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	struct pipeline *read = NULL;

	(void)state;
	strbuf_puts(&text, "[step.a]\ncmd = x\n");
	for (int i = 0; i < 3000; i++)
		strbuf_printf(&text, "key%d = 1\n", i);
	put("p.ini", text.buf);
	assert_int_equal(pipeline_check(rootfd, "p.ini", &problems, &read), -1);
	pipeline_free(read);
	assert_int_equal(problems.count, 3000);
	assert_int_equal(problems.len, PROBLEMS_MAX);
	assert_int_equal(problems_verdict(&problems, &error), -1);
	assert_contains(error.help, "2999 more problems in this file");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_combination_is_a_node),
		CASE(a_step_takes_all_instances_or_the_matching_one),
		CASE(steps_and_patterns_select_instances),
		CASE(mistakes_of_instances_are_told),
		CASE(ten_thousand_instances_share_what_is_equal),
		CASE(built_images_are_named),
		CASE(checkpoints_keep_apart),
		CASE(an_env_file_stands_between_pipeline_and_step),
		CASE(bad_env_files_are_told_with_their_lines),
		CASE(conditions_wait_for_the_metrics_they_name),
		CASE(conditions_name_only_what_there_is),
		CASE(every_mistake_is_told_once),
		CASE(what_follows_from_a_mistake_is_not_told),
		CASE(problems_beyond_what_is_kept_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
