/* SPDX-License-Identifier: Apache-2.0 */
/* Steps in containers: what is checked before the run, how one starts, and what is done with what it leaves. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/engine.h"
#include "pipeline/grammar.h"
#include "pipeline/scratch.h"
#include "pipeline/secret_files.h"
#include "pipeline/show.h"
#include "pipeline/stepdir.h"
#include "registry/project.h"
#include "runners/docker.h"
#include "runners/docker_engine.h"
#include "store/store.h"

#define UNDECLARED_NAMED 3
#define SECRETS_INSIDE   "/run/secrets"

static int need_engine(struct engine *e, struct error *err)
{
	if (e->containers || e->opt->runner)
		return 0;
	return docker_engine_open(&e->containers, err);
}

/* Asked before the first step starts: a worker may want to know it, too. */
static int rootless(struct engine *e, bool *ret, struct error *err)
{
	const struct docker_info *info;

	if (e->containers && !e->asked_rootless) {
		if (docker_engine_info(e->containers, &info, err) < 0)
			return -1;
		e->rootless = info->rootless;
		e->asked_rootless = true;
	}
	*ret = e->rootless;
	return 0;
}

/* ---- before the run ---- */

static bool is_selected(const struct engine *e, size_t i)
{
	const struct plan_node *node = &e->plan->nodes[i];

	return node->selected && node->image && !look_is_skipped(e->looker, node);
}

int container_pin_image(struct engine *e, const char *name, struct error *err)
{
	CLEANUP(cleanup_free) char *pin = NULL;
	char hex[DIGEST_HEX + 1];
	struct digest digest;

	if (!e->containers) { /* a scripted runner takes any name */
		digest_of(name, strlen(name), &digest);
		pin = xasprintf("sha256:%s", digest_format(&digest, hex));
	} else if (docker_image_resolve(e->containers, name, false, e->opt->progress, &pin, err) < 0) {
		return -1;
	}
	look_set_pin(e->looker, name, pin);
	return 0;
}

int container_pin_images(struct engine *e, struct error *err)
{
	for (size_t i = 0; i < e->plan->len; i++) {
		const struct plan_node *node = &e->plan->nodes[i];
		int r;
		if (is_selected(e, i) && node->build && look_build(e->looker, node, NULL, err) < 0)
			return error_wrap(err, "step %s", node->name);
		if (!is_selected(e, i) || look_pin(e->looker, node))
			continue;
		if (need_engine(e, err) < 0)
			return error_wrap(err, "step %s runs in image %s", node->name, node->image);
		r = node->build ? container_pin_bases(e, node, err) : container_pin_image(e, node->image, err);
		if (r < 0)
			return error_wrap(err, "step %s", node->name);
	}
	return 0;
}

/* An image that is built here is had at once when the step is known to run. */
static int ensure_image(struct engine *e, const struct plan_node *node, bool runs, struct error *err)
{
	if (node->build)
		return runs ? container_have_image(e, node, err) : 0;
	return e->containers ? docker_image_ensure(e->containers, node->image, look_pin(e->looker, node), e->opt->progress,
						   err) : 0;
}

static int check_step(struct engine *e, const struct plan_node *node, bool runs, struct error *err)
{
	struct scratch_user inside, here;
	bool own_root;

	if (need_engine(e, err) < 0)
		return error_wrap(err, "step %s runs in image %s", node->name, node->image);
	if (rootless(e, &own_root, err) < 0 ||
	    scratch_users(e->project, node->step->root, own_root, &inside, &here, err) < 0)
		return error_wrap(err, "step %s", node->name);
	if (scratch_check_places(e->project, node, err) < 0 || scratch_check_inputs(e->project, node, &here, err) < 0)
		return -1;
	return ensure_image(e, node, runs, err) < 0 ? error_wrap(err, "step %s", node->name) : 0;
}

int container_check(struct engine *e, struct error *err)
{
	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		if (!is_selected(e, i) || t->look->state == STEP_FRESH || t->look->state == STEP_RESTORE)
			continue;
		if (check_step(e, t->node, t->look->state == STEP_STALE, err) < 0) {
			e->check_failed = t;
			return -1;
		}
		t->checked = true;
	}
	return 0;
}

