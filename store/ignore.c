/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ignore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"

static const char ignore_file[] = ".mlopsignore";

struct rule {
	char *pattern; /* for path_match, on the whole path */
	const char *name; /* the pattern is "**" + '/' + this plain name: matched without stars */
	bool negated, dir_only;
};
struct ignore {
	struct rule *rules;
	size_t len, cap;
};

static const struct {
	const char *name;
	bool dir_only;
} builtin[] = {
	{ ".mlops", false }, { ".git", false }, { "__pycache__", true },
	{ ".ipynb_checkpoints", true }, { ".DS_Store", false },
};

static bool match_builtin(const char *name, bool is_dir)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_LEN(builtin); i++)
		if (name[0] == builtin[i].name[0] && (is_dir || !builtin[i].dir_only) &&
		    !strcmp(name, builtin[i].name))
			return true;
	if (len > 4 && !memcmp(name + len - 4, ".pyc", 4) && !is_dir)
		return true;
	/* What a killed checkout onto another file system left beside its target. */
	return !strncmp(name, ".mlops-tmp.", 11);
}

static bool match_rule(const struct rule *rule, const char *path, const char *name, bool is_dir)
{
	if (rule->dir_only && !is_dir)
		return false;
	return rule->name ? !strcmp(rule->name, name) : path_match(rule->pattern, path);
}

bool ignore_match_here(const struct ignore *ignore, const char *path, bool is_dir)
{
	const char *name = path_base(path);

	if (match_builtin(name, is_dir))
		return true;
	for (size_t i = ignore ? ignore->len : 0; i > 0; i--)
		if (match_rule(&ignore->rules[i - 1], path, name, is_dir))
			return !ignore->rules[i - 1].negated;
	return false;
}

bool ignore_match(const struct ignore *ignore, const char *path, bool is_dir)
{
	CLEANUP(cleanup_free) char *copy = xstrdup(path);

	for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (ignore_match_here(ignore, copy, true))
			return true;
		*slash = '/';
	}
	return ignore_match_here(ignore, path, is_dir);
}

/* Trailing blanks do not count unless escaped. */
static size_t trim_end(const char *line, size_t len)
{
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r')) {
		size_t slashes = 0;

		while (slashes + 1 < len && line[len - 2 - slashes] == '\\')
			slashes++;
		if (slashes % 2)
			break;
		len--;
	}
	return len;
}

/* "**" crosses directories only where it is a whole component; elsewhere it is one '*'. */
static void add_pattern(struct strbuf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool starts = i == 0 || text[i - 1] == '/';
		size_t stars = 0;

		if (text[i] == '\\' && i + 1 < len) {
			strbuf_add(out, text + i++, 2);
			continue;
		}
		while (i + stars < len && text[i + stars] == '*')
			stars++;
		if (stars < 2) {
			strbuf_putc(out, text[i]);
			continue;
		}
		if (starts && (i + stars == len || text[i + stars] == '/'))
			strbuf_puts(out, "**");
		else
			strbuf_putc(out, '*');
		i += stars - 1;
	}
}

static void add_rule(struct ignore *ignore, const char *line, size_t len)
{
	CLEANUP_STRBUF struct strbuf pattern = STRBUF_INIT;
	struct rule rule = { 0 };

	len = trim_end(line, len);
	if (!len || *line == '#')
		return;
	if (*line == '!') {
		rule.negated = true;
		line++;
		len--;
	}
	if (len && line[len - 1] == '/') {
		rule.dir_only = true;
		len--;
	}
	if (!len)
		return;
	if (!memchr(line, '/', len))
		strbuf_puts(&pattern, "**/");
	else if (*line == '/') {
		line++;
		len--;
	}
	add_pattern(&pattern, line, len);
	rule.pattern = strbuf_detach(&pattern);
	if (!strncmp(rule.pattern, "**/", 3) &&
	    !rule.pattern[3 + strcspn(rule.pattern + 3, "*?[\\/")])
		rule.name = rule.pattern + 3;
	GROW(ignore->rules, ignore->len, ignore->cap);
	ignore->rules[ignore->len++] = rule;
}

int ignore_parse(const char *text, size_t len, struct ignore **ret, struct error *err)
{
	struct ignore *ignore;
	const char *end = text + len;

	if (memchr(text, 0, len))
		return error_set(err, ERR_USAGE, "%s contains a NUL byte", ignore_file);
	ignore = xcalloc(1, sizeof(*ignore));
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	while (text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));

		if (!eol)
			eol = end;
		add_rule(ignore, text, (size_t)(eol - text));
		text = eol + (eol < end);
	}
	*ret = ignore;
	return 0;
}

int ignore_load(int rootfd, struct ignore **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct stat st;
	int there = fs_stat_beneath(rootfd, ignore_file, &st, err);

	if (there < 0)
		return -1;
	if (there && io_read_file(rootfd, ignore_file, IGNORE_MAX_BYTES, &text, err) < 0)
		return -1;
	return ignore_parse(text.buf, text.len, ret, err);
}

void ignore_free(struct ignore *ignore)
{
	if (!ignore)
		return;
	for (size_t i = 0; i < ignore->len; i++)
		free(ignore->rules[i].pattern);
	free(ignore->rules);
	free(ignore);
}
