/* SPDX-License-Identifier: Apache-2.0 */
/* From a name as somebody types it to a node of lineage. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "api/data.h"
#include "api/lineage.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/artifacts.h"
#include "registry/lockfile.h"
#include "registry/name.h"
#include "registry/predictions.h"
#include "registry/project.h"

void lineage_root_release(struct lineage_root *root)
{
	free(root->name);
	free(root->object);
	free(root->also);
	strlist_release(&root->texts);
	*root = (struct lineage_root)LINEAGE_ROOT_INIT;
}

static const char *keep(struct lineage_root *root, const char *text)
{
	if (!text)
		return NULL;
	strlist_push(&root->texts, text);
	return root->texts.items[root->texts.len - 1];
}

void lineage_root_add(struct lineage_root *root, bool up, const char *kind, const char *name, const char *role, const char *path,
		      int64_t time_ms)
{
	GROW(root->also, root->nalso, root->also_cap);
	root->also[root->nalso++] = (struct lineage_also){ .up = up, .kind = kind, .name = keep(root, name), .role = role,
							   .path = keep(root, path), .time_ms = time_ms };
}

struct search {
	struct op_context *ctx;
	struct db *db;
	const char *text;
	int64_t at_ms;
	struct lineage_root *root;
	struct error miss; /* what was nearest */
};

static int found(struct search *s, const char *kind, const char *name)
{
	s->root->kind = kind;
	s->root->name = xstrdup(name);
	return 1;
}

/* ---- each way to mean something: 1, 0 when it is none of this, -1 ---- */

/* A node as it is printed. */
static int try_node(struct search *s, struct error *err)
{
	static const char *const kinds[] = { "run", "alias", "gate", "window", "firing", "approval", "logged", "dataset", "image" };
	const char *digest = strstr(s->text, "@sha256:");

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		int r = lineage_has(s->db, kinds[i], s->text, err);
		if (r)
			return r < 0 ? -1 : found(s, kinds[i], s->text);
	}
	if (!digest)
		return 0;
	digest++;
	return lineage_has(s->db, "image", digest, err) > 0 ? found(s, "image", digest) : 0;
}

/* MODEL@ALIAS is the newest move of the alias until then. What never moved is a version, as name_resolve says. */
static int try_alias(struct search *s, struct error *err)
{
	const char *at = strrchr(s->text, '@');
	CLEANUP(cleanup_free) char *model = at ? xstrndup(s->text, (size_t)(at - s->text)) : NULL;
	CLEANUP(cleanup_free) char *move = NULL;
	int r = at ? lineage_move(s->db, model, at + 1, s->at_ms, &move, err) : 0;

	if (r > 0)
		return found(s, "alias", move);
	if (r == 0 && at && s->at_ms && lineage_move(s->db, model, at + 1, 0, &move, err) > 0) {
		error_set(err, ERR_NOT_FOUND, "no version of %s was %s then", model, at + 1);
		return error_help(err, "how it went: mlops model show %s", model);
	}
	return r;
}

/* An image by the name that mlops.lock pins. */
static int try_image(struct search *s, struct error *err)
{
	struct lockfile lock CLEANUP(lockfile_release) = LOCKFILE_INIT;
	const struct lock_entry *entry;
	const char *digest;

	(void)err;
	if (op_is_remote(s->ctx) || lockfile_load(s->ctx->project->rootfd, &lock, NULL) < 0)
		return 0;
	entry = lockfile_find(&lock, LOCKED_IMAGE, s->text);
	digest = entry ? strstr(entry->value, "sha256:") : NULL;
	return digest ? found(s, "image", digest) : 0;
}

struct trees {
	struct search *s;
	struct strlist data, code; /* a tree, then where in it */
};

static void trees_release(struct trees *t)
{
	strlist_release(&t->data);
	strlist_release(&t->code);
}

static bool is_code(struct db *db, const char *tree)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM lineage_nodes n JOIN lineage_edges e ON e.origin = n.id"
						      " WHERE n.kind = 'object' AND n.name = ?1 AND e.role = 'code' LIMIT 1");

	db_bind(q, 1, tree);
	return db_step(q, NULL) > 0;
}

