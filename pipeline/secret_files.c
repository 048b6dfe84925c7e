/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/secret_files.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "base/error.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mask.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/utf8.h"
#include "pipeline/grammar.h"
#include "pipeline/orphans.h"
#include "pipeline/plan.h"
#include "registry/project.h"
#include "registry/secrets.h"

struct secret_value {
	char *name;
	struct strbuf text; /* empty: it could not be read, see `why` */
	struct error why;
};
struct run_secrets {
	struct project *project;
	struct secret_value *items;
	size_t len, cap;
	struct mask_set *mask;
};

/* ---- the place ---- */

#define PLACES 2

/* NULL: not said. */
static const char *place(size_t i)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (i == 0)
		return dir && *dir == '/' ? dir : NULL;
	return "/dev/shm";
}

/* A tmpfs; $XDG_RUNTIME_DIR must be our own, too. -1 when it is not. */
static int open_place(size_t i)
{
	const char *dir = place(i);
	CLEANUP(cleanup_fd) int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return -1;
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		return -1;
	if (i == 0 && (st.st_uid != geteuid() || st.st_mode & 022))
		return -1;
	return steal_fd(&fd);
}

/* A directory in `dirfd` that only we enter, made if need be. */
static int enter(int dirfd, const char *name, bool make, const char *shown, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;

	if (make && mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return error_sys(err, errno, "cannot make %s", shown);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot open %s", shown);
	if (st.st_uid == geteuid() && !(st.st_mode & 077))
		return steal_fd(&fd);
	error_set(err, ERR_DENIED, "%s is not a directory of your own: it belongs to user %u, mode %03o", shown,
		  (unsigned)st.st_uid, (unsigned)st.st_mode & 0777u);
	return error_help(err, "secrets are put there for steps: remove it, or set XDG_RUNTIME_DIR to a tmpfs of your own");
}

/* PLACE/mlops-UID/PROJECT: its descriptor, and its path for messages and mounts. */
static int open_project_dir(const struct project *p, size_t i, bool make, char **ret_path, struct error *err)
{
	CLEANUP(cleanup_fd) int base = open_place(i), user = -1;
	CLEANUP(cleanup_free) char *name = xasprintf("mlops-%u", (unsigned)geteuid());
	CLEANUP(cleanup_free) char *label = orphans_label(p);
	CLEANUP(cleanup_free) char *user_path = NULL, *path = NULL;
	int fd;

	if (base < 0)
		return error_set(err, ERR_NOT_FOUND, "%s is no tmpfs", place(i) ? place(i) : "$XDG_RUNTIME_DIR");
	user_path = path_join(place(i), name);
	path = path_join(user_path, label);
	user = enter(base, name, make, user_path, err);
	if (user < 0)
		return -1;
	fd = enter(user, label, make, path, err);
	if (fd >= 0 && ret_path)
		*ret_path = steal(&path);
	return fd;
}

static int make_project_dir(const struct project *p, char **ret_path, struct error *err)
{
	for (size_t i = 0; i < PLACES; i++) {
		CLEANUP(cleanup_fd) int base = open_place(i);
		if (base >= 0)
			return open_project_dir(p, i, true, ret_path, err);
	}
	error_set(err, ERR_ENV, "there is no place for secrets that is never written to a disk: /dev/shm is no tmpfs");
	return error_help(err, "mount one: sudo mount -t tmpfs -o mode=1777 tmpfs /dev/shm, or set XDG_RUNTIME_DIR to one of "
			       "your own");
}

/* ---- values ---- */

static struct secret_value *value_of(const struct run_secrets *rs, const char *name)
{
	for (size_t i = 0; i < rs->len; i++)
		if (!strcmp(rs->items[i].name, name))
			return &rs->items[i];
	return NULL;
}

static void read_value(struct run_secrets *rs, const char *name)
{
	struct secret_value *v;

	if (value_of(rs, name))
		return;
	GROW(rs->items, rs->len, rs->cap);
	v = &rs->items[rs->len++];
	*v = (struct secret_value){ .name = xstrdup(name), .text = STRBUF_INIT };
	if (secret_get(rs->project, name, &v->text, &v->why) < 0) {
		secret_wipe(&v->text);
		return;
	}
	mask_set_add(rs->mask, v->text.buf, v->text.len);
}

/* Of a project without attempts only the empty directory is left; it goes when the run does. */
static void remove_empty(const struct project *p)
{
	CLEANUP(cleanup_free) char *label = orphans_label(p), *above = xasprintf("../%s", label);

	for (size_t i = 0; i < PLACES; i++) {
		CLEANUP(cleanup_fd) int projectfd = open_project_dir(p, i, false, NULL, NULL);
		if (projectfd >= 0)
			unlinkat(projectfd, above, AT_REMOVEDIR);
	}
}

void run_secrets_close(struct run_secrets *rs)
{
	if (!rs)
		return;
	if (rs->len)
		remove_empty(rs->project);
	for (size_t i = 0; i < rs->len; i++) {
		secret_wipe(&rs->items[i].text);
		free(rs->items[i].name);
	}
	free(rs->items);
	mask_set_free(rs->mask);
	free(rs);
}

const struct mask_set *run_secrets_mask(const struct run_secrets *rs)
{
	return rs ? rs->mask : NULL;
}

/* ---- checks ---- */

static int wrong_use(const struct plan *plan, const struct secret_use *use, struct error *err)
{
	return error_where(err, plan->pipeline->file, use->at.line, use->at.column);
}

/* Missing ones are counted elsewhere. */
static int check_value(const struct run_secrets *rs, const struct plan *plan, const struct secret_use *use,
		       struct error *err)
{
	const struct secret_value *v = value_of(rs, use->name);

	if (v->why.code == ERR_NOT_FOUND)
		return 0;
	if (v->why.code) {
		if (err)
			*err = v->why;
		return -1;
	}
	if (!use->env || (utf8_span(v->text.buf, v->text.len) == v->text.len && !memchr(v->text.buf, 0, v->text.len)))
		return 0;
	error_set(err, ERR_USAGE, "secret %s cannot be a variable: it is not text (UTF-8 without NUL)", use->name);
	error_help(err, "write %s without env, and read the file that $%s_FILE names", use->name, use->name);
	return wrong_use(plan, use, err);
}

struct need {
	bool (*asked)(void *ctx, const struct plan_node *);
	void *ctx;
};

static bool is_needed(const struct need *need, const struct plan_node *node)
{
	return node->selected && node->step->nsecrets && (!need->asked || need->asked(need->ctx, node));
}

/* "A (train, eval)": once a secret, and once a step, of however many instances. */
static void add_missing(const struct plan *plan, const struct need *need, const char *name, struct strbuf *ret)
{
	const struct step *last = NULL;
	const char *separator = " (";

	strbuf_printf(ret, "%s%s", ret->len ? ", " : "", name);
	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];
		bool uses = false;
		for (size_t k = 0; k < node->step->nsecrets; k++)
			uses |= !strcmp(node->step->secrets[k].name, name);
		if (!uses || node->step == last || !is_needed(need, node))
			continue;
		strbuf_printf(ret, "%s%s", separator, node->step->name);
		separator = ", ";
		last = node->step;
	}
	strbuf_putc(ret, ')');
}

