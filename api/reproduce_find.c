/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to the run that made it, and what its record tells. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "api/reproduce.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "registry/artifacts.h"
#include "registry/candidates.h"
#include "registry/forgotten.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/records.h"
#include "registry/reproductions.h"
#include "registry/runs.h"
#include "registry/versions.h"

static void contents_release(struct strmap *map)
{
	for (size_t i = 0; i < map->len; i++)
		free(map->entries[i].value);
	strmap_release(map);
}

void recipe_release(struct recipe *r)
{
	child_release(&r->child);
	loop_free(r->child.loop);
	scratch_set_close(&r->set);
	free(r->subject);
	free(r->step);
	free(r->path);
	free(r->file);
	js_free(r->record);
	js_free(r->attempts);
	js_free(r->missing);
	js_free(r->notes);
	strlist_release(&r->steps);
	contents_release(&r->inputs);
	contents_release(&r->outputs);
}

const char *recipe_tag(const struct recipe *r, const char *key)
{
	return js_get_str(js_get(r->record, "tags"), key);
}

int recipe_lacks(struct recipe *r, const char *what, const struct content *content, const char *message, struct error *err)
{
	CLEANUP_JS struct js *seen = NULL;
	CLEANUP_JS struct js *forgotten = NULL;
	struct js *line = js_object();
	char text[CONTENT_TEXT];

	js_push(r->missing, line);
	js_set_str(line, "what", what);
	js_set_str(line, "message", message);
	if (!content)
		return 0;
	js_set_str(line, "content", content_format(content, text));
	if (content_last_seen(r->db, content, &seen, err) < 0 || forgotten_find(r->db, &content->id, &forgotten, err) < 0)
		return -1;
	if (seen)
		js_set(line, "last_seen", steal(&seen));
	if (forgotten)
		js_set(line, "forgotten", steal(&forgotten));
	return 0;
}

/* ---- what the record tells ---- */

static void take_contents(struct strmap *map, const struct js *list, const struct strmap *but)
{
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *item = js_at(list, i);
		const char *path = js_get_str(item, "path"), *text = js_get_str(item, "content"), *use = js_get_str(item, "use");
		struct content content;

		if (!path || *path == '/' || !text || !content_parse(text, &content) || strmap_has(map, path) ||
		    (but && strmap_has(but, path)) || (use && (!strcmp(use, "profile") || !strcmp(use, "artifacts"))))
			continue;
		content.size = (uint64_t)js_get_int(item, "size", 0);
		content.files = (uint64_t)js_get_int(item, "files", 0);
		strmap_set(map, path, xmemdup(&content, sizeof(content)));
	}
}

/* A run of some steps only read what others had made before: that is an input of the steps, and not of the run. */
static int take_step_inputs(struct recipe *r, struct error *err)
{
	for (size_t i = 0; i < js_len(r->attempts); i++) {
		const struct js *attempt = js_at(r->attempts, i);
		const char *run = js_get_str(attempt, "run") ? js_get_str(attempt, "run") : js_get_str(attempt, "source");
		CLEANUP_JS struct js *record = NULL;
		struct error none = { 0 };

		if (!run)
			continue;
		if (run_load(r->db, run, &record, &none) < 0 && none.code != ERR_NOT_FOUND) {
			if (err)
				*err = none;
			return -1;
		}
		take_contents(&r->inputs, js_get(record, "inputs"), &r->outputs);
	}
	return 0;
}

static int take_run(struct recipe *r, const char *run, struct error *err)
{
	const char *file;

	if (record_top(r->db, run, r->run, err) < 0 || run_load(r->db, r->run, &r->record, err) < 0 ||
	    attempts_list(r->db, r->run, &r->attempts, err) < 0)
		return -1;
	file = recipe_tag(r, "mlflow.source.name");
	if (!file || !recipe_tag(r, "mlops.steps"))
		return recipe_lacks(r, "pipeline", NULL, "its run is of a client of MLflow, and not of mlops run: nothing tells what ran",
				    err);
	r->file = xstrdup(file);
	take_contents(&r->outputs, js_get(r->record, "outputs"), NULL);
	take_contents(&r->inputs, js_get(r->record, "inputs"), NULL);
	return take_step_inputs(r, err);
}

static const struct js *newest_attempt(const struct js *attempts, const char *step, const char *run)
{
	const struct js *found = NULL;

	for (size_t i = 0; i < js_len(attempts); i++) {
		const struct js *a = js_at(attempts, i);
		const char *of = js_get_str(a, "run");

		if (run ? of && !strcmp(of, run) : !strcmp(js_get_str(a, "step"), step))
			found = a;
	}
	return found;
}

/* The run of a step whose result was in place, by what it made. */
static int find_source(const struct recipe *r, const char *step, const struct js *attempt, char ret[33], struct error *err)
{
	const char *source = js_get_str(attempt, "source");

	*ret = '\0';
	if (source)
		snprintf(ret, 33, "%s", source);
	for (size_t i = 0; !source && i < r->outputs.len; i++) {
		CLEANUP(cleanup_free) char *path = NULL;
		CLEANUP_JS struct js *run = NULL;
		char id[33];
		int found = content_maker(r->db, r->outputs.entries[i].key, r->outputs.entries[i].value, id, &path, err);

		if (found < 0 || (found > 0 && run_load(r->db, id, &run, err) < 0))
			return -1;
		if (!found || strcmp(js_get_str(run, "step"), step) != 0)
			continue;
		memcpy(ret, id, sizeof(id));
		return 0;
	}
	return 0;
}

