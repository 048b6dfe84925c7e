/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * [model.NAME] around a run: before it is planned the champion's files are put where steps find them; after it went well,
 * what it made becomes a version, is judged by its gate, and asks for its alias. Not in trees of several combinations,
 * which are experiments, nor in untrusted runs.
 */
struct error;
struct js;
struct op_context;
struct pipeline;
struct plan;
struct problems;

/* Puts files of champions into champion= directories, empty ones where there is no champion. The work tree is held.
 * *ret: {MODEL: number of the version, or 0} of those with such a directory. */
int champions_place(struct op_context *, const struct pipeline *, struct js **ret, struct error *);
/* Makes those directories where they are missing, so that what only looks at the pipeline finds them. */
void champions_room(struct op_context *, const struct pipeline *);
/* What is wrong with the sections beyond their grammar. `plan` NULL: what can be told without. */
void candidates_check(struct op_context *, const struct pipeline *, const struct plan *, struct problems *);
/* After a run that went well: `result` is its own, and gets "models": [{name, version, verdict "passed" or "failed", outcome
 * "promoted" "pending" "rejected" "held" or "registered", alias, champion, lines[]}], of new versions only. */
int candidates_make(struct op_context *, const struct plan *, const struct js *champions, struct js *result, struct error *);
