/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/key.h"
#include "pipeline/run.h"
#include "registry/cache.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "registry/records.h"
#include "registry/runs.h"
#include "registry/schema.h"
#include "runners/docker_engine.h"
#include "store/remote.h"
#include "store/scan.h"
#include "store/statcache.h"
#include "store/store.h"

struct looker {
	struct project *project;
	struct plan *plan;
	bool force;
	struct lockfile lock;
	struct scanner scanner;
	struct db *db;          /* opened when first needed */
	struct remotes *remotes; /* may be NULL */
	char platform[KEY_PLATFORM];
	struct strmap programs; /* "argv[0]\nPATH" -> struct key_program * */
	struct strmap contents; /* path -> struct content *: what stands there, or will once restored */
	struct step_look *looks; /* by index of the node in the plan */
};

static const char *const state_names[] = { "unknown", "fresh", "restore", "stale", "blocked" };

const char *step_state_name(enum step_state state)
{
	return state_names[state];
}

int looker_new(struct project *project, struct plan *plan, bool force, struct looker **ret, struct error *err)
{
	CLEANUP(cleanup_looker) struct looker *l = xcalloc(1, sizeof(*l));
	const struct ignore *ignore;
	struct store *store;

	l->project = project;
	l->plan = plan;
	l->force = force;
	l->looks = xcalloc(plan->len, sizeof(*l->looks));
	if (project_ignore(project, &ignore, err) < 0 || lockfile_load(project->rootfd, &l->lock, err) < 0 ||
	    lockfile_check(&l->lock, err) < 0)
		return -1;
	if (project_store(project, &store, err) < 0)
		return -1;
	l->scanner = (struct scanner){
		.rootfd = project->rootfd,
		.cache = project_statcache(project),
		.ignore = ignore,
		.store = store,
	};
	key_platform(l->platform);
	*ret = steal(&l);
	return 0;
}

static void look_clear(struct step_look *look)
{
	strlist_release(&look->reasons);
	free(look->outputs);
	*look = (struct step_look){ 0 };
}

void looker_free(struct looker *l)
{
	if (!l)
		return;
	for (size_t i = 0; l->looks && i < l->plan->len; i++)
		look_clear(&l->looks[i]);
	for (size_t i = 0; i < l->programs.len; i++) {
		struct key_program *program = l->programs.entries[i].value;
		free(program->path);
		free(program);
	}
	for (size_t i = 0; i < l->contents.len; i++)
		free(l->contents.entries[i].value);
	strmap_release(&l->programs);
	strmap_release(&l->contents);
	lockfile_release(&l->lock);
	db_close(l->db);
	free(l->looks);
	free(l);
}

void cleanup_looker(struct looker **l)
{
	looker_free(*l);
}

const char *look_pin(struct looker *l, const struct plan_node *node)
{
	const struct lock_entry *entry;

	if (!node->image || docker_ref_is_pinned(node->image))
		return node->image;
	entry = lockfile_find(&l->lock, LOCKED_IMAGE, node->image);
	return entry ? entry->value : NULL;
}

void look_set_pin(struct looker *l, const char *image, const char *pin)
{
	lockfile_set(&l->lock, LOCKED_IMAGE, image, pin);
}

static struct step_look *look_of(struct looker *l, const struct plan_node *node)
{
	return &l->looks[node - l->plan->nodes];
}

/* In mlops.lock a step of pipeline.ini is its name; of another file, "FILE:NAME". Caller frees. */
static char *lock_name(const struct looker *l, const struct plan_node *node)
{
	const char *file = l->plan->pipeline->file;

	if (!strcmp(file, "pipeline.ini"))
		return xstrdup(node->name);
	return xasprintf("%s:%s", file, node->name);
}

static int looker_db(struct looker *l, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *lock = NULL;

	if (l->db)
		return 0;
	path = path_join(l->project->root, ".mlops/registry.db");
	lock = path_join(l->project->root, ".mlops/locks/" LOCK_DB);
	if (project_check_db(l->project, err) < 0)
		return -1;
	return db_open(path, lock, registry_schema, DB_READ_ONLY, &l->db, err);
}

static void remember(struct looker *l, const char *path, const struct content *content)
{
	free(strmap_set(&l->contents, path, xmemdup(content, sizeof(*content))));
}

