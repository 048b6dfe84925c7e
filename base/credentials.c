/* SPDX-License-Identifier: Apache-2.0 */
#include "base/credentials.h"
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/address.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define FILE_NAME "credentials.json"
#define FILE_MAX  ((size_t)1 << 20)

/* ---- where it is ---- */

static int home_dir(char **ret, struct error *err)
{
	const char *home = getenv("HOME");
	char buf[4096];
	struct passwd pw, *found = NULL;

	if (home && *home == '/') {
		*ret = xstrdup(home);
		return 0;
	}
	if (getpwuid_r(getuid(), &pw, buf, sizeof(buf), &found) == 0 && found && *found->pw_dir == '/') {
		*ret = xstrdup(found->pw_dir);
		return 0;
	}
	error_set(err, ERR_ENV, "there is no home directory to keep tokens in");
	return error_help(err, "set HOME or XDG_CONFIG_HOME, or give the token in MLOPS_TOKEN");
}

static int config_dir(char **ret, struct error *err)
{
	const char *config = getenv("XDG_CONFIG_HOME");
	CLEANUP(cleanup_free) char *home = NULL;

	if (config && *config == '/') {
		*ret = path_join(config, "mlops");
		return 0;
	}
	if (home_dir(&home, err) < 0)
		return -1;
	*ret = path_join(home, ".config/mlops");
	return 0;
}

int credentials_path(char **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = NULL;

	if (config_dir(&dir, err) < 0)
		return -1;
	*ret = path_join(dir, FILE_NAME);
	return 0;
}

/* ---- the file ---- */

static int check_owner(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
		error_set(err, ERR_DENIED, "%s is not a file of yours", path);
		return error_help(err, "remove it, then run: mlops login URL");
	}
	if (st.st_mode & 077) {
		error_set(err, ERR_DENIED, "%s can be read by others, and holds tokens", path);
		return error_help(err, "run: chmod 600 %s   and have new tokens made", path);
	}
	return 0;
}

/* {"https://host:5000": {"token": "..."}}; an object without members when there is no file. */
static int load(const char *path, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *json = NULL;
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		*ret = js_object();
		return 0;
	}
	if (fd < 0)
		return error_sys(err, errno, "cannot open %s", path);
	r = check_owner(fd, path, err) < 0 || io_read_fd(fd, path, FILE_MAX, &text, err) < 0 ||
	    js_parse(text.buf, text.len, path, &json, err) < 0 ? -1 : 0;
	explicit_bzero(text.buf, text.len);
	if (r < 0)
		return -1;
	if (js_typeof(json) != JS_OBJECT)
		return error_set(err, ERR_USAGE, "%s is not a JSON object", path);
	*ret = steal(&json);
	return 0;
}

static int may_send(const struct address *address, struct error *err)
{
	if (address->is_private)
		return 0;
	error_set(err, ERR_DENIED, "%s: who listens on the way would learn the token", address->name);
	return error_help(err, "use https://");
}

/* Of the environment, when it is for this agent. */
static const char *given(const struct address *address)
{
	const char *token = getenv("MLOPS_TOKEN"), *agent = getenv("MLOPS_AGENT");
	struct address named;
	bool same;

	if (!token || !*token || !agent || address_parse(agent, &named, NULL) < 0)
		return NULL;
	same = !strcmp(named.name, address->name);
	address_release(&named);
	return same ? token : NULL;
}

int credentials_find(const struct address *address, struct strbuf *ret_token, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP_JS struct js *all = NULL;
	const char *token = given(address);

	/* Without a home there is no file. */
	if (!token && credentials_path(&path, NULL) == 0) {
		if (load(path, &all, err) < 0)
			return -1;
		token = js_get_str(js_get(all, address->name), "token");
	}
	if (!token)
		return 0;
	if (may_send(address, err) < 0)
		return -1;
	strbuf_puts(ret_token, token);
	return 1;
}

/* Through symlinks, too: a home may have some. */
static int make_dirs(const char *dir, struct error *err)
{
	CLEANUP(cleanup_free) char *path = xstrdup(dir);

	for (char *end = path; *end;) {
		char was;

		end += strcspn(end + 1, "/") + 1;
		was = *end;
		*end = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return error_sys(err, errno, "cannot make %s", path);
		*end = was;
	}
	return 0;
}

/* One writer at a time, so that two logins both stay. */
static int open_dir(int *ret_fd, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = NULL;
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;

	if (config_dir(&dir, err) < 0 || make_dirs(dir, err) < 0)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot open %s", dir);
	if (st.st_uid != geteuid())
		return error_set(err, ERR_DENIED, "%s belongs to somebody else", dir);
	if ((st.st_mode & 077 && fchmod(fd, 0700) < 0) || flock(fd, LOCK_EX) < 0)
		return error_sys(err, errno, "cannot lock %s", dir);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int credentials_store(const struct address *address, const char *token, bool *ret_had, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_fd) int dir = -1;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *all = NULL;
	struct js *entry;
	bool had;
	int r;

	if ((token && may_send(address, err) < 0) || credentials_path(&path, err) < 0 || open_dir(&dir, err) < 0 ||
	    load(path, &all, err) < 0)
		return -1;
	had = js_del(all, address->name);
	if (token) {
		entry = js_object();
		js_set_str(entry, "token", token);
		js_set(all, address->name, entry);
	}
	js_dump(all, JS_PRETTY, &text);
	strbuf_putc(&text, '\n');
	r = !token && !had ? 0 : io_replace_file(dir, FILE_NAME, text.buf, text.len, 0600, true, err);
	explicit_bzero(text.buf, text.len);
	if (r == 0 && ret_had)
		*ret_had = had;
	return r;
}
