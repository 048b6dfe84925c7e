/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/base64.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "runners/docker_internal.h"

#define NOBODY "e30=" /* "{}" */

static char home[64];

static int make_home(void **state)
{
	CLEANUP(cleanup_free) char *path = NULL;

	(void)state;
	snprintf(home, sizeof(home), "/tmp/mlops-auth-XXXXXX");
	assert_non_null(mkdtemp(home));
	path = xasprintf("%s/bin:/usr/bin:/bin", home);
	setenv("HOME", home, 1);
	setenv("PATH", path, 1);
	unsetenv("DOCKER_CONFIG");
	unsetenv("XDG_RUNTIME_DIR");
	return 0;
}

static int remove_home(void **state)
{
	(void)state;
	return fs_remove_tree(AT_FDCWD, home, NULL);
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	CLEANUP(cleanup_free) char *path = path_join(home, name);
	FILE *f;

	for (char *slash = path + strlen(home) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void put_config(const char *text)
{
	put_file(".docker/config.json", text, 0600);
}

static void assert_login(const char *registry, const char *json)
{
	CLEANUP_STRBUF struct strbuf expected = STRBUF_INIT;
	struct docker_login login;
	struct error err = { 0 };

	if (docker_login_find(registry, &login, &err) < 0)
		fail_msg("%s", err.msg);
	base64url_encode(json, strlen(json), &expected);
	assert_string_equal(login.header, expected.buf);
	assert_null(login.remark);
	docker_login_release(&login);
}

static void assert_refused(const char *config, const char *why)
{
	struct docker_login login = { .header = home };
	struct error err = { 0 };

	put_config(config);
	assert_int_equal(docker_login_find("r.org", &login, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	assert_non_null(strstr(err.msg, home));
	assert_non_null(strstr(err.msg, why));
	assert_true(*err.help != '\0');
	assert_null(strstr(err.msg, "sesame"));
	assert_null(strstr(err.help, "sesame"));
	assert_ptr_equal(login.header, home);
}

static void base64_is_that_of_rfc_4648(void **state)
{
	static const struct {
		const char *text, *code;
	} rows[] = { { "", "" },         { "f", "Zg==" },         { "fo", "Zm8=" },        { "foo", "Zm9v" },
		     { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
	static const char *const bad[] = { "Z", "Zg=", "Zg===", "Zm9v=", "Zm9vY", "Z g=", "Zm9v\n", "Zm9-", "=", "====" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf code = STRBUF_INIT;
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		base64url_encode(rows[i].text, strlen(rows[i].text), &code);
		assert_string_equal(code.buf, rows[i].code);
		assert_true(base64_decode(rows[i].code, &text));
		assert_string_equal(text.buf, rows[i].text);
		strbuf_clear(&text);
		code.buf[strcspn(code.buf, "=")] = '\0';
		assert_true(base64_decode(code.buf, &text));
		assert_string_equal(text.buf, rows[i].text);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		assert_false(base64_decode(bad[i], &text));
		assert_int_equal(text.len, 0);
	}
}

static void the_two_alphabets_differ_where_they_must(void **state)
{
	static const unsigned char bytes[] = { 0xfb, 0xff, 0xbf };
	CLEANUP_STRBUF struct strbuf code = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	base64url_encode(bytes, sizeof(bytes), &code);
	assert_string_equal(code.buf, "-_-_");
	assert_true(base64_decode("+/+/", &text));
	assert_int_equal(text.len, sizeof(bytes));
	assert_memory_equal(text.buf, bytes, sizeof(bytes));
}

static void without_a_file_there_is_no_login(void **state)
{
	struct docker_login login;

	(void)state;
	assert_int_equal(docker_login_find("docker.io", &login, NULL), 0);
	assert_string_equal(login.header, NOBODY);
	docker_login_release(&login);
	put_config("");
	assert_login("docker.io", "{}");
	put_config("{\"auths\":{\"other.org\":{\"auth\":\"YTpi\"}}}");
	assert_login("r.org", "{}");
}

static void logins_are_found_under_every_spelling_of_the_registry(void **state)
{
	static const struct {
		const char *key, *registry, *address;
	} rows[] = {
		{ "r.org:5000", "r.org:5000", "r.org:5000" },
		{ "https://r.org", "r.org", "r.org" },
		{ "http://r.org/v1/", "r.org", "r.org" },
		{ "https://r.org/v2/", "r.org", "r.org" },
		{ "r.org/v1/", "r.org", "r.org" },
		{ "https://index.docker.io/v1/", "docker.io", "https://index.docker.io/v1/" },
		{ "docker.io", "docker.io", "https://index.docker.io/v1/" },
		{ "index.docker.io", "docker.io", "https://index.docker.io/v1/" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(cleanup_free) char *config =
			xasprintf("{\"auths\":{\"x\":{},\"%s\":{\"auth\":\"YW5uOm86cGVu\"}}}", rows[i].key);
		CLEANUP(cleanup_free) char *expected =
			xasprintf("{\"username\":\"ann\",\"password\":\"o:pen\",\"serveraddress\":\"%s\"}",
				  rows[i].address);

		put_config(config);
		assert_login(rows[i].registry, expected);
		assert_login("r.orgy", "{}");
		assert_login("r.org:1", "{}");
	}
}

static void the_key_that_docker_writes_wins(void **state)
{
	(void)state;
	put_config("{\"auths\":{\"https://r.org\":{\"auth\":\"YTox\"},\"r.org\":{\"auth\":\"YTo0\"}}}");
	assert_login("r.org", "{\"username\":\"a\",\"password\":\"4\",\"serveraddress\":\"r.org\"}");
}

static void a_token_goes_alone(void **state)
{
	(void)state;
	put_config("{\"auths\":{\"r.org\":{\"auth\":\"YW5uOg==\",\"identitytoken\":\"t0k\"}}}");
	assert_login("r.org", "{\"identitytoken\":\"t0k\",\"serveraddress\":\"r.org\"}");
}

static void docker_config_names_the_directory(void **state)
{
	CLEANUP(cleanup_free) char *dir = path_join(home, "other");

	(void)state;
	put_config("{\"auths\":{\"r.org\":{\"auth\":\"YTox\"}}}");
	put_file("other/config.json", "{\"auths\":{\"r.org\":{\"auth\":\"YTo0\"}}}", 0600);
	setenv("DOCKER_CONFIG", dir, 1);
	assert_login("r.org", "{\"username\":\"a\",\"password\":\"4\",\"serveraddress\":\"r.org\"}");
}

static void podmans_logins_count_where_docker_has_no_file(void **state)
{
	(void)state;
	setenv("XDG_RUNTIME_DIR", home, 1);
	put_file("containers/auth.json", "{\"auths\":{\"r.org\":{\"auth\":\"YTox\"}}}", 0600);
	assert_login("r.org", "{\"username\":\"a\",\"password\":\"1\",\"serveraddress\":\"r.org\"}");
	put_config("{}");
	assert_login("r.org", "{}");
}

static void a_broken_file_is_named_and_not_quoted(void **state)
{
	(void)state;
	assert_refused("{\"auths\":{\"r.org\":{\"auth\": sesame}}}", "config.json is not valid JSON");
	assert_refused("[\"sesame\"]", "JSON object");
	assert_refused("{\"auths\":{\"r.org\":{\"auth\":\"sesame!\"}}}", "r.org");
	assert_refused("{\"auths\":{\"r.org\":{\"auth\":\"c2VzYW1l\"}}}", "USER:PASSWORD"); /* no colon */
	assert_refused("{\"credHelpers\":{\"r.org\":\"x;sesame\"}}", "credential helper");
	assert_refused("{\"credsStore\":\"../sesame\"}", "credential helper");
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
	CLEANUP(cleanup_free) char *path = path_join(home, ".docker/config.json");
	struct docker_login login;
	struct error err = { 0 };

	(void)state;
	put_config("{}");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(docker_login_find("r.org", &login, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	assert_non_null(strstr(err.msg, path));
}

/* It knows r.org and Docker Hub, and has its registry from stdin as docker gives it. */
static const char helper[] = "#!/bin/sh\n"
			     "[ \"$1\" = get ] || exit 9\n"
			     "case `cat` in\n"
			     "r.org) echo '{\"ServerURL\":\"r.org\",\"Username\":\"bob\",\"Secret\":\"p\"}' ;;\n"
			     "https://index.docker.io/v1/) echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}' ;;\n"
			     "bad.org) echo nonsense ;;\n"
			     "locked.org) echo 'the key ring is locked'; exit 1 ;;\n"
			     "*) echo 'credentials not found in native keychain'; exit 1 ;;\n"
			     "esac\n";

static void helpers_are_asked_for_their_registries(void **state)
{
	(void)state;
	put_file("bin/docker-credential-test.1", helper, 0755);
	put_config("{\"credHelpers\":{\"r.org\":\"test.1\"},\"credsStore\":\"none\","
		   "\"auths\":{\"r.org\":{\"auth\":\"YTox\"}}}");
	assert_login("r.org", "{\"username\":\"bob\",\"password\":\"p\",\"serveraddress\":\"r.org\"}");
	put_config("{\"credsStore\":\"test.1\",\"auths\":{\"https://index.docker.io/v1/\":{}}}");
	assert_login("docker.io", "{\"identitytoken\":\"t\",\"serveraddress\":\"https://index.docker.io/v1/\"}");
}

static void what_a_helper_does_not_know_the_file_may(void **state)
{
	(void)state;
	put_file("bin/docker-credential-test", helper, 0755);
	put_config("{\"credsStore\":\"test\",\"auths\":{\"s.org\":{\"auth\":\"YTox\"}}}");
	assert_login("s.org", "{\"username\":\"a\",\"password\":\"1\",\"serveraddress\":\"s.org\"}");
	assert_login("t.org", "{}");
}

static void a_helper_that_fails_leaves_a_remark(void **state)
{
	static const struct {
		const char *store, *registry, *remark;
	} rows[] = {
		{ "absent", "r.org", "docker-credential-absent cannot be run" },
		{ "test", "bad.org", "what docker-credential-test printed are no credentials" },
		{ "test", "locked.org", "docker-credential-test failed with exit status 1" },
	};

	(void)state;
	put_file("bin/docker-credential-test", helper, 0755);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(cleanup_free) char *config = xasprintf("{\"credsStore\":\"%s\"}", rows[i].store);
		struct docker_login login;

		put_config(config);
		assert_int_equal(docker_login_find(rows[i].registry, &login, NULL), 0);
		assert_string_equal(login.header, NOBODY);
		assert_string_equal(login.remark, rows[i].remark);
		docker_login_release(&login);
	}
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_is_that_of_rfc_4648),
		cmocka_unit_test(the_two_alphabets_differ_where_they_must),
		IN_HOME(without_a_file_there_is_no_login),
		IN_HOME(logins_are_found_under_every_spelling_of_the_registry),
		IN_HOME(the_key_that_docker_writes_wins),
		IN_HOME(a_token_goes_alone),
		IN_HOME(docker_config_names_the_directory),
		IN_HOME(podmans_logins_count_where_docker_has_no_file),
		IN_HOME(a_broken_file_is_named_and_not_quoted),
		IN_HOME(a_file_that_cannot_be_read_is_named),
		IN_HOME(helpers_are_asked_for_their_registries),
		IN_HOME(what_a_helper_does_not_know_the_file_may),
		IN_HOME(a_helper_that_fails_leaves_a_remark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
