/* SPDX-License-Identifier: Apache-2.0 */
/* A step becomes a node: its ${} expanded, its outputs checked, its params gathered. */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
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
	strlist_release(&node->argv);
	strlist_release(&node->env);
	strlist_release(&node->inputs);
	strlist_release(&node->leftovers);
	for (size_t i = 0; i < node->noutputs; i++)
		free(node->outputs[i].path);
	free(node->outputs);
	js_free(node->params);
	js_free(node->params_file);
	free(node->needs);
	free(node->feeds);
}

int plan_fault(const struct plan_builder *b, const struct step *step, struct place at, struct error *err)
{
	error_wrap(err, "step %s", step->name);
	error_where(err, b->pipeline->file, at.line, at.column);
	return -1;
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

int plan_path(const struct plan_builder *b, struct plan_node *node, const struct text_at *item,
	      struct strlist *used_params, char **ret, struct error *err)
{
	size_t offset = 0;
	struct expand_scope scope = {
		.params = b->pipeline->params,
		.env = &node->env,
		.step = node->name,
		.used_params = used_params,
		.ret_offset = &offset,
	};
	CLEANUP(cleanup_free) char *text = NULL;
	CLEANUP(cleanup_free) char *path = NULL;
	struct place at = item->at;
	int r = 0;

	if (!strchr(item->text, '$')) {
		r = path_clean("", item->text, &path, err);
	} else if (expand_text(&scope, item->text, &text, err) < 0) {
		at.column += (int)offset;
		r = -1;
	} else if (strstr(text, "${run.id}")) {
		r = error_set(err, ERR_USAGE, "${run.id} in a path would name another path each run");
	} else if (!*text) {
		r = error_set(err, ERR_USAGE, "'%s' is empty once expanded", SHOW(item->text));
	} else {
		r = path_clean("", text, &path, err);
	}
	if (r < 0 || plan_check_path(path, err) < 0)
		return plan_fault(b, node->step, at, err);
	*ret = steal(&path);
	return 0;
}

/* Files that a run reads or writes itself. */
static const char *reserved_inside(const struct pipeline *pipeline, const char *path)
{
	if (path_contains(path, pipeline->file))
		return pipeline->file;
	if (path_contains(path, LOCKFILE_NAME))
		return LOCKFILE_NAME;
	for (size_t i = 0; i < pipeline->params_files.len; i++)
		if (path_contains(path, pipeline->params_files.items[i]))
			return pipeline->params_files.items[i];
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

static int check_output(struct plan_builder *b, size_t index, const char *path, struct error *err)
{
	const char *reserved = reserved_inside(b->pipeline, path);
	size_t maker = (size_t)(uintptr_t)strmap_get(&b->outputs, path);

	if (!strcmp(path, "."))
		return error_set(err, ERR_USAGE, "the project itself cannot be an output");
	if (strpbrk(path, "*?")) {
		error_set(err, ERR_USAGE, "output '%s' is a pattern", SHOW(path));
		return error_help(err, "name the directory that will hold the files");
	}
	if (reserved)
		return error_set(err, ERR_USAGE, "output '%s' would replace %s", SHOW(path), SHOW(reserved));
	if (is_rules_file(path))
		return error_set(err, ERR_USAGE, "output '%s' would replace rules of %s", SHOW(path),
				 strcasecmp(path_base(path), ".mlopsignore") ? "git" : "mlops");
	if (maker == index + 1)
		return error_set(err, ERR_USAGE, "output '%s' is named twice", SHOW(path));
	if (maker)
		return error_set(err, ERR_USAGE, "output '%s' is made by step %s too", SHOW(path),
				 b->nodes[maker - 1].name);
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct plan_output *)a)->path, ((const struct plan_output *)b)->path);
}

/* `outs` receives the paths of `out` as written, for ${out}. */
static int fill_outputs(struct plan_builder *b, size_t index, struct strlist *outs, struct strlist *used,
			struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	const struct step *step = node->step;
	const struct {
		const struct textlist *list;
		enum output_use use;
	} lists[] = { { &step->out, OUT_DATA }, { &step->metrics, OUT_METRICS }, { &step->plots, OUT_PLOTS } };
	size_t all = step->out.len + step->metrics.len + step->plots.len;

	if (all)
		node->outputs = xcalloc(all, sizeof(*node->outputs));
	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		for (size_t i = 0; i < lists[l].list->len; i++) {
			const struct text_at *item = &lists[l].list->items[i];
			CLEANUP(cleanup_free) char *path = NULL;
			if (plan_path(b, node, item, used, &path, err) < 0)
				return -1;
			if (check_output(b, index, path, err) < 0)
				return plan_fault(b, step, item->at, err);
			strmap_set(&b->outputs, path, (void *)(uintptr_t)(index + 1));
			if (lists[l].use == OUT_DATA)
				strlist_push(outs, path);
			node->outputs[node->noutputs++] = (struct plan_output){ steal(&path), lists[l].use };
		}
	}
	if (node->noutputs)
		qsort(node->outputs, node->noutputs, sizeof(*node->outputs), by_path);
	return 0;
}

