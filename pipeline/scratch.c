/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/scratch.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "pipeline/checkpoints.h"
#include "pipeline/farm.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/stepdir.h"
#include "registry/project.h"
#include "store/content.h"
#include "store/ignore.h"

#define NOBODY 65532 /* no account of Debian's; what distroless images call nonroot */

/* ---- users ---- */

int scratch_users(const struct project *p, bool root, bool rootless, struct scratch_user *ret_inside,
		  struct scratch_user *ret_here, struct error *err)
{
	struct scratch_user caller = { geteuid(), getegid() };
	struct stat st;

	if (rootless) {
		*ret_inside = (struct scratch_user){ 0, 0 };
		*ret_here = caller;
		return 0;
	}
	if (root && caller.uid != 0) {
		error_set(err, ERR_USAGE, "user = root needs mlops to run as root");
		return error_help(err, "run it as root, use an engine without root, or leave user= out");
	}
	*ret_inside = caller;
	if (!root && caller.uid == 0) {
		if (fstat(p->rootfd, &st) < 0)
			return error_sys(err, errno, "cannot look at %s", p->root);
		*ret_inside = st.st_uid ? (struct scratch_user){ st.st_uid, st.st_gid } :
					  (struct scratch_user){ NOBODY, NOBODY };
	}
	*ret_here = *ret_inside;
	return 0;
}

static bool may(const struct stat *st, const struct scratch_user *user, mode_t bits)
{
	if (st->st_uid == user->uid)
		return (st->st_mode >> 6 & bits) == bits;
	if (st->st_gid == user->gid)
		return (st->st_mode >> 3 & bits) == bits;
	return (st->st_mode & bits) == bits;
}

/* The first path at or below `name` that the user cannot read; NULL when there is none. */
static char *find_unreadable(int dirfd, const char *name, const char *path, const struct scratch_user *user)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	struct stat st;
	char *found = NULL;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(st.st_mode))
		return NULL;
	if (!may(&st, user, S_ISDIR(st.st_mode) ? 5 : 4))
		return xstrdup(path);
	if (!S_ISDIR(st.st_mode))
		return NULL;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fs_list_dir(fd, ".", &names, NULL) < 0)
		return xstrdup(path);
	for (size_t i = 0; i < names.len && !found; i++) {
		CLEANUP(cleanup_free) char *inner = path_join(path, names.items[i]);
		found = find_unreadable(fd, names.items[i], inner, user);
	}
	return found;
}

int scratch_check_inputs(const struct project *p, const struct plan_node *node, const struct scratch_user *user,
			 struct error *err)
{
	for (size_t i = 0; i < node->inputs.len; i++) {
		CLEANUP(cleanup_free) char *full = path_join(p->root, node->inputs.items[i]);
		CLEANUP(cleanup_free) char *real = realpath(full, NULL);
		CLEANUP(cleanup_free) char *found = NULL;
		if (!strcmp(node->inputs.items[i], ".")) {
			error_set(err, ERR_USAGE, "step %s: the whole project as input cannot be mounted into a container",
				  node->name);
			return error_help(err, "name the files and directories it reads in in= of [step.%s]",
					  node->step->name);
		}
		if (!real)
			continue; /* a step will make it */
		found = find_unreadable(AT_FDCWD, real, node->inputs.items[i], user);
		if (!found)
			continue;
		error_set(err, ERR_ENV, "step %s: input %s cannot be read by user %u, who runs it in the container",
			  node->name, found, (unsigned)user->uid);
		return error_help(err, "run: chmod -R a+rX %s", found);
	}
	return 0;
}

static bool touched_since(int dirfd, const char *name, int64_t since_ms)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000 > since_ms)
		return true;
	if (!S_ISDIR(st.st_mode))
		return false;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fs_list_dir(fd, ".", &names, NULL) < 0)
		return true;
	for (size_t i = 0; i < names.len; i++)
		if (touched_since(fd, names.items[i], since_ms))
			return true;
	return false;
}

