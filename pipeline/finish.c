/* SPDX-License-Identifier: Apache-2.0 */
/* What an ended step left: its outputs and inputs as contents, its metrics, what it reported. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/engine.h"
#include "pipeline/grammar.h"
#include "registry/keys.h"
#include "registry/project.h"

#define POINTS_CHUNK (4u << 20)   /* bytes of $MLOPS_METRICS read at a time; no line is that long */
#define POINTS_MAX   (256u << 20) /* bytes of it that are read */

/* What the step left there is its failure; a disk or a store that fails is not. */
static int refuse_output(struct task *t, const char *path)
{
	if (t->err->code != ERR_ENV && t->err->code != ERR_DAMAGED)
		t->err->code = ERR_FAILED;
	if (!t->err->help[0])
		error_help(t->err, "make the command write a file or a directory to %s", path);
	return error_wrap(t->err, "step %s: output %s", t->node->name, path);
}

/* `rootfd` is where the step wrote: the project, or its work directory. */
static int finish_outputs(struct finishing *f, struct task *t, int rootfd)
{
	const struct plan_node *node = t->node;
	struct scanner scanner = f->scanner;

	scanner.rootfd = rootfd;
	t->outputs = xcalloc(node->noutputs, sizeof(*t->outputs));
	for (size_t i = 0; i < node->noutputs; i++) {
		const char *path = node->outputs[i].path;
		CLEANUP(tree_release) struct tree tree = TREE_INIT;
		if (scan_path(&scanner, path, &t->outputs[i], t->engine->tables ? &tree : NULL, t->err) < 0)
			return refuse_output(t, path);
		if (t->outputs[i].kind == CONTENT_ABSENT) {
			error_set(t->err, ERR_FAILED, "step %s ended well but did not write its output %s", node->name,
				  path);
			return error_help(t->err, "make the command write %s, or correct out= of [step.%s]", path,
					  node->step->name);
		}
		if (node->outputs[i].use == OUT_METRICS && t->outputs[i].kind == CONTENT_TREE)
			return error_set(t->err, ERR_FAILED, "step %s: metrics file %s is a directory", node->name, path);
		if (tables_finish(f, t, i, t->outputs[i].kind == CONTENT_TREE ? &tree : NULL) < 0)
			return -1;
	}
	return 0;
}

/* Inputs are stored here, after the step, so that what it read can be brought back. One that is not
 * what it was at the start makes the result true only once: it is kept, but never reused. */
static int finish_inputs(struct finishing *f, struct task *t)
{
	for (size_t i = 0; i < t->node->inputs.len; i++) {
		const char *path = t->node->inputs.items[i];
		struct content *now = strmap_get(&f->seen, path);
		if (!now) {
			now = xcalloc(1, sizeof(*now));
			strmap_set(&f->seen, path, now);
			if (scan_path(&f->scanner, path, now, NULL, t->err) < 0)
				return error_wrap(t->err, "step %s: input %s", t->node->name, path);
		}
		if (content_equal(now, &t->inputs[i]))
			continue;
		t->inputs_changed = true;
		js_set_bool(t->record, "inputs_changed", true);
		task_note(t, "input %s changed while it ran: its result is kept, but will not be reused", path);
	}
	return 0;
}

/* A name that MLflow does not allow costs that metric, not the step. */
static void drop_bad_names(struct task *t, struct metric_list *list)
{
	size_t kept = 0, dropped = 0;
	struct error first;

	for (size_t i = 0; i < list->len; i++) {
		struct error err;
		if (key_check("metric", list->items[i].key, &err) == 0) {
			list->items[kept++] = list->items[i];
			continue;
		}
		if (!dropped++)
			first = err;
		free(list->items[i].key);
	}
	list->len = kept;
	if (dropped > 1)
		task_note(t, "%s; it and %zu more metrics were not recorded", first.msg, dropped - 1);
	else if (dropped)
		task_note(t, "%s; it was not recorded", first.msg);
}

int finish_metrics(struct task *t, int rootfd, struct metric_list *ret, struct error *err)
{
	for (size_t i = 0; i < t->node->noutputs; i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		const char *path = t->node->outputs[i].path;
		if (t->node->outputs[i].use != OUT_METRICS)
			continue;
		if (io_read_file(rootfd, path, RESULTS_MAX_BYTES, &text, err) < 0 ||
		    results_parse_metrics(text.buf, text.len, path, ret, err) < 0) {
			if (err)
				err->code = ERR_FAILED;
			return error_wrap(err, "step %s", t->node->name);
		}
	}
	drop_bad_names(t, ret);
	return 0;
}

/* One piece of $MLOPS_METRICS from where the last one ended. Returns the bytes used, 0 at its end. */
static size_t read_piece(struct task *t, int fd, bool all, struct metric_list *ret)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct error bad;
	size_t used, read;
	ssize_t n;

	strbuf_reserve(&text, POINTS_CHUNK);
	n = pread(fd, text.buf, POINTS_CHUNK, t->points_read);
	if (n <= 0)
		return 0;
	text.len = read = (size_t)n;
	if (all && read < POINTS_CHUNK && text.buf[read - 1] != '\n')
		strbuf_putc(&text, '\n');
	t->points_bad += results_parse_lines(text.buf, text.len, "$MLOPS_METRICS", t->points_line + 1, ret, &used, &bad);
	if (t->points_bad && !t->points_why)
		t->points_why = xstrdup(bad.msg);
	t->points_over = (!used && read == POINTS_CHUNK) || t->points_read + (off_t)used > POINTS_MAX;
	if (t->points_over)
		task_note(t, "$MLOPS_METRICS is read to line %d: %s", t->points_line,
			  used ? "it is longer than 256 MiB" : "what follows is no line");
	for (size_t i = 0; i < used && i < read; i++)
		t->points_line += text.buf[i] == '\n';
	used = used < read ? used : read;
	t->points_read += (off_t)used;
	return used;
}

void finish_read_points(struct task *t, bool all, struct metric_list *ret)
{
	CLEANUP(cleanup_free) char *path = task_file(t, "metrics.jsonl");
	CLEANUP(cleanup_fd) int fd = fs_open_direct(t->engine->project->rootfd, path, O_RDONLY | O_NONBLOCK, 0, NULL);

	if (fd < 0 || t->points_over)
		return;
	while (read_piece(t, fd, all, ret) && all)
		;
	drop_bad_names(t, ret);
}

void finish_step(struct finishing *f, struct task *t, struct metric_list *points)
{
	CLEANUP(cleanup_fd) int workfd = -1;
	int rootfd;

	finish_read_points(t, true, points);
	if (t->points_bad)
		task_note(t, "%s; %zu lines of $MLOPS_METRICS were not recorded", t->points_why, t->points_bad);
	if (t->err->code || (t->container && container_finish(t, &workfd, t->err) < 0))
		return task_close_log(t);
	rootfd = t->container ? workfd : t->engine->project->rootfd;
	if (finish_outputs(f, t, rootfd) < 0 || finish_inputs(f, t) < 0)
		return task_close_log(t);
	finish_metrics(t, rootfd, &t->metrics, t->err);
	task_close_log(t);
}

void finishing_release(struct finishing *f)
{
	for (size_t i = 0; i < f->seen.len; i++)
		free(f->seen.entries[i].value);
	strmap_release(&f->seen);
}
