/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/address.h"
#include "base/credentials.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"

static char home[] = "/tmp/mlops-credentials-XXXXXX";

static int setup(void **state)
{
	(void)state;
	unsetenv("MLOPS_TOKEN");
	unsetenv("MLOPS_AGENT");
	if (!mkdtemp(home))
		return -1;
	return setenv("XDG_CONFIG_HOME", home, 1);
}

static int teardown(void **state)
{
	(void)state;
	return fs_remove_tree(-1, home, NULL);
}

/* What is found for an address: 1, 0 or -1; the token is compared. */
static int find(const char *url, const char *expected, struct error *err)
{
	CLEANUP_STRBUF struct strbuf token = STRBUF_INIT;
	CLEANUP(address_release) struct address a;
	int r;

	assert_int_equal(address_parse(url, &a, err), 0);
	r = credentials_find(&a, &token, err);
	if (r == 1)
		assert_string_equal(token.buf, expected);
	return r;
}

static int store(const char *url, const char *token, bool *ret_had, struct error *err)
{
	CLEANUP(address_release) struct address a;

	assert_int_equal(address_parse(url, &a, err), 0);
	return credentials_store(&a, token, ret_had, err);
}

static void a_token_is_found_again(void **state)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct stat st;
	bool had;

	(void)state;
	assert_int_equal(find("https://h:5000", NULL, NULL), 0);
	assert_int_equal(store("https://h:5000", "one", &had, NULL), 0);
	assert_false(had);
	assert_int_equal(store("https://H:5000/", "two", &had, NULL), 0);
	assert_true(had);
	assert_int_equal(store("unix:/a", "three", &had, NULL), 0);
	assert_int_equal(find("h:5000", "two", NULL), 1);
	assert_int_equal(find("https://h:5001", NULL, NULL), 0);
	assert_int_equal(credentials_path(&path, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	*strrchr(path, '/') = '\0';
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(store("https://h:5000", NULL, &had, NULL), 0);
	assert_true(had);
	assert_int_equal(find("https://h:5000", NULL, NULL), 0);
	assert_int_equal(find("unix:/a", "three", NULL), 1);
}

static void a_file_that_others_read_is_refused(void **state)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(store("https://h", "x", NULL, NULL), 0);
	assert_int_equal(credentials_path(&path, NULL), 0);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(find("https://h", NULL, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(chmod(path, 0600), 0);
}

static void the_environment_s_token_is_for_its_agent_only(void **state)
{
	(void)state;
	setenv("MLOPS_TOKEN", "t", 1);
	assert_int_equal(find("https://elsewhere", NULL, NULL), 0);
	setenv("MLOPS_AGENT", "https://team:5000/", 1);
	assert_int_equal(find("https://team:5000", "t", NULL), 1);
	assert_int_equal(find("https://elsewhere", NULL, NULL), 0);
	unsetenv("MLOPS_TOKEN");
	unsetenv("MLOPS_AGENT");
}

static void no_token_goes_where_others_listen(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(store("http://h", "x", NULL, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	setenv("MLOPS_TOKEN", "t", 1);
	setenv("MLOPS_AGENT", "http://team:5000/", 1);
	assert_int_equal(find("http://team:5000", NULL, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	unsetenv("MLOPS_TOKEN");
	unsetenv("MLOPS_AGENT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_found_again),
		cmocka_unit_test(a_file_that_others_read_is_refused),
		cmocka_unit_test(the_environment_s_token_is_for_its_agent_only),
		cmocka_unit_test(no_token_goes_where_others_listen),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
