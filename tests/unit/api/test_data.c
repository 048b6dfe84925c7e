/* SPDX-License-Identifier: Apache-2.0 */
/* The operations on data, called as the programs call them, on a real project. */
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
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "store/content.h"

#define RUN "3f2a0000000000000000000000000001"
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct world {
	char dir[32], root[48];
	int fd;
	struct op_context ctx;
	struct strbuf out; /* what cat wrote */
};
static struct error err;

/* libgit2 1.5 leaks the match data of each extension it does not know. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libpcre2\n";
}

static int collect(void *ctx, const void *data, size_t len)
{
	strbuf_add(&((struct world *)ctx)->out, data, len);
	return 0;
}

static void run_git(const struct world *w, const char *const *argv)
{
	pid_t child = fork();
	int status;

	if (!child) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		dup2(null, 2);
		if (chdir(w->root) == 0)
			execvp("git", (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}
#define GIT(w, ...)                                                                                \
	run_git((w), (const char *const[]){ "git", "-c", "user.name=t", "-c", "user.email=t@t",    \
					    __VA_ARGS__, NULL })

static void put(struct world *w, const char *path, const char *text)
{
	int fd;

	assert_int_equal(fs_make_parents(w->fd, path, 0755, &err), 0);
	unlinkat(w->fd, path, 0);
	fd = openat(w->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text), path, &err), 0);
	close(fd);
}

static void assert_text(struct world *w, const char *path, const char *want)
{
	struct strbuf text = STRBUF_INIT;

	if (io_read_file(w->fd, path, 1000, &text, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(text.buf, want);
	strbuf_release(&text);
}

static bool there(struct world *w, const char *path)
{
	return faccessat(w->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void world_make(struct world *w)
{
	bool made;

	memset(w, 0, sizeof(*w));
	w->out = (struct strbuf)STRBUF_INIT;
	snprintf(w->dir, sizeof(w->dir), "/tmp/mlops-data-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->root, sizeof(w->root), "%s/p", w->dir);
	assert_int_equal(mkdir(w->root, 0755), 0);
	w->fd = open(w->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	GIT(w, "init", "-q", "-b", "main");
	assert_int_equal(project_create(w->root, &made, &err), 0);
	w->ctx = (struct op_context){ .dir = w->root, .origin = "cli", .write = collect, .ctx = w };
	assert_int_equal(project_open(w->root, &w->ctx.project, &err), 0);
	put(w, "data/raw/a.csv", "a1\n");
	put(w, "data/raw/sub/b.csv", "b1\n");
	put(w, "model.bin", "m1\n");
}

static void world_remove(struct world *w)
{
	project_close(w->ctx.project);
	strbuf_release(&w->out);
	close(w->fd);
	assert_int_equal(fs_remove_tree(AT_FDCWD, w->dir, &err), 0);
}

/* Calls an operation with arguments as JSON text with ' for ". */
static int call(struct world *w, const char *op, const char *args_text, struct js **ret)
{
	struct js *args = NULL, *result = NULL;
	char *text = xstrdup(args_text);
	int r;

	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	if (js_parse(text, strlen(text), "args", &args, &err) < 0)
		fail_msg("%s", err.msg);
	error_clear(&err);
	r = op_call(op_find(op), &w->ctx, args, &result, &err);
	js_free(args);
	free(text);
	if (ret)
		*ret = result;
	else
		js_free(result);
	return r;
}

static struct js *done(struct world *w, const char *op, const char *args)
{
	struct js *result;

	if (call(w, op, args, &result) < 0)
		fail_msg("%s %s: %s", op, args, err.msg);
	return result;
}

static void refused(struct world *w, const char *op, const char *args, enum error_code code,
		    const char *said)
{
	assert_int_equal(call(w, op, args, NULL), -1);
	if (err.code != code || !strstr(err.msg, said) || !*err.help)
		fail_msg("%s %s: code %d, %s (help: %s)", op, args, err.code, err.msg, err.help);
}

static void add(struct world *w, const char *path)
{
	char args[200];

	snprintf(args, sizeof(args), "{'paths': ['%s']}", path);
	js_free(done(w, "data.add", args));
}

