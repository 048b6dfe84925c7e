/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/env_file.h"
#include <ctype.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "base/utf8.h"
#include "pipeline/parse_internal.h"
#include "pipeline/problems.h"
#include "pipeline/show.h"

struct reader {
	const char *file;
	struct problems *problems;
	struct strlist *ret;
	struct strmap lines; /* name -> where it stood */
	int line;
	bool full;
};

static int fault(struct reader *r, int column, const char *message, const char *help)
{
	struct error why = { 0 };

	error_set(&why, ERR_USAGE, "%s", message);
	error_help(&why, "%s", help);
	problems_once(r->problems, r->file, (struct place){ r->line, column }, &why);
	return -1;
}

static bool is_name(const char *text, size_t len)
{
	if (!len || isdigit((unsigned char)*text))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '_')
			return false;
	return true;
}

int env_file_load(int rootfd, const char *path, struct strbuf *ret, struct error *err)
{
	if (parse_read_file(rootfd, path, ENV_FILE_BYTES_MAX, ret, err) == 0)
		return 0;
	error_wrap(err, "env_file");
	if (err && !*err->help)
		error_help(err, "it is a small file of NAME=VALUE lines in the project");
	return -1;
}

static int read_line(struct reader *r, const char *line)
{
	const char *text = line + strspn(line, " \t"), *equals, *value;
	CLEANUP(cleanup_free) char *name = NULL;
	size_t len;

	if (!*text || *text == '#')
		return 0;
	if (!strncmp(text, "export", 6) && (text[6] == ' ' || text[6] == '\t'))
		text += 6 + strspn(text + 6, " \t");
	equals = strchr(text, '=');
	if (!equals || !is_name(text, (size_t)(equals - text)))
		return fault(r, (int)(text - line) + 1, "the line is not NAME=VALUE",
			     "write one variable a line, without blanks before the '='; '#' begins a comment");
	name = xstrndup(text, (size_t)(equals - text));
	if (!strncmp(name, "MLOPS_", 6))
		return fault(r, (int)(text - line) + 1, "names that begin with MLOPS_ are set by mlops",
			     "take another name");
	if (strmap_set(&r->lines, name, r))
		return fault(r, (int)(text - line) + 1, "the name stands twice in this file", "keep one of the lines");
	r->full = r->ret->len == ENV_FILE_NAMES_MAX;
	if (r->full)
		return fault(r, 1, "there are more than 1000 variables in this file",
			     "pass data in a file that is an input");
	value = equals + 1;
	len = strlen(value);
	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	if (len > 1 && (*value == '"' || *value == '\'') && value[len - 1] == *value) {
		value++;
		len -= 2;
	}
	strlist_push_owned(r->ret, xasprintf("%s=%.*s", name, (int)len, value));
	return 0;
}

int env_file_parse(const char *text, size_t len, const char *file, struct problems *problems, struct strlist *ret)
{
	struct reader r = { .file = file, .problems = problems, .ret = ret };
	const char *end = text + len, *stop;
	int result = 0;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	for (; text < end; text = stop + 1) {
		CLEANUP(cleanup_free) char *line = NULL;
		size_t n;
		stop = memchr(text, '\n', (size_t)(end - text));
		if (!stop)
			stop = end;
		n = (size_t)(stop - text);
		n -= n && text[n - 1] == '\r';
		r.line++;
		if (memchr(text, '\0', n) || utf8_span(text, n) < n) {
			result = fault(&r, 1, "the line is not text in UTF-8", "save the file as UTF-8");
			break;
		}
		line = xstrndup(text, n);
		if (read_line(&r, line) < 0)
			result = -1;
		if (r.full)
			break;
	}
	strmap_release(&r.lines);
	return result;
}
