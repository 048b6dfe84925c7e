/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/filter_internal.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int column_of(const struct filter_parser *p, const char *at)
{
	int column = 1;

	for (const char *s = p->text; s < at; s++)
		column += ((unsigned char)*s & 0xc0) != 0x80;
	return column;
}

int filter_refuse(const struct filter_parser *p, const char *at, const char *fmt, ...)
{
	char why[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	error_set(p->err, ERR_USAGE, "%s, column %d: %s", p->what, column_of(p, at), why);
	if (p->what[0] == 'f')
		return error_help(p->err, "conditions look like: metrics.auc > 0.9 AND params.model = 'xgb'");
	return error_help(p->err, "an order looks like: metrics.auc DESC, start_time");
}

void filter_skip(struct filter_parser *p)
{
	while (isspace((unsigned char)*p->at))
		p->at++;
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 || (c && strchr("_-./:", c));
}

size_t filter_word_len(const struct filter_parser *p)
{
	size_t len = 0;

	while (is_word_char(p->at[len]))
		len++;
	return len;
}

bool filter_take(struct filter_parser *p, const char *words)
{
	const char *start = p->at;
	bool is_word = isalpha((unsigned char)words[0]);

	for (; *words; words++) {
		if (*words == ' ') {
			if (!isspace((unsigned char)*p->at))
				goto no;
			filter_skip(p);
		} else if (toupper((unsigned char)*p->at) != *words) {
			goto no;
		} else {
			p->at++;
		}
	}
	if (!is_word || !is_word_char(*p->at)) {
		filter_skip(p);
		return true;
	}
no:
	p->at = start;
	return false;
}

int filter_take_quoted(struct filter_parser *p, char **ret)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const char *start = p->at;
	char quote = *p->at++;

	for (;; p->at++) {
		if (!*p->at)
			return filter_refuse(p, start, "Invalid clause(s) in filter string: this %c is not closed", quote);
		if (*p->at == quote && *++p->at != quote)
			break;
		strbuf_putc(&text, *p->at);
	}
	filter_skip(p);
	*ret = strbuf_detach(&text);
	return 0;
}

bool filter_take_number(struct filter_parser *p, double *ret)
{
	char text[64];
	size_t len = strspn(p->at, "0123456789+-.eE");
	char *end;

	if (!len || len >= sizeof(text) || is_word_char(p->at[len]))
		return false;
	memcpy(text, p->at, len);
	text[len] = '\0';
	*ret = strtod(text, &end);
	if (*end)
		return false;
	p->at += len;
	filter_skip(p);
	return true;
}

int filter_value_len(const struct filter_parser *p)
{
	const char *end = *p->at ? strchr(p->at + 1, *p->at == '(' ? ')' : *p->at) : NULL;
	size_t len = filter_word_len(p);

	if (*p->at && strchr("'\"`(", *p->at))
		len = end ? (size_t)(end + 1 - p->at) : strlen(p->at);
	while (len > 60 || (len && ((unsigned char)p->at[len] & 0xc0) == 0x80))
		len--;
	return (int)len;
}