/* State of a path as status tells it, or "-". */
static const char *state_of(struct world *w, const char *path)
{
	static char state[32];
	struct js *result = done(w, "data.status", "{}"), *paths = js_get(result, "paths");

	snprintf(state, sizeof(state), "-");
	for (size_t i = 0; i < js_len(paths); i++)
		if (!strcmp(js_get_str(js_at(paths, i), "path"), path))
			snprintf(state, sizeof(state), "%s", js_get_str(js_at(paths, i), "state"));
	js_free(result);
	return state;
}

static const char *cat(struct world *w, const char *name)
{
	char args[200];

	snprintf(args, sizeof(args), "{'name': '%s'}", name);
	strbuf_clear(&w->out);
	if (call(w, "data.cat", args, NULL) < 0)
		fail_msg("cat %s: %s", name, err.msg);
	return w->out.buf;
}

static void add_keeps_versions_and_tells_lock_and_git(void **state)
{
	struct world w;
	struct js *result, *item;

	(void)state;
	world_make(&w);
	result = done(&w, "data.add", "{'paths': ['data/raw/', './model.bin', 'model.bin']}");
	assert_int_equal(js_len(js_get(result, "added")), 2);
	item = js_at(js_get(result, "added"), 0);
	assert_string_equal(js_get_str(item, "path"), "data/raw");
	assert_int_equal(js_get_int(item, "version", 0), 1);
	assert_int_equal(js_get_int(item, "files", 0), 2);
	assert_true(js_get_bool(item, "new"));
	js_free(result);
	assert_text(&w, ".gitignore", "/data/raw\n/model.bin\n");

	result = done(&w, "data.add", "{'paths': ['model.bin']}");
	item = js_at(js_get(result, "added"), 0);
	assert_int_equal(js_get_int(item, "version", 0), 1);
	assert_false(js_get_bool(item, "new"));
	js_free(result);

	put(&w, "model.bin", "m2\n");
	add(&w, "model.bin");
	assert_string_equal(cat(&w, "model.bin@v1"), "m1\n");
	assert_string_equal(cat(&w, "model.bin@v2"), "m2\n");
	assert_string_equal(cat(&w, "model.bin"), "m2\n");
	world_remove(&w);
}

static void add_refuses_what_cannot_be_a_version(void **state)
{
	struct world w;

	(void)state;
	world_make(&w);
	refused(&w, "data.add", "{'paths': ['nothing']}", ERR_NOT_FOUND, "there is no nothing");
	refused(&w, "data.add", "{'paths': ['.']}", ERR_USAGE, "the project itself");
	refused(&w, "data.add", "{'paths': ['../x']}", ERR_USAGE, "leaves the project");
	refused(&w, "data.add", "{'paths': ['/etc/passwd']}", ERR_USAGE, "absolute");
	refused(&w, "data.add", "{'paths': ['.mlops/config.ini']}", ERR_USAGE, "never versioned");
	refused(&w, "data.add", "{'paths': ['.git']}", ERR_USAGE, "never versioned");
	refused(&w, "data.add", "{'paths': ['mlops.lock']}", ERR_USAGE, "mlops.lock");
	refused(&w, "data.add", "{'paths': ['data', 'data/raw']}", ERR_USAGE, "part of data");
	assert_int_equal(mkfifoat(w.fd, "data/raw/pipe", 0644), 0);
	assert_int_equal(call(&w, "data.add", "{'paths': ['data/raw']}", NULL), -1);
	assert_non_null(strstr(err.msg, "pipe"));
	assert_false(there(&w, "mlops.lock"));
	world_remove(&w);
}

static void a_path_has_one_owner(void **state)
{
	struct lockfile lock = LOCKFILE_INIT;
	struct js *result;
	struct world w;

	(void)state;
	world_make(&w);
	add(&w, "data/raw");
	refused(&w, "data.add", "{'paths': ['data/raw/a.csv']}", ERR_CONFLICT, "part of data/raw");
	result = done(&w, "data.add", "{'paths': ['data']}");
	assert_non_null(
		strstr(js_text(js_at(js_get(result, "notes"), 0)), "data/raw is now part of data"));
	js_free(result);
	assert_int_equal(lockfile_load(w.fd, &lock, &err), 0);
	assert_int_equal(lock.len, 1);
	lockfile_set(&lock, LOCKED_OUT, "model.bin", "file:" A64);
	assert_int_equal(lockfile_save(&lock, w.fd, &err), 0);
	lockfile_release(&lock);
	refused(&w, "data.add", "{'paths': ['model.bin']}", ERR_CONFLICT, "made by a step");
	world_remove(&w);
}

