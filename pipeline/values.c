/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of pipeline.ini: one reader a type. Lists are split at newlines and commas; an
 * item in double quotes may hold commas.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/amount.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/expand.h"
#include "pipeline/params.h"
#include "pipeline/parse_internal.h"
#include "pipeline/show.h"

void textlist_release(struct textlist *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->items[i].text);
	free(list->items);
	*list = (struct textlist){ 0 };
}

void textlist_push(struct textlist *list, char *text, struct place at)
{
	GROW(list->items, list->len, list->cap);
	list->items[list->len++] = (struct text_at){ text, at };
}

static bool is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

const char *name_fault(const char *name)
{
	if (!*name)
		return "is empty";
	if (strlen(name) > NAME_MAX_BYTES)
		return "is longer than 100 bytes";
	if (!is_name_byte(*name) && *name > ' ' && *name < 0x7f)
		return "does not begin with a letter, a digit or '_'";
	for (const char *p = name; *p; p++)
		if (!is_name_byte(*p) && *p != '.' && *p != '-')
			return "has a character that is not one of A-Z a-z 0-9 _ . -";
	return NULL;
}

const struct ini_line *value_line(struct parser *p, const struct ini_entry *entry)
{
	if (entry->nlines == 1)
		return entry->lines;
	if (!entry->nlines)
		problem(p, entry->line, entry->column, "'%s' has no value", entry->key);
	else
		problem(p, entry->lines[1].line, entry->lines[1].column, "'%s' takes one line", entry->key);
	return NULL;
}

static void read_name(struct parser *p, const struct ini_entry *entry, void *field)
{
	const struct ini_line *line = value_line(p, entry);
	char **ret = field;
	const char *fault;

	if (!line)
		return;
	fault = name_fault(line->text);
	if (fault) {
		problem(p, line->line, line->column, "%s '%s' %s", entry->key, SHOW(line->text), fault);
		return;
	}
	*ret = xstrdup(line->text);
}

static void read_line(struct parser *p, const struct ini_entry *entry, void *field)
{
	const struct ini_line *line = value_line(p, entry);
	struct text_at *ret = field;

	if (line)
		*ret = (struct text_at){ xstrdup(line->text), { line->line, line->column } };
}

/* Bytes of a command's line without the backslash that continues it. */
static size_t without_backslash(const char *text)
{
	size_t len = strlen(text), n = 0;

	while (n < len && text[len - n - 1] == '\\')
		n++;
	return len - n % 2;
}

static void read_command(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct step *step = (struct step *)((char *)field - offsetof(struct step, cmd));
	CLEANUP_STRBUF struct strbuf joined = STRBUF_INIT;

	if (!entry->nlines) {
		problem(p, entry->line, entry->column, "'cmd' has no value");
		step->cmd.text = xstrdup("");
		return;
	}
	if (entry->nlines > 1)
		step->cmd_lines = xcalloc(entry->nlines - 1, sizeof(*step->cmd_lines));
	for (size_t i = 0; i < entry->nlines; i++) {
		const struct ini_line *line = &entry->lines[i];
		bool last = i + 1 == entry->nlines;
		if (i) {
			strbuf_putc(&joined, ' ');
			step->cmd_lines[step->ncmd_lines++] =
				(struct command_line){ joined.len, { line->line, line->column } };
		}
		strbuf_add(&joined, line->text, last ? strlen(line->text) : without_backslash(line->text));
	}
	step->cmd.at = (struct place){ entry->lines[0].line, entry->lines[0].column };
	step->cmd.text = xstrdup(joined.buf);
}

/* One item of a list: its text, and what follows a blank or the closing quote. */
struct item {
	const char *text, *rest;
	size_t len, rest_len;
	bool quoted;
	struct place at;
};

static size_t trimmed(const char *text, size_t len)
{
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	return len;
}

