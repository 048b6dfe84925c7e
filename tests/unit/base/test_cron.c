/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/clock.h"
#include "base/cron.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/moment.h"
#include "base/zone.h"
#include "base/zone_rule.h"

static struct error err;

static int64_t at(const char *text)
{
	int64_t ms = 0;

	assert_int_equal(parse_moment(text, 0, &ms, &err), 0);
	return ms / 1000;
}

static struct zone *zone(const char *name)
{
	struct zone *zone;

	if (zone_load(name, &zone, &err) < 0)
		fail_msg("%s", err.msg);
	return zone;
}

/* The times after a moment; a blank between them. */
static void comes(const char *cron, const char *zone_name, const char *after, const char *expected)
{
	CLEANUP(cleanup_zone) struct zone *z = zone(zone_name);
	CLEANUP(cleanup_free) char *words = xstrdup(expected);
	int64_t now = at(after);
	struct cron c;
	char *save;

	if (cron_parse(cron, &c, &err) < 0)
		fail_msg("%s: %s", cron, err.msg);
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char got[32];

		now = cron_next(&c, z, now);
		clock_format_utc(now * 1000, got);
		memcpy(got + 16, "Z", 2);
		assert_string_equal(got, word);
	}
}

static void times_come_as_crontab_says(void **state)
{
	(void)state;
	comes("0 3 * * *", "UTC", "2026-11-22T03:00Z", "2026-11-23T03:00Z 2026-11-24T03:00Z");
	comes("*/20 22-23 * * *", "UTC", "2026-12-31T23:30Z", "2026-12-31T23:40Z 2027-01-01T22:00Z");
	comes("5,7-9 0 * feb *", "UTC", "2026-02-28T00:08Z", "2026-02-28T00:09Z 2027-02-01T00:05Z");
	comes("0 0 * * 7", "UTC", "2026-11-22T00:00Z", "2026-11-29T00:00Z");
	comes("0 0 * * FRI-sat", "UTC", "2026-11-22T00:00Z", "2026-11-27T00:00Z 2026-11-28T00:00Z 2026-12-04T00:00Z");
	/* either of two restricted days, but both with a star that has a step */
	comes("0 0 13 * 5", "UTC", "2026-11-10T00:00Z", "2026-11-13T00:00Z 2026-11-20T00:00Z 2026-11-27T00:00Z 2026-12-04T00:00Z");
	comes("0 0 */30 * 5", "UTC", "2026-11-10T00:00Z", "2027-01-01T00:00Z");
	comes("0 0 29 2 *", "UTC", "2096-03-01T00:00Z", "2104-02-29T00:00Z");
	comes("0 0 29 2 */6", "UTC", "2072-03-01T00:00Z", "2076-02-29T00:00Z 2088-02-29T00:00Z");
	comes("@monthly", "Asia/Kolkata", "2026-01-01T00:00Z", "2026-01-31T18:30Z");
	comes("@yearly", "UTC", "1969-06-01T00:00Z", "1970-01-01T00:00Z");
}

static void clocks_that_change_lose_and_repeat_nothing(void **state)
{
	(void)state;
	/* 2:30 is left out on 29 March: at the change. It comes twice on 25 October: the first time */
	comes("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", "2026-03-29T01:00Z 2026-03-30T00:30Z");
	comes("30,45 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", "2026-03-29T01:00Z 2026-03-30T00:30Z");
	comes("30 2 * * *", "Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29T01:00Z");
	comes("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00Z", "2026-03-30T00:30Z");
	comes("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T00:30Z 2026-10-26T01:30Z");
	comes("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10Z", "2026-10-26T01:30Z");
	comes("0 3 * * *", "Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T02:00Z");
	/* what has a distance keeps it */
	comes("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30Z", "2026-03-29T01:00Z 2026-03-29T01:30Z");
	comes("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00Z",
	      "2026-10-25T00:30Z 2026-10-25T01:00Z 2026-10-25T01:30Z 2026-10-25T02:00Z");
	/* half an hour, and a whole day that there never was */
	comes("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00Z", "2026-10-03T15:30Z 2026-10-04T15:15Z");
	comes("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00Z", "2011-12-29T22:00Z 2011-12-30T10:00Z 2011-12-30T22:00Z");
}

