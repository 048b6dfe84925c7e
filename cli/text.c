/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"

/* Decodes one character; returns its length, or 0 when the bytes are not valid UTF-8. */
static size_t decode(const char *text, size_t len, uint32_t *ret)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t n = utf8_length(text, len);

	if (n <= 1) {
		*ret = s[0];
		return n;
	}
	*ret = s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		*ret = *ret << 6 | (s[i] & 0x3fu);
	return n;
}

/* Characters that reverse, hide or break the text around them. */
static bool is_deceptive(uint32_t c)
{
	return c == 0x200b || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x2069) || c == 0x061c || c == 0xfeff || c >= 0xe0000;
}

static void escape_char(uint32_t c, const char *text, size_t n, enum text_escape how,
			struct strbuf *ret)
{
	if (how == TEXT_KEEP_LINES && (c == '\n' || c == '\t'))
		strbuf_putc(ret, (char)c);
	else if (c == '\n')
		strbuf_puts(ret, "\\n");
	else if (c == '\t')
		strbuf_puts(ret, "\\t");
	else if (c < 0x20 || c == 0x7f)
		strbuf_printf(ret, "^%c", (char)(c ^ 0x40));
	else if (c < 0xa0 && c >= 0x80)
		strbuf_printf(ret, "\\x%02x", (unsigned)c);
	else if (is_deceptive(c))
		strbuf_printf(ret, c > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)c);
	else
		strbuf_add(ret, text, n);
}

void text_escape(const char *text, size_t len, enum text_escape how, struct strbuf *ret)
{
	for (size_t i = 0; i < len;) {
		size_t plain = 0, n;
		uint32_t c;

		while (i + plain < len && text[i + plain] >= 0x20 && text[i + plain] < 0x7f)
			plain++;
		strbuf_add(ret, text + i, plain);
		i += plain;
		if (i == len)
			break;
		n = decode(text + i, len - i, &c);
		if (n)
			escape_char(c, text + i, n, how, ret);
		else
			strbuf_printf(ret, "\\x%02x", (uint8_t)text[i]);
		i += n ? n : 1;
	}
}

static int char_width(uint32_t c)
{
	int width;

	if (c < 0x7f)
		return 1;
	width = wcwidth((wchar_t)c);
	return width < 0 ? 1 : width;
}

int text_width(const char *text)
{
	size_t len = strlen(text);
	int width = 0;

	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t n = decode(text + i, len - i, &c);

		width += char_width(c);
		i += n ? n : 1;
	}
	return width;
}

void text_cut(const char *text, int width, bool utf8, struct strbuf *ret)
{
	const char *mark = utf8 ? "…" : "~";
	size_t len = strlen(text), i = 0;
	int used = 0;

	if (width <= 0)
		return;
	if (text_width(text) <= width) {
		strbuf_puts(ret, text);
		return;
	}
	while (i < len) {
		uint32_t c;
		size_t n = decode(text + i, len - i, &c);

		if (used + char_width(c) > width - 1)
			break;
		used += char_width(c);
		i += n ? n : 1;
	}
	strbuf_add(ret, text, i);
	strbuf_puts(ret, mark);
}

char *human_bytes(uint64_t bytes, char buf[HUMAN])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	/* 1023.95 would print as 1024.0 */
	while (value >= 1023.95 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, HUMAN, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}

char *human_count(uint64_t n, char buf[HUMAN])
{
	char digits[24];
	size_t len, o = 0;

	len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n);
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[o++] = ',';
		buf[o++] = digits[i];
	}
	buf[o] = '\0';
	return buf;
}

char *human_duration(int64_t ms, char buf[HUMAN])
{
	int64_t s;

	if (ms < 0)
		ms = 0;
	s = ms / 1000;
	if (ms < 1000)
		snprintf(buf, HUMAN, "%d ms", (int)ms);
	else if (s < 60)
		snprintf(buf, HUMAN, "%d.%d s", (int)s, (int)(ms % 1000 / 100));
	else if (s < 3600)
		snprintf(buf, HUMAN, "%dm %02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(buf, HUMAN, "%dh %02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(buf, HUMAN, "%" PRId64 "d %02dh", s / 86400, (int)(s / 3600 % 24));
	return buf;
}

char *human_time(int64_t wall_ms, char buf[HUMAN])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (wall_ms == 0 || !localtime_r(&seconds, &tm) ||
	    !strftime(buf, HUMAN, "%Y-%m-%d %H:%M", &tm))
		snprintf(buf, HUMAN, "-");
	return buf;
}

char *human_number(double value, char buf[HUMAN])
{
	if (isnan(value))
		snprintf(buf, HUMAN, "NaN");
	else
		snprintf(buf, HUMAN, "%.6g", value);
	return buf;
}