bool scratch_inputs_touched(const struct project *p, const struct plan_node *node, int64_t since_ms)
{
	for (size_t i = 0; i < node->inputs.len; i++) {
		CLEANUP(cleanup_free) char *full = path_join(p->root, node->inputs.items[i]);
		CLEANUP(cleanup_free) char *real = realpath(full, NULL);
		if (!real || touched_since(AT_FDCWD, real, since_ms))
			return true;
	}
	return false;
}

/* ---- outputs, beforehand ---- */

int scratch_check_places(const struct project *p, const struct plan_node *node, struct error *err)
{
	struct stat home, st;

	if (fstat(p->dirfd, &home) < 0)
		return error_sys(err, errno, "cannot look at .mlops");
	for (size_t i = 0; i < node->noutputs; i++) {
		const char *path = node->outputs[i].path;
		for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
			CLEANUP(cleanup_free) char *above = xstrndup(path, (size_t)(slash - path));
			CLEANUP(cleanup_fd) int fd = -1;
			if (fs_stat_beneath(p->rootfd, above, &st, NULL) == 0)
				break;
			fd = fs_open_direct(p->rootfd, above, O_PATH | O_DIRECTORY, 0, NULL);
			if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == home.st_dev)
				continue;
			error_set(err, ERR_CONFLICT, "step %s: output %s cannot be put there: %s is %s", node->name, path, above,
				  fd < 0 ? "no directory, or a symlink" : "on another file system");
			return error_help(err, "make room for %s, or correct out= of [step.%s]", path, node->step->name);
		}
	}
	return 0;
}

/* ---- making it ---- */

/* Opens the directory `path` below `top` (project paths), making it and what is missing above it for the user. */
static int open_dir_for(const struct scratch *s, int topfd, const char *path, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = fcntl(topfd, F_DUPFD_CLOEXEC, 0);
	CLEANUP(cleanup_free) char *copy = xstrdup(path);
	char *rest = copy;

	for (char *name; fd >= 0 && (name = strsep(&rest, "/"));) {
		int next;
		if (mkdirat(fd, name, 0777) == 0) {
			if (fchownat(fd, name, s->user.uid, s->user.gid, AT_SYMLINK_NOFOLLOW) < 0)
				return error_sys(err, errno, "cannot give %s to user %u", path, (unsigned)s->user.uid);
		} else if (errno != EEXIST) {
			return error_sys(err, errno, "cannot make %s", path);
		}
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return error_sys(err, errno, "cannot open %s", path);
		close(fd);
		fd = next;
	}
	return fd < 0 ? error_sys(err, errno, "cannot open %s", path) : steal_fd(&fd);
}

/* The directory above the path. */
static int open_parent_for(const struct scratch *s, int topfd, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(cleanup_free) char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : NULL;

	return parent ? open_dir_for(s, topfd, parent, err) : fcntl(topfd, F_DUPFD_CLOEXEC, 0);
}

void scratch_mount(struct scratch *s, char *source, char *target, bool writable)
{
	GROW(s->mounts, s->nmounts, s->mounts_cap);
	s->mounts[s->nmounts++] = (struct runner_mount){ source, target, writable };
}

/* An earlier input, a directory, shows it already. */
static bool is_shown(const struct scratch *s, size_t input)
{
	const struct strlist *inputs = &s->node->inputs;

	for (size_t i = 0; i < input; i++)
		if (path_contains(inputs->items[i], inputs->items[input]))
			return true;
	return false;
}

