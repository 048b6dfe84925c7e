/* SPDX-License-Identifier: Apache-2.0 */
#include "base/settings.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/amount.h"
#include "base/error.h"
#include "base/ini.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/reach.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/utf8.h"

const struct setting_def setting_defs[SETTING_COUNT] = {
#define X(id, key, type, fallback, allowed, help)                                                  \
	[SETTING_##id] = { key, type, fallback, allowed, help },
	SETTINGS(X)
#undef X
};

void settings_release(struct settings *settings)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		free(settings->values[i]);
	*settings = (struct settings){ 0 };
}

int settings_find(const char *key, enum setting *ret, struct error *err)
{
	const char *keys[SETTING_COUNT];
	const char *nearest;

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		keys[i] = setting_defs[i].key;
		if (!strcmp(key, keys[i])) {
			*ret = (enum setting)i;
			return 0;
		}
	}
	nearest = nearest_word(keys, SETTING_COUNT, key);
	error_set(err, ERR_USAGE, "unknown setting %s", key);
	if (nearest)
		return error_help(err, "did you mean %s?", nearest);
	return error_help(err, "list all settings: mlops config");
}

/* A decimal number, nothing around it, in the range "LOW..HIGH". */
static bool in_range(const char *value, const char *range)
{
	const char *digits = value + (*value == '-');
	long long number, low, high;
	char *end;

	if (!*digits || digits[strspn(digits, "0123456789")])
		return false;
	low = strtoll(range, &end, 10);
	high = strtoll(end + 2, NULL, 10);
	errno = 0;
	number = strtoll(value, NULL, 10);
	return errno == 0 && number >= low && number <= high;
}

static bool in_words(const char *value, const char *words)
{
	size_t len = strlen(value);

	for (;;) {
		size_t n = strcspn(words, "|");

		if (n == len && len && !memcmp(words, value, n))
			return true;
		if (!words[n])
			return false;
		words += n + 1;
	}
}

static bool is_one_line(const char *value)
{
	size_t len = strlen(value);

	for (size_t i = 0; i < len; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
			return false;
	return utf8_span(value, len) == len;
}

static int check_networks(const char *key, const char *value, struct error *err)
{
	struct reach reach CLEANUP(reach_release) = { 0 };

	return reach_parse(value, &reach, err) < 0 ? error_wrap(err, "%s", key) : 0;
}

int settings_check(enum setting id, const char *value, struct error *err)
{
	const struct setting_def *def = &setting_defs[id];
	int64_t size, least = 0;

	if (!is_one_line(value))
		return error_set(err, ERR_USAGE, "%s must be one line of UTF-8 text", def->key);
	switch (def->type) {
	case SETTING_INT:
		if (in_range(value, def->allowed))
			return 0;
		error_set(err, ERR_USAGE, "%s cannot be '%s'", def->key, value);
		return error_help(err, "give a whole number in the range %s", def->allowed);
	case SETTING_SIZE:
		if (parse_size(value, &size, err) < 0)
			return error_wrap(err, "%s", def->key);
		if (def->allowed)
			parse_size(def->allowed, &least, NULL);
		if (!size || size >= least)
			return 0;
		error_set(err, ERR_USAGE, "%s cannot be '%s'", def->key, value);
		return error_help(err, "give 0, or %s or more", def->allowed);
	case SETTING_GPUS:
		if (*value && (value[strspn(value, "0123456789")] ||
			       (strlen(value) <= 2 && strtol(value, NULL, 10) <= SETTING_GPUS_MAX)))
			return 0;
		error_set(err, ERR_USAGE, "%s cannot be '%s'", def->key, value);
		return error_help(err, "give auto, a number up to %d, or ids as 0,2", SETTING_GPUS_MAX);
	case SETTING_WORD:
		if (in_words(value, def->allowed))
			return 0;
		error_set(err, ERR_USAGE, "%s cannot be '%s'", def->key, value);
		return error_help(err, "give one of: %s", def->allowed);
	case SETTING_NETWORKS:
		return check_networks(def->key, value, err);
	case SETTING_TEXT:
		break;
	}
	return 0;
}

static void set_value(struct settings *settings, enum setting id, const char *value)
{
	free(settings->values[id]);
	settings->values[id] = xstrdup(value);
}

struct loading {
	struct settings settings;
	const char *path;
};

static void release_loading(struct loading *l)
{
	settings_release(&l->settings);
}

static int load_entry(void *ctx, const struct ini_entry *e, struct error *err)
{
	CLEANUP(cleanup_free) char *key = NULL;
	struct loading *l = ctx;
	enum setting id;

	if (!e->key)
		return 0;
	key = xasprintf("%s.%s", e->section, e->key);
	if (settings_find(key, &id, err) < 0)
		return error_where(err, l->path, e->line, e->column);
	if (l->settings.values[id]) {
		error_set(err, ERR_USAGE, "%s stands twice", key);
		return error_where(err, l->path, e->line, e->column);
	}
	if (settings_check(id, e->value, err) < 0)
		return error_where(err, l->path, e->line, e->column);
	set_value(&l->settings, id, e->value);
	return 0;
}

static int load_environment(struct settings *settings, struct error *err)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		CLEANUP(cleanup_free) char *name = xasprintf("MLOPS_%s", setting_defs[i].key);
		const char *value;

		for (char *p = name; *p; p++)
			*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
		value = getenv(name);
		if (!value)
			continue;
		if (settings_check((enum setting)i, value, err) < 0)
			return error_wrap(err, "environment variable %s", name);
		set_value(settings, (enum setting)i, value);
	}
	return 0;
}

