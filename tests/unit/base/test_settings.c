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
#include "base/io.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/strbuf.h"

static char dir[] = "/tmp/test_settings.XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	unsetenv("MLOPS_RUN_JOBS");
	unsetenv("MLOPS_CHECKOUT_LINK");
	unsetenv("MLOPS_UI_COLOR");
	unsetenv("MLOPS_UI_PAGER");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/config.ini", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void write_text(const char *text)
{
	assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0600, false, NULL), 0);
}

static void expect_text(const char *text)
{
	CLEANUP_STRBUF struct strbuf sb = STRBUF_INIT;

	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &sb, NULL), 0);
	assert_string_equal(sb.buf, text);
}

static void expect_load_error(const char *text, const char *where, const char *message,
			      const char *help)
{
	struct settings settings = { 0 };
	char expected[128];
	struct error err;

	write_text(text);
	settings.values[SETTING_RUN_JOBS] = xstrdup("3");
	assert_int_equal(settings_load(&settings, path, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	snprintf(expected, sizeof(expected), "%s:%s", path, where);
	assert_string_equal(err.where, expected);
	assert_non_null(strstr(err.msg, message));
	assert_non_null(strstr(err.help, help));
	assert_int_equal(settings_int(&settings, SETTING_RUN_JOBS), 3);
	settings_release(&settings);
}

static void absent_file_gives_the_defaults(void **state)
{
	struct settings settings = { 0 };

	(void)state;
	unlink(path);
	assert_int_equal(settings_load(&settings, path, NULL), 0);
	assert_int_equal(settings_int(&settings, SETTING_RUN_JOBS), 0);
	assert_string_equal(settings_get(&settings, SETTING_UI_PAGER), "less -FRX");
	settings_release(&settings);
}

static void every_default_fits_its_own_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		enum setting found;

		assert_int_equal(settings_check((enum setting)i, setting_defs[i].fallback, NULL),
				 0);
		assert_int_equal(settings_find(setting_defs[i].key, &found, NULL), 0);
		assert_int_equal(found, i);
	}
}

static void file_overrides_default_and_environment_overrides_file(void **state)
{
	struct settings settings = { 0 };
	struct error err;

	(void)state;
	write_text("# mine\n[run]\njobs = 4\n[ui]\npager =\ncolor = never\n");
	setenv("MLOPS_UI_COLOR", "always", 1);
	assert_int_equal(settings_load(&settings, path, NULL), 0);
	assert_int_equal(settings_int(&settings, SETTING_RUN_JOBS), 4);
	assert_string_equal(settings_get(&settings, SETTING_UI_PAGER), "");
	assert_string_equal(settings_get(&settings, SETTING_UI_COLOR), "always");
	assert_string_equal(settings_get(&settings, SETTING_CHECKOUT_LINK), "copy");

	setenv("MLOPS_UI_COLOR", "pink", 1);
	assert_int_equal(settings_load(&settings, path, &err), -1);
	assert_string_equal(err.msg,
			    "environment variable MLOPS_UI_COLOR: ui.color cannot be 'pink'");
	assert_string_equal(settings_get(&settings, SETTING_UI_COLOR), "always");
	unsetenv("MLOPS_UI_COLOR");
	assert_int_equal(settings_load(&settings, path, NULL), 0);
	assert_string_equal(settings_get(&settings, SETTING_UI_COLOR), "never");
	settings_release(&settings);
}

static void wrong_files_are_refused_with_place_and_fix(void **state)
{
	(void)state;
	expect_load_error("[run]\njbs = 4\n", "2:1", "unknown setting run.jbs", "run.jobs");
	expect_load_error("[nothing]\nlike = it\n", "2:1", "unknown setting nothing.like",
			  "mlops config");
	expect_load_error("[run]\njobs = 4\n[ui]\n[run]\njobs = 4\n", "5:1", "stands twice", "");
	expect_load_error("[run]\njobs = many\n", "2:1", "run.jobs cannot be 'many'", "0..1024");
	expect_load_error("[checkout]\nlink = hard\n", "2:1", "cannot be 'hard'",
			  "copy|hardlink|symlink");
	expect_load_error("[ui]\npager = a\n  b\n", "2:1", "one line", "");
	expect_load_error("[run]\njobs = 1\n  2\n", "2:1", "one line", "");
	expect_load_error("jobs = 4\n", "1:1", "before the first section", "");
}

