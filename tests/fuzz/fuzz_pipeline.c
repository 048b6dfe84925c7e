/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a pipeline: read, its matrices expanded, planned in an empty directory, drawn and keyed; and the
 * same text as a command. What is accepted must hold what headers promise.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/expand.h"
#include "pipeline/grammar.h"
#include "pipeline/key.h"
#include "pipeline/matrix.h"
#include "pipeline/plan.h"
#include "pipeline/problems.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A directory that is gone already: empty for good, and nothing to remove. */
static int empty_dir(void)
{
	static int fd = -1;
	char path[] = "/tmp/mlops-fuzz-XXXXXX";

	if (fd >= 0)
		return fd;
	if (!mkdtemp(path))
		abort();
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || rmdir(path) < 0)
		abort();
	return fd;
}

static void require(int truth)
{
	if (!truth)
		abort();
}

static void check_node(const struct plan *plan, const struct plan_node *node)
{
	struct key_facts facts = { .node = node, .platform = "linux/x86_64" };
	CLEANUP_JS struct js *record = key_record(&facts);
	CLEANUP(strlist_release) struct strlist lines = STRLIST_INIT;
	struct digest key;

	require(node->argv.len > 0 && *node->argv.items[0]);
	for (size_t i = 0; i < node->nneeds; i++)
		require(node->needs[i] < node);
	for (size_t i = 0; i < node->nfeeds; i++)
		require(node->feeds[i] > node);
	for (size_t i = 0; i < node->noutputs; i++)
		require(plan_maker(plan, node->outputs[i].path) == node);
	for (size_t i = 1; i < node->inputs.len; i++)
		require(strcmp(node->inputs.items[i - 1], node->inputs.items[i]) < 0);
	key_of(&facts, &key);
	key_explain(record, record, &lines);
	require(lines.len == 0);
}

static void check_plan(const struct pipeline *pipeline)
{
	CLEANUP(cleanup_plan) struct plan *plan = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct error err = { 0 };

	if (plan_make(empty_dir(), pipeline, NULL, &plan, &err) < 0) {
		require(err.code && *err.msg && *err.where && !strchr(err.msg, '\n'));
		return;
	}
	for (size_t i = 0; i < plan->len; i++)
		check_node(plan, &plan->nodes[i]);
	plan_draw(plan, PLAN_DOT, &text);
}

/* What one step's axes become: as many rows as names, each value on its axis, no name twice. */
static void check_matrix(const struct pipeline *pipeline, const struct step *step)
{
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	struct matrix matrix CLEANUP(matrix_release) = { 0 };
	struct strmap names CLEANUP(strmap_release) = STRMAP_INIT;

	if (matrix_expand(step, pipeline->params, "p.ini", &problems, &matrix) < 0) {
		require(problems.count > 0);
		return;
	}
	require(!problems.count && matrix.naxes == step->naxes && matrix.len <= MATRIX_MAX);
	require(matrix.keys.len == matrix.len && (!step->naxes || matrix.len));
	for (size_t row = 0; row < matrix.len; row++) {
		const char *key = matrix.keys.items[row];
		require(*key && *key != '.' && !strpbrk(key, "/\n@"));
		require(strlen(step->name) + 1 + strlen(key) <= INSTANCE_NAME_BYTES);
		require(!strmap_set(&names, key, &names));
		for (size_t axis = 0; axis < matrix.naxes; axis++)
			require(*matrix_value(&matrix, row, axis));
	}
}

static void check_command(const char *text)
{
	CLEANUP_JS struct js *params = js_object();
	struct strlist outs = STRLIST_INIT, argv = STRLIST_INIT;
	size_t offset = SIZE_MAX;
	struct expand_scope scope = { .params = params, .outs = &outs, .step = "s", .ret_offset = &offset };
	struct error err = { 0 };

	if (expand_command(&scope, text, &argv, &err) < 0)
		require(err.code && *err.msg && offset <= strlen(text));
	else
		require(argv.len > 0);
	strlist_release(&argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	struct error err = { 0 };

	check_command(text);
	if (pipeline_parse((const char *)data, size, "p.ini", NULL, NULL, &pipeline, &err) < 0)
		require(err.code && *err.msg && *err.where && !strchr(err.msg, '\n'));
	else
		check_plan(pipeline);
	for (size_t i = 0; pipeline && i < pipeline->nsteps; i++)
		check_matrix(pipeline, &pipeline->steps[i]);
	return 0;
}
