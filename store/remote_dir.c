/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory as a remote: a shared store. What is put gathers in one batch; commit
 * publishes it and then the refs. Opening, reading and listing write nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "store/batch_internal.h"
#include "store/remote_internal.h"
#include "store/tombstone.h"

static int dir_open(const char *path, bool create, struct remote **ret, struct error *err)
{
	struct store *store;

	if (remote_dir_enter(path, create, &store, err) < 0)
		return -1;
	struct remote_dir *dir = xcalloc(1, sizeof(*dir));
	dir->base.ops = &remote_dir_ops;
	dir->store = store;
	pthread_mutex_init(&dir->mutex, NULL);
	*ret = &dir->base;
	return 0;
}

static void dir_close(struct remote *remote)
{
	struct remote_dir *dir = (struct remote_dir *)remote;

	remote_dir_forget_refs(dir);
	batch_free(dir->batch);
	store_close(dir->store);
	pthread_mutex_destroy(&dir->mutex);
	free(dir);
}

static int dir_has(struct remote *remote, const struct digest *ids, size_t n, bool *ret,
		   struct error *err)
{
	struct remote_dir *dir = (struct remote_dir *)remote;

	if (store_has_many(dir->store, ids, n, ret, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (ret[i])
			dir->relied[ids[i].b[0]] = true;
	return 0;
}

/* Whatever is wrong with reading an object, another remote may have it. */
static int cannot_read(struct error *err)
{
	if (err && err->code != ERR_NOT_FOUND)
		err->code = ERR_DAMAGED;
	return -1;
}

static int dir_get(struct remote *remote, const struct digest *id, uint64_t max, struct store_batch *batch,
		   uint64_t *ret_size, struct error *err)
{
	struct remote_dir *dir = (struct remote_dir *)remote;
	const struct add_how how = { .watch = remote->watch };
	char hex[DIGEST_HEX + 1], name[DIGEST_HEX + 8];
	uint64_t size;
	CLEANUP(cleanup_fd) int fd = store_open_object(dir->store, id, &size, err);

	if (fd < 0)
		return cannot_read(err);
	snprintf(name, sizeof(name), "object %s", digest_format(id, hex));
	if (size > max)
		return error_set(err, ERR_DAMAGED, "%s has %llu bytes, at most %llu are expected", name,
				 (unsigned long long)size, (unsigned long long)max);
	return batch_add_as(batch, fd, name, id, &how, ret_size, err);
}

static struct store_batch *use_batch(struct remote_dir *dir, struct error *err)
{
	struct store_batch *batch;

	pthread_mutex_lock(&dir->mutex);
	if (dir->broken)
		error_set(err, ERR_ENV, "%s: a write failed before", dir->store->dir);
	else if (!dir->batch)
		batch_open(dir->store, &dir->batch, err);
	batch = dir->broken ? NULL : dir->batch;
	pthread_mutex_unlock(&dir->mutex);
	return batch;
}

static int dir_put(struct remote *remote, struct store *store, const struct digest *id, bool replace,
		   struct error *err)
{
	struct remote_dir *dir = (struct remote_dir *)remote;
	const struct add_how how = { .watch = remote->watch, .replace = replace };
	CLEANUP(cleanup_fd) int fd = store_open_object(store, id, NULL, err);
	struct store_batch *batch;
	char hex[DIGEST_HEX + 1];
	uint64_t size;

	if (fd < 0)
		return cannot_read(err);
	batch = use_batch(dir, err);
	if (!batch) {
		/* These codes tell of the object. */
		if (err && (err->code == ERR_NOT_FOUND || err->code == ERR_DAMAGED))
			err->code = ERR_ENV;
		return -1;
	}
	return batch_add_as(batch, fd, digest_format(id, hex), id, &how, &size, err);
}

static int dir_verify(struct remote *remote, const struct digest *id, struct error *err)
{
	struct remote_dir *dir = (struct remote_dir *)remote;

	return store_verify(dir->store, id, err) < 0 ? cannot_read(err) : 0;
}

static int commit(struct remote_dir *dir, struct error *err)
{
	/* Refs are written in the batch's staging. */
	if (dir->len && !use_batch(dir, err))
		return -1;
	if (dir->batch && batch_commit(dir->batch, err) < 0)
		return -1;
	if (store_settle(dir->store, dir->relied, err) < 0)
		return -1;
	memset(dir->relied, 0, sizeof(dir->relied));
	return dir->len ? remote_dir_commit_refs(dir, err) : 0;
}

static int dir_commit(struct remote *remote, struct error *err)
{
	struct remote_dir *dir = (struct remote_dir *)remote;

	if (commit(dir, err) == 0)
		return 0;
	dir->broken = true;
	return -1;
}

static int dir_forget(struct remote *remote, const struct digest *ids, size_t n, const struct tombstone *stone,
		      struct error *err)
{
	return store_forget(((struct remote_dir *)remote)->store, ids, n, stone, NULL, err);
}

static int dir_forgotten(struct remote *remote, const struct digest *ids, size_t n, struct tombstone *ret, struct error *err)
{
	struct remote_dir *dir = (struct remote_dir *)remote;

	(void)err;
	for (size_t i = 0; i < n; i++)
		if (!tombstone_find(dir->store, &ids[i], &ret[i]))
			ret[i] = (struct tombstone){ .date = "" };
	return 0;
}

const struct remote_ops remote_dir_ops = {
	.open = dir_open,
	.close = dir_close,
	.has = dir_has,
	.get = dir_get,
	.put = dir_put,
	.verify = dir_verify,
	.commit = dir_commit,
	.ref_get = remote_dir_ref_get,
	.ref_put = remote_dir_ref_put,
	.ref_list = remote_dir_ref_list,
	.forget = dir_forget,
	.forgotten = dir_forgotten,
};
