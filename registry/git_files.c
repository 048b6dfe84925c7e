/* SPDX-License-Identifier: Apache-2.0 */
/* The lines that mlops adds to a project's .gitignore and .gitattributes, each at most once. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <errno.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/git.h"
#include "registry/git_internal.h"

#define FILE_MAX_BYTES (4u << 20)

static bool has_line(const struct strbuf *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *p = text->buf; *p;) {
		size_t n = strcspn(p, "\n");
		size_t trimmed = n && p[n - 1] == '\r' ? n - 1 : n;

		if (trimmed == len && !memcmp(p, line, len))
			return true;
		p += n + (p[n] == '\n');
	}
	return false;
}

static void add_line(struct strbuf *text, const char *line)
{
	if (text->len && text->buf[text->len - 1] != '\n')
		strbuf_putc(text, '\n');
	strbuf_puts(text, line);
	strbuf_putc(text, '\n');
}

/* git does not follow a symlink in this place either, and replacing one would surprise its
 * owner. */
static int read_own(int rootfd, const char *name, struct strbuf *ret, mode_t *ret_mode,
		    struct error *err)
{
	struct stat st;
	int rc = fs_stat_beneath(rootfd, name, &st, err);

	*ret_mode = 0644;
	if (rc <= 0)
		return rc;
	if (!S_ISREG(st.st_mode)) {
		error_set(err, ERR_CONFLICT, "%s is a %s, not a file", name,
			  fs_kind_name(st.st_mode));
		return error_help(err, "make %s a regular file", name);
	}
	*ret_mode = st.st_mode & 0777;
	return io_read_file(rootfd, name, FILE_MAX_BYTES, ret, err);
}

/* "/data/raw" matches that path only; pattern characters are escaped, as is a trailing blank. */
static void ignore_line(const char *path, struct strbuf *line)
{
	size_t len = strlen(path);

	strbuf_clear(line);
	strbuf_putc(line, '/');
	for (size_t i = 0; i < len; i++) {
		if (strchr("*?[\\", path[i]) || (path[i] == ' ' && i == len - 1))
			strbuf_putc(line, '\\');
		strbuf_putc(line, path[i]);
	}
}

static bool already_ignored(git_repository *repo, const char *root, const char *path)
{
	CLEANUP(cleanup_free) char *full = path_join(root, path);
	const char *workdir = libgit2.repository_workdir(repo);
	size_t len = workdir ? strlen(workdir) : 0;
	int ignored = 0;

	if (!workdir || strncmp(full, workdir, len))
		return false;
	return libgit2.ignore_path_is_ignored(&ignored, repo, full + len) == 0 && ignored;
}

int git_ignore_paths(const char *root, const char *const *paths, size_t n, struct error *err)
{
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	CLEANUP(cleanup_fd) int rootfd = -1;
	bool changed = false;
	mode_t mode;

	if (repo_open(root, &repo, NULL) == 0)
		return 0;
	rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rootfd < 0)
		return error_sys(err, errno, "%s", root);
	if (read_own(rootfd, ".gitignore", &text, &mode, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		ignore_line(paths[i], &line);
		if (has_line(&text, line.buf) || (repo && already_ignored(repo, root, paths[i])))
			continue;
		add_line(&text, line.buf);
		changed = true;
	}
	if (!changed)
		return 0;
	return io_replace_file(rootfd, ".gitignore", text.buf, text.len, mode, true, err);
}

int git_setup_attributes(const char *root, struct error *err)
{
	static const char line[] = "mlops.lock merge=union";
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_fd) int rootfd = -1;
	mode_t mode;

	if (repo_open(root, &repo, NULL) == 0)
		return 0;
	rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rootfd < 0)
		return error_sys(err, errno, "%s", root);
	if (read_own(rootfd, ".gitattributes", &text, &mode, err) < 0)
		return -1;
	if (has_line(&text, line))
		return 0;
	add_line(&text, line);
	return io_replace_file(rootfd, ".gitattributes", text.buf, text.len, mode, true, err);
}

bool git_tracks(const char *root, const char *path)
{
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	CLEANUP(cleanup_free) char *full = path_join(root, path);
	CLEANUP(cleanup_free) char *below = NULL;
	const char *workdir;
	git_index *index = NULL;
	size_t at;
	bool tracked;

	if (repo_open(root, &repo, NULL) <= 0 || !(workdir = libgit2.repository_workdir(repo)) ||
	    strncmp(full, workdir, strlen(workdir)) || libgit2.repository_index(&index, repo) < 0)
		return false;
	below = xasprintf("%s/", full + strlen(workdir));
	tracked = libgit2.index_get_bypath(index, full + strlen(workdir), 0) ||
		  libgit2.index_find_prefix(&at, index, below) == 0;
	libgit2.index_free(index);
	return tracked;
}
