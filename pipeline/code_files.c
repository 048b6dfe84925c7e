/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/code_files.h"
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "registry/git.h"
#include "registry/project.h"
#include "store/ignore.h"
#include "store/scan.h"

#define DEPTH_MAX 32 /* of directories, and of submodules in each other */

struct code_files {
	const struct scanner *scanner;    /* near: paths of one directory follow each other */
	struct strlist paths;             /* sorted at the end */
	struct strlist outputs, folders;  /* sorted: what steps make; inputs that are directories */
	const char *prefix;               /* of the submodule that is gone through, with its slash, or "" */
	struct tree tree;
	bool full, cut;
};

static void code_files_release(struct code_files *c)
{
	strlist_release(&c->paths);
	strlist_release(&c->outputs);
	strlist_release(&c->folders);
	tree_release(&c->tree);
}

/* ---- which ---- */

/* The path, or a directory above it, is in the sorted list. */
static bool is_below(const struct strlist *sorted, const char *path)
{
	CLEANUP(cleanup_free) char *part = xstrdup(path);
	char *slash;

	do {
		if (strlist_has_sorted(sorted, part))
			return true;
		slash = strrchr(part, '/');
		if (slash)
			*slash = '\0';
	} while (slash);
	return false;
}

static void want(struct code_files *c, const char *path)
{
	c->full |= c->paths.len >= CODE_FILES_MOST;
	if (!c->full && !is_below(&c->outputs, path))
		strlist_push(&c->paths, path);
}

static void want_text(struct code_files *c, const struct text_at *text)
{
	char *clean;

	if (text->text && path_clean("", text->text, &clean, NULL) == 0)
		strlist_push_owned(&c->paths, clean);
}

/* Without these nothing runs, so they come first. */
static void want_pipeline(struct code_files *c, const struct pipeline *pipeline)
{
	strlist_push(&c->paths, pipeline->file);
	strlist_push(&c->paths, ".mlopsignore");
	for (size_t i = 0; i < pipeline->params_files.len; i++)
		strlist_push(&c->paths, pipeline->params_files.items[i]);
	for (size_t i = 0; i < pipeline->nsteps; i++)
		want_text(c, &pipeline->steps[i].env_file);
	for (size_t i = 0; i < pipeline->nimages; i++)
		want_text(c, &pipeline->images[i].file);
	for (size_t i = 0; i < pipeline->nschemas; i++)
		want_text(c, &pipeline->schemas[i].file);
}

static void know_plan(struct code_files *c, const struct plan *plan)
{
	struct stat st;

	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];

		for (size_t k = 0; k < node->noutputs; k++)
			strlist_push(&c->outputs, node->outputs[k].path);
		for (size_t k = 0; k < node->checkpoints.len; k++)
			strlist_push(&c->outputs, node->checkpoints.items[k]);
		for (size_t k = 0; k < node->inputs.len; k++)
			if (strcmp(node->inputs.items[k], ".") != 0 &&
			    fs_stat_beneath(c->scanner->rootfd, node->inputs.items[k], &st, NULL) > 0 && S_ISDIR(st.st_mode))
				strlist_push(&c->folders, node->inputs.items[k]);
	}
	strlist_sort(&c->outputs);
	strlist_sort(&c->folders);
}

static void each_tracked(void *ctx, const char *path)
{
	struct code_files *c = ctx;
	CLEANUP(cleanup_free) char *full = xasprintf("%s%s", c->prefix, path);

	want(c, full);
}

struct submodules {
	struct code_files *files;
	const char *root;
	int depth;
};

static int want_tracked(struct code_files *c, const char *root, const char *prefix, int depth);

static void each_submodule(void *ctx, const char *path)
{
	const struct submodules *s = ctx;
	CLEANUP(cleanup_free) char *root = path_join(s->root, path);
	CLEANUP(cleanup_free) char *prefix = xasprintf("%s%s/", s->files->prefix, path);
	const char *outer = s->files->prefix;

	want_tracked(s->files, root, prefix, s->depth + 1);
	s->files->prefix = outer;
}

/* 1, or 0: there is no repository that can be asked. */
static int want_tracked(struct code_files *c, const char *root, const char *prefix, int depth)
{
	struct submodules inner = { c, root, depth };

	c->prefix = prefix;
	if (git_each_file(root, each_tracked, c, NULL) <= 0)
		return 0;
	if (depth < DEPTH_MAX)
		git_each_submodule(root, each_submodule, &inner, NULL);
	return 1;
}

