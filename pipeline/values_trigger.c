/* SPDX-License-Identifier: Apache-2.0 */
/* Values of [trigger.NAME], and what a trigger must say to be one. */
#include "base/mem.h"
#include "pipeline/parse_internal.h"
#include "pipeline/show.h"

void value_cooldown(struct parser *p, const struct ini_entry *entry, void *section)
{
	const struct ini_line *line = value_line(p, entry);
	struct trigger_section *trigger = section;

	if (line && !value_counted(line->text, "windows", &trigger->cooldown_windows) &&
	    !value_lasting(line->text, &trigger->cooldown_ms))
		error_help(problem(p, line->line, line->column, "'%s' does not take '%s'", entry->key, SHOW(line->text)),
			   "say how long: 6h, 1d, or 6 windows of the monitor");
}

void triggers_finish(struct parser *p)
{
	for (size_t i = 0; i < p->pipeline->ntriggers; i++) {
		const struct trigger_section *trigger = &p->pipeline->triggers[i];

		if (!trigger->branch.len && !trigger->on.len && !trigger->cron.text && !trigger->data.text &&
		    !trigger->monitor && !trigger->pipeline.text)
			error_help(problem(p, trigger->at.line, trigger->at.column, "[trigger.%s] says nothing that starts it",
					   trigger->name),
				   "give it one of: branch, on, cron, data, monitor, pipeline");
	}
}
