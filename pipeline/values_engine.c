/* SPDX-License-Identifier: Apache-2.0 */
/* Values of pipeline.ini that say how often and with what a step runs: axes, pools, retries, secrets. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/amount.h"
#include "base/mem.h"
#include "pipeline/expand.h"
#include "pipeline/parse_internal.h"
#include "pipeline/show.h"
#include "registry/secrets.h"

#define AXES_MAX 64

/* A problem when ${matrix.NAME} or the variable of a shell would stand for two things. */
static bool axis_taken(struct parser *p, const struct ini_entry *entry, const struct step *step, const char *name)
{
	CLEANUP(cleanup_free) char *env = axis_env_name(name);

	if (!strcmp(name, "key")) {
		error_help(problem(p, entry->line, entry->column, "an axis cannot be named 'key'"),
			   "${matrix.key} stands for all values together; take another name");
		return true;
	}
	for (size_t i = 0; i < step->naxes; i++) {
		CLEANUP(cleanup_free) char *other = axis_env_name(step->axes[i].name);
		if (strcmp(env, other) != 0)
			continue;
		problem(p, entry->line, entry->column, "axes '%s' and '%s' would both be the variable %s",
			step->axes[i].name, name, SHOW(env));
		return true;
	}
	return false;
}

void value_axis(struct parser *p, const struct ini_entry *entry, void *field)
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
	if (axis_taken(p, entry, step, name))
		return;
	if (step->naxes == AXES_MAX) {
		problem(p, entry->line, entry->column, "a matrix has at most %d axes", AXES_MAX);
		return;
	}
	GROW(step->axes, step->naxes, step->axes_cap);
	axis = &step->axes[step->naxes++];
	*axis = (struct matrix_axis){ .name = xstrdup(name), .at = { entry->line, entry->column } };
	value_list(p, entry, &axis->values);
	if (!axis->values.len)
		error_help(problem(p, entry->line, entry->column, "'%s' has no values", SHOW(entry->key)),
			   "list them: %s = 1..3, or a, b, c", SHOW(entry->key));
}

void value_pool(struct parser *p, const struct ini_entry *entry, void *field)
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
	value_count(p, entry, &size);
	if (!size)
		error_help(problem(p, entry->lines[0].line, entry->lines[0].column, "a pool of 0 would let no step run"),
			   "write 1 or more, or take pool= out of the steps");
	GROW(pipeline->pools, pipeline->npools, pipeline->pools_cap);
	pipeline->pools[pipeline->npools++] =
		(struct pool){ .name = xstrdup(name), .at = { entry->line, entry->column }, .size = size };
}

/* "10s..5m", or "10s" for always up to 10 s. */
void value_backoff(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct step *step = (struct step *)((char *)field - offsetof(struct step, backoff_ms));
	const struct ini_line *line = value_line(p, entry);
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
		error_help(problem(p, line->line, line->column, "'backoff': the %s", from ?
				   "longest wait is below the first" : "first wait must be more than 0"),
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

void value_causes(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct textlist items = { 0 };
	struct retry_on causes = { 0 };
	bool good = true;

	value_list(p, entry, &items);
	if (!items.len)
		problem(p, entry->line, entry->column, "'retry_on' has no value");
	for (size_t i = 0; i < items.len; i++)
		good = add_cause(p, &items.items[i], &causes) && good;
	if (good && items.len)
		*(struct retry_on *)field = causes;
	textlist_release(&items);
}

static bool secret_named(const struct step *step, const char *name)
{
	for (size_t i = 0; i < step->nsecrets; i++)
		if (!strcmp(step->secrets[i].name, name))
			return true;
	return false;
}

/* "NAME" or "NAME env" */
void value_secrets(struct parser *p, const struct ini_entry *entry, void *field)
{
	struct step *step = &p->pipeline->steps[p->pipeline->nsteps - 1];
	struct textlist items = { 0 };

	(void)field;
	value_list(p, entry, &items);
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
		} else if (secret_named(step, name)) {
			problem(p, item->at.line, item->at.column, "secret '%s' is named twice", name);
		} else {
			GROW(step->secrets, step->nsecrets, step->secrets_cap);
			step->secrets[step->nsecrets++] =
				(struct secret_use){ .name = steal(&name), .env = *rest != '\0', .at = item->at };
		}
	}
	textlist_release(&items);
}
