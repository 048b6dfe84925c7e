/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/checkpoints.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/scratch.h"
#include "registry/project.h"

static int make_one(const struct project *p, const struct plan_node *node, const char *path, const struct scratch_user *user,
		    struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;

	if (fs_make_dirs(p->rootfd, path, 0777, err) < 0)
		return -1;
	fd = fs_open_direct(p->rootfd, path, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (fd < 0 || fstat(fd, &st) < 0) {
		error_set(err, ERR_CONFLICT, "it is no directory, or is reached by a symlink");
		return error_help(err, "make room for %s, or correct checkpoints= of [step.%s]", path, node->step->name);
	}
	/* What is in it may belong to whoever wrote it; the step's user may at least add to it. */
	if (user && st.st_uid != user->uid && geteuid() == 0 && fchown(fd, user->uid, user->gid) < 0)
		return error_sys(err, errno, "cannot give it to user %u", (unsigned)user->uid);
	return 0;
}

int checkpoints_make(const struct project *p, const struct plan_node *node, const struct scratch_user *user,
		     struct error *err)
{
	for (size_t i = 0; i < node->checkpoints.len; i++)
		if (make_one(p, node, node->checkpoints.items[i], user, err) < 0)
			return error_wrap(err, "step %s: checkpoints in %s", node->name, node->checkpoints.items[i]);
	return 0;
}
