/* SPDX-License-Identifier: Apache-2.0 */
/* What a pipeline file became, and its end. */
#include <stdlib.h>
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/parse_internal.h"

static void step_release(struct step *step)
{
	struct textlist *const lists[] = { &step->in,	  &step->out,	  &step->metrics, &step->plots,	      &step->params,
					   &step->after,  &step->env,	  &step->exclude, &step->include, &step->checkpoints,
					   &step->profile };
	struct text_at *const texts[] = { &step->cmd, &step->image, &step->pool, &step->env_file, &step->when };

	free(step->name);
	free(step->cmd_lines);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]->text);
	for (size_t i = 0; i < step->naxes; i++) {
		free(step->axes[i].name);
		textlist_release(&step->axes[i].values);
	}
	for (size_t i = 0; i < step->nsecrets; i++)
		free(step->secrets[i].name);
	free(step->axes);
	free(step->secrets);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		textlist_release(lists[i]);
	strlist_release(&step->plot_options);
}

static void image_release(struct image_section *image)
{
	free(image->name);
	free(image->context.text);
	free(image->file.text);
	free(image->push.text);
	textlist_release(&image->args);
}

static void schema_release(struct schema_section *schema)
{
	free(schema->name);
	free(schema->file.text);
	free(schema->delimiter.text);
	free(schema->nulls.text);
	textlist_release(&schema->paths);
}

static void monitor_release(struct monitor_section *monitor)
{
	struct text_at *const texts[] = { &monitor->model, &monitor->data,	 &monitor->query,	&monitor->reference,
					  &monitor->time,  &monitor->id,	 &monitor->prediction,	&monitor->probability,
					  &monitor->label, &monitor->schema,	 &monitor->labels };
	struct textlist *const lists[] = { &monitor->columns, &monitor->ignore, &monitor->critical };

	free(monitor->name);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]->text);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		textlist_release(lists[i]);
}

static void model_release(struct model_section *model)
{
	struct text_at *const texts[] = { &model->from,	   &model->champion,  &model->reference,  &model->slices,
					  &model->example, &model->signature, &model->limitations, &model->policy };

	free(model->name);
	free(model->alias);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]->text);
	for (size_t i = 0; i < model->nholdouts; i++) {
		free(model->holdouts[i].name);
		free(model->holdouts[i].path.text);
	}
	free(model->holdouts);
	textlist_release(&model->gate);
	textlist_release(&model->approve);
}

static void trigger_release(struct trigger_section *trigger)
{
	struct text_at *const texts[] = { &trigger->cron, &trigger->tz,	    &trigger->catchup, &trigger->data, &trigger->pipeline,
					  &trigger->file, &trigger->cancel, &trigger->alarm,   &trigger->clear };
	struct textlist *const lists[] = { &trigger->branch, &trigger->paths,  &trigger->on,	&trigger->steps,
					   &trigger->params, &trigger->update, &trigger->budget };

	free(trigger->name);
	free(trigger->monitor);
	free(trigger->group);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]->text);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		textlist_release(lists[i]);
}

static void notify_release(struct notify_section *notify)
{
	free(notify->name);
	free(notify->url.text);
	free(notify->format.text);
	textlist_release(&notify->on);
}

void pipeline_free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	for (size_t i = 0; i < pipeline->nsteps; i++)
		step_release(&pipeline->steps[i]);
	free(pipeline->steps);
	free(pipeline->file);
	free(pipeline->name);
	textlist_release(&pipeline->env);
	free(pipeline->params_file.text);
	free(pipeline->trigger_time);
	free(pipeline->trigger_window);
	free(pipeline->image.text);
	for (size_t i = 0; i < pipeline->nremotes; i++) {
		free(pipeline->remotes[i].name);
		free(pipeline->remotes[i].url.text);
	}
	free(pipeline->remotes);
	for (size_t i = 0; i < pipeline->nimages; i++)
		image_release(&pipeline->images[i]);
	free(pipeline->images);
	for (size_t i = 0; i < pipeline->nschemas; i++)
		schema_release(&pipeline->schemas[i]);
	free(pipeline->schemas);
	for (size_t i = 0; i < pipeline->nmonitors; i++)
		monitor_release(&pipeline->monitors[i]);
	free(pipeline->monitors);
	for (size_t i = 0; i < pipeline->nmodels; i++)
		model_release(&pipeline->models[i]);
	free(pipeline->models);
	for (size_t i = 0; i < pipeline->ntriggers; i++)
		trigger_release(&pipeline->triggers[i]);
	free(pipeline->triggers);
	for (size_t i = 0; i < pipeline->nnotifies; i++)
		notify_release(&pipeline->notifies[i]);
	free(pipeline->notifies);
	for (size_t i = 0; i < pipeline->npools; i++)
		free(pipeline->pools[i].name);
	free(pipeline->pools);
	js_free(pipeline->params);
	strlist_release(&pipeline->params_files);
	strmap_release(&pipeline->by_name);
	free(pipeline);
}

void cleanup_pipeline(struct pipeline **pipeline)
{
	pipeline_free(*pipeline);
}
