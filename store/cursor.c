/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cursor_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

static void leave(struct cursor *cursor)
{
	if (cursor->fd >= 0 && cursor->fd != cursor->rootfd)
		close(cursor->fd);
	cursor->fd = -1;
}

void cursor_release(struct cursor *cursor)
{
	leave(cursor);
	free(cursor->dir);
}

int cursor_enter(struct cursor *cursor, const char *path, bool make, struct error *err)
{
	const char *base = path_base(path);
	size_t len = base > path ? (size_t)(base - path) - 1 : 0;

	if (cursor->fd >= 0 && !strncmp(cursor->dir, path, len) && cursor->dir[len] == '\0')
		return cursor->fd;
	leave(cursor);
	if (len + 1 > cursor->cap) {
		cursor->cap = 2 * len + 256;
		cursor->dir = xreallocarray(cursor->dir, 1, cursor->cap);
	}
	memcpy(cursor->dir, path, len);
	cursor->dir[len] = '\0';
	if (!len)
		return cursor->fd = cursor->rootfd;
	if (make && fs_make_dirs(cursor->rootfd, cursor->dir, 0777, err) < 0)
		return -1;
	return cursor->fd =
		   fs_open_direct(cursor->rootfd, cursor->dir, O_PATH | O_DIRECTORY, 0, err);
}