static int check_missing(const struct run_secrets *rs, const struct plan *plan, const struct need *need,
			 struct error *err)
{
	struct strlist missing CLEANUP(strlist_release) = STRLIST_INIT;
	const struct secret_use *first = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];
		for (size_t k = 0; is_needed(need, node) && k < node->step->nsecrets; k++) {
			const struct secret_use *use = &node->step->secrets[k];
			if (!value_of(rs, use->name)->why.code || strlist_has(&missing, use->name))
				continue;
			strlist_push(&missing, use->name);
			add_missing(plan, need, use->name, &text);
			first = first ? first : use;
		}
	}
	if (!first)
		return 0;
	error_set(err, ERR_NOT_FOUND, "%s missing: %s", missing.len == 1 ? "a secret is" : "secrets are", text.buf);
	error_help(err, missing.len == 1 ? "run: mlops secret add %s" : "add each of them, first: mlops secret add %s",
		   first->name);
	return wrong_use(plan, first, err);
}

static int check_all(const struct run_secrets *rs, const struct plan *plan, const struct need *need, struct error *err)
{
	CLEANUP(cleanup_fd) int dirfd = -1;
	bool any = false;

	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];
		if (!is_needed(need, node))
			continue;
		any = true;
		for (size_t k = 0; k < node->step->nsecrets; k++)
			if (check_value(rs, plan, &node->step->secrets[k], err) < 0)
				return -1;
	}
	if (check_missing(rs, plan, need, err) < 0)
		return -1;
	return any && (dirfd = make_project_dir(rs->project, NULL, err)) < 0 ? -1 : 0;
}

int run_secrets_open(struct project *p, const struct plan *plan, bool (*needs)(void *ctx, const struct plan_node *),
		     void *ctx, struct run_secrets **ret, struct error *err)
{
	struct run_secrets *rs = xcalloc(1, sizeof(*rs));
	struct need need = { needs, ctx };

	rs->project = p;
	rs->mask = mask_set_new();
	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];
		for (size_t k = 0; node->selected && k < node->step->nsecrets; k++)
			read_value(rs, node->step->secrets[k].name);
	}
	if (check_all(rs, plan, &need, err) < 0) {
		run_secrets_close(rs);
		return -1;
	}
	*ret = rs;
	return 0;
}

