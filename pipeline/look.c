/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/look_internal.h"
#include "registry/cache.h"
#include "registry/project.h"
#include "registry/records.h"
#include "registry/runs.h"
#include "store/remote.h"
#include "store/store.h"

static const char *const state_names[] = { "unknown", "fresh", "restore", "stale", "blocked", "skipped" };

const char *step_state_name(enum step_state state)
{
	return state_names[state];
}

static struct step_look *look_of(struct looker *l, const struct plan_node *node)
{
	return &l->looks[node - l->plan->nodes];
}

/* Of a node that nobody looks at, what is on the disk counts. */
static bool metrics_known(void *ctx, const struct plan_node *node)
{
	enum step_state state = look_of(ctx, node)->state;

	return state == STEP_FRESH || (state == STEP_UNKNOWN && !node->selected);
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
		.near = &l->near,
	};
	l->near = (struct fs_near)FS_NEAR_INIT(project->rootfd);
	l->when = (struct when){
		.plan = plan, .root = project->root, .rootfd = project->rootfd, .known = metrics_known, .ctx = l,
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
	look_forget_builds(l);
	look_forget_others(l);
	lockfile_release(&l->lock);
	db_close(l->db);
	free(l->looks);
	when_release(&l->when);
	fs_near_release(&l->near);
	free(l);
}

void cleanup_looker(struct looker **l)
{
	looker_free(*l);
}

char *look_lock_name(const struct looker *l, const struct plan_node *node)
{
	const char *file = l->plan->pipeline->file;

	if (!strcmp(file, "pipeline.ini"))
		return xstrdup(node->name);
	return xasprintf("%s:%s", file, node->name);
}