static void add_tree(void *ctx, const char *tree, const char *path)
{
	struct trees *t = ctx;
	struct strlist *list = is_code(t->s->db, tree) ? &t->code : &t->data;

	strlist_push(list, tree);
	strlist_push(list, path);
}

/* Whatever git has is part of the code of each run, and most of them never looked at it: where a file was read as data, that
 * is what it touched. */
static int add_trees(struct search *s, const struct digest *file, const char *name, bool up, struct error *err)
{
	struct trees t CLEANUP(trees_release) = { .s = s, .data = STRLIST_INIT, .code = STRLIST_INIT };
	const struct strlist *list = &t.data;
	int known = lineage_has(s->db, "object", name, err);

	if (known < 0 || lineage_trees(s->ctx, s->db, file, add_tree, &t, err) < 0)
		return -1;
	if (!known && !t.data.len)
		list = &t.code;
	for (size_t i = 0; i + 1 < list->len; i += 2) {
		if (up)
			lineage_root_add(s->root, true, "object", list->items[i], "in", list->items[i + 1], 0);
		lineage_root_add(s->root, false, "object", list->items[i], "in", list->items[i + 1], 0);
	}
	return 0;
}

/* A file may stand alone, and in directories that were versions, inputs or outputs as a whole. */
static int mean_content(struct search *s, struct content content, struct error *err)
{
	char text[CONTENT_TEXT];

	if (content.kind == CONTENT_EXEC)
		content.kind = CONTENT_FILE;
	content_format(&content, text);
	if (content.kind == CONTENT_FILE && add_trees(s, &content.id, text, true, err) < 0)
		return -1;
	return found(s, "object", text);
}

