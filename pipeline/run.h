/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "base/digest.h"
#include "base/strlist.h"
#include "pipeline/plan.h"
#include "store/content.h"
/*
 * Executing a plan: look (what is up to date, what the cache has), then run what must
 * run, in parallel, and record it. One run a process.
 *
 * Crash safety: the journal names every step whose outputs were moved aside before it
 * starts; run_recover puts old outputs back, keeps new ones in .mlops/failed, and marks the run. Facts
 * become true by one database transaction per finished group, after the store's
 * commit; mlops.lock is written after that.
 */
struct data_kinds;
struct error;
struct js;
struct project;
struct runner_ops;
struct spawner;

/* What a step turned out to be, by looking only. */
enum step_state {
	STEP_UNKNOWN,
	STEP_FRESH,   /* key and outputs equal the lock */
	STEP_RESTORE, /* the lock or the cache knows the result and the store has it */
	STEP_STALE,   /* must run */
	STEP_BLOCKED, /* its key, or whether it is skipped, is not known before an upstream step has run or was restored */
	STEP_SKIPPED, /* its condition does not hold, or a step that it needs is skipped */
};
const char *step_state_name(enum step_state); /* "fresh" "restore" "stale" "blocked" "skipped" */

struct step_look {
	enum step_state state;
	struct digest key;       /* zero when BLOCKED or SKIPPED */
	struct strlist reasons;  /* why it is not FRESH: "never run here", "param lr: 0.01 -> 0.1", ... */
	struct content *outputs; /* by index of the node's outputs, when FRESH or RESTORE; else NULL */
	char source[33];         /* RESTORE: nested run the result is from, or "" */
	const char *remote;      /* RESTORE: name of the remote that knows the result, or NULL: this registry does */
};

/*
 * Looks at one node at a time, upstream first, at what the lock file, the stat cache, and,
 * only when something is not fresh, the database say. Hashes, changes nothing.
 * Belongs to one thread; it reads the database through a handle of its own.
 *
 * A SKIPPED node does not run, its old outputs and its lines in mlops.lock stay, and every node that needs it is SKIPPED
 * when it is looked at. A node whose condition names a metric is BLOCKED until the step that reports it is FRESH, so it
 * may become SKIPPED only while the run goes on. A condition that cannot be evaluated makes look_node fail with
 * ERR_FAILED.
 */
struct looker;
struct remotes;
int looker_new(struct project *, struct plan *, bool force, struct looker **ret, struct error *);
void looker_free(struct looker *);
/* From now on a result counts that one of these holds; lent. */
void look_ask_remotes(struct looker *, struct remotes *);
/* The node's result could not be restored: it is STALE, and what depends on it is looked at again. */
void look_distrust(struct looker *, struct plan_node *);
void cleanup_looker(struct looker **);
/* Before any other look: judges only the conditions of the selected nodes. What they skip for certain is SKIPPED from
 * now on, and needs no image. */
int look_conditions(struct looker *, struct error *);
bool look_is_skipped(struct looker *, const struct plan_node *);
/* Looks, again if it was BLOCKED before. Lent until looker_free. */
int look_node(struct looker *, struct plan_node *, const struct step_look **ret, struct error *);
/* Tells that the node now has these outputs (by index), and notes them for mlops.lock. Not `reusable`: they are
 * not known to be the result of the step's key, so the lock names the outputs but not the key. */
void look_accept(struct looker *, struct plan_node *, const struct content *outputs, bool reusable);
/* key_record of a node whose key is known. Owned by the caller. */
struct js *look_record(struct looker *, struct plan_node *);
/* The PATH a step's program is searched in: of its environment, else ours. Lent. */
const char *look_path(const struct strlist *env);
/* What the step's image stands for by mlops.lock, or by itself, "build:HEX" of one that is built here (looked at before
 * by look_build); NULL when it, or a base of it, must be resolved first. Lent. */
const char *look_pin(struct looker *, const struct plan_node *);
/* Tells what an image stands for, and notes it for mlops.lock. */
void look_set_pin(struct looker *, const char *image, const char *pin);
/* What an image that is built here is made of; read once. Lent; `ret` may be NULL. */
struct build;
int look_build(struct looker *, const struct plan_node *, const struct build **ret, struct error *);
/* What mlops.lock will be. Lent. */
struct lockfile;
struct lockfile *look_lock(struct looker *);
/* The record of the result in place: the one that mlops.lock names by its key, else the step's last success here;
 * NULL when there is none. Owned by the caller. */
