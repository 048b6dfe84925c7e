/* SPDX-License-Identifier: Apache-2.0 */
/* What data looks like: the number of its newest version, or names, sizes and times of its files. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "api/schedule_internal.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/artifacts.h"

#define FILES_MAX 100000 /* of one directory; what is beyond them is not looked at */
#define DEPTH_MAX 64

struct walk {
	int rootfd;
	struct hasher hasher;
	size_t files;
};

static void add(struct walk *w, const char *path, const struct stat *st)
{
	CLEANUP(cleanup_free) char *line = xasprintf("%s %ju %jd %jd.%09ld\n", path, (uintmax_t)st->st_ino, (intmax_t)st->st_size,
						     (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);

	hasher_update(&w->hasher, line, strlen(line));
	w->files++;
}

/* Through no symlink. What vanishes meanwhile is not there. */
static void walk(struct walk *w, const char *path, int depth)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	struct stat st;

	if (w->files >= FILES_MAX || fs_stat_beneath(w->rootfd, path, &st, NULL) <= 0)
		return;
	if (S_ISREG(st.st_mode))
		add(w, path, &st);
	if (!S_ISDIR(st.st_mode) || depth > DEPTH_MAX || fs_list_dir(w->rootfd, path, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *inside = path_join(path, names.items[i]);

		walk(w, inside, depth + 1);
	}
}

static char *files_stamp(const char *path, const char *dir)
{
	CLEANUP(cleanup_fd) int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct walk w = { .rootfd = fd };
	char hex[DIGEST_HEX + 1];
	struct digest digest;

	if (fd < 0)
		return NULL;
	hasher_init(&w.hasher);
	walk(&w, path, 0);
	hasher_final(&w.hasher, &digest);
	return w.files ? xasprintf("files:%.16s", digest_format(&digest, hex)) : NULL;
}

char *data_stamp(struct db *db, const char *path, const char *dir)
{
	struct artifact_version version;

	if (artifact_find(db, path, 0, &version, NULL) == 0)
		return xasprintf("v%lld", (long long)version.number);
	return dir ? files_stamp(path, dir) : NULL;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Files count when two looks saw the same: before that somebody may write them. */
static bool look_at(struct entry *e, struct db *db)
{
	char *now = data_stamp(db, e->data, e->dir);

	e->moving = now && *now == 'f' && !same(now, e->now) && !same(now, e->seen);
	free(e->now);
	e->now = now;
	return !e->moving && (now ? !same(now, e->seen) : !e->seen);
}

bool data_look(struct schedule *s, struct db *db, int64_t *ret_ms)
{
	int64_t begun = clock_mono_ms();
	bool waits = false;

	for (size_t i = 0; i < s->len; i++)
		if (s->entries[i].data)
			waits |= look_at(&s->entries[i], db);
	*ret_ms = clock_mono_ms() - begun;
	return waits;
}
