/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the project that a pattern matches. Hidden ones never do. */
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "monitor/watch/inflow_internal.h"

#define DEPTH_MAX 64

struct walk {
	int rootfd;
	const char *pattern;
	size_t levels; /* of the pattern; SIZE_MAX with "**" */
	struct strlist *found;
};

/* The directory that the first wildcard is in. Caller frees. */
static char *literal_dir(const char *pattern)
{
	size_t len = strcspn(pattern, "*?[");

	while (len && pattern[len - 1] != '/')
		len--;
	return len ? xstrndup(pattern, len - 1) : xstrdup("");
}

static size_t count_levels(const char *path)
{
	size_t n = 1;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static int walk(const struct walk *w, const char *dir, size_t level, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (level > DEPTH_MAX)
		return error_set(err, ERR_USAGE, "%s: directories are nested more than %d deep", w->pattern, DEPTH_MAX);
	if (fs_list_dir(w->rootfd, *dir ? dir : ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *path = *dir ? path_join(dir, names.items[i]) : xstrdup(names.items[i]);
		struct stat st;
		if (names.items[i][0] == '.' || fs_stat_beneath(w->rootfd, path, &st, NULL) <= 0)
			continue;
		if (S_ISDIR(st.st_mode) && level < w->levels && walk(w, path, level + 1, err) < 0)
			return -1;
		if (!S_ISDIR(st.st_mode) && path_match(w->pattern, path))
			strlist_push(w->found, path);
	}
	return 0;
}

int inflow_glob(int rootfd, const char *pattern, struct strlist *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *clean = NULL, *dir = NULL;
	struct walk w = { .rootfd = rootfd, .found = ret };
	struct stat st;
	int r;

	if (path_clean("", pattern, &clean, err) < 0)
		return -1;
	dir = literal_dir(clean);
	w.pattern = clean;
	w.levels = strstr(clean, "**") ? SIZE_MAX : count_levels(clean);
	r = fs_stat_beneath(rootfd, path_is_pattern(clean) && *dir ? dir : clean, &st, err);
	if (r <= 0 && (!path_is_pattern(clean) || *dir))
		return r;
	if (!path_is_pattern(clean)) {
		strlist_push(ret, clean);
		return 0;
	}
	if (*dir && !S_ISDIR(st.st_mode))
		return 0;
	if (walk(&w, dir, *dir ? count_levels(dir) + 1 : 1, err) < 0)
		return -1;
	strlist_sort(ret);
	return 0;
}
