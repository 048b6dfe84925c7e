/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to struct pipeline: sections and keys are looked up in grammar_keys, and
 * problems are collected, so that one reading tells of them all.
 */
#include "pipeline/grammar.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/params.h"
#include "pipeline/parse_internal.h"
#include "pipeline/show.h"

struct error *problem(struct parser *p, int line, int column, const char *fmt, ...)
{
	struct error *err = problems_add(p->problems, p->pipeline->file, (struct place){ line, column });
	va_list ap;

	if (!err)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return err;
}

/* Whether the table's section takes this one: "params" itself, or "step." and any name. */
static bool section_takes(const char *table, const char *section)
{
	size_t len = strlen(table);

	if (table[len - 1] == '.')
		return !strncmp(table, section, len);
	return !strcmp(table, section);
}

/* Sets rows and nrows; false when the table has no such section. */
static bool find_rows(struct parser *p, const char *section)
{
	size_t i = 0, end;

	while (i < grammar_keys_len && !section_takes(grammar_keys[i].section, section))
		i++;
	if (i == grammar_keys_len)
		return false;
	for (end = i; end < grammar_keys_len && !strcmp(grammar_keys[end].section, grammar_keys[i].section);)
		end++;
	p->rows = i;
	p->nrows = end - i;
	return true;
}

static bool rows_supported(const struct parser *p)
{
	for (size_t i = 0; i < p->nrows; i++)
		if (grammar_keys[p->rows + i].since)
			return true;
	return false;
}

/* Names the nearest section; "step" without a name, as in [step] or [step train], is told so. */
static void unknown_section(struct parser *p, const struct ini_entry *entry)
{
	struct error *err = problem(p, entry->line, entry->column, "unknown section [%s]", SHOW(entry->section));
	CLEANUP(cleanup_free) char *head = xstrndup(entry->section, strcspn(entry->section, ". "));
	CLEANUP(strlist_release) struct strlist words = STRLIST_INIT;
	const char *near;
	size_t i;

	for (i = 0; i < grammar_keys_len; i++) {
		const char *section = grammar_keys[i].section;
		if (!i || strcmp(section, grammar_keys[i - 1].section) != 0)
			strlist_push_owned(&words, xstrndup(section, strcspn(section, ".")));
	}
	near = strlist_nearest(&words, head);
	if (!near) {
		error_help(err, "sections are [pipeline], [params] and [step.NAME]");
		return;
	}
	for (i = 0; strncmp(grammar_keys[i].section, near, strlen(near)) != 0;)
		i++;
	error_help(err, "%s [%s%s]%s", strcmp(near, head) ? "did you mean" : "write", grammar_keys[i].section,
		   strchr(grammar_keys[i].section, '.') ? "NAME" : "", strcmp(near, head) ? "?" : "");
}

/* The NAME of a section "KIND.NAME"; one that cannot be one is a problem, and what follows in it is skipped. */
static char *section_name(struct parser *p, const struct ini_entry *entry)
{
	const char *dot = strchr(entry->section, '.');
	const char *fault = name_fault(dot + 1);

	if (!fault)
		return xstrdup(dot + 1);
	problem(p, entry->line, entry->column, "%.*s name '%s' %s", (int)(dot - entry->section), entry->section,
		SHOW(dot + 1), fault);
	p->nrows = 0;
	return NULL;
}

static void add_step(struct parser *p, char *name, struct place at)
{
	struct pipeline *pipeline = p->pipeline;

	GROW(pipeline->steps, pipeline->nsteps, pipeline->cap);
	pipeline->steps[pipeline->nsteps++] = (struct step){
		.name = name,
		.at = at,
		.cache = true,
		.backoff_ms = 1000,
		.backoff_max_ms = 300000,
		.retry_on = { .causes = RETRY_DEFAULT },
	};
}

static void add_remote(struct parser *p, char *name, struct place at)
{
	struct pipeline *pipeline = p->pipeline;

	GROW(pipeline->remotes, pipeline->nremotes, pipeline->remotes_cap);
	pipeline->remotes[pipeline->nremotes++] = (struct remote_section){ .name = name, .at = at };
}

static void add_image(struct parser *p, char *name, struct place at)
{
	struct pipeline *pipeline = p->pipeline;

	GROW(pipeline->images, pipeline->nimages, pipeline->images_cap);
	pipeline->images[pipeline->nimages++] =
		(struct image_section){ .name = name, .at = at, .network = true, .timeout_ms = 3600000 };
}

