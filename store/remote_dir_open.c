/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which directories are remotes: those with a marker. It is written last, so that a
 * directory without one holds no objects, and whoever makes a remote may go on where
 * another was killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "store/remote_internal.h"

#define MARKER_WORD  "mlops remote "
#define FORMAT	     1
#define MARKER_BYTES 64

static const char *const parts[] = { "objects", "refs", "staging" };

static int open_top(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0)
		return fd;
	if (errno == ENOTDIR && stat(path, &st) == 0)
		return error_set(err, ERR_CONFLICT, "%s is a %s, not a directory", path,
				 fs_kind_name(st.st_mode));
	if (errno != ENOENT && errno != ENOTDIR)
		return error_sys(err, errno, "cannot open %s", path);
	error_set(err, ERR_NOT_FOUND, "%s is not there", path);
	return error_help(err, "mount it, or make it once with: mlops push --init");
}

/* The format's number in "mlops remote 1\n"; 0 when it is something else. */
static unsigned long parse_marker(const char *text)
{
	unsigned long format = 0;
	size_t digits;

	if (strncmp(text, MARKER_WORD, strlen(MARKER_WORD)) != 0)
		return 0;
	text += strlen(MARKER_WORD);
	digits = strspn(text, "0123456789");
	if (!digits || digits > 9 || *text == '0' || strcmp(text + digits, "\n") != 0)
		return 0;
	for (; *text != '\n'; text++)
		format = format * 10 + (unsigned long)(*text - '0');
	return format;
}

/* 1 a remote of our format, 0 there is no marker, -1. */
static int look_at_marker(int top, const char *path, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct error why = { 0 };
	unsigned long format = 0;

	if (io_read_file(top, REMOTE_MARKER, MARKER_BYTES, &text, &why) == 0)
		format = strlen(text.buf) == text.len ? parse_marker(text.buf) : 0;
	else if (why.sys == ENOENT)
		return 0;
	else if (why.sys)
		return error_sys(err, why.sys, "cannot read %s/%s", path, REMOTE_MARKER);
	if (format == FORMAT)
		return 1;
	if (!format) {
		error_set(err, ERR_CONFLICT, "%s is not a remote: its %s is not one of mlops", path,
			  REMOTE_MARKER);
		return error_help(err, "look at what it is, or use another directory");
	}
	error_set(err, ERR_CONFLICT, "%s is a remote of format %lu, and this mlops knows format %d", path,
		  format, FORMAT);
	return error_help(err, "install a newer mlops");
}

/* Whether this part of a remote without marker holds nothing but what its makers left; -1 when it cannot
 * be listed. */
