/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
/*
 * Paths and directories. A project path is relative, '/'-separated, clean (no
 * empty, "." or ".." component, no trailing slash) and never leaves the project;
 * opening one goes through openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS).
 */
struct error;

/* Cleans a path as a user writes it, relative to `prefix` (a project path, or "" at the root):
 * "./a//b/" becomes "a/b"; "" or "." becomes ".". Absolute, or leaving the project, or with a
 * control byte: ERR_USAGE. The caller frees *ret. */
int path_clean(const char *prefix, const char *text, char **ret, struct error *);
/* `inner` equals `outer` or lies below it. "." contains everything. */
bool path_contains(const char *outer, const char *inner);
char *path_join(const char *dir, const char *name);
const char *path_base(const char *path); /* borrowed: after the last slash */
/* Shell-like pattern of a whole path: '*' and '?' stay within a component, '**' crosses. */
bool path_match(const char *pattern, const char *path);
bool path_is_pattern(const char *path); /* has '*', '?' or '[' */

int fs_open_beneath(int rootfd, const char *path, int flags, mode_t mode, struct error *);
/* The same through no symlink at all, ERR_CONFLICT naming it: for what is written or removed. A symlink that came
 * with a clone could lead into .git/hooks or .mlops. */
int fs_open_direct(int rootfd, const char *path, int flags, mode_t mode, struct error *);
/* 1 there, 0 absent, -1 error; does not follow a final symlink. Intermediate symlinks may not leave. */
int fs_stat_beneath(int rootfd, const char *path, struct stat *ret, struct error *);
/* The same for many paths of one directory: those it looked in last stay open. Until fs_near_release it may not see that
 * one of them was replaced by another, so it serves one look at things, by one thread. Life: FS_NEAR_INIT(rootfd), any
 * calls, fs_near_release. */
#define FS_NEAR_DIRS 4
struct fs_near {
	int rootfd;
	size_t next; /* to be closed for another */
	struct {
		char *path;
		int fd;
	} dirs[FS_NEAR_DIRS];
};
#define FS_NEAR_INIT(fd) { .rootfd = (fd) }
int fs_stat_near(struct fs_near *, const char *path, struct stat *ret, struct error *);
void fs_near_release(struct fs_near *);
/* mkdir -p of the path's parents, or of the path itself; through no symlink. */
int fs_make_parents(int rootfd, const char *path, mode_t mode, struct error *);
int fs_make_dirs(int rootfd, const char *path, mode_t mode, struct error *);
/* mkdir -p of the parents of an absolute path that the user named, as a shell would: symlinks are followed. */
int fs_make_way(const char *path, struct error *);
/* Deletes a file, symlink or tree; absent is no error; follows no symlink, neither inside nor on the way of a
 * relative path. Read-only directories inside are made writable first. */
int fs_remove_tree(int dirfd, const char *path, struct error *);
/* Bytes of one open file into another, by reflink, else copy_file_range, else read and write. */
int fs_copy_fd(int from, int to, const char *name, struct error *);
/* Sorted names in a directory without "." and ".."; a relative path goes through no symlink. */
struct strlist;
int fs_list_dir(int dirfd, const char *path, struct strlist *ret, struct error *);
/* "regular file", "directory", "FIFO", ... */
const char *fs_kind_name(mode_t);
