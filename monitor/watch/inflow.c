/* SPDX-License-Identifier: Apache-2.0 */
/* Sources as they are now, beside how they were: which file is which. */
#include "monitor/watch/inflow.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/watch/inflow_internal.h"
#include "registry/artifacts.h"
#include "registry/project.h"
#include "store/store.h"

/* The name of an artifact, whether it says that it is one or not. */
const char *inflow_artifact(const char *data)
{
	return strncmp(data, INFLOW_ARTIFACT, strlen(INFLOW_ARTIFACT)) ? data : data + strlen(INFLOW_ARTIFACT);
}

const char *inflow_change_name(enum inflow_change change)
{
	static const char *const names[] = { "same", "new", "grown", "rotated", "rewritten" };

	return names[change];
}

void inflow_release(struct inflow *inflow)
{
	for (size_t i = 0; i < inflow->len; i++) {
		free(inflow->files[i].at.name);
		if (inflow->files[i].fd >= 0)
			close(inflow->files[i].fd);
	}
	free(inflow->files);
	*inflow = (struct inflow){ 0 };
}

struct inflow_file *inflow_add(struct inflow *inflow, const char *name)
{
	GROW(inflow->files, inflow->len, inflow->cap);
	inflow->files[inflow->len] = (struct inflow_file){ .at.name = xstrdup(name), .fd = -1 };
	return &inflow->files[inflow->len++];
}

void inflow_sources(const struct inflow *inflow, struct monitor_sources *ret)
{
	*ret = (struct monitor_sources){ .items = xcalloc(inflow->len + 1, sizeof(*ret->items)), .len = inflow->len };
	for (size_t i = 0; i < inflow->len; i++)
		ret->items[i] = inflow->files[i].at;
}

int inflow_file_open(const struct inflow *inflow, const struct inflow_file *file, struct error *err)
{
	struct store *store;
	int fd;

	if (file->fd >= 0) {
		fd = lseek(file->fd, 0, SEEK_SET) < 0 ? -1 : fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? error_sys(err, errno, "cannot read %s", file->at.name) : fd;
	}
	if (file->segment.number)
		return ingest_segment_open(inflow->project, inflow->monitor, inflow->kind, &file->segment, err);
	if (digest_is_zero(&file->object))
		return fs_open_beneath(inflow->project->rootfd, file->at.name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, err);
	if (project_store(inflow->project, &store, err) < 0)
		return -1;
	return store_open_object(store, &file->object, NULL, err);
}

/* ---- which file is which ---- */

static const struct monitor_source *source_find(const struct monitor_sources *known, const char *name)
{
	for (size_t i = 0; i < known->len; i++)
		if (!strcmp(known->items[i].name, name))
			return &known->items[i];
	return NULL;
}