static void paths_count_from_where_the_user_stands(void **state)
{
	char sub[80], args[200];
	struct world w;

	(void)state;
	world_make(&w);
	project_close(w.ctx.project);
	snprintf(sub, sizeof(sub), "%s/data", w.root);
	w.ctx.dir = sub;
	assert_int_equal(project_open(sub, &w.ctx.project, &err), 0);
	add(&w, "raw");
	assert_string_equal(state_of(&w, "data/raw"), "ok");
	snprintf(args, sizeof(args), "{'paths': ['%s/model.bin']}", w.root);
	js_free(done(&w, "data.add", args));
	assert_string_equal(state_of(&w, "model.bin"), "ok");
	assert_string_equal(cat(&w, "raw@v1/a.csv"), "a1\n");
	world_remove(&w);
}

static void status_tells_what_differs(void **state)
{
	struct js *result, *item;
	struct world w;

	(void)state;
	world_make(&w);
	js_free(done(&w, "data.add", "{'paths': ['data/raw', 'model.bin']}"));
	assert_string_equal(state_of(&w, "data/raw"), "ok");
	put(&w, "data/raw/a.csv", "a2\n");
	put(&w, "data/raw/new.csv", "n\n");
	unlinkat(w.fd, "data/raw/sub/b.csv", 0);
	unlinkat(w.fd, "model.bin", 0);
	assert_string_equal(state_of(&w, "model.bin"), "missing");
	result = done(&w, "data.status", "{}");
	item = js_at(js_get(result, "paths"), 0);
	assert_string_equal(js_get_str(item, "state"), "changed");
	assert_int_equal(js_get_int(item, "added", 0), 1);
	assert_int_equal(js_get_int(item, "modified", 0), 1);
	assert_int_equal(js_get_int(item, "removed", 0), 1);
	assert_true(js_get_bool(result, "database"));
	assert_string_equal(js_get_str(result, "branch"), "main");
	js_free(result);
	world_remove(&w);
}

static void status_survives_what_is_broken_around_it(void **state)
{
	struct js *result;
	struct world w;
	size_t notes;

	(void)state;
	world_make(&w);
	add(&w, "model.bin");
	project_close(w.ctx.project);
	assert_int_equal(project_open(w.root, &w.ctx.project, &err), 0);
	unlinkat(w.fd, ".mlops/registry.db", 0);
	put(&w, "mlruns/0/meta.yaml", "x");
	put(&w, "pipeline.ini", "[nonsense\n");
	unlinkat(w.fd, "model.bin", 0);
	assert_int_equal(mkfifoat(w.fd, "model.bin", 0644), 0);
	result = done(&w, "data.status", "{}");
	assert_false(js_get_bool(result, "database"));
	assert_string_equal(js_get_str(js_at(js_get(result, "paths"), 0), "state"), "unreadable");
	notes = js_len(js_get(result, "notes"));
	assert_int_equal(notes, 4); /* the pipeline, the FIFO, the database, mlruns */
	js_free(result);
	world_remove(&w);
}

static void conflicts_are_listed_and_settled(void **state)
{
	struct lockfile lock = LOCKFILE_INIT;
	struct js *result, *item;
	struct world w;

	(void)state;
	world_make(&w);
	put(&w, "mlops.lock", "data file:" A64 " model.bin\n\ndata file:" B64 " model.bin\n\n");
	assert_string_equal(state_of(&w, "model.bin"), "conflict");
	result = done(&w, "data.status", "{}");
	item = js_at(js_get(result, "conflicts"), 0);
	assert_string_equal(js_get_str(item, "ours"), "file:" A64);
	assert_string_equal(js_get_str(item, "theirs"), "file:" B64);
	js_free(result);
	refused(&w, "data.checkout", "{}", ERR_CONFLICT, "model.bin");
	assert_int_equal(call(&w, "lock.take", "{'side': 'mine'}", NULL), -1);
	assert_int_equal(err.code, ERR_USAGE);
	result = done(&w, "lock.take", "{'side': 'theirs'}");
	assert_int_equal(js_len(js_get(result, "settled")), 1);
	js_free(result);
	assert_int_equal(lockfile_load(w.fd, &lock, &err), 0);
	assert_string_equal(lockfile_find(&lock, LOCKED_DATA, "model.bin")->value, "file:" B64);
	lockfile_release(&lock);
	world_remove(&w);
}

