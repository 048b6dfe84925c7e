/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/secrets.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/project.h"

#define DIR	    "secrets"
#define SHOWN	    ".mlops/" DIR
#define NAME_BYTES  100
#define OTHERS	    077 /* what nobody else may do */

const char *secret_name_fault(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

	if (!*name)
		return "is empty";
	if (strlen(name) > NAME_BYTES)
		return "is longer than 100 bytes";
	if (isdigit((unsigned char)*name) || name[strspn(name, letters)])
		return "is not made of letters, digits and '_', or begins with a digit";
	if (!strncmp(name, "MLOPS_", 6))
		return "begins with MLOPS_, as what mlops sets itself";
	return NULL;
}

void secret_guard(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}

void secret_wipe(struct strbuf *sb)
{
	if (sb->cap)
		explicit_bzero(sb->buf, sb->cap);
	strbuf_release(sb);
}

static int check_name(const char *name, struct error *err)
{
	const char *fault = secret_name_fault(name);

	if (!fault)
		return 0;
	error_set(err, ERR_USAGE, "secret name '%s' %s", name, fault);
	return error_help(err, "choose one like API_KEY");
}

/* Ours, or of whom the project belongs to: root may act on anybody's. */
static bool is_trusted(const struct project *p, uid_t owner)
{
	struct stat home;

	return owner == geteuid() || (fstat(p->homefd, &home) == 0 && owner == home.st_uid);
}

static int check_stat(const struct project *p, const struct stat *st, const char *shown, struct error *err)
{
	if (!is_trusted(p, st->st_uid)) {
		error_set(err, ERR_DENIED, "%s belongs to user %u, not to you", shown, (unsigned)st->st_uid);
		return error_help(err, "remove it, then add the secret anew: mlops secret add NAME");
	}
	if (st->st_mode & OTHERS) {
		error_set(err, ERR_DENIED, "%s is open to others, mode %03o", shown, (unsigned)st->st_mode & 0777u);
		return error_help(err, "if nobody can have seen it, in %s run: chmod go= %s", p->top, shown);
	}
	return 0;
}

/* The directory, or -1: ERR_NOT_FOUND when there is none yet. */
static int open_dir(struct project *p, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = openat(p->homefd, DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int sys = errno;
	struct stat st;

	if (fd < 0 && (sys == ELOOP || sys == ENOTDIR)) {
		error_set(err, ERR_CONFLICT, "%s/" SHOWN " is not a directory", p->top);
		return error_help(err, "move it away, then add the secrets anew: mlops secret add NAME");
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, fd < 0 ? sys : errno, "cannot open %s/" SHOWN, p->top);
	return check_stat(p, &st, SHOWN, err) < 0 ? -1 : steal_fd(&fd);
}

/* What a killed writer left; names of secrets have no dot. Writers hold the lock of the database. */
static void sweep(int dirfd)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (fs_list_dir(dirfd, ".", &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.len; i++)
		if (*names.items[i] == '.' && strstr(names.items[i], ".tmp"))
			unlinkat(dirfd, names.items[i], 0);
}

static int make_dir(struct project *p, struct error *err)
{
	if (faccessat(p->homefd, DIR, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    (io_mkdir(p->homefd, DIR, 0700, err) < 0 || io_sync_dir(p->homefd, ".mlops", err) < 0))
		return -1;
	return open_dir(p, err);
}

static int check_value(const char *name, size_t len, struct error *err)
{
	if (!len) {
		error_set(err, ERR_USAGE, "the value of secret %s is empty", name);
		return error_help(err, "give it on standard input: mlops secret add %s < FILE", name);
	}
	if (len <= SECRET_MAX)
		return 0;
	error_set(err, ERR_USAGE, "the value of secret %s is larger than %d bytes", name, SECRET_MAX);
	return error_help(err, "keep what is that large in a file of its own, and make the key to it the secret");
}

int secret_put(struct project *p, const char *name, const char *value, size_t len, bool *ret_replaced,
	       struct error *err)
{
	CLEANUP(cleanup_fd) int dirfd = -1;
	struct stat st;
	bool there;

	if (check_name(name, err) < 0 || check_value(name, len, err) < 0)
		return -1;
	dirfd = make_dir(p, err);
	if (dirfd < 0)
		return -1;
	sweep(dirfd);
	there = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (io_replace_file(dirfd, name, value, len, 0600, true, err) < 0)
		return error_wrap(err, "secret %s", name);
	*ret_replaced = there;
	return 0;
}

/* The names there are, sorted; none when there is no directory. */
static int list_names(struct project *p, int *ret_dir, struct strlist *ret, struct error *err)
{
	struct strlist all CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_fd) int dirfd = -1;
	struct error why = { 0 };

	dirfd = open_dir(p, &why);
	if (dirfd < 0 && why.code == ERR_NOT_FOUND)
		return 0;
	if (dirfd < 0) {
		if (err)
			*err = why;
		return -1;
	}
	if (fs_list_dir(dirfd, ".", &all, err) < 0)
		return -1;
	for (size_t i = 0; i < all.len; i++)
		if (!secret_name_fault(all.items[i]))
			strlist_push(ret, all.items[i]);
	if (ret_dir)
		*ret_dir = steal_fd(&dirfd);
	return 0;
}

static int not_found(struct project *p, const char *name, struct error *err)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	const char *nearest = list_names(p, NULL, &names, NULL) < 0 ? NULL : strlist_nearest(&names, name);

	error_set(err, ERR_NOT_FOUND, "there is no secret %s", name);
	if (nearest)
		return error_help(err, "did you mean %s?", nearest);
	return error_help(err, "list them: mlops secret list");
}

