/* SPDX-License-Identifier: Apache-2.0 */
/* A step becomes a node: its ${} expanded, its outputs checked, its params gathered. */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/expr.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/expand.h"
#include "pipeline/params.h"
#include "pipeline/plan_internal.h"
#include "pipeline/show.h"
#include "registry/lockfile.h"
#include "runners/docker_engine.h"

#define PATH_BYTES_MAX 1000 /* of a project path; artifact names have the same limit */
#define NAME_BYTES_MAX 255  /* of one component */

void plan_node_release(struct plan_node *node)
{
	free(node->name);
	js_free(node->matrix);
	free(node->image);
	strlist_release(&node->checkpoints);
	expr_free(node->when);
	strlist_release(&node->argv);
	strlist_release(&node->env);
	if (node->inputs.cap)
		strlist_release(&node->inputs);
	if (node->leftovers.cap)
		strlist_release(&node->leftovers);
	for (size_t i = 0; i < node->noutputs; i++)
		free(node->outputs[i].path);
	free(node->outputs);
	js_free(node->params);
	js_free(node->params_file);
	free(node->needs);
	free(node->feeds);
}

int plan_check_path(const char *path, struct error *err)
{
	if (strlen(path) > PATH_BYTES_MAX)
		return error_set(err, ERR_USAGE, "path '%s' is longer than %d bytes", SHOW(path), PATH_BYTES_MAX);
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");
		if (len > NAME_BYTES_MAX)
			return error_set(err, ERR_USAGE, "path '%s' has a name longer than %d bytes", SHOW(path),
					 NAME_BYTES_MAX);
		if ((len == 4 && !strncasecmp(p, ".git", len)) || (len == 6 && !strncasecmp(p, ".mlops", len)))
			return error_set(err, ERR_USAGE, "path '%s' belongs to %s", SHOW(path),
					 len == 4 ? "git" : "mlops");
		p += len;
		p += *p == '/';
	}
	return 0;
}

struct expand_scope plan_scope(struct plan_builder *b, const struct plan_node *node, struct strlist *used,
			       size_t *ret_offset)
{
	return (struct expand_scope){
		.params = b->pipeline->params,
		.env = &node->env,
		.matrix = node->matrix,
		.matrix_key = node->matrix ? node->name + strlen(node->step->name) + 1 : NULL,
		.step = node->name,
		.used_params = used,
		.ret_offset = ret_offset,
		.room = &b->room,
	};
}

int plan_text(struct plan_builder *b, struct plan_node *node, const struct text_at *item, struct strlist *used,
	      char **ret, struct error *err)
{
	size_t offset = 0;
	const struct expand_scope scope = plan_scope(b, node, used, &offset);
	struct place at = item->at;

	if (!expand_text(&scope, item->text, ret, err))
		return 0;
	at.column += (int)offset;
	return plan_fault(b, node->step, at, err);
}

int plan_path(struct plan_builder *b, struct plan_node *node, const struct text_at *item, struct strlist *used,
	      char **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *text = NULL;
	CLEANUP(cleanup_free) char *path = NULL;
	int r;

	if (plan_text(b, node, item, used, &text, err) < 0)
		return -1;
	if (strstr(text, "${run.id}"))
		r = error_set(err, ERR_USAGE, "${run.id} in a path would name another path each run");
	else if (!*text)
		r = error_set(err, ERR_USAGE, "'%s' is empty once expanded", SHOW(item->text));
	else
		r = path_clean("", text, &path, err);
	if (r < 0 || plan_check_path(path, err) < 0)
		return plan_fault(b, node->step, item->at, err);
	*ret = steal(&path);
	return 0;
}

/* Files that a run reads or writes itself. */
static const char *reserved_inside(const struct plan_builder *b, const char *path)
{
	const struct pipeline *pipeline = b->pipeline;

	if (path_contains(path, pipeline->file))
		return pipeline->file;
	if (path_contains(path, LOCKFILE_NAME))
		return LOCKFILE_NAME;
	for (size_t i = 0; i < pipeline->params_files.len; i++)
		if (path_contains(path, pipeline->params_files.items[i]))
			return pipeline->params_files.items[i];
	for (size_t i = 0; i < b->env_files.len; i++)
		if (path_contains(path, b->env_files.entries[i].key))
			return b->env_files.entries[i].key;
	return NULL;
}

