/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch gathers objects in a staging directory; publish.c makes them visible.
 *
 * An object is staged as staging/X/HEX, or, once the batch is large, as
 * staging/X/ab/HEX62: a fan-out directory that objects/ does not have yet is then
 * published by one rename instead of thousands.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/batch_internal.h"
#include "store/tombstone.h"

int batch_open(struct store *store, struct store_batch **ret, struct error *err)
{
	struct staging staging = STAGING_INIT;

	if (staging_open(store, &staging, err) < 0)
		return -1;
	struct store_batch *batch = xcalloc(1, sizeof(*batch));
	batch->store = store;
	batch->staging = staging;
	batch->opened_ms = clock_wall_ms();
	pthread_mutex_init(&batch->mutex, NULL);
	pthread_cond_init(&batch->settled, NULL);
	*ret = batch;
	return 0;
}

void batch_forget(struct store_batch *batch)
{
	for (size_t i = 0; i < batch->len; i++)
		cleanup_fd(&batch->objects[i].fd);
	free(batch->objects);
	free(batch->slots);
	batch->objects = NULL;
	batch->slots = NULL;
	batch->len = batch->cap = batch->nslots = batch->staged = 0;
	memset(batch->fan_reused, 0, sizeof(batch->fan_reused));
}

void batch_free(struct store_batch *batch)
{
	if (!batch)
		return;
	batch_forget(batch);
	staging_close(&batch->staging);
	pthread_cond_destroy(&batch->settled);
	pthread_mutex_destroy(&batch->mutex);
	free(batch);
}

void cleanup_batch(struct store_batch **batch)
{
	batch_free(*batch);
}

/* --- the table: every object this batch has seen, by digest; the mutex is held --- */

/* Where `id` is or would be. Digests are uniform, so their first bytes are the hash. */
static uint32_t *find_slot(const struct store_batch *batch, const struct digest *id)
{
	uint64_t hash;

	memcpy(&hash, id->b, sizeof(hash));
	for (size_t i = hash & (batch->nslots - 1);; i = (i + 1) & (batch->nslots - 1)) {
		uint32_t *slot = &batch->slots[i];
		if (!*slot || digest_equal(&batch->objects[*slot - 1].id, id))
			return slot;
	}
}

static void grow_slots(struct store_batch *batch)
{
	free(batch->slots);
	batch->nslots = batch->nslots ? batch->nslots * 2 : 64;
	batch->slots = xcalloc(batch->nslots, sizeof(*batch->slots));
	for (size_t i = 0; i < batch->len; i++)
		*find_slot(batch, &batch->objects[i].id) = (uint32_t)i + 1;
}

/* The settled object with this digest, or NULL. Waits while another thread writes it. */
static struct object *find_settled(struct store_batch *batch, const struct digest *id)
{
	for (;;) {
		uint32_t *slot = batch->nslots ? find_slot(batch, id) : NULL;

		if (!slot || !*slot)
			return NULL;
		if (batch->objects[*slot - 1].state != OBJECT_WRITING)
			return &batch->objects[*slot - 1];
		pthread_cond_wait(&batch->settled, &batch->mutex);
	}
}

/* True when the caller is to write the object and then call settle; false when it is there. With
 * `replace`, one that was stored before is not good enough. */
static bool claim(struct store_batch *batch, const struct digest *id, bool replace,
		  size_t *ret_index)
{
	struct object *object;
	bool mine = true;

	pthread_mutex_lock(&batch->mutex);
	object = find_settled(batch, id);
	if (object && object->state != OBJECT_FAILED &&
	    !(replace && object->state == OBJECT_STORED)) {
		mine = false;
	} else if (object) {
		object->state = OBJECT_WRITING;
		*ret_index = (size_t)(object - batch->objects);
	} else {
		if (2 * (batch->len + 1) > batch->nslots)
			grow_slots(batch);
		GROW(batch->objects, batch->len, batch->cap);
		batch->objects[batch->len] = (struct object){ .id = *id, .fd = -1 };
		*ret_index = batch->len++;
		*find_slot(batch, id) = (uint32_t)batch->len;
	}
	pthread_mutex_unlock(&batch->mutex);
	return mine;
}