/* The engine would make a missing mount point itself, as root. */
static int make_mount_point(const struct scratch *s, int workfd, const char *path, bool dir, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(cleanup_fd) int parent = -1;

	if (dir) {
		fd = open_dir_for(s, workfd, path, err);
		return fd < 0 ? -1 : 0;
	}
	parent = open_parent_for(s, workfd, path, err);
	if (parent < 0)
		return -1;
	fd = openat(parent, path_base(path), O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_sys(err, errno, "cannot make the mount point of %s", path);
	if (fchown(fd, s->user.uid, s->user.gid) < 0)
		return error_sys(err, errno, "cannot give %s to user %u", path, (unsigned)s->user.uid);
	return 0;
}

/* A symlink of the project may lead into what belongs to git or to us; objects are what a checkout by link left. */
static bool is_reserved(const struct scratch *s, const char *real)
{
	const struct project *p = s->project;
	CLEANUP(cleanup_free) char *git = path_join(p->top, ".git");
	CLEANUP(cleanup_free) char *own = path_join(p->root, ".mlops");
	CLEANUP(cleanup_free) char *home = project_home_path(p, "");
	CLEANUP(cleanup_free) char *objects = project_home_path(p, "objects");

	if (path_contains(git, real) || path_contains(own, real))
		return !path_contains(objects, real);
	return path_contains(home, real) && !path_contains(p->root, real) && !path_contains(objects, real);
}

static int mount_input(struct scratch *s, int workfd, size_t input, struct error *err)
{
	const char *path = s->node->inputs.items[input];
	CLEANUP(cleanup_free) char *full = path_join(s->project->root, path);
	CLEANUP(cleanup_free) char *real = NULL;

	if (is_shown(s, input))
		return 0;
	if (make_mount_point(s, workfd, path, s->inputs[input].kind == CONTENT_TREE, err) < 0)
		return -1;
	real = realpath(full, NULL);
	if (!real)
		return error_sys(err, errno, "cannot find input %s", path);
	if (is_reserved(s, real))
		return error_set(err, ERR_USAGE, "input %s is a symlink into what belongs to git or mlops", path);
	scratch_mount(s, steal(&real), xasprintf(SCRATCH_WORK "/%s", path), false);
	return 0;
}

/* ---- many files ---- */

/* A directory that holds farmed files can be mounted when no output must be written there. */
static bool holds_output(const struct plan_node *node, const char *dir)
{
	for (size_t i = 0; i < node->noutputs; i++)
		if (path_contains(dir, node->outputs[i].path))
			return true;
	return false;
}

/* The topmost directory above the path without an output in it; NULL: none, not even its own. */
static char *farm_root(const struct plan_node *node, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		char *dir = xstrndup(path, (size_t)(slash - path));
		if (!holds_output(node, dir))
			return dir;
		free(dir);
	}
	return NULL;
}

static bool is_farmed(const struct scratch *s, size_t input, bool many)
{
	return (many && s->inputs[input].kind != CONTENT_TREE) || (s->links && s->inputs[input].kind == CONTENT_TREE);
}

static int farm_input(struct scratch *s, int workfd, int farmfd, struct strmap *roots, size_t input, struct error *err)
{
	const char *path = s->node->inputs.items[input];
	CLEANUP(cleanup_free) char *root = farm_root(s->node, path);
	struct farm farm CLEANUP(farm_release) = {
		.project = s->project, .store = s->store, .link = true, .dirfd = farmfd,
	};

	if (!root && s->inputs[input].kind != CONTENT_TREE) {
		CLEANUP(cleanup_fd) int parent = open_parent_for(s, workfd, path, err);
		/* The step may write beside it, and would be let into the store by a link. */
		farm.link = false;
		farm.dirfd = workfd;
		return parent < 0 ? -1 : farm_add(&farm, path, &s->inputs[input], err);
	}
	if (farm_add(&farm, path, &s->inputs[input], err) < 0)
		return -1;
	if (!root)
		root = xstrdup(path);
	if (!strmap_has(roots, root)) {
		strmap_set(roots, root, s);
		if (make_mount_point(s, workfd, root, true, err) < 0)
			return -1;
		scratch_mount(s, xasprintf("%s/.mlops/work/%s/%s/farm/%s", s->project->root, s->run, s->node->name, root),
			  xasprintf(SCRATCH_WORK "/%s", root), false);
	}
	return 0;
}