int look_db(struct looker *l, struct error *err)
{
	return l->db ? 0 : project_reader(l->project, &l->db, err);
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

int look_outputs(struct looker *l, const struct plan_node *node, struct step_look *look, struct content **ret_locked,
		 struct error *err)
{
	CLEANUP(cleanup_free) struct content *locked = xcalloc(node->noutputs, sizeof(*locked));
	bool same = true, known = true;

	for (size_t i = 0; i < node->noutputs; i++) {
		const char *path = node->outputs[i].path;
		const struct content *now;
		if (look_content(l, path, &now, err) < 0)
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
static int remote_entry(struct looker *l, const struct digest *key, struct cache_entry *ret, const char **ret_remote)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	char hex[DIGEST_HEX + 1], name[DIGEST_HEX + 8];

	if (!l->remotes)
		return 0;
	snprintf(name, sizeof(name), "cache/%s", digest_format(key, hex));
	return remotes_ref(l->remotes, name, &text, ret_remote) > 0 && cache_read(text.buf, text.len, key, ret, NULL) == 0;
}

/* What the cache knows for this key, by index of the node's outputs: 1 hit, 0 miss. */
static int cached_outputs(struct looker *l, const struct plan_node *node, struct step_look *look,
			  struct content **ret, struct error *err)
{
	struct cache_entry entry = { 0 };
	CLEANUP(cleanup_free) struct content *outputs = xcalloc(node->noutputs, sizeof(*outputs));
	int r;

	if (look_db(l, err) < 0)
		return -1;
	r = cache_find(l->db, &look->key, &entry, err);
	if (r == 0)
		r = remote_entry(l, &look->key, &entry, &look->remote);
	if (r <= 0)
		return r;
	r = entry.noutputs == node->noutputs;
	for (size_t i = 0; r && i < node->noutputs; i++) {
		r = 0;
		for (size_t k = 0; k < entry.noutputs && !r; k++) {
			if (!strcmp(entry.outputs[k].path, node->outputs[i].path)) {
				outputs[i] = entry.outputs[k].content;
				/* Somebody else's entry may say anything. */
				r = node->outputs[i].use != OUT_METRICS || outputs[i].kind != CONTENT_TREE;
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
		look_remember(l, node->outputs[i].path, &outputs[i]);
}

static int judge(struct looker *l, struct plan_node *node, struct step_look *look, struct error *err)
{
	CLEANUP(cleanup_free) char *name = look_lock_name(l, node);
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
		r = look_outputs(l, node, look, &locked, err);
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
			reason(look, look_cached_reason(l, look));
		restore_from(l, node, look, cached);
		return 0;
	}
	look->source[0] = '\0';
	look->remote = NULL;
	return look->reasons.len ? 0 : look_explain(l, node, locked_here ? &accepted : NULL, look, err);
}

/* Before the key: a step that is skipped needs none. The state stays UNKNOWN when the step is not skipped. */
static int judge_condition(struct looker *l, const struct plan_node *node, struct step_look *look, struct error *err)
{
	enum when_answer answer;
	char *why;

	for (size_t i = 0; i < node->nneeds; i++) {
		if (look_of(l, node->needs[i])->state != STEP_SKIPPED)
			continue;
		look->state = STEP_SKIPPED;
		reason(look, xasprintf("needs %s, which is skipped", node->needs[i]->name));
		return 0;
	}
	if (!node->when)
		return 0;
	if (when_judge(&l->when, node, &answer, &why, err) < 0)
		return -1;
	if (answer == WHEN_HOLDS)
		return 0;
	look->state = answer == WHEN_SKIPS ? STEP_SKIPPED : STEP_BLOCKED;
	reason(look, why);
	return 0;
}

int look_conditions(struct looker *l, struct error *err)
{
	for (size_t i = 0; i < l->plan->len; i++) {
		struct step_look *look = &l->looks[i];
		if (!l->plan->nodes[i].selected)
			continue;
		if (judge_condition(l, &l->plan->nodes[i], look, err) < 0)
			return -1;
		if (look->state != STEP_SKIPPED)
			look_clear(look);
	}
	return 0;
}

bool look_is_skipped(struct looker *l, const struct plan_node *node)
{
	return look_of(l, node)->state == STEP_SKIPPED;
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
	if (judge_condition(l, node, look, err) < 0)
		return -1;
	if (look->state != STEP_UNKNOWN)
		return 0;
	up = blocker(l, node);
	if (up) {
		look->state = STEP_BLOCKED;
		reason(look, xasprintf("waits for %s", up->name));
		return 0;
	}
	if (node->build && look_build(l, node, NULL, err) < 0)
		return error_wrap(err, "step %s", node->name);
	if (node->image && !look_pin(l, node)) {
		look->state = STEP_STALE;
		reason(look, node->build ? xasprintf("image %s was never built here", node->build->name) :
					   xasprintf("image %s was never resolved here", node->image));
		return 0;
	}
	if (look_facts(l, node, &facts, &inputs, err) < 0)
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

/* From now on steps move directories away and make them anew. */
static void things_change(struct looker *l)
{
	l->scanner.near = NULL;
	fs_near_release(&l->near);
}

void look_distrust(struct looker *l, struct plan_node *node)
{
	struct step_look *look = look_of(l, node);
	struct digest key = look->key;

	things_change(l);
	look_clear(look);
	forget(l, node);
	look->state = STEP_STALE;
	look->key = key;
	reason(look, xstrdup("its last result cannot be had"));
	look_again_below(l, node);
}

void look_accept(struct looker *l, struct plan_node *node, const struct content *outputs, bool reusable)
{
	CLEANUP(cleanup_free) char *name = look_lock_name(l, node);
	struct step_look *look = look_of(l, node);
	char text[CONTENT_TEXT], hex[DIGEST_HEX + 1];

	things_change(l);
	when_forget(&l->when, node);
	for (size_t i = 0; i < node->noutputs; i++) {
		look_remember(l, node->outputs[i].path, &outputs[i]);
		lockfile_set(&l->lock, LOCKED_OUT, node->outputs[i].path, content_format(&outputs[i], text));
		look_drop_others(l, node->outputs[i].path, &outputs[i]);
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

	things_change(l); /* the node is about to start */
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
