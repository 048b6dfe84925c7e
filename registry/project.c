/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/project.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/home.h"
#include "registry/lockfile.h"
#include "registry/satellite.h"
#include "registry/schema.h"
#include "store/ignore.h"
#include "store/statcache.h"
#include "store/store.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOME     ".mlops"
#define DATABASE "registry.db"
#define DRAFT	 HOME "-new." /* and 16 hex digits */

static const char config_text[] =
    "# Settings of this project for this machine; `mlops config` lists them all.\n"
    "# For example:\n"
    "#\n"
    "# [run]\n"
    "# jobs = 4\n";

static const char *const folders[] = {
    "objects", "staging", "quarantine", "work", "failed", "aside", "logs", "locks",
};

/* user@host from the user id, so that neither $USER nor $HOME is needed or believed. */
static char *find_actor(void)
{
	char buf[4096], host[HOST_NAME_MAX + 1] = "";
	struct passwd pw, *found = NULL;

	if (gethostname(host, sizeof(host) - 1) < 0 || !*host)
		snprintf(host, sizeof(host), "localhost");
	if (getpwuid_r(getuid(), &pw, buf, sizeof(buf), &found) == 0 && found && *found->pw_name)
		return xasprintf("%s@%s", found->pw_name, host);
	return xasprintf("uid-%lu@%s", (unsigned long)getuid(), host);
}

static void user_name(uid_t uid, char *ret, size_t size)
{
	char buf[4096];
	struct passwd pw, *found = NULL;

	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found)
		snprintf(ret, size, "%s", found->pw_name);
	else
		snprintf(ret, size, "user %lu", (unsigned long)uid);
}

/* Finding. */

static int foreign_home(const char *home, uid_t owner, struct error *err)
{
	char name[64];

	user_name(owner, name, sizeof(name));
	error_set(err, ERR_DENIED, "%s belongs to %s, not to you", home, name);
	return error_help(err, "work in a clone of your own, or run mlops as %s", name);
}