static int mount_inputs(struct scratch *s, int workfd, struct error *err)
{
	struct strmap roots CLEANUP(strmap_release) = STRMAP_INIT;
	CLEANUP(cleanup_free) char *farm = stepdir_path(s->run, s->node->name, "farm");
	CLEANUP(cleanup_fd) int farmfd = -1;
	bool many;
	size_t files = 0;

	for (size_t i = 0; i < s->node->inputs.len; i++)
		files += s->inputs[i].kind != CONTENT_TREE;
	many = files > SCRATCH_MOUNTS;
	for (size_t i = 0; i < s->node->inputs.len; i++) {
		if (!is_farmed(s, i, many))
			continue;
		if (farmfd < 0 && (fs_make_dirs(s->project->rootfd, farm, 0777, err) < 0 ||
				   (farmfd = fs_open_direct(s->project->rootfd, farm, O_RDONLY | O_DIRECTORY, 0, err)) < 0))
			return -1;
		if (!is_shown(s, i) && farm_input(s, workfd, farmfd, &roots, i, err) < 0)
			return -1;
	}
	/* A directory inside a farm's is mounted there, on a point that the farm must have. */
	for (size_t i = 0; i < s->node->inputs.len; i++) {
		const char *path = s->node->inputs.items[i];
		CLEANUP(cleanup_free) char *root = farm_root(s->node, path);
		bool inside = root && strmap_has(&roots, root);
		if (!is_farmed(s, i, many) && mount_input(s, inside ? farmfd : workfd, i, err) < 0)
			return -1;
	}
	return 0;
}

/* They are the project's own directories: what the step writes there stays. */
static int mount_checkpoints(struct scratch *s, int workfd, struct error *err)
{
	const struct strlist *paths = &s->node->checkpoints;

	if (checkpoints_make(s->project, s->node, &s->user, err) < 0)
		return -1;
	for (size_t i = 0; i < paths->len; i++) {
		if (make_mount_point(s, workfd, paths->items[i], true, err) < 0)
			return -1;
		scratch_mount(s, path_join(s->project->root, paths->items[i]), xasprintf(SCRATCH_WORK "/%s", paths->items[i]), true);
	}
	return 0;
}

int scratch_make(struct scratch *s, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("%d", s->attempt);
	CLEANUP(cleanup_free) char *work = stepdir_path(s->run, s->node->name, name);
	CLEANUP(cleanup_free) char *report = stepdir_path(s->run, s->node->name, "report");
	CLEANUP(cleanup_fd) int workfd = fs_open_direct(s->project->rootfd, work, O_RDONLY | O_DIRECTORY, 0, err);
	CLEANUP(cleanup_fd) int reportfd = fs_open_direct(s->project->rootfd, report, O_RDONLY | O_DIRECTORY, 0, err);

	if (workfd < 0 || reportfd < 0)
		return -1;
	if (fchown(workfd, s->user.uid, s->user.gid) < 0 || fchown(reportfd, s->user.uid, s->user.gid) < 0)
		return error_sys(err, errno, "cannot give %s to user %u", work, (unsigned)s->user.uid);
	/* Whatever our umask is, the step works here. */
	if (fchmod(workfd, 0755) < 0 || fchmod(reportfd, 0755) < 0)
		return error_sys(err, errno, "cannot open %s to the step", work);
	scratch_mount(s, path_join(s->project->root, work), xstrdup(SCRATCH_WORK), true);
	scratch_mount(s, path_join(s->project->root, report), xstrdup(SCRATCH_REPORT), true);
	for (size_t i = 0; i < s->node->noutputs; i++) {
		CLEANUP(cleanup_fd) int parent = open_parent_for(s, workfd, s->node->outputs[i].path, err);
		if (parent < 0)
			return -1;
	}
	if (mount_checkpoints(s, workfd, err) < 0)
		return -1;
	return mount_inputs(s, workfd, err);
}

