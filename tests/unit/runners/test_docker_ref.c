/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "runners/docker_engine.h"
#include "runners/docker_internal.h"

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX
#define S32    "abcdefghijklmnopqrstuvwxyz012345"
#define S128   S32 S32 S32 S32

static void assert_same(const char *a, const char *b)
{
	if (!a || !b)
		assert_true(a == b);
	else
		assert_string_equal(a, b);
}

static void names_have_their_parts(void **state)
{
	static const struct {
		const char *text, *registry, *repository, *tag, *digest, *full;
	} rows[] = {
		{ "python", "docker.io", "python", "latest", NULL, "python:latest" },
		{ "python:3.12-slim", "docker.io", "python", "3.12-slim", NULL, "python:3.12-slim" },
		{ "docker.io/python", "docker.io", "python", "latest", NULL, "python:latest" },
		{ "docker.io/library/python:3", "docker.io", "python", "3", NULL, "python:3" },
		{ "index.docker.io/ann/python:3", "docker.io", "ann/python", "3", NULL, "ann/python:3" },
		{ "library/python", "docker.io", "python", "latest", NULL, "python:latest" },
		{ "library/a/b", "docker.io", "library/a/b", "latest", NULL, "library/a/b:latest" },
		{ "docker.io/a.b/c", "docker.io", "docker.io/a.b/c", "latest", NULL, "docker.io/a.b/c:latest" },
		{ "docker.io/sha256:1", "docker.io", "docker.io/library/sha256", "1", NULL,
		  "docker.io/library/sha256:1" },
		{ "library/" HEX, "docker.io", "docker.io/library/" HEX, "latest", NULL,
		  "docker.io/library/" HEX ":latest" },
		{ "ann/python", "docker.io", "ann/python", "latest", NULL, "ann/python:latest" },
		{ "registry:5000/ml/train:1", "registry:5000", "registry:5000/ml/train", "1", NULL,
		  "registry:5000/ml/train:1" },
		{ "localhost/train", "localhost", "localhost/train", "latest", NULL, "localhost/train:latest" },
		{ "Host/train", "Host", "Host/train", "latest", NULL, "Host/train:latest" },
		{ "ghcr.io/a/b/c@" DIGEST, "ghcr.io", "ghcr.io/a/b/c", NULL, DIGEST, "ghcr.io/a/b/c@" DIGEST },
		{ "python:3@" DIGEST, "docker.io", "python", NULL, DIGEST, "python@" DIGEST },
		{ "[::1]:5000/x:1", "[::1]:5000", "[::1]:5000/x", "1", NULL, "[::1]:5000/x:1" },
		{ "[fe80::1]/x", "[fe80::1]", "[fe80::1]/x", "latest", NULL, "[fe80::1]/x:latest" },
		{ "a__b/c-----d.e_f", "docker.io", "a__b/c-----d.e_f", "latest", NULL, "a__b/c-----d.e_f:latest" },
		{ "x:" S128, "docker.io", "x", S128, NULL, "x:" S128 },
		{ "x:_1.-A", "docker.io", "x", "_1.-A", NULL, "x:_1.-A" },
		{ DIGEST, NULL, NULL, NULL, DIGEST, DIGEST },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct docker_ref ref;
		struct error err = { 0 };
		char *full;

		if (docker_ref_parse(rows[i].text, &ref, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		assert_same(ref.registry, rows[i].registry);
		assert_same(ref.repository, rows[i].repository);
		assert_same(ref.tag, rows[i].tag);
		assert_same(ref.digest, rows[i].digest);
		full = docker_ref_format(&ref);
		assert_string_equal(full, rows[i].full);
		free(full);
		docker_ref_release(&ref);
	}
}

static void names_that_no_registry_takes_are_refused_with_help(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "empty" },
		{ ":3", "repository is empty" },
		{ "@" DIGEST, "repository is empty" },
		{ "host.org/", "repository is empty" },
		{ "Python", "lower-case" },
		{ "python:", "tag is empty" },
		{ "python:-1", "tag is not valid" },
		{ "python:.1", "tag is not valid" },
		{ "python:1:2", "tag is not valid" },
		{ "python:a b", "tag is not valid" },
		{ "x:a" S128, "tag is not valid" },
		{ "a..b", "separators" },
		{ "a___b", "separators" },
		{ "a._b", "separators" },
		{ "a_-b", "separators" },
		{ "a-_b", "separators" },
		{ "-a", "separators" },
		{ "a-", "separators" },
		{ "a//b", "separators" },
		{ "/a", "separators" },
		{ "a/", "separators" },
		{ "a b", "separators" },
		{ "\xc3\xa9", "separators" },
		{ "../x", "registry" },
		{ "./x", "registry" },
		{ "a..b/x", "registry" },
		{ "-a.b/x", "registry" },
		{ "a.b-/x", "registry" },
		{ "a_b.c/x", "registry" },
		{ "host:/x", "registry" },
		{ "host:port/x", "registry" },
		{ "host:123456/x", "registry" },
		{ "[::1/x", "registry" },
		{ "[]:1/x", "registry" },
		{ "[::1]x/x", "registry" },
		{ "http://host/x", "registry" },
		{ "python@sha256:abc", "digest" },
		{ "python@sha512:" HEX HEX, "digest" },
		{ "python@" DIGEST "0", "digest" },
		{ "python@" DIGEST "@" DIGEST, "digest" },
		{ "sha256:abc", "64 digits" },
		{ "sha256:" S32 S32, "64 digits" },
		{ HEX, "sha256: before it" },
		{ "a" S128 S128, "255" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct docker_ref ref = { .tag = (char *)rows[i].text };
		struct error err = { 0 };

		if (docker_ref_parse(rows[i].text, &ref, &err) == 0)
			fail_msg("%s is taken", rows[i].text);
		assert_int_equal(err.code, ERR_USAGE);
		assert_true(*err.help != '\0');
		if (!strstr(err.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].text, err.msg);
		assert_ptr_equal(ref.tag, rows[i].text);
		assert_int_equal(docker_ref_parse(rows[i].text, &ref, NULL), -1);
	}
}

static void only_digests_and_ids_are_pinned(void **state)
{
	(void)state;
	assert_true(docker_ref_is_pinned(DIGEST));
	assert_true(docker_ref_is_pinned("python@" DIGEST));
	assert_true(docker_ref_is_pinned("python:3@" DIGEST));
	assert_false(docker_ref_is_pinned("python:3"));
	assert_false(docker_ref_is_pinned("python"));
	assert_false(docker_ref_is_pinned("Python@" DIGEST));
	assert_false(docker_ref_is_pinned("sha256:1"));
}

static void spellings_of_one_repository_are_equal(void **state)
{
	(void)state;
	assert_true(docker_repository_equal("python", "docker.io/library/python"));
	assert_true(docker_repository_equal("python@" DIGEST, "index.docker.io/library/python:3"));
	assert_true(docker_repository_equal("ann/x", "docker.io/ann/x"));
	assert_false(docker_repository_equal("python", "localhost/python"));
	assert_false(docker_repository_equal("python", "ann/python"));
	assert_false(docker_repository_equal("h:1/x", "h:2/x"));
	assert_false(docker_repository_equal(DIGEST, DIGEST));
	assert_false(docker_repository_equal("A", "A"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_their_parts),
		cmocka_unit_test(names_that_no_registry_takes_are_refused_with_help),
		cmocka_unit_test(only_digests_and_ids_are_pinned),
		cmocka_unit_test(spellings_of_one_repository_are_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
