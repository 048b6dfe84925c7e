/* SPDX-License-Identifier: Apache-2.0 */
#include "api/schemas.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "api/ops.h"
#include "api/tables.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/schema/schema.h"
#include "pipeline/grammar.h"
#include "pipeline/tables.h"
#include "registry/project.h"
#include "store/ignore.h"

#define SCHEMA_MAX ((size_t)8 << 20)

void schema_uses_release(struct schema_uses *uses)
{
	for (size_t i = 0; i < uses->len; i++) {
		struct schema_use *use = &uses->items[i];

		free(use->name);
		free(use->nulls);
		schema_free(use->schema);
		strlist_release(&use->tables);
	}
	free(uses->items);
	*uses = (struct schema_uses)SCHEMA_USES_INIT;
}

static struct schema_use *add_use(struct schema_uses *uses, const char *name)
{
	GROW(uses->items, uses->len, uses->cap);
	uses->items[uses->len] = (struct schema_use){ .name = xstrdup(name), .tables = STRLIST_INIT };
	return &uses->items[uses->len++];
}

static int read_schema(int dirfd, const char *path, const char *shown, struct schema **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (io_read_file(dirfd, path, SCHEMA_MAX, &text, err) < 0)
		return -1;
	return schema_parse(text.buf, text.len, shown, ret, err);
}

static void take_tables(struct schema_use *use, const struct js *tables)
{
	for (size_t i = 0; i < js_len(tables); i++)
		strlist_push(&use->tables, js_text(js_at(tables, i)));
}

static int file_use(const char *path, const char *name, const struct js *args, struct schema_uses *ret, struct error *err)
{
	struct schema_use *use = add_use(ret, name);

	take_tables(use, js_get(args, "table"));
	if (!use->tables.len) {
		error_set(err, ERR_USAGE, "%s is a schema; what shall be checked?", name);
		return error_help(err, "name tables: mlops schema check %s TABLE...", name);
	}
	if (table_options_of(args, &use->options, err) < 0)
		return -1;
	return read_schema(AT_FDCWD, path, name, &use->schema, err);
}

/* ---- [schema.NAME] ---- */

struct walk {
	const struct schema_section *section;
	struct project *project;
	struct strlist *tables;
	struct error *err;
};

static int walk_dir(struct walk *w, const char *dir);

static int walk_entry(struct walk *w, const char *path)
{
	struct stat st;

	if (fs_stat_beneath(w->project->rootfd, path, &st, w->err) <= 0 || ignore_match_here(NULL, path, S_ISDIR(st.st_mode)))
		return 0;
	if (S_ISDIR(st.st_mode))
		return walk_dir(w, path);
	if (S_ISREG(st.st_mode) && tables_section_names(w->section, path, table_name_is(path)))
		strlist_push_owned(w->tables, path_join(w->project->root, path));
	return 0;
}

static int walk_dir(struct walk *w, const char *dir)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (fs_list_dir(w->project->rootfd, dir, &names, w->err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *path = strcmp(dir, ".") ? path_join(dir, names.items[i]) : xstrdup(names.items[i]);

		if (walk_entry(w, path) < 0)
			return -1;
	}
	return 0;
}

static int section_use(struct op_context *ctx, const struct schema_section *section, const struct js *args,
		       struct schema_uses *ret, struct error *err)
{
	struct schema_use *use = add_use(ret, section->name);
	struct walk walk = { section, ctx->project, &use->tables, err };

	take_tables(use, js_get(args, "table"));
	if (!use->tables.len && walk_dir(&walk, ".") < 0)
		return -1;
	if (table_options_of(args, &use->options, err) < 0)
		return -1;
	if (section->delimiter.text && !use->options.delimiter)
		use->options.delimiter = !strcmp(section->delimiter.text, "\\t") ? '\t' : *section->delimiter.text;
	if (section->nulls.text && !use->options.nulls)
		use->options.nulls = use->nulls = xstrdup(section->nulls.text);
	if (!use->tables.len) {
		error_set(err, ERR_NOT_FOUND, "no table is where [schema.%s] says", section->name);
		return error_help(err, "look at its path, or name a table: mlops schema check %s TABLE", section->name);
	}
	return read_schema(ctx->project->rootfd, section->file.text, section->file.text, &use->schema, err);
}

static int no_section(const struct pipeline *pipeline, const char *name, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;

	for (size_t i = 0; i < pipeline->nschemas; i++)
		strlist_push(&names, pipeline->schemas[i].name);
	if (!name) {
		error_set(err, ERR_USAGE, "%s has no [schema.NAME]; which schema shall be checked?", pipeline->file);
		return error_help(err, "name a schema and tables: mlops schema check SCHEMA TABLE...");
	}
	near = strlist_nearest(&names, name);
	error_set(err, ERR_NOT_FOUND, "there is no file %s and no [schema.%s]", name, name);
	return near ? error_help(err, "did you mean %s?", near)
		    : error_help(err, "write one from a table that is right: mlops schema infer TABLE --output %s", name);
}

static int section_uses(struct op_context *ctx, const char *name, const struct js *args, struct schema_uses *ret,
			struct error *err)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;

	if (pipeline_load_schemas(ctx->project->rootfd, "pipeline.ini", &pipeline, err) < 0)
		return -1;
	for (size_t i = 0; i < pipeline->nschemas; i++)
		if ((!name || !strcmp(pipeline->schemas[i].name, name)) &&
		    section_use(ctx, &pipeline->schemas[i], args, ret, err) < 0)
			return -1;
	return ret->len ? 0 : no_section(pipeline, name, err);
}

int schema_uses_find(struct op_context *ctx, const struct js *args, struct schema_uses *ret, struct error *err)
{
	CLEANUP(schema_uses_release) struct schema_uses uses = SCHEMA_USES_INIT;
	const char *name = js_get_str(args, "schema");
	CLEANUP(cleanup_free) char *path = !name || *name == '/' ? xstrdup(name ? name : "") : path_join(ctx->dir, name);
	struct stat st;

	if (name && !stat(path, &st)) {
		if (file_use(path, name, args, &uses, err) < 0)
			return -1;
	} else if (!ctx->project) {
		error_set(err, ERR_NOT_FOUND, "there is no schema %s", name ? name : "here");
		return error_help(err, "write one from a table that is right: mlops schema infer TABLE --output FILE");
	} else if (section_uses(ctx, name, args, &uses, err) < 0) {
		return -1;
	}
	*ret = uses;
	uses = (struct schema_uses)SCHEMA_USES_INIT;
	return 0;
}
