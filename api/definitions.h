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
	char *stamp;        /* of what it was read from: another one means that it is to be read again */
};
struct definitions {
	struct definition *items; /* by name */
	size_t len;
};
void definitions_free(struct definitions *);
/* Of all registered projects, without asking the network. What a git source has as its own is known when it was fetched. */
int definitions_load(struct project *, struct definitions *ret, struct error *);
/* The same for who keeps the result: only what changed is read again. 1: something did, 0. On -1 it stays as it was. */
int definitions_refresh(struct project *, struct definitions *, struct error *);
/* Of one project (project_row_load's object). */
void definition_read(const struct project *, const struct js *row, struct definition *ret);
void definition_release(struct definition *);
/* A mirror keeps here what the project's own branch is; anything else that is fetched goes elsewhere. */
#define DEFINITIONS_REF "refs/mlops/fetched"
/* NULL: none. Lent. */
const struct definition *definition_of_project(const struct definitions *, const char *project);
const struct definition *definition_of_monitor(const struct definitions *, const char *monitor,
					       const struct monitor_section **ret);
/* [trigger.NAME] as triggers_set keeps it: what it says, with times in ms and budget {day, week}. Caller frees. */
struct js *trigger_spec(const struct trigger_section *);
/* {NAME: spec} of all of them. */
struct js *trigger_specs(const struct pipeline *);
