/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/page/page_number.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/page/html.h"

#define MINUS "\u2212"
#define DIGITS 5

/* "-1234567.5" to "−1,234,567.5". */
static void group_thousands(const char *plain, char buf[FIGURE])
{
	const char *p = plain + (*plain == '-');
	size_t whole = strspn(p, "0123456789"), n = 0;

	if (p != plain)
		n = (size_t)snprintf(buf, FIGURE, "%s", MINUS);
	for (size_t i = 0; p[i] && n + 2 < FIGURE; i++) {
		if (i && i < whole && (whole - i) % 3 == 0)
			buf[n++] = ',';
		buf[n++] = p[i];
	}
	buf[n] = '\0';
}

static void put_exponent(int exponent, char *buf, size_t size)
{
	static const char *const digits[] = { "⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹" };
	char plain[16];
	size_t n = 0;

	snprintf(plain, sizeof(plain), "%d", exponent);
	buf[0] = '\0';
	for (const char *p = plain; *p && n < size; p++)
		n += (size_t)snprintf(buf + n, size - n, "%s", *p == '-' ? "⁻" : digits[*p - '0']);
}

static void drop_zeros(char *text)
{
	char *end = text + strlen(text);

	if (!strchr(text, '.'))
		return;
	while (end[-1] == '0')
		*--end = '\0';
	if (end[-1] == '.')
		end[-1] = '\0';
}

static char *put_power(double value, int digits, char buf[FIGURE])
{
	char text[FIGURE], exponent[24];
	char *e;

	snprintf(text, sizeof(text), "%.*e", digits - 1, value);
	e = strchr(text, 'e');
	put_exponent((int)strtol(e + 1, NULL, 10), exponent, sizeof(exponent));
	*e = '\0';
	drop_zeros(text);
	snprintf(buf, FIGURE, "%s%s·10%s", *text == '-' ? MINUS : "", text + (*text == '-'), exponent);
	return buf;
}

static char *not_finite(double value, char buf[FIGURE])
{
	snprintf(buf, FIGURE, "%s", isnan(value) ? "–" : value > 0 ? "∞" : MINUS "∞");
	return buf;
}

/* `digits` significant ones; whole numbers below 10^15 have all of theirs. */
static char *put_number(double value, int digits, char buf[FIGURE])
{
	char plain[FIGURE];
	double size = fabs(value);

	if (!isfinite(value))
		return not_finite(value, buf);
	if (value == 0)
		return memcpy(buf, "0", 2);
	if (size >= 1e15 || size < 1e-4)
		return put_power(value, digits, buf);
	if (size >= pow(10, digits) || value == rint(value))
		snprintf(plain, sizeof(plain), "%.0f", value);
	else {
		int decimals = digits - 1 - (int)floor(log10(size));

		snprintf(plain, sizeof(plain), "%.*f", decimals > 0 ? decimals : 0, value);
		drop_zeros(plain);
	}
	group_thousands(plain, buf);
	return buf;
}

char *figure_number(double value, char buf[FIGURE])
{
	return put_number(value, DIGITS, buf);
}

char *figure_count(double value, char buf[FIGURE])
{
	return put_number(rint(value), DIGITS, buf);
}

char *figure_decimals(double value, int decimals, char buf[FIGURE])
{
	char plain[FIGURE];

	if (!isfinite(value) || fabs(value) >= 1e15)
		return figure_number(value, buf);
	snprintf(plain, sizeof(plain), "%.*f", decimals > 9 ? 9 : decimals, value);
	group_thousands(plain, buf);
	return buf;
}

char *figure_share(double value, char buf[FIGURE])
{
	double percent = value * 100;

	if (!isfinite(value))
		return not_finite(value, buf);
	if (percent != 0 && fabs(percent) < 0.1)
		snprintf(buf, FIGURE, "<0.1 %%");
	else
		/* Almost all is not all. */
		snprintf(buf, FIGURE, "%.*f %%", percent == rint(percent) ? 0 : 1,
			 percent > 99.9 && percent < 100 ? 99.9 : percent);
	return buf;
}

char *figure_score(double value, char buf[FIGURE])
{
	return isfinite(value) && fabs(value) >= 1e5 ? put_power(value, 3, buf) : put_number(value, 4, buf);
}

char *figure_p(double value, char buf[FIGURE])
{
	if (value >= 0 && value < 1e-15)
		snprintf(buf, FIGURE, "<10⁻¹⁵");
	else
		put_number(value, 3, buf);
	return buf;
}

#define SECOND 1e3
#define DAY    86400e3

char *figure_time(double ms, double step_ms, char buf[FIGURE])
{
	/* The coarsest form that tells two neighbours apart. */
	static const struct {
		double step;
		const char *format;
	} forms[] = {
		{ 365 * DAY, "%Y" }, { 28 * DAY, "%Y-%m" }, { DAY, "%Y-%m-%d" }, { 60 * SECOND, "%Y-%m-%d %H:%M" },
	};
	const char *format = "%Y-%m-%d %H:%M:%S";
	struct tm tm;
	time_t seconds;

	if (!isfinite(ms) || fabs(ms) > 1e17)
		return figure_number(ms, buf);
	for (size_t i = ARRAY_LEN(forms); i--;)
		if (step_ms >= forms[i].step)
			format = forms[i].format;
	seconds = (time_t)floor(ms / SECOND);
	if (!gmtime_r(&seconds, &tm) || !strftime(buf, FIGURE, format, &tm))
		return figure_number(ms, buf);
	return buf;
}

/* "1996-05-07T00:00:00Z" without what is not said by it. */
static char *iso_time(const char *text, char buf[FIGURE])
{
	size_t len = strlen(text);
	bool midnight = len >= 19 && !strncmp(text + 10, "T00:00:00", 9);

	if (len < 19 || text[10] != 'T')
		snprintf(buf, FIGURE, "%.40s", text);
	else if (midnight)
		snprintf(buf, FIGURE, "%.10s", text);
	else
		snprintf(buf, FIGURE, "%.10s %.*s", text, strncmp(text + 17, "00", 2) ? 8 : 5, text + 11);
	return buf;
}

char *figure_value(const struct js *value, int is_time, char buf[FIGURE])
{
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT;
	double number = js_number(value);

	if (js_text(value) && is_time)
		return iso_time(js_text(value), buf);
	if (js_text(value)) {
		html_cut(js_text(value), 10, &cut);
		/* An ISO time is whole at 24, and any 10 characters fit. */
		snprintf(buf, FIGURE, "%s", strlen(js_text(value)) <= 24 ? js_text(value) : cut.buf);
		return buf;
	}
	if (js_typeof(value) == JS_BOOL)
		{
		snprintf(buf, FIGURE, "%s", js_truth(value) ? "true" : "false");
		return buf;
	}
	return is_time ? figure_time(number, fmod(number, DAY) == 0 ? DAY : SECOND, buf) : figure_number(number, buf);
}
