/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "pipeline/grammar.h"

#define SECTION "[step.a]\ncmd = true\n[notify.chat]\n"

static int parse(const char *text, struct error *err)
{
	struct pipeline *pipeline = NULL;
	int r = pipeline_parse(text, strlen(text), "p.ini", NULL, NULL, &pipeline, err);

	pipeline_free(pipeline);
	return r;
}

static void who_is_told_what(void **state)
{
	static const char *const good[] = {
		SECTION "on = fail, fixed, drift, approval, promoted\nurl = ${secret.CHAT_HOOK}\n",
		SECTION "on = fail\nurl = https://chat.example.org/a?b=1\nformat = text\n",
		SECTION "on = drift\nurl = http://10.0.0.7:8065/hooks/x\nformat = json\n",
	};
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (parse(good[i], &err) < 0)
			fail_msg("%s", err.msg);
}

static void mistakes_have_place_and_fix(void **state)
{
	static const struct {
		const char *text, *where, *message, *help;
	} bad[] = {
		{ "url = https://x.example\n", "p.ini:3:2", "has no 'on'", "on = fail" },
		{ "on = fail\n", "p.ini:3:2", "has no 'url'", "${secret.CHAT_HOOK}" },
		{ "on = fail, faild\nurl = https://x.example\n", "p.ini:4:12", "does not know 'faild'", "did you mean 'fail'" },
		{ "on = everything\nurl = https://x.example\n", "p.ini:4:6", "does not know 'everything'", "approval and promoted" },
		{ "on = fail\nurl = ftp://x.example\n", "p.ini:5:7", "does not take 'ftp://x.example'", "https://chat" },
		{ "on = fail\nurl = https://a:b@x.example/\n", "p.ini:5:7", "does not take", "https://chat" },
		{ "on = fail\nurl = https://x.example/#y\n", "p.ini:5:7", "does not take", "https://chat" },
		{ "on = fail\nurl = https://x.example/${secret.KEY}\n", "p.ini:5:7", "does not take", "the whole URL" },
		{ "on = fail\nurl = ${secret.KEY}/x\n", "p.ini:5:7", "does not take", "the whole URL" },
		{ "on = fail\nurl = ${secret.}\n", "p.ini:5:7", "does not take", "the whole URL" },
		{ "on = fail\nurl = https://x.example\nformat = xml\n", "p.ini:6:10", "does not take 'xml'", "json, or text" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(cleanup_free) char *text = xasprintf(SECTION "%s", bad[i].text);
		struct error err = { 0 };

		assert_int_equal(parse(text, &err), -1);
		assert_string_equal(err.where, bad[i].where);
		if (!strstr(err.msg, bad[i].message) || !strstr(err.help, bad[i].help))
			fail_msg("%s: %s / %s", bad[i].text, err.msg, err.help);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_told_what),
		cmocka_unit_test(mistakes_have_place_and_fix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