static void checkout_brings_back_what_is_missing_or_older(void **state)
{
	struct js *result;
	struct world w;

	(void)state;
	world_make(&w);
	js_free(done(&w, "data.add", "{'paths': ['data/raw', 'model.bin']}"));
	put(&w, "data/raw/a.csv", "a2\n");
	unlinkat(w.fd, "data/raw/sub/b.csv", 0);
	add(&w, "data/raw");
	unlinkat(w.fd, "model.bin", 0);
	unlinkat(w.fd, "data/raw/a.csv", 0);
	result = done(&w, "data.checkout", "{}");
	assert_int_equal(js_len(js_get(result, "paths")), 2);
	js_free(result);
	assert_text(&w, "model.bin", "m1\n");
	assert_text(&w, "data/raw/a.csv", "a2\n");
	js_free(done(&w, "data.checkout", "{'from': 'data/raw@v1'}"));
	assert_text(&w, "data/raw/a.csv", "a1\n");
	assert_text(&w, "data/raw/sub/b.csv", "b1\n");
	assert_string_equal(state_of(&w, "data/raw"), "changed");
	js_free(done(&w, "data.checkout", "{'paths': ['data']}"));
	assert_text(&w, "data/raw/a.csv", "a2\n");
	assert_false(there(&w, "data/raw/sub/b.csv"));
	js_free(done(&w, "data.checkout", "{'from': 'data/raw@v1', 'paths': ['data/raw/sub']}"));
	assert_text(&w, "data/raw/sub/b.csv", "b1\n");
	assert_text(&w, "data/raw/a.csv", "a2\n");
	refused(&w, "data.checkout", "{'paths': ['data/wra']}", ERR_NOT_FOUND, "data/wra");
	refused(&w, "data.checkout", "{'from': 'data/raw@v7'}", ERR_NOT_FOUND, "no version 7");
	world_remove(&w);
}

static void checkout_never_loses_bytes_that_are_nowhere_else(void **state)
{
	struct js *result;
	struct world w;

	(void)state;
	world_make(&w);
	js_free(done(&w, "data.add", "{'paths': ['data/raw', 'model.bin']}"));
	put(&w, "model.bin", "mine\n");
	unlinkat(w.fd, "data/raw/a.csv", 0);
	assert_int_equal(call(&w, "data.checkout", "{}", &result), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "model.bin"));
	assert_true(*err.help);
	assert_int_equal(js_len(js_get(result, "failed")), 1);
	js_free(result);
	assert_text(&w, "model.bin", "mine\n");
	assert_text(&w, "data/raw/a.csv", "a1\n"); /* the other path came all the same */
	js_free(done(&w, "data.checkout", "{'force': true}"));
	assert_text(&w, "model.bin", "m1\n");
	world_remove(&w);
}

/* A run that read code and data and made a model and metrics, recorded by hand. */
static void record_run(struct world *w, const char *commit)
{
	const struct run_new run = { .id = RUN, .name = "calm-fox-1", .user = "t", .start_ms = 1 };
	struct content content;
	struct lockfile lock = LOCKFILE_INIT;
	struct db *db;

	assert_int_equal(project_db(w->ctx.project, &db, &err), 0);
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(run_create(db, &run, &err), 0);
	assert_int_equal(run_log_param(db, RUN, "lr", "0.1", &err), 0);
	assert_int_equal(run_log_metric(db, RUN, "auc", 0.5, 1, 0, &err), 0);
	if (commit)
		assert_int_equal(run_set_tag(db, RUN, "mlflow.source.git.commit", commit, &err), 0);
	assert_int_equal(lockfile_load(w->fd, &lock, &err), 0);
	assert_true(lockfile_content(&lock, LOCKED_DATA, "data/raw", &content));
	assert_int_equal(run_log_content(db, RUN, RUN_INPUT, "data/raw", "data", &content, &err),
			 0);
	assert_true(lockfile_content(&lock, LOCKED_DATA, "model.bin", &content));
	assert_int_equal(run_log_content(db, RUN, RUN_OUTPUT, "model.bin", "out", &content, &err),
			 0);
	assert_true(lockfile_content(&lock, LOCKED_DATA, "m.json", &content));
	assert_int_equal(run_log_content(db, RUN, RUN_OUTPUT, "m.json", "metrics", &content, &err),
			 0);
	assert_int_equal(run_finish(db, RUN, RUN_FINISHED, 2, &err), 0);
	assert_int_equal(db_commit(db, &err), 0);
	lockfile_release(&lock);
}

