/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that mlops.lock knows and this plan does not have: of other pipeline files, or gone from this one. The lock has one
 * content for a path, so when a step here makes a path that one of them made otherwise, its line must go: it would be
 * called up to date, with what is not its result.
 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "pipeline/look_internal.h"
#include "registry/cache.h"

struct other_output {
	char *step;                /* as mlops.lock names it */
	struct content content;
	struct other_output *next; /* of the same path */
};

void look_forget_others(struct looker *l)
{
	for (size_t i = 0; i < l->others.len; i++) {
		struct other_output *next, *output = l->others.entries[i].value;
		for (; output; output = next) {
			next = output->next;
			free(output->step);
			free(output);
		}
	}
	strmap_release(&l->others);
}

static void add_output(struct looker *l, const char *step, const struct cache_output *made)
{
	struct other_output *output = xmalloc(sizeof(*output));

	*output = (struct other_output){
		.step = xstrdup(step),
		.content = made->content,
		.next = strmap_get(&l->others, made->path),
	};
	strmap_set(&l->others, made->path, output);
}

/* A result that only its line in mlops.lock tells of stays unknown. */
static void add_outputs(struct looker *l, const struct lock_entry *line)
{
	struct cache_entry entry = { .noutputs = 0 };
	struct digest key;

	if (!digest_parse(line->value, &key) || look_db(l, NULL) < 0 || cache_find(l->db, &key, &entry, NULL) <= 0)
		return;
	for (size_t i = 0; i < entry.noutputs; i++)
		add_output(l, line->name, &entry.outputs[i]);
	cache_entry_release(&entry);
}

static void gather(struct looker *l)
{
	struct strmap here CLEANUP(strmap_release) = STRMAP_INIT;

	for (size_t i = 0; i < l->plan->len; i++) {
		CLEANUP(cleanup_free) char *name = look_lock_name(l, &l->plan->nodes[i]);
		strmap_set(&here, name, l);
	}
	for (size_t i = 0; i < l->lock.len; i++)
		if (l->lock.entries[i].kind == LOCKED_STEP && !strmap_has(&here, l->lock.entries[i].name))
			add_outputs(l, &l->lock.entries[i]);
}

void look_drop_others(struct looker *l, const char *path, const struct content *made)
{
	const struct other_output *output;

	if (!l->others_known)
		gather(l);
	l->others_known = true;
	for (output = strmap_get(&l->others, path); output; output = output->next)
		if (!content_equal(&output->content, made))
			lockfile_remove(&l->lock, LOCKED_STEP, output->step);
}
