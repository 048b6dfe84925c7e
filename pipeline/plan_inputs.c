/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs find who makes them; those that nobody makes must be on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "pipeline/expand.h"
#include "pipeline/plan_internal.h"
#include "pipeline/show.h"

void plan_add_edge(struct plan_builder *b, size_t from, size_t to)
{
	GROW(b->edges, b->nedges, b->edges_cap);
	b->edges[b->nedges++] = (struct plan_edge){ .to = (uint32_t)to, .from = (uint32_t)from };
}

size_t plan_find_maker(const struct strmap *outputs, const char *path, size_t *ret_len)
{
	CLEANUP(cleanup_free) char *above = NULL;
	size_t maker = (size_t)(uintptr_t)strmap_get(outputs, path);
	char *slash;

	*ret_len = strlen(path);
	if (maker || !strchr(path, '/'))
		return maker;
	above = xstrdup(path);
	while (!maker && (slash = strrchr(above, '/'))) {
		*slash = '\0';
		maker = (size_t)(uintptr_t)strmap_get(outputs, above);
	}
	*ret_len = strlen(above);
	return maker;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct plan_made *)a)->path, ((const struct plan_made *)b)->path);
}

size_t plan_first_made(const struct plan_builder *b, const char *text)
{
	size_t low = 0, high = b->nmade;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (strcmp(b->made[mid].path, text) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct place plan_output_place(struct plan_builder *b, const struct plan_node *node, const char *path)
{
	const struct step *step = node->step;
	const struct textlist *const lists[] = { &step->out, &step->metrics, &step->plots };

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		for (size_t i = 0; i < lists[l]->len; i++) {
			const struct expand_scope scope = plan_scope(b, node, NULL, NULL);
			CLEANUP(cleanup_free) char *text = NULL;
			CLEANUP(cleanup_free) char *clean = NULL;
			if (!expand_text(&scope, lists[l]->items[i].text, &text, NULL) &&
			    !path_clean("", text, &clean, NULL) && !strcmp(clean, path))
				return lists[l]->items[i].at;
		}
	}
	return step->at;
}

static void nested_output(struct plan_builder *b, const struct plan_made *made)
{
	const struct plan_node *node = &b->nodes[made->node];
	const char *slash = strrchr(made->path, '/');
	CLEANUP(cleanup_free) char *dir = NULL;
	size_t len, maker;

	if (!slash)
		return;
	dir = xstrndup(made->path, (size_t)(slash - made->path));
	maker = plan_find_maker(&b->outputs, dir, &len);
	if (!maker)
		return;
	dir[len] = '\0';
	error_set(&b->why, ERR_USAGE, "output '%s' lies inside '%s', which is an output of step %s", SHOW(made->path),
		  SHOW(dir), b->nodes[maker - 1].name);
	plan_fault(b, node->step, plan_output_place(b, node, made->path), &b->why);
}

void plan_check_outputs(struct plan_builder *b)
{
	b->nmade = b->outputs.len;
	b->made = xcalloc(b->nmade, sizeof(*b->made));
	for (size_t i = 0; i < b->nmade; i++) {
		const struct strmap_entry *entry = &b->outputs.entries[i];
		b->made[i] = (struct plan_made){ entry->key, (uint32_t)(uintptr_t)entry->value - 1 };
	}
	if (b->nmade)
		qsort(b->made, b->nmade, sizeof(*b->made), by_path);
	for (size_t i = 0; i < b->nmade; i++)
		nested_output(b, &b->made[i]);
}

static int missing_input(const struct plan_builder *b, const char *path, struct error *err)
{
	CLEANUP(strlist_release) struct strlist outputs = STRLIST_INIT;
	const char *near;

	if (b->incomplete)
		return 0;
	for (size_t i = 0; i < b->nmade; i++)
		strlist_push(&outputs, b->made[i].path);
	near = strlist_nearest(&outputs, path);
	error_set(err, ERR_USAGE, "input '%s' does not exist, and no step makes it", SHOW(path));
	if (near)
		return error_help(err, "did you mean '%s'?", SHOW(near));
	return error_help(err, "put it there, or name it in the 'out' of the step that makes it");
}

/* A file or directory inside the project, symlinks followed. */
static int check_on_disk(struct plan_builder *b, const char *path, struct error *err)
{
	struct error why = { 0 };
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;

	if (strmap_has(&b->present, path))
		return 0;
	fd = fs_open_beneath(b->rootfd, path, O_PATH | O_CLOEXEC, 0, &why);
	if (fd < 0) {
		if (why.code == ERR_NOT_FOUND)
			return missing_input(b, path, err);
		if (why.sys == ELOOP)
			error_help(&why, "name what the symlink is to stand for: a file or directory of the project");
		if (err)
			*err = why;
		return -1;
	}
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot stat %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		error_set(err, ERR_USAGE, "input '%s' is a %s; only files and directories can be inputs",
			  SHOW(path), fs_kind_name(st.st_mode));
		return error_help(err, "write what comes out of it to a file, and name that; or take it out of in=");
	}
	strmap_set(&b->present, path, b);
	return 0;
}