static int content_at(struct looker *l, const char *path, const struct content **ret, struct error *err)
{
	struct content content;

	*ret = strmap_get(&l->contents, path);
	if (*ret)
		return 0;
	if (scan_path(&l->scanner, path, &content, NULL, err) < 0)
		return -1;
	remember(l, path, &content);
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

/* A program of the project is named by its project path, so that two clones agree on the key. */
static void name_in_project(const struct looker *l, struct key_program *program)
{
	size_t n = strlen(l->project->root);
	char *inside;

	if (!program->path || strncmp(program->path, l->project->root, n) != 0 || program->path[n] != '/')
		return;
	inside = xstrdup(program->path + n + 1);
	free(program->path);
	program->path = inside;
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

/* The facts of a key; `inputs` belongs to the caller, the rest is lent. */
static int facts_of(struct looker *l, struct plan_node *node, struct key_facts *ret, struct key_input **inputs,
		    struct error *err)
{
	const struct key_program *program = NULL;

	*inputs = xcalloc(node->inputs.len, sizeof(**inputs));
	for (size_t i = 0; i < node->inputs.len; i++) {
		const char *path = node->inputs.items[i];
		const struct content *content;
		if (content_at(l, path, &content, err) < 0)
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
		.node = node, .program = program, .image = look_pin(l, node), .platform = l->platform, .inputs = *inputs,
		.ninputs = node->inputs.len,
	};
	return 0;
}

struct js *look_record(struct looker *l, struct plan_node *node)
{
	CLEANUP(cleanup_free) struct key_input *inputs = NULL;
	struct key_facts facts;

	if (facts_of(l, node, &facts, &inputs, NULL) < 0)
		return js_object();
	return key_record(&facts);
}

/* An upstream result that is not on the disk yet leaves our key unknown, unless we take exactly
 * that output: then its digest is known already. */
static const struct plan_node *blocker(struct looker *l, const struct plan_node *node)
{
	for (size_t i = 0; i < node->nneeds; i++) {
		const struct plan_node *up = node->needs[i];
		enum step_state state = look_of(l, up)->state;
		if (state == STEP_STALE || state == STEP_BLOCKED)
			return up;
		for (size_t o = 0; state == STEP_RESTORE && o < up->noutputs; o++) {
			const char *made = up->outputs[o].path;
			for (size_t k = 0; k < node->inputs.len; k++) {
				const char *in = node->inputs.items[k];
				if (strcmp(in, made) && (path_contains(made, in) || path_contains(in, made)))
					return up;
			}
		}
	}
	return NULL;
}

static void reason(struct step_look *look, char *text)
{
	strlist_push_owned(&look->reasons, text);
}

/* Compares the outputs on the disk with what the lock file accepted: 1 all equal, 0 not. `locked`
 * receives what the lock says, or NULL when it does not know all of them. */
static int outputs_as_locked(struct looker *l, const struct plan_node *node, struct step_look *look,
			     struct content **ret_locked, struct error *err)
{
	CLEANUP(cleanup_free) struct content *locked = xcalloc(node->noutputs, sizeof(*locked));
	bool same = true, known = true;

	for (size_t i = 0; i < node->noutputs; i++) {
		const char *path = node->outputs[i].path;
		const struct content *now;
		if (content_at(l, path, &now, err) < 0)
			return error_wrap(err, "output of step %s", node->name);
		if (!lockfile_content(&l->lock, LOCKED_OUT, path, &locked[i])) {
			known = same = false;
			reason(look, xasprintf("output %s was never accepted here", path));
		} else if (!content_equal(now, &locked[i])) {
			same = false;
			reason(look, xasprintf("output %s %s", path,
					       now->kind == CONTENT_ABSENT ? "is missing" : "was changed"));
		} else {
			locked[i] = *now;
		}
	}
	*ret_locked = known ? steal(&locked) : NULL;
	return same;
}

void look_ask_remotes(struct looker *l, struct remotes *remotes)
{
	l->remotes = remotes && remotes->len ? remotes : NULL;
}

/* Here, or where it can be brought from. */
static int can_have_all(struct looker *l, const struct content *outputs, size_t n, struct error *err)
{
	struct store *store;

	if (project_store(l->project, &store, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!store_has(store, &outputs[i].id) && !(l->remotes && remotes_have(l->remotes, &outputs[i].id)))
			return 0;
	return 1;
}

/* What somebody else's run made: 1 hit, 0 miss. An entry that is none is a miss. */
static int remote_entry(struct looker *l, const struct digest *key, struct cache_entry *ret)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *json = NULL;
	char hex[DIGEST_HEX + 1], name[DIGEST_HEX + 8];

	if (!l->remotes)
		return 0;
	snprintf(name, sizeof(name), "cache/%s", digest_format(key, hex));
	return remotes_ref(l->remotes, name, &text) > 0 && js_parse(text.buf, text.len, name, &json, NULL) == 0 &&
	       cache_parse(json, key, ret, NULL) == 0;
}

/* What the cache knows for this key, by index of the node's outputs: 1 hit, 0 miss. */
static int cached_outputs(struct looker *l, const struct plan_node *node, struct step_look *look,
			  struct content **ret, struct error *err)
{
	struct cache_entry entry = { 0 };
	CLEANUP(cleanup_free) struct content *outputs = xcalloc(node->noutputs, sizeof(*outputs));
	int r;

	if (looker_db(l, err) < 0)
		return -1;
	r = cache_find(l->db, &look->key, &entry, err);
	if (r == 0)
		r = remote_entry(l, &look->key, &entry);
	if (r <= 0)
		return r;
	r = entry.noutputs == node->noutputs;
	for (size_t i = 0; r && i < node->noutputs; i++) {
		r = 0;
		for (size_t k = 0; k < entry.noutputs && !r; k++) {
			if (!strcmp(entry.outputs[k].path, node->outputs[i].path)) {
				outputs[i] = entry.outputs[k].content;
				r = 1;
			}
		}
	}
	memcpy(look->source, entry.run, sizeof(look->source));
	cache_entry_release(&entry);
	if (r > 0)
		r = can_have_all(l, outputs, node->noutputs, err);
	if (r > 0)
		*ret = steal(&outputs);
	return r;
}

static void restore_from(struct looker *l, const struct plan_node *node, struct step_look *look,
			 struct content *outputs)
{
	look->state = STEP_RESTORE;
	look->outputs = outputs;
	for (size_t i = 0; i < node->noutputs; i++)
		remember(l, node->outputs[i].path, &outputs[i]);
}

/* The record of the result that is in place, which mlops.lock names by its key; of a result that was made
 * elsewhere, the step's last success here. */
static int accepted_record(struct looker *l, const struct plan_node *node, const struct digest *accepted,
			   struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *attempt = NULL;
	struct js *record;

	if (looker_db(l, err) < 0 || (accepted && attempt_of_key(l->db, accepted, &attempt, err) < 0))
		return -1;
	record = js_get(attempt, "record");
	if (!record)
		return attempt_last_record(l->db, l->plan->pipeline->name, node->name, ret, err);
	*ret = js_ref(record);
	return 0;
}

static int explain_stale(struct looker *l, struct plan_node *node, const struct digest *accepted,
			 struct step_look *look, struct error *err)
{
	CLEANUP_JS struct js *last = NULL;
	CLEANUP_JS struct js *now = NULL;

	if (accepted_record(l, node, accepted, &last, err) < 0)
		return -1;
	if (!last) {
		reason(look, xstrdup("never run here"));
		return 0;
	}
	now = look_record(l, node);
	key_explain(last, now, &look->reasons);
	if (!look->reasons.len && js_get_bool(last, "inputs_changed"))
		reason(look, xstrdup("an input changed while it last ran"));
	if (!look->reasons.len)
		reason(look, xstrdup("its last result is not in the store any more"));
	return 0;
}

/* The pipeline's run is what people know; the cache knows the step's. */
static char *cached_reason(struct looker *l, const struct step_look *look)
{
	CLEANUP_JS struct js *attempt = NULL;
	const char *run = NULL;

	if (attempt_of_key(l->db, &look->key, &attempt, NULL) == 0)
		run = js_get_str(attempt, "run_id");
	return xasprintf("result of run %.8s", run ? run : look->source);
}

static int judge(struct looker *l, struct plan_node *node, struct step_look *look, struct error *err)
{
	CLEANUP(cleanup_free) char *name = lock_name(l, node);
	CLEANUP(cleanup_free) struct content *locked = NULL;
	struct content *cached = NULL;
	struct digest accepted;
	bool locked_here;
	int r;

	look->state = STEP_STALE;
	if (!node->step->cache) {
		reason(look, xstrdup("cache = no: it always runs"));
		return 0;
	}
	if (l->force && node->selected) {
		reason(look, xstrdup("forced"));
		return 0;
	}
	locked_here = lockfile_step(&l->lock, name, &accepted);
	if (locked_here && digest_equal(&accepted, &look->key)) {
		r = outputs_as_locked(l, node, look, &locked, err);
		if (r < 0)
			return -1;
		if (r) {
			look->state = STEP_FRESH;
			look->outputs = steal(&locked);
			return 0;
		}
		r = locked ? can_have_all(l, locked, node->noutputs, err) : 0;
		if (r < 0)
			return -1;
		if (r) {
			restore_from(l, node, look, steal(&locked));
			return 0;
		}
	}
	r = cached_outputs(l, node, look, &cached, err);
	if (r < 0)
		return -1;
	if (r) {
		if (!look->reasons.len)
			reason(look, cached_reason(l, look));
		restore_from(l, node, look, cached);
		return 0;
	}
	look->source[0] = '\0';
	return look->reasons.len ? 0 : explain_stale(l, node, locked_here ? &accepted : NULL, look, err);
}

int look_node(struct looker *l, struct plan_node *node, const struct step_look **ret, struct error *err)
{
	CLEANUP(cleanup_free) struct key_input *inputs = NULL;
	struct step_look *look = look_of(l, node);
	const struct plan_node *up;
	struct key_facts facts;

	*ret = look;
	if (look->state != STEP_UNKNOWN && look->state != STEP_BLOCKED)
		return 0;
	look_clear(look);
	up = blocker(l, node);
	if (up) {
		look->state = STEP_BLOCKED;
		reason(look, xasprintf("waits for %s", up->name));
		return 0;
	}
	if (node->image && !look_pin(l, node)) {
		look->state = STEP_STALE;
		reason(look, xasprintf("image %s was never resolved here", node->image));
		return 0;
	}
	if (facts_of(l, node, &facts, &inputs, err) < 0)
		return -1;
	key_of(&facts, &look->key);
	return judge(l, node, look, err);
}

static void forget(struct looker *l, const struct plan_node *node)
{
	for (size_t i = 0; i < node->noutputs; i++)
		if (strmap_has(&l->contents, node->outputs[i].path))
			free(strmap_set(&l->contents, node->outputs[i].path, NULL));
}

/* A node may be reached by many ways: one that is UNKNOWN was met before. */
static void look_again_below(struct looker *l, struct plan_node *node)
{
	for (size_t i = 0; i < node->nfeeds; i++) {
		struct plan_node *down = node->feeds[i];
		if (look_of(l, down)->state == STEP_UNKNOWN)
			continue;
		look_clear(look_of(l, down));
		forget(l, down);
		look_again_below(l, down);
	}
}

void look_distrust(struct looker *l, struct plan_node *node)
{
	struct step_look *look = look_of(l, node);
	struct digest key = look->key;

	look_clear(look);
	forget(l, node);
	look->state = STEP_STALE;
	look->key = key;
	reason(look, xstrdup("its last result cannot be had"));
	look_again_below(l, node);
}

void look_accept(struct looker *l, struct plan_node *node, const struct content *outputs, bool reusable)
{
	CLEANUP(cleanup_free) char *name = lock_name(l, node);
	struct step_look *look = look_of(l, node);
	char text[CONTENT_TEXT], hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < node->noutputs; i++) {
		remember(l, node->outputs[i].path, &outputs[i]);
		lockfile_set(&l->lock, LOCKED_OUT, node->outputs[i].path, content_format(&outputs[i], text));
	}
	if (reusable)
		lockfile_set(&l->lock, LOCKED_STEP, name, digest_format(&look->key, hex));
	else
		lockfile_remove(&l->lock, LOCKED_STEP, name);
	if (look->outputs != outputs) {
		free(look->outputs);
		look->outputs = xmemdup(outputs, node->noutputs * sizeof(*outputs));
	}
	look->state = STEP_FRESH;
}

bool look_is_precious(struct looker *l, const struct plan_node *node, size_t output)
{
	const struct plan_output *out = &node->outputs[output];
	struct content now, locked;
	struct store *store;

	if (scan_path(&l->scanner, out->path, &now, NULL, NULL) < 0)
		return true;
	if (now.kind == CONTENT_ABSENT || !now.files)
		return false;
	/* Accepted metrics and plots are in git. */
	if (out->use != OUT_DATA && lockfile_content(&l->lock, LOCKED_OUT, out->path, &locked) &&
	    content_equal(&now, &locked))
		return false;
	return project_store(l->project, &store, NULL) < 0 || !store_has(store, &now.id);
}

int look_save(struct looker *l, struct error *err)
{
	return lockfile_save(&l->lock, l->project->rootfd, err);
}
