/* SPDX-License-Identifier: Apache-2.0 */
/* Files of champions, where the steps of a run find them. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "api/candidates.h"
#include "api/candidates_internal.h"
#include "api/data.h"
#include "api/model_files.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "pipeline/grammar.h"
#include "registry/candidates.h"
#include "registry/git.h"
#include "registry/project.h"
#include "registry/versions.h"
#include "store/checkout.h"
#include "store/store.h"
#include "store/tree.h"

static int add_file(void *ctx, const char *path, const struct content *content, struct error *err)
{
	struct tree *tree = ctx;

	(void)err;
	tree_add(tree, path, content->kind == CONTENT_EXEC ? ENTRY_EXEC : ENTRY_FILE, &content->id, content->size, NULL);
	return 0;
}

/* A version that a pipeline made is put as it was: also its executable files and symlinks. Of a file it is a directory
 * with it. */
static int made_by_pipeline(struct db *db, struct store *store, const char *model, int64_t number, struct tree *tree,
			    struct error *err)
{
	CLEANUP_JS struct js *candidate = NULL;
	struct content content;
	struct error none = { 0 };
	const char *text, *from;
	int fd;

	if (candidate_load(db, model, number, &candidate, &none) < 0) {
		if (none.code != ERR_NOT_FOUND && err)
			*err = none;
		return none.code == ERR_NOT_FOUND ? 0 : -1;
	}
	text = js_get_str(candidate, "content");
	from = js_get_str(js_get(candidate, "spec"), "from");
	if (!text || !from || !content_parse(text, &content))
		return error_set(err, ERR_DAMAGED, "the registry does not tell what %s@v%lld is", model, (long long)number);
	if (content.kind == CONTENT_TREE)
		return tree_read(store, &content.id, tree, err) < 0 ? -1 : 1;
	fd = store_open_object(store, &content.id, &content.size, err);
	if (fd < 0)
		return -1;
	close(fd);
	add_file(tree, path_base(from), &content, err);
	return 1;
}

static int champion_tree(struct op_context *ctx, const char *model, int64_t number, struct store_batch *batch,
			 struct content *ret, struct error *err)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	struct store *store;
	struct db *db;
	int r = 0;

	if (project_db(ctx->project, &db, err) < 0 || project_store(ctx->project, &store, err) < 0)
		return -1;
	if (number)
		r = made_by_pipeline(db, store, model, number, &tree, err);
	if (number && r == 0)
		r = model_files_each(db, store, model, number, add_file, &tree, err);
	if (r < 0) {
		error_wrap(err, "the files of the champion %s@v%lld", model, (long long)number);
		return error_help(err, "get them: mlops pull; or give the alias to a version whose files are here");
	}
	*ret = (struct content){ .kind = CONTENT_TREE, .files = tree.len, .size = tree.bytes };
	return tree_seal(&tree, err) < 0 || tree_write(&tree, batch, &ret->id, err) < 0 ? -1 : 0;
}

/* No tree holds an empty directory: it is made, so that a step finds it. */
static int make_directory(const struct project *p, const char *dir, struct error *err)
{
	CLEANUP(cleanup_free) char *path = xstrdup(dir);

	for (char *slash = path; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		if (io_mkdir(p->rootfd, path, 0777, err) < 0)
			return -1;
	}
	return io_mkdir(p->rootfd, dir, 0777, err);
}

/* As written; what ${} stands for is seen by who plans. */
static bool is_output(const struct pipeline *pipeline, const char *dir)
{
	for (size_t i = 0; i < pipeline->nsteps; i++) {
		const struct step *step = &pipeline->steps[i];
		const struct textlist *const lists[] = { &step->out, &step->metrics, &step->plots };

		for (size_t l = 0; l < ARRAY_LEN(lists); l++)
			for (size_t k = 0; k < lists[l]->len; k++)
				if (path_contains(lists[l]->items[k].text, dir) || path_contains(dir, lists[l]->items[k].text))
					return true;
	}
	return false;
}

void champions_room(struct op_context *ctx, const struct pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->nmodels; i++) {
		const char *dir = pipeline->models[i].champion.text;

		if (dir && !is_output(pipeline, dir))
			make_directory(ctx->project, dir, NULL);
	}
}

static int place(struct op_context *ctx, const struct model_section *model, int64_t number, struct error *err)
{
	CLEANUP(data_unlock) struct data_locks locks = DATA_LOCKS_INIT;
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	struct scanner scanner;
	struct checkout checkout = {
		.scanner = &scanner, .unknown = UNKNOWN_ASIDE, .aside = ".mlops/aside/champion", .progress = ctx->progress,
	};
	const char *const ignored[] = { model->champion.text };
	struct checkout_result result = { 0 };
	struct content content;

	if (project_store(ctx->project, &checkout.store, err) < 0 || data_lock_store(ctx, &locks, err) < 0 ||
	    batch_open(checkout.store, &batch, err) < 0 || champion_tree(ctx, model->name, number, batch, &content, err) < 0 ||
	    batch_commit(batch, err) < 0 || data_scanner(ctx, NULL, &scanner, err) < 0 ||
	    checkout_path(&checkout, model->champion.text, &content, &result, err) < 0)
		return -1;
	if (!ctx->project->scratch)
		git_ignore_paths(ctx->project->root, ignored, 1, NULL); /* without it git only shows them */
	return make_directory(ctx->project, model->champion.text, err);
}

int champion_of(struct db *db, const struct model_section *model, int64_t *ret, struct error *err)
{
	struct error none = { 0 };

	*ret = 0;
	if (alias_find(db, model->name, model->alias ? model->alias : "champion", ret, &none) == 0)
		return 0;
	if (none.code == ERR_NOT_FOUND || none.code == ERR_USAGE)
		return 0; /* no such model, nobody has the alias */
	if (err)
		*err = none;
	return -1;
}

int champions_place(struct op_context *ctx, const struct pipeline *pipeline, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *placed = js_object();
	struct db *db;

	for (size_t i = 0; i < pipeline->nmodels; i++) {
		const struct model_section *model = &pipeline->models[i];
		int64_t number;

		if (!model->champion.text)
			continue;
		if (project_db(ctx->project, &db, err) < 0 || champion_of(db, model, &number, err) < 0 ||
		    place(ctx, model, number, err) < 0)
			return -1;
		js_set_int(placed, model->name, number);
	}
	*ret = steal(&placed);
	return 0;
}
