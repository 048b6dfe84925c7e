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

/* Where the step names the output. */
static struct place output_place(const struct plan_builder *b, const struct plan_made *made)
{
	const struct step *step = b->nodes[made->node].step;
	const struct textlist *const lists[] = { &step->out, &step->metrics, &step->plots };

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		for (size_t i = 0; i < lists[l]->len; i++) {
			CLEANUP(cleanup_free) char *path = NULL;
			if (!path_clean("", lists[l]->items[i].text, &path, NULL) && !strcmp(path, made->path))
				return lists[l]->items[i].at;
		}
	}
	return step->at;
}

int plan_check_outputs(struct plan_builder *b, struct error *err)
{
	b->nmade = b->outputs.len;
	b->made = xcalloc(b->nmade, sizeof(*b->made));
	for (size_t i = 0; i < b->nmade; i++) {
		const struct strmap_entry *entry = &b->outputs.entries[i];
		b->made[i] = (struct plan_made){ entry->key, (uint32_t)(uintptr_t)entry->value - 1 };
	}
	if (b->nmade)
		qsort(b->made, b->nmade, sizeof(*b->made), by_path);
	for (size_t i = 0; i < b->nmade; i++) {
		const struct plan_made *made = &b->made[i];
		const char *slash = strrchr(made->path, '/');
		CLEANUP(cleanup_free) char *dir = NULL;
		size_t len, maker;
		if (!slash)
			continue;
		dir = xstrndup(made->path, (size_t)(slash - made->path));
		maker = plan_find_maker(&b->outputs, dir, &len);
		if (!maker)
			continue;
		dir[len] = '\0';
		error_set(err, ERR_USAGE, "output '%s' lies inside '%s', which is an output of step %s", SHOW(made->path),
			  SHOW(dir), b->nodes[maker - 1].name);
		return plan_fault(b, b->nodes[made->node].step, output_place(b, made), err);
	}
	return 0;
}

static int missing_input(const struct plan_builder *b, const char *path, struct error *err)
{
	CLEANUP(strlist_release) struct strlist outputs = STRLIST_INIT;
	const char *near;

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
	if (matches->inputs.len)
		return 0;
	error_set(err, ERR_USAGE, "pattern '%s' matches no output and no file%s", SHOW(pattern),
		  matches->leftovers.len ? " but left-overs of steps that are no more" : "");
	return error_help(err, "hidden files and what .mlopsignore names are not matched; '**' crosses directories");
}

static int add_after(struct plan_builder *b, size_t index, const struct text_at *item, struct error *err)
{
	const struct pipeline *pipeline = b->pipeline;
	const struct step *other = strmap_get(&pipeline->by_name, item->text);
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;

	if (other == b->nodes[index].step)
		return error_set(err, ERR_USAGE, "it cannot come after itself");
	if (other) {
		plan_add_edge(b, (size_t)(other - pipeline->steps), index);
		return 0;
	}
	for (size_t i = 0; i < pipeline->nsteps; i++)
		strlist_push(&names, pipeline->steps[i].name);
	near = strlist_nearest(&names, item->text);
	error_set(err, ERR_USAGE, "'after' names an unknown step '%s'", SHOW(item->text));
	if (near)
		error_help(err, "did you mean '%s'?", near);
	return -1;
}

int plan_fill_inputs(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	const struct step *step = node->step;

	for (size_t i = 0; i < step->in.len; i++) {
		const struct text_at *item = &step->in.items[i];
		CLEANUP(cleanup_free) char *path = NULL;
		bool pattern;
		if (plan_path(b, node, item, NULL, &path, err) < 0)
			return -1;
		pattern = path_is_pattern(path) && !strmap_has(&b->outputs, path);
		if ((pattern ? add_pattern(b, index, path, err) : add_input(b, index, path, false, err)) < 0)
			return plan_fault(b, step, item->at, err);
	}
	for (size_t i = 0; i < step->after.len; i++)
		if (add_after(b, index, &step->after.items[i], err) < 0)
			return plan_fault(b, step, step->after.items[i].at, err);
	strlist_sort(&node->inputs);
	strlist_uniq(&node->inputs);
	strlist_sort(&node->leftovers);
	strlist_uniq(&node->leftovers);
	return 0;
}
