/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "api/attest.h"
#include "api/model_files.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/provenance.h"
#include "registry/artifacts.h"
#include "registry/candidates.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "registry/versions.h"
#include "store/content.h"
#include "store/scan.h"
#include "store/store.h"
#include "store/tree.h"

#define SUBJECTS_MAX 10000 /* files of a directory that are named, too */

void attest_thing_release(struct attest_thing *thing)
{
	free(thing->node);
	free(thing->uri);
	free(thing->model);
	js_free(thing->subjects);
	*thing = (struct attest_thing){ 0 };
}

static void push(struct attest_thing *thing, const char *name, const struct content *content)
{
	js_push(thing->subjects, statement_subject(name, thing->uri, content));
}

/* Whoever has a file of a directory can hash it, so each is named: but not of a directory without end. */
static void push_entries(struct attest_thing *thing, const char *name, const struct tree *tree)
{
	for (size_t i = 0; i < tree->len && tree->len <= SUBJECTS_MAX; i++) {
		CLEANUP(cleanup_free) char *path = xasprintf("%s/%s", name, tree->entries[i].path);
		const struct content file = { CONTENT_FILE, tree->entries[i].id, tree->entries[i].size, 1 };

		if (tree->entries[i].kind != ENTRY_LINK)
			push(thing, path, &file);
	}
}

/* A tree whose listing is not here is named all the same. */
static void push_content(struct attest_thing *thing, struct store *store, const char *name, const struct content *content)
{
	struct tree tree CLEANUP(tree_release) = TREE_INIT;

	push(thing, name, content);
	if (content->kind == CONTENT_TREE && tree_read(store, &content->id, &tree, NULL) == 0)
		push_entries(thing, name, &tree);
}

static int need_some(const struct attest_thing *thing, struct error *err)
{
	return js_len(thing->subjects) ? 0 : error_set(err, ERR_CONFLICT, "%s has no files, so nothing can be stated of it", thing->node);
}

/* ---- a model version ---- */

/* https://github.com/package-url/purl-spec, type mlflow */
static char *purl_of(const char *model, int64_t number)
{
	CLEANUP_STRBUF struct strbuf uri = STRBUF_INIT;

	strbuf_puts(&uri, "pkg:mlflow/");
	for (const char *s = model; *s; s++)
		if (isalnum((unsigned char)*s) || strchr("-._~", *s))
			strbuf_putc(&uri, *s);
		else
			strbuf_printf(&uri, "%%%02X", (unsigned char)*s);
	strbuf_printf(&uri, "@%lld", (long long)number);
	return strbuf_detach(&uri);
}

static int push_file(void *ctx, const char *path, const struct content *content, struct error *err)
{
	struct attest_thing *thing = ctx;

	if (js_len(thing->subjects) >= SUBJECTS_MAX)
		return error_set(err, ERR_TOO_LARGE, "%s has more than %d files", thing->node, SUBJECTS_MAX);
	push(thing, path, content);
	return 0;
}

/* A step's run is part of the pipeline's, which knows the code. */
static int find_top(struct db *db, const char *run_id, char ret[33], struct error *err)
{
	CLEANUP_JS struct js *run = NULL;
	const char *parent;

	if (run_load(db, run_id, &run, err) < 0)
		return -1;
	parent = js_get_str(run, "step") ? js_get_str(run, "parent") : NULL;
	memcpy(ret, parent ? parent : run_id, 33);
	return 0;
}

/* Registered by a client: files wherever it put them; its run may be another server's. */
static int fill_logged(struct db *db, struct store *store, struct attest_thing *thing, struct error *err)
{
	struct version_lineage lineage CLEANUP(version_lineage_release) = { 0 };

	if (version_lineage(db, thing->model, thing->number, &lineage, err) < 0 ||
	    model_files_each(db, store, thing->model, thing->number, push_file, thing, err) < 0)
		return -1;
	thing->apart = js_len(thing->subjects) > 1;
	if (lineage.run_id && strlen(lineage.run_id) == 32)
		find_top(db, lineage.run_id, thing->run, NULL);
	return 0;
}

static int fill_made(struct db *db, struct store *store, const struct js *candidate, struct attest_thing *thing,
		     struct error *err)
{
	const char *run = js_get_str(candidate, "run_id");
	struct content content;

	if (!content_parse(js_get_str(candidate, "content"), &content))
		return error_set(err, ERR_DAMAGED, "the registry: %s has no content", thing->node);
	push_content(thing, store, js_get_str(js_get(candidate, "spec"), "from"), &content);
	return run && strlen(run) == 32 ? find_top(db, run, thing->run, err) : 0;
}

