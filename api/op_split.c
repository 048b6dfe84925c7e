/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/ops.h"
#include "api/split_output.h"
#include "api/tables.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/split/split.h"

#define PIECE	  ((size_t)128 << 10)
#define SHARE_FAR 0.05 /* from what was asked: worth a warning */

static const char *const by_names[] = {
	[SPLIT_RANDOM] = "random", [SPLIT_GROUP] = "group", [SPLIT_STRATIFIED] = "stratified", [SPLIT_TIME] = "time",
};

static int read_options(const struct js *args, struct split_options *o, struct error *err)
{
	const char *by = js_get_str(args, "by"), *column = js_get_str(args, "column"), *parts = js_get_str(args, "parts");

	for (size_t i = 0; by && i < ARRAY_LEN(by_names); i++)
		if (!strcmp(by_names[i], by))
			o->by = (enum split_by)i;
	if (o->by == SPLIT_RANDOM && column) {
		error_set(err, ERR_USAGE, "--column %s says nothing when rows are split at random", column);
		return error_help(err, "add --by group, --by stratified or --by time");
	}
	if (o->by != SPLIT_RANDOM && !column) {
		error_set(err, ERR_USAGE, "--by %s needs a column", by_names[o->by]);
		return error_help(err, "add --column COLUMN");
	}
	o->column = column;
	o->seed = (uint64_t)js_get_int(args, "seed", 0);
	return js_get_bool(args, "check") ? 0 : split_parts_parse(parts ? parts : "train=0.8,test=0.2", o, err);
}

/* ---- the table ---- */

