/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "pipeline/grammar.h"
/*
 * What the pipelines of registered projects say of models, monitors, triggers and notifications: as their default branch
 * has it, never a branch that somebody pushed. Mistakes elsewhere in the file do not matter.
 */
struct error;
struct js;
struct project;

struct definition {
	char *project;      /* its name */
	bool here;          /* the agent's own work tree: its files can be read */
	char *commit;       /* or NULL */
	struct pipeline *pipeline; /* only these sections; NULL: it could not be read: */
	char *error;        /* why, for people */
};
struct definitions {
	struct definition *items; /* by name */
	size_t len;
};
void definitions_free(struct definitions *);
/* Of all registered projects, without asking the network. Files that did not change are not parsed again by who keeps
 * the result and compares `commit`. */
int definitions_load(struct project *, struct definitions *ret, struct error *);
/* NULL: none. Lent. */
const struct definition *definition_of_monitor(const struct definitions *, const char *monitor, const struct monitor_section **ret);