int attest_thing_of_version(struct op_context *ctx, struct db *db, const char *model, int64_t number,
			    struct attest_thing *ret, struct error *err)
{
	struct attest_thing thing CLEANUP(attest_thing_release) = {
		.node = xasprintf("%s@v%lld", model, (long long)number),
		.uri = purl_of(model, number),
		.subjects = js_array(),
		.model = xstrdup(model),
		.number = number,
	};
	CLEANUP_JS struct js *candidate = NULL;
	struct error why = { 0 };
	struct store *store;
	int r;

	if (project_store(ctx->project, &store, err) < 0)
		return -1;
	r = candidate_load(db, model, number, &candidate, &why);
	if (r < 0 && why.code != ERR_NOT_FOUND) {
		if (err)
			*err = why;
		return -1;
	}
	r = candidate ? fill_made(db, store, candidate, &thing, err) : fill_logged(db, store, &thing, err);
	if (r < 0 || need_some(&thing, err) < 0)
		return -1;
	*ret = thing;
	thing = (struct attest_thing){ 0 };
	return 0;
}

/* ---- runs and artifacts ---- */

static int fill_run(struct db *db, struct store *store, struct attest_thing *thing, struct error *err)
{
	CLEANUP_JS struct js *run = NULL;
	const struct js *outputs;

	if (run_load(db, thing->run, &run, err) < 0)
		return -1;
	outputs = js_get(run, "outputs");
	for (size_t i = 0; i < js_len(outputs); i++) {
		const struct js *output = js_at(outputs, i);
		struct content content;

		if (content_parse(js_get_str(output, "content"), &content))
			push_content(thing, store, js_get_str(output, "path"), &content);
	}
	thing->apart = js_len(outputs) > 1;
	return 0;
}

static int fill_artifact(struct db *db, struct store *store, const struct name *name, struct attest_thing *thing,
			 struct error *err)
{
	struct artifact_version version;

	if (artifact_find(db, name->artifact, name->version, &version, err) < 0)
		return -1;
	push_content(thing, store, name->artifact, &version.content);
	memcpy(thing->run, version.run, sizeof(thing->run));
	return 0;
}

static int fill(struct db *db, struct store *store, const struct name *name, struct attest_thing *thing, struct error *err)
{
	char hex[DIGEST_HEX + 1];

	thing->subjects = js_array();
	switch (name->kind) {
	case NAME_RUN:
		thing->node = xstrdup(name->run);
		memcpy(thing->run, name->run, sizeof(thing->run));
		return fill_run(db, store, thing, err);
	case NAME_ARTIFACT:
		thing->node = xasprintf("%s@v%lld", name->artifact, (long long)name->version);
		return fill_artifact(db, store, name, thing, err);
	default:
		thing->node = xasprintf("%s:%s", content_kind_name(name->content.kind), digest_format(&name->content.id, hex));
		push_content(thing, store, thing->node, &name->content);
		return 0;
	}
}

int attest_thing_of(struct op_context *ctx, struct db *db, const char *text, struct attest_thing *ret, struct error *err)
{
	struct attest_thing thing CLEANUP(attest_thing_release) = { 0 };
	struct store *store;
	struct name name;

	if (project_store(ctx->project, &store, err) < 0 ||
	    name_resolve(ctx->project, text, ACCEPT_ANY & ~(unsigned)ACCEPT_COMMIT, &name, err) < 0)
		return -1;
	if (name.kind == NAME_VERSION)
		return attest_thing_of_version(ctx, db, name.artifact, name.version, ret, err);
	if (fill(db, store, &name, &thing, err) < 0 || need_some(&thing, err) < 0)
		return -1;
	*ret = thing;
	thing = (struct attest_thing){ 0 };
	return 0;
}

/* ---- files of anybody ---- */

int attest_thing_of_file(const char *dir, const char *path, struct attest_thing *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *full = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", dir, path);
	struct tree tree CLEANUP(tree_release) = TREE_INIT;
	CLEANUP(cleanup_fd) int fd = -1;
	struct scanner scanner = { 0 };
	struct content content;
	char *slash;

	for (size_t len = strlen(full); len > 1 && full[len - 1] == '/';)
		full[--len] = '\0';
	slash = strrchr(full, '/');
	*slash = '\0';
	fd = open(slash == full ? "/" : full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "%s", path);
	scanner.rootfd = fd;
	if (scan_path(&scanner, slash + 1, &content, &tree, err) < 0)
		return error_wrap(err, "%s", path);
	if (content.kind == CONTENT_ABSENT)
		return error_set(err, ERR_NOT_FOUND, "there is no %s", path);
	*ret = (struct attest_thing){ .node = xstrdup(path), .subjects = js_array() };
	push(ret, path, &content);
	return 0;
}
