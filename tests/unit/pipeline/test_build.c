/* SPDX-License-Identifier: Apache-2.0 */
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
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/build.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "registry/lockfile.h"
#include "store/scan.h"

#define PIN "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char dir[64];
static int rootfd;

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mlops-context-XXXXXX");
	rootfd = mkdtemp(dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return rootfd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	close(rootfd);
	return fs_remove_tree(AT_FDCWD, dir, NULL);
}

static void put(const char *path, const char *text, mode_t mode)
{
	assert_int_equal(fs_make_parents(rootfd, path, 0777, NULL), 0);
	assert_int_equal(io_replace_file(rootfd, path, text, strlen(text), mode, false, NULL), 0);
	assert_int_equal(fchmodat(rootfd, path, mode, 0), 0);
}

static void drop(const char *path)
{
	assert_int_equal(fs_remove_tree(rootfd, path, NULL), 0);
}

/* -- contexts -- */

static void list(const char *path, struct build_context *ret, struct digest *id)
{
	const struct scanner scanner = { .rootfd = rootfd };
	struct error err;

	if (build_context_list(rootfd, path, ret, &err) < 0 || build_context_digest(&scanner, ret, id, &err) < 0)
		fail_msg("%s", err.msg);
}

static struct digest digest(const char *path)
{
	struct build_context context;
	struct digest id;

	list(path, &context, &id);
	build_context_release(&context);
	return id;
}

static void test_what_counts_in_a_context(void **state)
{
	struct digest first, now;

	(void)state;
	put("a/x", "x", 0600);
	put("a/d/y", "y", 0755);
	put("a/d.z", "z", 0644);
	assert_int_equal(symlinkat("/nowhere", rootfd, "a/l"), 0);
	put("b/d/y", "y", 0700);
	put("b/d.z", "z", 0640);
	put("b/x", "x", 0644);
	assert_int_equal(symlinkat("/nowhere", rootfd, "b/l"), 0);
	assert_int_equal(mkdirat(rootfd, "b/empty", 0777), 0);
	first = digest("a");
	now = digest("b");
	assert_true(digest_equal(&first, &now)); /* equal bytes, whatever the rest */

	put("b/x", "x", 0755);
	now = digest("b");
	assert_false(digest_equal(&first, &now));
	put("b/x", "x", 0644);
	drop("b/l");
	assert_int_equal(symlinkat("nowhere", rootfd, "b/l"), 0);
	now = digest("b");
	assert_false(digest_equal(&first, &now));
	drop("b/l");
	assert_int_equal(symlinkat("/nowhere", rootfd, "b/l"), 0);
	put("b/log", "1", 0644);
	now = digest("b");
	assert_false(digest_equal(&first, &now));
	put("b/.dockerignore", ".dockerignore\nlog\n", 0644);
	now = digest("b");
	assert_true(digest_equal(&first, &now));
	drop("a");
	drop("b");
}

static void test_the_projects_own_files_are_left_out(void **state)
{
	static const char *const ours[] = { ".mlops/config.ini", ".git/HEAD", ".gitignore", "mlops.lock" };
	struct digest first, now;

	(void)state;
	put("x", "x", 0644);
	put("sub/.git", "kept", 0644);
	first = digest(".");
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		put(ours[i], "1", 0644);
	now = digest(".");
	assert_true(digest_equal(&first, &now));
	drop("sub/.git");
	now = digest(".");
	assert_false(digest_equal(&first, &now));
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		drop(ours[i]);
	drop("x");
	drop("sub");
}

static void test_only_a_link_to_an_object_is_its_file(void **state)
{
	static const char object[] =
		".mlops/objects/01/23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct build_context context;
	struct digest id;

	(void)state;
	put(object, "object", 0444);
	put(".mlops/secrets/KEY", "hush", 0600);
	assert_int_equal(symlinkat(object, rootfd, "a"), 0);
	assert_int_equal(symlinkat(".mlops/objects/../secrets/KEY", rootfd, "b"), 0);
	list(".", &context, &id);
	assert_int_equal(context.len, 2);
	assert_null(context.entries[0].target);
	assert_string_equal(context.entries[1].target, ".mlops/objects/../secrets/KEY");
	build_context_release(&context);
	drop(".mlops");
	drop("a");
	drop("b");
}

static int take_all(const struct build_context *context, struct strbuf *tar, char **name, struct error *err)
{
	struct context_stream *stream = context_stream_new(context, "FROM pinned\n");
	char buf[700];
	ssize_t n;

	strbuf_clear(tar);
	free(*name);
	*name = xstrdup(context_stream_dockerfile(stream));
	while ((n = context_stream_read(stream, buf, sizeof(buf), err)) > 0)
		strbuf_add(tar, buf, (size_t)n);
	context_stream_free(stream);
	return n < 0 ? -1 : 0;
}

/* Where the text stands in the bytes, or NULL. */
static const char *find(const struct strbuf *tar, const char *text)
{
	return memmem(tar->buf, tar->len, text, strlen(text));
}

