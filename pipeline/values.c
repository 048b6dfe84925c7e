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

#define NAME_MAX_BYTES 100

/* A secret's name is that of its variable, too. */
const char *secret_name_fault(const char *name)
{
	if (!*name)
		return "is empty";
	if (strlen(name) > NAME_MAX_BYTES)
		return "is longer than 100 bytes";
	if (isdigit((unsigned char)*name) || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")])
		return "is not made of letters, digits and '_', or begins with a digit";
	if (!strncmp(name, "MLOPS_", 6))
		return "begins with MLOPS_, as what mlops sets itself";
	return NULL;
}

void textlist_release(struct textlist *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->items[i].text);
	free(list->items);
	*list = (struct textlist){ 0 };
}

static void textlist_push(struct textlist *list, char *text, struct place at)
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

/* The value when it is one line; otherwise a problem and NULL. */
static const struct ini_line *one_line(struct parser *p, const struct ini_entry *entry)
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
	const struct ini_line *line = one_line(p, entry);
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
	const struct ini_line *line = one_line(p, entry);
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

static void read_list(struct parser *p, const struct ini_entry *entry, void *field)
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
	const struct ini_line *line = one_line(p, entry);
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
	const struct ini_line *line = one_line(p, entry);
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

static void read_count(struct parser *p, const struct ini_entry *entry, void *field)
{
	const struct ini_line *line = one_line(p, entry);
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
	const struct ini_line *line = one_line(p, entry);
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
	const struct ini_line *line = one_line(p, entry);
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

static void read_axis(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct step *step = &p->pipeline->steps[p->pipeline->nsteps - 1];
	const char *name = strchr(entry->key, '.') + 1;
	const char *fault = name_fault(name);
	struct matrix_axis *axis;

	(void)field;
	if (fault) {
		problem(p, entry->line, entry->column, "axis name '%s' %s", SHOW(name), fault);
		return;
	}
	GROW(step->axes, step->naxes, step->axes_cap);
	axis = &step->axes[step->naxes++];
	*axis = (struct matrix_axis){ .name = xstrdup(name), .at = { entry->line, entry->column } };
	read_list(p, entry, &axis->values);
	if (!axis->values.len)
		error_help(problem(p, entry->line, entry->column, "'%s' has no values", SHOW(entry->key)),
			   "list them: %s = 1..3, or a, b, c", SHOW(entry->key));
}

static void read_pool(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct pipeline *pipeline = p->pipeline;
	const char *name = strchr(entry->key, '.') + 1;
	const char *fault = name_fault(name);
	int64_t size = -1;

	(void)field;
	if (fault) {
		problem(p, entry->line, entry->column, "pool name '%s' %s", SHOW(name), fault);
		return;
	}
	read_count(p, entry, &size);
	if (!size)
		error_help(problem(p, entry->lines[0].line, entry->lines[0].column, "a pool of 0 would let no step run"),
			   "write 1 or more, or take pool= out of the steps");
	GROW(pipeline->pools, pipeline->npools, pipeline->pools_cap);
	pipeline->pools[pipeline->npools++] =
		(struct pool){ .name = xstrdup(name), .at = { entry->line, entry->column }, .size = size };
}

/* "10s..5m", or "10s" for always up to 10 s. */
static void read_backoff(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct step *step = (struct step *)((char *)field - offsetof(struct step, backoff_ms));
	const struct ini_line *line = one_line(p, entry);
	const char *dots = line ? strstr(line->text, "..") : NULL;
	CLEANUP(cleanup_free) char *first = NULL;
	struct error why = { 0 };
	int64_t from, to;

	if (!line)
		return;
	first = xstrndup(line->text, dots ? (size_t)(dots - line->text) : strlen(line->text));
	if (parse_duration(first, &from, &why) < 0 || parse_duration(dots ? dots + 2 : first, &to, &why) < 0) {
		error_help(problem(p, line->line, line->column, "'backoff': %s", why.msg),
			   "write the first wait and the longest one: backoff = 10s..5m");
	} else if (!from || to < from) {
		error_help(problem(p, line->line, line->column, "'backoff' goes from %s to %s",
				   from ? "more" : "nothing", from ? "less" : "more"),
			   "write the first wait and the longest one: backoff = 10s..5m");
	} else {
		step->backoff_ms = from;
		step->backoff_max_ms = to;
	}
}

static const struct {
	const char *word;
	enum retry_cause cause;
} cause_words[] = {
	{ "exit", RETRY_EXIT },	      { "signal", RETRY_SIGNAL }, { "oom", RETRY_OOM },
	{ "timeout", RETRY_TIMEOUT }, { "engine", RETRY_ENGINE },
};

static bool add_cause(struct parser *p, const struct text_at *item, struct retry_on *ret)
{
	size_t len = strlen(item->text);
	long code = len <= 3 && strspn(item->text, "0123456789") == len ? strtol(item->text, NULL, 10) : -1;

	for (size_t i = 0; i < ARRAY_LEN(cause_words); i++) {
		if (!strcmp(item->text, cause_words[i].word)) {
			ret->causes |= cause_words[i].cause;
			return true;
		}
	}
	if (code >= 1 && code <= 255) {
		ret->codes[code / 8] |= (uint8_t)(1u << code % 8);
		return true;
	}
	error_help(problem(p, item->at.line, item->at.column, "'retry_on' does not know '%s'", SHOW(item->text)),
		   "causes are exit, signal, oom, timeout, engine, and exit statuses from 1 to 255");
	return false;
}

static void read_causes(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct textlist items = { 0 };
	struct retry_on causes = { 0 };
	bool good = true;

	read_list(p, entry, &items);
	if (!items.len)
		problem(p, entry->line, entry->column, "'retry_on' has no value");
	for (size_t i = 0; i < items.len; i++)
		good = add_cause(p, &items.items[i], &causes) && good;
	if (good && items.len)
		*(struct retry_on *)field = causes;
	textlist_release(&items);
}

/* "NAME" or "NAME env" */
static void read_secrets(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct step *step = &p->pipeline->steps[p->pipeline->nsteps - 1];
	struct textlist items = { 0 };

	(void)field;
	read_list(p, entry, &items);
	for (size_t i = 0; i < items.len; i++) {
		const struct text_at *item = &items.items[i];
		size_t len = strcspn(item->text, " \t");
		const char *rest = item->text + len + strspn(item->text + len, " \t");
		CLEANUP(cleanup_free) char *name = xstrndup(item->text, len);
		const char *fault = secret_name_fault(name);
		if (fault) {
			error_help(problem(p, item->at.line, item->at.column, "secret name '%s' %s", SHOW(name), fault),
				   "name one of: mlops secret list");
		} else if (*rest && strcmp(rest, "env") != 0) {
			error_help(problem(p, item->at.line, item->at.column, "'%s' follows the secret's name", SHOW(rest)),
				   "write %s for a file, or %s env for a variable, too", SHOW(name), SHOW(name));
		} else {
			GROW(step->secrets, step->nsecrets, step->secrets_cap);
			step->secrets[step->nsecrets++] =
				(struct secret_use){ .name = steal(&name), .env = *rest != '\0', .at = item->at };
		}
	}
	textlist_release(&items);
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
		[G_PATHS] = read_list,
		[G_LIST] = read_list,
		[G_COMMAND] = read_command,
		[G_ENV] = read_env,
		[G_BOOL] = read_bool,
		[G_NUMBER] = read_number,
		[G_COUNT] = read_count,
		[G_USER] = read_user,
		[G_SIZE] = read_size,
		[G_DURATION] = read_duration,
		[G_PLOTS] = read_plots,
		[G_ANY] = read_param,
		[G_AXIS] = read_axis,
		[G_POOL] = read_pool,
		[G_BACKOFF] = read_backoff,
		[G_CAUSES] = read_causes,
		[G_SECRETS] = read_secrets,
	};
	struct pipeline *pipeline = p->pipeline;
	char *base = (char *)pipeline;

	if (!strcmp(row->section, "step."))
		base = (char *)&pipeline->steps[pipeline->nsteps - 1];
	else if (!strcmp(row->section, "remote."))
		base = (char *)&pipeline->remotes[pipeline->nremotes - 1];
	else if (!strcmp(row->section, "image."))
		base = (char *)&pipeline->images[pipeline->nimages - 1];
	readers[row->type](p, entry, base + row->field);
}