static void values_are_checked_by_type(void **state)
{
	static const char *const numbers[] = {"",    "-1",  "+1",   " 1", "1 ",
					      "1.5", "0x1", "1025", "-",  "99999999999999999999"};
	static const struct {
		const char *text;
		int result;
	} gpus[] = { { "auto", 0 }, { "0", 0 }, { "64", 0 }, { "0,2", 0 }, { "GPU-7", 0 },
		     { "", -1 },   { "65", -1 }, { "99999", -1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		assert_int_equal(settings_check(SETTING_RUN_JOBS, numbers[i], NULL), -1);
	assert_int_equal(settings_check(SETTING_RUN_JOBS, "1024", NULL), 0);
	assert_int_equal(settings_check(SETTING_CHECKOUT_LINK, "", NULL), -1);
	assert_int_equal(settings_check(SETTING_CHECKOUT_LINK, "copy|hardlink", NULL), -1);
	assert_int_equal(settings_check(SETTING_CHECKOUT_LINK, "symlink", NULL), 0);
	assert_int_equal(settings_check(SETTING_UI_PAGER, "a\nb", NULL), -1);
	for (size_t i = 0; i < ARRAY_LEN(gpus); i++)
		assert_int_equal(settings_check(SETTING_RUN_GPU, gpus[i].text, NULL), gpus[i].result);
	assert_int_equal(settings_check(SETTING_UI_PAGER, "\xff", NULL), -1);
	assert_int_equal(settings_check(SETTING_UI_PAGER, "less; # -R", NULL), 0);
}

static void store_makes_the_file(void **state)
{
	(void)state;
	unlink(path);
	assert_int_equal(settings_store(path, SETTING_RUN_JOBS, NULL, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(settings_store(path, SETTING_RUN_JOBS, "4", NULL), 0);
	expect_text("[run]\njobs = 4\n");
	assert_int_equal(settings_store(path, SETTING_UI_PAGER, "", NULL), 0);
	expect_text("[run]\njobs = 4\n\n[ui]\npager =\n");
}

static void store_keeps_comments_and_order(void **state)
{
	struct stat st;

	(void)state;
	write_text(
	    "; top\n[ui]\n# color of it\ncolor = never\n\n# about run\n[run]\njobs = 2\n# end\n");
	assert_int_equal(settings_store(path, SETTING_UI_COLOR, "auto", NULL), 0);
	assert_int_equal(settings_store(path, SETTING_UI_PAGER, "more ; # x", NULL), 0);
	expect_text("; top\n[ui]\n# color of it\ncolor = auto\npager = more ; # x\n\n"
		    "# about run\n[run]\njobs = 2\n# end\n");
	assert_int_equal(settings_store(path, SETTING_UI_COLOR, NULL, NULL), 0);
	assert_int_equal(settings_store(path, SETTING_RUN_JOBS, NULL, NULL), 0);
	expect_text(
	    "; top\n[ui]\n# color of it\npager = more ; # x\n\n# about run\n[run]\n# end\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void store_replaces_every_line_of_the_old_value(void **state)
{
	(void)state;
	write_text("[ui]\npager = a\n# kept\n  b\n\n  c\ncolor = auto\npager = d\n");
	assert_int_equal(settings_store(path, SETTING_UI_PAGER, "less", NULL), 0);
	expect_text("[ui]\npager = less\n# kept\n\ncolor = auto\n");
}

/* An indented comment below a section is a comment; below a key it would be its value. */
static void store_does_not_turn_comments_into_values(void **state)
{
	struct settings settings = { 0 };

	(void)state;
	write_text("[run]\n\n  # indented\n\n[ui]\ncolor = auto\n");
	assert_int_equal(settings_store(path, SETTING_RUN_JOBS, "4", NULL), 0);
	expect_text("[run]\n\n  # indented\njobs = 4\n\n[ui]\ncolor = auto\n");
	assert_int_equal(settings_load(&settings, path, NULL), 0);
	assert_int_equal(settings_int(&settings, SETTING_RUN_JOBS), 4);
	settings_release(&settings);
}

static void store_keeps_line_ends(void **state)
{
	(void)state;
	write_text("\xef\xbb\xbf[run]\r\njobs = 1\r\n[ui]");
	assert_int_equal(settings_store(path, SETTING_RUN_JOBS, "2", NULL), 0);
	assert_int_equal(settings_store(path, SETTING_UI_COLOR, "auto", NULL), 0);
	expect_text("\xef\xbb\xbf[run]\r\njobs = 2\r\n[ui]\r\ncolor = auto\r\n");
}

static void store_touches_nothing_it_cannot_read_or_take(void **state)
{
	struct error err;

	(void)state;
	write_text("[run\n");
	assert_int_equal(settings_store(path, SETTING_RUN_JOBS, "4", &err), -1);
	expect_text("[run\n");
	write_text("[run]\njobs = 1\n");
	assert_int_equal(settings_store(path, SETTING_RUN_JOBS, "-4", &err), -1);
	assert_int_equal(settings_store(path, SETTING_UI_PAGER, "a\n[run]", &err), -1);
	expect_text("[run]\njobs = 1\n");
}

static int fail_rename(enum io_op op, const char *name)
{
	(void)name;
	return op == IO_RENAME ? 5 : 0;
}

static void failed_store_leaves_the_old_file(void **state)
{
	(void)state;
	write_text("[run]\njobs = 1\n");
	io_fault = fail_rename;
	assert_int_equal(settings_store(path, SETTING_RUN_JOBS, "4", NULL), -1);
	io_fault = NULL;
	expect_text("[run]\njobs = 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_file_gives_the_defaults),
		cmocka_unit_test(every_default_fits_its_own_type),
		cmocka_unit_test(file_overrides_default_and_environment_overrides_file),
		cmocka_unit_test(wrong_files_are_refused_with_place_and_fix),
		cmocka_unit_test(values_are_checked_by_type),
		cmocka_unit_test(store_makes_the_file),
		cmocka_unit_test(store_keeps_comments_and_order),
		cmocka_unit_test(store_replaces_every_line_of_the_old_value),
		cmocka_unit_test(store_does_not_turn_comments_into_values),
		cmocka_unit_test(store_keeps_line_ends),
		cmocka_unit_test(store_touches_nothing_it_cannot_read_or_take),
		cmocka_unit_test(failed_store_leaves_the_old_file),
	};

	return cmocka_run_group_tests_name("settings", tests, make_dir, remove_dir);
}