/* An absent file reads as empty. */
static int read_text(const char *path, struct strbuf *ret, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOENT)
		return 0;
	return io_read_file(AT_FDCWD, path, INI_MAX_BYTES, ret, err);
}

int settings_load(struct settings *settings, const char *path, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(release_loading) struct loading l = { .path = path };

	if (read_text(path, &text, err) < 0 ||
	    ini_parse_text(text.buf, text.len, path, load_entry, &l, err) < 0 ||
	    load_environment(&l.settings, err) < 0)
		return -1;
	settings_release(settings);
	*settings = l.settings;
	l.settings = (struct settings){ 0 };
	return 0;
}

/* Where one setting stands in a file, by line number from 1; 0: nowhere. */
struct edit {
	const char *section; /* "run", with its length */
	size_t section_len;
	const char *key; /* "jobs" */
	bool *drop;      /* lines that hold the old value */
	int key_line;    /* the first of them */
	int section_end; /* the last line of the section's content */
	bool keyless;    /* and that is the section's own line */
};

static int find_lines(void *ctx, const struct ini_entry *e, struct error *err)
{
	struct edit *edit = ctx;

	(void)err;
	if (strncmp(e->section, edit->section, edit->section_len) || e->section[edit->section_len])
		return 0;
	edit->section_end = e->nlines ? e->lines[e->nlines - 1].line : e->line;
	edit->keyless = !e->key;
	if (!e->key || strcmp(e->key, edit->key))
		return 0;
	if (!edit->key_line)
		edit->key_line = e->line;
	edit->drop[e->line] = true;
	for (size_t i = 0; i < e->nlines; i++)
		edit->drop[e->lines[i].line] = true;
	return 0;
}

static void put_setting(struct strbuf *ret, const struct edit *edit, const char *value,
			const char *eol)
{
	if (ret->len && ret->buf[ret->len - 1] != '\n')
		strbuf_puts(ret, eol);
	strbuf_printf(ret, "%s =%s%s%s", edit->key, *value ? " " : "", value, eol);
}

static const char *line_after(const char *p)
{
	const char *stop = strchr(p, '\n');

	return stop ? stop + 1 : p + strlen(p);
}

/* The line behind which the new value goes. In a section without keys that is its last comment: one
 * that starts with a blank would else become part of the value. */
static int insertion_line(const char *text, const struct edit *edit)
{
	int line = 1, last = edit->section_end;

	if (edit->key_line)
		return edit->key_line;
	if (!edit->keyless)
		return last;
	for (const char *p = text; *p; p = line_after(p), line++) {
		if (line <= edit->section_end)
			continue;
		if (*p == '[')
			break;
		if (strcspn(p, "#;") < strcspn(p, "\n"))
			last = line;
	}
	return last;
}

static void rewrite(const struct strbuf *old, const struct edit *edit, const char *value,
		    struct strbuf *ret)
{
	const char *first = strchr(old->buf, '\n');
	const char *eol = first && first > old->buf && first[-1] == '\r' ? "\r\n" : "\n";
	int line = 1, insert = insertion_line(old->buf, edit);

	for (const char *p = old->buf; *p; p = line_after(p), line++) {
		if (!edit->drop[line])
			strbuf_add(ret, p, (size_t)(line_after(p) - p));
		if (value && line == insert)
			put_setting(ret, edit, value, eol);
	}
	if (!value || edit->section_end)
		return;
	if (ret->len && ret->buf[ret->len - 1] != '\n')
		strbuf_puts(ret, eol);
	strbuf_printf(ret, "%s[%.*s]%s", ret->len ? eol : "", (int)edit->section_len, edit->section,
		      eol);
	put_setting(ret, edit, value, eol);
}

int settings_store(const char *path, enum setting id, const char *value, struct error *err)
{
	CLEANUP_STRBUF struct strbuf old = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf new = STRBUF_INIT;
	CLEANUP(cleanup_free) bool *drop = NULL;
	const char *key = setting_defs[id].key;
	const char *dot = strchr(key, '.');
	struct edit edit = { .section = key, .section_len = (size_t)(dot - key), .key = dot + 1 };
	struct stat st;

	if (value && settings_check(id, value, err) < 0)
		return -1;
	if (read_text(path, &old, err) < 0)
		return -1;
	edit.drop = drop = xcalloc(old.len + 2, sizeof(*drop)); /* no more lines than bytes */
	if (ini_parse_text(old.buf, old.len, path, find_lines, &edit, err) < 0)
		return -1;
	rewrite(&old, &edit, value, &new);
	if (new.len == old.len && !memcmp(new.buf, old.buf, new.len))
		return 0;
	return io_replace_file(AT_FDCWD, path, new.buf, new.len,
			       stat(path, &st) == 0 ? st.st_mode & 0777 : 0644, true, err);
}

const char *settings_get(const struct settings *settings, enum setting id)
{
	return settings->values[id] ? settings->values[id] : setting_defs[id].fallback;
}

int64_t settings_int(const struct settings *settings, enum setting id)
{
	int64_t size = 0;

	if (setting_defs[id].type != SETTING_SIZE)
		return strtoll(settings_get(settings, id), NULL, 10);
	parse_size(settings_get(settings, id), &size, NULL); /* it was checked */
	return size;
}
