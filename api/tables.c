/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the disk, of standard input and of the store. */
#include "api/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/ops.h"
#include "api/snapshot.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "monitor/profile/profile.h"
#include "registry/project.h"
#include "store/store.h"
#include "store/tree.h"

/* All files of a directory are open at once. */
#define INPUTS_MAX 512

static const char *const kinds[] = { ".csv", ".tsv", ".tab", ".jsonl", ".ndjson" };

void table_inputs_release(struct table_inputs *in)
{
	for (size_t i = 0; i < in->len; i++) {
		close(in->items[i].fd);
		free(in->items[i].name);
	}
	free(in->items);
	free(in->name);
	*in = (struct table_inputs)TABLE_INPUTS_INIT;
}

static void add_input(struct table_inputs *in, int fd, char *name)
{
	GROW(in->items, in->len, in->cap);
	in->items[in->len++] = (struct table_input){ .fd = fd, .name = name };
}

/* ---- a directory: which of its names are the tables ---- */

/* The row of `kinds` that the name ends in, without .gz or .zst; -1: it is no table. */
static int kind_of(const char *name)
{
	size_t len = strlen(name);

	if (len > 3 && !strcmp(name + len - 3, ".gz"))
		len -= 3;
	else if (len > 4 && !strcmp(name + len - 4, ".zst"))
		len -= 4;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t k = strlen(kinds[i]);

		if (len > k && !strncmp(name + len - k, kinds[i], k))
			return (int)i;
	}
	return -1;
}

bool table_name_is(const char *name)
{
	return kind_of(path_base(name)) >= 0;
}

/* Leaves the tables in the list, which all must be of one kind. */
static int keep_tables(struct strlist *names, const char *text, struct error *err)
{
	const char *first = NULL;
	size_t kept = 0;

	for (size_t i = 0; i < names->len; i++) {
		char *name = names->items[i];
		int kind = kind_of(name);

		if (first && kind >= 0 && kind != kind_of(first)) {
			error_set(err, ERR_USAGE, "%s holds tables of two kinds, such as %s and %s", text, first, name);
			return error_help(err, "name one file of it");
		}
		if (!first && kind >= 0)
			first = name;
		names->items[i] = names->items[kept];
		names->items[kept] = name;
		kept += kind >= 0;
	}
	while (names->len > kept)
		free(names->items[--names->len]);
	if (!kept) {
		error_set(err, ERR_USAGE, "%s is a directory without a table", text);
		return error_help(err, "a table is a file *.csv, *.tsv or *.jsonl, also .gz or .zst; those of inner "
				       "directories do not count");
	}
	if (kept > INPUTS_MAX) {
		error_set(err, ERR_LIMIT, "%s holds %zu tables; %d are read as one at most", text, kept, INPUTS_MAX);
		return error_help(err, "join some of them");
	}
	strlist_sort(names);
	return 0;
}

/* ---- the disk ---- */

static int open_file(int dirfd, const char *path, const char *text, struct table_inputs *in, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return error_sys(err, errno, "cannot open %s", text);
	add_input(in, steal_fd(&fd), xstrdup(text));
	return 0;
}

