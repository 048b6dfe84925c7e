/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Directories in which a step keeps its own progress: checkpoints= of a step. They stand in the project, are made
 * before the step starts, and stay whatever comes of it, so that another attempt or run goes on from there. They are
 * neither inputs nor outputs: nothing hashes, stores or restores them, and no key knows them.
 */
struct error;
struct plan_node;
struct project;
struct scratch_user;

/* Makes those that are missing, and gives them to the user who will run the step; NULL: to us. */
int checkpoints_make(const struct project *, const struct plan_node *, const struct scratch_user *, struct error *);
