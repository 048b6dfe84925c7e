/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/ops.h"
#include "api/schemas.h"
#include "api/tables.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/page/page.h"
#include "monitor/profile/profile.h"
#include "monitor/schema/schema.h"
#include "monitor/table/table.h"

/* ---- infer ---- */

static bool can_read_again(const struct table_inputs *in)
{
	struct stat st;

	return in->len == 1 && !fstat(in->items[0].fd, &st) && S_ISREG(st.st_mode);
}

static int infer(struct op_context *ctx, const char *name, const struct table_options *options, struct js **ret,
		 struct error *err)
{
	CLEANUP(table_inputs_release) struct table_inputs in = TABLE_INPUTS_INIT;
	CLEANUP(cleanup_profile) struct profile *profile = NULL;
	CLEANUP(cleanup_table) struct table *again = NULL;
	CLEANUP_JS struct js *schema = NULL;

	if (table_inputs_open(ctx, name, &in, err) < 0 ||
	    table_inputs_profile(ctx, &in, options, &(struct profile_options){ 0 }, &profile, err) < 0)
		return -1;
	schema = schema_infer(profile);
	if (can_read_again(&in)) {
		if (lseek(in.items[0].fd, 0, SEEK_SET) < 0)
			return error_sys(err, errno, "cannot read %s", in.items[0].name);
		if (table_open(in.items[0].fd, in.items[0].name, options, &again, err) < 0 ||
		    schema_infer_unique(schema, profile, again, err) < 0)
			return -1;
	}
	*ret = steal(&schema);
	return 0;
}

static int write_schema(struct op_context *ctx, const char *output, bool force, const struct strbuf *text, struct error *err)
{
	CLEANUP(cleanup_free) char *path = *output == '/' ? xstrdup(output) : path_join(ctx->dir, output);
	struct stat st;

	if (!force && !lstat(path, &st)) {
		error_set(err, ERR_EXISTS, "%s is there already", output);
		return error_help(err, "--force replaces it");
	}
	if (fs_make_way(path, err) < 0)
		return -1;
	return io_replace_file(AT_FDCWD, path, text->buf, text->len, 0644, true, err);
}

int op_schema_infer(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *schema = NULL;
	const char *output = js_get_str(args, "output");
	struct table_options options;

	if (table_options_of(args, &options, err) < 0 ||
	    infer(ctx, js_get_str(args, "table"), &options, &schema, err) < 0)
		return -1;
	schema_write(schema, &text);
	if (output && write_schema(ctx, output, js_get_bool(args, "force"), &text, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "output", output);
	js_set_int(*ret_result, "columns", (int64_t)js_len(js_get(schema, "columns")));
	js_set(*ret_result, "schema", steal(&schema));
	js_set_str(*ret_result, "text", text.buf);
	return 0;
}

/* ---- check ---- */

struct checking {
	struct op_context *ctx;
	const struct js *args;
	struct js *tables; /* reports */
	bool ok;
};

static int check_input(struct checking *c, const struct schema_use *use, const struct table_input *in, uint64_t before,
		       struct error *err)
{
	CLEANUP(cleanup_table) struct table *table = NULL;
	struct js *report;
	bool ok;

	if (table_open(in->fd, in->name, &use->options, &table, err) < 0 ||
	    schema_check(use->schema, table, before, &ok, &report, NULL, err) < 0)
		return -1;
	js_set_str(report, "table", in->name);
	js_set_str(report, "schema", use->name);
	js_push(c->tables, report);
	c->ok = c->ok && ok;
	return 0;
}

static int count_rows(struct op_context *ctx, const char *name, const struct table_options *options, uint64_t *ret,
		      struct error *err)
{
	CLEANUP(table_inputs_release) struct table_inputs in = TABLE_INPUTS_INIT;
	uint64_t n = 0;

	if (table_inputs_open(ctx, name, &in, err) < 0)
		return -1;
	for (size_t i = 0; i < in.len; i++) {
		CLEANUP(cleanup_table) struct table *table = NULL;
		struct rows rows;
		int more;

		if (table_open(in.items[i].fd, in.items[i].name, options, &table, err) < 0)
			return -1;
		while ((more = table_next(table, &rows, err)) > 0)
			n += rows.nrows;
		if (more < 0)
			return -1;
	}
	*ret = n;
	return 0;
}

static int check_named(struct checking *c, const struct schema_use *use, const char *name, struct error *err)
{
	CLEANUP(table_inputs_release) struct table_inputs in = TABLE_INPUTS_INIT;
	const char *previous = js_get_str(c->args, "previous");
	uint64_t before = 0;

	if (previous && count_rows(c->ctx, previous, &use->options, &before, err) < 0)
		return -1;
	if (table_inputs_open(c->ctx, name, &in, err) < 0)
		return -1;
	for (size_t i = 0; i < in.len; i++)
		if (check_input(c, use, &in.items[i], before, err) < 0)
			return -1;
	return 0;
}

static int check_all(struct checking *c, struct error *err)
{
	CLEANUP(schema_uses_release) struct schema_uses uses = SCHEMA_USES_INIT;

	if (schema_uses_find(c->ctx, c->args, &uses, err) < 0)
		return -1;
	for (size_t i = 0; i < uses.len; i++)
		for (size_t k = 0; k < uses.items[i].tables.len; k++)
			if (check_named(c, &uses.items[i], uses.items[i].tables.items[k], err) < 0)
				return -1;
	return 0;
}

static size_t count_breaches(const struct js *report)
{
	const struct js *columns = js_get(report, "columns");
	size_t n = js_len(js_get(report, "breaches"));

	for (size_t i = 0; i < js_len(columns); i++)
		n += js_len(js_get(js_at(columns, i), "breaches"));
	return n;
}

/* The first table that does not fit, and how many there are. */
static int say_no(const struct js *tables, struct error *err)
{
	const struct js *first = NULL;
	size_t failed = 0, breaches;

	for (size_t i = 0; i < js_len(tables); i++) {
		if (js_get_bool(js_at(tables, i), "ok"))
			continue;
		first = first ? first : js_at(tables, i);
		failed++;
	}
	if (failed > 1)
		return error_set(err, ERR_VERDICT, "%zu of %zu tables do not fit their schemas", failed, js_len(tables));
	breaches = count_breaches(first);
	return error_set(err, ERR_VERDICT, "%s does not fit %s: %zu breach%s", js_get_str(first, "table"),
			 js_get_str(first, "schema"), breaches, breaches == 1 ? "" : "es");
}

static int make_page(const struct js *tables, struct js **ret_result, struct error *err)
{
	CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;

	if (js_len(tables) != 1) {
		error_set(err, ERR_USAGE, "a page shows one table, and there are %zu", js_len(tables));
		return error_help(err, "name one: mlops schema check SCHEMA TABLE --html");
	}
	page_schema(js_at(tables, 0), js_get_str(js_at(tables, 0), "table"), &page);
	*ret_result = js_object();
	js_set_str(*ret_result, "page", page.buf);
	return 0;
}

int op_schema_check(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *tables = js_array();
	struct checking c = { .ctx = ctx, .args = args, .tables = tables, .ok = true };

	if (check_all(&c, err) < 0)
		return -1;
	if (js_get_bool(args, "html")) {
		if (make_page(tables, ret_result, err) < 0)
			return -1;
	} else {
		*ret_result = js_object();
		js_set_bool(*ret_result, "ok", c.ok);
		js_set(*ret_result, "tables", js_ref(tables));
	}
	return c.ok ? 0 : say_no(tables, err);
}