static void world_with_run(struct world *w, bool with_code)
{
	char commit[65] = "";

	world_make(w);
	put(w, "m.json", "{\"auc\": 0.5}");
	js_free(done(w, "data.add", "{'paths': ['data/raw', 'model.bin', 'm.json']}"));
	if (with_code) {
		struct strbuf head = STRBUF_INIT;

		put(w, "train.py", "print(1)\n");
		GIT(w, "add", "-A");
		GIT(w, "commit", "-q", "-m", "code");
		assert_int_equal(io_read_file(w->fd, ".git/refs/heads/main", 100, &head, &err), 0);
		snprintf(commit, sizeof(commit), "%.40s", head.buf);
		strbuf_release(&head);
	}
	record_run(w, with_code ? commit : NULL);
	put(w, "data/raw/a.csv", "a2\n");
	put(w, "model.bin", "m2\n");
	put(w, "m.json", "{\"auc\": 0.75}");
	js_free(done(w, "data.add", "{'paths': ['data/raw', 'model.bin', 'm.json']}"));
}

static void a_run_comes_back_in_place(void **state)
{
	struct world w;

	(void)state;
	world_with_run(&w, false);
	js_free(done(&w, "data.checkout", "{'from': 'last', 'paths': ['model.bin']}"));
	assert_text(&w, "model.bin", "m1\n");
	assert_text(&w, "data/raw/a.csv", "a2\n");
	js_free(done(&w, "data.checkout", "{'from': '3f2a'}"));
	assert_text(&w, "data/raw/a.csv", "a1\n");
	assert_string_equal(cat(&w, "last/model.bin"), "m1\n");
	assert_string_equal(cat(&w, "last/data/raw/sub/b.csv"), "b1\n");
	refused(&w, "data.cat", "{'name': 'last/model.bni'}", ERR_NOT_FOUND, "model.bni");
	assert_string_equal(err.help, "did you mean model.bin?");
	refused(&w, "data.cat", "{'name': 'last/data/raw'}", ERR_USAGE, "directory");
	world_remove(&w);
}

static void a_run_comes_back_with_its_code_in_a_new_directory(void **state)
{
	struct js *result;
	struct world w;

	(void)state;
	world_with_run(&w, true);
	put(&w, "train.py", "print(2)\n");
	result = done(&w, "data.checkout", "{'from': 'last', 'to': '../then'}");
	assert_int_equal(strlen(js_get_str(result, "commit")), 40);
	js_free(result);
	assert_text(&w, "../then/train.py", "print(1)\n");
	assert_text(&w, "../then/model.bin", "m1\n");
	assert_text(&w, "../then/data/raw/a.csv", "a1\n");
	assert_text(&w, "model.bin", "m2\n");
	assert_text(&w, "train.py", "print(2)\n");
	refused(&w, "data.checkout", "{'from': 'last', 'to': '../then'}", ERR_CONFLICT,
		"not empty");
	assert_string_equal(cat(&w, "HEAD/train.py"), "print(1)\n");
	assert_string_equal(cat(&w, "HEAD/model.bin"), "m1\n");
	world_remove(&w);
}

