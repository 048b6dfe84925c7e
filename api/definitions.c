/* SPDX-License-Identifier: Apache-2.0 */
#include "api/definitions.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/ini.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/git.h"
#include "registry/project.h"
#include "registry/projects.h"

#define FILE_NAME "pipeline.ini"

void definition_release(struct definition *d)
{
	free(d->project);
	free(d->commit);
	pipeline_free(d->pipeline);
	free(d->error);
	free(d->stamp);
	*d = (struct definition){ 0 };
}

void definitions_free(struct definitions *all)
{
	for (size_t i = 0; i < all->len; i++)
		definition_release(&all->items[i]);
	free(all->items);
	*all = (struct definitions){ 0 };
}

/* ---- where it is read ---- */

struct origin {
	enum source_kind kind;
	char *dir;       /* of files, or of a repository; owned */
	const char *revision;
	char commit[65]; /* "": of files */
	char *stamp;     /* owned */
};

static void origin_release(struct origin *o)
{
	free(o->dir);
	free(o->stamp);
}

/* The file changes its times or its size, or is another one, or is not there. */
static char *file_stamp(const char *dir)
{
	CLEANUP(cleanup_free) char *path = path_join(dir, FILE_NAME);
	struct stat st;

	if (stat(path, &st) < 0)
		return xasprintf("%s: %d", dir, errno);
	return xasprintf("%s: %ju %ju %jd %jd.%ld %jd.%ld", dir, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, (intmax_t)st.st_size,
			 (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static void find_dir(const struct project *p, const struct js *row, struct origin *ret)
{
	const char *branch = js_get_str(row, "branch");
	CLEANUP(cleanup_free) char *mirror = xasprintf("mirrors/%s.git", js_get_str(row, "name"));

	ret->kind = SOURCE_GIT;
	source_kind_parse(js_get_str(row, "kind"), &ret->kind);
	ret->dir = ret->kind == SOURCE_GIT ? project_home_path(p, mirror) : xstrdup(js_get_str(row, "source"));
	ret->revision = ret->kind == SOURCE_GIT ? DEFINITIONS_REF : branch ? branch : "HEAD";
}

/* 0: *ret says where; -1 when there is nothing to be read, or not yet. */
static int find_origin(const struct project *p, const struct js *row, struct origin *ret, struct error *err)
{
	int r = 0;

	find_dir(p, row, ret);
	if (ret->kind != SOURCE_HERE)
		r = git_resolve(ret->dir, ret->revision, ret->commit, err);
	if (r < 0)
		return -1;
	if (r == 0 && ret->kind == SOURCE_GIT) {
		error_set(err, ERR_NOT_FOUND, "nothing of %s was fetched so far", js_get_str(row, "source"));
		return -1;
	}
	ret->stamp = r > 0 ? xasprintf("%s: %s", ret->dir, ret->commit) : file_stamp(ret->dir);
	return 0;
}

/* ---- reading ---- */

static int read_commit(const struct origin *o, struct pipeline **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int r = git_read(o->dir, o->commit, FILE_NAME, INI_MAX_BYTES, &text, err);

	if (r < 0)
		return -1;
	if (r == 0)
		return error_set(err, ERR_NOT_FOUND, "commit %.12s has no " FILE_NAME, o->commit);
	return pipeline_parse_definitions(text.buf, text.len, FILE_NAME, ret, err);
}

static int read_files(const struct origin *o, struct pipeline **ret, struct error *err)
{
	CLEANUP(cleanup_fd) int dir = open(o->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return error_sys(err, errno, "cannot open %s", o->dir);
	return pipeline_load_definitions(dir, FILE_NAME, ret, err);
}

static void read_definition(const struct origin *o, struct definition *ret)
{
	struct error err = { 0 };

	ret->commit = *o->commit ? xstrdup(o->commit) : NULL;
	if ((*o->commit ? read_commit : read_files)(o, &ret->pipeline, &err) < 0)
		ret->error = xasprintf("%s%s%s", err.where, *err.where ? ": " : "", err.msg);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Of one project: taken from `old` when nothing changed. 1: it is another one. */
static int take(const struct project *p, const struct js *row, struct definitions *old, struct definition *ret)
{
	const char *name = js_get_str(row, "name");
	struct definition *before = (struct definition *)(uintptr_t)definition_of_project(old, name);
	CLEANUP(origin_release) struct origin origin = { 0 };
	struct error err = { 0 };

	if (find_origin(p, row, &origin, &err) < 0) {
		free(origin.stamp);
		origin.stamp = xasprintf("%s: %s", origin.dir, err.msg);
	}
	if (before && same_text(before->stamp, origin.stamp)) {
		*ret = *before;
		*before = (struct definition){ 0 };
		return 0;
	}
	*ret = (struct definition){ .project = xstrdup(name), .here = origin.kind == SOURCE_HERE, .stamp = steal(&origin.stamp) };
	if (*err.msg)
		ret->error = xstrdup(err.msg);
	else
		read_definition(&origin, ret);
	return 1;
}

int definitions_refresh(struct project *p, struct definitions *all, struct error *err)
{
	struct definitions now = { 0 };
	CLEANUP_JS struct js *rows = NULL;
	struct db *db;
	int changed;

	if (project_db(p, &db, err) < 0 || project_rows(db, &rows, err) < 0)
		return -1;
	changed = js_len(rows) != all->len;
	now.items = xcalloc(js_len(rows) + 1, sizeof(*now.items));
	for (size_t i = 0; i < js_len(rows); i++)
		changed |= take(p, js_at(rows, i), all, &now.items[now.len++]);
	definitions_free(all);
	*all = now;
	return changed;
}

void definition_read(const struct project *p, const struct js *row, struct definition *ret)
{
	struct definitions none = { 0 };

	take(p, row, &none, ret);
}

int definitions_load(struct project *p, struct definitions *ret, struct error *err)
{
	struct definitions all = { 0 };

	if (definitions_refresh(p, &all, err) < 0)
		return -1;
	*ret = all;
	return 0;
}

/* ---- asking ---- */

const struct definition *definition_of_project(const struct definitions *all, const char *project)
{
	for (size_t i = 0; i < all->len; i++)
		if (all->items[i].project && !strcmp(all->items[i].project, project))
			return &all->items[i];
	return NULL;
}

const struct definition *definition_of_monitor(const struct definitions *all, const char *monitor,
					       const struct monitor_section **ret)
{
	for (size_t i = 0; i < all->len; i++) {
		const struct pipeline *pipeline = all->items[i].pipeline;

		for (size_t k = 0; pipeline && k < pipeline->nmonitors; k++) {
			if (strcmp(pipeline->monitors[k].name, monitor) != 0)
				continue;
			*ret = &pipeline->monitors[k];
			return &all->items[i];
		}
	}
	return NULL;
}

/* ---- triggers ---- */

static void set_list(struct js *spec, const char *key, const struct textlist *list)
{
	struct js *items;

	if (!list->len)
		return;
	items = js_array();
	for (size_t i = 0; i < list->len; i++)
		js_push_str(items, list->items[i].text);
	js_set(spec, key, items);
}

static void set_count(struct js *spec, const char *key, int64_t count)
{
	if (count)
		js_set_int(spec, key, count);
}

static void set_budget(struct js *spec, const struct trigger_section *trigger)
{
	struct trigger_limits limits;
	struct js *budget;

	trigger_limits(trigger, &limits);
	if (!limits.per_day && !limits.per_week)
		return;
	budget = js_object();
	set_count(budget, "day", limits.per_day);
	set_count(budget, "week", limits.per_week);
	js_set(spec, "budget", budget);
}

struct js *trigger_spec(const struct trigger_section *t)
{
	const struct {
		const char *key;
		const struct textlist *list;
	} lists[] = { { "branch", &t->branch }, { "paths", &t->paths },	  { "on", &t->on },
		      { "steps", &t->steps },	{ "params", &t->params }, { "update", &t->update } };
	const struct {
		const char *key, *text;
	} texts[] = { { "cron", t->cron.text },		{ "tz", t->tz.text },	  { "catchup", t->catchup.text },
		      { "data", t->data.text },		{ "monitor", t->monitor }, { "pipeline", t->pipeline.text },
		      { "file", t->file.text },		{ "cancel", t->cancel.text }, { "group", t->group },
		      { "alarm", t->alarm.text },	{ "clear", t->clear.text } };
	struct js *spec = js_object();

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		set_list(spec, lists[i].key, lists[i].list);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		js_set_str(spec, texts[i].key, texts[i].text);
	set_count(spec, "jitter_ms", t->jitter_ms);
	set_count(spec, "cooldown_ms", t->cooldown_ms);
	set_count(spec, "cooldown_windows", t->cooldown_windows);
	set_budget(spec, t);
	return spec;
}

struct js *trigger_specs(const struct pipeline *pipeline)
{
	struct js *specs = js_object();

	for (size_t i = 0; i < pipeline->ntriggers; i++)
		js_set(specs, pipeline->triggers[i].name, trigger_spec(&pipeline->triggers[i]));
	return specs;
}
