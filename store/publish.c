/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a batch: data to disk, names into objects/, names to disk. Nothing is
 * visible before all data is durable; nothing may be relied upon before all names are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/batch_internal.h"

static char *staged_name(const struct object *object, char name[OBJECT_PATH])
{
	return object->in_fan ? object_path(&object->id, name) : digest_format(&object->id, name);
}

static int sync_data(struct store_batch *batch, struct error *err)
{
	char name[OBJECT_PATH];

	if (batch->staged > FEW)
		return io_sync_fs(batch->staging.fd, batch->store->dir, err);
	/* With all writing under way, the first sync commits the journal for all. */
	for (size_t i = 0; i < batch->len; i++)
		if (batch->objects[i].state == OBJECT_STAGED)
			sync_file_range(batch->objects[i].fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	for (size_t i = 0; i < batch->len; i++) {
		const struct object *object = &batch->objects[i];
		if (object->state == OBJECT_STAGED &&
		    io_sync_file(object->fd, staged_name(object, name), err) < 0)
			return -1;
	}
	return 0;
}

/* Writes a staged object into a new file, which takes its place once it is on disk. */
static int rewrite_object(struct store_batch *batch, struct object *object, struct error *err)
{
	CLEANUP(cleanup_fd) int from = -1;
	CLEANUP(cleanup_fd) int to = -1;
	char name[OBJECT_PATH], temp[32];
	struct digest id;
	uint64_t size;

	staged_name(object, name);
	batch_temp_name(batch, temp);
	from = openat(batch->staging.fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0)
		return error_sys(err, errno, "cannot open %s", name);
	to = store_create(batch->store, batch->staging.fd, temp, 0444, err);
	if (to < 0 || batch_copy_and_hash(from, to, name, NULL, &id, &size, err) < 0)
		return -1;
	if (!digest_equal(&id, &object->id))
		return error_set(err, ERR_ENV,
				 "the disk lost bytes of object %s before they were stored", name);
	if (io_sync_file(to, temp, err) < 0)
		return -1;
	return io_rename(batch->staging.fd, temp, batch->staging.fd, name, err);
}

/*
 * After a failed sync the kernel may have dropped dirty pages and forgotten it, so
 * syncing again would lie. Every file is written anew and synced by itself, once.
 */
static int rewrite_all(struct store_batch *batch, struct error *err)
{
	char fan[3];

	for (size_t i = 0; i < batch->len; i++)
		if (batch->objects[i].state == OBJECT_STAGED &&
		    rewrite_object(batch, &batch->objects[i], err) < 0)
			return -1;
	for (unsigned i = 0; i < 256; i++) {
		snprintf(fan, sizeof(fan), "%02x", i);
		if (batch->fan_made[i] && store_sync_dir(batch->staging.fd, fan, err) < 0)
			return -1;
	}
	return 0;
}

struct publishing {
	bool fan_there[256];  /* objects/ab is known to exist */
	bool fan_whole[256];  /* objects/ab is our staged directory */
	bool fan_dirty[256];  /* has new names */
	bool objects_dirty;
	struct {
		int fd; /* of the last one that got a name; -1 */
		unsigned index;
	} fan;
};
#define PUBLISHING_INIT { .fan = { -1, 0 } }

/* Publishes staging/X/ab as objects/ab where that does not exist. */
static int publish_fan(struct store_batch *batch, struct publishing *p, unsigned fan,
		       struct error *err)
{
	struct error why = { 0 };
	char name[3];
	int r;

	snprintf(name, sizeof(name), "%02x", fan);
	r = io_publish(batch->staging.fd, name, batch->store->objects, name, &why);
	if (r > 0) {
		batch->fan_made[fan] = false;
		p->fan_whole[fan] = p->fan_there[fan] = p->objects_dirty = true;
		return 0;
	}
	/* Without no-replace a plain rename is as good: it replaces an empty directory at most. */
	if (r < 0 && (why.sys == EPERM || why.sys == EISDIR) &&
	    io_rename(batch->staging.fd, name, batch->store->objects, name, NULL) == 0) {
		batch->fan_made[fan] = false;
		p->fan_whole[fan] = p->fan_there[fan] = p->objects_dirty = true;
		return 0;
	}
	/* There already, or file by file. */
	if (r < 0 && why.sys != EPERM && why.sys != EISDIR) {
		if (err)
			*err = why;
		return -1;
	}
	p->fan_there[fan] = r == 0;
	return 0;
}

/* 0 a file is there, so this object; 1 something that may be renamed over, or nothing; -1 a directory. */
static int judge_present(const struct store_batch *batch, const struct object *object, int fan,
			 const char *rest, struct error *err)
{
	char path[OBJECT_PATH];
	struct stat st;

	if (fstatat(fan, rest, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 1;
	if (!S_ISDIR(st.st_mode))
		return !S_ISREG(st.st_mode);
	object_path(&object->id, path);
	error_set(err, ERR_CONFLICT, "objects/%s is a directory where a file belongs", path);
	return error_help(err, "look at what it is, and remove %s/objects/%s", batch->store->dir, path);
}

/* 1 published, 0 it was there, -1. */
static int publish_name(struct store_batch *batch, const struct object *object, const char *from,
			int fan, const char *rest, struct error *err)
{
	int staging = batch->staging.fd, there, r;
	struct error why = { 0 };

	r = object->replace ? 0 : io_publish(staging, from, fan, rest, &why);
	if (r > 0)
		return 1;
	/* Neither no-replace nor hard links. An object over the same object does no harm. */
	if (r < 0 && why.sys != EPERM && why.sys != EOPNOTSUPP && why.sys != ENOSYS && why.sys != EMLINK) {
		if (err)
			*err = why;
		return -1;
	}
	there = judge_present(batch, object, fan, rest, err);
	if (there < 0)
		return -1;
	if (there == 0 && r == 0 && !object->replace)
		return 0;
	return io_rename(staging, from, fan, rest, err) < 0 ? -1 : 1;
}

/* objects/ab, made when it is not there. Lent until the next call. */
static int use_fan(struct store_batch *batch, struct publishing *p, unsigned fan, struct error *err)
{
	char name[3];

	if (p->fan.fd >= 0 && p->fan.index == fan)
		return p->fan.fd;
	snprintf(name, sizeof(name), "%02x", fan);
	if (!p->fan_there[fan]) {
		if (store_publish_dir(batch->store, batch->staging.fd, batch->store->objects, name, err) <
		    0)
			return -1;
		p->fan_there[fan] = p->objects_dirty = true;
	}
	cleanup_fd(&p->fan.fd);
	p->fan.fd = store_open_dir(batch->store->objects, name);
	if (p->fan.fd < 0)
		return error_sys(err, errno, "cannot use objects/%s as a directory", name);
	p->fan.index = fan;
	return p->fan.fd;
}

/* Without no-replace another writer may put his own objects/ab in place of ours while that is still empty. */
static bool fan_was_replaced(struct publishing *p)
{
	struct stat st;

	if (fstat(p->fan.fd, &st) < 0 || st.st_nlink > 0)
		return false;
	close(p->fan.fd);
	p->fan.fd = -1;
	p->fan_there[p->fan.index] = false;
	return true;
}

/* 1 published, 0 it was there, -1. */
static int publish_in_fan(struct store_batch *batch, struct publishing *p, const struct object *object, const char *from,
			  struct error *err)
{
	char to[OBJECT_PATH];
	struct error why;
	int r;

	object_path(&object->id, to);
	do {
		int fd = use_fan(batch, p, object->id.b[0], err);

		if (fd < 0)
			return -1;
		why = (struct error){ 0 };
		r = publish_name(batch, object, from, fd, to + 3, &why);
	} while (r < 0 && why.sys == ENOENT && fan_was_replaced(p));
	if (r < 0 && err)
		*err = why;
	return r;
}

static int publish_object(struct store_batch *batch, struct publishing *p,
			  const struct object *object, struct error *err)
{
	unsigned fan = object->id.b[0];
	char from[OBJECT_PATH];
	int r;

	if (object->in_fan && p->fan_whole[fan])
		return 0;
	r = publish_in_fan(batch, p, object, staged_name(object, from), err);
	if (r < 0)
		return -1;
	p->fan_dirty[fan] = true;
	return r ? 0 : io_unlink(batch->staging.fd, from, err);
}

static int publish_all(struct store_batch *batch, struct publishing *p, struct error *err)
{
	for (unsigned i = 0; i < 256; i++)
		if (batch->fan_made[i] && publish_fan(batch, p, i, err) < 0)
			return -1;
	for (size_t i = 0; i < batch->len; i++)
		if (batch->objects[i].state == OBJECT_STAGED &&
		    publish_object(batch, p, &batch->objects[i], err) < 0)
			return -1;
	return 0;
}

/*
 * An object that another process has published may be visible and not yet durable:
 * that process syncs the directory after the rename. Whoever relies on such an
 * object syncs the directory too, unless it has not changed for an hour.
 */
static void mark_reused(const struct store *store, const bool reused[256], int64_t now_ms,
			struct publishing *p)
{
	int64_t settled_ms = now_ms - 3600 * 1000ll;
	char fan[3];

	for (unsigned i = 0; i < 256; i++) {
		struct stat st;

		snprintf(fan, sizeof(fan), "%02x", i);
		if (!reused[i] || p->fan_whole[i])
			continue;
		if (fstatat(store->objects, fan, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (int64_t)st.st_ctim.tv_sec * 1000 < settled_ms)
			continue;
		p->fan_dirty[i] = p->objects_dirty = true;
	}
}

static int sync_names(const struct store *store, const struct publishing *p, struct error *err)
{
	unsigned dirty = 0;
	char fan[3];

	for (unsigned i = 0; i < 256; i++)
		dirty += p->fan_dirty[i];
	if (dirty > FEW)
		return io_sync_fs(store->objects, store->dir, err);
	for (unsigned i = 0; i < 256; i++) {
		snprintf(fan, sizeof(fan), "%02x", i);
		if (p->fan_dirty[i] && store_sync_dir(store->objects, fan, err) < 0)
			return -1;
	}
	return p->objects_dirty ? store_sync_dir(store->objects, ".", err) : 0;
}

int store_settle(struct store *store, const bool fans[256], struct error *err)
{
	struct publishing publishing = PUBLISHING_INIT;

	mark_reused(store, fans, clock_wall_ms(), &publishing);
	return sync_names(store, &publishing, err);
}

static int commit(struct store_batch *batch, struct error *err)
{
	struct publishing publishing = PUBLISHING_INIT;
	int r;

	if (batch->staged && sync_data(batch, NULL) < 0 && rewrite_all(batch, err) < 0)
		return -1;
	r = publish_all(batch, &publishing, err);
	cleanup_fd(&publishing.fan.fd);
	if (r < 0)
		return -1;
	mark_reused(batch->store, batch->fan_reused, batch->opened_ms, &publishing);
	return sync_names(batch->store, &publishing, err);
}

int batch_commit(struct store_batch *batch, struct error *err)
{
	if (batch->broken)
		return error_set(err, ERR_ENV, "%s: this batch failed before", batch->store->dir);
	if (commit(batch, err) < 0) {
		batch->broken = true;
		return error_wrap(err, "cannot store in %s", batch->store->dir);
	}
	batch_forget(batch);
	return 0;
}