/* The next item from *pos on; false at the line's end. */
static bool next_item(struct parser *p, const struct ini_line *line, size_t *pos, struct item *ret)
{
	const char *text = line->text + *pos + strspn(line->text + *pos, " \t,");
	const char *close = NULL, *end;

	*ret = (struct item){ .text = text, .at = { line->line, line->column + (int)(text - line->text) } };
	if (!*text)
		return false;
	if (*text == '"') {
		close = strchr(text + 1, '"');
		if (!close) {
			problem(p, ret->at.line, ret->at.column, "a quote is not closed");
			return false;
		}
		ret->quoted = true;
		ret->text = text + 1;
		ret->len = (size_t)(close - ret->text);
		text = close + 1;
	}
	end = text + strcspn(text, ",");
	*pos = (size_t)(end - line->text);
	if (!ret->quoted) {
		ret->len = trimmed(text, (size_t)(end - text));
		return true;
	}
	ret->rest = text + strspn(text, " \t");
	ret->rest_len = trimmed(ret->rest, (size_t)(end - ret->rest));
	return true;
}

/* Reads a list whose items `check` (may be NULL) judges; it returns false after a problem. */
static void read_items(struct parser *p, const struct ini_entry *entry, struct textlist *ret,
		       bool (*check)(struct parser *, const struct item *))
{
	ret->cap = entry->nlines;
	ret->items = ret->cap ? xcalloc(ret->cap, sizeof(*ret->items)) : NULL;
	for (size_t i = 0; i < entry->nlines; i++) {
		size_t pos = 0;
		struct item item;
		while (next_item(p, &entry->lines[i], &pos, &item)) {
			if (!item.len)
				problem(p, item.at.line, item.at.column, "an item of '%s' is empty", entry->key);
			else if (item.rest_len)
				problem(p, item.at.line, item.at.column, "text follows a closing quote");
			else if (!check || check(p, &item))
				textlist_push(ret, xstrndup(item.text, item.len), item.at);
		}
	}
	if (ret->len && ret->len < ret->cap) {
		ret->items = xreallocarray(ret->items, ret->len, sizeof(*ret->items));
		ret->cap = ret->len;
	}
}

void value_list(struct parser *p, const struct ini_entry *entry, void *field)
{
	read_items(p, entry, field, NULL);
}

static bool check_env(struct parser *p, const struct item *item)
{
	const char *equals = memchr(item->text, '=', item->len);
	size_t name = equals ? (size_t)(equals - item->text) : item->len;
	const char *value = equals ? equals + 1 : "";
	size_t len = equals ? item->len - name - 1 : 0;
	CLEANUP(cleanup_free) char *text = xstrndup(item->text, item->len);
	bool plain = name > 0 && !isdigit((unsigned char)*item->text);
	struct error *err;

	for (size_t i = 0; i < name; i++)
		plain = plain && is_name_byte(item->text[i]);
	if (!equals || !plain) {
		err = problem(p, item->at.line, item->at.column, "'%s' is not NAME=VALUE", SHOW(text));
		error_help(err, "a value with a comma needs quotes around all of it: \"NAME=a,b\"");
		return false;
	}
	if (!strncmp(item->text, "MLOPS_", 6)) {
		problem(p, item->at.line, item->at.column, "'%s': names that begin with MLOPS_ are set by mlops",
			SHOW(text));
		return false;
	}
	if (len > 1 && (*value == '"' || *value == '\'') && value[len - 1] == *value) {
		err = problem(p, item->at.line, item->at.column, "quotes inside '%s' would be part of the value",
			      SHOW(text));
		error_help(err, "leave them out, or put them around all of it: \"NAME=a,b\"");
		return false;
	}
	return true;
}

static size_t env_name_len(const char *env)
{
	return (size_t)(strchr(env, '=') - env);
}

static int by_env_name(const void *a, const void *b)
{
	const struct text_at *x = *(const struct text_at *const *)a;
	const struct text_at *y = *(const struct text_at *const *)b;
	size_t nx = env_name_len(x->text), ny = env_name_len(y->text);
	int order = memcmp(x->text, y->text, nx < ny ? nx : ny);

	if (order)
		return order;
	if (nx != ny)
		return nx < ny ? -1 : 1;
	return x < y ? -1 : 1;
}

