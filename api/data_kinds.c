/* SPDX-License-Identifier: Apache-2.0 */
#include "api/data_kinds.h"
#include <stdlib.h>
#include <string.h>
#include "api/tables.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "monitor/profile/profile.h"
#include "monitor/schema/schema.h"
#include "monitor/table/table.h"
#include "pipeline/data_kinds.h"

#define LINES_MAX 12 /* of one report */

static struct table_options options_of(const struct data_format *format)
{
	struct table_options options = { .nulls = format->nulls };

	if (format->delimiter)
		options.delimiter = !strcmp(format->delimiter, "\\t") ? '\t' : *format->delimiter;
	return options;
}

/* ---- schemas ---- */

static int read_schema(const char *text, size_t len, const char *name, void **ret, struct error *err)
{
	struct schema *schema;

	if (schema_parse(text, len, name, &schema, err) < 0)
		return -1;
	*ret = schema;
	return 0;
}

static void free_schema(void *schema)
{
	schema_free(schema);
}

static void add_line(struct strlist *lines, size_t *count, char *line)
{
	if (lines->len < LINES_MAX)
		strlist_push_owned(lines, line);
	else
		free(line);
	++*count;
}

/* "must be from 0 to 120 (3 rows, first row 17: 999)" */
static char *breach_text(const struct js *breach)
{
	struct strbuf text = STRBUF_INIT;
	int64_t count = js_get_int(breach, "count", 0);
	const char *value = js_get_str(breach, "value");

	strbuf_puts(&text, js_get_str(breach, "message"));
	if (count && js_get(breach, "row"))
		strbuf_printf(&text, " (%lld row%s, first row %lld%s%.60s)", (long long)count, count == 1 ? "" : "s",
			      (long long)js_get_int(breach, "row", 0), value ? ": " : "", value ? value : "");
	return strbuf_detach(&text);
}

/* "column age: ..." for each breach; a column whose state says it all gets a line, too. */
static void add_column(const struct js *column, struct strlist *lines, size_t *count)
{
	const struct js *breaches = js_get(column, "breaches");
	const char *name = js_get_str(column, "name"), *state = js_get_str(column, "state");

	for (size_t i = 0; i < js_len(breaches); i++) {
		CLEANUP(cleanup_free) char *text = breach_text(js_at(breaches, i));
		add_line(lines, count, xasprintf("column %s: %s", name, text));
	}
	if (!js_len(breaches) && strcmp(state, "OK") != 0 && strcmp(state, "NEW") != 0)
		add_line(lines, count, xasprintf("column %s: %s", name, state));
}

static void add_lines(const struct js *report, struct strlist *lines)
{
	const struct js *breaches = js_get(report, "breaches"), *columns = js_get(report, "columns");
	size_t count = 0;

	for (size_t i = 0; i < js_len(breaches); i++)
		add_line(lines, &count, breach_text(js_at(breaches, i)));
	for (size_t i = 0; i < js_len(columns); i++)
		add_column(js_at(columns, i), lines, &count);
	if (count > lines->len)
		strlist_push_owned(lines, xasprintf("and %zu more", count - lines->len));
}

/* What cannot be read as a table has its place in the message. */
static struct js *no_table(const struct error *why, struct strlist *lines)
{
	struct js *report = js_object();

	js_set_bool(report, "ok", false);
	js_set_str(report, "error", why->msg);
	strlist_push(lines, why->msg);
	return report;
}

static int check_table(const void *schema, int fd, const char *name, const struct data_format *format,
		       uint64_t before_rows, bool *ret_ok, uint64_t *ret_rows, struct js **ret_report,
		       struct strlist *lines, struct error *err)
{
	CLEANUP(cleanup_table) struct table *table = NULL;
	struct table_options options = options_of(format);
	CLEANUP_JS struct js *report = NULL;
	struct error why;

	if (table_open(fd, name, &options, &table, &why) < 0 ||
	    schema_check(schema, table, before_rows, ret_ok, &report, NULL, &why) < 0) {
		if (why.code != ERR_USAGE) {
			if (err)
				*err = why;
			return -1;
		}
		*ret_ok = false;
		*ret_report = no_table(&why, lines);
		return 0;
	}
	*ret_rows = (uint64_t)js_get_int(report, "rows", 0);
	if (*ret_ok)
		return 0;
	add_lines(report, lines);
	*ret_report = steal(&report);
	return 0;
}

/* ---- profiles ---- */

struct profiling {
	struct table_options options;
	struct profile *profile; /* of the tables so far, not finished; NULL: none */
};

static void *begin_profile(const struct data_format *format)
{
	struct profiling *p = xcalloc(1, sizeof(*p));

	p->options = options_of(format);
	return p;
}

static int add_table(void *profiling, int fd, const char *name, struct error *err)
{
	struct profiling *p = profiling;
	CLEANUP(cleanup_table) struct table *table = NULL;
	CLEANUP(cleanup_profile) struct profile *profile = NULL;
	static const struct profile_options plain;

	if (table_open(fd, name, &p->options, &table, err) < 0 || profile_table(table, &plain, &profile, err) < 0)
		return -1;
	if (p->profile)
		return profile_merge(p->profile, profile, err);
	p->profile = steal(&profile);
	return 0;
}

static void profile_bytes(void *profiling, struct strbuf *ret)
{
	struct profiling *p = profiling;
	static const struct profile_options plain;

	if (!p->profile)
		p->profile = profile_new(&plain);
	profile_finish(p->profile);
	profile_write(p->profile, ret);
}

static void free_profile(void *profiling)
{
	struct profiling *p = profiling;

	profile_free(p->profile);
	free(p);
}

const struct data_kinds api_data_kinds = {
	.is_table = table_name_is,
	.schema_read = read_schema,
	.schema_free = free_schema,
	.check = check_table,
	.profile_new = begin_profile,
	.profile_add = add_table,
	.profile_text = profile_bytes,
	.profile_free = free_profile,
};