/* ---- what an earlier mlops left ---- */

static void discard(struct engine *e, struct orphan *o)
{
	struct strlist notes CLEANUP(strlist_release) = STRLIST_INIT;
	struct error err;

	if (orphan_discard(o, e->project, e->containers, &notes, &err) < 0)
		engine_note(e, "run %.8s left a container of step %s: %s", o->run, o->step, err.msg);
	for (size_t i = 0; i < notes.len; i++)
		engine_note(e, "%s", notes.items[i]);
	secret_files_drop(e->project, o->name);
	orphans_drop(&e->orphans, o);
}

static bool is_wanted(const struct engine *e, const struct orphan *o)
{
	const struct plan_node *node = strmap_get(&e->plan->by_name, o->step);
	const struct task *t = node && node->selected ? node->user : NULL;

	if (!o->alive || !t || !node->image)
		return false;
	return t->look->state == STEP_BLOCKED ||
	       (t->look->state == STEP_STALE && digest_equal(&t->look->key, &o->key));
}

static int read_points(struct engine *e, struct error *err)
{
	struct db *db;

	if (e->orphans.len && project_db(e->project, &db, err) < 0)
		return -1;
	for (size_t i = 0; i < e->orphans.len; i++) {
		struct orphan *o = &e->orphans.items[i];
		if (attempt_points(db, o->nested, &o->points_read, &o->points_lines, err) < 0)
			return -1;
	}
	return 0;
}

int container_find_orphans(struct engine *e, struct error *err)
{
	struct error why;

	if (orphans_find(e->project, &e->orphans, err) < 0)
		return -1;
	/* Where containers are used, one that an engine was too slow to remove is looked for, too. */
	if (!e->orphans.runs.len && !e->containers)
		return 0;
	/* Without an engine nobody can say what runs there: the next run asks again. */
	if (need_engine(e, &why) < 0 ||
	    (e->containers && orphans_ask(&e->orphans, e->project, e->containers, &why) < 0)) {
		engine_note(e, "containers of an interrupted run may still be there: %s", why.msg);
		orphans_release(&e->orphans);
		return 0;
	}
	for (size_t i = e->orphans.len; i-- > 0;)
		if (!is_wanted(e, &e->orphans.items[i]))
			discard(e, &e->orphans.items[i]);
	return read_points(e, err);
}

static void drop_orphans(struct engine *e)
{
	while (e->orphans.len)
		discard(e, &e->orphans.items[e->orphans.len - 1]);
}

bool container_adopt(struct task *t, struct error *err)
{
	struct engine *e = t->engine;
	struct orphan *o = orphans_match(&e->orphans, t->node->name, &t->look->key);

	if (!o)
		return false;
	if (orphan_adopt(o, e->project, e->run, err) < 0) {
		engine_note(e, "step %s is not continued: %s", t->node->name, err->msg);
		return false;
	}
	engine_note(e, "step %s goes on: its container of run %.8s was still there", t->node->name, o->run);
	memcpy(t->run, o->nested, sizeof(t->run));
	t->container = xstrdup(o->name);
	t->attempt = o->attempt;
	t->start_ms = o->start_ms;
	t->first_mono_ms = clock_mono_ms() - (clock_wall_ms() - o->first_ms);
	t->points_read = o->points_read;
	t->points_line = o->points_lines;
	t->adopted = true;
	orphans_drop(&e->orphans, o);
	return true;
}

/* ---- starting ---- */

static int need_runner(struct engine *e, struct error *err)
{
	CLEANUP(cleanup_free) char *probe = xasprintf(".mlops/work/%s/" STEPDIR_PROBE, e->run);
	CLEANUP(cleanup_free) char *label = orphans_label(e->project);
	struct docker_config config = { .engine = e->containers, .project = label, .run = e->run };

	if (e->docker)
		return 0;
	if (e->opt->runner) {
		e->docker = e->runner;
		return 0;
	}
	if (io_replace_file(e->project->rootfd, probe, "", 0, 0644, false, err) < 0)
		return -1;
	config.probe = e->probe = path_join(e->project->root, probe);
	config.agent = e->tracking.dir;
	return runner_docker.open(e->loop, &task_events, &config, &e->docker, err);
}