static void read_env(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct textlist *list = field;
	CLEANUP(cleanup_free) const struct text_at **sorted = NULL;

	read_items(p, entry, list, check_env);
	if (list->len < 2)
		return;
	sorted = xcalloc(list->len, sizeof(*sorted));
	for (size_t i = 0; i < list->len; i++)
		sorted[i] = &list->items[i];
	qsort(sorted, list->len, sizeof(*sorted), by_env_name);
	for (size_t i = 1; i < list->len; i++) {
		size_t n = env_name_len(sorted[i]->text);
		if (n == env_name_len(sorted[i - 1]->text) && !memcmp(sorted[i]->text, sorted[i - 1]->text, n))
			problem(p, sorted[i]->at.line, sorted[i]->at.column,
				"'%.*s' stands twice in 'env', first in line %d", (int)(n < 99 ? n : 99),
				sorted[i]->text, sorted[i - 1]->at.line);
	}
}

/* "x=epoch y=loss" */
static bool check_plot_options(struct parser *p, const struct item *item)
{
	for (size_t i = 0; i < item->rest_len;) {
		const char *word = item->rest + i;
		size_t len = 0;
		while (i + len < item->rest_len && word[len] != ' ' && word[len] != '\t')
			len++;
		if (len < 3 || (*word != 'x' && *word != 'y') || word[1] != '=') {
			CLEANUP(cleanup_free) char *text = xstrndup(word, len);
			struct error *err = problem(p, item->at.line, item->at.column,
						    "unknown plot option '%s'", SHOW(text));
			error_help(err, "write PATH x=COLUMN y=COLUMN; a path with a blank needs double quotes");
			return false;
		}
		i += len;
		while (i < item->rest_len && (item->rest[i] == ' ' || item->rest[i] == '\t'))
			i++;
	}
	return true;
}

static void read_plots(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct step *step = (struct step *)((char *)field - offsetof(struct step, plots));

	for (size_t i = 0; i < entry->nlines; i++) {
		size_t pos = 0;
		struct item item;
		while (next_item(p, &entry->lines[i], &pos, &item)) {
			if (!item.quoted) {
				size_t len = 0;
				while (len < item.len && item.text[len] != ' ' && item.text[len] != '\t')
					len++;
				item.rest = item.text + len;
				item.rest_len = item.len - len;
				while (item.rest_len && (*item.rest == ' ' || *item.rest == '\t')) {
					item.rest++;
					item.rest_len--;
				}
				item.len = len;
			}
			if (!item.len)
				problem(p, item.at.line, item.at.column, "an item of 'plots' is empty");
			if (!item.len || !check_plot_options(p, &item))
				continue;
			textlist_push(&step->plots, xstrndup(item.text, item.len), item.at);
			strlist_push_owned(&step->plot_options, xstrndup(item.rest, item.rest_len));
		}
	}
}

static void read_bool(struct parser *p, const struct ini_entry *entry, void *field)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = { { "yes", true }, { "no", false }, { "true", true }, { "false", false } };
	const struct ini_line *line = value_line(p, entry);
	bool *ret = field;

	if (!line)
		return;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!strcmp(line->text, words[i].word)) {
			*ret = words[i].value;
			return;
		}
	}
	problem(p, line->line, line->column, "'%s' is yes or no, not '%s'", entry->key, SHOW(line->text));
}

static void read_number(struct parser *p, const struct ini_entry *entry, void *field)
{
	const struct ini_line *line = value_line(p, entry);
	double *ret = field, value;
	char *end;

	if (!line)
		return;
	value = strtod(line->text, &end);
	if (strspn(line->text, "0123456789.") != strlen(line->text) || *end || !(value > 0) || value > 1e6) {
		problem(p, line->line, line->column, "'%s' is a number above 0, not '%s'", entry->key,
			SHOW(line->text));
		return;
	}
	*ret = value;
}

void value_count(struct parser *p, const struct ini_entry *entry, void *field)
{
	const struct ini_line *line = value_line(p, entry);
	size_t len;

	if (!line)
		return;
	len = strlen(line->text);
	if (len > 6 || strspn(line->text, "0123456789") != len)
		problem(p, line->line, line->column, "'%s' is a whole number, not '%s'", entry->key, SHOW(line->text));
	else
		*(int64_t *)field = strtol(line->text, NULL, 10);
}

