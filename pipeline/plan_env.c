/* SPDX-License-Identifier: Apache-2.0 */
/* The environment that a step declares: that of [pipeline], a file of NAME=VALUE lines, its own. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/env_file.h"
#include "pipeline/expand.h"
#include "pipeline/plan_internal.h"
#include "pipeline/show.h"

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

static int add_list(struct plan_builder *b, size_t index, const struct textlist *list, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	int r = 0;

	for (size_t i = 0; i < list->len; i++) {
		char *item;
		if (plan_text(b, node, &list->items[i], &b->used[index], &item, err) < 0)
			r = -1;
		else
			put_env(&node->env, item);
	}
	return r;
}

static bool declared(const struct strlist *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->len; i++)
		if (!strncmp(env->items[i], name, len) && env->items[i][len] == '=')
			return true;
	return false;
}

/* A variable has one meaning. Takes `variable`. */
static int check_variable(struct plan_builder *b, const struct plan_node *node, const struct secret_use *secret,
			  char *variable, struct strlist *taken, struct error *err)
{
	bool again = strlist_has(taken, variable), env = declared(&node->env, variable);

	strlist_push_owned(taken, variable);
	if (!again && !env)
		return 0;
	error_set(err, ERR_USAGE, env ? "secret '%s' would be the variable %s, that its environment declares too" :
					"secret '%s' would be the variable %s, as another secret",
		  secret->name, variable);
	error_help(err, !env ? "take one of them out" :
		   strcmp(variable, secret->name) ? "take %s out of env" :
						    "take %s out of env, or write 'secrets = %s' for the file alone",
		   variable, secret->name);
	return plan_fault(b, node->step, secret->at, err);
}

static int check_secrets(struct plan_builder *b, const struct plan_node *node, struct error *err)
{
	struct strlist taken CLEANUP(strlist_release) = STRLIST_INIT;
	int r = 0;

	for (size_t i = 0; i < node->step->nsecrets; i++) {
		const struct secret_use *secret = &node->step->secrets[i];
		char *file = xasprintf("%s_FILE", secret->name);
		if (check_variable(b, node, secret, file, &taken, err) < 0 ||
		    (secret->env && check_variable(b, node, secret, xstrdup(secret->name), &taken, err) < 0))
			r = -1;
	}
	return r;
}

static char *env_file_path(const struct step *step)
{
	char *path = NULL;

	path_clean("", step->env_file.text, &path, NULL);
	return path;
}

int plan_fill_env(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	int r = add_list(b, index, &b->pipeline->env, err);

	if (node->step->env_file.text) {
		CLEANUP(cleanup_free) char *path = env_file_path(node->step);
		const struct strlist *items = path ? strmap_get(&b->env_files, path) : NULL;
		const struct expand_scope scope = plan_scope(b, node, NULL, NULL);
		for (size_t i = 0; items && i < items->len; i++) {
			if (expand_room(&scope, strlen(items->items[i]), true, err) < 0)
				return plan_fault(b, node->step, node->step->env_file.at, err);
			put_env(&node->env, xstrdup(items->items[i]));
		}
		if (!items)
			r = -1;
	}
	if (add_list(b, index, &node->step->env, err) < 0)
		r = -1;
	if (node->env.len > 1)
		qsort(node->env.items, node->env.len, sizeof(*node->env.items), by_env_name);
	return check_secrets(b, node, err) < 0 ? -1 : r;
}

/* A problem inside the file is told with its place there; its steps are then without an environment. */
static int read_file(struct plan_builder *b, const struct step *step, const char *path, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct strlist *items;

	if (env_file_load(b->rootfd, path, &text, err) < 0)
		return plan_fault(b, step, step->env_file.at, err);
	strmap_set(&b->env_files, path, NULL);
	items = xcalloc(1, sizeof(*items));
	if (env_file_parse(text.buf, text.len, path, b->problems, items) < 0) {
		strlist_release(items);
		free(items);
		return -1;
	}
	strmap_set(&b->env_files, path, items);
	return 0;
}

int plan_read_env_files(struct plan_builder *b, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < b->pipeline->nsteps; i++) {
		const struct step *step = &b->pipeline->steps[i];
		CLEANUP(cleanup_free) char *path = NULL;
		if (!step->env_file.text || step->faulty)
			continue;
		if (strstr(step->env_file.text, "${")) {
			error_set(err, ERR_USAGE, "'env_file' is a plain path; ${...} stands for nothing there");
			r = plan_fault(b, step, step->env_file.at, err);
		} else if (path_clean("", step->env_file.text, &path, err) < 0 || plan_check_path(path, err) < 0) {
			r = plan_fault(b, step, step->env_file.at, err);
		} else if (!strmap_has(&b->env_files, path) && read_file(b, step, path, err) < 0) {
			r = -1;
		}
	}
	return r;
}