/* Edges from the steps whose outputs lie inside the input; how many outputs do, or -1. */
static long edges_from_inside(struct plan_builder *b, size_t index, const char *path, struct error *err)
{
	bool all = !strcmp(path, ".");
	CLEANUP(cleanup_free) char *dir = all ? xstrdup("") : xasprintf("%s/", path);
	size_t len = strlen(dir);
	long found = 0;

	for (size_t i = plan_first_made(b, dir); i < b->nmade; i++) {
		const struct plan_made *made = &b->made[i];
		if (strncmp(made->path, dir, len) != 0)
			break;
		if (made->node == index) {
			error_set(err, ERR_USAGE, "its output '%s' lies inside its own input '%s'", SHOW(made->path),
				  SHOW(path));
			return error_help(err, "name the files it reads, or move the output out of there");
		}
		plan_add_edge(b, made->node, index);
		found++;
	}
	return found;
}

/* One path, or one that a pattern matched: `known` to be there, or to come. */
static int add_input(struct plan_builder *b, size_t index, const char *path, bool known, struct error *err)
{
	size_t len, maker = plan_find_maker(&b->outputs, path, &len);
	long inside;

	if (maker == index + 1) {
		error_set(err, ERR_USAGE, "input '%s' is %s of its own outputs", SHOW(path),
			  path[len] ? "inside one" : "one");
		return error_help(err, "a step cannot wait for itself");
	}
	strlist_push(&b->nodes[index].inputs, path);
	if (maker) {
		plan_add_edge(b, maker - 1, index);
		return 0;
	}
	inside = edges_from_inside(b, index, path, err);
	if (inside < 0)
		return -1;
	return inside || known ? 0 : check_on_disk(b, path, err);
}

static int add_pattern(struct plan_builder *b, size_t index, const char *pattern, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	size_t prefix = plan_literal_prefix(pattern), len, maker;
	CLEANUP(cleanup_free) char *dir = xstrndup(pattern, prefix ? prefix - 1 : 0);
	const struct plan_matches *matches;

	maker = plan_find_maker(&b->outputs, dir, &len);
	if (maker) {
		dir[len] = '\0';
		error_set(err, ERR_USAGE, "pattern '%s' looks inside '%s', which step %s makes as a whole",
			  SHOW(pattern), SHOW(dir), b->nodes[maker - 1].name);
		return error_help(err, "name the output itself: in = %s", SHOW(dir));
	}
	if (plan_match(b, pattern, &matches, err) < 0)
		return -1;
	for (size_t i = 0; i < matches->leftovers.len; i++)
		strlist_push(&node->leftovers, matches->leftovers.items[i]);
	for (size_t i = 0; i < matches->inputs.len; i++)
		if (add_input(b, index, matches->inputs.items[i], true, err) < 0)
			return -1;
	if (matches->inputs.len || b->incomplete)
		return 0;
	error_set(err, ERR_USAGE, "pattern '%s' matches no output and no file%s", SHOW(pattern),
		  matches->leftovers.len ? " but left-overs of steps that are no more" : "");
	return error_help(err, "hidden files and what .mlopsignore names are not matched; '**' crosses directories");
}

static int unknown_after(const struct plan_builder *b, const char *name, struct error *err)
{
	CLEANUP(cleanup_free) char *head = xstrndup(name, strcspn(name, "@"));
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const struct step *step = strmap_get(&b->pipeline->by_name, head);
	const char *near;

	if (plan_unplanned(b, name))
		return 0;
	for (size_t i = 0; i < b->pipeline->nsteps; i++)
		strlist_push(&names, b->pipeline->steps[i].name);
	for (size_t i = 0; strchr(name, '@') && i < b->len; i++)
		strlist_push(&names, b->nodes[i].name);
	near = strlist_nearest(&names, name);
	if (step && strchr(name, '@'))
		error_set(err, ERR_USAGE, "'after' names '%s', which no instance of step %s is", SHOW(name),
			  step->name);
	else
		error_set(err, ERR_USAGE, "'after' names an unknown step '%s'", SHOW(name));
	return near ? error_help(err, "did you mean '%s'?", near) : -1;
}

