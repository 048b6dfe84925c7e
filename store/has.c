/* SPDX-License-Identifier: Apache-2.0 */
/* Which of many objects are stored, in few questions: on a network mount each costs a round trip. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "store/store_internal.h"

/* From here on a fan-out directory is listed, unless it turns out to hold this many times more. */
#define MANY	16
#define TOO_FAR 64

struct wanted {
	const struct digest *id;
	bool *there;
};

static int by_digest(const void *a, const void *b)
{
	return digest_compare(((const struct wanted *)a)->id, ((const struct wanted *)b)->id);
}

static int ask_each(struct store *store, const struct wanted *wanted, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		char path[OBJECT_PATH];
		struct stat st;

		object_path(wanted[i].id, path);
		if (fstatat(store->objects, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			*wanted[i].there = S_ISREG(st.st_mode);
		else if (errno != ENOENT && errno != ENOTDIR)
			return error_sys(err, errno, "cannot look for %s/objects/%s", store->dir, path);
	}
	return 0;
}

static bool is_file(int dirfd, const struct dirent *de)
{
	struct stat st;

	if (de->d_type != DT_UNKNOWN)
		return de->d_type == DT_REG;
	return fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* Equal ids stand side by side. */
static void mark(int dirfd, const struct dirent *de, const char *fan, const struct wanted *wanted,
		 size_t n)
{
	char hex[2 + 256];
	struct digest id;
	struct wanted key = { .id = &id };
	const struct wanted *hit;

	snprintf(hex, sizeof(hex), "%s%s", fan, de->d_name);
	if (!digest_parse(hex, &id))
		return;
	hit = bsearch(&key, wanted, n, sizeof(*wanted), by_digest);
	if (!hit || !is_file(dirfd, de))
		return;
	while (hit > wanted && digest_equal(hit[-1].id, &id))
		hit--;
	for (; hit < wanted + n && digest_equal(hit->id, &id); hit++)
		*hit->there = true;
}

/* 1 all marked, 0 there are too many names, -1 error. */
static int list_fan(struct store *store, const struct wanted *wanted, size_t n, struct error *err)
{
	size_t left = n * TOO_FAR;
	struct dirent *de;
	char fan[3];
	int fd, sys;
	DIR *dir;

	snprintf(fan, sizeof(fan), "%02x", wanted->id->b[0]);
	fd = openat(store->objects, fan, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 1;
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		error_sys(err, errno, "cannot list %s/objects/%s", store->dir, fan);
		cleanup_fd(&fd);
		return -1;
	}
	while (left && (errno = 0, de = readdir(dir))) {
		mark(fd, de, fan, wanted, n);
		left--;
	}
	sys = left ? errno : 0;
	closedir(dir);
	if (sys)
		return error_sys(err, sys, "cannot list %s/objects/%s", store->dir, fan);
	return left > 0;
}

int store_has_many(struct store *store, const struct digest *ids, size_t n, bool *ret,
		   struct error *err)
{
	CLEANUP(cleanup_free) struct wanted *wanted = xcalloc(n + 1, sizeof(*wanted));
	CLEANUP(cleanup_free) bool *there = xcalloc(n + 1, sizeof(*there));

	for (size_t i = 0; i < n; i++)
		wanted[i] = (struct wanted){ &ids[i], &there[i] };
	if (n >= MANY)
		qsort(wanted, n, sizeof(*wanted), by_digest);
	for (size_t from = 0, to; from < n; from = to) {
		int listed = 0;

		for (to = from + 1; to < n && wanted[to].id->b[0] == wanted[from].id->b[0];)
			to++;
		if (to - from >= MANY)
			listed = list_fan(store, wanted + from, to - from, err);
		if (listed < 0 ||
		    (!listed && ask_each(store, wanted + from, to - from, err) < 0))
			return -1;
	}
	memcpy(ret, there, n * sizeof(*ret));
	return 0;
}

int store_has_durable(struct store *store, const struct digest *ids, size_t n, bool *ret,
		      struct error *err)
{
	bool fans[256] = { false };

	if (store_has_many(store, ids, n, ret, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		fans[ids[i].b[0]] |= ret[i];
	return store_settle(store, fans, err);
}