static void add_schema(struct parser *p, char *name, struct place at)
{
	struct pipeline *pipeline = p->pipeline;

	GROW(pipeline->schemas, pipeline->nschemas, pipeline->schemas_cap);
	pipeline->schemas[pipeline->nschemas++] = (struct schema_section){ .name = name, .at = at };
}

static void add_monitor(struct parser *p, char *name, struct place at)
{
	struct pipeline *pipeline = p->pipeline;

	GROW(pipeline->monitors, pipeline->nmonitors, pipeline->monitors_cap);
	pipeline->monitors[pipeline->nmonitors++] =
		(struct monitor_section){ .name = name, .at = at, .window_rows = 1000, .min_rows = 500 };
}

static void add_model(struct parser *p, char *name, struct place at)
{
	struct pipeline *pipeline = p->pipeline;

	GROW(pipeline->models, pipeline->nmodels, pipeline->models_cap);
	pipeline->models[pipeline->nmodels++] =
		(struct model_section){ .name = name, .at = at, .approve_within_ms = 7 * 86400000LL };
}

static void add_trigger(struct parser *p, char *name, struct place at)
{
	struct pipeline *pipeline = p->pipeline;

	GROW(pipeline->triggers, pipeline->ntriggers, pipeline->triggers_cap);
	pipeline->triggers[pipeline->ntriggers++] = (struct trigger_section){ .name = name, .at = at, .stop_after = 2 };
}

static void add_notify(struct parser *p, char *name, struct place at)
{
	struct pipeline *pipeline = p->pipeline;

	GROW(pipeline->notifies, pipeline->nnotifies, pipeline->notifies_cap);
	pipeline->notifies[pipeline->nnotifies++] = (struct notify_section){ .name = name, .at = at };
}

/* What a section with a NAME becomes. */
static const struct {
	const char *section;
	void (*add)(struct parser *, char *name, struct place);
} named_sections[] = {
	{ "step.", add_step },	     { "remote.", add_remote }, { "image.", add_image },     { "monitor.", add_monitor },
	{ "schema.", add_schema },   { "model.", add_model },	{ "trigger.", add_trigger }, { "notify.", add_notify },
};

static void open_named(struct parser *p, const struct ini_entry *entry)
{
	for (size_t i = 0; i < ARRAY_LEN(named_sections); i++) {
		char *name;
		if (strcmp(grammar_keys[p->rows].section, named_sections[i].section) != 0)
			continue;
		name = section_name(p, entry);
		if (name)
			named_sections[i].add(p, name, (struct place){ entry->line, entry->column });
		return;
	}
}

static void open_section(struct parser *p, const struct ini_entry *entry)
{
	void *line = (void *)(uintptr_t)entry->line;
	int first;

	p->nrows = 0;
	memset(p->key_lines, 0, sizeof(p->key_lines));
	strmap_release(&p->open_keys);
	p->open_keys = (struct strmap)STRMAP_INIT;
	first = (int)(uintptr_t)strmap_get(&p->sections, entry->section);
	if (first) {
		problem(p, entry->line, entry->column, "section [%s] stands twice, first in line %d",
			SHOW(entry->section), first);
		return;
	}
	strmap_set(&p->sections, entry->section, line);
	if (!find_rows(p, entry->section)) {
		unknown_section(p, entry);
		return;
	}
	if (!rows_supported(p)) {
		problem(p, entry->line, entry->column, "section [%s] is not supported by this version of mlops (%s)",
			SHOW(entry->section), MLOPS_VERSION);
		p->nrows = 0;
		return;
	}
	open_named(p, entry);
}

/* "cmd" itself, "*", or "matrix.*" and more behind the dot. */
static bool key_takes(const char *table, const char *key)
{
	size_t len = strcspn(table, "*");

	return table[len] ? !strncmp(table, key, len) : !strcmp(table, key);
}

static const struct grammar_key *find_key(const struct parser *p, const char *key)
{
	for (size_t i = 0; i < p->nrows; i++)
		if (key_takes(grammar_keys[p->rows + i].key, key))
			return &grammar_keys[p->rows + i];
	return NULL;
}

static void unknown_key(struct parser *p, const struct ini_entry *entry)
{
	struct error *err = problem(p, entry->line, entry->column, "unknown key '%s' in [%s]", SHOW(entry->key),
				    SHOW(entry->section));
	const char *words[ARRAY_LEN(p->key_lines)];
	const char *near;
	size_t n = 0;
	CLEANUP_STRBUF struct strbuf all = STRBUF_INIT;

	for (size_t i = 0; i < p->nrows; i++) {
		const struct grammar_key *row = &grammar_keys[p->rows + i];
		if (!row->since)
			continue;
		words[n++] = row->key;
		strbuf_printf(&all, "%s%s", all.len ? ", " : "", row->key);
	}
	near = nearest_word(words, n, entry->key);
	if (near)
		error_help(err, "did you mean '%s'?", near);
	else
		error_help(err, "its keys are: %s", all.buf);
}

