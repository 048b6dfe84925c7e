/* SPDX-License-Identifier: Apache-2.0 */
/* Values of [model.NAME], and what a model must say to be one. */
#include <string.h>
#include "base/mem.h"
#include "pipeline/parse_internal.h"
#include "registry/model_check.h"

/* An item a line: conditions hold commas. */
void value_lines(struct parser *p, const struct ini_entry *entry, void *field)
{
	if (!entry->nlines)
		problem(p, entry->line, entry->column, "'%s' has no value", entry->key);
	for (size_t i = 0; i < entry->nlines; i++)
		textlist_push(field, xstrdup(entry->lines[i].text),
			      (struct place){ entry->lines[i].line, entry->lines[i].column });
}

/* holdout.NAME = PATH */
void value_holdout(struct parser *p, const struct ini_entry *entry, void *section)
{
	const struct ini_line *line = value_line(p, entry);
	struct model_section *model = section;
	const char *name = entry->key + strlen("holdout.");
	const char *fault = name_fault(name);

	if (fault)
		problem(p, entry->line, entry->column, "the name of the holdout %s", fault);
	if (!line || fault)
		return;
	GROW(model->holdouts, model->nholdouts, model->holdouts_cap);
	model->holdouts[model->nholdouts++] = (struct model_holdout){
		.name = xstrdup(name),
		.path = { xstrdup(line->text), { line->line, line->column } },
	};
}

static void clean_paths(struct parser *p, struct model_section *model)
{
	struct text_at *const paths[] = { &model->from,	   &model->champion,  &model->reference,  &model->slices,
					  &model->example, &model->signature, &model->limitations, &model->policy };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (paths[i]->text)
			clean_path(p, paths[i]);
	for (size_t i = 0; i < model->nholdouts; i++)
		clean_path(p, &model->holdouts[i].path);
}

/* What the registry would refuse when the model is made. */
static void check_names(struct parser *p, const struct model_section *model)
{
	struct error why = { 0 };

	if (model_name_check(model->name, &why) < 0 || (model->alias && alias_check_new(model->alias, &why) < 0))
		problem(p, model->at.line, model->at.column, "[model.%s]: %s", model->name, why.msg);
}

/* Each run would put the one over the other. */
static void check_twins(struct parser *p, const struct model_section *model)
{
	for (const struct model_section *m = p->pipeline->models; m < model; m++)
		if (m->champion.text && model->champion.text && !strcmp(m->champion.text, model->champion.text))
			error_help(problem(p, model->champion.at.line, model->champion.at.column,
					   "the champions of [model.%s] and [model.%s] are in one directory", m->name, model->name),
				   "give each a directory of its own");
}

void models_finish(struct parser *p)
{
	for (size_t i = 0; i < p->pipeline->nmodels; i++) {
		struct model_section *model = &p->pipeline->models[i];

		if (!model->from.text)
			error_help(problem(p, model->at.line, model->at.column, "[model.%s] has no 'from'", model->name),
				   "name the output that becomes a version: from = model.joblib");
		clean_paths(p, model);
		check_names(p, model);
		check_twins(p, model);
	}
}