/* What stands in the project now, to tell later what somebody changed meanwhile. */
static void look_before(struct task *t)
{
	struct engine *e = t->engine;
	size_t n = t->node->noutputs;

	t->before = xcalloc(n, sizeof(*t->before));
	t->precious = xcalloc(n, sizeof(*t->precious));
	for (size_t i = 0; i < n; i++) {
		t->precious[i] = look_is_precious(e->looker, t->node, i);
		if (scan_path(&e->scanner, t->node->outputs[i].path, &t->before[i], NULL, NULL) < 0)
			t->precious[i] = true;
	}
}

static int note_intent(const struct task *t, struct error *err)
{
	struct orphan note = {
		.step = (char *)t->node->name,
		.name = t->container,
		.key = t->look->key,
		.attempt = t->attempt,
		.start_ms = t->start_ms,
		.first_ms = clock_wall_ms() - (clock_mono_ms() - t->first_mono_ms),
	};

	memcpy(note.run, t->engine->run, sizeof(note.run));
	memcpy(note.nested, t->run, sizeof(note.nested));
	return orphan_note(t->engine->project, &note, err);
}

static void add_report_file(struct strlist *env, const char *variable, const char *file)
{
	strlist_push_owned(env, xasprintf("%s=" SCRATCH_REPORT "/%s", variable, file));
}

/* Nothing of this machine's environment is inside; what the step declares comes last and wins. */
static void container_env(const struct task *t, struct strlist *env)
{
	strlist_push(env, "HOME=/tmp");
	add_report_file(env, "MLOPS_PARAMS", "params.json");
	add_report_file(env, "MLOPS_METRICS", "metrics.jsonl");
	add_report_file(env, "MLOPS_SUMMARY", "summary.md");
	tracking_env(t, env);
	task_declared_env(t, env);
}

static int give_secrets(struct task *t, struct scratch *scratch, struct strlist *env, struct error *err)
{
	char *dir = NULL;

	if (secret_files_make(t->engine->secrets, t->node, t->container, SECRETS_INSIDE, scratch->user.uid, scratch->user.gid, env,
			      &dir, err) < 0)
		return -1;
	if (dir)
		scratch_mount(scratch, dir, xstrdup(SECRETS_INSIDE), false);
	return 0;
}

static int start_runner(struct task *t, struct scratch *scratch, const struct scratch_user *inside, struct error *err)
{
	struct engine *e = t->engine;
	struct strlist argv CLEANUP(strlist_release) = STRLIST_INIT;
	struct strlist env CLEANUP(strlist_release) = STRLIST_INIT;
	char run[33] = ""; /* that the container is of: its name begins with it */

	memcpy(run, t->container, sizeof(run) - 1);
	task_argv(t, &argv);
	container_env(t, &env);
	if (!t->adopted && give_secrets(t, scratch, &env, err) < 0)
		return -1;
	strlist_push_owned(&argv, NULL);
	strlist_push_owned(&env, NULL);
	struct runner_spec spec = {
		.name = t->container,
		.argv = (const char *const *)argv.items,
		.env = (const char *const *)env.items,
		.workdir = SCRATCH_WORK,
		.cpu = t->node->step->cpu,
		.mem = t->node->step->mem,
		.image = t->node->build ? container_image_id(e, t->node) : look_pin(e->looker, t->node),
		.image_shown = t->node->image,
		.mounts = scratch->mounts,
		.nmounts = scratch->nmounts,
		.network = t->node->step->network,
		.agent = t->node->step->tracking,
		.uid = inside->uid,
		.gid = inside->gid,
		.gpus = t->gpus,
		.shm = t->node->step->shm,
		.run = run,
		.step = t->node->name,
	};
	return e->docker->ops->start(e->docker, &spec, t, err);
}