int look_last(struct looker *, struct plan_node *, struct js **ret, struct error *);
/* The key that mlops.lock has for the node, and its outputs by index (owned by the caller), which stand on the disk like
 * that; else ERR_CONFLICT with what is missing or was changed. */
int look_locked(struct looker *, struct plan_node *, struct digest *ret_key, struct content **ret_outputs,
		struct error *);
/* Content of an input as it was looked at; NULL when it was not. Lent. */
const struct content *look_input(struct looker *, const char *path);
/* Whether what stands at the node's output is kept nowhere else. */
bool look_is_precious(struct looker *, const struct plan_node *, size_t output);
/* Writes mlops.lock if something was accepted. */
int look_save(struct looker *, struct error *);

/*
 * Events, each a JSON object:
 *   {event:"run", run, name, pipeline, total, todo, groups:[{group, total}]}   the run began; run is null before a step
 *        must run. groups: the steps that are several, of a matrix
 *   {event:"recorded", run}                             from now on others can name the run
 *   {event:"suspended"} {event:"resumed"}               by Ctrl-Z and fg
 *   {event:"step", step, state, reason, done, total, duration_ms, error}
 *        state: fresh restored cached running ok failed timeout killed blocked
 *   {event:"output", step, stream:"stdout"|"stderr", text}   whole lines, several joined by '\n'
 *   {event:"build", image, state, text, duration_ms}    [image.NAME] is built: "running" with a line of the builder or
 *                                                       none, then "ok" or "failed"
 *   {event:"note", text}                                a warning or remark
 *   {event:"tick"}                                      every 100 ms while steps run
 * What the run came to is pipeline_run's result.
 */
struct run_options {
	struct strlist steps;
	enum select_mode select;
	bool force, dry, keep_going, no_wait;
	bool record;                   /* leave a run even when nothing has to run */
	bool untrusted;                /* of somebody's code: no secrets, no network, nothing of it is used again */
	const char *job;               /* the run that an agent was asked for (registry/jobs.h); NULL: a new one */
	int jobs;                      /* 0: the cores */
	struct spawner *spawner;       /* of the local runner */
	const struct runner_ops *runner; /* NULL: the local one, on `spawner` */
	void *runner_config;
	const char *command;           /* as typed, for the record */
	const struct remotes *remotes; /* that may hold results; only their names and places are used. May be NULL */
	const struct data_kinds *kinds; /* what tables are; NULL: none are looked at */
	const struct progress *progress; /* of images that are pulled; may be NULL */
	/* Receives every event; lent. */
	void (*emit)(void *ctx, const struct js *event);
	void *ctx;
};
/* Before a run: takes the work tree (waiting, or not with no_wait) and finishes what a killed run left. The
 * plan must be made after it. *ret_tree is the lock, to be closed after the run; -1 with dry, which takes none.
 * The spawner holds it too, until it ends: should we be killed, our dying steps may still write. */
int run_enter(struct project *, const struct run_options *, int *ret_tree, struct error *);
/* Returns 0 when all selected steps are up to date at the end, also when nothing ran. A failed step is
 * ERR_FAILED; *ret_result (owned) is set whenever the run got as far as planning:
 * {run_id|null, status, steps: [{name, state, reason, key, duration_ms, ...}], ran, cached, restored, fresh, skipped,
 * failed, timeout, killed, blocked, retried (attempts), duration_ms, failure{step, cause, log[], log_file, kept, help}} */
int pipeline_run(struct project *, struct plan *, const struct run_options *, struct js **ret_result, struct error *);
/* Finishes what a killed run left: old outputs back, new ones kept in failed/, runs marked KILLED.
 * Cheap when there is nothing. The tree lock is held by the caller. */
int run_recover(struct project *, struct strlist *ret_notes, struct error *);
/* The same for a work tree in which nothing will run again: containers that a later run could go on with are removed. */
int run_abandon(struct project *, struct strlist *ret_notes, struct error *);