static int is_unused(int top, const char *part, struct error *err)
{
	struct strlist names = STRLIST_INIT;
	bool unused = true;
	struct stat st;

	if (fstatat(top, part, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
		return 0;
	if (fs_list_dir(top, part, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		unused = unused && !strcmp(part, "staging") && staging_is_name(names.items[i], true);
	strlist_release(&names);
	return unused;
}

static bool is_part(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (!strcmp(parts[i], name))
			return true;
	return false;
}

/* What stands in a directory without marker that is not the beginning of a remote; -1 error. */
static int find_foreign(int top, const char *path, char **ret, bool *ret_empty, struct error *err)
{
	struct strlist names = STRLIST_INIT;
	int r = 1;

	if (fs_list_dir(top, ".", &names, err) < 0)
		return error_wrap(err, "%s", path);
	*ret = NULL;
	*ret_empty = true;
	for (size_t i = 0; r > 0 && i < names.len; i++) {
		const char *name = names.items[i];

		/* A file system of its own has that from the start. */
		if (!strcmp(name, "lost+found"))
			continue;
		*ret_empty = false;
		r = is_part(name) ? is_unused(top, name, err) : 0;
		if (r == 0)
			*ret = xstrdup(name);
	}
	strlist_release(&names);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

static int no_marker(int top, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *foreign = NULL;
	bool empty;

	if (find_foreign(top, path, &foreign, &empty, err) < 0)
		return -1;
	if (foreign) {
		error_set(err, ERR_CONFLICT, "%s is not a remote, and holds %s", path, foreign);
		return error_help(err, "use an empty directory: mlops push --init makes it a remote");
	}
	error_set(err, ERR_CONFLICT, "%s is not a remote%s", path,
		  empty ? ": it is empty" : ": making it one was not finished");
	return error_help(err, "mount what belongs there, or make it once with: mlops push --init");
}

/* Written in staging, so that what a killed maker left is swept. */
static int publish_marker(struct store *store, struct error *err)
{
	static const char text[] = MARKER_WORD "1\n";
	CLEANUP(cleanup_fd) int fd = -1;
	struct staging staging;
	int r = -1;

	if (staging_open(store, &staging, err) < 0)
		return -1;
	fd = store_create(store, staging.fd, REMOTE_MARKER, 0644, err);
	if (fd >= 0 && io_write_all(fd, text, strlen(text), REMOTE_MARKER, err) == 0 &&
	    io_sync_file(fd, REMOTE_MARKER, err) == 0 &&
	    io_rename(staging.fd, REMOTE_MARKER, store->dirfd, REMOTE_MARKER, err) == 0)
		r = store_sync_dir(store->dirfd, ".", err);
	staging_close(&staging);
	return r;
}

static int make_parts(int top, const char *path, struct error *err)
{
	struct store *store;
	struct stat st;
	int r = 0;

	if (fstat(top, &st) < 0)
		return error_sys(err, errno, "cannot stat %s", path);
	if (io_mkdir(top, "objects", 0755, err) < 0 || store_open_shared(path, &store, err) < 0)
		return error_wrap(err, "%s", path);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++)
		r = store_make_dir(store, top, parts[i], err);
	if (r == 0)
		r = publish_marker(store, err);
	store_close(store);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

/* Makes a remote of a directory without marker. */
static int make_remote(int top, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *foreign = NULL;
	struct error why = { 0 };
	bool empty;
	int r;

	if (find_foreign(top, path, &foreign, &empty, err) < 0)
		return -1;
	if (!foreign)
		return make_parts(top, path, err);
	/* Somebody else may have made it meanwhile, and put something there. */
	r = look_at_marker(top, path, &why);
	if (r > 0)
		return 0;
	return r < 0 ? look_at_marker(top, path, err) : no_marker(top, path, err);
}

/* Another user may be making it, and a part of his gets its mode a moment after it is there. */
static int make_patiently(int top, const char *path, struct error *err)
{
	struct error why = { 0 };

	for (int i = 0; i < 50; i++) {
		if (make_remote(top, path, &why) == 0)
			return 0;
		if (why.sys != EACCES)
			break;
		usleep(20 * 1000);
	}
	if (err)
		*err = why;
	return -1;
}

static int make_top(const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *parent = NULL;
	const char *base;

	if (mkdir(path, 0777) < 0) {
		if (errno == EEXIST)
			return 0;
		if (errno != ENOENT)
			return error_sys(err, errno, "cannot make directory %s", path);
		error_set(err, ERR_NOT_FOUND, "the directory above %s is not there", path);
		return error_help(err, "mount it, or make it: mkdir -p");
	}
	base = path_base(path);
	parent = base > path + 1 ? xstrndup(path, (size_t)(base - path) - 1) : xstrdup("/");
	return store_sync_dir(AT_FDCWD, parent, err);
}

int remote_dir_enter(const char *path, bool create, struct store **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *clean = xstrdup(path);
	CLEANUP(cleanup_fd) int top = -1;
	size_t len = strlen(clean);
	int r;

	while (len > 1 && clean[len - 1] == '/')
		clean[--len] = '\0';
	if (create && make_top(clean, err) < 0)
		return -1;
	top = open_top(clean, err);
	if (top < 0)
		return -1;
	r = look_at_marker(top, clean, err);
	if (r == 0)
		r = create ? make_patiently(top, clean, err) : no_marker(top, clean, err);
	if (r < 0)
		return -1;
	if (store_open_shared(clean, ret, err) == 0)
		return 0;
	if (err && err->code == ERR_NOT_FOUND)
		err->code = ERR_DAMAGED;
	return -1;
}
