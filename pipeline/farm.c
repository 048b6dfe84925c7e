/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/farm.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "registry/project.h"
#include "store/checkout.h"
#include "store/content.h"
#include "store/scan.h"
#include "store/store.h"

void farm_release(struct farm *farm)
{
	free(farm->last);
	farm->last = NULL;
}

/* 1 linked, 0 not possible. An object is not executable, so an executable file is copied. */
static int link_object(const struct farm *farm, const char *path, const struct content *content)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;
	char proc[40];
	uint64_t size;

	if (!farm->link || content->kind != CONTENT_FILE)
		return 0;
	fd = store_open_object(farm->store, &content->id, &size, NULL);
	if (fd < 0)
		return 0;
	/* Stored under a narrow umask, it is for us alone. */
	if (fstat(fd, &st) < 0 || !(st.st_mode & S_IROTH))
		return 0;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, farm->dirfd, path, AT_SYMLINK_FOLLOW) == 0;
}

static int copy_file(const struct farm *farm, const char *path, const struct content *content, struct error *err)
{
	CLEANUP(cleanup_fd) int from = fs_open_beneath(farm->project->rootfd, path, O_RDONLY, 0, err);
	CLEANUP(cleanup_fd) int to = -1;

	if (from < 0)
		return -1;
	to = fs_open_direct(farm->dirfd, path, O_WRONLY | O_CREAT | O_EXCL, 0666, err);
	if (to < 0 || fs_copy_fd(from, to, path, err) < 0)
		return -1;
	/* Whatever our umask is, the step reads it. */
	if (fchmod(to, content->kind == CONTENT_EXEC ? 0755 : 0644) < 0)
		return error_sys(err, errno, "cannot set the mode of %s", path);
	return 0;
}

static int add_tree(const struct farm *farm, const char *path, const struct content *content, struct error *err)
{
	struct scanner scanner = { .rootfd = farm->dirfd, .store = farm->store };
	struct checkout checkout = {
		.store = farm->store,
		.scanner = &scanner,
		.link = farm->link ? CHECKOUT_HARDLINK : CHECKOUT_COPY,
		.unknown = UNKNOWN_REPLACE,
	};
	struct checkout_result result = { 0 };

	return checkout_path(&checkout, path, content, &result, err);
}

/* Parents that the step's user may pass, whatever our umask is. */
static int make_parents(struct farm *farm, const char *path, struct error *err)
{
	const char *end = strrchr(path, '/');

	if (!end || (farm->last && !strncmp(farm->last, path, (size_t)(end - path)) && !farm->last[end - path]))
		return 0;
	if (fs_make_parents(farm->dirfd, path, 0777, err) < 0)
		return -1;
	free(farm->last);
	farm->last = xstrndup(path, (size_t)(end - path));
	for (const char *slash = strchr(path, '/'); farm->link && slash; slash = strchr(slash + 1, '/')) {
		CLEANUP(cleanup_free) char *dir = xstrndup(path, (size_t)(slash - path));
		if (fchmodat(farm->dirfd, dir, 0755, 0) < 0)
			return error_sys(err, errno, "cannot set the mode of %s", dir);
	}
	return 0;
}

int farm_add(struct farm *farm, const char *path, const struct content *content, struct error *err)
{
	if (make_parents(farm, path, err) < 0)
		return -1;
	if (content->kind == CONTENT_TREE)
		return add_tree(farm, path, content, err);
	return link_object(farm, path, content) ? 0 : copy_file(farm, path, content, err);
}