/* ---- the files of an attempt ---- */

static int give(int fd, mode_t mode, uid_t uid, gid_t gid, const char *shown, struct error *err)
{
	if (geteuid() == 0 && fchown(fd, uid, gid) < 0)
		return error_sys(err, errno, "cannot give %s to user %u", shown, (unsigned)uid);
	return fchmod(fd, mode) < 0 ? error_sys(err, errno, "cannot change %s", shown) : 0;
}

static int make_file(int dirfd, const struct secret_value *v, uid_t uid, gid_t gid, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = io_create(dirfd, v->name, 0600, err);

	if (fd < 0 || io_write_all(fd, v->text.buf, v->text.len, v->name, err) < 0)
		return -1;
	return give(fd, 0400, uid, gid, v->name, err);
}

static int make_files(struct run_secrets *rs, const struct plan_node *node, int dirfd, uid_t uid, gid_t gid,
		      struct error *err)
{
	for (size_t i = 0; i < node->step->nsecrets; i++) {
		const struct secret_value *v = value_of(rs, node->step->secrets[i].name);
		if (!v || v->why.code) {
			if (v && err)
				*err = v->why;
			return v ? -1 : error_set(err, ERR_NOT_FOUND, "secret %s was not read", node->step->secrets[i].name);
		}
		if (make_file(dirfd, v, uid, gid, err) < 0)
			return -1;
	}
	return 0;
}

static void add_env(const struct run_secrets *rs, const struct plan_node *node, const char *inside,
		    struct strlist *env)
{
	for (size_t i = 0; i < node->step->nsecrets; i++) {
		const struct secret_use *use = &node->step->secrets[i];
		strlist_push_owned(env, xasprintf("%s_FILE=%s/%s", use->name, inside, use->name));
		if (use->env)
			strlist_push_owned(env, xasprintf("%s=%s", use->name, value_of(rs, use->name)->text.buf));
	}
}

static int make_attempt(struct run_secrets *rs, const struct plan_node *node, int projectfd, const char *attempt,
			uid_t uid, gid_t gid, struct error *err)
{
	CLEANUP(cleanup_fd) int dirfd = -1;

	if (fs_remove_tree(projectfd, attempt, err) < 0 || io_mkdir(projectfd, attempt, 0700, err) < 0)
		return -1;
	dirfd = openat(projectfd, attempt, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd < 0)
		return error_sys(err, errno, "cannot open %s", attempt);
	if (make_files(rs, node, dirfd, uid, gid, err) < 0)
		return -1;
	FAILPOINT("secret_files.made");
	return give(dirfd, 0500, uid, gid, attempt, err);
}

int secret_files_make(struct run_secrets *rs, const struct plan_node *node, const char *attempt, const char *inside,
		      uid_t uid, gid_t gid, struct strlist *env, char **ret_dir, struct error *err)
{
	CLEANUP(cleanup_fd) int projectfd = -1;
	CLEANUP(cleanup_free) char *project = NULL, *path = NULL;

	if (!node->step->nsecrets) {
		*ret_dir = NULL;
		return 0;
	}
	projectfd = make_project_dir(rs->project, &project, err);
	if (projectfd < 0)
		return -1;
	if (make_attempt(rs, node, projectfd, attempt, uid, gid, err) < 0) {
		fs_remove_tree(projectfd, attempt, NULL);
		return error_wrap(err, "secrets of step %s in %s", node->name, project);
	}
	path = path_join(project, attempt);
	add_env(rs, node, inside ? inside : path, env);
	*ret_dir = steal(&path);
	return 0;
}

/* ---- afterwards ---- */

void secret_files_drop(const struct project *p, const char *attempt)
{
	for (size_t i = 0; i < PLACES; i++) {
		CLEANUP(cleanup_fd) int projectfd = open_project_dir(p, i, false, NULL, NULL);
		if (projectfd >= 0)
			fs_remove_tree(projectfd, attempt, NULL);
	}
}

void secret_files_sweep(struct project *p, const struct strlist *keep)
{
	for (size_t i = 0; i < PLACES; i++) {
		struct strlist attempts CLEANUP(strlist_release) = STRLIST_INIT;
		CLEANUP(cleanup_fd) int projectfd = open_project_dir(p, i, false, NULL, NULL);
		if (projectfd < 0 || fs_list_dir(projectfd, ".", &attempts, NULL) < 0)
			continue;
		for (size_t k = 0; k < attempts.len; k++) {
			const char *attempt = attempts.items[k];
			CLEANUP(cleanup_free) char *run = xstrndup(attempt, strcspn(attempt, "-"));
			if (!strlist_has(keep, attempt) && !orphans_has_executor(p, run))
				fs_remove_tree(projectfd, attempt, NULL);
		}
	}
}