static int make_scratch(struct task *t, struct scratch *scratch, struct error *err)
{
	struct engine *e = t->engine;

	if (t->adopted)
		return 0;
	if (stepdir_begin_scratch(e->project, e->run, t->node, t->attempt, t->precious, err) < 0 ||
	    task_write_params(t, err) < 0 || scratch_make(scratch, err) < 0)
		return -1;
	FAILPOINT("container.prepared");
	if (note_intent(t, err) < 0)
		return -1;
	FAILPOINT("container.noted");
	return 0;
}

/* A build that failed shows the end of its output, as a step does; another attempt would find the same. Returns -1. */
static int show_build(struct task *t)
{
	const struct strlist *tail = container_build_tail(t->engine, t->node);

	for (size_t i = 0; tail && i < tail->len; i++)
		strlist_push(&t->tail, tail->items[i]);
	t->exit->lasting = true;
	return -1;
}

int container_start(struct task *t, struct error *err)
{
	struct engine *e = t->engine;
	const char *link = settings_get(&e->project->settings, SETTING_CHECKOUT_LINK);
	struct scratch scratch CLEANUP(scratch_release) = {
		.project = e->project,
		.node = t->node,
		.inputs = t->inputs,
		.store = e->store,
		.run = e->run,
		.attempt = t->attempt,
		.links = !strcmp(link, "symlink"),
	};
	struct scratch_user inside;
	bool own_root;

	/* One that was found fresh at first was not checked before the run. */
	if (!t->checked && check_step(e, t->node, false, err) < 0)
		return -1;
	if (t->node->build && container_have_image(e, t->node, err) < 0)
		return show_build(t);
	if (need_runner(e, err) < 0 || rootless(e, &own_root, err) < 0 ||
	    scratch_users(e->project, t->node->step->root, own_root, &inside, &scratch.user, err) < 0)
		return -1;
	/* What another step made was not there to be checked. */
	if (scratch_check_inputs(e->project, t->node, &scratch.user, err) < 0)
		return -1;
	if (!t->container)
		t->container = xasprintf("%s-%s-%d", e->run, t->node->name, t->attempt);
	look_before(t);
	if (make_scratch(t, &scratch, err) < 0)
		return -1;
	return start_runner(t, &scratch, &inside, err);
}

/* ---- ending ---- */

static void note_undeclared(struct task *t, int workfd)
{
	struct strlist found CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP_STRBUF struct strbuf names = STRBUF_INIT;
	size_t count = scratch_undeclared(workfd, t->node, UNDECLARED_NAMED, &found);

	if (!count)
		return;
	for (size_t i = 0; i < found.len; i++)
		strbuf_printf(&names, "%s%s", i ? ", " : "", SHOW(found.items[i]));
	if (count > found.len)
		strbuf_printf(&names, " and %zu more", count - found.len);
	task_note(t, "it also wrote %s, which out= does not name: dropped", names.buf);
}

/* Somebody may have changed an old output in the project while the step ran. */
static void look_again(struct task *t)
{
	struct engine *e = t->engine;

	for (size_t i = 0; i < t->node->noutputs; i++) {
		struct content now;
		if (t->precious[i] || scan_path(&e->scanner, t->node->outputs[i].path, &now, NULL, NULL) < 0)
			continue;
		t->precious[i] = now.kind != CONTENT_ABSENT && now.files && !content_equal(&now, &t->before[i]) &&
				 !store_has(e->store, &now.id);
	}
}

