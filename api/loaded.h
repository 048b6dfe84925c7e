/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/* A pipeline file, loaded and planned: what run, why, dag and accept begin with. */
struct error;
struct js;
struct op_context;
struct pipeline;
struct plan;
struct project;
struct strlist;

struct loaded {
	const char *trigger_time, *trigger_window; /* given: what ${trigger.*} stand for, or NULL */
	bool partial;         /* given: as in struct pipeline */
	struct pipeline *pipeline;
	struct plan *plan;
	struct js *champions; /* that were brought: api/candidates.h; or NULL */
};
/* `file` is as the user typed it, NULL: pipeline.ini. `overrides` is an array of "KEY=VALUE", or NULL. With `bring`,
 * data that a fresh clone lacks is put into its place, and so are champions. */
int loaded_make(struct op_context *, const char *file, const struct js *overrides, bool bring, struct loaded *ret,
		struct error *);
void loaded_release(struct loaded *);
/* The parts of it that `pipeline check` needs: the file's project path, which must be there; and the outputs that some
 * step once made. */
int loaded_path(struct op_context *, const char *file, char **ret, struct error *);
int loaded_once_made(struct project *, const struct pipeline *, struct strlist *ret, struct error *);
