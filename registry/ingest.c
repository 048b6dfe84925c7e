/* SPDX-License-Identifier: Apache-2.0 */
/* Segments: writing behind what counts, and reading. */
#include "registry/ingest.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "registry/ingest_internal.h"
#include "registry/project.h"

const char *const ingest_kinds[] = { [MONITOR_DATA] = "data", [MONITOR_LABELS] = "labels" };

char *ingest_segment_name(enum monitor_kind kind, int64_t number)
{
	return xasprintf("http:%s/%lld", ingest_kinds[kind], (long long)number);
}

char *ingest_path(const char *monitor, enum monitor_kind kind, int64_t number)
{
	return xasprintf(INGEST_DIR "/%s/%s-%lld.jsonl", monitor, ingest_kinds[kind], (long long)number);
}

/* ---- who writes ---- */

struct dirty {
	char *path; /* below .mlops */
	int fd;
};
struct ingest {
	int homefd;
	struct dirty *dirty; /* not synced yet */
	size_t len, cap;
	bool made;           /* a file is new, so its directory is not durable */
};

int ingest_open(const struct project *project, struct ingest **ret, struct error *err)
{
	int fd = fcntl(project->homefd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return error_sys(err, errno, "cannot open .mlops");
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->homefd = fd;
	return 0;
}

static void forget_dirty(struct ingest *in)
{
	for (size_t i = 0; i < in->len; i++) {
		free(in->dirty[i].path);
		close(in->dirty[i].fd);
	}
	in->len = 0;
	in->made = false;
}

void ingest_close(struct ingest *in)
{
	if (!in)
		return;
	forget_dirty(in);
	free(in->dirty);
	close(in->homefd);
	free(in);
}

static int open_dirty(struct ingest *in, const char *path, bool fresh, struct error *err)
{
	int fd;

	for (size_t i = 0; i < in->len; i++)
		if (!strcmp(in->dirty[i].path, path))
			return in->dirty[i].fd;
	if (fresh && fs_make_parents(in->homefd, path, 0700, err) < 0)
		return -1;
	/* what a lost transaction left there is written over */
	fd = fs_open_direct(in->homefd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600, err);
	if (fd < 0)
		return -1;
	in->made |= fresh;
	GROW(in->dirty, in->len, in->cap);
	in->dirty[in->len++] = (struct dirty){ xstrdup(path), fd };
	return fd;
}

/* ---- putting ---- */

static int newest(struct db *db, const struct ingest_lines *lines, struct ingest_segment *ret, uint64_t *ret_all,
		  struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT number, bytes, rows, (SELECT sum(bytes) FROM inflow_segments WHERE monitor = ?1 AND kind = ?2)"
		    " FROM inflow_segments WHERE monitor = ?1 AND kind = ?2 ORDER BY number DESC LIMIT 1");
	int r;

	db_bind(q, 1, lines->monitor);
	db_bind(q, 2, ingest_kinds[lines->kind]);
	r = db_step(q, err);
	*ret = (struct ingest_segment){ 0 };
	*ret_all = 0;
	if (r <= 0)
		return r;
	*ret = (struct ingest_segment){ db_int(q, 0), (uint64_t)db_int(q, 1), (uint64_t)db_int(q, 2) };
	*ret_all = (uint64_t)db_int(q, 3);
	return 0;
}

static int store_segment(struct db *db, const struct ingest_lines *lines, const struct ingest_segment *s,
			 struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO inflow_segments (monitor, kind, number, bytes, rows)"
					 " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (monitor, kind, number)"
					 " DO UPDATE SET bytes = excluded.bytes, rows = excluded.rows");

	db_bind(q, 1, lines->monitor);
	db_bind(q, 2, ingest_kinds[lines->kind]);
	db_bind(q, 3, s->number);
	db_bind(q, 4, s->bytes);
	db_bind(q, 5, s->rows);
	return db_run(q, err);
}

int ingest_put(struct ingest *in, struct db *db, const struct ingest_lines *lines, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct ingest_segment s;
	uint64_t all;
	int fd;

	if (!lines->len)
		return 0;
	if (newest(db, lines, &s, &all, err) < 0)
		return -1;
	if (all + lines->len > lines->most) {
		error_set(err, ERR_LIMIT, "%llu bytes of monitor %s wait to be judged", (unsigned long long)all, lines->monitor);
		return error_help(err, "see why it is not judged: mlops monitor check %s; or raise the setting monitor.inflow",
				  lines->monitor);
	}
	if (!s.number || s.bytes >= INGEST_SEGMENT)
		s = (struct ingest_segment){ .number = s.number + 1 };
	path = ingest_path(lines->monitor, lines->kind, s.number);
	fd = open_dirty(in, path, !s.bytes, err);
	if (fd < 0)
		return -1;
	if (lseek(fd, (off_t)s.bytes, SEEK_SET) < 0)
		return error_sys(err, errno, "cannot write %s", path);
	if (io_write_all(fd, lines->text, lines->len, path, err) < 0)
		return -1;
	s.bytes += lines->len;
	s.rows += lines->rows;
	return store_segment(db, lines, &s, err);
}

static int sync_dirs(struct ingest *in, struct error *err)
{
	if (!in->made)
		return 0;
	for (size_t i = 0; i < in->len; i++) {
		CLEANUP(cleanup_free) char *dir = xstrndup(in->dirty[i].path, strlen(in->dirty[i].path) -
								 strlen(path_base(in->dirty[i].path)) - 1);
		if (io_sync_dir_at(in->homefd, dir, err) < 0)
			return -1;
	}
	if (io_sync_dir_at(in->homefd, INGEST_DIR, err) < 0)
		return -1;
	return io_sync_dir(in->homefd, ".mlops", err);
}

int ingest_sync(struct ingest *in, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->len; i++)
		r = io_sync_file(in->dirty[i].fd, in->dirty[i].path, err);
	if (r == 0)
		r = sync_dirs(in, err);
	forget_dirty(in);
	return r;
}

/* ---- reading ---- */

int ingest_segments(struct db *db, const char *monitor, enum monitor_kind kind, struct ingest_segment **ret, size_t *ret_n,
		    struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT number, bytes, rows FROM inflow_segments WHERE monitor = ?1 AND kind = ?2 ORDER BY number");
	CLEANUP(cleanup_free) struct ingest_segment *list = NULL;
	size_t len = 0, cap = 0;
	int r;

	db_bind(q, 1, monitor);
	db_bind(q, 2, ingest_kinds[kind]);
	while ((r = db_step(q, err)) > 0) {
		GROW(list, len, cap);
		list[len++] = (struct ingest_segment){ db_int(q, 0), (uint64_t)db_int(q, 1), (uint64_t)db_int(q, 2) };
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	*ret_n = len;
	return 0;
}

int ingest_segment_open(const struct project *project, const char *monitor, enum monitor_kind kind,
			const struct ingest_segment *s, struct error *err)
{
	CLEANUP(cleanup_free) char *path = ingest_path(monitor, kind, s->number);
	CLEANUP(cleanup_fd) int fd = fs_open_direct(project->homefd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, err);
	struct stat st;

	if (fd < 0)
		return error_wrap(err, ".mlops");
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot stat .mlops/%s", path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < s->bytes)
		return error_set(err, ERR_DAMAGED, ".mlops/%s has lost rows of monitor %s: %llu bytes of %llu are there", path,
				 monitor, (unsigned long long)st.st_size, (unsigned long long)s->bytes);
	return steal_fd(&fd);
}
