/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a look is worth it. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/digest.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/watch/inflow_internal.h"
#include "registry/artifacts.h"
#include "registry/project.h"

static void add_stat(struct strbuf *to, const char *name, const struct stat *st)
{
	strbuf_printf(to, "%s %llu %llu %lld.%09ld\n", name, (unsigned long long)st->st_ino, (unsigned long long)st->st_size,
		      (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static int glance_files(struct project *project, const char *pattern, struct strbuf *to, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	struct fs_near near = FS_NEAR_INIT(project->rootfd);
	struct stat st;
	int r = 0;

	if (inflow_glob(project->rootfd, pattern, &names, err) < 0)
		return -1;
	for (size_t i = 0; r >= 0 && i < names.len; i++) {
		r = fs_stat_near(&near, names.items[i], &st, err);
		if (r > 0)
			add_stat(to, names.items[i], &st);
	}
	fs_near_release(&near);
	return r < 0 ? -1 : 0;
}

/* The database of a query, and its log. */
static void glance_database(const struct project *project, const char *path, struct strbuf *to)
{
	CLEANUP(cleanup_free) char *full = *path == '/' ? xstrdup(path) : path_join(project->top, path);
	CLEANUP(cleanup_free) char *log = xasprintf("%s-wal", full);
	struct stat st;

	if (stat(full, &st) == 0)
		add_stat(to, "database", &st);
	if (stat(log, &st) == 0)
		add_stat(to, "log", &st);
}

static int glance_artifact(struct project *project, const char *name, struct strbuf *to, struct error *err)
{
	CLEANUP_JS struct js *versions = NULL;
	struct db *db;

	if (project_db(project, &db, err) < 0 || artifact_versions(db, name, &versions, err) < 0)
		return -1;
	if (js_len(versions))
		strbuf_printf(to, "v%lld", (long long)js_get_int(js_at(versions, 0), "number", 0));
	return 0;
}

static int glance(struct project *project, const struct inflow_spec *spec, struct strbuf *to, struct error *err)
{
	struct error why = { 0 };

	if (!strncmp(spec->data, INFLOW_SQLITE, strlen(INFLOW_SQLITE))) {
		glance_database(project, spec->data + strlen(INFLOW_SQLITE), to);
		return 0;
	}
	if (strncmp(spec->data, INFLOW_ARTIFACT, strlen(INFLOW_ARTIFACT)) != 0) {
		if (glance_files(project, spec->data, to, err) < 0)
			return -1;
		if (to->len || path_is_pattern(spec->data))
			return 0;
	}
	if (glance_artifact(project, inflow_artifact(spec->data), to, &why) == 0 || why.code == ERR_NOT_FOUND)
		return 0;
	if (err)
		*err = why;
	return -1;
}

int inflow_glance(struct project *project, const struct inflow_spec *spec, uint64_t *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct digest digest;
	uint64_t number = 0;

	if (strcmp(spec->data, INFLOW_HTTP) != 0 && glance(project, spec, &text, err) < 0)
		return -1;
	digest_of(text.buf, text.len, &digest);
	memcpy(&number, digest.b, sizeof(number));
	*ret = text.len ? number | 1 : 0;
	return 0;
}