/* What these say decides which files git keeps and which of them mlops sees: no step should. */
static bool is_rules_file(const char *path)
{
	static const char *const names[] = { ".gitignore", ".gitattributes", ".gitmodules", ".mlopsignore" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcasecmp(path_base(path), names[i]))
			return true;
	return false;
}

int plan_check_writable(const struct plan_builder *b, const char *what, const char *path, struct error *err)
{
	const char *reserved = reserved_inside(b, path);

	if (!strcmp(path, "."))
		return error_set(err, ERR_USAGE, "the project itself cannot be %s %s", *what == 'o' ? "an" : "a", what);
	if (strpbrk(path, "*?")) {
		error_set(err, ERR_USAGE, "%s '%s' is a pattern", what, SHOW(path));
		return error_help(err, "name the directory that will hold the files");
	}
	if (reserved)
		return error_set(err, ERR_USAGE, "%s '%s' would replace %s", what, SHOW(path), SHOW(reserved));
	if (is_rules_file(path))
		return error_set(err, ERR_USAGE, "%s '%s' would replace rules of %s", what, SHOW(path),
				 strcasecmp(path_base(path), ".mlopsignore") ? "git" : "mlops");
	return 0;
}

static int check_output(struct plan_builder *b, size_t index, const char *path, struct error *err)
{
	size_t maker = (size_t)(uintptr_t)strmap_get(&b->outputs, path);

	if (plan_check_writable(b, "output", path, err) < 0)
		return -1;
	if (maker == index + 1)
		return error_set(err, ERR_USAGE, "output '%s' is named twice", SHOW(path));
	if (!maker)
		return 0;
	error_set(err, ERR_USAGE, "output '%s' is made by step %s too", SHOW(path), b->nodes[maker - 1].name);
	if (b->nodes[maker - 1].step == b->nodes[index].step)
		error_help(err, "give each instance its own by ${matrix.key} in the path: models/${matrix.key}");
	return -1;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct plan_output *)a)->path, ((const struct plan_output *)b)->path);
}

int plan_fill_outputs(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	const struct step *step = node->step;
	const struct {
		const struct textlist *list;
		enum output_use use;
	} lists[] = { { &step->out, OUT_DATA }, { &step->metrics, OUT_METRICS }, { &step->plots, OUT_PLOTS } };
	size_t all = step->out.len + step->metrics.len + step->plots.len;
	int r = 0;

	if (all)
		node->outputs = xcalloc(all, sizeof(*node->outputs));
	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		for (size_t i = 0; i < lists[l].list->len; i++) {
			const struct text_at *item = &lists[l].list->items[i];
			CLEANUP(cleanup_free) char *path = NULL;
			if (plan_path(b, node, item, &b->used[index], &path, err) < 0) {
				r = -1;
			} else if (check_output(b, index, path, err) < 0) {
				r = plan_fault(b, step, item->at, err);
			} else {
				strmap_set(&b->outputs, path, (void *)(uintptr_t)(index + 1));
				node->outputs[node->noutputs++] = (struct plan_output){ .path = steal(&path), .use = lists[l].use };
			}
		}
	}
	if (node->noutputs)
		qsort(node->outputs, node->noutputs, sizeof(*node->outputs), by_path);
	return r < 0 ? r : plan_fill_profiles(b, index, err);
}

/* Where a byte of the joined command stands in the file. */
static struct place command_place(const struct step *step, size_t offset)
{
	struct place at = step->cmd.at;
	size_t start = 0;

	for (size_t i = 0; i < step->ncmd_lines && step->cmd_lines[i].offset <= offset; i++) {
		at = step->cmd_lines[i].at;
		start = step->cmd_lines[i].offset;
	}
	at.column += (int)(offset - start);
	return at;
}