static void want_all(struct code_files *c, const char *dir, int depth)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	c->full |= depth > DEPTH_MAX || fs_list_dir(c->scanner->rootfd, *dir ? dir : ".", &names, NULL) < 0;
	for (size_t i = 0; i < names.len && !c->full; i++) {
		CLEANUP(cleanup_free) char *path = *dir ? path_join(dir, names.items[i]) : xstrdup(names.items[i]);
		CLEANUP(cleanup_free) char *clean = NULL;
		struct stat st;

		if (path_clean("", path, &clean, NULL) < 0 || strcmp(clean, path) != 0 ||
		    fs_stat_beneath(c->scanner->rootfd, path, &st, NULL) <= 0 ||
		    ignore_match_here(c->scanner->ignore, path, S_ISDIR(st.st_mode)) || is_below(&c->folders, path))
			continue;
		if (S_ISDIR(st.st_mode) && !is_below(&c->outputs, path))
			want_all(c, path, depth + 1);
		else if (!S_ISDIR(st.st_mode))
			want(c, path);
	}
}

/* ---- storing ---- */

/* A link that leads out of the tree is not code that could be kept. */
static void store_link(struct code_files *c, const char *path)
{
	CLEANUP(cleanup_free) char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/'), target[PATH_MAX];
	CLEANUP(cleanup_fd) int fd = -1;
	ssize_t len;

	if (slash)
		*slash = '\0';
	fd = fs_open_direct(c->scanner->rootfd, slash ? dir : ".", O_RDONLY | O_DIRECTORY, 0, NULL);
	len = fd < 0 ? -1 : readlinkat(fd, path_base(path), target, sizeof(target) - 1);
	if (len <= 0)
		return;
	target[len] = '\0';
	if (tree_target_inside(path, target))
		tree_add(&c->tree, path, ENTRY_LINK, &(struct digest){ { 0 } }, 0, target);
}

/* What is a file of its own among the inputs, and larger, is kept with those. */
static void store_file(struct code_files *c, const char *path)
{
	struct content content;
	struct stat st;

	if (!tree_path_valid(path) || fs_stat_near(c->scanner->near, path, &st, NULL) <= 0)
		return;
	if (S_ISLNK(st.st_mode)) {
		store_link(c, path);
		return;
	}
	if (!S_ISREG(st.st_mode))
		return;
	if ((uint64_t)st.st_size > CODE_FILE_MAX || c->tree.bytes + (uint64_t)st.st_size > CODE_FILES_MAX ||
	    scan_path(c->scanner, path, &content, NULL, NULL) < 0) {
		c->cut |= !is_below(&c->folders, path);
		return;
	}
	if (content.kind == CONTENT_FILE || content.kind == CONTENT_EXEC)
		tree_add(&c->tree, path, content.kind == CONTENT_EXEC ? ENTRY_EXEC : ENTRY_FILE, &content.id, content.size, NULL);
}

int code_files_store(const struct scanner *scanner, const struct project *project, const struct plan *plan,
		     struct content *ret, bool *ret_whole, struct error *err)
{
	CLEANUP(fs_near_release) struct fs_near near = FS_NEAR_INIT(scanner->rootfd);
	struct scanner walk = *scanner;
	CLEANUP(code_files_release) struct code_files c = { .scanner = &walk, .prefix = "", .tree = TREE_INIT };

	walk.near = &near;
	*ret = (struct content){ .kind = CONTENT_ABSENT };
	know_plan(&c, plan);
	want_pipeline(&c, plan->pipeline);
	/* What git tracks around a scratch tree is not in it. */
	if (project->scratch || !want_tracked(&c, project->root, "", 0))
		want_all(&c, "", 0);
	strlist_sort(&c.paths);
	strlist_uniq(&c.paths);
	for (size_t i = 0; i < c.paths.len; i++)
		store_file(&c, c.paths.items[i]);
	if (tree_seal(&c.tree, err) < 0 || (c.tree.len && tree_write(&c.tree, scanner->batch, &ret->id, err) < 0))
		return error_wrap(err, "the code");
	if (c.tree.len)
		*ret = (struct content){ CONTENT_TREE, ret->id, c.tree.bytes, c.tree.len };
	*ret_whole = !c.full && !c.cut;
	return 0;
}