/* Opens DIR/.mlops. 1 opened, 0 there is none, -1. */
static int open_home(const char *dir, int *ret_fd, struct error *err)
{
	CLEANUP(cleanup_free) char *home = path_join(dir, HOME);
	CLEANUP(cleanup_fd) int fd = open(home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int sys = errno;
	struct stat st;

	if (fd < 0 && sys == ENOENT)
		return 0;
	if (lstat(home, &st) < 0)
		return error_sys(err, errno, "cannot open %s", home);
	if (!S_ISDIR(st.st_mode)) {
		error_set(err, ERR_CONFLICT, "%s is a %s, not a directory", home,
			  fs_kind_name(st.st_mode));
		return error_help(err, "move it away, then run: mlops init");
	}
	/* Another user's settings name programs that would run as us. Root may act on anybody's
	 * project. */
	if (st.st_uid != geteuid() && st.st_uid != 0 && geteuid() != 0)
		return foreign_home(home, st.st_uid, err);
	if (fd < 0) {
		char name[64];

		error_sys(err, sys, "cannot open %s", home);
		user_name(st.st_uid, name, sizeof(name));
		return error_help(err, "it belongs to %s; check with: ls -ld %s", name, home);
	}
	*ret_fd = steal_fd(&fd);
	return 1;
}

/* Walks up from the absolute path `root`, which becomes the project's. */
static int search_upwards(char *root, int *ret_fd, struct error *err)
{
	CLEANUP(cleanup_free) char *start = xstrdup(root);
	char *slash;
	int r;

	while ((r = open_home(root, ret_fd, err)) == 0 && strcmp(root, "/") != 0) {
		slash = strrchr(root, '/');
		slash[slash == root] = '\0';
	}
	if (r != 0)
		return r < 0 ? -1 : 0;
	error_set(err, ERR_NOT_FOUND, "no project (" HOME ") in %s or above", start);
	return error_help(err, "run: mlops init");
}

static int resolve_dir(const char *dir, char **ret, struct error *err)
{
	*ret = realpath(dir ? dir : ".", NULL);
	return *ret ? 0
		    : error_sys(err, errno, "cannot enter %s", dir ? dir : "the working directory");
}

static char *prefix_of(const char *root, const char *start)
{
	const char *rest = start + strlen(root);

	return xstrdup(*rest == '/' ? rest + 1 : rest);
}

/* A symlink here would have runs written, and their leftovers removed, somewhere else. */
static int check_parts(const char *root, int dirfd, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		struct stat st;

		if (fstatat(dirfd, folders[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
			continue;
		error_set(err, ERR_CONFLICT, "%s/" HOME "/%s is a %s, not a directory", root, folders[i],
			  fs_kind_name(st.st_mode));
		return error_help(err, "move it away, then run: mlops init");
	}
	return 0;
}

static int open_locks(const char *root, int dirfd, int *ret, struct error *err)
{
	*ret = openat(dirfd, "locks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret >= 0)
		return 0;
	error_sys(err, errno, "cannot open %s/" HOME "/locks", root);
	return error_help(err, "run: mlops init   (it adds what is missing and keeps the rest)");
}

static int open_parts(struct project *p, struct error *err)
{
	CLEANUP(cleanup_free) char *config = project_home_path(p, "config.ini");

	p->rootfd = open(p->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->rootfd < 0)
		return error_sys(err, errno, "cannot open %s", p->root);
	if (open_locks(p->root, p->dirfd, &p->treelocksfd, err) < 0 ||
	    open_locks(p->top, p->homefd, &p->locksfd, err) < 0)
		return -1;
	return settings_load(&p->settings, config, err);
}

/* The .mlops that a scratch tree shares: not when somebody else put the tree there, nor that of another such tree. */
static int open_top(struct project *p, struct error *err)
{
	struct stat here, there;
	int r = open_home(p->top, &p->homefd, err);

	if (r == 0)
		error_set(err, ERR_DENIED, "%s is a scratch tree of %s, which is no project", p->root, p->top);
	if (r < 1)
		return -1;
	if (fstat(p->dirfd, &here) < 0 || fstat(p->homefd, &there) < 0)
		return error_sys(err, errno, "cannot look at %s/" HOME, p->top);
	if (here.st_uid != there.st_uid)
		return error_set(err, ERR_DENIED, "%s is a scratch tree of %s, but not of the same owner", p->root, p->top);
	if (faccessat(p->homefd, SATELLITE_NOTE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(err, ERR_DENIED, "%s is a scratch tree inside of another one", p->root);
	return 0;
}

static int find_top(struct project *p, struct error *err)
{
	int r = satellite_read(p->root, p->dirfd, &p->top, &p->scratch, err);

	if (r < 0)
		return -1;
	if (r)
		return open_top(p, err);
	p->top = xstrdup(p->root);
	p->homefd = fcntl(p->dirfd, F_DUPFD_CLOEXEC, 0);
	return p->homefd < 0 ? error_sys(err, errno, "cannot open %s/" HOME, p->root) : 0;
}

int project_open(const char *start, struct project **ret, struct error *err)
{
	struct project *p = xcalloc(1, sizeof(*p));
	CLEANUP(cleanup_free) char *from = NULL;

	p->rootfd = p->dirfd = p->treelocksfd = p->homefd = p->locksfd = -1;
	if (resolve_dir(start, &from, err) < 0)
		goto fail;
	p->root = xstrdup(from);
	if (search_upwards(p->root, &p->dirfd, err) < 0)
		goto fail;
	p->prefix = prefix_of(p->root, from);
	p->actor = find_actor();
	if (find_top(p, err) < 0 || home_check_origin(p->top, p->homefd, err) < 0 ||
	    check_parts(p->root, p->dirfd, err) < 0 || check_parts(p->top, p->homefd, err) < 0 || open_parts(p, err) < 0)
		goto fail;
	*ret = p;
	return 0;
fail:
	project_close(p);
	return -1;
}

void project_close(struct project *p)
{
	if (!p)
		return;
	/* The stat cache only saves time: a full disk is no reason to fail here. */
	if (p->statcache)
		statcache_save(p->statcache, p->dirfd, NULL);
	statcache_free(p->statcache);
	ignore_free(p->ignore);
	store_close(p->store);
	db_close(p->db);
	settings_release(&p->settings);
	cleanup_fd(&p->locksfd);
	cleanup_fd(&p->homefd);
	cleanup_fd(&p->treelocksfd);
	cleanup_fd(&p->dirfd);
	cleanup_fd(&p->rootfd);
	js_free(p->scratch);
	free(p->actor);
	free(p->prefix);
	free(p->top);
	free(p->root);
	free(p);
}

/* Making. */

static int make_file(int dirfd, const char *name, const char *text, struct error *err)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return io_replace_file(dirfd, name, text, strlen(text), 0666, true, err);
}

static int make_database(const char *home, struct error *err)
{
	CLEANUP(cleanup_free) char *path = path_join(home, DATABASE);
	CLEANUP(cleanup_free) char *lock = path_join(home, "locks/" LOCK_DB);
	struct db *db;

	if (db_open(path, lock, registry_schema, DB_READ_WRITE, &db, err) < 0)
		return -1;
	db_close(db);
	return 0;
}

static int make_parts(const char *home, int dirfd, struct error *err)
{
	struct store *store;

	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (io_mkdir(dirfd, folders[i], 0777, err) < 0)
			return -1;
	if (make_file(dirfd, ".gitignore", "*\n", err) < 0 ||
	    make_file(dirfd, "config.ini", config_text, err) < 0 || make_database(home, err) < 0 ||
	    store_open(home, true, &store, err) < 0)
		return -1;
	store_close(store);
	return io_sync_dir(dirfd, home, err);
}

/* A home in the making, under a name of its own beside the place it is for; its flock says that it is. */
struct draft {
	int rootfd, fd;
	char name[sizeof(DRAFT) + 16];
};

static void cleanup_draft(struct draft *d)
{
	if (d->fd >= 0)
		fs_remove_tree(d->rootfd, d->name, NULL);
	cleanup_fd(&d->fd);
	cleanup_fd(&d->rootfd);
}

/* Those of makers that were killed. They are only litter, so errors are dropped. */
static void sweep_drafts(int rootfd)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (fs_list_dir(rootfd, ".", &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.len; i++) {
		const char *name = names.items[i];
		CLEANUP(cleanup_fd) int fd = -1;

		if (strncmp(name, DRAFT, strlen(DRAFT)) != 0 || strlen(name) != strlen(DRAFT) + 16)
			continue;
		fd = openat(rootfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			fs_remove_tree(rootfd, name, NULL);
	}
}

/* 1 held, 0 another process swept it before it was locked, -1. */
static int draft_try(struct draft *d, const char *root, struct error *err)
{
	uint64_t salt;
	struct stat st;

	clock_random(&salt, sizeof(salt));
	snprintf(d->name, sizeof(d->name), DRAFT "%016llx", (unsigned long long)salt);
	if (io_mkdir(d->rootfd, d->name, 0700, err) < 0)
		return error_wrap(err, "in %s", root);
	d->fd = openat(d->rootfd, d->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->fd < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "cannot open %s/%s", root, d->name);
	/* without locks nobody sweeps */
	if ((flock(d->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) || fstat(d->fd, &st) < 0 || !st.st_nlink) {
		cleanup_fd(&d->fd);
		return 0;
	}
	return 1;
}

static int draft_open(struct draft *d, const char *root, struct error *err)
{
	int r;

	d->rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->rootfd < 0)
		return error_sys(err, errno, "cannot open %s", root);
	sweep_drafts(d->rootfd);
	while ((r = draft_try(d, root, err)) == 0)
		;
	return r < 0 ? -1 : 0;
}

/* 1: the home is whole and in its place; 0: somebody else was first; -1. */
static int draft_publish(struct draft *d, const char *root, struct error *err)
{
	CLEANUP(cleanup_fd) int other = -1;
	struct error why;

	error_clear(&why);
	if (io_rename(d->rootfd, d->name, d->rootfd, HOME, &why) == 0) {
		cleanup_fd(&d->fd);
		return io_sync_dir(d->rootfd, root, err) < 0 ? -1 : 1;
	}
	if (open_home(root, &other, err) == 1)
		return 0;
	if (err)
		*err = why;
	return -1;
}

/* A whole .mlops appears in one step: whoever looks meanwhile, or after a kill, finds none. */
static int make_home(const char *root, struct error *err)
{
	CLEANUP(cleanup_draft) struct draft d = { .rootfd = -1, .fd = -1 };
	CLEANUP(cleanup_free) char *home = NULL;

	if (draft_open(&d, root, err) < 0)
		return -1;
	home = path_join(root, d.name);
	if (home_check_origin(root, d.fd, err) < 0 || make_parts(home, d.fd, err) < 0)
		return -1;
	return draft_publish(&d, root, err);
}

static int mend_home(const char *root, int dirfd, struct error *err)
{
	CLEANUP(cleanup_free) char *home = path_join(root, HOME);

	return home_check_origin(root, dirfd, err) < 0 || check_parts(root, dirfd, err) < 0 ||
			       make_parts(home, dirfd, err) < 0
		   ? -1
		   : 0;
}

int project_create(const char *dir, bool *ret_made, struct error *err)
{
	CLEANUP(cleanup_free) char *root = NULL;
	CLEANUP(cleanup_fd) int dirfd = -1;
	int there, made = 0;

	if (resolve_dir(dir, &root, err) < 0)
		return -1;
	there = open_home(root, &dirfd, err);
	if (there == 1 && faccessat(dirfd, SATELLITE_NOTE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(err, ERR_CONFLICT, "%s is a scratch tree, not a project of its own", root);
	if (there == 0)
		made = make_home(root, err);
	if (there < 0 || made < 0 || (there && mend_home(root, dirfd, err) < 0))
		return -1;
	*ret_made = made;
	return 0;
}

/* Adopting. */

/*
 * Only what this user put there speaks for it: somebody else's mlops.lock does not in an open directory, and a home
 * that root makes unasked would lock the owner out. A sticky directory such as /tmp is everybody's.
 */
static int check_owner(const char *path, const struct stat *st, struct error *err)
{
	char name[64];

	if (st->st_uid == geteuid() && !(S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX))
		return 0;
	user_name(st->st_uid, name, sizeof(name));
	if (st->st_uid != geteuid())
		error_set(err, ERR_NOT_FOUND, "no project (" HOME ") is made by itself: %s belongs to %s, not to you", path,
			  name);
	else
		error_set(err, ERR_NOT_FOUND, "no project (" HOME ") is made by itself: %s is a directory of everybody",
			  path);
	return error_help(err, "to make one of your own there nevertheless, run: mlops init");
}

/* 1: mlops.lock stands there as git leaves it; 0; -1: it is not this user's. */
static int find_lock(const char *dir, struct error *err)
{
	CLEANUP(cleanup_free) char *lock = path_join(dir, LOCKFILE_NAME);
	struct stat st, top;

	if (lstat(lock, &st) < 0 || !S_ISREG(st.st_mode) || stat(dir, &top) < 0)
		return 0;
	return check_owner(dir, &top, err) < 0 || check_owner(lock, &st, err) < 0 ? -1 : 1;
}

static int read_lock(const char *dir, struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	CLEANUP(cleanup_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? error_sys(err, errno, "cannot open %s", dir) : lockfile_load(fd, &lock, err);
}

int project_adopt(const char *start, char **ret_root, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = NULL;
	char *slash;
	bool made;
	int r;

	if (resolve_dir(start, &dir, err) < 0)
		return -1;
	while ((r = find_lock(dir, err)) == 0) {
		if (!strcmp(dir, "/"))
			return 0;
		slash = strrchr(dir, '/');
		slash[slash == dir] = '\0';
	}
	if (r < 0 || read_lock(dir, err) < 0 || project_create(dir, &made, err) < 0)
		return -1;
	*ret_root = steal(&dir);
	return 1;
}

/* Parts that are opened when first needed. */

char *project_home_path(const struct project *p, const char *part)
{
	return xasprintf("%s%s" HOME "%s%s", p->top, p->top[1] ? "/" : "", *part ? "/" : "", part);
}

/* An absent or empty database is never made here: it would look like a project without a past. */
int project_check_db(const struct project *p, struct error *err)
{
	CLEANUP(cleanup_free) char *path = project_home_path(p, DATABASE);
	struct stat st;

	if (fstatat(p->homefd, DATABASE, &st, 0) == 0 ? st.st_size > 0 : errno != ENOENT)
		return 0;
	error_set(err, ERR_DAMAGED, "%s is missing or empty", path);
	return error_help(err, "put a backup in its place; or make an empty one with: mlops init   "
			       "(runs recorded before are then unknown, files stay in the store)");
}

static int open_db(struct project *p, struct error *err)
{
	CLEANUP(cleanup_free) char *path = project_home_path(p, DATABASE);
	CLEANUP(cleanup_free) char *lock = project_home_path(p, "locks/" LOCK_DB);

	return project_check_db(p, err) < 0 ? -1 : db_open(path, lock, registry_schema, DB_READ_WRITE, &p->db, err);
}

int project_db(struct project *p, struct db **ret, struct error *err)
{
	if (!p->db && open_db(p, err) < 0)
		return -1;
	*ret = p->db;
	return 0;
}

int project_reader(struct project *p, struct db **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = project_home_path(p, DATABASE);
	CLEANUP(cleanup_free) char *lock = project_home_path(p, "locks/" LOCK_DB);
	struct error why;
	struct db *writer;

	if (project_check_db(p, err) < 0)
		return -1;
	if (db_open(path, lock, registry_schema, DB_READ_ONLY, ret, &why) == 0)
		return 0;
	/* One of an earlier version is converted by whoever opens it for writing. */
	if (why.code == ERR_CONFLICT && project_db(p, &writer, err) == 0)
		return db_open(path, lock, registry_schema, DB_READ_ONLY, ret, err);
	if (err)
		*err = why;
	return -1;
}

int project_store(struct project *p, struct store **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *home = project_home_path(p, "");

	if (!p->store && store_open(home, false, &p->store, err) < 0)
		return -1;
	*ret = p->store;
	return 0;
}

struct statcache *project_statcache(struct project *p)
{
	if (!p->statcache)
		p->statcache = statcache_load(p->dirfd);
	return p->statcache;
}

int project_ignore(struct project *p, const struct ignore **ret, struct error *err)
{
	if (!p->ignore && ignore_load(p->rootfd, &p->ignore, err) < 0)
		return -1;
	*ret = p->ignore;
	return 0;
}