/* What ${out} may stand for; as written when it is wrong, so that the command is not told of as well. */
static void list_outs(const struct plan_builder *b, const struct plan_node *node, struct strlist *ret)
{
	bool faulty = b->faulty[plan_step_index(b, node->step)] & STAGE_OUTPUTS;

	for (size_t i = 0; faulty && i < node->step->out.len; i++)
		strlist_push(ret, node->step->out.items[i].text);
	for (size_t i = 0; !faulty && i < node->noutputs; i++)
		if (node->outputs[i].use == OUT_DATA)
			strlist_push(ret, node->outputs[i].path);
}

static int fill_argv(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	CLEANUP(strlist_release) struct strlist outs = STRLIST_INIT;
	size_t offset = 0;
	struct expand_scope scope = plan_scope(b, node, &b->used[index], &offset);
	const struct expand_trigger trigger = {
		.time = b->pipeline->trigger_time, .window = b->pipeline->trigger_window, .ret_unset = &node->unset,
	};

	list_outs(b, node, &outs);
	scope.outs = &outs;
	scope.trigger = &trigger;
	if (expand_command(&scope, node->step->cmd.text, &node->argv, err) < 0)
		return plan_fault(b, node->step, command_place(node->step, offset), err);
	return 0;
}

static size_t first_key(const struct strlist *keys, const char *text, size_t len)
{
	size_t low = 0, high = keys->len;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (strncmp(keys->items[mid], text, len) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Leaves of a group ("train") or that a pattern matches ("train.*"); how many. */
static size_t push_leaves(const struct strlist *keys, const char *wanted, bool pattern, struct strlist *ret)
{
	size_t prefix = pattern ? strcspn(wanted, "*?") : strlen(wanted);
	size_t before = ret->len;

	for (size_t i = first_key(keys, wanted, prefix); i < keys->len; i++) {
		const char *key = keys->items[i];
		if (strncmp(key, wanted, prefix) != 0)
			break;
		if (pattern ? param_match(wanted, key) : !key[prefix] || key[prefix] == '.')
			strlist_push(ret, key);
	}
	return ret->len - before;
}

static int unknown_param(const struct plan_builder *b, const char *wanted, struct error *err)
{
	const char *near = strlist_nearest(&b->param_keys, wanted);

	error_set(err, ERR_USAGE, "no param matches '%s' in 'params'", SHOW(wanted));
	if (near)
		return error_help(err, "did you mean '%s'?", SHOW(near));
	if (!b->param_keys.len)
		return error_help(err, "declare it in [params], or name a JSON file: [pipeline] params = params.json");
	return error_help(err, "declare it in [params] or in the params file");
}

/* Steps that read the same params share them: `keys` are those of the file, `used` are all. */
static struct plan_params *params_of(struct plan_builder *b, const struct strlist *keys, const struct strlist *used)
{
	const struct strlist *const lists[] = { keys, used };
	CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
	struct plan_params *params;

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		for (size_t i = 0; i < lists[l]->len; i++) {
			strbuf_puts(&name, lists[l]->items[i]);
			strbuf_putc(&name, '\n');
		}
		strbuf_putc(&name, '\n');
	}
	params = strmap_get(&b->params, name.buf);
	if (params)
		return params;
	params = xcalloc(1, sizeof(*params));
	params->file = js_object();
	params->flat = js_object();
	for (size_t i = 0; i < keys->len; i++)
		param_set(params->file, keys->items[i], js_ref(param_find(b->pipeline->params, keys->items[i])), NULL);
	for (size_t i = 0; i < used->len; i++)
		js_set(params->flat, used->items[i], js_ref(param_find(b->pipeline->params, used->items[i])));
	strmap_set(&b->params, name.buf, params);
	return params;
}

static int fill_params(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	const struct textlist *wanted = &node->step->params;
	struct strlist *used = &b->used[index];
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;
	const struct plan_params *params;
	int r = 0;

	for (size_t i = 0; i < wanted->len; i++) {
		const char *text = wanted->items[i].text;
		bool pattern = strpbrk(text, "*?") != NULL;
		if (!push_leaves(&b->param_keys, text, pattern, &keys)) {
			unknown_param(b, text, err);
			r = plan_fault(b, node->step, wanted->items[i].at, err);
		}
	}
	if (r)
		return r;
	strlist_sort(&keys);
	strlist_uniq(&keys);
	for (size_t i = 0; i < keys.len; i++)
		strlist_push(used, keys.items[i]);
	strlist_sort(used);
	strlist_uniq(used);
	params = params_of(b, &keys, used);
	node->params = js_ref(params->flat);
	node->params_file = js_ref(params->file);
	return 0;
}

static int check_image(const char *image, struct error *err)
{
	struct docker_ref ref;

	if (strstr(image, "${run.id}"))
		return error_set(err, ERR_USAGE, "${run.id} in an image would name another one each run");
	if (docker_ref_parse(image, &ref, err) < 0)
		return -1;
	docker_ref_release(&ref);
	return 0;
}

static const struct image_section *image_named(const struct pipeline *pipeline, const char *name, size_t len)
{
	for (size_t i = 0; i < pipeline->nimages; i++)
		if (strlen(pipeline->images[i].name) == len && !memcmp(pipeline->images[i].name, name, len))
			return &pipeline->images[i];
	return NULL;
}

static int unknown_image(const struct pipeline *pipeline, const char *name, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;

	for (size_t i = 0; i < pipeline->nimages; i++)
		strlist_push(&names, pipeline->images[i].name);
	near = strlist_nearest(&names, name);
	error_set(err, ERR_USAGE, "there is no section [image.%s]", SHOW(name));
	if (near)
		return error_help(err, "did you mean ${image.%s}?", near);
	return error_help(err, "add it: [image.%s] with context = DIRECTORY", SHOW(name));
}

/* ${image.NAME}, which is all of the text: 1 when it is, 0 when it is not. */
static int fill_built(struct plan_builder *b, struct plan_node *node, const char *text, struct error *err)
{
	static const char head[] = "${image.";
	size_t len = strlen(text), at = strlen(head);
	CLEANUP(cleanup_free) char *name = NULL;

	if (strncmp(text, head, at) != 0 || strchr(text, '}') != text + len - 1 || len == at + 1)
		return 0;
	name = xstrndup(text + at, len - at - 1);
	node->build = image_named(b->pipeline, name, strlen(name));
	if (!node->build)
		return unknown_image(b->pipeline, name, err);
	node->image = xasprintf("image.%s", name);
	return 1;
}

/* What only a container has. */
static int check_local(struct plan_builder *b, const struct step *step, struct error *err)
{
	if (!step->root && !step->shm)
		return 0;
	error_set(err, ERR_USAGE, "%s= is for a step in a container, and it has no image", step->root ? "user" : "shm");
	error_help(err, "add image= to [step.%s], or leave it out", step->name);
	return plan_fault(b, step, step->at, err);
}

/* The step's own, else the pipeline's; "none" is no image. */
static int fill_image(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	const struct step *step = node->step;
	const struct text_at *text = step->image.text ? &step->image : &b->pipeline->image;
	CLEANUP(cleanup_free) char *image = NULL;
	int built;

	if (!text->text)
		return check_local(b, step, err);
	built = fill_built(b, node, text->text, err);
	if (built)
		return built < 0 ? plan_fault(b, step, text->at, err) : 0;
	if (plan_text(b, node, text, &b->used[index], &image, err) < 0)
		return -1;
	if (!strcmp(image, "none"))
		return check_local(b, step, err);
	if (check_image(image, err) < 0)
		return plan_fault(b, step, text->at, err);
	node->image = steal(&image);
	return 0;
}

int plan_fill_node(struct plan_builder *b, size_t index, struct error *err)
{
	int r = fill_image(b, index, err);

	if (fill_argv(b, index, err) < 0)
		r = -1;
	if (fill_params(b, index, err) < 0)
		r = -1;
	strlist_release(&b->used[index]);
	return r;
}