/* Opens it for reading and tells whether it can be trusted. */
static int open_secret(struct project *p, int dirfd, const char *name, struct error *err)
{
	CLEANUP(cleanup_free) char *shown = xasprintf(SHOWN "/%s", name);
	CLEANUP(cleanup_fd) int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int sys = errno;
	struct stat st;

	if (fd < 0 && sys == ENOENT)
		return not_found(p, name, err);
	if (fd < 0 && sys != ELOOP)
		return error_sys(err, sys, "cannot read %s", shown);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		error_set(err, ERR_DENIED, "%s is not a regular file", shown);
		return error_help(err, "remove it, then add the secret anew: mlops secret add %s", name);
	}
	return check_stat(p, &st, shown, err) < 0 ? -1 : steal_fd(&fd);
}

int secret_get(struct project *p, const char *name, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int dirfd = -1, fd = -1;
	struct error why = { 0 };
	size_t before = ret->len;

	if (check_name(name, err) < 0)
		return -1;
	dirfd = open_dir(p, &why);
	if (dirfd < 0 && why.code == ERR_NOT_FOUND)
		return not_found(p, name, err);
	if (dirfd < 0) {
		if (err)
			*err = why;
		return -1;
	}
	fd = open_secret(p, dirfd, name, err);
	if (fd < 0)
		return -1;
	secret_guard();
	/* one piece: a buffer that grows leaves copies behind */
	strbuf_reserve(ret, SECRET_MAX + 8192);
	if (io_read_fd(fd, name, SECRET_MAX, ret, err) < 0)
		return error_wrap(err, "secret %s", name);
	return check_value(name, ret->len - before, err);
}

int secret_remove(struct project *p, const char *name, struct error *err)
{
	CLEANUP(cleanup_fd) int dirfd = -1;
	struct error why = { 0 };
	struct stat st;

	if (check_name(name, err) < 0)
		return -1;
	dirfd = open_dir(p, &why);
	if (dirfd < 0 && why.code != ERR_NOT_FOUND) {
		if (err)
			*err = why;
		return -1;
	}
	if (dirfd < 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return not_found(p, name, err);
	if (io_unlink(dirfd, name, err) < 0)
		return error_wrap(err, "secret %s", name);
	sweep(dirfd);
	return io_sync_dir(dirfd, SHOWN, err);
}

int secret_list(struct project *p, struct secret_list *ret,
		void (*refused)(void *ctx, const char *name, const struct error *), void *ctx, struct error *err)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_fd) int dirfd = -1;

	if (list_names(p, &dirfd, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		struct error why = { 0 };
		CLEANUP(cleanup_fd) int fd = open_secret(p, dirfd, names.items[i], &why);
		struct stat st = { 0 };
		if (fd < 0 && why.code == ERR_NOT_FOUND)
			continue;
		if (fd < 0 && refused)
			refused(ctx, names.items[i], &why);
		fstatat(dirfd, names.items[i], &st, AT_SYMLINK_NOFOLLOW);
		GROW(ret->items, ret->len, ret->cap);
		ret->items[ret->len++] = (struct secret_info){
			.name = xstrdup(names.items[i]),
			.changed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
		};
	}
	return 0;
}

void secret_list_release(struct secret_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->items[i].name);
	free(list->items);
	*list = (struct secret_list){ 0 };
}
