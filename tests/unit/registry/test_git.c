/* SPDX-License-Identifier: Apache-2.0 */
/* Code versions of real repositories made by the git program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/git.h"
#include "store/scan.h"
#include "store/store.h"
#include "store/tree.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct work {
	char dir[32]; /* holds repo/ and store/ */
	char repo[64];
	int dirfd, repofd;
	struct store *store;
	struct scanner scan;
};
static struct error err;

static int run_in(const char *dir, const char *const *argv)
{
	pid_t child = fork();
	int status;

	if (!child) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		dup2(null, 2);
		if (chdir(dir) == 0)
			execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}
#define RUN(dir, ...) assert_int_equal(run_in((dir), (const char *const[]){ __VA_ARGS__, NULL }), 0)
#define GIT(w, ...)   RUN((w)->repo, "git", __VA_ARGS__)

static void put_at(int fd, const char *path, const char *text, mode_t mode)
{
	int file;

	assert_int_equal(fs_make_parents(fd, path, 0755, &err), 0);
	file = openat(fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(file >= 0);
	assert_int_equal(io_write_all(file, text, strlen(text), path, &err), 0);
	assert_int_equal(fchmod(file, mode), 0);
	close(file);
}

static void put(struct work *w, const char *path, const char *text)
{
	put_at(w->repofd, path, text, 0644);
}

static void setup_plain(struct work *w)
{
	char path[96];

	memset(w, 0, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/mlops-git-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->repo, sizeof(w->repo), "%s/repo", w->dir);
	assert_int_equal(mkdir(w->repo, 0755), 0);
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->repofd = open(w->repo, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/store", w->dir);
	assert_int_equal(store_open(path, true, &w->store, &err), 0);
	w->scan.rootfd = w->repofd;
}

static void setup(struct work *w)
{
	setup_plain(w);
	GIT(w, "init", "-q", "-b", "main");
	put(w, "train.py", "print(1)\n");
	put(w, "lib/util.py", "x = 1\n");
	put(w, ".gitignore", "*.tmp\n");
	put_at(w->repofd, "tool.sh", "#!/bin/sh\n", 0755);
	assert_int_equal(symlinkat("lib/util.py", w->repofd, "link.py"), 0);
	GIT(w, "add", "-A");
	GIT(w, "commit", "-q", "-m", "base");
}

static void teardown(struct work *w)
{
	store_close(w->store);
	close(w->repofd);
	close(w->dirfd);
	assert_int_equal(fs_remove_tree(AT_FDCWD, w->dir, &err), 0);
}

/* Reads the version and stores the changes. */
static void version(struct work *w, const char *root, struct code_version *cv)
{
	struct store_batch *batch;

	assert_int_equal(batch_open(w->store, &batch, &err), 0);
	if (git_code_version(&w->scan, root, batch, cv, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(batch_commit(batch, &err), 0);
	batch_free(batch);
}

static void assert_clean(struct work *w, const char *root)
{
	struct code_version cv;

	version(w, root, &cv);
	assert_false(cv.dirty);
	assert_int_equal(cv.changes.kind, CONTENT_ABSENT);
	assert_null(cv.deleted);
	assert_null(cv.note);
	assert_int_equal(strlen(cv.commit), 40);
	code_version_release(&cv);
}

static void a_clean_repository_has_a_commit_and_nothing_else(void **state)
{
	struct code_version cv;
	struct work w;

	(void)state;
	setup(&w);
	put(&w, "ignored.tmp", "x");
	put(&w, ".mlops/config.ini", "x");
	put(&w, "mlops.lock", "");
	assert_clean(&w, w.repo);
	version(&w, w.repo, &cv);
	assert_string_equal(cv.branch, "main");
	assert_string_equal(cv.subdir, "");
	assert_null(cv.remote);
	code_version_release(&cv);
	teardown(&w);
}

static void results_of_runs_are_no_changes(void **state)
{
	struct code_version cv;
	struct work w;
	char sub[96];

	(void)state;
	setup(&w);
	put(&w, "lib/metrics.json", "1");
	put(&w, "lib/model/a/weights", "1");
	put(&w, "lib/mlops.lock", "");
	GIT(&w, "add", "-A");
	GIT(&w, "commit", "-q", "-m", "results");
	put(&w, "lib/mlops.lock", "out file:" A64 " metrics.json\n\nout tree:" A64 " model\n\n");
	put(&w, "lib/metrics.json", "2");
	unlinkat(w.repofd, "lib/model/a/weights", 0);
	snprintf(sub, sizeof(sub), "%s/lib", w.repo);
	assert_clean(&w, sub);
	put(&w, "lib/model2", "x");
	version(&w, sub, &cv);
	assert_true(cv.dirty);
	assert_int_equal(cv.changes.files, 1);
	code_version_release(&cv);
	teardown(&w);
}

static void no_repository_is_a_note_and_no_error(void **state)
{
	struct code_version cv;
	struct work w;
	char commit[65];

	(void)state;
	setup_plain(&w);
	version(&w, w.repo, &cv);
	assert_string_equal(cv.commit, "");
	assert_string_equal(cv.note, "no git repository");
	assert_false(cv.dirty);
	code_version_release(&cv);
	assert_int_equal(git_resolve(w.repo, "HEAD", commit, &err), 0);
	assert_int_equal(git_ignore_paths(w.repo, (const char *const[]){ "a" }, 1, &err), 0);
	assert_int_equal(faccessat(w.repofd, ".gitignore", F_OK, 0), -1);
	teardown(&w);
}

static void before_the_first_commit_all_files_are_changes(void **state)
{
	struct code_version cv;
	struct work w;

	(void)state;
	setup_plain(&w);
	GIT(&w, "init", "-q", "-b", "main");
	put(&w, "a.py", "1\n");
	version(&w, w.repo, &cv);
	assert_string_equal(cv.commit, "");
	assert_string_equal(cv.branch, "main");
	assert_true(cv.dirty);
	assert_int_equal(cv.changes.files, 1);
	assert_non_null(strstr(cv.note, "no commit"));
	code_version_release(&cv);
	teardown(&w);
}

/* What the work tree holds, file by file: "path mode content" lines from the find program. */
static void listing(const char *dir, struct strbuf *ret)
{
	char script[512];
	char buf[4096];
	size_t n;
	FILE *pipe;
	int fds[2];
	pid_t child;

	snprintf(script, sizeof(script),
		 "cd '%s' && find . -name .git -prune -o -name .mlops -prune -o -name '*.tmp' "
		 "-prune -o "
		 "\\( -type f -printf '%%P %%m ' -exec cat {} \\; -o -type l -printf '%%P -> "
		 "%%l\\n' \\) | sort",
		 dir);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		dup2(fds[1], 1);
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	pipe = fdopen(fds[0], "r");
	while ((n = fread(buf, 1, sizeof(buf), pipe)) > 0)
		strbuf_add(ret, buf, n);
	fclose(pipe);
	waitpid(child, NULL, 0);
}

static void assert_restores(struct work *w, const char *what)
{
	struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
	struct code_version cv;
	char to[64];

	snprintf(to, sizeof(to), "%s/to-%s", w->dir, what);
	version(w, w->repo, &cv);
	if (git_restore(w->repo, cv.commit, w->store, &cv.changes, cv.deleted, to, &err) < 0)
		fail_msg("%s: %s", what, err.msg);
	listing(w->repo, &want);
	listing(to, &got);
	assert_true(want.len > 0);
	assert_string_equal(got.buf, want.buf);
	strbuf_release(&want);
	strbuf_release(&got);
	code_version_release(&cv);
}

static void a_dirty_tree_is_restored_exactly(void **state)
{
	struct work w;

	(void)state;
	setup(&w);
	assert_restores(&w, "clean");
	put(&w, "train.py", "print(2)\n");
	put(&w, "new dir/\xc3\xa9.py", "y\n");
	assert_restores(&w, "edited");
	GIT(&w, "add", "-A");
	assert_restores(&w, "staged");
	put(&w, "train.py", "print(3)\n");
	GIT(&w, "rm", "-q", "--cached", "tool.sh");
	assert_restores(&w, "staged-then-edited");
	GIT(&w, "mv", "lib/util.py", "lib/moved.py");
	assert_int_equal(unlinkat(w.repofd, "link.py", 0), 0);
	put(&w, "link.py/now", "a directory\n");
	assert_int_equal(fchmodat(w.repofd, "train.py", 0755, 0), 0);
	assert_restores(&w, "types-changed");
	RUN(w.repo, "rm", "-r", "lib");
	put(&w, "lib", "a file now\n");
	assert_restores(&w, "directory-became-file");
	assert_int_equal(unlinkat(w.repofd, "lib", 0), 0);
	assert_int_equal(symlinkat("link.py", w.repofd, "lib"), 0);
	assert_restores(&w, "directory-became-link");
	teardown(&w);
}

static void a_target_that_is_not_empty_is_refused(void **state)
{
	struct code_version cv;
	struct work w;

	(void)state;
	setup(&w);
	version(&w, w.repo, &cv);
	assert_int_equal(git_restore(w.repo, cv.commit, w.store, &cv.changes, NULL, w.dir, &err),
			 -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	code_version_release(&cv);
	teardown(&w);
}

static void deleted_files_are_named(void **state)
{
	struct code_version cv;
	struct work w;

	(void)state;
	setup(&w);
	unlinkat(w.repofd, "train.py", 0);
	unlinkat(w.repofd, "tool.sh", 0);
	version(&w, w.repo, &cv);
	assert_true(cv.dirty);
	assert_string_equal(cv.deleted, "tool.sh\ntrain.py");
	assert_int_equal(cv.changes.kind, CONTENT_ABSENT);
	code_version_release(&cv);
	teardown(&w);
}

static void without_a_batch_only_dirt_is_told(void **state)
{
	struct code_version cv;
	struct work w;

	(void)state;
	setup(&w);
	put(&w, "train.py", "print(2)\n");
	assert_int_equal(git_code_version(&w.scan, w.repo, NULL, &cv, &err), 0);
	assert_true(cv.dirty);
	assert_int_equal(cv.changes.kind, CONTENT_ABSENT);
	code_version_release(&cv);
	teardown(&w);
}

static void more_than_64_mib_of_changes_are_named_not_kept(void **state)
{
	struct code_version cv;
	struct work w;
	int fd;

	(void)state;
	setup(&w);
	put(&w, "small", "x");
	fd = openat(w.repofd, "data/huge.bin", O_CREAT | O_WRONLY, 0644);
	assert_int_equal(fd, -1);
	assert_int_equal(mkdirat(w.repofd, "data", 0755), 0);
	fd = openat(w.repofd, "data/huge.bin", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_int_equal(ftruncate(fd, (64 << 20) + 1), 0);
	close(fd);
	version(&w, w.repo, &cv);
	assert_true(cv.dirty);
	assert_int_equal(cv.changes.kind, CONTENT_ABSENT);
	assert_non_null(strstr(cv.note, "too large"));
	assert_non_null(strstr(cv.note, "data/huge.bin"));
	code_version_release(&cv);
	teardown(&w);
}

static void what_cannot_be_kept_is_named_and_the_rest_is_kept(void **state)
{
	struct code_version cv;
	struct work w;

	(void)state;
	setup(&w);
	put(&w, "kept.py", "x");
	put(&w, "line\nbreak", "x");
	assert_int_equal(symlinkat("/etc/passwd", w.repofd, "outside"), 0);
	assert_int_equal(symlinkat("../../up", w.repofd, "lib/up"), 0);
	/* stays, but not in the one form a tree holds: left out, and the rest is kept */
	assert_int_equal(symlinkat("lib/../train.py", w.repofd, "winding"), 0);
	version(&w, w.repo, &cv);
	assert_int_equal(cv.changes.files, 1);
	assert_non_null(strstr(cv.note, "outside (a symlink that leaves"));
	assert_non_null(strstr(cv.note, "lib/up"));
	assert_non_null(strstr(cv.note, "control byte"));
	assert_null(strchr(cv.note, '\n'));
	code_version_release(&cv);
	teardown(&w);
}

static void another_owner_is_named_with_its_fix(void **state)
{
	struct code_version cv;
	char commit[65];
	struct work w;

	(void)state;
	if (geteuid() != 0)
		skip();
	setup(&w);
	RUN(w.dir, "chown", "-R", "4321:4321", "repo");
	version(&w, w.repo, &cv);
	assert_string_equal(cv.commit, "");
	assert_non_null(strstr(cv.note, "another user"));
	assert_non_null(strstr(cv.note, "git config --global --add safe.directory"));
	assert_non_null(strstr(cv.note, w.repo));
	code_version_release(&cv);
	assert_int_equal(git_resolve(w.repo, "HEAD", commit, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(git_ignore_paths(w.repo, (const char *const[]){ "data" }, 1, &err), 0);
	RUN(w.repo, "grep", "-qx", "/data", ".gitignore");
	RUN(w.repo, "git", "config", "--global", "--add", "safe.directory", w.repo);
	version(&w, w.repo, &cv);
	assert_int_equal(strlen(cv.commit), 40);
	code_version_release(&cv);
	teardown(&w);
}

static void an_unknown_extension_is_named(void **state)
{
	struct code_version cv;
	struct work w;

	(void)state;
	setup(&w);
	GIT(&w, "config", "core.repositoryformatversion", "1");
	GIT(&w, "config", "extensions.frobnicate", "true");
	version(&w, w.repo, &cv);
	assert_string_equal(cv.commit, "");
	assert_non_null(strstr(cv.note, "frobnicate"));
	assert_non_null(strstr(cv.note, "config --unset"));
	code_version_release(&cv);
	teardown(&w);
}

static void a_project_in_a_folder_of_the_repository_knows_its_place(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct code_version cv;
	char sub[96], commit[65];
	struct work w;

	(void)state;
	setup(&w);
	snprintf(sub, sizeof(sub), "%s/lib", w.repo);
	version(&w, sub, &cv);
	assert_string_equal(cv.subdir, "lib");
	code_version_release(&cv);
	assert_int_equal(git_resolve(sub, "HEAD", commit, &err), 1);
	assert_int_equal(git_read(sub, commit, "util.py", 100, &text, &err), 1);
	assert_string_equal(text.buf, "x = 1\n");
	assert_int_equal(git_read(sub, commit, "train.py", 100, &text, &err), 0);
	assert_int_equal(git_read(sub, commit, "util.py", 3, &text, &err), -1);
	strbuf_release(&text);
	teardown(&w);
}

static void a_linked_work_tree_is_a_repository(void **state)
{
	struct code_version cv;
	struct work w;
	char tree[64];

	(void)state;
	setup(&w);
	snprintf(tree, sizeof(tree), "%s/wt", w.dir);
	GIT(&w, "worktree", "add", "-q", "-b", "topic", tree);
	assert_clean(&w, tree);
	version(&w, tree, &cv);
	assert_string_equal(cv.branch, "topic");
	assert_string_equal(cv.subdir, "");
	code_version_release(&cv);
	teardown(&w);
}

static void a_detached_head_has_no_branch(void **state)
{
	struct code_version cv;
	struct work w;
	char branch[32], *work = NULL;

	(void)state;
	setup(&w);
	git_branch(w.repo, branch, sizeof(branch));
	assert_string_equal(branch, "main");
	assert_int_equal(git_work_branch("/", &work, NULL), 0);
	assert_null(work);
	GIT(&w, "checkout", "-q", "--detach");
	assert_int_equal(git_work_branch(w.repo, &work, NULL), 1);
	assert_string_equal(work, "");
	free(work);
	version(&w, w.repo, &cv);
	assert_null(cv.branch);
	assert_int_equal(strlen(cv.commit), 40);
	code_version_release(&cv);
	git_branch(w.repo, branch, sizeof(branch));
	assert_string_equal(branch, "");
	teardown(&w);
}

static void a_bare_repository_is_named(void **state)
{
	struct code_version cv;
	struct work w;
	char bare[64];

	(void)state;
	setup(&w);
	GIT(&w, "clone", "-q", "--bare", ".", "../bare");
	snprintf(bare, sizeof(bare), "%s/bare", w.dir);
	version(&w, bare, &cv);
	assert_int_equal(strlen(cv.commit), 40);
	assert_non_null(strstr(cv.note, "bare"));
	code_version_release(&cv);
	teardown(&w);
}

static void submodules_are_left_out(void **state)
{
	struct code_version cv;
	struct work w;
	char to[64];

	(void)state;
	setup(&w);
	GIT(&w, "clone", "-q", ".", "../other");
	GIT(&w, "submodule", "--quiet", "add", "../other", "sub");
	GIT(&w, "commit", "-q", "-m", "sub");
	put(&w, "sub/train.py", "changed inside\n");
	assert_clean(&w, w.repo);
	version(&w, w.repo, &cv);
	snprintf(to, sizeof(to), "%s/to", w.dir);
	assert_int_equal(git_restore(w.repo, cv.commit, w.store, &cv.changes, cv.deleted, to, &err),
			 0);
	code_version_release(&cv);
	teardown(&w);
}

static void a_nested_repository_is_named(void **state)
{
	struct code_version cv;
	struct work w;

	(void)state;
	setup(&w);
	GIT(&w, "clone", "-q", ".", "nested");
	version(&w, w.repo, &cv);
	assert_true(cv.dirty);
	assert_non_null(strstr(cv.note, "nested/ (a repository of its own)"));
	code_version_release(&cv);
	teardown(&w);
}

static void a_remote_url_loses_its_secrets(void **state)
{
	static const struct {
		const char *url, *want;
	} urls[] = {
		{ "https://user:secret@example.com/a.git", "https://example.com/a.git" },
		{ "https://token@example.com:8443/a", "https://example.com:8443/a" },
		{ "https://u:p@ss@example.com/a@b", "https://example.com/a@b" },
		{ "https://example.com/a?private_token=secret", "https://example.com/a" },
		{ "HTTPS://u:secret@example.com?x=@", "HTTPS://example.com" },
		{ "https://user:se/cret@example.com/a", NULL },
		{ "ssh://git@example.com:22/a", "ssh://git@example.com:22/a" },
		{ "ssh://git:secret@example.com/a", "ssh://git@example.com/a" },
		{ "git@example.com:team/a.git", "git@example.com:team/a.git" },
		{ "https://[::1]:8080/a", "https://[::1]:8080/a" },
		{ "../other", "../other" },
		{ "file:///srv/a.git", "file:///srv/a.git" },
	};
	struct work w;

	(void)state;
	setup(&w);
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct code_version cv;

		GIT(&w, "config", "remote.origin.url", urls[i].url);
		version(&w, w.repo, &cv);
		if (urls[i].want)
			assert_string_equal(cv.remote, urls[i].want);
		else
			assert_null(cv.remote);
		code_version_release(&cv);
	}
	teardown(&w);
}

/* A filter and a hook that would leave a mark if anything ran them. */
static void nothing_of_the_repository_is_executed(void **state)
{
	char mark[96], command[160];
	struct code_version cv;
	struct work w;

	(void)state;
	setup(&w);
	put(&w, ".gitattributes", "*.py filter=evil diff=evil\n");
	GIT(&w, "add", "-A");
	GIT(&w, "commit", "-q", "-m", "attributes");
	snprintf(mark, sizeof(mark), "%s/ran", w.dir);
	snprintf(command, sizeof(command), "sh -c 'touch %s; cat'", mark);
	GIT(&w, "config", "filter.evil.clean", command);
	GIT(&w, "config", "filter.evil.smudge", command);
	GIT(&w, "config", "filter.evil.process", command);
	GIT(&w, "config", "diff.evil.textconv", command);
	GIT(&w, "config", "core.fsmonitor", command);
	snprintf(command, sizeof(command), "#!/bin/sh\ntouch %s\n", mark);
	put_at(w.repofd, ".git/hooks/post-checkout", command, 0755);
	put_at(w.repofd, ".git/hooks/post-index-change", command, 0755);
	put(&w, "train.py", "print(2)\n");
	assert_restores(&w, "evil");
	version(&w, w.repo, &cv);
	assert_true(cv.dirty);
	code_version_release(&cv);
	assert_int_equal(access(mark, F_OK), -1);
	teardown(&w);
}

static void revisions_resolve_to_commits(void **state)
{
	char commit[65], same[65];
	struct work w;

	(void)state;
	setup(&w);
	GIT(&w, "tag", "-a", "-m", "t", "v1");
	assert_int_equal(git_resolve(w.repo, "main", commit, &err), 1);
	assert_int_equal(git_resolve(w.repo, "v1", same, &err), 1);
	assert_string_equal(commit, same);
	same[8] = '\0';
	assert_int_equal(git_resolve(w.repo, same, same, &err), 1);
	assert_string_equal(commit, same);
	assert_int_equal(git_resolve(w.repo, "nothing", same, &err), 0);
	assert_int_equal(git_resolve(w.repo, "HEAD:train.py", same, &err), 0);
	assert_int_equal(git_resolve(w.repo, "", same, &err), 0);
	teardown(&w);
}

static void a_missing_commit_is_not_found(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct work w;
	char to[64];

	(void)state;
	setup(&w);
	snprintf(to, sizeof(to), "%s/to", w.dir);
	assert_int_equal(git_restore(w.repo, "0123456789012345678901234567890123456789", w.store,
				     NULL, NULL, to, &err),
			 -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(git_read(w.repo, "zz", "a", 10, &text, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	teardown(&w);
}

static void ignore_lines_are_added_once_and_git_obeys_them(void **state)
{
	static const char *const paths[] = { "data/raw", "a*b[c]?", "model.bin", "x.tmp",
					     "trail " };
	struct work w;

	(void)state;
	setup(&w);
	put_at(w.repofd, ".gitignore", "*.tmp", 0644); /* no newline at the end */
	assert_int_equal(git_ignore_paths(w.repo, paths, ARRAY_LEN(paths), &err), 0);
	assert_int_equal(git_ignore_paths(w.repo, paths, ARRAY_LEN(paths), &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		GIT(&w, "check-ignore", "-q", "--", paths[i]);
	assert_int_equal(run_in(w.repo, (const char *const[]){ "git", "check-ignore", "-q", "--",
							       "aXbc1", NULL }),
			 1);
	assert_int_equal(run_in(w.repo, (const char *const[]){ "git", "check-ignore", "-q", "--",
							       "sub/model.bin", NULL }),
			 1);
	{
		struct strbuf text = STRBUF_INIT;

		assert_int_equal(io_read_file(w.repofd, ".gitignore", 1000, &text, &err), 0);
		assert_string_equal(text.buf,
				    "*.tmp\n/data/raw\n/a\\*b\\[c]\\?\n/model.bin\n/trail\\ \n");
		strbuf_release(&text);
	}
	teardown(&w);
}

static void attributes_are_set_up_once(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct work w;

	(void)state;
	setup(&w);
	put(&w, ".gitattributes", "*.py text\r\n");
	assert_int_equal(git_setup_attributes(w.repo, &err), 0);
	assert_int_equal(git_setup_attributes(w.repo, &err), 0);
	assert_int_equal(io_read_file(w.repofd, ".gitattributes", 1000, &text, &err), 0);
	assert_string_equal(text.buf, "*.py text\r\nmlops.lock merge=union\n");
	strbuf_release(&text);
	teardown(&w);
}

static void a_tracked_path_is_known(void **state)
{
	struct work w;

	(void)state;
	setup(&w);
	put(&w, "data/new", "x");
	assert_true(git_tracks(w.repo, "train.py"));
	assert_true(git_tracks(w.repo, "lib"));
	assert_false(git_tracks(w.repo, "li"));
	assert_false(git_tracks(w.repo, "data"));
	assert_false(git_tracks(w.dir, "repo"));
	teardown(&w);
}

static void line_endings_come_back_as_attributes_say(void **state)
{
	struct work w;

	(void)state;
	setup(&w);
	put(&w, ".gitattributes", "*.bat text eol=crlf\n");
	put(&w, "run.bat", "echo 1\r\n");
	GIT(&w, "add", "-A");
	GIT(&w, "commit", "-q", "-m", "crlf");
	assert_clean(&w, w.repo);
	assert_restores(&w, "crlf");
	teardown(&w);
}

/* libgit2 1.5 leaks the match data of each extension it does not know. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libpcre2\n";
}

static char home[] = "/tmp/mlops-home-XXXXXX";

/* One home for all: libgit2 looks for it once. */
static int home_make(void **state)
{
	int fd;

	(void)state;
	assert_non_null(mkdtemp(home));
	fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_at(fd, ".gitconfig",
	       "[user]\nname = t\nemail = t@t\n[protocol \"file\"]\nallow = always\n", 0644);
	close(fd);
	setenv("HOME", home, 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("GIT_CONFIG_GLOBAL"); /* git would replace the file it names */
	unsetenv("SUDO_UID");
	return 0;
}

static int home_remove(void **state)
{
	(void)state;
	return fs_remove_tree(AT_FDCWD, home, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_repository_has_a_commit_and_nothing_else),
		cmocka_unit_test(results_of_runs_are_no_changes),
		cmocka_unit_test(no_repository_is_a_note_and_no_error),
		cmocka_unit_test(before_the_first_commit_all_files_are_changes),
		cmocka_unit_test(a_dirty_tree_is_restored_exactly),
		cmocka_unit_test(a_target_that_is_not_empty_is_refused),
		cmocka_unit_test(deleted_files_are_named),
		cmocka_unit_test(without_a_batch_only_dirt_is_told),
		cmocka_unit_test(more_than_64_mib_of_changes_are_named_not_kept),
		cmocka_unit_test(what_cannot_be_kept_is_named_and_the_rest_is_kept),
		cmocka_unit_test(another_owner_is_named_with_its_fix),
		cmocka_unit_test(an_unknown_extension_is_named),
		cmocka_unit_test(a_project_in_a_folder_of_the_repository_knows_its_place),
		cmocka_unit_test(a_linked_work_tree_is_a_repository),
		cmocka_unit_test(a_detached_head_has_no_branch),
		cmocka_unit_test(a_bare_repository_is_named),
		cmocka_unit_test(submodules_are_left_out),
		cmocka_unit_test(a_nested_repository_is_named),
		cmocka_unit_test(a_remote_url_loses_its_secrets),
		cmocka_unit_test(nothing_of_the_repository_is_executed),
		cmocka_unit_test(revisions_resolve_to_commits),
		cmocka_unit_test(a_missing_commit_is_not_found),
		cmocka_unit_test(ignore_lines_are_added_once_and_git_obeys_them),
		cmocka_unit_test(attributes_are_set_up_once),
		cmocka_unit_test(a_tracked_path_is_known),
		cmocka_unit_test(line_endings_come_back_as_attributes_say),
	};

	return cmocka_run_group_tests(tests, home_make, home_remove);
}