static void test_a_context_as_a_tar(void **state)
{
	CLEANUP_STRBUF struct strbuf one = STRBUF_INIT, two = STRBUF_INIT;
	CLEANUP(cleanup_free) char *name = NULL, *big = xcalloc(1, 300001);
	struct build_context context;
	struct digest id;
	struct error err = { 0 };

	(void)state;
	memset(big, 'b', 300000);
	put("c/big", big, 0644);
	put("c/.dockerfile.mlops", "taken", 0644);
	put("c/.dockerignore", "*.log", 0644);
	put("c/no.log", "no log", 0644);
	list("c", &context, &id);
	assert_int_equal(take_all(&context, &one, &name, &err), 0);
	assert_int_equal(take_all(&context, &two, &name, &err), 0);
	assert_true(one.len == two.len && !memcmp(one.buf, two.buf, one.len));
	assert_string_equal(name, ".dockerfile.mlops2");
	assert_true(one.len % 512 == 0 && one.len > 300000);
	assert_non_null(find(&one, "FROM pinned\n"));
	assert_non_null(find(&one, "*.log\n.dockerfile.mlops2\n"));
	assert_non_null(find(&one, "taken"));
	assert_null(find(&one, "no log"));

	put("c/big", "smaller", 0644);
	assert_int_equal(take_all(&context, &one, &name, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "c/big was changed"));
	big[7] = 'c';
	put("c/big", big, 0644);
	assert_int_equal(take_all(&context, &one, &name, &err), -1); /* as long as before */
	assert_int_equal(err.code, ERR_CONFLICT);
	build_context_release(&context);
	drop("c");
}

/* -- keys -- */

static bool key(const char *more, const struct lockfile *lock, const char *platform, struct digest *ret)
{
	CLEANUP(cleanup_free) char *text = xasprintf("[params]\np = 1\n[image.i]\ncontext = k\n%s\n"
						     "[step.s]\nimage = ${image.i}\ncmd = true\n", more);
	struct pipeline *pipeline = NULL;
	struct plan *plan = NULL;
	const struct scanner scanner = { .rootfd = rootfd };
	struct build *build = NULL;
	struct error err;
	bool known;

	if (pipeline_parse(text, strlen(text), "pipeline.ini", NULL, NULL, &pipeline, &err) < 0 ||
	    plan_make(rootfd, pipeline, NULL, &plan, &err) < 0 ||
	    build_make(&scanner, plan, &pipeline->images[0], &build, &err) < 0)
		fail_msg("%s", err.msg);
	assert_ptr_equal(plan->nodes[0].build, &pipeline->images[0]);
	known = build_key(build, lock, platform, ret);
	build_free(build);
	plan_free(plan);
	pipeline_free(pipeline);
	return known;
}

static void test_what_counts_in_a_key(void **state)
{
	struct lockfile lock = LOCKFILE_INIT, other = LOCKFILE_INIT;
	struct digest first, now;

	(void)state;
	put("k/Dockerfile", "FROM base\n", 0644);
	assert_false(key("", &lock, "linux/x86_64", &first));
	lockfile_set(&lock, LOCKED_IMAGE, "base", PIN);
	assert_true(key("", &lock, "linux/x86_64", &first));
	lockfile_set(&other, LOCKED_IMAGE, "base", "elsewhere/base@" PIN);
	assert_true(key("timeout = 2h\npush = h/n", &other, "linux/x86_64", &now));
	assert_true(digest_equal(&first, &now));

	assert_true(key("", &lock, "linux/aarch64", &now) && !digest_equal(&first, &now));
	assert_true(key("network = no", &lock, "linux/x86_64", &now) && !digest_equal(&first, &now));
	assert_true(key("args = A=${params.p}", &lock, "linux/x86_64", &first));
	assert_true(key("args = A=1", &lock, "linux/x86_64", &now) && digest_equal(&first, &now));
	assert_true(key("args = A=2", &lock, "linux/x86_64", &now) && !digest_equal(&first, &now));
	lockfile_set(&other, LOCKED_IMAGE, "base", "sha256:" "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	assert_true(key("args = A=1", &other, "linux/x86_64", &now) && !digest_equal(&first, &now));
	lockfile_release(&lock);
	lockfile_release(&other);
	drop("k");
}

static void test_old_pins_of_a_pushed_image_go(void **state)
{
	const struct image_section image = { .name = "i", .push = { .text = "h:5/n" } };
	struct lockfile lock = LOCKFILE_INIT;
	struct digest id;
	CLEANUP(cleanup_free) char *name = NULL;

	(void)state;
	digest_of("x", 1, &id);
	name = build_pushed_name(&image, &id);
	assert_string_equal(name, "h:5/n:mlops-2d711642b726b04401627ca9fbac32f5");
	lockfile_set(&lock, LOCKED_IMAGE, name, PIN);
	lockfile_set(&lock, LOCKED_IMAGE, "h:5/n:mlops-old", PIN);
	lockfile_set(&lock, LOCKED_IMAGE, "h:5/nn:mlops-old", PIN);
	lockfile_set(&lock, LOCKED_IMAGE, "h:5/n:latest", PIN);
	build_forget_pushed(&lock, &image, name);
	assert_int_equal(lock.len, 3);
	assert_null(lockfile_find(&lock, LOCKED_IMAGE, "h:5/n:mlops-old"));
	lockfile_release(&lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_counts_in_a_context),
		cmocka_unit_test(test_the_projects_own_files_are_left_out),
		cmocka_unit_test(test_only_a_link_to_an_object_is_its_file),
		cmocka_unit_test(test_a_context_as_a_tar),
		cmocka_unit_test(test_what_counts_in_a_key),
		cmocka_unit_test(test_old_pins_of_a_pushed_image_go),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