int recipe_attempt(const struct recipe *r, const char *step, struct js **ret, struct error *err)
{
	const struct js *attempt = newest_attempt(r->attempts, step, NULL);
	CLEANUP_JS struct js *attempts = NULL;
	CLEANUP_JS struct js *run = NULL;
	struct error none = { 0 };
	const char *parent;
	char id[33];

	*ret = NULL;
	if (attempt && js_get(attempt, "record")) {
		*ret = js_ref((struct js *)attempt);
		return 0;
	}
	if (find_source(r, step, attempt, id, err) < 0)
		return -1;
	if (!*id || run_load(r->db, id, &run, &none) < 0)
		return 0;
	parent = js_get_str(run, "parent");
	if (parent && attempts_list(r->db, parent, &attempts, err) < 0)
		return -1;
	attempt = newest_attempt(attempts, step, id);
	if (attempt)
		*ret = js_ref((struct js *)attempt);
	return 0;
}

/* ---- names ---- */

static int find_run(struct recipe *r, const char *id, struct error *err)
{
	CLEANUP_JS struct js *run = NULL;

	r->subject = xstrdup(id);
	if (run_load(r->db, id, &run, err) < 0 || take_run(r, id, err) < 0)
		return -1;
	if (!r->step && js_get_str(run, "step"))
		r->step = xstrdup(js_get_str(run, "step"));
	return 0;
}

static int find_content(struct recipe *r, const char *path, const struct content *content, const char *run, struct error *err)
{
	CLEANUP(cleanup_free) char *made_at = path ? xstrdup(path) : NULL;
	char id[33];
	int found = 1;

	r->content = *content;
	if (run && *run) {
		snprintf(id, sizeof(id), "%s", run);
	} else {
		free(steal(&made_at));
		found = content_maker(r->db, path, content, id, &made_at, err);
	}
	if (found < 0)
		return -1;
	if (!found)
		return recipe_lacks(r, "run", content, "no step is known that made it: it was added by hand", err);
	r->path = steal(&made_at);
	return take_run(r, id, err);
}

/* "runs:/ID/PATH", as versions of people name what they are. */
static void take_source(struct recipe *r, const char *source)
{
	const char *path = source && !strncmp(source, "runs:/", 6) ? strchr(source + 6, '/') : NULL;
	const struct content *content = path ? strmap_get(&r->outputs, path + 1) : NULL;

	if (!content)
		return;
	r->path = xstrdup(path + 1);
	r->content = *content;
}

static int find_version(struct recipe *r, const char *model, int64_t number, struct error *err)
{
	CLEANUP_JS struct js *candidate = NULL;
	CLEANUP_JS struct js *version = NULL;
	struct content content;
	struct error none = { 0 };
	const char *run;

	r->subject = xasprintf("%s@v%lld", model, (long long)number);
	if (version_load(r->db, model, number, &version, err) < 0)
		return -1;
	run = js_get_str(version, "run_id");
	if (candidate_load(r->db, model, number, &candidate, &none) == 0 && js_get_str(candidate, "content") &&
	    content_parse(js_get_str(candidate, "content"), &content))
		return find_content(r, js_get_str(js_get(candidate, "spec"), "from"), &content, run, err);
	if (none.code && none.code != ERR_NOT_FOUND) {
		if (err)
			*err = none;
		return -1;
	}
	if (!run || !*run)
		return recipe_lacks(r, "run", NULL, "the version was registered without a run", err);
	if (take_run(r, run, err) < 0)
		return -1;
	take_source(r, js_get_str(version, "source"));
	return 0;
}

static int find_named(struct recipe *r, const struct name *name, struct error *err)
{
	struct artifact_version version;
	char text[CONTENT_TEXT];

	switch (name->kind) {
	case NAME_RUN:
		return find_run(r, name->run, err);
	case NAME_VERSION:
		return find_version(r, name->artifact, name->version, err);
	case NAME_ARTIFACT:
		r->subject = xasprintf("%s@v%lld", name->artifact, (long long)name->version);
		return artifact_find(r->db, name->artifact, name->version, &version, err) < 0 ?
			       -1 :
			       find_content(r, name->artifact, &version.content, version.run, err);
	default:
		r->subject = xstrdup(content_format(&name->content, text));
		return find_content(r, NULL, &name->content, NULL, err);
	}
}

int recipe_find(struct op_context *ctx, const char *text, const char *step, struct recipe *r, struct error *err)
{
	struct name name;

	r->ctx = ctx;
	r->step = step ? xstrdup(step) : NULL;
	r->missing = js_array();
	r->notes = js_array();
	if (project_db(ctx->project, &r->db, err) < 0 || project_store(ctx->project, &r->store, err) < 0)
		return -1;
	if (name_resolve(ctx->project, text, ACCEPT_ANY & ~(unsigned)ACCEPT_COMMIT, &name, err) < 0)
		return -1;
	return find_named(r, &name, err);
}