/* A step stands for all its instances; a pattern for those that it matches. */
static int add_after(struct plan_builder *b, size_t index, const char *name, struct error *err)
{
	const struct step *step = strmap_get(&b->pipeline->by_name, name);
	const struct plan_node *node = step ? NULL : strmap_get(&b->view.by_name, name);
	bool pattern = !step && !node && path_is_pattern(name), found = step != NULL;
	CLEANUP(cleanup_free) char *head = xstrndup(name, strcspn(name, "@"));
	const struct step *of = step || !pattern ? step : strmap_get(&b->pipeline->by_name, head);
	size_t from = 0, to = b->len;

	if (of) {
		from = b->first[plan_step_index(b, of)];
		to = b->first[plan_step_index(b, of) + 1];
	} else if (node) {
		from = (size_t)(node - b->nodes);
		to = from + 1;
	} else if (!pattern) {
		return unknown_after(b, name, err);
	}
	for (size_t i = from; i < to; i++) {
		if (pattern && !path_match(name, b->nodes[i].name))
			continue;
		if (i == index || step == b->nodes[index].step)
			return error_set(err, ERR_USAGE, "it cannot come after itself");
		plan_add_edge(b, i, index);
		found = true;
	}
	return found ? 0 : unknown_after(b, name, err);
}

static int fill_after(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	int r = 0;

	for (size_t i = 0; i < node->step->after.len; i++) {
		const struct text_at *item = &node->step->after.items[i];
		CLEANUP(cleanup_free) char *name = NULL;
		if (plan_text(b, node, item, NULL, &name, err) < 0)
			r = -1;
		else if (add_after(b, index, name, err) < 0)
			r = plan_fault(b, node->step, item->at, err);
	}
	return r;
}

static int fill_in(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	int r = 0;

	for (size_t i = 0; i < node->step->in.len; i++) {
		const struct text_at *item = &node->step->in.items[i];
		CLEANUP(cleanup_free) char *path = NULL;
		bool pattern;
		if (plan_path(b, node, item, NULL, &path, err) < 0) {
			r = -1;
			continue;
		}
		pattern = path_is_pattern(path) && !strmap_has(&b->outputs, path);
		if ((pattern ? add_pattern(b, index, path, err) : add_input(b, index, path, false, err)) < 0)
			r = plan_fault(b, node->step, item->at, err);
	}
	return r;
}

/* Every edge costs memory, and two steps of thousands of instances each have millions. */
static int check_edges(struct plan_builder *b, const struct step *step, struct error *err)
{
	if (b->nedges <= PLAN_EDGES_MAX)
		return 0;
	error_set(err, ERR_USAGE, "its instances need more than %d instances of other steps, each counted",
		  PLAN_EDGES_MAX);
	error_help(err, "let one step take them all, and the instances what it makes; or name the matching one only, "
		   "by ${matrix.key}");
	return plan_fault(b, step, step->at, err);
}

/* Whether `in` says the same for all instances of the node's step, and it is not the first of them. */
static bool shares_inputs(const struct plan_builder *b, size_t index)
{
	const struct step *step = b->nodes[index].step;

	for (size_t i = 0; i < step->in.len; i++)
		if (strchr(step->in.items[i].text, '$'))
			return false;
	return index > b->first[plan_step_index(b, step)];
}

/* Takes the inputs of the first instance, and copies its edges. False when one of them would lead to itself. */
static bool share_inputs(struct plan_builder *b, size_t index)
{
	struct plan_node *node = &b->nodes[index];
	const struct plan_node *first = &b->nodes[b->first[plan_step_index(b, node->step)]];

	for (size_t i = b->shared_from; i < b->shared_to; i++)
		if (b->edges[i].from == index)
			return false;
	for (size_t i = b->shared_from; i < b->shared_to; i++)
		plan_add_edge(b, b->edges[i].from, index);
	node->inputs = (struct strlist){ first->inputs.items, first->inputs.len, 0 };
	node->leftovers = (struct strlist){ first->leftovers.items, first->leftovers.len, 0 };
	return true;
}

/* A pattern may stand for many files in each instance. */
static int take_room(struct plan_builder *b, const struct plan_node *node, struct error *err)
{
	const struct expand_scope scope = plan_scope(b, node, NULL, NULL);
	size_t bytes = 0;

	for (size_t i = 0; i < node->inputs.len; i++)
		bytes += strlen(node->inputs.items[i]) + sizeof(char *);
	return expand_room(&scope, bytes, true, err) < 0 ? plan_fault(b, node->step, node->step->at, err) : 0;
}

int plan_fill_inputs(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	int r = fill_after(b, index, err);
	size_t edges = b->nedges;

	if (shares_inputs(b, index) && share_inputs(b, index))
		return r < 0 ? r : check_edges(b, node->step, err);
	if (fill_in(b, index, err) < 0)
		r = -1;
	plan_sort_edges(b, edges);
	b->shared_from = edges;
	b->shared_to = b->nedges;
	strlist_sort(&node->inputs);
	strlist_uniq(&node->inputs);
	strlist_sort(&node->leftovers);
	strlist_uniq(&node->leftovers);
	if (take_room(b, node, err) < 0)
		r = -1;
	return r < 0 ? r : check_edges(b, node->step, err);
}