static int copy_stream(int from, int to, const char *name, struct error *err)
{
	CLEANUP(cleanup_free) char *piece = xmalloc(PIECE);
	ssize_t n;

	while ((n = read(from, piece, PIECE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot read %s", name);
		if (io_write_all(to, piece, (size_t)n, "a temporary file", err) < 0)
			return -1;
	}
	return 0;
}

/* It is read twice. */
static int make_seekable(struct table_input *in, struct error *err)
{
	CLEANUP(cleanup_fd) int copy = -1;
	struct stat st;

	if (!fstat(in->fd, &st) && S_ISREG(st.st_mode))
		return 0;
	copy = io_scratch(err);
	if (copy < 0 || copy_stream(in->fd, copy, in->name, err) < 0)
		return -1;
	if (lseek(copy, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "cannot read a temporary file");
	close(in->fd);
	in->fd = steal_fd(&copy);
	return 0;
}

static int open_single(struct op_context *ctx, const char *name, struct table_inputs *in, struct error *err)
{
	if (table_inputs_open(ctx, name, in, err) < 0)
		return -1;
	if (in->len == 1)
		return 0;
	error_set(err, ERR_USAGE, "%s is %zu tables", name, in->len);
	return error_help(err, "name one file of it, such as %s", in->items[0].name);
}

/* ---- parts ---- */

struct splitting {
	struct split_options options;
	struct table_options table;
	struct split_output output;
	uint64_t rows[SPLIT_PARTS];
};

static int open_output(struct op_context *ctx, const struct js *args, struct splitting *s, struct error *err)
{
	static const char *const endings[] = { [TABLE_CSV] = ".csv", [TABLE_TSV] = ".tsv", [TABLE_JSONL] = ".jsonl" };
	const char *dir = js_get_str(args, "output");
	CLEANUP(cleanup_free) char *path = !dir ? xstrdup(ctx->dir) : *dir == '/' ? xstrdup(dir) : path_join(ctx->dir, dir);
	char *names[SPLIT_PARTS] = { NULL };
	int r;

	for (size_t i = 0; i < s->options.nparts; i++)
		names[i] = xasprintf("%s%s", s->options.parts[i].name, endings[s->table.format]);
	r = split_output_open(path, names, s->options.nparts, js_get_bool(args, "force"), &s->output, err);
	for (size_t i = 0; i < s->options.nparts; i++)
		free(names[i]);
	return r;
}

static int write_parts(struct op_context *ctx, const struct js *args, struct table_input *in, struct splitting *s,
		       struct error *err)
{
	CLEANUP(cleanup_split_plan) struct split_plan *plan = NULL;
	CLEANUP(cleanup_table) struct table *table = NULL;
	int fds[SPLIT_PARTS];

	if (make_seekable(in, err) < 0 || table_open(in->fd, in->name, &s->table, &table, err) < 0)
		return -1;
	s->table.format = table_format(table);
	if (open_output(ctx, args, s, err) < 0 || split_plan_make(table, &s->options, &plan, err) < 0)
		return -1;
	for (size_t i = 0; i < s->output.n; i++)
		fds[i] = s->output.files[i].fd;
	if (split_copy(plan, in->fd, in->name, s->table.format, fds, s->rows, err) < 0)
		return -1;
	for (size_t i = 0; i < s->options.nparts; i++) {
		if (s->rows[i])
			continue;
		error_set(err, ERR_USAGE, "part '%s' would have no row of %s", s->options.parts[i].name, in->name);
		return error_help(err, "take another --seed, larger shares, or more rows");
	}
	return 0;
}

static int check_parts(const struct splitting *s, bool *ret_clean, struct js **ret, struct error *err)
{
	struct split_input inputs[SPLIT_PARTS];

	for (size_t i = 0; i < s->output.n; i++) {
		inputs[i] = (struct split_input){ s->output.files[i].fd, s->options.parts[i].name };
		if (lseek(inputs[i].fd, 0, SEEK_SET) < 0)
			return error_sys(err, errno, "cannot read %s", inputs[i].name);
	}
	return split_check(inputs, s->output.n, &s->table, &s->options, ret_clean, ret, err);
}

/* ---- results ---- */

static void warn(struct js *warnings, char *text)
{
	js_push_str(warnings, text);
	free(text);
}

static void warn_of_classes(const struct js *classes, const struct js *parts, struct js *warnings)
{
	if (js_len(classes) == 1)
		warn(warnings, xstrdup("all rows are of one class"));
	for (size_t i = 0; i < js_len(classes); i++) {
		const struct js *class = js_at(classes, i), *rows = js_get(class, "rows");
		const char *value = js_get_str(class, "value");

		for (size_t k = 0; k < js_len(rows); k++)
			if (!js_int_value(js_at(rows, k)))
				warn(warnings, xasprintf("part %s has no row of class %s", js_get_str(js_at(parts, k), "name"),
							 value ? value : "(no value)"));
	}
}

static void describe(const struct splitting *s, struct js *result)
{
	const struct js *parts = js_get(result, "parts");
	struct js *warnings = js_array();

	for (size_t i = 0; i < js_len(parts); i++) {
		struct js *part = js_at(parts, i);
		double share = js_get_real(part, "share", 0), asked = s->options.parts[i].share;
		CLEANUP(cleanup_free) char *path = path_join(s->output.dir, s->output.files[i].name);

		js_set_real(part, "asked", asked);
		js_set_str(part, "path", path);
		if (fabs(share - asked) > SHARE_FAR)
			warn(warnings, xasprintf("part %s has %.3g %% of the rows; %.3g %% were asked", js_get_str(part, "name"),
						 100 * share, 100 * asked));
	}
	warn_of_classes(js_get(result, "classes"), parts, warnings);
	js_set(result, "warnings", warnings);
}

static void set_options(const struct split_options *o, bool written, struct js *result)
{
	js_set_bool(result, "written", written);
	js_set_str(result, "by", by_names[o->by]);
	js_set_str(result, "column", o->column);
	if (written)
		js_set_int(result, "seed", (int64_t)o->seed);
}

static int split_table(struct op_context *ctx, const struct js *args, struct splitting *s, struct js **ret_result,
		       struct error *err)
{
	CLEANUP(table_inputs_release) struct table_inputs in = TABLE_INPUTS_INIT;
	const struct js *tables = js_get(args, "table");
	CLEANUP_JS struct js *result = NULL;
	bool clean;

	if (js_len(tables) != 1) {
		error_set(err, ERR_USAGE, "one table is split, and here are %zu", js_len(tables));
		return error_help(err, "--check looks at parts that are there");
	}
	if (open_single(ctx, js_text(js_at(tables, 0)), &in, err) < 0 ||
	    write_parts(ctx, args, &in.items[0], s, err) < 0 || check_parts(s, &clean, &result, err) < 0)
		return -1;
	if (!clean)
		return error_set(err, ERR_DAMAGED, "the parts know of each other; nothing was written");
	if (split_output_publish(&s->output, err) < 0)
		return -1;
	describe(s, result);
	set_options(&s->options, true, result);
	*ret_result = steal(&result);
	return 0;
}

/* ---- parts from anywhere ---- */

static int say_leaks(const struct js *result, struct error *err)
{
	const struct js *leaks = js_get(result, "leaks"), *first = js_at(leaks, 0);
	int64_t count = js_get_int(first, "count", 0);
	const char *kind = js_get_str(first, "kind");

	return error_set(err, ERR_VERDICT, "one part knows of another: %" PRId64 " %s%s %s", count,
			 strcmp(kind, "time") ? kind : "row", count == 1 ? "" : "s", js_get_str(first, "message"));
}

static int check_tables(struct op_context *ctx, const struct js *args, struct splitting *s, struct js **ret_result,
			struct error *err)
{
	const struct js *tables = js_get(args, "table");
	struct table_inputs in[SPLIT_PARTS];
	struct split_input inputs[SPLIT_PARTS];
	size_t n = js_len(tables), opened = 0;
	bool clean = false;
	int r = 0;

	if (n < 2 || n > SPLIT_PARTS)
		return error_set(err, ERR_USAGE, "--check takes 2 to %u parts, earlier ones first", SPLIT_PARTS);
	while (opened < n && !r) {
		in[opened] = (struct table_inputs)TABLE_INPUTS_INIT;
		r = open_single(ctx, js_text(js_at(tables, opened)), &in[opened], err);
		if (!r)
			inputs[opened] = (struct split_input){ in[opened].items[0].fd, in[opened].items[0].name };
		opened++;
	}
	if (!r)
		r = split_check(inputs, n, &s->table, &s->options, &clean, ret_result, err);
	while (opened--)
		table_inputs_release(&in[opened]);
	if (r < 0)
		return -1;
	set_options(&s->options, false, *ret_result);
	return clean ? 0 : say_leaks(*ret_result, err);
}

int op_split(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct splitting s = { .output = SPLIT_OUTPUT_INIT };
	int r = read_options(args, &s.options, err);

	if (!r)
		r = table_options_of(args, &s.table, err);
	if (!r)
		r = js_get_bool(args, "check") ? check_tables(ctx, args, &s, ret_result, err)
					       : split_table(ctx, args, &s, ret_result, err);
	split_output_release(&s.output);
	split_options_release(&s.options);
	return r;
}