/* NAME=VALUE in place of an earlier one of the same name. */
static void put_env(struct strlist *env, char *item)
{
	size_t name = strcspn(item, "=") + 1;

	for (size_t i = 0; i < env->len; i++) {
		if (!strncmp(env->items[i], item, name)) {
			free(env->items[i]);
			env->items[i] = item;
			return;
		}
	}
	strlist_push_owned(env, item);
}

static int by_env_name(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	size_t nx = strcspn(x, "="), ny = strcspn(y, "=");
	int order = memcmp(x, y, nx < ny ? nx : ny);

	return order ? order : (nx > ny) - (nx < ny);
}

static int fill_env(struct plan_builder *b, struct plan_node *node, struct strlist *used, struct error *err)
{
	const struct textlist *const lists[] = { &b->pipeline->env, &node->step->env };
	size_t offset = 0;
	struct expand_scope scope = {
		.params = b->pipeline->params,
		.env = &node->env,
		.step = node->name,
		.used_params = used,
		.ret_offset = &offset,
	};

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		for (size_t i = 0; i < lists[l]->len; i++) {
			struct place at = lists[l]->items[i].at;
			char *item;
			if (expand_text(&scope, lists[l]->items[i].text, &item, err) < 0) {
				at.column += (int)offset;
				return plan_fault(b, node->step, at, err);
			}
			put_env(&node->env, item);
		}
	}
	if (node->env.len > 1)
		qsort(node->env.items, node->env.len, sizeof(*node->env.items), by_env_name);
	return 0;
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

static int fill_argv(struct plan_builder *b, struct plan_node *node, const struct strlist *outs, struct strlist *used,
		     struct error *err)
{
	size_t offset = 0;
	struct expand_scope scope = {
		.params = b->pipeline->params,
		.outs = outs,
		.env = &node->env,
		.step = node->name,
		.used_params = used,
		.ret_offset = &offset,
	};

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

static int fill_params(struct plan_builder *b, struct plan_node *node, struct strlist *used, struct error *err)
{
	const struct textlist *wanted = &node->step->params;
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;
	const struct plan_params *params;

	for (size_t i = 0; i < wanted->len; i++) {
		const char *text = wanted->items[i].text;
		bool pattern = strpbrk(text, "*?") != NULL;
		if (!push_leaves(&b->param_keys, text, pattern, &keys)) {
			unknown_param(b, text, err);
			return plan_fault(b, node->step, wanted->items[i].at, err);
		}
	}
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

/* The step's own, else the pipeline's; "none" is no image. */
static int fill_image(struct plan_builder *b, struct plan_node *node, struct strlist *used, struct error *err)
{
	const struct step *step = node->step;
	const struct text_at *text = step->image.text ? &step->image : &b->pipeline->image;
	size_t offset = 0;
	struct expand_scope scope = {
		.params = b->pipeline->params,
		.env = &node->env,
		.step = node->name,
		.used_params = used,
		.ret_offset = &offset,
	};
	struct place at = text->at;
	CLEANUP(cleanup_free) char *image = NULL;

	if (text->text && expand_text(&scope, text->text, &image, err) < 0) {
		at.column += (int)offset;
		return plan_fault(b, step, at, err);
	}
	if (image && strcmp(image, "none") != 0) {
		if (check_image(image, err) < 0)
			return plan_fault(b, step, at, err);
		node->image = steal(&image);
		return 0;
	}
	if (!step->root && !step->gpu)
		return 0;
	error_set(err, ERR_USAGE, "%s= is for a step in a container, and it has no image", step->root ? "user" : "gpu");
	error_help(err, "add image= to [step.%s], or leave it out", step->name);
	return plan_fault(b, step, step->at, err);
}

int plan_fill_node(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	CLEANUP(strlist_release) struct strlist outs = STRLIST_INIT;
	CLEANUP(strlist_release) struct strlist used = STRLIST_INIT;

	if (fill_env(b, node, &used, err) < 0 || fill_image(b, node, &used, err) < 0 || fill_outputs(b, index, &outs, &used, err) < 0 ||
	    fill_argv(b, node, &outs, &used, err) < 0)
		return -1;
	return fill_params(b, node, &used, err);
}
