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

static struct error err;

#define MONITOR "[monitor.m]\ndata = l/*.csv\nreference = r.csv\n"

static void mistakes_have_a_place_and_a_fix(void **state)
{
	static const struct {
		const char *text, *where, *message, *help;
	} bad[] = {
		{ "[trigger.a]\nsteps = x\n", "p.ini:1:2", "says nothing that starts it", "branch, on, cron" },
		{ "[trigger.a]\ncron = 0 0 31 2 *\n", "p.ini:2:8", "never comes", "first" },
		{ "[trigger.a]\ncron = */0 * * * *\n", "p.ini:2:8", "cron: minute: a step", "minute hour day" },
		{ "[trigger.a]\ncron = @daily\ntz = Europe/Berlni\n", "p.ini:3:6", "there is no time zone", "'Europe/Berlin'" },
		{ "[trigger.a]\ncron = @daily\ncatchup = lats\n", "p.ini:3:11", "'catchup' does not take 'lats'", "'last'" },
		{ "[trigger.a]\ncron = @daily\njitter = 2d\n", "p.ini:1:2", "at most 1d", "" },
		{ "[trigger.a]\nbranch = main\ntz = UTC\n", "p.ini:1:2", "'tz' is for times", "cron = " },
		{ "[trigger.a]\non = pull\n", "p.ini:2:6", "'on' does not take 'pull'", "push, pull_request, tag" },
		{ "[trigger.a]\ncron = @daily\npaths = src\n", "p.ini:3:9", "'paths' is for pushes", "branch = main" },
		{ "[trigger.a]\ncron = @daily\nsteps = a, --force\n", "p.ini:3:12", "'steps' does not take '--force'", "" },
		{ "[trigger.a]\ncron = @daily\nparams = lr\n", "p.ini:3:10", "'params' does not take 'lr'", "KEY=VALUE" },
		{ "[trigger.a]\ncron = @daily\nupdate = ../x\n", "p.ini:3:10", "leaves the project", "" },
		{ "[trigger.a]\ndata = /etc\n", "p.ini:2:8", "", "" },
		{ "[trigger.a]\npipeline = Some Thing\n", "p.ini:2:12", "'pipeline' does not take", "project list" },
		{ "[trigger.a]\nbranch = main\ncancel = yes\n", "p.ini:3:10", "'cancel' does not take 'yes'", "superseded" },
		{ MONITOR "[trigger.a]\nmonitor = n\n", "p.ini:4:2", "there is no [monitor.n]", "'m'" },
		{ MONITOR "[trigger.a]\nmonitor = m\n[trigger.b]\nmonitor = m\n", "p.ini:6:2", "[trigger.a] has monitor = m already",
		  "one policy" },
		{ MONITOR "[trigger.a]\nmonitor = m\nbudget = 1/month\n", "p.ini:6:10", "'budget' does not take", "1/day" },
		{ MONITOR "[trigger.a]\nmonitor = m\nbudget = 0/day\n", "p.ini:6:10", "'budget' does not take", "1/day" },
		{ MONITOR "[trigger.a]\nmonitor = m\nalarm = 3 of 2\n", "p.ini:6:9", "'alarm' does not take", "2 of 3" },
		{ MONITOR "[trigger.a]\nmonitor = m\nclear = 1.5 for 2\n", "p.ini:6:9", "'clear' does not take", "0.8 for 2" },
		{ MONITOR "[trigger.a]\nmonitor = m\nclear = nan for 2\n", "p.ini:6:9", "'clear' does not take", "0.8 for 2" },
		{ MONITOR "[trigger.a]\nmonitor = m\ncooldown = 6 times\n", "p.ini:6:12", "'cooldown' does not take", "6 windows" },
		{ "[trigger.a]\ncron = @daily\ncooldown = 6 windows\n", "p.ini:1:2", "'cooldown' counts windows", "monitor = NAME" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct pipeline *pipeline = NULL;

		error_clear(&err);
		assert_int_equal(pipeline_parse_definitions(bad[i].text, strlen(bad[i].text), "p.ini", &pipeline, &err), -1);
		if (strcmp(err.where, bad[i].where) != 0 || !strstr(err.msg, bad[i].message) || !strstr(err.help, bad[i].help))
			fail_msg("%s\n%s: %s\n%s", bad[i].text, err.where, err.msg, err.help);
	}
}

static void limits_have_defaults_with_a_monitor_only(void **state)
{
	static const char text[] = MONITOR "[trigger.a]\nmonitor = m\n[trigger.b]\ncron = @daily\n"
					   "[monitor.n]\ndata = l/*.csv\nreference = r.csv\n"
					   "[trigger.c]\nmonitor = n\nbudget = 5/week\nalarm = 3 of 5\nclear = 0.5 for 4\n";
	struct pipeline *pipeline;
	struct trigger_limits limits;

	(void)state;
	assert_int_equal(pipeline_parse_definitions(text, strlen(text), "p.ini", &pipeline, &err), 0);
	trigger_limits(&pipeline->triggers[0], &limits);
	assert_int_equal(limits.per_day, 1);
	assert_int_equal(limits.per_week, 3);
	assert_int_equal(limits.alarm_of * 10 + limits.alarm_in, 23);
	trigger_limits(&pipeline->triggers[1], &limits);
	assert_int_equal(limits.per_day + limits.per_week, 0);
	trigger_limits(&pipeline->triggers[2], &limits);
	assert_int_equal(limits.per_day, 0);
	assert_int_equal(limits.per_week, 5);
	assert_int_equal(limits.alarm_of * 10 + limits.alarm_in, 35);
	assert_true(limits.clear_share == 0.5 && limits.clear_for == 4);
	pipeline_free(pipeline);
}

static void mistakes_elsewhere_do_not_matter(void **state)
{
	static const char text[] = "[step.a]\nnonsense\ncmd\n[trigger.a]\ncron = @daily\n[pool]\n";
	struct pipeline *pipeline;

	(void)state;
	assert_int_equal(pipeline_parse_definitions(text, strlen(text), "p.ini", &pipeline, &err), 0);
	assert_int_equal(pipeline->ntriggers, 1);
	assert_int_equal(pipeline->triggers[0].cron.at.line, 5);
	pipeline_free(pipeline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_have_a_place_and_a_fix),
		cmocka_unit_test(limits_have_defaults_with_a_monitor_only),
		cmocka_unit_test(mistakes_elsewhere_do_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
