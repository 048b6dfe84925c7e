/* SPDX-License-Identifier: Apache-2.0 */
/* The half of a checkout that can fail without harm: bytes into staging and to disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/progress.h"
#include "store/batch_internal.h"
#include "store/checkout_internal.h"
#include "store/parallel_internal.h"

/* Threads that make files in one directory only wait for each other, so each range has its own. */
#define STAGE_RANGE 256

void checkout_stage_name(size_t index, char name[STAGE_NAME])
{
	snprintf(name, STAGE_NAME, "%zx/%zx", index / STAGE_RANGE, index % STAGE_RANGE);
}

static int is_damaged(const struct checkout_job *job, const struct tree_entry *now,
		      struct error *err)
{
	char full[FULL_PATH], hex[DIGEST_HEX + 1];

	error_set(err, ERR_DAMAGED, "%s: object %s does not hold the bytes it is named after",
		  checkout_full(job, now->path, full), digest_format(&now->id, hex));
	return error_help(err, "run: mlops fsck");
}

static int write_small(const struct checkout_job *job, const struct tree_entry *now, int from,
		       int to, const char *name, struct error *err)
{
	char buf[SMALL_FILE];
	ssize_t len = file_read_small(from, buf);
	struct digest found;

	if (len < 0)
		return error_sys(err, errno, "cannot read an object");
	digest_of(buf, (size_t)len, &found);
	if (!digest_equal(&found, &now->id))
		return is_damaged(job, now, err);
	return io_write_all(to, buf, (size_t)len, name, err);
}

static int write_big(const struct checkout_job *job, const struct tree_entry *now, int from, int to,
		     const char *name, struct error *err)
{
	struct digest found;
	uint64_t size;

	if (!job->checkout->verify)
		return fs_copy_fd(from, to, name, err);
	if (batch_copy_and_hash(from, to, name, NULL, &found, &size, err) < 0)
		return -1;
	return digest_equal(&found, &now->id) ? 0 : is_damaged(job, now, err);
}

static int stage_copy(struct checkout_job *job, const struct tree_entry *now, const char *name,
		      struct error *err)
{
	mode_t mode = now->kind == ENTRY_EXEC ? 0777 : 0666;
	uint64_t size;
	CLEANUP(cleanup_fd)
	int from = store_open_object(job->checkout->store, &now->id, &size, err);
	CLEANUP(cleanup_fd) int to = -1;
	int r;

	if (from < 0)
		return -1;
	to = io_create(job->staging.fd, name, mode, err);
	if (to < 0)
		return -1;
	r = size < SMALL_FILE ? write_small(job, now, from, to, name, err)
			      : write_big(job, now, from, to, name, err);
	if (r == 0 && job->writes <= CHECKOUT_FEW)
		r = io_sync_file(to, name, err);
	return r;
}

/* 1 linked, 0 it must be copied: an empty file (all empty files would share one inode), an
 * executable (objects are not), the limit of links, another file system, or one that does not link.
 */
static int stage_link(struct checkout_job *job, const struct tree_entry *now, const char *name,
		      struct error *err)
{
	struct store *store = job->checkout->store;
	char path[OBJECT_PATH];
	int sys = io_fault ? io_fault(IO_LINK, name) : 0;
	struct stat st;

	if (now->kind == ENTRY_EXEC || !object_stat(store, &now->id, &st) || st.st_size == 0)
		return 0;
	if (job->checkout->verify && store_verify(store, &now->id, err) < 0)
		return -1;
	if (!sys &&
	    linkat(store->objects, object_path(&now->id, path), job->staging.fd, name, 0) < 0)
		sys = errno;
	if (!sys)
		return 1;
	if (sys == EMLINK || sys == EXDEV || sys == EPERM || sys == EOPNOTSUPP)
		return 0;
	return error_sys(err, sys, "cannot link %s", name);
}

bool checkout_wants_symlink(const struct checkout_job *job, const struct tree_entry *now)
{
	return job->checkout->link == CHECKOUT_SYMLINK && now->kind == ENTRY_FILE;
}

static int stage_one(struct checkout_job *job, size_t index, struct error *err)
{
	const struct tree_entry *now = job->changes[index].now;
	char name[STAGE_NAME];
	int linked = 0;

	if (!now || now->kind == ENTRY_LINK)
		return 0;
	/* A symlink is made when its place is known. */
	if (checkout_wants_symlink(job, now))
		return job->checkout->verify ? store_verify(job->checkout->store, &now->id, err)
					     : 0;
	checkout_stage_name(index, name);
	if (job->checkout->link == CHECKOUT_HARDLINK)
		linked = stage_link(job, now, name, err);
	if (linked < 0 || (!linked && stage_copy(job, now, name, err) < 0))
		return -1;
	if (!linked)
		atomic_store(&job->copied, true);
	atomic_fetch_add(&job->files_done, 1);
	atomic_fetch_add(&job->bytes_done, now->size);
	return 0;
}

static bool report(struct checkout_job *job)
{
	const struct progress *progress = job->checkout->progress;
	bool stop;

	if (!progress)
		return false;
	pthread_mutex_lock(&job->mutex);
	stop = progress->report(progress->ctx, job->path, atomic_load(&job->files_done),
				atomic_load(&job->bytes_done), job->bytes);
	pthread_mutex_unlock(&job->mutex);
	return stop;
}

static int stage_range(void *ctx, size_t from, size_t to, struct error *err)
{
	struct checkout_job *job = ctx;

	for (size_t i = from; i < to; i++)
		if (stage_one(job, i, err) < 0)
			return -1;
	return report(job) ? error_set(err, ERR_INTERRUPTED, "interrupted") : 0;
}

static int make_dirs(const struct checkout_job *job, struct error *err)
{
	for (size_t i = 0; i < job->len; i += STAGE_RANGE) {
		char name[STAGE_NAME];

		snprintf(name, sizeof(name), "%zx", i / STAGE_RANGE);
		if (io_mkdir(job->staging.fd, name, 0755, err) < 0)
			return -1;
	}
	return 0;
}

int checkout_stage(struct checkout_job *job, struct error *err)
{
	struct parallel stage = { job->len, STAGE_RANGE, 512, stage_range, job };

	if (job->len < 2 * STAGE_RANGE && job->bytes > (4u << 20)) {
		stage.chunk = 1;
		stage.alone = 2;
	}
	if (staging_open(job->checkout->store, &job->staging, err) < 0 || make_dirs(job, err) < 0 ||
	    parallel_run(&stage, err) < 0)
		return -1;
	if (job->writes <= CHECKOUT_FEW || !atomic_load(&job->copied))
		return 0;
	return io_sync_fs(job->staging.fd, job->path, err);
}
