/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/* A pipeline file, loaded and planned: what run, why, dag and accept begin with. */
struct error;
struct js;
struct op_context;
struct pipeline;
struct plan;

struct loaded {
	struct pipeline *pipeline;
	struct plan *plan;
};
/* `file` is as the user typed it, NULL: pipeline.ini. `overrides` is an array of "KEY=VALUE", or NULL. With `bring`,
 * data that a fresh clone lacks is put into its place. */
int loaded_make(struct op_context *, const char *file, const struct js *overrides, bool bring, struct loaded *ret,
		struct error *);
void loaded_release(struct loaded *);
