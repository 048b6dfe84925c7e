/* SPDX-License-Identifier: Apache-2.0 */
#include "api/data.h"
#include <string.h>
#include <unistd.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/run.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "store/store.h"

#define LINK_HOPS 16

int data_path(const struct op_context *ctx, const char *text, char **ret, struct error *err)
{
	const struct project *p = ctx->project;
	size_t len = strlen(p->root);

	if (*text == '/' && !strncmp(text, p->root, len) && (text[len] == '/' || !text[len]))
		return path_clean("", text + len + (text[len] == '/'), ret, err);
	return path_clean(p->prefix, text, ret, err);
}

int data_scanner(struct op_context *ctx, struct store_batch *batch, struct scanner *ret,
		 struct error *err)
{
	const struct ignore *ignore;
	struct store *store;

	if (project_ignore(ctx->project, &ignore, err) < 0 ||
	    project_store(ctx->project, &store, err) < 0)
		return -1;
	*ret = (struct scanner){
		.rootfd = ctx->project->rootfd,
		.cache = project_statcache(ctx->project),
		.ignore = ignore,
		.batch = batch,
		.store = store,
		.progress = ctx->progress,
	};
	return 0;
}

static void waiting(void *ctx, const struct lock_holder *holder)
{
	const struct op_context *op = ctx;
	CLEANUP_JS struct js *event = js_object();
	CLEANUP(cleanup_free)
	char *text = xasprintf("waiting for process %ld (%s) to finish with this work tree",
			       holder->pid, holder->command);

	js_set_str(event, "event", "note");
	js_set_str(event, "text", text);
	if (op->emit)
		op->emit(op->ctx, event);
}

int data_lock_tree(struct op_context *ctx, struct data_locks *locks, struct js *notes,
		   struct error *err)
{
	CLEANUP(strlist_release) struct strlist repaired = STRLIST_INIT;

	locks->tree = lock_take(ctx->project->treelocksfd, LOCK_TREE, LOCK_EXCLUSIVE, LOCK_WAIT,
				waiting, ctx, err);
	if (locks->tree < 0 || run_recover(ctx->project, &repaired, err) < 0)
		return -1;
	for (size_t i = 0; i < repaired.len; i++)
		js_push_str(notes, repaired.items[i]);
	return 0;
}

int data_lock_store(struct op_context *ctx, struct data_locks *locks, struct error *err)
{
	locks->store = lock_take(ctx->project->locksfd, LOCK_STORE, LOCK_SHARED, LOCK_WAIT, waiting,
				 ctx, err);
	return locks->store < 0 ? -1 : 0;
}

void data_unlock(struct data_locks *locks)
{
	cleanup_fd(&locks->store);
	cleanup_fd(&locks->tree);
	*locks = (struct data_locks)DATA_LOCKS_INIT;
}

static int not_inside(const struct tree *tree, const char *inside, struct error *err)
{
	CLEANUP(strlist_release) struct strlist paths = STRLIST_INIT;
	const char *nearest;

	for (size_t i = 0; i < tree->len; i++)
		strlist_push(&paths, tree->entries[i].path);
	nearest = strlist_nearest(&paths, inside);
	error_set(err, ERR_NOT_FOUND, "there is no %s in this version", inside);
	if (nearest)
		return error_help(err, "did you mean %s?", nearest);
	return tree->len ? error_help(err, "it holds %zu files, such as %s", tree->len,
				      tree->entries[0].path) :
			   -1;
}

/* The entries below `inside` as a tree of their own. 0 entries: there is no such directory. */
static void subtree(const struct tree *tree, const char *inside, struct tree *ret)
{
	size_t len = strlen(inside);

	for (size_t i = 0; i < tree->len; i++) {
		const struct tree_entry *e = &tree->entries[i];

		if (!strncmp(e->path, inside, len) && e->path[len] == '/')
			tree_add(ret, e->path + len + 1, e->kind, &e->id, e->size, e->target);
	}
}

static int inside_directory(const struct tree *tree, const char *inside, struct store_batch *batch,
			    struct content *ret, struct error *err)
{
	CLEANUP(tree_release) struct tree sub = TREE_INIT;
	struct content content = { .kind = CONTENT_TREE };

	subtree(tree, inside, &sub);
	if (!sub.len)
		return not_inside(tree, inside, err);
	content.files = sub.len;
	for (size_t i = 0; i < sub.len; i++)
		content.size += sub.entries[i].size;
	if (batch && (tree_seal(&sub, err) < 0 || tree_write(&sub, batch, &content.id, err) < 0))
		return error_wrap(err, "%s", inside);
	*ret = content;
	return 0;
}

int data_inside(struct store *store, const struct content *content, const char *inside,
		struct store_batch *batch, struct content *ret, struct error *err)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	CLEANUP(cleanup_free) char *path = xstrdup(inside);
	const struct tree_entry *entry = NULL;

	if (content->kind != CONTENT_TREE)
		return error_set(err, ERR_USAGE, "this version is a file and holds no %s", inside);
	if (tree_read(store, &content->id, &tree, err) < 0)
		return -1;
	for (int i = 0; i < LINK_HOPS; i++) {
		CLEANUP(cleanup_free) char *dir = NULL;
		char *next, *slash;

		entry = tree_find(&tree, path);
		if (!entry)
			return inside_directory(&tree, path, batch, ret, err);
		if (entry->kind != ENTRY_LINK)
			break;
		dir = xstrdup(path);
		slash = strrchr(dir, '/');
		*(slash ? slash : dir) = '\0';
		if (path_clean(dir, entry->target, &next, err) < 0)
			return -1;
		free(path);
		path = next;
	}
	if (entry->kind == ENTRY_LINK)
		return error_set(err, ERR_USAGE, "%s is a symlink that leads to itself", inside);
	*ret = (struct content){ entry->kind == ENTRY_EXEC ? CONTENT_EXEC : CONTENT_FILE, entry->id,
				 entry->size, 1 };
	return 0;
}

bool data_locked(struct op_context *ctx, const char *path, struct content *ret)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;

	return lockfile_load(ctx->project->rootfd, &lock, NULL) == 0 &&
	       (lockfile_content(&lock, LOCKED_DATA, path, ret) ||
		lockfile_content(&lock, LOCKED_OUT, path, ret));
}

void data_set_content(struct js *object, const char *key, const struct content *content)
{
	char text[CONTENT_TEXT];

	if (content->kind != CONTENT_ABSENT)
		js_set_str(object, key, content_format(content, text));
}
