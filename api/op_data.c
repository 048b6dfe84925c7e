/* SPDX-License-Identifier: Apache-2.0 */
/* add, cat and lock take: versions go in, bytes come out, conflicts are settled. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/data.h"
#include "api/data_kinds.h"
#include "api/ops.h"
#include "api/send.h"
#include "api/snapshot.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/grammar.h"
#include "pipeline/tables.h"
#include "registry/artifacts.h"
#include "registry/events.h"
#include "registry/files.h"
#include "registry/git.h"
#include "registry/lockfile.h"
#include "registry/name.h"
#include "registry/project.h"
#include "store/ignore.h"
#include "store/store.h"

/* ---- add ---- */

struct added {
	char *path;
	struct content content;
	int64_t version;
	bool is_new; /* no version of it had this content before */
	struct table_found found; /* about its tables; path NULL: nothing */
};
struct adding {
	struct op_context *ctx;
	bool unchecked; /* whatever the schemas of the pipeline say */
	struct pipeline *pipeline; /* its schemas; NULL: there is none */
	struct tables *tables;
	struct lockfile lock;
	struct data_locks locks;
	struct added *items;
	size_t len, cap;
	struct js *notes;
};

static void adding_release(struct adding *a)
{
	for (size_t i = 0; i < a->len; i++) {
		table_found_release(&a->items[i].found);
		free(a->items[i].path);
	}
	free(a->items);
	tables_free(a->tables);
	pipeline_free(a->pipeline);
	lockfile_release(&a->lock);
	data_unlock(&a->locks);
	js_free(a->notes);
}

static void note(struct adding *a, char *text)
{
	js_push_str(a->notes, text);
	free(text);
}

static int check_ignored(struct adding *a, const char *path, struct error *err)
{
	const struct ignore *ignore;
	struct stat st;

	if (project_ignore(a->ctx->project, &ignore, err) < 0)
		return -1;
	if (fs_stat_beneath(a->ctx->project->rootfd, path, &st, err) < 0)
		return -1;
	if (!ignore_match(ignore, path, S_ISDIR(st.st_mode)))
		return 0;
	error_set(err, ERR_USAGE, "%s is never versioned", path);
	return error_help(err,
			  "see .mlopsignore; .mlops, .git and Python's caches are always left out");
}

/* checkout writes through no symlink, so a version has its real path: that of the directory, or of the file's
 * directory. The file itself may be a symlink: checkout replaces it. */
static int check_real(const struct adding *a, const char *path, struct error *err)
{
	const char *root = a->ctx->project->root;
	size_t len = strlen(root);
	CLEANUP(cleanup_free) char *full = path_join(root, path);
	CLEANUP(cleanup_free) char *real = NULL;
	CLEANUP(cleanup_free) char *whole = NULL;
	const char *file = "";
	struct stat st;

	if (stat(full, &st) < 0 || !S_ISDIR(st.st_mode)) {
		file = path_base(path);
		full[strlen(full) - strlen(file) - 1] = '\0';
	}
	real = realpath(full, NULL);
	/* What is absent or outside is refused where it is read. */
	if (!real || !strcmp(real, full) || strncmp(real, root, len) || (real[len] && real[len] != '/'))
		return 0;
	whole = *file ? path_join(real, file) : xstrdup(real);
	error_set(err, ERR_USAGE, "%s is reached through a symlink", path);
	return error_help(err, "use its real path: mlops add %s", whole[len] ? whole + len + 1 : ".");
}

/* One path has one owner: a step, this add, or an outer directory that was added whole. */
static int check_overlap(struct adding *a, const char *path, struct error *err)
{
	for (size_t i = 0; i < a->lock.len; i++) {
		const struct lock_entry *e = &a->lock.entries[i];
		bool same = !strcmp(e->name, path);

		if (e->kind == LOCKED_OUT &&
		    (path_contains(e->name, path) || path_contains(path, e->name))) {
			error_set(err, ERR_CONFLICT, "%s is made by a step", e->name);
			return error_help(
				err, "mlops run keeps every version of it; if no step makes it any "
				     "more, delete its line from mlops.lock");
		}
		if (e->kind == LOCKED_DATA && !same && path_contains(e->name, path)) {
			error_set(err, ERR_CONFLICT, "%s is part of %s, which is one version", path,
				  e->name);
			return error_help(err, "run: mlops add %s", e->name);
		}
	}
	return 0;
}

