/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints change while a step runs, and stay when it is run again. So none may be, hold or lie in what
 * the step key speaks of, or in the checkpoints of another.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "pipeline/expand.h"
#include "pipeline/plan_internal.h"
#include "pipeline/show.h"

static int clash_of_two(const struct plan_builder *b, size_t index, size_t other, const char *path, struct error *err)
{
	if (other == index)
		return error_set(err, ERR_USAGE, "checkpoint '%s' is named twice", SHOW(path));
	error_set(err, ERR_USAGE, "checkpoint '%s' is that of step %s too", SHOW(path), b->nodes[other].name);
	if (b->nodes[other].step == b->nodes[index].step)
		error_help(err, "give each instance its own: checkpoints = ckpt/${matrix.key}");
	return -1;
}

int plan_fill_checkpoints(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	const struct textlist *written = &node->step->checkpoints;
	int r = 0;

	for (size_t i = 0; i < written->len; i++) {
		CLEANUP(cleanup_free) char *path = NULL;
		size_t other;
		if (plan_path(b, node, &written->items[i], NULL, &path, err) < 0) {
			r = -1;
			continue;
		}
		other = (size_t)(uintptr_t)strmap_get(&b->checkpoints, path);
		if (plan_check_writable(b, "checkpoint", path, err) < 0 ||
		    (other && clash_of_two(b, index, other - 1, path, err) < 0)) {
			r = plan_fault(b, node->step, written->items[i].at, err);
			continue;
		}
		strmap_set(&b->checkpoints, path, (void *)(uintptr_t)(index + 1));
		strlist_push(&node->checkpoints, path);
	}
	strlist_sort(&node->checkpoints);
	return r;
}

/* Where the node names the checkpoint. */
static struct place place_of(struct plan_builder *b, struct plan_node *node, const char *checkpoint)
{
	const struct textlist *written = &node->step->checkpoints;

	for (size_t i = 0; i < written->len; i++) {
		const struct expand_scope scope = plan_scope(b, node, NULL, NULL);
		CLEANUP(cleanup_free) char *text = NULL;
		CLEANUP(cleanup_free) char *path = NULL;
		if (!expand_text(&scope, written->items[i].text, &text, NULL) && !path_clean("", text, &path, NULL) &&
		    !strcmp(path, checkpoint))
			return written->items[i].at;
	}
	return node->step->at;
}

/* What the checkpoint meets: another path, which step's, and as what it is declared there. */
static void clash(struct plan_builder *b, struct plan_node *node, const char *checkpoint, const char *path,
		  const char *what, const struct plan_node *other)
{
	const char *how = !strcmp(checkpoint, path)        ? "is" :
			  path_contains(checkpoint, path) ? "holds" :
							    "lies inside";

	error_set(&b->why, ERR_USAGE, "checkpoint '%s' %s '%s', %s of step %s", SHOW(checkpoint), how, SHOW(path), what,
		  other->name);
	error_help(&b->why, "checkpoints outlive attempts and are no part of the step key, so they need a directory "
		   "of their own");
	plan_fault(b, node->step, place_of(b, node, checkpoint), &b->why);
}

/* A path that somebody declared, against the checkpoints that are it or hold it. */
static void check_path(struct plan_builder *b, const char *path, const char *what, const struct plan_node *other)
{
	size_t len, keeper = plan_find_maker(&b->checkpoints, path, &len);
	CLEANUP(cleanup_free) char *checkpoint = xstrndup(path, len);

	if (keeper)
		clash(b, &b->nodes[keeper - 1], checkpoint, path, what, other);
}

/* The nearest directory above the path that is declared in the map: index + 1 of who did. */
static size_t above(const struct strmap *declared, const char *path, size_t *ret_len)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(cleanup_free) char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : NULL;
	size_t found = dir ? plan_find_maker(declared, dir, ret_len) : 0;

	if (found || !strmap_has(declared, "."))
		return found;
	*ret_len = 0;
	return (size_t)(uintptr_t)strmap_get(declared, ".");
}

static void check_above(struct plan_builder *b, const char *checkpoint, size_t keeper, const struct strmap *declared,
			const char *what)
{
	size_t len, other = above(declared, checkpoint, &len);
	CLEANUP(cleanup_free) char *path = NULL;

	if (!other)
		return;
	path = len ? xstrndup(checkpoint, len) : xstrdup(".");
	clash(b, &b->nodes[keeper], checkpoint, path, what, &b->nodes[other - 1]);
}

void plan_check_checkpoints(struct plan_builder *b)
{
	struct strmap inputs CLEANUP(strmap_release) = STRMAP_INIT;

	if (!b->checkpoints.len)
		return;
	for (size_t i = 0; i < b->len; i++) {
		const struct plan_node *node = &b->nodes[i];
		for (size_t k = 0; k < node->inputs.len; k++) {
			if (strmap_has(&inputs, node->inputs.items[k]))
				continue;
			strmap_set(&inputs, node->inputs.items[k], (void *)(uintptr_t)(i + 1));
			check_path(b, node->inputs.items[k], "an input", node);
		}
		for (size_t k = 0; k < node->noutputs; k++)
			check_path(b, node->outputs[k].path, "an output", node);
	}
	for (size_t i = 0; i < b->checkpoints.len; i++) {
		const struct strmap_entry *entry = &b->checkpoints.entries[i];
		size_t keeper = (size_t)(uintptr_t)entry->value - 1;
		check_above(b, entry->key, keeper, &inputs, "an input");
		check_above(b, entry->key, keeper, &b->outputs, "an output");
		check_above(b, entry->key, keeper, &b->checkpoints, "a checkpoint");
	}
}