/* Descriptors are kept only while the batch is small enough to sync file by file. */
static void keep_fd(struct store_batch *batch, struct object *object, int fd)
{
	if (batch->staged < FEW) {
		object->fd = fd;
		return;
	}
	cleanup_fd(&fd);
	if (batch->staged == FEW)
		for (size_t i = 0; i < batch->len; i++) {
			cleanup_fd(&batch->objects[i].fd);
			batch->objects[i].fd = -1;
		}
}

/* Where and how an object is staged. */
struct staged {
	char name[OBJECT_PATH];
	bool in_fan, replace;
};

/* Takes `fd`. `staged` says what OBJECT_STAGED means; else it may be NULL. */
static void settle(struct store_batch *batch, size_t index, enum object_state state, int fd,
		   const struct staged *staged)
{
	struct object *object;

	pthread_mutex_lock(&batch->mutex);
	object = &batch->objects[index];
	object->state = (uint8_t)state;
	object->in_fan = staged && staged->in_fan;
	object->replace = staged && staged->replace;
	if (state == OBJECT_STAGED) {
		keep_fd(batch, object, fd);
		batch->staged++;
	}
	if (state == OBJECT_STORED)
		batch->fan_reused[object->id.b[0]] = true;
	pthread_cond_broadcast(&batch->settled);
	pthread_mutex_unlock(&batch->mutex);
}

/* --- writing --- */

/* Is the object stored? What was forgotten is refused. One of the wrong size is damaged and is written anew: it goes to quarantine, or
 * is replaced where others may be reading it. */
static int look_up(struct store_batch *batch, const struct digest *id, uint64_t size, bool *replace,
		   struct error *err)
{
	struct stat st;

	if (tombstone_refuse(batch->store, id, err) < 0)
		return -1;
	if (*replace || !object_stat(batch->store, id, &st))
		return 0;
	if ((uint64_t)st.st_size == size)
		return 1;
	if (!batch->store->shared)
		return store_quarantine(batch->store, id, err);
	*replace = true;
	return 0;
}

/* The name in staging for an object of this digest; makes its directory when the batch is large. */
static int stage_name(struct store_batch *batch, const struct digest *id, struct staged *ret,
		      struct error *err)
{
	char fan[3];
	int r = 0;

	pthread_mutex_lock(&batch->mutex);
	ret->in_fan = batch->staged >= FEW;
	snprintf(fan, sizeof(fan), "%02x", id->b[0]);
	if (ret->in_fan && !batch->fan_made[id->b[0]]) {
		r = store_make_dir(batch->store, batch->staging.fd, fan, err);
		batch->fan_made[id->b[0]] = r == 0;
	}
	pthread_mutex_unlock(&batch->mutex);
	if (ret->in_fan)
		object_path(id, ret->name);
	else
		digest_format(id, ret->name);
	return r;
}

static int write_small(struct store_batch *batch, size_t index, const void *data, size_t len,
		       const struct digest *id, bool replace, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct staged staged = { .replace = replace };
	int there = look_up(batch, id, len, &staged.replace, err);

	if (there < 0)
		goto fail;
	if (there) {
		settle(batch, index, OBJECT_STORED, -1, NULL);
		return 0;
	}
	if (stage_name(batch, id, &staged, err) < 0)
		goto fail;
	fd = store_create(batch->store, batch->staging.fd, staged.name, 0444, err);
	if (fd < 0)
		goto fail;
	if (io_write_all(fd, data, len, staged.name, err) < 0) {
		unlinkat(batch->staging.fd, staged.name, 0);
		goto fail;
	}
	settle(batch, index, OBJECT_STAGED, steal_fd(&fd), &staged);
	return 0;
fail:
	settle(batch, index, OBJECT_FAILED, -1, NULL);
	return -1;
}

