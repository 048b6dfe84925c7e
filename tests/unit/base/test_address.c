/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/address.h"
#include "base/error.h"
#include "base/mem.h"

static void one_place_has_one_name(void **state)
{
	static const struct {
		const char *text, *name, *url, *prefix;
		bool is_private;
	} good[] = {
		{ "http://127.0.0.1:5000", "http://127.0.0.1:5000", "http://127.0.0.1:5000", "", true },
		{ "127.0.0.1:5000/", "http://127.0.0.1:5000", "http://127.0.0.1:5000", "", true },
		{ "LocalHost:5000", "http://localhost:5000", "http://localhost:5000", "", true },
		{ "http://[::1]:5000", "http://[::1]:5000", "http://[::1]:5000", "", true },
		{ "mlops.example:5000", "https://mlops.example:5000", "https://mlops.example:5000", "", true },
		{ "HTTPS://MLOps.example:443/", "https://mlops.example", "https://mlops.example", "", true },
		{ "http://mlops.example:80", "http://mlops.example", "http://mlops.example", "", false },
		{ "https://h/a/b%20c//", "https://h/a/b%20c", "https://h", "/a/b%20c", true },
		{ "http://127.0.0.1.example", "http://127.0.0.1.example", "http://127.0.0.1.example", "", false },
		{ "unix:/run/a.sock", "unix:/run/a.sock", "http://localhost", "", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CLEANUP(address_release) struct address a;

		assert_int_equal(address_parse(good[i].text, &a, NULL), 0);
		assert_string_equal(a.name, good[i].name);
		assert_string_equal(a.url, good[i].url);
		assert_string_equal(a.prefix, good[i].prefix);
		assert_int_equal(a.is_private, good[i].is_private);
		assert_int_equal(a.unix_path != NULL, !strncmp(good[i].text, "unix:", 5));
	}
}

static void all_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "http://", "https://:5000", "http://h:0", "http://h:65536", "http://h:", "http://h:5x", "ftp://h",
		"http://user:secret@h", "http://h/?token=x", "http://h#x", "http://h/a b", "http://h/..", "http://h/a//b",
		"http://h\\@evil", "http://[::1", "http://[]:1", "http://[::1]x", "http://h\r\nX: y", "unix:", "http://a_b c",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = { 0 };
		struct address a;

		if (address_parse(bad[i], &a, &err) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(err.code, ERR_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_place_has_one_name),
		cmocka_unit_test(all_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
