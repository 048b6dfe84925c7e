/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tombstone.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/store_internal.h"

#define DIR_NAME "forgotten"
#define FEW	 64 /* up to here each file is synced by itself */
#define DATE_LEN 10

/* "forgotten/HEX" */
#define TOMBSTONE_PATH (sizeof(DIR_NAME) + DIGEST_HEX + 1)
static const char *tombstone_path(const struct digest *id, char path[TOMBSTONE_PATH])
{
	memcpy(path, DIR_NAME "/", sizeof(DIR_NAME));
	digest_format(id, path + sizeof(DIR_NAME));
	return path;
}

/* "DATE REASON\n"; one that cannot be read forbids no less. */
static void read_tombstone(struct store *store, const char *path, struct tombstone *ret)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	*ret = (struct tombstone){ .date = "?" };
	if (io_read_file(store->dirfd, path, DATE_LEN + 1 + TOMBSTONE_REASON + 1, &text, NULL) < 0 || text.len < DATE_LEN + 2 ||
	    text.buf[DATE_LEN] != ' ')
		return;
	memcpy(ret->date, text.buf, DATE_LEN);
	memcpy(ret->reason, text.buf + DATE_LEN + 1, text.len - DATE_LEN - 2);
}

bool tombstone_find(struct store *store, const struct digest *id, struct tombstone *ret)
{
	char path[TOMBSTONE_PATH];
	struct stat st;

	if (fstatat(store->dirfd, tombstone_path(id, path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (ret)
		read_tombstone(store, path, ret);
	return true;
}

int tombstone_refuse(struct store *store, const struct digest *id, struct error *err)
{
	struct tombstone stone;
	char hex[DIGEST_HEX + 1];

	if (!tombstone_find(store, id, &stone))
		return 0;
	error_set(err, ERR_DENIED, "the bytes of object %s are not taken again: they were forgotten on %s: %s",
		  digest_format(id, hex), stone.date, stone.reason);
	return error_help(err, TOMBSTONE_HELP);
}

/* ---- writing ---- */

static int stage(const struct store *store, const struct staging *staging, const char *hex, const struct tombstone *stone,
		 bool sync, struct error *err)
{
	CLEANUP(cleanup_free) char *text = xasprintf("%.10s %s\n", stone->date, stone->reason);
	CLEANUP(cleanup_fd) int fd = store_create(store, staging->fd, hex, 0444, err);

	if (fd < 0 || io_write_all(fd, text, strlen(text), hex, err) < 0)
		return -1;
	return sync ? io_sync_file(fd, hex, err) : 0;
}

static int publish(const struct staging *staging, int dir, const char *hex, struct error *err)
{
	struct error why = { 0 };

	if (io_publish(staging->fd, hex, dir, hex, &why) >= 0)
		return 0;
	if (why.sys == EPERM || why.sys == EOPNOTSUPP || why.sys == ENOSYS || why.sys == EMLINK)
		return io_rename(staging->fd, hex, dir, hex, err);
	if (err)
		*err = why;
	return -1;
}

static int write_all(struct store *store, const struct staging *staging, const struct digest *ids, size_t n,
		     const struct tombstone *stone, struct error *err)
{
	CLEANUP(cleanup_fd) int dir = -1;
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < n; i++)
		if (!tombstone_find(store, &ids[i], NULL) &&
		    stage(store, staging, digest_format(&ids[i], hex), stone, n <= FEW, err) < 0)
			return -1;
	if ((n > FEW && io_sync_fs(staging->fd, store->dir, err) < 0) ||
	    store_publish_dir(store, staging->fd, store->dirfd, DIR_NAME, err) < 0)
		return -1;
	dir = store_open_dir(store->dirfd, DIR_NAME);
	if (dir < 0)
		return error_sys(err, errno, "cannot open %s/" DIR_NAME, store->dir);
	for (size_t i = 0; i < n; i++)
		if (!tombstone_find(store, &ids[i], NULL) && publish(staging, dir, digest_format(&ids[i], hex), err) < 0)
			return -1;
	return store_sync_dir(dir, ".", err) < 0 ? -1 : store_sync_dir(store->dirfd, ".", err);
}

/* ---- removing ---- */

static int remove_one(struct store *store, const char *path, bool *ret_there, struct error *err)
{
	struct stat st;

	if (fstatat(store->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	*ret_there = true;
	return io_unlink(store->dirfd, path, err);
}

static int remove_all(struct store *store, const struct digest *ids, size_t n, uint64_t *removed, struct error *err)
{
	bool fans[256] = { false }, aside = false;
	char path[sizeof("quarantine/") + OBJECT_PATH], hex[OBJECT_PATH];

	for (size_t i = 0; i < n; i++) {
		bool there = false;

		snprintf(path, sizeof(path), "objects/%s", object_path(&ids[i], hex));
		if (remove_one(store, path, &there, err) < 0)
			return -1;
		*removed += there;
		fans[ids[i].b[0]] |= there;
		snprintf(path, sizeof(path), "quarantine/%s", digest_format(&ids[i], hex));
		if (remove_one(store, path, &aside, err) < 0)
			return -1;
	}
	for (unsigned i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "%02x", i);
		if (fans[i] && store_sync_dir(store->objects, path, err) < 0)
			return -1;
	}
	return aside ? store_sync_dir(store->dirfd, "quarantine", err) : 0;
}

int store_forget(struct store *store, const struct digest *ids, size_t n, const struct tombstone *stone, uint64_t *ret_removed,
		 struct error *err)
{
	struct staging staging = STAGING_INIT;
	uint64_t removed = 0;
	int r;

	if (staging_open(store, &staging, err) < 0)
		return -1;
	r = write_all(store, &staging, ids, n, stone, err);
	staging_close(&staging);
	if (r < 0 || remove_all(store, ids, n, &removed, err) < 0)
		return error_wrap(err, "%s", store->dir);
	if (ret_removed)
		*ret_removed = removed;
	return 0;
}