static int add_path(struct adding *a, const char *text, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;

	if (data_path(a->ctx, text, &path, err) < 0)
		return -1;
	if (!strcmp(path, ".")) {
		error_set(err, ERR_USAGE, "the project itself cannot be one version");
		return error_help(
			err, "name the files or directories that hold data; git keeps the code");
	}
	if (!strcmp(path, LOCKFILE_NAME)) {
		error_set(err, ERR_USAGE, "%s is what versions are written to", path);
		return error_help(err, "commit it to git");
	}
	if (check_ignored(a, path, err) < 0 || check_real(a, path, err) < 0 || check_overlap(a, path, err) < 0)
		return -1;
	for (size_t i = 0; i < a->len; i++)
		if (!strcmp(a->items[i].path, path))
			return 0;
	GROW(a->items, a->len, a->cap);
	a->items[a->len++] = (struct added){ .path = steal(&path) };
	return 0;
}

static int check_among(const struct adding *a, struct error *err)
{
	for (size_t i = 0; i < a->len; i++)
		for (size_t k = 0; k < a->len; k++)
			if (i != k && path_contains(a->items[i].path, a->items[k].path)) {
				error_set(err, ERR_USAGE, "%s is part of %s", a->items[k].path,
					  a->items[i].path);
				return error_help(err, "name one of the two");
			}
	return 0;
}

/* What stands elsewhere in the file, or no file at all, does not matter. */
static int open_tables(struct adding *a, struct error *err)
{
	struct project *p = a->ctx->project;
	struct error why = { 0 };

	if (a->unchecked)
		return 0;
	if (pipeline_load_schemas(p->rootfd, "pipeline.ini", &a->pipeline, &why) < 0) {
		if (err && why.code != ERR_NOT_FOUND)
			*err = why;
		return why.code == ERR_NOT_FOUND ? 0 : -1;
	}
	return tables_open(&api_data_kinds, p, a->pipeline, &a->tables, err);
}

/* While it is staged: what does not fit is not stored. */
static int check_item(struct adding *a, struct added *item, struct store_batch *batch, const struct scanner *scanner,
		      const struct tree *tree, struct error *err)
{
	struct table_place place = { .scanner = scanner, .batch = batch, .tree = tree };

	if (tables_know(a->tables, item->path, &item->content, false))
		return 0;
	return tables_look(a->tables, &place, item->path, &item->content, false, &item->found, err);
}

static int store_item(struct adding *a, struct added *item, struct store_batch *batch, const struct scanner *scanner,
		      struct error *err)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;

	if (scan_path(scanner, item->path, &item->content, a->tables ? &tree : NULL, err) < 0)
		return -1;
	if (item->content.kind == CONTENT_ABSENT) {
		error_set(err, ERR_NOT_FOUND, "there is no %s", item->path);
		return error_help(err, "check the name; it is looked up below %s", a->ctx->project->root);
	}
	return check_item(a, item, batch, scanner, item->content.kind == CONTENT_TREE ? &tree : NULL, err);
}

static int store_items(struct adding *a, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	struct scanner scanner;
	struct store *store;

	if (project_store(a->ctx->project, &store, err) < 0 || batch_open(store, &batch, err) < 0 ||
	    data_scanner(a->ctx, batch, &scanner, err) < 0)
		return -1;
	for (size_t i = 0; i < a->len; i++)
		if (store_item(a, &a->items[i], batch, &scanner, err) < 0)
			return -1;
	return batch_commit(batch, err);
}