static void mistakes_name_the_field(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "0 0 31 2 *", "never comes" },	   { "0 0 30-31 feb *", "never comes" },
		{ "*/0 * * * *", "minute: a step" },	   { "60 * * * *", "minute: 60 is not one of 0 to 59" },
		{ "0 24 * * *", "hour: 24" },		   { "0 0 0 * *", "day: 0 is not" },
		{ "0 0 * 13 *", "month: 13" },		   { "0 0 * * 8", "weekday: 8" },
		{ "0 0 * * mond", "weekday: there is no 'mond'" }, { "0 0 * jan-foo *", "month: there is no 'foo'" },
		{ "0 0 * *", "5 fields, not 4" },	   { "0 0 0 * * *", "5 fields, not 6" },
		{ "", "5 fields, not 0" },		   { "@reboot", "none of @hourly" },
		{ "5-1 * * * *", "upwards" },		   { "5/10 * * * *", "a step needs a range" },
		{ "1,,2 * * * *", "minute: a value is missing" }, { "1, * * * *", "a value is missing" },
		{ "*/60 * * * *", "leads out of" },	   { "-1 * * * *", "a value is missing" },
		{ "1x * * * *", "is no list" },		   { "99999999999999999999 * * * *", "is not one of" },
	};
	struct cron cron = { .hours = 77 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(cron_parse(bad[i].text, &cron, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		if (!strstr(err.msg, bad[i].message))
			fail_msg("%s: %s", bad[i].text, err.msg);
	}
	assert_int_equal(cron.hours, 77);
}

static void zones_are_looked_up_among_zones_only(void **state)
{
	static const char *const bad[] = { "Europe/Berlni", "europe/berlin", "", "/etc/passwd", "../zoneinfo/UTC", "Europe", "A", "Europe/../UTC" };
	struct zone *z = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(zone_load(bad[i], &z, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_null(z);
	}
	zone_load("Europe/Berlni", &z, &err);
	assert_string_equal(err.help, "did you mean 'Europe/Berlin'?");
}

static void a_wall_shows_a_time_once_twice_or_never(void **state)
{
	CLEANUP(cleanup_zone) struct zone *z = zone("Europe/Berlin");
	int64_t moments[2];

	(void)state;
	assert_int_equal(zone_offset(z, at("2026-07-01T00:00Z")), 7200);
	assert_int_equal(zone_offset(z, at("2226-07-01T00:00Z")), 7200); /* by the rule of the file's last line */
	assert_int_equal(zone_change(z, at("2226-01-01T00:00Z")), at("2226-03-26T01:00Z"));
	assert_int_equal(zone_moments(z, at("2026-07-01T12:00Z"), moments), 1);
	assert_int_equal(moments[0], at("2026-07-01T10:00Z"));
	assert_int_equal(zone_moments(z, at("2026-10-25T02:30Z"), moments), 2);
	assert_int_equal(moments[0], at("2026-10-25T00:30Z"));
	assert_int_equal(moments[1], at("2026-10-25T01:30Z"));
	assert_int_equal(zone_moments(z, at("2026-03-29T02:30Z"), moments), 0);
	assert_int_equal(moments[0], at("2026-03-29T01:00Z"));
}

static void rules_are_read_as_posix_writes_them(void **state)
{
	static const char *const bad[] = { "", "CE-1", "CET", "CET-25", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
					   "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,J0,J1", "CET-1CEST,366,1", "CET-1CEST,M3.5.0,M10.5.0/168", "<+03-3", "CET-1CEST,M3.5.0,M10.5.0x" };
	struct zone_rule rule;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (zone_rule_parse(bad[i], &rule))
			fail_msg("%s", bad[i]);
	assert_true(zone_rule_parse("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", &rule));
	assert_int_equal(rule.offset, -3 * 3600);
	assert_int_equal(rule.begin.time, -7200);
	/* 28 March 2026 at 22:00 of the day before the last Sunday */
	assert_int_equal(zone_rule_change(&rule, at("2026-01-01T00:00Z")), at("2026-03-29T01:00Z"));
	/* summer for ever */
	assert_true(zone_rule_parse("XXX3EDT4,0/0,J365/23", &rule));
	assert_int_equal(zone_rule_offset(&rule, at("2026-12-31T23:59Z")), -4 * 3600);
	assert_int_equal(zone_rule_change(&rule, at("2026-06-01T00:00Z")), INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_come_as_crontab_says),
		cmocka_unit_test(clocks_that_change_lose_and_repeat_nothing),
		cmocka_unit_test(mistakes_name_the_field),
		cmocka_unit_test(zones_are_looked_up_among_zones_only),
		cmocka_unit_test(a_wall_shows_a_time_once_twice_or_never),
		cmocka_unit_test(rules_are_read_as_posix_writes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