/* The newest version of the path when the disk has that, else what the disk has. */
static int try_path(struct search *s, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *name = NULL;
	struct artifact_version version = { 0 };
	struct content content;
	struct scanner scanner;
	struct stat st;

	if (op_is_remote(s->ctx) || data_path(s->ctx, s->text, &path, NULL) < 0 || !*path ||
	    fstatat(s->ctx->project->rootfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (data_scanner(s->ctx, NULL, &scanner, err) < 0 || scan_path(&scanner, path, &content, NULL, err) < 0)
		return -1;
	if (content.kind == CONTENT_ABSENT)
		return 0;
	if (artifact_find(s->db, path, 0, &version, NULL) == 0 && digest_equal(&version.content.id, &content.id)) {
		name = xasprintf("%s@v%lld", path, (long long)version.number);
		return found(s, "version", name);
	}
	if (mean_content(s, content, err) < 0)
		return -1;
	if (s->root->nalso || lineage_has(s->db, "object", s->root->name, err) > 0)
		return 1;
	error_set(err, ERR_NOT_FOUND, "%s: no run has read or made what it holds now", path);
	if (version.number)
		return error_help(err, "of what it held before: mlops lineage %s@latest", path);
	return error_help(err, "of a run, and so of its code: mlops lineage RUN; runs are listed by: mlops runs");
}

static int try_name(struct search *s, struct error *err)
{
	struct name name;
	CLEANUP(cleanup_free) char *version = NULL;

	if (name_resolve(s->ctx->project, s->text, ACCEPT_ANY, &name, &s->miss) < 0) {
		if (s->miss.code == ERR_NOT_FOUND)
			return 0;
		return err ? (*err = s->miss, -1) : -1;
	}
	switch (name.kind) {
	case NAME_RUN:
		return found(s, "run", name.run);
	case NAME_COMMIT:
		return found(s, "commit", name.commit);
	case NAME_CONTENT:
		return mean_content(s, name.content, err);
	case NAME_ARTIFACT:
	case NAME_VERSION:
		version = xasprintf("%s@v%lld", name.artifact, (long long)name.version);
		return found(s, name.kind == NAME_VERSION ? "model" : "version", version);
	}
	return 0;
}

/* A version of a model that is gone is still a node, and so is one of data. */
static int try_version(struct search *s, struct error *err)
{
	static const char *const kinds[] = { "model", "version", "commit", "object" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		int r = lineage_has(s->db, kinds[i], s->text, err);
		if (r)
			return r < 0 ? -1 : found(s, kinds[i], s->text);
	}
	return 0;
}

/* ---- predictions ---- */

static int add_answer(struct search *s, const struct js *row, struct error *err)
{
	CLEANUP(cleanup_free) char *window = xasprintf("%s#%lld", js_get_str(row, "monitor"), (long long)js_get_int(row, "window", 0));
	CLEANUP(cleanup_free) char *move = NULL;
	int64_t time = js_get_int(row, "time", 0), promotion = js_get_int(row, "move", 0);

	if (promotion && lineage_move_of(s->db, promotion, &move, err) < 0)
		return -1;
	if (move)
		lineage_root_add(s->root, true, "alias", move, "answered", NULL, time);
	else if (js_get_bool(row, "known"))
		lineage_root_add(s->root, true, "model", js_get_str(row, "model"), "answered", NULL, time);
	lineage_root_add(s->root, true, "window", window, "window", NULL, time);
	return 0;
}

static int find_prediction(struct search *s, const char *monitor, const char *id, struct error *err)
{
	CLEANUP(cleanup_free) char *name = NULL;
	CLEANUP_JS struct js *rows = NULL;
	int64_t time;

	if (predictions_find(s->db, monitor, id, &rows, err) < 0)
		return -1;
	if (!js_len(rows))
		return 0;
	/* The newest, and what else came at that moment: a request may be in the windows of several monitors. */
	time = js_get_int(js_at(rows, 0), "time", 0);
	for (size_t i = 0; i < js_len(rows) && js_get_int(js_at(rows, i), "time", 0) == time; i++)
		if (add_answer(s, js_at(rows, i), err) < 0)
			return -1;
	name = xasprintf("%s/%s", js_get_str(js_at(rows, 0), "monitor"), id);
	return found(s, "prediction", name);
}

static int try_prediction(struct search *s, struct error *err)
{
	const char *slash = strchr(s->text, '/');
	CLEANUP(cleanup_free) char *monitor = slash ? xstrndup(s->text, (size_t)(slash - s->text)) : NULL;
	int r = slash ? find_prediction(s, monitor, slash + 1, err) : 0;

	return r ? r : find_prediction(s, NULL, s->text, err);
}

/* What read a version did so by its bytes, alone or in a directory. */
static int add_bytes(struct search *s, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(s->db, "SELECT o.name FROM lineage_nodes v JOIN lineage_edges e ON e.result = v.id"
							 " JOIN lineage_nodes o ON o.id = e.origin"
							 " WHERE v.kind = 'version' AND v.name = ?1 AND e.role = 'content'");
	struct content content;
	int r;

	db_bind(q, 1, s->root->name);
	r = db_step(q, err);
	if (r <= 0 || !content_parse(db_text(q, 0), &content))
		return r < 0 ? -1 : 0;
	s->root->object = xstrdup(db_text(q, 0));
	return content.kind == CONTENT_FILE ? add_trees(s, &content.id, s->root->object, false, err) : 0;
}

int lineage_root_find(struct op_context *ctx, struct db *db, const char *text, int64_t at_ms, struct lineage_root *ret,
		      struct error *err)
{
	static int (*const ways[])(struct search *, struct error *) = { try_node,  try_alias,   try_path,      try_name,
									 try_image, try_version, try_prediction };
	struct lineage_root root CLEANUP(lineage_root_release) = LINEAGE_ROOT_INIT;
	struct search s = { .ctx = ctx, .db = db, .text = text, .at_ms = at_ms, .root = &root };
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(ways) && r == 0; i++)
		r = ways[i](&s, err);
	if (r > 0 && !strcmp(root.kind, "version") && add_bytes(&s, err) < 0)
		return -1;
	if (r > 0) {
		*ret = root;
		root = (struct lineage_root)LINEAGE_ROOT_INIT;
		return 0;
	}
	if (r == 0 && err)
		*err = s.miss;
	return -1;
}