static int open_directory(const char *path, const char *text, struct table_inputs *in, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "cannot open %s", text);
	if (fs_list_dir(fd, ".", &names, err) < 0 || keep_tables(&names, text, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *shown = path_join(text, names.items[i]);

		if (open_file(fd, names.items[i], shown, in, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the store ---- */

static int open_object(struct store *store, const struct digest *id, const char *text, const char *path,
		       struct table_inputs *in, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	uint64_t size;

	fd = store_open_object(store, id, &size, err);
	if (fd < 0)
		return error_wrap(err, "%s", text);
	add_input(in, steal_fd(&fd), !*path || !strcmp(text, path) ? xstrdup(text) : xasprintf("%s: %s", text, path));
	return 0;
}

static int open_tree(struct store *store, const struct content *content, const char *text, struct table_inputs *in,
		     struct error *err)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (digest_is_zero(&content->id)) {
		error_set(err, ERR_USAGE, "%s is a directory inside a version", text);
		return error_help(err, "name a file in it: %s/FILE", text);
	}
	if (tree_read(store, &content->id, &tree, err) < 0)
		return -1;
	for (size_t i = 0; i < tree.len; i++)
		if (tree.entries[i].kind != ENTRY_LINK && !strchr(tree.entries[i].path, '/'))
			strlist_push(&names, tree.entries[i].path);
	if (keep_tables(&names, text, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (open_object(store, &tree_find(&tree, names.items[i])->id, text, names.items[i], in, err) < 0)
			return -1;
	return 0;
}

static int open_artifact(struct op_context *ctx, const char *text, struct table_inputs *in, struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot snap = SNAPSHOT_INIT;
	struct content content;
	struct store *store;
	const char *inside;

	if (snapshot_within(ctx, text, &snap, &inside, err) < 0 || project_store(ctx->project, &store, err) < 0 ||
	    snapshot_content(&snap, store, inside, &content, err) < 0)
		return -1;
	if (content.kind == CONTENT_TREE)
		return open_tree(store, &content, text, in, err);
	return open_object(store, &content.id, text, !*inside && snap.single ? snap.items[0].path : inside, in, err);
}

static int open_named(struct op_context *ctx, const char *text, struct table_inputs *in, struct error *err)
{
	CLEANUP(cleanup_free) char *path = *text == '/' ? xstrdup(text) : path_join(ctx->dir, text);
	struct stat st;

	if (!strcmp(text, "-")) {
		CLEANUP(cleanup_fd) int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return error_sys(err, errno, "cannot read standard input");
		add_input(in, steal_fd(&fd), xstrdup("standard input"));
		return 0;
	}
	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? open_directory(path, text, in, err) :
					     open_file(AT_FDCWD, path, text, in, err);
	if (errno != ENOENT && errno != ENOTDIR)
		return error_sys(err, errno, "cannot open %s", text);
	if (!ctx->project) {
		error_set(err, ERR_NOT_FOUND, "there is no %s", text);
		return error_help(err, "name a file, - for standard input, or stand in a project for its artifacts");
	}
	return open_artifact(ctx, text, in, err);
}

int table_inputs_open(struct op_context *ctx, const char *text, struct table_inputs *ret, struct error *err)
{
	CLEANUP(table_inputs_release) struct table_inputs in = TABLE_INPUTS_INIT;

	if (open_named(ctx, text, &in, err) < 0)
		return -1;
	in.name = xstrdup(text);
	*ret = in;
	in = (struct table_inputs)TABLE_INPUTS_INIT;
	return 0;
}

int table_inputs_of(struct op_context *ctx, const struct content *content, const char *name, struct table_inputs *ret,
		    struct error *err)
{
	CLEANUP(table_inputs_release) struct table_inputs in = TABLE_INPUTS_INIT;
	struct store *store;

	if (project_store(ctx->project, &store, err) < 0)
		return -1;
	if (content->kind == CONTENT_TREE ? open_tree(store, content, name, &in, err) < 0 :
					    open_object(store, &content->id, name, "", &in, err) < 0)
		return -1;
	in.name = xstrdup(name);
	*ret = in;
	in = (struct table_inputs)TABLE_INPUTS_INIT;
	return 0;
}

/* ---- options, profiles ---- */

int table_options_of(const struct js *args, struct table_options *ret, struct error *err)
{
	static const char *const formats[] = { [TABLE_CSV] = "csv", [TABLE_TSV] = "tsv", [TABLE_JSONL] = "jsonl" };
	const char *format = js_get_str(args, "format"), *delimiter = js_get_str(args, "delimiter");
	struct table_options options = { .nulls = js_get_str(args, "null") };

	for (size_t i = TABLE_CSV; format && i < ARRAY_LEN(formats); i++)
		if (!strcmp(format, formats[i]))
			options.format = (enum table_format)i;
	if (delimiter && !strcmp(delimiter, "\\t"))
		delimiter = "\t";
	if (delimiter && (strlen(delimiter) != 1 || strchr("\"\r\n", *delimiter) || *delimiter & 0x80)) {
		error_set(err, ERR_USAGE, "--delimiter '%s' is not one ASCII character that may stand between fields", delimiter);
		return error_help(err, "such as ';', '|' or '\\t'");
	}
	options.delimiter = delimiter ? *delimiter : '\0';
	*ret = options;
	return 0;
}

static int profile_input(struct op_context *ctx, const struct table_input *in, const struct table_options *options,
			 const struct profile_options *how, struct profile **ret, struct error *err)
{
	CLEANUP(cleanup_table) struct table *table = NULL;
	struct profile_options told = *how;

	told.progress = ctx->progress;
	if (table_open(in->fd, in->name, options, &table, err) < 0)
		return -1;
	return profile_table(table, &told, ret, err);
}

int table_inputs_profile(struct op_context *ctx, struct table_inputs *in, const struct table_options *options,
			 const struct profile_options *how, struct profile **ret, struct error *err)
{
	CLEANUP(cleanup_profile) struct profile *whole = NULL;

	if (profile_input(ctx, &in->items[0], options, how, &whole, err) < 0)
		return -1;
	for (size_t i = 1; i < in->len; i++) {
		CLEANUP(cleanup_profile) struct profile *part = NULL;

		if (profile_input(ctx, &in->items[i], options, how, &part, err) < 0 ||
		    profile_merge(whole, part, err) < 0)
			return -1;
	}
	profile_finish(whole);
	*ret = steal(&whole);
	return 0;
}