static int64_t ctime_of(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

static bool is_untouched(const struct monitor_source *known, const struct stat *st)
{
	return known && known->dev == (uint64_t)st->st_dev && known->ino == (uint64_t)st->st_ino &&
	       known->ctime_ns == ctime_of(st) && known->seen == (uint64_t)st->st_size;
}

/* What is read on of it: all, or what follows what was read. */
static void place(struct inflow_file *file, const struct monitor_source *known, const struct inflow_look *look,
		  const struct stat *st)
{
	file->at.dev = (uint64_t)st->st_dev;
	file->at.ino = (uint64_t)st->st_ino;
	file->at.ctime_ns = ctime_of(st);
	file->at.seen = look->whole;
	file->at.digest = look->digest;
	file->lines = look->lines;
	file->packed = look->packed;
	file->closed = !look->whole;
	file->change = known ? INFLOW_REWRITTEN : INFLOW_NEW;
	if (!known || !look->begins || (look->packed && look->whole != known->seen))
		return;
	file->change = look->whole > known->seen ? INFLOW_GROWN : INFLOW_SAME;
	file->at.anchor = known->anchor;
	file->at.skipped = known->skipped;
	file->at.taken = known->taken;
}

static int look_at(struct inflow *inflow, struct inflow_file *file, const struct monitor_source *known,
		   const struct inflow_how *how, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = inflow_file_open(inflow, file, err);
	struct inflow_look look = { 0 };
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot stat %s", file->at.name);
	if (!S_ISREG(st.st_mode)) {
		error_set(err, ERR_USAGE, "%s is a %s, not a file", file->at.name, fs_kind_name(st.st_mode));
		return S_ISDIR(st.st_mode) ? error_help(err, "name the files in it: data = %s/*.csv", file->at.name) : -1;
	}
	if (how->most)
		st.st_size = (off_t)how->most;
	if (inflow_look_at(fd, file->at.name, how, known, is_untouched(known, &st), &look, err) < 0)
		return -1;
	place(file, known, &look, &st);
	return 0;
}

static bool has_file(const struct inflow *inflow, const char *name)
{
	for (size_t i = 0; i < inflow->len; i++)
		if (!strcmp(inflow->files[i].at.name, name))
			return true;
	return false;
}

struct finder {
	struct inflow *inflow;
	const struct monitor_sources *known;
	const struct inflow_how *how;
};

/* 1: the file of that name begins with what was read of `known`, and stands in the inflow now. */
static int take_if_known(const struct finder *f, const char *name, const struct monitor_source *known, struct error *err)
{
	struct inflow *inflow = f->inflow;
	struct inflow_file *file;
	struct stat st;
	int r = fs_stat_beneath(inflow->project->rootfd, name, &st, err);

	if (r <= 0 || S_ISDIR(st.st_mode) || has_file(inflow, name) || (S_ISREG(st.st_mode) && (uint64_t)st.st_size < known->seen))
		return r < 0 ? -1 : 0;
	file = inflow_add(inflow, name);
	r = look_at(inflow, file, known, f->how, err);
	if (r == 0 && (file->change == INFLOW_SAME || file->change == INFLOW_GROWN))
		return 1;
	free(file->at.name);
	inflow->len--;
	return r;
}

/* Whether a file beside it may be what it was: it has its name with something behind, or is the same file renamed. */
static bool may_be_rotated(const struct finder *f, const char *name, const char *path, const struct monitor_source *known)
{
	const char *base = path_base(known->name);
	struct stat st;

	if (!strcmp(path, known->name) || fs_stat_beneath(f->inflow->project->rootfd, path, &st, NULL) <= 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	return !strncmp(name, base, strlen(base)) || known->ino == (uint64_t)st.st_ino;
}

static int find_rotated(const struct finder *f, const struct monitor_source *known, struct error *err)
{
	const char *base = path_base(known->name);
	CLEANUP(cleanup_free) char *dir =
		base == known->name ? xstrdup(".") : xstrndup(known->name, (size_t)(base - known->name - 1));
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (!known->seen || fs_list_dir(f->inflow->project->rootfd, dir, &names, NULL) < 0)
		return 0;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *path =
			strcmp(dir, ".") ? path_join(dir, names.items[i]) : xstrdup(names.items[i]);
		int r = may_be_rotated(f, names.items[i], path, known) ? take_if_known(f, path, known, err) : 0;
		if (r > 0)
			f->inflow->files[f->inflow->len - 1].change = INFLOW_ROTATED;
		if (r)
			return r;
	}
	return 0;
}

/* Of a query or version, or of a file that is not there any more, and may come back. */
static void keep_absent(struct inflow *inflow, const struct monitor_source *known)
{
	struct inflow_file *file;

	if (has_file(inflow, known->name))
		return;
	file = inflow_add(inflow, known->name);
	free(file->at.name);
	file->at = *known;
	file->at.name = xstrdup(known->name);
	file->closed = true;
}

/* Where a number behind the last dot begins, or the end: app.log.2 */
static size_t rotation(const char *name, long *ret_number)
{
	const char *dot = strrchr(name, '.');
	size_t digits = dot ? strspn(dot + 1, "0123456789") : 0;

	*ret_number = 0;
	if (!digits || digits > 9 || dot[1 + digits])
		return strlen(name);
	*ret_number = strtol(dot + 1, NULL, 10);
	return (size_t)(dot - name);
}

/* By name, but the rotated ones of a log before it, the oldest first. */
static int in_order(const void *a, const void *b)
{
	const char *x = ((const struct inflow_file *)a)->at.name, *y = ((const struct inflow_file *)b)->at.name;
	long nx, ny;
	size_t lx = rotation(x, &nx), ly = rotation(y, &ny);
	int order = strncmp(x, y, lx < ly ? lx : ly);

	if (order || lx != ly)
		return order ? order : lx < ly ? -1 : 1;
	if (nx == ny)
		return strcmp(x, y);
	return nx > ny ? -1 : 1;
}

static int add_files(const struct finder *f, const struct strlist *names, const bool *found, struct error *err)
{
	for (size_t i = 0; i < names->len; i++) {
		const struct monitor_source *before = source_find(f->known, names->items[i]);
		struct inflow_file *file;
		if (has_file(f->inflow, names->items[i]))
			continue;
		file = inflow_add(f->inflow, names->items[i]);
		if (look_at(f->inflow, file, NULL, f->how, err) < 0)
			return -1;
		if (before && !found[before - f->known->items])
			file->change = INFLOW_REWRITTEN;
	}
	return 0;
}

/* First what was read finds its file, by its own name or a neighbour's, then what is left is new. */
static int open_files(const struct finder *f, const char *pattern, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP(cleanup_free) bool *found = xcalloc(f->known->len + 1, sizeof(*found));

	for (int beside = 0; beside <= 1; beside++)
		for (size_t i = 0; i < f->known->len; i++) {
			const struct monitor_source *known = &f->known->items[i];
			int r = found[i]   ? 1
				: beside   ? find_rotated(f, known, err)
					   : take_if_known(f, known->name, known, err);
			if (r < 0)
				return -1;
			found[i] = r > 0;
		}
	if (inflow_glob(f->inflow->project->rootfd, pattern, &names, err) < 0 || add_files(f, &names, found, err) < 0)
		return -1;
	for (size_t i = 0; i < f->known->len; i++)
		if (!found[i])
			keep_absent(f->inflow, &f->known->items[i]);
	if (f->inflow->len)
		qsort(f->inflow->files, f->inflow->len, sizeof(*f->inflow->files), in_order);
	return 0;
}

/* ---- artifacts and queries ---- */

static int open_version(const struct finder *f, const char *name, const struct js *version, struct error *err)
{
	CLEANUP(cleanup_free) char *full = xasprintf("%s@v%lld", name, (long long)js_get_int(version, "number", 0));
	struct content content;
	struct inflow_file *file;

	if (!content_parse(js_get_str(version, "content"), &content) || content.kind == CONTENT_TREE) {
		error_set(err, ERR_USAGE, "%s is a directory, not a table", full);
		return error_help(err, "watch its files: data = %s/*.csv", name);
	}
	file = inflow_add(f->inflow, full);
	file->object = content.id;
	return look_at(f->inflow, file, source_find(f->known, full), f->how, err);
}

static int open_artifact(const struct finder *f, const char *name, struct error *err)
{
	struct inflow_how how = { .format = f->how->format, .all = true };
	struct finder whole = { f->inflow, f->known, &how };
	CLEANUP_JS struct js *versions = NULL;
	struct db *db;

	if (project_db(f->inflow->project, &db, err) < 0 || artifact_versions(db, name, &versions, err) < 0)
		return -1;
	for (size_t i = js_len(versions); i-- > 0;) /* the oldest first */
		if (open_version(&whole, name, js_at(versions, i), err) < 0)
			return -1;
	for (size_t i = 0; i < f->known->len; i++)
		keep_absent(f->inflow, &f->known->items[i]);
	return 0;
}

static int open_query(const struct finder *f, const struct inflow_spec *spec, struct error *err)
{
	const char *path = spec->data + strlen(INFLOW_SQLITE);
	CLEANUP(cleanup_free) char *full = *path == '/' ? xstrdup(path) : path_join(f->inflow->project->top, path);
	struct inflow_file *file;

	if (!spec->sqlite) {
		error_set(err, ERR_DENIED, "a monitor may not read the database %s", path);
		return error_help(err, "who operates this project allows it: mlops config monitor.sqlite yes");
	}
	file = inflow_add(f->inflow, spec->data);
	if (inflow_query(full, spec->query, &file->fd, err) < 0)
		return -1;
	return look_at(f->inflow, file, source_find(f->known, spec->data), f->how, err);
}

/* Segments that were removed are done with, so nothing is kept of them. */
static int open_segments(const struct finder *f, const struct inflow_spec *spec, struct error *err)
{
	CLEANUP(cleanup_free) struct ingest_segment *segments = NULL;
	struct db *db;
	size_t n;

	f->inflow->monitor = spec->monitor;
	f->inflow->kind = spec->kind;
	if (project_db(f->inflow->project, &db, err) < 0 ||
	    ingest_segments(db, spec->monitor, spec->kind, &segments, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_free) char *name = ingest_segment_name(spec->kind, segments[i].number);
		const struct inflow_how how = { .format = TABLE_JSONL, .most = segments[i].bytes };
		struct inflow_file *file = inflow_add(f->inflow, name);
		file->segment = segments[i];
		if (look_at(f->inflow, file, source_find(f->known, name), &how, err) < 0)
			return -1;
	}
	return 0;
}

/* A name without wildcards is a file, or else an artifact. */
static int open_named(const struct finder *f, const char *name, struct error *err)
{
	struct stat st;
	int r = path_is_pattern(name) || f->known->len ? 1 : fs_stat_beneath(f->inflow->project->rootfd, name, &st, err);

	if (r < 0)
		return -1;
	if (r > 0 && !(f->known->len && strstr(f->known->items[0].name, "@v")))
		return open_files(f, name, err);
	return open_artifact(f, name, err);
}

int inflow_open(struct project *project, const struct inflow_spec *spec, const struct table_options *options,
	      const struct monitor_sources *known, struct inflow *ret, struct error *err)
{
	static const struct table_options none;
	struct inflow inflow CLEANUP_INFLOW = { .project = project, .options = options ? *options : none };
	struct inflow_how how = { .format = inflow.options.format, .all = spec->whole };
	struct finder finder = { &inflow, known, &how };
	const char *name = spec->data;
	int r;

	if (!strncmp(name, INFLOW_SQLITE, strlen(INFLOW_SQLITE)))
		r = open_query(&finder, spec, err);
	else if (inflow_artifact(name) != name)
		r = open_artifact(&finder, inflow_artifact(name), err);
	else if (!strcmp(name, INFLOW_HTTP))
		r = open_segments(&finder, spec, err);
	else
		r = open_named(&finder, name, err);
	if (r < 0)
		return -1;
	if (!inflow.len && !strcmp(name, INFLOW_HTTP)) {
		error_set(err, ERR_NOT_FOUND, "nothing came for monitor %s over HTTP", spec->monitor);
		return error_help(err, "send rows to its agent: POST /api/v1/monitors/%s/rows", spec->monitor);
	}
	if (!inflow.len) {
		error_set(err, ERR_NOT_FOUND, "no file matches %s", name);
		return error_help(err, "correct data = of the monitor, or wait for the first file");
	}
	*ret = inflow;
	inflow = (struct inflow){ 0 };
	return 0;
}
