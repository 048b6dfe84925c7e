/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys: one file each, of mode 0600, or a credential of systemd. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/project.h"
#include "registry/secrets.h"
#include "registry/signing_keys.h"

#define DIR	   "keys"
#define SUFFIX	   ".pem"
#define CREDENTIAL "mlops-signing-key"
#define FILE_MAX   65536

/* Of systemd: a file that it made for this service. NULL: there is none. */
static char *credential_path(void)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	CLEANUP(cleanup_free) char *path = dir && *dir == '/' ? path_join(dir, CREDENTIAL) : NULL;

	return path && access(path, F_OK) == 0 ? steal(&path) : NULL;
}

static char *file_path(struct project *p, const char *id)
{
	CLEANUP(cleanup_free) char *part = xasprintf(DIR "/%s" SUFFIX, id);

	return project_home_path(p, part);
}

char *signing_file_path(struct project *p, const char *id)
{
	char *path = credential_path();

	return path ? path : file_path(p, id);
}

/* ---- writing ---- */

static int open_dir(struct project *p, struct error *err)
{
	int fd;

	if (io_mkdir(p->homefd, DIR, 0700, err) < 0)
		return -1;
	fd = openat(p->homefd, DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_sys(err, errno, "cannot open %s/.mlops/" DIR, p->top) : fd;
}

int signing_file_put(struct project *p, const char *id, const struct sign_key *key, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("%s" SUFFIX, id);
	CLEANUP(secret_wipe) struct strbuf pem = STRBUF_INIT;
	CLEANUP(cleanup_fd) int dir = open_dir(p, err);

	if (dir < 0 || sign_key_pem(key, &pem, err) < 0 ||
	    io_replace_file(dir, name, pem.buf, pem.len, 0600, true, err) < 0 || io_sync_dir(p->homefd, ".mlops", err) < 0)
		return error_wrap(err, "the new signing key cannot be kept");
	return 0;
}

void signing_files_sweep(struct project *p, bool (*ended)(void *ctx, const char *id), void *ctx)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (fs_list_dir(p->homefd, DIR, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *path = path_join(DIR, names.items[i]);
		size_t len = strlen(names.items[i]);
		CLEANUP(cleanup_free) char *id =
			len == SIGN_ID + strlen(SUFFIX) ? xstrndup(names.items[i], SIGN_ID) : NULL;

		if (id ? ended(ctx, id) : *names.items[i] == '.' && strstr(names.items[i], ".tmp") != NULL)
			unlinkat(p->homefd, path, 0);
	}
}

/* ---- reading ---- */

static int check_file(struct project *p, int fd, const char *path, struct error *err)
{
	struct stat st, home;

	if (fstat(fd, &st) < 0 || fstat(p->homefd, &home) < 0)
		return error_sys(err, errno, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != home.st_uid)) {
		error_set(err, ERR_AUTH, "signing key %s is not a file of yours", path);
		return error_help(err, "put the right file there, mode 600, or make a new key: mlops key rotate");
	}
	if (st.st_mode & 077) {
		error_set(err, ERR_AUTH, "signing key %s is open to others, mode %03o", path, (unsigned)st.st_mode & 0777u);
		return error_help(err, "if nobody can have read it: chmod 600 %s; else: mlops key revoke KEY --reason TEXT", path);
	}
	return 0;
}

/* What systemd makes is its own, and group-readable where an access list names the service's user. */
static int check_credential(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot look at %s", path);
	if (S_ISREG(st.st_mode) && !(st.st_mode & 037))
		return 0;
	error_set(err, ERR_AUTH, "credential %s is open to others, mode %03o", path, (unsigned)st.st_mode & 0777u);
	return error_help(err, "systemd makes it so that others cannot read it: LoadCredential=" CREDENTIAL ":FILE");
}

static int lost(const char *path, struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "the private half of the signing key is lost: %s is not there", path);
	return error_help(err, "put it back from a backup, or make a new one (old signatures stay valid): mlops key rotate");
}

static int read_key(struct project *p, const char *path, bool credential, struct sign_key **ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	CLEANUP(secret_wipe) struct strbuf pem = STRBUF_INIT;

	if (fd < 0)
		return errno == ENOENT ? lost(path, err) : error_sys(err, errno, "cannot read signing key %s", path);
	if ((credential ? check_credential(fd, path, err) : check_file(p, fd, path, err)) < 0)
		return -1;
	secret_guard();
	strbuf_reserve(&pem, FILE_MAX + 8192); /* one piece: a buffer that grows leaves copies behind */
	if (io_read_fd(fd, path, FILE_MAX, &pem, err) < 0)
		return -1;
	if (sign_key_parse(pem.buf, pem.len, ret, err) < 0) {
		error_wrap(err, "%s", path);
		if (err)
			err->code = ERR_AUTH;
		return -1;
	}
	return 0;
}

int signing_file_get(struct project *p, const char *id, struct sign_key **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *credential = credential_path();
	CLEANUP(cleanup_free) char *path = credential ? xstrdup(credential) : file_path(p, id);
	CLEANUP(cleanup_sign_key) struct sign_key *key = NULL;
	struct sign_public public;
	char found[SIGN_ID + 1];

	if (read_key(p, path, credential, &key, err) < 0)
		return -1;
	sign_key_public(key, &public);
	sign_public_id(&public, found);
	if (strcmp(found, id) != 0) {
		error_set(err, ERR_AUTH, "%s holds key %.12s, and not the active one, %.12s", path, found, id);
		return error_help(err, "put the private half of %.12s there, or make a new key: mlops key rotate", id);
	}
	*ret = steal(&key);
	return 0;
}