void scratch_release(struct scratch *s)
{
	for (size_t i = 0; i < s->nmounts; i++) {
		free((char *)s->mounts[i].source);
		free((char *)s->mounts[i].target);
	}
	free(s->mounts);
}

/* ---- afterwards ---- */

static bool is_declared(const struct plan_node *node, const char *path)
{
	for (size_t i = 0; i < node->noutputs; i++)
		if (path_contains(node->outputs[i].path, path))
			return true;
	for (size_t i = 0; i < node->inputs.len; i++)
		if (path_contains(node->inputs.items[i], path))
			return true;
	for (size_t i = 0; i < node->checkpoints.len; i++)
		if (path_contains(node->checkpoints.items[i], path))
			return true;
	return false;
}

#define PATH_DEPTH_MAX 4000 /* bytes of a path that is still looked into */

struct undeclared {
	const struct plan_node *node;
	struct strlist *names;
	size_t max, count;
};

static void add_undeclared(struct undeclared *u, const char *path)
{
	u->count++;
	if (u->names->len < u->max)
		strlist_push(u->names, path);
}

/* A directory above something declared is ours; what else is a directory counts by its files. */
static void collect_undeclared(struct undeclared *u, int dirfd, const char *name, const char *path)
{
	CLEANUP(cleanup_fd) int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;

	if (fd < 0 || strlen(path) > PATH_DEPTH_MAX || fs_list_dir(fd, ".", &names, NULL) < 0) {
		add_undeclared(u, path);
		return;
	}
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *inner = *path ? path_join(path, names.items[i]) : xstrdup(names.items[i]);
		struct stat st;
		if (is_declared(u->node, inner) || fstatat(fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    ignore_match_here(NULL, inner, S_ISDIR(st.st_mode)))
			continue;
		if (S_ISDIR(st.st_mode))
			collect_undeclared(u, fd, names.items[i], inner);
		else
			add_undeclared(u, inner);
	}
}

size_t scratch_undeclared(int workfd, const struct plan_node *node, size_t max, struct strlist *ret)
{
	struct undeclared u = { .node = node, .names = ret, .max = max };

	collect_undeclared(&u, workfd, ".", "");
	return u.count;
}

int scratch_check_output(int workfd, const char *path, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;
	struct error why;

	if (fs_stat_beneath(workfd, path, &st, &why) <= 0)
		return 0; /* its absence is told elsewhere */
	fd = fs_open_direct(workfd, path, O_PATH, 0, &why);
	if (fd >= 0 && !S_ISLNK(st.st_mode))
		return 0;
	error_set(err, ERR_FAILED, "it is a symlink, or is reached by one");
	return error_help(err, "make the command write the file itself to %s", path);
}

static int take(int dirfd, const char *name, const char *path, const struct stat *owner, mode_t mask, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (owner && fchownat(dirfd, name, owner->st_uid, owner->st_gid, AT_SYMLINK_NOFOLLOW) < 0))
		return error_sys(err, errno, "cannot take %s", path);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		mode_t mode = (S_ISDIR(st.st_mode) || st.st_mode & 0100 ? 0777 : 0666) & ~mask;
		if ((st.st_mode & 07777) != mode && fchmodat(dirfd, name, mode, 0) < 0)
			return error_sys(err, errno, "cannot set the mode of %s", path);
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "cannot take %s", path);
	if (fs_list_dir(fd, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *inner = path_join(path, names.items[i]);
		if (take(fd, names.items[i], inner, owner, mask, err) < 0)
			return -1;
	}
	return 0;
}

int scratch_take_output(const struct project *p, int workfd, const char *path, const struct scratch_user *user,
			mode_t umask, struct error *err)
{
	struct stat owner, st;

	if (fstat(p->rootfd, &owner) < 0)
		return error_sys(err, errno, "cannot look at %s", p->root);
	if (fs_stat_beneath(workfd, path, &st, NULL) <= 0)
		return 0;
	return take(workfd, path, path, geteuid() == 0 && owner.st_uid != user->uid ? &owner : NULL, umask, err);
}
