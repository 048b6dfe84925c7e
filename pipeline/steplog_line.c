/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and names of logs, as they are written and read. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "pipeline/steplog_internal.h"

#define DIGITS_MAX 15 /* sums of such numbers never overflow */

/* Digits at the start, with the byte after them; NULL when there are none, or too many. */
static const char *parse_number(const char *at, const char *end, char after, int64_t *ret)
{
	const char *start = at;
	int64_t value = 0;

	while (at < end && *at >= '0' && *at <= '9' && at - start < DIGITS_MAX)
		value = value * 10 + (*at++ - '0');
	if (at == start || at == end || *at != after)
		return NULL;
	*ret = value;
	return at + 1;
}

void steplog_parse_line(const char *line, size_t len, struct steplog_line *ret)
{
	const char *end = line + len, *at;

	*ret = (struct steplog_line){ .stream = 'o', .text = line, .len = len };
	at = parse_number(line, end, ' ', &ret->time);
	if (!at || end - at < 2 || at[1] != ' ' || !strchr("oecs", *at) || !*at) {
		ret->time = 0;
		return;
	}
	ret->stream = *at;
	ret->text = at + 2;
	ret->len = (size_t)(end - ret->text);
}

void steplog_count(const char *text, size_t len, struct steplog_at *at)
{
	const char *end;

	for (; len && (end = memchr(text, '\n', len)); len -= (size_t)(end + 1 - text), text = end + 1) {
		struct steplog_line line;

		steplog_parse_line(text, (size_t)(end - text), &line);
		at->lines++;
		at->bytes += (int64_t)line.len + 1;
	}
}

bool steplog_parse_start(const struct steplog_line *line, struct steplog_at *ret)
{
	const char *end = line->text + line->len, *at;
	struct steplog_at start;
	char text[48];

	/* The last number ends with the line: a byte after it makes both alike. */
	if (line->stream != 's' || line->len >= sizeof(text))
		return false;
	memcpy(text, line->text, line->len);
	text[line->len] = '\n';
	end = text + line->len + 1;
	at = parse_number(text, end, ' ', &start.lines);
	if (!at || parse_number(at, end, '\n', &start.bytes) != end)
		return false;
	*ret = start;
	return true;
}

static const char cut_start[] = "... cut: ", cut_lines[] = "lines, ", cut_bytes[] = "bytes ...";

static const char *skip(const char *at, const char *end, const char *word)
{
	size_t len = strlen(word);

	return at && (size_t)(end - at) >= len && !memcmp(at, word, len) ? at + len : NULL;
}

bool steplog_parse_cut(const struct steplog_line *line, struct steplog_at *ret)
{
	const char *end = line->text + line->len, *at;
	struct steplog_at cut;

	at = line->stream == 'c' ? skip(line->text, end, cut_start) : NULL;
	at = at ? parse_number(at, end, ' ', &cut.lines) : NULL;
	at = skip(at, end, cut_lines);
	at = at ? parse_number(at, end, ' ', &cut.bytes) : NULL;
	if (skip(at, end, cut_bytes) != end)
		return false;
	*ret = cut;
	return true;
}

int steplog_format_cut(char *buf, size_t room, const struct steplog_at *cut)
{
	return snprintf(buf, room, "%s%lld %s%lld %s", cut_start, (long long)cut->lines, cut_lines,
			(long long)cut->bytes, cut_bytes);
}

bool steplog_parse_name(const char *file, char **ret_step, int *ret_attempt)
{
	static const char *const ends[] = { STEPLOG_PACKED, STEPLOG_PLAIN, STEPLOG_PLAIN ".1", STEPLOG_PLAIN ".2" };
	size_t len = strlen(file), n = 0;
	const char *mark;
	int64_t attempt = 1;

	for (size_t i = 0; i < ARRAY_LEN(ends) && !n; i++) {
		size_t end = strlen(ends[i]);
		if (len > end && !strcmp(file + len - end, ends[i]))
			n = len - end;
	}
	mark = n ? memrchr(file, '~', n) : NULL;
	if (mark && (mark[1] == '0' || !parse_number(mark + 1, file + n + 1, '.', &attempt) ||
		     parse_number(mark + 1, file + n + 1, '.', &attempt) != file + n + 1 || attempt < 2 ||
		     attempt > INT32_MAX))
		return false;
	n = mark ? (size_t)(mark - file) : n;
	if (!n)
		return false;
	*ret_step = xstrndup(file, n);
	*ret_attempt = (int)attempt;
	return true;
}
