/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan must know of tables: outputs that have a profile, and the files of schemas. */
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "pipeline/plan_internal.h"
#include "pipeline/show.h"
#include "pipeline/tables.h"

static struct plan_output *find_output(struct plan_node *node, const char *path)
{
	for (size_t i = 0; i < node->noutputs; i++)
		if (!strcmp(node->outputs[i].path, path))
			return &node->outputs[i];
	return NULL;
}

static int no_such_output(const struct plan_node *node, const char *path, struct error *err)
{
	struct strlist paths CLEANUP(strlist_release) = STRLIST_INIT;
	const char *near;

	for (size_t i = 0; i < node->noutputs; i++)
		strlist_push(&paths, node->outputs[i].path);
	near = strlist_nearest(&paths, path);
	error_set(err, ERR_USAGE, "profile '%s' is no output of the step", SHOW(path));
	if (near)
		return error_help(err, "did you mean '%s'?", SHOW(near));
	return error_help(err, "name it in out= of [step.%s], too", node->step->name);
}

int plan_fill_profiles(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	int r = 0;

	for (size_t i = 0; i < node->step->profile.len; i++) {
		const struct text_at *item = &node->step->profile.items[i];
		CLEANUP(cleanup_free) char *path = NULL;
		struct plan_output *output;

		if (plan_path(b, node, item, &b->used[index], &path, err) < 0) {
			r = -1;
			continue;
		}
		output = find_output(node, path);
		if (output)
			output->profile = true;
		else
			r = no_such_output(node, path, err), plan_fault(b, node->step, item->at, err);
	}
	return r;
}

/* The profile is an artifact beside the output, so nothing else may have its name. */
static void check_names(struct plan_builder *b, const struct plan_node *node)
{
	for (size_t i = 0; i < node->noutputs; i++) {
		CLEANUP(cleanup_free) char *name = tables_profile_name(node->outputs[i].path);

		if (!node->outputs[i].profile || !strmap_has(&b->outputs, name))
			continue;
		error_set(&b->why, ERR_USAGE, "output '%s' has the name of the profile of '%s'", SHOW(name),
			  SHOW(node->outputs[i].path));
		error_help(&b->why, "give it another name");
		plan_fault(b, node->step, node->step->profile.items[0].at, &b->why);
	}
}

static void check_file(struct plan_builder *b, const struct schema_section *schema)
{
	struct stat st;

	error_clear(&b->why);
	if (!plan_check_path(schema->file.text, &b->why)) {
		int there = fs_stat_beneath(b->rootfd, schema->file.text, &st, &b->why);
		if (there > 0 && S_ISREG(st.st_mode))
			return;
		if (there > 0)
			error_set(&b->why, ERR_USAGE, "%s is a %s, not a file", SHOW(schema->file.text), fs_kind_name(st.st_mode));
		if (!there) {
			error_set(&b->why, ERR_NOT_FOUND, "there is no %s", SHOW(schema->file.text));
			error_help(&b->why, "write one from a table that is right: mlops schema infer TABLE > %s",
				   SHOW(schema->file.text));
		}
	}
	error_wrap(&b->why, "schema %s", schema->name);
	problems_once(b->problems, b->pipeline->file, schema->file.at, &b->why);
}

void plan_check_tables(struct plan_builder *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (b->nodes[i].step->profile.len)
			check_names(b, &b->nodes[i]);
	for (size_t i = 0; i < b->pipeline->nschemas; i++)
		if (b->pipeline->schemas[i].file.text)
			check_file(b, &b->pipeline->schemas[i]);
}