static void read_user(struct parser *p, const struct ini_entry *entry, void *field)
{
	const struct ini_line *line = value_line(p, entry);
	bool *root = field;

	if (!line)
		return;
	*root = !strcmp(line->text, "root");
	if (!*root && strcmp(line->text, "user") != 0)
		error_help(problem(p, line->line, line->column, "'%s' is user or root, not '%s'", entry->key,
				   SHOW(line->text)),
			   "user is whoever runs mlops; there is no other choice, so that outputs belong to somebody");
}

static void read_amount(struct parser *p, const struct ini_entry *entry, void *field,
			int (*parse)(const char *, int64_t *, struct error *))
{
	const struct ini_line *line = value_line(p, entry);
	struct error why = { 0 };
	int64_t value;

	if (!line)
		return;
	if (parse(line->text, &value, &why) < 0) {
		struct error *err = problem(p, line->line, line->column, "'%s': %s", entry->key, why.msg);
		error_help(err, "%s", why.help);
	} else if (!value) {
		problem(p, line->line, line->column, "'%s' must be more than 0", entry->key);
	} else {
		*(int64_t *)field = value;
	}
}

static void read_size(struct parser *p, const struct ini_entry *entry, void *field)
{
	read_amount(p, entry, field, parse_size);
}

static void read_duration(struct parser *p, const struct ini_entry *entry, void *field)
{
	read_amount(p, entry, field, parse_duration);
}

/* Params are put together when their file has been read. */
static void read_param(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct error why = { 0 };

	(void)field;
	if (param_check_key(entry->key, &why) < 0) {
		problem(p, entry->line, entry->column, "%s", why.msg);
		return;
	}
	GROW(p->params, p->nparams, p->params_cap);
	p->params[p->nparams++] = (struct inline_param){
		.key = xstrdup(entry->key),
		.value = param_value(entry->value),
		.at = { entry->line, entry->column },
	};
}

void value_store(struct parser *p, const struct grammar_key *row, const struct ini_entry *entry)
{
	static void (*const readers[])(struct parser *, const struct ini_entry *, void *field) = {
		[G_TEXT] = read_line,
		[G_NAME] = read_name,
		[G_PATH] = read_line,
		[G_PATHS] = value_list,
		[G_LIST] = value_list,
		[G_COMMAND] = read_command,
		[G_ENV] = read_env,
		[G_BOOL] = read_bool,
		[G_NUMBER] = read_number,
		[G_COUNT] = value_count,
		[G_USER] = read_user,
		[G_SIZE] = read_size,
		[G_DURATION] = read_duration,
		[G_PLOTS] = read_plots,
		[G_ANY] = read_param,
		[G_AXIS] = value_axis,
		[G_POOL] = value_pool,
		[G_BACKOFF] = value_backoff,
		[G_CAUSES] = value_causes,
		[G_SECRETS] = value_secrets,
		[G_WINDOW] = value_window,
		[G_TIMES] = value_times,
		[G_REFERENCE] = value_reference,
		[G_SEASON] = value_season,
		[G_METHOD] = value_method,
		[G_LINES] = value_lines,
		[G_HOLDOUT] = value_holdout,
		[G_COOLDOWN] = value_cooldown,
	};
	struct pipeline *pipeline = p->pipeline;
	char *base = (char *)pipeline;

	if (!strcmp(row->section, "step."))
		base = (char *)&pipeline->steps[pipeline->nsteps - 1];
	else if (!strcmp(row->section, "remote."))
		base = (char *)&pipeline->remotes[pipeline->nremotes - 1];
	else if (!strcmp(row->section, "image."))
		base = (char *)&pipeline->images[pipeline->nimages - 1];
	else if (!strcmp(row->section, "monitor."))
		base = (char *)&pipeline->monitors[pipeline->nmonitors - 1];
	else if (!strcmp(row->section, "schema."))
		base = (char *)&pipeline->schemas[pipeline->nschemas - 1];
	else if (!strcmp(row->section, "model."))
		base = (char *)&pipeline->models[pipeline->nmodels - 1];
	else if (!strcmp(row->section, "trigger."))
		base = (char *)&pipeline->triggers[pipeline->ntriggers - 1];
	else if (!strcmp(row->section, "notify."))
		base = (char *)&pipeline->notifies[pipeline->nnotifies - 1];
	readers[row->type](p, entry, base + row->field);
}
