/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Forgetting: what a name stands for, what goes with it, and the removal of bytes. The store gets tombstones and loses the
 * objects; copies of them in .mlops go, too; remotes are told. Files of the work tree are the user's: they are named.
 *
 * Between "agreed" and "done" anything may be killed. The file .mlops/forgetting is there from before the one until after the
 * other, so the next command, or the agent that starts, looks into the database, and carries on.
 */
struct content;
struct error;
struct forget_request;
struct js;
struct op_context;

/* Contents of NAME with a subject and an impact; `versions`: of all versions of it. ERR_USAGE for what has no bytes of its own. */
int forget_what(struct op_context *, const char *name, bool versions, struct forget_request *ret, struct error *);
/* forget_impact.c: {names[], names_total, profiles, runs, models[], aliases[], windows, predictions, nodes}: who has the
 * bytes under which name, and what came of them. `holders` are contents with items in them. */
int forget_impact(struct op_context *, const struct content *holders, size_t n, struct js *names, struct js **ret,
		  struct error *);

/* Takes the turn of those who forget; -1 closes it. One at a time, for agreeing and carrying out. */
int forget_begin(struct op_context *, struct error *);
/* Writes .mlops/forgetting; before the transaction that says "agreed". */
int forget_mark(struct op_context *, struct error *);
/* Removes the bytes of what was agreed to, and says "done". Within one's turn. *ret: {removed, copies, work_tree[]}. */
int forget_carry_out(struct op_context *, int64_t id, struct js **ret, struct error *);
/* What was agreed to and not done, if anything was. Cheap when nothing was. Whoever is on it is left alone. */
int forget_resume(struct op_context *, struct error *);
/* All remotes are told once more; and of each request of which some remote was not told. Call it when remotes are asked anyway. */
int forget_tell_remotes(struct op_context *, int64_t id, struct error *);
int forget_tell_left(struct op_context *, struct error *);

/* forget_places.c: removes every other copy below .mlops: failed and old outputs, what stood in the way, scratch trees, inflow. */
int forget_copies(struct op_context *, const struct forget_request *, uint64_t *ret_removed, struct error *);
/* Paths of the work tree that still hold such bytes; pushed. */
int forget_work_tree(struct op_context *, const struct forget_request *, struct js *paths, struct error *);