/* The line where the key stood before in this section, or 0; remembers this one. */
static int seen_before(struct parser *p, const struct grammar_key *row, const struct ini_entry *entry)
{
	int *line = &p->key_lines[row - &grammar_keys[p->rows]];
	int first = *line;

	if (strchr(row->key, '*')) {
		first = (int)(uintptr_t)strmap_get(&p->open_keys, entry->key);
		strmap_set(&p->open_keys, entry->key, (void *)(uintptr_t)entry->line);
	}
	*line = entry->line;
	return first;
}

static void take_key(struct parser *p, const struct ini_entry *entry)
{
	const struct grammar_key *row = find_key(p, entry->key);
	int first;

	if (!row) {
		unknown_key(p, entry);
		return;
	}
	if (!row->since) {
		problem(p, entry->line, entry->column, "key '%s' of [%s] is not supported by this version of mlops (%s)",
			SHOW(entry->key), SHOW(entry->section), MLOPS_VERSION);
		return;
	}
	first = seen_before(p, row, entry);
	if (first)
		problem(p, entry->line, entry->column, "key '%s' stands twice in [%s], first in line %d",
			SHOW(entry->key), SHOW(entry->section), first);
	else
		value_store(p, row, entry);
}

/* Whose planning the section's mistakes make a guess: that of its step, of no step, or of all. */
static void note_mistake(struct parser *p, const char *section)
{
	static const char *const alone[] = { "image.", "remote.", "model.", "schema.", "monitor.", "trigger.", "notify." };
	struct pipeline *pipeline = p->pipeline;

	for (size_t i = 0; i < ARRAY_LEN(alone); i++)
		if (section_takes(alone[i], section))
			return;
	if (p->nrows && section_takes("step.", section))
		pipeline->steps[pipeline->nsteps - 1].faulty = true;
	else
		p->blind = true;
}

static int take_entry(void *ctx, const struct ini_entry *entry, struct error *err)
{
	struct parser *p = ctx;
	size_t before = p->problems->count;

	(void)err;
	if (!entry->key)
		open_section(p, entry);
	else if (p->nrows)
		take_key(p, entry);
	if (p->problems->count > before)
		note_mistake(p, entry->section);
	return 0;
}

void parser_release(struct parser *p)
{
	for (size_t i = 0; i < p->nparams; i++) {
		free(p->params[i].key);
		js_free(p->params[i].value);
	}
	free(p->params);
	strmap_release(&p->sections);
	strmap_release(&p->open_keys);
	pipeline_free(p->pipeline);
}

static char *default_name(const char *file)
{
	const char *base = path_base(file);
	size_t len = strlen(base);

	if (len > 4 && !strcmp(base + len - 4, ".ini"))
		len -= 4;
	return xstrndup(base, len);
}

static void finish_remotes(struct parser *p)
{
	for (size_t i = 0; i < p->pipeline->nremotes; i++) {
		const struct remote_section *remote = &p->pipeline->remotes[i];
		if (!remote->url.text)
			error_help(problem(p, remote->at.line, remote->at.column, "[remote.%s] has no 'url'", remote->name),
				   "name a directory that all can reach: url = /mnt/team/churn");
	}
}

static void finish_images(struct parser *p)
{
	for (size_t i = 0; i < p->pipeline->nimages; i++) {
		const struct image_section *image = &p->pipeline->images[i];
		if (!image->context.text)
			error_help(problem(p, image->at.line, image->at.column, "[image.%s] has no 'context'", image->name),
				   "name the directory with its Dockerfile: context = docker");
	}
}

void clean_path(struct parser *p, struct text_at *path)
{
	CLEANUP(cleanup_free) char *clean = NULL;
	struct error why;

	if (path_clean("", path->text, &clean, &why) < 0) {
		error_help(problem(p, path->at.line, path->at.column, "%s", why.msg), "%s", why.help);
		return;
	}
	free(path->text);
	path->text = steal(&clean);
}

