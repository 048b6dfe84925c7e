/* SPDX-License-Identifier: Apache-2.0 */
/* What a user may type for a thing, and what is said when it means nothing or too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "registry/models.h"
#include "registry/versions.h"
#include "registry/artifacts.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "store/store.h"

#define RUN_A "3f2a0000000000000000000000000001"
#define RUN_B "3f2b0000000000000000000000000002"

static char dir[32];
static struct project *project;
static struct digest raw1, raw2, loose;
static struct error err;

static int git_run(const char *const *argv)
{
	pid_t child = fork();
	int status;

	if (!child) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		if (chdir(dir) == 0)
			execvp("git", (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}
#define GIT(...) assert_int_equal(git_run((const char *const[]){ "git", __VA_ARGS__, NULL }), 0)

static void record(struct db *db, const char *name, enum content_kind kind, const struct digest *id)
{
	const struct content content = { kind, *id, 3, 1 };

	assert_int_equal(artifact_record(db, name, &content, NULL, "t@t", 1000, NULL, NULL, &err),
			 0);
}

static void make_run(struct db *db, const char *id, const char *name)
{
	const struct run_new run = { .id = id, .name = name, .user = "t", .start_ms = 1 };

	assert_int_equal(run_create(db, &run, &err), 0);
}

static int setup(void **state)
{
	struct store_batch *batch;
	struct store *store;
	struct db *db;
	bool made;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mlops-name-XXXXXX");
	assert_non_null(mkdtemp(dir));
	setenv("HOME", dir, 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	GIT("init", "-q", "-b", "main");
	GIT("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m",
	    "x");
	GIT("tag", "v1.0");
	assert_int_equal(project_create(dir, &made, &err), 0);
	assert_int_equal(project_open(dir, &project, &err), 0);
	assert_int_equal(project_db(project, &db, &err), 0);
	assert_int_equal(project_store(project, &store, &err), 0);
	digest_of("one", 3, &raw1);
	digest_of("two", 3, &raw2);
	record(db, "data/raw", CONTENT_TREE, &raw1);
	record(db, "data/raw", CONTENT_TREE, &raw2);
	record(db, "model.bin", CONTENT_FILE, &raw1);
	make_run(db, RUN_A, "calm-fox-1");
	make_run(db, RUN_B, "brave-owl-2");
	assert_int_equal(batch_open(store, &batch, &err), 0);
	assert_int_equal(batch_add_bytes(batch, "loose", 5, &loose, &err), 0);
	assert_int_equal(batch_commit(batch, &err), 0);
	batch_free(batch);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	project_close(project);
	return fs_remove_tree(AT_FDCWD, dir, &err);
}

static struct name found;

static enum name_kind resolve(const char *text)
{
	if (name_resolve(project, text, ACCEPT_ANY, &found, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return found.kind;
}

static void refused(const char *text, unsigned accept, enum error_code code, const char *said)
{
	assert_int_equal(name_resolve(project, text, accept, &found, &err), -1);
	assert_int_equal(err.code, code);
	if (!strstr(err.msg, said))
		fail_msg("'%s' gave: %s", text, err.msg);
	assert_true(err.help[0] || code == ERR_USAGE);
}

static void runs_are_found_by_prefix_name_and_last(void **state)
{
	(void)state;
	assert_int_equal(resolve("3f2a"), NAME_RUN);
	assert_string_equal(found.run, RUN_A);
	assert_int_equal(resolve(RUN_B), NAME_RUN);
	assert_int_equal(resolve("calm-fox-1"), NAME_RUN);
	assert_string_equal(found.run, RUN_A);
	assert_int_equal(resolve("last"), NAME_RUN);
	assert_string_equal(found.run, RUN_B);
	refused("3f2", ACCEPT_ANY, ERR_NOT_FOUND,
		"no run or version or content or git revision or model '3f2'");
}

static void versions_are_found_by_number_and_from_where_the_user_stands(void **state)
{
	char *prefix = project->prefix;

	(void)state;
	assert_int_equal(resolve("data/raw"), NAME_ARTIFACT);
	assert_int_equal(found.version, 2);
	assert_true(digest_equal(&found.content.id, &raw2));
	assert_int_equal(resolve("./data//raw/@v1"), NAME_ARTIFACT);
	assert_string_equal(found.artifact, "data/raw");
	assert_int_equal(found.version, 1);
	assert_true(digest_equal(&found.content.id, &raw1));
	assert_int_equal(resolve("data/raw@latest"), NAME_ARTIFACT);
	assert_int_equal(found.version, 2);
	project->prefix = xstrdup("data");
	assert_int_equal(resolve("raw@v1"), NAME_ARTIFACT);
	assert_string_equal(found.artifact, "data/raw");
	assert_int_equal(resolve("../model.bin"), NAME_ARTIFACT);
	assert_int_equal(resolve("model.bin"), NAME_ARTIFACT);
	free(project->prefix);
	project->prefix = prefix;
	refused("data/raw@v9", ACCEPT_ANY, ERR_NOT_FOUND, "'data/raw' has no version 9");
	assert_string_equal(err.help, "list its versions: mlops show data/raw");
	refused("data/rwa", ACCEPT_ANY, ERR_NOT_FOUND, "'data/rwa'");
	assert_string_equal(err.help, "did you mean 'data/raw'?");
	refused("data/raw@v0", ACCEPT_ANY, ERR_NOT_FOUND, "data/raw@v0");
	refused("data/raw@v1x", ACCEPT_ANY, ERR_NOT_FOUND, "data/raw@v1x");
	refused("data/raw@v99999999999999999999", ACCEPT_ANY, ERR_NOT_FOUND, "data/raw");
}

static void contents_are_found_by_prefix(void **state)
{
	char hex[DIGEST_HEX + 1], text[80];

	(void)state;
	digest_format(&raw2, hex);
	snprintf(text, sizeof(text), "sha256:%.7s", hex);
	assert_int_equal(resolve(text), NAME_CONTENT);
	assert_true(digest_equal(&found.content.id, &raw2));
	assert_int_equal(found.content.kind, CONTENT_TREE);
	snprintf(text, sizeof(text), "tree:%s", hex);
	assert_int_equal(resolve(text), NAME_CONTENT);
	snprintf(text, sizeof(text), "file:%s", hex);
	refused(text, ACCEPT_ANY, ERR_NOT_FOUND, "file:");
	digest_format(&raw1, hex);
	snprintf(text, sizeof(text), "file:%s", hex);
	assert_int_equal(resolve(text), NAME_CONTENT);
	assert_int_equal(found.content.kind, CONTENT_FILE);
	digest_format(&loose, hex);
	snprintf(text, sizeof(text), "sha256:%.6s", hex);
	assert_int_equal(resolve(text), NAME_CONTENT);
	assert_int_equal(found.content.size, 5);
	refused("sha256:abc", ACCEPT_ANY, ERR_USAGE, "hex digits");
	refused("sha256:ABCD", ACCEPT_ANY, ERR_USAGE, "hex digits");
	refused("sha256:0123456789", ACCEPT_ANY, ERR_NOT_FOUND, "sha256:0123456789");
}

static void revisions_are_found(void **state)
{
	(void)state;
	assert_int_equal(resolve("main"), NAME_COMMIT);
	assert_int_equal(strlen(found.commit), 40);
	assert_int_equal(resolve("HEAD"), NAME_COMMIT);
	assert_int_equal(resolve("v1.0"), NAME_COMMIT);
}

static void what_is_not_accepted_is_not_found(void **state)
{
	(void)state;
	refused("main", ACCEPT_RUN, ERR_NOT_FOUND, "no run 'main'");
	refused("3f2a", ACCEPT_ARTIFACT | ACCEPT_COMMIT, ERR_NOT_FOUND, "3f2a");
	refused("", ACCEPT_ANY, ERR_USAGE, "empty");
	refused("../../x", ACCEPT_ANY, ERR_NOT_FOUND, "../../x");
}

static void two_meanings_are_listed(void **state)
{
	struct db *db;

	(void)state;
	assert_int_equal(project_db(project, &db, &err), 0);
	record(db, "v1.0", CONTENT_FILE, &raw2);
	make_run(db, "3f2a0000000000000000000000000003", "calm-fox-1");
	refused("v1.0", ACCEPT_ANY, ERR_USAGE, "v1.0@v1, commit ");
	assert_int_equal(resolve("v1.0@latest"), NAME_ARTIFACT);
	assert_int_equal(resolve("refs/tags/v1.0"), NAME_COMMIT);
	refused("3f2a", ACCEPT_ANY, ERR_USAGE, "ambiguous: run 3f2a");
	refused("calm-fox-1", ACCEPT_ANY, ERR_USAGE, "ambiguous");
	assert_int_equal(resolve(RUN_A), NAME_RUN);
}

static void make_model(struct db *db, const char *name)
{
	struct version_new new = { .model = name, .source = "s3://bucket/model" };
	int64_t number, before;

	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(model_create(db, name, NULL, NULL, 1, &err), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(version_create(db, &new, 1, &number, &err), 0);
	assert_int_equal(alias_set(db, name, "champion", 1, &before, &err), 0);
	assert_int_equal(db_commit(db, &err), 0);
}

static void models_are_found_by_number_and_alias(void **state)
{
	struct db *db;

	(void)state;
	assert_int_equal(project_db(project, &db, &err), 0);
	make_model(db, "churn");
	make_model(db, "raw2");
	assert_int_equal(resolve("churn@v2"), NAME_VERSION);
	assert_string_equal(found.artifact, "churn");
	assert_int_equal(found.version, 2);
	assert_int_equal(resolve("churn@champion"), NAME_VERSION);
	assert_int_equal(found.version, 1);
	assert_int_equal(resolve("churn@latest"), NAME_VERSION);
	assert_int_equal(found.version, 2);
	refused("churn@v9", ACCEPT_ANY, ERR_NOT_FOUND, "Model Version (name=churn, version=9) not found");
	refused("churn@nobody", ACCEPT_ANY, ERR_NOT_FOUND, "alias nobody not found");
	refused("churn", ACCEPT_ANY, ERR_NOT_FOUND, "'churn'");
	refused("nobody@v1", ACCEPT_ANY, ERR_NOT_FOUND, "'nobody@v1'");
	refused("churn@v1", ACCEPT_RUN, ERR_NOT_FOUND, "no run 'churn@v1'");
	/* a path and a model of one name */
	record(db, "raw2", CONTENT_FILE, &raw2);
	refused("raw2@v1", ACCEPT_ANY, ERR_USAGE, "raw2@v1, model raw2@v1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_are_found_by_prefix_name_and_last),
		cmocka_unit_test(versions_are_found_by_number_and_from_where_the_user_stands),
		cmocka_unit_test(contents_are_found_by_prefix),
		cmocka_unit_test(revisions_are_found),
		cmocka_unit_test(what_is_not_accepted_is_not_found),
		cmocka_unit_test(two_meanings_are_listed),
		cmocka_unit_test(models_are_found_by_number_and_alias),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
