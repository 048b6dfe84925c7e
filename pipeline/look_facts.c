/* SPDX-License-Identifier: Apache-2.0 */
/* What a step's key is made of: its program or image, its inputs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "pipeline/grammar.h"
#include "pipeline/look_internal.h"
#include "pipeline/plan.h"
#include "registry/project.h"
#include "store/statcache.h"

/* ---- contents and programs ---- */

void look_remember(struct looker *l, const char *path, const struct content *content)
{
	free(strmap_set(&l->contents, path, xmemdup(content, sizeof(*content))));
}

int look_content(struct looker *l, const char *path, const struct content **ret, struct error *err)
{
	struct content content;

	*ret = strmap_get(&l->contents, path);
	if (*ret)
		return 0;
	if (scan_path(&l->scanner, path, &content, NULL, err) < 0)
		return -1;
	look_remember(l, path, &content);
	*ret = strmap_get(&l->contents, path);
	return 0;
}

const struct content *look_input(struct looker *l, const char *path)
{
	return strmap_get(&l->contents, path);
}

/* A program lies outside the project, so it is hashed here; the stat cache remembers it. */
static int hash_program(struct looker *l, const char *path, struct content *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct timespec now;
	struct hasher hasher;
	struct stat st;
	char buf[1 << 16];
	ssize_t n;

	*ret = (struct content){ .kind = CONTENT_EXEC };
	if (fd < 0)
		return 0; /* executable but unreadable: its path must do */
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot look at %s", path);
	if (statcache_get(l->scanner.cache, &st, &ret->id))
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	hasher_init(&hasher);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		hasher_update(&hasher, buf, (size_t)n);
	hasher_final(&hasher, &ret->id);
	if (n < 0)
		return error_sys(err, errno, "cannot read %s", path);
	statcache_put(l->scanner.cache, &st, &ret->id, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
	return 0;
}

const char *look_path(const struct strlist *env)
{
	for (size_t i = 0; i < env->len; i++)
		if (!strncmp(env->items[i], "PATH=", 5))
			return env->items[i] + 5;
	return getenv("PATH");
}

/* A program of the project is named by its project path, so that two clones agree on the key, and a scratch tree
 * with the project: what it links, such as an environment, is found there. */
static void name_in_project(const struct looker *l, struct key_program *program)
{
	const char *roots[] = { l->project->root, l->project->top };

	for (size_t i = 0; program->path && i < ARRAY_LEN(roots); i++) {
		size_t n = strlen(roots[i]);
		char *inside;
		if (strncmp(program->path, roots[i], n) != 0 || program->path[n] != '/')
			continue;
		inside = xstrdup(program->path + n + 1);
		free(program->path);
		program->path = inside;
		return;
	}
}

static int program_of(struct looker *l, const struct plan_node *node, const struct key_program **ret,
		      struct error *err)
{
	const char *path = look_path(&node->env);
	CLEANUP(cleanup_free) char *id = xasprintf("%s\n%s", node->argv.items[0], path ? path : "");
	struct key_program *program = strmap_get(&l->programs, id);

	if (!program) {
		program = xcalloc(1, sizeof(*program));
		strmap_set(&l->programs, id, program);
		program->path = process_find(node->argv.items[0], path, l->project->root);
		if (program->path && hash_program(l, program->path, &program->content, err) < 0)
			return -1;
		name_in_project(l, program);
	}
	*ret = program;
	return 0;
}

int look_facts(struct looker *l, struct plan_node *node, struct key_facts *ret, struct key_input **inputs,
		    struct error *err)
{
	const struct key_program *program = NULL;

	*inputs = xcalloc(node->inputs.len, sizeof(**inputs));
	for (size_t i = 0; i < node->inputs.len; i++) {
		const char *path = node->inputs.items[i];
		const struct content *content;
		if (look_content(l, path, &content, err) < 0)
			return error_wrap(err, "input of step %s", node->name);
		if (content->kind == CONTENT_ABSENT) {
			error_set(err, ERR_NOT_FOUND, "step %s: input %s does not exist", node->name, path);
			return error_help(err, "create %s, or correct in= of [step.%s]", path, node->step->name);
		}
		(*inputs)[i] = (struct key_input){ path, *content };
	}
	if (!node->image && program_of(l, node, &program, err) < 0)
		return -1;
	if (program && !program->path) {
		error_set(err, ERR_ENV, "step %s: program %s was not found", node->name, node->argv.items[0]);
		error_where(err, l->plan->pipeline->file, node->step->cmd.at.line, node->step->cmd.at.column);
		return error_help(err, "install it, or correct cmd= (searched in PATH=%s)",
				  look_path(&node->env) ? look_path(&node->env) : "");
	}
	*ret = (struct key_facts){
		.node = node, .program = program, .image = look_pin(l, node),
		.build = look_build_record(l, node), .platform = l->platform, .inputs = *inputs,
		.ninputs = node->inputs.len,
	};
	return 0;
}

struct js *look_record(struct looker *l, struct plan_node *node)
{
	CLEANUP(cleanup_free) struct key_input *inputs = NULL;
	struct key_facts facts;

	if (look_facts(l, node, &facts, &inputs, NULL) < 0)
		return js_object();
	return key_record(&facts);
}
