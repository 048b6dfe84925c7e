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
#include "monitor/schema.h"

#define SCHEMA_MAX ((size_t)8 << 20)

void schema_uses_release(struct schema_uses *uses)
{
	for (size_t i = 0; i < uses->len; i++) {
		struct schema_use *use = &uses->items[i];

		free(use->name);
		free(use->delimiter);
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

int schema_uses_find(struct op_context *ctx, const struct js *args, struct schema_uses *ret, struct error *err)
{
	CLEANUP(schema_uses_release) struct schema_uses uses = SCHEMA_USES_INIT;
	const char *name = js_get_str(args, "schema");
	CLEANUP(cleanup_free) char *path = !name || *name == '/' ? xstrdup(name ? name : "") : path_join(ctx->dir, name);
	struct stat st;

	if (name && !stat(path, &st)) {
		if (file_use(path, name, args, &uses, err) < 0)
			return -1;
	} else {
		error_set(err, ERR_NOT_FOUND, "there is no schema %s", name ? name : "here");
		return error_help(err, "write one from a table that is right: mlops schema infer TABLE");
	}
	*ret = uses;
	uses = (struct schema_uses)SCHEMA_USES_INIT;
	return 0;
}