static void diff_compares_runs_versions_and_the_disk(void **state)
{
	struct js *result, *item;
	struct world w;

	(void)state;
	world_with_run(&w, false);
	put(&w, "pipeline.ini", "[params]\nlr = 0.2\n[step.a]\ncmd = true\nout = z\n");
	result = done(&w, "data.diff", "{'names': ['last']}");
	assert_false(js_get_bool(result, "same"));
	assert_int_equal(js_len(js_get(result, "data")), 3);
	item = js_at(js_get(result, "data"), 0);
	assert_string_equal(js_get_str(item, "path"), "data/raw");
	assert_int_equal(js_len(js_get(item, "files")), 1);
	assert_string_equal(js_get_str(js_at(js_get(item, "files"), 0), "path"), "a.csv");
	item = js_at(js_get(result, "metrics"), 0);
	assert_string_equal(js_get_str(item, "key"), "auc");
	assert_true(js_get_real(item, "delta", 0) > 0.24 && js_get_real(item, "delta", 0) < 0.26);
	item = js_at(js_get(result, "params"), 0);
	assert_string_equal(js_get_str(item, "old"), "0.1");
	assert_string_equal(js_get_str(item, "new"), "0.2");
	js_free(result);

	result = done(&w, "data.diff", "{'names': ['model.bin@v1', 'last']}");
	assert_true(js_get_bool(result, "same"));
	js_free(result);
	result = done(&w, "data.diff", "{'names': ['data/raw@v1', 'data/raw@v2']}");
	assert_int_equal(js_get_int(js_at(js_get(result, "data"), 0), "modified", 0), 1);
	js_free(result);
	result = done(&w, "data.diff", "{'names': ['data/raw']}");
	assert_true(js_get_bool(result, "same"));
	js_free(result);
	result = done(&w, "data.diff", "{'names': ['last', 'last', '3f2a']}");
	assert_int_equal(js_len(js_get(result, "metrics_table")), 1);
	assert_true(js_get_bool(js_at(js_get(result, "params_table"), 0), "same"));
	js_free(result);
	refused(&w, "data.diff", "{'names': ['last', 'last', 'data/raw']}", ERR_USAGE, "no run");
	world_remove(&w);
}

/* Where the object of a text stands. */
static void object_path(const char *text, char path[120])
{
	char hex[DIGEST_HEX + 1];
	struct digest id;

	digest_of(text, strlen(text), &id);
	digest_format(&id, hex);
	snprintf(path, 120, ".mlops/objects/%.2s/%s", hex, hex + 2);
}

static void fsck_names_what_damage_affects(void **state)
{
	struct js *result, *item;
	char damaged[120], gone[120];
	struct world w;
	int fd;

	(void)state;
	world_make(&w);
	js_free(done(&w, "data.add", "{'paths': ['data/raw', 'model.bin']}"));
	result = done(&w, "store.fsck", "{}");
	assert_string_equal(js_get_str(result, "database"), "ok");
	assert_int_equal(js_len(js_get(result, "problems")), 0);
	js_free(result);

	object_path("m1\n", damaged);
	assert_int_equal(fchmodat(w.fd, damaged, 0644, 0), 0);
	fd = openat(w.fd, damaged, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "X", 1, 0), 1);
	close(fd);
	object_path("b1\n", gone);
	assert_int_equal(unlinkat(w.fd, gone, 0), 0);
	assert_int_equal(call(&w, "store.fsck", "{}", &result), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_int_equal(js_len(js_get(result, "problems")), 2);
	item = js_at(js_get(result, "problems"), 0);
	assert_string_equal(js_get_str(item, "problem"), "damaged");
	assert_non_null(strstr(js_text(js_at(js_get(item, "affects"), 0)), "model.bin"));
	item = js_at(js_get(result, "problems"), 1);
	assert_string_equal(js_get_str(item, "problem"), "missing");
	assert_non_null(strstr(js_text(js_at(js_get(item, "affects"), 0)), "sub/b.csv"));
	assert_int_equal(js_get_int(result, "mended", 0), 2);
	js_free(result);
	assert_true(there(&w, damaged));
	assert_true(there(&w, gone));
	js_free(done(&w, "store.fsck", "{}"));
	world_remove(&w);
}

static int home_make(void **state)
{
	(void)state;
	setenv("HOME", "/nonexistent", 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_keeps_versions_and_tells_lock_and_git),
		cmocka_unit_test(add_refuses_what_cannot_be_a_version),
		cmocka_unit_test(a_path_has_one_owner),
		cmocka_unit_test(paths_count_from_where_the_user_stands),
		cmocka_unit_test(status_tells_what_differs),
		cmocka_unit_test(status_survives_what_is_broken_around_it),
		cmocka_unit_test(conflicts_are_listed_and_settled),
		cmocka_unit_test(checkout_brings_back_what_is_missing_or_older),
		cmocka_unit_test(checkout_never_loses_bytes_that_are_nowhere_else),
		cmocka_unit_test(a_run_comes_back_in_place),
		cmocka_unit_test(a_run_comes_back_with_its_code_in_a_new_directory),
		cmocka_unit_test(diff_compares_runs_versions_and_the_disk),
		cmocka_unit_test(fsck_names_what_damage_affects),
	};

	return cmocka_run_group_tests(tests, home_make, NULL);
}