int container_finish(struct task *t, int *ret_fd, struct error *err)
{
	struct engine *e = t->engine;
	CLEANUP(cleanup_free) char *name = xasprintf("%d", t->attempt);
	CLEANUP(cleanup_free) char *path = stepdir_path(e->run, t->node->name, name);
	CLEANUP(cleanup_fd) int workfd = fs_open_direct(e->project->rootfd, path, O_RDONLY | O_DIRECTORY, 0, err);
	struct scratch_user inside, here;
	bool own_root;

	if (workfd < 0)
		return -1;
	note_undeclared(t, workfd);
	if (scratch_check_places(e->project, t->node, err) < 0)
		return -1;
	/* While nobody watched, an input may have changed, and changed back. */
	if (t->adopted && scratch_inputs_touched(e->project, t->node, t->start_ms)) {
		t->inputs_changed = true;
		js_set_bool(t->record, "inputs_changed", true);
		task_note(t, "an input was touched while mlops was not there: its result is kept, but will not be reused");
	}
	if (rootless(e, &own_root, err) < 0 ||
	    scratch_users(e->project, t->node->step->root, own_root, &inside, &here, err) < 0)
		return -1;
	for (size_t i = 0; i < t->node->noutputs; i++) {
		const char *output = t->node->outputs[i].path;
		if (scratch_check_output(workfd, output, err) < 0 ||
		    scratch_take_output(e->project, workfd, output, &here, e->umask, err) < 0)
			return error_wrap(err, "step %s: output %s", t->node->name, output);
	}
	look_again(t);
	if (stepdir_set_precious(e->project, e->run, t->node, t->attempt, t->precious, err) < 0)
		return -1;
	*ret_fd = steal_fd(&workfd);
	return 0;
}

void container_forget(struct task *t)
{
	struct runner *docker = t->engine->docker;

	if (t->container && docker && docker->ops->forget)
		docker->ops->forget(docker, t->container);
}

static void drop_pauses(struct engine *e)
{
	for (size_t i = 0; e->containers && i < e->orphans.pauses.len; i++)
		docker_container_remove(e->containers, e->orphans.pauses.items[i], NULL);
	strlist_release(&e->orphans.pauses);
}

void container_close(struct engine *e)
{
	if (e->docker && e->docker != e->runner)
		e->docker->ops->close(e->docker);
	e->docker = NULL;
	drop_pauses(e);
	drop_orphans(e);
	docker_engine_close(e->containers);
	free(e->probe);
	e->containers = NULL;
	e->probe = NULL;
}

/* ---- explaining a failure ---- */

/* Whether the project has a file or directory that a container would have to be given. */
static bool is_missing_input(const struct task *t, const char *path)
{
	struct stat st;

	if (fs_stat_beneath(t->engine->project->rootfd, path, &st, NULL) <= 0)
		return false;
	for (size_t i = 0; i < t->node->inputs.len; i++)
		if (path_contains(t->node->inputs.items[i], path))
			return false;
	for (size_t i = 0; i < t->node->noutputs; i++)
		if (path_contains(t->node->outputs[i].path, path) || path_contains(path, t->node->outputs[i].path))
			return false;
	for (size_t i = 0; i < t->node->inputs.len; i++)
		if (path_contains(path, t->node->inputs.items[i]))
			return false;
	return true;
}

/* "utils.py" for utils.py, /w/utils.py, utils.py: and for the Python module utils or utils.io. NULL: none. */
static char *missing_input(const struct task *t, const char *word)
{
	CLEANUP(cleanup_free) char *module = NULL;

	if (!strncmp(word, SCRATCH_WORK "/", strlen(SCRATCH_WORK "/")))
		word += strlen(SCRATCH_WORK "/");
	module = xstrdup(word);
	for (char *dot = module; (dot = strchr(dot, '.'));)
		*dot = '/';
	for (int as_module = 0; as_module < 2; as_module++) {
		CLEANUP(cleanup_free) char *path = as_module ? xasprintf("%s.py", module) : xstrdup(word);
		CLEANUP(cleanup_free) char *clean = NULL;
		if (path_clean("", path, &clean, NULL) == 0 && strcmp(clean, ".") != 0 && is_missing_input(t, clean))
			return steal(&clean);
	}
	return NULL;
}

void container_explain(struct task *t)
{
	for (size_t i = t->tail.len; i-- > 0;) {
		CLEANUP(cleanup_free) char *line = xstrdup(t->tail.items[i]);
		char *rest = line;
		for (char *word; (word = strsep(&rest, " \t\"'`():,;<>[]{}="));) {
			CLEANUP(cleanup_free) char *found = *word ? missing_input(t, word) : NULL;
			if (!found)
				continue;
			error_help(t->err, "add %s to in= of [step.%s]: a container sees only what is declared", found,
				   t->node->step->name);
			return;
		}
	}
}