static int record_item(struct adding *a, struct db *db, struct added *item, struct error *err)
{
	const struct project *p = a->ctx->project;
	const struct lock_entry *before = lockfile_find(&a->lock, LOCKED_DATA, item->path);
	CLEANUP_JS struct js *body = js_object();
	char text[CONTENT_TEXT];
	int64_t now = clock_wall_ms();
	struct event event = {
		.actor = p->actor,
		.origin = a->ctx->origin ? a->ctx->origin : "cli",
		.operation = "data.add",
		.subject = item->path,
		.before = before ? before->value : NULL,
		.after = content_format(&item->content, text),
		.body = body,
	};

	if (artifact_record(db, item->path, &item->content, NULL, p->actor, now, &item->version,
			    &item->is_new, err) < 0 ||
	    (item->found.path && tables_record(a->tables, db, &item->found, NULL, now, err) < 0))
		return -1;
	if (!item->is_new)
		return 0;
	if (a->unchecked)
		js_set_bool(body, "unchecked", true);
	js_set_int(body, "version", item->version);
	js_set_int(body, "files", (int64_t)item->content.files);
	js_set_int(body, "size", (int64_t)item->content.size);
	return event_append(db, &event, now, NULL, err);
}

static int record_items(struct adding *a, struct error *err)
{
	struct db *db;

	if (project_db(a->ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	for (size_t i = 0; i < a->len; i++)
		if (record_item(a, db, &a->items[i], err) < 0) {
			db_rollback(db);
			return -1;
		}
	return db_commit(db, err);
}

/* What was versioned by itself below the path now comes with it. */
static void drop_inner(struct adding *a, const char *path)
{
	for (size_t i = a->lock.len; i-- > 0;) {
		const struct lock_entry *e = &a->lock.entries[i];

		if (e->kind != LOCKED_DATA || !path_contains(path, e->name) ||
		    !strcmp(path, e->name))
			continue;
		note(a, xasprintf("%s is now part of %s", e->name, path));
		lockfile_remove(&a->lock, LOCKED_DATA, e->name);
	}
}

static int write_lock(struct adding *a, struct error *err)
{
	for (size_t i = 0; i < a->len; i++) {
		char text[CONTENT_TEXT];

		drop_inner(a, a->items[i].path);
		lockfile_set(&a->lock, LOCKED_DATA, a->items[i].path,
			     content_format(&a->items[i].content, text));
	}
	return lockfile_save(&a->lock, a->ctx->project->rootfd, err);
}

/* Git's part is a convenience: the version is kept already, so what fails here is only said. */
static void tell_git(struct adding *a)
{
	CLEANUP(cleanup_free) const char **paths = xcalloc(a->len, sizeof(*paths));
	const char *root = a->ctx->project->root;
	struct error refused;

	for (size_t i = 0; i < a->len; i++) {
		paths[i] = a->items[i].path;
		if (git_tracks(root, paths[i]))
			note(a, xasprintf("git tracks %s, too; to keep it here only: git rm -r "
					  "--cached '%s'",
					  paths[i], paths[i]));
	}
	/* the attributes are there already, unless git came after mlops init */
	if (git_ignore_paths(root, paths, a->len, &refused) < 0 ||
	    git_setup_attributes(root, &refused) < 0)
		note(a, xasprintf("git was not told: %s", refused.msg));
}

/* A step that reads it need not look again. */
static void accept_tables(struct adding *a)
{
	for (size_t i = 0; i < a->len; i++)
		if (a->items[i].found.path)
			tables_accept(a->tables, &a->items[i].found);
	tables_save(a->tables);
}

/* What was not added because it does not fit, with all that is wrong with it. */
static struct js *refused_result(const struct adding *a)
{
	for (size_t i = 0; i < a->len; i++) {
		const struct table_found *found = &a->items[i].found;
		struct js *result;

		if (!found->reports)
			continue;
		result = js_object();
		js_set(result, "added", js_array());
		js_set_str(result, "refused", found->path);
		js_set(result, "schema", js_ref(found->reports));
		return result;
	}
	return NULL;
}

static struct js *adding_result(struct adding *a)
{
	struct js *result = js_object(), *list = js_array();

	for (size_t i = 0; i < a->len; i++) {
		const struct added *item = &a->items[i];
		struct js *json = js_object();

		js_set_str(json, "path", item->path);
		js_set_int(json, "version", item->version);
		js_set_bool(json, "new", item->is_new);
		data_set_content(json, "content", &item->content);
		js_set_int(json, "files", (int64_t)item->content.files);
		js_set_int(json, "size", (int64_t)item->content.size);
		js_push(list, json);
	}
	js_set(result, "added", list);
	js_set(result, "notes", steal(&a->notes));
	return result;
}

/* They are kept here already, so who cannot reach the agent only has to repeat it. */
static int send_items(struct adding *a, struct js *result, struct error *err)
{
	CLEANUP(cleanup_free) struct sent_version *versions = xcalloc(a->len + 1, sizeof(*versions));
	struct js *sent;

	if (!a->ctx->agent)
		return 0;
	for (size_t i = 0; i < a->len; i++)
		versions[i] = (struct sent_version){ a->items[i].path, a->items[i].content };
	if (data_send(a->ctx, a->ctx->agent, versions, a->len, &sent, err) < 0)
		return error_wrap(err, "kept here, but not sent");
	js_set(result, "sent", sent);
	return 0;
}

/*
 * data.add {paths[], unchecked} -> {added: [{path, version, new, content, files, size}], notes[], sent{agent, objects,
 * bytes}}, or with ERR_VERDICT
 * {added: [], refused: path, schema: [{path, schema, file, lines[], report}]}: nothing was added
 * The bytes are durable before the database names them, and the database before mlops.lock does:
 * after a crash between any two, adding again completes it.
 */
int op_add(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(adding_release)
	struct adding a = {
		.ctx = ctx,
		.lock = LOCKFILE_INIT,
		.locks = DATA_LOCKS_INIT,
		.notes = js_array(),
		.unchecked = js_get_bool(args, "unchecked"),
	};
	const struct js *paths = js_get(args, "paths");

	if (data_lock_tree(ctx, &a.locks, a.notes, err) < 0 ||
	    lockfile_load(ctx->project->rootfd, &a.lock, err) < 0 || open_tables(&a, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(paths); i++)
		if (add_path(&a, js_text(js_at(paths, i)), err) < 0)
			return -1;
	if (check_among(&a, err) < 0 || data_lock_store(ctx, &a.locks, err) < 0)
		return -1;
	if (store_items(&a, err) < 0) {
		*ret_result = refused_result(&a);
		return -1;
	}
	FAILPOINT("add.stored");
	if (record_items(&a, err) < 0 || write_lock(&a, err) < 0)
		return -1;
	accept_tables(&a);
	tell_git(&a);
	*ret_result = adding_result(&a);
	return send_items(&a, *ret_result, err);
}

/* ---- cat ---- */

static int write_object(struct op_context *ctx, struct store *store, const struct content *content,
			struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(cleanup_free) char *buf = xmalloc(1 << 20);
	char hex[DIGEST_HEX + 1];
	struct digest seen;
	struct hasher hasher;
	uint64_t size;
	ssize_t n;

	fd = store_open_object(store, &content->id, &size, err);
	if (fd < 0)
		return -1;
	hasher_init(&hasher);
	while ((n = read(fd, buf, 1 << 20)) > 0) {
		hasher_update(&hasher, buf, (size_t)n);
		if (ctx->write(ctx->ctx, buf, (size_t)n) < 0)
			break;
	}
	hasher_final(&hasher, &seen);
	if (n > 0)
		return 0; /* the reader has left */
	if (n < 0 || digest_equal(&seen, &content->id))
		return n < 0 ? error_set(err, ERR_ENV, "cannot read an object of the store") : 0;
	error_set(err, ERR_DAMAGED, "object %s is damaged; what was printed is not what was stored",
		  digest_format(&content->id, hex));
	return error_help(err, "run: mlops fsck");
}

static int cat_directory(struct store *store, const struct content *content, const char *text,
			 struct error *err)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;

	error_set(err, ERR_USAGE, "%s is a directory of %llu files", text,
		  (unsigned long long)content->files);
	if (!digest_is_zero(&content->id) && tree_read(store, &content->id, &tree, NULL) == 0 &&
	    tree.len)
		return error_help(err, "name one of them, such as: mlops cat %s/%s", text,
				  tree.entries[0].path);
	return error_help(err, "name a file in it: mlops cat %s/FILE", text);
}

/* A file that git keeps at a commit, where mlops.lock of that commit does not know the path. */
static int cat_commit(struct op_context *ctx, const struct snapshot *snap, const char *inside,
		      struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	int rc = git_read(ctx->project->root, snap->commit, inside, 1u << 30, &bytes, err);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "%s holds no %s", snap->label, inside);
	ctx->write(ctx->ctx, bytes.buf, bytes.len);
	return 0;
}

/* What a client logged to a run. */
static bool find_logged(struct op_context *ctx, const struct snapshot *snap, struct store *store, const char *inside,
			struct content *ret)
{
	CLEANUP(cleanup_free) char *root = NULL;
	CLEANUP(cleanup_free) char *uri = NULL;
	CLEANUP(cleanup_free) char *path = NULL;
	struct db *db;

	if (!snap->run[0] || project_db(ctx->project, &db, NULL) < 0 ||
	    file_root_of_run(db, snap->run, &root, &uri, NULL) < 0)
		return false;
	path = xasprintf("%s/%s", root, inside);
	return file_find(db, store, path, ret, NULL) == 0;
}

static int cat_snapshot(struct op_context *ctx, const struct snapshot *snap, const char *inside,
			const char *text, struct error *err)
{
	struct content content;
	struct store *store;

	if (project_store(ctx->project, &store, err) < 0)
		return -1;
	if (snap->commit[0] && *inside && !snapshot_has(snap, inside))
		return cat_commit(ctx, snap, inside, err);
	if (snapshot_content(snap, store, inside, &content, err) < 0 &&
	    !(*inside && find_logged(ctx, snap, store, inside, &content)))
		return -1;
	if (content.kind == CONTENT_TREE)
		return cat_directory(store, &content, text, err);
	return write_object(ctx, store, &content, err);
}

/* data.cat {name} -> bytes through ctx->write; no result. */
int op_cat(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *text = js_get_str(args, "name"), *inside;
	CLEANUP(snapshot_release) struct snapshot snap = SNAPSHOT_INIT;

	(void)ret_result;
	if (snapshot_within(ctx, text, &snap, &inside, err) < 0)
		return -1;
	return cat_snapshot(ctx, &snap, inside, text, err);
}

/* ---- lock take ---- */

/* lock.take {side: ours|theirs} -> {side, settled: [{kind, name, value}]} */
int op_lock_take(struct op_context *ctx, const struct js *args, struct js **ret_result,
		 struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	CLEANUP(data_unlock) struct data_locks locks = DATA_LOCKS_INIT;
	CLEANUP_JS struct js *notes = js_array();
	const char *side = js_get_str(args, "side");
	bool ours = !strcmp(side, "ours");
	struct js *settled;

	if (data_lock_tree(ctx, &locks, notes, err) < 0 ||
	    lockfile_load(ctx->project->rootfd, &lock, err) < 0)
		return -1;
	settled = js_array();
	for (size_t i = 0; i < lock.len; i++) {
		const struct lock_entry *e = &lock.entries[i];
		struct js *json;

		if (!e->other)
			continue;
		json = js_object();
		js_set_str(json, "kind", lock_kind_name(e->kind));
		js_set_str(json, "name", e->name);
		js_set_str(json, "value", ours ? e->value : e->other);
		js_push(settled, json);
	}
	*ret_result = js_object();
	js_set_str(*ret_result, "side", side);
	js_set(*ret_result, "settled", settled);
	js_set(*ret_result, "notes", steal(&notes));
	lockfile_take(&lock, ours);
	return lockfile_save(&lock, ctx->project->rootfd, err);
}