static int add_small(struct store_batch *batch, const void *data, size_t len,
		     const struct digest *id, bool replace, struct error *err)
{
	size_t index;

	if (!claim(batch, id, replace, &index))
		return 0;
	return write_small(batch, index, data, len, id, replace, err);
}

int batch_add_bytes(struct store_batch *batch, const void *data, size_t len, struct digest *ret,
		    struct error *err)
{
	struct digest id;

	digest_of(data, len, &id);
	if (add_small(batch, data, len, &id, false, err) < 0)
		return error_wrap(err, "cannot store bytes in %s", batch->store->dir);
	*ret = id;
	return 0;
}

/* Hashes what was cloned, by reading the clone. */
static int hash_clone(int dirfd, const char *name, const struct watch *watch, struct digest *ret,
		      uint64_t *ret_size, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int sys = fd < 0 ? errno : file_hash(fd, watch, ret, ret_size);

	if (sys == ECANCELED)
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	if (!sys)
		return 0;
	error_sys(err, sys, "cannot read %s", name);
	return COPY_SOURCE;
}

void batch_temp_name(struct store_batch *batch, char name[32])
{
	pthread_mutex_lock(&batch->mutex);
	snprintf(name, 32, "t%llu", (unsigned long long)batch->temps++);
	pthread_mutex_unlock(&batch->mutex);
}

int batch_stage_temp(struct store_batch *batch, const char *temp, const struct digest *id, uint64_t size, int fd,
		     bool replace, struct error *err)
{
	CLEANUP(cleanup_fd) int own = fd;
	struct staged staged = { .replace = replace };
	size_t index;
	int there;

	if (!claim(batch, id, replace, &index))
		return io_unlink(batch->staging.fd, temp, err);
	there = look_up(batch, id, size, &staged.replace, err);
	if (there > 0) {
		settle(batch, index, OBJECT_STORED, -1, NULL);
		return io_unlink(batch->staging.fd, temp, err);
	}
	if (there < 0 || stage_name(batch, id, &staged, err) < 0 ||
	    io_rename(batch->staging.fd, temp, batch->staging.fd, staged.name, err) < 0) {
		settle(batch, index, OBJECT_FAILED, -1, NULL);
		return -1;
	}
	settle(batch, index, OBJECT_STAGED, steal_fd(&own), &staged);
	return 0;
}

static int not_as_named(const char *name, struct error *err)
{
	return error_set(err, ERR_DAMAGED, "%s does not hold the bytes it is named after", name);
}

static int source_unreadable(struct error *err)
{
	if (err)
		err->code = ERR_DAMAGED;
	return -1;
}

/* `want`: what the bytes must be, or NULL. */
static int add_big(struct store_batch *batch, int fd, const char *name, const struct digest *want,
		   const struct add_how *how, struct digest *ret, uint64_t *ret_size,
		   struct error *err)
{
	CLEANUP(cleanup_fd) int to = -1;
	struct digest id;
	uint64_t size;
	char temp[32];
	int r;

	batch_temp_name(batch, temp);
	to = store_create(batch->store, batch->staging.fd, temp, 0444, err);
	if (to < 0)
		return -1;
	if (ioctl(to, FICLONE, fd) == 0)
		r = hash_clone(batch->staging.fd, temp, how->watch, &id, &size, err);
	else
		r = batch_copy_and_hash(fd, to, name, how->watch, &id, &size, err);
	if (r == COPY_SOURCE && want)
		source_unreadable(err);
	if (r == 0 && want && !digest_equal(want, &id))
		r = not_as_named(name, err);
	if (r == 0)
		r = batch_stage_temp(batch, temp, &id, size, steal_fd(&to), how->replace, err);
	if (r < 0) {
		unlinkat(batch->staging.fd, temp, 0);
		return -1;
	}
	*ret = id;
	*ret_size = size;
	return 0;
}