static void check_delimiter(struct parser *p, const struct text_at *delimiter)
{
	const char *text = delimiter->text;
	bool one = strlen(text) == 1 && *text > ' ' && *text < 0x7f && *text != '"';

	if (!one && strcmp(text, "\\t") != 0)
		problem(p, delimiter->at.line, delimiter->at.column,
			"'delimiter' is one ASCII character that may stand between fields, or \\t, not '%s'", SHOW(text));
}

static void finish_schemas(struct parser *p)
{
	for (size_t i = 0; i < p->pipeline->nschemas; i++) {
		struct schema_section *schema = &p->pipeline->schemas[i];

		if (!schema->paths.len)
			error_help(problem(p, schema->at.line, schema->at.column, "[schema.%s] has no 'path'", schema->name),
				   "name the tables that must fit it: path = data/raw/*.csv");
		if (!schema->file.text)
			error_help(problem(p, schema->at.line, schema->at.column, "[schema.%s] has no 'file'", schema->name),
				   "write one from a table that is right: mlops schema infer TABLE > schemas/%s.json, and file = "
				   "schemas/%s.json", schema->name, schema->name);
		for (size_t k = 0; k < schema->paths.len; k++)
			clean_path(p, &schema->paths.items[k]);
		if (schema->file.text)
			clean_path(p, &schema->file);
		if (schema->delimiter.text)
			check_delimiter(p, &schema->delimiter);
	}
}

/* Pools are known only when all of the file was read. */
static void check_pool(struct parser *p, struct step *step)
{
	const char **words;
	const char *near;
	struct error *err;

	for (size_t i = 0; i < p->pipeline->npools; i++)
		if (!strcmp(p->pipeline->pools[i].name, step->pool.text))
			return;
	words = xcalloc(p->pipeline->npools + 1, sizeof(*words));
	for (size_t i = 0; i < p->pipeline->npools; i++)
		words[i] = p->pipeline->pools[i].name;
	step->faulty = true;
	near = nearest_word(words, p->pipeline->npools, step->pool.text);
	err = problem(p, step->pool.at.line, step->pool.at.column, "there is no pool '%s'", SHOW(step->pool.text));
	if (near)
		error_help(err, "did you mean '%s'?", near);
	else
		error_help(err, "say in [pipeline] how many of its steps run at a time: pool.%s = 2", SHOW(step->pool.text));
	free(words);
}

static void finish_steps(struct parser *p)
{
	struct pipeline *pipeline = p->pipeline;

	for (size_t i = 0; i < pipeline->nsteps; i++) {
		struct step *step = &pipeline->steps[i];
		strmap_set(&pipeline->by_name, step->name, step);
		if (step->pool.text)
			check_pool(p, step);
		if (!step->cmd.text) {
			struct error *err = problem(p, step->at.line, step->at.column, "[step.%s] has no 'cmd'",
						    step->name);
			step->faulty = true;
			error_help(err, "add the command that makes its outputs: cmd = python3 train.py");
		}
	}
	/* schemas and monitors work without a step */
	if (!pipeline->nsteps && !pipeline->nschemas && !pipeline->nmonitors && !p->problems->count) {
		struct error *err = problem(p, 0, 0, "%s has no steps", pipeline->file);
		error_help(err, "add a section [step.train] with cmd = python3 train.py");
	}
	if (!pipeline->name)
		pipeline->name = default_name(pipeline->file);
}

struct place parse_place(const struct error *syntax)
{
	const char *column = strrchr(syntax->where, ':');
	struct place at = { 0 };

	if (!column)
		return at;
	for (const char *line = column; line > syntax->where && !at.line;)
		if (*--line == ':')
			at = (struct place){ (int)strtol(line + 1, NULL, 10), (int)strtol(column + 1, NULL, 10) };
	return at;
}

void parse_text(struct parser *p, const char *text, size_t len, const char *file, enum parse_part part)
{
	struct error syntax = { 0 };

	p->pipeline = xcalloc(1, sizeof(*p->pipeline));
	p->pipeline->file = xstrdup(file);
	p->part = part;
	if (ini_parse_text(text, len, file, take_entry, p, &syntax) < 0) {
		struct error *err = problems_add(p->problems, file, parse_place(&syntax));
		if (err)
			*err = syntax;
		p->blind = true;
		return;
	}
	finish_remotes(p);
	finish_schemas(p);
	if (part >= PARSE_DEFINITIONS) {
		monitors_finish(p);
		models_finish(p);
		notifies_finish(p);
	}
	if (part >= PARSE_POLICY)
		triggers_finish(p);
	if (part == PARSE_ALL) {
		finish_images(p);
		finish_steps(p); /* last: that there are none is told when nothing else is */
	}
}
