/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/fs.h"
#include "base/strmap.h"
#include "pipeline/key.h"
#include "pipeline/run.h"
#include "pipeline/when.h"
#include "registry/lockfile.h"
#include "store/scan.h"
/* What a looker knows, shared by look.c (what becomes of a step) and look_facts.c (what its key is made of). */
struct db;
struct plan_node;
struct project;
struct remotes;

struct looker {
	struct project *project;
	struct plan *plan;
	bool force;
	struct lockfile lock;
	struct scanner scanner;
	struct fs_near near;    /* the scanner's, until something changes the project */
	struct db *db;          /* opened when first needed */
	struct remotes *remotes; /* may be NULL */
	char platform[KEY_PLATFORM];
	struct strmap programs; /* "argv[0]\nPATH" -> struct key_program * */
	struct strmap contents; /* path -> struct content *: what stands there, or will once restored */
	struct strmap others;   /* look_others.c: output path -> what steps made there that are not in the plan */
	bool others_known;
	struct strmap builds;   /* [image.NAME] -> struct look_build * */
	struct step_look *looks; /* by index of the node in the plan */
	struct when when;
};

/* What key_record says of an image that is built here; NULL for others. Lent. */
const struct js *look_build_record(struct looker *, const struct plan_node *);
void look_forget_builds(struct looker *);
/* look_others.c: steps outside of the plan that made something else at this path have no result in place any more. */
void look_drop_others(struct looker *, const char *path, const struct content *made);
void look_forget_others(struct looker *);
/* Opens the database for reading, when it is not. */
int look_db(struct looker *, struct error *);
/* In mlops.lock a step of pipeline.ini is its name; of another file, "FILE:NAME". Caller frees. */
char *look_lock_name(const struct looker *, const struct plan_node *);
/* Compares the outputs on the disk with what the lock file accepted: 1 all equal, 0 not, with reasons. *ret_locked
 * receives what the lock says, or NULL when it does not know all of them. */
int look_outputs(struct looker *, const struct plan_node *, struct step_look *, struct content **ret_locked,
		 struct error *);
/* look_last.c: reasons of a step that must run; `accepted` is the key in mlops.lock, or NULL. */
int look_explain(struct looker *, struct plan_node *, const struct digest *accepted, struct step_look *,
		 struct error *);
/* Of one whose result the cache has. Caller frees. */
char *look_cached_reason(struct looker *, const struct step_look *);
/* From now on this is what stands at the path, or will once restored. */
void look_remember(struct looker *, const char *path, const struct content *);
/* What stands there; hashed once. Lent. */
int look_content(struct looker *, const char *path, const struct content **ret, struct error *);
/* The facts of a key; `inputs` belongs to the caller, the rest is lent. */
int look_facts(struct looker *, struct plan_node *, struct key_facts *ret, struct key_input **inputs, struct error *);