int batch_add_watched(struct store_batch *batch, int fd, const char *name,
		      const struct watch *watch, struct digest *ret, uint64_t *ret_size,
		      struct error *err)
{
	const struct add_how how = { .watch = watch };
	char buf[SMALL_FILE];
	ssize_t len = file_read_small(fd, buf);

	if (len < 0)
		return error_sys(err, errno, "cannot read %s", name);
	if (len == SMALL_FILE) {
		if (add_big(batch, fd, name, NULL, &how, ret, ret_size, err) < 0)
			return error_wrap(err, "cannot store %s", name);
		return 0;
	}
	if (batch_add_bytes(batch, buf, (size_t)len, ret, err) < 0)
		return error_wrap(err, "cannot store %s", name);
	*ret_size = (uint64_t)len;
	return 0;
}

int batch_add_fd(struct store_batch *batch, int fd, const char *name, struct digest *ret,
		 uint64_t *ret_size, struct error *err)
{
	return batch_add_watched(batch, fd, name, NULL, ret, ret_size, err);
}

/* A staging directory that vanished does not mean that the source has no such object. */
static int store_failed(struct error *err)
{
	if (err && err->code == ERR_NOT_FOUND)
		err->code = ERR_ENV;
	return -1;
}

int batch_add_as(struct store_batch *batch, int fd, const char *name, const struct digest *id,
		 const struct add_how *how, uint64_t *ret_size, struct error *err)
{
	char buf[SMALL_FILE];
	ssize_t len = file_read_small(fd, buf);
	struct digest found;
	uint64_t size;

	if (len < 0) {
		error_sys(err, errno, "cannot read %s", name);
		return source_unreadable(err);
	}
	if (len == SMALL_FILE) {
		if (add_big(batch, fd, name, id, how, &found, &size, err) < 0)
			return store_failed(err);
		*ret_size = size;
		return 0;
	}
	digest_of(buf, (size_t)len, &found);
	if (!digest_equal(&found, id))
		return not_as_named(name, err);
	if (add_small(batch, buf, (size_t)len, id, how->replace, err) < 0)
		return store_failed(err);
	*ret_size = (uint64_t)len;
	return 0;
}

struct store *batch_store(struct store_batch *batch)
{
	return batch->store;
}

bool batch_has(struct store_batch *batch, const struct digest *id)
{
	const struct object *object;
	bool has;

	pthread_mutex_lock(&batch->mutex);
	object = find_settled(batch, id);
	has = object && object->state != OBJECT_FAILED;
	pthread_mutex_unlock(&batch->mutex);
	if (has || !store_has(batch->store, id))
		return has;
	pthread_mutex_lock(&batch->mutex);
	batch->fan_reused[id->b[0]] = true;
	pthread_mutex_unlock(&batch->mutex);
	return true;
}

/* Opens what is staged under this name; -1 when nothing is. */
static int open_staged(struct store_batch *batch, const struct digest *id)
{
	char name[OBJECT_PATH];
	const struct object *object;
	bool staged;

	pthread_mutex_lock(&batch->mutex);
	object = find_settled(batch, id);
	staged = object && object->state == OBJECT_STAGED;
	if (staged && object->in_fan)
		object_path(id, name);
	else if (staged)
		digest_format(id, name);
	pthread_mutex_unlock(&batch->mutex);
	return staged ? openat(batch->staging.fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
}

int batch_read(struct store_batch *batch, const struct digest *id, size_t max, struct strbuf *ret,
	       struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open_staged(batch, id);
	char hex[DIGEST_HEX + 1];

	if (fd < 0)
		return store_read(batch->store, id, max, ret, err);
	return io_read_fd(fd, digest_format(id, hex), max, ret, err);
}

int batch_open_object(struct store_batch *batch, const struct digest *id, struct error *err)
{
	int fd = open_staged(batch, id);
	uint64_t size;

	return fd < 0 ? store_open_object(batch->store, id, &size, err) : fd;
}
