/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles as files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/bundle_internal.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/project.h"
#include "registry/signing_keys.h"

#define PEM_MAX 4096

/* Where the user stands. The caller frees. */
static char *path_of(const struct op_context *ctx, const char *file)
{
	return *file == '/' ? xstrdup(file) : xasprintf("%s/%s", ctx->dir, file);
}

static char *dir_of(const char *path)
{
	return xstrndup(path, (size_t)(strrchr(path, '/') - path) + 1);
}

/* ---- create ---- */

static int check_free(const char *path, bool force, struct error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "cannot look at %s", path);
	if (force && S_ISREG(st.st_mode))
		return 0;
	error_set(err, ERR_EXISTS, "%s exists", path);
	return error_help(err, S_ISREG(st.st_mode) ? "choose another name, or replace it: --force" : "choose another name");
}

/* Without a name, so that nothing is left of it however the program ends; where a file system cannot do that, as `temporary`. */
static int open_new(const char *dir, const char *temporary, bool *ret_named, struct error *err)
{
	int fd = access("/proc/self/fd", X_OK) == 0 ? open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644) : -1;

	*ret_named = fd < 0;
	if (fd < 0)
		fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? error_sys(err, errno, "cannot write %s", temporary) : fd;
}

static int give_name(int fd, const char *temporary, struct error *err)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (unlink(temporary) < 0 && errno != ENOENT)
		return error_sys(err, errno, "cannot replace %s", temporary);
	if (linkat(AT_FDCWD, self, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) < 0)
		return error_sys(err, errno, "cannot write %s", temporary);
	return 0;
}

/* The file has its name only when it is whole and on the disk. */
static int publish(int fd, bool named, const char *temporary, const char *path, bool force, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = dir_of(path);
	int r;

	if (io_sync_file(fd, temporary, err) < 0 || (!named && give_name(fd, temporary, err) < 0))
		return -1;
	r = force ? io_rename(AT_FDCWD, temporary, AT_FDCWD, path, err) : io_publish(AT_FDCWD, temporary, AT_FDCWD, path, err);
	if (r < 0)
		return -1;
	if (!force && r == 0)
		return error_set(err, ERR_EXISTS, "%s exists by now", path);
	return io_sync_dir_at(AT_FDCWD, dir, err);
}

static int create(struct op_context *ctx, const struct js *args, const char *path, const char *temporary, struct js **ret,
		  struct error *err)
{
	bool force = js_get_bool(args, "force"), named;
	CLEANUP(cleanup_free) char *dir = dir_of(path);
	CLEANUP(cleanup_fd) int fd = open_new(dir, temporary, &named, err);
	struct stat st;

	if (fd < 0)
		return -1;
	if (bundle_write(ctx, js_get_str(args, "name"), js_get_bool(args, "partial"), fd, path, ret, err) < 0)
		return -1;
	if (publish(fd, named, temporary, path, force, err) < 0 || fstat(fd, &st) < 0) {
		js_free(steal(ret));
		return -1;
	}
	js_set_int(*ret, "size", (int64_t)st.st_size);
	return 0;
}

/* bundle.create {name, file, partial, force} -> {file, size, known_keys[], and the summary of bundle_write} */
int op_bundle_create(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_free) char *path = path_of(ctx, js_get_str(args, "file"));
	CLEANUP(cleanup_free) char *temporary = xasprintf("%s.part", path);
	struct db *db;

	if (check_free(path, js_get_bool(args, "force"), err) < 0)
		return -1;
	if (create(ctx, args, path, temporary, ret_result, err) < 0) {
		io_unlink(AT_FDCWD, temporary, NULL);
		return -1;
	}
	js_set_str(*ret_result, "file", js_get_str(args, "file"));
	if (project_db(ctx->project, &db, NULL) == 0)
		js_set(*ret_result, "known_keys", bundle_signers(db, *ret_result));
	return 0;
}

/* ---- verify and import ---- */

static int open_bundle(const char *path, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_USAGE, "%s is no file", path);
	return steal_fd(&fd);
}

/* Texts of the files of --key. */
static int read_keys(const struct op_context *ctx, const struct js *files, struct js *ret, struct error *err)
{
	for (size_t i = 0; i < js_len(files); i++) {
		CLEANUP(cleanup_free) char *path = path_of(ctx, js_text(js_at(files, i)));
		CLEANUP_STRBUF struct strbuf pem = STRBUF_INIT;
		struct sign_public key;

		if (io_read_file(AT_FDCWD, path, PEM_MAX, &pem, err) < 0)
			return -1;
		if (sign_public_parse(pem.buf, pem.len, &key, err) < 0)
			return error_wrap(err, "%s", path);
		js_push(ret, js_strn(pem.buf, pem.len));
	}
	return 0;
}

struct js *bundle_signers(struct db *db, const struct js *summary)
{
	const struct js *ids = js_get(summary, "signed_by");
	struct js *names = js_array();

	for (size_t i = 0; i < js_len(ids); i++) {
		struct signing_public key = { .name = NULL };

		if (signing_public_find(db, js_text(js_at(ids, i)), &key, NULL) < 0)
			continue;
		if (key.state != SIGNING_REVOKED)
			js_push_str(names, key.name);
		signing_public_release(&key);
	}
	return names;
}

/* bundle.verify {file, key[]} -> the summary of bundle_verify; in a project with known_keys[] */
int op_bundle_verify(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_free) char *path = path_of(ctx, js_get_str(args, "file"));
	CLEANUP(cleanup_fd) int fd = open_bundle(path, err);
	CLEANUP_JS struct js *keys = js_array(), *summary = NULL;
	struct db *db;

	if (fd < 0 || read_keys(ctx, js_get(args, "key"), keys, err) < 0 ||
	    bundle_verify(fd, js_get_str(args, "file"), keys, &summary, err) < 0)
		return -1;
	if (ctx->project) {
		if (project_db(ctx->project, &db, err) < 0)
			return -1;
		js_set(summary, "known_keys", bundle_signers(db, summary));
	}
	if (js_len(keys))
		js_set_bool(summary, "trusted", true);
	js_set_str(summary, "file", js_get_str(args, "file"));
	*ret_result = steal(&summary);
	return 0;
}

/* bundle.import {file, key[]} -> {file, and the result of bundle_import} */
int op_bundle_import(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_free) char *path = path_of(ctx, js_get_str(args, "file"));
	CLEANUP(cleanup_fd) int fd = open_bundle(path, err);
	CLEANUP_JS struct js *keys = js_array();

	if (fd < 0 || read_keys(ctx, js_get(args, "key"), keys, err) < 0 ||
	    bundle_import(ctx, fd, js_get_str(args, "file"), keys, ret_result, err) < 0)
		return -1;
	js_set_str(*ret_result, "file", js_get_str(args, "file"));
	return 0;
}
